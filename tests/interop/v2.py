# SPDX-License-Identifier: Apache-2.0
"""The SDK of the next platform (2.x) against daytona-local: v2.py

Its part for our protocol, d.v0, works through DAYTONA_V0_API_URL; the rest finds plain 404 answers, never something else that
happens to have the name. Runs itself again inside of `daytona-local run`, as v2.py inside. Reports TAP.
"""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
NAMES = ["v0_creates_runs_and_deletes", "v2_finds_nothing", "unknown_routes_are_plain_404s"]


def v0_creates_runs_and_deletes():
    from daytona import Daytona
    d = Daytona()
    sandbox = d.v0.create()
    answer = sandbox.process.exec("echo hello")
    assert (answer.exit_code, answer.result) == (0, "hello\n"), answer
    assert sandbox.id in [one.id for one in d.v0.list()]
    sandbox.stop()
    sandbox.start()
    d.v0.delete(sandbox)


def v2_finds_nothing():
    from daytona import Daytona
    d = Daytona()
    try:
        list(d.v2.list())
    except Exception as error:  # of whatever class: it must say that there is no such thing
        assert "404" in repr(error) or "not found" in str(error).lower() or "NotFound" in type(error).__name__, repr(error)
        return
    raise AssertionError("v2 has found something")


def unknown_routes_are_plain_404s():
    """At the API's base, and at the server's own address, where some may look."""
    api = os.environ["DAYTONA_V0_API_URL"]
    for base in (api, api.removesuffix("/api")):
        for method, path in (("GET", "/sandboxes?limit=1"), ("POST", "/sandboxes"), ("GET", "/sandboxes/search"), ("GET", "/images"),
                             ("POST", "/sandboxes/from-snapshot"), ("GET", "/reservations"), ("POST", "/auth/token")):
            request = urllib.request.Request(base + path, method=method, data=b"{}" if method == "POST" else None,
                                             headers={"Authorization": "Bearer " + os.environ["DAYTONA_API_KEY"],
                                                      "Content-Type": "application/json"})
            try:
                urllib.request.urlopen(request, timeout=20)
                raise AssertionError(f"{method} {base + path} was answered")
            except urllib.error.HTTPError as error:
                body = json.loads(error.read())
                assert error.code == 404 and body["statusCode"] == 404, (method, base + path, error.code, body)


def run_inside():
    failed = 0
    for number, name in enumerate(NAMES, 1):
        try:
            globals()[name]()
            print(f"ok {number} - {name}", flush=True)
        except Exception as error:
            failed += 1
            print(f"# {type(error).__name__}: {str(error)[:600]}".replace("\n", " "))
            print(f"not ok {number} - {name}", flush=True)
    return 1 if failed else 0


def main():
    if sys.argv[1:] == ["inside"]:
        return run_inside()
    sys.path.insert(0, HERE)
    import launch
    cache, server = os.environ.get("DAYTONA_INTEROP_CACHE") or "build/interop", os.environ.get("DAYTONA_LOCAL")
    reason = launch.missing(cache, "python-v2") or (None if server else "daytona-local was not built")
    print(f"1..{len(NAMES)}", flush=True)
    if reason is not None:
        for number, name in enumerate(NAMES, 1):
            print(f"ok {number} - {name} # SKIP {reason}")
        return 0
    python = os.path.join(cache, "python-v2", "bin", "python")
    os.chdir(os.environ.get("TMPDIR") or "/")
    inside = 'export DAYTONA_V0_API_URL="$DAYTONA_API_URL"; exec "$0" "$@"'
    return subprocess.run([server, "run", "--", "sh", "-c", inside, python, os.path.abspath(__file__), "inside"]).returncode


if __name__ == "__main__":
    sys.exit(main())
