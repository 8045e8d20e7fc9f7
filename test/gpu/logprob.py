"""The vocabulary head on the tensor cores (logprob.mlir), for compare.py.

The log-prob that nn.sample computes from stored logits and that of nn.linear_logprob, whose logits never leave the registers, are
two kernels that must agree in every bit. The adjoint is compared with the CPU's, which adds in another order and keeps the
logits' gradient in f32: a tolerance of a few steps of bf16, of the largest number of a tensor.
"""

import array
import random

from tensors import differing, from_bf16, largest, read_safetensors, write_safetensors

CASES = {"small": (264, 136, (1, 7, 130)), "odd": (1000, 264, (5, 64, 301)), "large": (4096, 896, (66, 512)), "chunks": (4104, 136, (200,))}
TOLERANCE = 2.0 ** -6


def narrow(values):
    """The bits of numbers as bf16, truncated."""
    return [bits >> 16 for bits in memoryview(array.array("f", values)).cast("B").cast("I")]


def floats(data, narrow):
    """Bytes of f32 or bf16 as numbers."""
    return from_bf16(array.array("H", data)) if narrow else array.array("f", data)


def inputs(vocabulary, depth, rows):
    generator = random.Random(vocabulary * 1000 + rows)
    normal = lambda count, scale: [generator.gauss(0, scale) for _ in range(count)]
    integer = lambda limit: [generator.randrange(limit) for _ in range(rows)]
    return {
        "hidden": ("bf16", [rows, depth], narrow(normal(rows * depth, 1))),
        # Logits of a few units, and some far apart.
        "weight": ("bf16", [vocabulary, depth], narrow([x * generator.choice((1, 1, 4)) for x in normal(vocabulary * depth, depth ** -0.5)])),
        "ids": ("i64", [rows], integer(1 << 40)), "steps": ("i32", [rows], integer(1000)), "seed": ("i64", [], [7]),
        "temperature": ("f32", [], [1.0]), "top_k": ("i32", [], [0]), "top_p": ("f32", [], [1.0]),
        "gradient": ("f32", [rows], normal(rows, 1)), "entropy_gradient": ("f32", [rows], normal(rows, 0.1)),
        "targets": ("i32", [rows], integer(vocabulary)), "into": ("f32", [vocabulary, depth], normal(vocabulary * depth, 0.1)),
    }


def check(comparison, scratch):
    given, out = scratch / "in.safetensors", scratch / "out.safetensors"
    plans = {device: comparison.folder / f"logprob.{device}.plan" for device in ("cpu", "cuda")}
    reads = {"sample": ("hidden", "weight", "ids", "steps", "seed", "temperature", "top_k", "top_p"),
             "gradient": ("gradient", "entropy_gradient", "hidden", "weight", "targets", "into")}

    def call(device, entry, tensors):
        write_safetensors(given, tensors)
        done, seconds = comparison.run("call", plans[device], entry, "--in", given, "--out", out)
        if done.returncode:
            comparison.add(entry, f"FAILED on {device}: {done.stderr}", False)
            return None, seconds
        return read_safetensors(out), seconds

    for name, (vocabulary, depth, counts) in CASES.items():
        for rows in counts:
            known = inputs(vocabulary, depth, rows)
            pick = lambda kind: {key: known[key] for key in reads[kind]}
            if name != "chunks":
                found, seconds = call("cuda", f"sample_{name}", pick("sample"))
                if found:
                    wrong = differing(found["sampled"], found["logprob"])
                    verdict = f"DIFFERS in {wrong} of {rows}" if wrong else f"sampled and recomputed are equal ({rows} words)"
                    comparison.add(f"log-probs {name}, {rows} rows", verdict, not wrong, (0, seconds))
            first, took = call("cuda", f"gradient_{name}", pick("gradient"))
            second, _ = call("cuda", f"gradient_{name}", pick("gradient"))
            expected, cpu = call("cpu", f"gradient_{name}", pick("gradient"))
            if not (first and second and expected):
                continue
            comparison.add(f"log-prob adjoint {name}, {rows} rows, twice", "equal" if first == second else "DIFFERS", first == second)
            errors = []
            for key, data in expected.items():
                a, b = (floats(x, key == "hidden_gradient") for x in (data, first.get(key, b"")))
                alike = len(a) == len(b)
                errors.append(largest(abs(x - y) for x, y in zip(a, b)) / largest(map(abs, a)) if alike else float("inf"))
            worst = largest(errors)
            comparison.add("  beside the CPU's", f"within {worst:.1e}", worst < TOLERANCE, (cpu, took))
