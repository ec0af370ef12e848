# SPDX-License-Identifier: Apache-2.0
"""A registry on loopback, and images for it that are made here: nothing comes from the outside."""
import gzip
import hashlib
import http.client
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time

PROGRAMS = ("buildah", "docker-registry", "busybox")


def missing():
    """Why there can be no images here; None: there can."""
    absent = [name for name in PROGRAMS if not shutil.which(name)]
    return "not installed: %s" % ", ".join(absent) if absent else None


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def busybox_layer(files=()):
    """A root that holds only busybox, under the names of its programs; `files`: (path, bytes) more."""
    program = shutil.which("busybox")
    names = subprocess.run([program, "--list"], check=True, capture_output=True, text=True).stdout.split()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for folder in ("bin", "etc", "tmp", "root"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
        with open(program, "rb") as file:
            data = file.read()
        entry = tarfile.TarInfo("bin/busybox")
        entry.size, entry.mode = len(data), 0o755
        tar.addfile(entry, io.BytesIO(data))
        for name in names:
            if name == "busybox":
                continue
            entry = tarfile.TarInfo("bin/" + name)
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(entry)
        known = {"etc/passwd": b"root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/tmp:/bin/sh\n",
                 "etc/group": b"root:x:0:\napp:x:1000:\n"}
        for path, data in [*known.items(), *files]:
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(data), 0o644
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


class Registry:
    """docker-registry on a free port of loopback; `name` is how images are called there."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="dl-registry-")
        self.port = free_port()
        self.name = "127.0.0.1:%d" % self.port
        with open(os.path.join(self.folder, "config.yml"), "w") as config:
            config.write("version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: %s/data\n"
                         "  delete:\n    enabled: true\nhttp:\n  addr: %s\n" % (self.folder, self.name))
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(["docker-registry", "serve", os.path.join(self.folder, "config.yml")],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while True:
            try:
                if self.call("GET", "/v2/")[0] == 200:
                    return
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("docker-registry does not start")
            time.sleep(0.02)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def call(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def blob(self, repository, data):
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        status, headers, _ = self.call("POST", "/v2/%s/blobs/uploads/" % repository)
        assert status == 202, status
        where = headers["Location"].split(self.name, 1)[-1]
        where += ("&" if "?" in where else "?") + "digest=" + digest
        status, _, text = self.call("PUT", where, data, {"Content-Type": "application/octet-stream"})
        assert status == 201, text
        return {"digest": digest, "size": len(data)}

    def push(self, repository, tag, layer=None, **config):
        """An image of one layer; returns its name. `config`: Entrypoint, User, WorkingDir, Env, ..."""
        layer = layer if layer is not None else busybox_layer()
        packed = gzip.compress(layer, 1, mtime=0)
        about = {"architecture": "amd64", "os": "linux", "created": "2026-01-01T00:00:00Z",
                 "config": {"Env": ["PATH=/bin"], **config},
                 "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
                 "history": [{"created": "2026-01-01T00:00:00Z", "created_by": "image_fixtures.py"}]}
        kind = "application/vnd.docker.distribution.manifest.v2+json"
        manifest = {"schemaVersion": 2, "mediaType": kind,
                    "config": {"mediaType": "application/vnd.docker.container.image.v1+json",
                               **self.blob(repository, json.dumps(about).encode())},
                    "layers": [{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                                **self.blob(repository, packed)}]}
        status, _, text = self.call("PUT", "/v2/%s/manifests/%s" % (repository, tag), json.dumps(manifest).encode(),
                                    {"Content-Type": kind})
        assert status == 201, text
        return "%s/%s:%s" % (self.name, repository, tag)

    def options(self):
        """What a server is told to use it."""
        return ("--registry-insecure", self.name)
