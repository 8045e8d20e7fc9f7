"""Updates and norms of many tensors, which are a few launches on a GPU, against the CPU's one by one, for compare.py: by bits.

  updates.py FILE     writes the program that both plans are made of

Tensors of several shapes: more of one than an array of addresses takes, single ones, some with a copy in bf16, extents that no vector
divides, and one whose sum is a long chain of blocks.
"""

import random
import sys

from tensors import read_safetensors, write_safetensors

# Elements, how many tensors of them, whether they have a copy in bf16.
SHAPES = [(7, 200, False), (4096, 3, True), (12293, 2, True), (12293, 3, False), (264, 1, False)]
# The norms are of the gradients and of one long tensor, in several orders, since another order may by chance give the same bits.
LONG, ORDERS = 800007, 6
# Launches on a GPU: of the updates one for each shape, with at most 95 tensors; of the norms one for each shape, and two.
LAUNCHES = {"adamw": 3 + 1 + 1 + 1 + 1, **{f"norms_{order}": 5 + 2 for order in range(ORDERS)}}
STREAMS = ("w", "g", "m", "v")


def tensors():
    """Number, elements, copied. Those of a shape do not stand together."""
    every = [(size, copied) for size, count, copied in SHAPES for _ in range(count)]
    random.Random(1).shuffle(every)
    return [(number, *tensor) for number, tensor in enumerate(every)]


def write_program(file):
    scalar, port = "tensor<f32>", lambda kind, name: f'{{nn.name = "{name}", nn.source = "{kind}:{name}"}}'
    coefficients = "{beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.01 : f32}"
    arguments = [f"%{name}: {scalar} {port('input', name)}" for name in ("lr", "step", "scale")]
    results, returned, types, body = [], [], [], []
    for number, size, copied in tensors():
        t = f"tensor<{size}xf32>"
        arguments += [f"%{s}{number}: {t} {port('input', f'{s}{number}')}" for s in STREAMS]
        made = [t] * 3 + [f"tensor<{size}xbf16>"] * copied
        operands = ", ".join(f"%{s}{number}" for s in STREAMS)
        body.append(f"  %u{number}:{len(made)} = nn.adamw {operands}, %lr, %step, %scale {coefficients} : "
                    f"({', '.join([t] * 4 + [scalar] * 3)}) -> ({', '.join(made)})")
        results += [f"{made[i]} {port('output', f'{name}{number}')}" for i, name in enumerate("wmvc"[:len(made)])]
        returned += [f"%u{number}#{i}" for i in range(len(made))]
        types += made
    attributes = "attributes {nn.kind = \"plain\", nn.capacities = {}}"
    lines = [f"func.func @adamw({', '.join(arguments)})", f"    -> ({', '.join(results)}) {attributes} {{", *body,
             f"  return {', '.join(returned)} : {', '.join(types)}", "}"]
    sizes = [("long", LONG)] + [(f"g{number}", size) for number, size, _ in tensors()]
    arguments = [f"%{name}: tensor<{size}xf32> {port('input', name)}" for name, size in sizes]
    for order in range(ORDERS):
        random.Random(order).shuffle(sizes)
        lines += [f"func.func @norms_{order}(%into: {scalar} {port('input', 'into')}, {', '.join(arguments)})",
                  f"    -> ({scalar} {port('output', 'norm')}) {attributes} {{"]
        before = "%into"
        for name, size in sizes:
            lines.append(f"  %n_{name} = nn.squared_norm %{name}, {before} : (tensor<{size}xf32>, {scalar}) -> {scalar}")
            before = f"%n_{name}"
        lines += [f"  return {before} : {scalar}", "}"]
    file.write("\n".join(lines) + "\n")


def check(comparison, scratch):
    generator = random.Random(0)
    given = scratch / "in.safetensors"
    known = comparison.inspect(comparison.folder / "updates.cuda.plan")
    if not known:
        return
    normal = lambda size, scale: ("f32", [size], [generator.gauss(0, scale) for _ in range(size)])
    inputs = {"lr": ("f32", [], [1e-3]), "step": ("f32", [], [3.0]), "scale": ("f32", [], [0.7]), "into": ("f32", [], [0.25]),
              "long": normal(LONG, 0.2)}
    for number, size, _ in tensors():
        inputs |= {f"w{number}": normal(size, 0.02), f"g{number}": normal(size, 1.0), f"m{number}": normal(size, 0.1)}
        inputs[f"v{number}"] = ("f32", [size], [x * x for x in normal(size, 0.1)[2]])
    for entry in known["entries"]:
        name = entry["name"]
        write_safetensors(given, {p["name"]: inputs[p["name"]] for p in entry["inputs"]})
        if entry["launches"] != LAUNCHES[name]:
            comparison.add(f"{name} of many tensors", f"has {entry['launches']} launches, must have {LAUNCHES[name]}", False)
        comparison.both(f"{name} of many tensors",
                        lambda d: ["call", comparison.folder / f"updates.{d}.plan", name, "--in", given, "--out", scratch / f"{d}.safetensors"],
                        lambda d: read_safetensors(scratch / f"{d}.safetensors"))


if __name__ == "__main__":
    with open(sys.argv[1], "w") as file:
        write_program(file)
