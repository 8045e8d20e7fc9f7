#!/usr/bin/env python3
"""All of bench/gpu for a table like bench/results/2026-11-26-gpu-table.md: one folder to carry to a machine with a GPU, one command there.

  table.py prepare FOLDER [BIN] [--only=PART,…] [--target=cuda:sm_90a] [--tiny]   compiles, two programs at a time; needs ptxas, but no GPU
  FOLDER/bench/gpu/table.py run FOLDER [--only=PART,…] [--out=FOLDER/results] [--seconds=N]
                                              on the GPU: tests of bits, then each benchmark beside its peer
  table.py write OUT…                         table.md of the first OUT again, of what several runs left (`--out`); later ones count

The folder has mirl and its libraries once, the scripts, and a folder for each program; it can be carried as it is. Parts: {parts}.
Each fits into ten minutes, has a deadline and a process for each step, and does not end the others when it fails. With `--seconds` no
step goes on beyond that many seconds from the start. Behind each part OUT has its figures (PART.json), what its processes printed
(PART.log) and all parts so far as a table (table.md). Weights are made in FOLDER, those of all shapes at a time, while the tests run.
Exit code 1: a part failed; that bars are not met is in the table alone. `--tiny` tries all of it out, with `--target=cpu` or, with
MIRL_GPU_MODULE=ptx, on the emulated GPU (test/emulator): what needs CUDA is skipped there.
"""

import concurrent.futures
import dataclasses
import datetime
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import types
from typing import Callable

import attention
import attention_grad
import launch
import logprob
import model
import parity
import products
import report
import rollout
import training

SKIPPED = 77  # exit code of a step that cannot run here


# What is compiled for a folder of that name: prepare(folder, bin, options); `weights` are those of this shape, in these folders of it.
@dataclasses.dataclass
class Program:
    prepare: Callable
    weights: str = ""
    inside: str = "."
    gpu: bool = False  # whether there is none for a CPU


PRODUCTS = {"on": "own", "off": "cublaslt"}  # by parity; without it a library may compute what it is faster at


def train(size, work, micro_tokens, budget, parity="on"):
    return Program(lambda folder, bin, o: training.prepare(
        folder, bin, o.size(size), "tiny" if o.tiny else work, o.target, budget, 256 if o.tiny else micro_tokens, PRODUCTS[parity], parity), size,
        gpu=parity == "off")


def sample(size, sequences=256, prompt=128, parity="on", queue=0):
    return Program(lambda folder, bin, o: rollout.prepare(
        folder, bin, o.size(size), *((8, 16, 16) if o.tiny else (sequences, prompt, 256)), o.target, PRODUCTS[parity], parity,
        min(queue, 24) if o.tiny else queue), size, gpu=parity == "off")


def head(budget):
    return Program(lambda folder, bin, o: logprob.prepare(folder, bin, o.target, *((1024, 256) if o.tiny else (131072, 4096)), budget), "head")


def same_bits(size):
    return Program(lambda folder, bin, o: parity.prepare(folder, bin, o.size(size), o.target, 64 if o.tiny else 1), size, "large")


def kernels(benchmark):
    return Program(lambda folder, bin, o: launch.prepare(folder, bin / "mirlc", benchmark.program()), gpu=True)


def tests(folder, bin, options):
    subprocess.run([model.ROOT / "test" / "gpu" / "prepare.sh", bin, folder], check=True)


PROGRAMS = {
    "tests": Program(tests, gpu=True),
    "step": train("0.5B", "step", 16384, "20GiB"),
    "step15": train("1.5B", "step", 8192, "36GiB"),
    "iteration": train("0.5B", "iteration", 16384, ""),
    "rollout": sample("0.5B"),
    "rollout15": sample("1.5B"),
    "long": sample("0.5B", 8, 8192),
    "queue": sample("0.5B", queue=1024),
    "step_off": train("0.5B", "step", 16384, "20GiB", "off"),
    "step15_off": train("1.5B", "step", 8192, "36GiB", "off"),
    "rollout_off": sample("0.5B", parity="off"),
    "rollout15_off": sample("1.5B", parity="off"),
    "logprob": head(""),
    "logprob1120": head("1120MiB"),
    "logprob2800": head("2800MiB"),
    "products": kernels(products),
    "attention": kernels(attention),
    "attention_grad": kernels(attention_grad),
    "parity": same_bits("0.5B"),
    "parity15": same_bits("1.5B"),
}


# `measure` gets the folder of all programs and returns or yields figures; `needs`: "", "torch" (and transformers) or "cuda" (and torch).
@dataclasses.dataclass
class Step:
    name: str
    measure: Callable
    needs: str = ""


@dataclasses.dataclass
class Part:
    seconds: int
    programs: list
    steps: list


def run_tests(root):
    small = ["--small"] if json.loads((root / "table.json").read_text())["tiny"] else []
    done = subprocess.run([root / "tests" / "run.sh", root / "tests", *small], stdout=subprocess.PIPE, text=True)
    print(done.stdout)
    if done.returncode == SKIPPED:
        sys.exit(SKIPPED)
    lines = done.stdout.strip().splitlines()
    return {"good": done.returncode == 0, "verdict": lines[-1] if lines else "nothing was compared",
            "bad": [line for line in lines if "FAILED:" in line or "DIFFERS" in line]}


def check_attention(root):
    import torch
    [column] = attention.columns_of([root / "attention"])
    if attention.check(torch, column):
        raise SystemExit("attention has other results than float64, or other bits in decoding")
    yield from attention.measure_packed([column])
    yield from attention.measure_decode([column])


def check_attention_grad(root):
    kernels = attention_grad.Kernels(root / "attention_grad", launch.Cuda())
    attention_grad.check(kernels)
    return attention_grad.measure([kernels])


def measure_products(root):
    yield {"copy": products.bandwidth()}
    yield from products.measure([root / "products"])


def beside(mirl, peer):
    return [Step("peer", peer, "torch"), Step("mirl", mirl)]


def train_part(seconds, folder):
    return Part(seconds, [folder], beside(lambda root: training.run(root / folder, 4), lambda root: training.peer(root / folder, 8)))


def sample_part(seconds, folder, sequences=0):
    return Part(seconds, [folder], beside(lambda root: rollout.run(root / folder, 3, sequences), lambda root: rollout.peer(root / folder, 4, sequences)))


def cost_of_parity(work, folder):
    """Each program without parity behind the same one with it."""
    return Part(300, [folder, folder + "_off"], [Step(step, lambda root, name=name: work(root / name)) for step, name in (("on", folder), ("off", folder + "_off"))])


HEADS = ("logprob", "logprob1120", "logprob2800")
PARTS = {
    "tests": Part(570, ["tests"], [Step("tests", run_tests)]),
    "step": train_part(300, "step"),
    "step15": train_part(400, "step15"),
    "iteration": train_part(400, "iteration"),
    "rollout": sample_part(300, "rollout"),
    "rollout15": sample_part(400, "rollout15"),
    "one": sample_part(300, "rollout", 1),
    "long": sample_part(300, "long"),
    "queue": Part(120, ["queue"], [Step("mirl", lambda root: rollout.run(root / "queue", 3))]),
    "cost_step": cost_of_parity(lambda folder: training.run(folder, 4), "step"),
    "cost_step15": cost_of_parity(lambda folder: training.run(folder, 4), "step15"),
    "cost_rollout": cost_of_parity(lambda folder: rollout.run(folder, 3), "rollout"),
    "cost_rollout15": cost_of_parity(lambda folder: rollout.run(folder, 3), "rollout15"),
    "first": Part(120, ["rollout"], [Step("mirl", lambda root: rollout.run(root / "rollout", 3, 1, 1))]),
    # Three rounds: the same program is faster or slower by 5 % from one run to the next.
    "logprob": Part(570, list(HEADS), 3 * [Step("peer", lambda root: logprob.peer(root / "logprob", 8), "cuda"),
                                           *(Step(name, lambda root, name=name: logprob.run(root / name, 6)) for name in HEADS)]),
    "products": Part(400, ["products"], [Step("both", measure_products, "cuda")]),
    "attention": Part(400, ["attention"], [Step("both", check_attention, "cuda")]),
    "attention_grad": Part(500, ["attention_grad"], [Step("both", check_attention_grad, "cuda")]),
    "parity": Part(500, ["parity"], [Step("mirl", lambda root: parity.measure(root / "parity"))]),
    "parity15": Part(570, ["parity15"], [Step("mirl", lambda root: parity.measure(root / "parity15"))]),
}


def share(path, original):
    """Puts a link to `original` in the place of its copy."""
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    path.symlink_to(os.path.relpath(original, path.parent))


def commit():
    """That of the checkout, and whether anything is changed there."""
    git = lambda *arguments: subprocess.run(["git", "-C", model.ROOT, *arguments], capture_output=True, text=True).stdout.strip()
    return {"commit": git("rev-parse", "HEAD") or "unknown", "dirty": bool(git("status", "--porcelain"))}


def prepare(folder, bin, only, target, tiny):
    """Compiles the programs of the parts. The names of those that failed."""
    for name in ("bench/gpu", "lib"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for script in (model.ROOT / "bench" / "gpu").glob("*.py"):
        shutil.copy(script, folder / "bench" / "gpu")
    shutil.copy(model.ROOT / "bench" / "libraries.py", folder / "bench")
    shutil.copy(bin / "mirl", folder)
    model.copy_libraries(bin / "mirl", folder / "lib")
    options = types.SimpleNamespace(target=target, tiny=tiny, size=lambda size: "tiny" if tiny else size)
    every = [name for name in PROGRAMS if any(name in PARTS[part].programs for part in only)]
    names = [name for name in every if target.startswith("cuda") or not PROGRAMS[name].gpu]
    for name in sorted(set(every) - set(names)):
        print(f"{name}: is for a GPU alone, not for {target}: left out", flush=True)
    done, failed = [], []

    def compile(name):
        started = time.time()
        shutil.rmtree(folder / name, ignore_errors=True)
        try:
            PROGRAMS[name].prepare(folder / name, bin, options)
        except (Exception, SystemExit) as error:  # One program must not end the others.
            failed.append(name)
            verdict = f"FAILED: {error}"
        else:
            for copied in ("mirl", "lib"):
                for path in list((folder / name).rglob(copied)):
                    share(path, folder / copied)
            done.append(name)
            verdict = f"{time.time() - started:.0f} s"
        print(f"[{len(done) + len(failed)}/{len(names)}] {name}: {verdict}", flush=True)

    # Those of the tests are compiled two at a time themselves.
    if "tests" in names:
        compile("tests")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(compile, [name for name in names if name != "tests"]))
    made, file = {**commit(), "target": target, "tiny": tiny}, folder / "table.json"
    before = json.loads(file.read_text()) if file.exists() else {}
    if all(before.get(key) == value for key, value in made.items()):  # another call for other parts
        done += [name for name in before["programs"] if name not in names]
    file.write_text(json.dumps({**made, "programs": done}))
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    print(f"{folder}: {len(done)} programs, {size / 2**20:.0f} MiB" + (f"; FAILED: {', '.join(failed)}" if failed else ""))
    return failed


def machine():
    """The card and its driver, PyTorch's version, whether it finds the card, whether transformers are there."""
    def first(*command):
        try:
            lines = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout.strip().splitlines()
        except (OSError, subprocess.TimeoutExpired):
            lines = []
        return lines[0] if lines else ""
    card, _, driver = first("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader").partition(", ")
    version, _, found = first(sys.executable, "-c", "import torch; print(torch.__version__, torch.cuda.is_available())").partition(" ")
    peers = first(sys.executable, "-c", "import transformers; print(transformers.__version__)") if version else ""
    return {"card": card, "driver": driver, "torch": version, "cuda": found == "True", "transformers": peers}


def missing(needs, here):
    """Why a step cannot run here; nothing if it can."""
    if needs and not here["torch"]:
        return "PyTorch is not installed here"
    if needs == "torch" and not here["transformers"]:
        return "transformers are not installed here"
    return "needs CUDA, and PyTorch finds no GPU here" if needs == "cuda" and not here["cuda"] else ""


def make_weights(root, parts):
    """Starts to make the weights of all shapes that the parts need, a thread each: {shape: future}."""
    def folders(shape, names):
        return [root / name / PROGRAMS[name].inside for name in names if PROGRAMS[name].weights == shape]

    def make(shape):
        # Another call may have made them for another part.
        base = next((folder / "base" for folder in folders(shape, PROGRAMS) if model.has_weights(folder)), None)
        for folder in folders(shape, names):
            base = model.weights(folder, base)
    names = list(dict.fromkeys(name for part in parts for name in PARTS[part].programs))
    shapes = {PROGRAMS[name].weights for name in names} - {""}
    pool = concurrent.futures.ThreadPoolExecutor(max(1, len(shapes)))
    return {shape: pool.submit(make, shape) for shape in shapes}


def run_step(root, part, number, out, until):
    """Runs one step in a process of its own; its record."""
    step, file, log = PARTS[part].steps[number], out / f"{part}.step.json", out / f"{part}.log"
    file.unlink(missing_ok=True)
    started, record = time.time(), {"name": step.name}
    with log.open("a") as text:
        print(f"== {step.name}", file=text, flush=True)
        process = subprocess.Popen([sys.executable, pathlib.Path(__file__).resolve(), "measure", root, part, str(number), file], stdout=text,
                                   stderr=subprocess.STDOUT, start_new_session=True)
        try:
            code = process.wait(max(0, until - started))
        except subprocess.TimeoutExpired:
            code = None
        finally:
            # With mirl, which it may have started, whatever ends this one.
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    last = ([line for line in log.read_text(errors="replace").splitlines() if line.strip()] or [""])[-1]
    if code == SKIPPED:
        record["skipped"] = last.removeprefix("skipped: ")
    elif code != 0:
        record["error"] = f"not done at its deadline, after {time.time() - started:.0f} s" if code is None else last or f"exit code {code}"
    if file.exists():
        record["figures"] = json.loads(file.read_text())
        file.unlink()
    return {**record, "seconds": time.time() - started}


def measure(root, part, number, file):
    """The process of a step: its figures so far are in the file at any time."""
    found, figures = PARTS[part].steps[number].measure(root), []
    for one in found if isinstance(found, types.GeneratorType) else [found]:
        figures.append(one)
        print(json.dumps(one), flush=True)
        file.with_suffix(".new").write_text(json.dumps(figures))
        file.with_suffix(".new").rename(file)


def run(root, only, out, seconds):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))  # what runs is ended, too
    info, here, ends = json.loads((root / "table.json").read_text()), machine(), time.time() + seconds
    out.mkdir(parents=True, exist_ok=True)
    ready = [part for part in only if set(PARTS[part].programs) <= set(info["programs"])]
    weights, failed = make_weights(root, ready), []
    for part in only:
        record = {**{key: info[key] for key in ("commit", "dirty", "target", "tiny")}, "machine": here,
                  "date": datetime.date.today().isoformat(), "steps": []}
        (out / f"{part}.log").unlink(missing_ok=True)
        # Nothing is timed while weights are made.
        if part != "tests":
            concurrent.futures.wait(weights.values())
        broken = [f"weights of {shape}: {future.exception()}" for shape, future in weights.items() if part != "tests" and future.exception()
                  and any(PROGRAMS[name].weights == shape for name in PARTS[part].programs)]
        until = min(time.time() + PARTS[part].seconds, ends)
        for number, step in enumerate(PARTS[part].steps):
            if part not in ready:
                record["steps"].append({"name": step.name, "skipped": "was not prepared"})
            elif broken:
                record["steps"].append({"name": step.name, "error": broken[0]})
            elif reason := missing(step.needs, here):
                record["steps"].append({"name": step.name, "skipped": reason})
            elif time.time() >= until:
                record["steps"].append({"name": step.name, "error": report.NOT_BEGUN})
            else:
                record["steps"].append(run_step(root, part, number, out, until))
            last = record["steps"][-1]
            print(f"{part}, {step.name}: " + (f"skipped: {last['skipped']}" if "skipped" in last else f"FAILED: {last['error']}" if "error" in last else
                                              f"{last['seconds']:.1f} s"), flush=True)
        failed += [part] if report.problems(record) else []
        (out / f"{part}.json").write_text(json.dumps(record))
        (out / "table.md").write_text(report.markdown(report.read([out])))
    print(f"{out / 'table.md'}" + (f"; FAILED: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


def select(text):
    """The parts that --only names, in their order."""
    names = text.split(",") if text else list(PARTS)
    if unknown := [name for name in names if name not in PARTS]:
        sys.exit(f"there is no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    return [name for name in PARTS if name in names]


def main():
    if sys.argv[1:2] == ["measure"]:
        return measure(pathlib.Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), pathlib.Path(sys.argv[5]))
    doc = __doc__.replace("{parts}", ", ".join(PARTS))
    options = {"prepare": {"only": "", "target": "cuda:sm_90a", "tiny": ""}, "run": {"only": "", "out": "", "seconds": "inf"}, "write": {}}
    action, folder, rest, given = model.arguments(doc, tuple(options), options.get((sys.argv + [""])[1], {}), prepared="table.json")
    if action == "prepare":
        return 1 if prepare(folder, pathlib.Path(rest[0]).resolve() if rest else model.ROOT / "build" / "bin", select(given["only"]), given["target"],
                            bool(given["tiny"])) else 0
    if action == "run":
        return run(folder, select(given["only"]), pathlib.Path(given["out"] or folder / "results").resolve(), float(given["seconds"]))
    (folder / "table.md").write_text(report.markdown(report.read([folder, *map(pathlib.Path, rest)])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
