# SPDX-License-Identifier: Apache-2.0
"""Bare Debian systems in folders, and the release archive, for the tests of this folder."""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path


def sh(*words, **more):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **more)
    assert done.returncode == 0, f"{words}: {done.stdout[-3000:]}{done.stderr[-5000:]}"
    return done.stdout


def mirror():
    """The archive that this machine installs from, or None for the usual one."""
    texts = [path.read_text() for path in [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")] if path.is_file()]
    words = (word.rstrip("/") for text in texts for line in text.splitlines() if not line.startswith("#") for word in line.split())
    return next((word for word in words if word.startswith(("http:", "https:")) and word.endswith("/debian")), None)


def tarball(system, cache):
    """A bare system with nothing but apt, as an archive that is kept in `cache`."""
    archive = cache / f"{system}.tar"
    if not archive.exists():
        cache.mkdir(parents=True, exist_ok=True)
        made = cache / f"{system}.new.tar"
        sh("mmdebstrap", "--variant=minbase", "--include=ca-certificates", "--quiet", system, made, *filter(None, [mirror()]))
        os.rename(made, archive)
    return archive


def release(source, place):
    """The archive that `meson dist` makes of what is committed, and its sources unpacked in `place`."""
    build = Path(place, "build")
    sh("meson", "setup", build, source, "-Dtests=disabled", "-Dexamples=disabled", "-Dlocal_server=disabled")
    sh("meson", "dist", "-C", build, "--no-tests", "--formats", "gztar", "--allow-dirty")
    archive = next((build / "meson-dist").glob("libdaytona-*.tar.gz"))
    sh("tar", "-x", "-C", place, "-f", archive)
    return archive, next(path for path in Path(place).glob("libdaytona-*") if path.is_dir())


def end_in_order():
    """A signal that ends the test lets its `finally` parts run, so that no mounts stay behind."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))


class Root:
    """A bare system in a folder of its own, with what a chroot needs, removed at the end."""

    # What any use changes, and no package of ours is concerned with.
    UNSTABLE = {"var/cache", "var/lib/apt", "var/log", "tmp", "root", "var/lib/dpkg", "run", "proc", "sys", "dev", "etc/resolv.conf",
                "etc/ld.so.cache", "etc/.pwd.lock"}

    def __init__(self, system, cache):
        self.path = Path(tempfile.mkdtemp(prefix="packages-", dir="/var/tmp"))
        try:
            self.path.chmod(0o755)
            sh("tar", "-x", "-C", self.path, "-f", tarball(system, cache))
            shutil.copy("/etc/resolv.conf", self.path / "etc/resolv.conf")
            for name, kind in (("proc", "proc"), ("sys", "sysfs")):
                sh("mount", "-t", kind, name, self.path / name)
            sh("mount", "--rbind", "/dev", self.path / "dev")
            sh("mount", "--make-rslave", self.path / "dev")
            self.run("apt-get -q update")
        except BaseException:
            self.close()
            raise

    def words(self, script):
        return ["chroot", str(self.path), "bash", "-euo", "pipefail", "-c", script]

    @property
    def env(self):
        return {"HOME": "/root", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8", "TERM": "dumb"}

    def run(self, script):
        return sh(*self.words(script), env=self.env)

    def files(self):
        found = set()
        for folder, names, files in os.walk(self.path):
            below = os.path.relpath(folder, self.path)
            path_of = {name: os.path.normpath(os.path.join(below, name)) for name in names + files}
            names[:] = [name for name in names if path_of[name] not in self.UNSTABLE]
            found.update(path for path in path_of.values() if path not in self.UNSTABLE)
        return found

    def close(self):
        for name in ("dev", "sys", "proc"):
            subprocess.run(["umount", "-R", "-l", str(self.path / name)], capture_output=True, check=False)
        if any(os.path.ismount(self.path / name) for name in ("dev", "sys", "proc")):
            raise RuntimeError(f"{self.path} still has mounts, so it is not removed")
        shutil.rmtree(self.path, ignore_errors=True)
