# SPDX-License-Identifier: Apache-2.0
"""What the tests of git stand on: calls of the toolbox, repositories, and a git server over HTTP."""
import base64
import contextlib
import http.server
import json
import os
import subprocess
import threading
import urllib.parse

USER, PASSWORD = 'ann', 'top/secret:p@ss'
TOKEN = 'a-token-that-is-a-user'
GIT_ENV = {'PATH': os.environ['PATH'], 'GIT_AUTHOR_NAME': 'Seed', 'GIT_AUTHOR_EMAIL': 'seed@example.com',
           'GIT_COMMITTER_NAME': 'Seed', 'GIT_COMMITTER_EMAIL': 'seed@example.com', 'GIT_CONFIG_GLOBAL': '/dev/null',
           'GIT_CONFIG_NOSYSTEM': '1', 'LC_ALL': 'C.UTF-8', 'HOME': '/'}


def git(folder, *args, **more):
    run = subprocess.run(['git', '-C', folder, *args], env=GIT_ENV, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         check=True, **more)
    return run.stdout.decode().strip()


def write(folder, name, text):
    os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
    with open(os.path.join(folder, name), 'w', encoding='utf-8') as f:
        f.write(text)


def read(folder, name):
    with open(os.path.join(folder, name), encoding='utf-8') as f:
        return f.read()


def api(tb, method, what, status=200, **fields):
    """One call that must answer `status`; its JSON, or None for an empty answer."""
    target, body = '/git/' + what, None
    if method == 'GET':
        target += '?' + urllib.parse.urlencode(fields)
    else:
        body = json.dumps(fields)
    answer, data = tb.call(method, target, body)
    assert answer.status == status, f'{method} {what}: {answer.status}, not {status}: {data[:600]}'
    for secret in (PASSWORD, urllib.parse.quote(PASSWORD, ''), TOKEN):
        assert secret.encode() not in data, data
    if not data:
        assert answer.getheader('Content-Length') == (None if status == 204 else '0'), answer.headers
        return None
    value = json.loads(data)
    if status >= 400:
        assert value['source'] == 'DAYTONA_DAEMON' and value['statusCode'] == status and value['message'], value
    return value


def fails(tb, method, what, status, code, **fields):
    error = api(tb, method, what, status, **fields)
    assert error['code'] == code, error
    return error['message']


def get(tb, what, path, **fields):
    return api(tb, 'GET', what, path=path, **fields)


def post(tb, what, path, status=200, **fields):
    return api(tb, 'POST', what, status, path=path, **fields)


def commit(tb, path, message='more', **fields):
    return post(tb, 'commit', path, message=message, author='Ann Ä', email='ann@example.com',
                **{'allow_empty': True, **fields})['hash']


class Place:
    """A bare repository with three commits and two branches, and a folder for clones."""

    def __init__(self, tb, name):
        self.dir = os.path.join(tb.dir, 'git', name)
        self.seed, self.bare, self.copy = (os.path.join(self.dir, part) for part in ('seed', 'origin.git', 'copy'))
        os.makedirs(self.seed)
        git(self.seed, 'init', '-q', '-b', 'main')
        write(self.seed, 'a.txt', 'one\n')
        write(self.seed, 'src/b.txt', 'two\n')
        git(self.seed, 'add', '.')
        git(self.seed, 'commit', '-q', '-m', 'first')
        git(self.seed, 'commit', '-q', '--allow-empty', '-m', 'second, größer', '-m', 'With a body.')
        git(self.seed, 'tag', 'v1')
        git(self.seed, 'checkout', '-q', '-b', 'feature')
        write(self.seed, 'f.txt', 'f\n')
        git(self.seed, 'add', '.')
        git(self.seed, 'commit', '-q', '-m', 'feature')
        git(self.seed, 'checkout', '-q', 'main')
        git(self.dir, 'clone', '-q', '--bare', 'seed', 'origin.git')
        git(self.seed, 'remote', 'add', 'origin', '../origin.git')

    def publish(self, name='r.txt', text='remote\n', branch='main'):
        """A commit that the clones do not have."""
        git(self.seed, 'checkout', '-q', branch)
        write(self.seed, name, text)
        git(self.seed, 'add', '.')
        git(self.seed, 'commit', '-q', '-m', 'published')
        git(self.seed, 'push', '-q', 'origin', branch)
        return git(self.seed, 'rev-parse', 'HEAD')

    def head(self, name='HEAD', where=None):
        return git(where or self.copy, 'rev-parse', name)


def place(tb, name, clones=True, **fields):
    p = Place(tb, name)
    if clones:
        post(tb, 'clone', p.copy, url=p.bare, **{'branch': 'main', **fields})
    return p


# ---- a git server over HTTP ----

class Backend(http.server.BaseHTTPRequestHandler):
    """git http-backend behind `/open/`, the same behind basic auth as `/auth/`, and bad servers."""
    protocol_version = 'HTTP/1.1'

    def log_message(self, *args):
        pass

    def plain(self, status, *headers):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header('Content-Length', '0')
        self.end_headers()

    def is_known(self):
        header = self.headers.get('Authorization', '')
        self.server.seen.append(header)
        accepted = [f'{USER}:{PASSWORD}', f'{TOKEN}:']
        return header in ['Basic ' + base64.b64encode(pair.encode()).decode() for pair in accepted]

    def body(self):
        if self.headers.get('Transfer-Encoding') == 'chunked':
            out = b''
            while True:
                size = int(self.rfile.readline(), 16)
                out += self.rfile.read(size)
                self.rfile.readline()
                if size == 0:
                    return out
        return self.rfile.read(int(self.headers.get('Content-Length', 0)))

    def serve(self):
        path, _, query = self.path.partition('?')
        _, kind, rest = path.split('/', 2)
        body = self.body()
        if kind == 'auth' and not self.is_known():
            return self.plain(401, ('WWW-Authenticate', 'Basic realm="git"'))
        if kind not in ('auth', 'open'):
            return self.plain(int(kind))
        env = {**os.environ, 'GIT_PROJECT_ROOT': self.server.root, 'GIT_HTTP_EXPORT_ALL': '1', 'PATH_INFO': '/' + rest,
               'QUERY_STRING': query, 'REQUEST_METHOD': self.command, 'REMOTE_USER': 'x', 'REMOTE_ADDR': '127.0.0.1',
               'CONTENT_TYPE': self.headers.get('Content-Type', ''), 'CONTENT_LENGTH': str(len(body)),
               'HTTP_CONTENT_ENCODING': self.headers.get('Content-Encoding', '')}
        out = subprocess.run(['git', 'http-backend'], env=env, input=body, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, check=False).stdout
        head, _, content = out.partition(b'\r\n\r\n')
        headers = [line.split(': ', 1) for line in head.decode().split('\r\n')]
        status = next((int(v.split()[0]) for k, v in headers if k == 'Status'), 200)
        self.send_response(status)
        for name, value in headers:
            if name != 'Status':
                self.send_header(name, value)
        self.send_header('Content-Length', str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = serve


@contextlib.contextmanager
def served(p):
    """(the server, a function that makes URLs)."""
    git(p.bare, 'config', 'http.receivepack', 'true')
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Backend)
    server.daemon_threads = True
    server.root, server.seen = p.dir, []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def url(kind, user='', name='origin.git'):
        return f'http://{user}127.0.0.1:{server.server_port}/{kind}/{name}'
    try:
        yield server, url
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
