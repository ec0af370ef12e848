#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sessions of the toolbox role, and its WebSockets: test_sessions.py DAYTONA-LOCAL."""
import hashlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

import test_toolbox
from test_toolbox import Toolbox, UnixConnection, eventually, processes
from ws_client import BINARY, CLOSE, PING, PONG, TEXT, Refused, WebSocket

NEW = {'X-Daytona-SDK-Version': '0.205.1'}
count = 0


class Session:
    def __init__(self, tb, version=NEW):
        global count
        count += 1
        self.tb, self.version, self.id = tb, version, f's {count}'
        self.path = f'/process/session/s%20{count}'
        answer, data = tb.call('POST', '/process/session', {'sessionId': self.id}, version)
        assert answer.status == 201 and data == b'', (answer.status, data)

    def call(self, method, rest='', body=None, headers=None):
        answer, data = self.tb.call(method, self.path + rest, body, self.version if headers is None else headers)
        kind = answer.getheader('Content-Type') or ''
        return answer.status, json.loads(data) if kind.startswith('application/json') else data

    def run(self, command, **more):
        status, body = self.call('POST', '/exec', {'command': command, **more})
        assert status in (200, 202), (status, body)
        return body

    def start(self, command, **more):
        return self.run(command, runAsync=True, **more)['cmdId']

    def input(self, command, data):
        return self.call('POST', f'/command/{command}/input', {'data': data})[0]

    def logs(self, command, query=''):
        return self.call('GET', f'/command/{command}/logs{query}')

    def socket(self, command, query='?follow=true', headers=NEW):
        return connect(self.tb, f'{self.path}/command/{command}/logs{query}', headers.items())

    def has_ended(self, command):
        return 'exitCode' in self.call('GET', f'/command/{command}')[1]

    def delete(self):
        assert self.call('DELETE') == (204, b'')


def connect(tb, target, headers=()):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(60)
    sock.connect(tb.socket)
    return WebSocket(sock, target, headers)


def demux(data):
    out = {0: [], 1: [], 2: []}
    parts = re.split(b'(\1\1\1|\2\2\2)', data)
    for marker, part in zip([b'\0', *parts[1::2]], parts[::2]):
        out[marker[0]].append(part)
    return {stream: b''.join(found) for stream, found in out.items()}


# ---- tests: each gets the toolbox ----

def state_persists_between_commands(tb):
    s = Session(tb)
    assert s.run('cd /; export A=1; f() { echo in $PWD; }; B=2')['exitCode'] == 0
    assert s.run('f; echo $A$B; sh -c \'echo "[$A$B]"\'')['stdout'] == 'in /\n12\n[1]\n'
    assert s.run('return 7')['exitCode'] == 7
    assert s.run('(exit 3)')['exitCode'] == 3 and s.run('kill -9 $BASHPID & wait $!')['exitCode'] == 137
    s.delete()


def streams_are_told_apart(tb):
    s = Session(tb)
    body = s.run('echo out; echo err >&2; printf tail')
    assert set(body) == {'cmdId', 'output', 'stdout', 'stderr', 'exitCode'}
    assert body['stdout'] == 'out\ntail\n' and body['stderr'] == 'err\n' and body['exitCode'] == 0
    assert sorted(body['output'].splitlines()) == ['\1\1\1out', '\1\1\1tail', '\2\2\2err']
    assert s.logs(body['cmdId']) == (200, {k: body[k] for k in ('output', 'stdout', 'stderr')})
    assert s.run('true')['output'] == '' and s.run("printf 'a\\0b\\n\\n'")['stdout'] == 'ab\n\n'
    s.delete()


def commands_run_one_after_another(tb):
    s = Session(tb)
    first = s.start('read x; echo $x; V=$x')
    waiting = s.start('echo second $V')
    results = []
    thread = threading.Thread(target=lambda: results.append(s.run('echo third $V')))
    thread.start()
    assert s.input(waiting, 'early') == 500 and not s.has_ended(waiting)
    assert s.logs(waiting)[1] == {'output': '', 'stdout': '', 'stderr': ''}
    assert s.input(first, 'go') == 204
    thread.join()
    assert results[0]['stdout'] == 'third go\n' and s.logs(waiting)[1]['stdout'] == 'second go\n'
    assert [c['exitCode'] for c in s.call('GET')[1]['commands']] == [0, 0, 0]
    s.delete()


def input_is_echoed_unless_suppressed(tb):
    s = Session(tb)
    for options, log in (({}, 'one\ntwo\none-two\n'), ({'suppressInputEcho': True}, 'one-two\n')):
        c = s.start('read a; read b; echo $a-$b', **options)
        assert s.input(c, 'one') == 204 and s.input(c, 'two\n') == 204
        assert eventually(lambda: s.has_ended(c))
        assert s.logs(c)[1]['stdout'] == log, s.logs(c)
    assert s.call('POST', f'/command/{c}/input', {'data': 'x'})[1]['code'] == 'COMMAND_ALREADY_COMPLETED'
    assert s.run('cat; echo end')['stdout'] == 'end\n'
    s.delete()


def large_input_arrives_whole(tb):
    s = Session(tb)
    c = s.start('sleep 0.2; head -c 3000000 | sha256sum', suppressInputEcho=True)
    for i in range(3):
        assert s.input(c, 'x' * 999999) == 204
    ws = s.socket(c)
    frames, code, _ = ws.until_close()
    assert hashlib.sha256((b'x' * 999999 + b'\n') * 3).hexdigest().encode() in b''.join(p for _, p in frames)
    s.delete()


def large_logs_are_whole(tb):
    s = Session(tb)
    body = s.run('seq -f "line %09g" 1 200000; head -c 300000 /dev/zero | tr "\\0" y')
    expected = ''.join(f'line {n:09d}\n' for n in range(1, 200001)) + 'y' * 300000 + '\n'
    assert body['stdout'] == expected and body['stderr'] == ''
    frames, code, reason = s.socket(body['cmdId']).until_close()
    assert all(op == BINARY and len(p) <= 1024 for op, p in frames) and (code, reason) == (1000, '')
    assert demux(b''.join(p for _, p in frames))[1].decode() == expected
    plain = s.call('GET', f'/command/{body["cmdId"]}/logs?follow=true')
    assert plain == (200, expected.encode())
    s.delete()


def sockets_follow_from_the_beginning_to_the_end(tb):
    s = Session(tb)
    c = s.start('echo a; read x; echo b >&2; read x; printf c')
    ws = s.socket(c)
    assert ws.frame() == (BINARY, b'\1\1\1a\n')
    late = s.socket(c)
    assert late.frame() == (BINARY, b'\1\1\1a\n')
    ws.send('are you there', PING)
    assert ws.frame() == (PONG, b'are you there')
    ws.send('ignored', TEXT)
    s.input(c, '1')
    s.input(c, '2')
    for w in (ws, late):
        frames, code, reason = w.until_close()
        assert demux(b''.join(p for _, p in frames)) == {0: b'', 1: b'1\n2\nc\n', 2: b'b\n'}
        assert (code, reason) == (1000, '')
    frames, code, _ = s.socket(c, query='').until_close()
    assert b'a\n' in frames[0][1] and code == 1000
    s.delete()


def messages_of_a_log_end_within_text(tb):
    # The official SDKs take a marker at the very end of a message for text.
    s = Session(tb)
    c = s.run('seq 1 60000; seq 1 300 >&2')['cmdId']
    frames, code, _ = s.socket(c).until_close()
    ends = {payload[-1] for _, payload in frames}
    assert len(frames) > 300 and code == 1000 and not ends & {1, 2}, (len(frames), code, ends)
    assert demux(b''.join(p for _, p in frames))[1] == b''.join(b'%d\n' % n for n in range(1, 60001))
    # Where there is nothing but bytes like those of a marker, they still come.
    c = s.run("head -c 200000 /dev/zero | tr '\\0' '\\1'; printf 'x\\2\\2'")['cmdId']
    frames, code, _ = s.socket(c).until_close()
    with open(f'{tb.dir}/.daytona/sessions/{s.id}/{c}/output.log', 'rb') as log:
        assert b''.join(p for _, p in frames) == log.read() and code == 1000
    s.delete()


def a_socket_without_follow_ends_with_what_there_is(tb):
    s = Session(tb)
    c = s.start('echo now; sleep 60')
    assert eventually(lambda: s.logs(c)[1]['stdout'])
    frames, code, _ = s.socket(c, query='').until_close()
    assert frames == [(BINARY, b'\1\1\1now\n')] and code == 1000
    s.delete()


def a_plain_follow_streams_without_markers(tb):
    s = Session(tb)
    c = s.start('echo a; read x; echo b >&2')
    connection = UnixConnection(tb.socket)
    connection.request('GET', f'{s.path}/command/{c}/logs?follow=true', headers=NEW)
    answer = connection.getresponse()
    assert answer.getheader('Transfer-Encoding') == 'chunked' and answer.read1() == b'a\n'
    s.input(c, 'x')
    assert answer.read() == b'x\nb\n'
    s.delete()


def slow_followers_lose_nothing(tb):
    s = Session(tb)
    c = s.start('seq 1 400000')
    ws = s.socket(c)
    assert eventually(lambda: s.has_ended(c))
    assert tb.execute('echo alive')[1]['result'] == 'alive\n'
    frames, code, _ = ws.until_close()
    assert demux(b''.join(p for _, p in frames))[1] == ''.join(f'{n}\n' for n in range(1, 400001)).encode() and code == 1000
    s.delete()


def followers_that_leave_change_nothing(tb):
    s = Session(tb)
    c = s.start('for i in 1 2 3; do echo $i; read x; done')
    for step in range(3):
        ws = s.socket(c)
        ws.frame()
        ws.close()
        connection = UnixConnection(tb.socket)
        connection.request('GET', f'{s.path}/command/{c}/logs?follow=true', headers=NEW)
        connection.sock.recv(10)
        connection.sock.close()
        s.input(c, 'x')
    assert eventually(lambda: s.has_ended(c))
    s.delete()


def background_children_with_the_output_delay_the_end(tb):
    s = Session(tb)
    began = time.monotonic()
    assert s.run('(sleep 0.4; echo late) & echo early')['stdout'] == 'early\nlate\n'
    assert time.monotonic() - began > 0.35
    began = time.monotonic()
    s.run('sleep 77 >/dev/null 2>&1 &')
    assert time.monotonic() - began < 5
    s.delete()


def an_exit_ends_the_session_and_tells_everybody(tb):
    s = Session(tb)
    c = s.start('read x; echo bye; exit 3')
    behind = s.start('echo never')
    ws, ws_behind = s.socket(c), s.socket(behind)
    s.input(c, 'x')
    assert demux(b''.join(p for _, p in ws.until_close()[0]))[1] == b'x\nbye\n'
    assert ws_behind.until_close() == ([], 1000, '')
    assert s.call('GET', f'/command/{c}')[1]['exitCode'] == 3
    assert 'exitCode' not in s.call('GET', f'/command/{behind}')[1]
    status, body = s.call('POST', '/exec', {'command': 'echo x'})
    assert status == 410 and body['code'] == 'SESSION_ENDED', body
    s.delete()
    s = Session(tb)
    assert s.run('set -e; echo one; false; echo two') | {'cmdId': 0, 'output': 0} == {
        'cmdId': 0, 'output': 0, 'stdout': 'one\n', 'stderr': '', 'exitCode': 1}
    s.delete()


def delete_ends_everything(tb):
    s = Session(tb)
    c = s.start('sleep 9401 & setsid sleep 9401 & sleep 9401; echo must not run > not')
    waiting = []
    thread = threading.Thread(target=lambda: waiting.append(s.call('POST', '/exec', {'command': 'echo x'})))
    thread.start()
    ws = s.socket(c)
    assert eventually(lambda: processes('9401') == 3)
    assert eventually(lambda: len(s.call('GET')[1]['commands']) == 2)
    began = time.monotonic()
    s.delete()
    assert time.monotonic() - began < 3
    thread.join()
    assert ws.until_close() == ([], 1000, '')
    assert waiting[0][0] == 410 and waiting[0][1]['code'] == 'SESSION_ENDED', waiting
    assert processes('9401') == 0 and not os.path.exists(f'{tb.dir}/not')
    assert not os.path.exists(f'{tb.dir}/.daytona/sessions/{s.id}')
    assert s.call('GET')[0] == 404 and s.call('DELETE')[1]['code'] == 'PROCESS_NOT_FOUND'


def delete_kills_what_ignores_the_signal(tb):
    s = Session(tb)
    s.start("trap '' TERM; sh -c 'trap \"\" TERM; while :; do sleep 9402; done'")
    assert eventually(lambda: processes('9402') == 1)
    s.delete()
    assert eventually(lambda: processes('9402') == 0)


def ids_are_checked(tb):
    for identifier in ('entrypoint', '..', '.', 'a/b', '', 'x' * 300, None, 5):
        answer, data = tb.call('POST', '/process/session', {'sessionId': identifier})
        assert answer.status == 400 and json.loads(data)['source'] == 'DAYTONA_DAEMON', (identifier, data)
    s = Session(tb)
    assert tb.call('POST', '/process/session', {'sessionId': s.id})[0].status == 409
    assert s.id in [one['sessionId'] for one in json.loads(tb.call('GET', '/process/session')[1])]
    s.delete()


def versions_decide_what_is_seen(tb):
    marked, bare = '\1\1\1out\n', 'out\n'
    for version, output, has_streams, log in (
            ({}, bare, False, bare), ({'X-Daytona-SDK-Version': '0.26.9'}, bare, False, bare),
            ({'X-Daytona-Split-Output': 'true'}, marked, False, marked),
            ({'X-Daytona-SDK-Version': '0.27.0'}, marked, False, marked),
            ({'X-Daytona-SDK-Version': 'v0.166.0'}, marked, False, marked),
            ({'X-Daytona-SDK-Version': '0.167.0a1'}, marked, False, marked),
            ({'X-Daytona-SDK-Version': '0.167.0'}, marked, True, None),
            ({'X-Daytona-SDK-Version': '0.0.0-dev'}, marked, True, None)):
        s = Session(tb, version)
        body = s.run('echo out')
        assert body['output'] == output and (body['stdout'] is not None) == has_streams, (version, body)
        logs = s.logs(body['cmdId'])[1]
        assert logs == (log.encode() if log else {'output': marked, 'stdout': bare, 'stderr': ''}), (version, logs)
        frames = s.socket(body['cmdId'], headers=version).until_close()[0]
        assert b''.join(p for _, p in frames) == (bare if output == bare else marked).encode(), version
        s.delete()


def sub_protocols_carry_the_version(tb):
    s = Session(tb)
    c = s.run('echo out')['cmdId']
    target = f'{s.path}/command/{c}/logs?follow=true'
    ws = connect(tb, target, [('Sec-WebSocket-Protocol', 'other, X-Daytona-SDK-Version~0.190.0')])
    assert ws.headers['sec-websocket-protocol'] == 'X-Daytona-SDK-Version~0.190.0'
    assert ws.until_close()[0] == [(BINARY, b'\1\1\1out\n')]
    ws = connect(tb, target, [('Sec-WebSocket-Protocol', 'other')])
    assert 'sec-websocket-protocol' not in ws.headers and ws.until_close()[0] == [(BINARY, b'out\n')]
    s.delete()


def broken_handshakes_are_refused(tb):
    s = Session(tb)
    c = s.run('true')['cmdId']
    target = f'{s.path}/command/{c}/logs?follow=true'
    for drop in ('Connection', 'Sec-WebSocket-Key', 'Sec-WebSocket-Version'):
        headers = {'Upgrade': 'websocket', 'Connection': 'Upgrade', 'Sec-WebSocket-Key': 'x' * 22 + '==',
                   'Sec-WebSocket-Version': '13'}
        del headers[drop]
        answer, data = tb.call('GET', target, headers=headers)
        assert answer.status == 400 and data == b'Bad Request\n' and answer.getheader('Sec-Websocket-Version') == '13'
    try:
        connect(tb, f'{s.path}/command/none/logs')
        raise AssertionError('upgraded')
    except Refused as e:
        assert e.status == 404 and json.loads(e.body)['code'] == 'PROCESS_NOT_FOUND'
    s.delete()


def bad_frames_end_the_socket_only(tb):
    s = Session(tb)
    c = s.start('read x')
    for first, payload, code in ((0x83, b'', 1002), (0x89, b'x' * 126, 1002), (0xc2, b'', 1002), (0x82, b'x' * 70000, 1009)):
        ws = s.socket(c)
        ws.send(payload, first=first)
        _, got, reason = ws.until_close()
        assert got == code, (first, code, got, reason)
    ws = s.socket(c)
    ws.send(b'\x03\xe8bye', CLOSE)
    assert ws.until_close()[1] == 1000
    assert s.input(c, 'x') == 204
    s.delete()


def all_of_it_works_through_the_proxy(tb):
    """Asked for by test_sessions itself under `daytona-local run`."""
    done = subprocess.run([sys.argv[1], 'run', '--', sys.executable, __file__, '--through-proxy'], capture_output=True,
                          text=True, timeout=120)
    if 'SKIP' in done.stdout or done.returncode == 77:
        print('# the proxy part was skipped: ' + (done.stdout + done.stderr).strip().replace('\n', ' '))
        return
    assert done.returncode == 0, done.stdout + done.stderr


def through_proxy():
    url = urlsplit(os.environ['DAYTONA_API_URL'])
    key = {'Authorization': 'Bearer ' + os.environ['DAYTONA_API_KEY'], **NEW}

    def call(method, path, body=None):
        c = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
        c.request(method, path, json.dumps(body) if body is not None else None, key)
        answer = c.getresponse()
        data = answer.read()
        return answer.status, json.loads(data) if data else None

    status, box = call('POST', url.path + '/sandbox', {})
    assert status == 200, box
    base = urlsplit(box['toolboxProxyUrl']).path.rstrip('/') + '/' + box['id']
    assert call('POST', base + '/process/session', {'sessionId': 'p'})[0] == 201
    _, body = call('POST', base + '/process/session/p/exec', {'command': 'read x; seq 1 50000; pwd', 'runAsync': True})
    sock = socket.create_connection((url.hostname, url.port))
    sock.settimeout(60)
    ws = WebSocket(sock, f'{base}/process/session/p/command/{body["cmdId"]}/logs?follow=true', key.items(), host=url.netloc)
    call('POST', f'{base}/process/session/p/command/{body["cmdId"]}/input', {'data': 'go'})
    frames, code, _ = ws.until_close()
    lines = demux(b''.join(p for _, p in frames))[1].decode().split('\n')
    assert lines[0] == 'go' and lines[1:50001] == [str(n) for n in range(1, 50001)] and code == 1000
    assert call('DELETE', base + '/process/session/p')[0] == 204
    assert call('DELETE', url.path + '/sandbox/' + box['id'])[0] == 200


def main():
    if sys.argv[1] == '--through-proxy':
        through_proxy()
        return 0
    test_toolbox.TESTS[:] = [value for value in list(globals().values())
                             if callable(value) and getattr(value, '__code__', None)
                             and value.__code__.co_varnames[:1] == ('tb',) and value.__code__.co_argcount == 1]
    return test_toolbox.main()


if __name__ == '__main__':
    sys.exit(main())
