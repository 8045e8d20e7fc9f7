#!/usr/bin/env python3
"""Matrix products on the tensor cores beside torch.mm (cuBLAS), in the same run.

  products.py prepare FOLDER [MIRLC]   compiles the products of both Qwen2.5 shapes, each for its number of rows; needs ptxas,
                                       but no GPU
  products.py run FOLDER...            on the GPU; needs torch. Several folders: one column each

A row of the table is one product. Both sides run as CUDA graphs of several calls over buffers that rotate through more
memory than the L2 cache holds, interleaved; the time is the median of the rounds. `equal` is how much of the result has cuBLAS's bits
(where cuBLAS splits no sum, they are the same). A weight gradient is added to the gradient in f32; beside it stands
torch.addmm with f32 output.
"""

import re
import sys

import launch

# N, K of every product of Qwen2.5 0.5B and 1.5B, and squares.
MODELS = [(896, 896), (128, 896), (4864, 896), (896, 4864), (1536, 1536), (256, 1536), (8960, 1536), (1536, 8960)]
SQUARES = [(4096, 4096), (8192, 8192)]
ROWS, FEW = (1024, 4096, 16384), (1, 16, 64, 256)


def cases():
    for n, k in MODELS:
        for rows in FEW:
            yield f"linear_{n}_{k}_{rows}", "linear", n, k, rows
        for kind in ("linear", "data", "weight"):
            for rows in ROWS:
                yield f"{kind}_{n}_{k}_{rows}", kind, n, k, rows
    for n, k in SQUARES:
        for kind in ("linear", "data", "weight"):
            yield f"{kind}_{n}_{k}_{n}", kind, n, k, n


def program():
    text = []
    for name, kind, n, k, capacity in cases():
        rows = lambda c: f"tensor<?x{c}xbf16, #nn.axis<context>>"
        w, dw = f"tensor<{n}x{k}xbf16>", f"tensor<{n}x{k}xf32>"
        operands, result, op = {
            "linear": ([rows(k), w], rows(n), "nn.linear %a0, %a1"),
            "data": ([rows(n), w], rows(k), "nn.linear_data_grad %a0, %a1"),
            "weight": ([rows(n), rows(k), dw], dw, "nn.linear_weight_grad %a0, %a1, %a2"),
        }[kind]
        port = lambda name, type, source: f'{type} {{nn.name = "{name}", nn.source = "{source}:{name}"}}'
        arguments = ", ".join(f"%a{i}: " + port(f"a{i}", t, "input") for i, t in enumerate(operands))
        text.append(f"func.func @{name}({arguments}) -> ({port('r', result, 'output')})\n"
                    f'    attributes {{nn.kind = "plain", nn.capacities = {{context = {capacity} : i64}}}} {{\n'
                    f"  %r = {op} : ({', '.join(operands)}) -> {result}\n  return %r : {result}\n}}\n")
    return "\n".join(text)


def bandwidth():
    """Bytes a microsecond that a copy of 1 GiB reads and writes."""
    import torch
    source = torch.empty(1 << 30, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    [us] = launch.microseconds([launch.graph([lambda: target.copy_(source)] * 4)], 4)
    return (2 << 30) / us


def measure(folders, only=None):
    """A dictionary for each product, with what torch and each folder's kernels take."""
    import torch
    cuda = launch.Cuda()
    columns = [launch.Kernels(f, cuda) for f in folders]
    generator = torch.Generator("cuda").manual_seed(1)
    random = lambda *shape: torch.randn(*shape, device="cuda", generator=generator).bfloat16()
    for name, kind, n, k, rows in cases():
        if only and not re.search(only, name):
            continue
        shapes = {"linear": ((rows, k), (n, k)), "data": ((rows, n), (n, k)), "weight": ((rows, n), (rows, k))}[kind]
        out = {"linear": (rows, n), "data": (rows, k), "weight": (n, k)}[kind]
        touched = 2 * sum(a * b for a, b in shapes) + (8 if kind == "weight" else 2) * out[0] * out[1]
        flops = 2 * rows * n * k
        sets = max(2, min(64, -(-150_000_000 // touched)))
        repeats = max(sets, min(64, int(2e-3 / (flops / 7e14 + touched / 3e12 + 2e-6)) + 1))
        operands = [[random(*s) for s in shapes] for _ in range(sets)]
        dtype = torch.float32 if kind == "weight" else torch.bfloat16
        results = [torch.zeros(*out, device="cuda", dtype=dtype) for _ in range(sets)]

        def peer(i):
            a, b = operands[i % sets]
            r = results[i % sets]
            if kind == "linear":
                return lambda: torch.mm(a, b.t(), out=r)
            if kind == "data":
                return lambda: torch.mm(a, b, out=r)
            return lambda: torch.addmm(r, a.t(), b, out_dtype=torch.float32, out=r)
        graphs, ours = [launch.graph([peer(i) for i in range(repeats)])], []
        for column in columns:
            results[0].zero_()
            peer(0)()
            expected = results[0].clone()
            results[0].fill_(0 if kind == "weight" else float("nan"))
            [one] = column.launches[name]
            few = "_few_" in one.kernel
            buffers = lambda i: ([operands[i][1], operands[i][0]] if few else list(operands[i])) + [results[i]]
            calls = [column.call(one, rows, buffers(i)) for i in range(sets)]
            calls[0]()
            torch.cuda.synchronize()
            error = ((results[0].float() - expected.float()).norm() / expected.float().norm()).item()
            if not error < 4e-3:
                sys.exit(f"{name}, {rows} rows: wrong, relative error {error}")
            ours.append({"equal": (results[0] == expected).float().mean().item(), "tile": one.kernel.rsplit("_", 1)[1]})
            graphs.append(launch.graph([calls[i % sets] for i in range(repeats)]))
        torch_us, *times = launch.microseconds(graphs, repeats)
        yield {"kind": kind, "n": n, "k": k, "rows": rows, "flops": flops, "bytes": touched, "torch_us": torch_us,
               "ours": [{"us": us, **more} for us, more in zip(times, ours)]}


def run(folders, only):
    import torch
    print(torch.cuda.get_device_name(), "torch", torch.__version__)
    print(f"{'product':<20}{'rows':>6}{'torch us':>10}{'TFLOP/s':>9}{'GB/s':>7}" + "".join(f"{'us':>10}{'TFLOP/s':>9}{'GB/s':>7}{'ratio':>7}{'equal':>8}  tile" for _ in folders))
    for f in measure(folders, only):
        rates = lambda us: f"{us:>10.2f}{f['flops'] / us / 1e6:>9.1f}{f['bytes'] / us / 1e3:>7.0f}"
        print(f"{f['kind'] + '_' + str(f['n']) + '_' + str(f['k']):<20}{f['rows']:>6}{rates(f['torch_us'])}" +
              "".join(f"{rates(o['us'])}{f['torch_us'] / o['us']:>7.2f}{o['equal']:>8.2%}  {o['tile']}" for o in f["ours"]), flush=True)


if __name__ == "__main__":
    sys.exit(launch.main(__doc__, program, lambda folders, options: run(folders, options.get("only"))))
