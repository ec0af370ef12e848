/* SPDX-License-Identifier: Apache-2.0 */
#include "control/objects/hosts.h"

#include "base/buf.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX (64 * 1024)

typedef struct {
  const char *name;
  size_t len;
} part_t;

/* The part at *at, which moves behind it; false at the end. */
static bool next_part(const char **at, part_t *out) {
  if (**at == '\0') return false;
  *out = (part_t){*at, strcspn(*at, ",")};
  *at += out->len + ((*at)[out->len] == ',');
  return true;
}

/* Everything in `part` is in `set` as well: it is the same, or lies below it. */
static bool is_within(part_t part, part_t set) {
  if (part.len == set.len && memcmp(part.name, set.name, set.len) == 0) return true;
  if (set.len < 3 || set.name[0] != '*') return false;
  size_t end = set.len - 1; /* with its dot */
  if (part.len <= end + (part.name[0] == '*')) return false;
  return memcmp(part.name + part.len - end, set.name + 1, end) == 0;
}

static bool has(const char *list, part_t part) {
  for (part_t have; next_part(&list, &have);)
    if (have.len == part.len && memcmp(have.name, part.name, part.len) == 0) return true;
  return false;
}

static void add(dl_buf_t *out, part_t part) {
  if (out->len > 0 && has(out->data, part)) return;
  if (out->len > 0) dl_buf_append(out, ",", 1);
  dl_buf_append(out, part.name, part.len); /* what does not fit is not allowed */
}

char *dl_hosts_common(const char *a, const char *b) {
  if (!a || !b) return a || b ? dl_xstrdup(a ? a : b) : NULL;
  dl_buf_t out;
  dl_buf_init(&out, TEXT_MAX);
  part_t x, y;
  for (const char *at = a; next_part(&at, &x);) {
    for (const char *other = b; next_part(&other, &y);) {
      if (is_within(x, y))
        add(&out, x);
      else if (is_within(y, x))
        add(&out, y);
    }
  }
  char *text = dl_xstrdup(out.data ? out.data : "");
  dl_buf_clear(&out);
  return text;
}

char *dl_hosts_text(const json_t *names) {
  dl_buf_t out;
  size_t i;
  json_t *name;
  dl_buf_init(&out, TEXT_MAX);
  json_array_foreach (names, i, name) {
    char *text = dl_xstrdup(json_string_value(name) ? json_string_value(name) : "");
    for (char *c = text; *c; c++) *c = (char)tolower((unsigned char)*c);
    if (*text) add(&out, (part_t){text, strlen(text)});
    free(text);
  }
  char *text = json_array_size(names) == 0 ? NULL : dl_xstrdup(out.data ? out.data : "");
  dl_buf_clear(&out);
  return text;
}
