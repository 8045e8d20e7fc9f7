"""Products that cuBLASLt may compute (library.mlir) against the same program without it, for compare.py: by bits. With parity off
they need not have the same bits, but must be near."""

import array
import ctypes
import os
import random

from tensors import all_differing, differing, from_bf16, read_safetensors, to_bf16, write_safetensors

SHAPES = {"x": (None, 104), "y": (None, 104), "g": (None, 136), "h": (None, 72), "wq": (136, 104), "wk": (72, 104), "wl": (136, 104), "bq": (136,),
          "iq": (136, 104), "ik": (72, 104)}
WIDE = ("iq", "ik", "f", "dq", "dk")
# Of the largest number: sums of at most 4,096 products, rounded to bf16.
NEAR = 1e-2
# Of rows: five for each of the five launches.
RANGES = 25


def numbers(bits, wide):
    return array.array("f", bits) if wide else from_bf16(array.array("H", bits))


def library_missing():
    """None, or why there is no cuBLASLt where mirl looks first."""
    for name in filter(None, [os.environ.get("MIRL_CUBLASLT"), "libcublasLt.so.13", "libcublasLt.so.12"]):
        try:
            ctypes.CDLL(name)
            return None
        except OSError as error:
            reason = str(error)
    return reason


def check(comparison, scratch, small):
    if reason := library_missing():
        return comparison.add("products of a library", f"not compared: {reason}", True)
    generator = random.Random(0)
    given, out = scratch / "in.safetensors", scratch / "out.safetensors"
    for name, counts in {"library": (1, 7, 16), **({} if small else {"library_large": (1, 300, 4096)})}.items():
        for rows in counts:
            tensors = {}
            for tensor, (first, *rest) in SHAPES.items():
                shape = [first or rows, *rest]
                values = [generator.gauss(0, 1) for _ in range(shape[0] * (rest[0] if rest else 1))]
                tensors[tensor] = ("f32", shape, values) if tensor in WIDE else ("bf16", shape, to_bf16(values))
            write_safetensors(given, tensors)
            results, notes = {}, {}
            for plan in ("own", "same", "any"):
                done, _ = comparison.run("call", comparison.folder / f"{name}.{plan}.plan", "products", "--in", given, "--out", out)
                if done.returncode:
                    comparison.add(f"products of a library, {name}.{plan}, {rows} rows", f"FAILED: {done.stderr}", False)
                    return
                results[plan], notes[plan] = read_safetensors(out), done.stderr
            what = f"products of a library, {rows} rows of {name}"
            wrong = all_differing(results["own"], results["same"])
            words = sum(len(bits) // 4 for bits in results["own"].values())
            used = notes["same"].count("the library, same bits")
            # The emulated GPU's library has the same bits and is far faster than emulated kernels.
            if small and used != RANGES:
                comparison.add(what, f"FAILED: {used} of {RANGES} ranges are the library's: {notes['same']}", False)
                continue
            comparison.add(what, f"DIFFERS: {wrong}" if wrong else f"equal ({words} words; {used} ranges are the library's, {notes['same'].count('other bits')} have "
                           "other bits there)", not wrong and "may compute products" in notes["same"])
            used = notes["any"].count("with bits of its own")
            if used == 0 or (small and used != RANGES):
                comparison.add(f"{what}, parity off", f"FAILED: {used} of {RANGES} ranges are the library's: {notes['any']}", False)
                continue
            far = []
            for tensor, bits in results["own"].items():
                ours, theirs = numbers(bits, tensor in WIDE), numbers(results["any"][tensor], tensor in WIDE)
                largest = max(map(abs, ours))
                if not all(abs(a - b) <= NEAR * largest for a, b in zip(ours, theirs, strict=True)):
                    far.append(tensor)
            others = sum(differing(results["own"][t], results["any"][t]) for t in results["own"])
            comparison.add(f"{what}, parity off", f"FAR: {', '.join(far)}" if far else f"near ({others} of {words} words have other bits)", not far)
