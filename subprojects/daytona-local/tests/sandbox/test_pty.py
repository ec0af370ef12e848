#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Terminals of the toolbox role: test_pty.py DAYTONA-LOCAL."""
import base64
import hashlib
import json
import os
import sys
import threading
import time
from urllib.parse import quote

import test_toolbox
from test_sessions import connect
from test_toolbox import eventually, processes
from ws_client import BINARY, CLOSE, PING, PONG, TEXT, Refused

CONNECTED = {'type': 'control', 'status': 'connected'}
EXIT_TOKEN = ('Sec-WebSocket-Protocol', 'X-Daytona-Pty-Exit-Control')
count = 0


class Terminal:
    """One terminal, and one client of it when `connect` was called."""

    def __init__(self, tb, **options):
        global count
        count += 1
        self.tb, self.id = tb, f'pty {count}'
        self.path = '/process/pty/' + quote(self.id)
        self.output = b''
        self.controls = []
        answer, data = tb.call('POST', '/process/pty', {'id': self.id, **options})
        assert answer.status == 201 and json.loads(data) == {'sessionId': self.id}, (answer.status, data)

    def call(self, method, rest='', body=None):
        answer, data = self.tb.call(method, self.path + rest, body)
        return answer.status, json.loads(data)

    def connect(self, *headers):
        ws = connect(self.tb, self.path + '/connect', headers)
        opcode, payload = ws.frame()
        assert opcode == TEXT and json.loads(payload) == CONNECTED, payload
        return ws

    def is_gone(self):
        return self.call('GET')[0] == 404

    def kill(self):
        assert self.call('DELETE') == (200, {'message': 'PTY session deleted'})


def until(ws, mark):
    got = b''
    while mark not in got:
        opcode, payload = ws.frame()
        assert opcode == BINARY and len(payload) <= 32768, (opcode, payload)
        got += payload
    return got


def run(ws, command, mark):
    ws.send(command + '\n')
    return until(ws, mark)


# ---- tests: each gets the toolbox ----

def a_terminal_is_a_real_one(tb):
    t = Terminal(tb, cols=100, rows=30, cwd='/tmp', envs={'GREETING': 'hällo'})
    status, info = t.call('GET')
    assert status == 200 and info['envs'] == {'GREETING': 'hällo', 'TERM': 'xterm-256color'}
    assert (info['cwd'], info['cols'], info['rows'], info['active'], info['lazyStart']) == ('/tmp', 100, 30, True, False)
    ws = t.connect()
    got = run(ws, "stty size; tty; echo $GREETING $TERM $PWD 'e''nd'", b'end')
    assert b'30 100' in got and b'/dev/pts/' in got and 'hällo xterm-256color /tmp end'.encode() in got, got
    status, info = t.call('POST', '/resize', {'cols': 70, 'rows': 15})
    assert status == 200 and (info['cols'], info['rows']) == (70, 15)
    assert b'15 70' in run(ws, "stty size; echo 'e''nd'", b'end\r\n')
    run(ws, "sh -c 'echo in fr\"\"ont; exec sleep 100'", b'in front\r\n')
    ws.send(b'\x03')
    assert b'st130' in run(ws, 'echo st$?', b'st130')
    t.kill()


def exits_are_told_with_reasons(tb):
    for command, code, verdict in (
            ('exit', 1000, {'exitCode': 0}), ('exit 3', 1011, {'exitCode': 3, 'exitReason': 'non-zero exit'}),
            ('exit 130', 1011, {'exitCode': 130, 'exitReason': 'Ctrl+C'}),
            ('exit 137', 1011, {'exitCode': 137, 'exitReason': 'SIGKILL'}),
            ('exit 143', 1011, {'exitCode': 143, 'exitReason': 'SIGTERM'}),
            ('exit 139', 1011, {'exitCode': 139, 'exitReason': 'signal 11'}),
            ('kill -9 $$', 1011, {'exitCode': -1, 'exitReason': 'non-zero exit'})):
        t = Terminal(tb)
        plain, announced = t.connect(), t.connect(EXIT_TOKEN)
        plain.send(command + '\n')
        frames, got, reason = plain.until_close()
        assert (got, json.loads(reason)) == (code, verdict), (command, got, reason)
        assert all(op == BINARY for op, _ in frames)
        frames, got, reason = announced.until_close()
        assert frames[-1][0] == TEXT and json.loads(frames[-1][1]) == {'type': 'control', 'status': 'exited', **verdict}
        assert (got, json.loads(reason)) == (code, verdict)
        assert t.is_gone() and t.call('POST', '/resize', {'cols': 1, 'rows': 1})[1]['code'] == 'SESSION_ENDED'


def the_last_output_is_never_lost(tb):
    for _ in range(20):
        t = Terminal(tb)
        ws = t.connect()
        ws.send("stty -echo; exec seq 1 3000\n")
        frames, code, _ = ws.until_close()
        assert b''.join(p for _, p in frames).endswith(b'2999\r\n3000\r\n') and code == 1000, frames[-1]


def holders_of_the_terminal_do_not_delay_the_end(tb):
    t = Terminal(tb)
    ws = t.connect()
    began = time.monotonic()
    ws.send("trap '' HUP; (trap '' HUP; sleep 9501) & disown; exit 4\n")
    assert ws.until_close()[1] == 1011 and time.monotonic() - began < 5
    tb.execute("pkill -f 'sleep 9501$'")


def lazy_terminals_start_with_the_first_client(tb):
    t = Terminal(tb, lazyStart=True, cols=90, rows=20)
    assert not t.call('GET')[1]['active'] and t.call('POST', '/resize', {'cols': 1, 'rows': 1})[0] == 500
    ws = t.connect()
    assert t.call('GET')[1]['active'] and b'20 90' in run(ws, "stty size; echo 'e''nd'", b'end\r\n')
    t.kill()
    t = Terminal(tb, lazyStart=True)
    t.kill()
    assert t.is_gone()
    t = Terminal(tb, lazyStart=True, cwd='/does/not/exist')
    frames, code, _ = connect(tb, t.path + '/connect').until_close()
    assert json.loads(frames[0][1])['status'] == 'error' and code == 1011
    assert not t.call('GET')[1]['active']
    t.kill()


def kill_ends_everything_on_the_terminal(tb):
    t = Terminal(tb)
    ws = t.connect()
    ws.send('sleep 9502 & setsid sleep 9502 & sleep 9502\n')
    assert eventually(lambda: processes('9502') == 3)
    t.kill()
    frames, code, reason = ws.until_close()
    assert (code, json.loads(reason)) == (1011, {'exitCode': 137, 'exitReason': 'SIGKILL'})
    assert eventually(lambda: processes('9502') == 0) and t.is_gone() and t.call('DELETE')[0] == 404


def clients_share_a_terminal(tb):
    t = Terminal(tb)
    one, two = t.connect(), t.connect()
    assert run(one, "echo from o''ne", b'from one\r\n') and until(two, b'from one\r\n')
    two.send('e', TEXT)
    one.send(b'')
    assert run(one, "cho spl''it", b'split\r\n') and until(two, b'split\r\n')
    one.send(b'\x03\xe8', CLOSE)
    assert one.until_close()[1] == 1000
    two.send('question', PING)
    opcode, payload = two.frame()
    while opcode == BINARY:
        opcode, payload = two.frame()
    assert (opcode, payload) == (PONG, b'question')
    run(two, "echo still he''re", b'still here\r\n')
    t.kill()


def slow_clients_are_dropped_and_others_not(tb):
    t = Terminal(tb)
    quick, slow = t.connect(), t.connect()
    run(quick, "stty -echo -onlcr; echo rea''dy", b'ready\n')
    began = time.monotonic()
    quick.send('head -c 30000000 /dev/zero | tr "\\0" x; echo; echo do""ne\n')
    size = 0
    tail = b''
    while b'done\n' not in tail:
        _, payload = quick.frame()
        size += payload.count(b'x')
        tail = tail[-10:] + payload
    assert size == 30000000, size
    assert slow.until_dropped(began) == (1008, 'slow consumer')
    t.kill()


def a_single_client_that_rests_loses_nothing(tb):
    t = Terminal(tb)
    ws = t.connect()
    run(ws, "stty -echo -onlcr; echo rea''dy", b'ready\n')
    ws.send('head -c 12000000 /dev/zero | tr "\\0" x; echo; echo do""ne\n')
    time.sleep(1)  # what a busy machine does to a client at any time
    got = until(ws, b'done\n')
    assert got.count(b'x') == 12000000, len(got)
    t.kill()


def a_single_frozen_client_is_dropped(tb):
    for patience in ('0', '50'):
        other = test_toolbox.Toolbox(sys.argv[1], '--reader-patience', patience)
        t = Terminal(other)
        ws = t.connect()
        run(ws, "stty -echo; echo rea''dy", b'ready\r\n')
        began = time.monotonic()
        ws.send('yes | head -c 20000000 > /dev/tty; touch $HOME/flood\n')
        assert eventually(lambda: os.path.exists(f'{other.dir}/flood')), 'the program still waits'
        assert ws.until_dropped(began) == (1008, 'slow consumer')
        t.kill()
        assert other.close() == 0


def a_client_after_a_frozen_one_loses_nothing(tb):
    other = test_toolbox.Toolbox(sys.argv[1], '--reader-patience', '3000')
    t = Terminal(other)
    frozen = t.connect()
    run(frozen, "stty -echo -onlcr; echo rea''dy", b'ready\n')
    began = time.monotonic()
    frozen.send('yes | head -c 20000000 > /dev/tty; touch $HOME/flood\n')
    assert eventually(lambda: os.path.exists(f'{other.dir}/flood')), 'the program still waits'
    assert frozen.until_dropped(began) == (1008, 'slow consumer')
    ws = t.connect()
    ws.send('head -c 12000000 /dev/zero | tr "\\0" x; echo; echo do""ne\n')
    time.sleep(0.5)  # what a busy machine does to a client at any time
    got = until(ws, b'done\n')
    assert got.count(b'x') == 12000000, len(got)
    t.kill()
    assert other.close() == 0


def pastes_arrive_whole(tb):
    t = Terminal(tb)
    ws = t.connect()
    run(ws, "stty -echo -icanon; echo rea''dy", b'ready\r\n')
    ws.send('head -c 3000000 | sha256sum; echo do""ne\n')
    threading.Thread(target=lambda: [ws.send(b'p' * 60000) for _ in range(50)], daemon=True).start()
    got = until(ws, b'done\r\n')
    assert hashlib.sha256(b'p' * 3000000).hexdigest().encode() in got, got
    ws.send(b'x' * 65536)
    run(ws, "\x15echo al''ive", b'alive\r\n')
    ws.send(b'x' * 65537)
    assert ws.until_close()[1] == 1009
    assert t.call('GET')[0] == 200
    t.kill()


def create_connect_does_both(tb):
    envs = base64.urlsafe_b64encode(json.dumps({'GREETING': 'hällo?>'}).encode()).decode().rstrip('=')
    protocol = f'X-Daytona-SDK-Version~0.205.1, X-Daytona-Pty-Exit-Control, X-Daytona-Pty-Envs~{envs}'
    ws = connect(tb, '/process/pty/create-connect?id=cc&cols=61&rows=17&cwd=/tmp', [('Sec-WebSocket-Protocol', protocol)])
    assert ws.headers['sec-websocket-protocol'] == 'X-Daytona-SDK-Version~0.205.1'
    assert json.loads(ws.frame()[1]) == CONNECTED
    assert '17 61\r\nhällo?> /tmp'.encode() in run(ws, "stty size; echo $GREETING $PWD 'e''nd'", b'end\r\n')
    for query, headers, status in (('', (), 400), ('id=cc', (), 409), ('id=x&cols=1001', (), 400),
                                   ('id=x', [('Sec-WebSocket-Protocol', 'X-Daytona-Pty-Envs~!!')], 400),
                                   ('id=x', [('Sec-WebSocket-Protocol', 'X-Daytona-Pty-Envs~WzFd')], 400)):
        try:
            connect(tb, '/process/pty/create-connect?' + query, headers)
            raise AssertionError('upgraded: ' + query)
        except Refused as e:
            assert e.status == status and json.loads(e.body)['source'] == 'DAYTONA_DAEMON', (query, e)
    ws.send('exit 5\n')
    frames, code, _ = ws.until_close()
    assert json.loads(frames[-1][1])['exitCode'] == 5 and code == 1011
    ws = connect(tb, '/process/pty/create-connect?id=cc&cols=x', [EXIT_TOKEN])
    assert ws.headers['sec-websocket-protocol'] == EXIT_TOKEN[1] and json.loads(ws.frame()[1]) == CONNECTED
    assert b'24 80' in run(ws, "stty size; echo 'e''nd'", b'end\r\n')
    tb.call('DELETE', '/process/pty/cc')
    frames, code, _ = connect(tb, '/process/pty/create-connect?id=bad&cwd=/does/not/exist').until_close()
    assert json.loads(frames[0][1])['status'] == 'error' and tb.call('GET', '/process/pty/bad')[0].status == 404


def what_is_wrong_is_said(tb):
    before = [one['id'] for one in json.loads(tb.call('GET', '/process/pty')[1])['sessions']]
    t = Terminal(tb)
    for body, status in (({}, 400), ({'id': ''}, 400), ({'id': 'x', 'cols': 1001}, 400), ({'id': 'x', 'rows': -1}, 400),
                         ({'id': 'x', 'cwd': '/does/not/exist'}, 500), ({'id': t.id}, 409), ({'id': 'x', 'envs': {'a=b': 'c'}}, 400)):
        answer, data = tb.call('POST', '/process/pty', body)
        assert answer.status == status and json.loads(data)['source'] == 'DAYTONA_DAEMON', (body, data)
    assert [one['id'] for one in json.loads(tb.call('GET', '/process/pty')[1])['sessions']] == [*before, t.id]
    assert tb.call('GET', '/process/pty/none')[0].status == 404
    frames, code, _ = connect(tb, '/process/pty/none/connect').until_close()
    assert json.loads(frames[0][1])['error'].startswith('Failed to connect to PTY session: ') and code == 1011
    assert tb.call('GET', t.path + '/connect')[0].status == 400
    t.kill()


def open_terminals_do_not_delay_the_end_of_the_toolbox(tb):
    other = test_toolbox.Toolbox(sys.argv[1])
    terminals = [Terminal(other) for _ in range(3)]
    sockets = [t.connect() for t in terminals]
    began = time.monotonic()
    assert other.close() == 0 and time.monotonic() - began < 3
    for ws in sockets:
        try:
            ws.until_close()
        except (EOFError, ConnectionError):
            pass


def main():
    test_toolbox.TESTS[:] = [value for value in list(globals().values())
                             if callable(value) and getattr(value, '__code__', None)
                             and value.__code__.co_varnames[:1] == ('tb',) and value.__code__.co_argcount == 1]
    return test_toolbox.main()


if __name__ == '__main__':
    sys.exit(main())
