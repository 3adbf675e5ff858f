"""Event schemas: the one source of the JSON Schemas, the ledger's types and the checks of a line."""
