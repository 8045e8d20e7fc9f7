#!/usr/bin/env python3
"""A whole iteration of mirror descent (rollout, reward, one update) and its training step, beside PyTorch, on one GPU.

  training.py prepare FOLDER [BIN] [--size=0.5B] [--work=step] [--target=cuda:sm_90a] [--budget=20GiB]
              [--micro-tokens=16384] [--products=own] [--parity=on]     compiles; needs no GPU
  training.py run FOLDER [--iterations=4] [--trace]     on the GPU: mirl's time of each iteration, its memory
  training.py peer FOLDER [--steps=8] [--weights=f32]   on the GPU: the same training step by torch.compile

`--products` and `--parity` are mirlc's: `--products=cublaslt` measures what parity costs, with `--parity=off` and without.

Sizes: 0.5B, 1.5B, 3B and 7B (no peer), Qwen2.5's shapes with random weights. Works: `step` is one prompt with 8 responses, 2,048 tokens each with the
prompt; `iteration` 32 prompts with 8 responses of 512 tokens. The update is AdamW with clipping on master weights in f32. Random weights
end next to no response early, so both sides compute on the same number of tokens; all tokens of the sequences are counted, prompts too.

The peer has parameters in f32 and computes in bf16 by autocast (`--weights=bf16`: parameters in bf16, with no master weights). Its
model is transformers' Qwen2 with PyTorch's attention; model, loss and adjoint are compiled; AdamW is the fused one. Of `iteration` it
does the training step alone, in micro-batches of one size that have at most as many tokens as ours.
"""

import collections
import json
import pathlib
import shutil
import statistics
import time

import model

WORKS = {"step": dict(prompts=1, samples=8, prompt=128, length=2048), "iteration": dict(prompts=32, samples=8, prompt=128, length=640),
         # To try the benchmarks themselves out.
         "tiny": dict(prompts=2, samples=4, prompt=16, length=64)}
MICRO_TOKENS = 16384  # the peer's, and ours unless told otherwise


def prepare(folder, bin, size, work, target, budget, micro_tokens, products, parity):
    w = WORKS[work]
    program = model.edited((model.CHAIN / "mirror_descent.mirl").read_text(), [
        ("capacity context = 128", f"capacity context = {w['length']}"),
        ("samples: int = 8", f"samples: int = {w['samples']}"),
        ("max_tokens: int = 64", f"max_tokens: int = {w['length'] - w['prompt']}"),
        ("draw(prompts, 64)", f"draw(prompts, {w['prompts']})"),
        ("batches(y, 256)", f"batches(y, {w['prompts'] * w['samples']})")])
    options = ["--micro-tokens", micro_tokens, "--slots", w["prompts"] * w["samples"], "--products", products, "--parity", parity]
    model.prepare(folder, bin, size, program, target, *options, *(["--memory-budget", budget] if budget else []))
    model.write_prompts(folder / "prompts.jsonl", 64, w["prompt"])
    (folder / "work.json").write_text(json.dumps({"size": size, **w}))


def run(folder, iterations, traced=False):
    """What mirl takes: seconds of the command, the metrics of each iteration, memory, notes; with `traced`, the time of each kernel."""
    base, result, trace = model.weights(folder), folder / "run", folder / "trace.json"
    shutil.rmtree(result, ignore_errors=True)
    started = time.perf_counter()
    with model.watched_memory() as memory:
        text = model.mirl(folder, "train", folder / "program.plan", "--run", result, "--model", base, "--seed", 0, "--iterations", iterations,
                   "--checkpoint-every", 1000, "--no-store", "--data", f"prompts={folder / 'prompts.jsonl'}",
                   "--data", f"test={folder / 'prompts.jsonl'}",
                   *(["--trace", trace, "--trace-iterations", iterations] if traced else []))
    return {"seconds": time.perf_counter() - started, "iterations": [json.loads(line) for line in (result / "metrics.jsonl").open()],
            "memory": model.memory_of(text, memory[0]), "notes": model.notes(text), "kernels": summarize(trace, iterations) if traced else []}


def show(figures):
    print(*figures["notes"], f"{figures['seconds']:.1f} s for the command", sep="\n")
    for v in figures["iterations"]:
        print(f"iteration {v['iteration']}: rollout {v['rollout_seconds']:.3f} s ({v['rollout_tokens_per_s']:,.0f} tokens/s), "
              f"training {v['train_seconds'] * 1e3:.1f} ms ({v['train_tokens_per_s']:,.0f} tokens/s), loss {v['loss']:.4f}")
    if figures["kernels"]:
        print(f"\n{'ms/iteration':>12}{'launches':>10}  what")
    for ms, launches, what in figures["kernels"][:40]:
        print(f"{ms:>12.2f}{launches:>10.0f}  {what}")
    model.show_memory(figures["memory"])


def summarize(trace, iterations):
    """Milliseconds and launches of each kernel, an iteration; the longest first."""
    events = json.loads(trace.read_text())
    events = events["traceEvents"] if isinstance(events, dict) else events
    kernels = collections.defaultdict(lambda: [0, 0.0])
    for event in events:
        if event.get("ph") == "X":
            kernel = kernels[(event["name"], event.get("args", {}).get("kernel", ""))]
            kernel[0] += 1
            kernel[1] += event["dur"] / 1000 / iterations
    return [(ms, count / iterations, f"{name} {kernel}") for (name, kernel), (count, ms) in sorted(kernels.items(), key=lambda item: -item[1][1])]


def peer(folder, steps, weights="f32"):
    """What torch.compile takes: seconds of each step, their median, memory in MiB."""
    import torch
    import torch_peer
    work = json.loads((folder / "work.json").read_text())
    sequences, device = work["prompts"] * work["samples"], "cuda" if torch.cuda.is_available() else "cpu"
    train = torch_peer.Training(work["size"], weights, device)
    # All micro-batches have one shape: another one would be compiled again, with dynamic extents.
    micro = max(n for n in range(1, max(1, MICRO_TOKENS // work["length"]) + 1) if sequences % n == 0)
    with model.watched_memory() as memory:
        times = [train.step(sequences, work["length"], work["prompt"], micro) for _ in range(steps)]
    return {"weights": weights, "steps": times, "counted": times[steps // 2:], "median": statistics.median(times[steps // 2:]),
            "tokens": sequences * work["length"], "memory": memory[0], "peak": train.peak()}


def show_peer(f):
    print(f"torch.compile, weights {f['weights']}: {f['median'] * 1e3:.1f} ms, {f['tokens'] / f['median']:,.0f} tokens/s; "
          f"{f['memory'] or 'unknown'} MiB of the GPU's memory, {f['peak']} MiB by PyTorch's count; "
          f"all steps: {', '.join(f'{t * 1e3:.1f}' for t in f['steps'])} ms")


def main():
    action, folder, rest, options = model.arguments(__doc__, ("prepare", "run", "peer"), {
        "size": "0.5B", "work": "step", "target": "cuda:sm_90a", "budget": "20GiB", "micro-tokens": str(MICRO_TOKENS), "products": "own",
        "parity": "on", "iterations": "4", "trace": "", "steps": "8",
        "weights": "f32"})
    if action == "run":
        return show(run(folder, int(options["iterations"]), bool(options["trace"])))
    if action == "peer":
        return show_peer(peer(folder, int(options["steps"]), options["weights"]))
    bin = pathlib.Path(rest[0]) if rest else model.ROOT / "build" / "bin"
    prepare(folder, bin, *(options[name] for name in ("size", "work", "target", "budget", "micro-tokens", "products", "parity")))


if __name__ == "__main__":
    main()
