#!/usr/bin/env python3
"""Reads a ctest log and prints `N passed, N failed, N skipped`; exits 1 when anything failed or nothing ran.

A ctest test that runs lit counts as the lit tests within it (lit's own closing lines), because one
ctest line would hide hundreds of tests.
"""

import re
import sys

LIT = {"Passed": "passed", "Expectedly Failed": "passed", "Failed": "failed", "Unresolved": "failed",
       "Timed Out": "failed", "Unexpectedly Passed": "failed", "Unsupported": "skipped", "Skipped": "skipped"}


def main():
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for line in open(sys.argv[1], errors="replace"):
        if test := re.match(r"\s*\d+/\d+ Test\s+#\d+: (\S+) \.*\s*(.*)$", line):
            name, outcome = test.groups()
            kind = "passed" if outcome.startswith("Passed") else "skipped" if "Skipped" in outcome else "failed"
            if not (name.startswith("lit") and kind == "passed"):
                counts[kind] += 1
        elif lit := re.match(r"lit summary: (.*): (\d+)$", line):
            if lit[1] in LIT and LIT[lit[1]] != "failed":
                counts[LIT[lit[1]]] += int(lit[2])
    if not counts["passed"] and not counts["failed"]:
        print("no test ran", file=sys.stderr)
        counts["failed"] = 1
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**counts))
    sys.exit(1 if counts["failed"] else 0)


if __name__ == "__main__":
    main()
