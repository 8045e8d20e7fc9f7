"""Every sampled token's log-prob, as recorded at decode, has the bits the training pass computes for it."""

import harness


class Parity(harness.World):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        world = cls("test_bf16")
        # The head starts at zero in the example: one update of the warm-up makes it a real distribution.
        for dtype in "f32", "bf16":
            sft = world.compile("sft", out=f"sft.{dtype}", options=["--dtype", dtype])
            base = cls.dir / f"base.{dtype}"
            world.ok("mirl", "init", sft, "--out", base, "--seed", 3)
            world.ok("mirl", "train", sft, "--run", cls.dir / f"warm.{dtype}", "--model", base, "--iterations", 40,
                     "--data", f"examples={cls.dir / 'data/sft.jsonl'}")

    def parity(self, slots, dtype="f32"):
        name = f"slots{slots}.{dtype}"
        rl = self.compile("mirror_descent", out=name, options=["--slots", slots, "--dtype", dtype])
        run = self.dir / f"run.{name}"
        iterations = 1 if slots < 8 else 2
        self.ok("mirl", "train", rl, "--run", run, "--model", self.dir / f"warm.{dtype}/final", "--iterations", iterations, "--check-parity", *self.data())
        for line in self.metrics(run):
            self.assertGreater(line["parity_tokens"], 1000)
            self.assertEqual(line["parity_mismatches"], 0)
        return run

    def test_one_sequence_at_a_time(self):
        self.parity(1)

    def test_three_at_a_time(self):
        self.parity(3)

    def test_sixty_four_at_a_time(self):
        self.parity(64)

    def test_bf16(self):
        run = self.parity(3, "bf16")
        final = harness.tensor_types(run / "final" / "model.safetensors")
        self.assertEqual(set(final.values()), {"BF16"})
        run = self.parity(64, "bf16")
        # It learns: weights move by less than a bf16 can hold, hence the f32 masters.
        losses = [line["loss"] for line in self.metrics(self.dir / "warm.bf16")]
        self.assertLess(losses[-1], 0.6 * losses[0])


if __name__ == "__main__":
    harness.main()
