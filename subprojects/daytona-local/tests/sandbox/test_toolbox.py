#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Behaviour of the toolbox role that no recording shows: test_toolbox.py DAYTONA-LOCAL."""
import hashlib
import http.client
import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__('sandbox:2280', timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(self.path)


class Toolbox:
    def __init__(self, program, *options):
        self.dir = tempfile.mkdtemp(prefix='dl-tb-')
        self.socket = os.path.join(self.dir, 'socket')
        self.process = subprocess.Popen([program, 'toolbox', '--socket', self.socket, '--home', self.dir, *options])
        while True:
            try:
                socket.socket(socket.AF_UNIX).connect(self.socket)
                return
            except OSError:
                if self.process.poll() is not None:
                    raise SystemExit('Bail out! the toolbox ended at once')

    def call(self, method, target, body=None, headers=None):
        c = UnixConnection(self.socket)
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        c.request(method, target, body, headers or {})
        answer = c.getresponse()
        data = answer.read()
        c.close()
        return answer, data

    def execute(self, command, **more):
        answer, data = self.call('POST', '/process/execute', {'command': command, **more})
        return answer.status, json.loads(data)

    def close(self):
        self.process.terminate()
        status = self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)
        return status


def processes(mark):
    """Processes with `mark` as one of their arguments."""
    count = 0
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/cmdline', 'rb') as f:
                count += mark.encode() in f.read().split(b'\0')
        except OSError:
            pass
    return count


def eventually(condition):
    """True when it holds at last. The limit only keeps a broken program from hanging the test: it says
    nothing about how quick a loaded machine has to be."""
    end = time.monotonic() + 90
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


class Program(http.server.BaseHTTPRequestHandler):
    """What a user's program in the sandbox may do on its port."""
    protocol_version = 'HTTP/1.1'

    def log_message(self, *args):
        pass

    def answer(self, status, body=b'', length=None):
        self.send_response(status)
        self.send_header('Content-Length', str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == '/chunked':
            self.send_response(200)
            self.send_header('Transfer-Encoding', 'chunked')
            self.send_header('Set-Cookie', 'a=1')
            self.send_header('Set-Cookie', 'b=2')
            self.end_headers()
            for part in (b'5\r\nhello\r\n', b'6\r\n world\r\n', b'0\r\n\r\n'):
                self.wfile.write(part)
                self.wfile.flush()
        elif self.path == '/large':
            self.send_response(200)
            self.send_header('Content-Length', str(64 << 20))
            self.end_headers()
            for _ in range(64):
                self.wfile.write(b'x' * (1 << 20))
        elif self.path == '/empty':
            self.send_response(204)
            self.end_headers()
        elif self.path == '/cut':
            self.answer(200, b'short', 100)
            self.close_connection = True
        elif self.path == '/silent':
            self.close_connection = True
        elif self.headers.get('Upgrade'):
            self.wfile.write(b'HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\nfirst')
            self.wfile.flush()
            while data := self.connection.recv(65536):
                self.connection.sendall(data)
            self.close_connection = True
        else:
            self.answer(200, json.dumps([self.path, dict(self.headers)]).encode())

    do_HEAD = do_DELETE = do_GET

    def do_POST(self):
        digest = hashlib.sha256()
        if self.headers.get('Transfer-Encoding') == 'chunked':
            while size := int(self.rfile.readline(), 16):
                digest.update(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
        else:
            digest.update(self.rfile.read(int(self.headers['Content-Length'])))
        self.answer(201, digest.hexdigest().encode())


class Server6(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6


def serve(kind=http.server.ThreadingHTTPServer, host='127.0.0.1'):
    server = kind((host, 0), Program)
    server.handle_error = lambda *args: None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


# ---- tests: each gets the toolbox ----

def exec_waits_for_holders_of_the_pipe(tb):
    assert tb.execute('(sleep 0.3; echo late) & echo early') == (200, {'exitCode': 0, 'result': 'early\nlate\n'})


def exec_returns_when_background_jobs_do_not_hold_the_pipe(tb):
    began = time.monotonic()
    assert tb.execute('sleep 91 >/dev/null 2>&1 & echo now')[1]['result'] == 'now\n'
    assert time.monotonic() - began < 5
    tb.execute("pkill -f 'sleep 91$'")


def exec_timeout_kills_everything_it_started(tb):
    status, body = tb.execute('setsid sleep 9301 & (setsid setsid sleep 9301 &) ; sleep 9301', timeout=1)
    assert status == 408 and body['code'] == 'PROCESS_EXECUTION_TIMEOUT', body
    assert eventually(lambda: processes('9301') == 0)


def exec_timeout_also_ends_holders_of_the_pipe(tb):
    began = time.monotonic()
    assert tb.execute('sleep 9302 & exit 0', timeout=1)[0] == 408
    assert time.monotonic() - began < 5
    assert eventually(lambda: processes('9302') == 0)


def exec_goes_on_without_its_client(tb):
    c = UnixConnection(tb.socket)
    c.request('POST', '/process/execute', json.dumps({'command': 'touch begun; sleep 0.2; echo done > gone'}))
    assert eventually(lambda: os.path.exists(os.path.join(tb.dir, 'begun')))
    c.close()
    assert eventually(lambda: os.path.exists(os.path.join(tb.dir, 'gone')))


def exec_gives_each_shell_only_its_own_descriptors(tb):
    code = "import os; print(sorted(map(int, os.listdir('/proc/self/fd')))[:-1])"
    _, body = tb.call('POST', '/process/code-run', {'language': 'python', 'code': code})
    assert json.loads(body)['result'] == '[0, 1, 2]\n', body


def exec_many_at_once(tb):
    results, threads = [], []
    for n in range(64):
        thread = threading.Thread(target=lambda n=n: results.append(tb.execute(f'echo {n}; sleep 0.05')[1]['result']))
        thread.start()
        threads.append(thread)
    for thread in threads:
        thread.join()
    assert sorted(map(int, results)) == list(range(64))


def exec_ends_output_past_the_ceiling_with_a_note(tb):
    status, body = tb.execute('head -c 70000000 /dev/zero | tr "\\0" x; exit 4')
    assert status == 200 and body['exitCode'] == 4
    assert body['result'].endswith('x\n[output truncated after 67108864 bytes]\n'), body['result'][-100:]
    assert len(body['result']) < 67108864 + 100


def exec_with_a_program_that_ignores_its_input(tb):
    script = 'exit 7\n' + '#' * 1000000
    assert tb.execute(script) == (200, {'exitCode': 7, 'result': ''})


def bodies_that_are_too_large_are_refused(tb):
    answer, _ = tb.call('POST', '/process/execute', json.dumps({'command': 'x' * (17 << 20)}))
    assert answer.status == 413, answer.status


def odd_json_is_refused_or_read(tb):
    for body in ('[]', '"x"', '1', '{"command":["x"]}', '{"command":"x","envs":[]}', '{"command":"x","cwd":1}',
                 '{"command":"a\\u0000b"}', '[' * 100000, '{"command":"x","envs":{"A":null}}', '\xff'.encode('latin1')):
        answer, data = tb.call('POST', '/process/execute', body)
        assert answer.status == 400, (body[:50], data)
        assert json.loads(data)['code'] == 'INVALID_REQUEST_BODY', data
    for body in ('{"command":"echo x"} trailing', '{"COMMAND":"echo x","more":1,"cwd":null,"timeout":null}'):
        assert json.loads(tb.call('POST', '/process/execute', body)[1]) == {'exitCode': 0, 'result': 'x\n'}


def request_ids_are_given_unless_brought(tb):
    assert tb.call('GET', '/version')[0].getheader('X-Request-Id')
    assert tb.call('GET', '/version', headers={'X-Request-Id': 'mine'})[0].getheader('X-Request-Id') is None


def environment_changes_last(tb):
    call = lambda body: json.loads(tb.call('POST', '/env', body)[1])
    env = call({'set': {'DL_A': 'token-1', 'DL_B': 'token-2', 'DL_C': 'x'}})
    assert env['DL_A'] == 'token-1' and env['HOME'] == tb.dir
    assert tb.execute('echo $DL_A$DL_C')[1]['result'] == 'token-1x\n'
    env = call({'unset': ['DL_C', 'DL_NONE'], 'unsetValuePrefix': 'token-', 'set': {'DL_B': 'token-3'}})
    assert 'DL_A' not in env and 'DL_C' not in env and env['DL_B'] == 'token-3'
    assert tb.call('POST', '/env', {'set': {'1': 'x'}})[0].status == 400
    assert tb.execute('echo $DL_B', envs={'DL_B': 'mine'})[1]['result'] == 'mine\n'


def what_no_program_can_be_given_is_named(tb):
    most = 131072 - len('X=') - 1
    assert tb.execute('echo ${#X}', envs={'X': 'x' * most}) == (200, {'exitCode': 0, 'result': f'{most}\n'})
    longer = {'X': 'x' * (most + 1)}
    many = {f'V{n}': 'x' * 100000 for n in range(70)}
    calls = [('/process/execute', {'command': 'true'}), ('/process/pty', {'id': 'p'}),
             ('/process/code-run', {'code': 'print(1)', 'language': 'python'})]
    for path, body in calls:
        for envs, text in ((longer, 'environment variable X is too long: 131072 bytes with its name, 131071 at most'),
                           (many, 'arguments and environment together are too long')):
            answer, data = tb.call('POST', path, {**body, 'envs': envs})
            assert answer.status == 400 and text in json.loads(data)['message'], (path, data)
    answer, data = tb.call('POST', '/env', {'set': longer})
    assert answer.status == 400, data
    for _ in range(2):
        answer, data = tb.call('POST', '/env', {'set': many})
        assert answer.status == 400, data
    run = {'code': 'import sys\nprint(len(sys.argv[-1]))', 'language': 'python'}
    answer, data = tb.call('POST', '/process/code-run', {**run, 'argv': ['a', 'x' * 131072]})
    assert answer.status == 400 and 'argv[1] is too long' in json.loads(data)['message'], data
    answer, data = tb.call('POST', '/process/code-run', {**run, 'argv': ['a', 'x' * 131071]})
    assert json.loads(data)['result'] == '131071\n', data
    assert tb.execute('echo ok')[1]['result'] == 'ok\n'
    # Neither a script nor its input is an argument.
    assert tb.execute(': ' + 'x' * 1048576 + '\necho done')[1]['result'] == 'done\n'


def metrics_have_every_field(tb):
    m = json.loads(tb.call('GET', '/system/metrics')[1])
    assert set(m) == {'timestamp', 'timestampUnix', 'cpuCount', 'cpuUsedPct', 'memTotal', 'memUsed', 'memCache', 'diskTotal',
                      'diskUsed', 'diskFree'}
    assert m['memTotal'] >= m['memUsed'] > 0 and m['diskTotal'] > 0 and m['cpuCount'] >= 1


def code_run_keeps_arguments_whole(tb):
    for language, code in (('python', 'import sys\nprint(sys.argv[1:])'), ('javascript', 'console.log(process.argv.slice(1))')):
        if shutil.which('node' if language == 'javascript' else 'python3', path='/usr/local/bin:/usr/bin:/bin'):
            _, data = tb.call('POST', '/process/code-run',
                              {'language': language, 'code': code, 'argv': ['a b', '$HOME', '-x', '']})
            text = json.loads(data)['result'].replace(' ', '').replace('\n', '')
            assert text == "['ab','$HOME','-x','']", data


def code_run_without_the_program_says_so(tb):
    _, data = tb.call('POST', '/process/code-run', {'language': 'python', 'code': '1', 'envs': {'PATH': '/nonexistent'}})
    assert json.loads(data) == {'exitCode': 127, 'result': 'python3: command not found\n'}


def code_run(box, language, code, argv=()):
    return json.loads(box.call('POST', '/process/code-run', {'language': language, 'code': code, 'argv': list(argv)})[1])


def code_run_says_what_is_wrong_with_typescript(tb):
    if not shutil.which('node', path='/usr/local/bin:/usr/bin:/bin'):
        return
    for code, place in (('const x: = 5;', '(1,10): error TS1110'), ('console.log(1)\nclass {\n', '(3,1): error TS1005')):
        for argv in ((), ('a',)):
            body = code_run(tb, 'typescript', code, argv)
            assert body.get('statusCode') == 501 or (body['exitCode'] == 1 and '[code].ts' in body['result']), body
            assert 'TS' not in body.get('result', '') or place in body['result'], body
    body = code_run(tb, 'typescript', 'let x: string = 5; console.log(x)')  # types are not checked
    assert body.get('statusCode') == 501 or body == {'exitCode': 0, 'result': '5\n'}, body


def code_run_shows_nothing_of_ours_in_javascript_errors(tb):
    if not shutil.which('node', path='/usr/local/bin:/usr/bin:/bin'):
        return
    for code in ('x.y', ' "use strict"; undeclared = 3', 'const x = ;', '#!/usr/bin/env node\nx.y', '-x'):
        for argv in ((), ('a', '-b')):
            body = code_run(tb, 'javascript', code, argv)
            lines = body['result'].splitlines()
            assert body['exitCode'] == 1 and 'splice' not in body['result'], body
            assert lines[0].endswith(f':{1 + code.count(chr(10))}') and lines[1] == code.split('\n')[-1], body
    long = 'console.log(process.argv.slice(1))//' + 'x' * 200000
    assert code_run(tb, 'javascript', long, ('a',)) == {'exitCode': 0, 'result': "[ 'a' ]\n"}
    assert code_run(tb, 'javascript', long) == {'exitCode': 0, 'result': '[]\n'}


def files_that_open_and_cannot_be_read_are_errors(tb):
    text = os.path.join(tb.dir, 'readable')
    with open(text, 'w') as f:
        f.write('text')
    answer, data = tb.call('POST', '/files/bulk-download', {'paths': ['/proc/self/mem', text]})
    assert answer.status == 200 and data.count(b'name="error"') == 1 and data.count(b'name="file"') == 1, data
    assert b'FILE_READ_FAILED' in data and b'failed to read file: read /proc/self/mem' in data, data
    answer, data = tb.call('GET', '/files/download?path=/proc/self/mem')
    assert answer.status == 500 and json.loads(data)['code'] == 'FILE_READ_FAILED', data


def proxy_passes_requests_on(tb):
    for port in (serve(), serve(Server6, '::1')):
        answer, data = tb.call('GET', f'/proxy/{port}/a%2Fb//c?x=%20&y', headers={'Cookie': 'k=v', 'Connection': 'close, X-Y'})
        path, headers = json.loads(data)
        assert path == '/a%2Fb//c?x=%20&y' and headers['Host'] == f'localhost:{port}' and headers['Cookie'] == 'k=v'
        assert headers['X-Forwarded-For'] and answer.getheader('X-Request-Id')
    answer, data = tb.call('GET', f'/proxy/{port}/chunked')
    assert data == b'hello world' and answer.headers.get_all('Set-Cookie') == ['a=1', 'b=2']
    answer, data = tb.call('HEAD', f'/proxy/{port}/x')
    assert answer.status == 200 and data == b'' and int(answer.getheader('Content-Length')) > 0
    assert tb.call('GET', f'/proxy/{port}/empty')[0].status == 204
    answer, _ = tb.call('GET', f'/proxy/{port}')
    assert answer.status == 301 and answer.getheader('Location') == f'/proxy/{port}/'


def proxy_streams_bodies(tb):
    port = serve()
    body = os.urandom(8 << 20)
    digest = hashlib.sha256(body).hexdigest().encode()
    assert tb.call('POST', f'/proxy/{port}/x', body)[1] == digest
    c = UnixConnection(tb.socket)
    c.request('POST', f'/proxy/{port}/x', iter([body[:1000], body[1000:]]), {'Transfer-Encoding': 'chunked'}, encode_chunked=True)
    assert c.getresponse().read() == digest
    assert len(tb.call('GET', f'/proxy/{port}/large')[1]) == 64 << 20


def proxy_tells_failures_apart(tb):
    port = serve()
    closed = socket.socket()
    closed.bind(('127.0.0.1', 0))
    for target, status in ((f'/proxy/{closed.getsockname()[1]}/', 502), (f'/proxy/{port}/silent', 502), ('/proxy/x/', 400),
                           ('/proxy/70000/', 400), ('/proxy/0/', 400)):
        answer, data = tb.call('GET', target)
        assert answer.status == status and json.loads(data)['source'] == 'DAYTONA_DAEMON', (target, answer.status, data)
    try:
        tb.call('GET', f'/proxy/{port}/cut')
        raise AssertionError('a cut answer looked complete')
    except http.client.IncompleteRead:
        pass


def proxy_relays_upgrades(tb):
    port = serve()
    s = socket.socket(socket.AF_UNIX)
    s.connect(tb.socket)
    s.sendall(f'GET /proxy/{port}/x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n'.encode())
    got = b''
    while not got.endswith(b'\r\n\r\nfirst'):
        part = s.recv(4096)
        assert part, got
        got += part
    assert got.startswith(b'HTTP/1.1 101 ') and b'Upgrade: echo\r\n' in got
    data = os.urandom(3 << 20)
    threading.Thread(target=s.sendall, args=(data,), daemon=True).start()
    echoed = b''
    while len(echoed) < len(data):
        part = s.recv(1 << 20)
        assert part
        echoed += part
    assert echoed == data
    s.close()


def proxy_survives_clients_that_leave(tb):
    port = serve()
    before = len(os.listdir(f'/proc/{tb.process.pid}/fd'))
    for _ in range(20):
        c = UnixConnection(tb.socket)
        c.request('GET', f'/proxy/{port}/large')
        c.sock.recv(100)
        c.sock.close()
        c.close()
    assert eventually(lambda: len(os.listdir(f'/proc/{tb.process.pid}/fd')) <= before + 1)
    assert tb.execute('echo ok')[1]['result'] == 'ok\n'


TESTS = [value for name, value in list(globals().items())
         if callable(value) and getattr(value, '__code__', None) and value.__code__.co_varnames[:1] == ('tb',)]


def main():
    toolbox = Toolbox(sys.argv[1])
    failed = 0
    print(f'1..{len(TESTS) + 1}')
    for number, test in enumerate(TESTS, 1):
        try:
            test(toolbox)
            print(f'ok {number} {test.__name__}', flush=True)
        except Exception:
            failed += 1
            print(f'not ok {number} {test.__name__}')
            print('\n'.join('# ' + line for line in traceback.format_exc().splitlines()), flush=True)
    tb_status = toolbox.close()
    print(f"{'ok' if tb_status == 0 else 'not ok'} {len(TESTS) + 1} the toolbox ends in order, with nothing leaked")
    return 1 if failed or tb_status else 0


if __name__ == '__main__':
    sys.exit(main())
