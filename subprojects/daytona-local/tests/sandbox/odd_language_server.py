#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A language server that does what a real one should not. The file `does` of its working folder says what, a word per line."""
import json
import os
import signal
import sys
import time

DOES = open('does', encoding='ascii').read().split() if os.path.exists('does') else []
seen = open('seen', 'a', encoding='utf-8')


def read():
    length = None
    while (line := sys.stdin.buffer.readline().strip()):
        name, _, value = line.partition(b':')
        length = int(value) if name.lower() == b'content-length' else length
    if length is None:
        sys.exit(0)
    message = json.loads(sys.stdin.buffer.read(length))
    seen.write(json.dumps(message) + '\n')
    seen.flush()
    return message


def write(raw):
    sys.stdout.buffer.write(raw)
    sys.stdout.buffer.flush()


def send(message):
    body = json.dumps({'jsonrpc': '2.0', **message}, ensure_ascii=False).encode()
    head = b'content-length:  %d \r\nContent-Type: application/vscode-jsonrpc; charset=utf-8\r\n\r\n' % len(body)
    raw = head + body
    if 'dribbles' in DOES:
        for at in range(0, len(raw), 7):
            write(raw[at:at + 7])
    else:
        write(raw)


def symbol(name, line=0, uri='file:///x'):
    place = {'line': line, 'character': 0}
    return {'name': name, 'kind': 12, 'location': {'uri': uri, 'range': {'start': place, 'end': place}}}


def reply(message, result):
    send({'id': message['id'], 'result': result})


def answer(message):
    method = message.get('method')
    if method == 'initialize':
        if 'fails' in DOES:
            sys.exit('cannot start: no such thing\nlast words')
        if 'refuses' in DOES:
            send({'id': message['id'], 'error': {'code': -32603, 'message': 'not today\ntrace'}})
            return
        if 'never-starts' in DOES:
            time.sleep(600)
        send({'id': 'ask', 'method': 'workspace/configuration', 'params': {'items': [{}, {'section': 'a'}]}})
        send({'id': 7, 'method': 'client/registerCapability', 'params': {}})
        send({'method': 'textDocument/publishDiagnostics', 'params': {'diagnostics': [{'message': 'x'}] * 1000}})
        send({'id': 12345, 'result': 'to nobody'})
        reply(message, {'capabilities': {'workspaceSymbolProvider': 'project' in DOES}})
    elif method == 'shutdown':
        if 'stays' in DOES:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(600)
        reply(message, None)
    elif method == 'exit':
        sys.exit(0)
    elif method == 'textDocument/completion':
        position = message['params']['position']
        if position['line'] == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        elif position['line'] == 2:
            write(b'this is no header\r\n\r\n' * 3)
        elif position['line'] == 3:
            write(b'Content-Length: 99999999999\r\n\r\n')
        elif position['line'] == 4:
            write(b'Content-Length: 5\r\n\r\n{oops')
        elif position['line'] == 5:
            write(b'x' * 10000)
        elif position['line'] == 6:
            return  # never
        elif position['line'] == 7:
            send({'id': message['id'], 'error': {'code': 1, 'message': 'cannot\ntrace'}})
        elif position['line'] == 8:
            reply(message, [{'label': 'n%d' % i, 'kind': 3, 'documentation': 'ü' * 100} for i in range(40000)])
        elif position['line'] == 9:
            reply(message, {'isIncomplete': True, 'items': [
                {'label': 'a', 'kind': 'x', 'detail': 5, 'documentation': {'kind': 'markdown', 'value': 'm'}, 'data': 1},
                {'kind': 1}, 3, None, {'label': 'b', 'documentation': [1], 'sortText': 's', 'filterText': 'f', 'insertText': 'i'}]})
        elif position['line'] == 10:
            sys.stderr.write('first\nno more memory')
            sys.exit(3)
        elif position['line'] == 11:
            write(b'Content-Length: 40000000\r\n\r\n')
        elif position['line'] == 12:
            write(b'Content-Length: 60\r\n\r\n' + b'[' * 30000)
        elif position['line'] == 13:
            os.close(0)
            time.sleep(600)
        else:
            reply(message, None)
    elif method == 'textDocument/documentSymbol':
        if 'keeps-symbols' in DOES:
            return
        uri = message['params']['textDocument']['uri']
        place = {'start': {'line': 2, 'character': 1}, 'end': {'line': 3, 'character': 4}}
        reply(message, [{'name': 'outer', 'kind': 5, 'range': place, 'selectionRange': place, 'children': [
            {'name': 'inner', 'kind': 6, 'range': place}]}, symbol('flat', 5, uri), {'kind': 1}, 'no symbol',
            symbol('elsewhere', 6, 'file:///with%20blank/%C3%BC.py')])
    elif method == 'workspace/symbol':
        reply(message, [symbol('of ' + message['params']['query'])])
    elif 'id' in message and method is not None:
        send({'id': message['id'], 'error': {'code': -32601, 'message': 'no such method'}})


while True:
    answer(read())
