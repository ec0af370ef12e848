# SPDX-License-Identifier: Apache-2.0
"""Make the page's files a part of the program: embed.py OUTPUT FILE..."""
import os
import sys

TYPES = {".css": "text/css", ".html": "text/html", ".js": "text/javascript"}
# What somebody without a key gets.
PUBLIC = ("login.html", "login.js", "style.css")

names = []
with open(sys.argv[1], "w", encoding="ascii") as out:
    out.write('#include "page/internal.h"\n')
    for number, path in enumerate(sys.argv[2:]):
        with open(path, "rb") as file:
            numbers = ",".join(str(byte - 256 if byte > 127 else byte) for byte in file.read())
        out.write("static const char file_%d[] = {%s};\n" % (number, numbers))
        names.append(os.path.basename(path))
    out.write("const dl_page_file_t DL_PAGE_FILES[] = {\n")
    for number, name in enumerate(names):
        out.write('  {"%s", "%s; charset=utf-8", file_%d, sizeof file_%d, %d},\n'
                  % (name, TYPES[os.path.splitext(name)[1]], number, number, name in PUBLIC))
    out.write("};\nconst size_t DL_PAGE_FILE_COUNT = %d;\n" % len(names))
