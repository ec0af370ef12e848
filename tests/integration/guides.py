# SPDX-License-Identifier: Apache-2.0
"""The whole programs of the guides do what they promise: guides.py GUIDES BUILD

Each block of C with a main is compiled against the build folder as a reader's would be, and run by `daytona-local run`, which passes
its arguments on. It must exit with 0 and leave nothing.
"""

import os
import re
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import tap  # noqa: E402


def main():
    guides, build = Path(sys.argv[1]), Path(sys.argv[2])
    env = {**os.environ, "PKG_CONFIG_PATH": f"{build}/meson-uninstalled", "LD_LIBRARY_PATH": f"{build}/lib"}
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libdaytona"], env=env, check=True, capture_output=True, text=True).stdout.split()
    sanitizers = ["-fsanitize=address,undefined"] if os.environ.get("README_SANITIZE") == "1" else []

    def works(source):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "program.c")
            path.write_text(source)
            done = subprocess.run(["cc", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror", *sanitizers, str(path), *flags, "-o", f"{folder}/program"],
                                  env=env, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            done = subprocess.run([os.environ["DAYTONA_LOCAL"], "run", "--", f"{folder}/program"], env=env, capture_output=True, text=True, timeout=120)
            assert done.returncode == 0 and done.stdout, (done.returncode, done.stdout, done.stderr)

    producer = tap.Producer()
    cases = []
    for page in sorted(guides.glob("*.md")):
        for block in re.findall(r"(?ms)^```c\n(.*?)^```$", page.read_text()):
            if re.search(r"(?m)^int main\(", block):
                cases.append((f"{page.name} works", partial(works, block)))
    producer.plan(len(cases) + 1)
    producer.run("there_are_programs", lambda: None if len(cases) >= 3 else (_ for _ in ()).throw(AssertionError(cases)))
    for name, body in cases:
        producer.run(name, body)
    return producer.exit_code()


if __name__ == "__main__":
    sys.exit(main())
