/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cursor is base64 of a small JSON object.
 */
#include "control/routes/cursor.h"

#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

int dl_sort_compare(dl_sort_value_t a, dl_sort_value_t b, bool is_descending) {
  int order = a.text && b.text ? strcmp(a.text, b.text) : (a.number > b.number) - (a.number < b.number);
  if (order == 0) return strcmp(a.id, b.id);
  return is_descending ? -order : order;
}

char *dl_cursor_make(dl_sort_value_t v) {
  json_t *o = json_pack("{s:s}", "id", v.id);
  if (v.text)
    json_object_set_new(o, "text", json_string(v.text));
  else
    json_object_set_new(o, "number", json_real(v.number));
  char *text = dl_json_text(o);
  json_decref(o);
  gnutls_datum_t in = {(unsigned char *)text, (unsigned)strlen(text)}, out = {0};
  gnutls_base64_encode2(&in, &out);
  free(text);
  char *cursor = dl_xstrndup((char *)out.data, out.size);
  gnutls_free(out.data);
  return cursor;
}

json_t *dl_cursor_read(const char *text) {
  gnutls_datum_t in = {(unsigned char *)text, (unsigned)strlen(text)}, out = {0};
  char *error = NULL;
  if (gnutls_base64_decode2(&in, &out) != 0) return NULL;
  json_t *o = dl_json_parse((char *)out.data, out.size, &error);
  free(error);
  gnutls_free(out.data);
  if (dl_json_str(o, "id") && (dl_json_str(o, "text") || json_is_number(dl_json_get(o, "number")))) return o;
  json_decref(o);
  return NULL;
}

dl_sort_value_t dl_cursor_value(const json_t *cursor) {
  return (dl_sort_value_t){dl_json_str(cursor, "text"), dl_json_num(cursor, "number", 0),
                           dl_json_str(cursor, "id")};
}
