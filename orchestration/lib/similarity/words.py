"""Texts as hashes of their words: what a word is, in any script, and nothing of what it means.

Everything is computed over all texts at once, in NumPy, and of the characters alone: the same on any machine.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Hashes = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]

# Characters in memory at once, with some 40 bytes for each; a longer text is taken by itself.
_CHARACTERS_AT_ONCE = 1 << 21
# Odd, so that it has an inverse modulo 2 to the 64; from the digits of pi.
_BASE = 0x243F6A8885A308D3
_SEPARATES, _BELONGS, _ALONE = 0, 1, 2
# Fixed ranges of Unicode, since Python's own tables are others with each of its versions. What is in neither list
# belongs to a word. Separators: controls, punctuation, symbols.
_SEPARATORS = (
    *((0x00, 0x2F), (0x3A, 0x40), (0x5B, 0x5E), (0x60, 0x60), (0x7B, 0xA9), (0xAB, 0xB1), (0xB4, 0xB4)),
    *((0xB6, 0xB8), (0xBB, 0xBF), (0xD7, 0xD7), (0xF7, 0xF7), (0x060C, 0x060C), (0x061B, 0x061F)),
    *((0x06D4, 0x06D4), (0x0964, 0x0965), (0x1680, 0x1680), (0x2000, 0x206F), (0x20A0, 0x20CF), (0x2190, 0x2BFF)),
    *((0x2E00, 0x2E7F), (0x3000, 0x3004), (0x3008, 0x3020), (0x3030, 0x3030), (0xFE00, 0xFE1F), (0xFE30, 0xFE6F)),
    *((0xFF01, 0xFF0F), (0xFF1A, 0xFF20), (0xFF3B, 0xFF40), (0xFF5B, 0xFF65)),
)
# Scripts without spaces between words, and emoji: each character is a word.
_WORDS_BY_THEMSELVES = (
    *((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x2E80, 0x2FDF), (0x3005, 0x3007), (0x3040, 0x312F)),
    *((0x31A0, 0x31FF), (0x3400, 0x9FFF), (0xF900, 0xFAFF), (0xFF66, 0xFF9F), (0x1F000, 0x1FAFF), (0x20000, 0x3FFFF)),
)


def _classes() -> npt.NDArray[np.uint8]:
    classes = np.full(0x110000, _BELONGS, np.uint8)
    for ranges, kind in ((_SEPARATORS, _SEPARATES), (_WORDS_BY_THEMSELVES, _ALONE)):
        for first, last in ranges:
            classes[first : last + 1] = kind
    return classes


_CLASS_OF = _classes()


def mixed(hashes: Hashes) -> Hashes:
    """Each number as one that looks drawn at random (the finalizer of splitmix64)."""
    x = hashes + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def powers(base: int, count: int) -> Hashes:
    """`base` to the 0, 1, 2, … modulo 2 to the 64."""
    return _powers(base, 1 << max(count - 1, 0).bit_length())[:count]


@lru_cache(maxsize=4)
def _powers(base: int, count: int) -> Hashes:
    factors = np.full(count, base, np.uint64)
    factors[:1] = 1
    return np.multiply.accumulate(factors)


def distinct(values: Hashes) -> Hashes:
    """Each value once, sorted; on large arrays a fifth of the time that np.unique takes with its hash table."""
    found = np.sort(values)
    return found[np.append(True, found[1:] != found[:-1])] if len(found) else found


def groups_of_at_most(sizes: Numbers, most: int) -> list[tuple[int, int]]:
    """Cuts a row of things into spans that have together at most so much; what has more by itself is a span of one."""
    ends, spans, first = np.cumsum(sizes), [], 0
    while first < len(sizes):
        before = ends[first - 1] if first else 0
        last = max(int(np.searchsorted(ends, before + most, side="right")), first + 1)
        spans.append((first, last))
        first = last
    return spans


def word_hashes(texts: pa.LargeStringArray) -> tuple[Hashes, Numbers]:
    """The words of all texts one after the other, and where each text's begin (and the last ones end).

    The texts are lower case, without nulls. One that has no word but something else is a word; an empty one has none.
    """
    lengths = pc.utf8_length(texts).to_numpy().astype(np.int64)
    hashes, counts = [], []
    for first, last in groups_of_at_most(lengths, _CHARACTERS_AT_ONCE):
        found, number = _of_some(_code_points(texts.slice(first, last - first)), lengths[first:last])
        hashes.append(found)
        counts.append(number)
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(counts))]) if counts else np.zeros(1)
    return (np.concatenate(hashes) if hashes else np.empty(0, np.uint64)), offsets.astype(np.int64)


def _code_points(texts: pa.LargeStringArray) -> npt.NDArray[np.uint32] | npt.NDArray[np.uint8]:
    begin, end = np.frombuffer(texts.buffers()[1], np.int64)[[texts.offset, texts.offset + len(texts)]]
    data = memoryview(texts.buffers()[2] or b"")[begin:end]
    decoded = str(data, "utf-8")
    return np.frombuffer(data, np.uint8) if decoded.isascii() else np.frombuffer(decoded.encode("utf-32-le"), np.uint32)


def _of_some(points: npt.NDArray[np.uint32] | npt.NDArray[np.uint8], lengths: Numbers) -> tuple[Hashes, Numbers]:
    """The hashes of the words of a few texts that stand in a row, and how many each has."""
    ends = np.cumsum(lengths)
    begins = ends - lengths
    kind = _CLASS_OF[points]
    in_word = kind != _SEPARATES
    starts_word = in_word & (kind == _ALONE)
    starts_word[1:] |= in_word[1:] & (kind[:-1] != _BELONGS)
    firsts = begins[lengths > 0]
    starts_word[firsts] = in_word[firsts]
    borders = np.flatnonzero(starts_word | ~in_word)
    begins_one = np.flatnonzero(starts_word[borders])
    starts, stops = borders[begins_one], np.append(borders[1:], len(points))[begins_one]
    of_text = np.searchsorted(starts, np.append(begins, len(points)))
    counts = np.diff(of_text)
    # A text such as "???" is its own only word.
    whole = (counts == 0) & (lengths > 0)
    if whole.any():
        starts = np.insert(starts, of_text[:-1][whole], begins[whole])
        stops = np.insert(stops, of_text[:-1][whole], ends[whole])
        counts = counts + whole
    return _polynomials(points, starts, stops), counts


def _polynomials(points: npt.NDArray[np.uint32] | npt.NDArray[np.uint8], starts: Numbers, stops: Numbers) -> Hashes:
    """A hash of each stretch of characters: a polynomial in them, from the differences of one running sum."""
    terms = (points.astype(np.uint64) + np.uint64(1)) * powers(_BASE, len(points))
    sums = np.concatenate([np.zeros(1, np.uint64), np.add.accumulate(terms)])
    back = powers(pow(_BASE, -1, 1 << 64), len(points) + 1)
    return mixed((sums[stops] - sums[starts]) * back[starts])
