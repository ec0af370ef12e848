# SPDX-License-Identifier: Apache-2.0
"""The reference of the bindings, made from their source: daytona.hpp (as Doxygen has taken it apart), the Python package and the Lua file.

Each entry ends with the names of C that its body uses, since limits, defaults and errors are described there. A page comes with its
names: {class: {member: link target}}, where the member "" is the class itself.
"""
import ast
import re
import xml.etree.ElementTree as ElementTree

from prose import ROOT, introduction, link, markdown

HPP = ROOT / "include" / "daytona" / "daytona.hpp"
PYTHON = ROOT / "bindings" / "python" / "libdaytona"
LUA = ROOT / "bindings" / "lua" / "daytona.lua.in"


def in_c(text, roles, prefixed=()):
    """The line with the names of C in `text`: functions first. `prefixed`: names that are without their daytona_ there."""
    names = [name for name in re.findall(r"\bdaytona_\w+", text)] + [f"daytona_{name}" for name in prefixed]
    names = [name for name in dict.fromkeys(names) if name in roles and not re.search(r"_(retain|release|errcode_text)$", name)]
    names.sort(key=lambda name: (roles[name] != "func", name.startswith("daytona_future_")))
    return "In C: " + ", ".join(link(name, roles) for name in names) + "." if names else ""


def entry(directive, signature, *blocks, fence=":::"):
    return "\n\n".join([f"{fence}{{{directive}}} {signature}"] + [block for block in blocks if block] + [fence])


# --- C++ ---

class Source:
    """The lines of daytona.hpp, from 1 on as Doxygen counts them."""

    def __init__(self):
        self.lines = [""] + HPP.read_text().splitlines()

    def comment(self, line):
        """The documentation comment that ends above a declaration, and above its `template <...>`."""
        while self.lines[line - 1].lstrip().startswith("template <"):
            line -= 1
        if not self.lines[line - 1].endswith("*/"):
            return ""
        first = next(at for at in range(line - 1, 0, -1) if self.lines[at].lstrip().startswith("/*"))
        text = "\n".join(re.sub(r"^\s*(?:/\*\*?| \*(?!/)) ?", "", each) for each in self.lines[first:line])
        return re.sub(r"\s*\*/$", "", text).strip("\n") if self.lines[first].lstrip().startswith("/**") else ""

    def declaration(self, line):
        """The text of a declaration, to its body."""
        template = self.lines[line - 1].strip() if self.lines[line - 1].lstrip().startswith("template <") else ""
        text, depth = f"{template} ", 0
        for char in " ".join(each.strip() for each in self.lines[line:line + 12]):
            depth += (char in "(") - (char in ")")
            if depth == 0 and char in "{;" or depth == 0 and text.endswith(" :") and char == " ":
                break
            text += char
        return " ".join(re.sub(r"( :|= default)$", "", text.strip()).split())

    def body(self, member):
        place = member.find("location")
        return "\n".join(self.lines[int(place.get("line")):max(int(place.get("bodyend") or 0), int(place.get("line"))) + 1])


def is_plumbing(name, owner, signature):
    """What the language asks of a class: destructors, copies, assignment, and how a handle is taken."""
    return name.startswith("~") or name == "operator=" or re.match(rf"{owner}\((const )?{owner} &", signature) is not None


def cpp_class(compound, source, roles, names):
    whole = compound.findtext("compoundname")
    owner = whole.rpartition("::")[2]
    shown = f"daytona::{owner}" if owner != "handle" else "daytona::detail::handle"
    line = int(compound.find("location").get("line"))
    made = [source.comment(line) and markdown(source.comment(line), roles)]
    names[owner] = {"": f"{{cpp:class}}`{shown}`"}
    for member in compound.iter("memberdef"):
        name, at = member.findtext("name"), int(member.find("location").get("line"))
        signature = source.declaration(at)
        if member.get("prot") != "public" or is_plumbing(name, owner, signature):
            continue
        kind = {"function": "function", "typedef": "type", "variable": "member"}[member.get("kind")]
        names[owner][name] = f"{{cpp:any}}`{shown}::{name}`"
        made.append(entry(f"cpp:{kind}", signature.removeprefix("using "), markdown(source.comment(at), roles),
                          in_c(source.body(member), roles) if kind == "function" else ""))
    head = source.declaration(line).replace("[[nodiscard]] ", "")
    head = re.sub(rf"\b(class|struct) {owner}", shown, head).partition(" : ")[0]
    return f"## {owner}\n\n" + entry("cpp:class", head, *made, fence="::::")


def cpp_page(xml, roles):
    source, names = Source(), {}
    space = ElementTree.parse(xml / "namespacedaytona.xml").getroot()
    detail = ElementTree.parse(xml / "namespacedaytona_1_1detail.xml").getroot()
    meant = {member.findtext("name"): member.findtext("type") for member in detail.iter("memberdef") if member.get("kind") == "typedef"}
    order = ["client", "sandbox", "pty", "sandbox_iter", "image", "future", "result", "error", "task"]
    found = {each.text.rpartition("::")[2]: each.get("refid") for each in space.iter("innerclass")}
    assert sorted(name for name in found if name) == sorted(order), "each class of daytona.hpp has its place in the page"
    classes = [ElementTree.parse(xml / f"{found[name]}.xml").getroot().find("compounddef") for name in order]
    handle = ElementTree.parse(xml / "classdaytona_1_1detail_1_1handle.xml").getroot().find("compounddef")
    blocks = [cpp_class(each, source, roles, names) for each in classes + [handle]]
    aliases, free = [], []
    for member in space.iter("memberdef"):
        name, at = member.findtext("name"), int(member.find("location").get("line"))
        if member.get("kind") == "typedef":
            kind = "".join(member.find("type").itertext()).removeprefix("typedef ").removeprefix("detail::")
            aliases.append(entry("cpp:type", f"daytona::{name} = {meant.get(kind, kind)}", markdown(source.comment(at), roles)))
        else:
            free.append(entry("cpp:function", source.declaration(at), markdown(source.comment(at), roles)))
        names[name] = {"": f"{{cpp:any}}`daytona::{name}`"}
    return "\n\n".join([
        "# daytona.hpp", "```{code-block} cpp\n#include <daytona/daytona.hpp>\n```",
        markdown(introduction(HPP.read_text()), roles),
        "How it is used, with a whole program: [bindings](../docs/bindings.md). Options and results are the structs of C. `client`, `sandbox`, "
        "`pty` and `image` also have what [handle](#handle) has.", *blocks, "## Callbacks", *aliases, *free]) + "\n", names


# --- Python ---

def python_signature(function):
    arguments = ast.parse(ast.unparse(function)).body[0].args
    for group in (arguments.posonlyargs, arguments.args):
        if group and group[0].arg in ("self", "cls"):
            del group[0]
    returns = f" -> {ast.unparse(function.returns)}" if function.returns else ""
    return f"{function.name}({ast.unparse(arguments)}){returns}".replace("'", "")


def calls_of(node):
    """The names of C in the strings and attributes of a function, the strings without their daytona_."""
    strings = [each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    return [each for each in strings if re.fullmatch(r"[a-z_0-9]+", each)]


def docstring(node):
    return ast.get_docstring(node) or ""


def python_member(node, cls, lines, roles):
    """The entry of a method, property or field; None: it is not for programs."""
    if isinstance(node, ast.AnnAssign) and not node.target.id.startswith("_"):
        comment = re.search(r"#: (.*)$", lines[node.lineno - 1])
        return node.target.id, entry("py:attribute", f"{node.target.id}\n:type: {ast.unparse(node.annotation)}",
                                     comment and markdown(comment[1], roles))
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or node.name.startswith("_"):
        return None
    marks = [ast.unparse(each) for each in node.decorator_list]
    text = markdown(docstring(node), roles, "python")
    c = in_c(ast.unparse(node), roles, calls_of(node))
    if "property" in marks:
        return node.name, entry("py:property", f"{node.name}\n:type: {ast.unparse(node.returns)}", text, c)
    options = ("\n:async:" if isinstance(node, ast.AsyncFunctionDef) else "") + ("\n:classmethod:" if "classmethod" in marks else "")
    return node.name, entry("py:method", python_signature(node) + options, text, c)


def python_class(node, lines, raised, roles, names):
    names[node.name] = {"": f"{{py:class}}`libdaytona.{node.name}`"}
    methods = {each.name: each for each in node.body if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef))}
    made = [markdown(docstring(node), roles, "python")]
    if node.name in raised:
        made.append(f"Raised for {link(raised[node.name], roles)} and the codes below it.")
    for each in node.body:
        member = python_member(each, node, lines, roles)
        if member:
            names[node.name][member[0]] = f"{{py:obj}}`libdaytona.{node.name}.{member[0]}`"
            made.append(member[1])
    takes = python_signature(methods["__init__"]).removeprefix("__init__").partition(" ->")[0] if node.name == "Client" else ""
    bases = f"({', '.join(ast.unparse(base) for base in node.bases)})" if node.bases and not takes else takes
    return f"## {node.name}\n\n" + entry("py:exception" if node.name.endswith("Error") and node.bases else "py:class", node.name + bases, *made, fence="::::")


def python_page(roles):
    package = ast.parse((PYTHON / "__init__.py").read_text())
    public = next(ast.literal_eval(each.value) for each in package.body if isinstance(each, ast.Assign))
    found, names = {}, {}
    modules = {name: (PYTHON / f"_{name}.py").read_text() for name in ("client", "streams", "transfers", "images", "native", "errors")}
    table = next(each for each in ast.parse(modules["errors"]).body if isinstance(each, ast.Assign) and each.targets[0].id == "CLASSES")
    raised = {pair.elts[1].id: pair.elts[0].attr for pair in table.value.elts}
    for text in modules.values():
        found.update((node.name, python_class(node, text.splitlines(), raised, roles, names)) for node in ast.parse(text).body
                     if isinstance(node, ast.ClassDef) and node.name in public)
    first = ["Client", "Sandbox"]
    blocks = [found[name] for name in first] + [block for name, block in found.items() if name not in first]
    assert set(public) - set(names) == {"ffi", "lib"}, set(public) - set(names)
    return "\n\n".join([
        "# Python: libdaytona", markdown(docstring(package), roles, "python"),
        "How it is built and used: [bindings](../docs/bindings.md#python). Keywords that an entry names by a struct are fields of that struct. "
        "`ffi` and `lib` are those of cffi, for what has no method and does not fit `call()`.",
        ":::{py:module} libdaytona\n:::", *blocks]) + "\n", names


# --- Lua ---

LUA_ENTRY = re.compile(r"(?m)^((?:---? ?.*\n)*)(?:local (?P<class>[A-Z]\w+) = \{\}$|function (?P<name>\w+[.:]\w+)(?P<arguments>\([^)]*\)))")


def lua_page(roles):
    text = LUA.read_text()
    groups, names = {}, {}
    for found in LUA_ENTRY.finditer(text):
        comment = re.sub(r"(?m)^--(?:- | )?", "", found[1]).strip("\n") if found[1].startswith("---") else ""
        name = found["class"] or found["name"]
        owner, _, member = re.sub(r"^[A-Z]", lambda initial: initial[0].lower(), name).replace(":", ".").partition(".")
        shown = owner + (":" if found["name"] and ":" in name else ".") + member
        body = re.match(r".*\bend\n|(?:.*\n)+?end\n", text[found.start("name") - len("function "):])[0] if member else ""
        names.setdefault(owner, {})[member] = f"{{lua}}`{shown if member else owner}`"
        made = groups.setdefault(owner, [])
        if member:
            made.append(entry("lua", shown + found["arguments"], markdown(comment, roles), in_c(body, roles)))
        else:
            made.insert(0, entry("lua", owner, markdown(comment, roles)))
    order = ["daytona"] + [name for name in reversed(groups) if name != "daytona"]
    intro = re.match(r"(?:--.*\n)+", text)[0]
    intro = re.sub(r"(?m)^--(?: |$)", "", intro).partition("\n")[2]
    return "\n\n".join([
        "# Lua: daytona.lua", markdown(intro, roles, "lua"), "How it is made and used: [bindings](../docs/bindings.md#lua).",
        *(f"## {owner}\n\n" + "\n\n".join(groups[owner]) for owner in order)]) + "\n", names


# --- names in a text ---

def linked(text, names, language):
    """Code spans of a text that name a class or a member as links. A member of several classes is that of the class named last."""
    state = {"class": None}

    def replaced(match):
        span = re.fullmatch(r"(?:await )?(?:daytona::)?(?::)?(\w+)(?:<[^`]*>)?(?:[.:](\w+))?(?:\(.*\))?", match[1])
        if span is None:
            return match[0]
        first, second = span[1], span[2]
        owner = next((name for name in names if name == first or second and name.lower() == first.lower()), None)
        if owner is not None and (second is None or second in names[owner]):
            state["class"] = owner
            target = names[owner].get(second or "")
        else:
            having = [name for name in names if first in names[name]] if second is None else []
            owner = state["class"] if state["class"] in having else having[0] if len(having) == 1 else None
            target = names[owner][first] if owner else None
        if target is None or "<" in match[1]:
            return match[0]
        return re.sub(r"`(.*)`", lambda to: f"`{match[1]} <{to[1]}>`", target)
    return re.sub(r"(?<![`\[}])`([^`\n]+)`(?!`)", replaced, text)
