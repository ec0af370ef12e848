# SPDX-License-Identifier: Apache-2.0
# What Sphinx needs to know; docs/site/build calls it.
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

ROOT = Path(__file__).resolve().parents[2]

project = "libdaytona"
author = "The libdaytona authors"
copyright = "2026, " + author
extensions = ["breathe", "myst_parser", "sphinx.ext.graphviz", "names"]
source_suffix = {".md": "markdown"}
master_doc = "index"
html_theme = "furo"
html_title = "libdaytona"
html_copy_source = False
graphviz_output_format = "svg"
breathe_projects = {"libdaytona": str(ROOT / "build" / "site" / "xml")}
breathe_default_project = "libdaytona"
breathe_domain_by_extension = {"h": "c"}
breathe_show_include = False
primary_domain = "c"
smartquotes = False  # code is quoted in sentences, too
highlight_language = "c"
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
# A link is to a page or to the world; source files are not pages, and pages.py has made text of them.
suppress_warnings = ["myst.header", "misc.highlighting_failure"]


def lua_name(_env, signature, node):
    """`.. lua:: sandbox:exec(command, given)`: its name is what stands before the arguments."""
    from sphinx import addnodes
    name, bracket, arguments = signature.partition("(")
    node += addnodes.desc_name(name, name)
    node += addnodes.desc_sig_element("", bracket + arguments)
    return name


def setup(app):
    # Sphinx knows no Lua; its functions and methods are objects of this kind.
    app.add_object_type("lua", "lua", "pair: %s; Lua", parse_node=lua_name)
