# SPDX-License-Identifier: Apache-2.0
"""Images, built up by calls, and the log of their build."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Optional

from ._loop import Loop, forget_user, lend, lent
from ._native import arguments_of, callback, ffi, lib, text


class Image:
    """A Dockerfile built up by calls, each of which returns the image: the functions of <daytona/image.h>.

        Image.base("python:3.12").env({"A": "b"}).run_commands(["make"])
    """

    def __init__(self, pointer: Any) -> None:
        self._pointer = pointer

    def __del__(self) -> None:
        lib.daytona_image_release(self._pointer)

    @classmethod
    def base(cls, name: str) -> "Image":
        return cls(made("image_base", [name], {}))

    @classmethod
    def debian_slim(cls, python_version: Optional[str] = None) -> "Image":
        return cls(made("image_debian_slim", [python_version], {}))

    @classmethod
    def from_dockerfile(cls, path: str, **options: Any) -> "Image":
        return cls(made("image_from_dockerfile", [path], options))

    def call(self, function: str, *arguments: Any, **options: Any) -> "Image":
        """Any builder call: call("cmd", ["sh"]) is daytona_image_cmd()."""
        made("image_" + function, [self._pointer, *arguments], options)
        return self

    def pip_install(self, packages: list[str], **options: Any) -> "Image":
        return self.call("pip_install", packages, **options)

    def add_local_file(self, local: str, remote: str) -> "Image":
        return self.call("add_local_file", local, remote)

    def add_local_dir(self, local: str, remote: str) -> "Image":
        return self.call("add_local_dir", local, remote)

    def run_commands(self, commands: list[str]) -> "Image":
        return self.call("run_commands", commands)

    def env(self, variables: dict[str, str]) -> "Image":
        return self.call("env", variables)

    def workdir(self, path: str) -> "Image":
        return self.call("workdir", path)

    def entrypoint(self, words: list[str]) -> "Image":
        return self.call("entrypoint", words)

    @property
    def dockerfile(self) -> Optional[str]:
        """The text so far; None after an error, and where a part of it stands in a file that was not read."""
        return text(lib.daytona_image_dockerfile(self._pointer))


def made(name: str, arguments: list[Any], options: dict[str, Any]) -> Any:
    keep: list[Any] = []
    function, passed = arguments_of(name, arguments, options, keep)
    return function(*passed)


@dataclass(frozen=True)
class BuildEvent:
    state: str  #: of the snapshot or sandbox, as received last
    text: Optional[str]  #: output of the build; None: the state has changed


@callback("daytona_build_cb")
def on_build(event: Any, user: Any) -> None:
    output = None if event.text == ffi.NULL else ffi.buffer(event.text, event.size)[:].decode("utf-8", "replace")
    lent(user)(BuildEvent(text(event.state_name) or "", output))


def built_for(loop: Loop, function: Optional[Callable[[BuildEvent], None]], image: Optional[Image]) -> dict[str, Any]:
    """Options that build an image, and let C call `function` with what happens."""
    options: dict[str, Any] = {} if image is None else {"image": image._pointer}
    if function is None:
        return options
    called = function

    def hear(event: BuildEvent) -> None:
        try:
            called(event)
        except Exception as error:
            loop.report(error, "on_build")
    return {**options, "on_build": on_build, "user": lend(hear), "destroy_user": forget_user}
