# SPDX-License-Identifier: Apache-2.0
"""Makes a wheel, installs it into a folder of its own, and runs test_binding.py with that: launch.py DAYTONA-LOCAL LIBRARY SANITIZER

The Python with cffi is the one that tests/interop/install has made; without it everything is skipped, with the reason. SANITIZER is
what the library was built with: a Python that loads it has to have that first.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]


def missing(cache):
    if (cache / "cffi.stamp").exists():
        return None
    note = cache / "cffi.missing"
    return note.read_text().strip() if note.exists() else "cffi is not installed; tests/interop/install installs it"


def make_wheel(python, scratch):
    """The installed package, and what is in the wheel."""
    source = scratch / "source"
    shutil.copytree(HERE.parent, source, ignore=shutil.ignore_patterns("_cdef.py", "__pycache__", "build", "*.egg-info"))
    env = dict(os.environ, LIBDAYTONA_INCLUDE=str(ROOT / "include"))
    pip = [python, "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-index", "--no-build-isolation", "-w", scratch / "wheels", source], check=True, env=env)
    [wheel] = (scratch / "wheels").glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--no-index", "--target", scratch / "installed", wheel], check=True)
    return scratch / "installed"


def main(server, library, sanitizer):
    cache = Path(os.environ.get("DAYTONA_INTEROP_CACHE", ROOT / "build" / "interop"))
    reason = missing(cache)
    if reason:
        print(f"1..0 # SKIP {reason}")
        return 0
    python = cache / "cffi" / "bin" / "python"
    with tempfile.TemporaryDirectory() as scratch:
        installed = make_wheel(python, Path(scratch))
        assert (installed / "libdaytona" / "py.typed").exists(), "the wheel has no types"
        types = subprocess.run([python, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", f"{scratch}/mypy", installed / "libdaytona"],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert types.returncode == 0, types.stdout
        env = dict(os.environ, PYTHONPATH=str(installed), LIBDAYTONA_PATH=library)
        preload = []
        if "address" in sanitizer:
            found = subprocess.run(["cc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True).stdout.strip()
            preload = ["env", "LD_PRELOAD=" + found]
            env["ASAN_OPTIONS"] = "detect_leaks=0"  # of the interpreter's own
        return subprocess.run([server, "run", "--", *preload, python, HERE / "test_binding.py"], env=env).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
