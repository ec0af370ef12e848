/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rebuilds symbols and completions field by field.
 */
#include "toolbox/lsp/shape.h"

#include "toolbox/lsp/uris.h"

#include <string.h>

static json_t *position(const json_t *from, const char *name) {
  const json_t *said = dl_json_get(from, name);
  return json_pack("{s:I, s:I}", "line", (json_int_t)dl_json_int(said, "line", 0), "character",
                   (json_int_t)dl_json_int(said, "character", 0));
}

static json_t *range(const json_t *said) {
  return json_pack("{s:o, s:o}", "start", position(said, "start"), "end", position(said, "end"));
}

static json_t *uri_of(const char *said, const char *asked, const char *shown) {
  if (said == NULL || (asked != NULL && strcmp(said, asked) == 0))
    return json_string(shown != NULL ? shown : "");
  return dl_lsp_plain_uri(said);
}

/* Children follow their parent. JSON is read to a fixed depth, so this ends. */
static void add_symbols(json_t *out, const json_t *said, const char *asked, const char *shown) {
  size_t i;
  json_t *item;
  json_array_foreach (said, i, item) {
    const json_t *location = dl_json_get(item, "location"), *name = dl_json_get(item, "name");
    const json_t *place = dl_json_get(location != NULL ? location : item, "range");
    if (!json_is_string(name)) continue;
    json_array_append_new(
      out, json_pack("{s:I, s:O, s:{s:o, s:o}}", "kind", (json_int_t)dl_json_int(item, "kind", 0), "name",
                     name, "location", "range", range(place), "uri",
                     uri_of(dl_json_str(location, "uri"), asked, shown)));
    add_symbols(out, dl_json_get(item, "children"), asked, shown);
  }
}

json_t *dl_lsp_symbols(const json_t *result, const char *asked, const char *shown) {
  json_t *out = json_array();
  add_symbols(out, result, asked, shown);
  return out;
}

static void copy_text(json_t *to, const json_t *from, const char *name) {
  json_t *value = dl_json_get(from, name);
  if (json_is_string(value)) json_object_set(to, name, value);
}

json_t *dl_lsp_completions(const json_t *result) {
  const json_t *said = json_is_array(result) ? result : dl_json_get(result, "items");
  json_t *items = json_array(), *item;
  size_t i;
  json_array_foreach (said, i, item) {
    json_t *kind = dl_json_get(item, "kind"), *documentation = dl_json_get(item, "documentation");
    if (!json_is_string(dl_json_get(item, "label"))) continue;
    json_t *out = json_object();
    copy_text(out, item, "label");
    if (json_is_integer(kind)) json_object_set(out, "kind", kind);
    copy_text(out, item, "detail");
    if (json_is_string(documentation) || json_is_object(documentation))
      json_object_set(out, "documentation", documentation);
    copy_text(out, item, "sortText");
    copy_text(out, item, "filterText");
    copy_text(out, item, "insertText");
    json_array_append_new(items, out);
  }
  return json_pack("{s:b, s:o}", "isIncomplete", dl_json_bool(result, "isIncomplete", false), "items", items);
}
