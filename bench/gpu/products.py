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

import ctypes
import pathlib
import re
import shutil
import statistics
import subprocess
import sys

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


def prepare(folder, mirlc, text):
    """Compiles a program of entries with one launch each to a folder that Cubin reads."""
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "products.mlir"
    source.write_text(text)
    emit = lambda what, file: subprocess.run([mirlc, source, "--target", "cuda:sm_90a", "--dtype", "f32", "--emit", what, "-o", folder / file], check=True)
    emit("kernels", "kernels.mlir")
    emit("ptx", "products.ptx")
    ptxas = shutil.which("ptxas") or "/usr/local/cuda/bin/ptxas"
    subprocess.run([ptxas, "-arch=sm_90a", "-O3", "-fmad=false", folder / "products.ptx", "-o", folder / "products.cubin"], check=True)
    # What the launches say is all that a run needs of it.
    lines = (folder / "kernels.mlir").read_text().splitlines()
    keep = [l for l in lines if re.search(r"plan\.(entry|launch) |llvm\.func @", l)]
    (folder / "kernels.mlir").write_text("\n".join(keep) + "\n")


class Cubin:
    """A folder's kernels, and how their launches are made."""

    def __init__(self, folder, cuda):
        self.cuda, self.name = cuda, folder.name
        self.module = ctypes.c_void_p()
        self.image = (folder / "products.cubin").read_bytes()
        cuda.check(cuda.lib.cuModuleLoadData(ctypes.byref(self.module), self.image))
        self.launches, self.kernels = {}, {}
        entry = None
        for line in (folder / "kernels.mlir").read_text().splitlines():
            if found := re.search(r"plan\.entry @(\w+)", line):
                entry = found[1]
            elif found := re.search(r"plan\.launch @(\w+) .*? over <(.*?)> ", line):
                maps = [{key: [int(x) for x in value.strip("[]").split(",")] for key, value in re.findall(r"(\w+) = (\[[^]]*\]|\d+)", m)}
                        for m in re.findall(r"#plan\.tensor_map<(.*?)>", line)]
                work = {key: int(value) for key, value in re.findall(r"(\w+) = (\d+)", found[2])}
                self.launches[entry] = (found[1], "context" in found[2], work, maps)
            elif found := re.search(r"llvm\.func @(\w+)\(", line):
                self.kernels[found[1]] = {key: int(value) for key, value in re.findall(r"mirl\.(\w+) = (\d+)", line)}

    def call(self, entry, rows, buffers, sequences=0):
        """A function that launches the entry's kernel on the current stream. `buffers`: reads, then the results."""
        import torch
        kernel, dynamic, work, maps = self.launches[entry]
        info, cuda = self.kernels[kernel], self.cuda
        function = ctypes.c_void_p()
        cuda.check(cuda.lib.cuModuleGetFunction(ctypes.byref(function), self.module, kernel.encode()))
        cuda.check(cuda.lib.cuFuncSetAttribute(function, 8, info["shared_bytes"]))
        items = -(-((rows if dynamic else 0) + work["size"]) // work["tile"]) * work["factor"]
        blocks = min(items, cuda.multiprocessors * info["blocks_per_multiprocessor"])
        arguments = [cuda.encode(m, buffers[m["argument"][0]].data_ptr(), rows) for m in maps]
        arguments += [ctypes.c_uint64(b.data_ptr()) for b in buffers]
        arguments += [ctypes.c_int64(x) for x in (rows, 0, sequences, 0, 0, 0, items)]
        pointers = (ctypes.c_void_p * len(arguments))(*[ctypes.cast(ctypes.byref(a), ctypes.c_void_p) for a in arguments])

        def launch():
            stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
            cuda.check(cuda.lib.cuLaunchKernel(function, blocks, 1, 1, info["threads"], 1, 1, info["shared_bytes"], stream, pointers, None))
        launch.keep = arguments
        return launch, kernel


class Cuda:
    def __init__(self):
        import torch
        torch.zeros(1, device="cuda")
        self.lib = ctypes.CDLL("libcuda.so.1")
        self.multiprocessors = torch.cuda.get_device_properties(0).multi_processor_count

    def check(self, code):
        if code:
            text = ctypes.c_char_p()
            self.lib.cuGetErrorString(code, ctypes.byref(text))
            raise RuntimeError(text.value.decode())

    def encode(self, m, address, rows):
        rank = len(m["axes"])
        memory = ctypes.create_string_buffer(128 + 64)
        aligned = (ctypes.addressof(memory) + 63) // 64 * 64
        dims = (ctypes.c_uint64 * rank)(*[size + (rows if axis else 0) for axis, size in zip(m["axes"], m["sizes"])])
        strides = (ctypes.c_uint64 * (rank - 1))(*m["strides"])
        box, steps = (ctypes.c_uint32 * rank)(*m["box"]), (ctypes.c_uint32 * rank)(*[1] * rank)
        self.check(self.lib.cuTensorMapEncodeTiled(ctypes.c_void_p(aligned), 9, rank, ctypes.c_void_p(address), dims, strides, box, steps, 0,
                                                   {128: 3, 64: 2, 32: 1}[m["swizzle"][0]], 3, 0))
        result = (ctypes.c_char * 128).from_address(aligned)
        result.memory = memory
        return result


def graph(calls):
    import torch
    calls[0]()
    torch.cuda.synchronize()
    g = torch.cuda.CUDAGraph()
    with torch.cuda.graph(g):
        for call in calls:
            call()
    return g


def measure(graphs, calls, rounds=9):
    """Microseconds a call, for each graph; interleaved."""
    import torch
    times = [[] for _ in graphs]
    for round in range(rounds + 1):
        for i, g in enumerate(graphs):
            start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            start.record()
            g.replay()
            end.record()
            end.synchronize()
            if round:
                times[i].append(start.elapsed_time(end) * 1000 / calls)
    return [statistics.median(t) for t in times]


def run(folders, only):
    import torch
    cuda = Cuda()
    cubins = [Cubin(f, cuda) for f in folders]
    print(torch.cuda.get_device_name(), "torch", torch.__version__)
    print(f"{'product':<20}{'rows':>6}{'torch us':>10}{'TFLOP/s':>9}{'GB/s':>7}" + "".join(f"{'us':>10}{'TFLOP/s':>9}{'GB/s':>7}{'ratio':>7}{'equal':>8}  tile" for _ in cubins))
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
        graphs, notes = [graph([peer(i) for i in range(repeats)])], []
        for cubin in cubins:
            results[0].zero_()
            peer(0)()
            expected = results[0].clone()
            results[0].fill_(0 if kind == "weight" else float("nan"))
            few = "_few_" in cubin.launches[name][0]
            buffers = lambda i: ([operands[i][1], operands[i][0]] if few else list(operands[i])) + [results[i]]
            calls = [cubin.call(name, rows, buffers(i)) for i in range(sets)]
            calls[0][0]()
            torch.cuda.synchronize()
            error = ((results[0].float() - expected.float()).norm() / expected.float().norm()).item()
            if not error < 4e-3:
                sys.exit(f"{name}, {rows} rows: wrong, relative error {error}")
            notes.append(((results[0] == expected).float().mean().item(), calls[0][1].rsplit("_", 1)[1]))
            graphs.append(graph([calls[i % sets][0] for i in range(repeats)]))
        times = measure(graphs, repeats)
        line = f"{name.rsplit('_', 1)[0]:<20}{rows:>6}"
        for i, us in enumerate(times):
            line += f"{us:>10.2f}{flops / us / 1e6:>9.1f}{touched / us / 1e3:>7.0f}"
            if i:
                line += f"{times[0] / us:>7.2f}{notes[i - 1][0]:>8.2%}  {notes[i - 1][1]}"
        print(line, flush=True)


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in ("prepare", "run"):
        sys.exit(__doc__)
    if sys.argv[1] == "prepare":
        return prepare(pathlib.Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else "mirlc", program())
    only = next((a[7:] for a in sys.argv[2:] if a.startswith("--only=")), None)
    run([pathlib.Path(a) for a in sys.argv[2:] if not a.startswith("--")], only)


if __name__ == "__main__":
    main()
