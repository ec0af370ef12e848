/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Local paths as texts; see path.h.
 */
#include "core/path.h"

#include <string.h>

/* The next part that counts, or NULL at the end. `*at` moves behind it. */
static const char *next_part(const char **at, size_t *size) {
  for (;;) {
    while (**at == '/') (*at)++;
    const char *part = *at;
    *size = strcspn(part, "/");
    *at += *size;
    if (*size == 0) return NULL;
    if (*size != 1 || part[0] != '.') return part;
  }
}

/* POSIX leaves the meaning of exactly two slashes open, so they are kept. */
static void put_root(daytona__strbuf_t *out, const char *path) {
  size_t slashes = strspn(path, "/");
  if (slashes == 0) return;
  daytona__strbuf_puts(out, slashes == 2 ? "//" : "/");
}

static bool is_up(const char *part, size_t size) { return size == 2 && memcmp(part, "..", 2) == 0; }

/* Take the last part behind `base` off again. False: there is none, or it leads up itself. */
static bool drop_part(daytona__strbuf_t *out, size_t base) {
  size_t end = out->size, start = end;
  while (start > base && out->data[start - 1] != '/') start--;
  if (start == end || is_up(out->data + start, end - start)) return false;
  out->size = start > base ? start - 1 : base;
  out->data[out->size] = '\0';
  return true;
}

static void put_part(daytona__strbuf_t *out, size_t base, const char *part, size_t size) {
  if (out->size > base) daytona__strbuf_putc(out, '/');
  daytona__strbuf_append(out, part, size);
}

void daytona__path_put_normal(daytona__strbuf_t *out, const char *path) {
  size_t start = out->size, size;
  put_root(out, path);
  size_t base = out->size;
  for (const char *at = path, *part; out->error == 0 && (part = next_part(&at, &size)) != NULL;) {
    if (is_up(part, size) && (drop_part(out, base) || (base != start && out->size == base))) continue;
    put_part(out, base, part, size);
  }
  if (out->size == start) daytona__strbuf_putc(out, '.');
}

void daytona__path_put_archive(daytona__strbuf_t *out, const char *path) {
  size_t start = out->size;
  daytona__path_put_normal(out, path);
  if (out->error != 0) return;
  const char *text = out->data + start;
  size_t skip = strspn(text, "/");
  skip += strspn(text + skip, "\\");
  memmove(out->data + start, text + skip, out->size - start - skip + 1);
  out->size -= skip;
}

void daytona__path_put_pure(daytona__strbuf_t *out, const char *path) {
  size_t start = out->size, size;
  put_root(out, path);
  size_t base = out->size;
  for (const char *at = path, *part; (part = next_part(&at, &size)) != NULL;) put_part(out, base, part, size);
  if (out->size == start) daytona__strbuf_putc(out, '.');
}

const char *daytona__path_name(const char *path, size_t *size) {
  const char *name = path, *part;
  size_t part_size;
  *size = 0;
  for (const char *at = path; (part = next_part(&at, &part_size)) != NULL;) {
    name = part;
    *size = part_size;
  }
  return name;
}

void daytona__path_put_joined(daytona__strbuf_t *out, const char *folder, const char *name) {
  size_t size = name[0] == '/' ? 0 : strlen(folder);
  daytona__strbuf_append(out, folder, size);
  if (size != 0 && folder[size - 1] != '/') daytona__strbuf_putc(out, '/');
  daytona__strbuf_puts(out, name);
}

void daytona__path_put_home(daytona__strbuf_t *out, const char *home, const char *rest) {
  size_t start = out->size, size = strlen(home);
  while (size != 0 && home[size - 1] == '/') size--;
  daytona__strbuf_append(out, home, size);
  daytona__strbuf_puts(out, rest);
  if (out->size == start) daytona__strbuf_putc(out, '/');
}
