# SPDX-License-Identifier: Apache-2.0
"""A program that is built against the build folder, by its pkg-config file, finds the public headers and no other.

usage: uninstalled_pc.py BUILD COMPILER
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import tap  # noqa: E402

PROGRAM = """
#include <daytona/daytona.h>
#include "core/list.h"
#include "json/lexer.h"
#if !defined HOST_LIST || !defined HOST_LEXER
#error "a private header was found"
#endif
int main(void) { return daytona_version()[0] == 0; }
"""


def main():
    build, compiler = sys.argv[1], sys.argv[2].split()

    def flags(kind):
        env = {**os.environ, "PKG_CONFIG_PATH": build + "/meson-uninstalled:" + os.environ.get("PKG_CONFIG_PATH", "")}
        return subprocess.run(["pkg-config", kind, "libdaytona"], env=env, check=True, capture_output=True, text=True).stdout.split()

    def the_hosts_own_headers_are_found():
        with tempfile.TemporaryDirectory() as folder:
            for name, macro in (("core/list.h", "HOST_LIST"), ("json/lexer.h", "HOST_LEXER")):
                path = Path(folder, "inc", name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(f"#define {macro} 1\n")
            source = Path(folder, "main.c")
            source.write_text(PROGRAM)
            done = subprocess.run([*compiler, *flags("--cflags"), f"-I{folder}/inc", "-c", str(source), "-o", f"{folder}/main.o"],
                                  capture_output=True, text=True)
            assert done.returncode == 0, done.stderr

    def the_library_is_named():
        assert "-ldaytona" in flags("--libs")

    tests = [the_hosts_own_headers_are_found, the_library_is_named]
    if shutil.which("pkg-config") is None:
        print("1..0 # SKIP pkg-config is not installed")
        return 0
    return tap.run_all(tests)


if __name__ == "__main__":
    sys.exit(main())
