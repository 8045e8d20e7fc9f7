"""mirl rollout --simulate: the schedule on a virtual clock, and its cost taken from a run of the real engine."""

import json

import harness

COST = ["--step-us", 1000, "--decode-us", 10, "--prefill-us", 2, "--kv-ns", 0]
TOY = ["--slots", 16, "--prompt-tokens", 8, "--max-tokens", 2000, "--n", 4, "--prompts", 4, "--iterations", 20]


class Simulate(harness.World):
    def simulate(self, *options):
        return json.loads(self.ok("mirl", "rollout", "--simulate", "--json", *options))

    def lengths(self, name, *lengths):
        path = self.dir / f"{name}.txt"
        path.write_text("".join(f"{length}\n" for length in lengths))
        return path

    def test_constant_lengths(self):
        runs = self.simulate(*COST, *TOY, "--lengths", self.lengths("constant", 100))["runs"]
        self.assertEqual([(run["devices"], run["partial"]) for run in runs], [(1, False)])
        run = runs[0]
        # A step a token; 16 tokens a step, of which the first come with the 4 prompts.
        seconds = (100 * 1000 + 16 * 99 * 10 + 4 * 8 * 2) * 1e-6
        self.assertAlmostEqual(run["iteration_s"], seconds, places=9)
        self.assertAlmostEqual(run["tokens_per_s"], 1600 / seconds, places=3)
        self.assertAlmostEqual(run["idle_slots"], 0)
        self.assertEqual((run["staleness_max"], run["unfinished_prompts"]), (0, 0))

    def test_lengths_in_order(self):
        """Two prompts of 2 responses an iteration: 10 and 40, then 20 and 30, and so on."""
        options = ["--step-us", 1000, "--slots", 4, "--prompt-tokens", 1, "--max-tokens", 100, "--n", 2, "--prompts", 1, "--warmup", 0]
        path = self.lengths("order", 10, 40, 20, 30)
        for iterations, seconds in (1, 0.040), (2, 0.070), (3, 0.110):
            run = self.simulate(*options, "--lengths", path, "--in-order", "--iterations", iterations)["runs"][0]
            self.assertAlmostEqual(run["rollout_s"] * iterations, seconds, places=9)
        self.refused("--in-order", "mirl", "rollout", "--simulate", *COST, "--median", 10, "--in-order", code=2)

    def test_partial_rollouts_do_not_wait_for_the_longest(self):
        options = [*COST, "--slots", 64, "--n", 4, "--prompts-per-device", 16, "--median", 50, "--tail", 10, "--max-tokens", 1000, "--seed", 3]
        whole, partial = self.simulate(*options, "--budget", 100)["runs"]
        self.assertGreater(whole["idle_slots"], 0.5)
        self.assertLess(partial["idle_slots"], whole["idle_slots"] - 0.2)
        self.assertGreater(partial["tokens_per_s"], 1.8 * whole["tokens_per_s"])
        self.assertLess(partial["longest_rollout_s"], whole["longest_rollout_s"] / 2)
        self.assertEqual(whole["staleness_max"], 0)
        self.assertGreater(partial["staleness_mean"], 0)
        self.assertGreater(partial["resumed_tokens"], 0)
        same, again, kept = self.simulate(*options, "--budget", 100, "--keep")["runs"]
        self.assertEqual((same, again), (whole, partial))
        self.assertEqual((kept["keep"], kept["partial"], kept["tokens"]), (True, True, partial["tokens"]))
        self.assertGreater(kept["kept"], 0)
        self.assertLess(kept["prefill_tokens"], partial["prefill_tokens"] / 2)
        self.assertGreater(kept["tokens_per_s"], partial["tokens_per_s"])
        bounded = self.simulate(*options, "--budget", 100, "--max-age", 2)["runs"][1]
        self.assertEqual(bounded["staleness_max"], 2)
        self.assertLess(bounded["tokens_per_s"], partial["tokens_per_s"])

    def test_ready(self):
        runs = self.simulate(*COST, "--slots", 8, "--n", 2, "--prompts", 8, "--median", 10, "--tail", 5, "--max-tokens", 200, "--iterations", 20,
                             "--ready", 4, "--max-age", 6, "--devices", "1,2", "--keep")["runs"]
        self.assertEqual([(run["devices"], run["partial"], run["keep"]) for run in runs],
                         [(d, p, k) for d in (1, 2) for p, k in ((False, False), (True, False), (True, True))])
        for run in runs:
            self.assertEqual(run["trained_prompts"], 20 * (4 if run["partial"] else 8))
            self.assertLessEqual(run["staleness_max"], 6)
        self.assertLess(runs[2]["idle_slots"], 0.5 * runs[0]["idle_slots"])

    def test_many_devices(self):
        options = [*COST, "--slots", 8, "--n", 2, "--prompts-per-device", 4, "--median", 10, "--tail", 5, "--max-tokens", 200, "--iterations", 3,
                   "--warmup", 2, "--total-budget", 60, "--in-flight", 0]
        runs = self.simulate(*options, "--devices", "1,64,4096")["runs"]
        self.assertEqual([run["devices"] for run in runs], [1, 1, 64, 64, 4096, 4096])
        whole, partial = runs[0::2], runs[1::2]
        # The longest of more responses is longer, and all wait for it.
        self.assertLess(whole[0]["idle_devices"], 1e-9)
        self.assertLess(whole[1]["idle_devices"], whole[2]["idle_devices"])
        self.assertEqual([run["tokens"] for run in partial], [3 * 60 * devices for devices in (1, 64, 4096)])
        self.assertEqual(runs, self.simulate(*options, "--devices", "1,64,4096", "--threads", 1)["runs"])

    def test_calibrated_with_a_run(self):
        plan = self.compile("mirror_descent")
        self.ok("mirl", "init", plan, "--out", self.dir / "base", "--seed", 1)
        for attempt in range(5):
            result = self.simulate("--calibrate", plan, "--model", self.dir / "base", "--data", self.dir / "data/test.jsonl", "--limit", 40, "--n", 4,
                                   "--slots", 24, "--kv-blocks", 100, "--prefill-chunk", 16, "--max-tokens", 60, "--prompts", 10, "--iterations", 2)
            measured, simulated = result["calibration"]["measured"], result["calibration"]["simulated"]
            # The schedule is the engine's, to the row.
            for count in ("steps", "decode_tokens", "prefill_tokens", "kv_positions"):
                self.assertEqual(measured[count], simulated[count], count)
            self.assertGreater(measured["steps"], 60)
            # The cost is of the right size: what a busy machine delays is left out of it, but is in the time measured, so that one
            # such run proves nothing. How exact it is on a quiet one, bench/tail says.
            ratio = 1 + result["calibration"]["error"]
            if 0.1 < ratio < 10:
                break
        self.assertGreater(ratio, 0.1)
        self.assertLess(ratio, 10)
        self.assertGreater(sum(result["cost"].values()), 0)
        self.assertEqual(result["device"]["slots"], 24)
        self.assertGreater(result["runs"][0]["tokens_per_s"], 0)

    def test_refusals(self):
        simulate = ["mirl", "rollout", "--simulate"]
        self.refused("lengths of responses", *simulate, *COST)
        self.refused("cost above 0", *simulate, "--median", 10)
        self.refused("nothing.txt", *simulate, *COST, "--lengths", self.dir / "nothing.txt")
        self.refused(["bad.txt:2", "'x'", "at least 1"], *simulate, *COST, "--lengths", self.lengths("bad", 5, "x"))
        self.refused(["zero.txt:1", "'0'"], *simulate, *COST, "--lengths", self.lengths("zero", 0))
        self.refused("no lengths", *simulate, *COST, "--lengths", self.lengths("empty"))
        self.refused("for --calibrate alone", *simulate, *COST, "--median", 10, "--data", "x.jsonl")
        self.refused("pool has 3 blocks", *simulate, *COST, "--median", 10, "--kv-blocks", 3)
        self.refused("at least the devices, 4", *simulate, *COST, "--median", 10, "--prompts", 64, "--devices", 4, "--ready", 3)
        self.refused("the most is 1", *simulate, *COST, "--median", 10, "--prompts", 4, "--ready", 2, "--max-age", 1)
        self.refused("excludes", *simulate, *COST, "--median", 10, "--budget", 4, "--ready", 2, code=2)
        self.refused("leaves some of 64 devices nothing", *simulate, *COST, "--median", 10, "--prompts", 64, "--devices", 64, "--total-budget", 63)
        for wrong in (["--budget", 0], ["--devices", 0], ["--tail", 0.5], ["--median", 10, "--lengths", "x"], ["--calibrate"]):
            self.refused("mirl: error", *simulate, *COST, *wrong, code=2)
        self.refused("--simulate", "mirl", "rollout", "x.plan", "--data", "x.jsonl", "--devices", 2, code=2)
        self.refused("plan", "mirl", "rollout", code=2)


if __name__ == "__main__":
    harness.main()
