# SPDX-License-Identifier: Apache-2.0
"""An extension of Sphinx: the names of the library that the comments of functions and fields speak of become links to their place."""
import re

from docutils import nodes
from sphinx import addnodes

from prose import public_names

NAME = re.compile(r"\b((?:daytona|DAYTONA)_\w+)(?:\(\))?")
HEADER = re.compile(r"<daytona/(\w+)\.h>")
#: Where a name stays as it is: it is a link already, or the thing itself.
KEPT = (addnodes.desc_signature, addnodes.pending_xref, nodes.reference, nodes.literal_block, nodes.title)
ROLES = public_names()


def to_name(name, docname):
    shown = f"{name}()" if ROLES[name] == "func" else name
    return addnodes.pending_xref("", nodes.literal(shown, shown, classes=["xref", "c", f"c-{ROLES[name]}"]), refdomain="c", reftype=ROLES[name],
                                 reftarget=name, refdoc=docname, refexplicit=False, refwarn=False)


def to_header(name, docname):
    shown = f"<daytona/{name}.h>"
    return addnodes.pending_xref("", nodes.inline(shown, shown), refdomain="std", reftype="doc", reftarget=f"/reference/{name}", refdoc=docname,
                                 refexplicit=True, refwarn=False)


def linked(text, docname):
    """The nodes of a sentence, with its names as links."""
    made, at = [], 0
    for match in re.finditer(f"{NAME.pattern}|{HEADER.pattern}", text):
        if match[1] in ROLES:
            link = to_name(match[1], docname)
        elif match[2] not in (None, "daytona", "export"):
            link = to_header(match[2], docname)
        else:
            continue
        made += [nodes.Text(text[at:match.start()]), link]
        at = match.end()
    return made + [nodes.Text(text[at:])] if made else []


def is_within(node, kinds):
    while node is not None:
        if isinstance(node, kinds):
            return True
        node = node.parent
    return False


def link_names(app, doctree):
    docname = app.env.docname
    if not docname.startswith("reference/"):
        return
    # Doxygen has found functions itself; in pages of Markdown its links have no targets.
    whole = [node for node in doctree.findall(addnodes.pending_xref) if node["refdomain"] == "std" and node["reftype"] == "ref"]
    whole += [node for node in doctree.findall(nodes.literal) if not is_within(node, KEPT)]
    for node in whole:
        name = NAME.fullmatch(node.astext())
        if name and name[1] in ROLES:
            node.replace_self(to_name(name[1], docname))
    for text in [node for node in doctree.findall(nodes.Text) if not is_within(node, (*KEPT, nodes.literal))]:
        made = linked(text.astext(), docname)
        if made:
            text.parent.replace(text, made)


def setup(app):
    app.connect("doctree-read", link_names)
    return {"parallel_read_safe": True}
