# SPDX-License-Identifier: Apache-2.0
"""Make a program a part of another: embed_program.py PROGRAM_OUT SOURCE_OUT PROGRAM [STRIP]

PROGRAM_OUT is the program, without its symbols where STRIP is given; SOURCE_OUT is a C source that includes its bytes.
"""
import hashlib
import os
import shutil
import subprocess
import sys

out, source, program = sys.argv[1:4]
if len(sys.argv) > 4:
    subprocess.run([sys.argv[4], '-o', out, program], check=True)
else:
    shutil.copyfile(program, out)
with open(out, 'rb') as f:
    digest = hashlib.sha256(f.read()).hexdigest()  # the source differs when the program does
with open(source, 'w', encoding='utf-8') as f:
    f.write(f'''/* {digest} */
#include "runtime/runtime.h"
__asm__(
  ".pushsection .rodata\\n"
  ".balign 64\\n"
  ".globl DL_TOOLBOX_PROGRAM\\n"
  ".globl DL_TOOLBOX_PROGRAM_END\\n"
  "DL_TOOLBOX_PROGRAM:\\n"
  ".incbin \\"{os.path.abspath(out)}\\"\\n"
  "DL_TOOLBOX_PROGRAM_END:\\n"
  ".popsection\\n");
''')
