"""Attention on the tensor cores over packed sequences and over the cache (paged.mlir), for compare.py.

The result over packed sequences is compared with the CPU's, whose sums are others: an error of 2e-3 of the norm was seen, most of it
the rounding of the result. Everything else is by bits: twice, sequences in another order, and over the cache all rows of
all sequences at once, some of them, and the last of each as in decoding. Blocks of the pool are anywhere, and hold no
numbers where nothing was written. All of it twice: with sequences that are one segment, and in segments of 128 keys. There by bits with values, too,
of which those of the first and the third segment are so large, and cancel so well, that a sum in another order has other bits.
"""

import array
import random
import re
import sys

from tensors import distance, largest, read_safetensors, to_bf16, write_safetensors

# Heads, key/value heads, head dimension: as in paged.mlir.
CASES = [(14, 2, 64), (4, 2, 128), (3, 3, 64), (17, 1, 128)]
# Those that also have a decode entry for many rows, which appends them.
MANY = [(4, 2, 128), (3, 3, 64)]
# Single rows, the borders of the pool's blocks, of blocks of keys, and of tiles of 192 and 256 rows; more keys than decoding has in
# shared memory at a time.
LENGTHS = [1, 2, 15, 16, 17, 63, 64, 65, 127, 129, 191, 193, 256, 257, 300, 610]
POOL, SLOTS, WIDTH, NAN = 160, 16, 40, 0x7FC0


def segmented(text):
    """The program with segments of 128 keys, which only a GPU has."""
    return re.sub(r"scale = [\d.]+ : f32", r'\g<0>, numerics = #nn.numerics<"tiles", 128, f32>', text)


def check(comparison, scratch):
    for plan in ("paged", "segments"):
        check_plan(comparison, scratch, plan)


def check_plan(comparison, scratch, plan):
    generator = random.Random(0)
    given, out = scratch / "in.safetensors", scratch / "out.safetensors"
    starts = [sum(LENGTHS[:i]) for i in range(len(LENGTHS) + 1)]
    total = starts[-1]

    def call(device, entry, tensors):
        write_safetensors(given, tensors)
        done, seconds = comparison.run("call", comparison.folder / f"{plan if device == 'cuda' else 'paged'}.{device}.plan", entry, "--in", given, "--out", out)
        if done.returncode:
            raise RuntimeError(f"FAILED on {device}: {done.stderr}")
        return read_safetensors(out), seconds

    for heads, kv, dim in CASES:
        name, shown = f"{heads}_{kv}_{dim}", f"attention {heads}_{kv}_{dim}{'' if plan == 'paged' else ' in segments'}"
        width = {"q": heads * dim, "k": kv * dim, "v": kv * dim}
        data = {n: to_bf16(generator.gauss(0, 2) for _ in range(total * w)) for n, w in width.items()}
        # All keys weigh the same.
        positions = [p for length in LENGTHS for p in range(length)]
        cancelling = {**data, "q": to_bf16(0.0 for _ in data["q"]),
                      "v": to_bf16(generator.gauss(0, 2) + (2048, 0, -2048, 0)[p // 128 % 4] for p in positions for _ in range(width["v"]))}
        rows = lambda values, columns, which: array.array("H", [x for r in which for x in values[r * columns:(r + 1) * columns]])
        integers = lambda values, *shape: ("i32", list(shape) or [len(values)], values)
        # A slot for each sequence, blocks anywhere, places behind a sequence's last block that are none.
        free = generator.sample(range(POOL), POOL)
        table, slot = [1 << 30] * (SLOTS * WIDTH), generator.sample(range(SLOTS), len(LENGTHS))
        for s, length in enumerate(LENGTHS):
            for b in range(-(-length // 16)):
                table[slot[s] * WIDTH + b] = free.pop()
        places = [(slot[s], p) for s, length in enumerate(LENGTHS) for p in range(length)]
        where = lambda which: {"table": integers(table, SLOTS, WIDTH), "slots": integers([places[r][0] for r in which]),
                               "positions": integers([places[r][1] for r in which])}
        nothing = {"keys": ("bf16", [POOL, kv, dim, 16], array.array("H", [NAN]) * (POOL * kv * dim * 16)),
                   "values": ("bf16", [POOL, kv, 16, dim], array.array("H", [NAN]) * (POOL * kv * dim * 16))}
        forward = list(range(len(LENGTHS)))

        def packed(device, data, order):
            which = [r for s in order for r in range(starts[s], starts[s + 1])]
            offsets = [sum(LENGTHS[s] for s in order[:i]) for i in range(len(order) + 1)]
            tensors = {n: ("bf16", [len(which), width[n]], rows(data[n], width[n], which)) for n in "qkv"}
            found, seconds = call(device, f"packed_{name}", {**tensors, "offsets": integers(offsets)})
            return array.array("H", found["o"]), array.array("f", found["lse"]), which, seconds

        def equal(data, found):
            """What else must have these bits, and whether it has."""
            tensor = lambda n, which: ("bf16", [len(which), width[n]], rows(data[n], width[n], which))
            everything = list(range(total))
            yield "twice", packed("cuda", data, forward)[0] == found
            backwards, _, reversed_rows, _ = packed("cuda", data, forward[::-1])
            yield "packed backwards", backwards == rows(found, width["q"], reversed_rows)
            filled, _ = call("cuda", f"prefill_{name}", {**{n: tensor(n, everything) for n in "qkv"}, **nothing, **where(everything)})
            yield "over the cache", array.array("H", filled["o"]) == found
            cache = {n: (kind, shape, array.array("H", filled["new_" + n])) for n, (kind, shape, _) in nothing.items()}
            for what, which in (("last rows", [starts[s + 1] - 1 for s in forward]), ("one row", [total - 1]),
                                ("any rows", generator.sample(range(total), 64))):
                result, _ = call("cuda", f"decode_{name}", {"q": tensor("q", which), **cache, **where(which)})
                yield f"decode, {what}", array.array("H", result["o"]) == rows(found, width["q"], which)
            if (heads, kv, dim) not in MANY:
                return
            last = [starts[s + 1] - 1 for s in forward]
            others = [row for row in everything if row not in last]
            filled, _ = call("cuda", f"prefill_{name}", {**{n: tensor(n, others) for n in "qkv"}, **nothing, **where(others)})
            cache = {n: (kind, shape, array.array("H", filled["new_" + n])) for n, (kind, shape, _) in nothing.items()}
            for what, which in (("last rows", last), ("one row", last[-1:])):
                result, _ = call("cuda", f"decode_many_{name}", {**{n: tensor(n, which) for n in "qkv"}, **cache, **where(which)})
                yield f"decode of many, {what}", array.array("H", result["o"]) == rows(found, width["q"], which)

        try:
            expected, logs, _, cpu = packed("cpu", data, forward)
            found, lse, _, gpu = packed("cuda", data, forward)
            verdicts = list(equal(data, found))
            if plan == "segments":
                verdicts += [(f"cancelling, {what}", same) for what, same in equal(cancelling, packed("cuda", cancelling, forward)[0])]
        except RuntimeError as error:
            comparison.add(shown, str(error), False)
            continue
        worst, worst_lse = distance(found, expected), float("inf")
        if len(lse) == len(logs):
            worst_lse = largest(abs(a - b) for a, b in zip(lse, logs))
        comparison.add(shown, f"within {worst:.1e} of the CPU's, lse {worst_lse:.1e}", worst < 6e-3 and worst_lse < 1e-3, (cpu, gpu))
        for what, same in verdicts:
            comparison.add(f"{shown} {what}", "equal" if same else "DIFFERS", same)


if __name__ == "__main__":
    print(segmented(open(sys.argv[1]).read()), end="")
