#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hold the toolbox against recorded exchanges with the published one.

test_recordings.py DAYTONA-LOCAL RECORDINGS. Every recorded request is sent to `daytona-local
toolbox` over a Unix socket; status, header names, JSON keys and types and stable values must
be the recorded ones. What we do differently on purpose is listed below, each with its reason.
"""
import base64
import hashlib
import http.client
import json
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time

TOPICS = ('exec-', 'coderun-', 'server-', 'port-', 'chart-', 'files-', 'git-', 'lsp-')

# Headers that a recording has and that may differ, and those that come and go with the length.
LOOSE_HEADERS = {'transfer-encoding', 'content-length', 'date', 'connection'}
# Never compared (recordings/README, "Volatile").
VOLATILE = {'timestamp', 'message'}

# Scenarios that are left out as a whole.
SKIPPED = {
    'server-head-timeout': 'takes 10 s and shows the HTTP layer below the routes',
    'server-work-directory': 'needs /srv/project and endpoints of other nouns',
    'exec-background-holds-pipe': 'the recording itself is a race; tested by test_toolbox',
}

# Endpoints that are not this noun's; they have tests of their own.
OTHER_NOUNS = re.compile(r'^/(computeruse|process/(session|pty|interpreter))\b')

# The platform's v0.190.0 does not know these; v0.205.1 does, and so do we.
NEWER = {'GET /system/metrics', 'POST /env', 'POST /files/upload-v2?path=/tmp/x', 'POST /git/init'}


def deviation(step, expected):
    """The recorded answer, changed to what is right here. toolbox-wire.md 16.2 and 17 say why."""
    status, body = expected['status'], expected['body']
    if step.startswith('GET /version'):
        if status == 200:
            body['version'] = 'v0.205.1-local'  # our own version
    if status >= 400 and step.startswith('POST /files/bulk-download'):
        body, expected['body'] = '', ''  # an envelope as everywhere instead of {"error"}
    if status >= 400 and body in ('', '403 Forbidden\n', {'errors': ['invalid multipart form']}) and not step.startswith('HEAD '):
        # 17 row 1: an envelope instead of an empty body or of a text.
        code = {400: 'BAD_REQUEST', 403: 'FORBIDDEN', 404: 'NOT_FOUND', 409: 'CONFLICT', 500: 'INTERNAL_SERVER_ERROR'}[status]
        if '/files' in step:
            code = {403: 'FILE_ACCESS_DENIED', 404: 'FILE_NOT_FOUND'}.get(status, code)
            if re.match(r'POST /files/(replace|bulk-download)', step):
                code = 'INVALID_REQUEST_BODY'  # 16.2: a body that cannot be read
            if body == '403 Forbidden\n':
                # Headers of a download that was not to be.
                expected['headers'] -= {'content-disposition', 'x-content-type-options', 'cache-control', 'expires',
                                        'content-description', 'content-transfer-encoding', 'pragma'}
        if step.startswith('POST /init'):
            code = 'INVALID_REQUEST_BODY'
        expected['body'] = body = {'statusCode': status, 'code': code, 'message': '', 'timestamp': '',
                                   'path': step.split(' ')[1].split('?')[0], 'method': step.split(' ')[0]}
        expected['headers'].add('content-type')
    if isinstance(body, dict) and 'statusCode' in body:
        body['source'] = 'DAYTONA_DAEMON'  # 16.2: every envelope names its source
        if body['code'] == 'REQUEST_TIMEOUT':
            body['code'] = 'PROCESS_EXECUTION_TIMEOUT'  # 16.2
        if body['code'] == 'BAD_REQUEST' and 'invalid request body' in body['message']:
            body['code'] = 'INVALID_REQUEST_BODY'  # 16.2: exec with a bad body
    if status in (301, 307):
        # A redirect needs no page of HTML with it.
        expected['headers'].discard('content-type')
        expected['body'] = None
    return expected


# Steps that need something of the recorded machine: {(scenario, step): what}.
LEFT_OUT = {
    ('exec-cwd-bad', 2): 'a directory that the user may not enter; the tests may run as root',
    ('files-download-errors', 6): 'HEAD is a method of downloads now (toolbox-wire.md 16.4); see test_files',
    ('files-list', 6): 'depth is understood now (16.4); see test_files',
    # The platform looks at where a link leads before it deletes the link (4.4).
    ('files-delete', 7): 'a link to a folder is deleted without the flag for folders; see test_files',
    ('files-delete', 9): 'a link that leads nowhere can be deleted; see test_files',
    # A folder moved below itself was lost by the platform (4.5).
    ('files-move-into-itself', 1): 'it is refused here; see test_files',
    ('files-move-into-itself', 2): 'it is still there',
    ('files-move-into-itself', 3): 'it is still there',
}

# Steps that ask for what an abandoned request will have done: asked until it has.
REPEATED = {('exec-client-disconnect', 2)}

# Answers whose text is another program's: {(scenario, step): (reason, pattern or None)}.
OWN_TEXT = {
    ('exec-exit-codes', 9): ('/etc/hostname cannot be executed here', None),
    ('coderun-python-errors', 1): ('Python version', r"File .<stdin>., line 1"),
    ('coderun-python-errors', 5): ('no shell pipeline runs the program, so none complains', r'^$'),
    # Each element of argv is one argument here; the platform splits at blanks.
    ('coderun-javascript-ok', 1): ('argv is not split', r"^\[ 'one', 'two words' \]\n$"),
    # The setup of the scenario starts what it then asks about.
    ('port-list-and-in-use', 1): ('other ports may be listening too', None),
}
OTHER_EXIT = {('exec-exit-codes', 9)}


# Where tests/interop/install puts the language server of TypeScript.
MODULES = os.path.join(os.path.abspath(os.environ.get('DAYTONA_INTEROP_CACHE') or 'build/interop'), 'lsp', 'node_modules')

# An unprivileged user that owns nothing.
NOBODY = 64123


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__('sandbox:2280', timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(self.path)


def request_body(request):
    if request.get('body_b64'):
        return base64.b64decode(request['body_b64'])
    if 'body_sha256' not in request:
        return None
    # Only the ends of a large body are recorded; what lies between repeats one byte.
    head, tail = base64.b64decode(request['body_head_b64']), base64.b64decode(request['body_tail_b64'])
    body = head + head[-1:] * (request['body_len'] - len(head) - len(tail)) + tail
    if 'byte i is (i * 31 + i // 256) mod 256' in request.get('body_rule', ''):
        content = bytes((i * 31 + i // 256) % 256 for i in range(65536)) * 80
        start, end = head.index(b'\r\n\r\n', head.index(b'.file"')) + 4, tail.rindex(b'\r\n--')
        body = head[:start] + content + tail[end:]
    if hashlib.sha256(body).hexdigest() != request['body_sha256']:
        raise ValueError('the recorded body cannot be made')
    return body


class Toolbox:
    def __init__(self, program):
        self.dir = tempfile.mkdtemp(prefix='dl-rec-')
        self.home = os.path.join(self.dir, 'home')
        os.mkdir(self.home)
        self.socket = os.path.join(self.dir, 'socket')
        self.private = os.path.join(self.dir, 'private')
        os.mkdir(self.private, 0)
        # The recordings write to and delete from system folders, which must fail: never as root.
        who = {'user': NOBODY, 'group': NOBODY, 'extra_groups': []} if os.getuid() == 0 else {}
        self.uid = str(who.get('user', os.getuid()))
        self.gid = str(who.get('group', os.getgid()))
        if who:
            for path in (self.dir, self.home, self.private):
                os.chown(path, NOBODY, NOBODY)
            program = shutil.copy(program, self.dir)  # the build may lie in a folder of root's
        env = dict(os.environ)
        self.process = subprocess.Popen([program, 'toolbox', '--socket', self.socket, '--home', self.home,
                                         *(('--node-modules', MODULES) if os.path.isdir(MODULES) else ())], env=env, **who)
        self.connections = {}
        while True:
            try:
                socket.socket(socket.AF_UNIX).connect(self.socket)
                return
            except OSError:
                if self.process.poll() is not None:
                    raise SystemExit('Bail out! the toolbox ended at once')

    def close(self):
        self.connections.clear()
        self.process.terminate()
        status = self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)
        return status

    def localize(self, text):
        """Recorded paths are those of the recorded sandbox."""
        text = text.replace('/home/daytona', self.home).replace('/opt/private', self.private)
        return re.sub(r'/tmp/(exec_done|filesmove)', self.dir + r'/\1', text)

    def send(self, connection, request):
        if connection not in self.connections:
            self.connections[connection] = UnixConnection(self.socket)
        c = self.connections[connection]
        body = request_body(request)
        target = self.localize(request['target'])
        if body is not None:
            body = self.localize(body.decode('latin-1')).encode('latin-1')
        headers = {k: v for k, v in request['headers'] if k.lower() not in ('content-length', 'transfer-encoding')}
        if request.get('chunks'):
            at, parts = 0, []
            for size in request['chunks']:
                parts.append(body[at:at + size])
                at += size
            parts.append(body[at:])
            c.request(request['method'], target, iter(filter(None, parts)), {**headers, 'Transfer-Encoding': 'chunked'},
                      encode_chunked=True)
        else:
            c.request(request['method'], target, body, headers)
        return c

    def read(self, c):
        answer = c.getresponse()
        data = answer.read()
        return {'status': answer.status, 'headers': {k.lower() for k, _ in answer.getheaders()},
                'content_type': answer.getheader('Content-Type'), 'data': data}


def decode(data, content_type):
    if data and content_type and content_type.startswith('application/json'):
        return json.loads(data)
    return data.decode('utf-8', 'replace')


def recorded(response):
    headers = {k.lower(): v for k, v in response['headers']}
    out = {'status': response['status'], 'headers': set(headers), 'content_type': headers.get('content-type')}
    if 'body_sha256' in response:
        out['body'] = None
        out['body_len'] = response['body_len']
    else:
        out['body'] = decode(base64.b64decode(response.get('body_b64') or ''), out['content_type'])
    return out


def differences(path, want, have):
    if want is None:
        return []
    if isinstance(want, dict) and isinstance(have, dict):
        out = []
        if set(want) != set(have):
            out.append(f'{path}: keys {sorted(have)}, recorded {sorted(want)}')
        for key in set(want) & set(have):
            if key not in VOLATILE:
                out += differences(f'{path}.{key}', want[key], have[key])
            elif type(want[key]) is not type(have[key]):
                out.append(f'{path}.{key}: type {type(have[key]).__name__}')
        return out
    return [] if want == have else [f'{path}: {have!r}, recorded {want!r}']


def file_infos(value):
    items = value if isinstance(value, list) else [value]
    return [i for i in items if isinstance(i, dict) and 'modTime' in i]


def normalize_files(want, answer, toolbox):
    """Times, owners, folder sizes and boundaries are this run's own."""
    for info in file_infos(want['body']):
        if info['owner'] == '1000':
            info['owner'], info['group'] = toolbox.uid, toolbox.gid
    kind = answer['content_type'] or ''
    if kind.startswith('application/json'):
        have = json.loads(answer['data'])
        wanted = {i['name']: i for i in file_infos(want['body'])}
        for info in file_infos(have):
            info.pop('path', None)  # 16.4, in listings
            other = wanted.get(info['name'], info)
            for key, form in (('modTime', r'\d+-\d+-\d+ \d+:\d+:\d+(\.\d+)? \+0000 UTC'), ('modifiedAt', r'\d+-\d+-\d+T\d+:\d+:\d+(\.\d+)?Z')):
                info[key] = other[key] if re.fullmatch(form, info[key]) else 'malformed: ' + info[key]
            if info['isDir']:
                info['size'] = other['size']
        answer['data'] = json.dumps(have).encode()
    boundary = re.search(r'boundary=(DAYTONA-FILE-BOUNDARY\S*)', kind)
    if boundary:  # 17 row 16: a boundary of its own for each answer
        data = answer['data'].replace(boundary.group(1).encode(), b'DAYTONA-FILE-BOUNDARY')
        answer['data'] = re.sub(rb',"source":"DAYTONA_DAEMON"|"timestamp":"[^"]*"', b'', data)
        if isinstance(want['body'], str):
            # Paths are longer or shorter here, encoded ones too.
            text = re.sub(r'"timestamp":"[^"]*"', '', want['body'])
            for escape, character in (('\\u003c', '<'), ('\\u003e', '>'), ('\\u0026', '&')):
                text = text.replace(escape, character)
            home, private = (p.replace('/', '%2F') for p in (toolbox.home, toolbox.private))
            want['body'] = text.replace('%2Fhome%2Fdaytona', home).replace('%2Fopt%2Fprivate', private)


# Git errors as v0.205.1 has them (16.2), and what is done right here (17 row 19): {(scenario, step): (status, code)}.
GIT_ERRORS = {
    ('git-branches', 6): (409, 'GIT_BRANCH_EXISTS'),
    ('git-branches', 7): (400, 'BAD_REQUEST'),  # a bad name is the caller's mistake
    ('git-branches', 12): (409, 'CONFLICT'),  # the current branch stays
    ('git-checkout-dirty', 3): (409, 'GIT_DIRTY_WORKTREE'),
    ('git-checkout-dirty', 5): (409, 'GIT_DIRTY_WORKTREE'),
    ('git-checkout-dirty', 7): (409, 'GIT_DIRTY_WORKTREE'),
    ('git-checkout-dirty', 9): (409, 'GIT_DIRTY_WORKTREE'),
    **{('git-checkout', n): (404, 'GIT_BRANCH_NOT_FOUND') for n in range(10, 22, 2)},
    ('git-clone-errors', 1): (404, 'GIT_REPO_NOT_FOUND'),
    ('git-clone-errors', 2): (404, 'GIT_BRANCH_NOT_FOUND'),
    ('git-clone-errors', 3): (404, 'GIT_BRANCH_NOT_FOUND'),
    ('git-clone-errors', 7): (401, 'GIT_AUTH_FAILED'),
    ('git-clone-errors', 8): (401, 'GIT_AUTH_FAILED'),
    ('git-clone-errors', 9): (502, 'GIT_TRANSPORT_FAILED'),
    ('git-clone-errors', 10): (502, 'GIT_TRANSPORT_FAILED'),
    ('git-clone-errors', 15): (404, 'GIT_REPO_NOT_FOUND'),
    ('git-empty-repository', 1): (404, 'GIT_BRANCH_NOT_FOUND'),
    ('git-empty-repository', 3): (404, 'GIT_BRANCH_NOT_FOUND'),
    ('git-empty-repository', 4): (404, 'GIT_BRANCH_NOT_FOUND'),
    ('git-empty-repository', 9): (404, 'GIT_BRANCH_NOT_FOUND'),
    ('git-pull', 9): (404, 'GIT_BRANCH_NOT_FOUND'),  # no other branch is pulled instead
    ('git-pull-dirty', 4): (409, 'GIT_DIRTY_WORKTREE'),
    ('git-pull-dirty', 7): (409, 'GIT_DIRTY_WORKTREE'),
    ('git-push', 12): (409, 'GIT_PUSH_REJECTED'),
    ('git-push', 14): (400, 'BAD_REQUEST'),  # a detached HEAD
    ('git-push-hook', 4): (422, 'GIT_REMOTE_REJECTED'),
    ('git-status-conflict', 4): (409, 'GIT_DIRTY_WORKTREE'),
}

# Answers that follow from those, or that the git program gives and the platform's library does not.
GIT_FIELDS = {
    ('git-branches', 16): {'branches': ['größe', 'main']},
    **{('git-checkout-dirty', n): {'currentBranch': 'main', 'branchPublished': True} for n in (4, 6, 8)},
    ('git-clone', 3): {'branchPublished': True},
    ('git-empty-repository', 2): {'branches': []},
    ('git-pull-dirty', 5): {'behind': 1, 'fileStatus': [
        {'name': 'a.txt', 'extra': '', 'staging': 'Unmodified', 'worktree': 'Modified'}]},
    ('git-status-conflict', 3): {'fileStatus': [
        {'name': 'a.txt', 'extra': '', 'staging': 'Updated but unmerged', 'worktree': 'Updated but unmerged'}]},
}

LEFT_OUT.update({
    ('git-branches', 13): 'the current branch was not deleted, so there is a status',
    ('git-clone', 10): 'a listing with sizes and times of this run',
    ('git-clone-errors', 4): 'the time of a folder',
    ('git-clone-errors', 6): 'a folder that the user may not enter; the tests may run as root',
    ('git-pull', 10): 'the branch that is unknown there was not moved',
    ('git-pull-dirty', 6): 'the branch was not moved',
})


def normalize_git(name, index, want, answer):
    """Hashes and orders are this run's own; v0.205.1 has more fields (16.5)."""
    if (name, index) in GIT_ERRORS:
        want['status'], code = GIT_ERRORS[(name, index)]
        shape = {'statusCode': 0, 'message': '', 'code': '', 'timestamp': '', 'path': answer['path'],
                 'method': answer['method'], 'source': 'DAYTONA_DAEMON'}
        want['body'] = {**shape, 'statusCode': want['status'], 'code': code}
        want['headers'].add('content-type')
    if isinstance(want['body'], dict):
        want['body'].update(GIT_FIELDS.get((name, index), {}))
    if not (answer['content_type'] or '').startswith('application/json'):
        return
    have = json.loads(answer['data'])
    for value in (have, want['body']):
        for item in value if isinstance(value, list) else [value]:
            for key in ('detached', 'upstream', 'current', 'hash', 'timestamp') if isinstance(item, dict) and 'code' not in item else ():
                item.pop(key, None)
        if isinstance(value, dict) and 'fileStatus' in value:
            value['fileStatus'].sort(key=lambda f: f['name'])
        if isinstance(value, list):  # commits of one second have no order
            value.sort(key=lambda c: c['message'])
    answer['data'] = json.dumps(have).encode()


# Answers of /lsp that say more here (16.2), and those that are right here (17 row 18; symbols of Python projects).
LSP_CODES = {
    **{('lsp-not-started', n): 'LSP_SERVER_NOT_INITIALIZED' for n in range(2, 7)},
    **{('lsp-not-started', n): 'INVALID_REQUEST_BODY' for n in range(8, 11)},
    ('lsp-python', 2): 'LSP_SERVER_NOT_INITIALIZED',
    ('lsp-typescript', 11): 'INVALID_REQUEST_BODY',  # no position
    ('lsp-typescript', 21): 'LSP_SERVER_NOT_INITIALIZED',
    **{('server-malformed-json', n): 'INVALID_REQUEST_BODY' for n in range(14, 18)},
}
LSP_RIGHT_HERE = {('lsp-python', 8): {'isIncomplete': False, 'items': []}, ('lsp-python', 9): [{'name': 'Stack'}],
                  ('lsp-typescript', 8): {'isIncomplete': False, 'items': []},
                  ('lsp-typescript', 9): {'isIncomplete': False, 'items': []}}


def shape_of_symbols(items):
    return sorted(item['name'] for item in items)


def normalize_lsp(name, index, want, answer):
    """Which symbols and completions there are is the language server's; their members and where they are, ours."""
    if (name, index) in LSP_CODES:
        want['body']['code'] = LSP_CODES[(name, index)]
    if (name, index) in LSP_RIGHT_HERE:
        want['status'], want['body'] = 200, LSP_RIGHT_HERE[(name, index)]
    if answer['status'] != 200 or not answer['data'] or not want['body']:
        return
    have = json.loads(answer['data'])
    if isinstance(have, list):
        for item in have:
            place = item.get('location', {})
            if set(item) != {'kind', 'name', 'location'} or set(place) != {'uri', 'range'} or not place['uri'].startswith('file:///'):
                return
        want['body'], have = shape_of_symbols(want['body']), shape_of_symbols(have)
    elif 'items' in have:
        members = {key for item in have['items'] for key in item}
        unknown = members - {'label', 'kind', 'detail', 'documentation', 'sortText', 'filterText', 'insertText'}
        labels = {item['label'] for item in have['items']}
        lost = {item['label'] for item in want['body']['items'][:3]} - labels
        want['body'], have = {'isIncomplete': False, 'unknown': [], 'lost': []}, {
            'isIncomplete': have['isIncomplete'], 'unknown': sorted(unknown), 'lost': sorted(lost)}
    answer['data'] = json.dumps(have).encode()


def check(name, index, step, toolbox):
    """A list of differences."""
    exchange = step['http']
    request, response = exchange['request'], exchange['response']
    title = f"{request['method']} {request['target']}"
    connection = toolbox.send(step['connection'], request)
    if response is None:  # the client of the recording went away, after a while
        select.select([connection.sock], [], [], exchange.get('client_gave_up_ms', 500) / 1000)
        toolbox.connections.pop(step['connection']).close()
        return []
    answer = toolbox.read(connection)
    if step.get('setup'):
        return [] if answer['status'] < 300 else [f'setup: {answer}']
    want = deviation(title, recorded(response))
    if title in NEWER:
        return [] if answer['status'] != 500 else [f'{title}: {answer}']
    out = []
    if name.startswith('files-'):
        normalize_files(want, answer, toolbox)
    if name.startswith('git-') and '/git/' in title:
        answer.update(method=request['method'], path=request['target'].split('?')[0])
        normalize_git(name, index, want, answer)
    if '/lsp/' in title:
        normalize_lsp(name, index, want, answer)
    if answer['status'] != want['status']:
        out.append(f"status {answer['status']}, recorded {want['status']}: {answer['data'][:300]}")
    if want['headers'] - LOOSE_HEADERS != answer['headers'] - LOOSE_HEADERS:
        out.append(f"headers {sorted(answer['headers'])}, recorded {sorted(want['headers'])}")
    have = decode(answer['data'], answer['content_type'])
    if 'body_len' in want and abs(len(answer['data']) - want['body_len']) > want['body_len'] // 100:
        out.append(f"{len(answer['data'])} bytes, recorded {want['body_len']}")
    if want['body'] is not None and (name, index) in OWN_TEXT:
        pattern = OWN_TEXT[(name, index)][1]
        text = have.get('result', '')
        if pattern is not None and not re.search(pattern, text):
            out.append(f'result {text!r} does not match {pattern}')
        want['body'].pop('result', None)
        want['body'].pop('ports', None)
        have.pop('result', None)
        have.pop('ports', None)
        if (name, index) in OTHER_EXIT:
            want['body'].pop('exitCode'), have.pop('exitCode')
    if want['body'] is not None:
        body = json.loads(toolbox.localize(json.dumps(want['body'], ensure_ascii=False)))
        out += differences('body', body, have)
    return out


# Charts that the platform loses and we do not (17 row 15: bars have numbers for values, names and
# dates become numbers with named ticks, points with NaN are left out).
LOST_BY_PLATFORM = {'chart-bar', 'chart-histogram', 'chart-line-categorical', 'chart-line-nan', 'chart-scatter-dates'}

# What matplotlib's version decides.
TICKS_VARY = {'chart-line-log'}


def holds(path, want, have):
    """Everything recorded is there; more is allowed (autopct, elements of inner charts)."""
    if path.endswith('.png'):
        return [] if have and have[:8] == want[:8] else [f'{path}: no picture']
    if isinstance(want, dict) and isinstance(have, dict):
        return [d for key in want for d in holds(f'{path}.{key}', want[key], have.get(key))]
    if isinstance(want, list) and isinstance(have, list) and len(want) == len(have):
        return [d for i, pair in enumerate(zip(want, have)) for d in holds(f'{path}[{i}]', *pair)]
    return [] if want == have else [f'{path}: {have!r}, recorded {want!r}']


def check_chart(name, step, toolbox, path):
    body = json.loads(step['http']['request']['body_text'])
    body['envs'] = {'PATH': path}
    request = {**step['http']['request'], 'body_b64': base64.b64encode(json.dumps(body).encode()).decode()}
    have = json.loads(toolbox.read(toolbox.send(step['connection'], request))['data'])
    want = json.loads(step['http']['response']['body_text'])
    charts = want.get('artifacts', {}).get('charts', [])
    if name in LOST_BY_PLATFORM:
        return [] if len(have.get('artifacts', {}).get('charts', [])) == 1 else ['no chart']
    if name in TICKS_VARY:
        for chart in charts:
            for key in ('x_ticks', 'y_ticks', 'x_tick_labels', 'y_tick_labels'):
                chart.pop(key)
    if name == 'chart-mixed-output':  # a chart in the middle of a line stays there, with its picture
        want['result'] = want['result'].split('{')[0]
        have['result'] = have['result'].split('{')[0]
    return holds('body', want, have)


def matplotlib_path():
    """A PATH whose python3 has matplotlib, or None. DL_TEST_MATPLOTLIB_BIN: a directory to try."""
    path = (os.environ.get('DL_TEST_MATPLOTLIB_BIN', '') + ':/usr/local/bin:/usr/bin:/bin').strip(':')
    probe = ['/usr/bin/env', 'python3', '-c', 'import matplotlib']
    return path if subprocess.run(probe, env={'PATH': path}, capture_output=True).returncode == 0 else None


def needs(name, programs):
    if name.startswith('chart-') and matplotlib_path() is None:
        return 'matplotlib is not installed (DL_TEST_MATPLOTLIB_BIN names a directory with a python3 that has it)'
    if name == 'lsp-python' and 'pylsp' not in programs:
        return 'pylsp is not installed (python3-pylsp)'
    if name == 'lsp-typescript' and not ('node' in programs and os.path.exists(MODULES + '/.bin/typescript-language-server')):
        return 'typescript-language-server is not installed; tests/interop/install CACHE lsp installs it'
    for word, program in (('python', 'python3'), ('javascript', 'node'), ('typescript', 'node')):
        if name.startswith('coderun-' + word) and program not in programs:
            return f'{program} is not installed'
    if name.startswith('coderun-typescript') and not typescript_works(programs):
        return 'no typescript here'
    return None


def typescript_works(programs):
    places = ('/usr/local/lib/node_modules', '/usr/lib/node_modules', '/usr/share/nodejs')
    if any(os.path.exists(f'{place}/typescript/package.json') for place in places):
        return True
    strip = subprocess.run(['node', '-p', 'typeof require("module").stripTypeScriptTypes'], capture_output=True, text=True)
    return strip.stdout.strip() == 'function'


def run(name, path, toolbox):
    with open(path, encoding='utf-8') as f:
        scenario = json.load(f)
    out = []
    toolbox.connections.clear()
    for index, step in enumerate(scenario['steps']):
        target = step.get('http', {}).get('request', {}).get('target')
        if target is None or OTHER_NOUNS.match(target):
            continue
        if (name, index) in LEFT_OUT:
            continue
        if name.startswith('chart-'):
            out += [f'step {index}: {d}' for d in check_chart(name, step, toolbox, matplotlib_path())]
            continue
        problems = check(name, index, step, toolbox)
        tries = 400 if (name, index) in REPEATED else 0
        while problems and tries:
            time.sleep(0.01)
            tries -= 1
            problems = check(name, index, step, toolbox)
        out += [f'step {index}: {d}' for d in problems]
    return out


def main():
    program, recordings = sys.argv[1], sys.argv[2]
    if not os.path.isdir(recordings):
        print('1..0 # SKIP the recordings are not here')
        return 0
    names = sorted(f[:-5] for f in os.listdir(recordings)
                   if f.endswith('.json') and f.startswith(TOPICS))
    programs = {p for p in ('python3', 'node', 'pylsp') if shutil.which(p, path='/usr/local/bin:/usr/bin:/bin')}
    toolbox = Toolbox(program)
    failed = 0
    print(f'1..{len(names) + 1}')
    for number, name in enumerate(names, 1):
        reason = SKIPPED.get(name) or needs(name, programs)
        if reason:
            print(f'ok {number} {name} # SKIP {reason}')
            continue
        problems = run(name, os.path.join(recordings, name + '.json'), toolbox)
        failed += bool(problems)
        print(f"{'not ok' if problems else 'ok'} {number} {name}")
        for problem in problems:
            print(f'# {problem}')
    status = toolbox.close()
    print(f"{'ok' if status == 0 else 'not ok'} {len(names) + 1} the toolbox ends in order")
    return 1 if failed or status else 0


if __name__ == '__main__':
    sys.exit(main())
