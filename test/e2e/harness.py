"""What the end-to-end tests share: running the tools, safetensors in and out, a small world to run in."""

import array
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("MIRL_BIN", ROOT / "build" / "bin"))
CHAIN = ROOT / "examples" / "chain"
CODES = {"F32": "f", "I32": "i", "I64": "q"}


def run(tool, *arguments, timeout=600):
    """The finished process; stdout and stderr are text."""
    return subprocess.run([BIN / tool, *map(str, arguments)], capture_output=True, text=True, timeout=timeout)


def write_safetensors(path, tensors):
    """tensors: {name: (dtype, shape, flat values)}."""
    header, blob = {}, b""
    for name, (dtype, shape, values) in tensors.items():
        data = array.array(CODES[dtype], values).tobytes()
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(blob), len(blob) + len(data)]}
        blob += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(text)) + text + blob)


def read_safetensors(path):
    """{name: flat list of values}."""
    data = pathlib.Path(path).read_bytes()
    (size,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8:8 + size])
    result = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            values = array.array(CODES[entry["dtype"]])
            values.frombytes(data[8 + size + begin:8 + size + end])
            result[name] = list(values)
    return result


def tensor_types(path):
    """{name: dtype}."""
    data = pathlib.Path(path).read_bytes()
    (size,) = struct.unpack_from("<Q", data)
    return {name: entry["dtype"] for name, entry in json.loads(data[8:8 + size]).items() if name != "__metadata__"}


class World(unittest.TestCase):
    """A temporary folder with the chain task's data; `self.dir`."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls._folder = tempfile.TemporaryDirectory()
        cls.dir = pathlib.Path(cls._folder.name)
        subprocess.run([sys.executable, CHAIN / "generate.py", cls.dir / "data", "--sft", "2000", "--prompts", "400", "--test", "100"],
                       check=True)

    @classmethod
    def tearDownClass(cls):
        cls._folder.cleanup()

    def ok(self, tool, *arguments, **options):
        """Runs and requires exit code 0; returns stdout."""
        done = run(tool, *arguments, **options)
        self.assertEqual(done.returncode, 0, f"{tool} {arguments}\n{done.stderr[-3000:]}")
        return done.stdout

    def refused(self, wanted, tool, *arguments, code=1, **options):
        """Runs and requires the exit code and every wanted text in one error on stderr."""
        done = run(tool, *arguments, **options)
        self.assertEqual(done.returncode, code, f"{tool} {arguments}\n{done.stderr[-3000:]}")
        for text in [wanted] if isinstance(wanted, str) else wanted:
            self.assertIn(text, done.stderr)
        return done.stderr

    def compile(self, name, out=None, program=None, model=CHAIN / "model", options=()):
        """Compiles a program of examples/chain, or the text `program`; returns the plan's path."""
        source = CHAIN / f"{name}.mirl"
        if program is not None:
            source = self.dir / f"{name}.mirl"
            source.write_text(program)
        plan = self.dir / f"{out or name}.plan"
        self.ok("mirlc", source, *(["--model", model] if model else []), *options, "-o", plan)
        return plan

    def data(self):
        return [part for name in ("prompts", "test") for part in ("--data", f"{name}={self.dir / 'data' / name}.jsonl")]

    def metrics(self, folder):
        return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def main():
    unittest.main()
