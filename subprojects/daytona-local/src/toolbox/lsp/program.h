/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process of a language server: messages in, messages out.
 */
#ifndef DL_LSP_PROGRAM_H
#define DL_LSP_PROGRAM_H

#include "base/jsonx.h"
#include "toolbox/core/toolbox.h"

typedef struct dl_lsp_program dl_lsp_program_t;

/* Messages that wait to be written. */
#define DL_LSP_QUEUE_MAX (128u * 1024 * 1024)

typedef struct {
  /* One message, an object; borrowed. */
  void (*on_message)(void *user, const json_t *message);
  /* The process has ended, or wrote nonsense and was killed; `why` is a part of a sentence. The last event; the program is
   * gone. */
  void (*on_end)(void *user, const char *why);
} dl_lsp_program_events_t;

/* 0 and *out, or an errno value. */
int dl_lsp_program_start(dl_toolbox_t *tb, char *const *argv, const char *cwd,
                         const dl_lsp_program_events_t *events, void *user, dl_lsp_program_t **out);
/* False: too much is waiting, nothing is sent. */
bool dl_lsp_program_send(dl_lsp_program_t *p, const json_t *message);
/* Ends it with everything it has started. No event follows. NULL is fine. */
void dl_lsp_program_kill(dl_lsp_program_t *p);

#endif
