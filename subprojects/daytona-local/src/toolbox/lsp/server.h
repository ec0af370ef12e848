/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A language server: one per language and project, both compared as text. It is started, initialised, used, stopped; when its
 * program ends by itself it stays in the table with the reason until it is started again.
 */
#ifndef DL_LSP_SERVER_H
#define DL_LSP_SERVER_H

#include "toolbox/core/toolbox.h"
#include "toolbox/lsp/rpc.h"

/* Of a sandbox; open files of one. */
#define DL_LSP_SERVERS_MAX 32
#define DL_LSP_DOCUMENTS_MAX 1024

/* Programs, and what is known about them. */
typedef struct {
  const char *id; /* of the platform */
  const char *program;
  const char *argument; /* or NULL */
  const char *needs;    /* what to install */
  const char *const *suffixes;
  /* It has symbols of files that are not open, so that none must be opened for a search. */
  bool reads_closed_files;
} dl_lsp_language_t;

typedef enum { DL_LSP_STARTING, DL_LSP_READY, DL_LSP_STOPPING, DL_LSP_ENDED } dl_lsp_state_t;

/* A file that the server was given. */
typedef struct {
  dl_list_t link;
  char *path, *uri; /* the client's name; NULL: opened for a search only */
} dl_lsp_document_t;

typedef struct dl_lsp_server {
  dl_list_t link; /* in a list of tb->lsp */
  unsigned references;
  dl_toolbox_t *tb;
  const dl_lsp_language_t *language;
  char *project; /* as it was given */
  char *root;    /* the absolute path of it */
  dl_lsp_state_t state;
  dl_lsp_rpc_t *rpc; /* NULL: ended */
  char *why;         /* it ended */
  bool has_symbols;  /* of the project */
  dl_list_t documents;
  size_t document_count;
  dl_list_t waiting; /* see server.c */
  uv_timer_t patience;
} dl_lsp_server_t;

/* What the toolbox keeps. */
struct dl_lsp {
  dl_list_t servers, leaving; /* leaving: stopped, their programs still run */
  unsigned hunts;             /* searches for symbols that run: each holds the texts of files */
};

/* NULL: no such language. */
const dl_lsp_language_t *dl_lsp_language(const char *id);
/* In whatever state; NULL if it was never started, or was stopped. */
dl_lsp_server_t *dl_lsp_server_find(dl_toolbox_t *tb, const char *language, const char *project);
/* One that is in no list is freed with its last reference. */
void dl_lsp_server_retain(dl_lsp_server_t *s);
void dl_lsp_server_release(dl_lsp_server_t *s);

/* `status` 200, or that of an error with its message. */
typedef void (*dl_lsp_state_cb)(void *user, int status, const char *message);
/* Calls `done` when the server is ready: at once when it is. */
void dl_lsp_server_start(dl_toolbox_t *tb, const dl_lsp_language_t *language, const char *project,
                         dl_lsp_state_cb done, void *user);
/* It leaves the table at once, its requests fail, and `done` is called when its program has ended. */
void dl_lsp_server_stop(dl_lsp_server_t *s, dl_lsp_state_cb done, void *user);

/* The toolbox ends: it leaves its list at once, and its program is killed. */
void dl_lsp_server_end(dl_lsp_server_t *s);

dl_lsp_document_t *dl_lsp_document_by_path(const dl_lsp_server_t *s, const char *path);
dl_lsp_document_t *dl_lsp_document_by_uri(const dl_lsp_server_t *s, const char *uri);
/* Gives the server the text, also in the place of an earlier one. `uri` NULL: for a search. False: too many files are open, or
 * too much is waiting. */
bool dl_lsp_document_open(dl_lsp_server_t *s, const char *path, const char *uri, const char *text,
                          size_t len);
void dl_lsp_document_close(dl_lsp_server_t *s, dl_lsp_document_t *d);

#endif
