# SPDX-License-Identifier: Apache-2.0
"""Runs the Meson tests of one or more build directories and sums up their test points.

    runner.py [options] BUILD SUITE[,SUITE...] [BUILD SUITES]...

Every program runs under reaper.py in a fresh temporary directory and a cleaned environment.
Programs of the suites bench and fault, whose results depend on time, and those that Meson knows
as not parallel run alone. A program counts as one failure more than its points say when it died,
ran into its limit, left processes behind, or any process under it wrote a sanitizer report.
"""

import argparse
import concurrent.futures
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import tap

HERE = os.path.dirname(os.path.abspath(__file__))
TIMED_SUITES = {"bench", "fault"}
MAX_OUTPUT_LINES = 250
SHORTEST_LIMIT = 60
EXIT_SKIP = 77
EXIT_LIMIT = 124
EXIT_LEFT_BEHIND = 125


class Program:
    """One test program as Meson describes it."""

    def __init__(self, build, entry):
        self.build = build
        # Suites come as "project" and "project:suite"; a subproject's names are prefixed alike.
        self.suites = {suite.rpartition(":")[2] for suite in entry["suite"]}
        self.name = entry["name"]
        self.command = entry["cmd"]
        self.env = entry.get("env") or {}
        self.workdir = entry.get("workdir") or build
        self.protocol = entry.get("protocol", "exitcode")
        # `meson test` of Meson 1.0 takes cmocka's "not ok N # SKIP" for a failure, so for it the exit status of
        # these programs counts; here their points do.
        if self.env.get("CMOCKA_MESSAGE_OUTPUT", "").lower() == "tap":
            self.protocol = "tap"
        self.limit = entry.get("timeout", 30)
        self.is_alone = not entry.get("is_parallel", True) or bool(self.suites & TIMED_SUITES)

    def label(self, wanted):
        suite = next((s for s in (w.partition("/")[0] for w in wanted) if s in self.suites), "?")
        return f"{suite}/{self.name}"


class Outcome:
    """What became of one program."""

    def __init__(self, label, points, problem, output, seconds):
        self.label = label
        self.points = points
        self.problem = problem
        self.output = output
        self.seconds = seconds

    @property
    def failed_names(self):
        names = [p.name for p in self.points if not p.passed and p.skip_reason is None]
        return names + ([self.problem] if self.problem else [])

    def count(self):
        skipped = sum(1 for p in self.points if p.skip_reason is not None)
        passed = sum(1 for p in self.points if p.passed and p.skip_reason is None)
        return passed, len(self.failed_names), skipped


def introspect(build, what):
    text = subprocess.run(["meson", "introspect", build, what], check=True, stdout=subprocess.PIPE,
                          text=True).stdout
    return json.loads(text)


def server_binary(build):
    """The daytona-local of this build, or None."""
    for target in introspect(build, "--targets"):
        if target["name"] == "daytona-local" and target["type"] == "executable":
            return target["filename"][0]
    return None


def clean_environment(build, options):
    """The environment of every test: nothing inherited that would change what a client does."""
    env = {key: value for key, value in os.environ.items()
           if not key.upper().startswith("DAYTONA_") and not key.upper().endswith("_PROXY")
           and not key.startswith("OTEL_")}
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    env["MESON_BUILD_ROOT"] = os.path.abspath(build)
    env["DAYTONA_INTEROP_CACHE"] = options.interop_cache
    if os.path.exists(os.path.join(options.interop_cache, "matplotlib.stamp")):
        env["DL_TEST_MATPLOTLIB_BIN"] = os.path.join(options.interop_cache, "matplotlib", "bin")
    if os.path.exists(os.path.join(options.interop_cache, "python.stamp")):
        # It has what the official SDK is made of.
        env["DAYTONA_TEST_PYTHON"] = os.path.join(options.interop_cache, "python", "bin", "python")
    binary = server_binary(build)
    if binary:
        env["DAYTONA_LOCAL"] = binary
    return env


def sanitizer_environment(env, reports):
    """Reports go to files: so none is lost with a server whose output nobody reads."""
    log = os.path.join(reports, "report")
    env["ASAN_OPTIONS"] = f"detect_leaks=1:abort_on_error=0:strict_string_checks=1:log_path={log}"
    env["UBSAN_OPTIONS"] = f"halt_on_error=1:print_stacktrace=1:log_path={log}"
    env["LSAN_OPTIONS"] = "print_suppressions=0"


def read_reports(reports):
    texts = []
    for name in sorted(os.listdir(reports)):
        with open(os.path.join(reports, name), encoding="utf-8", errors="replace") as report:
            texts.append(report.read())
    return "\n".join(text for text in texts if text.strip())


def how_it_ended(code, limit):
    if code == EXIT_LIMIT:
        return f"not finished after {limit:g} s"
    if code == EXIT_LEFT_BEHIND:
        return "left processes behind"
    if code > 128:
        return f"killed by signal {code - 128}"
    return f"exit status {code}"


def judge(program, code, text, reports, limit):
    """Points and, apart from them, the problem of the program as a whole."""
    if program.protocol == "tap":
        result = tap.parse(text)
        points, problem = result.points, result.problem
        if code == 0 and not points and problem is None:
            problem = "no tests in it"
        # A failing point explains an ordinary exit status, never a signal or the limit.
        expected = bool(result.failed) and code < EXIT_LIMIT
    else:
        points, problem, expected = [], None, False
        if code == EXIT_SKIP:
            lines = [line for line in text.splitlines() if line.strip()]
            return [tap.Point(program.name, True, lines[-1] if lines else "no reason given")], None
        if code == 0:
            points = [tap.Point(program.name, True)]
    if code != 0 and not expected:
        problem = how_it_ended(code, limit)
    if reports:
        problem = "sanitizer report"
    return points, problem


def run_program(program, wanted, env, options):
    label = program.label(wanted)
    limit = max(program.limit, SHORTEST_LIMIT) * options.timeout_factor
    # Short, for Unix sockets are made in it; passable, for sandboxes run as other users.
    # Not /tmp: where that is in memory, what tests write would count as memory of their sandboxes.
    scratch = tempfile.mkdtemp(prefix="dt-", dir="/var/tmp")
    os.chmod(scratch, 0o711)
    reports = os.path.join(scratch, "reports")
    os.mkdir(reports)
    os.chmod(reports, 0o1777)
    own_env = dict(env, **program.env)
    own_env["TMPDIR"] = os.path.join(scratch, "tmp")
    os.mkdir(own_env["TMPDIR"])
    os.chmod(own_env["TMPDIR"], 0o711)
    sanitizer_environment(own_env, reports)
    command = [sys.executable, "-I", "-S", os.path.join(HERE, "reaper.py"), str(limit)] + program.command
    begin = time.monotonic()
    try:
        done = subprocess.run(command, cwd=program.workdir, env=own_env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        seconds = time.monotonic() - begin
        text = done.stdout.decode("utf-8", "replace")
        report_text = read_reports(reports)
        points, problem = judge(program, done.returncode, text, report_text, limit)
        output = text + done.stderr.decode("utf-8", "replace") + report_text
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return Outcome(label, points, problem, output, seconds)


class Report:
    """Prints outcomes as they come, and the sums at the end."""

    def __init__(self):
        self.outcomes = []
        self.lock = threading.Lock()

    def add(self, outcome):
        with self.lock:
            self.outcomes.append(outcome)
            passed, failed, skipped = outcome.count()
            verdict = "FAIL" if failed else ("skip" if skipped and not passed else "ok  ")
            parts = [f"{passed} passed"] if passed else []
            parts += [f"{failed} failed"] if failed else []
            parts += [f"{skipped} skipped"] if skipped else []
            print(f"{verdict} {outcome.label}: {', '.join(parts)} ({outcome.seconds:.1f} s)")
            for line in outcome.output.splitlines():
                if line.startswith("bench "):
                    print(line)
            if failed:
                self.print_failure(outcome)
            sys.stdout.flush()

    @staticmethod
    def print_failure(outcome):
        for name in outcome.failed_names:
            print(f"     failed: {name}")
        lines = outcome.output.splitlines()
        if len(lines) > MAX_OUTPUT_LINES:
            print(f"     | ... {len(lines) - MAX_OUTPUT_LINES} lines before")
            lines = lines[-MAX_OUTPUT_LINES:]
        for line in lines:
            print(f"     | {line}")

    def finish(self):
        reasons = {}
        passed = failed = skipped = 0
        for outcome in self.outcomes:
            p, f, s = outcome.count()
            passed, failed, skipped = passed + p, failed + f, skipped + s
            for point in outcome.points:
                if point.skip_reason is not None:
                    reasons.setdefault((outcome.label, point.skip_reason), []).append(point.name)
        if reasons:
            print("\nSkipped:")
            for (label, reason), names in sorted(reasons.items()):
                print(f"  {label}: {len(names)} x {reason}")
        if failed:
            print("\nFailed:")
            for outcome in self.outcomes:
                for name in outcome.failed_names:
                    print(f"  {outcome.label}: {name}")
        if passed + failed == 0:
            print("no test was run")
        print(f"{passed} passed, {failed} failed, {skipped} skipped")
        return 0 if failed == 0 and passed > 0 else 1


def collect(build, wanted, only):
    """The programs of the wanted suites, in the order in which the suites were named.

    A suite may be followed by a slash and the beginning of the names that are wanted of it."""
    prefixes = dict(entry.partition("/")[::2] for entry in wanted)
    order = list(prefixes)
    programs = [Program(build, entry) for entry in introspect(build, "--tests")]
    programs = [p for p in programs if only in p.name and
                any(s in prefixes and p.name.startswith(prefixes[s]) for s in p.suites)]
    return sorted(programs, key=lambda p: min(order.index(s) for s in p.suites if s in prefixes))


def run_build(build, wanted, options, report):
    env = clean_environment(build, options)
    programs = collect(build, wanted, options.only)
    together = [p for p in programs if not p.is_alone]
    with concurrent.futures.ThreadPoolExecutor(max_workers=options.jobs) as pool:
        running = [pool.submit(run_program, p, wanted, env, options) for p in together]
        for done in concurrent.futures.as_completed(running):
            report.add(done.result())
    for program in programs:
        if program.is_alone:
            report.add(run_program(program, wanted, env, options))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="")
    parser.add_argument("--timeout-factor", type=float, default=1.0)
    parser.add_argument("--interop-cache", default="")
    parser.add_argument("builds", nargs="+", metavar="BUILD SUITES")
    options = parser.parse_args()
    if len(options.builds) % 2:
        parser.error("build directories and suites come in pairs")
    report = Report()
    for build, suites in zip(options.builds[::2], options.builds[1::2]):
        run_build(build, suites.split(","), options, report)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
