"""Takes the folder of the private headers out of the uninstalled pkg-config file: uninstalled_pc.py

Meson names every folder that the library is built with there, and its own. A program that is built against the build folder
is to find the public headers only, as it does with an installed library. Meson calls this when it has configured.
"""

import os
import re
from pathlib import Path

path = Path(os.environ["MESON_BUILD_ROOT"], "meson-uninstalled", "libdaytona-uninstalled.pc")
if path.exists():
    text = path.read_text()
    path.write_text(re.sub(r" -I\$\{(?:prefix|srcdir)\}/lib(?=\s)", "", text))
