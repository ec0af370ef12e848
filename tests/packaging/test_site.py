# SPDX-License-Identifier: Apache-2.0
"""The site is built without a warning, has every public name, and no link that leads nowhere: test_site.py SOURCE"""
import html.parser
import re
import shutil
import subprocess
import sys
import urllib.parse
from pathlib import Path

SOURCE = Path(sys.argv[1]).resolve()
SITE = SOURCE / "build" / "site" / "html"
sys.path.insert(0, str(SOURCE / "tests" / "lib"))
sys.path.insert(0, str(SOURCE / "tests" / "unit"))
import tap  # noqa: E402

import declarations  # noqa: E402


class Page(html.parser.HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.links, self.anchors = [], set()
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if attrs.get("id"):
            self.anchors.add(attrs["id"])
        for name in ("href", "src"):
            if attrs.get(name):
                self.links.append(attrs[name])


def cpp_names():
    """Class and member, of the public part of each class of daytona.hpp."""
    text = (SOURCE / "include" / "daytona" / "daytona.hpp").read_text()
    text = re.sub(r"(?s)/\*\*.*?\*/|(?m:^#[^\n]*$)", "", text)
    text = re.sub(r"(?ms)^namespace detail \{.*?^\} /\* namespace detail \*/", "", text)
    for owner, body in re.findall(r"(?ms)^class (?:\[\[\w+\]\] )?(\w+)[^;{]*\{\n(.*?)^\};", text):
        for part in re.findall(r"(?ms)^ public:\n(.*?)(?=^ private:|\Z)", body):
            yield from ((owner, name) for name in re.findall(r"(?m)^  (?! |/|.*\boperator\b)[^=(;\n]*?\b(\w+)\(", part))


def python_names():
    """Class and member, of the classes that the package gives."""
    package = SOURCE / "bindings" / "python" / "libdaytona"
    public = re.search(r"(?s)__all__ = \[(.*?)\]", (package / "__init__.py").read_text())[1]
    for path in package.glob("_[a-z]*.py"):
        for owner, body in re.findall(r"(?ms)^class (\w+).*?:(.*?)(?=^\S|\Z)", path.read_text()):
            if f'"{owner}"' in public:
                yield from [(owner, "")] + [(owner, name) for name in re.findall(r"(?m)^    (?:async )?def ([a-z]\w*)", body)]


def lua_names():
    text = (SOURCE / "bindings" / "lua" / "daytona.lua.in").read_text()
    return [(owner.lower(), name) for owner, name in re.findall(r"(?m)^function (\w+)[.:](\w+)", text)]


def main():
    def it_is_built():
        done = subprocess.run([str(SOURCE / "docs" / "site" / "build")], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-5000:]

    def every_public_name_is_reachable():
        anchors = set()
        for path in (SITE / "reference").glob("*.html"):
            anchors |= Page(path).anchors
        missing = [name for name in declarations.functions() if f"c.{name}" not in anchors]
        assert not missing, missing
        types = set()
        for header in (SOURCE / "include" / "daytona").glob("*.h"):
            types |= set(re.findall(r"(?m)^\} (daytona_\w+_t);", header.read_text()))
        text = "\n".join(path.read_text() for path in (SITE / "reference").glob("*.html"))
        missing = [name for name in types if name not in text]
        assert len(types) > 50 and not missing, missing

    def fields_and_values_are_in_the_reference():
        anchors = set()
        for path in (SITE / "reference").glob("*.html"):
            anchors |= Page(path).anchors
        values = re.findall(r"\bX\((DAYTONA_E\w+)", (SOURCE / "include" / "daytona" / "error.h").read_text())
        wanted = [f"c.daytona_errcode_t.{name}" for name in values]
        wanted += ["c.daytona_sandbox_state_t.DAYTONA_SANDBOX_STARTED", "c.daytona_stream_reason_t.DAYTONA_STREAM_LOST",
                   "c.daytona_process_exec_opts_t.leaves_running", "c.daytona_exec_result_t.exit_code", "c.daytona_config_t.max_starting"]
        missing = [name for name in wanted if name not in anchors]
        assert len(wanted) > 50 and not missing, missing

    def names_of_the_bindings_are_reachable():
        cpp, python, lua = (Page(SITE / "reference" / f"{name}.html").anchors for name in ("cpp", "python", "lua"))
        wanted = {(owner, name): f"7daytona{len(owner)}{owner}{len(name)}{name}" for owner, name in cpp_names()}
        missing = [names for names, mangled in wanted.items() if not any(mangled in anchor for anchor in cpp)]
        assert len(wanted) > 80 and not missing, (len(wanted), missing)
        wanted = [".".join(["libdaytona", owner] + [name] * bool(name)) for owner, name in python_names()]
        missing = [name for name in wanted if name not in python]
        assert len(wanted) > 80 and not missing, (len(wanted), missing)
        wanted = [(owner, name) for owner, name in lua_names() if not {f"lua-{owner}-{name}", f"lua-{owner}.{name}"} & lua]
        assert len(lua_names()) > 30 and not wanted, wanted

    def bindings_lead_to_their_reference():
        links = set(Page(SITE / "docs" / "bindings.html").links)
        for link in ("cpp.html#_CPPv4NK7daytona6client6create", "cpp.html#_CPPv4NK7daytona3pty6resize", "python.html#libdaytona.Sandbox.follow",
                     "python.html#libdaytona.NotFoundError", "lua.html#lua-client-create", "lua.html#lua-job-join", "lua.html#lua-daytona.run"):
            assert any(each.startswith(f"../reference/{link}") for each in links), link
        for page, link in (("cpp", "process.html#c.daytona_process_exec"), ("python", "sandbox.html#c.daytona_sandbox_create_opts_t"),
                           ("lua", "session.html#c.daytona_session_follow")):
            assert link in Page(SITE / "reference" / f"{page}.html").links, link

    def introductions_are_text_with_links():
        for page, link in (("fs", "error.html#c.daytona_errcode_t.DAYTONA_ECHANGED"), ("mouse", "computer_use.html"),
                           ("volume", "sandbox.html#c.daytona_sandbox_create_opts_t.volumes"), ("client", "#c.daytona_client_post")):
            assert link in Page(SITE / "reference" / f"{page}.html").links, (page, link)
        literal = [path.name for path in (SITE / "reference").glob("*.html") if "highlight-text" in path.read_text()]
        assert not literal, literal

    def comments_of_functions_lead_to_what_they_name():
        for page, link in (("fs", "future.html#c.daytona_future_resume"), ("image", "#c.daytona_image_dockerfile_commands"),
                           ("sandbox", "error.html#c.daytona_errcode_t.DAYTONA_ESPOT_EVICTED"), ("sandbox", "image.html")):
            assert link in Page(SITE / "reference" / f"{page}.html").links, (page, link)

    def guides_lead_to_the_reference():
        links = set(Page(SITE / "docs" / "guides" / "errors.html").links)
        for link in ("error.html#c.daytona_errcode_t.DAYTONA_EAUTH", "client.html#c.daytona_config_check", "error.html#c.daytona_error_t"):
            assert f"../../reference/{link}" in links, link

    def every_page_can_be_found():
        index = (SITE / "searchindex.js").read_text()
        for header in (SOURCE / "include" / "daytona").glob("*.h"):
            if header.name not in ("daytona.h", "export.h"):
                assert f"reference/{header.stem}" in index, header.name

    def no_link_leads_nowhere():
        pages = {path: Page(path) for path in SITE.rglob("*.html")}
        wrong = []
        for path, page in pages.items():
            for link in page.links:
                target, _, anchor = link.partition("#")
                if re.match(r"[a-z]+:", link):
                    continue
                to = (path.parent / urllib.parse.unquote(target.partition("?")[0])).resolve() if target else path
                if not to.exists() or (anchor and to in pages and urllib.parse.unquote(anchor) not in pages[to].anchors):
                    wrong.append(f"{path.relative_to(SITE)}: {link}")
        assert not wrong, wrong[:20]

    def pictures_are_drawn():
        assert list(SITE.rglob("graphviz-*.svg")), "no picture of the architecture"

    if shutil.which("doxygen") is None:
        print("1..0 # SKIP doxygen is not installed")
        return 0
    return tap.run_all([it_is_built, every_public_name_is_reachable, fields_and_values_are_in_the_reference,
                        names_of_the_bindings_are_reachable, bindings_lead_to_their_reference, introductions_are_text_with_links,
                        comments_of_functions_lead_to_what_they_name,
                        guides_lead_to_the_reference, every_page_can_be_found, no_link_leads_nowhere, pictures_are_drawn])


if __name__ == "__main__":
    sys.exit(main())
