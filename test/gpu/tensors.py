"""Tensors in files, and how far two of them are apart, for compare.py and its parts."""

import array
import json
import struct

CODES = {"f32": ("F32", "f"), "bf16": ("BF16", "H"), "i32": ("I32", "i"), "i64": ("I64", "q")}


def write_safetensors(path, tensors):
    header, blob = {}, b""
    for name, (dtype, shape, values) in tensors.items():
        kind, code = CODES[dtype]
        data = array.array(code, values).tobytes()
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(blob), len(blob) + len(data)]}
        blob += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + blob)


def read_safetensors(path):
    """{name: bytes}."""
    data = path.read_bytes()
    (size,) = struct.unpack_from("<Q", data)
    tensors = {}
    for name, entry in json.loads(data[8:8 + size]).items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            tensors[name] = data[8 + size + begin:8 + size + end]
    return tensors


def differing(a, b):
    """How many 4-byte words differ; of different lengths: all, and at least one."""
    if len(a) != len(b):
        return max(len(a), len(b), 4) // 4
    if len(a) % 4:
        a, b = a + b"\0\0", b + b"\0\0"
    x, y = memoryview(a).cast("I"), memoryview(b).cast("I")
    return sum(p != q for p, q in zip(x, y))


def all_differing(a, b):
    """{name: differing words} of two results; a tensor that only one has differs."""
    wrong = {name: differing(a.get(name, b""), b.get(name, b"")) for name in {**a, **b}}
    wrong |= {name: max(wrong[name], 1) for name in a.keys() ^ b.keys()}
    return {name: n for name, n in wrong.items() if n}


def to_bf16(values):
    """Their upper halves, rounded to nearest even."""
    words = memoryview(array.array("f", values)).cast("B").cast("I")
    return array.array("H", [(w + 0x7FFF + (w >> 16 & 1)) >> 16 for w in words])


def from_bf16(bits):
    return array.array("f", array.array("I", [b << 16 for b in bits]).tobytes())


def largest(errors):
    """The largest error. max() drops a NaN that is not the first: here it is infinite, and so is the error of nothing."""
    return max((e if e == e else float("inf") for e in errors), default=float("inf"))


def distance(a, b):
    """The norm of the difference of two lists of bf16, relative to the second's; infinite where a number is none."""
    a, b = from_bf16(a), from_bf16(b)
    if len(a) != len(b):
        return float("inf")
    return largest([(sum((x - y) ** 2 for x, y in zip(a, b)) / sum(y * y for y in b)) ** 0.5])
