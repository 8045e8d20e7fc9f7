#!/usr/bin/env python3
"""Log-probs recorded while decoding against those of the training pass, bit for bit, at the shapes of real models, on one GPU.

  parity.py prepare FOLDER [BIN] [--size=0.5B] [--target=cuda:sm_90a] [--scale=1] [--prompt=200]
                    compiles; needs no GPU. --scale=16: to try it out; --prompt=3000: longer prompts, whose attention has several segments
  parity.py run FOLDER [--slots=256,8,1] [--iterations=2] [--tokens=100000]            on the GPU

Weights are random, and a hundredth of the vocabulary ends a response: responses have any length from 1 to 512 tokens (about 100 in the mean), prompts
from 16 to --prompt. With 256 slots an iteration is 128 prompts × 8 samples, with 8 or 1 slots 4 × 8: more than run at a time, so sequences join
and leave all the time, in prefill calls that are cut at 512 tokens. The update behind each iteration changes the weights. Every token of every
response is compared (`mirl train --check-parity`). Exit code 1: bits differ, or fewer than --tokens were compared.
"""

import json
import random
import shutil
import signal
import subprocess
import sys
import time

import model

# Slots → the plan, and how many prompts an iteration draws of it.
PLANS = {256: ("large", 128), 8: ("small", 4), 1: ("small", 4)}


def prepare(folder, bin, size, target, scale, prompt=200):
    # Random weights would end one response in 150,000 tokens.
    ends = {"eos_token_id": list(range(0, model.shape(size)["vocab_size"], 100))}
    for name, prompts in dict(PLANS.values()).items():
        program = model.edited((model.CHAIN / "mirror_descent.mirl").read_text(), [
            ("capacity context = 128", f"capacity context = {prompt + 512}"), ("max_tokens: int = 64", "max_tokens: int = 512"),
            ("lr: f32 = 2e-4", "lr: f32 = 1e-5"), ("draw(prompts, 64)", f"draw(prompts, {max(1, prompts // scale)})"),
            ("batches(y, 256)", f"batches(y, {8 * max(1, prompts // scale)})")])
        model.prepare(folder / name, bin, size, program, target, "--micro-tokens", 8192, "--slots", 256 if name == "large" else 8, config=ends)
    generator = random.Random(1)
    with (folder / "prompts.jsonl").open("w") as file:
        for _ in range(512):
            text = "".join(generator.choice("0123456789+-*") for _ in range(generator.randint(15, prompt - 1)))
            print(json.dumps({"prompt": text + "=", "answer": "2"}), file=file)
    (folder / "work.json").write_text(json.dumps({"size": size}))


def train(folder, base, slots, iterations):
    """The metrics of the iterations. The process is ended behind the last one: nobody wants its checkpoint, of many GB."""
    plan, run = folder / PLANS[slots][0], folder / "run"
    shutil.rmtree(run, ignore_errors=True)
    command = ["train", plan / "program.plan", "--run", run, "--model", base, "--seed", slots, "--iterations", 1000, "--checkpoint-every", 1000,
               "--no-store", "--check-parity", "--slots", slots, "--prefill-chunk", 512,
               *(x for n in ("prompts", "test") for x in ("--data", f"{n}={folder / 'prompts.jsonl'}"))]
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen([plan / "mirl", *map(str, command)], stdout=log, stderr=subprocess.STDOUT, env=model.environment(plan))
        deadline = time.time() + 600
        lines = []
        while process.poll() is None and len(lines) < iterations and time.time() < deadline:
            time.sleep(0.05)
            if (run / "metrics.jsonl").exists():
                lines = [line for line in (run / "metrics.jsonl").read_text().splitlines(keepends=True) if line.endswith("\n")]
        process.send_signal(signal.SIGKILL)
        process.wait()
    if len(lines) < iterations:
        raise SystemExit(f"mirl train ended after {len(lines)} iterations:\n{(folder / 'log.txt').read_text()[-2000:]}")
    return [json.loads(line) for line in lines[:iterations]]


def measure(folder, slots=(256, 8, 1), iterations=2):
    """A dictionary for each iteration at each number of slots: mirl's metrics, and the slots."""
    base = model.weights(folder / "large")
    for count in slots:
        for metrics in train(folder, base, count, iterations):
            yield {"slots": count, **metrics}


def run(folder, slots, iterations, least):
    tokens, wrong = 0, 0
    size = json.loads((folder / "work.json").read_text())["size"]
    print(f"{size}: {'slots':>6}{'iteration':>11}{'sequences':>11}{'mean length':>13}{'tokens':>9}{'differ':>8}{'micro-batches':>15}{'decode tok/s':>14}")
    for m in measure(folder, slots, iterations):
        tokens += int(m["parity_tokens"])
        wrong += int(m["parity_mismatches"])
        print(f"{size}: {m['slots']:>6}{m['iteration']:>11}{m['sequences']:>11.0f}{m['response_length_mean']:>13.1f}{m['parity_tokens']:>9.0f}"
              f"{m['parity_mismatches']:>8.0f}{m['micro_batches']:>15.0f}{m['rollout_tokens_per_s']:>14,.0f}", flush=True)
    print(f"{size}: {wrong} of {tokens} log-probs differ in some bit")
    return 0 if wrong == 0 and tokens >= least else 1


def main():
    action, folder, rest, options = model.arguments(__doc__, ("prepare", "run"), {
        "size": "0.5B", "target": "cuda:sm_90a", "scale": "1", "prompt": "200", "slots": "256,8,1", "iterations": "2", "tokens": "100000"})
    if action == "run":
        return run(folder, [int(n) for n in options["slots"].split(",")], int(options["iterations"]), int(options["tokens"]))
    bin = model.pathlib.Path(rest[0]) if rest else model.ROOT / "build" / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    prepare(folder, bin, options["size"], options["target"], int(options["scale"]), int(options["prompt"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
