"""What the benchmarks of whole programs share: Qwen2.5's shapes, a folder to carry to a machine with a GPU, running mirl there."""

import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
from libraries import copy_libraries

CHAIN = ROOT / "examples" / "chain"
COMMON = {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "vocab_size": 151936, "rms_norm_eps": 1e-6, "rope_theta": 1e6,
          "tie_word_embeddings": True, "max_position_embeddings": 32768, "hidden_act": "silu", "num_key_value_heads": 2}
SIZES = {"0.5B": {"hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14},
         "1.5B": {"hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28, "num_attention_heads": 12},
         "3B": {"hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 36, "num_attention_heads": 16},
         "7B": {"hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4,
                "vocab_size": 152064, "tie_word_embeddings": False},
         # To try the benchmarks themselves out on a CPU.
         "tiny": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 1024}}


def shape(size):
    return {**COMMON, **SIZES[size]}


def edited(text, changes):
    """`text` with each (old, new) of `changes` replaced; every old must be there."""
    for old, new in changes:
        if old not in text:
            raise SystemExit(f"bench/gpu: the program no longer says '{old}'")
        text = text.replace(old, new)
    return text


def prepare(folder, bin, size, program, target, *options, config=None):
    """Fills `folder` with the model's shape, the compiled program and mirl with the libraries that another system may lack. `config`: more
    of config.json. With MIRL_GPU_MODULE=ptx a GPU's plan holds PTX, for the emulated GPU (test/emulator)."""
    model, lib = folder / "model", folder / "lib"
    for path in (model, lib):
        path.mkdir(parents=True, exist_ok=True)
    (model / "config.json").write_text(json.dumps({**shape(size), **(config or {})}))
    shutil.copy(CHAIN / "model" / "tokenizer.json", model)
    shutil.copy(bin / "mirl", folder)
    copy_libraries(bin / "mirl", lib)
    (folder / "program.mirl").write_text(program)
    module = ["--module", os.environ["MIRL_GPU_MODULE"]] if target.startswith("cuda") and "MIRL_GPU_MODULE" in os.environ else []
    subprocess.run([bin / "mirlc", folder / "program.mirl", "--model", model, "--target", target, "--dtype", "bf16", *module,
                    *map(str, options), "-o", folder / "program.plan"], check=True)


def write_prompts(path, count, length, most=0):
    """`count` prompts of `length` characters, a token each; or of `length` to `most`."""
    generator, lengths = random.Random(1), random.Random(2)
    with path.open("w") as file:
        for _ in range(count):
            characters = lengths.randint(length, most) if most else length
            print(json.dumps({"prompt": "".join(generator.choice("0123456789+-*") for _ in range(characters - 1)) + "=", "answer": "2"}), file=file)


def environment(folder):
    """That in which mirl of the folder finds the libraries beside it."""
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(filter(None, [str(folder / "lib"), os.environ.get("LD_LIBRARY_PATH")]))}


def mirl(folder, *arguments, timeout=600):
    """Runs mirl of the folder and returns what it wrote to standard error; an error is shown and ends the benchmark."""
    done = subprocess.run([folder / "mirl", *map(str, arguments)], timeout=timeout, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          text=True, env=environment(folder))
    if done.returncode:
        raise SystemExit(f"mirl {arguments[0]} ended with {done.returncode}:\n{done.stderr}")
    return done.stderr


def notes(text):
    """What mirl noted, as which products a library computes."""
    return [line for line in text.splitlines() if line.startswith("mirl: note:")]


def has_weights(folder):
    """Whether `weights` made them all."""
    return (folder / "base" / "tokenizer.json").exists()  # the last file


def weights(folder, like=None):
    """Random weights of the shape, a model folder; made once. `like`: such a folder of another plan of the same shape, whose weights are
    the same ones."""
    base = folder / "base"
    if not has_weights(folder):
        if like:
            base.mkdir(exist_ok=True)
            (base / "model.safetensors").unlink(missing_ok=True)
            (base / "model.safetensors").symlink_to(os.path.relpath(like / "model.safetensors", base))
        else:
            mirl(folder, "init", folder / "program.plan", "--model", folder / "model", "--out", base, "--seed", 0, "--force")
        for name in ("config.json", "tokenizer.json"):
            shutil.copy(folder / "model" / name, base)
    return base


@contextlib.contextmanager
def watched_memory(seconds=0.05):
    """A list whose only entry is the most memory, in MiB, that nvidia-smi showed as used on the first GPU; None where it showed none."""
    most, process, thread = [None], None, None
    if shutil.which("nvidia-smi"):
        process = subprocess.Popen(["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "--id=0",
                                    f"--loop-ms={int(seconds * 1000)}"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

        def watch():
            for line in process.stdout:
                if line.strip().isdigit():
                    most[0] = max(most[0] or 0, int(line))

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
    try:
        yield most
    finally:
        if process:
            process.kill()
            process.wait()
            thread.join(5)


def memory_of(text, shown):
    """A run's memory in MiB: the most that nvidia-smi showed (watched_memory), and what mirl said in `text`, its standard error; None for
    what is not known."""
    said = re.search(r"^mirl: memory of .*?: ([\d.]+) MiB in use", text, re.M)
    return {"shown": shown or None, "said": float(said[1]) if said else None}


def memory_apart(memory):
    """By how much nvidia-smi's is more than mirl's; None where one is not known. More than 2 % is an error: how much a plan takes is known
    before it runs."""
    return memory["shown"] / memory["said"] - 1 if memory["shown"] and memory["said"] else None


def show_memory(memory):
    """Prints memory_of, and ends the benchmark when the two are not the same."""
    shown, said, apart = memory["shown"] or "unknown", memory["said"] or "unknown", memory_apart(memory)
    print(f"memory of the GPU: {shown} MiB by nvidia-smi, {said} MiB by mirl" + (f" ({100 * apart:+.2f} %)" if apart is not None else ""))
    if abs(apart or 0) > 0.02:
        raise SystemExit("nvidia-smi and mirl differ by more than 2 %")


def arguments(doc, actions, options, prepared="work.json"):
    """The action, the folder, other plain arguments and the options of a benchmark's command line. `options`: defaults, as text. The
    usage for what is none of them. `prepared`: the file that a folder has when it is prepared."""
    given = dict(a[2:].split("=", 1) if "=" in a else (a[2:], "yes") for a in sys.argv[1:] if a.startswith("--"))
    plain = [a for a in sys.argv[1:] if not a.startswith("--")]
    if unknown := given.keys() - options.keys():
        sys.exit(f"there is no option --{', --'.join(sorted(unknown))}\n\n{doc}")
    if len(plain) < 2 or plain[0] not in actions:
        sys.exit(doc)
    folder = pathlib.Path(plain[1]).resolve()
    if plain[0] in ("run", "peer") and not (folder / prepared).exists():
        sys.exit(f"{folder} was not prepared: run `prepare {plain[1]}` first, where mirlc is")
    return plain[0], folder, plain[2:], {**options, **given}
