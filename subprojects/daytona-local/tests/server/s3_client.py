# SPDX-License-Identifier: Apache-2.0
"""A small client of the object store that signs by itself, so that tests can also sign wrongly."""
import base64
import datetime
import hashlib
import hmac
import http.client
import re
import urllib.parse
import zlib

EMPTY = hashlib.sha256(b"").hexdigest()


def mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def quote(text, safe=""):
    return urllib.parse.quote(text, safe=safe + "-._~")


def now(seconds=0):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).strftime("%Y%m%dT%H%M%SZ")


class Reply:
    def __init__(self, answer):
        self.status = answer.status
        self.headers = answer.headers
        self.body = answer.read()

    @property
    def code(self):
        """The code of an error document, or None."""
        found = re.search(rb"<Error><Code>(\w+)</Code>", self.body)
        return found.group(1).decode() if found else None

    def all(self, element):
        return [text.decode() for text in re.findall(b"<%s>(.*?)</%s>" % (element.encode(), element.encode()), self.body)]

    def one(self, element):
        found = self.all(element)
        return found[0] if found else None


class Signer:
    """What one signature is made of; each can be changed before `headers` is called."""

    def __init__(self, client, method, path, query=(), headers=None, payload=EMPTY, stamp=None):
        self.client, self.method, self.path, self.query = client, method, path, list(query)
        self.access = dict(client.access)
        self.stamp = stamp or now()
        self.payload = payload
        self.host = "127.0.0.1:%d" % client.server.port
        self.extra = {name.lower(): value for name, value in (headers or {}).items()}
        self.unsigned = set()

    @property
    def scope(self):
        return "%s/%s/s3/aws4_request" % (self.stamp[:8], self.access["region"])

    def key(self):
        key = ("AWS4" + self.access["secret"]).encode()
        for part in self.scope.split("/"):
            key = mac(key, part)
        return key

    def sign(self, kind, rest):
        return mac(self.key(), "AWS4-HMAC-SHA256%s\n%s\n%s\n%s" % (kind, self.stamp, self.scope, rest)).hex()

    def canonical(self, headers, query):
        names = sorted(set(headers) - self.unsigned)
        self.names = ";".join(names)
        lines = [self.method, quote(urllib.parse.unquote(self.path), "/"),
                 "&".join("%s=%s" % (quote(k), quote(v)) for k, v in sorted(query))]
        lines += ["%s:%s" % (name, headers[name]) for name in names] + ["", self.names, self.payload]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def headers(self):
        headers = {"host": self.host, "x-amz-date": self.stamp, "x-amz-content-sha256": self.payload, **self.extra}
        if self.access.get("sessionToken"):
            headers["x-amz-security-token"] = self.access["sessionToken"]
        self.signature = self.sign("", self.canonical(headers, self.query))
        headers["authorization"] = "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s" % (
            self.access["accessKey"], self.scope, self.names, self.signature)
        return headers

    def presigned(self, expires=60):
        query = self.query + [("X-Amz-Algorithm", "AWS4-HMAC-SHA256"), ("X-Amz-Credential", self.access["accessKey"] + "/" + self.scope),
                              ("X-Amz-Date", self.stamp), ("X-Amz-Expires", str(expires)), ("X-Amz-SignedHeaders", "host"),
                              ("X-Amz-Security-Token", self.access["sessionToken"])]
        self.payload = "UNSIGNED-PAYLOAD"
        signature = self.sign("", self.canonical({"host": self.host}, query))
        return self.path + "?" + urllib.parse.urlencode(query + [("X-Amz-Signature", signature)])

    def chunks(self, data, size, trailer=None):
        """The body in signed chunks; call `headers` first."""
        before, body = self.signature, b""
        for piece in [data[i:i + size] for i in range(0, len(data), size)] + [b""]:
            before = self.sign("-PAYLOAD", "%s\n%s\n%s" % (before, EMPTY, hashlib.sha256(piece).hexdigest()))
            body += b"%x;chunk-signature=%s\r\n" % (len(piece), before.encode()) + piece + (b"\r\n" if piece else b"")
        if trailer:
            line = "%s:%s\n" % trailer
            before = self.sign("-TRAILER", "%s\n%s" % (before, hashlib.sha256(line.encode()).hexdigest()))
            body += line.strip().encode() + b"\r\nx-amz-trailer-signature:" + before.encode() + b"\r\n"
        return body + b"\r\n"


def crc32(data):
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def plain_chunks(data, size, trailer):
    body = b""
    for piece in [data[i:i + size] for i in range(0, len(data), size)]:
        body += b"%x\r\n%s\r\n" % (len(piece), piece)
    return body + b"0\r\n" + ("%s:%s\r\n\r\n" % trailer).encode()


class S3:
    def __init__(self, server, access=None):
        self.server = server
        if access is None:
            answer = server.api("GET", "/object-storage/push-access")
            assert answer.status == 200, answer.body
            access = answer.json
        self.access = access
        self.organization = access["organizationId"]

    def path(self, key):
        return "/daytona/" + quote(key, "/")

    def key(self, name):
        return "%s/%s" % (self.organization, name)

    def send(self, method, target, headers=None, body=None, timeout=60):
        connection = self.server.connection(timeout)
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            names = {name.lower() for name in headers or {}}
            if "host" not in names:
                connection.putheader("host", "127.0.0.1:%d" % self.server.port)
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            if body is not None and not names & {"content-length", "transfer-encoding"}:
                connection.putheader("content-length", str(len(body)))
            connection.endheaders()
            try:
                if body:
                    connection.send(body)
            except (BrokenPipeError, ConnectionResetError):
                pass  # the answer may have come before
            return Reply(connection.getresponse())
        finally:
            connection.close()

    def call(self, method, path, query=(), body=None, headers=None, **more):
        payload = more.pop("payload", hashlib.sha256(body or b"").hexdigest())
        signer = Signer(self, method, path, query, headers, payload, more.pop("stamp", None))
        for name, value in more.items():
            setattr(signer, name, value)
        target = path + ("?" + urllib.parse.urlencode(list(query)) if query else "")
        return self.send(method, target, signer.headers(), body if body is not None or method in ("GET", "HEAD", "DELETE") else b"")

    def put(self, name, body, headers=None, **more):
        return self.call("PUT", self.path(self.key(name)), body=body, headers=headers, **more)

    def get(self, name, headers=None, **more):
        return self.call("GET", self.path(self.key(name)), headers=headers, **more)

    def head(self, name, **more):
        return self.call("HEAD", self.path(self.key(name)), **more)

    def delete(self, name):
        return self.call("DELETE", self.path(self.key(name)))

    def list(self, prefix=None, **query):
        prefix = self.organization + "/" if prefix is None else prefix
        return self.call("GET", "/daytona", [("list-type", "2"), ("prefix", prefix)] + [(k.replace("_", "-"), str(v)) for k, v in query.items()])

    def begin(self, name, headers=None):
        reply = self.call("POST", self.path(self.key(name)), [("uploads", "")], headers=headers)
        assert reply.status == 200, reply.body
        return reply.one("UploadId")

    def part(self, name, upload, number, body, headers=None, **more):
        return self.call("PUT", self.path(self.key(name)), [("partNumber", str(number)), ("uploadId", upload)], body, headers, **more)

    def complete(self, name, upload, parts, headers=None):
        """`parts`: (number, ETag) each."""
        body = "".join("<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>" % part for part in parts)
        return self.call("POST", self.path(self.key(name)), [("uploadId", upload)],
                         ("<CompleteMultipartUpload>%s</CompleteMultipartUpload>" % body).encode(), headers)

    def abort(self, name, upload):
        return self.call("DELETE", self.path(self.key(name)), [("uploadId", upload)])
