# SPDX-License-Identifier: Apache-2.0
"""What Doxygen reads of a header: unfold.py HEADER

Enumerations that are made from a list, `X(NAME, number, ..., "text")`, are written out, each value with its text (or the comment behind
it in the list) and with the kinds it belongs to: Doxygen would see none of them, and so would the reader.
"""
import re
import sys
from pathlib import Path

ENTRY = re.compile(r"\bX\(((?:[^()\"]|\"[^\"]*\")*)\)[ \t]*(?:/\*\s*(.*?)\s*\*/)?")
LIST = re.compile(r"^#define (DAYTONA_\w+_MAP)\(X\)((?:[^\n]*\\\n)*[^\n]*\n)", flags=re.M)
MADE = re.compile(r"^#define (DAYTONA_\w+)\((\w+),[^)]*\) (\S+) = (\w+),\n\s*(DAYTONA_\w+_MAP)\(\1\)\n#undef \1\n", flags=re.M)


def entries(body):
    """Name, number, what is known of it, and the kinds that it belongs to. A comment counts when it stands in the line of the value."""
    for match in ENTRY.finditer(re.sub(r"\\\n", "\n", body)):
        fields = [field.strip() for field in re.findall(r"\"[^\"]*\"|[^,]+", match[1]) if field.strip()]
        text = fields[-1].strip('"') if fields[0].startswith("DAYTONA_") else f"the server's {fields[-1]}"
        yield fields[0], fields[1], match[2] or text, [field for field in fields[2:-1] if field != "DAYTONA_OK"]


def unfold(text):
    lists = {match[1]: match[2] for match in LIST.finditer(text)}

    def replaced(match):
        lines = []
        for name, number, what, kinds in entries(lists[match[5]]):
            name = match[3].replace(f"##{match[2]}", name).replace(match[2], name)
            below = f". A kind of {' and '.join(kinds)}" if kinds else ""
            lines.append(f"  {name} = {number}, /**< {what}{below} */\n")
        return "".join(lines)
    return MADE.sub(replaced, text)


if __name__ == "__main__":
    sys.stdout.write(unfold(Path(sys.argv[1]).read_text()))
