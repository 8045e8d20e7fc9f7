#!/usr/bin/env python3
"""The log-probs of a vocabulary head and their adjoint beside PyTorch's, in the same run: 8,192 tokens, hidden 4,096, vocabulary 131,072.

  logprob.py prepare FOLDER [BIN] [--target=cuda:sm_90a] [--vocabulary=131072] [--hidden=4096] [--budget=SIZE]   compiles; needs no GPU
  logprob.py run FOLDER [--iterations=6]   on the GPU: mirl's time in the head and its adjoint, of `mirl train --trace`
  logprob.py peer FOLDER [--rounds=8]      on the GPU: torch.compile, which keeps the logits in bf16, and Liger's where it is installed

The program is SFT's of a model with one narrow layer, so that nn.linear_logprob and nn.linear_logprob_grad are as in a training step: no
logits in memory beyond a block, gradients of the hidden rows in bf16, of the weight added in f32. FLOPs are counted as the products that a head
with its logits at hand needs, one forward and two backward, whatever is computed again. The first iteration is not counted.
"""

import collections
import json
import pathlib
import random
import re
import shutil
import statistics
import subprocess

import model

TOKENS, SEQUENCES = 8192, 4


def prepare(folder, bin, target, vocabulary, hidden, budget):
    length = TOKENS // SEQUENCES + 1  # one position of each sequence has no target that counts
    program = model.edited((model.CHAIN / "sft.mirl").read_text(),
                           [("capacity context = 128", f"capacity context = {length}"), ("draw(examples, 48)", f"draw(examples, {SEQUENCES})")])
    model.SIZES["head"] = {"hidden_size": hidden, "intermediate_size": 256, "num_hidden_layers": 1, "num_attention_heads": hidden // 128,
                           "vocab_size": vocabulary}
    options = ["--micro-tokens", SEQUENCES * length, *(["--memory-budget", f"train.micro={budget}"] if budget else [])]
    model.prepare(folder, bin, "head", program, target, *options)
    own = own_memory(folder, bin, target, options)
    generator = random.Random(1)
    with (folder / "examples.jsonl").open("w") as file:
        for _ in range(4 * SEQUENCES):
            text = "".join(generator.choice("0123456789+-*=") for _ in range(length - 2))
            print(json.dumps({"prompt": "=", "answer": "2", "response": text}), file=file)
    (folder / "work.json").write_text(json.dumps({"vocabulary": vocabulary, "hidden": hidden, **own}))


def own_memory(folder, bin, target, options):
    """Columns of the logits that are kept, and the bytes that the adjoint has beside its operands, lse and results: logits that are
    kept, their maxima, gradients of those that are computed again, and the hidden states' gradient in f32."""
    text = subprocess.run([bin / "mirlc", folder / "program.mirl", "--model", folder / "model", "--target", target, "--dtype", "bf16", "--emit",
                           "kernels", *map(str, options)], check=True, capture_output=True, text=True).stdout
    entry = text[text.index("plan.entry @train.micro"):]
    entry = entry[:entry.index("\n  }")]
    kept = re.search(r"@tile_logprob_\w*_keep(\d+)", entry)
    kept = int(kept[1]) if kept else 0
    bytes = 0
    for name, columns, element in re.findall(r'plan\.alloc "?([\w.]+)"?.*?tensor<\?x(\d+)x(\w+)', entry):
        if name in ("logit_gradient", "hidden_gradient") or name == "nn.linear_logprob" and int(columns) > 1:
            bytes += TOKENS * int(columns) * (2 if element == "bf16" else 4)
    return {"kept": kept, "own": bytes}


def show(f):
    forward, both, flops = f["forward"], f["both"], 2e-9 * TOKENS * f["vocabulary"] * f["hidden"]
    kept = f"{f['kept']} of {f['vocabulary']} logits kept, " if "kept" in f else ""
    print(f"{f['name']}: forward {forward:.2f} ms ({flops / forward:.0f} TFLOP/s), forward and backward {both:.2f} ms ({3 * flops / both:.0f} TFLOP/s); "
          f"{kept}{f['bytes'] / 2**30:.2f} GiB beyond inputs and gradients" + "; ".join([""] + [f"{name} {ms:.2f}" for name, ms in f["kernels"]]))


def run(folder, iterations):
    """Medians of mirl's milliseconds forward, and forward and backward; the mean of each kernel."""
    work, base, result, trace = json.loads((folder / "work.json").read_text()), model.weights(folder), folder / "run", folder / "trace.json"
    shutil.rmtree(result, ignore_errors=True)
    model.mirl(folder, "train", folder / "program.plan", "--run", result, "--model", base, "--seed", 0, "--iterations", iterations,
               "--checkpoint-every", 1000, "--no-store", "--data", f"examples={folder / 'examples.jsonl'}",
               "--trace", trace, "--trace-iterations", iterations)
    events = json.loads(trace.read_text())
    events = events["traceEvents"] if isinstance(events, dict) else events
    steps = sorted((e for e in events if e.get("name") == "train.micro"), key=lambda e: e["ts"])
    if len(steps) != iterations:
        raise SystemExit(f"{len(steps)} micro-batches in {iterations} iterations: the tokens should be one")
    times, kernels = [], collections.Counter()
    for step in steps[1:]:
        ours = collections.Counter()
        for e in events:
            if e.get("cat") != "entry" and e.get("ph") == "X" and step["ts"] <= e["ts"] <= step["ts"] + step["dur"] and e["name"].startswith("nn.linear_logprob"):
                ours[e["name"]] += e["dur"] / 1000
                kernels[e["args"].get("kernel", "").split("_token")[0]] += e["dur"] / 1000 / (iterations - 1)
        times.append((ours["nn.linear_logprob"], ours["nn.linear_logprob"] + ours["nn.linear_logprob_grad"]))
    forward, both = (statistics.median(t[i] for t in times) for i in (0, 1))
    return {"name": "mirl", **work, "bytes": work["own"], "forward": forward, "both": both, "kernels": kernels.most_common()}


def peer(folder, rounds):
    """The same of each peer, a dictionary for each."""
    import torch
    work = json.loads((folder / "work.json").read_text())
    device = "cuda" if torch.cuda.is_available() else "cpu"
    random_rows = lambda *shape: (torch.randn(*shape, device=device) / 8).bfloat16().requires_grad_()
    hidden, weight = random_rows(TOKENS, work["hidden"]), random_rows(work["vocabulary"], work["hidden"])
    targets = torch.randint(0, work["vocabulary"], (TOKENS,), device=device)

    def logits_kept(x, w):
        return torch.nn.functional.cross_entropy((x @ w.t()).float(), targets, reduction="sum")

    losses = {"torch.compile": torch.compile(logits_kept)}
    try:
        from liger_kernel.transformers import LigerFusedLinearCrossEntropyLoss
        liger = LigerFusedLinearCrossEntropyLoss(reduction="sum")
        losses["Liger"] = lambda x, w: liger(w, x, targets)
    except ImportError:
        print("Liger is not installed here", flush=True)
    for name, loss in losses.items():
        def forward():
            with torch.no_grad():
                loss(hidden, weight)

        def both():
            loss(hidden, weight).backward()
        medians = []
        for call in (forward, both):
            times = []
            for round in range(rounds + 2):
                hidden.grad = weight.grad = None
                torch.cuda.reset_peak_memory_stats()
                held = torch.cuda.memory_allocated()
                start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
                start.record()
                call()
                end.record()
                end.synchronize()
                if round > 1:
                    times.append(start.elapsed_time(end))
            medians.append(statistics.median(times))
        grads = sum(t.numel() * t.element_size() for t in (hidden, weight))
        yield {"name": name, "vocabulary": work["vocabulary"], "hidden": work["hidden"], "forward": medians[0], "both": medians[1],
               "bytes": torch.cuda.max_memory_allocated() - held - grads, "kernels": []}


def main():
    action, folder, rest, options = model.arguments(__doc__, ("prepare", "run", "peer"), {
        "target": "cuda:sm_90a", "vocabulary": "131072", "hidden": "4096", "budget": "", "iterations": "6", "rounds": "8"})
    if action == "run":
        return show(run(folder, int(options["iterations"])))
    if action == "peer":
        for figures in peer(folder, int(options["rounds"])):
            show(figures)
        return
    bin = pathlib.Path(rest[0]) if rest else model.ROOT / "build" / "bin"
    prepare(folder, bin, options["target"], int(options["vocabulary"]), int(options["hidden"]), options["budget"])


if __name__ == "__main__":
    main()
