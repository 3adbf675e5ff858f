"""Small SVG plots by hand: the same numbers make the same bytes, and no plotting library is needed."""

from collections.abc import Sequence
from xml.sax.saxutils import escape

_WIDTH, _BAR, _GAP, _LABEL = 640, 18, 6, 220
_COLOR = "#4c78a8"


def bars(title: str, values: Sequence[tuple[str, float]]) -> str:
    """A horizontal bar for each label."""
    most = max((count for _, count in values), default=0) or 1
    height = 34 + len(values) * (_BAR + _GAP)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="12" fill="#333">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="8" y="20" font-weight="bold">{escape(title)}</text>',
    ]
    for n, (label, count) in enumerate(values):
        top = 30 + n * (_BAR + _GAP)
        width = round((_WIDTH - _LABEL - 90) * count / most, 1)
        text = escape(label if len(label) <= 32 else label[:31] + "…")
        lines += [
            f'<text x="{_LABEL - 8}" y="{top + 13}" text-anchor="end">{text}</text>',
            f'<rect x="{_LABEL}" y="{top}" width="{width}" height="{_BAR}" fill="{_COLOR}"/>',
            f'<text x="{_LABEL + width + 6}" y="{top + 13}">{count:,}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])
