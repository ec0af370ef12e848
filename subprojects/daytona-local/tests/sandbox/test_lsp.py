#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Language servers of the toolbox role, real ones and one that behaves badly: test_lsp.py DAYTONA-LOCAL."""
import json
import os
import shutil
import sys
import threading
import time
import traceback
from urllib.parse import urlencode

from test_toolbox import Toolbox, UnixConnection, eventually

HERE = os.path.dirname(os.path.abspath(__file__))
# Where tests/interop/install puts the TypeScript server.
MODULES = os.path.join(os.path.abspath(os.environ.get('DAYTONA_INTEROP_CACHE') or 'build/interop'), 'lsp', 'node_modules')

NEEDS_PYLSP = None if shutil.which('pylsp') else 'pylsp is not installed (python3-pylsp)'
NEEDS_TS = (None if os.path.exists(os.path.join(MODULES, '.bin', 'typescript-language-server')) and shutil.which('node')
            else 'typescript-language-server is not installed; tests/interop/install CACHE lsp installs it')


class Skip(Exception):
    pass


def need(reason):
    if reason:
        raise Skip(reason)


class Project:
    """A folder of the toolbox's home with files, and requests about it."""

    def __init__(self, tb, name, files, language='python'):
        self.tb, self.language, self.path = tb, language, os.path.join(tb.dir, name)
        for file, text in files.items():
            path = os.path.join(self.path, file)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, 'wb') as out:
                out.write(text if isinstance(text, bytes) else text.encode())

    def uri(self, file):
        return 'file://' + os.path.join(self.path, file)

    def post(self, call, status=200, **more):
        answer, data = self.tb.call('POST', '/lsp/' + call, {'languageId': self.language, 'pathToProject': self.path, **more})
        assert answer.status == status, (call, answer.status, data)
        if status == 200 and call != 'completions':
            assert data == b'', data
            return None
        body = json.loads(data)
        if status != 200:
            assert body['source'] == 'DAYTONA_DAEMON' and body['statusCode'] == status, body
        return body

    def get(self, call, status=200, **query):
        query = {'languageId': self.language, 'pathToProject': self.path, **query}
        answer, data = self.tb.call('GET', f'/lsp/{call}?{urlencode(query)}')
        assert answer.status == status, (call, answer.status, data)
        return json.loads(data)

    def start(self, **more):
        return self.post('start', **more)

    def open(self, file, **more):
        return self.post('did-open', uri=self.uri(file), **more)

    def symbols(self, file):
        return self.get('document-symbols', uri=self.uri(file))

    def search(self, query, **more):
        return self.get('workspacesymbols', query=query, **more)

    def complete(self, file, line, character, **more):
        return self.post('completions', uri=self.uri(file), position={'line': line, 'character': character}, **more)


def labels(completions):
    assert set(completions) == {'isIncomplete', 'items'}, completions.keys()
    for item in completions['items']:
        assert set(item) <= {'label', 'kind', 'detail', 'documentation', 'sortText', 'filterText', 'insertText'}, item
    return [item.get('insertText', item['label']) for item in completions['items']]


def names(symbols):
    for symbol in symbols:
        assert set(symbol) == {'kind', 'name', 'location'} and set(symbol['location']) == {'uri', 'range'}, symbol
        assert set(symbol['location']['range']) == {'start', 'end'}, symbol
    return [symbol['name'] for symbol in symbols]


def running(path):
    """Processes that work in the folder."""
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            if os.readlink(f'/proc/{pid}/cwd') == path:
                found.append(int(pid))
        except OSError:
            pass
    return found


STACK = '''import os
from shapes import Circle

class Stack:
    def __init__(self):
        self.items = []

    def push(self, item):
        self.items.append(item)

s = Stack()
s.
os.path.jo
'''
SHAPES_PY = 'class Circle:\n    def area(self):\n        return 3\n'


# ---- real servers ----

def python_completes_and_shows_symbols(tb):
    need(NEEDS_PYLSP)
    p = Project(tb, 'python', {'stack.py': STACK, 'shapes.py': SHAPES_PY, 'pkg/deep/größe.py': 'def stacked():\n  pass\n'})
    p.start()
    p.start()
    p.open('stack.py')
    found = p.symbols('stack.py')
    assert {'Stack', 'push', 's'} <= set(names(found)) and all(s['location']['uri'] == p.uri('stack.py') for s in found), found
    assert {'push', 'items'} <= set(labels(p.complete('stack.py', 11, 2))), 'members'
    assert labels(p.complete('stack.py', 12, 10)) == ['join'], 'os.path'
    p.complete('stack.py', 0, 0)  # is a position, too
    assert labels(p.complete('stack.py', 12, 10, context={'triggerKind': 2, 'triggerCharacter': '.'})) == ['join']
    p.post('did-close', uri=p.uri('stack.py'))
    p.post('did-close', uri=p.uri('stack.py'))
    p.post('stop')
    assert eventually(lambda: running(p.path) == [])  # what it has started is killed then
    p.post('stop', status=500)


def python_finds_symbols_of_the_project(tb):
    need(NEEDS_PYLSP)
    p = Project(tb, 'search', {
        'stack.py': STACK, 'shapes.py': SHAPES_PY, 'pkg/deep/größe a.py': 'def circled():\n  pass\n',
        '.hidden/x.py': 'class Circle: pass\n', 'node_modules/x.py': 'class Circle: pass\n', 'notes.txt': 'class Circle: pass\n',
        'venv/pyvenv.cfg': '', 'venv/lib.py': 'class Circle: pass\n', 'broken.py': b'def circle_of(\xff\xfe:\n'})
    os.symlink('/', os.path.join(p.path, 'root'))
    p.start()
    found = p.search('Circle')
    assert found[0] == {'name': 'Circle', 'kind': 5, 'location': {'uri': p.uri('shapes.py'), 'range': found[0]['location']['range']}}
    # Imports are no definitions, and other people's code is not the project's.
    assert [(s['name'], s['location']['uri']) for s in found if s['name'] != 'circle_of'] == [
        ('Circle', p.uri('shapes.py')), ('circled', p.uri('pkg/deep/größe a.py'))], found
    assert names(p.search('pUsH')) == ['push']
    assert p.search('Nothing') == []
    p.search('', status=400)
    p.post('stop')


def typescript_completes_and_shows_symbols(tb):
    need(NEEDS_TS)
    shapes = 'interface Shape { area(): number; }\nexport class Circle implements Shape {\n  area(): number { return 3; }\n}\nconst one = new Circle();\none.\n'
    p = Project(tb, 'typescript', {'shapes.ts': shapes, 'tsconfig.json': '{"compilerOptions":{"strict":true}}',
                                   'other.ts': 'export class Cirrus {}\n'}, 'typescript')
    p.start()
    assert [s['name'] for s in p.search('Circle')] == ['Circle'], 'before a file was opened'
    p.open('shapes.ts')
    assert {'Circle', 'Shape', 'area', 'one'} <= set(names(p.symbols('shapes.ts')))
    assert labels(p.complete('shapes.ts', 5, 4)) == ['area']
    found = p.search('Cir')
    assert {'Circle', 'Cirrus'} <= set(names(found)) and found[0]['location']['uri'].startswith(p.uri('')), found
    assert p.search('Nothing') == [] and p.symbols('never-opened.ts') == []
    p.open('missing.ts', status=400)
    p.post('did-close', uri=p.uri('shapes.ts'))
    assert p.symbols('shapes.ts') == []
    p.post('stop')
    assert eventually(lambda: running(p.path) == [])


def javascript_has_a_server_of_its_own(tb):
    need(NEEDS_TS)
    p = Project(tb, 'javascript', {'a b/ü%41.js': 'function weigh(x) { return x; }\nwei', 'b.mjs': 'export const weighed = 1;\n'}, 'javascript')
    p.start()
    # A file that no other leads to is found although it is not open.
    assert names(p.search('weighed')) == ['weighed']
    p.open('a b/ü%41.js')
    assert {'weigh', 'weighed'} >= set(names(p.search('weigh'))) >= {'weigh'}
    symbols = p.symbols('a b/ü%41.js')
    assert names(symbols) == ['weigh'] and symbols[0]['location']['uri'] == p.uri('a b/ü%41.js'), symbols
    assert 'weigh' in labels(p.complete('a b/ü%41.js', 1, 3))
    p.post('stop')


def a_real_server_that_is_killed_is_started_again(tb):
    need(NEEDS_TS)
    p = Project(tb, 'killed', {'a.ts': 'const first = 1;\n'}, 'typescript')
    p.start()
    p.open('a.ts')
    for pid in running(p.path):
        os.kill(pid, 9)
    assert eventually(lambda: p.tb.call('GET', '/lsp/document-symbols?' + urlencode({
        'languageId': 'typescript', 'pathToProject': p.path, 'uri': p.uri('a.ts')}))[0].status == 400)
    error = p.get('document-symbols', status=400, uri=p.uri('a.ts'))
    assert error['code'] == 'LSP_SERVER_NOT_INITIALIZED' and 'start it again' in error['message'], error
    p.post('stop', status=500)
    p.start()
    p.open('a.ts')
    assert names(p.symbols('a.ts')) == ['first']
    p.post('stop')


# ---- requests ----

def what_is_missing_or_wrong_is_named(tb):
    p = Project(tb, 'wrong', {'a.py': 'x = 1\n'})
    for call, more in (('did-open', {'uri': p.uri('a.py')}), ('did-close', {'uri': p.uri('a.py')}),
                       ('completions', {'uri': p.uri('a.py'), 'position': {'line': 0, 'character': 0}})):
        assert p.post(call, status=400, **more)['code'] == 'LSP_SERVER_NOT_INITIALIZED'
    assert p.get('document-symbols', status=400, uri='file:///x')['code'] == 'LSP_SERVER_NOT_INITIALIZED'
    assert p.search('x', status=400)['code'] == 'LSP_SERVER_NOT_INITIALIZED'
    assert p.post('stop', status=500)['code'] == 'INTERNAL_SERVER_ERROR'
    for body in ('', '[]', '{', {'languageId': 'python'}, {'pathToProject': '/x'}, {'languageId': '', 'pathToProject': '/x'},
                 {'languageId': 5, 'pathToProject': '/x'}, {'languageId': 'python', 'pathToProject': 'a\0b'}):
        for call in ('start', 'stop', 'did-open', 'completions'):
            assert tb.call('POST', '/lsp/' + call, body)[0].status == 400, (call, body)
    at = {'line': 1, 'character': 1}
    for more in ({}, {'position': 5}, {'position': {}}, {'position': {'line': -1, 'character': 0}}, {'position': {'line': 1}},
                 {'position': {'line': 2 ** 31, 'character': 0}}, {'position': {'line': 1.5, 'character': 0}},
                 {'position': at, 'context': 1}, {'position': at, 'context': {}}, {'position': at, 'context': {'triggerKind': 'x'}}):
        assert p.post('completions', status=400, uri='file:///x', **more)['code'] == 'INVALID_REQUEST_BODY', more
    for query in ('', 'languageId=python', 'languageId=python&pathToProject=/x', 'pathToProject=/x&uri=a&query=b'):
        for call in ('document-symbols', 'workspacesymbols'):
            assert tb.call('GET', f'/lsp/{call}?{query}')[0].status == 400, (call, query)
    other = Project(tb, 'wrong', {}, 'cobol')
    assert 'python, typescript and javascript' in other.start(status=400)['message']
    for path in ('/does/not/exist', p.path + '/a.py'):
        p.path = path
        assert path in p.start(status=500)['message']


def a_server_that_is_not_installed_is_named(tb):
    other = Toolbox(sys.argv[1])
    try:
        assert other.call('POST', '/env', {'set': {'PATH': '/nowhere'}})[0].status == 200
        for language, word in (('python', 'python3-pylsp'), ('typescript', 'npm package')):
            message = Project(other, 'none', {'x': ''}, language).start(status=500)['message']
            assert 'is not installed' in message and word in message, message
    finally:
        assert other.close() == 0


# ---- a server that behaves badly ----

class Odd(Project):
    """A project whose Python server is odd_language_server.py."""

    def __init__(self, tb, name, does='', language='python', program='pylsp'):
        super().__init__(tb, name, {'does': does, 'a.py': 'x = 1\n', 'b c.py': b'\xff\0', 'a.ts': 'const needle = 1\n'}, language)
        bin_dir = os.path.join(tb.dir, '.local', 'bin')
        os.makedirs(bin_dir, exist_ok=True)
        shutil.copy(os.path.join(HERE, 'odd_language_server.py'), os.path.join(bin_dir, program))
        os.chmod(os.path.join(bin_dir, program), 0o755)

    def at(self, line, **more):
        return self.complete('a.py', line, 0, **more)

    def seen(self):
        with open(os.path.join(self.path, 'seen'), encoding='utf-8') as lines:
            return [json.loads(line) for line in lines]


def starts_that_fail_say_why(tb):
    message = Odd(tb, 'fails', 'fails').start(status=500)['message']
    assert 'exited with 1: last words' in message, message
    p = Odd(tb, 'refuses', 'refuses')
    assert p.start(status=500)['message'].endswith(': not today')
    assert eventually(lambda: running(p.path) == [])
    assert p.search('x', status=400)['code'] == 'LSP_SERVER_NOT_INITIALIZED'


def several_starts_are_one(tb):
    p = Odd(tb, 'starts', 'dribbles')
    threads = [threading.Thread(target=p.start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([m for m in p.seen() if m.get('method') == 'initialize']) == 1
    p.post('stop')


def a_start_can_be_stopped(tb):
    p = Odd(tb, 'never', 'never-starts')
    results = []
    thread = threading.Thread(target=lambda: results.append(p.start(status=500)))
    thread.start()
    assert eventually(lambda: running(p.path))
    assert eventually(lambda: 'starting' in p.search('x', status=400)['message'])
    p.post('stop')
    thread.join()
    assert 'was stopped' in results[0]['message'] and eventually(lambda: running(p.path) == []), results


def requests_of_the_server_are_answered(tb):
    p = Odd(tb, 'asks')
    p.start()
    assert p.at(0) == {'isIncomplete': False, 'items': []}
    answers = {str(m['id']): m['result'] for m in p.seen() if 'method' not in m}
    assert answers == {'ask': [None, None], '7': None}, answers
    first = p.seen()[0]['params']
    assert first['processId'] is None and first['rootUri'] == 'file://' + p.path, first
    p.post('stop')
    assert [m['method'] for m in p.seen() if 'method' in m][-2:] == ['shutdown', 'exit']


def files_are_named_as_the_client_names_them(tb):
    p = Odd(tb, 'uris')
    p.start()
    p.open('b c.py')
    p.post('did-open', uri='file://a.py')  # relative to the project
    p.post('did-open', uri=p.uri('b%20c.py'))
    p.at(0)  # until here all of it has been read
    opened = [m['params']['textDocument'] for m in p.seen() if m.get('method') == 'textDocument/didOpen']
    assert [d['uri'] for d in opened] == ['file://' + p.path + name for name in ('/b%20c.py', '/a.py', '/b%20c.py')], opened
    assert opened[0]['text'] == '\ufffd\0' and opened[0]['languageId'] == 'python'
    found = p.symbols('b c.py')
    assert [(s['name'], s['location']['uri'], s['location']['range']['start']['line']) for s in found] == [
        ('outer', p.uri('b c.py'), 2), ('inner', p.uri('b c.py'), 2), ('flat', p.uri('b c.py'), 5),
        ('elsewhere', 'file:///with blank/ü.py', 6)], found
    for file, word in (('', 'is a directory'), ('none.py', 'no such file'), ('pipe', 'invalid argument')):
        if file == 'pipe':
            os.mkfifo(os.path.join(p.path, file))
        assert word in p.open(file, status=400)['message'].lower(), file
    with open(os.path.join(p.path, 'large.py'), 'wb') as out:
        out.truncate(8 * 1024 * 1024 + 1)
    assert 'too large' in p.open('large.py', status=400)['message']
    p.post('stop')


def a_file_opened_again_is_read_again(tb):
    p = Odd(tb, 'again')
    p.start()
    for text in ('one = 1\n', 'two = 2\n'):
        with open(os.path.join(p.path, 'a.py'), 'w', encoding='ascii') as out:
            out.write(text)
        p.open('a.py')
    p.at(0)
    told = [(m['method'].split('/')[1], m['params']['textDocument'].get('text')) for m in p.seen() if 'Document/did' in m.get('method', '')]
    assert told == [('didOpen', 'one = 1\n'), ('didClose', None), ('didOpen', 'two = 2\n')], told
    p.post('stop')


def answers_are_reduced_to_what_the_wire_has(tb):
    p = Odd(tb, 'shapes')
    p.start()
    assert p.at(9) == {'isIncomplete': True, 'items': [
        {'label': 'a', 'documentation': {'kind': 'markdown', 'value': 'm'}},
        {'label': 'b', 'sortText': 's', 'filterText': 'f', 'insertText': 'i'}]}
    assert p.at(7, status=400)['message'] == 'cannot'
    large = p.at(8)
    assert len(large['items']) == 40000 and large['items'][39999]['label'] == 'n39999' and not large['isIncomplete']
    p.post('stop')


def a_server_of_project_symbols_is_asked(tb):
    p = Odd(tb, 'project', 'project')
    p.start()
    assert names(p.search('größe')) == ['of größe']
    p.post('stop')


def nonsense_ends_the_server(tb):
    p = Odd(tb, 'nonsense')
    for line, word in ((1, 'signal 9'), (2, 'without a length'), (3, '32 MiB'), (4, 'not JSON'), (5, 'no message of the protocol'),
                       (10, 'exited with 3: no more memory'), (11, '32 MiB'), (12, 'not JSON')):
        p.start()
        error = p.at(line, status=500)
        assert word in error['message'] and 'start it again' in error['message'], (line, error)
        assert word in p.search('x', status=400)['message'], line
        assert eventually(lambda: running(p.path) == []), line
    p.start()
    assert p.at(0)['items'] == []
    p.post('stop')


def a_stop_ends_what_does_not_end_by_itself(tb):
    p = Odd(tb, 'stays', 'stays')
    p.start()
    results = []
    thread = threading.Thread(target=lambda: results.append(p.at(6, status=400)))
    thread.start()
    assert eventually(lambda: any(m.get('method') == 'textDocument/completion' for m in p.seen()))
    began = time.monotonic()
    stopping = threading.Thread(target=lambda: p.post('stop'))
    stopping.start()
    thread.join()
    assert 'was stopped' in results[0]['message'], results
    # Another can be started while the old one takes its time.
    with open(os.path.join(p.path, 'does'), 'w', encoding='ascii'):
        pass
    assert eventually(lambda: p.tb.call('POST', '/lsp/did-close', {'languageId': 'python', 'pathToProject': p.path, 'uri': 'x'})[0].status == 400)
    p.start()
    assert p.at(0)['items'] == []
    stopping.join()
    assert eventually(lambda: len(running(p.path)) == 1) and time.monotonic() - began < 60
    p.post('stop')
    assert eventually(lambda: running(p.path) == [])


def a_client_that_leaves_takes_its_request_along(tb):
    p = Odd(tb, 'leaves')
    p.start()
    c = UnixConnection(tb.socket)
    c.request('POST', '/lsp/completions', json.dumps({'languageId': 'python', 'pathToProject': p.path, 'uri': 'x',
                                                      'position': {'line': 6, 'character': 0}}))
    assert eventually(lambda: any(m.get('method') == 'textDocument/completion' for m in p.seen()))
    c.sock.close()
    assert eventually(lambda: any(m.get('method') == '$/cancelRequest' for m in p.seen()))
    asked = next(m for m in p.seen() if m.get('method') == 'textDocument/completion')
    assert next(m for m in p.seen() if m.get('method') == '$/cancelRequest')['params'] == {'id': asked['id']}
    p.post('stop')


def a_server_that_closes_its_input_is_ended(tb):
    p = Odd(tb, 'closes')
    p.start()
    results = []
    thread = threading.Thread(target=lambda: results.append(p.at(13, status=500)))
    thread.start()
    assert eventually(lambda: any(m.get('method') == 'textDocument/completion' for m in p.seen()))
    began = time.monotonic()
    time.sleep(0.5)  # it has closed it by now
    assert 'signal 9' in p.get('document-symbols', status=500, uri=p.uri('a.py'))['message']
    thread.join()
    assert 'signal 9' in results[0]['message'] and time.monotonic() < began + 20, results
    assert eventually(lambda: running(p.path) == [])


def a_search_that_is_left_closes_its_file(tb):
    p = Odd(tb, 'left', 'keeps-symbols', 'typescript', 'typescript-language-server')
    p.start()
    c = UnixConnection(tb.socket)
    c.request('GET', '/lsp/workspacesymbols?' + urlencode({'languageId': 'typescript', 'pathToProject': p.path, 'query': 'needle'}))
    assert eventually(lambda: any(m.get('method') == 'textDocument/documentSymbol' for m in p.seen()))
    c.sock.close()
    assert eventually(lambda: any(m.get('method') == 'textDocument/didClose' for m in p.seen()))
    p.post('stop')


def many_requests_at_once(tb):
    p = Odd(tb, 'many', 'dribbles')
    p.start()
    results = []
    threads = [threading.Thread(target=lambda n=n: results.append(len(p.symbols('a.py')) if n % 2 else p.at(0)['items'])) for n in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count(4) == 20 and results.count([]) == 20, results
    p.post('stop')


def there_are_not_too_many(tb):
    other = Toolbox(sys.argv[1])
    try:
        projects = [Odd(other, f'n{n}') for n in range(33)]
        for p in projects[:32]:
            p.start()
        assert projects[32].start(status=429)['code'] == 'TOO_MANY_REQUESTS'
        projects[5].at(1, status=500)
        projects[32].start()  # the one that has ended made room
        projects[5].start(status=429)
        projects[6].post('stop')
        projects[5].start()
    finally:
        assert other.close() == 0
    assert eventually(lambda: all(running(p.path) == [] for p in projects))


TESTS = [value for name, value in list(globals().items())
         if callable(value) and getattr(value, '__code__', None) and value.__module__ == '__main__'
         and value.__code__.co_varnames[:1] == ('tb',) and value.__code__.co_argcount == 1]


def main():
    wanted = sys.argv[2:]
    tests = [test for test in TESTS if not wanted or test.__name__ in wanted]
    odd = [test for test in tests if 'Odd' in test.__code__.co_names]
    failed = False
    print(f'1..{len(tests) + 2}', flush=True)
    number = 0
    for group in ([t for t in tests if t not in odd], odd):  # the odd server hides the real one
        options = ('--node-modules', MODULES) if NEEDS_TS is None else ()
        toolbox = Toolbox(sys.argv[1], *options)
        for test in group:
            number += 1
            try:
                test(toolbox)
                print(f'ok {number} {test.__name__}', flush=True)
            except Skip as reason:
                print(f'ok {number} {test.__name__} # SKIP {reason}', flush=True)
            except Exception:
                failed = True
                print(f'not ok {number} {test.__name__}')
                print('\n'.join('# ' + line for line in traceback.format_exc().splitlines()), flush=True)
        number += 1
        status = toolbox.close()
        failed = failed or status != 0
        print(f"{'ok' if status == 0 else 'not ok'} {number} the toolbox ends in order, with nothing leaked", flush=True)
    return failed


if __name__ == '__main__':
    sys.exit(main())
