# SPDX-License-Identifier: Apache-2.0
"""Write the calls of options.c: one for every public function that takes a struct with reserved words, and one for every
such struct inside of another or in an array."""

import re
import sys
from pathlib import Path

import calls
import declarations

# Streams, which a plain answer refuses, and a call with an image; their own tests see to the reserved words.
STREAMS = {"daytona_interpreter_run_code", "daytona_pty_connect", "daytona_pty_create",
           "daytona_session_follow", "daytona_session_follow_entrypoint", "daytona_snapshot_process_image_context"}

# Functions of another shape than "returns a future", tested by hand in options.c.
BY_HAND = {"daytona_client_new", "daytona_config_check", "daytona_promise_new", "daytona_sandbox_iter_new",
           "daytona_secret_iter_new", "daytona_snapshot_iter_new"}

# Pointed at by the configuration; telemetry_config.c tests its reserved words.
OF_CONFIGURATION = {"daytona_telemetry_opts_t"}

# What the library fills in.
OUTPUTS = {"daytona_client_stats_t"}

# What builds an object and asks nobody, by its result. The reserved words are tested with the object, in image.c.
BUILDERS = ("daytona_image_t",)

# Transfers, whose answers are not JSON; options.c tests their reserved words apart.
TRANSFER = "daytona_transfer_opts_t"


def bodies(text):
    return {name: body for body, name in re.findall(r"typedef struct \w+ \{(.*?)\n\} (\w+);", text, flags=re.S)}


def inner(body, reserved):
    """(kind, struct, member) of what a struct holds that has reserved words itself: by value, or as an array."""
    for kind, member in re.findall(r"^\s*(daytona_\w+_t) (\w+);", body, flags=re.M):
        if kind in reserved:
            yield "NESTED", kind, member
    for kind, member in re.findall(r"const (daytona_\w+_t) \*(\w+);", body):
        if kind in reserved:
            yield "ITEM", kind, member


def inner_cases(text, reserved):
    """Cases for reserved words inside of options and of items, and the structs that they are about."""
    structs = bodies(text)
    for name, kinds in calls.calls(text):
        arguments = calls.arguments(name, kinds)
        for kind in kinds:  # an array of items, one of which the call is given
            item = re.fullmatch(r"const (daytona_\w+_t) \*", kind)
            if item and item.group(1) in reserved and item.group(1) != calls.options_of(kinds):
                given = re.sub(re.escape(calls.ARGUMENTS[kind]), "&item", arguments)
                yield item.group(1), f"PARAMETER({name}, {item.group(1)}, ({given}))"
        options = calls.options_of(kinds)
        for how, kind, member in inner(structs.get(options, ""), reserved):
            count = re.search(rf"\*{member};[^\n]*\n\s*size_t (\w+);", structs[options])
            extra = f", {count.group(1)}" if how == "ITEM" else ""
            yield kind, f"{how}({name}, {options}, ({arguments}), {kind}, {member}{extra})"


def main(out, depfile):
    text = calls.headers_text()
    reserved = {name: words for name, words in calls.structs_with_reserved(text) if name not in OUTPUTS}
    used, lines = set(), []
    inside = set(OF_CONFIGURATION)
    for kind, line in inner_cases(text, reserved):
        inside.add(kind)
        lines.append(line)
    for result, name, kinds in calls.functions(text):
        option = [kind for kind in kinds if kind[6:].rstrip(" *") in set(reserved) - inside]
        if not option:
            continue
        assert len(option) == 1 and kinds[-1] == option[0] or name in BY_HAND, f"{name}: unknown shape"
        kind = option[0][6:].rstrip(" *")
        used.add(kind)
        if name in BY_HAND or name in STREAMS or kind == TRANSFER or result.startswith(BUILDERS):
            continue
        lines.append(f"CASE({name}, {kind}, ({calls.LEAST.get(kind, '0')}), ({calls.arguments(name, kinds)}), "
                     f"{reserved[kind]})")
    assert used | inside == set(reserved), f"taken by no function: {set(reserved) - used - inside}"
    assert len(lines) >= 20, "the declarations were not understood"
    Path(out).write_text("\n".join(lines) + "\n")
    sources = [*declarations.headers(), Path(declarations.__file__), Path(calls.__file__)]
    Path(depfile).write_text(f"{Path(out).name}: {' '.join(map(str, sources))}\n")


main(*sys.argv[1:])
