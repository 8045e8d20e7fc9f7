#!/usr/bin/env python3
"""Whether a GPU gives the CPU's bits: compare.py FOLDER [--small] (prepare.sh fills it), with a short table at the end.

Every entry of the chain example's plans in f32 is called on the same inputs on both devices, and both programs are trained
for a few iterations: outputs, metrics and weights must be equal bit for bit. Matrix products of bf16 must have the bits of
the CPU's model of the tensor cores, groups of ops that are one launch those of the ops one by one, products that cuBLASLt may compute those of our own, and log-probs those that
sampling records. The adjoint of attention in bf16, whose sums are others than the CPU's, must be like the CPU's, and have the
same bits twice and in whatever order the sequences are packed. What cannot run must be refused (refusals.py). A training in bf16 must give the same bits twice, and losses
like the CPU's, whose sums are others. Exit code 0: all equal; 1: something differs or fails; 77: there is no GPU here (a reason
is printed). Needs python3 alone. --small is for an emulated GPU: fewer and smaller cases, no training in f32.
"""

import array
import ctypes
import json
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import time

import groups
import library
import logprob
import paged
import refusals
import row_blocks
import updates
from tensors import all_differing, differing, distance, largest, read_safetensors, to_bf16, write_safetensors

# Entries of attention.mlir: heads, key/value heads, head dimension.
ATTENTION = [(1, 1, 64), (4, 2, 128), (7, 1, 64), (2, 2, 128)]
# Single rows, the borders of tiles of 64 and 128 rows, several tiles.
LENGTHS = [1, 2, 17, 63, 64, 65, 127, 128, 129, 3, 192, 193, 300]
# Metrics that tell of time, not of numbers.
TIMES = ("_per_s", "_seconds")
# Seconds that one run of mirl may take; the longest trainings take a few minutes.
PATIENCE = 1800


def gpu_missing():
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        return f"no NVIDIA driver ({error})"
    count = ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)) or count.value == 0:
        return "no NVIDIA GPU"
    return None


class Comparison:
    def __init__(self, folder):
        self.folder = folder
        self.mirl = folder / "bin" / "mirl"
        libraries = [str(folder / "lib"), os.environ.get("LD_LIBRARY_PATH", "")]
        # Every entry finds its memory full of what is no number: results are equal only if nobody reads what no command wrote.
        self.environment = {**os.environ, "LD_LIBRARY_PATH": ":".join(filter(None, libraries)), "MIRL_POISON": "1"}
        self.rows, self.failed = [], False

    def run(self, *arguments):
        started = time.time()
        command = [self.mirl, *map(str, arguments)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, env=self.environment, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            done = subprocess.CompletedProcess(command, 124, "", f"no end after {PATIENCE} s")
        done.stderr = done.stderr or f"exit code {done.returncode}"
        return done, time.time() - started

    def inspect(self, plan):
        """What `mirl inspect` says of a plan; None when that fails, which is a row of the table."""
        done, _ = self.run("inspect", plan, "--json")
        if not done.returncode:
            return json.loads(done.stdout)
        self.add(f"inspect {plan.name}", f"FAILED: {done.stderr}", False)
        return None

    def takes(self, what):
        """Whether a section that asks is to make this comparison: all of them; sanitize.py's processes share them."""
        return True

    def add(self, what, verdict, good, seconds=None):
        self.rows.append((what, verdict, *(f"{s:.2f}" for s in seconds or ())))
        self.failed |= not good
        print(f"  {what}: {verdict}", file=sys.stderr, flush=True)

    def both(self, what, arguments, collect):
        """Runs the same command for both devices; `arguments` and `collect` take "cpu" or "cuda"."""
        results, seconds = [], []
        for device in ("cpu", "cuda"):
            done, took = self.run(*arguments(device))
            if done.returncode:
                return self.add(what, f"FAILED on {device}: {done.stderr.splitlines()[-1]}", False)
            results.append(collect(device))
            seconds.append(took)
        words = sum(len(v) // 4 for v in results[0].values())
        bad = all_differing(*results)
        if not words:
            self.add(what, "FAILED: there is no result", False, seconds)
        elif not bad:
            self.add(what, f"equal ({words} words)", True, seconds)
        else:
            worst = sorted(bad.items(), key=lambda item: -item[1])[:3]
            self.add(what, "DIFFERS: " + ", ".join(f"{k} in {n} words" for k, n in worst), False, seconds)

    def entries(self, program, scratch):
        plan = self.inspect(self.folder / f"{program}.cpu.plan")
        for entry in plan["entries"] if plan else ():
            inputs = scratch / "in.safetensors"
            write_safetensors(inputs, make_inputs(entry, plan))
            name = entry["name"]
            self.both(f"{program} {name}",
                      lambda d: ["call", self.folder / f"{program}.{d}.plan", name, "--in", inputs, "--model", self.folder / "base",
                                 "--out", scratch / f"{d}.safetensors"],
                      lambda d: read_safetensors(scratch / f"{d}.safetensors"))

    def training(self, program, iterations, data, start, scratch):
        def collect(device):
            run = scratch / f"{program}.{device}"
            result = read_safetensors(run / "final" / "model.safetensors")
            for i, line in enumerate((run / "metrics.jsonl").open()):
                for key, number in json.loads(line).items():
                    if isinstance(number, (int, float)) and not key.endswith(TIMES):
                        result[f"metric {key} of iteration {i}"] = struct.pack("<d", number)
            return result
        self.both(f"{program} train, {iterations} iterations",
                  lambda d: ["train", self.folder / f"{program}.{d}.plan", "--run", scratch / f"{program}.{d}", "--model", start,
                             "--seed", 0, "--iterations", iterations] + [x for n, f in data.items() for x in ("--data", f"{n}={self.folder / 'data' / f}")],
                  collect)
        return scratch / f"{program}.cpu" / "final"

    def waiting(self, iterations, scratch):
        """Responses that wait between iterations with their keys and values, in either way (prepare.sh: ready, keep)."""
        for program in ("ready", "keep"):
            self.training(program, iterations, {"prompts": "prompts.jsonl", "test": "test.jsonl"}, self.folder / "base", scratch)
            metrics = scratch / f"{program}.cuda" / "metrics.jsonl"
            kept = sum(json.loads(line).get("kept", 0) for line in metrics.open()) if metrics.exists() else 0
            self.add(f"{program}: responses that went on", f"{kept:.0f} with their keys and values", kept > 0)

    def products(self, folder, scratch):
        cases = sorted(folder.glob("*.out.safetensors"))
        if not cases:
            self.add("products", "FAILED: there are no cases", False)
        for expected in cases:
            name, rows = expected.name.split(".")[:2]
            found = scratch / "y.safetensors"
            started = time.time()
            done, _ = self.run("call", folder / "products.plan", name, "--in", folder / f"{name}.{rows}.in.safetensors", "--out", found)
            what = f"product {name}, {rows} rows"
            if done.returncode:
                self.add(what, f"FAILED: {done.stderr}", False)
                continue
            a, b = read_safetensors(expected)["y"], read_safetensors(found)["y"]
            wrong = differing(a, b)
            verdict = f"DIFFERS in {wrong} of {len(a) // 4} words" if wrong else f"as the model ({len(a) // 4} words)"
            self.add(what, verdict, not wrong, (0, time.time() - started))

    def attention(self, folder, scratch):
        """P and dS are rounded to bf16: errors of 3e-3 of the norm were seen."""
        generator = random.Random(0)
        for heads, kv, dim in ATTENTION:
            name, rows = f"{heads}_{kv}_{dim}", sum(LENGTHS)
            width = {"g": heads, "q": heads, "k": kv, "v": kv, "o": heads, "dq": heads, "dk": kv, "dv": kv}
            width = {n: w * dim for n, w in width.items()}
            data = {n: to_bf16(generator.gauss(0, 1) for _ in range(rows * width[n])) for n in "qkvg"}
            ranges = []
            for n in LENGTHS:
                ranges.append((ranges[-1][1] if ranges else 0, (ranges[-1][1] if ranges else 0) + n))

            def permuted(values, columns, order):
                return [x for i in order for x in values[ranges[i][0] * columns:ranges[i][1] * columns]]

            def call(device, entry, tensors, order):
                starts = [0]
                for i in order:
                    starts.append(starts[-1] + LENGTHS[i])
                tensors = {**tensors, "offsets": ("i32", [len(starts)], starts)}
                write_safetensors(scratch / "in.safetensors", tensors)
                done, took = self.run("call", folder / f"attention.{device}.plan", entry + name, "--in", scratch / "in.safetensors", "--out", scratch / "out.safetensors")
                if done.returncode:
                    raise RuntimeError(f"FAILED on {device}: {done.stderr}")
                return read_safetensors(scratch / "out.safetensors"), took

            forward = list(range(len(LENGTHS)))
            try:
                tensors = {n: ("bf16", [rows, width[n]], data[n]) for n in "qkv"}
                made, _ = call("cpu", "forward_", tensors, forward)
                data["o"], lse = array.array("H", made["o"]), array.array("f", made["lse"])

                def gradients(device, order):
                    tensors = {n: ("bf16", [rows, width[n]], permuted(data[n], width[n], order)) for n in "gqkvo"}
                    tensors["lse"] = ("f32", [rows, heads], permuted(lse, heads, order))
                    found, took = call(device, "backward_", tensors, order)
                    return {n: array.array("H", v) for n, v in found.items()}, took
                expected, cpu = gradients("cpu", forward)
                found, gpu = gradients("cuda", forward)
                again, _ = gradients("cuda", forward)
                backwards, _ = gradients("cuda", forward[::-1])
            except RuntimeError as error:
                self.add(f"attention_grad {name}", str(error), False)
                continue
            worst = largest(distance(found[n], expected[n]) for n in expected)
            self.add(f"attention_grad {name}", f"within {worst:.1e} of the CPU's", worst < 6e-3, (cpu, gpu))
            self.add(f"attention_grad {name} twice", "equal" if found == again else "DIFFERS", found == again)
            same = all(array.array("H", permuted(found[n], width[n], forward[::-1])) == backwards[n] for n in expected)
            self.add(f"attention_grad {name} packed backwards", "equal" if same else "DIFFERS", same)

    def parity(self, data, scratch):
        """Log-probs recorded while decoding beside those of the training pass, bit for bit."""
        run = scratch / "parity"
        done, seconds = self.run("train", self.folder / "parity.plan", "--run", run, "--model", self.folder / "parity", "--seed", 0, "--iterations", 1,
                                 "--check-parity", *(x for n in ("prompts", "test") for x in ("--data", f"{n}={data / n}.jsonl")))
        if done.returncode:
            return self.add("parity in bf16", f"FAILED: {done.stderr}", False)
        lines = [line for line in map(json.loads, (run / "metrics.jsonl").open()) if "parity_tokens" in line]
        tokens, wrong = (sum(line[f"parity_{what}"] for line in lines) for what in ("tokens", "mismatches"))
        self.add("parity in bf16", f"{wrong} of {tokens} tokens differ", tokens > 1000 and wrong == 0, (0, seconds))

    def losses(self, iterations, data, scratch):
        """bf16: sums of other orders, so a tolerance. 3 % is far more than they were seen to differ."""
        runs = {}
        for name, device in (("cpu", "cpu"), ("first", "cuda"), ("second", "cuda")):
            run = scratch / f"bf16.{name}"
            done, _ = self.run("train", self.folder / f"sft.bf16.{device}.plan", "--run", run, "--model", self.folder / "base",
                               "--seed", 0, "--iterations", iterations, "--data", f"examples={data}")
            if done.returncode:
                return self.add(f"sft in bf16 on {device}", f"FAILED: {done.stderr}", False)
            lines = [json.loads(line) for line in (run / "metrics.jsonl").open()]
            runs[name] = ([line["loss"] for line in lines if "loss" in line], read_safetensors(run / "final" / "model.safetensors"))
        same = runs["first"] == runs["second"]
        cpu, gpu = runs["cpu"][0], runs["first"][0]
        self.add(f"sft in bf16, {iterations} iterations twice", "equal" if same else "DIFFERS", same)
        if len(cpu) != len(gpu):
            return self.add("its losses beside the CPU's", f"FAILED: {len(gpu)}, the CPU has {len(cpu)}", False)
        worst = largest(abs(a - b) / abs(a) for a, b in zip(cpu, gpu))
        self.add("its losses beside the CPU's", f"within {worst:.1e}", worst < 0.03)

    def table(self):
        print(f"\n{'what':<34}{'CPU s':>8}{'GPU s':>8}  result")
        for what, verdict, *seconds in self.rows:
            cpu, gpu = seconds or ("-", "-")
            print(f"{what:<34}{cpu:>8}{gpu:>8}  {verdict}")
        print("FAILED" if self.failed else "all as it must be")


def make_inputs(entry, plan):
    """Random inputs for one entry, under the names of its ports; what it does not read is not there."""
    generator = random.Random(entry["name"])
    limits = entry["capacities"]
    vocabulary = min([p["vocab_size"] for p in plan["policies"]] or [16])
    sampling = entry["kind"] in ("prefill", "decode")
    groups, k = 3, 2
    sequences = min(groups * k, limits.get("sequence", 6), limits.get("token", 6))
    prompts = [1 if entry["kind"] == "decode" else generator.randint(3, 12) for _ in range(sequences)]
    responses = [1 if sampling else generator.randint(2, 30) for _ in range(sequences)]
    lengths = prompts if sampling else [p + r - 1 for p, r in zip(prompts, responses)]
    starts = [sum(lengths[:i]) for i in range(sequences + 1)]
    context, tokens = starts[-1], sum(responses)
    rows = [starts[s] + prompts[s] - 1 + t for s in range(sequences) for t in range(responses[s])]
    known = {
        "ids": ("i32", [generator.randrange(vocabulary) for _ in range(context)]),
        "positions": ("i32", [i for n in lengths for i in range(n)]),
        "sequence_offsets": ("i32", starts),
        "token_offsets": ("i32", [sum(responses[:i]) for i in range(sequences + 1)]),
        "group_offsets": ("i32", [i * k for i in range(groups + 1)]),
        "rows": ("i32", rows),
        "targets": ("i32", [generator.randrange(vocabulary) for _ in range(tokens)]),
        "slots": ("i32", [s for s in range(sequences) for _ in range(lengths[s])]),
        "sequence_ids": ("i64", [1000 + s for s in range(sequences)]),
        "steps": ("i32", [0] * tokens),
    }
    extents = {"context": context, "token": tokens, "sequence": sequences, "group": groups}
    tensors = {}
    for port in entry["inputs"]:
        if port["source"] in known:
            dtype, values = known[port["source"]]
            tensors[port["name"]] = (dtype, [len(values)], values)
        elif port["source"].split(":")[0] in ("field", "value", "input") and port["dtype"] == "f32":
            shape = [sum(extents[part] if part in extents else int(part) for part in str(d).split(" + ")) for d in port["shape"]]
            count = 1
            for size in shape:
                count *= size
            # Log-probs are negative, rewards between 0 and 1: both are served.
            sign = -1 if "logprob" in port["source"] else 1
            tensors[port["name"]] = ("f32", shape, [sign * generator.random() for _ in range(count)])
    # How rows belong together is said even where no port asks for it.
    for name in ("token_offsets", "group_offsets"):
        if not sampling and entry["capacities"]:
            tensors.setdefault(name, ("i32", [len(known[name][1])], known[name][1]))
    return tensors


def make_small():
    ATTENTION[:], LENGTHS[:] = [(1, 1, 64), (2, 2, 128)], [1, 17, 64, 65, 129]
    paged.CASES[:], paged.LENGTHS[:] = [(4, 2, 128), (3, 3, 64)], [1, 16, 17, 65, 129, 410]
    logprob.CASES = {"small": (264, 136, (1, 130)), "odd": (1000, 264, (301,))}
    row_blocks.ROWS = (1, 128, 300)


def main():
    arguments = sys.argv[1:]
    small = "--small" in arguments
    if small:
        arguments.remove("--small")
        make_small()
    if len(arguments) != 1:
        sys.exit(__doc__)
    folder = pathlib.Path(arguments[0]).resolve()
    if reason := gpu_missing():
        print(f"skipped: {reason}")
        return 77
    comparison = Comparison(folder)
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        refusals.check(comparison, scratch, small)
        comparison.products(folder / "products", scratch)
        logprob.check(comparison, scratch)
        groups.check(comparison, scratch, small)
        row_blocks.check(comparison, scratch)
        library.check(comparison, scratch, small)
        updates.check(comparison, scratch)
        comparison.attention(folder, scratch)
        paged.check(comparison, scratch)
        if not small:
            comparison.parity(folder / "data", scratch)
        for program in ("sft", "mirror_descent"):
            comparison.entries(program, scratch)
        sft = int(os.environ.get("SFT_ITERATIONS", 2 if small else 20))
        rl = int(os.environ.get("RL_ITERATIONS", 3))
        comparison.waiting(2 if small else 6, scratch)
        comparison.losses(sft, folder / "data" / "sft.jsonl", scratch)
        warm = None if small else comparison.training("sft", sft, {"examples": "sft.jsonl"}, folder / "base", scratch)
        if warm and warm.exists():
            comparison.training("mirror_descent", rl, {"prompts": "prompts.jsonl", "test": "test.jsonl"}, warm, scratch)
    comparison.table()
    return 1 if comparison.failed else 0


if __name__ == "__main__":
    sys.exit(main())
