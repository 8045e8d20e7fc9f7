"""Sums over rows of bf16 (row_blocks.mlir), for compare.py: the order is stated, so every bit is computed here.

Blocks of 128 rows, each a chain from zero; a chain from zero over the blocks; that is added to the gradient. An element is g, or
fma(g, x * factor, sum) of the gradient of a norm's weight.
"""

import array
import math
import random

from tensors import differing, from_bf16, read_safetensors, to_bf16, write_safetensors

ROWS, HEIGHT = (1, 127, 128, 129, 400), 128


def single(x):
    return array.array("f", [x])[0]


def fma(x, y, z):
    """x * y + z of f32, rounded once. The product is exact in double; the sum is rounded to odd, so that the second rounding is right."""
    product = x * y
    total = product + z
    part = total - product
    rest = (product - (total - part)) + (z - part)
    if rest and not int(math.frexp(total)[0] * 2.0 ** 53) & 1:
        total = math.nextafter(total, math.copysign(math.inf, rest))
    return single(total)


def expected(rows, columns, element, into):
    result = []
    for column in range(columns):
        total = 0.0
        for block in range(0, rows, HEIGHT):
            part = 0.0
            for row in range(block, min(block + HEIGHT, rows)):
                part = element(row, column, part)
            total = single(total + part)
        result.append(single(into[column] + total))
    return array.array("f", result)


def check(comparison, scratch):
    generator = random.Random(0)
    given, out = scratch / "in.safetensors", scratch / "out.safetensors"
    for columns in (40, 96):
        for rows in ROWS:
            normal = lambda count: array.array("f", [generator.gauss(0, 1) for _ in range(count)])
            g, x = to_bf16(normal(rows * columns)), to_bf16(normal(rows * columns))
            factors, a, b = normal(rows), normal(columns), normal(columns)
            write_safetensors(given, {
                "g": ("bf16", [rows, columns], g), "x": ("bf16", [rows, columns], x), "factors": ("f32", [rows], factors),
                "a": ("f32", [columns], a), "b": ("f32", [columns], b)})
            done, seconds = comparison.run("call", comparison.folder / "row_blocks.cuda.plan", f"sums_{columns}", "--in", given, "--out", out)
            what = f"sums over {rows} rows of {columns}"
            if done.returncode:
                comparison.add(what, f"FAILED: {done.stderr}", False)
                continue
            found, wide, other = read_safetensors(out), from_bf16(g), from_bf16(x)
            known = {"columns": expected(rows, columns, lambda r, c, s: single(s + wide[r * columns + c]), a),
                     "norm": expected(rows, columns, lambda r, c, s: fma(wide[r * columns + c], single(other[r * columns + c] * factors[r]), s), b)}
            wrong = {name: differing(found[name], values.tobytes()) for name, values in known.items()}
            bad = ", ".join(f"{name} in {count} words" for name, count in wrong.items() if count)
            comparison.add(what, f"DIFFERS: {bad}" if bad else "as computed by hand", not bad, (0, seconds))
