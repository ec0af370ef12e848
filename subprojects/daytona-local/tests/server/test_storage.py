# SPDX-License-Identifier: Apache-2.0
"""The object store: what clients of S3 ask of it, and what hostile ones try."""
import base64
import hashlib
import http.client
import os
import re
import resource
import shutil
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.parse

import harness
from s3_client import S3, Signer, crc32, now, plain_chunks

MIB = 1 << 20


def files(server):
    """The files of the store by folder."""
    return {folder: sorted(os.listdir(os.path.join(server.state, "objects", folder))) for folder in ("data", "parts")}


def limit_files(server, size):
    """No file of the server may be longer: what a full disk does, for one process."""
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


class Base(harness.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.s3 = S3(cls.server)

    def ok(self, reply, status=200):
        self.assertEqual(reply.status, status, reply.body)
        return reply

    def refused(self, reply, status, code):
        self.assertEqual((reply.status, reply.code), (status, code), reply.body)
        self.assertTrue(reply.headers["x-amz-request-id"])
        return reply

    def parts_are_empty(self):
        harness.until(lambda: files(self.server)["parts"] == [])


class Objects(Base):
    def test_push_access(self):
        access = self.server.api("GET", "/object-storage/push-access").json
        self.assertEqual(sorted(access), ["accessKey", "bucket", "organizationId", "region", "secret", "sessionToken", "storageUrl"])
        self.assertEqual(access["storageUrl"], "http://127.0.0.1:%d" % self.server.port)
        self.assertEqual((access["bucket"], access["region"]), ("daytona", "us-east-1"))
        mapped = self.server.api("GET", "/object-storage/push-access", headers={"Host": "localhost:8080"}).json
        self.assertEqual(mapped["storageUrl"], "http://localhost:8080")
        self.status(401, self.server.api("GET", "/object-storage/push-access", key="wrong"))

    def test_put_get_head_delete(self):
        data = os.urandom(300_000)
        put = self.ok(self.s3.put("one", data, {"Content-Type": "text/x", "x-amz-meta-a": "b", "Cache-Control": "no-store"}))
        self.assertEqual(put.headers["ETag"], '"%s"' % hashlib.md5(data).hexdigest())
        got = self.ok(self.s3.get("one"))
        self.assertEqual(got.body, data)
        head = self.ok(self.s3.head("one"))
        for reply in (got, head):
            self.assertEqual(reply.headers["Content-Length"], str(len(data)))
            self.assertEqual(reply.headers["ETag"], put.headers["ETag"])
            self.assertEqual((reply.headers["Content-Type"], reply.headers["x-amz-meta-a"], reply.headers["Cache-Control"]),
                             ("text/x", "b", "no-store"))
            self.assertEqual(reply.headers["Content-Security-Policy"], "sandbox")
            self.assertRegex(reply.headers["Last-Modified"], r"^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$")
        self.assertEqual(head.body, b"")
        self.ok(self.s3.put("one", b"other"))
        got = self.ok(self.s3.get("one"))
        self.assertEqual((got.body, got.headers["Content-Type"]), (b"other", "binary/octet-stream"))
        self.ok(self.s3.delete("one"), 204)
        self.ok(self.s3.delete("one"), 204)
        gone = self.s3.get("one")
        self.refused(gone, 404, "NoSuchKey")
        self.assertEqual((gone.headers["Content-Security-Policy"], gone.headers["X-Content-Type-Options"]), ("sandbox", "nosniff"))
        self.ok(self.s3.head("one"), 404)
        self.parts_are_empty()

    def test_empty_and_odd_keys(self):
        keys = ["empty", "a b+c%25", "späte/ü", "a//b", "trailing/", "x" * 900, "quote\"&<>'", "~-._", "..a/b..", "日本", "a=b&c=d", "?#"]
        for key in keys:
            with self.subTest(key=key[:20]):
                self.ok(self.s3.put("odd/" + key, key.encode()))
                self.assertEqual(self.ok(self.s3.get("odd/" + key)).body, key.encode())
        listed = self.ok(self.s3.list(self.s3.key("odd/"), encoding_type="url")).all("Key")
        self.assertEqual([urllib.parse.unquote(key) for key in listed], sorted((self.s3.key("odd/" + key) for key in keys), key=str.encode))
        self.ok(self.s3.put("nothing", b""))
        self.assertEqual(self.ok(self.s3.get("nothing")).body, b"")

    def test_keys_that_lead_nowhere(self):
        before = files(self.server)
        root = "/daytona/" + self.s3.organization
        for path, status, code in ((root + "/..", 400, "InvalidArgument"), (root + "/../../journal", 400, "InvalidArgument"),
                                   (root + "/a/./b", 400, "InvalidArgument"), (root + "/%2e%2e/x", 400, "InvalidArgument"),
                                   (root + "/a%2f%2e%2e%2fb", 400, "InvalidArgument"), (root + "/a%0ab", 400, "InvalidArgument"),
                                   (root + "/" + "y" * 2000, 400, "KeyTooLongError"), (root + "/" + "%C3%BC" * 600, 400, "KeyTooLongError"),
                                   (root, 403, "AccessDenied"), (root + "/", 403, "AccessDenied"), (root + "x/y", 403, "AccessDenied"),
                                   ("/daytona/other/x", 403, "AccessDenied"), ("/daytona//" + self.s3.organization + "/x", 403, "AccessDenied"),
                                   ("/daytona/../journal", 400, "InvalidArgument"), ("/other/x", 404, "NoSuchBucket"), ("/", 403, "AccessDenied")):
            for method, body in (("PUT", b"x"), ("GET", None), ("DELETE", None)):
                with self.subTest(path=path[:60], method=method):
                    self.refused(self.s3.call(method, path, body=body), status, code)
        for path in (root + "/a%00b", root + "/%ff", root + "/%zz"):
            self.refused(self.s3.call("PUT", path, body=b"x"), 403, "AccessDenied")
        self.assertEqual(files(self.server), before)

    def test_ranges(self):
        data = bytes(range(256)) * 2000
        self.ok(self.s3.put("range", data))
        for text, start, end in (("bytes=0-9", 0, 10), ("bytes=500000-", 500000, 512000), ("bytes=-7", 511993, 512000),
                                 ("bytes=5-5", 5, 6), ("bytes=511999-600000", 511999, 512000)):
            got = self.ok(self.s3.get("range", {"Range": text}), 206)
            self.assertEqual(got.body, data[start:end])
            self.assertEqual(got.headers["Content-Range"], "bytes %d-%d/512000" % (start, end - 1))
        got = self.refused(self.s3.get("range", {"Range": "bytes=512000-"}), 416, "InvalidRange")
        self.assertEqual(got.headers["Content-Range"], "bytes */512000")
        for text in ("bytes=0-1,5-6", "lines=1-2", "bytes=9-1", "bytes=x-"):
            self.assertEqual(self.ok(self.s3.get("range", {"Range": text})).body, data)

    def test_conditions(self):
        etag = self.ok(self.s3.put("if", b"1")).headers["ETag"]
        self.refused(self.s3.put("if", b"2", {"If-None-Match": "*"}), 412, "PreconditionFailed")
        self.refused(self.s3.put("if", b"2", {"If-Match": '"other"'}), 412, "PreconditionFailed")
        self.refused(self.s3.put("if-not", b"2", {"If-Match": "*"}), 412, "PreconditionFailed")
        self.assertEqual(self.s3.get("if").body, b"1")
        self.ok(self.s3.get("if", {"If-None-Match": etag}), 304)
        self.ok(self.s3.get("if", {"If-None-Match": '"other", ' + etag}), 304)
        self.ok(self.s3.get("if", {"If-Match": etag}))
        self.refused(self.s3.get("if", {"If-Match": '"other"'}), 412, "PreconditionFailed")
        modified = self.s3.head("if").headers["Last-Modified"]
        self.ok(self.s3.get("if", {"If-Modified-Since": modified}), 304)
        self.ok(self.s3.get("if", {"If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}))
        self.refused(self.s3.get("if", {"If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}), 412, "PreconditionFailed")
        self.assertEqual(self.ok(self.s3.get("if", {"Range": "bytes=0-0", "If-Range": '"other"'})).body, b"1")
        self.ok(self.s3.put("if", b"2", {"If-Match": etag}))

    def test_lists(self):
        names = ["l/%02d" % n for n in range(12)] + ["l/d/%d" % n for n in range(5)] + ["l/e/x"]
        for name in names:
            self.ok(self.s3.put(name, name.encode()))
        prefix = self.s3.key("l/")
        whole = self.ok(self.s3.list(prefix))
        self.assertEqual(whole.all("Key"), sorted(self.s3.key(name) for name in names))
        self.assertEqual((whole.one("KeyCount"), whole.one("IsTruncated")), ("18", "false"))
        for size in (1, 2, 5, 7, 18):
            for delimiter in ({}, {"delimiter": "/"}):
                seen, token = [], {}
                while True:
                    page = self.ok(self.s3.list(prefix, max_keys=size, **delimiter, **token))
                    found = sorted(page.all("Key") + re.findall(r"<CommonPrefixes><Prefix>(.*?)<", page.body.decode()))
                    self.assertEqual(int(page.one("KeyCount")), len(found))
                    seen += found
                    if page.one("IsTruncated") == "false":
                        break
                    self.assertEqual(len(found), size)
                    token = {"continuation_token": page.one("NextContinuationToken")}
                expected = [self.s3.key(name) for name in names]
                if delimiter:
                    expected = [key for key in expected if key.count("/") == 2] + [prefix + "d/", prefix + "e/"]
                self.assertEqual(seen, sorted(expected))
        self.assertEqual(self.s3.list(prefix, start_after=prefix + "10").all("Key")[0], prefix + "11")
        self.assertEqual(self.ok(self.s3.list(prefix + "nothing")).one("KeyCount"), "0")
        self.assertEqual(self.ok(self.s3.list(prefix, max_keys=0)).one("IsTruncated"), "false")
        self.refused(self.s3.list(""), 403, "AccessDenied")
        self.refused(self.s3.list("oth"), 403, "AccessDenied")
        self.refused(self.s3.list(self.s3.organization + "x"), 403, "AccessDenied")
        self.refused(self.s3.list(prefix, continuation_token="zz"), 400, "InvalidArgument")
        self.refused(self.s3.list(prefix, max_keys="-1"), 400, "InvalidArgument")
        self.refused(self.s3.list(prefix, encoding_type="x"), 400, "InvalidArgument")

    def test_what_is_not_there_says_so(self):
        self.ok(self.s3.put("plain", b"1"))
        path = self.s3.path(self.s3.key("plain"))
        for method, query in (("GET", "acl"), ("PUT", "acl"), ("GET", "tagging"), ("GET", "versionId"), ("DELETE", "tagging"),
                              ("POST", "restore"), ("POST", "select"), ("GET", "response-content-type"), ("PATCH", None)):
            with self.subTest(method=method, query=query):
                self.refused(self.s3.call(method, path, [(query, "")] if query else [], b"" if method in ("PUT", "POST") else None),
                             501, "NotImplemented")
        for name in ("x-amz-copy-source", "x-amz-server-side-encryption", "x-amz-tagging", "x-amz-object-lock-mode", "x-amz-grant-read"):
            self.refused(self.s3.put("plain", b"2", {name: "x"}), 501, "NotImplemented")
        self.refused(self.s3.put("plain", b"2", {"x-amz-acl": "public-read"}), 501, "NotImplemented")
        self.assertEqual(self.s3.get("plain").body, b"1")
        self.refused(self.s3.call("GET", "/daytona", [("list-type", "1"), ("prefix", self.s3.organization)]), 501, "NotImplemented")
        self.ok(self.s3.call("HEAD", "/daytona"))
        self.ok(self.s3.call("GET", "/daytona", [("location", "")]))

    def test_kept_over_a_restart(self):
        server = harness.Server()
        state = server.state
        server.owns_state = False
        try:
            s3 = S3(server)
            data = os.urandom(100_000)
            self.ok(s3.put("keep/a", data))
            self.ok(s3.put("keep/b", b"gone"))
            self.ok(s3.delete("keep/b"), 204)
            upload = s3.begin("keep/c")
            self.ok(s3.part("keep/c", upload, 1, b"part"))
            for name in ("data", "parts"):
                with open(os.path.join(state, "objects", name, "leftover"), "wb") as file:
                    file.write(b"x")
            server.stop(9)
            server = harness.Server(state=state)
            server.owns_state = True
            self.refused(S3(server, s3.access).get("keep/a"), 400, "InvalidToken")
            again = S3(server)
            self.assertEqual(self.ok(again.get("keep/a")).body, data)
            self.refused(again.get("keep/b"), 404, "NoSuchKey")
            self.refused(again.part("keep/c", upload, 2, b"part"), 404, "NoSuchUpload")
            harness.until(lambda: [len(names) for names in files(server).values()] == [1, 0])
        finally:
            server.stop()


class Uploads(Base):
    def test_parts_in_any_order(self):
        data = os.urandom(12 * MIB)
        upload = self.s3.begin("big", {"Content-Type": "application/x-tar", "x-amz-checksum-algorithm": "CRC32"})
        pieces = {1: data[:5 * MIB], 2: data[5 * MIB:10 * MIB], 7: data[10 * MIB:]}
        etags = {}
        for number in (7, 1, 2):
            etags[number] = self.ok(self.s3.part("big", upload, number, pieces[number], {"x-amz-checksum-crc32": crc32(pieces[number])})).headers["ETag"]
        self.ok(self.s3.part("big", upload, 3, b"not in the list"))
        self.ok(self.s3.part("big", upload, 2, b"replaced"))
        self.ok(self.s3.part("big", upload, 2, pieces[2]))
        path = self.s3.path(self.s3.key("big"))
        listed = self.ok(self.s3.call("GET", path, [("uploadId", upload)]))
        self.assertEqual(listed.all("PartNumber"), ["1", "2", "3", "7"])
        page = self.ok(self.s3.call("GET", path, [("uploadId", upload), ("max-parts", "2"), ("part-number-marker", "1")]))
        self.assertEqual((page.all("PartNumber"), page.one("IsTruncated"), page.one("NextPartNumberMarker")), (["2", "3"], "true", "3"))
        uploads = self.ok(self.s3.call("GET", "/daytona", [("uploads", ""), ("prefix", self.s3.organization)]))
        self.assertIn(upload, uploads.all("UploadId"))
        self.ok(self.s3.head("big"), 404)
        done = self.ok(self.s3.complete("big", upload, sorted(etags.items())))
        whole = hashlib.md5(b"".join(hashlib.md5(pieces[n]).digest() for n in (1, 2, 7))).hexdigest()
        self.assertEqual(done.one("ETag"), "&quot;%s-3&quot;" % whole)
        got = self.ok(self.s3.get("big"))
        self.assertEqual((got.body, got.headers["Content-Type"], got.headers["ETag"]), (data, "application/x-tar", '"%s-3"' % whole))
        again = self.ok(self.s3.complete("big", upload, sorted(etags.items())))  # its answer was lost, say
        self.assertEqual(again.one("ETag"), done.one("ETag"))
        self.refused(self.s3.part("big", upload, 1, b"late"), 404, "NoSuchUpload")
        self.refused(self.s3.abort("big", upload), 404, "NoSuchUpload")
        self.parts_are_empty()

    def test_what_cannot_be_completed(self):
        big, small = b"a" * (5 * MIB), b"b" * 10
        upload = self.s3.begin("no")
        first = self.ok(self.s3.part("no", upload, 1, small)).headers["ETag"]
        second = self.ok(self.s3.part("no", upload, 2, small)).headers["ETag"]
        for parts, code in (([(1, first), (2, second)], "EntityTooSmall"), ([(2, second), (1, first)], "InvalidPartOrder"),
                            ([(1, first), (1, first)], "InvalidPartOrder"), ([(3, first)], "InvalidPart"), ([(1, '"x"')], "InvalidPart"), ([], "MalformedXML")):
            self.refused(self.s3.complete("no", upload, parts), 400, code)
        for body in (b"", b"<x/>", b"<CompleteMultipartUpload>", b"\0" * 100, b"<" * 10000):
            reply = self.s3.call("POST", self.s3.path(self.s3.key("no")), [("uploadId", upload)], body)
            self.refused(reply, 400, "MalformedXML")
        self.refused(self.s3.call("POST", self.s3.path(self.s3.key("no")), [("uploadId", upload)], b"x", payload="0" * 64), 400, "XAmzContentSHA256Mismatch")
        self.refused(self.s3.complete("no", upload, [(1, first)], {"x-amz-mp-object-size": "11"}), 400, "InvalidRequest")
        self.refused(self.s3.complete("no", upload, [(1, first)], {"x-amz-checksum-crc32": crc32(b"other")}), 400, "BadDigest")
        self.refused(self.s3.complete("other", upload, [(1, first)]), 404, "NoSuchUpload")
        for number in ("0", "10001", "x", "-1", "1.5", ""):
            reply = self.s3.call("PUT", self.s3.path(self.s3.key("no")), [("partNumber", number), ("uploadId", upload)], b"x")
            self.refused(reply, 400, "InvalidArgument")
        self.refused(self.s3.part("no", "none", 1, b"x"), 404, "NoSuchUpload")
        # And after all of that it can be.
        first = self.ok(self.s3.part("no", upload, 1, big)).headers["ETag"]
        whole = {"x-amz-checksum-crc32": crc32(big + small), "x-amz-checksum-type": "FULL_OBJECT"}
        self.ok(self.s3.complete("no", upload, [(1, first), (2, second)], whole))
        got = self.ok(self.s3.get("no", {"x-amz-checksum-mode": "ENABLED"}))
        self.assertEqual((got.body, got.headers["x-amz-checksum-crc32"]), (big + small, crc32(big + small)))

    def test_the_admin_sees_what_is_there(self):
        def seen():
            return self.server.call("GET", "/admin/info").json["storage"]
        before = seen()
        self.ok(self.s3.put("seen", b"x" * 1000))
        upload = self.s3.begin("seen2")
        self.ok(self.s3.part("seen2", upload, 1, b"y" * 500))
        now = seen()
        self.assertEqual([now[key] - before[key] for key in ("objects", "uploads", "bytes")], [1, 1, 1500])
        self.ok(self.s3.abort("seen2", upload), 204)
        self.ok(self.s3.delete("seen"), 204)
        harness.until(lambda: seen() == before)

    def test_abort_leaves_nothing(self):
        upload = self.s3.begin("abort")
        self.ok(self.s3.part("abort", upload, 1, b"x" * MIB))
        self.ok(self.s3.abort("abort", upload), 204)
        self.refused(self.s3.abort("abort", upload), 404, "NoSuchUpload")
        self.refused(self.s3.part("abort", upload, 2, b"x"), 404, "NoSuchUpload")
        self.parts_are_empty()

    def test_left_uploads_go_after_a_day(self):
        server = harness.Server()
        try:
            s3 = S3(server)
            upload = s3.begin("left")
            self.ok(s3.part("left", upload, 1, b"x" * 1000))
            server.jump(23 * 60)
            s3 = S3(server)
            s3.begin("another")
            self.ok(s3.part("left", upload, 2, b"x"))
            server.jump(24 * 60 + 1)
            s3 = S3(server)
            s3.begin("more")
            self.refused(s3.part("left", upload, 3, b"x"), 404, "NoSuchUpload")
            harness.until(lambda: files(server)["parts"] == [])
        finally:
            self.assertEqual(server.stop(), 0)

    def test_many_parts(self):
        upload = self.s3.begin("many-parts")
        path = self.s3.path(self.s3.key("many-parts"))
        for number in range(1, 1101):
            self.ok(self.s3.part("many-parts", upload, number, b"x"))
        first = self.ok(self.s3.call("GET", path, [("uploadId", upload)]))
        self.assertEqual((len(first.all("PartNumber")), first.one("IsTruncated"), first.one("NextPartNumberMarker")), (1000, "true", "1000"))
        rest = self.ok(self.s3.call("GET", path, [("uploadId", upload), ("part-number-marker", "1000")]))
        self.assertEqual(rest.all("PartNumber"), [str(number) for number in range(1001, 1101)])
        self.refused(self.s3.complete("many-parts", upload, [(number, '"x"') for number in range(1, 10001)]), 400, "InvalidPart")
        self.refused(self.s3.complete("many-parts", upload, [(number, '"x"') for number in range(1, 10002)]), 400, "MalformedXML")
        self.ok(self.s3.abort("many-parts", upload), 204)
        self.parts_are_empty()

    def test_as_many_uploads_as_there_may_be(self):
        server = harness.Server()
        try:
            s3 = S3(server)
            ids = [s3.begin("many/%d" % n) for n in range(1000)]
            self.refused(s3.call("POST", s3.path(s3.key("many/x")), [("uploads", "")]), 503, "SlowDown")
            first = self.ok(s3.call("GET", "/daytona", [("uploads", ""), ("prefix", s3.key("many/")), ("max-uploads", "600")]))
            rest = self.ok(s3.call("GET", "/daytona", [("uploads", ""), ("prefix", s3.key("many/")), ("key-marker", first.one("NextKeyMarker")),
                                                       ("upload-id-marker", first.one("NextUploadIdMarker"))]))
            self.assertEqual(sorted(first.all("UploadId") + rest.all("UploadId")), sorted(ids))
            self.ok(s3.abort("many/5", ids[5]), 204)
            s3.begin("many/x")
        finally:
            self.assertEqual(server.stop(), 0)


class Bodies(Base):
    DATA = os.urandom(300_001)

    def test_kinds_of_signed_bodies(self):
        data, sha = self.DATA, hashlib.sha256(self.DATA).hexdigest()
        self.ok(self.s3.put("kind", data, payload="UNSIGNED-PAYLOAD"))
        for kind in ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"):
            for length in (0, 1, len(data)):
                for coding in ("length", "chunked"):
                    with self.subTest(kind=kind, length=length, coding=coding):
                        self.assertEqual(self.stream(kind, data[:length], coding).status, 200)
                        self.assertEqual(self.ok(self.s3.get("stream")).body, data[:length])
        self.assertEqual(sha, hashlib.sha256(self.s3.get("kind").body).hexdigest())

    def stream(self, kind, data, coding="length", size=70_000, damage=None, sum_value=None, declared=None):
        """PUT in aws-chunked form; `damage` changes the body."""
        trailer = ("x-amz-checksum-crc32", sum_value or crc32(data)) if kind.endswith("TRAILER") else None
        headers = {"x-amz-decoded-content-length": str(len(data) if declared is None else declared), "content-encoding": "aws-chunked"}
        if trailer:
            headers["x-amz-trailer"] = trailer[0]
        path = self.s3.path(self.s3.key("stream"))
        signer = Signer(self.s3, "PUT", path, headers=headers, payload=kind)
        send = signer.headers()
        body = plain_chunks(data, size, trailer) if "UNSIGNED" in kind else signer.chunks(data, size, trailer)
        if damage:
            body = damage(body)
        if coding == "chunked":
            send["transfer-encoding"] = "chunked"
            body = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + 9000]), body[i:i + 9000]) for i in range(0, len(body), 9000)) + b"0\r\n\r\n"
        return self.s3.send("PUT", path, send, body)

    def test_content_coding_is_not_kept(self):
        self.assertEqual(self.stream("STREAMING-UNSIGNED-PAYLOAD-TRAILER", b"x").status, 200)
        self.assertIsNone(self.s3.head("stream").headers["Content-Encoding"])

    def test_damaged_streams(self):
        data, signed = self.DATA, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
        self.ok(self.s3.put("stream", b"before"))

        def flip(at):
            return lambda body: body[:at] + bytes([body[at] ^ 1]) + body[at + 1:]

        def swap(body):  # two chunks of the same size, exchanged whole
            head = body.index(b"\r\n") + 2 + 70_000 + 2
            return body[head:2 * head] + body[:head] + body[2 * head:]

        def again(body):
            head = body.index(b"\r\n") + 2 + 70_000 + 2
            return body[:head] + body
        for damage, code in ((flip(1000), "SignatureDoesNotMatch"), (flip(250_000), "SignatureDoesNotMatch"), (swap, "SignatureDoesNotMatch"),
                             (again, "SignatureDoesNotMatch"), (lambda body: body[:-2], "IncompleteBody"), (lambda body: body[:1000], "IncompleteBody"),
                             (lambda body: body + b"x", "InvalidRequest"), (lambda body: b"x" + body, "InvalidRequest"),
                             (lambda body: body.replace(b";chunk-signature", b";chunk-signaturf", 1), "InvalidRequest")):
            reply = self.stream(signed, data, damage=damage)
            self.assertIn(reply.status, (400, 403))
            self.assertEqual(reply.code, code)
        for declared, code in ((len(data) - 1, "IncompleteBody"), (len(data) + 1, "IncompleteBody"), (6 << 30, "EntityTooLarge"),
                               ("", "MissingContentLength"), ("x", "MissingContentLength"), ("-1", "MissingContentLength")):
            self.assertEqual(self.stream(signed, data, declared=declared).code, code)
        plain = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
        self.assertEqual(self.stream(plain, data, sum_value=crc32(b"other")).code, "BadDigest")
        self.assertEqual(self.stream(plain, data, damage=flip(1000)).code, "BadDigest")
        self.assertEqual(self.stream(signed + "-TRAILER", data, sum_value=crc32(b"other")).code, "BadDigest")
        self.refused(self.s3.put("stream", b"x", payload="STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"), 501, "NotImplemented")
        self.refused(self.s3.put("stream", b"x", payload="anything"), 400, "InvalidArgument")
        self.assertEqual(self.ok(self.s3.get("stream")).body, b"before")
        self.parts_are_empty()

    def test_checksums(self):
        data = b"hello"
        sums = {"crc32": "NhCmhg==", "crc32c": "mnG7TA==", "sha1": base64.b64encode(hashlib.sha1(data).digest()).decode(),
                "sha256": base64.b64encode(hashlib.sha256(data).digest()).decode()}
        for name, value in sums.items():
            put = self.ok(self.s3.put("sum", data, {"x-amz-checksum-" + name: value}))
            self.assertEqual(put.headers["x-amz-checksum-" + name], value)
            got = self.ok(self.s3.get("sum", {"x-amz-checksum-mode": "ENABLED"}))
            self.assertEqual(got.headers["x-amz-checksum-" + name], value)
            self.assertIsNone(self.ok(self.s3.get("sum")).headers["x-amz-checksum-" + name])
            self.refused(self.s3.put("sum", b"hellp", {"x-amz-checksum-" + name: value}), 400, "BadDigest")
            self.refused(self.s3.put("sum", data, {"x-amz-checksum-" + name: "x"}), 400, "InvalidDigest")
        md5 = base64.b64encode(hashlib.md5(data).digest()).decode()
        self.ok(self.s3.put("sum", data, {"Content-MD5": md5}))
        self.refused(self.s3.put("sum", b"hellp", {"Content-MD5": md5}), 400, "BadDigest")
        self.refused(self.s3.put("sum", data, {"Content-MD5": "x"}), 400, "InvalidDigest")
        self.refused(self.s3.put("sum", data, {"x-amz-checksum-crc32": sums["crc32"], "x-amz-checksum-crc32c": sums["crc32c"]}), 400, "InvalidDigest")
        self.refused(self.s3.put("sum", data, payload="0" * 64), 400, "XAmzContentSHA256Mismatch")
        path = self.s3.path(self.s3.key("sum"))
        headers = {**Signer(self.s3, "PUT", path, payload="UNSIGNED-PAYLOAD").headers(), "transfer-encoding": "chunked"}
        self.refused(self.s3.send("PUT", path, headers, b"5\r\nhello\r\n0\r\n\r\n"), 411, "MissingContentLength")
        self.assertEqual(self.s3.get("sum").body, data)
        self.parts_are_empty()

    def open_put(self, length, sent, path=None, more=""):
        """A PUT of which only `sent` is sent; the socket."""
        path = path or self.s3.path(self.s3.key("cut"))
        headers = Signer(self.s3, "PUT", path, payload="UNSIGNED-PAYLOAD").headers()
        head = "PUT %s HTTP/1.1\r\n" % path + "".join("%s: %s\r\n" % pair for pair in headers.items()) + "content-length: %d\r\n%s\r\n" % (length, more)
        sock = socket.create_connection(("127.0.0.1", self.server.port), timeout=30)
        self.addCleanup(sock.close)
        sock.sendall(head.encode() + sent)
        return sock

    def test_declared_and_cut(self):
        self.ok(self.s3.put("cut", b"before"))
        for length, sent in ((5 << 30, b"x" * 3_000_000), (100, b"x" * 99), (10, b"")):
            sock = self.open_put(length, sent)
            if len(sent) > MIB:
                harness.until(lambda: len(files(self.server)["parts"]) == 1)
            sock.close()
            self.parts_are_empty()
        sock = self.open_put((5 << 30) + 1, b"")
        self.assertRegex(sock.recv(4096), rb"(?s)^HTTP/1.1 400.*<Code>EntityTooLarge<")
        sock = self.open_put(100, b"x" * 60)
        sock.shutdown(socket.SHUT_WR)
        sock.recv(4096)
        self.parts_are_empty()
        self.assertEqual(self.s3.get("cut").body, b"before")

    def test_slow_ones_keep_nobody_waiting(self):
        slow = [self.open_put(1000, b"x" * 10, self.s3.path(self.s3.key("slow/%d" % n))) for n in range(100)]
        started = time.monotonic()
        self.ok(self.s3.put("quick", b"x" * MIB))
        self.assertLess(time.monotonic() - started, 5)
        for sock in slow[:50]:
            sock.sendall(b"y" * 990)
            self.assertRegex(sock.recv(4096), rb"^HTTP/1.1 200")
        for sock in slow[50:]:
            sock.close()
        self.parts_are_empty()
        self.assertEqual(self.ok(self.s3.list(self.s3.key("slow/"))).one("KeyCount"), "50")

    def test_as_many_bodies_as_there_may_be(self):
        open_ones = [self.open_put(10, b"x", self.s3.path(self.s3.key("full/%d" % n))) for n in range(256)]
        harness.until(lambda: len(files(self.server)["parts"]) == 256)
        self.refused(self.s3.put("full/x", b"y"), 503, "SlowDown")
        for sock in open_ones:
            sock.close()
        self.parts_are_empty()
        self.ok(self.s3.put("full/x", b"y"))

    def test_expect_continue(self):
        sock = self.open_put(5, b"", more="expect: 100-continue\r\n")
        self.assertRegex(sock.recv(4096), rb"^HTTP/1.1 100")
        sock.sendall(b"hello")
        self.assertRegex(sock.recv(4096), rb"^HTTP/1.1 200")
        sock = self.open_put(5, b"", "/daytona/other/x", more="expect: 100-continue\r\n")
        self.assertRegex(sock.recv(4096), rb"^HTTP/1.1 403")


class Curl(Base):
    @unittest.skipUnless(shutil.which("curl"), "curl is not installed")
    def test_it_signs_as_we_do(self):
        place = tempfile.mkdtemp(prefix="dl-test-")
        self.addCleanup(shutil.rmtree, place)
        data = os.urandom(2 * MIB)
        with open(os.path.join(place, "file"), "wb") as file:
            file.write(data)
        access = self.s3.access
        common = ["curl", "-sS", "--noproxy", "*", "--fail-with-body", "--aws-sigv4", "aws:amz:us-east-1:s3", "-u", access["accessKey"] + ":" + access["secret"],
                  "-H", "x-amz-security-token: " + access["sessionToken"], "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD",
                  access["storageUrl"] + self.s3.path(self.s3.key("curl/file"))]
        subprocess.run([*common, "-T", file.name], check=True)
        self.assertEqual(subprocess.run(common, check=True, capture_output=True).stdout, data)


class Signatures(Base):
    def setUp(self):
        self.ok(self.s3.put("signed", b"secret"))

    def test_wrong_ones(self):
        other = S3(self.server)

        def access(**change):
            return {"access": {**self.s3.access, **change}}
        token = self.s3.access["sessionToken"]
        later = str(int(token.split(".")[0]) + 1) + "." + token.split(".")[1]
        for more, status, code in ((access(secret="0" * 64), 403, "SignatureDoesNotMatch"), (access(accessKey="A" * 20), 400, "InvalidToken"),
                                   (access(sessionToken=""), 403, "InvalidAccessKeyId"), (access(sessionToken=token[:-1]), 400, "InvalidToken"),
                                   (access(sessionToken=later), 400, "InvalidToken"), (access(sessionToken="9" * 14 + "." + "0" * 64), 400, "InvalidToken"),
                                   (access(sessionToken="x" * 8000), 400, "InvalidToken"), (access(sessionToken="."), 400, "InvalidToken"),
                                   (access(sessionToken=other.access["sessionToken"]), 400, "InvalidToken"),
                                   (access(region="eu-west-1"), 400, "AuthorizationHeaderMalformed"), ({"host": "elsewhere"}, 403, "SignatureDoesNotMatch"),
                                   ({"stamp": now(-16 * 60)}, 403, "RequestTimeTooSkewed"), ({"stamp": now(16 * 60)}, 403, "RequestTimeTooSkewed"),
                                   ({"stamp": "20000101T000000Z"}, 403, "RequestTimeTooSkewed"), ({"unsigned": {"x-amz-date"}}, 403, "AccessDenied"),
                                   ({"unsigned": {"host"}}, 400, "AuthorizationHeaderMalformed")):
            with self.subTest(more=str(more)[:80]):
                if "host" in more:
                    signer = Signer(self.s3, "GET", self.s3.path(self.s3.key("signed")))
                    signer.host = "elsewhere"
                    headers = signer.headers()
                    headers["host"] = "127.0.0.1:%d" % self.server.port
                    reply = self.s3.send("GET", signer.path, headers)
                else:
                    reply = self.s3.get("signed", **more)
                self.refused(reply, status, code)
                self.assertNotIn(b"secret<", reply.body)
        self.ok(self.s3.get("signed", stamp=now(-14 * 60)))
        self.ok(self.s3.get("signed", stamp=now(14 * 60)))

    def test_taken_from_another_request(self):
        path, url = self.s3.path(self.s3.key("signed")), self.s3.path(self.s3.key("elsewhere"))
        headers = Signer(self.s3, "GET", path).headers()
        self.ok(self.s3.send("GET", path, headers))
        self.ok(self.s3.send("GET", path, headers))  # the same request again, as S3 allows for 15 minutes
        for method, target, body in (("PUT", path, b""), ("DELETE", path, None), ("GET", url, None), ("GET", path + "?uploadId=x", None)):
            self.refused(self.s3.send(method, target, headers, body), 403, "SignatureDoesNotMatch")
        put = Signer(self.s3, "PUT", path, payload=hashlib.sha256(b"new").hexdigest()).headers()
        self.refused(self.s3.send("PUT", path, put, b"bad"), 400, "XAmzContentSHA256Mismatch")
        self.refused(self.s3.send("PUT", path, {**put, "x-amz-meta-a": "b"}, b"new"), 403, "AccessDenied")
        self.assertEqual(self.s3.get("signed").body, b"secret")

    def test_truncated_and_odd_headers(self):
        path = self.s3.path(self.s3.key("signed"))
        good = Signer(self.s3, "GET", path).headers()
        text = good["authorization"]
        for cut in range(0, len(text), 7):
            reply = self.s3.send("GET", path, {**good, "authorization": text[:cut]})
            self.assertIn(reply.status, (400, 403), cut)
            self.assertNotIn(b"secret", reply.body)
        for value in ("AWS4-HMAC-SHA256 " + "a" * 30000, "AWS4-HMAC-SHA256 " + "," * 1000, "AWS4-HMAC-SHA256 Credential=" + "/" * 500, "Bearer test-key", ""):
            self.assertIn(self.s3.send("GET", path, {**good, "authorization": value}).status, (400, 403))
        self.refused(self.s3.send("GET", path, {}), 403, "AccessDenied")
        self.assertEqual(self.s3.send("GET", path, {**good, "Date": "x"}).status, 200)

    def test_presigned(self):
        path = self.s3.path(self.s3.key("signed"))
        target = Signer(self.s3, "GET", path).presigned()
        self.assertEqual(self.ok(self.s3.send("GET", target)).body, b"secret")
        self.refused(self.s3.send("DELETE", target), 403, "SignatureDoesNotMatch")
        self.refused(self.s3.send("GET", target + "&x-id=x"), 403, "SignatureDoesNotMatch")
        self.refused(self.s3.send("GET", target.replace("signed?", "elsewhere?")), 403, "SignatureDoesNotMatch")
        self.refused(self.s3.send("GET", Signer(self.s3, "GET", path, stamp=now(-120)).presigned(60)), 403, "AccessDenied")
        self.ok(self.s3.send("GET", Signer(self.s3, "GET", path, stamp=now(-1200)).presigned(3600)))
        self.refused(self.s3.send("GET", Signer(self.s3, "GET", path).presigned(8 * 86400)), 400, "AuthorizationQueryParametersError")
        self.ok(self.s3.send("PUT", Signer(self.s3, "PUT", self.s3.path(self.s3.key("pre"))).presigned(), body=b"put"))
        self.assertEqual(self.s3.get("pre").body, b"put")

    def test_credentials_expire(self):
        server = harness.Server()
        try:
            s3 = S3(server)
            self.ok(s3.put("a", b"1"))
            server.jump(59)
            self.ok(s3.get("a"))
            server.jump(2)
            self.refused(s3.get("a"), 400, "ExpiredToken")
            self.assertEqual(self.ok(S3(server).get("a")).body, b"1")
        finally:
            self.assertEqual(server.stop(), 0)

    def test_permissions(self):
        place = tempfile.mkdtemp(prefix="dl-test-")
        self.addCleanup(shutil.rmtree, place)
        with open(os.path.join(place, "keys"), "w") as file:
            file.write("all\nboxes write:sandboxes\nsnaps write:snapshots\nvolumes read:volumes,write:volumes\n")
        server = harness.Server("--key-file", file.name, key=None)
        try:
            for key, status in (("all", 200), ("boxes", 200), ("snaps", 200), ("volumes", 403)):
                self.status(status, server.api("GET", "/object-storage/push-access", key=key))
        finally:
            self.assertEqual(server.stop(), 0)

    def test_an_address_that_keeps_failing(self):
        server = harness.Server("--rate-limit", "failed-auth=3/60")
        try:
            s3 = S3(server)
            for _ in range(3):
                self.refused(s3.get("a", access={**s3.access, "secret": "x"}), 403, "SignatureDoesNotMatch")
            s3.get("a", access={**s3.access, "secret": "x"})
            self.refused(s3.get("a"), 503, "SlowDown")
        finally:
            self.assertEqual(server.stop(), 0)

    def test_behind_a_proxy(self):
        server = harness.Server("--trusted-proxy", "127.0.0.1")
        try:
            access = server.api("GET", "/object-storage/push-access", headers={"X-Forwarded-Host": "store.example", "X-Forwarded-Proto": "https"}).json
            self.assertEqual(access["storageUrl"], "https://store.example")
            s3 = S3(server, access)
            signer = Signer(s3, "PUT", s3.path(s3.key("a")), payload="UNSIGNED-PAYLOAD")
            signer.host = "store.example"
            headers = {**signer.headers(), "host": "127.0.0.1:%d" % server.port, "X-Forwarded-Host": "store.example"}
            self.ok(s3.send("PUT", signer.path, headers, b"x"))
        finally:
            self.assertEqual(server.stop(), 0)


class Limits(Base):
    options = ("--max-object", "0.01", "--max-storage", "0.02")  # 10.2 MiB and 20.5 MiB

    def test_of_one_and_of_all(self):
        mib = b"x" * MIB
        self.refused(self.s3.put("large", b"x" * (11 * MIB)), 400, "EntityTooLarge")
        upload = self.s3.begin("large")
        etags = [(n, self.ok(self.s3.part("large", upload, n, mib * 6)).headers["ETag"]) for n in (1, 2)]
        self.refused(self.s3.complete("large", upload, etags), 400, "EntityTooLarge")
        self.refused(self.s3.part("large", upload, 3, mib * 9), 403, "QuotaExceeded")
        self.ok(self.s3.abort("large", upload), 204)
        self.parts_are_empty()
        for n in range(2):
            self.ok(self.s3.put("fit/%d" % n, mib * 10))
        self.refused(self.s3.put("fit/2", mib), 403, "QuotaExceeded")
        self.ok(self.s3.delete("fit/0"), 204)
        harness.until(lambda: self.s3.put("fit/2", mib * 9).status == 200)  # once the other's room is free

    def test_a_full_disk(self):
        server = harness.Server()
        try:
            s3 = S3(server)
            self.ok(s3.put("disk", b"before"))
            upload = s3.begin("disk2")
            etags = [(n, self.ok(s3.part("disk2", upload, n, b"y" * (5 * MIB))).headers["ETag"]) for n in (1, 2)]
            limit_files(server, 6 * MIB)
            self.refused(s3.put("disk", b"x" * (7 * MIB)), 507, "InsufficientStorage")
            self.refused(s3.complete("disk2", upload, etags), 507, "InsufficientStorage")
            harness.until(lambda: [len(names) for names in files(server).values()] == [1, 2])
            self.assertEqual(self.ok(s3.get("disk")).body, b"before")
            limit_files(server, resource.RLIM_INFINITY)
            self.ok(s3.complete("disk2", upload, etags))
            self.assertEqual(self.ok(s3.get("disk2")).body, b"y" * (10 * MIB))
        finally:
            self.assertEqual(server.stop(), 0)

    def test_a_journal_that_cannot_be_written(self):
        server = harness.Server()
        try:
            s3 = S3(server)
            self.ok(s3.put("kept", b"1"))
            size = os.path.getsize(os.path.join(server.state, "journal"))
            limit_files(server, size + 10)
            self.refused(s3.put("kept", b"2"), 500, "InternalError")
            self.refused(s3.put("more", b"2"), 500, "InternalError")
            self.refused(s3.delete("kept"), 500, "InternalError")
            limit_files(server, resource.RLIM_INFINITY)
            self.assertEqual(self.ok(s3.get("kept")).body, b"1")
            self.refused(s3.get("more"), 404, "NoSuchKey")
            self.ok(s3.put("more", b"3"))
            self.ok(s3.put("kept", b"3"))
            harness.until(lambda: len(files(server)["data"]) <= 4)
        finally:
            self.assertEqual(server.stop(), 0)


class Faults(Base):
    def tearDown(self):
        self.status(204, self.server.call("DELETE", "/admin/faults"))

    def test_a_part_fails_on_purpose(self):
        upload = self.s3.begin("faulty")
        self.server.fault(action="status", status=503, skip=1, match={"method": "PUT", "target": "storage"})
        self.ok(self.s3.part("faulty", upload, 1, b"1"))
        self.refused_on_purpose(self.s3.part("faulty", upload, 2, b"2"), 503, "SlowDown")
        self.ok(self.s3.part("faulty", upload, 2, b"2"))
        self.server.fault(action="status", status=500, code="InternalError", match={"path": "/daytona/*"})
        self.refused_on_purpose(self.s3.part("faulty", upload, 3, b"3"), 500, "InternalError")
        self.server.fault(action="reset", match={"target": "storage"})
        with self.assertRaises(ConnectionError):
            self.s3.part("faulty", upload, 3, b"3")
        # Carried out, and its answer lost.
        self.server.fault(action="reset", phase="after", match={"target": "storage", "method": "PUT"})
        with self.assertRaises(ConnectionError):
            self.s3.part("faulty", upload, 3, b"3")
        listed = self.s3.call("GET", self.s3.path(self.s3.key("faulty")), [("uploadId", upload)])
        self.assertEqual(listed.all("PartNumber"), ["1", "2", "3"])

    def refused_on_purpose(self, reply, status, code):
        self.assertEqual((reply.status, reply.code), (status, code), reply.body)

    def test_a_download_that_is_cut(self):
        self.ok(self.s3.put("cut", b"x" * MIB))
        self.server.fault(action="truncate", after_bytes=1000, match={"method": "GET", "target": "storage"})
        with self.assertRaises(http.client.IncompleteRead) as caught:
            self.s3.get("cut")
        self.assertEqual(len(caught.exception.partial), 1000)

    def test_another_target_is_left_alone(self):
        self.server.fault(action="status", status=503, match={"target": "control"})
        self.ok(self.s3.put("alone", b"x"))


class OverTls(Base):
    over_tls = True

    def test_large_over_tls(self):
        data = os.urandom(6 * MIB)
        self.assertEqual(self.s3.access["storageUrl"], "https://127.0.0.1:%d" % self.server.port)
        self.ok(self.s3.put("tls", data))
        self.assertEqual(self.ok(self.s3.get("tls")).body, data)


if __name__ == "__main__":
    harness.main()
