/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Language servers in a sandbox: symbols and completions of the files of a project.
 *
 * A daytona_lsp_t is the language and the project that every request carries; making one asks nobody. Start the server
 * with daytona_lsp_start() first, and open a file with daytona_lsp_did_open() before its symbols and completions are asked for:
 * all other calls fail until then.
 *
 * A `path` is sent as "file://" with the path behind it, without any change: use absolute paths in the sandbox. The
 * sandbox reads the file when it is opened; after a change close it and open it again. The protocol has no request for
 * diagnostics.
 *
 * Unless a function says otherwise:
 *   Fails with DAYTONA_EINVAL for an argument that is missing, empty or not allowed, before anything is sent, and when the
 *   server refuses a request: no server was started, or the file cannot be read or is not open; DAYTONA_EINTERNAL when the
 *   language server is not installed or cannot start; DAYTONA_EPROTOCOL for a malformed response; DAYTONA_ENOMEM; and the
 *   errors of every request. Toolboxes up to 0.190.0 send no reason with these errors; newer ones have DAYTONA_ELSP_NOT_INITIALIZED,
 *   a kind of DAYTONA_EINVAL, for a server that was not started.
 *   Arguments: strings and option structs are copied; the sandbox is retained until the future settles. Options may be
 *   NULL: all defaults.
 *   Results belong to the future and are freed with its last reference; an accessor returns NULL for a future that is
 *   pending, has failed, or is of another call.
 *   Thread: loop.  In callbacks: yes.  After close: fails with DAYTONA_ECLOSED.
 *   Cancel: stops waiting; the server may still complete the request.
 *   Retry: only requests that cannot have reached the sandbox are retried; of others, only GET.
 *   Time: milliseconds. Default of `timeout_ms`: request_timeout_ms of the client. DAYTONA_NO_TIMEOUT: none. A start takes
 *   some seconds, and so does the first response of a server.
 *
 * Positions are zero-based; `character` counts UTF-16 code units, as the Language Server Protocol does. Numbers without
 * names, such as kinds, are those of that protocol.
 *
 * Protocol: toolbox, /lsp.
 */
#ifndef DAYTONA_LSP_H
#define DAYTONA_LSP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daytona/export.h>
#include <daytona/future.h>
#include <daytona/sandbox.h>
#include <daytona/types.h>

DAYTONA_BEGIN

/** A language server of a project. Reference-counted; releasing the last reference does not stop the server. */
typedef struct daytona_lsp daytona_lsp_t;

/**
 * Make an object for a language server. No request is sent.
 *
 * Thread: loop.  In callbacks: yes.
 *
 * @param sandbox   Retained by the object.
 * @param language  Copied. "python", "typescript" or "javascript"; other names are sent as they are.
 * @param project   Copied. Folder of the project in the sandbox, an absolute path. The sandbox knows a server by language
 *                  and project, byte by byte.
 * @return 0 with a reference in `*out`; DAYTONA_EINVAL for NULL, for an empty text or one that is not UTF-8;
 *         DAYTONA_ENOMEM.
 */
DAYTONA_API int daytona_lsp_new(daytona_sandbox_t *sandbox, const char *language, const char *project,
                                daytona_lsp_t **out);

/** One more reference. Returns `lsp`. NULL is allowed. Thread: loop. */
DAYTONA_API daytona_lsp_t *daytona_lsp_retain(daytona_lsp_t *lsp);

/** Release a reference. Calls that are pending continue. NULL is allowed. Thread: loop. */
DAYTONA_API void daytona_lsp_release(daytona_lsp_t *lsp);

/** What it was made with. Borrowed from `lsp`; NULL for NULL. */
DAYTONA_API daytona_sandbox_t *daytona_lsp_sandbox(const daytona_lsp_t *lsp);
DAYTONA_API const char *daytona_lsp_language(const daytona_lsp_t *lsp);
DAYTONA_API const char *daytona_lsp_project(const daytona_lsp_t *lsp);

/** Start the server. Settles without a value. A server that runs already stays. */
DAYTONA_API daytona_future_t *daytona_lsp_start(daytona_lsp_t *lsp, const daytona_call_opts_t *opts);

/** Stop the server. Settles without a value. Fails with DAYTONA_EINTERNAL if there is none. */
DAYTONA_API daytona_future_t *daytona_lsp_stop(daytona_lsp_t *lsp, const daytona_call_opts_t *opts);

/** Open a file of the sandbox, or close it, for the server. Settles without a value. */
DAYTONA_API daytona_future_t *daytona_lsp_did_open(daytona_lsp_t *lsp, const char *path,
                                                   const daytona_call_opts_t *opts);
DAYTONA_API daytona_future_t *daytona_lsp_did_close(daytona_lsp_t *lsp, const char *path,
                                                    const daytona_call_opts_t *opts);

/* --- symbols ----------------------------------------------------------------------------------- */

/** A position in a text. */
typedef struct daytona_lsp_position {
  int64_t line;      /**< from 0 */
  int64_t character; /**< from 0, in UTF-16 code units */
} daytona_lsp_position_t;

/** A part of a text; `end` is behind its last character. */
typedef struct daytona_lsp_range {
  daytona_lsp_position_t start;
  daytona_lsp_position_t end;
} daytona_lsp_range_t;

/** Where something is. */
typedef struct daytona_lsp_location {
  const char *uri; /**< "file://" and a path; "" or NULL from servers that do not say it */
  daytona_lsp_range_t range;
} daytona_lsp_location_t;

/** A symbol. Strings that the server did not send are NULL. */
typedef struct daytona_lsp_symbol {
  const char *name;
  int kind; /**< SymbolKind of the protocol: 5 class, 6 method, 12 function, 13 variable; 0: not sent */
  daytona_lsp_location_t location;
  const char *container_name; /**< what it is in */
} daytona_lsp_symbol_t;

typedef struct daytona_lsp_symbol_list_t {
  const daytona_lsp_symbol_t *const *items;
  size_t count;
} daytona_lsp_symbol_list_t;

/** The symbols of an open file. Settles with daytona_future_lsp_symbol_list(). */
DAYTONA_API daytona_future_t *daytona_lsp_document_symbols(daytona_lsp_t *lsp, const char *path,
                                                           const daytona_call_opts_t *opts);

/** Symbols of the project that match `query`, which is not empty. Settles with daytona_future_lsp_symbol_list().
    Where the language server does not have this request, as pylsp, the platform fails with DAYTONA_EINVAL; daytona-local looks
    for the symbols itself. */
DAYTONA_API daytona_future_t *daytona_lsp_sandbox_symbols(daytona_lsp_t *lsp, const char *query,
                                                          const daytona_call_opts_t *opts);

/** The same under its older name. New programs use daytona_lsp_sandbox_symbols(). */
DAYTONA_API daytona_future_t *daytona_lsp_workspace_symbols(daytona_lsp_t *lsp, const char *query,
                                                            const daytona_call_opts_t *opts);

/** The symbols of a future of the three above, or NULL. Borrowed from the future. */
DAYTONA_API const daytona_lsp_symbol_list_t *daytona_future_lsp_symbol_list(const daytona_future_t *future);

/* --- completions ------------------------------------------------------------------------------- */

/** What is shown behind the label of a completion. */
typedef struct daytona_lsp_label_details {
  const char *detail;
  const char *description;
} daytona_lsp_label_details_t;

/**
 * A completion: the members of the protocol's item. What the server did not send is NULL or not set. Members that end
 * in `_json` have a structure of their own and are compact JSON text.
 */
typedef struct daytona_lsp_completion {
  const char *label;
  int kind; /**< CompletionItemKind of the protocol: 2 method, 3 function, 6 variable, 7 class; 0: not sent */
  const char *detail;
  const char *documentation;            /**< its text, whichever form the server sent */
  const char *documentation_kind;       /**< "plaintext" or "markdown"; NULL for a plain string */
  const char *documentation_json;       /**< as received */
  const char *sort_text;                /**< NULL: sort by label */
  const char *filter_text;              /**< NULL: filter by label */
  const char *insert_text;              /**< NULL: insert the label */
  daytona_opt_int_t insert_text_format; /**< 1 plain text, 2 snippet */
  daytona_opt_int_t insert_text_mode;   /**< 1 as it is, 2 adjust indentation */
  daytona_opt_bool_t preselect;
  daytona_opt_bool_t deprecated;
  daytona_lsp_label_details_t label_details;
  daytona_strings_t commit_characters;
  const char *text_edit_text;
  const char *text_edit_json;
  const char *additional_text_edits_json;
  const char *command_json;
  const char *tags_json;
  const char *data_json;
} daytona_lsp_completion_t;

typedef struct daytona_lsp_completion_list_t {
  const daytona_lsp_completion_t *const *items;
  size_t count;
  bool is_incomplete; /**< ask again when more was typed */
} daytona_lsp_completion_list_t;

/** Options of daytona_lsp_completions(). */
typedef struct daytona_lsp_completions_opts {
  daytona_opt_int_t
    trigger_kind; /**< Optional. 1 invoked, 2 by a character, 3 for an incomplete list. Default: 2 with
                                          a `trigger_character`, else not sent. */
  const char *trigger_character; /**< Optional. What was typed, such as ".". */
  int64_t timeout_ms;            /**< Optional. */
  uint64_t reserved[8];          /**< Must be zero. */
} daytona_lsp_completions_opts_t;

/**
 * Completions at a position of an open file. Settles with daytona_future_lsp_completion_list(). Toolboxes up to 0.190.0
 * refuse line 0 and character 0 with DAYTONA_EINVAL.
 * @param line       From 0.
 * @param character  From 0.
 */
DAYTONA_API daytona_future_t *daytona_lsp_completions(daytona_lsp_t *lsp, const char *path, int64_t line,
                                                      int64_t character,
                                                      const daytona_lsp_completions_opts_t *opts);

/** The completions of a future of the above, or NULL. Borrowed from the future. */
DAYTONA_API const daytona_lsp_completion_list_t *daytona_future_lsp_completion_list(
  const daytona_future_t *future);

DAYTONA_END

#endif
