#!/usr/bin/env python3
"""NVIDIA's compute-sanitizer over every kind of kernel:

  sanitize.py FOLDER [--tools=memcheck,…] [--seconds=400] [--only=SECTION,…]

FOLDER is what prepare.sh fills. Every tool goes through the calls that compare.py makes of it at its small sizes, and through short
trainings: one line for each call and tool, as it ends and in a table behind, with the errors that the tool counts. A call with the entry and the sizes of an earlier one
runs without the tool, the CPU's calls do, too. All tools run beside each other, each for `--seconds` at most. Exit code 0: no
tool found anything, and each saw every call; 1: something was found, a call failed, had no end, or gave other bits than it must; 77: there
is no GPU or no compute-sanitizer here. docs/cuda.md says what the tools do not see. What they reported of calls with errors lies in
FOLDER/sanitizer.
"""

import concurrent.futures
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import compare
import groups
import logprob
import paged
import row_blocks
import updates
from tensors import write_safetensors

TOOLS = {
    "memcheck": [],
    # Hazards one by one, all of them: each is looked at.
    "racecheck": ["--racecheck-report", "hazard", "--show-backtrace", "no"],
    "initcheck": [],
    "synccheck": [],
}
PRINTED = {"racecheck": "1000000"}
SUMMARY = re.compile(r"(?:ERROR SUMMARY: (\d+) error|RACECHECK SUMMARY: \d+ hazards? displayed \((\d+) errors?, (\d+) warnings?\))")
# A hazard that is none (handover.cu): a producer of attention writes for the consumers anew, after the warps that read the last have
# arrived at the barrier it waits for; one lane arrives, behind a __syncwarp, whose order the tool does not know. So: a write by the
# producer's threads after a read of another lane of a consumer, and nothing else. Kernels, and the threads that write.
HANDOVERS = {"tile_attention_context_": range(32), "attention_grad_keys_context_": range(32, 96)}
HAZARD = re.compile(r"Potential (\w+) hazard detected at __shared__ 0x\w+ in block \([\d,]+\) :\s*\n"
                    r"=+\s+Read Thread \((\d+),0,0\) at (\w+)\+0x\w+\s*\n=+\s+Write Thread \((\d+),0,0\) at (\w+)\+0x")


def explained_hazards(text):
    """How many hazards of the report are of the kind that is none."""
    def none(kind, reader, reading, writer, writing):
        threads = next((threads for kernel, threads in HANDOVERS.items() if reading.startswith(kernel)), ())
        return kind == "WAR" and reading == writing and int(reader) >= 128 and int(reader) % 32 != 0 and int(writer) in threads
    return sum(none(*hazard) for hazard in HAZARD.findall(text))


def find_sanitizer():
    for path in (os.environ.get("MIRL_SANITIZER"), shutil.which("compute-sanitizer"), "/usr/local/cuda/bin/compute-sanitizer"):
        if path and os.access(path, os.X_OK):
            return path
    return None


class Sanitized(compare.Comparison):
    """A comparison whose calls for the GPU run under one tool, until `deadline` (time.time())."""

    def __init__(self, folder, sanitizer, tool, section, share, deadline):
        super().__init__(folder)
        self.tool, self.section, self.share, self.deadline = tool, section, share, deadline
        self.prefix = [sanitizer, "--tool", tool, *TOOLS[tool], "--print-limit", PRINTED.get(tool, "20"), "--launch-timeout", "0"]
        self.reports = folder / "sanitizer"
        self.seen, self.found = set(), []
        self.units = 0

    def takes(self, what):
        self.units += 1
        return self.units % SHARES.get(self.section, 1) == self.share

    def add(self, what, verdict, good, seconds=None):
        self.rows.append((what, verdict))
        self.failed |= not good

    def run(self, *arguments):
        words = list(map(str, arguments))
        if words[0] not in ("call", "train") or words[1].endswith(".cpu.plan"):
            return super().run(*arguments)
        plan = pathlib.Path(words[1]).name
        entry = words[2] if words[0] == "call" else "train"
        sizes = os.path.getsize(words[words.index("--in") + 1]) if "--in" in words else None
        if (plan, entry, sizes) in self.seen:
            return super().run(*arguments)
        self.seen.add((plan, entry, sizes))
        if not self.units and len(self.seen) % SHARES.get(self.section, 1) != self.share:
            return super().run(*arguments)
        started = time.time()
        command = [*self.prefix, str(self.mirl), *words]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment,
                                   start_new_session=True)
        try:
            out, err = process.communicate(timeout=max(1, self.deadline - started))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            err += "no end before the tool's time was over"
        took = time.time() - started
        counts = [sum(int(n) for n in numbers if n) for numbers in SUMMARY.findall(out + err)]
        explained = explained_hazards(out) if self.tool == "racecheck" else 0
        name = f"{plan.removesuffix('.plan')} {entry}"
        if process.returncode or not counts:
            verdict, good = f"FAILED: exit code {process.returncode}, {sum(counts)} errors", False
        else:
            verdict, good = f"{sum(counts) - explained} errors", sum(counts) == explained
            if explained:
                verdict += f" beside {explained} hazards that are none"
        if not good:
            report = self.reports / f"{self.tool}-{self.section}-{self.share}-{len(self.found)}.txt"
            report.write_text(" ".join(command) + "\n" + out[:1 << 20] + err[-10000:])
            verdict += f" ({report.name})"
        self.found.append((name, verdict, good, took))
        # Who is cut off has what was found until then.
        print(f"{self.tool} {self.section}: {name}: {verdict}, {took:.1f} s", flush=True)
        return subprocess.CompletedProcess(command, process.returncode, out, err or f"exit code {process.returncode}"), took

    def calls(self, plan, model, scratch):
        """Every entry of a plan once, on random inputs."""
        known = self.inspect(self.folder / plan)
        for entry in known["entries"] if known else ():
            write_safetensors(scratch / "in.safetensors", compare.make_inputs(entry, known))
            done, _ = self.run("call", self.folder / plan, entry["name"], "--in", scratch / "in.safetensors", "--model", self.folder / model,
                               "--out", scratch / "out.safetensors")
            if done.returncode:
                self.add(f"{plan} {entry['name']}", f"FAILED: {done.stderr.splitlines()[-1]}", False)

    def train(self, plan, model, names, iterations, scratch):
        data = [x for n, f in names.items() for x in ("--data", f"{n}={self.folder / 'data' / f}")]
        done, _ = self.run("train", self.folder / plan, "--run", scratch / "run", "--model", self.folder / model, "--seed", 0, "--iterations",
                           iterations, "--no-store", *data)
        if done.returncode:
            self.add(f"{plan} train", f"FAILED: {done.stderr.splitlines()[-1]}", False)


# Sections of many calls are cut into shares, which run beside each other: by comparisons where the section asks which it is to make, else
# by calls, of which those of other shares run without the tool.
SHARES = {"products": 2, "groups": 4, "paged": 2}
PROMPTS = {"prompts": "prompts.jsonl", "test": "test.jsonl"}
SECTIONS = {
    "products": lambda c, scratch: c.products(c.folder / "products", scratch),
    "logprob": lambda c, scratch: logprob.check(c, scratch),
    "groups": lambda c, scratch: groups.check(c, scratch, small=True),
    "row_blocks": lambda c, scratch: row_blocks.check(c, scratch),
    "updates": lambda c, scratch: updates.check(c, scratch),
    "attention": lambda c, scratch: c.attention(c.folder, scratch),
    "paged": lambda c, scratch: paged.check(c, scratch),
    "sft": lambda c, scratch: c.entries("sft", scratch),
    "mirror_descent": lambda c, scratch: c.entries("mirror_descent", scratch),
    "sft.bf16": lambda c, scratch: c.calls("sft.bf16.cuda.plan", "base", scratch),
    "parity": lambda c, scratch: c.calls("parity.plan", "parity", scratch),
    "train f32": lambda c, scratch: c.train("ready.cuda.plan", "base", PROMPTS, 2, scratch),
    "train bf16": lambda c, scratch: c.train("small.plan", "parity", PROMPTS, 2, scratch),
    # The kernels of the shape 0.5B, whose extents choose other tiles.
    "shape": lambda c, scratch: c.train("shape.plan", "shape", PROMPTS, 1, scratch),
}


def check(folder, sanitizer, tool, section, share, deadline):
    compare.make_small()
    groups.ROWS = {4096: (77,), 256: (33,), 16: (9,)}
    comparison = Sanitized(folder, sanitizer, tool, section, share, deadline)
    with tempfile.TemporaryDirectory() as scratch:
        try:
            SECTIONS[section](comparison, pathlib.Path(scratch))
        except Exception as error:  # One section must not end the others.
            comparison.add(section, f"FAILED: {type(error).__name__}: {error}", False)
    other = [f"{what}: {verdict}" for what, verdict in comparison.rows if "FAILED" in verdict or "DIFFERS" in verdict]
    return tool, section, comparison.found, other, comparison.failed




def main():
    plain = [a for a in sys.argv[1:] if not a.startswith("--")]
    given = dict(a[2:].split("=", 1) for a in sys.argv[1:] if a.startswith("--") and "=" in a)
    options = {"tools": ",".join(TOOLS), "seconds": "400", "only": ",".join(SECTIONS), **given}
    tools, sections = options["tools"].split(","), options["only"].split(",")
    unknown = len(options) != 3 or len(plain) + len(given) != len(sys.argv) - 1 or set(tools) - TOOLS.keys() or set(sections) - SECTIONS.keys()
    if len(plain) != 1 or unknown:
        sys.exit(__doc__)
    folder = pathlib.Path(plain[0]).resolve()
    sanitizer = find_sanitizer()
    if reason := compare.gpu_missing() or (None if sanitizer else "no compute-sanitizer (MIRL_SANITIZER, PATH, /usr/local/cuda/bin)"):
        print(f"skipped: {reason}")
        return 77
    shutil.rmtree(folder / "sanitizer", ignore_errors=True)
    (folder / "sanitizer").mkdir()
    version = subprocess.run([sanitizer, "--version"], capture_output=True, text=True).stdout.split("\n")
    print(next((line for line in version if "ersion" in line), "compute-sanitizer of no version"))
    if "shape" in sections and not (folder / "shape").exists():
        # A third of a GB, which nobody wants to carry.
        done, _ = compare.Comparison(folder).run("init", folder / "shape.plan", "--out", folder / "shape", "--seed", 0, "--model",
                                                 folder / "shape-model")
        if done.returncode:
            sys.exit(f"mirl init: {done.stderr}")
        for name in ("config.json", "tokenizer.json"):
            shutil.copy(folder / "shape-model" / name, folder / "shape")
    started, failed, rows = time.time(), False, []
    deadline = started + float(options["seconds"])
    with concurrent.futures.ProcessPoolExecutor(max_workers=min(16, os.cpu_count())) as pool:
        # The longest first.
        order = [(tool, section, share) for section in reversed(list(SECTIONS)) if section in sections for tool in tools
                 for share in range(SHARES.get(section, 1))]
        for done in concurrent.futures.as_completed([pool.submit(check, folder, sanitizer, *what, deadline) for what in order]):
            tool, section, found, other, bad = done.result()
            failed |= bad or not all(good for _, _, good, _ in found)
            print(f"{time.time() - started:5.0f} s: {tool} {section}, {len(found)} calls", flush=True)
            rows += [(tool, section, name, verdict, took) for name, verdict, _, took in found]
            rows += [(tool, section, "", text, 0.0) for text in other]
            if not found:
                failed = True
                rows.append((tool, section, "", "FAILED: no call was made", 0.0))
    print(f"{'tool':<11}{'section':<16}{'call':<46}{'s':>7}  result")
    for tool, section, name, verdict, took in sorted(rows, key=lambda row: (tools.index(row[0]), list(SECTIONS).index(row[1]))):
        print(f"{tool:<11}{section:<16}{name:<46}{took:>7.1f}  {verdict}")
    for tool in tools:
        mine = [row for row in rows if row[0] == tool]
        clean = sum(row[3].startswith("0 errors") for row in mine)
        print(f"{tool}: {clean} of {len(mine)} lines without an error, {sum(row[4] for row in mine):.0f} s of calls")
    print("FAILED" if failed else "all clean", f"in {time.time() - started:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
