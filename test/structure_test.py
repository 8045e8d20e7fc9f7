"""The house's rules that no compiler checks: who may include whom, and what the binaries link."""

import pathlib
import re
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[1]
# A folder may include itself and these.
MAY = {
    "dialects": set(),
    "passes": {"dialects"},
    "frontend": {"dialects"},
    "runtime": set(),
}
# The schema stands between the two halves, with what it cannot say; its hash is computed by one piece of code.
SHARED = {"runtime/artifact/plan_generated.h", "runtime/artifact/Format.h", "runtime/artifact/ContentHash.h"}
# A dialect may use the attributes of the next one down and nothing else.
DIALECTS = {"nn": set(), "rl": {"nn"}, "plan": {"nn"}}


def includes(folder):
    for path in sorted((ROOT / folder).rglob("*")):
        if path.suffix in (".cpp", ".h", ".td"):
            for name in re.findall(r'^#?include\s+"([^"]+)"', path.read_text(), re.M):
                yield path.relative_to(ROOT), name


class Structure(unittest.TestCase):
    def test_one_direction(self):
        rooms = {*MAY, "tools", "test", "bench"}
        for folder, allowed in MAY.items():
            for path, name in includes(folder):
                room = name.split("/")[0]
                if room in rooms - {folder} - allowed and name not in SHARED:
                    self.fail(f"{path} includes {name}: {folder} may use {sorted(allowed) or 'nothing else'}")

    def test_dialects_know_the_next_one_only(self):
        for dialect, allowed in DIALECTS.items():
            for path, name in includes(f"dialects/{dialect}"):
                parts = name.split("/")
                if parts[0] == "dialects" and parts[1] not in {dialect} | allowed:
                    self.fail(f"{path} includes {name}")

    def test_what_the_binaries_link(self):
        if not BIN:
            self.skipTest("no folder of binaries was given")
        def needed(tool):
            text = subprocess.run(["readelf", "-d", BIN / tool], check=True, capture_output=True, text=True).stdout
            return re.findall(r"NEEDED.*\[(.*)\]", text)
        self.assertFalse([n for n in needed("mirl") if "LLVM" in n or "MLIR" in n], "the runtime needs no compiler")
        for tool in ("mirlc", "mirl-opt"):
            self.assertEqual(len([n for n in needed(tool) if "MLIR" in n]), 1)
            # A second, static copy of MLIR would be a hundred times this.
            self.assertLess((BIN / tool).stat().st_size, 20 << 20)


BIN = pathlib.Path(sys.argv.pop()) if len(sys.argv) > 1 and pathlib.Path(sys.argv[-1]).is_dir() else None

if __name__ == "__main__":
    unittest.main()
