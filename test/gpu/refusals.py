"""What is refused on a GPU, with exit code 1 and one line that says why, and two programs on one GPU, for compare.py.

  refusals.py edit PLAN OUT     writes a copy of a plan that is for another GPU, sm_80a; needs libxxhash.so.0
  refusals.py hold BYTES        takes the GPU's memory but so much, until its standard input ends
"""

import ctypes
import re
import struct
import subprocess
import sys
import time

from tensors import all_differing, read_safetensors, write_safetensors

ROWS = 300
# Left free by another program: too little for the plan, but enough for the driver to start; too little for that.
LEFT, TINY = 3 << 30, 16 << 20
# What `mirl` takes for an error; the driver's text is its own.
LINE = re.compile(r"mirl: error: [^\n]+\n")


def edit(plan, out):
    """Puts sm_80a in the place of sm_90a, and the right checksum over it (runtime/artifact/ContentHash.h)."""
    data = bytearray(plan.read_bytes())
    u32 = lambda at: struct.unpack_from("<I", data, at)[0]
    root = u32(0)
    vtable = root - struct.unpack_from("<i", data, root)[0]
    # Fields of Plan by their number: isa is 3, content_hash 5.
    field = lambda number: root + struct.unpack_from("<H", data, vtable + 4 + 2 * number)[0]
    isa = field(3) + u32(field(3))
    text = isa + 4 + u32(isa + 4) + 4
    assert data[text:text + 6] == b"sm_90a", data[text:text + 6]
    data[text:text + 6] = b"sm_80a"
    digest = ctypes.CDLL("libxxhash.so.0").XXH3_64bits
    digest.restype, digest.argtypes = ctypes.c_uint64, (ctypes.c_char_p, ctypes.c_size_t)
    struct.pack_into("<Q", data, field(5), 0)
    struct.pack_into("<Q", data, field(5), digest(bytes(data), len(data)))
    out.write_bytes(data)


def hold(left):
    driver = ctypes.CDLL("libcuda.so.1")
    device, context, address, free, total = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_uint64(), ctypes.c_size_t(), ctypes.c_size_t()

    def call(name, *arguments):
        if code := getattr(driver, name)(*arguments):
            sys.exit(f"{name}: {code}")
    call("cuInit", 0)
    call("cuDeviceGet", ctypes.byref(device), 0)
    call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
    call("cuCtxSetCurrent", context)
    call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
    call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(free.value - left))
    print("held", flush=True)
    sys.stdin.read()


def check(comparison, scratch, small):
    """`small`: on an emulated GPU, whose memory is each process's own, and which always is there."""
    folder, given, out = comparison.folder, scratch / "in.safetensors", scratch / "out.safetensors"
    write_safetensors(given, {"ids": ("i32", [ROWS], [row % 16 for row in range(ROWS)]), "table": ("bf16", [16, 1024], [0x3F80] * (16 << 10)),
                              "into": ("f32", [1024], [0.0] * 1024)})

    def call(plan, environment=None):
        command = [comparison.mirl, "call", folder / plan, "sums", "--in", given, "--out", out]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, env={**comparison.environment, **(environment or {})})

    def refused(what, wanted, plan, environment=None):
        out.unlink(missing_ok=True)
        done = call(plan, environment)
        good = done.returncode == 1 and LINE.fullmatch(done.stderr) and re.search(wanted, done.stderr) and not out.exists()
        said = done.stderr.strip().removeprefix("mirl: error: ").replace(str(folder) + "/", "")
        comparison.add(what, f"refused: {said}" if good else f"FAILED: exit code {done.returncode}, {said!r}, not {wanted!r}", bool(good))

    needs = lambda plan: (comparison.inspect(folder / plan) or {"memory": {}})["memory"].get("arena_bytes")
    refused("a plan for more memory than any GPU has", rf"needs {needs('huge.plan')} bytes of memory; .+ has \d+ of its \d+ bytes free: "
            "compile with a smaller --memory-budget", "huge.plan")
    refused("a plan for another GPU", r"it is for a GPU that this runtime does not know; it knows sm_90a", "other.plan")
    if small:
        return
    for devices in ("", "77"):
        refused(f"no GPU: CUDA_VISIBLE_DEVICES={devices!r}", "this machine has no NVIDIA GPU that CUDA_VISIBLE_DEVICES allows", "large.plan",
                {"CUDA_VISIBLE_DEVICES": devices})
    done = call("large.plan")
    right = not done.returncode and struct.unpack("<f", read_safetensors(out)["sums"][:4])[0] == ROWS
    comparison.add("a plan of 4 GiB alone", "right" if right else f"FAILED: {done.stderr}", right)
    for left, wanted in ((LEFT, rf"needs {needs('large.plan')} bytes of memory; .+ has \d+ of its \d+ bytes free"), (TINY, "CUDA_ERROR_OUT_OF_MEMORY")):
        holder = subprocess.Popen([sys.executable, __file__, "hold", str(left)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        with holder:
            if holder.stdout.readline() == "held\n":
                refused(f"another program leaves {left >> 20} MiB", wanted, "large.plan")
            else:
                comparison.add(f"another program leaves {left >> 20} MiB", "FAILED: it does not get the rest", False)
    together(comparison, scratch)


def together(comparison, scratch):
    """The same training by itself, and by two processes at a time."""
    def start(name):
        data = [x for n in ("prompts", "test") for x in ("--data", f"{n}={comparison.folder / 'data' / n}.jsonl")]
        return subprocess.Popen([comparison.mirl, "train", comparison.folder / "small.plan", "--run", scratch / name, "--model",
                                 comparison.folder / "parity", "--seed", "0", "--iterations", "3", "--no-store", *data],
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=comparison.environment)

    def end(process):
        try:
            error = process.communicate(timeout=300)[1]
        except subprocess.TimeoutExpired:
            process.kill()
            error = process.communicate()[1] + "no end"
        if process.returncode:
            comparison.add("two programs on one GPU", f"FAILED: {error.splitlines()[-1:]}", False)
        return process.returncode == 0
    if not end(start("alone")):
        return
    started = time.time()
    both = [start("first"), start("second")]
    if not all([end(process) for process in both]):
        return
    results = [read_safetensors(scratch / name / "final" / "model.safetensors") for name in ("alone", "first", "second")]
    bad = {**all_differing(results[0], results[1]), **all_differing(results[0], results[2])}
    comparison.add("two programs on one GPU", f"DIFFERS in {', '.join(bad)}" if bad else "the bits of one alone", not bad, (0, time.time() - started))


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "hold":
        hold(int(sys.argv[2]))
    elif len(sys.argv) == 4 and sys.argv[1] == "edit":
        import pathlib
        edit(pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))
    else:
        sys.exit(__doc__)
