/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading S3's XML; see s3_xml.h. A cursor goes over the text once, from one piece to the next: a start or end of an
 * element, or text. Comments and processing instructions are passed over; a document type is refused, since what it
 * defines would change the rest.
 */
#include "wire/s3_xml.h"

#include <stdint.h>
#include <string.h>

#include "core/ascii.h"

typedef enum piece { END, BROKEN, OPENED, CLOSED, TEXT, RAW } piece_t;

typedef struct cursor {
  const char *at, *end;
  char names[DAYTONA__S3_XML_DEPTH_MAX][DAYTONA__S3_XML_NAME_MAX + 1];
  size_t depth;
  bool is_empty;    /* the element that was opened has ended in its own tag: it is closed next */
  bool has_root;    /* there is one outermost element */
  const char *text; /* of the last piece of text */
  size_t text_size;
} cursor_t;

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

static bool is_next(const cursor_t *self, const char *text) {
  size_t size = strlen(text);
  return (size_t)(self->end - self->at) >= size && memcmp(self->at, text, size) == 0;
}

/* Go behind the next `text`. False: there is none. */
static bool skip_past(cursor_t *self, const char *text) {
  size_t size = strlen(text);
  for (; (size_t)(self->end - self->at) >= size; self->at++)
    if (memcmp(self->at, text, size) == 0) {
      self->at += size;
      return true;
    }
  return false;
}

/* A name without the prefix of its namespace. */
static bool take_name(cursor_t *self, char out[DAYTONA__S3_XML_NAME_MAX + 1]) {
  size_t size = 0;
  while (self->at < self->end && !is_space(*self->at) && strchr("/>=<&\"'", *self->at) == NULL) {
    if (*self->at == '\0' || size == DAYTONA__S3_XML_NAME_MAX) return false;
    out[size++] = *self->at++;
    if (out[size - 1] == ':') size = 0;
  }
  out[size] = '\0';
  return size != 0;
}

static void skip_space(cursor_t *self) {
  while (self->at < self->end && is_space(*self->at)) self->at++;
}

/* Attributes, which nobody asks for, and the tag's end. */
static bool end_tag(cursor_t *self) {
  char name[DAYTONA__S3_XML_NAME_MAX + 1];
  for (;;) {
    skip_space(self);
    if (self->at == self->end) return false;
    if (*self->at == '>') break;
    if (is_next(self, "/>")) {
      self->is_empty = true;
      self->at++;
      break;
    }
    if (!take_name(self, name)) return false;
    skip_space(self);
    if (self->at == self->end || *self->at++ != '=') return false;
    skip_space(self);
    if (self->at == self->end || (*self->at != '"' && *self->at != '\'')) return false;
    const char quote[] = {*self->at++, '\0'};
    if (!skip_past(self, quote)) return false;
  }
  self->at++;
  return true;
}

static piece_t open_element(cursor_t *self) {
  self->at++;
  if (self->depth == DAYTONA__S3_XML_DEPTH_MAX || (self->depth == 0 && self->has_root)) return BROKEN;
  if (!take_name(self, self->names[self->depth]) || !end_tag(self)) return BROKEN;
  self->depth++;
  self->has_root = true;
  return OPENED;
}

static piece_t close_element(cursor_t *self) {
  char name[DAYTONA__S3_XML_NAME_MAX + 1];
  self->at += 2;
  if (!take_name(self, name)) return BROKEN;
  skip_space(self);
  if (self->depth == 0 || strcmp(name, self->names[self->depth - 1]) != 0) return BROKEN;
  if (self->at == self->end || *self->at++ != '>') return BROKEN;
  self->depth--;
  return CLOSED;
}

static piece_t take_text(cursor_t *self) {
  self->text = self->at;
  while (self->at < self->end && *self->at != '<') {
    if (*self->at == '\0' || (self->depth == 0 && !is_space(*self->at))) return BROKEN;
    self->at++;
  }
  self->text_size = (size_t)(self->at - self->text);
  return TEXT;
}

static piece_t take_raw(cursor_t *self) {
  self->at += strlen("<![CDATA[");
  self->text = self->at;
  if (self->depth == 0 || !skip_past(self, "]]>")) return BROKEN;
  self->text_size = (size_t)(self->at - self->text) - strlen("]]>");
  return RAW;
}

static piece_t next_piece(cursor_t *self) {
  if (self->is_empty) {
    self->is_empty = false;
    self->depth--;
    return CLOSED;
  }
  for (;;) {
    if (self->at == self->end) return self->depth == 0 && self->has_root ? END : BROKEN;
    if (is_next(self, "<!--")) {
      if (!skip_past(self, "-->")) return BROKEN;
    } else if (is_next(self, "<?")) {
      if (!skip_past(self, "?>")) return BROKEN;
    } else {
      break;
    }
  }
  if (is_next(self, "<![CDATA[")) return take_raw(self);
  if (is_next(self, "<!")) return BROKEN;
  if (is_next(self, "</")) return close_element(self);
  return *self->at == '<' ? open_element(self) : take_text(self);
}

static void begin(cursor_t *self, const char *xml, size_t size) {
  memset(self, 0, sizeof *self);
  self->at = xml;
  self->end = xml + size;
  if (is_next(self, "\xef\xbb\xbf")) self->at += 3;
}

bool daytona__s3_xml_root(const char *xml, size_t size, char name[DAYTONA__S3_XML_NAME_MAX + 1]) {
  cursor_t cursor;
  piece_t piece;
  begin(&cursor, xml, size);
  while ((piece = next_piece(&cursor)) == TEXT) continue;
  if (piece != OPENED) return false;
  memcpy(name, cursor.names[0], sizeof cursor.names[0]);
  return true;
}

/* --- text -------------------------------------------------------------------------------------- */

/* "#38", "#x26": a character that XML allows. 0: none. */
static uint32_t code_point_of(const char *at, size_t size) {
  uint32_t value = 0;
  bool is_hex = size > 1 && at[1] == 'x';
  size_t i = is_hex ? 2 : 1;
  if (i == size) return 0;
  for (; i < size; i++) {
    int digit = daytona__hex_digit(at[i]);
    if (digit < 0 || (!is_hex && digit > 9) || value > 0x10ffff) return 0;
    value = value * (is_hex ? 16 : 10) + (uint32_t)digit;
  }
  return value > 0x10ffff || (value >= 0xd800 && value < 0xe000) ? 0 : value;
}

static uint32_t entity(const char *at, size_t size) {
  static const struct {
    const char *name;
    uint32_t value;
  } known[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
  if (size != 0 && at[0] == '#') return code_point_of(at, size);
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
    if (strlen(known[i].name) == size && memcmp(at, known[i].name, size) == 0) return known[i].value;
  return 0;
}

/* Append a piece of text to `out`, which has room for DAYTONA__S3_XML_TEXT_MAX. False: it has none, or an entity is unknown. */
static bool put_text(const cursor_t *cursor, bool is_raw, char *out, size_t *used) {
  const char *at = cursor->text, *end = at + cursor->text_size;
  while (at < end) {
    char bytes[4];
    size_t size = 1;
    bytes[0] = *at;
    if (*at == '&' && !is_raw) {
      const char *semicolon = memchr(at, ';', (size_t)(end - at));
      uint32_t value = semicolon != NULL ? entity(at + 1, (size_t)(semicolon - at - 1)) : 0;
      if (value == 0) return false;
      size = daytona__utf8_put(value, bytes);
      at = semicolon;
    }
    at++;
    if (DAYTONA__S3_XML_TEXT_MAX - *used < size) return false;
    memcpy(out + *used, bytes, size);
    *used += size;
  }
  return true;
}

/* The element is open: its text, up to its end. */
static const char *text_of(cursor_t *cursor, daytona__arena_t *arena) {
  char text[DAYTONA__S3_XML_TEXT_MAX];
  size_t used = 0;
  piece_t piece;
  while ((piece = next_piece(cursor)) == TEXT || piece == RAW)
    if (!put_text(cursor, piece == RAW, text, &used)) return NULL;
  if (piece != CLOSED || !daytona__utf8_is_valid(text, used)) return NULL;
  return daytona__arena_strndup(arena, text, used);
}

/* Open the first element `name` that is directly in the outermost one. False: there is none. */
static bool find(cursor_t *cursor, const char *xml, size_t size, const char *name) {
  begin(cursor, xml, size);
  for (;;) {
    piece_t piece = next_piece(cursor);
    if (piece == END || piece == BROKEN) return false;
    if (piece == OPENED && cursor->depth == 2 && strcmp(cursor->names[1], name) == 0) return true;
  }
}

const char *daytona__s3_xml_text(daytona__arena_t *arena, const char *xml, size_t size, const char *name) {
  cursor_t cursor;
  return find(&cursor, xml, size, name) ? text_of(&cursor, arena) : NULL;
}

bool daytona__s3_xml_has(const char *xml, size_t size, const char *name) {
  cursor_t cursor;
  return find(&cursor, xml, size, name);
}
