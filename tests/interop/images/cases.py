# SPDX-License-Identifier: Apache-2.0
"""What images are built from, for compare.py: a folder of files, and lists of calls.

A call is [name, arguments...]; driver.c and sdk.py know what it means in their library.
"""

import json
import os
import random

# Characters that shells, JSON and Dockerfiles treat in their own ways.
ODD = ["", " ", "a b", "it's", '"', "'", "''", "a\"b'c", "\\", "a\\", "\\n", "a\nb", "a\tb", "$HOME", "`id`", "$(id)", "*", "~",
       "#x", "a=b", "é", "日本", "😀", "\u00a0", "\u2028", "\x7f", "\x01", "a;b", "a&&b", "a|b", "<x>", "a,b", "a/b:c@d%e+f-g_h.i",
       "!x", "[x]", "{x}", "--flag", "-"]

FILES = {
    "plain.txt": "plain\n",
    "requirements.txt": "requests\n",
    "with space.txt": "s\n",
    "ünï.txt": "u\n",
    "it's.txt": "q\n",
    'quo"te.txt': "q\n",
    "back\\slash.txt": "b\n",
    "[x].txt": "x\n",
    "dir/a.txt": "a\n",
    "dir/b.txt": "b\n",
    "dir/.hidden.txt": "h\n",
    "dir/c.md": "c\n",
    "dir/sub/d.txt": "d\n",
    "dir/sub/e.txt": "e\n",
    "dir/sub2/f.txt": "f\n",
    "dir with space/g.txt": "g\n",
    "home/h.txt": "h\n",
    "home/dir/i.txt": "i\n",
    "img/src/j.txt": "j\n",
    "img/Dockerfile": "FROM alpine\nCOPY src /app\nCOPY img/src /again\nCOPY --from=build /x /y\nADD src /added\n",
    "img/crlf": "FROM alpine\r\nCOPY src \\\r\n  src/j.txt /app\r\nRUN x\rCOPY src /old-mac\r\n",
    "img/strict": "FROM alpine\nCOPY src /app\n",
    "img/outside": "FROM alpine\nCOPY ../plain.txt /app\n",
    "img/empty": "",
    "img/no-end": "FROM alpine\nCOPY src /app",
    "img/bom": "\ufeffCOPY src /app\nCOPY src /b\n",
    "img/unicode": "FROM alpine\nCOPY\u00a0src /app\nCOPY src\u2003x /app\u2028COPY src /line\x0cCOPY src /page\n",
    "Dockerfile": "FROM alpine\nCOPY dir/*.txt /app/\n",
    "py/plain.toml": '[project]\nname = "x"\ndependencies = ["requests>=2", "numpy==1.0; python_version < \'3.12\'", "a[b]"]\n',
    "py/groups.toml": '[project]\ndependencies = ["b"]\n[project.optional-dependencies]\ndev = ["pytest", "a"]\n'
                      'docs = ["sphinx"]\nempty = []\n',
    "py/inline.toml": '[project]\ndependencies = []\noptional-dependencies = { dev = ["x y"], "q.r" = [\'z\'] }\n',
    "py/comments.toml": '# c\n[build-system]\nrequires = ["setuptools"] # c\n[project]\ndependencies = [\n  "b", # c\n'
                        '  \'a\',\n]\nversion = "1"\n[tool.x]\nn = 1\nf = 1.5\nt = true\nd = 1979-05-27T07:32:00Z\n',
    "py/escapes.toml": '[project]\ndependencies = ["a\\tb", "\\u00e9", "q\\"q", \'c\\d\']\n',
    "py/dotted.toml": 'project.name = "x"\nproject.dependencies = ["a"]\n',
    "py/no-project.toml": '[tool]\nx = 1\n',
    "py/no-dependencies.toml": '[project]\nname = "x"\n',
    "py/table.toml": '[project.dependencies]\nx = 1\n',
    "py/text.toml": '[project]\ndependencies = "x"\n',
    "py/bad-groups.toml": '[project]\ndependencies = ["a"]\noptional-dependencies = ["x"]\n',
    "py/bad.toml": '[project\n',
    "py/bad-string.toml": '[project]\ndependencies = ["a]\n',
    "py/bad-value.toml": '[project]\nx = \n',
    "py/numbers.toml": '[project]\ndependencies = [1, 2]\n',
    "py/group-text.toml": '[project]\ndependencies = ["a"]\n[project.optional-dependencies]\ndev = "xy"\n',
    "py/mixed.toml": '[project]\ndependencies = ["a"]\n[tool.x]\nmixed = [1, "a"]\n',
}

LINKS = {"dir/in": "a.txt", "dir/out": "../plain.txt", "dir/up": "..", "dir/dangling": "../nowhere",
         "dir/broken": "nowhere", "dir/loop": "loop", "linked": "dir"}


def make_files(folder):
    for name, text in FILES.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(text.encode())
    with open(os.path.join(folder, "img/latin1"), "wb") as file:
        file.write(b"FROM alpine\n# \xe9\n")
    for name, target in LINKS.items():
        os.symlink(target, os.path.join(folder, name))


class Case:
    """`official`: in what the official SDK is known to differ, and why; ours is then `ours`."""

    def __init__(self, name, calls, ours=None, official=None, message="same", any_order=False):
        self.name = name
        self.calls = calls
        self.ours = ours
        self.official = official
        self.message = message  # of errors: "same", "start" up to the second colon, or "kind" for none
        self.any_order = any_order  # the official SDK takes names as the disk has them, ours are sorted


def base(*calls):
    return [["base", "alpine:3"], *calls]


def copies(*lines, folder=None, strict=False):
    return base(["commands", list(lines), folder, strict])


def texts():
    yield Case("base", base())
    yield Case("base odd", [["base", "a b\nRUN \"x\" é"]])
    for version in ["3.9", "3.10", "3.11", "3.12", "3.13", "3.12.4", "3.9.0rc1", "3.9.0rc", "3.13.99"]:
        yield Case(f"python {version}", [["debian_slim", version]])
    for version in ["", "3", "2.7", "3.8", "3.14", "3.1", "3.123", "3.12.", "3.12rc1", "3.12.1.1", "x", "3.12 ", "3.8.1",
                    "3.09", "v3.12", "3.12.1x"]:
        yield Case(f"python refused {version!r}", [["debian_slim", version]])
    for i, text in enumerate(ODD):
        yield Case(f"text {i} {text!r}", base(
            ["workdir", text], ["env", {"KEY": text, "": "x"}], ["run", text, [text, "x" + text]],
            ["entrypoint", [text, "x"]], ["cmd", ["x", text]], ["pip_install", [text, "m"], {"extra_options": text}],
            ["pip_install", ["p"], {"find_links": [text, "l"], "index_url": text, "extra_index_urls": [text],
                                    "pre": True}]))
        yield Case(f"target {i} {text!r}", base(["file", "plain.txt", text], ["dir", "dir", text],
                                                ["file", "plain.txt", text + "/"]))
    yield Case("empty lists", base(["run"], ["run", []], ["env", {}], ["entrypoint", []], ["cmd", []],
                                   ["pip_install", [], {"pre": True}], ["commands", [], None, False]))
    yield Case("order of packages", base(["pip_install", ["b", "B", "a-b", "a", "ab", "a_b", "é", "日", "😀", "~", "0",
                                                          "a"], {}]))
    yield Case("order of variables", base(["env", {"Z": "1", "A": "2", "M": "3 4"}]))
    yield Case("extra options", base(["pip_install", ["a"], {"extra_options": " \t--no-deps  --x\u00a0\n"}],
                                     ["pip_install", ["a"], {"extra_options": "   "}]))
    yield Case("all together", [["debian_slim", "3.12"], ["pip_install", ["requests", "pandas"], {}],
                                ["dir", "dir", "/src"], ["file", "plain.txt", "/etc/"], ["env", {"A": "b"}],
                                ["workdir", "/src"], ["run", "make", ["sh", "-c", "echo \"$X\""]],
                                ["commands", ["USER daytona", "COPY dir /d"], None, False],
                                ["entrypoint", ["/bin/sh"]], ["cmd", ["-l"]]])


def local_files():
    for name in ["plain.txt", "./plain.txt", "dir/../plain.txt", "dir//a.txt", "with space.txt", "ünï.txt", "it's.txt",
                 'quo"te.txt', "back\\slash.txt", "[x].txt", "~/h.txt", "~/../plain.txt", "dir/in", "dir/out",
                 "linked/a.txt", "/etc/passwd", "//etc//passwd", "./dir/./sub/../a.txt"]:
        yield Case(f"file {name}", base(["file", name, "/to/"], ["file", name, "/to/x"], ["file", name, ""],
                                        ["requirements", name, {"index_url": "u v", "pre": True}]))
    for name in ["dir", "dir/", "./dir", "dir with space", "dir/sub/..", "~", "~/", "~/dir", ".", "..", "linked", "/etc", "/"]:
        yield Case(f"folder {name}", base(["dir", name, "/to"], ["dir", name, "/to/"]))
    for name in ["none", "dir", "plain.txt/x", "dir/loop", "dir/broken", "~/none", "~nobody-of-that-name/x"]:
        yield Case(f"no file {name}", base(["file", name, "/"]))
        yield Case(f"no requirements {name}", base(["requirements", name, {}]))
        yield Case(f"no project {name}", base(["pyproject", name, [], {}]))
        yield Case(f"no Dockerfile {name}", [["from_dockerfile", name, False]])
    for name in ["none", "plain.txt", "dir/loop", "~nobody-of-that-name"]:
        yield Case(f"no folder {name}", base(["dir", name, "/"]))
        yield Case(f"no context {name}", copies("RUN x", folder=name))
    yield Case("the first error counts", base(["file", "none", "/"], ["dir", "nor this", "/"]))


def dockerfiles():
    for name in ["img/Dockerfile", "./img//Dockerfile", "img/../img/Dockerfile", "Dockerfile", "linked/../Dockerfile",
                 "img/crlf", "img/empty", "img/no-end", "img/bom", "img/unicode"]:
        yield Case(f"Dockerfile {name}", [["from_dockerfile", name, False], ["run", "x"]], any_order=True)
    yield Case("strict Dockerfile", [["from_dockerfile", "img/strict", True]])
    yield Case("strict Dockerfile here", [["from_dockerfile", "Dockerfile", True]], any_order=True)
    yield Case("outside of a Dockerfile", [["from_dockerfile", "img/outside", False]])
    yield Case("strict Dockerfile refused", [["from_dockerfile", "img/outside", True]])


def copy_lines():
    lines = [
        ["COPY dir /d"], ["copy dir /d"], ["  \tCoPy\tdir   /d  "], ["COPY dir"], ["COPY"], ["COPY "], ["COPYdir /d"],
        ["# COPY dir /d"], ["ADD dir /d"], ["RUN COPY dir /d"], ["COPY plain.txt dir /d/"], ["COPY /etc/passwd /p"],
        ["COPY ../x /p"], ["COPY dir/ ./dir dir//a.txt /d"], ["COPY none /n"], ["COPY 'with space.txt' /s"],
        ['COPY "with space.txt" /s'], ["COPY with\\ space.txt /s"], ["COPY 'open /s"], ["COPY a\\"], ["COPY '' /s"],
        ['COPY ["plain.txt", "/d"]'], ['COPY ["with space.txt","dir","/d"]'], ['COPY ["plain.txt"]'], ["COPY []"],
        ['COPY ["a", 1, "/d"]'], ['COPY ["a" "b"]'], ['COPY ["a", "/d"] x'], ['COPY ["\\u00fcn\\u00ef.txt", "/d"]'],
        ['COPY ["quo\\"te.txt", "back\\\\slash.txt", "/d"]'], ["COPY [plain.txt, /d]"], ["COPY [x].txt /d"],
        ["COPY --chown=1:1 dir /d"], ["COPY --link dir /d"], ["COPY --link --chmod=755 dir plain.txt /d"],
        ["COPY --link"], ['COPY --chown=1:1 ["dir", "/d"]'], ["COPY dir --link /d"], ["COPY --from=x dir /d"],
        ["COPY --chown=1 --FROM=x dir /d"], ["COPY dir --from=x"], ["COPY --fromage dir /d"],
        ["COPY <<EOF /x", "COPY dir /d", "EOF"], ["COPY dir <<x /d"],
        ["COPY dir \\", " plain.txt /d"], ["COPY dir \\  ", "", "# comment \\", "plain.txt /d"], ["COPY \\", "dir \\", "/d"],
        ["COPY dir /d\\", "COPY dir /e"], ["# x \\", "COPY dir /d"], ["COPY dir plain.txt\\", "/d"], ["RUN a \\", "COPY dir /d"],
        ["RUN a\\\\", "COPY dir /d"], ["COPY dir\r\nCOPY plain.txt /d\r\n"], ["COPY dir /d\rCOPY dir /e"],
        ["COPY dir\u00a0x /d"], ["COPY\u2003dir /d"], ["COPY dir /d\u2028COPY dir /e"], ["COPY dir /d\x85COPY dir /e"],
        ["COPY dir /d\x0bCOPY dir /e\x0cCOPY dir /f\x1cCOPY dir /g"], ["COPY a\"b c\"'d' /d"], ['COPY "a\\"b\\\\c\\d" /d'],
        ["COPY 'a\\'b' /d"], ["COPY a#b /d # x"], ["COPY $X ${Y} /d"], ["COPY ~/x /d"], ["ONBUILD COPY dir /d"],
        ["COPY dir /d", "COPY dir /d"], ["COPY \\", "--link \\", "dir /d"],
    ]
    for i, line in enumerate(lines):
        yield Case(f"copy {i} {line}", copies(*line))
        yield Case(f"copy {i} in a folder", copies(*line, folder="dir"))
    for folder in ["dir", "dir/", "./dir", "dir/../dir", "linked", "dir with space", "~/dir", ".", "/etc", "./"]:
        yield Case(f"context {folder}", copies("COPY a.txt sub dir/a.txt none /x", folder=folder))
        yield Case(f"strict context {folder}", copies("COPY a.txt sub none /x", folder=folder, strict=True))
    for pattern in ["*", "*.txt", "?.txt", "[ab].txt", "[!a].txt", "[a-b].*", "[", "[]", "[x].txt", "[[]x].txt", "s*/*.txt",
                    "sub*/", "*/d.txt", "*/*", ".*", ".h*", "**", "**/*.txt", "s??", "sub/*", "*.none", "./*.md", "sub//*",
                    "*//d.txt", "../dir/*.md", "[b-a].txt", "[!b-a].txt", "[a-].txt", "[-a].txt", "*ü*", "??ï.txt", "u*/*",
                    "{a,b}.txt", "\\*", "a.tx[t]", "sub[12]", "*/../*.md"]:
        json_form = "COPY [" + '"' + pattern.replace("\\", "\\\\") + '", "/x"]'
        yield Case(f"wildcard {pattern}", copies(json_form, folder="dir"), any_order=True)
        yield Case(f"wildcard {pattern} here", copies(json_form), any_order=True)
    absolute = os.path.join(os.getcwd(), "dir", "*.txt")
    yield Case("wildcard absolute", copies(f'COPY ["{absolute}", "/x"]', folder="dir"), any_order=True)


def strict_contexts():
    for source in ["a.txt", "sub", "in", "./a.txt", "sub/../a.txt", "none", "..x", "a:b", "sub/../../dir/a.txt", "..", "../",
                   "../plain.txt", "/etc/passwd", "//x", "C:x", "C:\\\\x", "\\\\\\\\host\\\\share", "\\\\x", "..\\\\plain.txt",
                   "sub\\\\..\\\\..\\\\x", "out", "up", "up/", "up//", "up///plain.txt", "in//", "up/plain.txt", "up/dir/a.txt", "dangling", "broken", "é:x",
                   "sub/..", ".", "*.txt", "o*", "[iu]*", "1:", ":x", "", "sub/../.."]:
        yield Case(f"strict {source}", copies(f'COPY ["{source}", "/x"]', folder="dir", strict=True), any_order=True)
        yield Case(f"not strict {source}", copies(f'COPY ["{source}", "/x"]', folder="dir"), any_order=True)
    yield Case("strict without a folder", copies("COPY dir /d", strict=True), message="kind")
    yield Case("strict with an empty folder", copies("COPY dir /d", folder="", strict=True), message="kind")
    yield Case("strict linked folder", copies("COPY in /x", folder="linked", strict=True))


def projects():
    options = {"find_links": "l m", "index_url": "i", "extra_index_url": "x", "pre": True, "extra_options": " -q "}
    for name in ["plain", "groups", "inline", "comments", "escapes", "dotted"]:
        yield Case(f"project {name}", base(["pyproject", f"py/{name}.toml", [], {}]))
        yield Case(f"project {name} with groups", base(["pyproject", f"./py/{name}.toml",
                                                        ["docs", "none", "dev", "q.r", "empty", "dev"], options]))
    for name in ["no-project", "no-dependencies", "table", "text"]:
        yield Case(f"project refused {name}", base(["pyproject", f"py/{name}.toml", [], {}]))
    yield Case("project with groups that are no table", base(["pyproject", "py/bad-groups.toml", [], {}]))
    yield Case("project refused groups", base(["pyproject", "py/bad-groups.toml", ["dev"], {}]))
    for name in ["bad", "bad-string", "bad-value"]:
        yield Case(f"project refused {name}", base(["pyproject", f"py/{name}.toml", [], {}]), message="start")


def refused(message):
    return {"error": "validation", "message": message}


def differences():
    """In what ours differ, on purpose."""
    yield Case("an empty image name", [["base", ""]], refused("the name of the image is empty"),
               "makes a Dockerfile that nobody can build")
    yield Case("an empty folder", base(["dir", "", "/x"]), refused("local is empty"),
               "looks at the working folder, whose upload then fails because there is no path")
    yield Case("an empty file", base(["file", "", "/x"]), refused("local is empty"),
               "speaks of a path that exists but is not a file: the working folder")
    yield Case("a Dockerfile that is not UTF-8", [["from_dockerfile", "img/latin1", False]],
               refused("Dockerfile img/latin1 is not UTF-8 text"), "fails with an error of the codec and not of the SDK")
    yield Case("dependencies that are numbers", base(["pyproject", "py/numbers.toml", [], {}]),
               refused("the dependencies in pyproject.toml file py/numbers.toml are not a list of strings"),
               "asks pip for packages called 1 and 2")
    yield Case("a group that is a string", base(["pyproject", "py/group-text.toml", ["dev"], {}]),
               refused("the dependencies of dev in pyproject.toml file py/group-text.toml are not a list of strings"),
               "asks pip for a package for each letter")
    yield Case("a list of several types", base(["pyproject", "py/mixed.toml", [], {}]),
               {"dockerfile": "FROM alpine:3\nRUN python -m pip install a\n", "contexts": []},
               "reads TOML of before 1.0, which had no such lists")
    yield Case("a link that leads to itself", copies("COPY loop /x", folder="dir", strict=True),
               refused("forbidden path outside the build context: dir/loop"),
               "takes what it cannot resolve as inside of a strict context")


def all_cases():
    for group in (texts, local_files, dockerfiles, copy_lines, strict_contexts, projects, differences):
        yield from group()


# --- at random, the same in every run ---------------------------------------------------------

WORDS = ["COPY", "copy", " ", "  ", "\t", "\\", "\\\n", "\n", "\r\n", "\r", "#", "'", '"', "[", "]", ",", "--link", "--chown=1",
         "--from=", "--FROM=x", "<<", "a.txt", "dir", "sub", "*", "?", "[ab]", "/", "..", ".", "\u00a0", "\u2028", "\x0b",
         "\x1c", "\x85", "é", "\\u00e9", '\\"', "ADD", "b", "/d", '"a.txt", "/d"', "-", "--", "~", "{", "$"]
PARTS = ["a.txt", "*", "..", "/", "//", "sub", "dir", "\\", "é", "C:", ":", "[", "]", "!", "a", "-", "b", "?", ".txt", "out",
         "up", "in", "dangling", ".", "e"]


def some(dice, parts, least, most):
    return "".join(dice.choice(parts) for _ in range(dice.randint(least, most)))


def random_copy(dice):
    folder = dice.choice([None, "dir", "dir/", "./dir", "linked"])
    strict = folder is not None and dice.random() < 0.5
    if dice.random() < 0.5:
        lines = [dice.choice(["COPY ", "COPY ", ""]) + some(dice, WORDS, 1, 14) for _ in range(dice.randint(1, 3))]
    else:
        items = [some(dice, PARTS, 0, 4) for _ in range(dice.randint(1, 3))]
        lines = ["COPY " + json.dumps(items, ensure_ascii=dice.random() < 0.5)]
    # which of several forbidden paths is met first depends on the order in which the disk has them
    return Case("a random copy", copies(*lines, folder=folder, strict=strict), any_order=True, message="start")


def random_text(dice):
    return Case("a random text", base(["workdir", some(dice, ODD, 1, 4)], ["env", {"K": some(dice, ODD, 1, 4)}],
                                      ["file", "plain.txt", some(dice, ODD, 1, 4)], ["run", [some(dice, ODD, 1, 4)]],
                                      ["pip_install", [some(dice, ODD, 1, 3) for _ in range(5)],
                                       {"extra_options": some(dice, [*ODD, "\u2003", "\u200b", "\x1f"], 1, 3)}]))


def random_cases(count):
    dice = random.Random(1016)
    for _ in range(count):
        yield random_copy(dice) if dice.random() < 0.8 else random_text(dice)
