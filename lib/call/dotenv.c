/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser of .env files; see dotenv.h.
 *
 * The text is copied once, with every line end turned into "\n". Quoted values are unescaped inside that
 * copy, where they can only shrink; what is kept goes into the arena. Every step moves forward and no scan is
 * repeated, so that time is linear in the size of text and values, whatever the text is.
 */
#include "call/dotenv.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <daytona/error.h>

#include "core/limits.h"
#include "core/memory.h"

/* Names of other variables are kept for ${NAME}; only those with this prefix are reported. */
static const char prefix[] = "DAYTONA_";

enum { BUCKETS_MIN = 64, BUCKETS_MAX = 65536, ENVIRONMENT_NAME_MAX = 255 };

struct daytona__dotenv_entry {
  daytona__dotenv_entry_t *next; /* in the same bucket */
  const char *name;
  size_t name_size;
  const char *value; /* NULL: the name stood there without "=" */
  size_t value_size;
};

typedef struct span {
  char *at;
  size_t size;
} span_t;

typedef struct reader {
  char *at;
  char *end;
} reader_t;

/* --- characters --- */

/*
 * How many bytes the blank at `at` has; 0 if there is none. These are the characters that Unicode calls
 * white space and the four separators of ASCII: a no-break space pasted behind a key is not a part of it.
 */
static size_t space_size(const char *at, const char *end) {
  const unsigned char *byte = (const unsigned char *)at;
  size_t left = (size_t)(end - at);
  if (left == 0) return 0;
  if (byte[0] == ' ' || (byte[0] >= '\t' && byte[0] <= '\r') || (byte[0] >= 0x1c && byte[0] <= 0x1f))
    return 1;
  if (left >= 2 && byte[0] == 0xc2) return byte[1] == 0x85 || byte[1] == 0xa0 ? 2 : 0;
  if (left < 3) return 0;
  unsigned code = (unsigned)byte[0] << 16 | (unsigned)byte[1] << 8 | byte[2];
  bool is_space = code == 0xe19a80 || (code >= 0xe28080 && code <= 0xe2808a) || code == 0xe280a8 ||
                  code == 0xe280a9 || code == 0xe280af || code == 0xe2819f || code == 0xe38080;
  return is_space ? 3 : 0;
}

static bool is_at(const reader_t *reader, char c) { return reader->at < reader->end && *reader->at == c; }

static void skip_spaces(reader_t *reader) {
  size_t size;
  while ((size = space_size(reader->at, reader->end)) != 0) reader->at += size;
}

/* The same, but stays on the line. */
static void skip_blanks(reader_t *reader) {
  size_t size;
  while (!is_at(reader, '\n') && (size = space_size(reader->at, reader->end)) != 0) reader->at += size;
}

static void skip_to_line_end(reader_t *reader) {
  char *newline = memchr(reader->at, '\n', (size_t)(reader->end - reader->at));
  reader->at = newline != NULL ? newline : reader->end;
}

/* --- one line --- */

static void skip_export(reader_t *reader) {
  static const char word[] = "export";
  reader_t behind = *reader;
  if ((size_t)(reader->end - reader->at) < sizeof word - 1 || memcmp(reader->at, word, sizeof word - 1) != 0)
    return;
  char *word_end = behind.at += sizeof word - 1;
  skip_blanks(&behind);
  if (behind.at != word_end) *reader = behind;
}

static bool read_name(reader_t *reader, span_t *name) {
  if (is_at(reader, '\'')) {
    char *start = reader->at + 1;
    char *quote = memchr(start, '\'', (size_t)(reader->end - start));
    if (quote == NULL || quote == start) return false;
    *name = (span_t){start, (size_t)(quote - start)};
    reader->at = quote + 1;
    return true;
  }
  char *start = reader->at;
  while (reader->at < reader->end && *reader->at != '=' && *reader->at != '#' &&
         space_size(reader->at, reader->end) == 0)
    reader->at++;
  *name = (span_t){start, (size_t)(reader->at - start)};
  return name->size != 0;
}

/* What "\c" stands for; 0 if both characters stand for themselves. */
static char unescape(char c, char quote) {
  static const char letters[] = "abfnrtv", meanings[] = "\a\b\f\n\r\t\v";
  if (c == '\\' || c == '\'') return c;
  if (quote != '"') return 0;
  if (c == '"') return c;
  const char *letter = c != '\0' ? strchr(letters, c) : NULL;
  return letter != NULL ? meanings[letter - letters] : 0;
}

/* From a quote to its partner, lines in between included. The reader stays where it is if there is none. */
static bool read_quoted(reader_t *reader, span_t *value) {
  char quote = *reader->at;
  char *start = reader->at + 1, *close = start;
  while (close < reader->end && *close != quote) close += *close == '\\' && close + 1 < reader->end ? 2 : 1;
  if (close >= reader->end) return false;
  char *out = start;
  for (const char *at = start; at < close; at++) {
    char plain = *at;
    if (plain == '\\') {
      plain = unescape(*++at, quote); /* exists: the search above took such pairs together */
      if (plain == 0) {
        *out++ = '\\';
        plain = *at;
      }
    }
    *out++ = plain;
  }
  *value = (span_t){start, (size_t)(out - start)};
  reader->at = close + 1;
  return true;
}

/* Up to the end of the line or a comment, which is a "#" behind a blank. Blanks at the end do not count. */
static void read_plain(reader_t *reader, span_t *value) {
  char *start = reader->at, *content_end = start;
  bool is_after_space = false;
  while (reader->at < reader->end && *reader->at != '\n') {
    size_t space = space_size(reader->at, reader->end);
    if (space == 0 && is_after_space && *reader->at == '#') break;
    reader->at += space != 0 ? space : 1;
    is_after_space = space != 0;
    if (space == 0) content_end = reader->at;
  }
  skip_to_line_end(reader);
  *value = (span_t){start, (size_t)(content_end - start)};
}

/* What follows the "=". */
static bool read_value(reader_t *reader, span_t *value) {
  char *start = reader->at;
  skip_blanks(reader);
  *value = (span_t){reader->at, 0};
  if (is_at(reader, '\'') || is_at(reader, '"')) return read_quoted(reader, value);
  if (is_at(reader, '#') && reader->at != start) return true; /* NAME= # comment */
  read_plain(reader, value);
  return true;
}

/* Nothing but blanks and a comment may be left on the line. */
static bool read_line_end(reader_t *reader) {
  skip_blanks(reader);
  if (is_at(reader, '#')) skip_to_line_end(reader);
  if (is_at(reader, '\n'))
    reader->at++;
  else if (reader->at != reader->end)
    return false;
  return true;
}

/*
 * One assignment, comment or bare name. False if it makes no sense; the rest of the line at which that
 * turned out is skipped then. `name->size` is 0 for a comment, `value->at` is NULL without a "=".
 */
static bool read_binding(reader_t *reader, span_t *name, span_t *value) {
  *name = *value = (span_t){NULL, 0};
  skip_export(reader);
  bool is_good = is_at(reader, '#') || read_name(reader, name);
  if (is_good) {
    skip_blanks(reader);
    if (is_at(reader, '=')) {
      reader->at++;
      is_good = read_value(reader, value);
    }
  }
  if (is_good && read_line_end(reader)) return true;
  skip_to_line_end(reader);
  return false;
}

/* --- names and values --- */

static daytona__dotenv_entry_t **bucket_of(const daytona__dotenv_t *env, const char *name, size_t size) {
  uint32_t hash = 2166136261u;
  for (size_t i = 0; i < size; i++) hash = (hash ^ (unsigned char)name[i]) * 16777619u;
  return &env->buckets[hash & (env->bucket_count - 1)];
}

static daytona__dotenv_entry_t *find(const daytona__dotenv_t *env, const char *name, size_t size) {
  daytona__dotenv_entry_t *entry = *bucket_of(env, name, size);
  while (entry != NULL && (entry->name_size != size || memcmp(entry->name, name, size) != 0))
    entry = entry->next;
  return entry;
}

static const char *from_process(const char *name, size_t size) {
  char terminated[ENVIRONMENT_NAME_MAX + 1];
  if (size > ENVIRONMENT_NAME_MAX || memchr(name, '=', size) != NULL) return NULL;
  memcpy(terminated, name, size);
  terminated[size] = '\0';
  return getenv(terminated);
}

typedef struct reference {
  const char *start, *end; /* from "${" to behind "}" */
  const char *name;
  size_t name_size;
  const char *fallback;
  size_t fallback_size;
} reference_t;

/* Where the search for references stands. The marks only move forward, so that no byte is searched twice. */
typedef struct search {
  const char *at, *end;
  const char *name_end; /* the first ":" or "}" found last; NULL: not searched yet */
  const char *close;    /* the same for "}" */
} search_t;

static const char *next_name_end(search_t *search, const char *from) {
  if (search->name_end == NULL || search->name_end < from) {
    while (from < search->end && *from != '}' && *from != ':') from++;
    search->name_end = from;
  }
  return search->name_end;
}

static const char *next_close(search_t *search, const char *from) {
  if (search->close == NULL || search->close < from) {
    const char *close = memchr(from, '}', (size_t)(search->end - from));
    search->close = close != NULL ? close : search->end;
  }
  return search->close;
}

/* The next ${NAME} or ${NAME:-default}. A name is anything without ":" and "}". */
static bool next_reference(search_t *search, reference_t *found) {
  for (const char *dollar; search->at < search->end; search->at = dollar + 1) {
    dollar = memchr(search->at, '$', (size_t)(search->end - search->at));
    if (dollar == NULL) break;
    if (search->end - dollar < 3 || dollar[1] != '{') continue;
    const char *name = dollar + 2, *name_end = next_name_end(search, name);
    *found = (reference_t){.start = dollar, .name = name, .name_size = (size_t)(name_end - name)};
    if (name_end == search->end) continue;
    if (*name_end == ':') {
      if (search->end - name_end < 2 || name_end[1] != '-') continue;
      found->fallback = name_end + 2;
      const char *close = next_close(search, found->fallback);
      if (close == search->end) continue;
      found->fallback_size = (size_t)(close - found->fallback);
      name_end = close;
    }
    search->at = found->end = name_end + 1;
    return true;
  }
  search->at = search->end;
  return false;
}

/* What a reference stands for. Earlier names of the file come before the process environment. */
static span_t resolve(const daytona__dotenv_t *env, const reference_t *reference) {
  const daytona__dotenv_entry_t *entry = find(env, reference->name, reference->name_size);
  if (entry != NULL) return (span_t){(char *)entry->value, entry->value_size};
  const char *process = from_process(reference->name, reference->name_size);
  if (process != NULL) return (span_t){(char *)process, strlen(process)};
  return (span_t){(char *)reference->fallback, reference->fallback_size};
}

static char *put(char *out, const char *bytes, size_t size) {
  if (out == NULL || size == 0) return out;
  memcpy(out, bytes, size);
  return out + size;
}

/* Write `raw` with its references replaced to `out`, if that is not NULL. Returns the size, SIZE_MAX if too large. */
static size_t expand(const daytona__dotenv_t *env, span_t raw, char *out) {
  search_t search = {.at = raw.at, .end = raw.at + raw.size};
  reference_t reference;
  const char *done = raw.at;
  size_t size = 0;
  while (next_reference(&search, &reference)) {
    span_t value = resolve(env, &reference);
    size_t plain = (size_t)(reference.start - done);
    if (value.size > DAYTONA__DOTENV_MEMORY_MAX || size > DAYTONA__DOTENV_MEMORY_MAX) return SIZE_MAX;
    out = put(put(out, done, plain), value.at, value.size);
    size += plain + value.size;
    done = reference.end;
  }
  put(out, done, (size_t)(search.end - done));
  return size + (size_t)(search.end - done);
}

/* Over the arena's ceiling, or really out of memory. */
static int shortage(const daytona__dotenv_t *env, size_t wanted) {
  bool is_over = wanted > env->arena.limit || env->arena.used > env->arena.limit - wanted;
  return is_over ? DAYTONA_ELIMIT : DAYTONA_ENOMEM;
}

/* The last one of a name counts, also if it has no value. */
static int keep(daytona__dotenv_t *env, span_t name, span_t raw) {
  char *value = NULL;
  size_t value_size = 0;
  if (raw.at != NULL) {
    value_size = expand(env, raw, NULL);
    if (value_size > DAYTONA__DOTENV_MEMORY_MAX) return DAYTONA_ELIMIT;
    value = daytona__arena_alloc(&env->arena, value_size + 1); /* zeroed: ends in a NUL */
    if (value == NULL) return shortage(env, value_size + 1);
    expand(env, raw, value);
  }
  daytona__dotenv_entry_t *entry = find(env, name.at, name.size);
  if (entry == NULL) {
    entry = daytona__arena_alloc(&env->arena, sizeof *entry);
    char *name_copy = daytona__arena_strndup(&env->arena, name.at, name.size);
    if (entry == NULL || name_copy == NULL) return shortage(env, sizeof *entry + name.size);
    daytona__dotenv_entry_t **bucket = bucket_of(env, name.at, name.size);
    *entry = (daytona__dotenv_entry_t){.next = *bucket, .name = name_copy, .name_size = name.size};
    *bucket = entry;
  }
  entry->value = value;
  entry->value_size = value_size;
  return 0;
}

/* --- the whole text --- */

/* A copy without byte order mark, with "\n" for every line end. */
static bool copy_text(daytona__dotenv_t *env, const char *text, size_t size, reader_t *reader) {
  if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
    text += 3;
    size -= 3;
  }
  char *out = reader->at = daytona__arena_alloc(&env->arena, size + 1);
  if (out == NULL) return false;
  for (size_t i = 0; i < size; i++) {
    *out++ = text[i] == '\r' ? '\n' : text[i];
    if (text[i] == '\r' && i + 1 < size && text[i + 1] == '\n') i++;
  }
  reader->end = out;
  return true;
}

void daytona__dotenv_init(daytona__dotenv_t *env) {
  memset(env, 0, sizeof *env);
  daytona__arena_init(&env->arena, DAYTONA__DOTENV_MEMORY_MAX);
  env->arena.is_secret = true;
}

void daytona__dotenv_clear(daytona__dotenv_t *env) {
  daytona__arena_clear(&env->arena);
  env->buckets = NULL;
  env->bucket_count = 0;
}

int daytona__dotenv_parse(daytona__dotenv_t *env, const char *text, size_t size) {
  assert(env->buckets == NULL);
  if (size > DAYTONA__DOTENV_MAX) return DAYTONA_ELIMIT;
  if (size == 0) return 0;
  if (memchr(text, '\0', size) != NULL) return DAYTONA_EINVAL;
  reader_t reader;
  size_t count = BUCKETS_MIN;
  while (count < BUCKETS_MAX && count < size / 16) count *= 2;
  env->buckets = daytona__arena_array(&env->arena, count, sizeof *env->buckets);
  env->bucket_count = count;
  int error = env->buckets != NULL && copy_text(env, text, size, &reader) ? 0 : DAYTONA_ENOMEM;
  while (error == 0) {
    span_t name, value;
    skip_spaces(&reader);
    if (reader.at == reader.end) break;
    if (read_binding(&reader, &name, &value) && name.size != 0) error = keep(env, name, value);
  }
  if (error != 0) daytona__dotenv_clear(env);
  return error;
}

/* Reads at most `room` bytes; the number, or -1. */
static ssize_t read_whole(int fd, char *buffer, size_t room) {
  size_t size = 0;
  while (size < room) {
    ssize_t got = read(fd, buffer + size, room - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0) break;
    size += (size_t)got;
  }
  return (ssize_t)size;
}

static int load_open(daytona__dotenv_t *env, int fd) {
  struct stat about;
  if (fstat(fd, &about) != 0) return DAYTONA_EIO;
  if (!S_ISREG(about.st_mode)) return 0;
  if (about.st_size > (off_t)DAYTONA__DOTENV_MAX) return DAYTONA_ELIMIT;
  size_t room =
    (size_t)about.st_size + 1; /* one more shows that it has grown, which costs only the new end */
  char *text = daytona__alloc(room);
  if (text == NULL) return DAYTONA_ENOMEM;
  ssize_t size = read_whole(fd, text, room);
  int error = size >= 0 ? daytona__dotenv_parse(env, text, (size_t)size) : DAYTONA_EIO;
  daytona__wipe(text, room);
  daytona__free(text);
  return error;
}

static const char *problem_of(int error) {
  switch (error) {
    case DAYTONA_EIO: return "cannot be read";
    case DAYTONA_ELIMIT: return "is too large";
    case DAYTONA_EINVAL: return "is not plain text";
    default: return daytona_errcode_text(error);
  }
}

int daytona__dotenv_load(daytona__dotenv_t *env, const char *path, const char **problem) {
  int error = 0;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* a pipe must not hold us up */
  if (fd >= 0) {
    error = load_open(env, fd);
    close(fd);
  } else if (errno != ENOENT && errno != ENOTDIR && errno != ENXIO) {
    error = DAYTONA_EIO;
  }
  if (error != 0) *problem = problem_of(error);
  return error;
}

const char *daytona__dotenv_get(const daytona__dotenv_t *env, const char *name) {
  if (env->buckets == NULL || strncmp(name, prefix, sizeof prefix - 1) != 0) return NULL;
  const daytona__dotenv_entry_t *entry = find(env, name, strlen(name));
  return entry != NULL ? entry->value : NULL;
}
