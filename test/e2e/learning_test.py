"""The example learns: a short warm-up brings the loss down, RL runs on top of it, and the results are usable."""

import json
import unittest

import harness


class Learning(harness.World):
    def test_warm_up_then_rl(self):
        sft = self.compile("sft")
        self.ok("mirl", "init", sft, "--out", self.dir / "base", "--seed", 0)
        self.ok("mirl", "train", sft, "--run", self.dir / "sft", "--model", self.dir / "base", "--iterations", 150, "--seed", 0,
                "--data", f"examples={self.dir / 'data/sft.jsonl'}")
        losses = [m["loss"] for m in self.metrics(self.dir / "sft")]
        self.assertEqual(len(losses), 150)
        self.assertAlmostEqual(losses[0], 2.9957, delta=0.01, msg="a zero head gives log(20) nats a token")
        self.assertLess(sum(losses[-10:]) / 10, 1.4)

        rl = self.compile("mirror_descent")
        self.ok("mirl", "train", rl, "--run", self.dir / "rl", "--model", self.dir / "sft/final", "--iterations", 2, "--seed", 0,
                *self.data())
        for line in self.metrics(self.dir / "rl"):
            for key in ("iteration", "loss", "reward_mean", "accuracy", "response_length_mean", "finished_fraction",
                        "rollout_tokens_per_s", "train_tokens_per_s"):
                self.assertIn(key, line)
            self.assertGreater(line["rollout_tokens_per_s"], 0)
        result = json.loads(self.ok("mirl", "eval", rl, "--model", self.dir / "rl/final", "--data", self.dir / "data/test.jsonl",
                                    "--json"))
        self.assertEqual(result["count"], 100)
        self.assertTrue(0 <= result["accuracy"] <= 1)
        for name in ("config.json", "model.safetensors", "tokenizer.json"):
            self.assertTrue((self.dir / "rl/final" / name).exists(), name)
        weights = harness.read_safetensors(self.dir / "rl/final/model.safetensors")
        self.assertEqual(len(weights["model.embed_tokens.weight"]), 20 * 96)
        self.assertTrue(any(name.startswith("events.out.tfevents") for name in map(lambda p: p.name, (self.dir / "rl").iterdir())))


if __name__ == "__main__":
    harness.main()
