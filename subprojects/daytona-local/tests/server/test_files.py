# SPDX-License-Identifier: Apache-2.0
"""Files through the proxy into a real sandbox: every call, any size, odd names, errors, faults."""
import base64
import hashlib
import hmac
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse

import harness

HOME = "/home/daytona"
GIB = 1 << 30
PIECE = hashlib.shake_256(b"content").digest(1 << 20)


def quote(path):
    return urllib.parse.quote(path if isinstance(path, bytes) else path.encode())


def form(parts, boundary=b"XyZ"):
    """parts: (name, filename or None, content)."""
    out = b""
    for name, filename, content in parts:
        extra = b"" if filename is None else b'; filename="' + filename + b'"'
        out += b'--%s\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n' % (boundary, name, extra, content)
    return out + b"--" + boundary + b"--\r\n"


def bulk_form(files):
    parts = []
    for i, (path, content) in enumerate(files):
        parts.append((b"files[%d].path" % i, None, path if isinstance(path, bytes) else path.encode()))
        parts.append((b"files[%d].file" % i, b"x", content))
    return form(parts)


def read_parts(answer):
    """[(name, path, content)] of a bulk download; ValueError when it has no proper end."""
    boundary = b"--" + re.search("boundary=(.*)", answer.headers["Content-Type"]).group(1).encode()
    if not answer.body.endswith(b"\r\n" + boundary + b"--\r\n"):
        raise ValueError("no closing delimiter")
    out = []
    for part in answer.body[:-len(boundary) - 4].split(boundary + b"\r\n")[1:]:
        head, content = part.split(b"\r\n\r\n", 1)
        path = urllib.parse.unquote_to_bytes(re.search(rb"filename\*=utf-8''(\S*)", head).group(1))
        length = re.search(rb"Content-Length: (\d+)", head)
        content = content[:-2]
        if length and int(length.group(1)) != len(content):
            raise ValueError("a part of another length than it says")
        out.append((re.search(rb'name="(\w+)"', head).group(1).decode(), path.decode("utf-8", "surrogateescape"), content))
    return out


class Files(harness.Case):
    @classmethod
    def setUpClass(cls):
        # Not /tmp: where that is memory, a large file counts against the sandbox's.
        cls.state = tempfile.mkdtemp(prefix="dl-test-", dir="/var/tmp")
        cls.server = harness.Server(*cls.options, state=cls.state)
        cls.box = cls.server.create()["id"]

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        shutil.rmtree(cls.state, ignore_errors=True)

    def tearDown(self):
        self.status(204, self.server.call("DELETE", "/admin/faults"))

    def call(self, method, path, body=None, **more):
        return self.server.call(method, "/toolbox/%s%s" % (self.box, path), body, **more)

    def run_in_box(self, command):
        answer = self.server.execute(self.box, command)
        self.assertEqual(answer["exitCode"], 0, answer)
        return answer["result"]

    def bulk_upload(self, files, **more):
        return self.call("POST", "/files/bulk-upload", raw=bulk_form(files),
                         headers={"Content-Type": "multipart/form-data; boundary=XyZ"}, **more)

    def upload(self, path, content):
        return self.call("POST", "/files/upload-v2?path=" + quote(path), raw=content,
                         headers={"Content-Type": "application/octet-stream"})

    def download(self, path, **more):
        return self.call("GET", "/files/download?path=" + quote(path), **more)

    def bulk_download(self, *paths):
        return self.call("POST", "/files/bulk-download", {"paths": paths})

    def fails(self, answer, status, code):
        self.status(status, answer)
        self.assertEqual((answer.json["code"], answer.json["source"], answer.json["statusCode"]), (code, "DAYTONA_DAEMON", status))
        return answer.json["message"]

    # ---- content ----

    def test_sizes_both_ways(self):
        sizes = [0, 1, 65535, 65536, 65537, 131072, 5 << 20]
        files = [("size/%d" % n, (PIECE * 5)[:n]) for n in sizes]
        answer = self.status(200, self.bulk_upload(files)).json
        self.assertEqual(answer["files"], [{"path": p, "bytes": len(c)} for p, c in files])
        for path, content in files:
            answer = self.status(200, self.download(path))
            self.assertTrue(answer.body == content and int(answer.headers["Content-Length"]) == len(content), path)
        parts = read_parts(self.bulk_download(*[p for p, _ in files]))
        self.assertTrue(parts == [("file", p, c) for p, c in files])

    def test_content_like_boundaries(self):
        evil = [b"\r\n--XyZ!\r\n", b"--DAYTONA-FILE-BOUNDARY--\r\n", b"\r\n\r\n", b"\r", b"--", b"\r\n--XyZ-", b"\r\n--Xy" * 30000,
                b"a\r\n--DAYTONA-FILE-BOUNDARY\r\nContent-Length: 3\r\n\r\nfake\r\n--DAYTONA-FILE-BOUNDARY--\r\n"]
        files = [("evil/%d" % i, c) for i, c in enumerate(evil)]
        self.assertEqual(len(self.status(200, self.bulk_upload(files)).json["files"]), len(evil))
        self.assertEqual(read_parts(self.bulk_download(*[p for p, _ in files])), [("file", p, c) for p, c in files])

    def test_odd_names(self):
        names = ["with space", 'quo"te', "back\\slash", "new\nline", "gr\u00fcn \u65e5\u672c \U0001f680", "%41", "semi;colon&<x>", "apo'strophe",
                 "plus+plus", "-dash", "..."]
        for name in names:
            path = HOME + "/odd/" + name
            self.status(200, self.upload(path, name.encode()))
            answer = self.status(200, self.download(path))
            self.assertEqual(answer.body, name.encode())
            coded = re.search(r"filename\*=utf-8''(\S*)", answer.headers["Content-Disposition"]).group(1)
            self.assertEqual(urllib.parse.unquote(coded), name)
            self.assertEqual(read_parts(self.bulk_download(path)), [("file", path, name.encode())])
        raw = b"/home/daytona/odd/bad\xff\xfe"
        self.status(200, self.bulk_upload([(raw, b"raw")]))
        self.assertEqual(self.status(200, self.download(raw)).body, b"raw")
        self.status(400, self.call("GET", "/files/download?path=a%00b"))
        listed = [i["name"] for i in self.call("GET", "/files?path=odd").json]
        self.assertEqual(listed, sorted(names + ["bad\ufffd\ufffd"], key=lambda n: n.encode()))

    def test_one_gibibyte_in_little_memory(self):
        if shutil.disk_usage(self.state).free < 3 * GIB or subprocess.run(
                ["stat", "-f", "-c", "%T", self.state], capture_output=True, text=True).stdout.strip() == "tmpfs":
            self.skipTest("no disk with 3 GiB free below /var/tmp")
        toolbox = self.toolbox_pid()
        before = self.resident(toolbox)
        want = hashlib.sha256()
        for _ in range(1024):
            want.update(PIECE)
        connection = self.server.connection(120)
        headers = {"Authorization": "Bearer " + harness.KEY, "Content-Length": str(GIB)}
        connection.request("POST", "/toolbox/%s/files/upload-v2?path=big" % self.box, (PIECE for _ in range(1024)), headers)
        self.assertEqual(connection.getresponse().read(), b'{"name":"big","path":"big","type":"file"}')
        connection.request("GET", "/toolbox/%s/files/download?path=big" % self.box, headers={"Authorization": "Bearer " + harness.KEY})
        answer, have = connection.getresponse(), hashlib.sha256()
        self.assertEqual(int(answer.headers["Content-Length"]), GIB)
        while True:
            piece = answer.read(1 << 20)
            if not piece:
                break
            have.update(piece)
        connection.close()
        self.assertEqual(have.hexdigest(), want.hexdigest())
        self.status(204, self.call("DELETE", "/files?path=big"))
        with open(harness.program(), "rb") as file:
            if b"__asan_init" in file.read():
                return  # the sanitizer's own memory hides ours
        grown = self.resident(toolbox) - before
        self.assertLess(grown, 8 << 10, "the toolbox grew by %d KiB" % grown)

    def toolbox_pid(self):
        path = "proc-%d" % os.getpid()
        self.status(200, self.upload(path, b""))
        namespace = self.run_in_box("readlink /proc/self/ns/pid").strip()
        for pid, command in harness.processes():
            try:
                if "toolbox" in command and os.readlink("/proc/%d/ns/pid" % pid) == namespace:
                    return pid
            except OSError:
                pass
        self.skipTest("the toolbox cannot be seen from here")

    def resident(self, pid):
        with open("/proc/%d/status" % pid) as file:
            return int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1))

    def test_fifty_transfers_at_once(self):
        wrong = []

        def transfer(i):
            content = (b"%d " % i) * 40000
            if self.upload("many/%d" % i, content).status != 200 or self.download("many/%d" % i).body != content:
                wrong.append(i)

        threads = [threading.Thread(target=transfer, args=(i,)) for i in range(50)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(wrong, [])

    def test_special_files(self):
        self.run_in_box("mkfifo pipe; ln -s /etc/hosts to-hosts")
        self.status(400, self.download("pipe"))
        self.fails(self.upload("pipe", b"x"), 400, "BAD_REQUEST")
        self.assertEqual(self.status(200, self.download("/proc/self/status")).body[:5], b"Name:")
        self.assertIn(b"Name:", read_parts(self.bulk_download("/proc/self/status"))[0][2])
        self.assertIn(b"localhost", self.download("to-hosts").body)
        message = self.bulk_upload([("/dev/full", b"no room"), ("room", b"room")])
        self.status(400, message)
        self.assertEqual(message.json["errors"], ["/dev/full: write: write /dev/full: no space left on device"])
        self.assertEqual(message.json["files"], [{"path": "room", "bytes": 4}])
        self.assertIn("no space left", self.fails(self.upload("/dev/full", b"x"), 400, "BAD_REQUEST"))

    def test_a_file_that_changes_while_it_is_sent(self):
        self.run_in_box("head -c 50000000 /dev/zero > moving")
        connection = self.server.connection()
        connection.request("GET", "/toolbox/%s/files/download?path=moving" % self.box, headers={"Authorization": "Bearer " + harness.KEY})
        answer = connection.getresponse()
        self.assertEqual(len(answer.read(1000)), 1000)
        self.run_in_box("truncate -s 1000 moving")
        with self.assertRaises((http.client.IncompleteRead, ConnectionError)):
            answer.read()
        connection.close()
        self.run_in_box("head -c 50000000 /dev/zero > moving")
        connection.request("GET", "/toolbox/%s/files/download?path=moving" % self.box, headers={"Authorization": "Bearer " + harness.KEY})
        answer = connection.getresponse()
        answer.read(1000)
        self.run_in_box("echo more >> moving")
        self.assertEqual(len(answer.read()), 50000000 - 1000)
        connection.close()

    # ---- paths ----

    def test_paths_stay_in_the_sandbox(self):
        for path in ("/etc/shadow", "../../../../etc/shadow", HOME + "/../../etc/shadow"):
            self.assertIn(self.download(path).status, (403, 404), path)
        self.run_in_box("ln -sfn / root && ln -sfn /proc/1/root proot")
        with open("/etc/passwd", "rb") as file:
            ours = file.read()
        for path in ("root/etc/passwd", "proot/etc/passwd", "/proc/self/root/etc/passwd", "/proc/1/cwd/../../etc/passwd"):
            self.assertNotEqual(self.download(path).body, ours, path)
        state = quote(os.path.join(self.server.state, "lock"))
        self.status(404, self.call("GET", "/files/info?path=" + quote(self.server.state)))
        self.status(404, self.call("GET", "/files/info?path=root" + state))
        self.assertEqual(self.upload("/etc/x", b"").status, 400)
        self.assertEqual(self.upload("root/usr/bin/x", b"").status, 400)

    # ---- calls ----

    def test_list_depth_and_paths(self):
        self.run_in_box("mkdir -p tree/a/b tree/z; touch tree/a/b/c tree/m; ln -s a tree/link")

        def names(query, **headers):
            return [i.get("path", i["name"]) for i in self.status(200, self.call("GET", "/files?path=tree" + query, headers=headers)).json]
        self.assertEqual(names(""), ["tree/a", "tree/link", "tree/m", "tree/z"])
        self.assertEqual(names("&depth=2"), ["tree/a", "tree/a/b", "tree/link", "tree/m", "tree/z"])
        self.assertEqual(names("&depth=9"), ["tree/a", "tree/a/b", "tree/a/b/c", "tree/link", "tree/m", "tree/z"])
        self.assertEqual(names("/link&depth=9"), ["tree/link/b", "tree/link/b/c"])
        old_go = {"X-Daytona-Source": "sdk-go", "X-Daytona-SDK-Version": "0.187.0"}
        self.assertEqual(names("", **old_go), ["a", "link", "m", "z"])
        for bad in ("0", "-1", "x"):
            self.fails(self.call("GET", "/files?path=tree&depth=" + bad), 400, "BAD_REQUEST")
        self.fails(self.call("GET", "/files?path=none"), 404, "FILE_NOT_FOUND")

    def test_move_keeps_everything(self):
        self.run_in_box("mkdir -p mv/d/sub && echo 1 > mv/d/f && ln -s f mv/d/l && chmod 640 mv/d/f")
        self.fails(self.call("POST", "/files/move?source=mv/d&destination=mv/d/sub/in"), 400, "BAD_REQUEST")
        self.fails(self.call("POST", "/files/move?source=mv/d&destination=mv/d/x"), 400, "BAD_REQUEST")
        self.fails(self.call("POST", "/files/move?source=mv/none&destination=mv/x"), 404, "FILE_NOT_FOUND")
        self.fails(self.call("POST", "/files/move?source=mv/d/f&destination=mv/d/sub"), 409, "CONFLICT")
        # /dev/shm is another file system: copied, then removed.
        self.status(200, self.call("POST", "/files/move?source=mv/d&destination=/dev/shm/d"))
        self.assertEqual(self.run_in_box("ls mv; cat /dev/shm/d/l; stat -c %a /dev/shm/d/f; ls -d /dev/shm/d/sub"), "1\n640\n/dev/shm/d/sub\n")

    def test_delete_does_not_follow_links(self):
        self.run_in_box("mkdir -p del/d keep && touch keep/f && ln -s ../../keep del/d/link && chmod 555 keep")
        self.run_in_box("d=del/d; for i in $(seq 300); do d=$d/x; done; mkdir -p $d")
        self.fails(self.call("DELETE", "/files?path=del"), 400, "BAD_REQUEST")
        self.status(204, self.call("DELETE", "/files?path=del&recursive=true"))
        self.assertEqual(self.run_in_box("ls -d del 2>/dev/null; ls keep"), "f\n")

    def test_delete_and_move_take_the_link_itself(self):
        self.run_in_box("mkdir -p links/keep /dev/shm/links && touch links/keep/f && cd links && ln -s none dangling && ln -s keep folder "
                        "&& ln -s keep/f file && ln -s keep slash && ln -s keep slashes && ln -s keep moved && ln -s $PWD/keep away && mkdir real")
        for name in ("dangling", "folder", "file", "slash/"):
            self.status(204, self.call("DELETE", "/files?path=links/" + name))
        self.status(204, self.call("DELETE", "/files?path=links/slashes//&recursive=true"))
        self.fails(self.call("DELETE", "/files?path=links/real/"), 400, "BAD_REQUEST")
        self.fails(self.call("DELETE", "/files?path=links/dangling"), 404, "FILE_NOT_FOUND")
        self.status(200, self.call("POST", "/files/move?source=links/moved/&destination=links/there/"))
        self.status(200, self.call("POST", "/files/move?source=links/away/&destination=/dev/shm/links/away"))
        self.assertEqual(self.run_in_box("cd links; ls; ls keep; readlink there; readlink /dev/shm/links/away"),
                         "keep\nreal\nthere\nf\nkeep\n/home/daytona/links/keep\n")

    def test_permissions(self):
        self.run_in_box("touch perm")
        self.status(200, self.call("POST", "/files/permissions?path=perm&mode=4750"))
        self.assertEqual(self.call("GET", "/files/info?path=perm").json["permissions"], "0750")
        self.assertEqual(self.call("GET", "/files/info?path=perm").json["mode"], "-rwxr-x---")
        self.status(200, self.call("POST", "/files/permissions?path=perm&owner=daytona&group=1000"))
        for bad in ("mode=9", "owner=nosuchuser", "group=nosuchgroup", "owner=0"):
            self.fails(self.call("POST", "/files/permissions?path=perm&" + bad), 400, "BAD_REQUEST")
        self.fails(self.call("POST", "/files/permissions?path=none&mode=600"), 404, "FILE_NOT_FOUND")

    def test_find(self):
        self.upload("find/a", b"one needle\r\ntwo\nNeedle needle\n")
        self.upload("find/b", b"needle\0binary")
        self.upload("find/c", b"needle first\n" + b"x" * 70000 + b"\nneedle after the long line\n")
        self.upload("find/d", b"no line end: needle \xff")
        found = self.status(200, self.call("GET", "/files/find?path=find&pattern=needle")).json
        self.assertEqual([(m["file"], m["line"], m["content"]) for m in found],
                         [("find/a", 1, "one needle"), ("find/a", 3, "Needle needle"), ("find/c", 1, "needle first"),
                          ("find/d", 1, "no line end: needle \ufffd")])
        self.assertEqual(self.call("GET", "/files/find?path=none&pattern=x").json, [])
        self.fails(self.call("GET", "/files/find?path=find"), 400, "BAD_REQUEST")

    def test_replace(self):
        long_text = b"ab" * 200000 + b"abc"
        self.upload("replace/a", b"x OLD y OLD")
        self.upload("replace/b", long_text)
        self.run_in_box("chmod 711 replace/a; ln replace/a replace/hard")
        answer = self.status(200, self.call("POST", "/files/replace", {"files": ["replace/a", "none", "replace/b"], "pattern": "OLD", "newValue": "new!"}))
        self.assertEqual(answer.json, [{"file": "replace/a", "success": True},
                                       {"file": "none", "success": False, "error": "open none: no such file or directory"},
                                       {"file": "replace/b", "success": True}])
        self.assertEqual(self.download("replace/hard").body, b"x new! y new!")
        self.assertEqual(self.call("GET", "/files/info?path=replace/a").json["permissions"], "0711")
        self.call("POST", "/files/replace", {"files": ["replace/b"], "pattern": "abab", "newValue": ""})
        self.assertEqual(self.download("replace/b").body, long_text.replace(b"abab", b""))
        self.fails(self.call("POST", "/files/replace", {"files": ["a"], "pattern": "", "newValue": "x"}), 400, "INVALID_REQUEST_BODY")
        self.fails(self.call("POST", "/files/replace", {"files": ["a"], "pattern": "x"}), 400, "INVALID_REQUEST_BODY")

    def test_single_uploads(self):
        multipart = {"Content-Type": "multipart/form-data; boundary=XyZ"}
        body = form([(b"other", None, b"skip"), (b"file", b"n", b"first")])
        self.assertEqual(self.status(200, self.call("POST", "/files/upload?path=up/one", raw=body, headers=multipart)).body, b"")
        answer = self.status(200, self.call("POST", "/files/upload-v2?path=up/one", raw=body.replace(b"first", b"second"), headers=multipart))
        self.assertEqual(answer.json, {"name": "one", "path": "up/one", "type": "file"})
        self.assertEqual(self.download("up/one").body, b"second")
        cut = body[:-12]
        self.assertIn("EOF", self.fails(self.call("POST", "/files/upload?path=up/one", raw=cut, headers=multipart), 400, "BAD_REQUEST"))
        self.assertEqual(self.download("up/one").body, b"second")
        self.assertEqual(self.run_in_box("ls -A up"), "one\n")
        self.fails(self.call("POST", "/files/upload-v2", raw=b"x" * 3000000), 400, "BAD_REQUEST")
        self.status(200, self.upload("up/empty", b""))
        self.assertEqual(self.download("up/empty").body, b"")

    def wait_for_uploads(self, count):
        end = time.monotonic() + 20
        while self.run_in_box("ls -A | grep -c upload- || true") != "%d\n" % count:
            self.assertLess(time.monotonic(), end, "not %d files under way" % count)

    def test_a_client_that_leaves_in_the_middle(self):
        self.upload("left", b"old")
        connection = self.server.connection()
        connection.putrequest("POST", "/toolbox/%s/files/upload-v2?path=left" % self.box)
        connection.putheader("Authorization", "Bearer " + harness.KEY)
        connection.putheader("Content-Length", "1000000")
        connection.endheaders()
        connection.send(b"new" * 100000)
        self.wait_for_uploads(1)
        connection.close()
        self.wait_for_uploads(0)
        self.assertEqual(self.download("left").body, b"old")

    def test_ranges_and_conditions(self):
        self.upload("range", b"0123456789")

        def ask(status, method="GET", **headers):
            headers = {k.replace("_", "-"): v for k, v in headers.items()}
            return self.status(status, self.call(method, "/files/download?path=range", headers=headers))
        answer = ask(206, Range="bytes=2-4")
        self.assertEqual((answer.body, answer.headers["Content-Range"], answer.headers["Content-Length"]), (b"234", "bytes 2-4/10", "3"))
        self.assertEqual(ask(206, Range="bytes=-3").body, b"789")
        answer = ask(206, Range="bytes=0-1,8-")
        self.assertEqual(int(answer.headers["Content-Length"]), len(answer.body))
        self.assertEqual(re.findall(rb"\r\n\r\n(\d+)\r\n", answer.body), [b"01", b"89"])
        self.assertEqual(ask(416, Range="bytes=10-").headers["Content-Range"], "bytes */10")
        for headers in (ask(416, Range="bytes=10-").headers, ask(416, Range="lines=1-2").headers, ask(304, If_None_Match="*").headers):
            for name in ("Content-Disposition", "Last-Modified", "Cache-Control", "Accept-Ranges"):
                self.assertIn(name, headers)
        answer = ask(200, "HEAD")
        self.assertEqual((answer.body, answer.headers["Content-Length"]), (b"", "10"))
        date = answer.headers["Last-Modified"]
        self.assertEqual(ask(304, If_Modified_Since=date).body, b"")
        self.assertEqual(ask(200, If_Modified_Since="Sat, 01 Jan 2000 00:00:00 GMT").body, b"0123456789")
        ask(412, If_Unmodified_Since="Sat, 01 Jan 2000 00:00:00 GMT")
        self.assertEqual(ask(206, Range="bytes=0-0", If_Range=date).body, b"0")
        self.assertEqual(ask(200, Range="bytes=0-0", If_Range='"tag"').body, b"0123456789")

    def test_bulk_download_tells_errors_in_order(self):
        self.upload("bd/a", b"alpha")
        parts = read_parts(self.bulk_download("bd/a", "bd/none", "bd", "", "bd/a/x", "bd/a"))
        self.assertEqual([p[0] for p in parts], ["file", "error", "error", "error", "error", "file"])
        errors = [json.loads(p[2]) for p in parts if p[0] == "error"]
        self.assertEqual([e["code"] for e in errors], ["FILE_NOT_FOUND", "INVALID_FILE_PATH", "INVALID_FILE_PATH", "FILE_READ_FAILED"])
        self.assertEqual({e["source"] for e in errors}, {"DAYTONA_DAEMON"})
        for bad in ({}, {"paths": []}, {"paths": [1]}, {"paths": "x"}):
            self.assertEqual(self.call("POST", "/files/bulk-download", bad).status, 400)
        many = ["bd/a"] * 3000
        self.assertEqual(len(read_parts(self.bulk_download(*many))), 3000)

    # ---- signed URLs, faults ----

    def test_signed_urls(self):
        self.upload("signed", b"content")

        def url(key, method, endpoint, path, expires):
            digest = hmac.new(key, b"v1:files:%s:%s:%d" % (method, path, expires), "sha256").digest()
            signature = "v1_" + base64.urlsafe_b64encode(digest).decode().rstrip("=")
            return "%s?path=%s&expires=%d&signature=%s" % (endpoint, quote(path), expires, signature)
        key = self.server.api("GET", "/sandbox/%s/signing-key" % self.box).body
        read = url(key, b"GET", "/files/download", b"signed", 0)
        self.assertEqual(self.status(200, self.call("GET", read, key="")).body, b"content")
        self.status(200, self.call("HEAD", read, key=""))
        write = url(key, b"POST", "/files/upload-v2", b"signed too", int(time.time()) + 60)
        self.assertEqual(self.status(200, self.call("POST", write, key="", raw=b"new")).json["name"], "signed too")
        self.assertEqual(self.download("signed too").body, b"new")
        self.status(401, self.call("GET", url(key, b"GET", "/files/download", b"signed", int(time.time()) - 5), key=""))
        self.status(401, self.call("GET", read.replace("path=signed", "path=room"), key=""))
        self.status(401, self.call("GET", read.replace("/files/download", "/files/info"), key=""))
        self.status(401, self.call("POST", write.replace("v2?", "v2?x=1&") + "x", key="", raw=b""))
        self.status(200, self.server.api("POST", "/sandbox/%s/signing-key/rotate" % self.box))
        self.status(401, self.call("GET", read, key=""))

    def signed(self, key, method, endpoint, path, expires):
        path = path.encode()
        digest = hmac.new(key, b"v1:files:%s:%s:%d" % (method, path, expires), "sha256").digest()
        signature = "v1_" + base64.urlsafe_b64encode(digest).decode().rstrip("=")
        return "%s?path=%s&expires=%d&signature=%s" % (endpoint, quote(path), expires, signature)

    def signing_key(self, box):
        return self.server.api("GET", "/sandbox/%s/signing-key" % box).body

    def test_signed_urls_are_for_one_thing(self):
        self.upload("mine", b"mine")
        self.upload("other", b"other")
        self.status(200, self.bulk_upload([(b"other\xff", b"other")]))
        key, later = self.signing_key(self.box), int(time.time()) + 3600
        read = self.signed(key, b"GET", "/files/download", "mine", later)
        write = self.signed(key, b"POST", "/files/upload-v2", "mine", later)
        refused = [
            # what one reader of a query takes for no path, and the other for one
            ("GET", read.replace("path=mine", "path=other%ff&path=mine")), ("POST", write.replace("path=mine", "path=new%ff/../other&path=mine")),
            # another method, or the same signature at another call
            ("POST", read), ("PUT", read), ("DELETE", read), ("GET", write), ("PUT", write), ("DELETE", write),
            ("POST", read.replace("/files/download", "/files/upload-v2")), ("GET", write.replace("/files/upload-v2", "/files/download")),
            ("POST", write.replace("/files/upload-v2", "/files/upload")), ("GET", read.replace("/files/download", "/files")),
            ("DELETE", read.replace("/files/download", "/files")), ("GET", read.replace("/files/download", "/files//download")),
            ("GET", read.replace("/files/download", "/files/../files/download")),
            # another path
            ("GET", read.replace("path=mine", "path=other")), ("GET", read.replace("path=mine", "path=./mine")),
            ("GET", read.replace("path=mine", "path=other&path=mine")), ("GET", read.replace("path=mine", "path=mine&path=other")),
            ("GET", read.replace("path=mine", "%70ath=other&path=mine")), ("GET", read.replace("path=mine", "path=mine%00")),
            ("GET", read.replace("path=mine", "path=&path=mine")),
            ("GET", read.replace("path=mine", "path=%zz&path=mine")),
            ("POST", write.replace("path=mine", "path=other")),
            # another time
            ("GET", read.replace("expires=%d" % later, "expires=%d" % (later + 1))), ("GET", read.replace("expires=%d" % later, "expires=0")),
            ("GET", read.replace("expires=%d" % later, "expires=+%d" % later)), ("GET", re.sub("expires=[0-9]+&", "", read)),
            ("GET", read.replace("expires=%d" % later, "expires=1&expires=%d" % later)),
            # another signature
            ("GET", read[:-1]), ("GET", read + "A"), ("GET", re.sub("signature=.*", "signature=", read)), ("GET", re.sub("&signature=.*", "", read)),
            ("GET", read.replace("v1_", "v2_")), ("GET", read.replace("v1_", "")),
        ]
        for method, url in refused:
            answer = self.call(method, url, key="", raw=b"stolen" if method != "GET" else None)
            self.assertIn(answer.status, (400, 401, 404), (method, url, answer.body))
            self.assertNotEqual(answer.body, b"other", (method, url))
        self.assertEqual(self.run_in_box("cat mine other other*"), "mineotherotherother")
        self.assertEqual(self.status(200, self.call("GET", read, key="")).body, b"mine")
        self.assertEqual(self.status(200, self.call("GET", read + "&x=1", key="")).body, b"mine")

    def test_signed_urls_are_for_one_sandbox_and_time(self):
        self.upload("timed", b"timed")
        second = self.server.create()["id"]
        self.assertNotEqual(self.signing_key(self.box), self.signing_key(second))
        foreign = self.signed(self.signing_key(second), b"GET", "/files/download", "timed", 0)
        self.status(401, self.call("GET", foreign, key=""))
        own = self.signed(self.signing_key(self.box), b"GET", "/files/download", "timed", 0)
        self.status(401, self.server.call("GET", "/toolbox/%s%s" % (second, own), key=""))
        self.server.api("DELETE", "/sandbox/" + second)
        # With the clock moved: it holds until then, and not after.
        short = self.signed(self.signing_key(self.box), b"GET", "/files/download", "timed", int(time.time()) + 90)
        self.status(200, self.call("GET", short, key=""))
        self.server.jump(2)
        self.status(401, self.call("GET", short, key=""))

    def test_bulk_upload_that_breaks_off_anywhere(self):
        files = [("cut/a", b"alpha" * 3), ("cut/b", b""), ("cut/c", b"gamma\r\n--XyZ!")]
        body = bulk_form(files)
        borders = {m.start() + d for m in re.finditer(rb"--XyZ|\r\n\r\n", body) for d in range(-2, 8)}
        for at in sorted(n for n in borders | set(range(0, len(body), 11)) if 0 <= n < len(body)):
            self.run_in_box("until rm -rf cut; do :; done")  # the one before may still be writing its last part
            # The end comes with the last bytes, or after them: a request in between is a turn of the server.
            with socket.create_connection(("127.0.0.1", self.server.port), timeout=40) as link:
                link.sendall(b"POST /toolbox/%s/files/bulk-upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n"
                             b"Content-Type: multipart/form-data; boundary=XyZ\r\n\r\n" % (self.box.encode(), harness.KEY.encode(), len(body)) + body[:at])
                if at % 2:
                    self.run_in_box("true")
                link.shutdown(socket.SHUT_WR)
                answer = link.recv(65536)
            self.assertNotIn(b" 200 ", answer[:16], at)
            # The answer may be there before the last part that came is written.
            for _ in range(100):
                problem = self.what_is_cut_wrongly(files)
                if problem is None:
                    break
            self.assertIsNone(problem, at)
        self.status(200, self.bulk_upload(files))
        self.assertEqual(read_parts(self.bulk_download(*[p for p, _ in files])), [("file", p, c) for p, c in files])

    def what_is_cut_wrongly(self, files):
        """Whatever is there is the beginning of what was sent, and only the last one may be short. None, or what is not so."""
        there = self.run_in_box("cd cut 2>/dev/null && for f in *; do test -f $f && base64 -w0 $f && echo \" $f\"; done; true")
        try:
            have = {line.split(" ")[1]: base64.b64decode(line.split(" ")[0]) for line in there.splitlines()}
        except ValueError:
            return there
        for i, (path, content) in enumerate(files):
            got = have.pop(os.path.basename(path), None)
            later = [other for other, _ in files[i + 1:] if os.path.basename(other) in have]
            if got is not None and not content.startswith(got) or got != content and later:
                return path, got, later
        return have or None

    def test_a_secret_of_the_host_is_out_of_reach(self):
        secret, folder = b"host-secret-7c1f", tempfile.mkdtemp(prefix="dl-host-", dir="/var/tmp")
        try:
            with open(folder + "/secret", "wb") as file:
                file.write(secret)
            os.chmod(folder, 0o777)
            os.chmod(folder + "/secret", 0o666)  # only the box stands in between
            target = folder + "/secret"
            ups = "/".join([".."] * 40)
            pids = [int(p) for p in self.run_in_box("cd /proc && ls -d [0-9]*").split()]
            self.run_in_box("mkdir -p esc; ln -sfn %s esc/file; ln -sfn %s esc/dir; ln -sfn / esc/root; ln -sfn ../../../../../../.. esc/up" % (target, folder))
            ways = [target, ups + target, HOME + "/" + ups + target, "//" + target, "/./" + target, "esc/file", "esc/dir/secret",
                    "esc/root" + target, "esc/up" + target, "/proc/self/root" + target, "/proc/self/cwd/" + ups + target,
                    "/proc/thread-self/root" + target, "/dev/fd/../root" + target]
            ways += ["/proc/%d/root%s" % (pid, target) for pid in pids] + ["/proc/%d/cwd/%s%s" % (pid, ups, target) for pid in pids]
            ways += ["/proc/1/fd/%d/%s%s" % (fd, ups, target) for fd in range(12)]
            for way in ways:
                self.assertNotIn(secret, self.download(way).body, way)
                self.assertNotIn(secret, self.bulk_download(way).body, way)
                where = os.path.dirname(way)
                for query in ("/files/info?path=%s" % quote(way), "/files?path=%s" % quote(where), "/files/find?path=%s&pattern=secret" % quote(where),
                              "/files/search?path=%s&pattern=secr*" % quote(where)):
                    self.assertNotIn(b"secret", self.call("GET", query).body.replace(quote(way).encode(), b"").replace(way.encode(), b""), query)
                self.call("POST", "/files/replace", {"files": [way], "pattern": "host", "newValue": "box"})
                self.call("POST", "/files/permissions?path=%s&mode=600" % quote(way))
                self.call("POST", "/files/move?source=%s&destination=%s" % (quote(way), quote(HOME + "/moved")))
                self.call("DELETE", "/files?path=%s" % quote(way))
            # A program inside, by the same ways; then uploads, which may make what they name, but inside.
            out = self.run_in_box("for f in %s; do cat \"$f\" 2>/dev/null; echo x 2>/dev/null > \"$f\"; done; true" % " ".join(ways))
            self.assertNotIn(secret.decode(), out)
            for way in ways:
                self.upload(way, b"box")
                self.bulk_upload([(way, b"box")])
            with open(target, "rb") as file:
                self.assertEqual(file.read(), secret)
            self.assertEqual((os.listdir(folder), os.stat(target).st_mode & 0o777), (["secret"], 0o666))
        finally:
            shutil.rmtree(folder)

    def test_races_stay_in_the_sandbox(self):
        """A program swaps a folder for a link to elsewhere while files are moved through it."""
        with tempfile.TemporaryDirectory(prefix="dl-host-", dir="/var/tmp") as folder:
            os.chmod(folder, 0o777)
            self.run_in_box("mkdir -p race/real && echo inside > race/real/f && ln -sfn race/real way")
            swap = ("nohup sh -c 'while test -e race/real; do ln -sfn %s way.new && mv -T way.new way; ln -sfn /proc/1/root%s way.new && mv -T way.new way; "
                    "ln -sfn race/real way.new && mv -T way.new way; done' > /dev/null 2>&1 &" % (folder, folder))
            self.run_in_box(swap)
            seen = set()
            for i in range(150):
                self.upload("way/f%d" % (i % 5), b"box")
                self.bulk_upload([("way/g%d" % (i % 5), b"box")])
                seen.add(self.download("way/f").body if i % 2 else b"")
                self.call("POST", "/files/move?source=way/f0&destination=way/h%d" % i)
            self.run_in_box("rm -rf race")
            self.assertEqual(os.listdir(folder), [])
            self.assertTrue(any(body == b"inside\n" for body in seen))

    def test_faults_on_transfers(self):
        self.upload("fault", PIECE[:300000])
        match = {"target": "toolbox", "path": "/toolbox/*/files/*"}
        for action in ("truncate", "reset"):
            for after in (0, 1, 65536, 299999):
                self.server.fault(action=action, after_bytes=after, match=match)
                with self.assertRaises((http.client.IncompleteRead, ConnectionError, http.client.BadStatusLine)):
                    self.download("fault")
                self.server.fault(action=action, after_bytes=after, match=match)
                with self.assertRaises((http.client.IncompleteRead, ConnectionError, http.client.BadStatusLine, ValueError)):
                    read_parts(self.bulk_download("fault"))
        self.server.fault(action="short", after_bytes=1000, match=match)
        answer = self.download("fault")
        self.assertEqual((answer.body, answer.headers["Content-Length"]), (PIECE[:1000], "1000"))
        self.server.fault(action="short", after_bytes=1000, match=match)
        answer = self.bulk_download("fault")
        self.assertEqual(len(answer.body), 1000)
        with self.assertRaises(ValueError):
            read_parts(answer)
        self.server.fault(action="short", after_bytes=0, match=match)
        self.assertEqual(self.download("fault").body, b"")
        self.server.fault(action="dribble", bytes_per_second=1000000, match=match)
        begin = time.monotonic()
        self.assertEqual(self.download("fault").body, PIECE[:300000])
        self.assertGreater(time.monotonic() - begin, 0.2)


if __name__ == "__main__":
    harness.main()
