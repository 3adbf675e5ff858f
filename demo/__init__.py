"""A week of example traffic for the platform: `python -m demo --data-dir DIR`, or `write_demo(DIR)`.

Here belongs only what *producers* would do: write landing files as CONTRACT sections 1 and 2 describe
them. Nothing here reads the ledger or imports the platform, so the platform can not be made to fit it.
"""

from demo.build import main, write_demo

__all__ = ["main", "write_demo"]
