"""Reward programs: a pool of processes that works while the rollout goes on, and what becomes of answers that never come.

Results do not depend on the workers, nor on when an answer comes: the run ends with the bytes of one whose rewards were computed
without a program."""

import json
import sqlite3
import sys

import harness

PROGRAM = """
use model "qwen2"
use "losses"
capacity context = 64
data prompts = "data/prompts.jsonl"
policy pi = qwen2()
optimizer opt = adamw(pi, lr = 1e-3)
step rollout(x: prompts) -> trajectory {
  let y = sample(pi, x, n = 4, temperature = 1.0, max_tokens = 24 BUDGET)
  return score(y, VERIFIER)
}
step train(y: trajectory) { minimize(mirror_descent(logprob(pi, y), y.logprob, y.reward, 0.1), opt) }
iteration { train(rollout(draw(prompts, 8))) }
"""
WORKER = """import json, os, random, sys, time
for line in sys.stdin:
  question = json.loads(line)
  response = question["response"]
  BODY
  print(json.dumps({"id": question["id"], "reward": float("7" in response)}), flush=True)
"""


class Reward(harness.World):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        world = cls("plan")
        cls.ok(world, "mirl", "init", world.plan("init", 'regex(y, pattern = "7")'), "--out", cls.dir / "base", "--seed", 1)

    def plan(self, name, verifier, budget=""):
        return self.compile(name, program=PROGRAM.replace("VERIFIER", verifier).replace("BUDGET", budget))

    def program(self, name, body, budget="", **settings):
        """A plan whose rewards are a script's, which does `body` before it answers."""
        script = self.dir / f"{name}.py"
        script.write_text(WORKER.replace("BODY", body))
        more = "".join(f", {key} = {value}" for key, value in settings.items())
        return self.plan(name, f'program(y, command = "exec {sys.executable} {script}"{more})', budget)

    def train(self, name, plan, *options, iterations=6):
        return ("mirl", "train", plan, "--run", self.dir / f"run-{name}", "--model", self.dir / "base", "--iterations", iterations, *options)

    def result(self, name):
        metrics = [{key: value for key, value in line.items() if not key.endswith(("_seconds", "_per_s")) and key != "unscored"}
                   for line in self.metrics(self.dir / f"run-{name}")]
        return metrics, (self.dir / f"run-{name}/final/model.safetensors").read_bytes()

    def test_nothing_depends_on_when_answers_come(self):
        for budget in "", ", budget = 9, max_age = 6", ", ready = 4, max_age = 6, cache = keep":
            self.ok(*self.train("regex", self.plan("regex", 'regex(y, pattern = "7")', budget)))
            expected = self.result("regex")
            self.assertGreater(max(m["accuracy"] or 0 for m in expected[0]), 0)
            for workers in 1, 4:
                name = f"workers{workers}"
                self.ok(*self.train(name, self.program(name, "time.sleep(random.random() * 0.02)", budget, workers=workers)))
                found = self.result(name)
                self.assertEqual(found[0], expected[0], name)
                self.assertTrue(found[1] == expected[1], f"the weights depend on {name}")
            for folder in self.dir.glob("run-*"):
                folder.rename(self.dir / f"done{budget}-{folder.name}")

    def test_questions_are_asked_while_the_rollout_goes_on(self):
        log = self.dir / "early.log"
        plan = self.program("early", f'open("{log}", "a").write(f"{{time.time()}}\\n")')
        # Few slots, so that responses end all the time.
        self.ok(*self.train("early", plan, "--slots", 4, iterations=20))
        times, seconds = [float(line) for line in log.read_text().split()], [m["rollout_seconds"] for m in self.metrics(self.dir / "run-early")]
        self.assertEqual(len(times), 20 * 32)
        spread = [times[32 * i + 31] - times[32 * i] for i in range(1, 20)]  # The first waits for the process to start.
        self.assertGreater(sum(spread), 0.5 * sum(seconds[1:]), "they come all together")

    def test_what_gets_no_answer_is_left_out(self):
        plan = self.program("some", 'if "3" in response[:2]: time.sleep(600)', timeout=5, workers=4)
        self.ok(*self.train("some", plan, iterations=2))
        metrics = self.metrics(self.dir / "run-some")
        unscored = sum(m["unscored"] for m in metrics)
        self.assertGreater(unscored, 0)
        self.assertEqual([m["sequences"] + m["unscored"] for m in metrics], [32, 32])
        with sqlite3.connect(self.dir / "run-some/trajectories.sqlite") as store:
            rows = store.execute("SELECT response, reward FROM sequences").fetchall()
            self.assertEqual(len(rows), 64)
            for response, reward in rows:
                self.assertEqual(reward, None if "3" in response[:2] else float("7" in response))
        store.close()
        right = [reward for _, reward in rows if reward is not None]
        self.assertAlmostEqual(sum(m["accuracy"] * m["sequences"] for m in metrics), sum(right), places=6)

    def test_a_program_that_never_answers_ends_the_run(self):
        plan = self.program("never", "time.sleep(600)", timeout=0.1, workers=4)
        self.refused(["none of 16 questions in a row", "no answer within its timeout of 0.1 s", "never.py"], *self.train("never", plan), timeout=60)
        self.refused("workers (processes of the program) must be a whole number from 1 to 4096", "mirlc", self.dir / "never.mirl", "--model",
                     self.wrong("workers = 4", "workers = 0"), "-o", self.dir / "x.plan")

    def wrong(self, old, new):
        source = self.dir / "never.mirl"
        source.write_text(source.read_text().replace(old, new))
        return harness.CHAIN / "model"

    def test_an_evaluation_leaves_it_out_too(self):
        plan = self.plan("evaluated", 'regex(y, pattern = "7")')
        script = self.dir / "evaluated.py"
        script.write_text(WORKER.replace("BODY", 'if "3" in response[:2]: os._exit(3)'))
        flags = ["--model", self.dir / "base", "--data", self.dir / "data/test.jsonl", "--max-tokens", 12, "--json"]
        found = json.loads(self.ok("mirl", "eval", plan, *flags, "--verifier", "program", "--command", f"exec {sys.executable} {script}", "--workers", 3))
        self.assertGreater(found["unscored"], 0)
        self.assertEqual(found["count"], 100)
        whole = json.loads(self.ok("mirl", "eval", plan, *flags))
        self.assertLessEqual(found["accuracy"] * (100 - found["unscored"]), whole["accuracy"] * 100 + 1e-6)
        self.assertGreater(found["accuracy"], 0)


if __name__ == "__main__":
    harness.main()
