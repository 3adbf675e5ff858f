"""Texts as sets of shingles, the runs of so many words that are in them, and MinHash over these.

Texts are near when of all shingles that either has, a large enough share is in both (Jaccard). Which texts are worth
comparing is told by MinHash: bands of the smallest hashes, of which near texts have one alike. How many bands there are
follows from the similarity: of pairs that are just near enough, one in a thousand million has none.
"""

import math
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from orchestration.lib.similarity.words import Hashes, Numbers, groups_of_at_most, mixed, powers, word_hashes

_MISSED = 1e-9
# More hashes make more selective bands, and cost as much more.
_MOST_HASHES = 192
# Hashes that are taken the smallest of at once: they stay in a core's cache.
_AT_ONCE = 1 << 16
_BASE = 0x13198A2E03707345


@dataclass(frozen=True)
class Bands:
    """`number` bands, each of `rows` hashes: texts are candidates when all hashes of a band are alike."""

    number: int
    rows: int


def bands_for(similarity: float) -> Bands:
    """The most selective bands that overlook next to no pair, with as many hashes as may be."""
    if similarity >= 1:
        return Bands(1, 4)
    found = Bands(math.ceil(math.log(_MISSED) / math.log(1 - similarity)), 1)
    while True:
        rows = found.rows + 1
        number = math.ceil(math.log(_MISSED) / math.log1p(-(similarity**rows)))
        if number * rows > _MOST_HASHES:
            return found
        found = Bands(number, rows)


def shingle_hashes(words: Hashes, offsets: Numbers, size: int, digests: Hashes) -> tuple[Hashes, Numbers]:
    """Each run of `size` words, with repetitions; and where each text's begin. A shorter text is one: its digest."""
    counts = np.diff(offsets)
    made = np.where(counts > 0, np.maximum(counts - size + 1, 1), 0)
    text = np.repeat(np.arange(len(counts)), made)
    ends = np.cumsum(made)
    place = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - made, made) + offsets[:-1][text]
    runs = np.zeros(len(words), np.uint64)
    for n, factor in enumerate(powers(_BASE, size)):
        runs[: len(words) - n] += words[n:] * factor
    hashes = runs[place]
    short = np.flatnonzero(counts[text] < size)
    hashes[short] = digests[text[short]]
    return mixed(hashes), np.concatenate([[0], ends]).astype(np.int64)


def word_digests(words: Hashes, offsets: Numbers) -> Hashes:
    """A hash of all words of each text, in order."""
    counts = np.diff(offsets)
    place = np.arange(len(words)) - np.repeat(offsets[:-1], counts)
    terms = words * powers(_BASE, int(counts.max(initial=0)))[place] if len(words) else words
    sums = np.concatenate([np.zeros(1, np.uint64), np.add.accumulate(terms)])
    return mixed(sums[offsets[1:]] - sums[offsets[:-1]] + counts.astype(np.uint64))


def band_hashes(shingles: Hashes, offsets: Numbers, bands: Bands) -> Hashes:
    """For each text the hashes of its bands; a text without shingles has some, too, that mean nothing."""
    count = bands.number * bands.rows
    seeds = mixed(np.arange(2 * count, dtype=np.uint64))
    factors, masks = (seeds[:count] | np.uint64(1)).astype(np.uint32), seeds[count:].astype(np.uint32)
    sizes = np.diff(offsets)
    has_some = np.flatnonzero(sizes)
    smallest = np.zeros((count, len(sizes)), np.uint32)
    halves = (shingles >> np.uint64(32)).astype(np.uint32)
    for first, last in groups_of_at_most(sizes[has_some], _AT_ONCE):
        texts = has_some[first:last]
        part = halves[offsets[texts[0]] : offsets[texts[-1] + 1]]
        starts = offsets[texts] - offsets[texts[0]]
        scratch = np.empty_like(part)
        for n in range(count):
            np.bitwise_xor(part, masks[n], out=scratch)
            np.multiply(scratch, factors[n], out=scratch)
            smallest[n, texts] = np.minimum.reduceat(scratch, starts)
    made = np.empty((len(sizes), bands.number), np.uint64)
    for band in range(bands.number):
        of_band = smallest[band * bands.rows : (band + 1) * bands.rows].astype(np.uint64)
        made[:, band] = mixed((of_band * powers(_BASE, bands.rows)[:, None]).sum(axis=0, dtype=np.uint64))
    return made


@dataclass
class Texts:
    """Texts that are compared: their shingles in a file, since they take more room than the texts do."""

    similarity: float
    shingle: int
    folder: Path | None = None
    _digests: list[Hashes] = field(default_factory=list)
    _bands: list[Hashes] = field(default_factory=list)
    _counts: list[Numbers] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._file = tempfile.TemporaryFile(dir=self.folder)  # noqa: SIM115 - it is gone when nobody holds it
        self._band_shape = bands_for(self.similarity)

    def add(self, texts: pa.Array) -> None:
        """Texts, lower case; a null is one that is like no other."""
        words, offsets = word_hashes(texts.cast(pa.large_string()).fill_null(""))
        digests = word_digests(words, offsets)
        shingles, shingle_offsets = shingle_hashes(words, offsets, self.shingle, digests)
        self._digests.append(digests)
        self._counts.append(np.diff(shingle_offsets))
        self._bands.append(band_hashes(shingles, shingle_offsets, self._band_shape))
        shingles.tofile(self._file)

    @property
    def number(self) -> int:
        """How many texts there are."""
        return sum(len(counts) for counts in self._counts)

    @property
    def counts(self) -> Numbers:
        """How many shingles each text has, with repetitions."""
        return np.concatenate(self._counts) if self._counts else np.empty(0, np.int64)

    @property
    def digests(self) -> Hashes:
        """Texts of the same words have the same."""
        return np.concatenate(self._digests) if self._digests else np.empty(0, np.uint64)

    @property
    def bands(self) -> Hashes:
        """A row for each text."""
        return np.concatenate(self._bands) if self._bands else np.empty((0, 1), np.uint64)

    def shingles(self) -> Hashes:
        """The shingles of all texts in a row."""
        self._file.flush()
        size = self._file.seek(0, 2)
        return np.memmap(self._file, np.uint64, mode="r") if size else np.empty(0, np.uint64)
