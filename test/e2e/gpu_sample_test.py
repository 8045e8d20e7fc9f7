"""nn.sample on the emulated GPU (test/emulator): the tokens and log-probs of the CPU, in every bit."""

import array
import json
import os
import pathlib
import random
import struct
import subprocess
import tempfile
import unittest

BIN = pathlib.Path(os.environ["MIRL_BIN"])
EMULATOR = pathlib.Path(os.environ.get("MIRL_EMULATOR", BIN.parent / "test" / "emulator"))

PROGRAM = """
!z = tensor<?x{v}xf32, #nn.axis<token>>
!ids = tensor<?xi64, #nn.axis<token>>
!ints = tensor<?xi32, #nn.axis<token>>
!floats = tensor<?xf32, #nn.axis<token>>
func.func @draw(%z: !z {{nn.name = "z", nn.source = "input:z"}}, %i: !ids {{nn.name = "i", nn.source = "input:i"}},
                %n: !ints {{nn.name = "n", nn.source = "input:n"}}, %seed: tensor<i64> {{nn.name = "s", nn.source = "input:s"}},
                %t: tensor<f32> {{nn.name = "t", nn.source = "input:t"}}, %k: tensor<i32> {{nn.name = "k", nn.source = "input:k"}},
                %p: tensor<f32> {{nn.name = "p", nn.source = "input:p"}})
    -> (!ints {{nn.name = "token", nn.source = "output:token"}}, !floats {{nn.name = "logprob", nn.source = "output:logprob"}})
    attributes {{nn.kind = "plain", nn.capacities = {{token = 64 : i64}}}} {{
  %token, %logprob = nn.sample %z, %i, %n, %seed, %t, %k, %p : (!z, !ids, !ints, tensor<i64>, tensor<f32>, tensor<i32>, tensor<f32>) -> (!ints, !floats)
  return %token, %logprob : !ints, !floats
}}
"""
# Temperature, top_k, top_p.
PLAIN = [(1, 0, 1), (0.7, 0, 1), (0, 0, 1), (-1, 3, 0.5)]
LIMITED = [(1, 1, 1), (1, 3, 1), (1, 40, 1), (0.5, 600, 1), (1, 10**6, 1), (1, 0, 0.9), (0.6, 0, 0.3), (1, 0, 0), (1, 0, 0.9999999),
           (2, 50, 0.5), (1, 1000, 0.95)]


def flat(vocabulary, row, generator):
    return [generator.random() for _ in range(vocabulary)]


def logits(vocabulary, row, generator):
    """Of a model, and where the smallest kept logit is hard to find."""
    normal = lambda: generator.gauss(0, 3)
    kinds = [
        lambda v: normal(),
        lambda v: generator.gauss(0, 0.01),
        lambda v: float(v % 3),                                     # ties
        lambda v: 200 * normal(),                                   # far apart
        lambda v: -12.5,                                            # all the same
        lambda v: normal() if v % 7 == 0 else float("-inf"),
        lambda v: generator.uniform(-1, 1) * 2.0 ** (v % 100 - 98),  # all orders of magnitude
        lambda v: 1 + (v % 40) * 2.0 ** -23,                        # neighbours
        lambda v: 40.0 if v == vocabulary - 1 else normal(),        # the last one nearly always
    ]
    return [kinds[row % len(kinds)](v) for v in range(vocabulary)]


def write(path, tensors):
    header, data = {}, b""
    for name, (dtype, shape, values) in tensors.items():
        code = {"F32": "f", "I32": "i", "I64": "q"}[dtype]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(values) * struct.calcsize(code)]}
        data += array.array(code, values).tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def read(path):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    words = lambda at: array.array("I", data[8 + size + at[0]:8 + size + at[1]]).tolist()
    return {name: words(entry["data_offsets"]) for name, entry in header.items() if name != "__metadata__"}


class GpuSample(unittest.TestCase):
    def run_tool(self, *arguments, **variables):
        done = subprocess.run(list(map(str, arguments)), capture_output=True, text=True, timeout=600, env=dict(os.environ, **variables))
        self.assertEqual(done.returncode, 0, done.stderr)

    def compare(self, vocabulary, rows, settings, logits=logits):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            program, given = folder / "draw.mlir", folder / "in.safetensors"
            program.write_text(PROGRAM.format(v=vocabulary))
            self.run_tool(BIN / "mirlc", program, "--target", "cpu", "--dtype", "f32", "-o", folder / "cpu.plan")
            self.run_tool(BIN / "mirlc", program, "--target", "cuda:sm_90a", "--dtype", "f32", "--module", "ptx", "-o", folder / "gpu.plan")
            generator = random.Random(vocabulary)
            z = [x for row in range(rows) for x in logits(vocabulary, row, generator)]
            ids = [generator.randrange(1 << 40) for _ in range(rows)]
            steps = [generator.randrange(1000) for _ in range(rows)]
            for temperature, top_k, top_p in settings:
                with self.subTest(vocabulary=vocabulary, temperature=temperature, top_k=top_k, top_p=top_p):
                    write(given, {"z": ("F32", [rows, vocabulary], z), "i": ("I64", [rows], ids), "n": ("I32", [rows], steps),
                                  "s": ("I64", [], [0x1234567890123]), "t": ("F32", [], [temperature]), "k": ("I32", [], [top_k]),
                                  "p": ("F32", [], [top_p])})
                    results = []
                    for target in ("cpu", "gpu"):
                        out = folder / f"{target}.safetensors"
                        self.run_tool(BIN / "mirl", "call", folder / f"{target}.plan", "draw", "--in", given, "--out", out,
                                      LD_LIBRARY_PATH=str(EMULATOR))
                        results.append(read(out))
                    self.assertEqual(results[0], results[1])
                    self.assertTrue(all(token < vocabulary for token in results[0]["token"]))

    def test_small(self):
        for vocabulary in (1, 20, 256):
            self.compare(vocabulary, 18, PLAIN + LIMITED)

    def test_blocks(self):
        self.compare(1000, 27, PLAIN + LIMITED)

    # More blocks than a thread's one: chunks, and chains with a tail.
    def test_many_blocks(self):
        self.compare(70001, 9, [(1, 0, 1), (0, 0, 1), (1, 50, 1), (0.8, 0, 0.9), (1, 400, 0.99)])

    # All tokens are about as likely: a draw falls into any block.
    def test_flat(self):
        self.compare(60001, 64, [(1, 0, 1), (0.5, 0, 1), (1, 50000, 1), (0.7, 55000, 1), (1, 0, 0.99)], flat)


if __name__ == "__main__":
    unittest.main()
