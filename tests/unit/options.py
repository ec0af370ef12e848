"""Write the calls of options.c: one for every public function that takes a struct with reserved words."""

import sys
from pathlib import Path

import calls
import declarations

# Streams, which a plain answer refuses; their own tests see to the reserved words.
STREAMS = {"daytona_interpreter_run_code", "daytona_pty_connect", "daytona_pty_create",
           "daytona_session_follow"}

# Functions of another shape than "returns a future", tested by hand in options.c.
BY_HAND = {"daytona_client_new", "daytona_config_check", "daytona_promise_new", "daytona_sandbox_iter_new"}

# Transfers, whose answers are not JSON; options.c tests their reserved words apart.
TRANSFER = "daytona_transfer_opts_t"


def main(out, depfile):
    text = calls.headers_text()
    reserved = dict(calls.structs_with_reserved(text))
    used, lines = set(), []
    for _, name, kinds in calls.functions(text):
        option = [kind for kind in kinds if kind[6:].rstrip(" *") in reserved]
        if not option:
            continue
        assert len(option) == 1 and kinds[-1] == option[0] or name in BY_HAND, f"{name}: unknown shape"
        kind = option[0][6:].rstrip(" *")
        used.add(kind)
        if name in BY_HAND or name in STREAMS or kind == TRANSFER:
            continue
        lines.append(f"CASE({name}, {kind}, ({calls.LEAST.get(kind, '0')}), ({calls.arguments(name, kinds)}), "
                     f"{reserved[kind]})")
    assert used == set(reserved), f"taken by no function: {set(reserved) - used}"
    assert len(lines) >= 20, "the declarations were not understood"
    Path(out).write_text("\n".join(lines) + "\n")
    sources = [*declarations.headers(), Path(declarations.__file__), Path(calls.__file__)]
    Path(depfile).write_text(f"{Path(out).name}: {' '.join(map(str, sources))}\n")


main(*sys.argv[1:])
