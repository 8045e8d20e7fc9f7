"""Bad input gets one clear error and exit code 1; wrong usage gets 2; nothing complete is lost."""

import json
import os
import resource
import shutil
import struct
import subprocess

import harness

SMALL = """
use model "qwen2"
use "losses"
capacity context = 128
data prompts = "data/prompts.jsonl"
policy pi = qwen2()
optimizer opt = adamw(pi, lr = 1e-4)
step rollout(x: prompts) -> trajectory {
  let y = sample(pi, x, n = 2, temperature = 1.0, max_tokens = 8)
  return score(y, VERIFIER)
}
step train(y: trajectory) { minimize(mirror_descent(logprob(pi, y), y.logprob, y.reward, 0.1), opt) }
iteration {
  let y = rollout(draw(prompts, 4))
  train(y)
}
"""


class BadInput(harness.World):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        world = cls("run_small")
        cls.plan = world.small("exact", 'exact_answer(y, field = "answer")')
        world.ok("mirl", "init", cls.plan, "--out", cls.dir / "base")

    def run_small(self):
        pass

    def small(self, name, verifier):
        return self.compile(name, program=SMALL.replace("VERIFIER", verifier))

    def train(self, plan, run, *options):
        return ("mirl", "train", plan, "--run", self.dir / run, "--model", self.dir / "base", "--iterations", 1, *options)

    def model(self, name, change):
        """A copy of the model with `change(header, data)` applied to its weight file."""
        folder = self.dir / name
        shutil.copytree(self.dir / "base", folder)
        path = folder / "model.safetensors"
        data = path.read_bytes()
        (size,) = struct.unpack_from("<Q", data)
        header = json.loads(data[8:8 + size])
        header, body = change(header, data[8 + size:])
        text = json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + body)
        return folder

    def test_good_input_works(self):
        self.ok(*self.train(self.plan, "good"))

    def test_a_missing_weight(self):
        folder = self.model("missing", lambda h, d: ({k.replace("model.norm.weight", "model.norm.other"): v for k, v in h.items()}, d))
        self.refused("model.norm.weight", "mirl", "train", self.plan, "--run", self.dir / "r1", "--model", folder)

    def test_a_wrong_shape(self):
        def change(header, data):
            header["model.norm.weight"]["shape"] = [48, 2]
            return header, data
        self.refused(["model.norm.weight", "96"], "mirl", "train", self.plan, "--run", self.dir / "r2", "--model", self.model("shape", change))

    def test_a_truncated_weight_file(self):
        folder = self.model("short", lambda h, d: (h, d[:1000]))
        self.refused("model.safetensors", "mirl", "train", self.plan, "--run", self.dir / "r3", "--model", folder)

    def test_no_model_there(self):
        self.refused("nowhere", "mirl", "train", self.plan, "--run", self.dir / "r4", "--model", self.dir / "nowhere")

    def test_plans_that_are_none(self):
        garbage = self.dir / "garbage.plan"
        garbage.write_bytes(os.urandom(1 << 20))
        self.refused("garbage.plan", "mirl", "inspect", garbage)
        damaged = self.dir / "damaged.plan"
        data = bytearray(self.plan.read_bytes())
        data[len(data) // 2] ^= 1
        damaged.write_bytes(data)
        self.refused("damaged.plan", "mirl", "inspect", damaged)
        damaged.write_bytes(self.plan.read_bytes()[:-100])
        self.refused("damaged.plan", "mirl", "inspect", damaged)
        self.refused("no.plan", "mirl", "inspect", self.dir / "no.plan")

    def test_a_hundred_megabytes_of_garbage(self):
        garbage = self.dir / "garbage.mirl"
        garbage.write_bytes(os.urandom(1 << 20) * 100)
        self.refused("garbage.mirl", "mirlc", garbage, "-o", self.dir / "x.plan", timeout=60)
        self.assertFalse((self.dir / "x.plan").exists())
        garbage.unlink()

    def test_garbage_for_what_a_run_reads(self):
        # In bounded memory, whatever the garbage: a JSON parser takes a hundred bytes a bracket.
        size = 8 << 20
        garbage = {"random": os.urandom(size), "zeros": bytes(size), "brackets": b"[" * size, "braces": b'{"a":' * (size // 5),
                   "newlines": b"\n" * size, "digits": b"1" * size, "quotes": b'"' * size, "header": struct.pack("<Q", size - 8) + b"[" * (size - 8)}

        def limit():
            resource.setrlimit(resource.RLIMIT_DATA, (400 << 20, 400 << 20))

        def refused(wanted, *command):
            done = subprocess.run([harness.BIN / "mirl", *map(str, command)], capture_output=True, preexec_fn=limit, timeout=60)
            self.assertEqual(done.returncode, 1, done.stderr[-500:])
            self.assertIn(wanted.encode(), done.stderr)
            self.assertEqual(done.stderr.count(b"mirl: error:"), 1)
            self.assertLess(len(done.stderr), 600)

        prompts = self.dir / "data/test.jsonl"
        for name, data in garbage.items():
            file = self.dir / f"{name}.bin"
            file.write_bytes(data)
            for place in ("tokenizer.json", "model.safetensors", "model.safetensors.index.json"):
                folder = self.dir / f"garbage-{name}-{place}"
                shutil.copytree(self.dir / "base", folder)
                if place.endswith("index.json"):
                    (folder / "model.safetensors").unlink()
                shutil.copy(file, folder / place)
                with self.subTest(garbage=name, place=place):
                    refused(place, "rollout", self.plan, "--model", folder, "--data", prompts)
                shutil.rmtree(folder)
            with self.subTest(garbage=name, place="data"):
                refused(file.name, "rollout", self.plan, "--model", self.dir / "base", "--data", file)
                refused(file.name, "call", self.plan, "pi.score", "--model", self.dir / "base", "--in", file, "--out", self.dir / "x.safetensors")
                refused(file.name, "inspect", file)
        # What is too large is not read at all, or not as one record.
        folder = self.dir / "large"
        shutil.copytree(self.dir / "base", folder)
        os.truncate(folder / "tokenizer.json", 65 << 20)
        refused("tokenizer.json: has 65 MiB; such a file has at most 64 MiB", "rollout", self.plan, "--model", folder, "--data", prompts)
        line = self.dir / "line.jsonl"
        line.write_text(json.dumps({"prompt": "1" * (17 << 20)}) + "\n")
        refused("line.jsonl:1: has 17 MiB; a record has at most 16 MiB", "rollout", self.plan, "--model", self.dir / "base", "--data", line)

    def test_errors_in_a_program(self):
        for wrong, wanted in [("tau: f32", "1:"), ('data x = "abc', "1:10"), ("policy pi = qwen3_5()", "1:13"),
                              ("func f(x: token) -> batch { return x }", "token")]:
            source = self.dir / "wrong.mirl"
            source.write_text(wrong + "\n")
            self.refused(["wrong.mirl:1:", wanted, "^"], "mirlc", source, "--model", harness.CHAIN / "model", "-o", self.dir / "x.plan")

    def test_a_program_that_runs_nothing(self):
        source = self.dir / "nothing.mirl"
        for text in ("", "capacity context = 64\n", "param tau: f32 = 0.1\n"):
            source.write_text(text)
            self.refused(["nothing.mirl:1:1: error:", "needs a policy, a step or an entry"], "mirlc", source, "-o", self.dir / "x.plan")
        self.assertFalse((self.dir / "x.plan").exists())

    def test_more_tokens_than_the_context_holds(self):
        for tool in (["rollout", "--data", self.dir / "data/test.jsonl"], ["eval", "--data", self.dir / "data/test.jsonl"], ["generate", "--prompt", "1+2="]):
            command = ["mirl", tool[0], self.plan, *tool[1:], "--model", self.dir / "base"]
            self.refused(["--max-tokens 128", "context of 128 tokens", "at most 127"], *command, "--max-tokens", 128)
        # As many as fit behind the prompt: the response ends at the context.
        out = self.ok("mirl", "rollout", self.plan, "--data", self.dir / "data/test.jsonl", "--model", self.dir / "base", "--max-tokens", 127, "--limit", 20, "--temperature", 0)
        lines = [json.loads(line) for line in out.splitlines()]
        cut = [line for line in lines if not line["finished"]]
        self.assertTrue(cut, "an untrained model repeats itself")
        for line in cut:
            self.assertEqual(len(line["prompt"]) + len(line["tokens"]), 128)

    def test_usage(self):
        for command in (["mirl"], ["mirl", "train"], ["mirl", "inspect", self.plan, "--no-such-flag"], ["mirlc"], ["mirlc", "--no-such-flag", "x"]):
            done = harness.run(*command)
            self.assertEqual(done.returncode, 2, f"{command}: {done.stderr}")
        for command in (["mirl", "--help"], ["mirl", "--version"], ["mirlc", "--help"], ["mirlc", "--version"], ["mirl", "train", "--help"],
                        ["mirl", "call", "--help"]):
            done = harness.run(*command)
            self.assertEqual(done.returncode, 0, f"{command}: {done.stderr}")
            self.assertTrue(done.stdout.strip())

    def test_trace(self):
        trace = self.dir / "trace.json"
        self.ok(*self.train(self.plan, "traced", "--trace", trace))
        events = json.loads(trace.read_text())
        commands = [event for event in events if event.get("cat") == "command"]
        entries = {event["name"]: event for event in events if event.get("cat") == "entry"}
        self.assertIn("train.micro", entries)
        for event in commands:
            self.assertTrue(event["dur"] >= 0 and event["ts"] >= 0, event)
        products = [event["args"] for event in commands if event["name"] == "nn.linear"]
        product = max(products, key=lambda arguments: arguments["FLOP"])  # others pack its operands
        self.assertRegex(product["source"], r"qwen2\.mirl:\d+:\d+$")
        self.assertGreater(product["FLOP"], 0)
        self.assertIn(product["entry"], entries)
        # A file that cannot be made is said before the work, and no run is begun.
        self.refused(["nowhere/t.json", "cannot be written"], *self.train(self.plan, "untraced", "--trace", self.dir / "nowhere" / "t.json"))
        self.assertFalse((self.dir / "untraced").exists())
        # One that cannot be finished is a warning.
        done = harness.run(*self.train(self.plan, "full-trace", "--trace", "/dev/full"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("/dev/full: the trace is not whole", done.stderr)

    def test_init_without_a_tokenizer(self):
        bare = self.dir / "bare"
        bare.mkdir()
        shutil.copy(harness.CHAIN / "model" / "config.json", bare)
        plan = self.compile("moved", program=SMALL.replace("VERIFIER", 'exact_answer(y, field = "answer")'), model=bare)
        done = harness.run("mirl", "init", plan, "--out", self.dir / "mute")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("no tokenizer.json", done.stderr)
        self.refused(["--model", "no tokenizer.json"], "mirl", "init", plan, "--out", self.dir / "none", "--model", bare)
        self.ok("mirl", "init", plan, "--out", self.dir / "full", "--model", harness.CHAIN / "model")
        self.assertTrue((self.dir / "full" / "tokenizer.json").exists())

    def test_a_folder_that_holds_a_run(self):
        self.ok(*self.train(self.plan, "twice"))
        self.refused("twice", *self.train(self.plan, "twice"))

    def test_reward_programs(self):
        # As many questions as are given up after; where the program has to answer, time to start on a busy machine.
        script = self.dir / "program.py"
        plans = {timeout: self.compile(f"timeout{timeout}", program=SMALL.replace("prompts, 4", "prompts, 8").replace(
            "VERIFIER", f'program(y, command = "python3 {script}", timeout = {timeout})')) for timeout in (0.2, 20)}
        for name, timeout, body, wanted in [("hangs", 0.2, "import time\ntime.sleep(600)", "no answer within its timeout of 0.2 s"),
                                            ("dies", 20, "raise SystemExit(3)", "status 3"),
                                            ("nonsense", 20, "import sys\nfor line in sys.stdin:\n  print('nonsense', flush=True)", "nonsense")]:
            script.write_text(body)
            self.refused(wanted, *self.train(plans[timeout], f"run-{name}"), timeout=120)
        script.write_text("import json, sys\nfor line in sys.stdin:\n  r = json.loads(line)\n"
                          "  print(json.dumps({'id': r['id'], 'reward': 0.25}), flush=True)")
        self.ok(*self.train(plans[20], "run-works"))
        self.assertEqual(self.metrics(self.dir / "run-works")[0]["reward_mean"], 0.25)

    def test_a_bad_data_file(self):
        for name, text, wanted in [("not-json", '{"prompt": "1+2="}\nnonsense\n', ":2"), ("no-prompt", '{"question": "1"}\n', "prompt"),
                                   ("strange", '{"prompt": "1+é=", "answer": "3"}\n' * 8, ":"), ("long", json.dumps({"prompt": "1" * 200, "answer": "1"}) + "\n", "128"),
                                   ("empty", '{"prompt": "1+2=", "answer": "3"}\n{"prompt": "", "answer": "3"}\n', ":2")]:
            path = self.dir / f"{name}.jsonl"
            path.write_text(text)
            self.refused([f"{name}.jsonl", wanted], *self.train(self.plan, f"data-{name}", "--data", f"prompts={path}"))
            self.assertFalse((self.dir / f"data-{name}/metrics.jsonl").exists(), "it is refused before anything is computed")
            out = self.dir / f"{name}.out"
            self.refused([f"{name}.jsonl", wanted], "mirl", "rollout", self.plan, "--model", self.dir / "base", "--data", path, "--out", out)
            self.assertFalse(out.exists())

    def test_a_token_outside_of_the_vocabulary(self):
        folder = self.dir / "more-tokens"
        shutil.copytree(self.dir / "base", folder)
        tokenizer = json.loads((folder / "tokenizer.json").read_text())
        vocabulary = tokenizer["model"]["vocab"]
        size = json.loads((folder / "config.json").read_text())["vocab_size"]
        token = next(iter(token for token in vocabulary if token == "1"))
        vocabulary[token] = size + 5
        (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
        self.refused([":1:", f"token {size + 5}", f"vocabulary is {size}", "another model"], "mirl", "rollout", self.plan, "--model", folder, "--data", self.prompts("one", 1))

    def prompts(self, name, count, **fields):
        path = self.dir / f"{name}.jsonl"
        path.write_text("".join(json.dumps({"prompt": "1+2=", "answer": "3", **fields}) + "\n" for _ in range(count)))
        return path

    def test_records_with_the_same_id(self):
        # What tells responses apart is the place of their record; a field "id" is the user's.
        out = self.ok("mirl", "rollout", self.plan, "--model", self.dir / "base", "--data", self.prompts("same", 4, id="a"), "--n", 2, "--max-tokens", 8)
        lines = [json.loads(line) for line in out.splitlines()]
        self.assertEqual(len({line["sequence_id"] for line in lines}), 8)
        self.assertGreater(len({tuple(line["tokens"]) for line in lines}), 1)

    def test_budgets_of_nothing(self):
        for flag in ("--max-tokens", "--n", "--slots", "--kv-blocks", "--kv-memory", "--prefill-chunk", "--budget", "--total-budget"):
            self.refused(flag, "mirl", "rollout", self.plan, "--model", self.dir / "base", "--data", self.prompts("one", 1), flag, 0, code=2)

    def test_an_evaluation_that_cannot_be_scored_has_no_accuracy(self):
        script = self.dir / "silent.py"
        script.write_text("import time\ntime.sleep(600)\n")
        done = harness.run("mirl", "eval", self.plan, "--model", self.dir / "base", "--data", self.prompts("two", 2), "--json", "--max-tokens", 4,
                           "--verifier", "program", "--command", f"python3 {script}", "--timeout", 1, timeout=120)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertIn("none of 2 responses could be scored", done.stderr)
        self.assertIn("no answer within its timeout of 1 s", done.stderr)

    def test_an_evaluation_does_not_depend_on_the_engine(self):
        command = ["mirl", "eval", self.plan, "--model", self.dir / "base", "--data", self.prompts("ten", 10), "--json", "--max-tokens", 8]
        drop = lambda text: {k: v for k, v in json.loads(text).items() if k != "rollout_tokens_per_s"}
        expected = drop(self.ok(*command))
        self.assertEqual(drop(self.ok(*command, "--slots", 3, "--kv-blocks", 9, "--prefill-chunk", 2)), expected)
        self.refused("7 blocks of 16 positions", *command, "--kv-blocks", 7)
        done = harness.run(*command, "--kv-memory", 1)
        self.assertEqual(drop(done.stdout), expected)
        self.assertIn(f" of {2**20 // (3 * 2 * 24 * 16 * 4 * 2)} KV blocks", done.stderr, "layers, heads, their size, positions, bytes; keys and values")

    def test_a_full_standard_output(self):
        model, data = ["--model", self.dir / "base"], ["--data", self.dir / "data/test.jsonl", "--limit", 4]
        for command in (["mirlc", self.dir / "exact.mirl", "--model", harness.CHAIN / "model", "--emit", "nn"], ["mirlc", "--help"], ["mirl", "--help"],
                        ["mirl", "inspect", self.plan], ["mirl", "inspect", self.plan, "--json"], ["mirl", "rollout", self.plan, *model, *data],
                        ["mirl", "eval", self.plan, *model, *data, "--json"], ["mirl", "generate", self.plan, *model, "--prompt", "1+2="]):
            with self.subTest(command=command[:2]), open("/dev/full", "w") as full:
                done = subprocess.run([harness.BIN / command[0], *map(str, command[1:])], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn(f"{command[0]}: error: cannot write to standard output", done.stderr)
                self.assertNotIn("LLVM ERROR", done.stderr)

    def test_a_full_disk_keeps_what_was_there(self):
        import signal
        out = self.dir / "kept.jsonl"
        out.write_text("old\n")
        # The kernels of a plan go through a file in memory, which must have room.
        for most, command in ((self.plan.stat().st_size, ["mirl", "rollout", self.plan, "--model", self.dir / "base", "--data",
                                                          self.dir / "data/test.jsonl", "--n", 64, "--max-tokens", 8, "--out", out]),
                              (1000, ["mirlc", self.dir / "exact.mirl", "--model", harness.CHAIN / "model", "--emit", "nn", "-o", out])):
            def limit():
                resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            done = subprocess.run([harness.BIN / command[0], *map(str, command[1:])], capture_output=True, text=True, timeout=60, preexec_fn=limit)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn(f"cannot write {out}: ", done.stderr)
            self.assertEqual(out.read_text(), "old\n")
            self.assertEqual([p.name for p in self.dir.glob("kept.jsonl?*")], [], "temporary files are left")

    def test_a_full_disk_while_saving(self):
        # No file may be larger than the plan, whose kernels go through a file in memory; the weights are.
        most = self.plan.stat().st_size
        self.assertLess(most, (self.dir / "base/model.safetensors").stat().st_size)

        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        import signal
        command = [str(part) for part in self.train(self.plan, "full")]
        command[0] = str(harness.BIN / "mirl")
        done = subprocess.run(command, capture_output=True, text=True, preexec_fn=lambda: (limit(), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)))
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("model.safetensors", done.stderr)
        self.assertFalse((self.dir / "full/final/model.safetensors").exists())
        self.assertEqual(len(self.metrics(self.dir / "full")), 1, "the metrics of the finished iteration stay readable")


if __name__ == "__main__":
    harness.main()
