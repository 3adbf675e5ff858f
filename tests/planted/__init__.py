"""Planted traffic with known answers: start at `scenario.py`."""
