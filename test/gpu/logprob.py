"""The vocabulary head on the tensor cores (logprob.mlir), for compare.py.

  logprob.py PROGRAM FILE     writes the adjoints of PROGRAM with some or all of their logits kept

The log-prob that nn.sample computes from stored logits and that of nn.linear_logprob, whose logits never leave the registers, are
two kernels that must agree in every bit. The adjoint is compared with the CPU's, which adds in another order and keeps the
logits' gradient in f32: a tolerance of a few steps of bf16, of the largest number of a tensor. However many logits are kept, and
however the rest goes by in chunks, it has the same bits.
"""

import array
import random
import re
import sys

from tensors import differing, from_bf16, largest, read_safetensors, write_safetensors

CASES = {"small": (264, 136, (1, 7, 130)), "odd": (1000, 264, (5, 64, 301)), "large": (4096, 896, (66, 512)), "chunks": (4104, 136, (200,))}
TOLERANCE = 2.0 ** -6
# Columns of the logits that are kept: blocks, so many that the rest has their place, all.
KEPT = {"small": (256, 264), "odd": (256, 768, 1000), "large": (1024, 4096), "chunks": (256, 1280, 4104)}


def keeping(program):
    """The functions `gradient_NAME`, as `gradient_NAME_KEPT`."""
    changed = []
    for function in re.findall(r"^func\.func @gradient_.*?^}\n", program, re.M | re.S):
        name = re.match(r"func\.func @gradient_(\w+)", function)[1]
        for kept in KEPT[name]:
            table = lambda columns, element: f"tensor<?x{columns}x{element}, #nn.axis<token>>"
            tensors = table(kept, "bf16"), table(-(-kept // 256), "f32")
            text = function.replace(f"@gradient_{name}(", f"@gradient_{name}_{kept}(")
            text = text.replace("%entropy = nn.linear_logprob ", "%entropy, %kept, %maxima = nn.linear_logprob ")
            text = re.sub(r"(%targets \{)(temperature.*)\)$", rf"\1kept = {kept} : i64, \2, {', '.join(tensors)})", text, flags=re.M)
            text = text.replace("entropy(%entropy_gradient, %entropy)", "entropy(%entropy_gradient, %entropy) kept(%kept, %maxima)")
            text = re.sub(r"(\{temperature = 0.7 : f32\}\n.*)\) -> ", rf"\1, {', '.join(tensors)}) -> ", text)
            changed.append(text)
    return "\n".join(changed)


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
    plans = {device: comparison.folder / f"logprob.{device}.plan" for device in ("cpu", "cuda", "kept")}
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
            for kept in KEPT[name]:
                found, seconds = call("kept", f"gradient_{name}_{kept}", pick("gradient"))
                wrong = [key for key in first or {} if found and first[key] != found[key]]
                verdict = "DIFFERS: " + ", ".join(wrong) if wrong else f"equal with {kept} of {vocabulary} logits kept"
                if first and found:
                    comparison.add(f"log-prob adjoint {name}, {rows} rows", verdict, not wrong, (0, seconds))
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


if __name__ == "__main__":
    program, file = sys.argv[1:]
    with open(program) as source, open(file, "w") as target:
        target.write(keeping(source.read()))
