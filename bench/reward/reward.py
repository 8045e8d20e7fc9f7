#!/usr/bin/env python3
"""What a slow reward program costs an iteration: by the number of its workers.

    bench/reward/reward.py [--bin build/bin] [--sleep 0.02] [--iterations 8]

`mirl train` of the example model; the program sleeps before it answers, as one that waits for a sandbox or a service does.
Printed are seconds of an iteration (wall time of the run, without that of a run of one iteration), and its rollout and training alone.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = """
use model "qwen2"
use "losses"
capacity context = 128
data prompts = "data/prompts.jsonl"
policy pi = qwen2()
optimizer opt = adamw(pi, lr = 1e-5)
step rollout(x: prompts) -> trajectory {{
  let y = sample(pi, x, n = 4, temperature = 1.0, max_tokens = 100)
  return score(y, {verifier})
}}
step train(y: trajectory) {{ minimize(mirror_descent(logprob(pi, y), y.logprob, y.reward, 0.1), opt) }}
iteration {{ train(rollout(draw(prompts, {prompts}))) }}
"""
WORKER = """import json, sys, time
for line in sys.stdin:
  question = json.loads(line)
  time.sleep({sleep})
  print(json.dumps({{"id": question["id"], "reward": len(question["response"]) % 2}}), flush=True)
"""


def call(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{command}\n{done.stderr}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build" / "bin")
    parser.add_argument("--sleep", type=float, default=0.02)
    parser.add_argument("--iterations", type=int, default=8)
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4, 16])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        call(sys.executable, ROOT / "examples/chain/generate.py", work / "data", "--prompts", 400, "--sft", 1, "--test", 1)
        (work / "worker.py").write_text(WORKER.format(sleep=options.sleep))
        print("| workers | s/iteration | rollout | training | the rest |\n|---|---|---|---|---|")
        for workers in [0, *options.workers]:
            verifier = f'program(y, command = "exec python3 {work}/worker.py", timeout = 60, workers = {workers})' if workers else 'regex(y, pattern = "7")'
            source, plan = work / f"w{workers}.mirl", work / f"w{workers}.plan"
            source.write_text(PROGRAM.format(verifier=verifier, prompts=options.prompts))
            call(options.bin / "mirlc", source, "--model", ROOT / "examples/chain/model", "--slots", options.slots, "-o", plan)
            if not workers:
                call(options.bin / "mirl", "init", plan, "--out", work / "base", "--seed", 1)
            seconds = []
            for iterations in (1, 1 + options.iterations):
                run = work / f"run{workers}-{iterations}"
                started = time.monotonic()
                call(options.bin / "mirl", "train", plan, "--run", run, "--model", work / "base", "--iterations", iterations, "--threads", 1, "--no-store")
                seconds.append(time.monotonic() - started)
            metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()][1:]
            mean = lambda key: sum(m[key] for m in metrics) / len(metrics)
            each = (seconds[1] - seconds[0]) / options.iterations
            rollout, training = mean("rollout_seconds"), mean("train_seconds")
            print(f"| {workers or 'no program'} | {each:.2f} | {rollout:.2f} | {training:.2f} | {each - rollout - training:.2f} |", flush=True)


if __name__ == "__main__":
    main()
