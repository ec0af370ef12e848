# SPDX-License-Identifier: Apache-2.0
"""The manual page, with the options that the program itself names: man.py PROGRAM TEMPLATE OUTPUT"""
import re
import subprocess
import sys


def options(program, command):
    """(words, text) of each option in the help of `command`."""
    text = subprocess.run([program, command, "--help"], check=True, capture_output=True, text=True).stdout
    found = []
    for line in text.splitlines():
        option = re.match(r"  (--\S.*?)(?:\s{2,}(\S.*))?$", line)
        more = re.match(r"\s{4,}(\S.*)$", line)
        if option:
            found.append([option[1], option[2] or ""])
        elif more and found:
            found[-1][1] += " " + more[1]
    # One space before the text: an option, one word for its value, and then a text with a small first letter.
    for item in found:
        tight = re.match(r"((?:--[a-z-]+(?: [A-Z][A-Z:\[\]/=|.a-z]*)? ?)+)(?<= )([a-z].*)$", item[0])
        if tight and not item[1]:
            item[:] = [tight[1].strip(), tight[2]]
    return [tuple(item) for item in found]


def escaped(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text[:1] in (".", "'") else text


def listed(items):
    lines = [".Bl -tag -width Ds"]
    for words, text in items:
        lines.append('.It Li "%s"' % escaped(words).replace('"', '""'))
        lines.append(escaped(text[:1].upper() + text[1:] + "." if text else ""))
    return "\n".join(line for line in lines + [".El"] if line)


def main():
    program, template, output = sys.argv[1:]
    serve, run = options(program, "serve"), options(program, "run")
    if len(serve) < 20 or len(run) < 20:
        sys.exit("the help of %s is not understood" % program)
    with open(template, encoding="utf-8") as file:
        text = file.read()
    text = text.replace("@SERVE@", listed(serve)).replace("@RUN@", listed([item for item in run if item not in serve]))
    with open(output, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main()
