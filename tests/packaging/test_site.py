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
                        guides_lead_to_the_reference, every_page_can_be_found, no_link_leads_nowhere, pictures_are_drawn])


if __name__ == "__main__":
    sys.exit(main())
