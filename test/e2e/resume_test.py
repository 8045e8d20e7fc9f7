"""A run that is killed at any instant and resumed ends with the same bytes; damage is noticed; other settings are refused.

MIRL_KILLS: how many kills (10; 60 with `--full`, as ctest does not); MIRL_SEED: of the instants, printed.
"""

import fcntl
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import harness

FULL = "--full" in sys.argv
if FULL:
    sys.argv.remove("--full")
KILLS = int(os.environ.get("MIRL_KILLS", 60 if FULL else 10))
NOBODY = 65534
ITERATIONS = 12
PROGRAM = """
use model "qwen2"
use "losses"
capacity context = 64
param lr: f32 = 1e-3
param iterations: f32 = ITERATIONS
data prompts = "data/prompts.jsonl"
policy pi = qwen2()
optimizer opt = adamw(pi, lr = lr * (1 - 0.5 * iteration / iterations), clip = 1.0, reset = never)
step rollout(x: prompts) -> trajectory {
  let y = sample(pi, x, n = 4, temperature = 1.0, max_tokens = 12 BUDGET)
  return score(y, VERIFIER)
}
step train(y: trajectory) { minimize(mirror_descent(logprob(pi, y), y.logprob, y.reward, 0.1), opt) }
iteration {
  let y = rollout(draw(prompts, 12))
  for b in batches(y, 24) { train(b) }
}
""".replace("ITERATIONS", str(ITERATIONS))
TIMING = ("_seconds", "_per_s")


class Killed:
    """A run that is killed; the other tests go on from here."""

    budget = ""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        world = cls("compile")
        cls.plan = world.compile("run", program=PROGRAM.replace("BUDGET", cls.budget).replace("VERIFIER", 'regex(y, pattern = "[0-4]")'))
        world.ok("mirl", "init", cls.plan, "--out", cls.dir / "base", "--seed", 1)
        started = time.monotonic()
        world.ok(*world.train("whole"))
        cls.seconds = time.monotonic() - started
        cls.expected = world.result(cls.dir / "whole")
        metrics = world.metrics(cls.dir / "whole")
        trained = [m["loss"] for m in metrics if m.get("groups", 1) > 0]
        assert len(metrics) == ITERATIONS and len(trained) > ITERATIONS // 3 and all(trained), f"it learns nothing, so it tests nothing: {metrics}"

    def train(self, run, *options, plan=None):
        if "--checkpoint-every" not in options:
            options += ("--checkpoint-every", 1)
        return ("mirl", "train", plan or self.plan, "--run", self.dir / run, "--model", self.dir / "base", *options)

    def resume(self, run, *options, plan=None):
        return ("mirl", "train", plan or self.plan, "--run", self.dir / run, "--checkpoint-every", 1, "--resume", *options)

    def result(self, folder):
        """All that an interruption must not change."""
        metrics = [{name: value for name, value in line.items() if not name.endswith(TIMING)} for line in self.metrics(folder)]
        with sqlite3.connect(folder / "trajectories.sqlite") as store:
            rows = {table: store.execute(f"SELECT * FROM {table}").fetchall() for table in ("groups", "sequences", "segments", "rewards")}
            rows["iterations"] = store.execute("SELECT iteration, groups, sequences, tokens FROM iterations").fetchall()
        store.close()
        return (folder / "final/model.safetensors").read_bytes(), metrics, rows

    def same(self, folder, message, expected=None):
        expected = expected or self.expected
        weights, metrics, rows = self.result(folder)
        self.assertEqual(metrics, expected[1], message)
        self.assertEqual(rows, expected[2], message)
        self.assertTrue(weights == expected[0], f"{message}: the weights differ")
        info = json.loads((folder / "run.json").read_text())
        self.assertIsNotNone(info["finished"])
        left = [str(path) for path in folder.rglob("*") if ".tmp" in path.name or ".old." in path.name]
        self.assertEqual(left, [], message)
        return info

    def copy(self, name, source="whole"):
        shutil.copytree(self.dir / source, self.dir / name)
        return self.dir / name

    def kill_anywhere(self, name, kills, seconds, plan=None, expected=None):
        """Runs that are killed and resumed until they end, until there were so many kills."""
        seed = int(os.environ.get("MIRL_SEED", random.SystemRandom().randrange(1 << 32)))
        print(f"\nMIRL_SEED={seed} MIRL_KILLS={kills}", file=sys.stderr)
        chance, done, runs, starts = random.Random(seed), 0, 0, 0
        while done < kills:
            folder = self.dir / f"{name}{runs}"
            runs += 1
            while True:
                starts += 1
                # A start that was killed before run.json was there has begun nothing.
                command = self.resume(folder.name, plan=plan) if (folder / "run.json").exists() else self.train(folder.name, plan=plan)
                process = self.start(command)
                try:
                    errors = process.communicate(timeout=chance.uniform(0, seconds) if done < kills else 600)[1]
                except subprocess.TimeoutExpired:
                    process.kill()
                    errors = process.communicate()[1]
                    # Between the deadline and the kill it may have ended by itself.
                    if process.returncode == -signal.SIGKILL:
                        done += 1
                        continue
                self.assertEqual(process.returncode, 0, errors)
                break
            info = self.same(folder, f"seed {seed}, run {runs}", expected)
            self.assertEqual([start["iteration"] for start in info["starts"]], sorted(start["iteration"] for start in info["starts"]))
        print(f"{done} kills in {starts} starts of {runs} runs", file=sys.stderr)

    def start(self, command, **options):
        return subprocess.Popen([harness.BIN / command[0], *map(str, command[1:])], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **options)

    def wait(self, process, folder, iterations):
        """Until the run has done so many iterations, or has ended."""
        file = folder / "metrics.jsonl"
        while process.poll() is None and not (file.exists() and file.read_text().count("\n") >= iterations):
            time.sleep(0.001)

    def stop(self, name, checkpoint_every):
        """A run that a signal stops behind an iteration: its folder and what it says."""
        for attempt in range(20):
            folder = self.dir / f"{name}{attempt}"
            process = self.start(self.train(folder.name, "--checkpoint-every", checkpoint_every))
            self.wait(process, folder, 2)
            process.terminate()
            errors = process.communicate(timeout=600)[1]
            # It may have been done, or saving its model, before the signal came.
            if process.returncode not in (0, -signal.SIGTERM):
                self.assertEqual(process.returncode, 128 + signal.SIGTERM, errors)
                return folder, errors
        self.fail("the run was never stopped")

    def test_kill_anywhere(self):
        self.kill_anywhere("killed", KILLS, self.seconds)


class Partial(Killed, harness.World):
    """With a budget, responses wait for the next iteration: they are a part of the state."""

    budget = ", budget = 5, total_budget = 150, max_age = 7, in_flight = 3, repeat_ngram = 2, repeat_times = 3"

    def test_a_total_budget_holds_the_engine(self):
        self.ok(*self.train("three", "--slots", 3))
        self.assertNotEqual(self.expected[0], self.result(self.dir / "three")[0], "nothing depends on the engine")
        self.refused(["--resume", "total_budget", "--slots 3"], *self.resume("whole", "--slots", 3))


class Ready(Killed, harness.World):
    """An iteration ends when so many groups have: what has not goes on with its keys and values, and what was too many waits."""

    budget = ", ready = 6, max_age = 4, in_flight = 2, cache = keep"

    def train(self, run, *options, plan=None):
        return super().train(run, "--slots", 10, *options, plan=plan)

    def resume(self, run, *options, plan=None):
        return super().resume(run, *(options or ("--slots", 10)), plan=plan)

    def test_as_many_groups_in_every_iteration(self):
        metrics, rows = self.expected[1:]
        self.assertEqual([m["groups"] for m in metrics], ITERATIONS * [6])
        self.assertEqual([m["sequences"] for m in metrics], ITERATIONS * [24])
        self.assertLessEqual(max(m["staleness_max"] for m in metrics), 4)
        self.assertGreater(max(m["staleness_max"] for m in metrics), 0)
        self.assertGreater(sum(m["resumed"] for m in metrics), 20)
        self.assertGreater(sum(m["kept"] for m in metrics), 20)
        self.assertTrue(any(group[2] == -1 for group in rows["groups"]), "the store holds what waits")

    def test_twice_the_same(self):
        done = harness.run(*self.train("again", "--threads", 1))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("  waiting ", done.stderr)
        self.assertIn("groups that wait", done.stdout)
        self.same(self.dir / "again", "again")

    def test_it_holds_the_engine(self):
        self.refused(["--resume", "total_budget or ready", "--slots 3"], *self.resume("whole", "--slots", 3))

    def test_refusals(self):
        program = PROGRAM.replace("VERIFIER", "y.length")
        for arguments, wanted in [("ready = 12, max_age = 9", "ready is 12 groups, but 12 are drawn"),
                                  ("ready = 6", "ready needs max_age"),
                                  ("ready = 6, budget = 4, max_age = 9", "it must be one of them"),
                                  ("ready = 0, max_age = 9", "ready (groups that end an iteration) must be a whole number from 1")]:
            source = self.dir / "wrong.mirl"
            source.write_text(program.replace("BUDGET", ", " + arguments))
            self.refused(["wrong.mirl:11:", wanted],
                         "mirlc", source, "--model", harness.CHAIN / "model", "-o", self.dir / "wrong.plan")
        young = self.compile("young", program=program.replace("BUDGET", ", ready = 6, max_age = 2"))
        self.refused(["young.mirl:11:11: sample: max_age is 2", "24 groups can be begun", "the last would be 3 updates old"],
                     *self.train("young", plan=young))


class Kept(Killed, harness.World):
    """What waits goes on with its keys and values, older than the weights: they are a part of the state. The pool is too small for all."""

    budget = ", budget = 5, max_age = 7, in_flight = 3, cache = keep"

    def train(self, run, *options, plan=None):
        return super().train(run, "--kv-blocks", 72, *options, plan=plan)

    def resume(self, run, *options, plan=None):
        return super().resume(run, *(options or ("--kv-blocks", 72)), plan=plan)

    def test_older_keys_give_other_tokens(self):
        metrics = self.metrics(self.dir / "whole")
        self.assertGreater(sum(m["kept"] for m in metrics), 50)
        self.assertGreater(sum(m["kept_given_up"] for m in metrics), 10)
        other = self.compile("other", program=PROGRAM.replace("BUDGET", self.budget.replace("keep", "recompute")).replace("VERIFIER", 'regex(y, pattern = "[0-4]")'))
        self.ok(*self.train("recomputed", plan=other))
        self.assertNotEqual(self.expected[0], self.result(self.dir / "recomputed")[0], "keeping keys changes nothing, so it tests nothing")
        again = self.metrics(self.dir / "recomputed")
        self.assertNotIn("kept", again[0])
        self.assertLess(sum(m["rollout_prefill_tokens"] for m in metrics), 0.8 * sum(m["rollout_prefill_tokens"] for m in again))
        # Log-probs of one version's keys are those of the training pass; the others are not compared.
        self.ok(*self.train("parity", "--check-parity"))
        parity = self.metrics(self.dir / "parity")
        self.assertGreater(sum(m["parity_tokens"] for m in parity), 100)
        self.assertEqual(sum(m["parity_mismatches"] for m in parity), 0)

    def test_it_holds_the_engine(self):
        self.refused(["--resume", "which keep their keys", "--kv-blocks 30"], *self.resume("whole", "--kv-blocks", 30))

    def test_a_signal(self):
        """A checkpoint that only an interruption made changes nothing."""
        folder, _ = self.stop("stopped", checkpoint_every=100)
        self.ok(*self.resume(folder.name))
        self.same(folder, "stopped by a signal")

    def test_something_waited(self):
        metrics, rows = self.expected[1:]
        self.assertGreater(sum(m["unfinished"] > 0 for m in metrics), ITERATIONS // 2)
        self.assertGreater(sum(m["resumed"] for m in metrics), 50)
        self.assertIn(max(m["staleness_max"] for m in metrics), range(2, 8))
        self.assertTrue(any(group[2] == -1 for group in rows["groups"]), "the store holds what waits")
        # What the checkpoint carries, under the key of the program's first sampling.
        newest = max((self.dir / "whole/checkpoints").iterdir(), key=lambda path: int(path.name))
        self.assertIn(b"unfinished/0/tokens", (newest / "trainer.safetensors").read_bytes())


class Resume(Killed, harness.World):
    def test_bf16_with_its_masters(self):
        plan = self.compile("run", out="run16", program=PROGRAM.replace("BUDGET", "").replace("VERIFIER", 'regex(y, pattern = "[0-4]")'), options=["--dtype", "bf16"])
        started = time.monotonic()
        self.ok(*self.train("whole16", plan=plan))
        seconds = time.monotonic() - started
        types = harness.tensor_types(self.dir / f"whole16/checkpoints/{ITERATIONS}/buffers.safetensors")
        self.assertIn("BF16", types.values())
        # What the weights are rounded from: lost, the run would go on from rounded ones.
        weights, halves = {name for name, dtype in types.items() if dtype == "F32"}, [name for name, dtype in types.items() if dtype == "BF16"]
        self.assertGreaterEqual(len(weights), 3 * len(halves), "masters and both moments")
        self.kill_anywhere("killed16", max(4, KILLS // 6), seconds, plan, self.result(self.dir / "whole16"))

    def test_a_signal_stops_behind_an_iteration(self):
        for every in 1, 100:
            folder, errors = self.stop(f"stopped{every}-", every)
            self.assertIn("--resume continues", errors)
            done = len(self.metrics(folder))
            self.assertIn(f"after iteration {done} of {ITERATIONS}", errors)
            self.assertTrue((folder / f"checkpoints/{done}/manifest.json").exists())
            self.ok(*self.resume(folder.name))
            info = self.same(folder, "stopped")
            self.assertEqual([start["iteration"] for start in info["starts"]], [0, done])

    def test_a_second_signal_stops_at_once(self):
        script, asked = self.dir / "slow.py", self.dir / "asked"
        script.write_text(f"import sys, time\nsys.stdin.readline()\nopen('{asked}', 'w').close()\ntime.sleep(600)\n")
        plan = self.compile("slow", program=PROGRAM.replace("BUDGET", "").replace("VERIFIER", f'program(y, command = "exec python3 {script}", timeout = 600)'))
        process = self.start(self.train("slow", plan=plan))
        while not asked.exists():
            self.assertIsNone(process.poll())
            time.sleep(0.01)
        process.terminate()
        while "second signal" not in process.stderr.readline():
            self.assertIsNone(process.poll())
        self.assertIsNone(process.poll(), "the first signal lets the iteration end")
        process.terminate()
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, -signal.SIGTERM)

    def test_damaged_checkpoints_are_skipped(self):
        def cut(path):
            path.write_bytes(path.read_bytes()[:-7])

        def flip(path):
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 4
            path.write_bytes(data)
        newest, before = f"checkpoints/{ITERATIONS}", f"checkpoints/{ITERATIONS - 1}"
        for name, file, damage in [("cut", "buffers.safetensors", cut), ("flipped", "buffers.safetensors", flip), ("state", "state.json", flip),
                                   ("manifest", "manifest.json", flip), ("short", "manifest.json", cut), ("missing", "buffers.safetensors", os.remove),
                                   ("empty", "manifest.json", lambda path: path.write_bytes(b""))]:
            folder = self.copy(name)
            damage(folder / newest / file)
            done = harness.run(*self.resume(name))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(f"{newest}: ", done.stderr)
            self.assertIn(file, done.stderr)
            self.assertIn(f"iteration {ITERATIONS} of {ITERATIONS} ({folder}/{before})", done.stderr)
            self.same(folder, name)
        folder = self.copy("all")
        for iteration in (ITERATIONS, ITERATIONS - 1):
            cut(folder / f"checkpoints/{iteration}/buffers.safetensors")
        self.refused([newest, before, "bytes", "no good checkpoint"], *self.resume("all"))

    def test_a_folder_that_a_kill_left_half_written(self):
        folder = self.copy("half")
        os.rename(folder / f"checkpoints/{ITERATIONS}", folder / f"checkpoints/{ITERATIONS}.tmp.123")
        with (folder / "metrics.jsonl").open("a") as file:
            file.write('{"iteration":99')
        self.ok(*self.resume("half"))
        self.same(folder, "half")

    def test_without_a_checkpoint_it_begins_again(self):
        folder = self.copy("none")
        shutil.rmtree(folder / "checkpoints")
        done = harness.run(*self.resume("none"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("from the beginning", done.stderr)
        self.same(folder, "none")
        shutil.rmtree(folder / "checkpoints")
        self.ok("mirl", "init", self.plan, "--out", self.dir / "other-base", "--seed", 2)
        self.refused("started with", *self.resume("none", "--model", self.dir / "other-base"))

    def test_refusals(self):
        before = self.result(self.dir / "whole")
        self.refused(["whole", "--resume"], *self.train("whole"))
        self.refused(["nothing", "no run"], *self.resume("nothing"))
        self.refused(["seed", "5", "0"], *self.resume("whole", "--seed", 5))
        self.refused(["lr", "0.002", "0.001"], *self.resume("whole", "--set", "lr=0.002"))
        self.refused(["iterations", "13", str(ITERATIONS)], *self.resume("whole", "--iterations", 13))
        self.ok(*self.resume("whole", "--seed", 0, "--set", "lr=0.001", "--iterations", ITERATIONS))
        other = self.compile("other", program=PROGRAM.replace("BUDGET", "").replace("VERIFIER", 'regex(y, pattern = "[5-9]")'))
        self.refused(["another plan", "run.plan"], *self.resume("whole", plan=other))
        data = self.dir / "changed.jsonl"
        data.write_text((self.dir / "data/prompts.jsonl").read_text().replace("+", "-", 1))
        self.refused(["changed.jsonl", "prompts"], *self.resume("whole", "--data", f"prompts={data}"))
        shutil.copy(self.dir / "data/prompts.jsonl", self.dir / "moved.jsonl")
        self.copy("moved")
        self.ok(*self.resume("moved", "--data", f"prompts={self.dir / 'moved.jsonl'}"))
        self.assertEqual(self.result(self.dir / "moved"), before)
        self.assertEqual(self.result(self.dir / "whole"), before)
        for text, wanted in [("nonsense", "run.json"), ("{}", "run.json")]:
            folder = self.copy(f"info{len(text)}")
            (folder / "run.json").write_text(text)
            self.refused(wanted, *self.resume(folder.name))

    def test_one_process_at_a_time(self):
        folder = os.open(self.dir / "whole", os.O_RDONLY)
        fcntl.flock(folder, fcntl.LOCK_EX)
        self.refused(["another process", str(os.getpid())], *self.resume("whole"))
        os.close(folder)

    def test_without_a_store(self):
        self.ok(*self.train("storeless", "--no-store"))
        self.assertFalse((self.dir / "storeless/trajectories.sqlite").exists())
        self.assertTrue((self.dir / "storeless/final/model.safetensors").read_bytes() == self.expected[0])

    def test_a_store_that_cannot_be_used(self):
        folder = self.copy("foreign")
        (folder / "trajectories.sqlite").unlink()
        with sqlite3.connect(folder / "trajectories.sqlite") as store:
            store.execute("CREATE TABLE mine (x)")
        store.close()
        self.refused(["trajectories.sqlite", "another program", "--no-store"], *self.resume("foreign"))
        self.ok(*self.resume("foreign", "--no-store"))

    def test_a_store_of_an_older_schema(self):
        folder = self.copy("older")
        with sqlite3.connect(folder / "trajectories.sqlite") as store:
            store.execute("PRAGMA user_version = 0")
        store.close()
        self.refused(["trajectories.sqlite", "older", "--no-store"], *self.resume("older"))
        self.ok(*self.resume("older", "--no-store"))

    def test_a_store_that_is_locked_at_the_start(self):
        folder = self.copy("locked")
        store = sqlite3.connect(folder / "trajectories.sqlite", isolation_level=None)
        store.execute("BEGIN IMMEDIATE")
        self.refused(["trajectories.sqlite", "locked by another process", "waited 5 s", "--no-store"], *self.resume("locked"))
        store.execute("ROLLBACK")
        store.close()
        self.ok(*self.resume("locked"))
        self.same(folder, "locked")

    def test_a_store_that_is_locked_for_a_while(self):
        for attempt in range(20):
            folder = self.dir / f"busy{attempt}"
            process = self.start(self.train(folder.name))
            self.wait(process, folder, 2)
            store = sqlite3.connect(folder / "trajectories.sqlite", isolation_level=None)
            store.execute("BEGIN IMMEDIATE")
            errors = ""
            while "is not stored; the run goes on" not in errors and process.poll() is None:
                errors += process.stderr.readline()
            store.execute("ROLLBACK")
            store.close()
            done = len((folder / "metrics.jsonl").read_text().splitlines())
            errors += process.communicate(timeout=600)[1]
            self.assertEqual(process.returncode, 0, errors)
            # It may have been done, or nearly, before the store was locked.
            if done < ITERATIONS - 1:
                break
        else:
            self.fail("the store was never locked while the run went on")
        self.assertIn("warning", errors)
        self.assertIn("is not stored; the run goes on", errors)
        self.assertIn("locked by another process", errors)
        self.assertTrue((folder / "final/model.safetensors").read_bytes() == self.expected[0])
        with sqlite3.connect(folder / "trajectories.sqlite") as store:
            stored = [row[0] for row in store.execute("SELECT iteration FROM iterations ORDER BY iteration")]
        store.close()
        self.assertEqual(stored[-1], ITERATIONS - 1, "later iterations are stored again")
        self.assertLess(len(stored), ITERATIONS)

    def test_a_store_that_is_read_only(self):
        folder = self.copy("read-only")
        options = {}
        if os.geteuid() == 0:  # Who may write everything must become someone else.
            options = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
            self.dir.chmod(0o755)
            for path in [folder, *folder.rglob("*")]:
                os.chown(path, NOBODY, NOBODY)
            try:
                subprocess.run([harness.BIN / "mirl", "--version"], check=True, capture_output=True, **options)
            except (OSError, subprocess.CalledProcessError) as error:
                self.skipTest(f"nobody but root may run the tools: {error}")
        (folder / "trajectories.sqlite").chmod(0o444)
        process = self.start(self.resume("read-only"), **options)
        errors = process.communicate(timeout=600)[1]
        self.assertEqual(process.returncode, 1, errors)
        for wanted in ("trajectories.sqlite", "is read-only", "--no-store"):
            self.assertIn(wanted, errors)
        process = self.start(self.resume("read-only", "--no-store"), **options)
        errors = process.communicate(timeout=600)[1]
        self.assertEqual(process.returncode, 0, errors)


if __name__ == "__main__":
    harness.main()
