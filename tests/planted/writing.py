"""How a `LandingFile` becomes the bytes of a file. Nothing here knows an answer.

The same plan gives the same bytes on any machine: no time, no name of a machine goes into a header.
"""

import gzip
import json
import zlib
from datetime import datetime
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from .plan import LandingFile, Planted

BOM = b"\xef\xbb\xbf"

INFERENCE_COLUMNS = pa.schema(
    [
        ("request_id", pa.string()),
        ("timestamp", pa.timestamp("us", "UTC")),
        ("model_version", pa.string()),
        ("output", pa.struct([("text", pa.string()), ("alternatives", pa.list_(pa.string()))])),
    ]
)
FEEDBACK_COLUMNS = pa.schema(
    [
        ("feedback_id", pa.string()),
        ("request_id", pa.string()),
        ("inference_request_id", pa.string()),
        ("rating", pa.float64()),
        ("thumbs", pa.string()),
        ("preferred_output_idx", pa.int64()),
        ("comment", pa.string()),
        ("feedback", pa.struct([("comment", pa.string())])),
        ("timestamp", pa.string()),
    ]
)


def encode(file: LandingFile) -> bytes:
    """The bytes of the file as it lands."""
    if file.verbatim is not None:
        return file.verbatim
    if file.name.endswith(".parquet"):
        return _parquet(file)
    if file.cut:
        return _cut(file)
    return b"".join(_compress(part, file.name) for part in _parts(_text(file), file.members))


def _text(file: LandingFile) -> bytes:
    lines = [line.landed() if isinstance(line, Planted) else line for line in file.body]
    end = file.line_end if lines and file.ends_with_line_end else b""
    return (BOM if file.bom else b"") + file.line_end.join(lines) + end


def _parts(text: bytes, count: int) -> list[bytes]:
    """Equal parts, which break within a line as a rule."""
    size = len(text) // count
    cuts = [size * number for number in range(count)] + [len(text)]
    return [text[start:end] for start, end in pairwise(cuts)]


def _compress(text: bytes, name: str) -> bytes:
    if name.endswith(".gz"):
        return gzip.compress(text, mtime=0)
    if name.endswith(".zst"):
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, "zstd") as stream:
            stream.write(text)
        return bytes(sink.getvalue().to_pybytes())
    return text


def _cut(file: LandingFile) -> bytes:
    """All lines but the last as flushed blocks, then half of what the last one compresses to."""
    last = file.body[-1]
    assert isinstance(last, Planted)
    complete = b"".join(
        (line.landed() if isinstance(line, Planted) else line) + file.line_end for line in file.body[:-1]
    )
    if file.name.endswith(".gz"):
        gz = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
        head = gz.compress(complete) + gz.flush(zlib.Z_FULL_FLUSH)
        rest = gz.compress(last.landed() + file.line_end) + gz.flush()
    else:
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, "zstd") as stream:
            stream.write(complete)
            stream.flush()
            flushed = sink.tell()
            stream.write(last.landed() + file.line_end)
        whole = bytes(sink.getvalue().to_pybytes())
        head, rest = whole[:flushed], whole[flushed:]
    return head + rest[: len(rest) // 2]


def _parquet(file: LandingFile) -> bytes:
    rows: list[dict[str, Any]] = [json.loads(line.raw) for line in file.lines]
    columns = FEEDBACK_COLUMNS
    if file.stream == "inferences":
        columns = INFERENCE_COLUMNS
        rows = [row | {"timestamp": datetime.fromisoformat(row["timestamp"])} for row in rows]
    unknown = {key for row in rows for key in row} - set(columns.names)
    assert not unknown, f"{file.path}: add a column for {unknown}"
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema=columns), sink, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())
