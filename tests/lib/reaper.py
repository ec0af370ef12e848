# SPDX-License-Identifier: Apache-2.0
"""Runs one command and leaves no process of it behind: reaper.py LIMIT_SECONDS COMMAND...

It is a child subreaper, so whatever the command starts, daemons included, stays its descendant.
When the command has ended, or the limit has passed, the rest gets a moment to end by itself and
is killed after that. Only descendants are ever signalled. Exit codes: the command's own, 128 + N
for signal N, 124 for the limit, 125 when the command ended but left processes behind.
"""

import ctypes
import os
import signal
import sys
import time

PR_SET_CHILD_SUBREAPER = 36
GRACE_SECONDS = 3.0


def parents():
    """pid -> (parent, state, command) of every process we can see."""
    table = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as stat:
                text = stat.read()
        except OSError:
            continue
        command = text[text.index("(") + 1:text.rindex(")")]
        fields = text[text.rindex(")") + 2:].split()
        table[int(name)] = (int(fields[1]), fields[0], command)
    return table


def descendants():
    """Living descendants of this process, zombies left out."""
    table = parents()
    found, queue = [], [os.getpid()]
    while queue:
        parent = queue.pop()
        for pid, (ppid, state, command) in table.items():
            if ppid == parent:
                queue.append(pid)
                if state not in "ZX":
                    found.append((pid, command))
    return found


def reap():
    """Collects every child that has ended; returns {pid: status}."""
    ended = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended[pid] = status


def end_descendants(grace):
    """Waits `grace` seconds for the descendants, kills the rest; returns what had to be killed."""
    deadline = time.monotonic() + grace
    left = descendants()
    while left and time.monotonic() < deadline:
        time.sleep(0.02)
        reap()
        left = descendants()
    killed = left
    while left:
        for pid, _ in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.02)
        reap()
        left = descendants()
    return killed


def wait_for(child, limit):
    """The wait status of `child`, or None when the limit passed first."""
    deadline = time.monotonic() + limit
    pause = 0.002
    while time.monotonic() < deadline:
        ended = reap()
        if child in ended:
            return ended[child]
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
    return None


def main(argv):
    limit, command = float(argv[1]), argv[2:]
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        print("# reaper: no child subreaper on this system", flush=True)
    child = os.fork()
    if child == 0:
        os.setsid()
        try:
            os.execvp(command[0], command)
        except OSError as error:
            os.write(2, f"{command[0]}: {error.strerror}\n".encode())
            os._exit(127)
    status = wait_for(child, limit)
    killed = end_descendants(0 if status is None else GRACE_SECONDS)
    if status is None:
        return 124
    if killed:
        print("# left behind: " + ", ".join(f"{name} ({pid})" for pid, name in killed), flush=True)
    if os.WIFSIGNALED(status):
        return 128 + os.WTERMSIG(status)
    code = os.WEXITSTATUS(status)
    return 125 if killed and code == 0 else code


if __name__ == "__main__":
    sys.exit(main(sys.argv))
