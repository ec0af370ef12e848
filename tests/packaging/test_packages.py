# SPDX-License-Identifier: Apache-2.0
"""The Debian packages, built and installed in bare systems: test_packages.py SOURCE CACHE

For Debian 12 and 13: a bare system by mmdebstrap (kept in CACHE), the packages built in it from the release archive, lintian,
then a second bare system in which they are installed, used, and purged without traces. Needs root and the network.
"""
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE, CACHE = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
sys.path.insert(0, str(SOURCE / "tests" / "lib"))
import tap  # noqa: E402

SYSTEMS = ("bookworm", "trixie")
# What is there before any package, and may differ after it has gone.
UNSTABLE = ("var/cache", "var/lib/apt", "var/log", "tmp", "root", "var/lib/dpkg", "etc/ld.so.cache", "run", "proc", "sys", "dev",
            "etc/resolv.conf", "var/lib/systemd", "etc/.pwd.lock", "usr/share/python", "var/lib/man-db")


def sh(*words, **more):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **more)
    assert done.returncode == 0, f"{words}: {done.stdout[-3000:]}{done.stderr[-5000:]}"
    return done.stdout


class Root:
    """A bare system in a folder of its own, with what a chroot needs, taken away at the end."""

    def __init__(self, system, place):
        self.path = Path(place)
        archive = CACHE / f"{system}.tar"
        if not archive.exists():
            CACHE.mkdir(parents=True, exist_ok=True)
            mirror = sh("sh", "-c", "cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -oE 'https?://[^ ]*/debian/?( |$)' | head -1").strip()
            sh("mmdebstrap", "--variant=minbase", "--include=ca-certificates", "--quiet", system, f"{archive}.new", *([mirror] if mirror else []))
            os.rename(f"{archive}.new", archive)
        sh("tar", "-x", "-C", self.path, "-f", archive)
        shutil.copy("/etc/resolv.conf", self.path / "etc/resolv.conf")
        for name in ("proc", "sys"):
            sh("mount", "-t", {"proc": "proc", "sys": "sysfs"}[name], name, self.path / name)
        sh("mount", "--rbind", "/dev", self.path / "dev")
        sh("mount", "--make-rslave", self.path / "dev")
        self.run("apt-get -q update")

    def run(self, script):
        env = {"HOME": "/root", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8", "TERM": "dumb"}
        return sh("chroot", self.path, "bash", "-euo", "pipefail", "-c", script, env=env)

    def files(self):
        found = set()
        for folder, names, files in os.walk(self.path):
            below = os.path.relpath(folder, self.path)
            names[:] = [n for n in names if os.path.normpath(os.path.join(below, n)) not in UNSTABLE]
            found.update(os.path.normpath(os.path.join(below, n)) for n in files + names)
        return {name for name in found if name not in UNSTABLE}

    def close(self):
        for name in ("dev", "sys", "proc"):
            subprocess.run(["umount", "-R", "-l", str(self.path / name)], capture_output=True, check=False)
        shutil.rmtree(self.path, ignore_errors=True)


def built(system, release):
    """A folder with the packages, after lintian."""
    out = CACHE / f"debs-{system}"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    place = tempfile.mkdtemp(prefix="packages-", dir="/var/tmp")
    os.chmod(place, 0o755)
    root = Root(system, place)
    try:
        sh("tar", "-x", "-C", root.path / "tmp", "-f", release)
        root.run("apt-get -qy --no-install-recommends install build-essential debhelper devscripts equivs lintian >/dev/null; "
                 "cd /tmp/libdaytona-*; mk-build-deps -i -r -t 'apt-get -qy --no-install-recommends' packaging/debian/control >/dev/null; "
                 "packaging/build-deb /tmp/out >/tmp/log 2>&1 || { tail -60 /tmp/log; exit 1; }")
        root.run("lintian --fail-on error --suppress-tags bad-distribution-in-changes-file /tmp/out/*.changes")
        for path in (root.path / "tmp/out").glob("*.deb"):
            shutil.copy(path, out)
    finally:
        root.close()
    return out


def check(system, debs):
    place = tempfile.mkdtemp(prefix="packages-", dir="/var/tmp")
    os.chmod(place, 0o755)
    root = Root(system, place)
    try:
        before = root.files()
        names = sorted(path.name.partition("_")[0] for path in debs.glob("*.deb"))
        for name in ("daytona-local", "libdaytona-dev", "libdaytona0", "libdaytona0-dbgsym"):
            assert name in names, names
        shutil.copytree(debs, root.path / "tmp/debs")
        shutil.copy(SOURCE / "tests/consumers/first.c", root.path / "tmp/first.c")
        root.run("apt-get -qy --no-install-recommends install gcc libc6-dev pkgconf procps git >/dev/null")
        with_tools = root.files()
        root.run("apt-get -qy --no-install-recommends install /tmp/debs/libdaytona0_*.deb /tmp/debs/libdaytona-dev_*.deb /tmp/debs/daytona-local_*.deb >/dev/null")
        root.run("cc -Wall -Werror /tmp/first.c $(pkg-config --cflags --libs libdaytona) -o /tmp/first")
        root.run("cc -Wall -Werror /tmp/first.c $(pkg-config --cflags libdaytona) -Wl,-Bstatic -ldaytona -Wl,-Bdynamic "
                 "$(pkg-config --static --libs libdaytona | sed 's/-ldaytona//') -o /tmp/first-static")
        root.run("daytona-local --version; test -s /usr/share/man/man1/daytona-local.1.gz -o ! -d /usr/share/man/man1")
        for program in ("first", "first-static"):
            assert root.run(f"daytona-local run --network none -- /tmp/{program}") == "from the sandbox\n"
        root.run("apt-get -qy purge libdaytona0 libdaytona-dev daytona-local >/dev/null; apt-get -qy autoremove --purge >/dev/null")
        left = {name for name in root.files() - with_tools - before if "daytona" in name}
        assert not left, left
    finally:
        root.close()


def main():
    if os.geteuid() != 0 or shutil.which("mmdebstrap") is None:
        print("1..0 # SKIP packages are built by root with mmdebstrap")
        return 0
    place = tempfile.mkdtemp(prefix="release-")
    release = Path(place, "libdaytona.tar.gz")

    def archive():
        build = Path(place, "build")
        sh("meson", "setup", build, SOURCE)
        sh("meson", "dist", "-C", build, "--no-tests", "--formats", "gztar", "--allow-dirty")
        shutil.copy(next((build / "meson-dist").glob("*.tar.gz")), release)

    def archive_builds():
        sh("tar", "-x", "-C", place, "-f", release)
        source = next(Path(place).glob("libdaytona-*"))
        sh("meson", "setup", source / "build", source, "-Dtests=enabled", "-Dlocal_server=enabled")
        sh("ninja", "-C", source / "build")
        sh("meson", "test", "-C", source / "build", "--suite", "libdaytona:unit", "-t", "3")

    tests = [archive, archive_builds]
    for system in SYSTEMS:
        def build_and_use(system=system):
            check(system, built(system, release))
        build_and_use.__name__ = f"packages_of_{system}"
        tests.append(build_and_use)
    try:
        return tap.run_all(tests)
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
