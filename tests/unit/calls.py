# SPDX-License-Identifier: Apache-2.0
"""Every call of the public headers with arguments that will do; shared by the tests that make all of them.

A call is a public function that returns a future. One whose parameters are not understood is an error, so that a new
call cannot be left out without being seen.
"""

import re
import sys

import declarations

# What a call passes for its parameters, by type.
ARGUMENTS = {
    "daytona_client_t *": "client",
    "daytona_sandbox_t *": "sandbox",
    "daytona_sandbox_iter_t *": "walk_sandboxes(stand)",
    "daytona_secret_iter_t *": "walk_secrets(stand)",
    "daytona_snapshot_iter_t *": "walk_snapshots(stand)",
    "daytona_lsp_t *": "a_server(sandbox)",
    "const char *": '"x"',
    "const void *": '"x"',
    "void *": "NULL",
    "bool": "true",
    "int": "80",
    "int64_t": "5",
    "size_t": "1",
    "const daytona_map_t *": "NULL",
    "const daytona_strings_t *": "&one_name",
    "const daytona_fs_upload_item_t *": "&one_upload",
    "const daytona_fs_download_item_t *": "&one_download",
    "daytona_fs_source_cb": "no_source",
    "daytona_fs_sink_cb": "no_sink",
}

# Parameters that not any value will do for, by function and position.
PARTICULAR = {
    ("daytona_fs_create_folder", 2): '"755"',
    ("daytona_fs_upload_file", 1): "local_source",
    ("daytona_fs_download_file", 2): "local_target",
    ("daytona_recording_download_file", 2): "local_target",
    ("daytona_object_storage_upload", 1): "local_source",
}

# Options structs of which all zero is refused: the least that a call needs.
LEAST = {
    "daytona_sandbox_resize_opts_t": ".cpu = {true, 2}",
    "daytona_sandbox_update_env_opts_t": ".unset_value_prefix = \"x\"",
    "daytona_sandbox_update_network_settings_opts_t": ".network_block_all = {true, true}",
    "daytona_secret_update_opts_t": ".value = \"x\"",
    "daytona_snapshot_create_opts_t": ".image_name = \"x:1\"",
    "daytona_fs_set_file_permissions_opts_t": ".mode = \"755\"",
}

# Calls that go another way with other options: made once more with these.
MORE = [
    ("daytona_sandbox_find_one", ".id_or_name = \"x\""),
    ("daytona_sandbox_delete", ".waits = true"),
    ("daytona_sandbox_get_metrics", ".start = \"x\""),
    ("daytona_secret_update", ".removes_hosts = true"),
    ("daytona_process_exec", ".leaves_running = true"),
    ("daytona_volume_get", ".creates = true, .waits = true"),
    ("daytona_volume_create", ".waits = true"),
    ("daytona_volume_delete", ".waits = true"),
]

# Futures that stand for no call of a server, and why.
NO_CALLS = {
    "daytona_snapshot_process_image_context": "looks at local files first; tested in snapshot.c",
    "daytona_image_resolve": "looks at local files and asks no server; tested in image.c",
    "daytona_pty_wait": "waits for the end of a terminal that is open",
}
NO_CALLS_BEFORE = ("daytona_future_", "daytona_promise_")  # retaining, combining, and those of the program


def functions(text):
    """(result, name, types of the parameters) of each public function."""
    for result, name, raw in re.findall(r"DAYTONA_API\s+([\w\s]+?\*?)\s*(daytona_\w+)\(([^)]*)\)\s*;", text):
        yield result, name, [kind for kind in parameters(raw) if kind]


def parameters(text):
    for parameter in text.split(","):
        kind = re.match(r"\s*(.*?)(\w+)\s*$", parameter.strip(), flags=re.S)
        yield re.sub(r"\s+", " ", kind.group(1)).strip()


def structs_with_reserved(text):
    """Structs that end in reserved words, and how many."""
    for body, name in re.findall(r"typedef struct \w+ \{(.*?)\n\} (\w+);", text, flags=re.S):
        words = re.search(r"uint64_t reserved\[(\d+)\]", body)
        if words:
            yield name, int(words.group(1))


def options_of(kinds):
    """The options struct of a call, or None."""
    last = kinds[-1] if kinds else ""
    return last[6:].rstrip(" *") if re.fullmatch(r"const daytona_\w+_opts_t \*", last) else None


def arguments(name, kinds):
    """The text of all arguments but the options."""
    count = len(kinds) - (options_of(kinds) is not None)
    for i in range(count):
        assert (name, i) in PARTICULAR or kinds[i] in ARGUMENTS, f"{name}: no argument of type {kinds[i]!r} is known"
    return ", ".join(PARTICULAR.get((name, i)) or ARGUMENTS[kinds[i]] for i in range(count))


def calls(text):
    """(name, types of the parameters) of each call."""
    for result, name, kinds in functions(text):
        if result.startswith("daytona_future_t") and name not in NO_CALLS and not name.startswith(NO_CALLS_BEFORE):
            yield name, kinds


def headers_text(folder=None):
    paths = sorted(folder.glob("*.h")) if folder else declarations.headers()
    return "\n".join(declarations.without_comments(path.read_text()) for path in paths)


def lines(text):
    """CALL(label, function, (arguments)) for each."""
    for name, kinds in calls(text):
        options = options_of(kinds)
        ways = [LEAST.get(options)] + [more for function, more in MORE if function == name]
        for i, way in enumerate(ways):
            last = f"&(const {options}){{{way}}}" if way else "NULL" if options else ""
            label = name + (f"_{i + 1}" if i else "")
            yield f"CALL({label}, {name}, ({', '.join(filter(None, [arguments(name, kinds), last]))}))"


def main(out, depfile):
    found = list(lines(headers_text()))
    assert len(found) >= 80, "the declarations were not understood"
    with open(out, "w") as file:
        file.write("\n".join(found) + "\n")
    sources = [*declarations.headers(), declarations.__file__, __file__]
    with open(depfile, "w") as file:
        file.write(f"{out.rsplit('/', 1)[-1]}: {' '.join(map(str, sources))}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
