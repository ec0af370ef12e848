# SPDX-License-Identifier: Apache-2.0
"""The pages that Sphinx reads: pages.py OUTPUT

The guides and documents as they are, at the same places relative to each other, so that their links hold; a page for each header, which begins
with what the header says of itself; and the index.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "subprojects/daytona-local/README.md"]
GUIDES = ["first-program", "callbacks-and-futures", "errors", "deadlines", "fan-out", "http-streaming", "files", "terminals", "testing", "tuning",
          "troubleshooting", "platform", "from-python"]


def without_file_links(text, page):
    """Links to files that are no pages become text: the site has none of them."""
    def replaced(match):
        target = match[2].partition("#")[0]
        if re.match(r"[a-z]+:", match[2]) or target == "" or (target.endswith(".md") and (page.parent / target).exists()):
            return match[0]
        return match[1]
    parts = re.split(r"(?ms)(^```.*?^```$)", text)
    # Pictures that are made from text are drawn when the site is built.
    parts = [re.sub(r"^```dot\n", "```{graphviz}\n", part) for part in parts]
    return "".join(part if part.startswith("```") else re.sub(r"(?<!!)\[([^\]\n]+)\]\(([^)\n]+)\)", replaced, part) for part in parts)


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
            f"```{{eval-rst}}\n.. doxygenfile:: {path.name}\n   :sections: briefdescription detaileddescription define enum typedef func var innerclass\n```\n")
    return names


def tree(title, pages, hidden=True):
    lines = [f"{{toctree}}", f":caption: {title}", ":maxdepth: 1"] + ([":hidden:"] if hidden else [])
    return "```" + "\n".join(lines + [""] + pages) + "\n```\n"


def main():
    out = Path(sys.argv[1])
    pages = PAGES + [str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md"))]
    for page in pages:
        to = out / page
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(without_file_links((ROOT / page).read_text(), ROOT / page))
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
