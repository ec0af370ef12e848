#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The stateful interpreter of the toolbox role: test_interpreter.py DAYTONA-LOCAL."""
import json
import os
import sys
import threading
import time

import test_toolbox
from test_sessions import connect
from test_toolbox import eventually, processes
from ws_client import BINARY, PING, PONG, TEXT

KEYS = {'type', 'text', 'name', 'value', 'traceback'}


class Run:
    def __init__(self, tb, code, opcode=TEXT, **fields):
        self.ws = connect(tb, '/process/interpreter/execute')
        self.ws.send(json.dumps({'code': code, **fields}), opcode)

    def message(self):
        opcode, payload = self.ws.frame()
        message = json.loads(payload)
        assert opcode == TEXT and set(message) == KEYS, payload
        return message

    def finish(self):
        frames, code, reason = self.ws.until_close()
        self.messages = [json.loads(p) for _, p in frames]
        assert all(set(m) == KEYS for m in self.messages), frames
        self.code, self.reason = code, reason
        self.out = ''.join(m['text'] for m in self.messages if m['type'] == 'stdout')
        self.err = ''.join(m['text'] for m in self.messages if m['type'] == 'stderr')
        self.error = next((m for m in self.messages if m['type'] == 'error'), None)
        self.control = [m['text'] for m in self.messages if m['type'] == 'control']
        return self


def run(tb, code, **fields):
    return Run(tb, code, **fields).finish()


def new_context(box, **fields):
    answer, data = box.call('POST', '/process/interpreter/context', fields)
    assert answer.status == 200, data
    return json.loads(data)


def delete(tb, context):
    answer, data = tb.call('DELETE', '/process/interpreter/context/' + context['id'])
    assert (answer.status, json.loads(data)) == (200, {'message': 'Context deleted successfully'}), data


# ---- tests: each gets the toolbox ----

def lone_surrogates_become_replacement_characters(tb):
    r = run(tb, "import sys\nprint('a\\ud800b\\udfffc\u00fc')\nprint('\\udc80', file=sys.stderr)\nraise ValueError('\\ud800')")
    assert (r.out, r.err, r.error['value']) == ('a\ufffdb\ufffdc\u00fc\n', '\ufffd\n', '\ufffd'), r.messages


def state_stays_in_the_default_context(tb):
    r = run(tb, 'import math\nn = 41\ndef inc(v):\n    return v + 1')
    assert (r.messages, r.code, r.reason) == (
        [{'type': 'control', 'text': 'completed', 'name': '', 'value': '', 'traceback': ''}], 1000, '')
    assert run(tb, 'print(inc(n), __name__)\n1+1').out == '42 __main__\n'
    assert run(tb, 'print("by name", n)', contextId='default').out == 'by name 41\n'
    assert run(tb, 'import pickle\nclass C: pass\nprint(type(pickle.loads(pickle.dumps(C()))).__name__)').out == 'C\n'


def streams_come_in_chunks(tb):
    r = run(tb, "import sys\nfor i in range(2):\n    print('out', i)\n    print('err', i, file=sys.stderr)\n"
                "sys.stdout.write('tail')\nsys.stdout.buffer.write('ü'.encode())")
    assert [(m['type'], m['text']) for m in r.messages] == [
        ('stdout', 'out 0\n'), ('stderr', 'err 0\n'), ('stdout', 'out 1\n'), ('stderr', 'err 1\n'), ('stdout', 'tailü'),
        ('control', 'completed')]
    r = run(tb, "print('x' * 1000000)\nprint('\\ud800é😀')")
    assert r.out == 'x' * 1000000 + '\n\ufffdé😀\n'


def exceptions_name_the_code_only(tb):
    r = run(tb, "print('before')\ndef f(x):\n    raise ValueError('bad ' + x)\nf('grün')")
    assert (r.error['name'], r.error['value']) == ('ValueError', 'bad grün') and r.code == 1000 and r.out == 'before\n'
    assert r.error['traceback'] == ('Traceback (most recent call last):\n  File "<stdin>", line 4\n'
                                    '  File "<stdin>", line 3\nValueError: bad grün\n')
    r = run(tb, 'x =')
    assert r.error['name'] == 'SyntaxError' and r.error['traceback'] == f"SyntaxError: {r.error['value']}\n"
    assert run(tb, 'def f(): f()\nf()').error['name'] == 'RecursionError'
    for code in ('import sys; sys.exit(3)', 'exit()', 'raise SystemExit'):
        r = run(tb, code)
        assert (r.error, r.control, r.code) == (None, ['completed'], 1000), code
    r = run(tb, "raise KeyboardInterrupt('mine')")
    assert (r.error, r.control, r.code) == (None, ['interrupted'], 4008)


def environments_last_for_one_execution(tb):
    code = "import os\nprint(os.environ.get('A'), os.environ.get('HOME') is not None)"
    assert run(tb, code, envs={'A': 'ü x'}).out == 'ü x True\n'
    assert run(tb, code).out == 'None True\n'


def contexts_are_apart(tb):
    one, two = new_context(tb), new_context(tb, cwd='/tmp', language='python')
    assert set(one) == {'id', 'cwd', 'createdAt', 'active', 'language'} and one['active'] and two['cwd'] == '/tmp'
    run(tb, 'x = 1', contextId=one['id'])
    assert run(tb, 'x', contextId=two['id']).error['name'] == 'NameError'
    assert run(tb, 'import os; print(os.getcwd())', contextId=two['id']).out == '/tmp\n'
    listed = json.loads(tb.call('GET', '/process/interpreter/context')[1])['contexts']
    assert sorted(c['id'] for c in listed) == sorted((one['id'], two['id']))
    delete(tb, one)
    delete(tb, two)
    assert run(tb, '1', contextId=one['id']).reason == 'context not found: ' + one['id']
    for method, path, body, status in (
            ('DELETE', '/default', None, 400), ('DELETE', '/none', None, 404), ('POST', '', {'language': 'javascript'}, 400),
            ('POST', '', {'cwd': '/does/not/exist'}, 500), ('POST', '', '', 400), ('POST', '', {'cwd': 5}, 400)):
        answer, data = tb.call(method, '/process/interpreter/context' + path, body)
        assert answer.status == status and json.loads(data)['source'] == 'DAYTONA_DAEMON', (method, body, data)
    assert json.loads(tb.call('GET', '/process/interpreter/context')[1]) == {'contexts': []}


def a_timeout_interrupts_and_keeps_the_state(tb):
    c = new_context(tb)['id']
    began = time.monotonic()
    r = run(tb, "x = 5\nprint('go')\nimport time\ntime.sleep(30)", timeout=1, contextId=c)
    assert (r.out, r.control, r.code, r.reason) == ('go\n', ['interrupted'], 4008, '')
    assert 0.9 < time.monotonic() - began < 2.5
    r = run(tb, 'while True: print(x)', timeout=1, contextId=c)
    assert r.code == 4008 and r.control == ['interrupted'], (r.code, r.control)
    r = run(tb, 'try:\n    while True: time.sleep(0.01)\nexcept KeyboardInterrupt:\n    print("caught", x)', timeout=1, contextId=c)
    assert (r.out, r.control, r.code) == ('caught 5\n', ['completed'], 1000), (r.messages, r.code)
    assert run(tb, 'print(x)', timeout=0, contextId=c).out == '5\n'
    r = run(tb, 'import os; os.system("sleep 9601")', timeout=1, contextId=c)
    assert eventually(lambda: processes('9601') == 0)
    delete(tb, {'id': c})


def code_that_ignores_the_interrupt_is_killed(tb):
    c = new_context(tb)
    r = run(tb, "import signal, subprocess, time\nsubprocess.Popen(['sleep', '9602'], start_new_session=True)\n"
                "signal.signal(signal.SIGINT, signal.SIG_IGN)\ntime.sleep(60)", timeout=1, contextId=c['id'])
    assert (r.messages, r.code) == ([], 4008)
    assert eventually(lambda: processes('9602') == 0)
    assert not [x for x in json.loads(tb.call('GET', '/process/interpreter/context')[1])['contexts'] if x['active']]
    assert run(tb, "print('time' in globals())", contextId=c['id']).out == 'False\n'
    delete(tb, c)


def a_worker_that_dies_takes_only_its_run_along(tb):
    c = new_context(tb)['id']
    first = Run(tb, "import os, time\nprint('last words')\ntime.sleep(0.2)\nos._exit(1)", contextId=c)
    second = Run(tb, "print('alive')", contextId=c)
    first.finish()
    assert (first.out, first.control, first.code, first.reason) == ('last words\n', [], 1001, 'worker process ended')
    assert second.finish().out == 'alive\n' and second.code == 1000
    delete(tb, {'id': c})


def executions_wait_for_their_turn(tb):
    c = new_context(tb)['id']
    gate = 'import time, os\nprint("in", flush=True)\nwhile not os.path.exists(os.path.expanduser("~/go")): time.sleep(0.01)\nseen = []'
    first = Run(tb, gate, contextId=c)
    assert first.message()['text'] == 'in\n'
    others = [Run(tb, f'seen.append({n}); print(seen)', contextId=c) for n in range(5)]
    gone = Run(tb, 'seen.append("gone")', contextId=c)
    gone.ws.close()
    first.ws.send('p', PING)
    assert first.ws.frame() == (PONG, b'p')
    first.ws.send('ignored')
    open(f'{tb.dir}/go', 'w').close()
    assert first.finish().code == 1000
    assert [o.finish().out for o in others] == [f'{list(range(n + 1))}\n' for n in range(5)]
    assert run(tb, 'print(seen[-1])', contextId=c).out == 'gone\n'
    delete(tb, {'id': c})


def deleting_a_context_ends_its_runs(tb):
    c = new_context(tb)
    busy = Run(tb, "print('go')\nimport time\ntime.sleep(60)", contextId=c['id'])
    assert busy.message()['text'] == 'go\n'
    waiting = Run(tb, 'print(1)', contextId=c['id'])
    waiting.ws.send('p', PING)
    assert waiting.ws.frame()[0] == PONG
    delete(tb, c)
    assert busy.finish().code == 4008 and waiting.finish().code == 1001 and waiting.reason == 'context shutdown'
    c = new_context(tb)
    busy = Run(tb, "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('go')\ntime.sleep(60)",
               contextId=c['id'])
    assert busy.message()['text'] == 'go\n'
    began = time.monotonic()
    delete(tb, c)
    assert time.monotonic() - began < 4 and busy.finish().code == 1001


def first_messages_are_checked(tb):
    for text, code, reason in (
            ('', 1002, 'invalid JSON payload'), ('{', 1002, 'invalid JSON payload'), ('[]', 1002, 'invalid JSON payload'),
            ('null', 1008, 'code is required'), ('{"code":""}', 1008, 'code is required'),
            ('{"code":5}', 1002, 'invalid JSON payload'), ('{"code":"1","timeout":1.5}', 1002, 'invalid JSON payload'),
            ('{"code":"1","timeout":-1}', 1008, 'timeout must be greater than or equal to 0'),
            ('{"code":"1","envs":{"A":1}}', 1002, 'invalid JSON payload'),
            ('{"code":"1","contextId":"none"}', 1008, 'context not found: none')):
        ws = connect(tb, '/process/interpreter/execute')
        ws.send(text, TEXT)
        assert ws.until_close() == ([], code, reason), text
    assert run(tb, "print('binary')", opcode=BINARY, contextId=None, timeout=None, envs=None, extra=[1]).out == 'binary\n'
    ws = connect(tb, '/process/interpreter/execute')
    ws.send('{"code":"print(', first=0x01)
    ws.send('1)"}', first=0x80)
    assert json.loads(ws.until_close()[0][0][1])['text'] == '1\n'


def children_cannot_speak_for_the_code(tb):
    r = run(tb, "import os, subprocess\nos.system('printf partial; echo {}')\nprint('parent')\n"
                "print(subprocess.run(['echo', 'captured'], capture_output=True, text=True).stdout)\n"
                "try:\n    input()\nexcept EOFError:\n    print('no input')")
    assert r.out == 'parent\ncaptured\n\nno input\n', r.out


def large_output_reaches_a_reader(tb):
    r = run(tb, 'for i in range(60000): print(i)')
    assert r.out == ''.join(f'{i}\n' for i in range(60000)) and r.code == 1000


def a_reader_that_rests_loses_nothing(tb):
    r = Run(tb, "for i in range(20000): print(i, 'x' * 400)")
    assert r.message()['text'].startswith('0 ')
    time.sleep(1)  # what a busy machine does to a client at any time
    r.finish()
    assert (r.code, r.out) == (1000, ''.join(f'{i} {"x" * 400}\n' for i in range(1, 20000))), (r.code, r.reason, len(r.out))


def a_client_that_does_not_read_is_dropped(tb):
    for patience in ('0', '50'):
        other = test_toolbox.Toolbox(sys.argv[1], '--reader-patience', patience)
        began = time.monotonic()
        slow = Run(other, "for i in range(20000): print(i, 'x' * 400)\nopen('sleeper', 'w').close()")
        assert eventually(lambda: os.path.exists(f'{other.dir}/sleeper')), 'the code waits for ever'
        assert slow.ws.until_dropped(began) == (1008, 'slow consumer')
        assert other.close() == 0


def many_at_once(tb):
    contexts = [new_context(tb) for _ in range(4)]
    results = []
    threads = [threading.Thread(target=lambda n=n: results.append(run(tb, f'print({n})', contextId=contexts[n % 4]['id']).out))
               for n in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(int, results)) == list(range(40))
    for c in contexts:
        delete(tb, c)


def main():
    test_toolbox.TESTS[:] = [value for name, value in list(globals().items())
                             if callable(value) and getattr(value, '__code__', None) and value.__module__ == '__main__'
                             and value.__code__.co_varnames[:1] == ('tb',) and value.__code__.co_argcount == 1]
    return test_toolbox.main()


if __name__ == '__main__':
    sys.exit(main())
