# SPDX-License-Identifier: Apache-2.0
"""The pages that Sphinx reads: pages.py OUTPUT XML-OF-CPP

The guides and documents as they are, at the same places relative to each other, so that their links hold, with each public name that they
speak of as a link to its place in the reference; a page for each header, which begins with what the header says of itself; one for each binding; and the index.
"""
import re
import sys
from pathlib import Path

from languages import cpp_page, linked, lua_page, python_page
from prose import ROOT, introduction, markdown, public_names

PAGES = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "subprojects/daytona-local/README.md", "bindings/python/README.md",
         "bindings/lua/README.md", "examples/node/README.md"]
GUIDES = ["first-program", "callbacks-and-futures", "errors", "deadlines", "fan-out", "http-streaming", "files", "terminals", "testing", "tuning",
          "troubleshooting", "platform", "from-python"]


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


def reference(out, roles):
    names = []
    for path in sorted((ROOT / "include" / "daytona").glob("*.h")):
        if path.name in ("daytona.h", "export.h"):
            continue
        names.append(path.stem)
        (out / f"{path.stem}.md").write_text(
            f"# {path.stem}.h\n\n```{{code-block}} c\n#include <daytona/{path.name}>\n```\n\n{markdown(introduction(path.read_text()), roles)}\n\n"
            f"```{{eval-rst}}\n.. doxygenfile:: {path.name}\n   :sections: briefdescription detaileddescription define enum typedef func var innerclass public-attrib\n```\n")
    return names


def languages(out, xml, roles):
    """The pages of the bindings, and their names by the heading of docs/bindings.md that they are for."""
    made = {"C++": ("cpp", cpp_page(xml, roles)), "Python": ("python", python_page(roles)), "Lua": ("lua", lua_page(roles))}
    for name, (text, _) in made.values():
        (out / f"{name}.md").write_text(text)
    return {title: names for title, (_, (_, names)) in made.items()}


def linked_bindings(text, names):
    """docs/bindings.md: what it names of a language is a link in the section of that language."""
    sections = re.split(r"(?m)^(?=## )", text)
    return "".join("".join(part if part.startswith("```") else linked(part, names[title], title) for part in re.split(r"(?ms)(^```.*?^```$)", section))
                   if (title := section.partition("\n")[0].removeprefix("## ")) in names else section for section in sections)


def tree(title, pages, hidden=True):
    lines = [f"{{toctree}}", f":caption: {title}", ":maxdepth: 1"] + ([":hidden:"] if hidden else [])
    return "```" + "\n".join(lines + [""] + pages) + "\n```\n"


def main():
    out, xml = Path(sys.argv[1]), Path(sys.argv[2])
    pages = PAGES + [str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md"))]
    paths, roles = {ROOT / page for page in pages}, public_names()
    (out / "reference").mkdir()
    names = languages(out / "reference", xml, roles)
    for page in pages:
        to = out / page
        to.parent.mkdir(parents=True, exist_ok=True)
        text = (ROOT / page).read_text()
        to.write_text(for_the_site(linked_bindings(text, names) if page == "docs/bindings.md" else text, ROOT / page, paths, roles))
    for picture in (ROOT / "docs").rglob("*.png"):
        to = out / picture.relative_to(ROOT)
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes(picture.read_bytes())
    headers = reference(out / "reference", roles)
    known = {f"docs/guides/{name}.md" for name in GUIDES}
    assert known == {page for page in pages if page.startswith("docs/guides/")}, "GUIDES has every guide, in the order of reading"
    ideas = sorted(page[:-3] for page in pages if page.startswith("docs/") and page not in known)
    (out / "index.md").write_text(
        "# libdaytona\n\nThe asynchronous C SDK for Daytona sandboxes on libuv, and daytona-local, a sandbox server for your own machine.\n\n"
        + "Begin with [a first program](docs/guides/first-program.md), or look a call up in the reference: there is a page for each header of C, and one for each of [C++](reference/cpp.md),"
        " [Python](reference/python.md) and [Lua](reference/lua.md).\n\n"
        + tree("Guides", [f"docs/guides/{name}" for name in GUIDES]) + "\n"
        + tree("Reference", [f"reference/{name}" for name in headers]) + "\n"
        + tree("Other languages", ["reference/cpp", "reference/python", "reference/lua"]) + "\n"
        + tree("How it works", ideas) + "\n"
        + tree("The project", [page[:-3] for page in PAGES]))


if __name__ == "__main__":
    main()
