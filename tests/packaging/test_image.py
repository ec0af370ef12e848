# SPDX-License-Identifier: Apache-2.0
"""The container image of daytona-local, built and run: test_image.py SOURCE BUILD CACHE

packaging/image/Containerfile is built by buildah upon a bare system of this test's own (kept in CACHE), and run by podman with the
privileges that docs/local-server.md names and no others. The network of the containers, and the mounts that podman makes, are in
namespaces that end with the test. BUILD is a build folder with the library. Needs root and the network.
"""
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bare
from bare import sh

SOURCE, BUILD, CACHE = (Path(word).resolve() for word in sys.argv[1:4])
sys.path.insert(0, str(SOURCE / "tests" / "lib"))
import tap  # noqa: E402

SYSTEM = "bookworm"
PORT = 3986  # in a network namespace of our own, so it is free
NAME = "daytona-local-of-a-test"
CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_SYS_ADMIN = 12, 19, 21


def documented():
    """The options of the two commands in docs/local-server.md: with a network for sandboxes, and without."""
    text = (SOURCE / "docs/local-server.md").read_text()
    found = [" ".join(command.replace("\\\n", " ").split()) for command in re.findall(r"(?m)^    (podman run (?:.*\\\n)*.*)$", text)]
    assert len(found) == 2, found
    options = [re.fullmatch(rf"podman run -d --name daytona-local (.*) -v daytona-local:/state -p 127.0.0.1:{PORT}:{PORT} daytona-local", command)
               for command in found]
    assert all(options), found
    return [match[1].split() for match in options]


class Containers:
    """A store of containers in a folder, and the namespaces in which they run."""

    def __init__(self, place):
        self.place = Path(place)
        self.store = ["--root", self.place / "store", "--runroot", self.place / "run", "--storage-driver", "overlay"]
        # Podman's own limits are above those of this process, for which root in a container has no right.
        files, processes = (resource.getrlimit(kind)[1] for kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC))
        limits = [f"{name}={hard}:{hard}" for name, hard in (("nofile", files), ("nproc", min(processes, 32768))) if hard > 0]
        conf = self.place / "containers.conf"
        conf.write_text(f"[containers]\ndefault_ulimits = {json.dumps(limits)}\n[network]\nnetwork_backend = \"netavark\"\n"
                        "[engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n")
        self.env = {**os.environ, "CONTAINERS_CONF": str(conf)}
        self.holder = None
        self.extra = []

    def buildah(self, *words):
        return sh("buildah", *self.store, *words)

    def build(self, source):
        base = self.buildah("from", "scratch").strip()
        self.buildah("add", base, bare.tarball(SYSTEM, CACHE), "/")
        self.buildah("commit", "--quiet", "--rm", base, "bare")
        self.buildah("build", "--isolation", "chroot", "--network", "host", "--pull-never", "--build-arg", "BASE=localhost/bare", "-t", "daytona-local",
                     "-f", source / "packaging/image/Containerfile", source)

    def enter(self):
        """The namespaces, with the version of control groups that crun knows, where this machine mixes two."""
        script = ("if [ \"$(stat -fc %T /sys/fs/cgroup)\" != cgroup2fs ]; then umount -R /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup; fi; "
                  "ip link set lo up; echo ready; exec sleep infinity")
        self.holder = subprocess.Popen(["unshare", "--mount", "--net", "sh", "-c", script], stdout=subprocess.PIPE, text=True)
        assert self.holder.stdout.readline() == "ready\n"
        self.extra = []
        try:
            self.podman("run", "--rm", "--network", "none", "localhost/bare", "true")
        except AssertionError as e:
            # crun wants CAP_SYS_RESOURCE for the control group of a container.
            reason = str(e).strip().splitlines()[-1].rpartition("Error: ")[2]
            print(f"# containers get no control group on this machine: {reason}", flush=True)
            self.extra = ["--cgroups=disabled"]

    def inside(self, *words, **more):
        assert self.holder is not None, "the image was not built"
        return sh("nsenter", "--target", self.holder.pid, "--mount", "--net", *words, env={**self.env, **more})

    def podman(self, verb, *words):
        extra = self.extra if verb == "run" else []
        return self.inside("podman", *self.store, "--tmpdir", self.place / "tmp", verb, *extra, *words)

    def close(self):
        if self.holder is not None:
            subprocess.run(["nsenter", "--target", str(self.holder.pid), "--mount", "--net", "podman", *map(str, self.store), "--tmpdir",
                            str(self.place / "tmp"), "rm", "--all", "--force", "--time", "5"], capture_output=True, env=self.env, check=False)
            self.holder.kill()
            self.holder.wait()
        for folder in self.place.glob("store/overlay*"):
            subprocess.run(["umount", "-R", "-l", str(folder)], capture_output=True, check=False)
        shutil.rmtree(self.place, ignore_errors=True)


def main():
    if os.geteuid() != 0 or not all(shutil.which(name) for name in ("buildah", "podman", "mmdebstrap")):
        print("1..0 # SKIP images are built and run by root with buildah, podman and mmdebstrap")
        return 0
    bare.end_in_order()
    os.umask(0o022)
    made = Containers(tempfile.mkdtemp(prefix="image-", dir="/var/tmp"))
    api = f"http://127.0.0.1:{PORT}/api"

    def start(options):
        made.podman("run", "-d", "--replace", "--name", NAME, *options, "-v", "state:/state", "-p", f"127.0.0.1:{PORT}:{PORT}", "localhost/daytona-local")
        ready(1)

    def ready(starts):
        """The log goes on where a stopped container is started again."""
        end = time.monotonic() + 60
        while (said := logs()).count("listening on") < starts:
            assert time.monotonic() < end and "running" in made.podman("inspect", NAME, "--format", "{{.State.Status}}"), said
            time.sleep(0.2)

    def logs():
        done = subprocess.run(["nsenter", "--target", str(made.holder.pid), "--mount", "podman", *map(str, made.store), "--tmpdir", str(made.place / "tmp"),
                               "logs", NAME], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=made.env, check=False)
        return done.stdout

    def key():
        return made.podman("exec", NAME, "cat", "/state/key").strip()

    def ask(method, path, body=None):
        words = ["curl", "-sS", "--fail-with-body", "--max-time", "60", "-X", method, "-H", f"Authorization: Bearer {key()}", "-H", "Content-Type: application/json"]
        text = made.inside(*words, *(["-d", json.dumps(body)] if body is not None else []), f"http://127.0.0.1:{PORT}{path}")
        return json.loads(text) if text else None

    def stop():
        """By the signal that a container manager sends; the status is that of the server."""
        before = time.monotonic()
        made.podman("stop", "--time", "20", NAME)
        assert time.monotonic() - before < 15, "it had to be killed"
        assert made.podman("inspect", NAME, "--format", "{{.State.ExitCode}}").strip() == "0", logs()

    def it_is_built():
        place = tempfile.mkdtemp(prefix="release-", dir="/var/tmp")
        try:
            made.build(bare.release(SOURCE, place)[1])
        finally:
            shutil.rmtree(place, ignore_errors=True)
        made.enter()

    def it_is_process_one_with_the_documented_privileges():
        start(documented()[0])
        assert made.podman("exec", NAME, "cat", "/proc/1/comm").strip() == "daytona-local"
        rights = [int(made.podman(*words).split()[1], 16) for words in (["exec", NAME, "grep", "CapEff", "/proc/1/status"],
                  ["run", "--rm", "--network", "none", "localhost/bare", "grep", "CapEff", "/proc/self/status"])]
        assert rights[0] ^ rights[1] == 1 << CAP_NET_ADMIN | 1 << CAP_SYS_PTRACE | 1 << CAP_SYS_ADMIN, rights

    def a_program_outside_uses_a_sandbox():
        program = made.place / "first"
        uv = sh("pkg-config", "--cflags", "--libs", "libuv").split()
        sh("cc", "-std=gnu11", SOURCE / "tests/consumers/first.c", f"-I{SOURCE}/include", f"-L{BUILD}/lib", "-ldaytona", f"-Wl,-rpath,{BUILD}/lib", *uv, "-o", program)
        assert made.inside(program, DAYTONA_API_URL=api, DAYTONA_API_KEY=key()) == "from the sandbox\n"

    def sandboxes_have_a_network():
        info = ask("GET", "/admin/info")
        assert not any(info["network"]["missing"].values()), info["network"]
        sandbox = ask("POST", "/api/sandbox", {})["id"]
        result = ask("POST", f"/toolbox/{sandbox}/process/execute", {"command": "id -u; cat /proc/net/dev"})
        assert result["exitCode"] == 0 and result["result"].startswith("1000\n") and "tap0" in result["result"], result
        assert ask("GET", "/admin/info")["boxes"][sandbox]["network"] == "private"
        sandbox = ask("POST", "/api/sandbox", {"domainAllowList": "example.com"})["id"]
        assert ask("GET", "/admin/info")["boxes"][sandbox]["rules"] != "none"

    def signals_stop_it():
        first = ask("POST", "/api/sandbox", {"name": "kept"})["id"]
        ask("POST", f"/toolbox/{first}/process/execute", {"command": "echo kept > note"})
        stop()
        made.podman("start", NAME)
        ready(2)
        assert ask("GET", "/api/sandbox/kept")["id"] == first
        ask("POST", "/api/sandbox/kept/start")
        end = time.monotonic() + 30
        while ask("GET", "/api/sandbox/kept")["state"] != "started":
            assert time.monotonic() < end
            time.sleep(0.2)
        assert ask("POST", f"/toolbox/{first}/process/execute", {"command": "cat note"})["result"] == "kept\n"
        made.podman("kill", "--signal", str(int(signal.SIGINT)), NAME)
        assert made.podman("wait", NAME).strip() == "0", logs()
        made.podman("rm", "--force", "--volumes", NAME)

    def without_a_network_less_is_enough():
        start(documented()[1])
        sandbox = ask("POST", "/api/sandbox", {})["id"]
        assert ask("POST", f"/toolbox/{sandbox}/process/execute", {"command": "echo it runs"})["result"] == "it runs\n"
        assert ask("GET", "/admin/info")["boxes"][sandbox]["network"].startswith("none")
        stop()
        made.podman("rm", "--force", "--volumes", NAME)

    try:
        return tap.run_all([it_is_built, it_is_process_one_with_the_documented_privileges, a_program_outside_uses_a_sandbox, sandboxes_have_a_network,
                            signals_stop_it, without_a_network_less_is_enough])
    finally:
        made.close()


if __name__ == "__main__":
    sys.exit(main())
