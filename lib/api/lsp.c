/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Language servers; see lsp.h.
 *
 * Every request carries language and project; the object holds both, and no other state. A path becomes a URI by
 * "file://" in front of it, which is what the sandbox takes off again: nothing is escaped.
 */
#include <daytona/lsp.h>

#include <assert.h>
#include <string.h>

#include "call/method.h"
#include "call/results.h"
#include "core/ascii.h"
#include "core/memory.h"

struct daytona_lsp {
  unsigned refs;
  daytona_sandbox_t *sandbox; /* retained */
  char *language, *project;
};

/* --- the object -------------------------------------------------------------------------------- */

static bool is_usable(const char *text) {
  return text != NULL && text[0] != '\0' && daytona__utf8_is_valid(text, strlen(text));
}

int daytona_lsp_new(daytona_sandbox_t *sandbox, const char *language, const char *project,
                    daytona_lsp_t **out) {
  if (sandbox == NULL || out == NULL || !is_usable(language) || !is_usable(project)) return DAYTONA_EINVAL;
  daytona_lsp_t *lsp = daytona__calloc(1, sizeof *lsp);
  if (lsp == NULL) return DAYTONA_ENOMEM;
  lsp->refs = 1;
  lsp->sandbox = daytona_sandbox_retain(sandbox);
  lsp->language = daytona__strdup(language);
  lsp->project = daytona__strdup(project);
  if (lsp->language != NULL && lsp->project != NULL) {
    *out = lsp;
    return 0;
  }
  daytona_lsp_release(lsp);
  return DAYTONA_ENOMEM;
}

daytona_lsp_t *daytona_lsp_retain(daytona_lsp_t *lsp) {
  if (lsp != NULL) lsp->refs++;
  return lsp;
}

void daytona_lsp_release(daytona_lsp_t *lsp) {
  if (lsp == NULL) return;
  assert(lsp->refs != 0);
  if (--lsp->refs != 0) return;
  daytona_sandbox_release(lsp->sandbox);
  daytona__free(lsp->language);
  daytona__free(lsp->project);
  daytona__free(lsp);
}

daytona_sandbox_t *daytona_lsp_sandbox(const daytona_lsp_t *lsp) { return lsp != NULL ? lsp->sandbox : NULL; }
const char *daytona_lsp_language(const daytona_lsp_t *lsp) { return lsp != NULL ? lsp->language : NULL; }
const char *daytona_lsp_project(const daytona_lsp_t *lsp) { return lsp != NULL ? lsp->project : NULL; }

/* --- arguments --------------------------------------------------------------------------------- */

typedef struct context {
  daytona_opt_int_t kind;
  const char *character;
} context_t;

typedef struct lsp_args {
  const char *language, *project, *path, *uri, *query;
  daytona_lsp_position_t position;
  const context_t *context; /* NULL: none */
} lsp_args_t;

static DAYTONA__MODEL_OF(asked_position_model, daytona_lsp_position_t, "LspPosition",
                         DAYTONA__FIELD(daytona_lsp_position_t, INT, line, "line", .rules = DAYTONA__MIN),
                         DAYTONA__FIELD(daytona_lsp_position_t, INT, character, "character",
                                        .rules = DAYTONA__MIN));

static DAYTONA__MODEL_OF(context_model, context_t, "CompletionContext",
                         DAYTONA__FIELD(context_t, OPT_INT, kind, "triggerKind", .name = "trigger_kind",
                                        .rules = DAYTONA__MIN | DAYTONA__MAX, .min = 1, .max = 3),
                         DAYTONA__FIELD(context_t, STRING, character, "triggerCharacter"));

#define SERVER(place)                                              \
  DAYTONA__ARG(place, lsp_args_t, STRING, language, "languageId"), \
    DAYTONA__ARG(place, lsp_args_t, STRING, project, "pathToProject")
#define FILE_OF(place)                                                                 \
  DAYTONA__ARG(NOWHERE, lsp_args_t, STRING, path, "path", .rules = DAYTONA__NONEMPTY), \
    DAYTONA__ARG(place, lsp_args_t, STRING, uri, "uri")
#define LSP(noun, http_verb, tail, what, ...)                                                      \
  DAYTONA__METHOD(noun, .prefix = "Failed to " what ": ", .verb = http_verb, .path = "/lsp/" tail, \
                  .service = DAYTONA__TOOLBOX, __VA_ARGS__)
#define ARGS(...) .request = DAYTONA__ARGS(lsp_args_t, __VA_ARGS__)

/* Call a method about a file, or about none with an empty `args->path`. */
static daytona_future_t *ask(const char *name, daytona_lsp_t *lsp, const daytona__method_t *method,
                             lsp_args_t args, daytona__opts_t opts) {
  daytona__arena_t arena;
  daytona_sandbox_t *sandbox = lsp != NULL ? lsp->sandbox : NULL;
  daytona__arena_init(&arena, 0);
  if (lsp != NULL) {
    args.language = lsp->language;
    args.project = lsp->project;
  }
  if (args.path != NULL) args.uri = daytona__arena_printf(&arena, "file://%s", args.path);
  daytona_future_t *future =
    lsp != NULL && args.path != NULL && args.uri == NULL
      ? daytona__future_failed(sandbox->client->loop, method->prefix, DAYTONA_ENOMEM, "out of memory")
      : daytona__call_sandbox(name, sandbox, method, &args, opts);
  daytona__arena_clear(&arena);
  return future;
}

/* --- the server and its files ------------------------------------------------------------------ */

LSP(start, "POST", "start", "start LSP server", ARGS(SERVER(IN_BODY)));

daytona_future_t *daytona_lsp_start(daytona_lsp_t *lsp, const daytona_call_opts_t *opts) {
  return ask(__func__, lsp, &start_method, (lsp_args_t){0}, DAYTONA__OPTS(opts));
}

LSP(stop, "POST", "stop", "stop LSP server", ARGS(SERVER(IN_BODY)));

daytona_future_t *daytona_lsp_stop(daytona_lsp_t *lsp, const daytona_call_opts_t *opts) {
  return ask(__func__, lsp, &stop_method, (lsp_args_t){0}, DAYTONA__OPTS(opts));
}

LSP(did_open, "POST", "did-open", "open file", ARGS(SERVER(IN_BODY), FILE_OF(IN_BODY)));

daytona_future_t *daytona_lsp_did_open(daytona_lsp_t *lsp, const char *path,
                                       const daytona_call_opts_t *opts) {
  return ask(__func__, lsp, &did_open_method, (lsp_args_t){.path = path}, DAYTONA__OPTS(opts));
}

LSP(did_close, "POST", "did-close", "close file", ARGS(SERVER(IN_BODY), FILE_OF(IN_BODY)));

daytona_future_t *daytona_lsp_did_close(daytona_lsp_t *lsp, const char *path,
                                        const daytona_call_opts_t *opts) {
  return ask(__func__, lsp, &did_close_method, (lsp_args_t){.path = path}, DAYTONA__OPTS(opts));
}

/* --- symbols ----------------------------------------------------------------------------------- */

static DAYTONA__MODEL_OF(position_model, daytona_lsp_position_t, "Position",
                         DAYTONA__FIELD(daytona_lsp_position_t, INT, line, "line"),
                         DAYTONA__FIELD(daytona_lsp_position_t, INT, character, "character"));

static DAYTONA__MODEL_OF(range_model, daytona_lsp_range_t, "Range",
                         DAYTONA__FIELD(daytona_lsp_range_t, INLINE, start, "start",
                                        .model = &position_model),
                         DAYTONA__FIELD(daytona_lsp_range_t, INLINE, end, "end", .model = &position_model));

static DAYTONA__MODEL_OF(location_model, daytona_lsp_location_t, "Location",
                         DAYTONA__FIELD(daytona_lsp_location_t, STRING, uri, "uri"),
                         DAYTONA__FIELD(daytona_lsp_location_t, INLINE, range, "range",
                                        .model = &range_model));

static DAYTONA__MODEL_OF(symbol_model, daytona_lsp_symbol_t, "LspSymbol",
                         DAYTONA__FIELD(daytona_lsp_symbol_t, STRING, name, "name",
                                        .flags = DAYTONA__JSON_REQUIRED),
                         DAYTONA__FIELD(daytona_lsp_symbol_t, INT32, kind, "kind"),
                         DAYTONA__FIELD(daytona_lsp_symbol_t, INLINE, location, "location",
                                        .model = &location_model),
                         DAYTONA__FIELD(daytona_lsp_symbol_t, STRING, container_name, "containerName"));

#define SYMBOLS .gives_array = true, .response = &symbol_model, .result = &daytona__type_lsp_symbol_list

LSP(document_symbols, "GET", "document-symbols", "get symbols from document",
    ARGS(SERVER(IN_QUERY), FILE_OF(IN_QUERY)), SYMBOLS);

daytona_future_t *daytona_lsp_document_symbols(daytona_lsp_t *lsp, const char *path,
                                               const daytona_call_opts_t *opts) {
  return ask(__func__, lsp, &document_symbols_method, (lsp_args_t){.path = path}, DAYTONA__OPTS(opts));
}

LSP(sandbox_symbols, "GET", "workspacesymbols", "get symbols from sandbox",
    ARGS(DAYTONA__ARG(IN_QUERY, lsp_args_t, STRING, query, "query", .rules = DAYTONA__NONEMPTY),
         SERVER(IN_QUERY)),
    SYMBOLS);

daytona_future_t *daytona_lsp_sandbox_symbols(daytona_lsp_t *lsp, const char *query,
                                              const daytona_call_opts_t *opts) {
  return ask(__func__, lsp, &sandbox_symbols_method, (lsp_args_t){.query = query}, DAYTONA__OPTS(opts));
}

daytona_future_t *daytona_lsp_workspace_symbols(daytona_lsp_t *lsp, const char *query,
                                                const daytona_call_opts_t *opts) {
  return ask(__func__, lsp, &sandbox_symbols_method, (lsp_args_t){.query = query}, DAYTONA__OPTS(opts));
}

/* --- completions ------------------------------------------------------------------------------- */

#define ITEM(type, member, key, ...) DAYTONA__FIELD(daytona_lsp_completion_t, type, member, key, __VA_ARGS__)

static DAYTONA__MODEL_OF(label_model, daytona_lsp_label_details_t, "CompletionItemLabelDetails",
                         DAYTONA__FIELD(daytona_lsp_label_details_t, STRING, detail, "detail"),
                         DAYTONA__FIELD(daytona_lsp_label_details_t, STRING, description, "description"));

static DAYTONA__MODEL_OF(item_model, daytona_lsp_completion_t, "CompletionItem",
                         ITEM(STRING, label, "label", .flags = DAYTONA__JSON_REQUIRED),
                         ITEM(INT32, kind, "kind"), ITEM(STRING, detail, "detail"),
                         ITEM(RAW, documentation_json, "documentation"), ITEM(STRING, sort_text, "sortText"),
                         ITEM(STRING, filter_text, "filterText"), ITEM(STRING, insert_text, "insertText"),
                         ITEM(OPT_INT, insert_text_format, "insertTextFormat"),
                         ITEM(OPT_INT, insert_text_mode, "insertTextMode"),
                         ITEM(OPT_BOOL, preselect, "preselect"), ITEM(OPT_BOOL, deprecated, "deprecated"),
                         ITEM(INLINE, label_details, "labelDetails", .model = &label_model),
                         ITEM(STRINGS, commit_characters, "commitCharacters"),
                         ITEM(STRING, text_edit_text, "textEditText"), ITEM(RAW, text_edit_json, "textEdit"),
                         ITEM(RAW, additional_text_edits_json, "additionalTextEdits"),
                         ITEM(RAW, command_json, "command", .flags = DAYTONA__JSON_SECRET),
                         ITEM(RAW, tags_json, "tags"), ITEM(RAW, data_json, "data"));

static DAYTONA__MODEL_OF(list_model, daytona_lsp_completion_list_t, "CompletionList",
                         DAYTONA__FIELD(daytona_lsp_completion_list_t, BOOL, is_incomplete, "isIncomplete"),
                         DAYTONA__FIELD_LIST(daytona_lsp_completion_list_t, items, count, "items",
                                             &item_model));

typedef struct markup {
  const char *kind, *value;
} markup_t;

static DAYTONA__MODEL_OF(markup_model, markup_t, "MarkupContent",
                         DAYTONA__FIELD(markup_t, STRING, kind, "kind"),
                         DAYTONA__FIELD(markup_t, STRING, value, "value"));

/* The text of a documentation; one of an unknown form has none. 0 or DAYTONA_ENOMEM, DAYTONA_ELIMIT. */
static int read_documentation(daytona__arena_t *arena, daytona_lsp_completion_t *item) {
  const char *json = item->documentation_json;
  void *decoded;
  int rc = 0;
  if (json == NULL) return 0;
  if (json[0] == '"') {
    rc = daytona__json_decode_string(arena, json, strlen(json), &item->documentation, NULL);
  } else if (json[0] == '{') {
    rc = daytona__json_decode(arena, &markup_model, json, strlen(json), &decoded, NULL);
    if (rc == 0) item->documentation = ((markup_t *)decoded)->value;
    if (rc == 0) item->documentation_kind = ((markup_t *)decoded)->kind;
  }
  return rc == DAYTONA_EPROTOCOL ? 0 : rc;
}

/* Bytes of documentation that are read in one turn. */
enum { DOCUMENTED_PER_TURN = 64 << 10 };

static int finish_completions(daytona__op_t *op, const void *args, void **answer, const char **problem) {
  const daytona_lsp_completion_list_t *list = *answer;
  daytona__arena_t *arena = &op->future->arena;
  size_t *next = op->work, work = 0;
  if (next == NULL && (next = op->work = daytona__arena_alloc(arena, sizeof *next)) == NULL)
    return DAYTONA_ENOMEM;
  for (; *next < list->count && work < DOCUMENTED_PER_TURN; ++*next) {
    daytona_lsp_completion_t *item = (daytona_lsp_completion_t *)list->items[*next];
    work += 16 + (item->documentation_json != NULL ? strlen(item->documentation_json) : 0);
    int rc = read_documentation(arena, item);
    if (rc != 0) return rc;
  }
  return *next < list->count ? DAYTONA__FINISH_AGAIN : 0;
}

LSP(completions, "POST", "completions", "get completions",
    ARGS(SERVER(IN_BODY), FILE_OF(IN_BODY),
         DAYTONA__ARG(IN_BODY, lsp_args_t, INLINE, position, "position", .flags = DAYTONA__JSON_ALWAYS,
                      .model = &asked_position_model),
         DAYTONA__ARG(IN_BODY, lsp_args_t, OBJECT, context, "context", .model = &context_model)),
    .response = &list_model, .result = &daytona__type_lsp_completion_list, .finish = finish_completions);

daytona_future_t *daytona_lsp_completions(daytona_lsp_t *lsp, const char *path, int64_t line,
                                          int64_t character, const daytona_lsp_completions_opts_t *opts) {
  context_t context = {{0}, NULL};
  if (opts != NULL) context = (context_t){opts->trigger_kind, opts->trigger_character};
  if (context.character != NULL && !context.kind.is_set) context.kind = daytona_int(2);
  const lsp_args_t args = {.path = path,
                           .position = {.line = line, .character = character},
                           .context = context.kind.is_set ? &context : NULL};
  return ask(__func__, lsp, &completions_method, args, DAYTONA__OPTS(opts));
}
