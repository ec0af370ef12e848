"""Write the calls of options.c: one for every public function that takes a struct with reserved words."""

import re
import sys
from pathlib import Path

import declarations
from declarations import headers, without_comments

# What a call passes for its other parameters, by type.
ARGUMENTS = {
    "daytona_client_t *": "client",
    "daytona_sandbox_t *": "sandbox",
    "const char *": '"x"',
    "int": "80",
    "int64_t": "5",
    "const daytona_map_t *": "NULL",
    "const daytona_strings_t *": "&one_name",
}

# Parameters that not any value will do for, by function and position.
PARTICULAR = {("daytona_fs_create_folder", 2): '"755"'}

# Structs of which all zero is refused, and why: the least that a call needs.
LEAST = {"daytona_sandbox_resize_opts_t": ".cpu = {true, 2}", "daytona_fs_set_file_permissions_opts_t": ".mode = \"755\""}

# Streams, which a plain answer refuses; their own tests see to the reserved words.
STREAMS = {"daytona_interpreter_run_code", "daytona_pty_connect", "daytona_pty_create",
           "daytona_session_follow"}

# Functions of another shape than "returns a future", tested by hand in options.c.
BY_HAND = {"daytona_client_new", "daytona_config_check", "daytona_promise_new", "daytona_sandbox_iter_new"}

# Transfers, whose answers are not JSON; options.c tests their reserved words apart.
TRANSFER = "daytona_transfer_opts_t"


def structs(text):
    for body, name in re.findall(r"typedef struct \w+ \{(.*?)\n\} (\w+);", text, flags=re.S):
        words = re.search(r"uint64_t reserved\[(\d+)\]", body)
        if words:
            yield name, int(words.group(1))


def parameters(text):
    for parameter in text.split(","):
        kind = re.match(r"\s*(.*?)(\w+)\s*$", parameter.strip(), flags=re.S)
        yield re.sub(r"\s+", " ", kind.group(1)).strip()


def main(out, depfile):
    text = "\n".join(without_comments(header.read_text()) for header in headers())
    reserved = dict(structs(text))
    used, lines = set(), []
    for result, name, raw in re.findall(r"DAYTONA_API\s+([\w\s]+?\*?)\s*(daytona_\w+)\(([^)]*)\)\s*;", text):
        kinds = list(parameters(raw))
        option = [kind for kind in kinds if kind[6:].rstrip(" *") in reserved]
        if not option:
            continue
        assert len(option) == 1 and kinds[-1] == option[0] or name in BY_HAND, f"{name}: unknown shape"
        kind = option[0][6:].rstrip(" *")
        used.add(kind)
        if name in BY_HAND or name in STREAMS or kind == TRANSFER:
            continue
        arguments = ", ".join(PARTICULAR.get((name, i)) or ARGUMENTS[kind] for i, kind in enumerate(kinds[:-1]))
        lines.append(f"CASE({name}, {kind}, ({LEAST.get(kind, '0')}), ({arguments}), {reserved[kind]})")
    assert used == set(reserved), f"taken by no function: {set(reserved) - used}"
    assert len(lines) >= 20, "the declarations were not understood"
    Path(out).write_text("\n".join(lines) + "\n")
    sources = [*headers(), Path(declarations.__file__)]
    Path(depfile).write_text(f"{Path(out).name}: {' '.join(map(str, sources))}\n")


main(*sys.argv[1:])
