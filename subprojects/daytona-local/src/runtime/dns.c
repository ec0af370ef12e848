/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/dns.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define HEADER 12
#define POINTERS_MAX 16 /* in one name: more would be a circle */
#define ALIASES_MAX 16
#define OPT_SIZE 1232 /* fits into a packet of every network */

typedef struct {
  const uint8_t *bytes;
  size_t len, at;
} reader_t;

static bool skip(reader_t *r, size_t count) {
  if (count > r->len - r->at) return false;
  r->at += count;
  return true;
}

static bool read_16(reader_t *r, uint16_t *out) {
  if (r->len - r->at < 2) return false;
  *out = (uint16_t)(r->bytes[r->at] << 8 | r->bytes[r->at + 1]);
  r->at += 2;
  return true;
}

static bool read_32(reader_t *r, uint32_t *out) {
  uint16_t high, low;
  if (!read_16(r, &high) || !read_16(r, &low)) return false;
  *out = (uint32_t)high << 16 | low;
  return true;
}

/* Into `out` in lower case; a character that names of hosts do not have becomes `?`, so that the name is in no list. */
static bool read_name(reader_t *r, char out[DL_DNS_NAME_MAX]) {
  size_t at = r->at, used = 0;
  bool is_moved = false;
  for (int pointers = 0;;) {
    if (at >= r->len) return false;
    uint8_t count = r->bytes[at++];
    if ((count & 0xc0) == 0xc0) {
      if (at >= r->len || ++pointers > POINTERS_MAX) return false;
      if (!is_moved) r->at = at + 1;
      is_moved = true;
      at = (size_t)(count & 0x3f) << 8 | r->bytes[at];
      continue;
    }
    if (count > 63) return false;
    if (count == 0) break;
    if (count > r->len - at || used + 1 + count >= DL_DNS_NAME_MAX) return false;
    if (used > 0) out[used++] = '.';
    for (size_t i = 0; i < count; i++) {
      unsigned char c = r->bytes[at + i];
      out[used++] = isalnum(c) || c == '-' || c == '_' ? (char)tolower(c) : '?';
    }
    at += count;
  }
  out[used] = '\0';
  if (!is_moved) r->at = at;
  return true;
}

/* --- questions --- */

typedef struct {
  uint16_t id, flags, questions, answers, authorities, others;
} header_t;

static bool read_header(reader_t *r, header_t *out) {
  return read_16(r, &out->id) && read_16(r, &out->flags) && read_16(r, &out->questions) &&
         read_16(r, &out->answers) && read_16(r, &out->authorities) && read_16(r, &out->others);
}

/* Class IN. */
static bool read_question(reader_t *r, char name[DL_DNS_NAME_MAX], uint16_t *type) {
  uint16_t class;
  return read_name(r, name) && read_16(r, type) && read_16(r, &class) && class == 1;
}

bool dl_dns_read_query(const uint8_t *bytes, size_t len, dl_dns_query_t *out) {
  reader_t r = {bytes, len, 0};
  header_t h;
  if (!read_header(&r, &h)) return false;
  /* No answer, the kind of question that is the common one, not truncated. */
  if ((h.flags & 0xfa00) != 0 || h.questions != 1 || h.answers != 0 || h.authorities != 0 || h.others > 1)
    return false;
  *out = (dl_dns_query_t){.id = h.id, .wants_recursion = (h.flags & 0x0100) != 0};
  if (!read_question(&r, out->name, &out->type) || *out->name == '\0' || strchr(out->name, '?') != NULL)
    return false;
  if (h.others == 0) return true;
  uint16_t type;
  if (!skip(&r, 1) || bytes[r.at - 1] != 0 || !read_16(&r, &type) || type != DL_DNS_OPT) return false;
  out->has_opt = true;
  return true;
}

/* --- writing --- */

static size_t put_16(uint8_t *to, unsigned value) {
  to[0] = (uint8_t)(value >> 8);
  to[1] = (uint8_t)value;
  return 2;
}

static size_t put_message(const dl_dns_query_t *query, uint16_t id, unsigned flags, uint8_t *out) {
  size_t at = put_16(out, id);
  at += put_16(out + at, flags);
  at += put_16(out + at, 1);
  at += put_16(out + at, 0);
  at += put_16(out + at, 0);
  at += put_16(out + at, query->has_opt);
  for (const char *label = query->name; *label != '\0';) {
    size_t len = strcspn(label, ".");
    out[at++] = (uint8_t)len;
    memcpy(out + at, label, len);
    at += len;
    label += len + (label[len] == '.');
  }
  out[at++] = 0;
  at += put_16(out + at, query->type);
  at += put_16(out + at, 1);
  if (!query->has_opt) return at;
  out[at++] = 0;
  at += put_16(out + at, DL_DNS_OPT);
  at += put_16(out + at, OPT_SIZE);
  memset(out + at, 0, 6);
  return at + 6;
}

size_t dl_dns_write_query(const dl_dns_query_t *query, uint16_t id, uint8_t out[DL_DNS_QUERY_MAX]) {
  return put_message(query, id, 0x0100, out);
}

size_t dl_dns_write_answer(const dl_dns_query_t *query, int code, bool is_truncated,
                           uint8_t out[DL_DNS_QUERY_MAX]) {
  unsigned flags =
    0x8080u | (is_truncated ? 0x0200u : 0) | (query->wants_recursion ? 0x0100u : 0) | (unsigned)code;
  return put_message(query, query->id, flags, out);
}

/* --- answers --- */

bool dl_dns_is_answer(const uint8_t *bytes, size_t len, const dl_dns_query_t *query, uint16_t id) {
  reader_t r = {bytes, len, 0};
  header_t h;
  char name[DL_DNS_NAME_MAX];
  uint16_t type;
  return read_header(&r, &h) && h.id == id && (h.flags & 0x8000) != 0 && h.questions == 1 &&
         read_question(&r, name, &type) && type == query->type && strcmp(name, query->name) == 0;
}

typedef struct {
  char name[DL_DNS_NAME_MAX];
  uint16_t type, class, size;
  uint32_t seconds;
  size_t data; /* where it begins */
} record_t;

static bool read_record(reader_t *r, record_t *out) {
  if (!read_name(r, out->name) || !read_16(r, &out->type) || !read_16(r, &out->class) ||
      !read_32(r, &out->seconds) || !read_16(r, &out->size))
    return false;
  out->data = r->at;
  return skip(r, out->size);
}

/* Those of `name`, and the name that it is an alias of (else empty). -1: it does not parse. */
static int look_for(reader_t r, unsigned answers, char name[DL_DNS_NAME_MAX], dl_dns_address_t *out,
                    size_t max) {
  char alias[DL_DNS_NAME_MAX] = "";
  size_t found = 0;
  for (unsigned i = 0; i < answers; i++) {
    record_t record;
    if (!read_record(&r, &record)) return -1;
    if (record.class != 1 || strcmp(record.name, name) != 0) continue;
    reader_t data = {r.bytes, r.len, record.data};
    if (record.type == DL_DNS_CNAME && !read_name(&data, alias)) return -1;
    if (record.type != DL_DNS_A || record.size != 4 || found == max) continue;
    read_32(&data, &out[found].address);
    /* More than a day, or with the first bit set, is nonsense. */
    out[found++].seconds = record.seconds;
  }
  memcpy(name, alias, sizeof alias);
  return (int)found;
}

int dl_dns_read_addresses(const uint8_t *bytes, size_t len, const dl_dns_query_t *query,
                          dl_dns_address_t *out, size_t max) {
  reader_t r = {bytes, len, 0};
  header_t h;
  char name[DL_DNS_NAME_MAX];
  uint16_t type;
  size_t found = 0;
  if (!read_header(&r, &h) || h.questions != 1 || !read_question(&r, name, &type)) return -1;
  if ((h.flags & 0x000f) != DL_DNS_NO_ERROR || query->type != DL_DNS_A) return 0;
  memcpy(name, query->name, sizeof name);
  for (int aliases = 0; aliases <= ALIASES_MAX && *name != '\0'; aliases++) {
    int more = look_for(r, h.answers, name, out + found, max - found);
    if (more < 0) return -1;
    found += (size_t)more;
  }
  return (int)found;
}

/* --- lists --- */

bool dl_dns_is_listed(const char *list, const char *name) {
  size_t name_len = strlen(name);
  for (const char *at = list; *at != '\0';) {
    size_t len = strcspn(at, ",");
    bool is_below = len > 2 && at[0] == '*' && at[1] == '.';
    const char *end = is_below ? at + 1 : at; /* with its dot */
    size_t end_len = is_below ? len - 1 : len;
    bool fits = is_below ? name_len > end_len : name_len == end_len;
    if (fits && strncasecmp(name + name_len - end_len, end, end_len) == 0) return true;
    at += len + (at[len] == ',');
  }
  return false;
}
