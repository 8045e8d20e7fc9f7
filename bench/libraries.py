"""What has to travel with a program that is measured on another machine."""

import pathlib
import shutil
import subprocess


def copy_libraries(tool, lib):
    """Copies what `tool` is linked with and another system may lack; not the C library and what belongs to it."""
    for line in subprocess.run(["ldd", tool], check=True, capture_output=True, text=True).stdout.splitlines():
        path = pathlib.Path(line.split("=>")[-1].split("(")[0].strip())
        if path.is_absolute() and not path.name.startswith(("libc.so", "libm.so", "libgcc_s", "libstdc++", "libpthread", "libdl", "ld-linux")):
            shutil.copy(path.resolve(), lib / path.name)
