# SPDX-License-Identifier: Apache-2.0
"""The pages that Sphinx reads: pages.py OUTPUT

The guides and documents as they are, at the same places relative to each other, so that their links hold, with each public name that they
speak of as a link to its place in the reference; a page for each header, which begins with what the header says of itself; and the index.
"""
import re
import sys
from pathlib import Path

from unfold import unfold

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "subprojects/daytona-local/README.md", "bindings/python/README.md",
         "bindings/lua/README.md", "examples/node/README.md"]
GUIDES = ["first-program", "callbacks-and-futures", "errors", "deadlines", "fan-out", "http-streaming", "files", "terminals", "testing", "tuning",
          "troubleshooting", "platform", "from-python"]


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


def linked_names(text, roles):
    """`daytona_future_then()` as a link to the reference, unless it is one already."""
    def replaced(match):
        role = roles.get(match[2])
        return match[0] if match[1] == "[" or role is None else f"{match[1]}{{c:{role}}}`{match[2]}`"
    return re.sub(r"(^|[^`])`((?:daytona|DAYTONA)_\w+)(?:\(\))?`(?!`)", replaced, text, flags=re.M)


def for_the_site(text, page, pages, roles):
    """Links to files that are no pages become text: the site has none of them."""
    def replaced(match):
        target = match[2].partition("#")[0]
        if re.match(r"[a-z]+:", match[2]) or target == "" or (page.parent / target).resolve() in pages:
            return match[0]
        return match[1]
    parts = re.split(r"(?ms)(^```.*?^```$)", text)
    # Pictures that are made from text are drawn when the site is built.
    parts = [re.sub(r"^```dot\n", "```{graphviz}\n", part) for part in parts]
    return "".join(part if part.startswith("```") else
                   linked_names(re.sub(r"(?<!!)\[([^\]\n]+)\]\(([^)\n]+)\)", replaced, part), roles) for part in parts)


def introduction(header):
    """The first comment of a header after its licence, as paragraphs; lists of it stay as they are laid out."""
    comment = re.search(r"/\*\n(.*?)\*/", header, flags=re.S)[1]
    return "\n".join(re.sub(r"^ \* ?", "", line).rstrip() for line in comment.splitlines()).strip()


def reference(out):
    names = []
    for path in sorted((ROOT / "include" / "daytona").glob("*.h")):
        if path.name in ("daytona.h", "export.h"):
            continue
        names.append(path.stem)
        (out / f"{path.stem}.md").write_text(
            f"# {path.stem}.h\n\n```{{code-block}} c\n#include <daytona/{path.name}>\n```\n\n"
            f"```{{code-block}} text\n{introduction(path.read_text())}\n```\n\n"
            f"```{{eval-rst}}\n.. doxygenfile:: {path.name}\n   :sections: briefdescription detaileddescription define enum typedef func var innerclass public-attrib\n```\n")
    cpp = (ROOT / "include" / "daytona" / "daytona.hpp").read_text()
    names.append("daytona.hpp")
    (out / "daytona.hpp.md").write_text(
        f"# daytona.hpp\n\n```{{code-block}} text\n{introduction(cpp)}\n```\n\nThe other languages: [bindings](../docs/bindings.md). The header:\n\n"
        f"```{{code-block}} cpp\n{cpp[cpp.index('namespace daytona'):].strip()}\n```\n")
    return names


def tree(title, pages, hidden=True):
    lines = [f"{{toctree}}", f":caption: {title}", ":maxdepth: 1"] + ([":hidden:"] if hidden else [])
    return "```" + "\n".join(lines + [""] + pages) + "\n```\n"


def main():
    out = Path(sys.argv[1])
    pages = PAGES + [str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md"))]
    paths, roles = {ROOT / page for page in pages}, public_names()
    for page in pages:
        to = out / page
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(for_the_site((ROOT / page).read_text(), ROOT / page, paths, roles))
    for picture in (ROOT / "docs").rglob("*.png"):
        to = out / picture.relative_to(ROOT)
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes(picture.read_bytes())
    (out / "reference").mkdir()
    headers = reference(out / "reference")
    known = {f"docs/guides/{name}.md" for name in GUIDES}
    assert known == {page for page in pages if page.startswith("docs/guides/")}, "GUIDES has every guide, in the order of reading"
    ideas = sorted(page[:-3] for page in pages if page.startswith("docs/") and page not in known)
    (out / "index.md").write_text(
        "# libdaytona\n\nThe asynchronous C SDK for Daytona sandboxes on libuv, and daytona-local, a sandbox server for your own machine.\n\n"
        + "Begin with [a first program](docs/guides/first-program.md), or look a call up in the reference: there is a page for each header.\n\n"
        + tree("Guides", [f"docs/guides/{name}" for name in GUIDES]) + "\n"
        + tree("Reference", [f"reference/{name}" for name in headers]) + "\n"
        + tree("How it works", ideas) + "\n"
        + tree("The project", [page[:-3] for page in PAGES]))


if __name__ == "__main__":
    main()
