# SPDX-License-Identifier: Apache-2.0
"""Write script files as C strings: embed.py OUTPUT SCRIPT..."""
import os
import re
import sys


def constant(path):
    name = 'DL_SCRIPT_' + re.sub(r'\W', '_', os.path.basename(path)).upper()
    with open(path, 'rb') as f:
        data = f.read()
    numbers = ','.join(str(byte) for byte in data)
    return f'const char {name}[] = {{{numbers}{"," if data else ""}0}};\n'


with open(sys.argv[1], 'w', encoding='ascii') as out:
    out.write('#include "toolbox/core/scripts.h"\n')
    for script in sys.argv[2:]:
        out.write(constant(script))
