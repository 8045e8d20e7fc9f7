#!/usr/bin/env python3
"""Attention on the tensor cores beside torch's scaled_dot_product_attention (cuDNN and flash), in the same run.

  attention.py prepare FOLDER [MIRLC] [--segment=KEYS]   compiles the kernels; needs ptxas, but no GPU
  attention.py run FOLDER...            on the GPU; needs torch. Several folders: one column each

First it checks: results against float32, and paged attention (one row of each sequence, and all rows) against packed attention,
bit for bit. Then the times: medians of interleaved rounds of CUDA graphs. Of packed sequences FLOP are counted for the keys
that a query sees; the kernel is that of a program whose longest sequence is theirs. --segment: keys of a segment, instead of the compiler's; one that is
longer than all sequences: one chain. Decoding has one query for each sequence; its peer reads keys and values that lie one after the other.
"""

import random
import sys

import launch

MIXED = (lambda r: [r.randint(200, 1500) for _ in range(20)])(random.Random(1))
# Heads, key/value heads, head_dim, lengths.
PACKED = {
    "long_d128": (16, 16, 128, [16384]),
    "qwen05_2048": (14, 2, 64, [2048] * 8),
    "qwen15_2048": (12, 2, 128, [2048] * 8),
    "qwen05_512": (14, 2, 64, [512] * 32),
    "qwen15_512": (12, 2, 128, [512] * 32),
    "qwen05_mixed": (14, 2, 64, MIXED),
    "qwen15_mixed": (12, 2, 128, MIXED),
}
# Sequences, keys of each.
DECODE = {
    "decode05_256x1024": (14, 2, 64, 256, 1024),
    "decode05_64x4096": (14, 2, 64, 64, 4096),
    "decode05_8x4096": (14, 2, 64, 8, 4096),
    "decode05_1x4096": (14, 2, 64, 1, 4096),
    "decode05_1x1024": (14, 2, 64, 1, 1024),
    "decode05_1x16384": (14, 2, 64, 1, 16384),
    "decode05_16x16384": (14, 2, 64, 16, 16384),
    "decode15_256x1024": (12, 2, 128, 256, 1024),
    "decode15_64x4096": (12, 2, 128, 64, 4096),
    "decode15_8x4096": (12, 2, 128, 8, 4096),
    "decode15_1x4096": (12, 2, 128, 1, 4096),
    "decode15_1x1024": (12, 2, 128, 1, 1024),
    "decode15_1x16384": (12, 2, 128, 1, 16384),
    "decode15_16x16384": (12, 2, 128, 16, 16384),
}
WIDTH = 256  # blocks of 16 keys in a row of the table, at least


def width_of(keys):
    return max(WIDTH, -(-keys // 16))


def entry(name, kind, heads, kv, dim, rows, sequences, segment="", keys=0):
    context = lambda c, type="bf16": f"tensor<?x{c}x{type}, #nn.axis<context>>"
    port = lambda name, type, source: f'{type} {{nn.name = "{name}", nn.source = "{source}:{name}"}}'
    longest = f", longest = {keys}" if kind == "packed" and keys else ""
    numerics = f', numerics = #nn.numerics<"tiles", {segment}, f32>' if segment else ""
    attributes = f"{{heads = {heads}, kv_heads = {kv}, scale = {dim ** -0.5:.9e} : f32{numerics}{longest}}}"
    index, width = "tensor<?xi32, #nn.axis<context>>", width_of(keys)
    pool = sequences * width
    q, k, lse = context(heads * dim), context(kv * dim), context(heads, "f32")
    if kind == "packed":
        types, results, op = [q, k, k, "tensor<?xi32, #nn.axis<sequence, 1>>"], [q, lse], "nn.attention"
    else:
        types = [q, f"tensor<{pool}x{kv}x{dim}x16xbf16>", f"tensor<{pool}x{kv}x16x{dim}xbf16>", f"tensor<{sequences}x{width}xi32>", index, index]
        results, op = [q], "nn.paged_attention"
    arguments = ", ".join(f"%a{i}: " + port(f"a{i}", t, "input") for i, t in enumerate(types))
    operands = ", ".join(f"%a{i}" for i in range(len(types)))
    outputs = ", ".join(port(f"r{i}", t, "output") for i, t in enumerate(results))
    values = ", ".join(f"%r#{i}" if len(results) > 1 else "%r" for i in range(len(results)))
    kind = "decode" if kind == "decode" else "plain"
    return (f"func.func @{name}({arguments}) -> ({outputs})\n"
            f'    attributes {{nn.kind = "{kind}", nn.capacities = {{context = {rows} : i64, sequence = {sequences} : i64}}}} {{\n'
            f"  %r{':2' if len(results) > 1 else ''} = {op} {operands} {attributes} : ({', '.join(types)}) -> "
            f"{'(' if len(results) > 1 else ''}{', '.join(results)}{')' if len(results) > 1 else ''}\n"
            f"  return {values} : {', '.join(results)}\n}}\n")


def program(segment=""):
    text = [entry(name, "packed", h, kv, d, sum(lengths), len(lengths), segment, max(lengths)) for name, (h, kv, d, lengths) in PACKED.items()]
    text += [entry(name, "decode", h, kv, d, sequences, sequences, segment, keys) for name, (h, kv, d, sequences, keys) in DECODE.items()]
    for name, (h, kv, d) in {"check05": (14, 2, 64), "check15": (12, 2, 128), "check64": (4, 4, 64), "check1": (16, 1, 128)}.items():
        text += [entry(f"{name}_{kind}", kind, h, kv, d, 16384, 64, segment) for kind in ("packed", "decode", "chunk")]
    return "\n".join(text)


class Attention:
    def __init__(self, kernels):
        import torch
        self.torch, self.kernels = torch, kernels

    def offsets(self, lengths):
        return self.torch.tensor([sum(lengths[:i]) for i in range(len(lengths) + 1)], dtype=self.torch.int32, device="cuda")

    def kept(self, name):
        """Memory for the sums of segments, and zeros for their counters, where the kernel has them."""
        types = {"segments": self.torch.float32, "segments_done": self.torch.int32}
        memory = self.kernels.memory.get(name, {})
        return [self.torch.zeros(memory[what], dtype=type, device="cuda") for what, type in types.items() if what in memory]

    def packed(self, name, q, k, v, lengths, heads):
        torch = self.torch
        y = torch.full_like(q, float("nan"))
        lse = torch.full((q.shape[0], heads), float("nan"), device="cuda")
        counter = torch.zeros(1, dtype=torch.int32, device="cuda")
        call = self.kernels.call(*self.kernels.launches[name], q.shape[0], [q, k, v, self.offsets(lengths), y, lse, counter, *self.kept(name)], len(lengths))

        def run():
            counter.zero_()
            call()
        return run, y, lse

    def cache(self, k, v, lengths, kv, dim, generator):
        """A pool with the sequences' blocks anywhere, and no numbers elsewhere."""
        torch = self.torch
        pool = 64 * WIDTH
        keys = torch.full((pool, kv, dim, 16), float("nan"), device="cuda", dtype=torch.bfloat16)
        values = torch.full((pool, kv, 16, dim), float("nan"), device="cuda", dtype=torch.bfloat16)
        free = torch.randperm(pool, device="cuda", generator=generator)
        table = torch.full((64, WIDTH), 2**30, dtype=torch.int32, device="cuda")
        start = 0
        for s, length in enumerate(lengths):
            count = -(-length // 16)
            mine, free = free[:count], free[count:]
            table[s, :count] = mine.int()
            for source, target, order in ((k, keys, (0, 2, 3, 1)), (v, values, (0, 2, 1, 3))):
                rows = torch.full((count * 16, kv * dim), float("nan"), device="cuda", dtype=torch.bfloat16)
                rows[:length] = source[start:start + length]
                target[mine] = rows.view(count, 16, kv, dim).permute(order)
            start += length
        return keys, values, table

    def paged(self, name, q, keys, values, table, slots, positions):
        torch = self.torch
        y = torch.full_like(q, float("nan"))
        ints = lambda x: torch.tensor(x, dtype=torch.int32, device="cuda") if isinstance(x, list) else x.int()
        return self.kernels.call(*self.kernels.launches[name], q.shape[0], [q, keys, values, table, ints(slots), ints(positions), y,
                                                                              *self.kept(name)]), y


def reference(torch, q, k, v, lengths, heads, kv, dim):
    """Results and lse in float64, of the first and the last head."""
    for head in (0, heads - 1):
        start, parts = 0, []
        for length in lengths:
            rows = slice(start, start + length)
            a, b, c = (x[rows].view(length, -1, dim)[:, i].double() for x, i in ((q, head), (k, head // (heads // kv)), (v, head // (heads // kv))))
            z = a @ b.T * dim ** -0.5
            z.masked_fill_(torch.ones(length, length, device="cuda", dtype=torch.bool).triu(1), float("-inf"))
            parts.append((z.softmax(1) @ c, z.logsumexp(1)))
            start += length
        yield head, torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])


def check(torch, attention):
    generator, source = torch.Generator("cuda").manual_seed(3), random.Random(5)
    bad = False
    for name, (h, kv, d) in {"check05": (14, 2, 64), "check15": (12, 2, 128), "check64": (4, 4, 64), "check1": (16, 1, 128)}.items():
        sets = [[1], [2, 3, 63, 64, 65, 127, 128, 129, 191, 192, 193], list(range(1, 41)), [256, 1, 300, 257, 1024, 17], [1500, 2049], [4096],
                [source.randint(1, 300) for _ in range(64)]]
        for lengths in sets:
            rows = sum(lengths)
            for size in (1, 4):
                q, k, v = (torch.randn(rows, n * d, device="cuda", generator=generator) for n in (h, kv, kv))
                q, k, v = (q * size).bfloat16(), k.bfloat16(), v.bfloat16()
                run, y, lse = attention.packed(f"{name}_packed", q, k, v, lengths, h)
                run()
                torch.cuda.synchronize()
                worst = worst_lse = 0
                for head, expected, log in reference(torch, q, k, v, lengths, h, kv, d):
                    found = y.view(rows, h, d)[:, head].double()
                    worst = max(worst, ((found - expected).norm() / expected.norm()).item())
                    worst_lse = max(worst_lse, (lse[:, head] - log).abs().max().item())
                again, y2, _ = attention.packed(f"{name}_packed", q, k, v, lengths, h)
                again()
                keys, values, table = attention.cache(k, v, lengths, kv, d, generator)
                slots = torch.repeat_interleave(torch.arange(len(lengths), device="cuda"), torch.tensor(lengths, device="cuda"))
                positions = torch.cat([torch.arange(n, device="cuda") for n in lengths])
                verdicts = [torch.equal(y.view(torch.int16), y2.view(torch.int16))]
                some = torch.randperm(rows, device="cuda", generator=generator)[:64]
                last = torch.tensor([sum(lengths[:i + 1]) - 1 for i in range(len(lengths))], device="cuda")
                for kind, which in (("decode", last), ("decode", some), ("chunk", torch.arange(rows, device="cuda")), ("chunk", some.sort()[0])):
                    call, z = attention.paged(f"{name}_{kind}", q[which].contiguous(), keys, values, table, slots[which], positions[which])
                    call()
                    torch.cuda.synchronize()
                    verdicts.append(torch.equal(z.view(torch.int16), y[which].view(torch.int16)))
                good = worst < 5e-3 and worst_lse < 1e-3 and all(verdicts)
                bad |= not good
                if not good or size == 1:
                    print(f"  {name} {lengths[:4]}… size {size}: error {worst:.1e}, lse {worst_lse:.1e}, twice/decode/some/chunk/some equal {verdicts}", flush=True)
    print("check: " + ("FAILED" if bad else "all as they should be"), flush=True)
    return bad


def peers(torch, q, k, v, lengths, h, kv, d):
    from torch.nn.attention import SDPBackend, sdpa_kernel
    if len(set(lengths)) > 1:
        return {}
    shape = lambda x, n: x.view(len(lengths), lengths[0], n, d).transpose(1, 2)
    a, b, c = shape(q, h), shape(k, kv), shape(v, kv)
    found = {}
    for name, backend in (("cudnn", SDPBackend.CUDNN_ATTENTION), ("flash", SDPBackend.FLASH_ATTENTION)):
        def call(backend=backend):
            with sdpa_kernel(backend):
                return torch.nn.functional.scaled_dot_product_attention(a, b, c, is_causal=True, enable_gqa=h != kv)
        try:
            call()
            found[name] = call
        except RuntimeError as error:
            print(name, str(error).splitlines()[0])
    return found


def measure_packed(columns, only=None):
    """A dictionary for each set of packed sequences: TFLOP/s of torch's and of each column's attention."""
    import torch
    generator = torch.Generator("cuda").manual_seed(1)
    random_rows = lambda *shape: torch.randn(*shape, device="cuda", generator=generator).bfloat16()
    for name, (h, kv, d, lengths) in PACKED.items():
        if only and only not in name:
            continue
        q, k, v = random_rows(sum(lengths), h * d), random_rows(sum(lengths), kv * d), random_rows(sum(lengths), kv * d)
        others = peers(torch, q, k, v, lengths, h, kv, d)
        calls = list(others.values()) + [column.packed(name, q, k, v, lengths, h)[0] for column in columns]
        flops = sum(4 * d * h * n * (n + 1) / 2 for n in lengths)
        repeats = max(2, int(3e-3 / (flops / 4e14)))
        rates = [flops / us / 1e6 for us in launch.microseconds([launch.graph([call] * repeats) for call in calls], repeats)]
        yield {"name": name, "heads": [h, kv, d], "lengths": lengths, "torch": dict(zip(others, rates)), "ours": rates[len(others):]}


def measure_decode(columns, only=None):
    """A dictionary for each decode step: microseconds of torch's flash attention and of each column's."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    generator = torch.Generator("cuda").manual_seed(1)
    random_rows = lambda *shape: torch.randn(*shape, device="cuda", generator=generator).bfloat16()
    for name, (h, kv, d, sequences, length) in DECODE.items():
        if only and only not in name:
            continue
        q = random_rows(sequences, h * d)
        width = width_of(length)
        pool = sequences * width
        keys, values = random_rows(pool, kv, d, 16), random_rows(pool, kv, 16, d)
        table = torch.randperm(pool, device="cuda", generator=generator).int().view(sequences, width)
        k, v = (x.view(-1)[:sequences * length * kv * d].view(sequences, kv, length, d) for x in (keys, values))

        def flash():
            with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
                return torch.nn.functional.scaled_dot_product_attention(q.view(sequences, h, 1, d), k, v, enable_gqa=True)
        calls = [flash] + [column.paged(name, q, keys, values, table, list(range(sequences)), [length - 1] * sequences)[0] for column in columns]
        us, *times = launch.microseconds([launch.graph([call] * 20) for call in calls], 20)
        yield {"name": name, "heads": [h, kv, d], "sequences": sequences, "length": length, "bytes": sequences * length * kv * d * 4,
               "flash": us, "ours": times}


def columns_of(folders):
    cuda = launch.Cuda()
    return [Attention(launch.Kernels(f, cuda)) for f in folders]


def run(folders, only):
    import torch
    columns = columns_of(folders)
    print(torch.cuda.get_device_name(), "torch", torch.__version__)
    bad = [check(torch, column) for column in columns] if not only or only == "check" else []
    names = "".join(f"{f.name:>12}" for f in folders)
    print(f"{'TFLOP/s':<20}{'cudnn':>9}{'flash':>9}{names}")
    for f in measure_packed(columns, only):
        print(f"{f['name']:<20}" + "".join(f"{f['torch'][x]:>9.0f}" if x in f["torch"] else f"{'-':>9}" for x in ("cudnn", "flash")) +
              "".join(f"{rate:>12.0f}" for rate in f["ours"]), flush=True)
    print(f"{'us (GB/s)':<20}{'flash':>9}{names}")
    for f in measure_decode(columns, only):
        print(f"{f['name']:<20}" + "".join(f"{us:>8.1f} ({f['bytes'] / us / 1e3:.0f})" for us in [f["flash"], *f["ours"]]), flush=True)
    return any(bad)


if __name__ == "__main__":
    sys.exit(launch.main(__doc__, program, lambda folders, options: run(folders, options.get("only"))))
