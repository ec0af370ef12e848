# SPDX-License-Identifier: Apache-2.0
"""Write the starter as bytes of a C source: starter.py OUTPUT PROGRAM"""
import sys

with open(sys.argv[2], 'rb') as f:
    data = f.read()
with open(sys.argv[1], 'w', encoding='ascii') as out:
    out.write('#include "runtime/internal.h"\n')
    out.write('const unsigned char DL_STARTER[] = {%s};\n' % ','.join(str(byte) for byte in data))
    out.write('const size_t DL_STARTER_SIZE = sizeof DL_STARTER;\n')
