#!/usr/bin/env python3
"""Rollouts on one GPU, log-probs returned: sequences of 128 prompt tokens and 256 new ones, beside PyTorch.

  rollout.py prepare FOLDER [BIN] [--size=0.5B] [--sequences=256] [--prompt=128] [--new=256] [--target=cuda:sm_90a]
                  [--products=own] [--parity=on]   needs no GPU
  rollout.py run FOLDER [--rounds=3] [--sequences=256]    on the GPU: mirl; `--sequences=1` for one alone
  rollout.py peer FOLDER [--rounds=4] [--sequences=256]   on the GPU: transformers' Qwen2, a static cache and a compiled decode step

Each round of mirl is a process of its own. The time of the command (start, weights read, everything) and the engine's own (from the
first call to the last token) are both given; the peer's is from the first call to the last token, and its first round compiles. `--new=1` is
the time from the command to the first token. Each sequence has its own prompt.
"""

import json
import pathlib
import statistics
import time

import model


def prepare(folder, bin, size, sequences, prompt, new, target, products, parity):
    program = model.edited((model.CHAIN / "mirror_descent.mirl").read_text(), [
        ("capacity context = 128", f"capacity context = {prompt + new}"), ("max_tokens: int = 64", f"max_tokens: int = {new}")])
    model.prepare(folder, bin, size, program, target, "--slots", sequences, "--micro-tokens", 4096, "--products", products, "--parity", parity)
    model.write_prompts(folder / "prompts.jsonl", sequences, prompt)
    (folder / "work.json").write_text(json.dumps({"size": size, "sequences": sequences, "prompt": prompt, "new": new}))


def run(folder, rounds, sequences, new):
    work, base, out = json.loads((folder / "work.json").read_text()), model.weights(folder), folder / "out.jsonl"
    new = new or work["new"]
    for _ in range(rounds):
        started = time.perf_counter()
        with model.watched_memory() as memory:
            text = model.mirl(folder, "rollout", folder / "program.plan", "--model", base, "--data", folder / "prompts.jsonl", "--limit", sequences,
                              "--max-tokens", new, "--seed", 0, "--out", out)
        seconds = time.perf_counter() - started
        model.show_notes(text)
        lines = [json.loads(line) for line in out.open()]
        tokens = sum(len(line["tokens"]) for line in lines)
        print(f"mirl: {sequences} sequences, {tokens} tokens; the command {seconds:.2f} s; {text.strip().splitlines()[-1]}")
        model.compare_memory(text, memory[0])


def peer(folder, rounds, sequences, new):
    import torch
    import torch_peer
    work = json.loads((folder / "work.json").read_text())
    new = new or work["new"]
    generation = torch_peer.Generation(work["size"], "cuda" if torch.cuda.is_available() else "cpu")
    times = [generation.run(sequences, work["prompt"], new) for _ in range(rounds)]
    best = statistics.median(times[1:] or times)
    print(f"PyTorch: {sequences} sequences × {new}: {best:.3f} s, {sequences * new / best:,.0f} tokens/s; rounds {', '.join(f'{t:.2f}' for t in times)} s")


def main():
    action, folder, rest, options = model.arguments(__doc__, ("prepare", "run", "peer"), {
        "size": "0.5B", "sequences": "256", "prompt": "128", "new": "", "target": "cuda:sm_90a", "products": "own", "parity": "on", "rounds": ""})
    sequences, new = int(options["sequences"]), int(options["new"] or 0)
    if action == "run":
        return run(folder, int(options["rounds"] or 3), sequences, new)
    if action == "peer":
        return peer(folder, int(options["rounds"] or 4), sequences, new)
    bin = pathlib.Path(rest[0]) if rest else model.ROOT / "build" / "bin"
    prepare(folder, bin, options["size"], sequences, int(options["prompt"]), new or 256, options["target"], options["products"], options["parity"])


if __name__ == "__main__":
    main()
