# SPDX-License-Identifier: Apache-2.0
"""The release archive, and the Debian packages in bare systems: test_packages.py SOURCE CACHE

For Debian 12 and 13: a bare system by mmdebstrap (kept in CACHE), the packages built in it from the release archive, lintian,
then a second bare system in which they are installed without what they recommend, used, and purged without traces. Needs root and
the network.
"""
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bare
from bare import sh

SOURCE, CACHE = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
sys.path.insert(0, str(SOURCE / "tests" / "lib"))
import tap  # noqa: E402

SYSTEMS = ("bookworm", "trixie")
PACKAGES = ("libdaytona0", "libdaytona-dev", "daytona-local")
# What each package must have; LIB is the library folder of the architecture. A file that is in no package fails the build.
CONTENT = {
    "libdaytona0": ["LIB/libdaytona.so.0"],
    "libdaytona-dev": ["LIB/libdaytona.so", "LIB/libdaytona.a", "LIB/pkgconfig/libdaytona.pc", "LIB/cmake/daytona/daytona-config.cmake",
                       "/usr/share/man/man7/libdaytona.7.gz", "/usr/share/doc/libdaytona-dev/docs/futures.md.gz",
                       "/usr/share/doc/libdaytona-dev/docs/guides/first-program.md", "/usr/share/doc/libdaytona-dev/examples/quickstart.c"],
    "daytona-local": ["/usr/bin/daytona-local", "/usr/libexec/daytona-local/daytona-local-ssh",
                      "/usr/libexec/daytona-local/daytona-local-desktop", "/usr/share/man/man1/daytona-local.1.gz",
                      "/usr/share/bash-completion/completions/daytona-local", "/usr/share/zsh/site-functions/_daytona-local",
                      "/usr/share/fish/vendor_completions.d/daytona-local.fish", "UNIT/system/daytona-local.service",
                      "/usr/lib/systemd/user/daytona-local.service", "/usr/share/doc/daytona-local/local-server.md.gz"],
}
STATE = "var/lib/daytona-local"
# Of a package for Debian itself, which this is not.
NOT_OURS = "bad-distribution-in-changes-file,initial-upload-closes-no-bugs"


class System:
    """One Debian: its packages, and the root in which they are installed. The tests below use it in their order."""

    def __init__(self, name):
        self.name, self.debs, self.root = name, CACHE / f"debs-{name}", None

    def build(self, source):
        shutil.rmtree(self.debs, ignore_errors=True)
        root = bare.Root(self.name, CACHE)
        try:
            shutil.copytree(source, root.path / "tmp/source", symlinks=True)
            root.run("apt-get -qy --no-install-recommends install build-essential debhelper lintian >/dev/null; cd /tmp/source; "
                     "cp -r packaging/debian debian; apt-get -qy --no-install-recommends build-dep . >/dev/null; rm -r debian; "
                     "packaging/build-deb /tmp/out >/tmp/log 2>&1 || { tail -60 /tmp/log; exit 1; }")
            root.run(f"lintian --allow-root --fail-on error,warning --suppress-tags {NOT_OURS} /tmp/out/*.changes")
            self.debs.mkdir()
            for path in (root.path / "tmp/out").glob("*.deb"):
                shutil.copy(path, self.debs)
        finally:
            root.close()

    def install(self):
        assert self.debs.is_dir(), "the packages were not built"
        self.root = root = bare.Root(self.name, CACHE)
        root.run("apt-get -qy --no-install-recommends install gcc libc6-dev pkgconf systemd >/dev/null")
        self.before, self.users = root.files(), self.accounts()
        shutil.copytree(self.debs, root.path / "tmp/debs")
        shutil.copy(SOURCE / "tests/consumers/first.c", root.path / "tmp/first.c")
        root.run("apt-get -qy --no-install-recommends install " + " ".join(f"/tmp/debs/{name}_*.deb" for name in PACKAGES) + " >/dev/null")

    def accounts(self):
        return [(self.root.path / "etc" / name).read_text() for name in ("passwd", "group", "shadow", "subuid", "subgid")
                if (self.root.path / "etc" / name).exists()]

    def content(self):
        names = sorted(path.name.partition("_")[0] for path in self.debs.glob("*.deb"))
        assert {*PACKAGES, "libdaytona0-dbgsym", "daytona-local-dbgsym"} <= set(names), names
        lib = "/usr/lib/" + self.root.run("dpkg --print-architecture >/dev/null; gcc -print-multiarch").strip()
        for package, expected in CONTENT.items():
            # Debian 12 has the units of the system in /lib, which is /usr/lib.
            listed = {re.sub("^/lib/", "/usr/lib/", line) for line in self.root.run(f"dpkg -L {package}").splitlines()}
            missing = {re.sub("^UNIT", "/usr/lib/systemd", re.sub("^LIB", lib, name)) for name in expected} - listed
            assert not missing, (package, missing)
        headers = {path.name for path in (SOURCE / "include/daytona").iterdir() if path.suffix in (".h", ".hpp")}
        assert headers <= {path.name for path in (self.root.path / "usr/include/daytona").iterdir()}

    def libraries(self):
        """Nothing that a program of the packages is linked to is missing with what they depend on."""
        for program in ("/usr/bin/daytona-local", "/usr/libexec/daytona-local/daytona-local-ssh", "/usr/libexec/daytona-local/daytona-local-desktop"):
            linked = self.root.run(f"ldd {program}")
            assert "not found" not in linked, linked

    def use(self):
        root = self.root
        root.run("cc -Wall -Werror /tmp/first.c $(pkg-config --cflags --libs libdaytona) -o /tmp/first")
        root.run("cc -Wall -Werror /tmp/first.c $(pkg-config --cflags libdaytona) -Wl,-Bstatic -ldaytona -Wl,-Bdynamic "
                 "$(pkg-config --static --libs libdaytona | sed 's/-ldaytona//') -o /tmp/first-static")
        assert "libdaytona" in root.run("ldd /tmp/first") and "libdaytona" not in root.run("ldd /tmp/first-static")
        for program in ("first", "first-static"):
            assert root.run(f"daytona-local run --network none -- /tmp/{program}") == "from the sandbox\n"

    def unit(self):
        """The service as systemd would start it; systemd itself does not run in a chroot."""
        root = self.root
        place = root.path / "usr/lib/systemd"
        for where in ("system", "user"):
            root.run(f"XDG_RUNTIME_DIR=/tmp systemd-analyze verify --man=no {'--user' if where == 'user' else ''} /usr/lib/systemd/{where}/daytona-local.service")
        assert "disabled" in sh("chroot", root.path, "sh", "-c", "systemctl is-enabled daytona-local || true", env=root.env)
        line = re.search(r"(?m)^ExecStart=(.*)$", (place / "system/daytona-local.service").read_text())[1]
        assert "${STATE_DIRECTORY}" in line and line.endswith(" $DAYTONA_LOCAL_OPTIONS"), line
        state = root.path / STATE
        state.mkdir(mode=0o700)
        words = shlex.split(line.replace("${STATE_DIRECTORY}", f"/{STATE}").replace("$DAYTONA_LOCAL_OPTIONS",
                            "--listen 127.0.0.1:0 --ssh-listen 127.0.0.1:0 --network none"))
        log = root.path / "tmp/service.log"
        with log.open("w") as to:
            service = subprocess.Popen(["chroot", str(root.path), *words], env=root.env, stdin=subprocess.DEVNULL, stdout=to, stderr=to)
        try:
            url = self.listening(service, log)
            key = (state / "key").read_text().strip()
            assert (state / "key").stat().st_mode & 0o777 == 0o600
            assert root.run(f"DAYTONA_API_URL={url} DAYTONA_API_KEY={key} /tmp/first") == "from the sandbox\n"
        finally:
            service.terminate()
            try:
                status = service.wait(20)
            except subprocess.TimeoutExpired:
                service.kill()
                status = service.wait()
        assert status == 0, (status, log.read_text())
        assert "without libssh" not in log.read_text() and "warn" not in log.read_text(), log.read_text()

    @staticmethod
    def listening(service, log):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            found = re.search(r"listening on (http://[^ \n]*)/api", log.read_text())
            if found:
                return found[1] + "/api"
            assert service.poll() is None, log.read_text()
            time.sleep(0.1)
        raise AssertionError(log.read_text())

    def purge(self):
        root = self.root
        root.run("systemctl enable daytona-local 2>/dev/null; systemctl --global enable daytona-local 2>/dev/null")
        assert (root.path / "etc/systemd/system/multi-user.target.wants/daytona-local.service").is_symlink()
        root.run("apt-get -qy remove daytona-local >/dev/null")
        assert (root.path / STATE / "key").exists(), "a removal keeps the sandboxes"
        root.run(f"apt-get -qy purge {' '.join(PACKAGES)} >/dev/null; apt-get -qy autoremove --purge >/dev/null")
        left = root.files() - self.before
        assert not [name for name in left if "daytona" in name], left
        assert not [name for name in left if name.startswith(("etc/systemd", "var/lib/systemd"))], left
        assert self.accounts() == self.users
        assert "daytona" not in root.run("dpkg -l; ls /var/lib/dpkg/info; ls /var/lib/systemd 2>/dev/null || true")


def main():
    if os.geteuid() != 0 or shutil.which("mmdebstrap") is None:
        print("1..0 # SKIP packages are built by root with mmdebstrap")
        return 0
    bare.end_in_order()
    place = tempfile.mkdtemp(prefix="release-", dir="/var/tmp")
    unpacked = []

    def archive():
        unpacked.append(bare.release(SOURCE, place)[1])

    def archive_builds_and_passes():
        source = unpacked[0]
        sh("meson", "setup", source / "build", source, "-Dtests=enabled", "-Dlocal_server=enabled")
        sh("ninja", "-C", source / "build")
        sh("meson", "test", "-C", source / "build", "--suite", "libdaytona:unit", "--suite", "daytona-local:unit", "-t", "5")

    tests = [archive, archive_builds_and_passes]
    systems = [System(name) for name in SYSTEMS]

    def add(system, what, function):
        function.__name__ = f"{system.name}_{what}"
        tests.append(function)

    for system in systems:
        add(system, "packages_are_built", lambda system=system: system.build(unpacked[0]))
        add(system, "packages_are_installed", lambda system=system: system.install())
        add(system, "packages_have_their_files", lambda system=system: system.content())
        add(system, "programs_find_their_libraries", lambda system=system: system.libraries())
        add(system, "a_program_is_built_and_run", lambda system=system: system.use())
        add(system, "service_starts_as_its_unit_says", lambda system=system: system.unit())
        add(system, "purge_leaves_nothing", lambda system=system: system.purge())
    try:
        return tap.run_all(tests)
    finally:
        for system in systems:
            if system.root is not None:
                system.root.close()
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
