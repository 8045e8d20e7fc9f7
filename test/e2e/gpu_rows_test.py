"""Decoding on the emulated GPU (test/emulator) in bf16: however many rows a plan's entries have room for, the same bytes."""

import json
import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import unittest

BIN = pathlib.Path(os.environ["MIRL_BIN"])
EMULATOR = pathlib.Path(os.environ.get("MIRL_EMULATOR", BIN.parent / "test" / "emulator"))
CHAIN = pathlib.Path(__file__).resolve().parents[2] / "examples" / "chain"
SEQUENCES = 30


class GpuRows(unittest.TestCase):
    def run_tool(self, *command):
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=600,
                              env={**os.environ, "LD_LIBRARY_PATH": str(EMULATOR)})
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_entries_for_few_rows_give_the_same(self):
        generator = random.Random(1)
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "model").mkdir()
            shutil.copy(CHAIN / "model" / "tokenizer.json", folder / "model")
            config = json.loads((CHAIN / "model" / "config.json").read_text())
            config.update(hidden_size=128, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1, mirl_head_init="normal")
            (folder / "model" / "config.json").write_text(json.dumps(config))
            with (folder / "prompts.jsonl").open("w") as file:
                for _ in range(SEQUENCES):
                    text = "".join(generator.choice("0123456789+-*") for _ in range(generator.randint(2, 9)))
                    print(json.dumps({"prompt": text + "=", "answer": "2"}), file=file)
            few, responses = {}, {}
            # All at a time, 20, and 12 in turn; as responses end, there are fewer and fewer.
            for slots in (80, 20, 12):
                plan, out = folder / f"{slots}.plan", folder / f"{slots}.jsonl"
                self.run_tool(BIN / "mirlc", CHAIN / "mirror_descent.mirl", "--model", folder / "model", "--target", "cuda:sm_90a", "--dtype", "bf16",
                              "--module", "ptx", "--slots", slots, "-o", plan)
                [policy] = json.loads(self.run_tool(BIN / "mirl", "inspect", plan, "--json"))["policies"]
                few[slots] = policy["decode_few"]
                if slots == 80:
                    self.run_tool(BIN / "mirl", "init", plan, "--out", folder / "base", "--seed", 3)
                self.run_tool(BIN / "mirl", "rollout", plan, "--model", folder / "base", "--data", folder / "prompts.jsonl", "--limit", SEQUENCES,
                              "--max-tokens", 10, "--seed", 0, "--out", out)
                responses[slots] = out.read_bytes()
            self.assertEqual(few, {80: ["pi.decode.16", "pi.decode.64"], 20: ["pi.decode.16"], 12: []})
            lengths = {len(json.loads(line)["tokens"]) for line in responses[80].splitlines()}
            self.assertGreater(len(lengths), 3, "the responses must end one after the other")
            self.assertEqual(responses[80], responses[20])
            self.assertEqual(responses[80], responses[12])


if __name__ == "__main__":
    unittest.main()
