#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hold sessions, terminals and the interpreter against recorded exchanges with the published toolbox.

test_stream_recordings.py DAYTONA-LOCAL RECORDINGS. Steps begin when they began in the recording, so that
steps which ran at the same time do so again. Compared are status, JSON keys and types, the bytes of each
stream, control messages, and close codes and reasons; where output is cut and what a shell's
prompt looks like is not. What we do differently on purpose is listed below, each with its reason.
"""
import base64
import concurrent.futures
import json
import os
import re
import struct
import sys
import threading
import time

from test_recordings import Toolbox, decode
from test_sessions import connect, demux
from test_toolbox import UnixConnection
from ws_client import BINARY, CLOSE, TEXT, Refused

TOPICS = ('session-', 'pty-', 'interp-')
VOLATILE = {'message', 'timestamp', 'createdAt', 'error', 'path', 'method', 'code', 'source', 'statusCode'}

SKIPPED = {
    'interp-matplotlib': 'needs matplotlib',
    'interp-no-python': 'needs a machine without Python',
    'pty-odd-ids': 'an id with an encoded slash can be addressed here',
    'pty-resize': 'the recorded steps race with the end of the shell; test_pty resizes',
    'pty-silent-gap': 'waits for 20 s',
    'pty-slow-client': 'the client here reads all it gets; test_pty has a slow one',
    'pty-unknown': 'create-connect is of a newer platform; test_pty asks for unknown terminals',
    'session-follow-silent-gap': 'waits for a long time',
    'session-follow-tokens': 'handshakes in odd letters; test_sessions makes broken ones',
}

# toolbox-wire.md 16.2 and 17: other statuses than the recorded ones, by scenario and recorded status.
OTHER_STATUS = {
    ('session-unknown', 500): 404,             # 17 row 3: an unknown session is not found
    ('session-delete-while-sync', 500): 410,   # 16.2: SESSION_ENDED
    ('session-exit-sync', 500): 200,           # the shell's exit is the command's; nothing hangs
    ('pty-two-clients', 200): 404,             # asked within milliseconds of the shell's end
    ('pty-lazy', 200): 404,                    # the same
    ('session-input-errors', 500): 410,        # that a command has ended is noticed at once
}
# Scenarios in which the end of the shell is known here and was not there: exit codes differ.
SHELL_ENDS = {'session-exit-sync'}
# Sockets that end with a close frame here and without one there (17 row 9), or otherwise on purpose.
OTHER_CLOSE = {
    'pty-lazy': 'a terminal that is unknown is told with a close frame, too',
    'interp-delete-while-ignoring': 'a close frame says that the context has gone',
}
# Output which the recorded daemon lost or which depends on the machine.
OTHER_OUTPUT = {
    'session-exec-shell': 'bash says more or less about syntax errors',
    'session-logs-socket-no-follow': 'the recorded close overtook the data (17 row 6)',
    'session-start-directory': 'the recorded home',
    'session-exec-sync': 'a process id is in the text',
    'session-input': 'whether the echo of input or the output it causes comes first is open',
    'interp-delete-while-ignoring': 'whether the code has begun when the context goes is open',
    'interp-subprocess': 'a child cannot destroy messages here',
    'interp-exceptions': 'texts of another Python',
    'interp-syntax-error': 'texts of another Python',
}


def ids_in(value):
    """Every UUID of an answer, in order."""
    return re.findall(r'[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}', value)


class Scenario:
    def __init__(self, name, path, program):
        self.name = name
        with open(path, encoding='utf-8') as f:
            self.steps = json.load(f)['steps']
        self.toolbox = Toolbox(program)
        self.names = {}
        self.problems = []
        self.done = [threading.Event() for _ in self.steps]
        self.sent = [0 for _ in self.steps]  # frames of sockets

    def map(self, text):
        for old, new in self.names.items():
            text = text.replace(old, new)
        return self.toolbox.localize(text)

    def learn(self, old, new):
        for a, b in zip(ids_in(old), ids_in(new)):
            self.names.setdefault(a, b)

    def headers(self, request):
        drop = ('host', 'content-length', 'upgrade', 'connection', 'sec-websocket-key', 'sec-websocket-version')
        return [(k, v) for k, v in request['headers'] if k.lower() not in drop]

    def end_ms(self, step):
        if 'http' in step:
            response = step['http']['response']
            return step['start_ms'] + (response['ms'] if response else step['http'].get('client_gave_up_ms', 0))
        return step['start_ms'] + step['ws'].get('end', {}).get('ms', 0)

    @staticmethod
    def outgoing(exchange):
        """What the client sends, but answers to a close."""
        closes = [f['ms'] for f in exchange['frames'] if f['dir'] == 'in' and f['opcode'] == CLOSE]
        return [f for f in exchange['frames'] if f['dir'] == 'out' and 'payload_b64' in f
                and not (f['opcode'] == CLOSE and any(ms <= f['ms'] for ms in closes))]

    def wait_for_frames(self, earlier, start_ms):
        """Until the socket of that step has sent what it sent before then, however busy the machine."""
        step = self.steps[earlier]
        due = sum(step['start_ms'] + f['ms'] <= start_ms for f in self.outgoing(step['ws'])) if 'ws' in step else 0
        limit = time.monotonic() + 60
        while self.sent[earlier] < due and not self.done[earlier].is_set() and time.monotonic() < limit:
            time.sleep(0.001)

    def run(self):
        began = time.monotonic()
        threads = []
        for index, step in enumerate(self.steps):
            for earlier in range(index):
                if self.end_ms(self.steps[earlier]) <= step['start_ms']:
                    self.done[earlier].wait(60)
                self.wait_for_frames(earlier, step['start_ms'])
            time.sleep(max(0, step['start_ms'] / 1000 - (time.monotonic() - began)))
            threads.append(threading.Thread(target=self.guard, args=(index, step)))
            threads[-1].start()
            time.sleep(0.005)
        for thread in threads:
            thread.join(90)
        if self.toolbox.close() != 0:
            self.problems.append('the toolbox did not end in order')
        return self.problems

    def guard(self, index, step):
        try:
            problems = self.http(step['http']) if 'http' in step else self.socket(step['ws'], index)
            # What a command has done by a certain time depends on the machine: asked until it has.
            tries = 300 if 'http' in step and step['http']['request']['method'] == 'GET' else 0
            while problems and tries > 0:
                time.sleep(0.01)
                tries -= 1
                problems = self.http(step['http'])
        except Exception as e:
            problems = [f'{type(e).__name__}: {e}']
        self.problems += [f'step {index}: {p}' for p in problems]
        self.done[index].set()

    # ---- plain requests ----

    def http(self, exchange):
        request, response = exchange['request'], exchange['response']
        body = base64.b64decode(request.get('body_b64') or '')
        c = UnixConnection(self.toolbox.socket)
        c.request(request['method'], self.map(request['target']), self.map(body.decode()).encode() or None,
                  dict(self.headers(request)))
        if response is None:
            time.sleep(exchange.get('client_gave_up_ms', 100) / 1000)
            c.close()
            return []
        answer = c.getresponse()
        data = answer.read()
        old = base64.b64decode(response.get('body_b64') or '')
        self.learn(old.decode('utf-8', 'replace'), data.decode('utf-8', 'replace'))
        title = f"{request['method']} {request['target']}"
        wanted = OTHER_STATUS.get((self.name, response['status']), response['status'])
        if answer.status != wanted and answer.status != response['status']:
            return [f'{title}: {answer.status}, recorded {response["status"]}: {data[:200]}']
        if response['status'] >= 400 or answer.status >= 400:
            return []  # 17 row 1: envelopes everywhere; test_sessions and test_pty look at them
        if 'follow=true' in request['target']:
            return []  # 17 row 7: a stream here
        types = dict(response['headers']).get('Content-Type'), answer.getheader('Content-Type')
        if types[0] != types[1]:
            return [f'{title}: content type {types[1]}, recorded {types[0]}']
        if 'body_sha256' in response:
            return [] if len(data) == response['body_len'] else [f'{title}: {len(data)} bytes']
        return [f'{title}: {d}' for d in self.compare(decode(old, types[0]), decode(data, types[1]))]

    def compare(self, want, have, path='body'):
        if isinstance(want, dict) and isinstance(have, dict):
            keys = set(want) ^ set(have)
            if keys - ({'exitCode'} if self.name in SHELL_ENDS else set()):
                return [f'{path}: keys {sorted(have)}, recorded {sorted(want)}']
            return [d for k in set(want) & set(have) - VOLATILE for d in self.compare(want[k], have[k], f'{path}.{k}')]
        if isinstance(want, list) and isinstance(have, list):
            return [] if len(want) == len(have) else [f'{path}: {len(have)} entries, recorded {len(want)}']
        if type(want) is not type(have):
            return [f'{path}: {type(have).__name__}, recorded {type(want).__name__}']
        if self.name in OTHER_OUTPUT:
            return []
        if isinstance(want, str):
            want = self.map(want)
            if '\1\1\1' in want or '\2\2\2' in want:  # the order of the streams is open
                return [] if demux(want.encode()) == demux(have.encode()) else [f'{path}: {have!r}, recorded {want!r}']
            if path == 'body.output' or isinstance(have, str) and '\n' in have:
                return [] if sorted(want.split('\n')) == sorted(have.split('\n')) else [f'{path}: {have!r}, recorded {want!r}']
        return [] if want == have else [f'{path}: {have!r}, recorded {want!r}']

    # ---- sockets ----

    def socket(self, exchange, index):
        request, end = exchange['request'], exchange['end']
        began = time.monotonic()
        title = request['target']
        try:
            ws = connect(self.toolbox, self.map(title), self.headers(request))
        except Refused as e:
            wanted = exchange['response']['status']
            return [] if e.status in (wanted, OTHER_STATUS.get((self.name, wanted))) else [f'{title}: {e}, recorded {wanted}']
        protocols = [dict((k.lower(), v) for k, v in r).get('sec-websocket-protocol')
                     for r in (exchange['response']['headers'], ws.headers.items())]
        out = [f'{title}: protocol {protocols[1]}, recorded {protocols[0]}'] if protocols[0] != protocols[1] and protocols[0] else []
        got = []
        reader = threading.Thread(target=self.read, args=(ws, got))
        reader.start()
        closed_by_us = False
        for frame in self.outgoing(exchange):
            time.sleep(max(0, frame['ms'] / 1000 - (time.monotonic() - began)))
            payload = base64.b64decode(frame['payload_b64'])
            try:
                payload = self.map(payload.decode()).encode()
            except UnicodeDecodeError:
                pass
            closed_by_us |= frame['opcode'] == CLOSE
            ws.send(payload, first=(0x80 if frame['fin'] else 0) | frame['opcode'])
            self.sent[index] += 1
        if end['how'] == 'dropped by the client':
            time.sleep(max(0, end['ms'] / 1000 - (time.monotonic() - began)))
            ws.sock.shutdown(2)
            reader.join(30)
            return out
        reader.join(60)
        if reader.is_alive():
            ws.sock.shutdown(2)
            return out + [f'{title}: never ended']
        return out + [f'{title}: {d}' for d in self.judge(exchange, got, closed_by_us)]

    @staticmethod
    def read(ws, got):
        try:
            while True:
                got.append(ws.frame())
                if got[-1][0] == CLOSE:
                    ws.send(got[-1][1][:2], CLOSE)
        except (EOFError, OSError):
            pass

    def judge(self, exchange, got, closed_by_us):
        out, end = [], exchange['end']
        closes = [p for op, p in got if op == CLOSE]
        code = struct.unpack('>H', closes[0][:2])[0] if closes and closes[0] else None
        reason = closes[0][2:].decode() if closes else ''
        want_reason = self.map(end.get('close_reason') or '')
        if closed_by_us:  # our answer repeats the client's reason, too
            want_reason = reason
        if self.name not in OTHER_CLOSE and (code, reason) != (end['close_code'], want_reason):
            out.append(f"close {code} {reason!r}, recorded {end['close_code']} {want_reason!r}")
        if exchange.get('frames_left_out') or any('payload_b64' not in f for f in exchange['frames']) or self.name in OTHER_OUTPUT:
            return out
        want = [(f['opcode'], self.map(base64.b64decode(f['payload_b64']).decode('latin1')).encode('latin1'))
                for f in exchange['frames'] if f['dir'] == 'in']
        if self.name.startswith('session-'):
            a, b = (demux(b''.join(p for op, p in fs if op == BINARY)) for fs in (want, got))
            if a[0] or b[0]:
                a, b = sorted(a[0].split(b'\n')), sorted(b[0].split(b'\n'))
            if a != b:
                out.append(f'log {b}, recorded {a}')
        elif self.name.startswith('pty-'):
            a, b = ([sorted(json.loads(p)) for op, p in fs if op == TEXT] for fs in (want, got))
            if exchange['response']['headers'] and len(b) == len(a) + 1 and b[-1] and 'exitCode' in b[-1]:
                b.pop()  # "exited", which newer daemons send when asked
            if a != b:
                out.append(f'controls {b}, recorded {a}')
        else:
            a, b = (self.by_type(fs) for fs in (want, got))
            if a != b:
                out.append(f'messages {b}, recorded {a}')
        return out

    @staticmethod
    def by_type(frames):
        out = {}
        for op, p in frames:
            if op == TEXT:
                m = json.loads(p)
                out.setdefault(m['type'], []).append((m['text'], m['name'], m['value'], m['traceback']))
        return {k: [''.join(parts) for parts in zip(*v)] for k, v in out.items()}


def main():
    program, recordings = sys.argv[1], sys.argv[2]
    if not os.path.isdir(recordings):
        print('1..0 # SKIP the recordings are not here')
        return 0
    names = sorted(f[:-5] for f in os.listdir(recordings) if f.endswith('.json') and f.startswith(TOPICS))
    failed = 0
    print(f'1..{len(names)}', flush=True)
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        runs = {n: pool.submit(Scenario(n, os.path.join(recordings, n + '.json'), program).run) for n in names if n not in SKIPPED}
        for number, name in enumerate(names, 1):
            if name in SKIPPED:
                print(f'ok {number} {name} # SKIP {SKIPPED[name]}')
                continue
            problems = runs[name].result()
            failed += bool(problems)
            print(f"{'not ok' if problems else 'ok'} {number} {name}", flush=True)
            for problem in problems:
                print('# ' + problem.replace('\n', ' ')[:400], flush=True)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
