# SPDX-License-Identifier: Apache-2.0
"""Makes a wheel, installs it into an environment of its own, and runs test_binding.py with that:
launch.py DAYTONA-LOCAL LIBRARY SANITIZER [LOOP]

LOOP is asyncio or uvloop. The Python with cffi is the one that tests/interop/install has made; without it everything is skipped,
with the reason. SANITIZER is what the library was built with: a Python that loads it has to have that first.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
EXAMPLE = ROOT / "examples" / "python" / "tour.py"


def missing(cache, name):
    if (cache / f"{name}.stamp").exists():
        return None
    note = cache / f"{name}.missing"
    return note.read_text().strip() if note.exists() else f"{name} is not installed; tests/interop/install installs it"


def packages_of(environment):
    return next((environment / "lib").glob("python3*/site-packages"))


def make_environment(cache, scratch, more):
    """An environment with the wheel in it, beside the packages of the cache. Its Python."""
    source = scratch / "source"
    shutil.copytree(HERE.parent, source, ignore=shutil.ignore_patterns("_abi.py", "__pycache__", "build", "*.egg-info"))
    env = dict(os.environ, LIBDAYTONA_INCLUDE=str(ROOT / "include"))
    pip = [cache / "cffi" / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-index", "--no-build-isolation", "-w", scratch / "wheels", source], check=True, env=env)
    [wheel] = (scratch / "wheels").glob("*.whl")
    installed = scratch / "environment"
    subprocess.run([cache / "cffi" / "bin" / "python", "-m", "venv", "--without-pip", installed], check=True)
    beside = "".join(f"{packages_of(cache / name)}\n" for name in ("cffi", *more))
    (packages_of(installed) / "beside.pth").write_text(beside)
    subprocess.run([*pip, "--python", installed / "bin" / "python", "install", "--no-deps", "--no-index", wheel], check=True)
    return installed / "bin" / "python"


def check_types(python, scratch):
    """Of the package, and of a program that uses it; both in the strictest mode."""
    installed = packages_of(python.parents[1]) / "libdaytona"
    assert (installed / "py.typed").exists(), "the wheel has no types"
    types = subprocess.run([python, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", scratch / "mypy", installed, EXAMPLE],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert types.returncode == 0, types.stdout


def main(server, library, sanitizer, loop="asyncio"):
    cache = Path(os.environ.get("DAYTONA_INTEROP_CACHE", ROOT / "build" / "interop")).resolve()
    more = ["uvloop"] if loop == "uvloop" else []
    reason = next(filter(None, (missing(cache, name) for name in ("cffi", *more))), None)
    if reason:
        print(f"1..0 # SKIP {reason}")
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        python = make_environment(cache, Path(scratch), more)
        if loop == "asyncio":
            check_types(python, Path(scratch))
        env = dict(os.environ, LIBDAYTONA_PATH=str(Path(library).resolve()))
        preload = []
        if "address" in sanitizer:
            found = subprocess.run(["cc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True).stdout.strip()
            preload = ["env", "LD_PRELOAD=" + found]
            env["ASAN_OPTIONS"] = "detect_leaks=0"  # of the interpreter's own
        return subprocess.run([server, "run", "--", *preload, python, HERE / "test_binding.py", loop], env=env).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
