# SPDX-License-Identifier: Apache-2.0
"""Hashes of contexts by the official Python SDK: the same input and output as driver.c.

Names of a folder come in the order of the file system there, and sorted here: an "os.walk" that sorts stands for it.
"""

import asyncio
import os
import sys

from daytona._async.object_storage import AsyncObjectStorage

walk = os.walk


def sorted_walk(top):
    for root, dirs, files in walk(top):
        dirs.sort(key=os.fsencode)
        yield root, dirs, sorted(files, key=os.fsencode)


async def main():
    os.walk = sorted_walk
    storage = AsyncObjectStorage("https://127.0.0.1:1", "a", "b", "c", region="us-east-1")
    for line in sys.stdin:
        path, *name = line.rstrip("\n").split("\t")
        if os.path.exists(path):  # as its upload does first
            print(await storage._compute_hash_for_path_md5(path, *name))
        else:
            print("error")


asyncio.run(main())
