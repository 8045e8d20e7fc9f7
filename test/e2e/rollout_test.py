"""With frozen weights a rollout's tokens and log-probs are the same bits whatever the schedule: slots, blocks of the KV
cache (so few that sequences are preempted), chunks of prefill, budgets, threads. Settings are drawn; a failure prints the seed, and
MIRL_SEED repeats it. `--full` (as ctest does not) takes 200 prompts times 4 samples and more draws."""

import json
import os
import random
import re
import sys

import harness

FULL = "--full" in sys.argv
if FULL:
    sys.argv.remove("--full")


class Rollout(harness.World):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        world = cls("setUp")
        cls.plan = world.compile("mirror_descent")
        cls.base = cls.dir / "base"
        world.ok("mirl", "init", cls.plan, "--out", cls.base, "--seed", 1)
        # Random weights end no response early: all are as long as the context allows.
        cls.prompts = cls.dir / "few.jsonl"
        lines = (cls.dir / "data/prompts.jsonl").read_text().splitlines(True)
        cls.prompts.write_text("".join(lines[:200 if FULL else 40]))
        cls.expected, _ = world.rollout("expected")
        cls.prompt_tokens = world.prefilled

    def setUp(self):
        pass

    def rollout(self, name, *options):
        out = self.dir / f"{name}.jsonl"
        done = harness.run("mirl", "rollout", self.plan, "--model", self.base, "--data", self.prompts, "--n", 4, "--seed", 9,
                           "--max-tokens", 100, "--out", out, *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = re.search(r"(\d+) preemptions", done.stderr)
        self.assertTrue(found, done.stderr)
        self.prefilled = int(re.search(r"(\d+) tokens prefilled", done.stderr)[1])
        return out.read_text(), int(found[1])

    def test_drawn_schedules(self):
        seed = int(os.environ.get("MIRL_SEED") or random.SystemRandom().randrange(1 << 31))
        draw = random.Random(seed)
        preemptions = 0
        for i in range(24 if FULL else 8):
            options = ["--threads", draw.choice([1, 2]), "--slots", draw.choice([1, 7, 64] + ([512] if FULL else []))]
            if draw.random() < 0.5:
                options += ["--prefill-chunk", draw.randint(1, 40)]
            # Every fourth draw has the smallest pool, which the longest sequence needs whole, and no budget: these alone
            # preempt often enough, whatever else is drawn.
            smallest = i % 4 == 0
            # Rounds of a budget: of each response, of all together, or both.
            for name, most in ("--budget", [16, 100, draw.randint(1, 99)]), ("--total-budget", [draw.randint(50, 2000)]):
                if draw.random() < 0.5 and not smallest:
                    options += [name, draw.choice(most)]
            if i % 2 == 0:
                options[3] = max(7, options[3])
                options += ["--kv-blocks", 8 if smallest else draw.randint(8, 14)]
            with self.subTest(f"MIRL_SEED={seed} {options}"):
                text, count = self.rollout("drawn", *options)
                preemptions += count
                self.assertTrue(text == self.expected, "tokens or log-probs depend on the schedule")
        self.assertGreater(preemptions, 500 if FULL else 100, f"MIRL_SEED={seed}")

    def test_budgets(self):
        for budget in (16, 100):
            for options in ["--budget", budget], ["--total-budget", 20 * budget]:
                text, _ = self.rollout("budget", *options, "--slots", 7)
                self.assertTrue(text == self.expected, f"tokens or log-probs depend on {options}")
                # A round goes on with what the one before computed. At most the prompts' last tokens come again.
                self.assertLessEqual(self.prefilled, self.prompt_tokens + 4 * len(text.splitlines()), options)
        # Where the pool has no room for it, it is computed again.
        text, _ = self.rollout("dry", "--budget", 16, "--slots", 7, "--kv-blocks", 12)
        self.assertTrue(text == self.expected, "tokens or log-probs depend on the pool")
        self.assertGreater(self.prefilled, 4 * self.prompt_tokens)
        few = ["--model", self.base, "--data", self.prompts, "--out", self.dir / "none"]
        self.refused("--budget", "mirl", "rollout", self.plan, *few, "--budget", 0, code=2)
        self.refused("--total-budget", "mirl", "rollout", self.plan, *few, "--total-budget", -1, code=2)

    def test_repetitions(self):
        """What the detector cuts is what it would have cut of the whole response, whatever the schedule."""
        n, times, window = 2, 2, 24

        def repeats(tokens):
            tail, count, end = tokens[-n:], 1, len(tokens) - n
            while end >= max(n, len(tokens) - window + n):
                if tokens[end - n:end] == tail:
                    count, end = count + 1, end - n
                else:
                    end -= 1
            return len(tokens) >= n and count >= times

        flags = ["--repeat-ngram", n, "--repeat-times", times, "--repeat-window", window]
        text, _ = self.rollout("repeat", *flags)
        again, _ = self.rollout("repeat2", *flags, "--budget", 16, "--slots", 7, "--kv-blocks", 12)
        self.assertTrue(text == again, "what is cut depends on the schedule")
        cut = 0
        for got, whole in zip(map(json.loads, text.splitlines()), map(json.loads, self.expected.splitlines())):
            tokens = whole["tokens"]
            end = next((i for i in range(1, len(tokens) + 1) if repeats(tokens[:i])), None)
            by_itself = whole["ending"] == "eos" and end == len(tokens)
            self.assertEqual(got["tokens"], tokens[:end])
            self.assertEqual(got["ending"], "repeat" if end and not by_itself else whole["ending"])
            cut += got["ending"] == "repeat"
        self.assertGreater(cut, 10)
        few = ["--model", self.base, "--data", self.prompts, "--out", self.dir / "none"]
        self.refused("does not hold 4 times 8 tokens", "mirl", "rollout", self.plan, *few, "--repeat-ngram", 8, "--repeat-window", 31)

    def test_what_the_plan_does_not_have(self):
        few = ["--model", self.base, "--data", self.prompts, "--out", self.dir / "none"]
        self.refused(["7 blocks of 16 positions", "128 tokens, needs 8"], "mirl", "rollout", self.plan, *few, "--kv-blocks", 7)
        self.refused("was compiled for 1 to 4096", "mirl", "rollout", self.plan, *few, "--kv-blocks", 4097)
        self.refused("was compiled for 1 to 512", "mirl", "rollout", self.plan, *few, "--slots", 513)
        self.refused("--slots", "mirl", "rollout", self.plan, *few, "--slots", 0, code=2)


if __name__ == "__main__":
    harness.main()
