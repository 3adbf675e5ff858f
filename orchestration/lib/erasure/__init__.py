"""Erasure: a person is forgotten in every copy, and the copies that had them say so (docs/decisions/0026)."""
