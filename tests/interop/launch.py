# SPDX-License-Identifier: Apache-2.0
"""Runs the scenarios with one official SDK, or a binding, against a fresh daytona-local: launch.py CLIENT MODE [NAME...]

CLIENT is python, python-async, typescript, the same with -newest behind it for the newest of their versions, or boto3 (which has
scenarios of its own, for the object store), or python-binding, which is bindings/python under the names of the official SDK: then
LIBDAYTONA_PATH names the library, and LIBDAYTONA_SANITIZER what it was built with. MODE is events (the SDK uses its event socket; without the scenarios of streams), polling, or tls (polling, and the server has a certificate of an authority made for this
run, which the SDK's own TLS has to accept). An SDK that could not be installed skips every scenario
with the reason that the installer left.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "subprojects", "daytona-local", "tests", "server"))
import image_fixtures  # noqa: E402  (the path has to come first)
import test_a11y  # noqa: E402
# Slow to start, and the same whatever carries the requests: with plain polling only.
ONCE = ("lsp_", "accessibility", "desktop")
STREAMS = ("session_", "pty_", "interpreter_", "stream")
SCENARIOS = os.path.join(HERE, "scenarios.txt")


def scenario_names():
    with open(SCENARIOS, encoding="ascii") as names:
        return names.read().split()


def skip_all(reason, client):
    names = ["boto3"] if client == "boto3" else scenario_names()
    print(f"1..{len(names)}")
    for number, name in enumerate(names, 1):
        print(f"ok {number} - {name} # SKIP {reason}")
    return 0


def missing(cache, name):
    """Why the SDK `name` cannot be used, or None."""
    if os.path.exists(os.path.join(cache, name + ".stamp")):
        return None
    note = os.path.join(cache, name + ".missing")
    if os.path.exists(note):
        with open(note, encoding="utf-8", errors="replace") as text:
            return text.read().strip()
    return "the SDK is not installed; tests/interop/install installs it"


def binding(cache, env):
    """The command of Python with bindings/python, which is put together in the test's folder, and with the library's sanitizer."""
    root = os.path.join(HERE, "..", "..")
    python = os.path.join(cache, "cffi", "bin", "python")
    package = os.path.join(env["TMPDIR"], "binding", "libdaytona")
    shutil.copytree(os.path.join(root, "bindings", "python", "libdaytona"), package)
    subprocess.run([python, os.path.join(root, "bindings", "python", "make_cdef.py"), os.path.join(root, "include"),
                    os.path.join(package, "_abi.py")], check=True, stdout=subprocess.DEVNULL)
    env.update(PYTHONPATH=os.path.dirname(package), LIBDAYTONA_PATH=os.path.abspath(env["LIBDAYTONA_PATH"]))
    command = [python, os.path.join(HERE, "python", "run.py"), "python-binding"]
    if "address" not in env.get("LIBDAYTONA_SANITIZER", ""):
        return command
    found = subprocess.run(["cc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True).stdout.strip()
    return ["env", "LD_PRELOAD=" + found, "ASAN_OPTIONS=detect_leaks=0", *command]


def make_certificate(folder):
    """(certificate, key, authority) of a server on 127.0.0.1, signed by an authority of its own."""
    def path(name):
        return os.path.join(folder, name)

    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    with open(path("server.ext"), "w", encoding="ascii") as text:
        text.write("subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n"
                   "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")
    openssl("req", "-x509", *key, "-keyout", path("ca.key"), "-out", path("ca.pem"), "-days", "2",
            "-subj", "/CN=interop authority", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    openssl("req", *key, "-keyout", path("server.key"), "-out", path("server.csr"), "-subj", "/CN=127.0.0.1")
    openssl("x509", "-req", "-in", path("server.csr"), "-CA", path("ca.pem"), "-CAkey", path("ca.key"),
            "-CAcreateserial", "-extfile", path("server.ext"), "-days", "2", "-out", path("server.pem"))
    return path("server.pem"), path("server.key"), path("ca.pem")


SYSTEM_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"


def with_authority(folder, authority, command):
    """The command in a mount namespace in which the system's authorities have ours among them, since the storage library
    of the Python SDK trusts no others; None where there can be no such namespace."""
    together = os.path.join(folder, "authorities.pem")
    unshare = ["unshare", "--mount"] + ([] if os.geteuid() == 0 else ["--map-root-user"])
    bind = 'mount --bind "$0" %s && exec "$@"' % SYSTEM_AUTHORITIES
    wrapped = [*unshare, "sh", "-c", bind, together, *command]
    try:
        with open(together, "wb") as out:
            for name in (SYSTEM_AUTHORITIES, authority):
                with open(name, "rb") as text:
                    out.write(text.read())
        subprocess.run([*wrapped[:-len(command)], "true"], check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        return None
    return wrapped


def start_registry(env):
    """One on loopback with an image for the scenarios, which INTEROP_IMAGE names; or INTEROP_NO_IMAGES says why there is none."""
    reason = image_fixtures.missing()
    if reason:
        env["INTEROP_NO_IMAGES"] = reason
        return None
    registry = image_fixtures.Registry()
    env["INTEROP_IMAGE"] = registry.push("base/busybox", "1.36")
    return registry


def programs_of_sandboxes(cache, env):
    """Options of the server with which sandboxes see the language servers. INTEROP_NO_PYLSP, INTEROP_NO_TSSERVER and INTEROP_NO_A11Y
    say why there is none, or no accessibility."""
    if not shutil.which("pylsp", path="/usr/local/bin:/usr/bin:/bin"):
        env["INTEROP_NO_PYLSP"] = "pylsp is not installed (python3-pylsp)"
    reason = test_a11y.missing()
    if reason:
        env["INTEROP_NO_A11Y"] = "not installed: " + reason
    reason = missing(cache, "lsp")
    if reason:
        env["INTEROP_NO_TSSERVER"] = reason
        return []
    return ["--node-modules", os.path.abspath(os.path.join(cache, "lsp", "node_modules"))]


def desktops(server, env):
    """INTEROP_NO_DESKTOP and INTEROP_NO_FFMPEG say why not."""
    lack = [name for name in ("Xvfb", "icewm", "x11vnc", "websockify", "xterm") if not shutil.which(name)]
    if not os.path.exists(os.path.join(os.path.dirname(server), "daytona-local-desktop")):
        lack.append("daytona-local-desktop")
    if lack:
        env["INTEROP_NO_DESKTOP"] = "not installed: " + ", ".join(lack)
    if not shutil.which("ffmpeg"):
        env["INTEROP_NO_FFMPEG"] = "ffmpeg is not installed"


def main():
    client, mode, *only = sys.argv[1:]
    cache = os.path.abspath(os.environ.get("DAYTONA_INTEROP_CACHE") or "build/interop")
    server = os.environ.get("DAYTONA_LOCAL")
    client, is_newest = client.removesuffix("-newest"), client.endswith("-newest")
    python_folder, node_folder = ("python-newest", "node-newest") if is_newest else ("python", "node")
    if client == "typescript":
        command = ["node", os.path.join(HERE, "typescript", "run.mjs")]
        reason = missing(cache, node_folder)
    elif client == "boto3":
        command = [os.path.join(cache, "boto3", "bin", "python"), os.path.join(HERE, "boto3_store.py")]
        reason = missing(cache, "boto3")
    elif client == "python-binding":
        command = None
        reason = missing(cache, "cffi")
    else:
        python = os.path.join(cache, python_folder, "bin", "python")
        command = [python, os.path.join(HERE, "python", "run.py"), client]
        reason = missing(cache, python_folder)
    if reason is None and not server:
        reason = "daytona-local was not built"
    if reason is not None:
        return skip_all(reason, client)
    env = dict(os.environ, INTEROP_NODE_MODULES=os.path.join(cache, node_folder, "node_modules"),
               INTEROP_SCENARIOS=SCENARIOS, INTEROP_NODE_SDK="@daytonaio/sdk" if is_newest else "@daytona/sdk")
    with contextlib.ExitStack() as stack:
        if "TMPDIR" not in env:
            env["TMPDIR"] = stack.enter_context(tempfile.TemporaryDirectory())
            os.chmod(env["TMPDIR"], 0o711)  # users of sandboxes pass through it
        return run(client, mode, only, server, cache, command or binding(cache, env), env)


def run(client, mode, only, server, cache, command, env):
    # The SDKs read .env files of the working directory: run where there are none.
    os.chdir(env["TMPDIR"])
    left_out = () if mode == "polling" else ONCE
    if mode != "events":
        env["DAYTONA_USE_DEPRECATED_POLLING"] = "true"
    else:
        # The event socket tells of sandboxes; streams and what goes on inside one know nothing of it.
        left_out += STREAMS
    if left_out and not only and client != "boto3":
        only = [name for name in scenario_names() if not name.startswith(left_out)]
    options = programs_of_sandboxes(cache, env)
    desktops(server, env)
    if mode == "tls":
        certificate, key, authority = make_certificate(env["TMPDIR"])
        options += ["--tls-cert", certificate, "--tls-key", key]
        env.update(SSL_CERT_FILE=authority, NODE_EXTRA_CA_CERTS=authority, AWS_CA_BUNDLE=authority)
        wrapped = with_authority(env["TMPDIR"], authority, command) if client.startswith("python") else None
        if wrapped:
            command = wrapped
            env["INTEROP_SYSTEM_TRUSTS_US"] = "yes"
    registry = start_registry(env)
    if registry:
        options += registry.options()
    sys.stdout.flush()
    try:
        return subprocess.run([server, "run", *options, "--", *command, *only], env=env).returncode
    finally:
        if registry:
            registry.close()


if __name__ == "__main__":
    sys.exit(main())
