"""Scores of classes made probabilities that mean what they say, and how much they tell. Pure."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]

_STEEPEST = 8.0
_HALVINGS = 40
# Far coarser than what the last bits of a sum can move.
_DECIMALS = 4


@dataclass(frozen=True)
class Calibrated:
    """Class probabilities of each row. `skill` is the share of the labels' uncertainty that they take away: 0 is what
    one knows who only knows how common each class is.
    """

    probabilities: Matrix
    skill: float


def calibrated(scores: Matrix, classes: npt.NDArray[np.int_], *, with_shares: bool) -> Calibrated:
    """Probabilities by a softmax of the scores, made as steep as fits the labels best; `with_shares` multiplies them
    with how common each class is, where scores do not hold that.

    One number is fitted on all rows, each of which has a held-out score: what a row could tell of itself is nothing.
    """
    shares = np.log(np.bincount(classes, minlength=scores.shape[1]) / len(classes))
    base = shares if with_shares else np.zeros_like(shares)
    own = scores[np.arange(len(classes)), classes]
    low, high = 0.0, _STEEPEST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        # The loss is convex: where the scores expect less than what the labels have, it falls.
        expected = (_softmax(base + middle * scores) * scores).sum(axis=1)
        low, high = (middle, high) if float((own - expected).sum()) > 0 else (low, middle)
    steepness = round((low + high) / 2, _DECIMALS)
    probabilities = _softmax(base + steepness * scores)
    loss = -np.log(np.maximum(probabilities[np.arange(len(classes)), classes], 1e-300)).mean()
    return Calibrated(probabilities, float(1 + loss / shares[classes].mean()))


def _softmax(logits: Matrix) -> Matrix:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Matrix = exponentials / exponentials.sum(axis=1, keepdims=True)
    return probabilities
