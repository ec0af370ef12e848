# SPDX-License-Identifier: Apache-2.0
"""Every public header stands alone, in C and in C++, without a warning.

usage: public_headers.py C-COMPILER C++-COMPILER (empty: none) INCLUDE-FLAGS...
"""

import re
import subprocess
import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import tap  # noqa: E402

import declarations  # noqa: E402

# -Wshadow: in C++ a function hides the struct whose tag is its name. Such a struct has the name of its type as its tag.
WARNINGS = ["-pedantic", "-Wall", "-Wextra", "-Wshadow", "-Werror", "-fsyntax-only"]
# The one header of C++; before C++20 it has no coroutines and no spans.
CPP_STANDARDS = ["c++17", "c++20"]
LANGUAGES = [("c", "c99"), ("c", "c11"), ("c++", "c++98"), ("c++", "c++17")]

# What macros and inline functions expand to is only seen when they are used.
USE = """
#include <daytona/daytona.h>
#define NAME(name, number, parent, parent2, text) #name,
static const char *const names[] = { DAYTONA_ERROR_MAP(NAME) "" };
int use(void);
int use(void) {
  daytona_opt_int_t i = daytona_int(DAYTONA_NO_TIMEOUT);
  daytona_opt_num_t n = daytona_num(0.5);
  daytona_opt_bool_t b = daytona_bool(true);
  daytona_opt_int_set(&i, 1);
  daytona_opt_num_set(&n, 0.5);
  daytona_opt_bool_set(&b, true);
  return i.is_set && n.is_set && b.value && names[0][0] == DAYTONA_VERSION[0];
}
"""


def compile_text(compilers, flags, language, standard, text):
    compiler = compilers[language]
    if not compiler:
        raise tap.Skip("no C++ compiler here")
    command = [*compiler, f"-std={standard}", "-x", language, *WARNINGS, *flags,
               "-I", str(declarations.INCLUDE), "-"]
    done = subprocess.run(command, input=text, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr


def umbrella_includes_every_header():
    text = (declarations.INCLUDE / "daytona" / "daytona.h").read_text()
    included = set(re.findall(r"#include <daytona/(\w+\.h)>", text))
    wanted = {h.name for h in declarations.headers()} - {"daytona.h", "export.h"}
    assert included == wanted, f"missing: {wanted - included}, too many: {included - wanted}"


def every_header_is_installed():
    text = (declarations.INCLUDE / "daytona" / "meson.build").read_text()
    listed = set(re.findall(r"'(\w+\.h)'", text))
    wanted = {h.name for h in declarations.headers()}
    assert listed == wanted, f"missing: {wanted - listed}, too many: {listed - wanted}"
    assert "'daytona.hpp'" in text, "the header of C++ is not installed"


def no_header_includes_another_library():
    standard = {"stdbool.h", "stddef.h", "stdint.h"}
    for header in declarations.headers():
        included = set(re.findall(r"#\s*include\s*[<\"]([^>\"]+)", header.read_text()))
        others = {name for name in included if not name.startswith("daytona/")} - standard
        assert not others, f"{header.name} includes {others}"


def every_inline_function_has_an_exported_twin():
    text = "".join(declarations.without_comments(h.read_text()) for h in declarations.headers())
    inline = set(re.findall(r"static inline daytona_opt_(\w+)_t daytona_", text))
    assert len(inline) == len(re.findall(r"static inline", text)), "an inline function of another shape"
    missing = [kind for kind in inline if f"daytona_opt_{kind}_set" not in declarations.functions()]
    assert not missing, f"no twin: {missing}"


def every_public_name_has_the_prefix():
    for header in declarations.headers():
        code = declarations.without_comments(header.read_text())
        for macro in re.findall(r"^\s*#define\s+(\w+)", code, flags=re.M):
            assert macro.startswith("DAYTONA_"), f"{header.name} defines {macro}"
        for name in re.findall(r"^}\s*(\w+)\s*;", code, flags=re.M):
            assert re.fullmatch(r"daytona_\w+_t", name), f"{header.name} defines {name}"


def main():
    flags = sys.argv[3:]
    compilers = {"c": sys.argv[1].split(), "c++": sys.argv[2].split()}
    cases = [(f.__name__, f) for f in (umbrella_includes_every_header, every_header_is_installed,
                                       no_header_includes_another_library,
                                       every_inline_function_has_an_exported_twin,
                                       every_public_name_has_the_prefix)]
    for language, standard in LANGUAGES:
        compile_as = partial(compile_text, compilers, flags, language, standard)
        for header in declarations.headers():
            text = f"#include <daytona/{header.name}>\n" * 2 + "extern int unit;\n"
            cases.append((f"{header.name} stands alone as {standard}", partial(compile_as, text)))
        cases.append((f"macros and inline functions work as {standard}", partial(compile_as, USE)))
    for standard in CPP_STANDARDS:
        text = "#include <daytona/daytona.hpp>\n" * 2 + "extern int unit;\n"
        cases.append((f"daytona.hpp stands alone as {standard}", partial(compile_text, compilers, flags, "c++", standard, text)))
    producer = tap.Producer()
    producer.plan(len(cases))
    for name, body in cases:
        producer.run(name, body)
    return producer.exit_code()


if __name__ == "__main__":
    sys.exit(main())
