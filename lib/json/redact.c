/*
 * JSON text for a log line. What the table marks as secret and what it does not know becomes "***"; of the
 * rest, long strings and long texts are cut. The result is one line: in checked JSON control characters are
 * escaped, and white space between tokens is dropped.
 */
#include <assert.h>
#include <string.h>

#include "core/ascii.h"
#include "core/limits.h"
#include "core/strbuf.h"
#include "json/codec.h"
#include "json/lexer.h"

typedef daytona__json_field_t field_t;
typedef daytona__json_model_t model_t;
typedef daytona__json_string_t string_t;

static const char hidden[] = "\"***\"";
static const char unprintable[] = "(unprintable)";

typedef struct painter {
  daytona__json_lexer_t lexer;
  daytona__strbuf_t buf;
} painter_t;

/* False where the walk may stop: the text is bad, or the line is full. */
static bool goes_on(const painter_t *p) { return p->lexer.code == 0 && p->buf.error == 0; }

static bool paint_object(painter_t *p, const model_t *model);

static bool hide(painter_t *p) {
  daytona__strbuf_puts(&p->buf, hidden);
  return daytona__json_skip(&p->lexer) && goes_on(p);
}

/* The string as it stood, up to the last whole character or escape within the limit. */
static void paint_string(painter_t *p, const string_t *string) {
  const char *end = string->raw + string->raw_size;
  size_t size = 0;
  while (size < string->raw_size) {
    const char *at = string->raw + size;
    uint32_t unused;
    size_t step =
      *at == '\\' ? daytona__json_escape(at, end, &unused) : daytona__utf8_length(at, (size_t)(end - at));
    if (size + step > DAYTONA__LOG_STRING_MAX) break;
    size += step;
  }
  daytona__strbuf_putc(&p->buf, '"');
  daytona__strbuf_append(&p->buf, string->raw, size);
  daytona__strbuf_puts(&p->buf, size < string->raw_size ? "...\"" : "\"");
}

static bool paint_key(painter_t *p, const daytona__json_walk_t *walk, const string_t *key) {
  if (walk->count > 1) daytona__strbuf_putc(&p->buf, ',');
  paint_string(p, key);
  daytona__strbuf_putc(&p->buf, ':');
  return goes_on(p);
}

/* A value that the table knows and that has no table of its own. */
static bool paint_plain(painter_t *p) {
  daytona__json_walk_t walk = {0};
  string_t string;
  int c = daytona__json_peek(&p->lexer);
  const char *start = p->lexer.at;
  if (c == '"') {
    if (daytona__json_lex_string(&p->lexer, &string)) paint_string(p, &string);
  } else if (c == '{' && daytona__json_open(&p->lexer)) {
    daytona__strbuf_putc(&p->buf, '{');
    while (daytona__json_next_member(&p->lexer, &walk, &string) && paint_key(p, &walk, &string) &&
           paint_plain(p))
      continue;
    daytona__strbuf_putc(&p->buf, '}');
  } else if (c == '[' && daytona__json_open(&p->lexer)) {
    daytona__strbuf_putc(&p->buf, '[');
    while (daytona__json_next_item(&p->lexer, &walk)) {
      if (walk.count > 1) daytona__strbuf_putc(&p->buf, ',');
      if (!paint_plain(p)) break;
    }
    daytona__strbuf_putc(&p->buf, ']');
  } else if (daytona__json_skip(&p->lexer)) {
    daytona__strbuf_append(&p->buf, start, (size_t)(p->lexer.at - start));
  }
  return goes_on(p);
}

/* One object of the model, or an array of them; anything else has no business here and is hidden. */
static bool paint_modelled(painter_t *p, const model_t *model) {
  daytona__json_walk_t walk = {0};
  int c = daytona__json_peek(&p->lexer);
  if (c == '{') return paint_object(p, model);
  if (c != '[') return hide(p);
  if (!daytona__json_open(&p->lexer)) return false;
  daytona__strbuf_putc(&p->buf, '[');
  while (daytona__json_next_item(&p->lexer, &walk)) {
    if (walk.count > 1) daytona__strbuf_putc(&p->buf, ',');
    if (!paint_modelled(p, model)) break;
  }
  daytona__strbuf_putc(&p->buf, ']');
  return goes_on(p);
}

/* Whether the key is `text`. A key written with escapes is nobody's: its value is hidden. */
static bool key_is(const string_t *key, const char *text) {
  return text != NULL && !key->is_escaped && key->raw_size == strlen(text) &&
         memcmp(key->raw, text, key->raw_size) == 0;
}

static bool paint_member(painter_t *p, const model_t *model, const string_t *key) {
  const field_t *field = NULL;
  for (size_t i = 0; i < model->field_count && field == NULL; i++)
    if (key_is(key, model->fields[i].key) || key_is(key, model->fields[i].alias)) field = &model->fields[i];
  if (field == NULL || (field->flags & DAYTONA__JSON_SECRET) != 0) return hide(p);
  return field->model != NULL ? paint_modelled(p, field->model) : paint_plain(p);
}

static bool paint_object(painter_t *p, const model_t *model) {
  daytona__json_walk_t walk = {0};
  string_t key;
  if (!daytona__json_open(&p->lexer)) return false;
  daytona__strbuf_putc(&p->buf, '{');
  while (daytona__json_next_member(&p->lexer, &walk, &key) && paint_key(p, &walk, &key) &&
         paint_member(p, model, &key))
    continue;
  daytona__strbuf_putc(&p->buf, '}');
  return goes_on(p);
}

const char *daytona__json_redact(daytona__arena_t *arena, const daytona__json_model_t *model,
                                 const char *text, size_t size) {
  painter_t p;
  const char *line = NULL;
  assert(model != NULL);
  daytona__json_lexer_init(&p.lexer, text, size);
  daytona__strbuf_init(&p.buf, DAYTONA__LOG_JSON_MAX);
  if (paint_modelled(&p, model)) daytona__json_at_end(&p.lexer);
  if (p.lexer.code == 0 && p.buf.error != DAYTONA_ENOMEM)
    line = daytona__arena_printf(arena, "%s%s", p.buf.data, p.buf.error == DAYTONA_ELIMIT ? "..." : "");
  daytona__strbuf_clear(&p.buf);
  return line != NULL ? line : unprintable;
}
