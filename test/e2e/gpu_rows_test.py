"""Decoding on the emulated GPU (test/emulator): however many rows a plan's entries have room for, and whether steps are queued ahead of
the tokens of the one in front, the same bytes."""

import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import tempfile
import unittest

BIN = pathlib.Path(os.environ["MIRL_BIN"])
EMULATOR = pathlib.Path(os.environ.get("MIRL_EMULATOR", BIN.parent / "test" / "emulator"))
CHAIN = pathlib.Path(__file__).resolve().parents[2] / "examples" / "chain"
SEQUENCES = 44


class GpuRows(unittest.TestCase):
    def run_tool(self, *command, **variables):
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=600,
                              env={**os.environ, "LD_LIBRARY_PATH": str(EMULATOR), **variables})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.said = done.stderr
        return done.stdout

    def prepare(self, folder):
        """A small model and prompts for it."""
        generator = random.Random(1)
        (folder / "model").mkdir()
        shutil.copy(CHAIN / "model" / "tokenizer.json", folder / "model")
        config = json.loads((CHAIN / "model" / "config.json").read_text())
        config.update(hidden_size=128, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1, mirl_head_init="normal")
        (folder / "model" / "config.json").write_text(json.dumps(config))
        with (folder / "prompts.jsonl").open("w") as file:
            for _ in range(SEQUENCES):
                text = "".join(generator.choice("0123456789+-*") for _ in range(generator.randint(2, 9)))
                print(json.dumps({"prompt": text + "=", "answer": "2"}), file=file)

    def test_steps_ahead_give_what_the_cpu_gives(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            self.prepare(folder)
            for target in ("cpu", "cuda:sm_90a"):
                module = ["--module", "ptx"] if target != "cpu" else []
                self.run_tool(BIN / "mirlc", CHAIN / "mirror_descent.mirl", "--model", folder / "model", "--target", target, "--dtype", "f32", *module,
                              "--slots", 20, "-o", folder / f"{target}.plan")
            self.run_tool(BIN / "mirl", "init", folder / "cpu.plan", "--out", folder / "base", "--seed", 3)

            def rollout(target, *options, poison="0"):
                self.run_tool(BIN / "mirl", "rollout", folder / f"{target}.plan", "--model", folder / "base", "--data", folder / "prompts.jsonl",
                              "--max-tokens", 24, "--seed", 0, "--out", folder / "out.jsonl", *options, MIRL_POISON=poison)
                ahead = re.search(r", (\d+) of (\d+) decode steps queued ahead$", self.said.strip())
                return (folder / "out.jsonl").read_bytes(), ahead and (int(ahead[1]), int(ahead[2]))

            wanted, ahead = rollout("cpu")
            self.assertIsNone(ahead)
            endings = [json.loads(line)["ending"] for line in wanted.splitlines()]
            self.assertGreater(endings.count("eos"), 5)
            for options in ([], ["--slots", 9], ["--kv-blocks", 16], ["--budget", 9]):
                given, ahead = rollout("cuda:sm_90a", *options)
                self.assertEqual(given, wanted, options)
                self.assertGreater(ahead[0], 3, options)
            # What is kept must not depend on it.
            self.assertEqual(rollout("cuda:sm_90a", "--budget", 9, "--kv-blocks", 16)[0], wanted)
            # Where memory is poisoned, and where it is not wanted, nothing is.
            for options, poison in (([], "1"), (["--run-ahead", "off"], "0")):
                self.assertEqual(rollout("cuda:sm_90a", *options, poison=poison), (wanted, None))

    def test_entries_for_few_rows_give_the_same(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            self.prepare(folder)
            few, responses = {}, {}
            # All at a time, 36, beside whom prompts come in (in calls of their own, where memory is not poisoned), and 12 in turn; as
            # responses end, there are fewer and fewer.
            for slots in (80, 36, 12):
                plan, out = folder / f"{slots}.plan", folder / f"{slots}.jsonl"
                self.run_tool(BIN / "mirlc", CHAIN / "mirror_descent.mirl", "--model", folder / "model", "--target", "cuda:sm_90a", "--dtype", "bf16",
                              "--module", "ptx", "--slots", slots, "-o", plan)
                [policy] = json.loads(self.run_tool(BIN / "mirl", "inspect", plan, "--json"))["policies"]
                few[slots] = policy["decode_few"]
                self.assertEqual(policy["prefill_few"], ["pi.prefill.128", "pi.prefill.512"])
                if slots == 80:
                    self.run_tool(BIN / "mirl", "init", plan, "--out", folder / "base", "--seed", 3)
                self.run_tool(BIN / "mirl", "rollout", plan, "--model", folder / "base", "--data", folder / "prompts.jsonl", "--limit", SEQUENCES,
                              "--max-tokens", 10, "--seed", 0, "--out", out, MIRL_POISON="0" if slots == 36 else "1")
                responses[slots] = out.read_bytes()
            self.assertEqual(few, {80: ["pi.decode.16", "pi.decode.64"], 36: ["pi.decode.16"], 12: []})
            lengths = {len(json.loads(line)["tokens"]) for line in responses[80].splitlines()}
            self.assertGreater(len(lengths), 3, "the responses must end one after the other")
            self.assertEqual(responses[80], responses[36])
            self.assertEqual(responses[80], responses[12])


if __name__ == "__main__":
    unittest.main()
