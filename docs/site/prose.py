# SPDX-License-Identifier: Apache-2.0
"""Comments of source as Markdown, with each public name that they speak of as a link to its place in the reference."""
import itertools
import re
import textwrap
from pathlib import Path

from unfold import unfold

ROOT = Path(__file__).resolve().parents[2]
ITEM = re.compile(r"\d+\. |[A-Z]\w*(?: [\w ]+)?: |(?:Results belong|Fails with|Settles|Cannot fail)\b")


def public_names():
    """The names of the headers, each with the role that Sphinx has for its kind."""
    roles = {}
    for path in (ROOT / "include" / "daytona").glob("*.h"):
        text = re.sub(r"/\*.*?\*/", " ", unfold(path.read_text()), flags=re.S)
        roles.update((name, "macro") for name in re.findall(r"(?m)^#define (DAYTONA_\w+)[ (]", text))
        roles.update((name, "enumerator") for name in re.findall(r"(?m)^ +(DAYTONA_\w+) *=", text))
        roles.update((name, "type") for name in re.findall(r"\b(daytona_\w+_(?:t|cb))\b", text))
        roles.update((name, "func") for name in re.findall(r"\b(daytona_\w+)\(", text))
    return roles


# `code`, a name of the library, a header, a document, and what would be markup.
WORD = re.compile(r"`([^`\n]+)`|\b((?:daytona|DAYTONA)_\w+(?:\.[a-z]\w+)?)(?:\(\))?|<daytona/([\w.]+)>|\b(docs/[\w-]+\.md)\b|([\\`*_<>\[\]{}#~|$])")


def link(name, roles):
    """To a name, or to a field: `daytona_config_t.api_url`. None: there is no such name."""
    role = roles.get(name.partition(".")[0])
    return role and f"{{c:{'member' if '.' in name else role}}}`{name}`"


def inline(text, roles):
    """A sentence: code stays code, names and headers are links, and nothing else is markup."""
    def replaced(match):
        code, name, header, document, mark = match.groups()
        if code is not None:
            return link(code.removesuffix("()"), roles) or f"`{code}`"
        if name is not None:
            return link(name, roles) or name.replace("_", "\\_")
        if header is not None:
            shown = f"\\<daytona/{header}\\>"
            return shown if header in ("daytona.h", "export.h") else f"[{shown}]({header.removesuffix('.h')}.md)"
        if document is not None:
            return f"[{document}](../{document})"
        return "\\" + mark
    return WORD.sub(replaced, text)


def points(lines, roles):
    """An indented run as a list: a line that begins as in `Thread: loop.` begins a point, others go on with the one above."""
    found = []
    for line in (line.strip() for line in lines):
        if not found or ITEM.match(line):
            found.append(line)
        else:
            found[-1] += " " + line
    return "\n".join(("" if point[0].isdigit() else "- ") + inline(point, roles) for point in found)


def place(line):
    return "blank" if not line.strip() else "in" if line.startswith("  ") else "out"


def markdown(text, roles, language="c"):
    """A comment without its marks. What is indented is code if it looks like it, and else a list."""
    blocks = []
    for kind, run in itertools.groupby(text.splitlines(), place):
        lines = list(run)
        if kind == "out":
            blocks.append(inline("\n".join(lines), roles))
        elif kind == "in" and (language != "c" or any(line.endswith((";", "{")) for line in lines)):
            blocks.append("\n".join([f"```{language}", textwrap.dedent("\n".join(lines)), "```"]))
        elif kind == "in":
            blocks.append(points(lines, roles))
    return "\n\n".join(blocks)


def introduction(header):
    """The first comment of a header after its licence, without its marks."""
    comment = re.search(r"/\*\n(.*?)\*/", header, flags=re.S)[1]
    return "\n".join(re.sub(r"^ \* ?", "", line).rstrip() for line in comment.splitlines()).strip()
