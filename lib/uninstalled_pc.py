# SPDX-License-Identifier: Apache-2.0
"""Writes the folders into the uninstalled pkg-config file: uninstalled_pc.py

The file that Meson makes for the build folder names those of an installation. A program that is built against the build folder
is to find the library there, and of the headers the public ones only. Meson calls this when it has configured.
"""

import os
import re
from pathlib import Path

path = Path(os.environ["MESON_BUILD_ROOT"], "meson-uninstalled", "libdaytona-uninstalled.pc")
if path.exists():
    text = re.sub(r"(?m)^Cflags:.*\n?", "", path.read_text()).replace("-L${libdir} ", "-L${prefix}/lib ")
    path.write_text(text.rstrip("\n") + "\nCflags: -I${srcdir}/include\n")
