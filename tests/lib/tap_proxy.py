# SPDX-License-Identifier: Apache-2.0
"""A proxy between a client and daytona-local that holds what it sees against the descriptions.

    daytona-local run -- tap_proxy.py COMMAND...

Listens on a free port of 127.0.0.1, runs COMMAND with DAYTONA_API_URL pointing to it, and reports
in TAP: whether the command succeeded, one point per operation for its requests and one for its
answers. Bytes pass unchanged but for one thing: where an answer names the server's own address, the
proxy's is put there, so that toolbox calls pass through it as well; both ports have the same number
of digits, so no length changes. Upgraded connections are relayed without being looked at.
"""

import asyncio
import os
import sys
import urllib.parse

import openapi
import tap

HERE = os.path.dirname(os.path.abspath(__file__))
OPENAPI = os.path.normpath(os.path.join(HERE, "..", "..", "..", "shared", "openapi"))
MAX_HEAD = 256 * 1024
MAX_KEPT_BODY = 4 * 1024 * 1024
MAX_SHOWN = 12


class Message:
    """One HTTP message: the raw head, its headers by lower-case name, the body as far as kept."""

    def __init__(self, head):
        self.head = head
        lines = head.decode("latin-1").split("\r\n")
        self.start = lines[0].split(" ", 2)
        self.headers = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if colon:
                self.headers[name.strip().lower()] = value.strip()
        self.body = b""
        self.is_whole = True

    def keep(self, data):
        if len(self.body) + len(data) <= MAX_KEPT_BODY:
            self.body += data
        else:
            self.is_whole = False


async def read_head(reader):
    """A message without its body, or None at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    return Message(head)


async def pass_exactly(reader, writer, count, message, change):
    while count > 0:
        data = await reader.read(min(count, 65536))
        if not data:
            raise ConnectionError("ended inside a body")
        count -= len(data)
        message.keep(data)
        writer.write(change(data))
        await writer.drain()


async def pass_chunks(reader, writer, message, change):
    while True:
        line = await reader.readuntil(b"\r\n")
        writer.write(line)
        size = int(line.split(b";")[0], 16)
        if size == 0:
            while line != b"\r\n":  # trailers, and the empty line after them
                line = await reader.readuntil(b"\r\n")
                writer.write(line)
            await writer.drain()
            return
        await pass_exactly(reader, writer, size, message, change)
        writer.write(await reader.readexactly(2))


async def pass_body(message, reader, writer, until_end, change=lambda data: data):
    """Passes on the body of `message`; `until_end` for answers that end with the connection."""
    if message.headers.get("transfer-encoding", "").lower() == "chunked":
        await pass_chunks(reader, writer, message, change)
    elif "content-length" in message.headers:
        await pass_exactly(reader, writer, int(message.headers["content-length"]), message, change)
    elif until_end:
        while data := await reader.read(65536):
            message.keep(data)
            writer.write(change(data))
            await writer.drain()


async def relay(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except (ConnectionError, OSError):
        pass


class Judge:
    """Collects what is wrong per operation, requests and answers apart."""

    def __init__(self, api, toolbox, base_path):
        self.api = api
        self.toolbox = toolbox
        self.base_path = base_path
        self.requests = {}
        self.answers = {}

    def locate(self, target):
        """(description, target below its base), or (None, None) for what neither describes."""
        path = target.partition("?")[0]
        if path.startswith(self.base_path + "/"):
            return self.api, target[len(self.base_path):]
        parts = target.split("/", 3)
        if len(parts) == 4 and parts[1] == "toolbox":
            return self.toolbox, "/" + parts[3]
        return None, None

    def see(self, request, answer):
        description, target = self.locate(request.start[1])
        if description is None:
            return
        method = request.start[0]
        operation, problems = description.check_request(method, target, request.headers, request.body)
        name = str(operation or f"{method} {target}")
        self.requests.setdefault(name, []).extend(problems)
        status = int(answer.start[1])
        if operation is None or not answer.is_whole or status == 101:
            return
        found = description.check_answer(operation, status, answer.headers, answer.body)
        self.answers.setdefault(name, []).extend(found)


class Proxy:
    """Accepts clients and gives each its own connection to the server."""

    def __init__(self, host, port, judge):
        self.host = host
        self.port = port
        self.judge = judge
        self.own_port = None

    async def listen(self):
        """Takes a port that is as long as the server's."""
        for _ in range(200):
            server = await asyncio.start_server(self.serve, "127.0.0.1", 0, limit=MAX_HEAD)
            port = server.sockets[0].getsockname()[1]
            if len(str(port)) == len(str(self.port)):
                self.own_port = port
                return server
            server.close()
        raise RuntimeError(f"no free port as long as {self.port}")

    def rename(self, data):
        return data.replace(f"{self.host}:{self.port}".encode(), f"127.0.0.1:{self.own_port}".encode())

    async def serve(self, reader, writer):
        upstream = None
        try:
            upstream = await asyncio.open_connection(self.host, self.port, limit=MAX_HEAD)
            while await self.exchange(reader, writer, *upstream):
                pass
        except (ConnectionError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            for stream in (writer, upstream[1] if upstream else None):
                if stream is not None:
                    stream.close()

    async def exchange(self, reader, writer, server_reader, server_writer):
        """One request and its answer; False when the connection is over."""
        request = await read_head(reader)
        if request is None:
            return False
        server_writer.write(request.head)
        await pass_body(request, reader, server_writer, False)
        await server_writer.drain()
        while True:
            answer = await read_head(server_reader)
            if answer is None:
                return False
            writer.write(self.rename(answer.head))
            if answer.start[1] != "100":
                break
        status = int(answer.start[1])
        if status == 101:
            self.judge.see(request, answer)
            await asyncio.gather(relay(reader, server_writer), relay(server_reader, writer))
            return False
        if request.start[0] != "HEAD" and status not in (204, 304):
            await pass_body(answer, server_reader, writer, True, self.rename)
        await writer.drain()
        self.judge.see(request, answer)
        sized = "content-length" in answer.headers or "transfer-encoding" in answer.headers or status in (204, 304)
        return sized and answer.headers.get("connection", "").lower() != "close"


async def run_command(command, judge, upstream):
    proxy = Proxy(upstream.hostname, upstream.port, judge)
    server = await proxy.listen()
    env = dict(os.environ, DAYTONA_API_URL=f"http://127.0.0.1:{proxy.own_port}{upstream.path}")
    # The command's own TAP would mix with ours: it goes to standard error.
    child = await asyncio.create_subprocess_exec(*command, env=env, stdout=2)
    code = await child.wait()
    server.close()
    return code


def report(code, judge):
    producer = tap.Producer()
    producer.plan(1 + len(judge.requests) + len(judge.answers))
    producer.point("the command succeeds through the proxy", code == 0)
    for kind, found in (("request", judge.requests), ("answer", judge.answers)):
        for name, problems in sorted(found.items()):
            for problem in sorted(set(problems))[:MAX_SHOWN]:
                producer.comment(problem)
            producer.point(f"{kind} of {name}", not problems)
    return producer.exit_code()


def main():
    command = sys.argv[1:]
    if not os.path.isdir(OPENAPI):
        print(f"1..0 # SKIP no {os.path.relpath(OPENAPI, os.path.join(HERE, '..', '..'))}")
        return 0
    upstream = urllib.parse.urlsplit(os.environ["DAYTONA_API_URL"])
    judge = Judge(openapi.Description.load(os.path.join(OPENAPI, "api.json")),
                  openapi.Description.load(os.path.join(OPENAPI, "toolbox.json")), upstream.path.rstrip("/"))
    return report(asyncio.run(run_command(command, judge, upstream)), judge)


if __name__ == "__main__":
    sys.exit(main())
