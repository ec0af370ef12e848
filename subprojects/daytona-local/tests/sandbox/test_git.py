#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Git through the toolbox, against real repositories over files and HTTP: test_git.py DAYTONA-LOCAL."""
import base64
import contextlib
import json
import os
import subprocess
import sys
import threading
import traceback
import urllib.parse

from git_place import (GIT_ENV, PASSWORD, TOKEN, USER, Backend, api, commit, fails, get, git, place, post, read, served,
                       write)
from test_toolbox import Toolbox


# ---- clone ----

def clone_takes_branch_commit_depth_and_relative_path(tb):
    p = place(tb, 'clone', clones=False)
    first = git(p.bare, 'rev-list', '--max-parents=0', 'main')
    post(tb, 'clone', p.copy, url=p.bare)
    assert get(tb, 'status', p.copy) == {'currentBranch': 'main', 'fileStatus': [], 'branchPublished': True, 'ahead': 0,
                                         'behind': 0, 'detached': False, 'upstream': 'origin/main'}
    post(tb, 'clone', p.dir + '/c2', url='file://' + p.bare, branch='feature')
    assert get(tb, 'status', p.dir + '/c2')['currentBranch'] == 'feature'
    assert git(p.dir + '/c2', 'branch', '-r') == 'origin/feature'
    post(tb, 'clone', p.dir + '/c3', url=p.bare, commit_id=first)
    status = get(tb, 'status', p.dir + '/c3')
    assert status['currentBranch'] == 'HEAD' and status['detached'] and not status['branchPublished'], status
    assert p.head(where=p.dir + '/c3') == first
    post(tb, 'clone', p.dir + '/c4', url='file://' + p.bare, depth=1)
    assert git(p.dir + '/c4', 'rev-list', '--count', 'HEAD') == '1'
    post(tb, 'clone', 'git/clone/c5', url='git/clone/origin.git', username='u', password='p')
    assert read(p.dir, 'c5/a.txt') == 'one\n'
    os.mkdir(p.dir + '/c6')
    post(tb, 'clone', p.dir + '/c6', url=p.bare)
    assert read(p.dir, 'c6/a.txt') == 'one\n'


def clone_commit_of_another_branch(tb):
    p = place(tb, 'clone-other', clones=False)
    feature = git(p.bare, 'rev-parse', 'feature')
    post(tb, 'clone', p.copy, url='file://' + p.bare, branch='main', commit_id=feature)
    assert p.head() == feature


def clone_refusals(tb):
    p = place(tb, 'refused')
    x = p.dir + '/x'
    fails(tb, 'POST', 'clone', 404, 'GIT_REPO_NOT_FOUND', url=p.dir + '/none.git', path=x)
    fails(tb, 'POST', 'clone', 404, 'GIT_BRANCH_NOT_FOUND', url=p.bare, path=x, branch='nosuch')
    assert not os.path.exists(x)
    fails(tb, 'POST', 'clone', 404, 'GIT_BRANCH_NOT_FOUND', url=p.bare, path=x, commit_id='0123456789' * 4)
    fails(tb, 'POST', 'clone', 409, 'CONFLICT', url=p.bare, path=p.copy)
    fails(tb, 'POST', 'clone', 409, 'CONFLICT', url=p.bare, path=p.bare)
    write(p.dir, 'full/file', '')
    fails(tb, 'POST', 'clone', 409, 'CONFLICT', url=p.bare, path=p.dir + '/full')
    fails(tb, 'POST', 'clone', 400, 'BAD_REQUEST', url=p.bare, path=p.dir + '/full/file')
    for url in ('git@example.com:a/b.git', 'ssh://git@localhost/a/b.git'):
        fails(tb, 'POST', 'clone', 401, 'GIT_AUTH_FAILED', url=url, path=p.dir + '/y')
    for url in ('ext::sh -c touch% /tmp/x', '--upload-pack=touch x', 'nosuch://host/x'):
        error = api(tb, 'POST', 'clone', 400 if '::' in url or 'such' in url else 404, url=url, path=p.dir + '/y')
        assert error['code'] in ('BAD_REQUEST', 'GIT_REPO_NOT_FOUND'), error
    for fields in ({'url': p.bare}, {'path': x}, {}, {'url': p.bare, 'path': x, 'depth': -1}, {'url': 1, 'path': x}):
        fails(tb, 'POST', 'clone', 400, 'INVALID_REQUEST_BODY', **fields)
    git(p.dir, 'init', '-q', '--bare', 'empty.git')
    os.mkdir(p.dir + '/there')
    for target in ('y', 'there'):
        message = fails(tb, 'POST', 'clone', 404, 'GIT_REPO_NOT_FOUND', url=p.dir + '/empty.git', path=f'{p.dir}/{target}')
        assert 'empty' in message, message
    assert not os.path.exists(p.dir + '/y') and os.listdir(p.dir + '/there') == []


def clone_over_http_tells_what_went_wrong(tb):
    p = place(tb, 'http-errors', clones=False)
    with served(p) as (server, url):
        post(tb, 'clone', p.copy, url=url('open'))
        fails(tb, 'POST', 'clone', 404, 'GIT_REPO_NOT_FOUND', url=url('open', name='none.git'), path=p.dir + '/x')
        fails(tb, 'POST', 'clone', 403, 'FORBIDDEN', url=url('403'), path=p.dir + '/x')
        fails(tb, 'POST', 'clone', 404, 'GIT_REPO_NOT_FOUND', url=url('404'), path=p.dir + '/x')
        fails(tb, 'POST', 'clone', 502, 'GIT_TRANSPORT_FAILED', url=url('503'), path=p.dir + '/x')
        gone = url('open')
    fails(tb, 'POST', 'clone', 502, 'GIT_TRANSPORT_FAILED', url=gone, path=p.dir + '/x')
    fails(tb, 'POST', 'clone', 502, 'GIT_TRANSPORT_FAILED', url='http://no-such-host.invalid/a.git', path=p.dir + '/x')
    assert not os.path.exists(p.dir + '/x')


def everything_on_disk(folder):
    text = b''
    for where, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(where, name), 'rb') as f:
                text += f.read()
    return text


def credentials_open_http_and_are_not_stored(tb):
    p = place(tb, 'http-auth', clones=False)
    with served(p) as (server, url):
        who = {'username': USER, 'password': PASSWORD}
        fails(tb, 'POST', 'clone', 401, 'GIT_AUTH_FAILED', url=url('auth'), path=p.copy)
        fails(tb, 'POST', 'clone', 401, 'GIT_AUTH_FAILED', url=url('auth'), path=p.copy, username=USER, password='wrong')
        fails(tb, 'POST', 'clone', 401, 'GIT_AUTH_FAILED', url=url('auth'), path=p.copy, username=USER)
        post(tb, 'clone', p.copy, url=url('auth'), **who)
        fails(tb, 'POST', 'pull', 401, 'GIT_AUTH_FAILED', path=p.copy)
        head = p.publish()
        post(tb, 'pull', p.copy, **who)
        assert p.head() == head
        head = commit(tb, p.copy)
        fails(tb, 'POST', 'push', 401, 'GIT_AUTH_FAILED', path=p.copy)
        fails(tb, 'POST', 'push', 401, 'GIT_AUTH_FAILED', path=p.copy, username=USER, password='wrong')
        post(tb, 'push', p.copy, **who)
        assert git(p.bare, 'rev-parse', 'main') == head
        stored = everything_on_disk(p.copy + '/.git')
        for secret in (PASSWORD, base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()):
            assert secret.encode() not in stored
        assert get(tb, 'remotes', p.copy) == {'remotes': [{'name': 'origin', 'url': url('auth')}]}


def password_in_a_url_works_and_is_not_shown(tb):
    p = place(tb, 'http-url', clones=False)
    with served(p) as (server, url):
        quoted = urllib.parse.quote(PASSWORD, '')
        full = url('auth', f'{USER}:{quoted}@')
        fails(tb, 'POST', 'clone', 401, 'GIT_AUTH_FAILED', url=url('auth', f'{USER}:wrong-{quoted}@'), path=p.copy)
        fails(tb, 'POST', 'clone', 404, 'GIT_REPO_NOT_FOUND', url=url('open', f'{USER}:{quoted}@', 'no.git'), path=p.copy)
        post(tb, 'clone', p.copy, url=full)
        assert git(p.copy, 'config', 'remote.origin.url') == full
        assert get(tb, 'remotes', p.copy) == {'remotes': [{'name': 'origin', 'url': url('auth')}]}
        head = p.publish()
        post(tb, 'pull', p.copy)
        assert p.head() == head
        head = commit(tb, p.copy)
        post(tb, 'push', p.copy)
        assert git(p.bare, 'rev-parse', 'main') == head
        post(tb, 'clone', p.dir + '/token', url=url('auth', TOKEN + '@'))
        post(tb, 'pull', p.dir + '/token')
        post(tb, 'remotes', p.copy, 201, name='second', url=full, fetch=True)
        assert git(p.copy, 'rev-parse', 'second/main') == head
        names = {r['name']: r['url'] for r in get(tb, 'remotes', p.copy)['remotes']}
        assert names == {'origin': url('auth'), 'second': url('auth')}


def credentials_are_in_no_argument(tb):
    p = place(tb, 'http-argv', clones=False)
    with served(p) as (server, url):
        seen = []
        whole = Backend.is_known

        def look(handler):
            for pid in filter(str.isdigit, os.listdir('/proc')):
                with contextlib.suppress(OSError), open(f'/proc/{pid}/cmdline', 'rb') as f:
                    line = f.read()
                    if b'git' in line.split(b'\0')[0]:
                        seen.append(line)
            return whole(handler)
        Backend.is_known = look
        try:
            post(tb, 'clone', p.copy, url=url('auth', f"{USER}:{urllib.parse.quote(PASSWORD, '')}@"))
            post(tb, 'pull', p.copy)
            post(tb, 'push', p.copy, username=USER, password=PASSWORD)
        finally:
            Backend.is_known = whole
        assert len(seen) >= 3
        for line in seen:
            for secret in (PASSWORD, urllib.parse.quote(PASSWORD, ''), base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()):
                assert secret.encode() not in line, line


def credentials_go_to_their_host_only(tb):
    p = place(tb, 'http-hosts')
    with served(p) as (mine, url), served(p) as (other, other_url):
        git(p.copy, 'remote', 'add', 'mine', url('auth'))
        git(p.copy, 'config', f"url.{other_url('auth')}.insteadOf", url('auth'))
        fails(tb, 'POST', 'clone', 401, 'GIT_AUTH_FAILED', url=other_url('auth'), path=p.dir + '/x',
              username=USER, password='wrong')
        # The rewritten URL is the one that the credentials are for.
        post(tb, 'pull', p.copy, remote='mine', username=USER, password=PASSWORD)
        assert mine.seen == []


# ---- status ----

def files_of(status):
    return {f['name']: (f['staging'], f['worktree']) for f in status['fileStatus']}


def status_names_every_change(tb):
    p = place(tb, 'status')
    names = ['untracked.txt', 'd/deep.txt', 'grün "q".txt', ' blank ', 'line\nbreak', '-dash', 'tab\t']
    for name in names:
        write(p.copy, name, 'x')
    write(p.copy, 'a.txt', 'changed')
    expected = {name: ('Untracked', 'Untracked') for name in names}
    expected['a.txt'] = ('Unmodified', 'Modified')
    assert files_of(get(tb, 'status', p.copy)) == expected
    post(tb, 'add', p.copy, files=['a.txt', '-dash', 'line\nbreak', 'd'])
    write(p.copy, 'a.txt', 'again')
    git(p.copy, 'rm', '-q', '--cached', 'src/b.txt')
    expected.update({'a.txt': ('Modified', 'Modified'), '-dash': ('Added', 'Unmodified'), 'line\nbreak': ('Added', 'Unmodified'),
                     'd/deep.txt': ('Added', 'Unmodified'), 'src/b.txt': ('Untracked', 'Untracked')})
    status = get(tb, 'status', p.copy)
    assert files_of(status) == expected and len(status['fileStatus']) == len(expected), status
    git(p.copy, 'reset', '-q', '--hard')
    os.remove(p.copy + '/a.txt')
    git(p.copy, 'mv', 'src/b.txt', 'moved.txt')
    files = files_of(get(tb, 'status', p.copy))
    assert files['a.txt'] == ('Unmodified', 'Deleted') and files['moved.txt'] == ('Added', 'Unmodified'), files
    assert files['src/b.txt'] == ('Deleted', 'Unmodified'), files


def status_takes_names_that_are_not_utf8(tb):
    p = place(tb, 'bytes')
    with open(p.copy.encode() + b'/\xff\xfe', 'wb'):
        pass
    assert '\ufffd\ufffd' in files_of(get(tb, 'status', p.copy))


def status_counts_ahead_and_behind(tb):
    p = place(tb, 'counts')
    commit(tb, p.copy)
    commit(tb, p.copy)
    p.publish()
    git(p.copy, 'fetch', '-q')
    status = get(tb, 'status', p.copy)
    assert (status['ahead'], status['behind'], status['branchPublished']) == (2, 1, True), status
    post(tb, 'branches', p.copy, 201, name='alone')
    status = get(tb, 'status', p.copy)
    assert (status['ahead'], status['behind'], status['branchPublished']) == (0, 0, False) and 'upstream' not in status


def conflict_shows_and_stops_commit_and_checkout(tb):
    p = place(tb, 'conflict')
    git(p.copy, 'checkout', '-q', '-b', 'other')
    write(p.copy, 'a.txt', 'x')
    git(p.copy, 'commit', '-qam', 'x')
    git(p.copy, 'checkout', '-q', 'main')
    write(p.copy, 'a.txt', 'y')
    git(p.copy, 'commit', '-qam', 'y')
    subprocess.run(['git', '-C', p.copy, 'merge', '-q', 'other'], env=GIT_ENV, stdout=subprocess.DEVNULL, check=False)
    assert files_of(get(tb, 'status', p.copy)) == {'a.txt': ('Updated but unmerged', 'Updated but unmerged')}
    head = p.head()
    fails(tb, 'POST', 'commit', 409, 'GIT_MERGE_CONFLICT', path=p.copy, message='m', author='a', email='e')
    api(tb, 'POST', 'checkout', 409, path=p.copy, branch='other')
    assert p.head() == head and git(p.copy, 'symbolic-ref', '--short', 'HEAD') == 'main'
    write(p.copy, 'a.txt', 'both')
    post(tb, 'add', p.copy, files=['a.txt'])
    commit(tb, p.copy, 'merged', allow_empty=False)
    assert len(git(p.copy, 'log', '-1', '--format=%P').split()) == 2


def path_must_be_a_repository_itself(tb):
    p = place(tb, 'paths')
    calls = [('GET', 'status'), ('GET', 'branches'), ('GET', 'history'), ('GET', 'remotes')]
    for method, what in calls:
        fails(tb, method, what, 400, 'BAD_REQUEST')
        for bad in (p.copy + '/src', p.dir, p.dir + '/nothing', p.copy + '/a.txt'):
            fails(tb, method, what, 404, 'GIT_REPO_NOT_FOUND', path=bad)
    bodies = {'add': {'files': ['.']}, 'commit': {'message': 'm', 'author': 'a', 'email': 'e'}, 'push': {}, 'pull': {},
              'branches': {'name': 'n'}, 'checkout': {'branch': 'main'}, 'reset': {}, 'restore': {'files': ['a']},
              'remotes': {'name': 'n', 'url': 'u'}}
    for what, fields in bodies.items():
        fails(tb, 'POST', what, 400, 'INVALID_REQUEST_BODY', **fields)
        fails(tb, 'POST', what, 404, 'GIT_REPO_NOT_FOUND', path=p.copy + '/src', **fields)
        for name in fields:
            fails(tb, 'POST', what, 400, 'INVALID_REQUEST_BODY', path=p.copy, **{k: v for k, v in fields.items() if k != name})
    fails(tb, 'DELETE', 'branches', 400, 'INVALID_REQUEST_BODY', path=p.copy)
    answer, data = tb.call('DELETE', '/git/branches?path=x&name=y')
    assert answer.status == 400 and json.loads(data)['code'] == 'INVALID_REQUEST_BODY'


def environment_of_the_sandbox_does_not_mislead_git(tb):
    p, q = place(tb, 'env-one'), place(tb, 'env-two')
    tb.call('POST', '/env', {'set': {'GIT_DIR': q.copy + '/.git', 'GIT_WORK_TREE': q.copy, 'GIT_TRACE': '1', 'LC_ALL': 'de_DE'}})
    try:
        write(p.copy, 'only-here', '')
        assert files_of(get(tb, 'status', p.copy)) == {'only-here': ('Untracked', 'Untracked')}
        fails(tb, 'GET', 'status', 404, 'GIT_REPO_NOT_FOUND', path=p.dir)
    finally:
        tb.call('POST', '/env', {'unset': ['GIT_DIR', 'GIT_WORK_TREE', 'GIT_TRACE', 'LC_ALL']})


# ---- commits ----

def commit_keeps_author_and_message(tb):
    p = place(tb, 'commit')
    for fields in ({}, {'allow_empty': False}):
        answer = api(tb, 'POST', 'commit', 500, path=p.copy, message='m', author='a', email='e', **fields)
        assert 'empty commit' in answer['message'], answer
    write(p.copy, 'new.txt', 'new')
    post(tb, 'add', p.copy, files=['.'])
    text = 'leer – größer 🚀\n\n# not a comment\nSecond paragraph'
    made = post(tb, 'commit', p.copy, message=text, author='Ann Ä', email='ann@example.com')['hash']
    assert made == p.head() and len(made) == 40
    last = get(tb, 'history', p.copy)[0]
    assert last['hash'] == made and last['author'] == 'Ann Ä' and last['email'] == 'ann@example.com', last
    assert last['message'] == text, last
    assert last['timestamp'].endswith('Z') or last['timestamp'][-6] in '+-', last
    assert git(p.copy, 'log', '-1', '--format=%cn %ce') == 'Ann Ä ann@example.com'
    history = get(tb, 'history', p.copy)
    assert [c['message'] for c in history[1:]] == ['second, größer\n\nWith a body.\n', 'first\n'], history
    for name in ('message', 'author', 'email'):
        fields = {'message': 'm', 'author': 'a', 'email': 'e', name: ''}
        fails(tb, 'POST', 'commit', 400, 'INVALID_REQUEST_BODY', path=p.copy, **fields)
    fails(tb, 'POST', 'commit', 400, 'BAD_REQUEST', path=p.copy, message='m', author='<>', email='e', allow_empty=True)


def commit_runs_no_hooks(tb):
    p = place(tb, 'hooks')
    write(p.copy, '.git/hooks/pre-commit', '#!/bin/sh\nenv > "$0.ran"\nexit 1\n')
    os.chmod(p.copy + '/.git/hooks/pre-commit', 0o755)
    commit(tb, p.copy)
    assert not os.path.exists(p.copy + '/.git/hooks/pre-commit.ran')


def add_takes_any_number_of_names_as_they_are(tb):
    p = place(tb, 'add')
    names = ['[ab].txt', '*.txt', ':(glob)x', 'a b', '--all', 'ü'] + [f'many/{"n" * 150}{i}' for i in range(1500)]
    for name in names + ['b.txt']:
        write(p.copy, name, '')
    post(tb, 'add', p.copy, files=names)
    files = files_of(get(tb, 'status', p.copy))
    assert files.pop('b.txt') == ('Untracked', 'Untracked')
    assert set(files) == set(names) and set(files.values()) == {('Added', 'Unmodified')}
    post(tb, 'add', p.copy, files=[])
    fails(tb, 'POST', 'add', 400, 'BAD_REQUEST', path=p.copy, files=['nosuch'])
    fails(tb, 'POST', 'add', 400, 'BAD_REQUEST', path=p.copy, files=['/etc/hostname'])
    fails(tb, 'POST', 'add', 400, 'BAD_REQUEST', path=p.copy, files=['../seed/a.txt'])
    fails(tb, 'POST', 'add', 400, 'INVALID_REQUEST_BODY', path=p.copy, files='a.txt')
    fails(tb, 'POST', 'add', 400, 'INVALID_REQUEST_BODY', path=p.copy, files=[''])
    fails(tb, 'POST', 'add', 400, 'INVALID_REQUEST_BODY', path=p.copy, files=['a\0b'])
    os.remove(p.copy + '/a.txt')
    post(tb, 'add', p.copy, files=['a.txt'])
    assert files_of(get(tb, 'status', p.copy))['a.txt'] == ('Deleted', 'Unmodified')


def a_lock_of_another_git_is_a_conflict(tb):
    p = place(tb, 'lock')
    write(p.copy, '.git/index.lock', '')
    fails(tb, 'POST', 'add', 409, 'CONFLICT', path=p.copy, files=['.'])
    get(tb, 'status', p.copy)


# ---- branches ----

def branches_are_made_listed_and_deleted(tb):
    p = place(tb, 'branches')
    assert get(tb, 'branches', p.copy) == {'branches': ['main'], 'current': 'main'}
    for name in ('new/one', 'größe'):
        assert post(tb, 'branches', p.copy, 201, name=name) is None
    assert get(tb, 'branches', p.copy) == {'branches': ['größe', 'main', 'new/one'], 'current': 'größe'}
    fails(tb, 'POST', 'branches', 409, 'GIT_BRANCH_EXISTS', path=p.copy, name='new/one')
    for bad in ('bad name', '-f', 'a..b', '@{-1}', 'x.lock'):
        fails(tb, 'POST', 'branches', 400, 'BAD_REQUEST', path=p.copy, name=bad)
    assert api(tb, 'DELETE', 'branches', 204, path=p.copy, name='new/one') is None
    api(tb, 'DELETE', 'branches', 204, path=p.copy, name='nosuch')
    fails(tb, 'DELETE', 'branches', 409, 'CONFLICT', path=p.copy, name='größe')
    fails(tb, 'DELETE', 'branches', 400, 'BAD_REQUEST', path=p.copy, name='-D')
    git(p.copy, 'checkout', '-q', '--detach')
    assert get(tb, 'branches', p.copy) == {'branches': ['größe', 'main'], 'current': ''}
    api(tb, 'DELETE', 'branches', 204, path=p.copy, name='größe')


def checkout_takes_branches_and_full_hashes_only(tb):
    p = place(tb, 'checkout')
    git(p.copy, 'fetch', '-q', 'origin', 'feature:feature', '--tags')
    git(p.copy, 'branch', 'master')
    first = git(p.copy, 'rev-list', '--max-parents=0', 'HEAD')
    post(tb, 'checkout', p.copy, branch='feature')
    assert get(tb, 'status', p.copy)['currentBranch'] == 'feature'
    post(tb, 'checkout', p.copy, branch=first)
    assert p.head() == first and get(tb, 'status', p.copy)['detached']
    post(tb, 'checkout', p.copy, branch='main')
    for bad in (first[:8], 'v1', 'nosuch', 'develop', 'origin/main', '0123456789' * 4, 'main~1', 'HEAD', '@', 'a b',
                'a.txt', git(p.copy, 'rev-parse', 'HEAD:a.txt')):
        fails(tb, 'POST', 'checkout', 404, 'GIT_BRANCH_NOT_FOUND', path=p.copy, branch=bad)
        assert get(tb, 'branches', p.copy)['current'] == 'main', bad
    fails(tb, 'POST', 'checkout', 400, 'BAD_REQUEST', path=p.copy, branch='-f')


def dirty_checkout_changes_nothing(tb):
    p = place(tb, 'dirty')
    git(p.copy, 'branch', 'other')
    git(p.copy, 'fetch', '-q', 'origin', 'feature:feature')
    write(p.copy, 'a.txt', 'dirty')
    for branch in ('other', 'feature', 'main', p.head()):
        fails(tb, 'POST', 'checkout', 409, 'GIT_DIRTY_WORKTREE', path=p.copy, branch=branch)
        assert git(p.copy, 'symbolic-ref', '--short', 'HEAD') == 'main' and read(p.copy, 'a.txt') == 'dirty'
    git(p.copy, 'checkout', '-q', '-f', 'main')
    write(p.copy, 'f.txt', 'in the way')
    fails(tb, 'POST', 'checkout', 409, 'GIT_DIRTY_WORKTREE', path=p.copy, branch='feature')
    assert read(p.copy, 'f.txt') == 'in the way' and git(p.copy, 'symbolic-ref', '--short', 'HEAD') == 'main'
    post(tb, 'checkout', p.copy, branch='other')


def empty_repository(tb):
    p = place(tb, 'empty', clones=False)
    e = p.dir + '/e'
    assert post(tb, 'init', e, 201, initial_branch='trunk') is None
    for method, what in (('GET', 'status'), ('GET', 'history'), ('POST', 'push')):
        api(tb, method, what, 404, path=e)
    assert get(tb, 'branches', e) == {'branches': [], 'current': 'trunk'}
    fails(tb, 'POST', 'branches', 404, 'GIT_BRANCH_NOT_FOUND', path=e, name='x')
    fails(tb, 'POST', 'pull', 404, 'NOT_FOUND', path=e)
    write(e, 'a', '1')
    post(tb, 'add', e, files=['a'])
    made = commit(tb, e, 'root', allow_empty=False)
    assert get(tb, 'history', e)[0]['hash'] == made and get(tb, 'branches', e)['branches'] == ['trunk']
    f = p.dir + '/f'
    post(tb, 'init', f, 201, initial_branch='main')
    post(tb, 'remotes', f, 201, name='origin', url=p.bare)
    post(tb, 'pull', f)
    assert read(f, 'a.txt') == 'one\n'


# ---- pull ----

def pull_moves_forward_only(tb):
    p = place(tb, 'pull')
    post(tb, 'pull', p.copy)
    head = p.publish()
    post(tb, 'pull', p.copy)
    assert p.head() == head and read(p.copy, 'r.txt') == 'remote\n'
    own = commit(tb, p.copy)
    post(tb, 'pull', p.copy)
    assert p.head() == own
    p.publish('r2.txt')
    fails(tb, 'POST', 'pull', 409, 'GIT_MERGE_CONFLICT', path=p.copy)
    assert p.head() == own and not os.path.exists(p.copy + '/r2.txt')
    assert get(tb, 'status', p.copy)['fileStatus'] == []


def dirty_pull_changes_nothing(tb):
    p = place(tb, 'pull-dirty')
    p.publish()
    before = p.head()
    write(p.copy, 'a.txt', 'dirty')
    for _ in range(2):
        fails(tb, 'POST', 'pull', 409, 'GIT_DIRTY_WORKTREE', path=p.copy)
        assert p.head() == before and files_of(get(tb, 'status', p.copy)) == {'a.txt': ('Unmodified', 'Modified')}
    git(p.copy, 'checkout', '-q', 'a.txt')
    write(p.copy, 'r.txt', 'in the way')
    fails(tb, 'POST', 'pull', 409, 'GIT_DIRTY_WORKTREE', path=p.copy)
    assert p.head() == before and read(p.copy, 'r.txt') == 'in the way'
    os.remove(p.copy + '/r.txt')
    post(tb, 'pull', p.copy)


def pull_of_what_is_not_there(tb):
    p = place(tb, 'pull-missing')
    post(tb, 'branches', p.copy, 201, name='unknown-there')
    before = p.head()
    p.publish()
    fails(tb, 'POST', 'pull', 404, 'GIT_BRANCH_NOT_FOUND', path=p.copy)
    assert p.head() == before
    fails(tb, 'POST', 'pull', 404, 'GIT_BRANCH_NOT_FOUND', path=p.copy, branch='nosuch')
    fails(tb, 'POST', 'pull', 404, 'NOT_FOUND', path=p.copy, remote='nosuch')
    fails(tb, 'POST', 'pull', 400, 'BAD_REQUEST', path=p.copy, remote='--upload-pack=x')
    fails(tb, 'POST', 'pull', 400, 'BAD_REQUEST', path=p.copy, branch='*')
    post(tb, 'pull', p.copy, branch='main')
    git(p.copy, 'checkout', '-q', '--detach')
    fails(tb, 'POST', 'pull', 400, 'BAD_REQUEST', path=p.copy)
    git(p.copy, 'checkout', '-q', 'main')
    os.rename(p.bare, p.bare + '.away')
    fails(tb, 'POST', 'pull', 404, 'GIT_REPO_NOT_FOUND', path=p.copy)


# ---- push ----

def push_sends_the_current_branch(tb):
    p = place(tb, 'push')
    post(tb, 'push', p.copy)
    head = commit(tb, p.copy)
    post(tb, 'push', p.copy)
    assert p.head('main', p.bare) == head and get(tb, 'status', p.copy)['ahead'] == 0
    post(tb, 'branches', p.copy, 201, name='topic/ü')
    post(tb, 'push', p.copy, username='u', password='p')
    assert p.head('topic/ü', p.bare) == head and not get(tb, 'status', p.copy)['branchPublished']
    post(tb, 'push', p.copy, set_upstream=True)
    assert get(tb, 'status', p.copy)['upstream'] == 'origin/topic/ü'
    git(p.dir, 'init', '-q', '--bare', 'second.git')
    post(tb, 'remotes', p.copy, 201, name='second', url='../second.git')
    post(tb, 'push', p.copy, remote='second', branch='main')
    assert git(p.dir + '/second.git', 'for-each-ref', '--format=%(refname)') == 'refs/heads/main'


def push_refusals(tb):
    p = place(tb, 'push-no')
    p.publish()
    theirs = p.head('main', p.bare)
    commit(tb, p.copy)
    fails(tb, 'POST', 'push', 409, 'GIT_PUSH_REJECTED', path=p.copy)
    git(p.copy, 'fetch', '-q')
    fails(tb, 'POST', 'push', 409, 'GIT_PUSH_REJECTED', path=p.copy)
    assert p.head('main', p.bare) == theirs
    fails(tb, 'POST', 'push', 404, 'GIT_BRANCH_NOT_FOUND', path=p.copy, branch='nosuch')
    fails(tb, 'POST', 'push', 404, 'NOT_FOUND', path=p.copy, remote='nosuch')
    fails(tb, 'POST', 'push', 400, 'BAD_REQUEST', path=p.copy, remote='--force')
    for branch in ('*', 'a:b', '+main'):
        api(tb, 'POST', 'push', 404 if branch == '+main' else 400, path=p.copy, branch=branch)
    git(p.copy, 'checkout', '-q', '--detach')
    fails(tb, 'POST', 'push', 400, 'BAD_REQUEST', path=p.copy)


def push_refused_by_the_remote(tb):
    p = place(tb, 'push-hook')
    hook = p.bare + '/hooks/pre-receive'
    write(p.bare, 'hooks/pre-receive', '#!/bin/sh\necho no pushing today >&2\nexit 1\n')
    os.chmod(hook, 0o755)
    commit(tb, p.copy)
    with served(p) as (server, url):
        post(tb, 'remotes', p.copy, 201, name='web', url=url('open'))
        for remote in ('origin', 'web'):
            message = fails(tb, 'POST', 'push', 422, 'GIT_REMOTE_REJECTED', path=p.copy, remote=remote)
            assert 'no pushing today' in message and 'hook declined' in message, message
        os.remove(hook)
        post(tb, 'push', p.copy, remote='web')
    git(p.seed, 'checkout', '-q', 'main')
    post(tb, 'remotes', p.copy, 201, name='seed', url=p.seed)
    fails(tb, 'POST', 'push', 422, 'GIT_REMOTE_REJECTED', path=p.copy, remote='seed')


# ---- reset and restore ----

def reset_modes(tb):
    p = place(tb, 'reset')
    start = p.head()
    write(p.copy, 'a.txt', 'two')
    git(p.copy, 'commit', '-qam', 'two')
    post(tb, 'reset', p.copy, mode='soft', target='HEAD~1')
    assert p.head() == start and files_of(get(tb, 'status', p.copy)) == {'a.txt': ('Modified', 'Unmodified')}
    post(tb, 'reset', p.copy)
    assert files_of(get(tb, 'status', p.copy)) == {'a.txt': ('Unmodified', 'Modified')}
    post(tb, 'reset', p.copy, mode='hard')
    assert read(p.copy, 'a.txt') == 'one\n'
    write(p.copy, 'a.txt', 'x')
    write(p.copy, 'src/b.txt', 'x')
    post(tb, 'add', p.copy, files=['.'])
    post(tb, 'reset', p.copy, files=['a.txt'])
    assert files_of(get(tb, 'status', p.copy)) == {'a.txt': ('Unmodified', 'Modified'), 'src/b.txt': ('Modified', 'Unmodified')}
    git(p.copy, 'commit', '-qm', 'b')
    fails(tb, 'POST', 'reset', 400, 'BAD_REQUEST', path=p.copy, mode='wild')
    fails(tb, 'POST', 'reset', 400, 'BAD_REQUEST', path=p.copy, mode='hard', files=['a.txt'])
    fails(tb, 'POST', 'reset', 400, 'BAD_REQUEST', path=p.copy, target='--hard')
    for target in ('nosuch', 'HEAD:a.txt', 'v9..v8'):
        fails(tb, 'POST', 'reset', 404, 'GIT_BRANCH_NOT_FOUND', path=p.copy, target=target)
    write(p.copy, 'src/b.txt', 'local')
    for mode in ('keep', 'merge'):
        fails(tb, 'POST', 'reset', 409, 'GIT_DIRTY_WORKTREE', path=p.copy, mode=mode, target='HEAD~1')
    assert read(p.copy, 'src/b.txt') == 'local'


def restore_of_index_and_files(tb):
    p = place(tb, 'restore')
    write(p.copy, 'a.txt', 'x')
    post(tb, 'add', p.copy, files=['a.txt'])
    post(tb, 'restore', p.copy, files=['a.txt'], staged=True)
    assert files_of(get(tb, 'status', p.copy)) == {'a.txt': ('Unmodified', 'Modified')}
    post(tb, 'restore', p.copy, files=['a.txt'])
    assert read(p.copy, 'a.txt') == 'one\n'
    git(p.copy, 'fetch', '-q', 'origin', 'feature:feature')
    post(tb, 'restore', p.copy, files=['f.txt'], source='feature', staged=True, worktree=True)
    assert files_of(get(tb, 'status', p.copy)) == {'f.txt': ('Added', 'Unmodified')}
    fails(tb, 'POST', 'restore', 400, 'BAD_REQUEST', path=p.copy, files=['a.txt'], staged=False, worktree=False)
    fails(tb, 'POST', 'restore', 400, 'BAD_REQUEST', path=p.copy, files=['nosuch'])
    fails(tb, 'POST', 'restore', 400, 'INVALID_REQUEST_BODY', path=p.copy, files=[])
    fails(tb, 'POST', 'restore', 400, 'INVALID_REQUEST_BODY', path=p.copy, files=['a.txt'], staged='yes')
    fails(tb, 'POST', 'restore', 404, 'GIT_BRANCH_NOT_FOUND', path=p.copy, files=['a.txt'], source='nosuch')


# ---- init, remotes, settings ----

def init_makes_repositories(tb):
    p = place(tb, 'init')
    post(tb, 'init', p.dir + '/bare', 201, bare=True)
    assert git(p.dir + '/bare', 'rev-parse', '--is-bare-repository') == 'true'
    write(p.dir, 'full/file', '')
    post(tb, 'init', p.dir + '/full', 201, initial_branch='größe')
    assert get(tb, 'branches', p.dir + '/full')['current'] == 'größe'
    for there in (p.copy, p.bare, p.dir + '/full'):
        fails(tb, 'POST', 'init', 409, 'CONFLICT', path=there)
    fails(tb, 'POST', 'init', 400, 'BAD_REQUEST', path=p.dir + '/i', initial_branch='a b')
    fails(tb, 'POST', 'init', 400, 'INVALID_REQUEST_BODY')
    fails(tb, 'POST', 'add', 400, 'BAD_REQUEST', path=p.bare, files=['.'])


def remotes_are_added_replaced_and_listed(tb):
    p = place(tb, 'remotes')
    post(tb, 'remotes', p.copy, 201, name='up', url='https://example.com/x.git')
    fails(tb, 'POST', 'remotes', 409, 'CONFLICT', path=p.copy, name='up', url='https://example.com/y.git')
    post(tb, 'remotes', p.copy, 201, name='up', url=f"https://u:{urllib.parse.quote(PASSWORD, '')}@example.com/\"z\\.git", overwrite=True)
    names = {r['name']: r['url'] for r in get(tb, 'remotes', p.copy)['remotes']}
    assert names == {'origin': p.bare, 'up': 'https://example.com/"z\\.git'}, names
    for bad in ('a b', '-x', 'a..b'):
        fails(tb, 'POST', 'remotes', 400, 'BAD_REQUEST', path=p.copy, name=bad, url='u')
    fails(tb, 'POST', 'remotes', 404, 'GIT_REPO_NOT_FOUND', path=p.copy, name='gone', url=p.dir + '/gone', fetch=True)
    post(tb, 'init', p.dir + '/none', 201)
    assert get(tb, 'remotes', p.dir + '/none') == {'remotes': []}


def settings_have_scopes(tb):
    p = place(tb, 'config')
    assert api(tb, 'GET', 'config', key='x.y') == {'value': None}
    api(tb, 'POST', 'config', key='x.y', value='-global\nÄ')
    assert api(tb, 'GET', 'config', key='x.y') == {'value': '-global\nÄ'}
    api(tb, 'POST', 'config', key='x.y', value='local', scope='local', path=p.copy)
    assert api(tb, 'GET', 'config', key='x.y', scope='local', path=p.copy) == {'value': 'local'}
    assert api(tb, 'GET', 'config', key='x.y', scope='global') == {'value': '-global\nÄ'}
    api(tb, 'POST', 'config/user', name='Bob', email='bob@example.com')
    api(tb, 'POST', 'config/user', name='Local', email='local@example.com', scope='local', path=p.copy)
    assert api(tb, 'GET', 'config', key='user.name') == {'value': 'Bob'}
    assert api(tb, 'GET', 'config', key='user.email', scope='local', path=p.copy) == {'value': 'local@example.com'}
    fails(tb, 'GET', 'config', 400, 'BAD_REQUEST')
    for key in ('nodot', 'a.b c', '-l'):
        fails(tb, 'GET', 'config', 400, 'BAD_REQUEST', key=key)
        fails(tb, 'POST', 'config', 400, 'BAD_REQUEST', key=key, value='v')
    fails(tb, 'POST', 'config', 400, 'BAD_REQUEST', key='x.y', value='v', scope='galactic')
    fails(tb, 'POST', 'config', 400, 'BAD_REQUEST', key='x.y', value='v', scope='local')
    fails(tb, 'GET', 'config', 404, 'GIT_REPO_NOT_FOUND', key='x.y', scope='local', path=p.dir)
    fails(tb, 'POST', 'config/user', 400, 'INVALID_REQUEST_BODY', name='x')


def stored_credentials_are_used(tb):
    p = place(tb, 'stored', clones=False)
    with served(p) as (server, url):
        host = url('').split('/')[2]
        for bad in ({'username': 'a\nb'}, {'password': 'a\rb'}, {'host': 'a\nb'}):
            fails(tb, 'POST', 'credentials', 400, 'BAD_REQUEST', **{'username': 'u', 'password': 'p', **bad})
        fails(tb, 'POST', 'credentials', 400, 'INVALID_REQUEST_BODY', username='u')
        for _ in range(2):
            assert api(tb, 'POST', 'credentials', username=USER, password=PASSWORD, host=host, protocol='http') is None
        assert tb.execute('git config --global --get-all credential.helper')[1]['result'] == 'store\n'
        post(tb, 'clone', p.copy, url=url('auth'))
        # Those of the request come first, and alone.
        fails(tb, 'POST', 'clone', 401, 'GIT_AUTH_FAILED', url=url('auth'), path=p.dir + '/x', username=USER, password='wrong')


def many_calls_at_once(tb):
    p = place(tb, 'many')
    problems = []

    def work(n):
        try:
            post(tb, 'clone', f'{p.dir}/m{n}', url=p.bare)
            commit(tb, f'{p.dir}/m{n}')
            get(tb, 'status', f'{p.dir}/m{n}')
        except Exception as error:
            problems.append(error)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not problems, problems


TESTS = [value for name, value in list(globals().items())
         if callable(value) and getattr(value, '__code__', None) and value.__code__.co_varnames[:1] == ('tb',)
         and value.__code__.co_argcount == 1]


def main():
    toolbox = Toolbox(sys.argv[1])
    tests = [t for t in TESTS if not sys.argv[2:] or t.__name__ in sys.argv[2:]]
    failed = 0
    print(f'1..{len(tests) + 1}')
    for number, test in enumerate(tests, 1):
        try:
            test(toolbox)
            print(f'ok {number} {test.__name__}', flush=True)
        except Exception:
            failed += 1
            print(f'not ok {number} {test.__name__}')
            print('\n'.join('# ' + line for line in traceback.format_exc().splitlines()), flush=True)
    status = toolbox.close()
    print(f"{'ok' if status == 0 else 'not ok'} {len(tests) + 1} the toolbox ends in order, with nothing leaked")
    return 1 if failed or status else 0


if __name__ == '__main__':
    sys.exit(main())
