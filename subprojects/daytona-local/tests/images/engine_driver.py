# SPDX-License-Identifier: Apache-2.0
"""What tests of images need: images made by hand, a registry on loopback, and the engine without a server (engine.c).

Only the standard library, busybox-static and docker-registry. Nothing needs the outside.
"""
import base64
import ctypes
import gzip
import hashlib
import http.client
import io
import json
import os
import queue
import shutil
import socket
import subprocess
import tarfile
import tempfile
import threading
import time
import unittest

TOOLS = ["sh", "ls", "cat", "echo", "sleep", "id", "env", "mkdir", "touch", "rm", "ps", "wget", "nc", "grep", "head", "tail", "stat",
         "mount", "ip", "ln", "cp", "chown", "true", "false", "test", "seq", "dd", "readlink", "pwd", "chmod", "find", "printf"]
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def lacking(*programs):
    """The first of the programs that is not here, or None."""
    for name in programs:
        if not shutil.which(name, path="/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"):
            return name
    return None


def busybox_root(directory):
    """A root folder with nothing but busybox, by the names of its tools."""
    os.makedirs(os.path.join(directory, "bin"))
    for name in ("tmp", "etc", "proc", "dev", "sys", "root"):
        os.mkdir(os.path.join(directory, name))
    os.chmod(os.path.join(directory, "tmp"), 0o1777)
    shutil.copy(shutil.which("busybox"), os.path.join(directory, "bin", "busybox"))
    for tool in TOOLS:
        os.symlink("busybox", os.path.join(directory, "bin", tool))
    with open(os.path.join(directory, "etc", "passwd"), "w", encoding="utf-8") as file:
        file.write("root:x:0:0:root:/root:/bin/sh\napp:x:1234:1234:app:/tmp:/bin/sh\n")
    with open(os.path.join(directory, "etc", "group"), "w", encoding="utf-8") as file:
        file.write("root:x:0:\napp:x:1234:\n")
    return directory


def debian_root(cache):
    """A small Debian as a tar file, made once per folder with the machine's own package sources."""
    path = os.path.join(cache, "debian-image.tar")
    if os.path.exists(path):
        return path
    if lacking("mmdebstrap") or os.geteuid() != 0:
        raise unittest.SkipTest("a Debian is made by root with mmdebstrap")
    done = subprocess.run(["mmdebstrap", "--variant=essential", "--quiet", "--format=tar", "bookworm", path + ".new"], capture_output=True, text=True)
    if done.returncode != 0:
        raise unittest.SkipTest("mmdebstrap cannot make a Debian here: " + (done.stderr.strip().splitlines() or ["?"])[-1].replace("#", ""))
    os.rename(path + ".new", path)
    return path


def layer_of(root):
    """The folder as an uncompressed tar with owner 0."""
    out = io.BytesIO()

    def settle(info):
        info.uid = info.gid = 0
        info.uname = info.gname = ""
        return info

    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.add(root, arcname=".", filter=settle)
    return out.getvalue()


def tar_of(entries):
    """{name: bytes, or a TarInfo}."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in entries.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
                continue
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o644
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


class Image:
    """An image made by hand: layers as tars, and what its configuration says."""

    def __init__(self, *layers, **config):
        self.layers = layers
        self.config = json.dumps({
            "created": "2026-01-02T03:04:05Z", "architecture": os.environ.get("TEST_ARCHITECTURE", "amd64"), "os": "linux",
            "config": {"Env": [PATH], **config},
            "history": [{"created": "2026-01-02T03:04:05Z", "created_by": "by hand"} for _ in layers],
            "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]}}).encode()

    @property
    def id(self):
        return hashlib.sha256(self.config).hexdigest()

    def docker_archive(self, path, name):
        with open(path, "wb") as file:
            names = ["%d/layer.tar" % i for i in range(len(self.layers))]
            manifest = [{"Config": self.id + ".json", "RepoTags": [name], "Layers": names}]
            file.write(tar_of({"manifest.json": json.dumps(manifest).encode(), self.id + ".json": self.config,
                               **dict(zip(names, self.layers))}))
        return path

    def oci_files(self):
        blobs = [gzip.compress(layer, mtime=0) for layer in self.layers]
        manifest = json.dumps({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(self.config), "size": len(self.config)},
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest(b), "size": len(b)}
                       for b in blobs]}).encode()
        index = {"schemaVersion": 2, "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json",
                                                    "digest": digest(manifest), "size": len(manifest)}]}
        files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": json.dumps(index).encode()}
        for blob in [manifest, self.config, *blobs]:
            files["blobs/sha256/" + digest(blob)[7:]] = blob
        return manifest, blobs, files

    def oci_archive(self, path):
        with open(path, "wb") as file:
            file.write(tar_of(self.oci_files()[2]))
        return path

    def oci_folder(self, path):
        for name, content in self.oci_files()[2].items():
            os.makedirs(os.path.dirname(os.path.join(path, name)), exist_ok=True)
            with open(os.path.join(path, name), "wb") as file:
                file.write(content)
        return path


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def bcrypt(password):
    """As the registry wants it. Python had this until 3.12; the system's libcrypt has it everywhere."""
    lib = ctypes.CDLL("libcrypt.so.1")
    lib.crypt.restype = lib.crypt_gensalt.restype = ctypes.c_char_p
    return lib.crypt(password.encode(), lib.crypt_gensalt(b"$2y$", 5, None, 0)).decode()


class Registry:
    """A registry on a free port of loopback, plain HTTP. `user`: NAME:PASSWORD that it wants."""

    def __init__(self, user=None):
        self.directory = tempfile.mkdtemp(prefix="dl-registry-")
        self.user = user
        self.port = free_port()
        self.host = "127.0.0.1:%d" % self.port
        config = {"version": 0.1, "log": {"level": "error"}, "storage": {"filesystem": {"rootdirectory": self.directory + "/data"}},
                  "http": {"addr": self.host, "secret": "of-this-test"}}
        if user:
            name, password = user.split(":", 1)
            with open(self.directory + "/users", "w", encoding="utf-8") as file:
                file.write("%s:%s\n" % (name, bcrypt(password)))
            config["auth"] = {"htpasswd": {"realm": "test", "path": self.directory + "/users"}}
        with open(self.directory + "/config.yml", "w", encoding="utf-8") as file:
            json.dump(config, file)
        self.log = open(self.directory + "/log", "wb")
        self.process = subprocess.Popen(["docker-registry", "serve", self.directory + "/config.yml"], stdout=self.log,
                                        stderr=subprocess.STDOUT, cwd=self.directory)
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.05)
        self.close()
        raise RuntimeError("docker-registry does not start")

    def request(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        if self.user:
            headers["Authorization"] = "Basic " + base64.b64encode(self.user.encode()).decode()
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        if answer.status >= 300:
            raise RuntimeError("%s %s: %d" % (method, path, answer.status))
        return answer

    def push(self, repository, tag, image):
        manifest, blobs, _ = image.oci_files()
        for blob in [image.config, *blobs]:
            place = self.request("POST", "/v2/%s/blobs/uploads/" % repository).headers["Location"]
            path = "/v2/" + place.split("/v2/", 1)[1]
            path += ("&" if "?" in path else "?") + "digest=" + digest(blob)
            self.request("PUT", path, blob, **{"Content-Type": "application/octet-stream"})
        self.request("PUT", "/v2/%s/manifests/%s" % (repository, tag), manifest,
                     **{"Content-Type": "application/vnd.oci.image.manifest.v1+json"})
        return "%s/%s:%s" % (self.host, repository, tag)

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def close(self):
        self.stop()
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)


class Engine:
    """engine.c. `user`: a number, then it runs as that user with subordinate ids of its own."""

    SUBORDINATE = 400000

    def __init__(self, state, *options, env=None, user=None, program=None, prefix=()):
        self.state = state
        self.last, self.lines, self.logs, self.done, self.shown = 0, queue.Queue(), {}, {}, queue.Queue()
        command = [*prefix, program or os.environ["IMAGE_ENGINE"], state, *options]
        if user is not None:
            # The maps of ids are files that only this process tree sees.
            script = ('mount --bind "$1" /etc/subuid && mount --bind "$1" /etc/subgid && shift && '
                      'exec setpriv --reuid="$0" --regid="$0" --clear-groups "$@"')
            ids = os.path.join(os.path.dirname(state), "ids")
            with open(ids, "w", encoding="utf-8") as file:
                file.write("%d:%d:65536\n" % (user, self.SUBORDINATE))
            command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, str(user), ids, *command]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, text=True)
        self.missing = json.loads(self.process.stdout.readline() or '{"missing": "it did not start"}')["missing"]
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            told = json.loads(line)
            if "log" in told:
                self.logs[told["id"]] = self.logs.get(told["id"], "") + told["log"]
                self.lines.put(told["id"])
            elif "code" in told:
                self.done[told["id"]] = told
                self.lines.put(told["id"])
            else:
                self.shown.put(told)
        self.lines.put(None)

    def say(self, *words):
        self.process.stdin.write("\t".join(words) + "\n")
        self.process.stdin.flush()

    def begin(self, command, *words):
        self.last += 1
        self.say(command, str(self.last), *words)
        return str(self.last)

    def until(self, holds, timeout=120):
        end = time.monotonic() + timeout
        while not holds():
            try:
                if self.lines.get(timeout=max(0.01, end - time.monotonic())) is None:
                    raise AssertionError("the engine has ended")
            except queue.Empty:
                raise AssertionError("nothing in time; logs: %r" % self.logs) from None

    def wait(self, job):
        self.until(lambda: job in self.done)
        return Done(self.done[job], self.logs.get(job, ""))

    def wait_log(self, job, text):
        self.until(lambda: text in self.logs.get(job, "") or job in self.done)
        if text not in self.logs.get(job, ""):
            raise AssertionError("%r is not in the log: %r, %r" % (text, self.logs.get(job), self.done.get(job)))

    def run(self, command, *words):
        return self.wait(self.begin(command, *words))

    def build(self, dockerfile, name="-", *contexts):
        path = os.path.join(os.path.dirname(self.state), "Dockerfile.%d" % self.last)
        with open(path, "w", encoding="utf-8") as file:
            file.write(dockerfile)
        return self.begin("build", name, path, *contexts)

    def show(self, name):
        self.say("show", name)
        return self.shown.get(timeout=60)["image"]

    def list(self):
        self.say("list")
        return self.shown.get(timeout=60)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()

    def close(self):
        """Its exit status: 0 when every handle is closed."""
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(timeout=60)
        return self.process.returncode


class Done:
    CODES = ["OK", "CANCELLED", "UNAVAILABLE", "UNKNOWN", "REFUSED", "NO_NETWORK", "NO_SPACE", "INVALID", "STEP_FAILED", "FAILED"]

    def __init__(self, told, log):
        self.code = self.CODES[told["code"]]
        self.error, self.image, self.layers, self.log = told["error"], told.get("image"), told.get("layers"), log

