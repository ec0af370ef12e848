/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What programs and the system say, as the wire carries it.
 */
#ifndef DL_TOOLBOX_TEXT_H
#define DL_TOOLBOX_TEXT_H

#include "base/buf.h"
#include "base/jsonx.h"
#include "toolbox/core/toolbox.h"

/* Program output as a JSON text: every byte that is not UTF-8 becomes U+FFFD. */
json_t *dl_tb_text(const char *bytes, size_t len);
/* An absolute path from one that may be relative to the work directory. Yours to free. */
char *dl_tb_path(const dl_toolbox_t *tb, const char *path);
/* Standard base64, with padding. */
void dl_tb_put_base64(dl_buf_t *out, const char *text);
/* "No such file or directory" in the daemon's spelling. */
void dl_tb_errno_text(int error, char *out, size_t size);

/* The running time as RFC 3339 with nanoseconds. */
typedef struct {
  char text[40];
} dl_tb_time_t;
dl_tb_time_t dl_tb_now(void);

#endif
