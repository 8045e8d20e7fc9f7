#!/usr/bin/env python3
"""Where the time of a training step goes: Qwen2.5-0.5B's shape, random weights, 8 sequences of 2,046 tokens, SFT's loss.

  step.py prepare FOLDER [BIN] [--target=cuda:sm_90a] [--layers=24] [--length=2048]   compiles the step; needs no GPU
  step.py run FOLDER [--iterations=3]                                                 on the GPU

BIN holds mirl and mirlc (default: build/bin); mirl is copied to the folder. The run prints each iteration's tokens/s, then, of the
trace of all iterations, the time of each kernel. It has no peer yet.
"""

import collections
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHAIN = ROOT / "examples" / "chain"
SHAPE = {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_size": 896, "intermediate_size": 4864,
         "num_hidden_layers": 24, "num_attention_heads": 14, "num_key_value_heads": 2, "vocab_size": 151936, "rms_norm_eps": 1e-6,
         "rope_theta": 1e6, "tie_word_embeddings": True, "max_position_embeddings": 32768, "hidden_act": "silu"}
SEQUENCES = 8


def prepare(folder, bin, target, layers, length):
    model = folder / "model"
    model.mkdir(parents=True, exist_ok=True)
    (model / "config.json").write_text(json.dumps({**SHAPE, "num_hidden_layers": layers}))
    shutil.copy(CHAIN / "model" / "tokenizer.json", model)
    shutil.copy(bin / "mirl", folder)
    generator = random.Random(1)
    with (folder / "examples.jsonl").open("w") as file:
        for _ in range(4 * SEQUENCES):
            text = "".join(generator.choice("0123456789+-*=") for _ in range(length - 4))
            print(json.dumps({"prompt": text[0] + "=", "answer": "2", "response": text[1:]}), file=file)
    program = (CHAIN / "sft.mirl").read_text()
    for old, new in (("capacity context = 128", f"capacity context = {length}"), ("draw(examples, 48)", f"draw(examples, {SEQUENCES})")):
        if old not in program:
            sys.exit(f"step.py: examples/chain/sft.mirl no longer says '{old}'")
        program = program.replace(old, new)
    (folder / "step.mirl").write_text(program)
    subprocess.run([bin / "mirlc", folder / "step.mirl", "--model", model, "--target", target, "--dtype", "bf16", "--micro-tokens",
                    str(SEQUENCES * length), "-o", folder / "step.plan"], check=True)


def run(folder, iterations):
    mirl, base, result, trace = folder / "mirl", folder / "base", folder / "run", folder / "trace.json"
    environment = {**os.environ, "LD_LIBRARY_PATH": ":".join(filter(None, [str(folder / "lib"), os.environ.get("LD_LIBRARY_PATH")]))}
    call = lambda *arguments: subprocess.run([mirl, *map(str, arguments)], check=True, env=environment, stdout=subprocess.DEVNULL)
    if not base.exists():
        call("init", folder / "step.plan", "--model", folder / "model", "--out", base, "--seed", 0)
        for name in ("config.json", "tokenizer.json"):
            shutil.copy(folder / "model" / name, base)
    shutil.rmtree(result, ignore_errors=True)
    call("train", folder / "step.plan", "--run", result, "--model", base, "--seed", 0, "--iterations", iterations, "--checkpoint-every", 1000,
         "--trace", trace, "--trace-iterations", iterations, "--data", f"examples={folder / 'examples.jsonl'}")
    for line in (result / "metrics.jsonl").open():
        values = json.loads(line)
        print(f"iteration {values['iteration']}: {values['train_tokens_per_s']:,.0f} tokens/s, loss {values['loss']:.4f}")
    events = json.loads(trace.read_text())
    events = events["traceEvents"] if isinstance(events, dict) else events
    kernels = collections.defaultdict(lambda: [0, 0.0])
    for event in events:
        if event.get("ph") == "X":
            kernel = kernels[(event["name"], event.get("args", {}).get("kernel", ""))]
            kernel[0] += 1
            kernel[1] += event["dur"] / 1000 / iterations
    print(f"\n{'ms/iteration':>12}{'launches':>10}  what")
    for (name, kernel), (count, time) in sorted(kernels.items(), key=lambda item: -item[1][1])[:40]:
        print(f"{time:>12.2f}{count / iterations:>10.0f}  {name} {kernel}")


def main():
    options = dict(a[2:].split("=", 1) for a in sys.argv[1:] if a.startswith("--") and "=" in a)
    plain = [a for a in sys.argv[1:] if not a.startswith("--")]
    if len(plain) < 2 or plain[0] not in ("prepare", "run"):
        sys.exit(__doc__)
    folder = pathlib.Path(plain[1]).resolve()
    if plain[0] == "run":
        return run(folder, int(options.get("iterations", 3)))
    bin = pathlib.Path(plain[2]) if len(plain) > 2 else ROOT / "build" / "bin"
    prepare(folder, bin, options.get("target", "cuda:sm_90a"), int(options.get("layers", 24)), int(options.get("length", 2048)))


if __name__ == "__main__":
    main()
