"""What must not change a bit: the cut into micro-batches, the batch size of the rollout, the number of threads, a second run."""

import json

import harness


class Invariance(harness.World):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        world = cls("setUp")
        cls.plan = world.compile("mirror_descent")
        world.ok("mirl", "init", cls.plan, "--out", cls.dir / "base", "--seed", 1)
        sft = world.compile("sft")
        world.ok("mirl", "train", sft, "--run", cls.dir / "warm", "--model", cls.dir / "base", "--iterations", 60,
                 "--data", f"examples={cls.dir / 'data/sft.jsonl'}")
        cls.base = cls.dir / "warm" / "final"
        cls.expected = world.train("expected", cls.plan)

    def setUp(self):
        pass

    def train(self, name, plan, *options, base=None):
        """One iteration (two updates); the bytes of the weights after it, and its loss."""
        self.ok("mirl", "train", plan, "--run", self.dir / name, "--model", base or self.base, "--iterations", 1, "--seed", 5, *self.data(), *options)
        return (self.dir / name / "final/model.safetensors").read_bytes(), self.metrics(self.dir / name)[0]["loss"]

    def test_a_second_run(self):
        self.assertEqual(self.train("again", self.plan), self.expected)

    def test_one_thread(self):
        self.assertEqual(self.train("one-thread", self.plan, "--threads", 1), self.expected)

    def test_micro_batches_and_rollout_batch_sizes(self):
        # 256 sequences of about 46 tokens: one micro-batch, a few, and about a hundred; sampled one by one, a few and many at a time.
        texts = set()
        prompts = self.dir / "few.jsonl"
        prompts.write_text("".join((self.dir / "data/test.jsonl").read_text().splitlines(True)[:24]))
        for tokens, slots in (16384, 7), (4096, 1), (128, 64):
            name = f"micro{tokens}-slots{slots}"
            plan = self.compile("mirror_descent", out=name, options=["--micro-tokens", tokens, "--slots", slots])
            self.assertEqual(self.train(name, plan), self.expected, f"{tokens} tokens a micro-batch, {slots} sequences at a time")
            out = self.dir / f"{name}.jsonl"
            self.ok("mirl", "rollout", plan, "--model", self.base, "--data", prompts, "--n", 4, "--seed", 9, "--out", out)
            texts.add(out.read_text())
        self.assertEqual(len(texts), 1, "tokens or log-probs depend on the batch size")

    def test_memory_budgets(self):
        # 25.7 MiB without one. In 24 norms are computed again, in 14 half of the products, in 13.2 attention as well.
        for kib in 24576, 14336, 13500:
            options = ["--micro-tokens", 1024, "--slots", 16, "--memory-budget", f"{kib}KiB"]
            plan = self.compile("mirror_descent", out=f"budget{kib}", options=options)
            self.assertEqual(self.train(f"budget{kib}", plan), self.expected, f"{kib} KiB")
            self.assertLessEqual(json.loads(self.ok("mirl", "inspect", plan, "--json"))["memory"]["arena_bytes"], kib * 1024)

    def test_micro_batches_of_a_weight_that_is_used_twice(self):
        # The embedding is the head as well, and the head is used at two temperatures: three gradients, added once.
        model = self.dir / "tied-model"
        model.mkdir()
        for file in (harness.CHAIN / "model").iterdir():
            (model / file.name).write_text(file.read_text())
        config = json.loads((model / "config.json").read_text())
        (model / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": True, "mirl_embedding_std": 0.2}))
        program = (harness.CHAIN / "mirror_descent.mirl").read_text()
        cooled = program.replace("minimize(", "minimize(0.1 * mean(logprob(pi, y, temperature = 0.5), over = batch) + ")
        self.assertNotEqual(program, cooled)
        results, base = set(), self.dir / "tied-base"
        for tokens in (16384, 4096, 128):
            plan = self.compile("tied", out=f"tied{tokens}", program=cooled, model=model, options=["--micro-tokens", tokens])
            if not base.exists():
                self.ok("mirl", "init", plan, "--out", base, "--seed", 2)
            results.add(self.train(f"tied{tokens}", plan, base=base))
        self.assertEqual(len(results), 1, "weights or loss depend on the cut")
        self.assertNotEqual(results.pop()[0], (base / "model.safetensors").read_bytes())

    def test_the_seed_does_matter(self):
        self.ok("mirl", "train", self.plan, "--run", self.dir / "other", "--model", self.base, "--iterations", 1, "--seed", 6, *self.data())
        self.assertNotEqual((self.dir / "other/final/model.safetensors").read_bytes(), self.expected[0])


if __name__ == "__main__":
    harness.main()
