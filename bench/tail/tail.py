#!/usr/bin/env python3
"""What a long tail of response lengths costs an iteration, with and without partial rollouts.

    bench/tail/tail.py prepare FOLDER [--bin build/bin] [--target cuda:sm_90a]
    FOLDER/tail.py measure FOLDER [--out bench/results/DATE-tail.md]

`prepare` compiles the plans and puts all that `measure` needs into FOLDER, so that it can be moved to a machine with a GPU.

The example model on the real engine and trainer. Where responses end is forced (a model with random weights has no tail):
log-normal, cut at `--longest` = 20 medians, with the sigma at which one response of an iteration gets there on average. All
sides draw the same prompts in the same order and train on responses of the same lengths:

    waiting   an iteration ends when its longest response has
    partial   an iteration has a budget of tokens; what has not ended waits for the next one. The budget is a little less than
              the prompts of an iteration need on average (`--budget-share`), so that there is always something to go on with
    keep      the same, and what waits goes on with the keys and values that it has
    ready     an iteration ends when as many groups have as `waiting` draws; --in-flight times as many are drawn at first, and what
              waits goes on with its keys and values

Beside each stands what the simulator says: `mirl rollout --simulate --calibrate`, with the cost of a step taken from plain
rollouts of the same plan and the same lengths in the same order.

Reported are the tokens that were sampled, for each second of rollout, and the groups that were trained on, for each second of
rollout and training. The first iterations, in which the replay buffer fills, are left out. Rounds alternate. Another process
on the machine can only slow a round down, so the fastest one is reported (of the simulator the median), and every round is listed.
"""

import argparse
import json
import math
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = """
use model "qwen2"
use "losses"
capacity context = {context}
data prompts = "data/prompts.jsonl"
policy pi = qwen2()
optimizer opt = adamw(pi, lr = 1e-5, clip = 1.0, reset = never)
step rollout(x: prompts) -> trajectory {{
  let y = sample(pi, x, n = {n}, temperature = 1.0, max_tokens = {longest}{budget})
  return score(y, 0 - y.length / {longest})
}}
step train(y: trajectory) {{ minimize(mirror_descent(logprob(pi, y), y.logprob, y.reward, 0.1), opt) }}
iteration {{ train(rollout(draw(prompts, {drawn}))) }}
"""
PROMPT_MEAN = 18  # tokens of a prompt of the example
PROMPT = 32  # tokens; more than the longest prompt of the example has


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["prepare", "measure"])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build" / "bin")
    parser.add_argument("--target", help="of mirlc (the CPU)")
    parser.add_argument("--scale", type=int, default=1, help="prepare: the example model with so many times the width (heads, hidden and intermediate size)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=40)
    parser.add_argument("--skip", type=int, default=15, help="the first iterations that are not counted")
    parser.add_argument("--median", type=int, default=24)
    parser.add_argument("--longest", type=int, default=480)
    parser.add_argument("--n", type=int, default=4)
    parser.add_argument("--settings", nargs="+", default=["4x16", "8x32"], metavar="GROUPSxSLOTS")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--under", default="", help="measure: a command that every run is an argument of, such as `taskset -c 0`")
    parser.add_argument("--budget-share", type=float, default=0.85)
    parser.add_argument("--max-age", type=int, default=24)
    parser.add_argument("--in-flight", type=int, default=4)
    parser.add_argument("--out", type=pathlib.Path, help="a Markdown file for the figures")
    options = parser.parse_args()
    if options.in_flight < 2:
        parser.error("--in-flight must be at least 2: with ready, fewer groups are handed over than are drawn")
    settings = [tuple(map(int, setting.split("x"))) for setting in options.settings]
    if options.what == "prepare":
        prepare(options, {groups: max(slots for other, slots in settings if other == groups) for groups, _ in settings})
        return
    lines = []
    for groups, slots in settings:
        lines += measure(options, groups, slots)
    text = "\n".join([head(options), *lines, ""])
    print(text)
    if options.out:
        options.out.write_text(text)


def call(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{command}\n{done.stderr}")
    return done.stdout


def prepare(options, sizes):
    sys.path.insert(0, str(ROOT / "bench"))
    from libraries import copy_libraries
    work = options.folder
    call([sys.executable, ROOT / "examples/chain/generate.py", work / "data", "--prompts", 4000, "--sft", 1, "--test", 1])
    model = work / "config"
    shutil.rmtree(model, ignore_errors=True)
    shutil.copytree(ROOT / "examples/chain/model", model)
    config = json.loads((model / "config.json").read_text())
    for key in ("hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads"):
        config[key] *= options.scale
    (model / "config.json").write_text(json.dumps(config))
    for groups, slots in sizes.items():
        _, tokens = distribution(options, groups)
        partial = f", total_budget = {tokens}, max_age = {options.max_age}, in_flight = {options.in_flight}"
        ready = f", ready = {groups}, max_age = {options.max_age}, in_flight = 1, cache = keep"
        for name, budget in [("waiting", ""), ("partial", partial), ("keep", partial + ", cache = keep"), ("ready", ready)]:
            source = work / f"{name}{groups}.mirl"
            source.write_text(PROGRAM.format(context=options.longest + PROMPT, n=options.n, longest=options.longest, budget=budget,
                                             drawn=groups * options.in_flight if name == "ready" else groups))
            call([options.bin / "mirlc", source, "--model", model, *(["--target", options.target] if options.target else []),
                  "--slots", slots, "-o", source.with_suffix(".plan")])
    shutil.rmtree(work / "model", ignore_errors=True)
    # Weights do not depend on the target, and on a machine without its device only the CPU's plan runs.
    if options.target:
        call([options.bin / "mirlc", source, "--model", model, "-o", work / "cpu.plan"])
    call([options.bin / "mirl", "init", work / "cpu.plan" if options.target else source.with_suffix(".plan"), "--out", work / "model", "--seed", 1])
    program = options.bin / "mirl-bench-tail"
    (work / "lib").mkdir(exist_ok=True)
    for tool in (program, options.bin / "mirl"):
        copy_libraries(tool, work / "lib")
        shutil.copy(tool, work)
    shutil.copy(__file__, work)
    (work / "model.txt").write_text(f"hidden size {config['hidden_size']}, {config['num_hidden_layers']} layers")
    (work / "commit").write_text(call(["git", "-C", ROOT, "describe", "--always", "--dirty", "--exclude=*"]))


def distribution(options, groups):
    """Sigma, and the budget of an iteration. One response of an iteration is expected beyond the longest."""
    sequences = groups * options.n
    sigma = math.log(options.longest / options.median) / statistics.NormalDist().inv_cdf(1 - 1 / sequences)
    return sigma, round(options.budget_share * sequences * mean_length(options, sigma))


def measure(options, groups, slots):
    """The table of one setting."""
    work = options.folder.resolve()
    tool = [*options.under.split(), "env", f"LD_LIBRARY_PATH={work / 'lib'}"]
    sigma, tokens = distribution(options, groups)
    plans = {name: work / f"{name}{groups}.plan" for name in ("waiting", "partial", "keep", "ready")}
    rounds, simulated = {name: [] for name in plans}, {name: [] for name in plans}
    for number in range(options.rounds):
        for name, plan in (plans.items() if number % 2 == 0 else reversed(plans.items())):
            output = call([*tool, work / "mirl-bench-tail", plan, work / "model", work / "data/prompts.jsonl", options.iterations, options.threads, slots,
                           options.median, sigma, options.longest, work / f"{name}.lengths"])
            rounds[name].append(figures([json.loads(line) for line in output.splitlines()][options.skip:], options.n))
            print(groups, slots, number, name, {key: round(value, 3) for key, value in rounds[name][-1].items()}, file=sys.stderr, flush=True)
        # In every round, so that both see the machine as it is then.
        common = ["--slots", slots, "--n", options.n, "--max-tokens", options.longest, "--in-order", "--max-age", options.max_age, "--keep",
                  "--warmup", options.skip, "--iterations", options.iterations - options.skip, "--json"]
        told = json.loads(call([*tool, work / "mirl", "rollout", "--simulate", "--calibrate", plans["waiting"], "--model", work / "model",
                                "--data", work / "data/prompts.jsonl", "--limit", 24, "--threads", options.threads, "--prompts", groups,
                                "--lengths", work / "waiting.lengths", "--total-budget", tokens, "--in-flight", options.in_flight, *common]))
        print(groups, slots, number, told["cost"], file=sys.stderr, flush=True)
        # The same costs. Its whole and recomputing runs are not asked for.
        costs = [part for key, cost in told["cost"].items() for part in ("--" + key.replace("_", "-"), cost)]
        device = ["--kv-blocks", told["device"]["kv_blocks"], "--prompt-tokens", PROMPT_MEAN]
        ready = json.loads(call([*tool, work / "mirl", "rollout", "--simulate", *costs, *device, "--prompts", groups * options.in_flight, "--ready", groups,
                                 "--in-flight", 1, "--lengths", work / "ready.lengths", *common]))
        for name, run in zip(plans, [*told["runs"], ready["runs"][-1]]):
            simulated[name].append({"rollout": run["tokens_per_s"], "idle": run["idle_slots"], "again": run["prefill_tokens"] / run["tokens"]})
    fastest = {name: max(found, key=lambda r: r["rollout"]) for name, found in rounds.items()}
    model = {name: {key: statistics.median(r[key] for r in found) for key in found[0]} for name, found in simulated.items()}
    ratio = lambda of, name, key: of[name][key] / of["waiting"][key]
    rows = [f"\n## {groups} prompts × {options.n} an iteration, {slots} slots\n",
            f"sigma {sigma:.2f}, budget {tokens} tokens an iteration\n",
            "| | sampled tokens/s in rollout | of waiting | simulated | error | of waiting | groups/s with training | idle slots | iteration ms | age, mean | age, most | prefilled tokens/sampled |",
            "|---|---|---|---|---|---|---|---|---|---|---|---|"]
    rows += [f"| {name} | {m['rollout']:,.0f} | {ratio(fastest, name, 'rollout'):.2f} | {model[name]['rollout']:,.0f} | {100 * (model[name]['rollout'] / m['rollout'] - 1):+.1f} % | "
             f"{ratio(model, name, 'rollout'):.2f} | {m['whole']:.1f} | {100 * m['idle']:.1f} % | {1000 * m['seconds']:.1f} | {m['age']:.2f} | {m['oldest']:.0f} | {m['again']:.2f} |"
             for name, m in fastest.items()]
    rows += ["", "Every round: sampled tokens/s in rollout, simulated, groups/s with training, idle slots", ""]
    rows += [f"- {name}: " + "; ".join(f"{r['rollout']:,.0f}, {t['rollout']:,.0f}, {r['whole']:.1f}, {100 * r['idle']:.1f} %" for r, t in zip(found, simulated[name]))
             for name, found in rounds.items()]
    return rows


def mean_length(options, sigma):
    """Of the log-normal that is cut at the longest (and at 1), by its quantiles."""
    normal, count = statistics.NormalDist(), 20000
    return sum(min(options.longest, max(1, options.median * math.exp(sigma * normal.inv_cdf((i + 0.5) / count)))) for i in range(count)) / count


def figures(metrics, n):
    total = lambda key: sum(m[key] or 0 for m in metrics)
    groups, rollout = total("sequences") / n, total("rollout_seconds")
    return {"rollout": total("rollout_tokens") / rollout, "whole": groups / (rollout + total("train_seconds")),
            "idle": statistics.mean(m["idle_fraction"] for m in metrics), "seconds": (rollout + total("train_seconds")) / len(metrics),
            "age": statistics.mean(m.get("staleness_mean") or 0 for m in metrics), "oldest": max(m.get("staleness_max") or 0 for m in metrics),
            "again": total("rollout_prefill_tokens") / total("rollout_tokens")}


def head(options):
    commit = (options.folder / "commit").read_text().strip()
    return (f"# The tail of an iteration, with and without partial rollouts\n\n`bench/tail/tail.py measure --rounds {options.rounds} --iterations {options.iterations}`, "
            f"{options.threads} threads, {platform.machine()}, commit {commit}, the example model ({(options.folder / 'model.txt').read_text()}). Forced lengths: log-normal, median {options.median}, longest {options.longest}. "
            f"max_age {options.max_age}, in_flight {options.in_flight}. The fastest of {options.rounds} rounds; iterations {options.skip} to {options.iterations - 1} count.")


if __name__ == "__main__":
    main()
