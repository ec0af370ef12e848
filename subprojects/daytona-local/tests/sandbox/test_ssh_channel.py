# SPDX-License-Identifier: Apache-2.0
"""SSH channels as the toolbox has them: frames that are right, cut anywhere, and wrong. test_ssh_channel.py DAYTONA_LOCAL"""
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

REQUEST = b"GET /ssh/channel HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: daytona-ssh\r\n%s\r\n"


def frame(kind, content=b""):
    return struct.pack(">cI", kind, len(content)) + content


def start(**fields):
    return frame(b"S", b"".join(b"%s=%s\0" % (name.replace("_", ".").encode(), value.encode()) for name, value in fields.items()))


class Toolbox:
    def __init__(self, program):
        self.folder = tempfile.mkdtemp(prefix="dl-ssh-")
        self.path = os.path.join(self.folder, "s")
        self.process = subprocess.Popen([program, "toolbox", "--socket", self.path, "--home", self.folder])
        end = time.monotonic() + 20
        while True:
            try:
                with socket.socket(socket.AF_UNIX) as sock:
                    sock.connect(self.path)
                return
            except OSError:
                assert time.monotonic() < end and self.process.poll() is None, "the toolbox does not start"
                time.sleep(0.01)

    def open(self, more=b""):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(30)
        sock.connect(self.path)
        sock.sendall(REQUEST % more)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += sock.recv(1)
        return sock, int(answer.split()[1])

    def channel(self):
        sock, status = self.open()
        assert status == 101, status
        return sock

    def frames(self, sock):
        """All that come until the end."""
        data, out = b"", []
        while True:
            try:
                got = sock.recv(65536)
            except ConnectionResetError:
                got = b""
            if not got:
                break
            data += got
        while data:
            kind, size = struct.unpack(">cI", data[:5])
            assert len(data) >= 5 + size, data
            out.append((kind, data[5:5 + size]))
            data = data[5 + size:]
        return out

    def run(self, sent, cuts=None):
        sock = self.channel()
        for at in range(0, len(sent), cuts or len(sent) or 1):
            sock.sendall(sent[at:at + (cuts or len(sent))])
        found = self.frames(sock)
        sock.close()
        return found

    def is_alive(self):
        found = self.run(start(kind="exec", command="echo alive"))
        return (b"D", b"alive\n") in found and self.process.poll() is None

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(20)
        shutil.rmtree(self.folder)
        return code


def only(found, *kinds):
    return [(kind, content) for kind, content in found if kind in kinds]


def a_command(box):
    """A command with input, output, errors and an exit code, whole and byte by byte"""
    sent = start(kind="exec", command="cat; echo err >&2; echo $WORD; exit 3", env_WORD="two words") + frame(b"D", b"in") + frame(b"E")
    for cuts in (None, 1):
        found = box.run(sent, cuts)
        assert found[0] == (b"O", b"") and found[1] == (b"G", b"262144"), found
        assert b"".join(c for _, c in only(found, b"D")) == b"intwo words\n", found
        assert only(found, b"R", b"X") == [(b"R", b"err\n"), (b"X", b"code 3")], found
        assert sum(int(c) for _, c in only(found, b"G")) == 262144 + 2, found


def a_terminal(box):
    """A terminal with its size, a signal by name, and nonsense in their places"""
    sent = (start(kind="exec", command="stty size; trap 'stty size; exit 5' USR1; echo ready; while :; do sleep 0.05; done", term="xterm",
                  columns="90", rows="30"))
    sock = box.channel()
    sock.sendall(sent)
    data = b""
    while b"ready" not in data:
        data += sock.recv(65536)
    assert b"30 90\r\n" in data, data
    for content in (b"", b"x", b"-1 5", b"99999 99999", b"1" * 5000):
        sock.sendall(frame(b"W", content) + frame(b"K", content))
    sock.sendall(frame(b"W", b"101 41") + frame(b"K", b"USR1"))
    found = box.frames(sock)
    assert only(found, b"X") == [(b"X", b"code 5")], found
    assert b"41 101\r\n" in b"".join(c for _, c in only(found, b"D")), found


def ports(box):
    """Ports of the sandbox are connected, and nothing else"""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        sock = box.channel()
        sock.sendall(start(kind="forward", host="127.0.0.1", port=port) + frame(b"D", b"early"))
        peer = server.accept()[0]
        assert peer.recv(10) == b"early"
        peer.sendall(b"answer")
        peer.close()
        sock.sendall(frame(b"E"))
        assert only(box.frames(sock), b"D", b"E") == [(b"D", b"answer"), (b"E", b"")]
    for host, port in (("127.0.0.1", "0"), ("127.0.0.1", "65536"), ("127.0.0.1", "x"), ("8.8.8.8", "80"), ("0.0.0.0", "80"), ("::", "80"),
                       ("127.1", "80"), ("2130706433", "80"), ("::ffff:127.0.0.1", "80"), ("localhost.example", "80"), ("", "80")):
        found = box.run(start(kind="forward", host=host, port=port))
        assert [kind for kind, _ in found] == [b"F"], (host, port, found)
    assert [kind for kind, _ in box.run(start(kind="forward"))] == [b"F"]


def what_is_wrong(box):
    """Wrong frames end their channel, or do nothing, and nothing else ends"""
    for sent, kinds in ((frame(b"S"), []), (frame(b"S", b"kind=exec"), []), (b"S\xff\xff\xff\xff", []), (b"D\0\x08\0\1", []),
                        (start(kind="nothing"), [b"F"]), (start(word="x"), [b"F"]), (start(kind="exec", command="x" * 200000), [b"F"]),
                        (start(kind="exec", command="sleep 9") + start(kind="exec", command="true"), [b"O", b"G"])):
        found = box.run(sent)
        assert [kind for kind, _ in found] == kinds, (sent[:50], found)
    quiet = frame(b"D", b"x") + frame(b"E") + frame(b"W", b"1 1") + frame(b"Z", b"?") + frame(b"X", b"code 1")
    found = box.run(quiet + start(kind="exec", command="cat; exit 4") + frame(b"D", b"y") + frame(b"E") + frame(b"E") + frame(b"D", b"z"))
    assert only(found, b"D", b"X") == [(b"D", b"y"), (b"X", b"code 4")], found


def more_input_than_granted(box):
    """Who sends more than was granted loses what is too much, and the toolbox goes on"""
    sock = box.channel()
    sock.sendall(start(kind="exec", command="sleep 1; head -c 10 | wc -c"))
    block = frame(b"D", bytes(400000))
    try:
        for _ in range(60):
            sock.sendall(block)
    except OSError:
        pass
    sock.close()


def noise(box):
    """Noise of many kinds ends nothing but its channel"""
    chance = random.Random(1)
    for _ in range(200):
        sock = box.channel()
        sent = b"".join(frame(bytes([chance.choice(b"SDEWKGOFX\0\xff")]), chance.randbytes(chance.choice((0, 1, 5, 300))))
                        for _ in range(10))
        if chance.random() < 0.5:
            sent = start(kind=chance.choice(("exec", "sftp", "forward", "shell")), command="cat", host="localhost", port="1") + sent
        if chance.random() < 0.3:
            sent = bytearray(sent)
            sent[chance.randrange(len(sent))] ^= 0xff
        try:
            sock.sendall(sent)
        except OSError:
            pass
        sock.close()


def who_may(box):
    """Only the gateway: a request that came through the proxy, or asks for another protocol, finds nothing"""
    assert box.open(b"X-Forwarded-For: 127.0.0.1\r\n")[1] == 404
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(box.path)
    sock.sendall(b"GET /ssh/channel HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b" 404 " in sock.recv(100)
    sock.close()


def main():
    tests = [a_command, a_terminal, ports, what_is_wrong, more_input_than_granted, noise, who_may]
    print("1..%d" % (len(tests) + 1))
    box, failed = Toolbox(sys.argv[1]), False
    for number, test in enumerate(tests, 1):
        try:
            test(box)
            assert box.is_alive(), "the toolbox does not answer"
            print("ok %d - %s" % (number, test.__doc__), flush=True)
        except Exception as error:
            failed = True
            print("not ok %d - %s\n# %r" % (number, test.__doc__, error), flush=True)
    held = box.channel()
    held.sendall(start(kind="shell", term="xterm"))
    code = box.close()
    print("%sok %d - The end ends channels" % ("" if code == 0 else "not ", len(tests) + 1))
    sys.exit(failed or code != 0)


main()
