# SPDX-License-Identifier: Apache-2.0
"""Makes _abi.py from the headers on the way into the wheel. LIBDAYTONA_INCLUDE, the sources around, or pkg-config name them."""

import os
import subprocess
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import make_cdef  # noqa: E402


def include() -> str:
    if "LIBDAYTONA_INCLUDE" in os.environ:
        return os.environ["LIBDAYTONA_INCLUDE"]
    around = HERE.parent.parent / "include"
    if (around / "daytona" / "daytona.h").exists():
        return str(around)
    return subprocess.run(["pkg-config", "--variable=includedir", "libdaytona"], check=True, capture_output=True,
                          text=True).stdout.strip()


class Build(build_py):
    def run(self) -> None:
        super().run()
        make_cdef.main(include(), str(Path(self.build_lib) / "libdaytona" / "_abi.py"))


setup(cmdclass={"build_py": Build})
