"""The memory of a training step does not grow with the vocabulary (beyond the head's own weights)."""

import json

import harness


class Memory(harness.World):
    def peak(self, vocabulary):
        model = self.dir / f"model{vocabulary}"
        model.mkdir()
        config = json.loads((harness.CHAIN / "model/config.json").read_text())
        (model / "config.json").write_text(json.dumps({**config, "vocab_size": vocabulary}))
        plan = self.compile("mirror_descent", out=f"v{vocabulary}", model=model)
        inspected = json.loads(self.ok("mirl", "inspect", plan, "--json"))
        (peak,) = [entry["peak_bytes"] for entry in inspected["entries"] if entry["name"] == "train.micro"]
        return peak

    def test_vocabulary(self):
        small, large = self.peak(4096), self.peak(65536)
        self.assertGreater(small, 1 << 20)
        # [tokens x vocabulary] alone would be 1024 x 61440 x 4 bytes = 240 MiB more.
        self.assertLess(large - small, 1 << 20)


if __name__ == "__main__":
    harness.main()
