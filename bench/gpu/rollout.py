#!/usr/bin/env python3
"""Rollouts on one GPU, log-probs returned: sequences of 128 prompt tokens and 256 new ones, beside PyTorch.

  rollout.py prepare FOLDER [BIN] [--size=0.5B] [--sequences=256] [--prompt=128] [--new=256] [--target=cuda:sm_90a]
                  [--products=own] [--parity=on] [--queue=PROMPTS]   needs no GPU
  rollout.py run FOLDER [--rounds=3] [--sequences=256] [--run-ahead=on]    on the GPU: mirl; `--sequences=1` for one alone
  rollout.py peer FOLDER [--rounds=4] [--sequences=256]   on the GPU: transformers' Qwen2, a static cache and a compiled decode step

Each round of mirl is a process of its own. The time of the command (start, weights read, everything) and the engine's own (from the
first call to the last token) are both given; the peer's is from the first call to the last token, and its first round compiles. `--new=1` is
the time from the command to the first token. Each sequence has its own prompt.

`--queue`: so many prompts wait for `--sequences` slots. They have a quarter of `--prompt` tokens to `--prompt` and three quarters of `--new`, and
responses fill what is left of the context, so that they end one after the other and prompts come into a batch that decodes. (No peer.)
"""

import json
import pathlib
import re
import statistics
import time

import model


def prepare(folder, bin, size, sequences, prompt, new, target, products, parity, queue=0):
    program = model.edited((model.CHAIN / "mirror_descent.mirl").read_text(), [
        ("capacity context = 128", f"capacity context = {prompt + new}"), ("max_tokens: int = 64", f"max_tokens: int = {prompt + new - 1 if queue else new}")])
    model.prepare(folder, bin, size, program, target, "--slots", sequences, "--micro-tokens", max(4096, prompt + new), "--products", products, "--parity", parity)
    model.write_prompts(folder / "prompts.jsonl", *((queue, prompt // 4, prompt + new * 3 // 4) if queue else (sequences, prompt)))
    (folder / "work.json").write_text(json.dumps({"size": size, "sequences": sequences, "prompt": prompt, "new": new, "queue": queue}))


def run(folder, rounds, sequences=0, new=0, ahead="on"):
    """A dictionary for each round of mirl. 0 sequences, new tokens: as many as were prepared."""
    work, base, out = json.loads((folder / "work.json").read_text()), model.weights(folder), folder / "out.jsonl"
    sequences, new = sequences or work["queue"] or work["sequences"], new or (work["prompt"] + work["new"] - 1 if work["queue"] else work["new"])
    for _ in range(rounds):
        started = time.perf_counter()
        with model.watched_memory() as memory:
            text = model.mirl(folder, "rollout", folder / "program.plan", "--model", base, "--data", folder / "prompts.jsonl", "--limit", sequences,
                              "--max-tokens", new, "--seed", 0, "--out", out, *([] if ahead == "on" else ["--run-ahead", ahead]))
        seconds = time.perf_counter() - started
        tokens = sum(len(json.loads(line)["tokens"]) for line in out.open())
        said = text.strip().splitlines()[-1]
        yield {"sequences": sequences, "tokens": tokens, "seconds": float(re.search(r" tok/s in ([\d.]+) s", said)[1]), "command": seconds, "said": said,
               "memory": model.memory_of(text, memory[0]), "notes": model.notes(text)}


def show(f):
    print(*f["notes"], f"mirl: {f['sequences']} sequences, {f['tokens']} tokens; the command {f['command']:.2f} s; {f['said']}", sep="\n")
    model.show_memory(f["memory"])


def peer(folder, rounds, sequences=0, new=0):
    """Seconds of each round of PyTorch; of the later ones the median."""
    import torch
    import torch_peer
    work = json.loads((folder / "work.json").read_text())
    sequences, new = sequences or work["sequences"], new or work["new"]
    generation = torch_peer.Generation(work["size"], "cuda" if torch.cuda.is_available() else "cpu")
    times = [generation.run(sequences, work["prompt"], new) for _ in range(rounds)]
    return {"sequences": sequences, "new": new, "rounds": times, "median": statistics.median(times[1:] or times)}


def show_peer(f):
    print(f"PyTorch: {f['sequences']} sequences × {f['new']}: {f['median']:.3f} s, {f['sequences'] * f['new'] / f['median']:,.0f} tokens/s; "
          f"rounds {', '.join(f'{t:.2f}' for t in f['rounds'])} s")


def main():
    action, folder, rest, options = model.arguments(__doc__, ("prepare", "run", "peer"), {
        "size": "0.5B", "sequences": "", "prompt": "128", "new": "", "target": "cuda:sm_90a", "products": "own", "parity": "on", "queue": "0", "rounds": "", "run-ahead": "on"})
    sequences, new = int(options["sequences"] or 0), int(options["new"] or 0)
    if action == "run":
        for figures in run(folder, int(options["rounds"] or 3), sequences, new, options["run-ahead"]):
            show(figures)
        return
    if action == "peer":
        return show_peer(peer(folder, int(options["rounds"] or 4), sequences, new))
    bin = pathlib.Path(rest[0]) if rest else model.ROOT / "build" / "bin"
    prepare(folder, bin, options["size"], sequences or 256, int(options["prompt"]), new or 256, options["target"], options["products"], options["parity"],
            int(options["queue"]))


if __name__ == "__main__":
    main()
