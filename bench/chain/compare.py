#!/usr/bin/env python3
"""mirl beside PyTorch on the CPU, in one run: rollout and training of the chain model, and training of a larger one.

    bench/chain/compare.py --bin build/bin [--out bench/results/DATE-chain.md]

Both sides run the same shapes with the same number of threads, one after the other, three rounds, alternating; the medians
are reported. Needs python3-torch and libopenblas0-openmp (`scripts/bench` installs them) and a build of mirl.
The response lengths that PyTorch generates and trains on are the ones mirl sampled.
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
THREADS = len(os.sched_getaffinity(0))
# The settings under which PyTorch is fastest on such a machine; they must be in place before it is imported.
FAST_TORCH = {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "8589934592", "MALLOC_TOP_PAD_": "268435456",
              "OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": str(THREADS)}

LARGE = dict(json.loads((ROOT / "examples/chain/model/config.json").read_text()), hidden_size=512, num_hidden_layers=8,
             num_attention_heads=8, num_key_value_heads=4, intermediate_size=1408, vocab_size=32000)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build" / "bin")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=5, help="RL iterations of a round on mirl's side")
    parser.add_argument("--skip-large", action="store_true")
    parser.add_argument("--out", type=pathlib.Path, help="a Markdown file for the figures")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        shapes = [("chain", None)] + ([] if options.skip_large else [("large", LARGE)])
        prepare(options, work, shapes)
        results, rounds = {}, []
        for round_number in range(options.rounds):
            for name, _ in shapes:
                ours = run_mirl(options, work / name, round_number)
                theirs = run_torch(work / name, name)
                for key, value in [*ours.items(), *theirs.items()]:
                    results.setdefault((name, key), []).append(value)
                rounds.append((name, round_number, ours, theirs))
                print(name, round_number, {k: round(v) for k, v in {**ours, **theirs}.items()}, file=sys.stderr, flush=True)
    report(options, results, shapes, rounds)


def prepare(options, work, shapes):
    """Compiles the example for each shape and makes the initial weights."""
    call([sys.executable, ROOT / "examples/chain/generate.py", work / "data", "--prompts", 2000, "--sft", 10])
    for name, config in shapes:
        folder = work / name
        (folder / "model").mkdir(parents=True)
        config = config or json.loads((ROOT / "examples/chain/model/config.json").read_text())
        # Random weights rarely end a response: both sides then work on full-length ones.
        config = {**config, "mirl_head_init": "normal", "eos_token_id": 16}
        (folder / "model/config.json").write_text(json.dumps(config))
        (folder / "model/tokenizer.json").write_text((ROOT / "examples/chain/model/tokenizer.json").read_text())
        settings = [] if name == "chain" else ["--set", "samples=4", "--set", "prompts_per_iteration=8"]
        call([options.bin / "mirlc", HERE / "chain.mirl", "--model", folder / "model", *settings, "-o", folder / "rl.plan"])
        call([options.bin / "mirl", "init", folder / "rl.plan", "--out", folder / "base", "--seed", 0])


def run_mirl(options, folder, seed):
    run = folder / f"run{seed}"
    iterations = options.iterations if folder.name == "chain" else 2
    call([options.bin / "mirl", "train", folder / "rl.plan", "--run", run, "--model", folder / "base", "--seed", seed,
          "--iterations", iterations, "--data", f"prompts={folder.parent / 'data/prompts.jsonl'}"])
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").open()][1:] or \
              [json.loads(line) for line in (run / "metrics.jsonl").open()]
    (folder / "length").write_text(str(statistics.mean(m["response_length_mean"] for m in metrics)))
    return {"mirl rollout": statistics.median(m["rollout_tokens_per_s"] for m in metrics),
            "mirl train": statistics.median(m["train_tokens_per_s"] for m in metrics)}


def run_torch(folder, name):
    """Measures PyTorch in a process of its own, so that the settings above are in place."""
    output = call([sys.executable, __file__, "--torch-worker", folder, name], capture=True, env={**os.environ, **FAST_TORCH},
                  python="/usr/bin/python3")
    return json.loads(output)


def torch_worker(folder, name):
    sys.path.insert(0, str(HERE))
    import torch
    import torch_peer

    torch.manual_seed(0)
    torch.set_num_threads(THREADS)
    config = json.loads((folder / "model/config.json").read_text())
    model = torch_peer.Model(config)
    mean = float((folder / "length").read_text())
    sequences, batch, limit, prompt = (512, 256, 64, 18) if name == "chain" else (32, 32, 64, 18)
    # Lengths with the mean that mirl had, spread as a geometric distribution cut at the limit would be.
    lengths = torch.full((sequences,), min(limit, max(1, round(mean))))
    result = {}
    if name == "chain":
        prompts = torch.randint(0, 16, (sequences, prompt))
        torch_peer.rollout(model, prompts[:64], 8, torch.full((64,), 8))
        tokens, seconds = torch_peer.rollout(model, prompts, limit, lengths)
        result["torch rollout"] = tokens / seconds
    result["torch train"] = torch_peer.training_speed(model, lengths, prompt, batch, passes=2)
    print(json.dumps(result))


def report(options, results, shapes, rounds):
    lines = [f"# mirl beside PyTorch on the CPU", "",
             f"`bench/chain/compare.py --rounds {options.rounds}`, {THREADS} threads, {platform.machine()}; medians of {options.rounds} rounds, "
             f"commit {call(['git', '-C', ROOT, 'rev-parse', '--short', 'HEAD'], capture=True).strip()}", "",
             "| work | mirl tokens/s | PyTorch tokens/s | ratio |", "|---|---|---|---|"]
    for name, _ in shapes:
        for work in ("rollout", "train"):
            if (name, f"torch {work}") in results:
                ours, theirs = (statistics.median(results[name, f"{side} {work}"]) for side in ("mirl", "torch"))
                lines.append(f"| {name}: {work} | {ours:,.0f} | {theirs:,.0f} | {ours / theirs:.2f} |")
    lines += ["", "Every round, none left out:", "",
              "| round | mirl rollout | mirl train | PyTorch rollout | PyTorch train |", "|---|---|---|---|---|"]
    show = lambda values, key: f"{values[key]:,.0f}" if key in values else "-"
    for name, number, ours, theirs in rounds:
        lines.append(f"| {name} {number} | {show(ours, 'mirl rollout')} | {show(ours, 'mirl train')} | {show(theirs, 'torch rollout')} | "
                     f"{show(theirs, 'torch train')} |")
    text = "\n".join(lines)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


def call(command, capture=False, env=None, python=None):
    command = [str(part) for part in command]
    if python:
        command[0] = python
    done = subprocess.run(command, stdout=subprocess.PIPE if capture else sys.stderr, text=True, env=env)
    if done.returncode:
        sys.exit(f"compare: error: exit code {done.returncode} from {' '.join(command)}")
    return done.stdout


if __name__ == "__main__":
    if sys.argv[1:2] == ["--torch-worker"]:
        torch_worker(pathlib.Path(sys.argv[2]), sys.argv[3])
    else:
        main()
