# SPDX-License-Identifier: Apache-2.0
"""Makes _abi.py from the headers on the way into the wheel."""

import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

sys.path.insert(0, str(Path(__file__).resolve().parent))
import make_cdef  # noqa: E402


class Build(build_py):
    def run(self) -> None:
        super().run()
        make_cdef.main(make_cdef.installed_headers(), str(Path(self.build_lib) / "libdaytona" / "_abi.py"))


setup(cmdclass={"build_py": Build})
