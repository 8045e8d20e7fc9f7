"""The library's losses from outside, through `mirl call`: values against plain Python, gradients against differences."""

import math
import random

import harness

PROGRAM = """
use "losses"
entry md(logp: token, old: token, reward: sequence, tau: batch) -> (loss: batch) gradient logp {
  return mirror_descent(logp, old, reward, tau)
}
entry fresh(logp: token, old: token, age: token, reward: sequence, oldest: batch) -> (loss: batch) gradient logp {
  return mirror_descent_fresh(logp, old, age, reward, 0.3, oldest)
}
entry supervised(logp: token) -> (loss: batch) gradient logp {
  return sft(logp)
}
entry clipped(logp: token, old: token, advantage: token) -> (loss: batch) gradient logp {
  return ppo_clip(logp, old, advantage)
}
entry group_means(x: sequence) -> (mean: group, best: group, spread: sequence) {
  let m = mean(x, over = group)
  return m, max(x, over = group), x - m
}
entry guarded(logp: token, mask: token) -> (loss: batch, best: sequence, middle: sequence) gradient logp {
  let n = sum(mask, over = batch)
  let k = sum(mask, over = sequence)
  let whole = if n > 0 then sum(logp * mask, over = batch) / n else 0
  let each = if k > 0 then sqrt(square(sum(logp * mask, over = sequence) / k)) else 0
  return whole + mean(each, over = batch) + mean(max(logp, over = sequence), over = batch),
         max(logp, over = sequence), mean(logp, over = sequence)
}
"""


class Losses(harness.World):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.plan = cls("compile").compile("entries", program=PROGRAM, model=None)
        rng = random.Random(7)
        cls.lengths = [3, 1, 7, 2, 5, 4]
        cls.groups = [0, 0, 0, 1, 1, 2]
        tokens = sum(cls.lengths)
        cls.logp = [-rng.random() * 2 for _ in range(tokens)]
        cls.old = [x + rng.gauss(0, 0.2) for x in cls.logp]
        cls.reward = [float(rng.random() < 0.5) for _ in cls.lengths]
        cls.ids = [s for s, n in enumerate(cls.lengths) for _ in range(n)]

    def call(self, entry, **tensors):
        packed = {"sequence_ids": ("I32", [len(self.ids)], self.ids), "group_ids": ("I32", [len(self.groups)], self.groups)}
        for name, values in tensors.items():
            packed[name] = ("F32", [] if isinstance(values, float) else [len(values)], [values] if isinstance(values, float) else values)
        harness.write_safetensors(self.dir / "in.safetensors", packed)
        self.ok("mirl", "call", self.plan, entry, "--in", self.dir / "in.safetensors", "--out", self.dir / "out.safetensors")
        return harness.read_safetensors(self.dir / "out.safetensors")

    def sums(self, values):
        totals = [0.0] * len(self.lengths)
        for s, value in zip(self.ids, values):
            totals[s] += value
        return totals

    def baseline(self, x):
        return [sum(v for v, g in zip(x, self.groups) if g == mine) / self.groups.count(mine) for mine in self.groups]

    def mirror_descent(self, logp, tau=0.3):
        total, delta = self.sums(logp), self.sums([a - b for a, b in zip(logp, self.old)])
        advantage = [r - b for r, b in zip(self.reward, self.baseline(self.reward))]
        return sum(-a * s + tau / 2 * d * d for a, s, d in zip(advantage, total, delta)) / len(total)

    def check(self, result, function, values):
        self.assertAlmostEqual(result["loss"][0], function(values), delta=2e-6 * max(1, abs(function(values))))
        for index in range(len(values)):
            h = 1e-5
            up, down = values[:], values[:]
            up[index] += h
            down[index] -= h
            self.assertAlmostEqual(result["grad.logp"][index], (function(up) - function(down)) / (2 * h), delta=2e-5, msg=f"token {index}")

    def test_mirror_descent(self):
        self.check(self.call("md", logp=self.logp, old=self.old, reward=self.reward, tau=0.3), self.mirror_descent, self.logp)

    def test_mirror_descent_of_fresh_tokens(self):
        """Old segments are as if they were not there; of what is recorded there nothing matters, not even infinity."""
        # A sequence of one age, several of two or three, one that is old as a whole.
        age = [float(a) for ages in ([2, 2, 0], [0], [5, 3, 3, 2, 2, 0, 0], [1, 1], [3, 2, 2, 1, 0], [2, 0, 0, 0]) for a in ages]

        def expected(oldest):
            def loss(logp):
                mask = [a <= oldest for a in age]
                total = self.sums([x if m else 0 for x, m in zip(logp, mask)])
                delta = self.sums([x - y if m else 0 for x, y, m in zip(logp, self.old, mask)])
                advantage = [r - b for r, b in zip(self.reward, self.baseline(self.reward))]
                return sum(-a * s + 0.15 * d * d for a, s, d in zip(advantage, total, delta)) / len(total)
            return loss

        for oldest in (0.0, 2.0, 9.0):
            old = [x if a <= oldest else -math.inf for x, a in zip(self.old, age)]
            result = self.call("fresh", logp=self.logp, old=old, age=age, reward=self.reward, oldest=oldest)
            self.check(result, expected(oldest), self.logp)
            for gradient, a in zip(result["grad.logp"], age):
                if a > oldest:
                    self.assertEqual(gradient, 0)
        whole = self.call("md", logp=self.logp, old=self.old, reward=self.reward, tau=0.3)
        self.assertEqual(result, whole)

    def test_sft(self):
        self.check(self.call("supervised", logp=self.logp), lambda logp: -sum(logp) / len(logp), self.logp)

    def test_ppo_clip(self):
        advantage = [1.0 if s % 2 else -0.5 for s in self.ids]

        def loss(logp):
            total = 0
            for new, old, a in zip(logp, self.old, advantage):
                ratio = math.exp(new - old)
                total += min(ratio * a, min(max(ratio, 0.8), 1.2) * a)
            return -total / len(logp)

        self.check(self.call("clipped", logp=self.logp, old=self.old, advantage=advantage), loss, self.logp)

    def test_group_statistics(self):
        result = self.call("group_means", x=self.reward)
        baseline = self.baseline(self.reward)
        for g in range(3):
            self.assertAlmostEqual(result["mean"][g], baseline[self.groups.index(g)], delta=1e-6)
            self.assertEqual(result["best"][g], max(r for r, mine in zip(self.reward, self.groups) if mine == g))
        for s, (r, b) in enumerate(zip(self.reward, baseline)):
            self.assertAlmostEqual(result["spread"][s], r - b, delta=1e-6)

    def test_nothing_to_reduce(self):
        # The third sequence and the last have no tokens, and no token of the first is wanted, or none at all.
        def call(logp, mask, lengths):
            offsets = [sum(lengths[:s]) for s in range(len(lengths) + 1)]
            packed = {"token_offsets": ("I32", [len(offsets)], offsets), "logp": ("F32", [len(logp)], logp),
                      "mask": ("F32", [len(mask)], mask)}
            harness.write_safetensors(self.dir / "none.safetensors", packed)
            self.ok("mirl", "call", self.plan, "guarded", "--in", self.dir / "none.safetensors", "--out", self.dir / "out.safetensors")
            return harness.read_safetensors(self.dir / "out.safetensors")

        logp = [-0.5, -1.0, -2.0]
        result = call(logp, [0.0, 0.0, 1.0], [2, 1, 0, 0])
        self.assertEqual(result["best"], [-0.5, -2.0, 0.0, 0.0])
        self.assertEqual(result["middle"], [-0.75, -2.0, 0.0, 0.0])
        self.assertAlmostEqual(result["loss"][0], -2.0 + 2.0 / 4 + (-0.5 - 2.0) / 4, delta=1e-6)
        self.assertEqual(result["grad.logp"], [0.25, 0.0, 1.0 - 0.25 + 0.25])
        result = call(logp, [0.0, 0.0, 0.0], [2, 1, 0, 0])
        self.assertAlmostEqual(result["loss"][0], (-0.5 - 2.0) / 4, delta=1e-6)
        self.assertEqual(result["grad.logp"], [0.25, 0.0, 0.25])

    def test_what_is_wrong_with_the_input_is_said(self):
        harness.write_safetensors(self.dir / "bad.safetensors", {"logp": ("F32", [2], [0.0, 0.0])})
        self.refused("old", "mirl", "call", self.plan, "md", "--in", self.dir / "bad.safetensors", "--out", self.dir / "x.safetensors")
        self.refused("no_such", "mirl", "call", self.plan, "no_such", "--in", self.dir / "bad.safetensors", "--out", self.dir / "x.safetensors")
        ids = {"sequence_ids": ("I32", [3], [0, 1, 0]), "logp": ("F32", [3], [0.0] * 3)}
        harness.write_safetensors(self.dir / "bad.safetensors", ids)
        self.refused("sequence_ids", "mirl", "call", self.plan, "supervised", "--in", self.dir / "bad.safetensors", "--out", self.dir / "x.safetensors")


if __name__ == "__main__":
    harness.main()
