"""Groups of ops that are one launch against the same ops one by one (groups.mlir), for compare.py: by bits.

The functions of their programs, of which sigmoid and silu are approximated where they are rounded to bf16, are compared with their
definition, at every number that bf16 has.
"""

import array
import math
import random

from tensors import all_differing, from_bf16, read_safetensors, to_bf16, write_safetensors

DEPTH, HIDDEN, COLUMNS = 104, 200, {"q": 520, "k": 72, "v": 136}
# Of each capacity: one row, rows that no tile divides, several tiles.
ROWS = {4096: (1, 77, 301), 256: (1, 33, 200), 16: (1, 9, 16)}
# Functions: heads, depth, columns, whether there are biases, rows of each capacity.
PROJECTIONS = [("64", 64, DEPTH, {"q": 192, "k": 128, "v": 128}, True, {256: (1, 33, 200), 64: (50,), 16: (1, 9, 16)}),
               ("128", 128, DEPTH, {"q": 256, "k": 128, "v": 128}, False, {256: (1, 33, 200), 64: (50,), 16: (1, 9, 16)}),
               ("large", 64, 896, {"q": 896, "k": 128, "v": 128}, True, {256: (1, 200, 256)})]


def check(comparison, scratch, small):
    generator = random.Random(0)
    plan, given, out = comparison.folder / "groups.cuda.plan", scratch / "in.safetensors", scratch / "out.safetensors"
    normal = lambda count, scale=1.0: [generator.gauss(0, scale) for _ in range(count)]
    narrow = lambda *shape, scale=1.0: ("bf16", list(shape), to_bf16(normal(shape[0] * (shape[1] if len(shape) > 1 else 1), scale)))

    def call(entry, tensors):
        write_safetensors(given, tensors)
        done, _ = comparison.run("call", plan, entry, "--in", given, "--out", out)
        if done.returncode:
            raise RuntimeError(f"FAILED: {done.stderr}")
        return read_safetensors(out)

    known = comparison.inspect(plan)
    if not known:
        return
    launches = {entry["name"]: entry["launches"] for entry in known["entries"]}

    def compare(entry, what, tensors, alone):
        """`alone`: the results of the ops one by one."""
        if not comparison.takes(what):
            return
        try:
            found, expected = call(entry, tensors), alone()
        except RuntimeError as error:
            return comparison.add(what, str(error), False)
        wrong = all_differing(found, {name: expected[name] for name in found})
        words = sum(len(bits) // 4 for bits in found.values())
        if launches[entry] != 1:
            return comparison.add(what, f"has {launches[entry]} launches, must have one", False)
        verdict = f"DIFFERS: {wrong}" if wrong else f"equal ({words} words)"
        comparison.add(what, verdict, words > 0 and not wrong)

    weights = {"w" + p: narrow(n, DEPTH, scale=DEPTH ** -0.5) for p, n in COLUMNS.items()}
    weights |= {"w" + p: narrow(HIDDEN, DEPTH, scale=2 * DEPTH ** -0.5) for p in "gu"}
    biases = {"b" + p: narrow(n) for p, n in COLUMNS.items()}
    for capacity, counts in ROWS.items():
        for rows in counts:
            # Every third row makes numbers whose exponentials are out of the ordinary, and every third zeros.
            x = {"x": ("bf16", [rows, DEPTH], to_bf16([v for row in range(rows) for v in normal(DEPTH, (1, 60, 0)[row % 3])]))}
            one = lambda p, more: call(f"alone_{p}_{capacity}", {**x, "w" + p: weights["w" + p], **more})
            ports = lambda parts: {p: ("bf16", [rows, HIDDEN], array.array("H", one(p, {})[p])) for p in parts}
            bits = lambda tensors: {name: tensor[2].tobytes() for name, tensor in tensors.items()}

            def products():
                return {p: one(p, {"b" + p: biases["b" + p]})[p] for p in COLUMNS}

            def gated():
                parts = ports("gu")
                return {**bits(parts), **call("program_gated", parts)}

            compare(f"products_{capacity}", f"group of products, {rows} of {capacity} rows",
                    {**x, **{k: v for k, v in weights.items() if k[1] in COLUMNS}, **biases}, products)
            for kept in ("", "u_", "gu_"):
                compare(f"gated_{kept}{capacity}", f"gated products {kept}{rows} of {capacity} rows",
                        {**x, "wg": weights["wg"], "wu": weights["wu"]}, gated)
            compare(f"activation_{capacity}", f"product and activation, {rows} of {capacity} rows",
                    {**x, "wg": weights["wg"]}, lambda: call("program_activation", ports("g")))
    for rows in (1, 100, 300):
        x = {"x": narrow(rows, DEPTH)}
        of = lambda p: {"g" + p: gradients["g" + p], "i" + p: gradients["i" + p]}
        gradients = {"g" + p: narrow(rows, n) for p, n in COLUMNS.items()}
        gradients |= {"i" + p: ("f32", [n, DEPTH], normal(n * DEPTH)) for p, n in COLUMNS.items()}
        compare("weights", f"group of weights' gradients, {rows} rows", {**x, **gradients},
                lambda: {p: call(f"alone_weight_{p}", {**x, **of(p)})[p] for p in COLUMNS})
    cache(compare, call, narrow, generator)
    projections(compare, call, narrow, generator, small)
    normed(compare, call, narrow)
    if comparison.takes("functions of bf16"):
        functions(comparison, call)


def functions(comparison, call):
    every = array.array("H", range(1 << 16)) + array.array("H", [0] * (HIDDEN - (1 << 16) % HIDDEN))
    table = lambda bits: ("bf16", [len(bits) // HIDDEN, HIDDEN], bits)
    sigmoid = lambda x: math.nan if math.isnan(x) else 1 / (1 + math.exp(-x)) if x > -700 else 0.0
    silu = lambda x: x * sigmoid(x)
    ones = table(array.array("H", [0x3F80]) * len(every))
    for name, function, found in (("sigmoid", sigmoid, lambda: call("program_activation", {"g": table(every)})["t"]),
                                  ("silu", silu, lambda: call("program_gated", {"g": table(every), "u": ones})["h"])):
        try:
            found = array.array("H", found())
        except RuntimeError as error:
            comparison.add(f"{name} of bf16", str(error), False)
            continue
        expected = to_bf16(map(function, from_bf16(every)))
        apart = [bits for bits, a, b in zip(every, found, expected) if not near(a, b)]
        other = sum(a != b and not math.isnan(y) for a, b, y in zip(found, expected, from_bf16(expected)))
        verdict = f"DIFFERS at {len(apart)} numbers, {apart[0]:#06x} the first" if apart else f"as near as can be; not the rounded value at {other} of {1 << 16} numbers"
        comparison.add(f"{name} of every bf16", verdict, not apart)


def near(a, b):
    """Whether two bf16 are neighbours, the same, no numbers both, or both below 2^-100."""
    x, y = from_bf16([a, b])
    if math.isnan(x) or math.isnan(y):
        return math.isnan(x) and math.isnan(y)
    return abs(a - b) <= 1 or max(abs(x), abs(y)) < 2.0 ** -100


def places(generator, rows):
    """Slots and positions of rows, and a table: several slots at positions of several blocks, which lie anywhere in the pool."""
    integers = lambda values, *shape: ("i32", list(shape) or [len(values)], values)
    placed = [(row % 8, 79 - row // 8 * 2) for row in range(rows)]
    return {"table": integers(generator.sample(range(40), 40), 8, 5), "slots": integers([s for s, _ in placed]),
            "positions": integers([p for _, p in placed])}


def cache(compare, call, narrow, generator):
    for rows in (1, 37):
        given = {"q": narrow(rows, 192), "k": narrow(rows, 128), "v": narrow(rows, 128),
                 "angles": ("f32", [80, 64], [generator.uniform(-1, 1) for _ in range(80 * 64)]),
                 "keys": ("bf16", [40, 2, 64, 16], narrow(40, 2048)[2]), "values": ("bf16", [40, 2, 16, 64], narrow(40, 2048)[2]),
                 **places(generator, rows)}
        pick = lambda *names: {name: given[name] for name in names}

        def alone():
            rq = call("alone_rq", pick("q", "angles", "positions"))
            rk = call("alone_rk", pick("k", "angles", "positions"))
            key = {"rk": ("bf16", [rows, 128], array.array("H", rk["rk"]))}
            return {**rq, **rk, **call("alone_append", {**key, **pick("v", "keys", "values", "table", "slots", "positions")})}

        for entry in ("cache", "cache_kept"):
            compare(entry, f"group of rotations and {entry}, {rows} rows", given, alone)


def projections(compare, call, narrow, generator, small):
    """Products of few rows that become rotated queries and rows of the cache, against those of many rows, which are two launches."""
    for name, head, depth, columns, biased, counts in PROJECTIONS if not small else PROJECTIONS[:-1]:
        given = {"w" + p: narrow(n, depth, scale=depth ** -0.5) for p, n in columns.items()}
        given |= {"b" + p: narrow(n) for p, n in columns.items() if biased}
        given |= {"angles": ("f32", [80, head], [generator.uniform(-1, 1) for _ in range(80 * head)]),
                  "keys": ("bf16", [40, 128 // head, head, 16], narrow(40, 2048)[2]), "values": ("bf16", [40, 128 // head, 16, head], narrow(40, 2048)[2])}
        for capacity, rows in ((capacity, rows) for capacity, of in counts.items() for rows in of):
            tensors = {"x": narrow(rows, depth), **given, **places(generator, rows)}
            compare(f"projections_{name}_{capacity}", f"products, rotations and rows of the cache ({name}), {rows} of {capacity} rows", tensors,
                    lambda: call(f"projections_{name}_4096", tensors))


def normed(compare, call, narrow):
    """Products of few rows that normalise them, against a norm and products of many rows."""
    # Functions: depth, columns, rows. So many columns that a block has two consumers.
    for name, depth, columns, counts in (("104", 104, HIDDEN, (1, 9, 16)), ("296", 296, HIDDEN, (1, 9, 16)), ("896", 896, HIDDEN, (1, 9, 16)),
                                         ("wide", 296, 8960, (13,))):
        given = {"n": narrow(depth), **{"w" + p: narrow(columns, depth, scale=2 * depth ** -0.5) for p in "gu"}}
        for rows in counts:
            tensors = {"x": narrow(rows, depth, scale=3), **given}
            compare(f"normed_{name}_16", f"norm of {rows} rows of {depth}, products of {columns} columns", tensors,
                    lambda: call(f"normed_{name}_4096", tensors))
    # Rows of this seed have a number each that other orders of a row's sum (sums of other lanes, the tree within a thread first, neighbours
    # first) round to another bf16.
    order = random.Random(73)
    draw = lambda scale, *shape: ("bf16", list(shape), to_bf16([order.gauss(0, scale) for _ in range(math.prod(shape))]))
    tensors = {"n": draw(1, 896), "x": draw(3, 16, 896), **{"w" + p: narrow(HIDDEN, 896, scale=2 * 896 ** -0.5) for p in "gu"}}
    compare("normed_896_16", "norm whose sums are in this order alone", tensors, lambda: call("normed_896_4096", tensors))
