"""Protocol Buffers' wire format for whole columns: what tf.train.Example is made of, without a loop over rows.

Every function takes and gives Arrow arrays, an element a row. https://protobuf.dev/programming-guides/encoding/
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

BYTES = pa.large_binary()


def binary(data: np.ndarray, offsets: np.ndarray) -> pa.Array:
    """Element n is `data` from offset n to offset n+1."""
    offsets = np.ascontiguousarray(offsets, dtype=np.int64)
    return pa.Array.from_buffers(BYTES, len(offsets) - 1, [None, pa.py_buffer(offsets), pa.py_buffer(data)])


def fixed(values: np.ndarray) -> pa.Array:
    """Each value as its bytes, little-endian."""
    data = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).view(np.uint8)
    return binary(data, np.arange(len(values) + 1) * values.itemsize)


def varints(values: np.ndarray) -> pa.Array:
    """Each integer in 7-bit groups, the lowest first; negative ones as their 64 bits."""
    unsigned = values.astype(np.int64).view(np.uint64)
    # Most are lengths, of one or two groups; 64 bits are ten.
    place = np.arange(max(1, -(-int(unsigned.max(initial=0)).bit_length() // 7)), dtype=np.uint64)
    groups = unsigned[:, None] >> (np.uint64(7) * place)
    sizes = np.maximum((groups != 0).sum(axis=1), 1)
    more = (place + np.uint64(1) < sizes[:, None]).astype(np.uint8) << np.uint8(7)
    data = (groups & np.uint64(0x7F)).astype(np.uint8) | more
    return binary(data[place < sizes[:, None]], np.concatenate([[0], np.cumsum(sizes)]))


def joined(*parts: pa.Array | bytes) -> pa.Array:
    """The parts one after the other; a part may be the same for all."""
    scalars = [pa.scalar(part, BYTES) if isinstance(part, bytes) else part for part in parts]
    return pc.binary_join_element_wise(*scalars, pa.scalar(b"", BYTES))


def delimited(tag: bytes, payload: pa.Array) -> pa.Array:
    """A field of bytes, or of a message: its tag, its length, itself."""
    return joined(tag, varints(pc.binary_length(payload).to_numpy(zero_copy_only=False)), payload)


def regrouped(elements: pa.Array, offsets: np.ndarray) -> pa.Array:
    """The elements from offset n to offset n+1 as one; they lie one after the other already."""
    _, starts, data = elements.buffers()
    positions = np.frombuffer(starts, dtype=np.int64, count=len(elements) + 1) if starts else np.zeros(1, np.int64)
    return binary(np.frombuffer(data or b"", dtype=np.uint8), positions[offsets])
