"""What stands between landing and ledger: chunks of landed lines in, the same lines without personal data out.

Set-based where it can be: RE2 over the whole chunk tells which lines may hold something (`prefilter.py`), a join tells
the tokens of the user ids; Python looks at the lines that are left (`lines.py`).
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.contracts.fields import Stream
from orchestration.lib.privacy import user_ids
from orchestration.lib.privacy.lines import LineRewriter
from orchestration.lib.privacy.names import load_model
from orchestration.lib.privacy.placeholders import Placeholders
from orchestration.lib.privacy.policy import PrivacyPolicy, load_policy
from orchestration.lib.privacy.prefilter import hints_of
from orchestration.lib.privacy.pseudonyms import Pseudonyms
from orchestration.lib.privacy.recognizers.base import Hint
from orchestration.lib.privacy.text_masker import Model, TextMasker
from orchestration.lib.settings import Settings

# Counts one up whenever the same line would be stored otherwise: then the days are other ones.
VERSION = 2
_HINTS = tuple(Hint)


class GuardError(RuntimeError):
    """A line could not be masked; the message says which, and nothing of what is in it."""


@dataclass(frozen=True)
class Protected:
    """Lines as they may be stored; `found` counts the personal data by kind, `tokens` are of the user ids in them."""

    lines: pa.Table
    found: Counter[str]
    tokens: dict[str, str]


@dataclass(frozen=True)
class Guard:
    """The protection of one stream. `model` finds names and places, if a policy has one."""

    stream: Stream
    policy: PrivacyPolicy
    pseudonyms: Pseudonyms
    model: Model | None = None

    @classmethod
    def of(cls, settings: Settings, stream: Stream) -> "Guard":
        """Raises PolicyError for a policy that can not be used."""
        policy = load_policy(settings.privacy)
        return cls(stream, policy, Pseudonyms.of(settings), load_model(policy.names))

    @property
    def fingerprint(self) -> str:
        """What the stored lines depend on beside the landed ones; no key shows in it."""
        return json.dumps([VERSION, self.policy.digest, list(self.pseudonyms.fingerprints)])

    def protect(self, lines: pa.Table) -> Protected:
        """A chunk of `landing.LINES` as it may be stored, and what was found in it."""
        masker = TextMasker(Placeholders(self.pseudonyms), self.model)
        landed = lines["bytes"].combine_chunks()
        hints = self._hints(landed)
        one_by_one = hints > 0
        text, tokens, has_tokens = landed, dict[str, str](), np.zeros(len(landed), dtype=bool)
        stored = self.policy.of(self.stream.name)
        if self.pseudonyms.keys:
            may_hide = np.ones(len(landed), dtype=bool) if stored.masks_nothing else hints > 0
            users = user_ids.replaced(landed, self.policy.user_id_fields, self.pseudonyms, may_hide=may_hide)
            text, tokens, has_tokens = users.lines, users.tokens, users.is_done
            one_by_one |= users.one_by_one
        if self.model is not None or stored.text_characters is not None or not stored.keeps_logprobs:
            one_by_one[:] = True
        if one_by_one.any():
            rewriter = LineRewriter(self.stream, self.policy, self.pseudonyms, masker)
            numbers = np.flatnonzero(one_by_one)
            # Where all ids are tokens only texts are left to be looked at.
            given = pc.if_else(pa.array(has_tokens[numbers]), text.take(numbers), landed.take(numbers)).to_pylist()
            new = [
                self._rewritten(rewriter, lines, int(n), line, _BY_BITS[hints[n]], has_tokens=bool(has_tokens[n]))
                for n, line in zip(numbers, given, strict=True)
            ]
            text = pc.replace_with_mask(text, pa.array(one_by_one), pa.array(new, pa.binary()))
            tokens |= rewriter.tokens
        return Protected(lines.set_column(lines.schema.get_field_index("bytes"), "bytes", text), masker.counts, tokens)

    def _hints(self, landed: pa.Array) -> "np.ndarray[tuple[int], np.dtype[np.uint8]]":
        """None where nothing would be masked."""
        if self.policy.of(self.stream.name).masks_nothing:
            return np.zeros(len(landed), dtype=np.uint8)
        return hints_of(landed)

    def _rewritten(
        self,
        rewriter: LineRewriter,
        lines: pa.Table,
        number: int,
        line: bytes,
        hints: frozenset[Hint],
        *,
        has_tokens: bool,
    ) -> bytes:
        try:
            return rewriter.rewrite(line, hints, has_tokens=has_tokens)
        except Exception as error:
            # The error itself may quote what was to be masked.
            raise GuardError(
                f"{self.stream.name}: line {lines['source_line'][number]} of the day's file number "
                f"{lines['file_index'][number].as_py() + 1} could not be masked ({type(error).__name__}); "
                "nothing of the day is stored"
            ) from None


_BY_BITS: Sequence[frozenset[Hint]] = [
    frozenset(hint for place, hint in enumerate(_HINTS) if bits >> place & 1) for bits in range(2 ** len(_HINTS))
]
