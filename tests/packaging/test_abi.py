# SPDX-License-Identifier: Apache-2.0
"""The binary interface is the one that packaging/abi/libdaytona.abi says: test_abi.py SOURCE"""
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(sys.argv[1]).resolve()
sys.path.insert(0, str(SOURCE / "tests" / "lib"))
import tap  # noqa: E402

KEPT = SOURCE / "packaging" / "abi" / "libdaytona.abi"
SYMBOLS = SOURCE / "packaging" / "debian" / "libdaytona0.symbols"


def compared(before, after):
    """What abidiff says, "" for no difference."""
    done = subprocess.run(["abidiff", "--harmless", "--drop-private-types", str(before), str(after)], capture_output=True, text=True)
    assert done.returncode & 3 == 0, done.stderr  # 1: an error of its own, 2: of usage
    return done.stdout if done.returncode & 12 else ""


def main():
    if shutil.which("abidw") is None:
        print("1..0 # SKIP abidw is not installed (package abigail-tools)")
        return 0
    if platform.machine() != "x86_64":
        print("1..0 # SKIP the interface that is kept is that of x86_64")
        return 0
    place = tempfile.TemporaryDirectory()
    now = Path(place.name, "now.abi")

    def the_interface_is_as_it_was():
        done = subprocess.run([str(SOURCE / "packaging/abi/update"), str(now)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        said = compared(KEPT, now)
        assert not said, f"{said}\nIf it is meant: packaging/abi/update, and see docs/releasing.md"

    def a_change_is_seen():
        changed = Path(place.name, "changed.abi")
        text = KEPT.read_text()
        assert "name='daytona_version'" in text
        changed.write_text(text.replace("daytona_version", "daytona_version_of_another_name"))
        assert "daytona_version" in compared(changed, KEPT)
        assert "name='timeout_ms'" in text and "name='DAYTONA_ECANCELED'" in text
        for name, other in (("name='timeout_ms'", "name='patience_ms'"), ("name='DAYTONA_ECANCELED' value='", "name='DAYTONA_ECANCELED' value='7")):
            changed.write_text(text.replace(name, other))
            assert compared(changed, KEPT), name

    def the_symbols_of_the_package_are_those():
        built = subprocess.run(["nm", "-D", "--defined-only", str(SOURCE / "build/abi/lib/libdaytona.so.0")], check=True, capture_output=True, text=True).stdout
        names = {line.split()[2] for line in built.splitlines() if line.split()[2].startswith("daytona_")}
        kept = {line.split("@")[0].strip() for line in SYMBOLS.read_text().splitlines() if line.startswith(" ")}
        assert names == kept, (names - kept, kept - names)

    with place:
        return tap.run_all([the_interface_is_as_it_was, a_change_is_seen, the_symbols_of_the_package_are_those])


if __name__ == "__main__":
    sys.exit(main())
