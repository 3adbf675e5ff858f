"""Which texts are near one that came before them and was kept: decided in order, compared in bulk.

A text is left out when an earlier one that was kept is near it. So what comes later never changes what came of an
earlier one. Texts go through it in stretches: those of a stretch are compared with each other, and what is kept of them
with all that come later, so that ten thousand texts that are alike are compared with the first and not with each other.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from orchestration.lib.similarity.shingles import Texts
from orchestration.lib.similarity.words import Hashes, Numbers, distinct, groups_of_at_most, mixed

NONE = -1
# Pairs of the first stretch, which finds what many are alike to, and of the largest.
_FIRST_PAIRS, _MOST_PAIRS = 1 << 16, 1 << 22
# Shingles that are compared at once.
_MOST_SHINGLES = 1 << 23
# A pair takes the upper bits of what is compared, and its shingles' hashes what is left.
_PAIR_BITS = 18

Pairs = tuple[Numbers, Numbers]
Flags = npt.NDArray[np.bool_]


def earlier_near(texts: Texts, order: Numbers, labels: Numbers | None = None) -> Numbers:
    """For each text the first that was kept before it and is near it, or NONE: then it is kept, too.

    `order` are the texts' numbers in the order in which they are decided on. With `labels` only texts of different
    labels are in each other's way.
    """
    found = np.full(len(order), NONE, np.int64)
    counts, digests = texts.counts, texts.digests
    ordered = order[counts[order] > 0]
    if not len(ordered):
        return found
    own_labels = np.zeros(len(order), np.int64) if labels is None else labels
    # Texts of the same words and label share their fate: a million copies are one text.
    alike = digests[ordered] ^ mixed(own_labels[ordered].astype(np.uint64))
    _, first, inverse = np.unique(alike, return_index=True, return_inverse=True)
    by_place = np.argsort(first)
    place_of = np.empty(len(first), np.int64)
    place_of[by_place] = np.arange(len(first))
    texts_once = ordered[first[by_place]]
    of_distinct = _Comparison(texts, texts_once, own_labels[texts_once], is_exclusive=labels is not None).decide()
    fate = of_distinct[place_of[inverse]]
    found[ordered] = np.where(fate == NONE, NONE, texts_once[fate])
    if labels is None:
        again = np.ones(len(ordered), bool)
        again[first] = False
        copies = ordered[again & (fate == NONE)]
        found[copies] = texts_once[place_of[inverse]][again & (fate == NONE)]
    return found


class _Comparison:
    """Distinct texts in their order, told by their places in it."""

    def __init__(self, texts: Texts, distinct: Numbers, labels: Numbers, *, is_exclusive: bool) -> None:
        self._similarity = texts.similarity
        ends = np.cumsum(texts.counts)
        self._ends, self._sizes = ends[distinct], texts.counts[distinct]
        self._shingles = texts.shingles()
        self._labels, self._is_exclusive = labels, is_exclusive
        self._number_of_labels = int(labels.max(initial=0)) + 1
        self._found = np.full(len(distinct), NONE, np.int64)
        self._decided = 0
        self._bucket, self._place = _buckets(texts.bands[distinct])

    def decide(self) -> Numbers:
        """For each place the first place that is kept and near, or NONE."""
        most = _FIRST_PAIRS
        while self._decided < len(self._found):
            first, last = self._decided, self._next_stretch(most)
            in_stretch = (self._place >= first) & (self._place < last)
            for earlier, later in self._candidates(in_stretch, in_stretch):
                self._decide_in_order(*self._near(earlier, later))
            self._decided = last
            kept = in_stretch & (self._found[self._place] == NONE)
            for earlier, later in self._candidates(kept, self._place >= last):
                self._leave_out(*self._near(earlier, later))
            is_open = (self._place >= last) & (self._found[self._place] == NONE)
            self._bucket, self._place = self._bucket[is_open], self._place[is_open]
            most = min(4 * most, _MOST_PAIRS)
        return self._found

    def _next_stretch(self, most: int) -> int:
        """The end of the longest stretch of undecided texts that has not more than `most` pairs, of one at least."""
        if not len(self._place):
            return len(self._found)
        pairs = sum((high - low for low, high in self._ranges(self._keys(), slice(None))), np.zeros(1, np.int64))
        of_place = np.bincount(self._place, pairs, minlength=len(self._found))[self._decided :]
        return self._decided + max(int(np.searchsorted(np.cumsum(of_place), most, side="right")), 1)

    def _keys(self, chosen: Flags | Numbers | slice = slice(None)) -> Hashes:
        """Members of buckets as sorted numbers: bucket, label, place."""
        place = self._place[chosen]
        return np.sort(self._key(self._bucket[chosen], self._labels[place]) | place.astype(np.uint64))

    def _key(self, bucket: Numbers, label: Numbers) -> Hashes:
        return (bucket * self._number_of_labels + label).astype(np.uint64) << np.uint64(32)

    def _ranges(self, keys: Hashes, chosen: Flags | Numbers | slice) -> Iterator[Pairs]:
        """For each label, between which of `keys` are the earlier members in the buckets of the chosen ones."""
        bucket, place = self._bucket[chosen], self._place[chosen]
        for label in range(self._number_of_labels):
            begin = self._key(bucket, np.full(len(bucket), label))
            low, high = np.searchsorted(keys, begin), np.searchsorted(keys, begin | place.astype(np.uint64))
            yield low, np.where(self._is_exclusive & (self._labels[place] == label), low, high)

    def _candidates(self, sources: Flags, targets: Flags) -> Iterator[Pairs]:
        """Pairs in a bucket, an earlier one of the sources with a later one of the targets, as many as fit at once.

        All pairs of one target come at once, the earliest first, and targets in order.
        """
        keys = self._keys(sources)
        for label_ranges in self._spans_of_targets(keys, targets):
            pairs = []
            for later, low, high in label_ranges:
                number = high - low
                ends = np.cumsum(number)
                among = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - number, number)
                earlier = (keys[np.repeat(low, number) + among] & np.uint64(0xFFFFFFFF)).astype(np.uint64)
                pairs.append(np.repeat(later, number).astype(np.uint64) << np.uint64(32) | earlier)
            found = distinct(np.concatenate(pairs))
            later, earlier = (found >> np.uint64(32)).astype(np.int64), (found & np.uint64(0xFFFFFFFF)).astype(np.int64)
            yield earlier, later

    def _spans_of_targets(self, keys: Hashes, targets: Flags) -> Iterator[list[tuple[Numbers, Numbers, Numbers]]]:
        """The targets' members by label, cut between targets so that no more pairs are made at once than may be."""
        members: Numbers = np.flatnonzero(targets)
        members = members[np.argsort(self._place[members], kind="stable")]
        ranges = list(self._ranges(keys, members))
        later = self._place[members]
        number = sum((high - low for low, high in ranges), np.zeros(len(members), np.int64))
        places, starts = np.unique(later, return_index=True)
        if not len(places):
            return
        borders = np.append(starts, len(later))
        for first, last in groups_of_at_most(np.add.reduceat(number, starts), _MOST_PAIRS):
            of_span = slice(borders[first], borders[last])
            yield [(later[of_span], low[of_span], high[of_span]) for low, high in ranges]

    def _near(self, earlier: Numbers, later: Numbers) -> Pairs:
        """Those of the pairs that are near: their shingles are compared, all of them."""
        near = [np.empty(0, bool)]
        for first, last in groups_of_at_most(self._sizes[earlier] + self._sizes[later], _MOST_SHINGLES):
            for begin in range(first, last, 1 << _PAIR_BITS):
                part = slice(begin, min(last, begin + (1 << _PAIR_BITS)))
                near.append(self._are_near(earlier[part], later[part]))
        is_near = np.concatenate(near)
        return earlier[is_near], later[is_near]

    def _are_near(self, earlier: Numbers, later: Numbers) -> Flags:
        one, other = self._sets(earlier), self._sets(later)
        both = np.sort(np.concatenate([one, other]))
        pair = np.uint64(64 - _PAIR_BITS)
        shared = np.bincount((both[1:][both[1:] == both[:-1]] >> pair).astype(np.int64), minlength=len(earlier))
        in_either = np.bincount((both >> pair).astype(np.int64), minlength=len(earlier)) - shared
        # A share is a fraction, and a similarity of 0.8 none that binary numbers have.
        return shared >= self._similarity * in_either - 1e-9

    def _sets(self, places: Numbers) -> Hashes:
        """The shingles of texts, each once for its text: the text's number among them, then the hash; sorted."""
        sizes = self._sizes[places]
        ends = np.cumsum(sizes)
        index = np.arange(ends[-1]) - np.repeat(ends - self._ends[places], sizes)
        pair = np.repeat(np.arange(len(places), dtype=np.uint64), sizes) << np.uint64(64 - _PAIR_BITS)
        return distinct(self._shingles[index] >> np.uint64(_PAIR_BITS) | pair)

    def _decide_in_order(self, earlier: Numbers, later: Numbers) -> None:
        """Each follows from those before it, so this is a step a near pair, and not a bulk one."""
        out: dict[int, int] = {}
        for one, other in zip(earlier.tolist(), later.tolist(), strict=True):
            if other not in out and one not in out and self._found[one] == NONE:
                out[other] = one
        if out:
            self._found[list(out)] = list(out.values())

    def _leave_out(self, earlier: Numbers, later: Numbers) -> None:
        """The first of those kept is what each is left out for."""
        places, first = np.unique(later, return_index=True)
        self._found[places] = earlier[first]


def _buckets(bands: Hashes) -> Pairs:
    """Buckets that have two members or more: number of the bucket, and place of the member, for each member."""
    buckets, places, number = [np.empty(0, np.int64)], [np.empty(0, np.int64)], 0
    for band in bands.T:
        order = np.argsort(band, kind="stable")
        starts = np.append(True, band[order][1:] != band[order][:-1]) if len(order) else np.empty(0, bool)
        bucket = np.cumsum(starts) - 1
        has_several = np.bincount(bucket)[bucket] > 1
        # Numbered anew, so that a number has room in a key beside label and place.
        bucket = np.cumsum(starts[has_several]) - 1
        buckets.append(bucket + number)
        places.append(order[has_several])
        number += int(bucket[-1]) + 1 if len(bucket) else 0
    return np.concatenate(buckets), np.concatenate(places).astype(np.int64)
