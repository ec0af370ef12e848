# SPDX-License-Identifier: Apache-2.0
"""The Python pieces of docs/guides/from-python.md work with the official SDK: from_python.py GUIDE

Run by daytona-local with the Python of the interop suite.
"""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import tap  # noqa: E402

FRAME = """
import asyncio
from daytona import AsyncDaytona

async def main():
    async with AsyncDaytona() as daytona:
        sandbox = await daytona.create()
        try:
{piece}
        finally:
            await sandbox.delete()

asyncio.run(main())
"""


def main():
    python = os.environ.get("DAYTONA_TEST_PYTHON")
    if not python or not os.path.exists(python):
        print("1..0 # SKIP the official Python SDK is not installed")
        return 0
    text = Path(sys.argv[1]).read_text()
    pieces = re.findall(r"(?ms)^## ([^\n]+)\n+(?:(?!^## |^```).*\n)*?```python\n(.*?)^```$", text)

    def piece(name, source):
        def works():
            program = FRAME.format(piece=textwrap.indent(source, " " * 12))
            done = subprocess.run([python, "-c", program], capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, done.stderr
        works.__name__ = re.sub(r"\W+", "_", name.lower())
        return works

    def every_family_has_both():
        assert len(pieces) >= 8, [name for name, _ in pieces]
        assert len(re.findall(r"(?m)^```c$", text)) >= len(pieces)

    return tap.run_all([every_family_has_both] + [piece(*each) for each in pieces])


if __name__ == "__main__":
    sys.exit(main())
