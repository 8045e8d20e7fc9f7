"""`ready` with `rescore` and a reward of the lengths of a group: what is trained on has the log-probs of the policy that trains, to the bit,
whichever policies sampled it, and each response's length is compared with those of its own group."""

import collections
import sqlite3

import harness

PROGRAM = """
use model "qwen2"
use "losses"
use "rewards"
capacity context = 128
param lr: f32 = 2e-3
data prompts = "data/prompts.jsonl"
policy    pi  = qwen2()
optimizer opt = adamw(pi, lr = lr)
step rollout(x: prompts) -> trajectory {
  let y = sample(pi, x, n = 4, max_tokens = 30, ready = 3, max_age = 4, in_flight = 1, cache = CACHE)
  let right = regex(y, pattern = "[0-4]$")
  RESCORE
}
step train(y: trajectory) {
  let logp = logprob(pi, y)
  metric("delta", mean(abs(sum(logp - y.logprob, over = sequence)), over = batch))
  minimize(mirror_descent(logp, y.logprob, y.reward, 0.1), opt)
}
iteration {
  let y = rollout(draw(prompts, 8))
  for b in batches(y, 12) { train(b) }
}
"""
SCORED = "right + 0.25 * length_reward(y.length, right)"
RESCORED, RECORDED = f"return score(rescore(pi, y), {SCORED})", f"return score(y, {SCORED})"
ITERATIONS = 6


def length_rewards(lengths, right):
    """By hand: Kimi k1.5 (arXiv 2501.12599), section 2.3.3."""
    shortest, longest = min(lengths), max(lengths)
    shares = [0.5 - (n - shortest) / max(longest - shortest, 1) if longest > shortest else 0 for n in lengths]
    return [s if r else min(0, s) for s, r in zip(shares, right)]


class ReadyAndRescore(harness.World):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        world = cls("setUp")
        config = (harness.CHAIN / "model" / "config.json").read_text().replace('"zeros"', '"normal"')
        cls.model = cls.dir / "model"
        cls.model.mkdir()
        (cls.model / "config.json").write_text(config)
        (cls.model / "tokenizer.json").write_text((harness.CHAIN / "model" / "tokenizer.json").read_text())
        cls.base = None
        for name, scored, cache in (("rescored", RESCORED, "keep"), ("recorded", RECORDED, "keep"), ("recomputed", RESCORED, "recompute")):
            plan = world.compile(name, program=PROGRAM.replace("RESCORE", scored).replace("CACHE", cache), model=cls.model,
                                 options=["--slots", 9])
            if not cls.base:
                cls.base = cls.dir / "base"
                world.ok("mirl", "init", plan, "--out", cls.base, "--seed", 1)
            world.ok("mirl", "train", plan, "--run", cls.dir / f"run-{name}", "--model", cls.base, "--seed", 3, "--iterations", ITERATIONS,
                     "--data", f"prompts={cls.dir / 'data/prompts.jsonl'}")

    def setUp(self):
        pass

    def run_of(self, name):
        return self.metrics(self.dir / f"run-{name}")

    def test_rescored_log_probs_are_the_training_pass_s(self):
        for name in "rescored", "recomputed":
            metrics = self.run_of(name)
            self.assertEqual([m["groups"] for m in metrics], ITERATIONS * [3])
            self.assertGreater(max(m["staleness_max"] for m in metrics), 0, "no token is old: nothing is tested")
            # One update an iteration, behind the rescoring: exactly zero.
            self.assertEqual([m["delta"] for m in metrics], ITERATIONS * [0], name)
        # Without it, old tokens have other log-probs.
        recorded = self.run_of("recorded")
        self.assertEqual(recorded[0]["delta"], 0, "the first iteration's tokens are of the first policy")
        self.assertGreater(max(m["delta"] for m in recorded), 1e-3)
        self.assertGreater(sum(m["kept"] for m in self.run_of("rescored")), 0)

    def test_lengths_are_compared_within_the_group(self):
        with sqlite3.connect(self.dir / "run-rescored/trajectories.sqlite") as store:
            rows = store.execute("SELECT s.group_id, s.tokens, s.response, s.reward FROM sequences s JOIN groups g ON g.id = s.group_id "
                                 "WHERE g.sampling >= 0 ORDER BY s.group_id, s.sample").fetchall()
            mixed = store.execute("SELECT count(*) FROM (SELECT sequence_id FROM segments GROUP BY sequence_id HAVING count(*) > 1)").fetchone()[0]
        self.assertGreater(mixed, 0, "no response was sampled by two policies")
        groups = collections.defaultdict(list)
        for group, *row in rows:
            groups[group].append(row)
        self.assertEqual(len(groups), 3 * ITERATIONS)
        unequal = 0
        for members in groups.values():
            self.assertEqual(len(members), 4)
            lengths = [tokens for tokens, _, _ in members]
            right = [response[-1:] in set("01234") for _, response, _ in members]
            unequal += max(lengths) > min(lengths)
            for (_, _, reward), correct, share in zip(members, right, length_rewards(lengths, right)):
                self.assertAlmostEqual(reward, correct + 0.25 * share, places=6)
        self.assertGreater(unequal, 0, "all lengths of a group are equal")


if __name__ == "__main__":
    harness.main()
