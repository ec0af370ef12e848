# SPDX-License-Identifier: Apache-2.0
"""Drives every endpoint that daytona-local has and holds its answers against the descriptions.

Run under `daytona-local run --`. One test point per scenario: in each, calls have to give the
status that is written beside them, and every answer, errors included, has to fit the description of
its operation (tests/lib/openapi.py). A last point holds the operations that were never called.
"""

import http.client
import json
import os
import re
import sys
import time
import urllib.parse
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

import openapi  # noqa: E402
import tap  # noqa: E402

OPENAPI = os.path.normpath(os.path.join(HERE, "..", "..", "..", "shared", "openapi"))
WAIT_SECONDS = 30

# Operations of the control plane that this server has not, with the reason. Each must answer 404 with the envelope; all others
# must be called by the scenarios below. The first pattern that fits counts.
ABSENT = [
    (r"POST /sandbox/[^/]+/backup", "described as without effect"),
    (r"GET /sandbox/[^/]+/secrets", "values of secrets go into sandboxes and nowhere else"),
    (r"(GET /sandbox/for-runner|PUT /sandbox/[^/]+/state|GET /sandbox/[^/]+/(organization|region-quota))", "for runners, of which there are none"),
    (r"GET /sandbox/[^/]+/telemetry/(logs|traces.*)", "telemetry of sandboxes is not collected; metrics are"),
    (r"\w+ /(runners|jobs)(/.*)?", "for runners, of which there are none"),
    (r"\w+ /preview/.*", "for the proxy, which is part of the server"),
    (r"\w+ /(organizations|users)(/.*)?", "there is one organization, and nobody logs in"),
    (r"\w+ /api-keys(/(?!current).*)?", "keys are given on the command line"),
    (r"(POST|DELETE|PATCH) /regions(/.*)?|GET /regions/.+", "there is one region"),
    (r"\w+ /docker-registry(/.*)?", "credentials of registries are given on the command line"),
    (r"\w+ /(admin|webhooks|audit)(/.*)?", "the platform's own administration"),
    (r"GET /health/ready", "nothing but the server itself could be missing"),
]

# Operations of the toolbox whose answers other tests hold against what they should be.
ELSEWHERE = [
    (r"\w+ /(files|git)(/.*)?", "openapi-client_files and openapi-client_git, with the description"),
    (r"\w+ /computeruse/.*", "server-desktop"),
    (r"\w+ /lsp/.*", "sandbox-lsp"),
    (r"GET /process/session/(entrypoint|[^/]+/command/[^/]+)/logs", "JSON or text, as the client's version has it: sandbox-sessions"),
    (r"GET /process/pty/[^/]+/connect|GET /process/interpreter/execute", "WebSockets: sandbox-pty, sandbox-interpreter"),
]


def reason_for(table, operation):
    """Why the operation is not called here, or None."""
    return next((reason for pattern, reason in table if re.fullmatch(pattern, str(operation))), None)


class Server:
    """Speaks to daytona-local and judges what it says."""

    def __init__(self):
        url = urllib.parse.urlsplit(os.environ["DAYTONA_API_URL"])
        self.address = (url.hostname, url.port)
        self.base = url.path.rstrip("/")
        self.key = os.environ["DAYTONA_API_KEY"]
        self.api = openapi.Description.load(os.path.join(OPENAPI, "api.json"))
        self.toolbox = openapi.Description.load(os.path.join(OPENAPI, "toolbox.json"))
        self.called = set()

    def request(self, method, target, body, key):
        connection = http.client.HTTPConnection(*self.address, timeout=60)
        headers = {"Authorization": "Bearer " + (self.key if key is None else key)} if key != "" else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            connection.request(method, target, body=body, headers=headers)
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def call(self, method, target, body=None, expect=200, key=None, box=None):
        """One call; `box` sends it to the toolbox of that sandbox. The decoded body, or None."""
        description = self.toolbox if box else self.api
        prefix = f"/toolbox/{box}" if box else self.base
        status, headers, data = self.request(method, prefix + target, body, key)
        expected = expect if isinstance(expect, tuple) else (expect,)
        shown = f"{method} {target}: {status} {data[:300]!r}"
        assert status in expected, f"{shown}, expected {expected}"
        operation = description.find(method, target.partition("?")[0])
        if operation is not None:
            self.called.add(str(operation))
            problems = description.check_answer(operation, status, headers, data)
        else:
            problems = openapi.check_envelope(status, headers.get("content-type", "").partition(";")[0], data)
        assert not problems, f"{shown}\n" + "\n".join(problems[:10])
        if data and headers.get("content-type", "").startswith("application/json"):
            return json.loads(data)
        return None

    def create(self, **body):
        made = self.call("POST", "/sandbox", body)
        self.wait(made["id"], "started")
        return made["id"]

    def wait(self, box, *states):
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            state = self.call("GET", f"/sandbox/{box}")["state"]
            if state in states:
                return
            assert time.monotonic() < deadline, f"{box} stays {state}"
            time.sleep(0.02)

    def delete(self, box):
        self.call("DELETE", f"/sandbox/{box}")

    def stop(self, box):
        self.call("POST", f"/sandbox/{box}/stop")
        self.wait(box, "stopped")


def public_information(s):
    s.call("GET", "/config", key="")
    assert s.call("GET", "/health", key="")["status"] == "ok"


def authentication(s):
    s.call("GET", "/sandbox", key="", expect=401)
    s.call("GET", "/sandbox", key="wrong", expect=401)
    s.call("POST", "/process/execute", {"command": "true"}, key="wrong", box=uuid.uuid4(), expect=401)


def unknown_routes_and_bodies(s):
    s.call("GET", "/no/such/route", expect=404)
    status, _, text = s.request("POST", f"{s.base}/sandbox", b"{not json", None)
    assert status == 400 and json.loads(text)["statusCode"] == 400, text
    s.call("POST", "/sandbox", b"[]", expect=400)
    s.call("POST", "/sandbox", {"name": 5}, expect=400)
    s.call("POST", "/sandbox", {"env": {"A": 1}, "unknownKey": 1}, expect=(200, 400))
    for item in s.call("GET", "/sandbox")["items"]:
        s.delete(item["id"])


def create_refusals(s):
    for body, status in [({"snapshot": "no-such"}, 400), ({"target": "nowhere"}, 404), ({"cpu": 2}, 400),
                         ({"autoStopInterval": -1}, 400), ({"autoArchiveInterval": -1}, 400),
                         ({"networkAllowList": "10.0.0.0"}, 400), ({"name": "http://x"}, 400),
                         ({"volumes": [{"volumeId": "none", "mountPath": "/mnt/x"}]}, 404)]:
        s.call("POST", "/sandbox", body, expect=status)


def life_of_a_sandbox(s):
    name = f"life-{uuid.uuid4()}"
    box = s.create(name=name, labels={"a": "b"}, env={"K": "v"}, public=True)
    s.call("POST", "/sandbox", {"name": name}, expect=409)
    assert s.call("GET", f"/sandbox/{name}")["id"] == box
    s.call("POST", f"/sandbox/{box}/start")
    s.call("POST", f"/sandbox/{box}/archive", expect=400)
    s.call("POST", f"/sandbox/{box}/recover", expect=400)
    s.call("POST", f"/sandbox/{box}/pause", expect=422)
    s.call("POST", f"/sandbox/{box}/fork", {}, expect=422)
    s.call("POST", f"/sandbox/{box}/stop?force=perhaps", expect=400)
    s.stop(box)
    s.call("POST", f"/sandbox/{box}/stop", expect=400)
    s.call("POST", f"/sandbox/{box}/pause", expect=400)
    s.call("POST", f"/sandbox/{box}/start")
    s.wait(box, "started")
    s.stop(box)
    s.call("POST", f"/sandbox/{box}/archive")
    s.wait(box, "archived")
    s.call("POST", f"/sandbox/{box}/start")
    s.wait(box, "started")
    gone = s.call("DELETE", f"/sandbox/{box}")
    assert gone["desiredState"] == "destroyed" and gone["name"].startswith("DESTROYED_")
    s.call("GET", f"/sandbox/{name}", expect=404)
    s.call("DELETE", f"/sandbox/{uuid.uuid4()}", expect=404)


def start_at_any_moment_of_archiving(s):
    """Whether it cancels the archive, comes after it or in between, a start ends in started."""
    box = s.create()
    for delay_ms in range(0, 24, 2):
        s.stop(box)
        s.call("POST", f"/sandbox/{box}/archive")
        time.sleep(delay_ms / 1000)
        s.call("POST", f"/sandbox/{box}/start")
        s.wait(box, "started")
    s.delete(box)


def recover_after_an_error(s):
    box = s.create()
    admin = urllib.parse.urlsplit(os.environ["DAYTONA_LOCAL_ADMIN_URL"]).path
    for is_recoverable, status in ((False, 400), (True, 200)):
        state = {"state": "error", "errorReason": "injected", "recoverable": is_recoverable}
        answer = s.request("PUT", f"{admin}/sandbox/{box}/state", state, None)
        assert answer[0] < 300, answer
        assert s.call("GET", f"/sandbox/{box}")["errorReason"] == "injected"
        s.call("POST", f"/sandbox/{box}/start", expect=400)
        s.call("POST", f"/sandbox/{box}/recover", expect=status)
    s.wait(box, "started")
    s.delete(box)


def lists_and_pages(s):
    mark = f"mark-{uuid.uuid4()}"
    boxes = [s.create(labels={"mark": mark}) for _ in range(3)]
    query = urllib.parse.urlencode({"labels": json.dumps({"mark": mark}), "limit": 2})
    first = s.call("GET", f"/sandbox?{query}")
    assert len(first["items"]) == 2 and first["nextCursor"]
    second = s.call("GET", f"/sandbox?{query}&cursor={urllib.parse.quote(first['nextCursor'], safe='')}")
    assert len(second["items"]) == 1 and second["nextCursor"] is None
    assert sorted(item["id"] for item in first["items"] + second["items"]) == sorted(boxes)
    page = s.call("GET", f"/sandbox/paginated?{query}&page=2")
    assert (page["total"], page["totalPages"], len(page["items"])) == (3, 2, 1)
    assert s.call("GET", f"/sandbox/paginated?{query}&page=9")["items"] == []
    for query in ("states=started&states=stopped", "sort=name&order=asc", "minCpu=1&maxCpu=1e%2B06", "isPublic=true",
                  "createdAtAfter=2020-01-01T00:00:00%2B00:00", f"id={boxes[0][:8].upper()}", "name=x"):
        s.call("GET", f"/sandbox?{query}")
    for query in ("limit=0", "limit=201", "limit=x", "states=flying", "sort=weight", "order=up", "labels=%5B%5D",
                  "labels=%7B", "cursor=!!", "minCpu=x", "createdAtAfter=soon"):
        s.call("GET", f"/sandbox?{query}", expect=400)
    for box in boxes:
        s.delete(box)


def settings(s):
    box = s.create()
    path = f"/sandbox/{box}"
    assert s.call("PUT", f"{path}/labels", {"labels": {"x": "y"}})["labels"] == {"x": "y"}
    s.call("PUT", f"{path}/labels", {}, expect=400)
    s.call("PUT", "/sandbox/none/labels", {"labels": {}}, expect=404)
    assert s.call("POST", f"{path}/autostop/3")["autoStopInterval"] == 3
    assert s.call("POST", f"{path}/autoarchive/0")["autoArchiveInterval"] == 43200
    assert s.call("POST", f"{path}/autodelete/-1")["autoDeleteInterval"] == -1
    for bad in ("autostop/-1", "autostop/x", "autoarchive/-1", "autodelete/x", "ttl/-1"):
        s.call("POST", f"{path}/{bad}", expect=400)
    assert s.call("POST", f"{path}/ttl/9")["autoDestroyAt"]
    s.call("POST", f"{path}/last-activity", expect=201)
    s.call("POST", f"/sandbox/{uuid.uuid4()}/last-activity", expect=404)
    assert s.call("GET", f"{path}/toolbox-proxy-url")["url"].startswith("http")
    s.stop(box)
    assert s.call("POST", f"{path}/network-settings", {"networkBlockAll": True})["networkBlockAll"] is True
    s.call("POST", f"{path}/network-settings", {}, expect=400)
    s.call("POST", f"{path}/network-settings", {"networkAllowList": "1.2.3.4"}, expect=400)
    s.delete(box)


def resize(s):
    box = s.create()
    path = f"/sandbox/{box}/resize"
    for body in ({}, {"cpu": 0}, {"cpu": 1}, {"disk": 9}, {"cpu": 1.5}, {"cpu": "2"}):
        s.call("POST", path, body, expect=400)
    s.call("POST", path, {"cpu": 2})
    s.wait(box, "started")
    s.call("POST", path, {"cpu": 1}, expect=400)
    s.stop(box)
    s.call("POST", path, {"cpu": 1, "disk": 4})
    s.wait(box, "stopped")
    s.call("POST", path, {"disk": 3}, expect=400)
    s.delete(box)


def previews(s):
    box = s.create()
    path = f"/sandbox/{box}/ports"
    assert s.call("GET", f"{path}/3000/preview-url")["token"]
    signed = s.call("GET", f"{path}/3000/signed-preview-url?expiresInSeconds=60")
    s.call("POST", f"{path}/3000/signed-preview-url/{signed['token']}/expire")
    for port in ("0", "65536", "x"):
        s.call("GET", f"{path}/{port}/preview-url", expect=400)
    for limit in ("0", "86401", "x"):
        s.call("GET", f"{path}/3000/signed-preview-url?expiresInSeconds={limit}", expect=400)
    s.call("GET", "/sandbox/none/ports/3000/preview-url", expect=404)
    s.delete(box)


def ssh_access(s):
    box = s.create()
    first = s.call("POST", f"/sandbox/{box}/ssh-access?expiresInMinutes=5")
    assert s.call("GET", f"/sandbox/ssh-access/validate?token={first['token']}")["valid"] is True
    s.call("DELETE", f"/sandbox/{box}/ssh-access?token={first['token']}")
    assert s.call("GET", f"/sandbox/ssh-access/validate?token={first['token']}")["valid"] is False
    s.call("POST", f"/sandbox/{box}/ssh-access")
    s.call("DELETE", f"/sandbox/{box}/ssh-access")
    s.call("POST", "/sandbox/none/ssh-access", expect=404)
    s.delete(box)


def snapshots_and_volumes(s):
    page = s.call("GET", "/snapshots?page=1&limit=10")
    name = urllib.parse.quote(page["items"][0]["name"], safe="")
    assert s.call("GET", f"/snapshots/{name}")["id"] == page["items"][0]["id"]
    s.call("GET", "/snapshots/none", expect=404)
    volume = s.call("POST", "/volumes", {"name": f"v-{uuid.uuid4()}"})
    deadline = time.monotonic() + WAIT_SECONDS
    while s.call("GET", f"/volumes/{volume['id']}")["state"] != "ready" and time.monotonic() < deadline:
        time.sleep(0.05)
    s.call("POST", "/volumes", {"name": volume["name"]}, expect=400)
    assert volume["id"] in [v["id"] for v in s.call("GET", "/volumes")]
    assert s.call("GET", f"/volumes/by-name/{volume['name']}")["id"] == volume["id"]
    s.call("GET", "/volumes/by-name/none", expect=404)
    box = s.create(volumes=[{"volumeId": volume["name"], "mountPath": "/mnt/data", "subpath": "a/b"}])
    s.call("DELETE", f"/volumes/{volume['id']}", expect=409)
    for mount in ({"mountPath": "/etc/x"}, {"mountPath": "relative"}, {"mountPath": "/mnt/x", "subpath": "../up"}):
        s.call("POST", "/sandbox", {"volumes": [{"volumeId": volume["id"], **mount}]}, expect=400)
    s.delete(box)
    s.call("DELETE", f"/volumes/{volume['id']}", expect=(200, 409))


def secrets(s):
    made = s.call("POST", "/secret", {"name": "described", "value": "x", "description": "d", "hosts": []}, expect=201)
    path = f"/secret/{made['id']}"
    s.call("POST", "/secret", {"name": "described", "value": "x"}, expect=409)
    s.call("POST", "/secret", {"name": "a b", "value": ""}, expect=400)
    assert [item["id"] for item in s.call("GET", "/secret")] == [made["id"]]
    assert s.call("GET", "/secret/paginated?limit=1&name=desc&sort=name&order=asc")["total"] == 1
    s.call("GET", "/secret/paginated?limit=0", expect=400)
    s.call("GET", path)
    s.call("PATCH", path, {"value": "y"})
    s.call("PATCH", path, {"hosts": ["http://x"]}, expect=400)
    box = s.create(secrets=[{"A": "described"}])
    s.call("PUT", f"/sandbox/{box}/secrets", {"secrets": []})
    s.call("PUT", f"/sandbox/{box}/secrets", {"secrets": [{"A": "none"}]}, expect=404)
    s.call("PUT", "/sandbox/none/secrets", {"secrets": []}, expect=404)
    s.delete(box)
    s.call("DELETE", path, expect=204)
    for method, body in (("GET", None), ("PATCH", {}), ("DELETE", None)):
        s.call(method, path, body, expect=404)


def metrics(s):
    box = s.create()
    path = f"/sandbox/{box}/telemetry/metrics?from=2000-01-01T00:00:00Z"
    assert s.call("GET", path + "&to=2100-01-01T00:00:00Z")["series"]
    assert s.call("GET", path + "&to=2001-01-01T00:00:00Z")["series"] == []
    s.call("GET", path, expect=400)
    s.delete(box)


def copies(s):
    parent = s.create(snapshot="daytona-local/vm:1.0")
    path = f"/sandbox/{parent}"
    s.call("POST", f"{path}/autopause/5")
    s.call("POST", f"{path}/autopause/-1", expect=400)
    child = s.call("POST", f"{path}/fork", {"name": f"child-{uuid.uuid4()}"})["id"]
    s.wait(child, "started")
    s.wait(parent, "started")
    assert [b["id"] for b in s.call("GET", f"{path}/forks")] == [child]
    assert s.call("GET", f"/sandbox/{child}/parent")["id"] == parent
    assert [b["id"] for b in s.call("GET", f"/sandbox/{child}/ancestors")] == [parent]
    s.call("GET", f"{path}/parent", expect=404)
    s.call("DELETE", path, expect=400)
    s.call("POST", f"/sandbox/{child}/pause")
    s.wait(child, "paused")
    s.delete(child)
    name = f"of-{uuid.uuid4()}"
    s.call("POST", f"{path}/snapshot", {"name": name})
    s.wait(parent, "started")
    s.call("POST", f"{path}/snapshot", {"name": name}, expect=409)
    s.call("POST", f"{path}/snapshot", {}, expect=400)
    made = s.call("GET", f"/snapshots/{name}")
    assert made["state"] == "active" and made["sourceSandboxId"] == parent
    s.call("DELETE", f"/snapshots/{made['id']}")
    s.delete(parent)


def warm_pools(s):
    made = s.call("POST", "/warm-pools", {"snapshot": "daytona-local/default:1.0", "pool": 1}, expect=201)
    path = f"/warm-pools/{made['id']}"
    s.call("POST", "/warm-pools", {"snapshot": "daytona-local/default:1.0", "pool": 1}, expect=409)
    s.call("POST", "/warm-pools", {"snapshot": "none", "pool": 1}, expect=404)
    s.call("POST", "/warm-pools", {"snapshot": "none", "pool": 0}, expect=400)
    deadline = time.monotonic() + WAIT_SECONDS
    while s.call("GET", "/warm-pools")[0]["currentSize"] < 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert s.call("GET", "/sandbox?includeWarm=true")["items"]
    s.delete(s.create())
    s.call("PATCH", path, {"pool": 0})
    s.call("DELETE", path, expect=204)
    s.call("PATCH", path, {"pool": 1}, expect=404)
    s.call("DELETE", path, expect=404)


def what_else_there_is(s):
    for path in ("/regions", "/shared-regions", "/api-keys/current"):
        s.call("GET", path)
    s.call("GET", "/object-storage/push-access")
    box = s.create()
    assert s.call("POST", f"/sandbox/{box}/public/true")["public"] is True
    s.call("POST", f"/sandbox/{box}/public/perhaps", expect=400)
    for method, path in (("GET", "signing-key"), ("POST", "signing-key/rotate")):
        s.call(method, f"/sandbox/{box}/{path}")
        s.call(method, f"/sandbox/{uuid.uuid4()}/{path}", expect=404)
    s.call("GET", f"/sandbox/{box}/build-logs-url", expect=404)
    s.call("GET", f"/sandbox/{box}/build-logs", expect=404)
    s.delete(box)


def lives_of_snapshots(s):
    s.call("POST", "/snapshots", {"name": "bad name", "imageName": "x"}, expect=400)
    box = s.create()
    name = f"logged-{uuid.uuid4()}"
    s.call("POST", f"/sandbox/{box}/snapshot", {"name": name})
    s.wait(box, "started")
    made = s.call("GET", f"/snapshots/{name}")["id"]
    s.call("GET", f"/snapshots/{made}/build-logs-url", expect=404)
    s.call("GET", f"/snapshots/{made}/build-logs", expect=(200, 404))
    s.call("POST", f"/snapshots/{made}/activate", expect=400)
    s.call("POST", f"/snapshots/{made}/deactivate", expect=204)
    s.call("POST", f"/snapshots/{made}/activate", expect=400)
    for method, path in (("POST", "activate"), ("POST", "deactivate"), ("GET", "build-logs-url")):
        s.call(method, f"/snapshots/{uuid.uuid4()}/{path}", expect=404)
    s.call("DELETE", f"/snapshots/{made}")
    s.call("DELETE", f"/snapshots/{uuid.uuid4()}", expect=404)
    s.delete(box)


def sessions_terminals_contexts(s):
    box = s.create()
    s.call("POST", "/init", {"token": "t"}, box=box)
    s.call("POST", "/process/session", {"sessionId": "s"}, box=box, expect=201)
    s.call("POST", "/process/session", {"sessionId": "s"}, box=box, expect=409)
    assert "s" in [one["sessionId"] for one in s.call("GET", "/process/session", box=box)]
    ran = s.call("POST", "/process/session/s/exec", {"command": "read x; echo got $x", "runAsync": True}, box=box, expect=202)
    command = f"/process/session/s/command/{ran['cmdId']}"
    s.call("POST", f"{command}/input", {"data": "it\n"}, box=box, expect=204)
    deadline = time.monotonic() + WAIT_SECONDS
    while s.call("GET", command, box=box).get("exitCode") is None and time.monotonic() < deadline:
        time.sleep(0.02)
    s.call("GET", "/process/session/s", box=box)
    s.call("GET", "/process/session/none", box=box, expect=404)
    s.call("GET", "/process/session/entrypoint", box=box)
    s.call("DELETE", "/process/session/s", box=box, expect=204)
    s.call("POST", "/process/pty", {"id": "p", "cols": 80, "rows": 24}, box=box, expect=201)
    s.call("GET", "/process/pty", box=box)
    s.call("GET", "/process/pty/p", box=box)
    s.call("POST", "/process/pty/p/resize", {"cols": 100, "rows": 30}, box=box)
    s.call("DELETE", "/process/pty/p", box=box)
    s.call("GET", "/process/pty/p", box=box, expect=404)
    made = s.call("POST", "/process/interpreter/context", {}, box=box)
    s.call("GET", "/process/interpreter/context", box=box)
    s.call("DELETE", f"/process/interpreter/context/{made['id']}", box=box)
    s.call("DELETE", f"/process/interpreter/context/{made['id']}", box=box, expect=404)
    s.delete(box)


def what_is_absent(s):
    """404 and the envelope, whatever is asked for."""
    for operation in s.api.operations:
        if reason_for(ABSENT, operation):
            path = re.sub(r"\{[^}]*\}", str(uuid.uuid4()), operation.template)
            s.call(operation.method, path, None if operation.method in ("GET", "DELETE") else {}, expect=404)


def toolbox(s):
    box = s.create(env={"K": "v"})
    assert s.call("POST", "/process/execute", {"command": "echo $K"}, box=box)["result"] == "v\n"
    assert s.call("POST", "/process/execute", {"command": "exit 7"}, box=box)["exitCode"] == 7
    for body in ({}, {"command": ""}, {"command": 1}, {"command": "x", "timeout": -1}, {"command": "x", "envs": {"1": "x"}}):
        s.call("POST", "/process/execute", body, box=box, expect=400)
    s.call("POST", "/process/execute", b"{", box=box, expect=400)
    s.call("POST", "/process/execute", {"command": "sleep 60", "timeout": 1}, box=box, expect=408)
    assert s.call("POST", "/process/code-run", {"code": "print(1)", "language": "python"}, box=box)["result"] == "1\n"
    s.call("POST", "/process/code-run", {"code": "1", "language": "cobol"}, box=box, expect=400)
    for path in ("/work-dir", "/user-home-dir", "/version", "/port", "/port/3000/in-use", "/system/metrics"):
        s.call("GET", path, box=box)
    s.call("GET", "/port/x/in-use", box=box, expect=400)
    status, _, text = s.request("GET", f"/toolbox/{box}/no/such/route", None, None)
    assert (status, text) == (404, b"404 page not found")
    s.call("POST", "/env", {"set": {"A": "b"}, "unset": ["K"]}, box=box, expect=(200, 204))
    s.stop(box)
    s.call("POST", "/process/execute", {"command": "true"}, box=box, expect=400)
    s.delete(box)
    s.call("GET", "/work-dir", box=uuid.uuid4(), expect=404)


SCENARIOS = [public_information, authentication, unknown_routes_and_bodies, create_refusals, life_of_a_sandbox,
             start_at_any_moment_of_archiving, recover_after_an_error, lists_and_pages, settings, resize, previews, ssh_access, snapshots_and_volumes,
             secrets, metrics, copies, warm_pools, what_else_there_is,
             lives_of_snapshots, sessions_terminals_contexts, what_is_absent, toolbox]


def main():
    if not os.path.isdir(OPENAPI):
        print("1..0 # SKIP no ../shared/openapi")
        return 0
    server = Server()
    producer = tap.Producer()
    producer.plan(len(SCENARIOS) + 1)
    for scenario in SCENARIOS:
        producer.run(scenario.__name__, lambda scenario=scenario: scenario(server))

    def every_operation_was_called():
        missing = [str(one) for one in server.api.operations if not reason_for(ABSENT, one) and str(one) not in server.called]
        missing += [str(one) for one in server.toolbox.operations if not reason_for(ELSEWHERE, one) and str(one) not in server.called]
        assert not missing, "never called: " + ", ".join(missing)
    producer.run("every_operation_was_called", every_operation_was_called)
    return producer.exit_code()


if __name__ == "__main__":
    sys.exit(main())
