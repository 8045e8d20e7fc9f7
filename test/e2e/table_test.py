"""bench/gpu/table.py where there is no GPU: the selection, a tiny part from its compilation to the table, what fails, and the table's bars."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ["MIRL_BIN"])
sys.path.insert(0, str(ROOT / "bench" / "gpu"))
import report
import table


def call(*arguments, script=ROOT / "bench" / "gpu" / "table.py"):
    done = subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def script(path, text):
    path.unlink(missing_ok=True)
    path.write_text("#!/bin/sh\n" + text + "\n")
    path.chmod(0o755)


class Selection(unittest.TestCase):
    def test_order_is_the_parts(self):
        self.assertEqual(table.select("parity,step"), ["step", "parity"])
        self.assertEqual(table.select(""), list(table.PARTS))

    def test_unknown_parts_are_named(self):
        code, text = call("prepare", "/nowhere", "--only=step,stop")
        self.assertEqual(code, 1)
        self.assertIn("there is no part stop; there are tests, step", text)

    def test_every_program_is_of_a_part(self):
        self.assertEqual({name for part in table.PARTS.values() for name in part.programs}, set(table.PROGRAMS))
        for part in table.PARTS.values():
            self.assertLess(part.seconds, 600)


def soon(condition):
    until = time.time() + 10
    while not condition() and time.time() < until:
        time.sleep(0.02)
    return condition()


class Folder(unittest.TestCase):
    def assert_ended(self, file):
        """The process whose number is in the file; one that nobody waited for has no command line."""
        line = pathlib.Path(f"/proc/{file.read_text().strip()}/cmdline")
        self.assertTrue(soon(lambda: not line.exists() or not line.read_bytes()), "mirl still runs")

    def test_a_tiny_part(self):
        with tempfile.TemporaryDirectory() as scratch:
            folder = pathlib.Path(scratch) / "folder"
            code, text = call("prepare", folder, BIN, "--only=first,products", "--target=cpu", "--tiny")
            self.assertEqual(code, 0, text)
            self.assertIn("products: is for a GPU alone", text)
            for path, target in ((folder / "rollout" / "mirl", folder / "mirl"), (folder / "rollout" / "lib", folder / "lib")):
                self.assertTrue(path.is_symlink() and not os.readlink(path).startswith("/"))
                self.assertEqual(path.resolve(), target.resolve())
            # The folder needs nothing beside it, wherever it lies.
            folder = folder.rename(pathlib.Path(scratch) / "carried")
            inside = folder / "bench" / "gpu" / "table.py"
            code, text = call("run", folder, "--only=first,step", script=inside)
            self.assertEqual(code, 0, text)
            found = (folder / "results" / "table.md").read_text()
            self.assertRegex(found, r"the first token, 0.5B: [\d.]+, [\d.]+, [\d.]+ s")
            self.assertIn("- step, mirl: was not prepared", found)
            self.assertIn("no bar is told", found)
            # A part that hangs is ended with what it started, and one that no time is left for is not begun.
            script(folder / "mirl", f"echo $$ > {folder}/process; exec sleep 100")
            code, text = call("run", folder, "--only=first", "--seconds=3", f"--out={folder}/hung", script=inside)
            self.assertEqual(code, 1)
            self.assertRegex(text, r"first, mirl: FAILED: not done at its deadline, after \d s\n")
            self.assert_ended(folder / "process")
            # So it is when the whole command is ended.
            (folder / "process").unlink()
            process = subprocess.Popen([sys.executable, inside, "run", folder, "--only=first"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.assertTrue(soon(lambda: (folder / "process").exists() and (folder / "process").read_text().endswith("\n")))
            process.terminate()
            self.assertEqual(process.wait(10), 1)
            self.assert_ended(folder / "process")
            code, text = call("run", folder, "--only=first", "--seconds=0", script=inside)
            self.assertEqual(code, 1)
            self.assertIn("not begun: no time was left", text)
            # What mirl says when it fails is in the table.
            script(folder / "mirl", "echo no such device >&2; exit 3")
            code, text = call("run", folder, "--only=first", script=inside)
            self.assertEqual(code, 1)
            self.assertIn("- first, mirl: no such device", (folder / "results" / "table.md").read_text())

    def test_a_failed_compilation_is_named(self):
        with tempfile.TemporaryDirectory() as scratch:
            bin, folder = pathlib.Path(scratch) / "bin", pathlib.Path(scratch) / "folder"
            bin.mkdir()
            (bin / "mirl").symlink_to(BIN / "mirl")
            script(bin / "mirlc", 'case "$*" in *rollout15*) exit 3;; esac; while [ "$1" != -o ]; do shift; done; : >"$2"')
            code, text = call("prepare", folder, bin, "--only=rollout,rollout15,step", "--target=cpu", "--tiny")
            self.assertEqual(code, 1)
            self.assertIn("rollout15: FAILED", text)
            self.assertIn("; FAILED: rollout15\n", text)
            self.assertEqual(sorted(json.loads((folder / "table.json").read_text())["programs"]), ["rollout", "step"])


def record(**steps):
    """A part's record: a step's figures, or its error as text; a list of lists is several rounds."""
    found = []
    for name, what in steps.items():
        rounds = what if what and isinstance(what[0], list) else [what]
        found += [{"name": name, "seconds": 1, **({"error": one} if isinstance(one, str) else {"figures": one})} for one in rounds]
    return {"commit": "0123456789abcdef", "dirty": False, "target": "cuda:sm_90a", "tiny": False, "date": "2026-11-26", "steps": found,
            "machine": {"card": "NVIDIA H200", "driver": "580.1", "torch": "2.11.0", "cuda": True, "transformers": "5.0"}}


def metrics(**more):
    return {"iteration": 0, "rollout_seconds": 1.0, "rollout_tokens_per_s": 100.0, "train_seconds": 0.1, "train_tokens_per_s": 1000.0, **more}


class Table(unittest.TestCase):
    def table(self, **records):
        return report.markdown(records)

    def test_training(self):
        peer = [{"weights": "f32", "counted": [0.1, 0.2], "median": 0.1, "tokens": 100, "memory": 31709, "peak": 30000}]
        mirl = lambda rate, shown: [{"iterations": [metrics(train_tokens_per_s=rate)], "memory": {"shown": shown, "said": shown}}]
        text = self.table(step=record(peer=peer, mirl=mirl(1320.0, 20405)), step15=record(peer=peer, mirl=mirl(1040.0, 36865)))
        self.assertIn("| 0.5B, `--budget=20GiB` | 100.0 | 1,320 | 1.32 (≥ 1.15: met) | 20,405 (≤ 20,480 MiB: met) |", text)
        self.assertIn("| 1.04 (≥ 1.05: **not met**) | 36,865 (≤ 36,864 MiB: **not met**) |", text)
        self.assertIn("Bars: 2 of 4 met.\n- not met: training step of 1.5B beside torch.compile: 1.04 (≥ 1.05)\n", text)
        self.assertTrue(text.startswith("# Whole programs on NVIDIA H200, 2026-11-26\n"))
        self.assertIn("NVIDIA H200 (driver 580.1), PyTorch 2.11.0; compiler and runtime of 0123456789ab, cuda:sm_90a.", text)

    def test_memory_that_nobody_sees_is_a_failure(self):
        mirl = [{"iterations": [metrics()], "memory": {"shown": 1000, "said": 900.0}}]
        self.assertIn("Failed:\n- step, mirl: nvidia-smi shows +11.1 % of the memory that mirl says\n", self.table(step=record(mirl=mirl)))

    def test_without_a_peer(self):
        mirl = [{"iterations": [metrics(train_seconds=2.5)], "memory": {"shown": None, "said": None}}]
        text = self.table(step=record(peer="ended badly", mirl=mirl), iteration=record(mirl=mirl))
        self.assertIn("Failed:\n- step, peer: ended badly\n", text)
        self.assertIn("| 1,000 | - | 0 |", text)
        self.assertIn("| 3.50 (≤ 3 s: **not met**) |", text)

    def test_rollouts(self):
        rounds = lambda tokens, seconds: [{"tokens": tokens, "seconds": s, "command": s, "memory": {"shown": None, "said": None}} for s in seconds]
        peer = [{"sequences": 256, "new": 250, "median": 2.0}]
        text = self.table(rollout=record(peer=peer, mirl=rounds(64000, [0.5, 0.4, 0.8])), one=record(mirl=rounds(256, [0.256])),
                          first=record(mirl=rounds(1, [0.9, 3.1])), long=record(peer=[{"sequences": 8, "new": 250, "median": 2.0}], mirl=rounds(2000, [0.5])))
        self.assertIn("| 0.5B, 8 sequences, 8,192 tokens of prompt | 4,000 | 4.00 |", text)
        self.assertIn("| 0.5B, 256 sequences | 128,000, 160,000, 80,000 (≥ 120,000 tokens/s: met) | 4.00 |", text)
        self.assertIn("1,000 (≥ 1,000 tokens/s: met)", text)
        self.assertIn("0.90, 3.10 (≤ 3 s: **not met**) s", text)

    def test_head(self):
        figures = lambda name, forward, both: [{"name": name, "hidden": 4096, "vocabulary": 131072, "kept": 9, "bytes": 2**29, "forward": forward, "both": both}]
        text = self.table(logprob=record(peer=[figures("torch.compile", 10, 40), figures("torch.compile", 12, 40)], logprob=[figures("mirl", 10, 50)] * 2,
                                         logprob1120=[figures("mirl", 10, 50)] * 2))
        self.assertIn("| no budget: 9 of 131,072 logits kept | 10.00, 10.00 [1.000, 1.200 (≥ 1.05: met)] | 50.00, 50.00 [0.800, 0.800] | 0.50 |", text)
        self.assertIn("50.00, 50.00 [0.800, 0.800 (≥ 0.85: **not met**)] | 0.50 (≤ 0.5 GiB: met) |", text)

    def test_kernels(self):
        product = lambda kind, rows, torch_us, us: {"kind": kind, "n": 8, "k": 8, "rows": rows, "bytes": 80.0, "torch_us": torch_us, "ours": [{"us": us}]}
        forward = {"name": "long", "heads": [16, 16, 128], "lengths": [16384], "torch": {"cudnn": 600.0, "flash": 300.0}, "ours": [450.0]}
        decode = {"name": "d", "heads": [14, 2, 64], "sequences": 1, "length": 4096, "bytes": 4e4, "flash": 10.0, "ours": [20.0]}
        backward = [{"heads": [16, 16, 128], "sequences": 1, "length": 16384, "name": name, "tflops": rate}
                    for name, rate in (("torch cudnn", 500.0), ("attention_grad", 400.0))]
        text = self.table(products=record(both=[{"copy": 4.0}, product("linear", 16, 25, 25), product("linear", 64, 25, 20), product("weight", 4096, 90, 100)]),
                          attention=record(both=[forward, decode]), attention_grad=record(both=backward))
        self.assertIn("| forward, 16/16 × 128, 1 × 16,384 | 600 | 300 | 450 | 0.75 (≥ 0.8: **not met**) |", text)
        self.assertIn("| backward, 16/16 × 128, 1 × 16,384 | 500 | - | 400 | 0.80 (≥ 0.8: met) |", text)
        self.assertIn("| 14/2 × 64, 1 × 4,096 | 10.0 | 20.0 | 2 |", text)
        self.assertIn("| forward, 1 to 256 rows | 2 | 1.12 | 2 | 2 | 0.80 (≥ 0.8: met) |  |", text)
        self.assertIn("| gradient of the weight, 1,024 rows and more | 1 | 0.90 | 0 |  |  | 0.90 (≥ 0.95: **not met**) |", text)
        self.assertIn("at 1,024 and more: 8 × 8 gradient of the weight at 4,096 0.90.", text)

    def test_bits(self):
        ones = [{"slots": 256, **metrics(sequences=1, response_length_mean=2, parity_tokens=tokens, parity_mismatches=wrong, micro_batches=1)}
                for tokens, wrong in ((60000, 0), (50000, 1))]
        text = self.table(tests=record(tests=[{"good": False, "verdict": "FAILED", "bad": ["sft: DIFFERS"]}]), parity=record(mirl=ones))
        self.assertIn("1 (≤ 0: **not met**) of 110,000 (≥ 100,000: met) log-probs differ", text)
        self.assertIn("Failed:\n- tests, tests: FAILED\n- tests, sft: DIFFERS\n", text)

    def test_several_machines(self):
        other = record(mirl=[])
        other["machine"] = {**other["machine"], "card": "NVIDIA H100"}
        text = self.table(step=record(mirl=[]), one=other)
        self.assertIn("NVIDIA H100 (driver 580.1), PyTorch 2.11.0; compiler and runtime of 0123456789ab, cuda:sm_90a: one.", text)
        self.assertIn("# Whole programs on NVIDIA H100 and NVIDIA H200", text)


if __name__ == "__main__":
    unittest.main()
