"""The Markdown of table.py: what its parts measured, each figure with the bar it has to reach beside it."""

import json
import math
import statistics

import model

# Of the decode products: a share of what a copy's bandwidth allows.
FLOOR, PRODUCT = 0.8, 0.95


def read(folders):
    """{part: record} of the folders that table.py run left; of a part that several have the last one's."""
    return {path.stem: json.loads(path.read_text()) for folder in folders for path in sorted(folder.glob("*.json"))}


NOT_BEGUN = "not begun: no time was left"  # what a step says that came too late


def problems(record):
    """What failed in a part, a line each; the mirl memory that nvidia-smi does not show, too."""
    errors = [(step["name"], step["error"]) for step in record["steps"] if "error" in step]
    found = [f"{name}: {error}" for name, error in errors if error != NOT_BEGUN]
    if missing := [name for name, error in errors if error == NOT_BEGUN]:
        found.append(f"{', '.join(missing)}: {NOT_BEGUN}")
    for step in record["steps"]:
        for one in step.get("figures", []):
            if not one.get("good", True):
                found += [f"{step['name']}: {one['verdict']}", *one["bad"]]
            apart = model.memory_apart(one["memory"]) if isinstance(one.get("memory"), dict) else None
            if abs(apart or 0) > 0.02:
                found.append(f"{step['name']}: nvidia-smi shows {100 * apart:+.1f} % of the memory that mirl says")
    return found


def several(numbers, format):
    return ", ".join(format.format(x) for x in numbers)


class Report:
    def __init__(self, records):
        self.records, self.text, self.bars = records, [], []
        self.judged = not any(record["tiny"] for record in records.values())

    def got(self, part, name, every=False):
        """The figures of a part's step; with `every`, a list of them for each time it ran."""
        runs = [step.get("figures", []) for step in self.records.get(part, {"steps": []})["steps"] if step["name"] == name]
        return runs if every else [one for run in runs for one in run]

    def bar(self, what, value, shown, least=None, most=None, unit=""):
        """`shown` with what it must be beside it, and whether it is."""
        if value is None or not self.judged:
            return shown
        limit = f"≥ {least:,}{unit}" if least is not None else f"≤ {most:,}{unit}"
        met = value >= least if least is not None else value <= most
        self.bars.append((what, shown, limit, met))
        return f"{shown} ({limit}: {'met' if met else '**not met**'})"

    def section(self, title, head, rows, note=""):
        if rows:
            line = lambda cells: "| " + " | ".join(str(cell) for cell in cells) + " |"
            self.text += [f"## {title}", "", line(head), "|" + "---|" * len(head), *map(line, rows), "", *([note, ""] if note else [])]

    def tests(self):
        for one in self.got("tests", "tests"):
            self.text += [f"Tests of bits (`test/gpu/run.sh`) on the same machine: {one['verdict']}.", ""]

    def training(self):
        rows = []
        for part, shape, least, gibibytes in (("step", "0.5B, `--budget=20GiB`", 1.15, 20), ("step15", "1.5B, `--micro-tokens=8192 --budget=36GiB`", 1.05, 36)):
            size = shape.split(",")[0]
            peer = next(iter(self.got(part, "peer")), None)
            if peer:
                ms = [t * 1e3 for t in peer["counted"]]
                rows.append((f"{size}, torch.compile (weights {peer['weights']}, autocast; AdamW fused)",
                             f"{min(ms):.1f} to {max(ms):.1f}, median {peer['median'] * 1e3:.1f}", f"{peer['tokens'] / peer['median']:,.0f}", 1,
                             f"{peer['memory'] or peer['peak'] or 0:,}"))
            for one in self.got(part, "mirl"):
                ours, memory = one["iterations"][-1]["train_tokens_per_s"], one["memory"]["shown"]
                ratio = ours * peer["median"] / peer["tokens"] if peer else None
                rows.append((shape, several((m["train_seconds"] * 1e3 for m in one["iterations"]), "{:.1f}"), f"{ours:,.0f}",
                             self.bar(f"training step of {size} beside torch.compile", ratio, f"{ratio:.2f}" if ratio else "-", least=least),
                             self.bar(f"memory of the training step of {size}", memory, f"{memory or 0:,}", most=gibibytes * 1024, unit=" MiB")))
        self.section("Training step, mirror descent, 8 × 2,048 tokens",
                     ("shape, options of `training.py`", "ms of each iteration", "tokens/s", "beside torch.compile", "MiB by nvidia-smi"), rows,
                     "Tokens/s is of the last iteration; of torch.compile the median of the later half of its steps. 0 MiB: not known.")

    def iteration(self):
        rows = []
        for one in self.got("iteration", "mirl"):
            for m in one["iterations"]:
                seconds = m["rollout_seconds"] + m["train_seconds"]
                last = m is one["iterations"][-1]
                rows.append((m["iteration"], f"{m['rollout_seconds']:.2f} ({m['rollout_tokens_per_s']:,.0f})",
                             f"{m['train_seconds']:.2f} ({m['train_tokens_per_s']:,.0f})",
                             self.bar("a whole iteration", seconds if last else None, f"{seconds:.2f}", most=3, unit=" s"), f"{one['memory']['shown'] or 0:,}"))
        for peer in self.got("iteration", "peer"):
            rows.append(("torch.compile", "", f"{peer['median']:.2f} ({peer['tokens'] / peer['median']:,.0f})", "", f"{peer['memory'] or peer['peak'] or 0:,}"))
        self.section("A whole iteration, 0.5B, 32 prompts × 8 responses of 512 tokens",
                     ("iteration", "rollout s (tokens/s)", "training s (tokens/s)", "both s", "MiB by nvidia-smi"), rows)

    def rollouts(self):
        rows = []
        for part, what, least in (("rollout", "0.5B, 256 sequences", 120_000), ("rollout15", "1.5B, 256 sequences", 90_000),
                                  ("one", "0.5B, one sequence, in a plan for 256", 1000), ("long", "0.5B, 8 sequences, 8,192 tokens of prompt", None),
                                  ("queue", "0.5B, 1,024 prompts of 32 to 320 tokens for 256 slots, responses of 64 to 352", None)):
            peer = next(iter(self.got(part, "peer")), None)
            theirs = peer["sequences"] * peer["new"] / peer["median"] if peer else None
            if peer:
                rows.append((f"{what}, PyTorch (static cache, decode step compiled as a graph)", f"{theirs:,.0f}", 1))
            rates = [one["tokens"] / max(one["seconds"], 1e-9) for one in self.got(part, "mirl")]
            if rates:
                middle = statistics.median(rates)
                rows.append((what, self.bar(f"decoding, {what}", middle if least else None, several(rates, "{:,.0f}"), least=least, unit=" tokens/s"),
                             f"{middle / theirs:.2f}" if peer else "-"))
        self.section("Rollouts, 128 tokens of prompt unless said, 256 new, log-probs returned", ("", "tokens/s", "beside PyTorch"), rows,
                     "Of several rounds the median is compared.")
        commands = [one["command"] for one in self.got("first", "mirl")]
        if commands:
            self.text += ["From the command to the first token, 0.5B: " + self.bar("the first token", max(commands), several(commands, "{:.2f}"), most=3, unit=" s") +
                          " s; the slowest counts.", ""]

    def cost_of_parity(self):
        rows = []
        for part, what in (("cost_step", "training step 0.5B"), ("cost_step15", "training step 1.5B"),
                           ("cost_rollout", "decoding 0.5B, 256 sequences"), ("cost_rollout15", "decoding 1.5B, 256 sequences")):
            rates = [[one["iterations"][-1]["train_tokens_per_s"] if "iterations" in one else one["tokens"] / max(one["seconds"], 1e-9)
                      for one in self.got(part, step)] for step in ("on", "off")]
            if all(rates):
                on, off = map(statistics.median, rates)
                rows.append((what, *(several(of, "{:,.0f}") for of in rates), f"{off / on:.2f}"))
        self.section("What parity costs: tokens/s with it, and with `--products=cublaslt --parity=off`", ("", "with parity", "off", "off / with"), rows,
                     "Without parity cuBLASLt computes each product that it is faster at, with whatever bits.")

    def head(self):
        rows = []
        rounds = [{one["name"]: one for one in run} for run in self.got("logprob", "peer", every=True)]
        for name in dict.fromkeys(name for one in rounds for name in one):
            ones = [one[name] for one in rounds if name in one]
            rows.append((f"{name}, logits kept in bf16" if name == "torch.compile" else name, *(several((one[w] for one in ones), "{:.2f}") for w in ("forward", "both")),
                         f"{ones[0]['bytes'] / 2**30:.2f}"))
        for step, what, least in (("logprob", "no budget", None), ("logprob1120", "`--budget=1120MiB`", 0.85), ("logprob2800", "`--budget=2800MiB`", 1)):
            runs = self.got("logprob", step, every=True)
            ones = [run[0] for run in runs if run]
            if not ones:
                continue
            cells = []
            for which, label, bar in (("forward", "forward", 1.05), ("both", "forward and backward", least)):
                ratios = [peer["torch.compile"][which] / run[0][which] for peer, run in zip(rounds, runs) if run and "torch.compile" in peer]
                beside = several(ratios, "{:.3f}") or "-"
                beside = self.bar(f"head, {what}, {label}", statistics.median(ratios) if ratios and bar else None, beside, least=bar)
                cells.append(several((one[which] for one in ones), "{:.2f}") + f" [{beside}]")
            memory = ones[0]["bytes"] / 2**30
            small = self.bar(f"head, {what}, memory", memory if least == 0.85 else None, f"{memory:.2f}", most=0.5, unit=" GiB")
            rows.append((f"{what}: {ones[0]['kept']:,} of {ones[0]['vocabulary']:,} logits kept", *cells, small))
        sizes = next((run[0] for step in ("peer", "logprob") for run in self.got("logprob", step, every=True) if run), None)
        if sizes:
            self.section(f"The vocabulary head alone: hidden {sizes['hidden']:,}, vocabulary {sizes['vocabulary']:,}, 8,192 tokens",
                         ("", "forward ms", "forward and backward ms", "GiB beyond inputs and gradients"), rows,
                         "Rounds, each program after the other; in brackets beside torch.compile of the round, whose median counts.")

    def attention(self):
        rows, forward = [], [one for one in self.got("attention", "both") if "torch" in one]
        shape = lambda heads, lengths: f"{heads[0]}/{heads[1]} × {heads[2]}, {lengths}"
        lengths = lambda one: f"{len(one['lengths'])} × {one['lengths'][0]:,}" if len(set(one["lengths"])) == 1 else f"{len(one['lengths'])} of several lengths"
        backward = {}
        for one in self.got("attention_grad", "both"):
            backward.setdefault(shape(one["heads"], f"{one['sequences']} × {one['length']:,}"), {})[one["name"]] = one["tflops"]
        every = [("forward", shape(one["heads"], lengths(one)), {**one["torch"], "ours": one["ours"][0]}) for one in forward]
        every += [("backward", what, {"cudnn": r.get("torch cudnn"), "flash": r.get("torch flash"), "ours": r.get("attention_grad")}) for what, r in backward.items()]
        for way, what, rates in every:
            ours, cudnn = rates.get("ours"), rates.get("cudnn")
            cell = lambda key: f"{rates[key]:.0f}" if rates.get(key) else "-"
            judged = "× 128, 1 × 16,384" in what and ours and cudnn
            ratio = f"{ours / cudnn:.2f}" if ours and cudnn else "-"
            rows.append((f"{way}, {what}", cell("cudnn"), cell("flash"), cell("ours"),
                         self.bar(f"attention {way}, {what}", ours / cudnn if judged else None, ratio, least=0.8)))
        self.section("Attention, TFLOP/s", ("", "cuDNN", "flash", "ours", "ours beside cuDNN"), rows)
        self.section("Attention at decode, µs",
                     ("heads, sequences × keys", "flash", "ours", "GB/s of ours"),
                     [(shape(one["heads"], f"{one['sequences']} × {one['length']:,}"), f"{one['flash']:.1f}", f"{one['ours'][0]:.1f}",
                       f"{one['bytes'] / one['ours'][0] / 1e3:,.0f}") for one in self.got("attention", "both") if "flash" in one])

    def products(self):
        found = self.got("products", "both")
        copy = next((one["copy"] for one in found if "copy" in one), None)
        ones = [one for one in found if "kind" in one]
        if not copy or not ones:
            return
        rows, low = [], []
        names = {"linear": "forward", "data": "gradient of the input", "weight": "gradient of the weight"}
        what = lambda one: f"{one['n']:,} × {one['k']:,} {names[one['kind']]} at {one['rows']:,}"
        for kind, few in (("linear", True), ("linear", False), ("data", False), ("weight", False)):
            mine = [one for one in ones if one["kind"] == kind and (one["rows"] <= 256) == few]
            ratios = [one["torch_us"] / one["ours"][0]["us"] for one in mine]
            floors = [one["bytes"] / copy / one["ours"][0]["us"] for one in mine]
            if not mine:
                continue
            mean = math.exp(statistics.fmean(map(math.log, ratios)))
            shares, limit = (floors, FLOOR) if few else (ratios, PRODUCT)
            label = f"{names[kind]}, " + ("1 to 256 rows" if few else "1,024 rows and more")
            least = self.bar(f"products, {label}, the least", min(shares), f"{min(shares):.2f}", least=limit)
            rows.append((label, len(mine), f"{mean:.2f}", f"{sum(r >= PRODUCT for r in ratios)}", *((f"{sum(f >= FLOOR for f in floors)}", least, "") if few else ("", "", least))))
            low += [f"{what(one)} {share:.2f}" for one, share in zip(mine, shares) if share < limit]
        note = (f"Bandwidth: {copy / 1e3:,.0f} GB/s, what a copy of 1 GiB reads and writes in the same run; its share is that of the time that a product's "
                "bytes would take at it.")
        if low:
            note += f"\n\nBelow {FLOOR} of the bandwidth at 256 rows and fewer, below {PRODUCT} of cuBLAS at 1,024 and more: " + "; ".join(low) + "."
        self.section("Matrix products beside cuBLAS, geometric mean of the ratios of speed",
                     ("", "shapes", "ratio", f"ratio at least {PRODUCT}", f"at least {FLOOR} of the bandwidth", "least share of it", "least ratio"), rows, note)

    def parity(self):
        rows, notes = [], []
        for part, shape in (("parity", "0.5B"), ("parity15", "1.5B")):
            ones = self.got(part, "mirl")
            rows += [(shape, m["slots"], m["iteration"], f"{m['sequences']:.0f}", f"{m['response_length_mean']:.1f}", f"{m['parity_tokens']:,.0f}",
                      f"{m['parity_mismatches']:.0f}", f"{m['micro_batches']:.0f}") for m in ones]
            if ones:
                tokens, wrong = (int(sum(m[key] for m in ones)) for key in ("parity_tokens", "parity_mismatches"))
                notes.append(f"{shape}: {self.bar(f'differing log-probs, {shape}', wrong, f'{wrong:,}', most=0)} of "
                             f"{self.bar(f'compared log-probs, {shape}', tokens, f'{tokens:,}', least=100_000)} log-probs differ in some bit.")
        self.section("Log-probs of decoding and of training, bit by bit (`parity.py`)",
                     ("shape", "batch", "iteration", "sequences", "mean length", "tokens", "differ", "micro-batches"), rows, " ".join(notes))


def markdown(records):
    """The table of {part: record}."""
    report = Report(records)
    for part in (report.tests, report.training, report.iteration, report.rollouts, report.cost_of_parity, report.head, report.attention, report.products, report.parity):
        part()
    cards = sorted({r["machine"]["card"] or "no GPU that nvidia-smi shows" for r in records.values()})
    dates = sorted({r["date"] for r in records.values()})
    text = [f"# Whole programs on {' and '.join(cards)}, {' to '.join(dict.fromkeys((dates[0], dates[-1])))}", ""]
    if not report.judged:
        text += ["At tiny sizes, to try the benchmarks out: no figure means anything, and no bar is told.", ""]
    machines = {}
    for part, r in records.items():
        here = r["machine"]
        line = (f"{here['card'] or 'No GPU'}{' (driver ' + here['driver'] + ')' if here['driver'] else ''}, "
                f"{'PyTorch ' + here['torch'] if here['torch'] else 'no PyTorch'}; compiler and runtime of {r['commit'][:12]}"
                f"{' with changes' if r['dirty'] else ''}, {r['target']}")
        machines.setdefault(line, []).append(part)
    text += [line + (f": {', '.join(parts)}" if len(machines) > 1 else "") + "." for line, parts in machines.items()]
    text += ["Random weights of Qwen2.5's shapes, bf16 with f32 master weights and moments. Made by `bench/gpu/table.py`: each program beside its peer in one run.", ""]
    if report.bars:
        met = sum(met for *_, met in report.bars)
        text += [f"Bars: {met} of {len(report.bars)} met." + "".join(f"\n- not met: {what}: {shown} ({limit})" for what, shown, limit, good in report.bars if not good), ""]
    failed = [f"- {part}, {line}" for part, r in records.items() for line in problems(r)]
    skipped = [f"- {part}, {step['name']}: {step['skipped']}" for part, r in records.items() for step in r["steps"] if "skipped" in step]
    for title, lines in (("Failed:", failed), ("Skipped:", list(dict.fromkeys(skipped)))):
        text += [title, *lines, ""] if lines else []
    return "\n".join(text + report.text).rstrip() + "\n"
