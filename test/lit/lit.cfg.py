"""lit's configuration: .mlir and .mirl files, run with the tools of the build (MIRL_BIN) and LLVM's."""

import ctypes
import glob
import os
import shutil

import lit.formats

config.name = "mirl"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".mirl"]
config.excludes = ["Inputs"]
config.test_source_root = os.path.dirname(__file__)
build = os.environ.get("MIRL_BUILD")
if not build:
    lit_config.fatal("MIRL_BUILD must name the build folder: run these tests by `ctest -R lit`")
config.test_exec_root = os.path.join(build, "test", "lit")
root = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
config.environment["PATH"] = os.pathsep.join(
    [os.path.join(build, "bin"), os.environ.get("MIRL_LLVM_BIN", ""), config.environment["PATH"]])
config.substitutions += [("%model", os.path.join(root, "examples", "chain", "model")),
                         ("%examples", os.path.join(root, "examples"))]

# What tests of the CUDA target may require. Without it they are skipped, and lit names the feature that is missing.
packages = [os.path.join(prefix, "lib", "python3*", kind, "nvidia", "*", "bin", "ptxas")
            for prefix in (os.environ.get("VIRTUAL_ENV", "/usr"), os.path.expanduser("~/.local"), "/usr/local", "/usr")
            for kind in ("site-packages", "dist-packages")]
if shutil.which("ptxas") or os.path.exists("/usr/local/cuda/bin/ptxas") or any(map(glob.glob, packages)):
    config.available_features.add("ptxas")
try:
    ctypes.CDLL("libcuda.so.1")
except OSError:
    config.available_features.add("no-nvidia-driver")
