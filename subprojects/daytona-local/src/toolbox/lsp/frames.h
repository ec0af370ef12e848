/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The framing of the Language Server Protocol: a header with Content-Length, a blank line, a body. Bytes in, bodies out;
 * no input or output here.
 */
#ifndef DL_LSP_FRAMES_H
#define DL_LSP_FRAMES_H

#include "base/buf.h"

/* The header of one message, and its body: the largest answers are the completions of a large project. */
#define DL_LSP_HEADER_MAX 4096
#define DL_LSP_BODY_MAX (32u * 1024 * 1024)

typedef struct {
  dl_buf_t bytes; /* received and not yet used */
  size_t used;    /* of them, by the message that was returned last */
  const char *problem;
} dl_lsp_frames_t;

void dl_lsp_frames_init(dl_lsp_frames_t *f);
void dl_lsp_frames_clear(dl_lsp_frames_t *f);
/* More bytes of the peer. False: too many are waiting, see `problem`. */
bool dl_lsp_frames_feed(dl_lsp_frames_t *f, const char *bytes, size_t len);
/* 1 with the body of the next message, borrowed until the next call of any of these; 0: more bytes are needed; -1: this is
 * not the protocol, or the message is too large, see `problem`. Nothing can be read after that. */
int dl_lsp_frames_next(dl_lsp_frames_t *f, const char **body, size_t *len);
/* Appends a message. False: no room in `out`, nothing was appended. */
bool dl_lsp_frames_put(dl_buf_t *out, const char *body, size_t len);

#endif
