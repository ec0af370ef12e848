# SPDX-License-Identifier: Apache-2.0
"""What a binding is told of the library, from its headers: make_cdef.py INCLUDE OUTPUT

The C compiler expands the macros that the headers make their lists with. Its standard headers are left out, since cffi knows
their types, and so are inline functions, which a shared library does not have. OUTPUT is a module with the `ffi` of cffi's
out-of-line ABI mode: it holds the declarations as tables, so that an import does not parse them.
"""

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

NUMBER = re.compile(r"^#define (DAYTONA_\w+) \(*(?:\(\w+\))?(-?\d+)\)*$", re.M)

# What turns a loop. uv_loop_t is larger in some versions than in others, so its size is asked for.
LIBUV = """
typedef struct uv_loop_s uv_loop_t;
size_t uv_loop_size(void);
int uv_loop_init(uv_loop_t *);
int uv_loop_close(uv_loop_t *);
int uv_loop_alive(const uv_loop_t *);
int uv_run(uv_loop_t *, int mode);
int uv_backend_fd(const uv_loop_t *);
int uv_backend_timeout(const uv_loop_t *);
void uv_update_time(uv_loop_t *);
"""


def installed_headers() -> str:
    """Where they are: LIBDAYTONA_INCLUDE, the sources around this file, or what pkg-config says."""
    if "LIBDAYTONA_INCLUDE" in os.environ:
        return os.environ["LIBDAYTONA_INCLUDE"]
    around = Path(__file__).resolve().parents[2] / "include"
    if (around / "daytona" / "daytona.h").exists():
        return str(around)
    try:
        return subprocess.run(["pkg-config", "--variable=includedir", "libdaytona"], check=True, capture_output=True, text=True).stdout.strip()
    except (FileNotFoundError, subprocess.CalledProcessError):
        raise SystemExit("the headers of libdaytona are not found: install it, set PKG_CONFIG_PATH, or LIBDAYTONA_INCLUDE=/folder/include") from None


def declarations(include: Path) -> str:
    compiler = shlex.split(os.environ.get("CC", "cc"))
    with tempfile.TemporaryDirectory() as empty:
        for name in ("stdbool.h", "stddef.h", "stdint.h"):
            (Path(empty) / name).touch()
        command = [*compiler, "-E", "-P", "-nostdinc", "-U__GNUC__", "-U__clang__", "-I", empty, "-I", str(include), "-x", "c", "-"]
        source = "#include <daytona/daytona.h>\n"
        try:
            text = subprocess.run(command, input=source, text=True, stdout=subprocess.PIPE, check=True).stdout
            macros = subprocess.run([*command, "-dM"], input=source, text=True, stdout=subprocess.PIPE, check=True).stdout
        except FileNotFoundError:
            raise SystemExit(f"make_cdef.py: no C compiler: {compiler[0]} (CC names another)") from None
        except subprocess.CalledProcessError:
            raise SystemExit(f"make_cdef.py: the headers below {include} cannot be read: see above") from None
    text = re.sub(r"static inline [^{]*\{[^}]*\}", "", text)
    numbers = sorted(f"#define {name} {value}\n" for name, value in NUMBER.findall(macros))
    return "".join(numbers) + text + LIBUV


def main(include: str, output: str) -> None:
    from cffi import FFI

    ffi = FFI()
    ffi.cdef(declarations(Path(include)))
    ffi.set_source("libdaytona._abi", None)
    ffi.emit_python_code(output)


if __name__ == "__main__":
    main(*sys.argv[1:])
