# SPDX-License-Identifier: Apache-2.0
"""A new call cannot be left out of the tests that make all of them: it is generated, or the build stops."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import tap  # noqa: E402

import calls  # noqa: E402


def new_call(parameters, result="daytona_future_t *"):
    return f"DAYTONA_API {result}daytona_thing_get({parameters});"


def a_new_call_is_made():
    text = new_call("daytona_sandbox_t *sandbox, const char *name, const daytona_call_opts_t *opts")
    assert list(calls.lines(text)) == ['CALL(daytona_thing_get, daytona_thing_get, (sandbox, "x", NULL))']


def a_call_with_an_unknown_parameter_stops_the_build():
    try:
        list(calls.lines(new_call("daytona_sandbox_t *sandbox, const daytona_thing_t *thing")))
    except AssertionError as error:
        assert "daytona_thing_get" in str(error)
    else:
        raise AssertionError("it was accepted")


def what_is_no_future_is_no_call():
    assert list(calls.lines(new_call("const daytona_thing_t *thing", result="const char *"))) == []


def calls_that_are_left_out_exist():
    names = {name for _, name, _ in calls.functions(calls.headers_text())}
    assert set(calls.NO_CALLS) <= names, set(calls.NO_CALLS) - names
    assert {name for name, _ in [*calls.PARTICULAR, *calls.MORE]} <= names


def main():
    cases = [a_new_call_is_made, a_call_with_an_unknown_parameter_stops_the_build, what_is_no_future_is_no_call,
             calls_that_are_left_out_exist]
    producer = tap.Producer()
    producer.plan(len(cases))
    for body in cases:
        producer.run(body.__name__, body)
    return producer.exit_code()


if __name__ == "__main__":
    sys.exit(main())
