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
REGEX = 'regex(y, pattern = "7")'  # What the worker answers, too.
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
        cls.plans, cls.script = {}, cls.dir / "worker.py"
        world = cls("plan")
        world.ok("mirl", "init", world.plan(REGEX), "--out", cls.dir / "base", "--seed", 1)

    def source(self, verifier, budget=""):
        return PROGRAM.replace("VERIFIER", verifier).replace("BUDGET", budget)

    def plan(self, *program):
        """Of one program there is one plan for all tests."""
        if program not in self.plans:
            self.plans[program] = self.compile(f"plan{len(self.plans)}", program=self.source(*program))
        return self.plans[program]

    def work(self, body):
        """The worker does `body` before it answers."""
        self.script.write_text(WORKER.replace("BODY", body))

    def program(self, **settings):
        """The verifier that is the worker."""
        return f'program(y, command = "exec {sys.executable} {self.script}"' + "".join(f", {key} = {value}" for key, value in settings.items()) + ")"

    def train(self, name, plan, *options, iterations=6):
        return ("mirl", "train", plan, "--run", self.dir / f"run-{name}", "--model", self.dir / "base", "--iterations", iterations, *options)

    def result(self, name):
        metrics = [{key: value for key, value in line.items() if not key.endswith(("_seconds", "_per_s")) and key != "unscored"}
                   for line in self.metrics(self.dir / f"run-{name}")]
        return metrics, (self.dir / f"run-{name}/final/model.safetensors").read_bytes()

    def test_nothing_depends_on_when_answers_come(self):
        self.work("time.sleep(random.random() * 0.02)")
        for budget in "", ", budget = 9, max_age = 6", ", ready = 4, max_age = 6, cache = keep":
            self.ok(*self.train("regex", self.plan(REGEX, budget)))
            expected = self.result("regex")
            self.assertGreater(max(m["accuracy"] or 0 for m in expected[0]), 0)
            for workers in 1, 4:
                name = f"workers{workers}"
                self.ok(*self.train(name, self.plan(self.program(workers=workers), budget)))
                found = self.result(name)
                self.assertEqual(found[0], expected[0], name)
                self.assertTrue(found[1] == expected[1], f"the weights depend on {name}")
            for folder in self.dir.glob("run-*"):
                folder.rename(self.dir / f"done{budget}-{folder.name}")

    def test_questions_are_asked_while_the_rollout_goes_on(self):
        log = self.dir / "early.log"
        self.work(f'open("{log}", "a").write(f"{{time.time()}}\\n")')
        plan = self.plan(self.program(workers=1))
        # Few slots, so that responses end all the time.
        self.ok(*self.train("early", plan, "--slots", 4, iterations=20))
        times, seconds = [float(line) for line in log.read_text().split()], [m["rollout_seconds"] for m in self.metrics(self.dir / "run-early")]
        self.assertEqual(len(times), 20 * 32)
        spread = [times[32 * i + 31] - times[32 * i] for i in range(1, 20)]  # The first waits for the process to start.
        # What they are of the rollout's time, in most iterations: a busy machine may hold a process up in some.
        shares = sorted(s / whole for s, whole in zip(spread, seconds[1:]))
        self.assertGreater(shares[len(shares) // 2], 0.5, "they come all together")

    def test_what_gets_no_answer_is_left_out(self):
        # The timeout, 10 s when nothing is said, has to be longer than a worker takes to start on a busy machine.
        self.work('if "3" in response[:2]: time.sleep(600)')
        self.ok(*self.train("some", self.plan(self.program(workers=4)), iterations=2))
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
        self.work("time.sleep(600)")
        plan = self.plan(self.program(timeout=0.1, workers=4))
        self.refused(["none of 16 questions in a row", "no answer within its timeout of 0.1 s", "worker.py"], *self.train("never", plan), timeout=60)
        wrong = self.dir / "wrong.mirl"
        wrong.write_text(self.source(self.program(workers=0)))
        self.refused("workers (processes of the program) must be a whole number from 1 to 4096", "mirlc", wrong, "--model", harness.CHAIN / "model",
                     "-o", self.dir / "x.plan")

    def test_an_evaluation_leaves_it_out_too(self):
        plan = self.plan(REGEX)
        self.work('if "3" in response[:2]: os._exit(3)')
        flags = ["--model", self.dir / "base", "--data", self.dir / "data/test.jsonl", "--max-tokens", 12, "--json"]
        found = json.loads(self.ok("mirl", "eval", plan, *flags, "--verifier", "program", "--command", f"exec {sys.executable} {self.script}", "--workers", 3))
        self.assertGreater(found["unscored"], 0)
        self.assertEqual(found["count"], 100)
        whole = json.loads(self.ok("mirl", "eval", plan, *flags))
        self.assertLessEqual(found["accuracy"] * (100 - found["unscored"]), whole["accuracy"] * 100 + 1e-6)
        self.assertGreater(found["accuracy"], 0)


if __name__ == "__main__":
    harness.main()
