"""Every sampled token's log-prob, as recorded at decode, has the bits the training pass computes for it."""

import harness



class Parity(harness.World):
    def parity(self, slots):
        rl = self.compile("mirror_descent", out=f"slots{slots}", options=["--slots", slots])
        base = self.dir / f"base{slots}"
        self.ok("mirl", "init", rl, "--out", base, "--seed", 3)
        # The head starts at zero in the example: one update of the warm-up makes it a real distribution.
        sft = self.compile("sft")
        warm = self.dir / f"warm{slots}"
        self.ok("mirl", "train", sft, "--run", warm, "--model", base, "--iterations", 40,
                "--data", f"examples={self.dir / 'data/sft.jsonl'}")
        run = self.dir / f"run{slots}"
        iterations = 1 if slots < 8 else 2
        self.ok("mirl", "train", rl, "--run", run, "--model", warm / "final", "--iterations", iterations, "--check-parity", *self.data())
        for line in self.metrics(run):
            self.assertGreater(line["parity_tokens"], 1000)
            self.assertEqual(line["parity_mismatches"], 0)

    def test_one_sequence_at_a_time(self):
        self.parity(1)

    def test_three_at_a_time(self):
        self.parity(3)

    def test_sixty_four_at_a_time(self):
        self.parity(64)


if __name__ == "__main__":
    harness.main()
