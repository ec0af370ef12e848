# SPDX-License-Identifier: Apache-2.0
"""Builds the images that its input describes with the official Python SDK, as driver.c does with ours: a line in, a line out."""

import json
import sys

from daytona import Image
from daytona.common.errors import DaytonaNotFoundError, DaytonaValidationError


def pyproject(image, path, groups, opts):
    return image.pip_install_from_pyproject(path, groups, **opts)


CALLS = {
    "base": lambda image, name: Image.base(name),
    "debian_slim": lambda image, version: Image.debian_slim(version),
    "from_dockerfile": lambda image, path, strict: Image.from_dockerfile(path, strict_context=strict),
    "pip_install": lambda image, packages, opts: image.pip_install(*packages, **opts),
    "requirements": lambda image, path, opts: image.pip_install_from_requirements(path, **opts),
    "pyproject": pyproject,
    "file": lambda image, local, remote: image.add_local_file(local, remote),
    "dir": lambda image, local, remote: image.add_local_dir(local, remote),
    "run": lambda image, *commands: image.run_commands(*commands),
    "env": lambda image, variables: image.env(variables),
    "workdir": lambda image, path: image.workdir(path),
    "entrypoint": lambda image, words: image.entrypoint(words),
    "cmd": lambda image, words: image.cmd(words),
    "commands": lambda image, lines, folder, strict: image.dockerfile_commands(lines, folder, strict_context=strict),
}


def outcome(calls):
    image = None
    try:
        for name, *arguments in calls:
            image = CALLS[name](image, *arguments)
    except DaytonaNotFoundError as error:
        return {"error": "not found", "message": str(error)}
    except DaytonaValidationError as error:
        return {"error": "validation", "message": str(error)}
    except Exception as error:  # whatever it lets through is to be seen
        return {"error": type(error).__name__, "message": str(error)}
    contexts = [[context.source_path, context.archive_path] for context in image._context_list]
    return {"dockerfile": image.dockerfile(), "contexts": contexts}


for line in sys.stdin:
    print(json.dumps(outcome(json.loads(line))))
