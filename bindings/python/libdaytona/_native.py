# SPDX-License-Identifier: Apache-2.0
"""The two shared libraries, and values on their way in and out.

Structs of the library are read through the pointers that it gives and never copied as a whole: later versions may make them longer.
"""

from __future__ import annotations

import functools
import os
import threading
from typing import Any, Callable, Optional, TypeVar

from ._abi import ffi as _ffi

ffi: Any = _ffi
UV_RUN_NOWAIT = 2



def load(name: str, hint: str) -> Any:
    try:
        return ffi.dlopen(name)
    except OSError as error:
        raise ImportError(f"{error}. {hint}") from None


#: libdaytona itself: for calls that have no method here. LIBDAYTONA_PATH names another file than the linker's.
lib: Any = load(os.environ.get("LIBDAYTONA_PATH", "libdaytona.so.0"),
                "Install libdaytona (and run ldconfig), or let LIBDAYTONA_PATH name the file, as in /opt/daytona/lib/libdaytona.so.0")
#: Loaded after it, so that this is the one that it uses.
uv: Any = load("libuv.so.1", "libdaytona is linked with it: this one must be found, too")

OPTIONAL = {ffi.typeof("daytona_opt_int_t"), ffi.typeof("daytona_opt_num_t"), ffi.typeof("daytona_opt_bool_t")}
BYTES, MAP, STRINGS = ffi.typeof("daytona_bytes_t"), ffi.typeof("daytona_map_t"), ffi.typeof("daytona_strings_t")
CHAR = ffi.typeof("char")
VOID_POINTER = ffi.typeof("void *")
SANDBOX = ffi.typeof("daytona_sandbox_t")


Function = TypeVar("Function", bound=Callable[..., Any])


_raised = threading.local()


def keep_raised(_: Any, error: BaseException, __: Any) -> None:
    """No exception may pass through C: it is kept until the loop has been turned."""
    _raised.errors = [*getattr(_raised, "errors", ()), error]


def take_raised() -> list[BaseException]:
    """What callbacks on this thread have raised since the last time."""
    errors: list[BaseException] = getattr(_raised, "errors", [])
    _raised.errors = []
    return errors


def callback(kind: str, failed: int = 0) -> Callable[[Function], Function]:
    """The decorator of a function that C calls, for good. One that raises returns `failed`."""
    is_void = ffi.typeof(kind).result.kind == "void"
    decorator: Callable[[Function], Function] = ffi.callback(kind, onerror=keep_raised, **{} if is_void else {"error": failed})
    return decorator


def text(value: Any) -> Optional[str]:
    return None if value == ffi.NULL else ffi.string(value).decode("utf-8", "replace")


@functools.lru_cache(maxsize=None)
def fields_of(kind: Any) -> dict[str, Any]:
    """None of an opaque struct; some versions of cffi abort when they are asked for those."""
    try:
        ffi.sizeof(kind)
    except (ffi.error, TypeError, ValueError):
        return {}
    return dict(kind.fields)


def count_of(name: str, fields: dict[str, Any]) -> Optional[str]:
    """The field that counts what `name` points to: volume_count for volumes, or `count`; None for what is no array."""
    of = fields[name].type
    if of.kind != "pointer" or of.item == CHAR:
        return None
    for single in (name[:-1], name[:-2], {"children": "child"}.get(name)):
        if f"{single}_count" in fields:
            return f"{single}_count"
    is_array = name == "items" or of.item.kind in ("primitive", "pointer")
    return "count" if is_array and "count" in fields else None


def put(target: Any, values: dict[str, Any], keep: list[Any]) -> None:
    """Fills in the struct that `target` points to. `keep` holds what it points to, until the call has copied it."""
    kind = ffi.typeof(target).item
    fields = fields_of(kind)
    for name, value in values.items():
        if name not in fields or name == "reserved":
            raise TypeError(f"{kind.cname} has no field {name!r}")
        if value is not None:
            put_field(target, name, fields[name].type, value, keep)
            count = count_of(name, fields)
            if count is not None and isinstance(value, (list, tuple)):
                setattr(target, count, len(value))


def put_field(target: Any, name: str, kind: Any, value: Any, keep: list[Any]) -> None:
    if kind in OPTIONAL:
        member = getattr(target, name)
        member.is_set, member.value = True, value
    elif kind.kind == "struct":
        inner = ffi.addressof(target, name)
        if kind == MAP:
            put_map(inner, value, keep)
        elif kind == STRINGS:
            put_strings(inner, value, keep)
        else:
            put(inner, value, keep)
    else:
        setattr(target, name, argument(kind, value, keep))


def put_map(target: Any, value: dict[str, str], keep: list[Any]) -> None:
    pairs = ffi.new("daytona_pair_t[]", len(value))
    keep.append(pairs)
    for pair, (key, item) in zip(pairs, value.items()):
        pair.key, pair.value = c_text(key, keep), c_text(item, keep)
    target.items, target.count = pairs, len(value)


def put_strings(target: Any, value: list[str], keep: list[Any]) -> None:
    if isinstance(value, str):
        raise TypeError("a list of strings, not a string")
    items = ffi.new("const char *[]", [c_text(item, keep) for item in value])
    keep.append(items)
    target.items, target.count = items, len(value)


def c_text(value: str, keep: list[Any]) -> Any:
    encoded = os.fsencode(value) if isinstance(value, os.PathLike) else value.encode()
    if b"\0" in encoded:
        raise ValueError("a text has a NUL in it")
    copied = ffi.new("char[]", encoded)
    keep.append(copied)
    return copied


def argument(kind: Any, value: Any, keep: list[Any]) -> Any:
    """A Python value as an argument, or a member of a struct, of the C type `kind`."""
    if kind.kind != "pointer" or isinstance(value, ffi.CData):
        return value
    if value is None:
        return ffi.NULL
    pointed = kind.item
    if pointed == CHAR:
        return c_text(value, keep)
    if pointed.kind in ("primitive", "enum") and isinstance(value, (list, tuple)):
        numbers = ffi.new(ffi.getctype(pointed, "[]"), value)
        keep.append(numbers)
        return numbers
    if pointed.kind != "struct" or not fields_of(pointed):
        raise TypeError(f"{value!r} is no {kind.cname}")
    many = list(value) if isinstance(value, (list, tuple)) and pointed != STRINGS else [value]
    made = ffi.new(ffi.getctype(pointed, "[]"), len(many))
    keep.append(made)
    for index, each in enumerate(many):
        target = made + index
        if pointed == MAP:
            put_map(target, each, keep)
        elif pointed == STRINGS:
            put_strings(target, each, keep)
        else:
            put(target, each, keep)
    return made


@functools.lru_cache(maxsize=None)
def signature(name: str) -> tuple[Callable[..., Any], tuple[Any, ...], bool]:
    """The function daytona_NAME(), the types of its arguments, and whether the last of them are options."""
    function = getattr(lib, "daytona_" + name)
    kinds = ffi.typeof(function).args
    return function, kinds, kinds[-1].kind == "pointer" and kinds[-1].item.cname.removesuffix("_t").endswith("_opts")


def arguments_of(name: str, arguments: list[Any], options: dict[str, Any], keep: list[Any]) -> tuple[Callable[..., Any], list[Any]]:
    """The function daytona_NAME() and what to pass to it."""
    function, kinds, takes_options = signature(name)
    if takes_options:
        opts = ffi.new(kinds[-1])
        put(opts, options, keep)
        arguments = [*arguments, *[None] * (len(kinds) - 1 - len(arguments)), opts]
    elif options:
        raise TypeError(f"daytona_{name}() takes no options")
    if len(arguments) != len(kinds):
        raise TypeError(f"daytona_{name}() takes {len(kinds)} arguments")
    return function, [argument(kind, value, keep) for kind, value in zip(kinds, arguments)]


class Record:
    """A struct of the library, copied: attributes with the names that they have in its header."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)

    def __repr__(self) -> str:
        return "Record({})".format(", ".join(f"{name}={value!r}" for name, value in self.__dict__.items()))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"this record has no {name!r}")


class Items(list[Any]):
    """The items of a list of the library; what it says besides them, such as the `total` of a page, are attributes."""

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__(values.pop("items"))
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"this list has no {name!r}")


Wrap = dict[Any, Callable[[Any], Any]]


def record(struct: Any, wrap: Wrap) -> dict[str, Any]:
    """All fields of a struct that a Python program can use."""
    kind = ffi.typeof(struct)
    found: dict[str, Any] = {}
    for name, of, count, size in readable(kind.item if kind.kind == "pointer" else kind):
        value = getattr(struct, name)
        if count is not None:
            found[name] = [] if value == ffi.NULL else [python_value(of.item, value[i], wrap) for i in range(getattr(struct, count))]
        elif size is not None:
            found[name] = None if value == ffi.NULL else ffi.buffer(value, getattr(struct, size))[:].decode("utf-8", "replace")
        else:
            found[name] = python_value(of, value, wrap)
    return found


@functools.lru_cache(maxsize=None)
def readable(kind: Any) -> list[tuple[str, Any, Optional[str], Optional[str]]]:
    """The fields of a struct that say something of their own: name, type, and the names of their count and their size in bytes."""
    fields = fields_of(kind)
    counts = {count_of(name, fields) for name in fields}
    found = []
    for name, field in fields.items():
        if name == "reserved" or name in counts or name.endswith("_size") and name[:-len("_size")] in fields:
            continue
        size = name + "_size" if field.type.kind == "pointer" and name + "_size" in fields else None
        found.append((name, field.type, count_of(name, fields), size))
    return found


def python_value(kind: Any, value: Any, wrap: Wrap) -> Any:
    """A member of a struct, or a result, as Python has it."""
    if kind.kind in ("primitive", "enum"):
        return int(ffi.cast("int", value)) if kind.kind == "enum" else value
    if kind.kind == "pointer":
        pointed = kind.item
        if value == ffi.NULL:
            return None
        if pointed in wrap:
            return wrap[pointed](value)
        if pointed == CHAR:
            return text(value)
        return python_value(pointed, value, wrap) if pointed.kind == "struct" and fields_of(pointed) else None
    if kind.kind != "struct":
        return None
    if kind in OPTIONAL:
        return value.value if value.is_set else None
    if kind == BYTES:
        return b"" if value.data == ffi.NULL else bytes(ffi.buffer(value.data, value.size))
    if kind == MAP:
        return {text(value.items[i].key): text(value.items[i].value) for i in range(value.count)}
    if kind == STRINGS:
        return [text(value.items[i]) for i in range(value.count)]
    values = record(value, wrap)
    return Items(values) if "items" in values and "count" in fields_of(kind) else Record(values)
