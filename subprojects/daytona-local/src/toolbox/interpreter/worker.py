# SPDX-License-Identifier: Apache-2.0
"""Runs code for one interpreter context. Requests come as JSON lines on standard input, and what
happens leaves as JSON lines on standard output; both are moved out of the reach of the code
and of its children first, who find /dev/null there instead."""
import io
import json
import os
import re
import signal
import sys
import threading
import types

CHUNK_AT = 1024     # characters after which a piece without a line end is sent, too
CHUNK_MAX = 16384   # characters of one message
TEXT_MAX = 65536    # characters of an exception's text or traceback


def sendable(text):
    """Lone surrogates stand for no character."""
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        return re.sub('[\ud800-\udfff]', '\ufffd', text)


class Channel:
    """Messages leave whole: an interrupt that comes while one is written waits for its end."""

    def __init__(self, fd):
        self.fd = fd
        self.lock = threading.RLock()
        self.is_running = self.is_busy = self.is_pending = False

    def send(self, kind, **fields):
        is_main = threading.current_thread() is threading.main_thread()
        was_busy = self.is_busy
        if is_main:
            self.is_busy = True
        try:
            data = (json.dumps({'type': kind, **fields}) + '\n').encode()
            with self.lock:
                while data:
                    data = data[os.write(self.fd, data):]
        finally:
            if is_main:
                self.is_busy = was_busy
        if is_main and self.is_pending and not was_busy:
            self.is_pending = False
            raise KeyboardInterrupt

    def on_interrupt(self, number, frame):
        if self.is_busy:
            self.is_pending = True
        elif self.is_running:
            raise KeyboardInterrupt


class Bytes:
    """The `buffer` of a stream."""

    def __init__(self, stream):
        self.stream = stream

    def write(self, data):
        self.stream.write(bytes(data).decode('utf-8', 'replace'))
        return len(data)

    def flush(self):
        self.stream.flush()


class Stream(io.TextIOBase):
    encoding = 'utf-8'
    errors = 'replace'

    def __init__(self, channel, kind):
        self.channel, self.kind, self.text = channel, kind, ''
        self.buffer = Bytes(self)

    def writable(self):
        return True

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f'write() argument must be str, not {type(text).__name__}')
        with self.channel.lock:
            self.text += text
            if '\n' in text or len(self.text) >= CHUNK_AT:
                self.send()
        return len(text)

    def send(self):
        with self.channel.lock:
            text, self.text = sendable(self.text), ''
            for at in range(0, len(text), CHUNK_MAX):
                self.channel.send(self.kind, text=text[at:at + CHUNK_MAX])


def clean(text):
    return sendable(text[:TEXT_MAX])


def describe(error):
    """The message about an exception that the code did not catch; only frames of the code count."""
    name = type(error).__name__
    try:
        value = str(error)
    except BaseException:
        value = ''
    lines, trace = [], error.__traceback__.tb_next  # the first frame is run's
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == '<string>':
            lines.append(f'  File "<stdin>", line {trace.tb_lineno}\n')
        trace = trace.tb_next
    if len(lines) > 200:
        lines[100:-100] = [f'  [{len(lines) - 200} more]\n']
    head = 'Traceback (most recent call last):\n' if lines else ''
    return {'name': name, 'value': clean(value), 'traceback': clean(f'{head}{"".join(lines)}{name}: {value}\n')}


def run(channel, module, request):
    """Runs one request; returns how it ended."""
    before = {name: os.environ.get(name) for name in request['envs']}
    error = None
    signal.signal(signal.SIGINT, channel.on_interrupt)
    try:
        os.environ.update(request['envs'])
        channel.is_running = True
        exec(compile(request['code'], '<string>', 'exec', dont_inherit=True), module.__dict__)
        channel.is_running = False
        return 'completed', None
    except KeyboardInterrupt:
        return 'interrupted', None
    except SystemExit:
        return 'completed', None
    except BaseException as e:
        channel.is_running = False
        error = describe(e)
        return 'completed', error
    finally:
        channel.is_running = False
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def main():
    requests = os.fdopen(os.dup(0), 'rb')
    channel = Channel(os.dup(1))
    null = os.open('/dev/null', os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    signal.signal(signal.SIGINT, channel.on_interrupt)
    module = types.ModuleType('__main__')
    sys.modules['__main__'] = module
    sys.argv = ['']
    sys.path.insert(0, '')
    out, err = Stream(channel, 'stdout'), Stream(channel, 'stderr')
    for line in requests:
        sys.stdout, sys.stderr = out, err
        if sys.stdin is None or sys.stdin.closed:  # exit() closes it
            sys.stdin = open(os.devnull)
        try:
            how, error = run(channel, module, json.loads(line))
        except KeyboardInterrupt:  # it came while an exception was being described
            how, error = 'interrupted', None
        channel.is_busy = True
        out.send()
        err.send()
        if error is not None:
            channel.send('error', **error)
        channel.send('control', text=how)
        channel.is_busy = channel.is_pending = False


main()
