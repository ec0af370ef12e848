# SPDX-License-Identifier: Apache-2.0
"""Reading and writing TAP, the line protocol in which every test program of this project reports.

Reading is lenient where producers differ: cmocka prints one plan per group and starts numbering
again, 1.1.5 says "not ok N # SKIP name" for a skipped test and never gives its reason, which we
then take from the comment before it.
"""

import re
import sys
import traceback

_POINT = re.compile(r"^(not )?ok\b(?:\s+(\d+))?\s*(?:-\s*)?(.*)$")
_PLAN = re.compile(r"^1\.\.(\d+)\s*(?:#\s*(.*))?$")
_SKIP = re.compile(r"#\s*skip(?:ped)?:?\s*(.*)$", re.IGNORECASE)
_TODO = re.compile(r"#\s*todo\b", re.IGNORECASE)


class Point:
    """One test point: its name, whether it passed, and the reason when it was skipped."""

    def __init__(self, name, passed, skip_reason=None):
        self.name = name
        self.passed = passed
        self.skip_reason = skip_reason


class Result:
    """What a whole output says: the points, and what is wrong with the output itself, or None."""

    def __init__(self):
        self.points = []
        self.problem = None

    @property
    def failed(self):
        return [p for p in self.points if not p.passed and p.skip_reason is None]

    @property
    def skipped(self):
        return [p for p in self.points if p.skip_reason is not None]

    @property
    def passed(self):
        return [p for p in self.points if p.passed and p.skip_reason is None]


def _skip_reason(name, rest, last_comment):
    reason = rest.strip()
    if name and reason:
        return name, reason
    return name or reason, last_comment or reason or "no reason given"


def parse(text):
    """The test points in `text`, in order."""
    result = Result()
    planned = None
    last_comment = None
    for line in text.splitlines():
        plan = _PLAN.match(line)
        if plan:
            count, comment = int(plan.group(1)), plan.group(2) or ""
            planned = (planned or 0) + count
            if count == 0 and comment.lower().startswith("skip"):
                result.points.append(Point("", True, re.sub(r"(?i)^skip\S*\s*", "", comment) or "no reason given"))
                planned += 1
            continue
        if line.startswith("Bail out!"):
            result.problem = line
            continue
        point = _POINT.match(line)
        if point:
            description = point.group(3)
            skip = _SKIP.search(description)
            name = (description[:skip.start()] if skip else description).strip()
            if skip:
                name, reason = _skip_reason(name, skip.group(1), last_comment)
                result.points.append(Point(name, True, reason))
            else:
                passed = point.group(1) is None or bool(_TODO.search(description))
                result.points.append(Point(name, passed))
            last_comment = None
        elif line.startswith("#") or line.lower().startswith("skip"):
            last_comment = re.sub(r"(?i)^#?\s*skip(ped)?:\s*", "", line).lstrip("# ").strip()
    if result.problem is None:
        if planned is None:
            result.problem = "no plan line in the output"
        elif planned != len(result.points):
            result.problem = f"{planned} tests planned, {len(result.points)} reported"
    return result


class Skip(Exception):
    """Raised in a test body to skip it; the text is the reason."""


class Producer:
    """Runs named callables one after the other and prints a point for each."""

    def __init__(self, out=sys.stdout):
        self.out = out
        self.count = 0
        self.failures = 0

    def comment(self, text):
        for line in str(text).splitlines() or [""]:
            print("# " + line, file=self.out, flush=True)

    def plan(self, count):
        print(f"1..{count}", file=self.out, flush=True)

    def point(self, name, passed, skip_reason=None):
        self.count += 1
        tail = f" # SKIP {skip_reason}" if skip_reason is not None else ""
        print(f"{'ok' if passed else 'not ok'} {self.count} - {name}{tail}", file=self.out, flush=True)
        if not passed:
            self.failures += 1

    def run(self, name, body):
        try:
            body()
        except Skip as skip:
            self.point(name, True, str(skip))
        except Exception:
            self.comment(traceback.format_exc())
            self.point(name, False)
        else:
            self.point(name, True)

    def exit_code(self):
        return 1 if self.failures else 0


def run_all(tests):
    """A whole program: a plan and a point for each function, named after it; the exit code."""
    producer = Producer()
    producer.plan(len(tests))
    for test in tests:
        producer.run(test.__name__, test)
    return producer.exit_code()
