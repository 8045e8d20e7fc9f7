"""A run at full load takes no more memory and no more descriptors at its end than after its first tenth: training with a
reward program, a store and a checkpoint every iteration. MIRL_SOAK: seconds (40; 600 with `--full`, as ctest does not)."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import harness

FULL = "--full" in sys.argv
if FULL:
    sys.argv.remove("--full")
SECONDS = float(os.environ.get("MIRL_SOAK", 600 if FULL else 40))
WARM = max(10.0, SECONDS / 10)  # and, on a busy machine, longer: until there were WARM_ITERATIONS
WARM_ITERATIONS = 50
SLACK_MIB = 4  # of memory: caches of the allocator and of SQLite (2 MiB) breathe
PROGRAM = """
use model "qwen2"
use "losses"
capacity context = 128
data prompts = "data/prompts.jsonl"
policy pi = qwen2()
optimizer opt = adamw(pi, lr = 1e-4)
step rollout(x: prompts) -> trajectory {
  let y = sample(pi, x, n = 4, temperature = 1.0, max_tokens = 100)
  return score(y, program(y, command = "exec python3 VERIFIER", timeout = 60))
}
step train(y: trajectory) { minimize(mirror_descent(logprob(pi, y), y.logprob, y.reward, 0.1), opt) }
iteration {
  let y = rollout(draw(prompts, 8))
  train(y)
}
"""
VERIFIER = """import json, sys
for line in sys.stdin:
  question = json.loads(line)
  print(json.dumps({"id": question["id"], "reward": len(question["response"]) % 2}), flush=True)
"""


class Soak(harness.World):
    def sample(self, process):
        """Resident memory in MiB and open descriptors."""
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
        resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
        return resident / 1024, len(os.listdir(f"/proc/{process.pid}/fd"))

    def test_memory_and_descriptors_do_not_grow(self):
        verifier = self.dir / "verifier.py"
        verifier.write_text(VERIFIER)
        plan = self.compile("soak", program=PROGRAM.replace("VERIFIER", str(verifier)), options=["--slots", 16])
        self.ok("mirl", "init", plan, "--out", self.dir / "base")
        run = self.dir / "run"
        process = subprocess.Popen([harness.BIN / "mirl", "train", plan, "--run", run, "--model", self.dir / "base", "--iterations", "4000000",
                                    "--checkpoint-every", "1", "--store-iterations", "3"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            started, warm, early, late, file = time.monotonic(), None, [], [], run / "metrics.jsonl"
            while warm is None or now < warm + SECONDS - WARM:
                time.sleep(0.1)
                now = time.monotonic() - started
                self.assertIsNone(process.poll(), "the run ended: " + (process.poll() and process.stderr.read()[-3000:] or ""))
                if warm is None:
                    self.assertLess(now, 20 * SECONDS, "too few iterations")
                    if now >= WARM and file.exists() and file.read_text().count("\n") >= WARM_ITERATIONS:
                        warm = now
                elif now < warm + (SECONDS - WARM) / 4:
                    early.append(self.sample(process))
                elif now >= warm + (SECONDS - WARM) * 3 / 4:
                    late.append(self.sample(process))
        except BaseException:
            process.kill()
            raise
        process.send_signal(signal.SIGTERM)
        errors = process.communicate(timeout=120)[1]
        self.assertEqual(process.returncode, 128 + signal.SIGTERM, errors[-3000:])
        iterations = len(self.metrics(run))
        (most_before, files_before), (most_after, files_after) = (tuple(map(max, zip(*samples))) for samples in (early, late))
        print(f"\n{iterations} iterations in {now:.0f} s; {most_before:.1f} MiB and {files_before} descriptors after {warm:.0f} s, "
              f"{most_after:.1f} MiB and {files_after} at the end", file=sys.stderr)
        self.assertGreater(iterations, WARM_ITERATIONS)
        self.assertLessEqual(most_after, most_before + SLACK_MIB, "resident memory grows")
        self.assertLessEqual(files_after, files_before, "descriptors are lost")


if __name__ == "__main__":
    harness.main()
