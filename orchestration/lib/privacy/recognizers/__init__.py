"""What finds personal data in a text: one module a family of kinds, each a table of patterns and checks.

Shapes are found by patterns here; whether a number is one is decided by kept libraries (`python-stdnum` for checksums
and structures, `phonenumbers` for numbering plans). Why not Presidio: docs/decisions/0024.
"""

from dataclasses import replace

from orchestration.lib.privacy.recognizers.base import Found, Kind, Recognizer, Text
from orchestration.lib.privacy.recognizers.contact import CONTACT
from orchestration.lib.privacy.recognizers.national_ids import NATIONAL_IDS
from orchestration.lib.privacy.recognizers.payment import PAYMENT
from orchestration.lib.privacy.recognizers.secrets import SECRETS

# Where two overlap the earlier one counts: a checksum or a maker's mark says more than a shape.
RECOGNIZERS: tuple[Recognizer, ...] = tuple(
    replace(recognizer, rank=rank) for rank, recognizer in enumerate((*SECRETS, *PAYMENT, *NATIONAL_IDS, *CONTACT))
)

__all__ = ["RECOGNIZERS", "Found", "Kind", "Recognizer", "Text"]
