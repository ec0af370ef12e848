/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of this machine as a text.
 */
#ifndef EXAMPLES_TEXT_FILE_H
#define EXAMPLES_TEXT_FILE_H

#include <stddef.h>

/* The whole file, with a NUL behind it that `size` does not count; yours to free. NULL with errno: EFBIG when it has more than
   `most` bytes, EINVAL when it is not a regular file. */
char *read_text_file(const char *path, size_t most, size_t *size);

#endif
