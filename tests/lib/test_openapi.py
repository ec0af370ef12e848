# SPDX-License-Identifier: Apache-2.0
"""Tests of the OpenAPI checks and of the proxy, with a description written here."""

import asyncio
import http.client
import http.server
import json
import threading
import urllib.parse

import openapi
import tap
import tap_proxy

DOCUMENT = {
    "openapi": "3.0.0",
    "paths": {
        "/box": {"post": {
            "requestBody": {"required": True, "content": {"application/json": {
                "schema": {"$ref": "#/components/schemas/Create"}}}},
            "responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Box"}}}}}}},
        "/box/{id}": {"get": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}},
                           {"name": "n", "in": "query", "schema": {"type": "number", "minimum": 1}},
                           {"name": "tags", "in": "query", "schema": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}}}],
            "responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Box"}}}}}}},
        "/box/all": {"get": {"responses": {"204": {}}}},
    },
    "components": {"schemas": {
        "Create": {"type": "object", "properties": {"name": {"type": "string"}, "env": {
            "type": "object", "additionalProperties": {"type": "string"}}}},
        "State": {"type": "string", "enum": ["started", "stopped"]},
        "Box": {"type": "object", "required": ["id", "state", "note"], "properties": {
            "id": {"type": "string"}, "state": {"allOf": [{"$ref": "#/components/schemas/State"}]},
            "note": {"type": "string", "nullable": True}, "sizes": {"type": "array", "items": {"type": "integer"}},
            "at": {"type": "string", "format": "date-time"}}},
    }},
}
API = openapi.Description(DOCUMENT)
JSON = {"content-type": "application/json; charset=utf-8"}
GOOD_BOX = {"id": "x", "state": "started", "note": None, "sizes": [1, 2.0], "at": "2026-08-20T09:15:30.123Z", "newer": 1}
UUID = "7f0a7b5e-5a0f-4e0b-9d0f-0c2a2f1d8b11"


def answer_problems(value):
    return API.check_answer(API.find("POST", "/box"), 200, JSON, json.dumps(value).encode())


def request_problems(method, target, body=None):
    return API.check_request(method, target, JSON, json.dumps(body).encode() if body is not None else b"")[1]


def a_good_answer_fits():
    assert answer_problems(GOOD_BOX) == []


def wrong_answers_are_told():
    wrong = [("id", 1), ("state", "flying"), ("sizes", ["x"]), ("sizes", [1.5]), ("at", "yesterday"), ("id", None)]
    for key, value in wrong:
        assert answer_problems({**GOOD_BOX, key: value}), key
    for key in ("id", "state", "note"):
        assert answer_problems({k: v for k, v in GOOD_BOX.items() if k != key}), key
    assert answer_problems([]) and answer_problems("text")


def a_null_for_an_optional_key_of_an_answer_fits():
    assert answer_problems({**GOOD_BOX, "sizes": None}) == []


def undocumented_success_is_told():
    assert API.check_answer(API.find("POST", "/box"), 201, JSON, b"{}")


def errors_need_the_envelope():
    operation = API.find("POST", "/box")
    good = {"statusCode": 404, "message": "m", "path": "/p", "timestamp": "2026-08-20T09:15:30.1Z", "error": "Not Found"}
    assert API.check_answer(operation, 404, JSON, json.dumps(good).encode()) == []
    for key in good:
        bad = {k: v for k, v in good.items() if k != key}
        assert API.check_answer(operation, 404, JSON, json.dumps(bad).encode()), key
    assert API.check_answer(operation, 400, JSON, json.dumps(good).encode())
    assert API.check_answer(operation, 404, {"content-type": "text/html"}, b"<html>")


def good_requests_fit():
    assert request_problems("POST", "/box", {"name": "a", "env": {"A": "b"}}) == []
    assert request_problems("GET", f"/box/{UUID}?n=1e%2B06&tags=a&tags=b") == []
    assert request_problems("GET", "/box/all") == []


def wrong_requests_are_told():
    for method, target, body in [
            ("POST", "/box", None), ("POST", "/box", {"nmae": "a"}), ("POST", "/box", {"env": {"A": 1}}),
            ("GET", "/box/not-a-uuid", None), ("GET", f"/box/{UUID}?n=0", None), ("GET", f"/box/{UUID}?n=x", None),
            ("GET", f"/box/{UUID}?tags=c", None), ("GET", f"/box/{UUID}?other=1", None),
            ("GET", f"/box/{UUID}?n=1&n=2", None), ("GET", "/nowhere", None), ("DELETE", "/box", None)]:
        assert request_problems(method, target, body), (method, target, body)


def swagger_two_bodies_and_types():
    description = openapi.Description({"swagger": "2.0", "definitions": {
        "Run": {"type": "object", "required": ["command"], "properties": {"command": {"type": "string"}}}},
        "paths": {"/run": {"post": {"parameters": [
            {"in": "body", "name": "r", "required": True, "schema": {"$ref": "#/definitions/Run"}},
            {"in": "query", "name": "fast", "type": "boolean"}], "responses": {"200": {"schema": {"type": "string"}}}}}}})
    assert description.check_request("POST", "/run?fast=true", JSON, b'{"command":"x"}')[1] == []
    assert description.check_request("POST", "/run?fast=maybe", JSON, b'{"command":"x"}')[1]
    assert description.check_request("POST", "/run", JSON, b'{}')[1]


class Upstream(http.server.BaseHTTPRequestHandler):
    """A server that names its own address in its answers and knows one wrong one."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        box = dict(GOOD_BOX, id=f"http://127.0.0.1:{self.server.server_port}/x")
        if "wrong" in self.headers:
            del box["state"]
        body = json.dumps(box).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        if "chunked" in self.headers:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
        else:
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_):
        pass


def ask_through_the_proxy(headers):
    """(ids that the client saw, problems of the answers)."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    judge = tap_proxy.Judge(API, API, "/api")
    proxy = tap_proxy.Proxy("127.0.0.1", server.server_port, judge)

    def client():
        connection = http.client.HTTPConnection("127.0.0.1", proxy.own_port, timeout=10)
        seen = []
        for _ in range(2):
            connection.request("GET", f"/api/box/{UUID}", headers=headers)
            seen.append(json.loads(connection.getresponse().read())["id"])
        connection.close()
        return seen

    async def both():
        listening = await proxy.listen()
        seen = await asyncio.to_thread(client)
        listening.close()
        return seen
    seen = asyncio.run(both())
    server.shutdown()
    server.server_close()
    assert {urllib.parse.urlsplit(url).port for url in seen} == {proxy.own_port}
    return judge


def the_proxy_sees_both_directions():
    for headers in ({}, {"chunked": "1"}):
        judge = ask_through_the_proxy(headers)
        assert judge.requests == {"GET /box/{id}": []} and judge.answers == {"GET /box/{id}": []}
        assert ask_through_the_proxy({**headers, "wrong": "1"}).answers["GET /box/{id}"]


TESTS = [a_good_answer_fits, wrong_answers_are_told, a_null_for_an_optional_key_of_an_answer_fits,
         undocumented_success_is_told, errors_need_the_envelope, good_requests_fit, wrong_requests_are_told,
         swagger_two_bodies_and_types, the_proxy_sees_both_directions]


if __name__ == "__main__":
    raise SystemExit(tap.run_all(TESTS))
