/* SPDX-License-Identifier: Apache-2.0
 *
 * The toolbox role: the HTTP service inside a sandbox.
 *
 * One file per noun, each with a table of routes listed in main.c. A handler answers through
 * dl_tb_reply_* so that every answer has the request id and every error the envelope. Nothing
 * outside spawn.c starts or waits for processes.
 */
#ifndef DL_TOOLBOX_H
#define DL_TOOLBOX_H

#include "base/base.h"
#include "base/buf.h"
#include "base/jsonx.h"
#include "base/list.h"
#include "http/http.h"
#include "toolbox/core/environ.h"

#include <uv.h>

#define DL_TOOLBOX_VERSION "v" DL_API_VERSION

/* Ceilings. */
#define DL_TB_BODY_MAX (16u * 1024 * 1024)   /* JSON bodies: commands and code */
#define DL_TB_OUTPUT_MAX (64u * 1024 * 1024) /* output of one command */

typedef struct dl_reaper dl_reaper;
typedef struct dl_tb_metrics dl_tb_metrics;

typedef struct dl_toolbox {
  uv_loop_t *loop;
  dl_http *http;
  dl_reaper *reaper;
  dl_environ environment; /* of everything started from now on */
  char *home, *work_dir;
  char *node_modules; /* or NULL */
  dl_tb_metrics *metrics;
  struct dl_tb_gate *gate;      /* see gate.c */
  struct dl_sessions *sessions; /* see session.h */
  dl_list *ptys;                /* see pty.h */
  dl_list *contexts;            /* see interpreter.h */
  /* How long the output of a program waits for a client that takes nothing of it; 0: not at all. */
  uint64_t reader_patience_ms;
  size_t live_count; /* operations that still have handles on the loop and will answer */
} dl_toolbox;

/* The role itself; argv[0] is "toolbox". Returns the exit status. */
int dl_toolbox_main(int argc, char **argv);

typedef struct {
  const dl_route *routes;
  size_t count;
} dl_tb_routes;

/* A flag of a route: a slash at the end of the path makes no difference. */
#define DL_TB_ANY_SLASH 1u

/* Handlers get this as `user`. */
extern const dl_tb_routes DL_TB_EXEC_ROUTES, DL_TB_CODE_ROUTES, DL_TB_INFO_ROUTES, DL_TB_PORT_ROUTES,
  DL_TB_FORWARD_ROUTES, DL_TB_FILES_ROUTES, DL_TB_SEARCH_ROUTES, DL_TB_UPLOAD_ROUTES, DL_TB_DOWNLOAD_ROUTES,
  DL_TB_BULK_DOWNLOAD_ROUTES;
extern const dl_tb_routes DL_TB_INTERPRETER_ROUTES;
extern const dl_tb_routes DL_TB_SESSION_ROUTES;
extern const dl_tb_routes DL_TB_PTY_ROUTES;
extern const dl_tb_routes DL_TB_GIT_ROUTES;

/* ---- answers (reply.c) ---- */

/* `value` is taken. */
void dl_tb_reply_json(dl_req *req, int status, json_t *value);
/* The error envelope; the code follows from the status. */
void dl_tb_reply_error(dl_req *req, int status, const char *fmt, ...) DL_PRINTF(3, 4);
/* The same with a code of its own. */
void dl_tb_reply_error_code(dl_req *req, int status, const char *code, const char *fmt, ...) DL_PRINTF(4, 5);
/* For answers made by hand: adds the id unless the request brought one. */
void dl_tb_add_request_id(dl_req *req);
/* The running time as RFC 3339 with nanoseconds. */
typedef struct {
  char text[40];
} dl_tb_time;
dl_tb_time dl_tb_now(void);

/* ---- programs wait for the network (gate.c) ---- */

struct dl_tb_gate *dl_tb_gate_new(uv_loop_t *loop, bool is_open);
void dl_tb_gate_open(struct dl_tb_gate *g);
void dl_tb_gate_close(struct dl_tb_gate *g);
/* For requests that start a program: reads the body, and calls `cb` with the toolbox as `user` when
 * the network of the sandbox is ready. */
void dl_tb_read_body_gated(dl_toolbox *tb, dl_req *req, dl_body_cb cb);

/* ---- request bodies (fields.c) ---- */

/* The first JSON value of the body, an object. On failure NULL, and the request was answered. */
json_t *dl_tb_body(dl_req *req, const char *body, size_t len);

/* Each getter answers the request and returns false when the field has a wrong type (or a
 * required one is missing or empty). Absent optional fields leave *out untouched. Names match
 * without case. Texts are borrowed from `body`. */
bool dl_tb_field_text(dl_req *req, const json_t *body, const char *name, bool required, const char **out);
bool dl_tb_field_uint32(dl_req *req, const json_t *body, const char *name, uint32_t *out);
bool dl_tb_field_bool(dl_req *req, const json_t *body, const char *name, bool *out);
/* *out: the array or object, borrowed. Every element must be a text. */
bool dl_tb_field_texts(dl_req *req, const json_t *body, const char *name, json_t **out);
bool dl_tb_field_text_map(dl_req *req, const json_t *body, const char *name, json_t **out);
/* As text_map, and every name must be a valid environment variable name. */
bool dl_tb_field_envs(dl_req *req, const json_t *body, const char *name, json_t **out);

/* ---- texts (text.c) ---- */

/* Program output as a JSON text: every byte that is not UTF-8 becomes U+FFFD. */
json_t *dl_tb_text(const char *bytes, size_t len);
/* An absolute path from one that may be relative to the work directory. Yours to free. */
char *dl_tb_path(const dl_toolbox *tb, const char *path);
/* Standard base64, with padding. */
void dl_tb_put_base64(dl_buf *out, const char *text);
/* "No such file or directory" in the daemon's spelling. */
void dl_tb_errno_text(int error, char *out, size_t size);

#endif
