# SPDX-License-Identifier: Apache-2.0
"""For models.c: which sources of the library define field tables, and a unit that hands them to the test.

    models.py list                 the sources, relative to lib/, one per line
    models.py unit SOURCE OUTPUT   a C file that is SOURCE itself, with its tables, static ones too, made known
"""

import re
import sys
from pathlib import Path

LIB = Path(__file__).resolve().parents[2] / "lib"
MODEL = re.compile(r"^(?:static )?DAYTONA__MODEL(?:_OF)?\((\w+),", flags=re.M)


def sources():
    return [str(path.relative_to(LIB)) for path in sorted(LIB.rglob("*.c")) if MODEL.search(path.read_text())]


def unit(source):
    models = MODEL.findall((LIB / source).read_text())
    assert models, f"{source} has no models any more: run meson setup --reconfigure"
    lines = [f'#include "{source}"', "", "void models_add(const daytona__json_model_t *model);", "",
             "__attribute__((constructor)) static void add_models(void) {"]
    lines += [f"  models_add(&{model});" for model in models]
    return "\n".join([*lines, "}", ""])


if sys.argv[1] == "list":
    print("\n".join(sources()))
else:
    Path(sys.argv[3]).write_text(unit(sys.argv[2]))
