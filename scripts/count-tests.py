#!/usr/bin/env python3
"""Reads a ctest log and prints `N passed, N failed, N skipped`; exits 1 when anything failed or nothing ran."""

import re
import sys


def main():
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for line in open(sys.argv[1], errors="replace"):
        # A test's name may hold spaces: what counts is how its line ends.
        if re.match(r"\s*\d+/\d+ Test\s+#\d+: ", line):
            passed = re.search(r"\bPassed\s+[\d.]+ sec\s*$", line)
            counts["passed" if passed else "skipped" if "***Skipped" in line else "failed"] += 1
    if not counts["passed"] and not counts["failed"]:
        print("no test ran", file=sys.stderr)
        counts["failed"] = 1
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**counts))
    sys.exit(1 if counts["failed"] else 0)


if __name__ == "__main__":
    main()
