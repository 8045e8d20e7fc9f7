"""Kernels of single ops, launched without mirl's runtime: what the benchmarks of products and attention share to compile, launch and time
them."""

import collections
import ctypes
import inspect
import pathlib
import re
import shutil
import statistics
import subprocess
import sys

# What a launch of a plan says: its kernel, whether its work grows with the rows, its numbers (size, tile, factor), its tensor maps.
Launch = collections.namedtuple("Launch", "kernel dynamic work maps")


def prepare(folder, mirlc, text):
    """Compiles a program to a folder that Kernels reads; needs ptxas, but no GPU."""
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "program.mlir"
    source.write_text(text)
    emit = lambda what, file: subprocess.run([mirlc, source, "--target", "cuda:sm_90a", "--dtype", "f32", "--emit", what, "-o", folder / file], check=True)
    emit("kernels", "kernels.mlir")
    emit("ptx", "kernels.ptx")
    ptxas = shutil.which("ptxas") or "/usr/local/cuda/bin/ptxas"
    subprocess.run([ptxas, "-arch=sm_90a", "-O3", "-fmad=false", folder / "kernels.ptx", "-o", folder / "kernels.cubin"], check=True)
    # What the launches say is all that a run needs of it.
    lines = (folder / "kernels.mlir").read_text().splitlines()
    keep = [l for l in lines if re.search(r"plan\.(entry|alloc|launch) |llvm\.func @", l)]
    (folder / "kernels.mlir").write_text("\n".join(keep) + "\n")


class Cuda:
    """The driver, on the context that torch made."""

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

    def encode(self, m, buffer, rows):
        import torch
        rank = len(m["axes"])
        memory = ctypes.create_string_buffer(128 + 64)
        aligned = (ctypes.addressof(memory) + 63) // 64 * 64
        dims = (ctypes.c_uint64 * rank)(*[size + (rows if axis else 0) for axis, size in zip(m["axes"], m["sizes"])])
        strides = (ctypes.c_uint64 * (rank - 1))(*m["strides"])
        box, steps = (ctypes.c_uint32 * rank)(*m["box"]), (ctypes.c_uint32 * rank)(*[1] * rank)
        self.check(self.lib.cuTensorMapEncodeTiled(ctypes.c_void_p(aligned), 7 if buffer.dtype == torch.float32 else 9, rank,
                                                   ctypes.c_void_p(buffer.data_ptr()), dims, strides, box, steps, 0,
                                                   {128: 3, 64: 2, 32: 1}[m["swizzle"][0]], 3, 0))
        result = (ctypes.c_char * 128).from_address(aligned)
        result.memory = memory
        return result


class Kernels:
    """A folder's kernels, and how their launches are made."""

    def __init__(self, folder, cuda):
        self.cuda, self.name = cuda, folder.name
        self.module = ctypes.c_void_p()
        self.image = (folder / "kernels.cubin").read_bytes()
        cuda.check(cuda.lib.cuModuleLoadData(ctypes.byref(self.module), self.image))
        # Launches of an entry, the extents of its memory by name, numbers of a kernel.
        self.launches, self.memory, self.kernels = {}, {}, {}
        entry = None
        for line in (folder / "kernels.mlir").read_text().splitlines():
            if found := re.search(r"plan\.entry @(\w+)", line):
                entry = found[1]
            elif found := re.search(r'plan\.alloc "([\w.]+)" .*<tensor<([\dx]+)x\w+>>', line):
                self.memory.setdefault(entry, {})[found[1]] = [int(x) for x in found[2].split("x")]
            elif found := re.search(r"plan\.launch @(\w+) .*? over <(.*?)> ", line):
                maps = [{key: [int(x) for x in value.strip("[]").split(",")] for key, value in re.findall(r"(\w+) = (\[[^]]*\]|\d+)", m)}
                        for m in re.findall(r"#plan\.tensor_map<(.*?)>", line)]
                work = {key: int(value) for key, value in re.findall(r"(\w+) = (\d+)", found[2])}
                self.launches.setdefault(entry, []).append(Launch(found[1], "context" in found[2], work, maps))
            elif found := re.search(r"llvm\.func @(\w+)\(", line):
                self.kernels[found[1]] = {key: int(value) for key, value in re.findall(r"mirl\.(\w+) = (\d+)", line)}

    def call(self, launch, rows, buffers, sequences=0):
        """A function that makes the launch on the current stream. `buffers`: reads, then the results."""
        import torch
        info, cuda = self.kernels[launch.kernel], self.cuda
        function = ctypes.c_void_p()
        cuda.check(cuda.lib.cuModuleGetFunction(ctypes.byref(function), self.module, launch.kernel.encode()))
        cuda.check(cuda.lib.cuFuncSetAttribute(function, 8, info["shared_bytes"]))
        work = launch.work
        items = -(-((rows if launch.dynamic else 0) + work["size"]) // work["tile"]) * work["factor"]
        blocks = min(items, cuda.multiprocessors * info["blocks_per_multiprocessor"])
        arguments = [cuda.encode(m, buffers[m["argument"][0]], rows) for m in launch.maps]
        arguments += [ctypes.c_uint64(b.data_ptr()) for b in buffers]
        arguments += [ctypes.c_int64(x) for x in (rows, 0, sequences, 0, 0, 0, items)]
        pointers = (ctypes.c_void_p * len(arguments))(*[ctypes.cast(ctypes.byref(a), ctypes.c_void_p) for a in arguments])

        def run():
            stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
            cuda.check(cuda.lib.cuLaunchKernel(function, blocks, 1, 1, info["threads"], 1, 1, info["shared_bytes"], stream, pointers, None))
        run.keep = arguments, buffers
        return run


def graph(calls):
    """The calls as one CUDA graph."""
    import torch
    calls[0]()
    torch.cuda.synchronize()
    g = torch.cuda.CUDAGraph()
    with torch.cuda.graph(g):
        for call in calls:
            call()
    return g


def microseconds(graphs, calls, rounds=9):
    """Microseconds a call of graphs of `calls` calls: the median of rounds, interleaved."""
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


def main(doc, program, run):
    """The command line that these benchmarks share: prepare FOLDER [MIRLC], or run FOLDER…, and options, which `program` or `run` gets as they
    are."""
    if len(sys.argv) < 3 or sys.argv[1] not in ("prepare", "run"):
        sys.exit(doc)
    options = dict(a[2:].split("=", 1) if "=" in a else (a[2:], "") for a in sys.argv[2:] if a.startswith("--"))
    given = [a for a in sys.argv[2:] if not a.startswith("--")]
    if sys.argv[1] == "prepare":
        if options.keys() - inspect.signature(program).parameters.keys():
            sys.exit(doc)
        return prepare(pathlib.Path(given[0]), given[1] if len(given) > 1 else "mirlc", program(**options))
    return run([pathlib.Path(a) for a in given], options)
