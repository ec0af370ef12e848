# SPDX-License-Identifier: Apache-2.0
"""The runner's own tests: what it reads from test programs, and how it judges their end."""

import os
import subprocess
import sys
import tempfile
import time

import runner
import tap


def counts(text):
    result = tap.parse(text)
    return len(result.passed), len(result.failed), len(result.skipped), result.problem


def plan_and_points_are_counted():
    assert counts("1..2\nok 1 - a\nnot ok 2 - b\n") == (1, 1, 0, None)


def several_plans_add_up():
    assert counts("1..1\nok 1 - a\n1..2\nok 1 - b\nok 2 - c\n") == (3, 0, 0, None)


def missing_points_are_a_problem():
    assert counts("1..3\nok 1 - a\n")[3] == "3 tests planned, 1 reported"


def missing_plan_is_a_problem():
    assert counts("ok 1 - a\n")[3] == "no plan line in the output"


def bail_out_is_a_problem():
    assert counts("1..1\nok 1\nBail out! no server\n")[3] == "Bail out! no server"


def cmocka_skip_takes_its_reason_from_the_comment():
    for comment in ("# needs ../shared", "skipped: needs ../shared", "# skip: needs ../shared"):
        result = tap.parse(f"1..1\n{comment}\nnot ok 1 # SKIP reads_a_file\n")
        assert [p.skip_reason for p in result.skipped] == ["needs ../shared"]
        assert not result.failed


def skip_with_name_and_reason():
    result = tap.parse("1..1\nok 1 - reads # SKIP no file\n")
    assert (result.skipped[0].name, result.skipped[0].skip_reason) == ("reads", "no file")


def whole_program_skip_counts_once():
    result = tap.parse("1..0 # SKIP no bubblewrap\n")
    assert [p.skip_reason for p in result.skipped] == ["no bubblewrap"] and result.problem is None


def output_between_points_is_ignored():
    assert counts("1..1\nhello ok 3\n  ok indented\nok 1 - a\n") == (1, 0, 0, None)


class Options:
    timeout_factor = 1.0
    interop_cache = ""


def program(script, protocol="tap", timeout=30):
    return runner.Program("/", {"name": "sample", "suite": ["p", "p:unit"], "workdir": "/",
                                "cmd": [sys.executable, "-c", script], "env": {},
                                "protocol": protocol, "timeout": timeout})


def outcome(script, **more):
    return runner.run_program(program(script, **more), ["unit"], dict(os.environ), Options)


def good_program_passes():
    assert outcome("print('1..1\\nok 1 - a')").count() == (1, 0, 0)


def dying_after_good_points_is_a_failure():
    done = outcome("import os,sys; print('1..1\\nok 1 - a'); sys.stdout.flush(); os.abort()")
    assert done.count() == (1, 1, 0) and done.problem == "killed by signal 6"


def exit_status_of_failing_points_counts_once():
    assert outcome("import sys; print('1..1\\nnot ok 1 - a'); sys.exit(1)").count() == (0, 1, 0)


def sanitizer_report_of_a_child_is_a_failure():
    script = ("import os; path = os.environ['ASAN_OPTIONS'].rpartition('log_path=')[2]\n"
              "open(path + '.7', 'w').write('ERROR: LeakSanitizer')\nprint('1..1\\nok 1 - a')")
    assert outcome(script).problem == "sanitizer report"


def left_processes_are_ended_and_a_failure():
    with tempfile.NamedTemporaryFile() as note:
        script = ("import subprocess; c = subprocess.Popen(['sleep', '300'], start_new_session=True)\n"
                  f"open({note.name!r}, 'w').write(str(c.pid)); print('1..1\\nok 1 - a')")
        done = outcome(script)
        assert done.problem == "left processes behind", done.problem
        pid = int(open(note.name, encoding="ascii").read())
        assert not os.path.exists(f"/proc/{pid}")


def limit_ends_the_program():
    begin = time.monotonic()
    here = os.path.dirname(os.path.abspath(__file__))
    done = subprocess.run([sys.executable, os.path.join(here, "reaper.py"), "0.3", "sleep", "300"], check=False)
    assert done.returncode == runner.EXIT_LIMIT and time.monotonic() - begin < 30


def plain_programs_are_one_point():
    assert outcome("", protocol="exitcode").count() == (1, 0, 0)
    assert outcome("import sys; sys.exit(3)", protocol="exitcode").count() == (0, 1, 0)


def exit_77_is_a_skip_with_its_last_line_as_reason():
    done = outcome("import sys; print('no tool'); sys.exit(77)", protocol="exitcode")
    assert done.points[0].skip_reason == "no tool"


def daytona_and_proxy_variables_are_not_inherited():
    os.environ.update(DAYTONA_API_KEY="x", https_proxy="y", HTTP_PROXY="z")
    original, runner.server_binary = runner.server_binary, lambda build: None
    try:
        env = runner.clean_environment("/", Options)
    finally:
        runner.server_binary = original
    assert not [key for key in env if key in ("DAYTONA_API_KEY", "https_proxy", "HTTP_PROXY")]


TESTS = [value for name, value in list(globals().items())
         if callable(value) and getattr(value, "__module__", "") == __name__
         and name not in ("counts", "program", "outcome", "Options")]


if __name__ == "__main__":
    sys.exit(tap.run_all(TESTS))
