"""Reads landing files back, by the standard library and pyarrow, for the plan's own checks.

It shares nothing with `writing.py` nor with the product, so that a slip of either shows.
"""

import json
import zlib
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def lines_of(path: Path) -> dict[int, bytes]:
    """The lines of a file by number, without blank ones; of a cut file with what is left."""
    if path.suffix == ".parquet":
        rows = pq.read_table(path).to_pylist()
        return {n: json.dumps(row, default=_iso).encode() for n, row in enumerate(rows, 1)}
    raw = path.read_bytes()
    if path.suffix == ".gz":
        text = b""
        while raw:
            member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
            text += member.decompress(raw)
            raw = member.unused_data
    elif path.suffix == ".zst":
        text = _unzstd(raw)
    else:
        text = raw
    lines = text.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    return {n: line.rstrip(b"\r") for n, line in enumerate(lines, 1) if line.strip()}


def _unzstd(raw: bytes) -> bytes:
    stream, text = pa.CompressedInputStream(pa.BufferReader(raw), "zstd"), b""
    try:
        while byte := stream.read(1):
            text += byte
    except OSError:
        text += b"(cut)"  # the break may come before the first byte of the line that it takes
    return text


def _iso(value: datetime) -> str:
    return value.isoformat()
