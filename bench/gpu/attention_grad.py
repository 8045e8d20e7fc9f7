#!/usr/bin/env python3
"""The adjoint of attention on the tensor cores beside PyTorch's (cuDNN and flash attention), in the same run.

  attention_grad.py prepare FOLDER [MIRLC]   compiles the kernels; needs ptxas, but no GPU
  attention_grad.py run FOLDER... [--times]  on the GPU; needs torch. Several folders: one row each. --times: no checks

First the kernels are compared with float64 on packed sequences of many lengths, run twice, and run on each sequence alone; a
folder that differs is not timed. Then times: the median of interleaved rounds of five calls, ours a CUDA graph. FLOPs are counted as five products over
the pairs that causal attention has, whatever is recomputed. PyTorch's sequences are all of one length, a batch of them.
"""

import sys

import launch

# heads, key/value heads, head dimension, (number of sequences, their length).
SHAPES = [(16, 16, 128, (1, 16384)), (12, 2, 128, (8, 2048)), (14, 2, 64, (8, 2048))]
GROUPS = [(1, 1), (2, 1), (2, 2), (7, 1), (6, 2)]
LENGTHS = [1, 2, 15, 16, 17, 63, 64, 65, 100, 127, 128, 129, 191, 192, 193, 255, 256, 257, 300, 3, 640, 1000]
# ‖ours − float64‖ / ‖float64‖; P, dS and the results are rounded to bf16.
TOLERANCE = 6e-3


def heads():
    return sorted({(h, kv, d) for h, kv, d, _ in SHAPES} | {(h, kv, d) for h, kv in GROUPS for d in (64, 128)})


def program():
    text = []
    for h, kv, d in heads():
        q, k = (f"tensor<?x{n * d}xbf16, #nn.axis<context>>" for n in (h, kv))
        lse, offsets = f"tensor<?x{h}xf32, #nn.axis<context>>", "tensor<?xi32, #nn.axis<sequence, 1>>"
        types = [q, q, k, k, q, lse, offsets]
        port = lambda name, type, source: f'{type} {{nn.name = "{name}", nn.source = "{source}"}}'
        arguments = ", ".join(f"%a{i}: " + port(f"a{i}", t, "sequence_offsets" if t == offsets else f"input:a{i}") for i, t in enumerate(types))
        operands = ", ".join(f"%a{i}" for i in range(len(types)))
        results = ", ".join(port(f"r{i}", t, f"output:r{i}") for i, t in enumerate([q, k, k]))
        text.append(f"func.func @heads_{h}_{kv}_{d}({arguments}) -> ({results})\n"
                    "    attributes {nn.kind = \"plain\", nn.capacities = {context = 16384 : i64, sequence = 64 : i64}} {\n"
                    f"  %r:3 = nn.attention_grad {operands} {{heads = {h} : i64, kv_heads = {kv} : i64, scale = {d ** -0.5} : f32}}\n"
                    f"      : ({', '.join(types)}) -> ({q}, {k}, {k})\n  return %r#0, %r#1, %r#2 : {q}, {k}, {k}\n}}\n")
    return "\n".join(text)


class Kernels(launch.Kernels):
    def calls(self, heads, rows, sequences, buffers):
        """Functions that launch the three kernels on the current stream. `buffers`: by name."""
        import torch
        numbers = torch.full((heads[0] * rows * 2,), float("nan"), device="cuda")
        tiles = torch.full(((rows + 1) * 2,), -1, device="cuda", dtype=torch.int32)
        given = {**buffers, "numbers": numbers, "tiles": tiles}
        inputs = ["gradient", "query", "key", "value", "offsets", "numbers", "tiles"]
        arguments = {"prepare": ["gradient", "result", "lse", "offsets", "numbers", "tiles"], "keys": inputs + ["dk", "dv"], "queries": inputs + ["dq"]}
        return [self.call(one, rows, [given[n] for n in arguments[one.kernel.split("_")[2]]], sequences)
                for one in self.launches["heads_" + "_".join(map(str, heads))]]


def make_inputs(heads, lengths, seed):
    """Random packed inputs, with the forward pass in float64, and the gradients in float64."""
    import torch
    h, kv, d = heads
    generator = torch.Generator("cuda").manual_seed(seed)
    random = lambda n: torch.randn(sum(lengths), n, d, device="cuda", generator=generator).bfloat16()
    gradient, query, key, value = random(h), random(h), random(kv), random(kv)
    result, lse = torch.empty_like(query), torch.empty(sum(lengths), h, device="cuda")
    expected = {n: torch.empty(t.shape, device="cuda", dtype=torch.float64) for n, t in (("dq", query), ("dk", key), ("dv", value))}
    at = 0
    for n in lengths:
        rows = slice(at, at + n)
        at += n
        wide = lambda t: t[rows].double().transpose(0, 1).repeat_interleave(h // t.shape[1], 0)
        q, k, v, g = wide(query), wide(key), wide(value), wide(gradient)
        s = (q @ k.transpose(1, 2)) * d ** -0.5
        s = s.masked_fill(torch.ones(n, n, device="cuda", dtype=torch.bool).triu(1), float("-inf"))
        lse[rows] = s.logsumexp(-1).transpose(0, 1).float()
        result[rows] = (s.softmax(-1) @ v).transpose(0, 1).bfloat16()
        p = (s - wide(lse.unsqueeze(-1))).exp()
        ds = p * (g @ v.transpose(1, 2) - (g * wide(result)).sum(-1, keepdim=True)) * d ** -0.5
        expected["dq"][rows] = (ds @ k).transpose(0, 1)
        grouped = lambda t: t.unflatten(0, (kv, h // kv)).sum(1).transpose(0, 1)
        expected["dk"][rows] = grouped(ds.transpose(1, 2) @ q)
        expected["dv"][rows] = grouped(p.transpose(1, 2) @ g)
    return dict(gradient=gradient, query=query, key=key, value=value, result=result, lse=lse), expected


def compute(kernels, heads, lengths, inputs):
    """The three gradients; what lies behind them stays as it was."""
    import torch
    rows, pad = sum(lengths), 300
    offsets = torch.tensor([0, *lengths], device="cuda", dtype=torch.int32).cumsum(0).int()
    padded = {n: torch.full((rows + pad, heads[0 if n == "dq" else 1], heads[2]), float("nan"), device="cuda", dtype=torch.bfloat16) for n in ("dq", "dk", "dv")}
    for call in kernels.calls(heads, rows, len(lengths), {**inputs, "offsets": offsets, **padded}):
        call()
        torch.cuda.synchronize()
    assert all(t[rows:].isnan().all() for t in padded.values()), "written beyond the last row"
    return {n: t[:rows] for n, t in padded.items()}


def check(kernels):
    """The largest relative error; an AssertionError says what is wrong."""
    import torch
    worst = 0
    for heads_, batches in [(s, [LENGTHS, [1], [129], [700, 5, 2500], [2048] * 2]) for s in heads()]:
        for seed, lengths in enumerate(batches):
            inputs, expected = make_inputs(heads_, lengths, seed)
            found, again = (compute(kernels, heads_, lengths, inputs) for _ in range(2))
            what = f"{heads_}, lengths {lengths}"
            for name, ref in expected.items():
                assert not found[name].isnan().any(), f"{what}: {name} has NaN in rows {found[name].isnan().flatten(1).any(1).nonzero().flatten().tolist()[:20]}"
                error = ((found[name].double() - ref).norm() / ref.norm()).item() if ref.norm() > 0 else found[name].double().norm().item()
                at = 0
                for n in lengths:
                    part, own = found[name][at:at + n].double() - ref[at:at + n], ref[at:at + n].norm()
                    # A single row has dq = dk = 0 but for rounding.
                    if n > 1 and not part.norm() < 2 * TOLERANCE * own:
                        raise AssertionError(f"{what}: {name} of the sequence of {n}: relative error {(part.norm() / own).item()}")
                    at += n
                if len(lengths) > 1 or lengths[0] > 1:
                    assert error < TOLERANCE, f"{what}: {name}: relative error {error}"
                    worst = max(worst, error)
                assert torch.equal(found[name], again[name]), f"{what}: {name} differs between two runs"
            at = 0
            for n in lengths:
                alone = compute(kernels, heads_, [n], {k: t[at:at + n].contiguous() for k, t in inputs.items()})
                for name in expected:
                    assert torch.equal(alone[name], found[name][at:at + n]), f"{what}: {name} of the sequence of {n} has other bits alone"
                at += n
    return worst


def peer(heads, sequences, length, backend):
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    h, kv, d = heads
    make = lambda n: torch.randn(sequences, length, n, d, device="cuda").bfloat16().transpose(1, 2).requires_grad_()
    q, k, v = make(h), make(kv), make(kv)
    with sdpa_kernel([getattr(SDPBackend, backend)]):
        out = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=h != kv)
    g = torch.randn_like(out)
    return lambda: torch.autograd.grad(out, (q, k, v), g, retain_graph=True)


REPEATS = 5  # calls in a round


class Eager:
    def __init__(self, call):
        self.replay = lambda: [call() for _ in range(REPEATS)]


def measure(all_kernels):
    """A dictionary for each shape and implementation: torch's, then each folder's, of which the three kernels are timed, too."""
    import torch
    for h, kv, d, (sequences, length) in SHAPES:
        flops = 5 * h * d * sequences * length * (length + 1)
        names, graphs, kept = [], [], []
        for backend in ("CUDNN_ATTENTION", "FLASH_ATTENTION"):
            try:
                call = peer((h, kv, d), sequences, length, backend)
                call()
                torch.cuda.synchronize()
                # Not as a graph: autograd's backward pass runs on a stream of its own.
                graphs.append(Eager(call))
                names.append("torch " + backend.split("_")[0].lower())
            except Exception as error:
                print(f"  torch {backend}: {str(error).splitlines()[0]}")
        rows = sequences * length
        random = lambda n: torch.randn(rows, n, d, device="cuda").bfloat16()
        inputs = dict(gradient=random(h), query=random(h), key=random(kv), value=random(kv), result=random(h),
                      lse=torch.full((rows, h), 5 + length ** 0.1, device="cuda"))
        offsets = torch.arange(0, rows + 1, length, device="cuda", dtype=torch.int32)
        for kernels in all_kernels:
            launches = kernels.calls((h, kv, d), rows, sequences,
                                    {**inputs, "offsets": offsets, "dq": random(h), "dk": random(kv), "dv": random(kv)})
            kept.append(launches)
            for part in [launches] + [[l] for l in launches]:
                graphs.append(launch.graph([lambda part=part: [l() for l in part]] * REPEATS))
            names.append(kernels.name)
        times = launch.microseconds(graphs, REPEATS, rounds=7)
        peers = len(graphs) - 4 * len(all_kernels)
        for i, us in enumerate(times[:peers] + times[peers::4]):
            yield {"heads": [h, kv, d], "sequences": sequences, "length": length, "name": names[i], "us": us, "tflops": flops / us / 1e6,
                   "kernels": times[peers + 4 * (i - peers) + 1:][:3] if i >= peers else []}


def run(folders, times_only):
    import torch
    cuda = launch.Cuda()
    all_kernels = [Kernels(f, cuda) for f in folders]
    print(torch.cuda.get_device_name(), "torch", torch.__version__)
    good = []
    for kernels in all_kernels:
        try:
            if not times_only:
                print(f"{kernels.name}: correct; largest relative error {check(kernels):.1e}; equal in two runs and alone", flush=True)
            good.append(kernels)
        except AssertionError as error:
            print(f"{kernels.name}: WRONG: {error}", flush=True)
    print(f"{'heads':<14}{'rows':<10}{'':<20}{'us':>10}{'TFLOP/s':>9}   prepare, keys, queries us")
    for f in measure(good):
        h, kv, d = f["heads"]
        rows = f"{f['sequences']} x {f['length']}"
        print(f"{f'{h}/{kv} x {d}':<14}{rows:<10}{f['name']:<20}{f['us']:>10.1f}{f['tflops']:>9.1f}   {', '.join(f'{us:.1f}' for us in f['kernels'])}", flush=True)
    return 0 if len(good) == len(all_kernels) else 1


if __name__ == "__main__":
    sys.exit(launch.main(__doc__, program, lambda folders, options: run(folders, "times" in options)))
