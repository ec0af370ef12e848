/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The multipart reader and writer. Every response is read whole, byte by byte, cut at random places, and with a receiver
 * that stops at every byte; the events must be the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <daytona/error.h>

#include "core/limits.h"
#include "support/alloc.h"
#include "support/check.h"
#include "wire/multipart.h"

#define B "DAYTONA-FILE-BOUNDARY"
#define FILE_PART(name, length)                                                                     \
  "Content-Disposition: form-data; name=\"file\"; filename=\"" name "\"\r\nContent-Length: " length \
  "\r\n\r"                                                                                          \
  "\n"
#define OPEN_PART(name) "Content-Disposition: form-data; name=\"file\"; filename=\"" name "\"\r\n\r\n"

enum { NOTES_MAX = 512 * 1024 };

/* Events as text: "[name|filename|type|length]data<" for each part. */
typedef struct notes {
  daytona__multipart_reader_t reader;
  char text[NOTES_MAX];
  size_t size;
  bool stops;         /* take one byte at a time */
  bool stops_between; /* end feeding at each part's end */
  int part_rc, end_rc;
  size_t calls;
  bool was_short; /* the last data was not taken whole: it is not offered again at once */
} notes_t;

static notes_t notes, reference;

static void note(notes_t *self, const char *bytes, size_t size) {
  assert_true(self->size + size < NOTES_MAX);
  memcpy(self->text + self->size, bytes, size);
  self->size += size;
}

static int on_part(daytona__multipart_reader_t *reader, const daytona__multipart_part_t *part) {
  notes_t *self = reader->user;
  char line[4096];
  int size =
    snprintf(line, sizeof line, "[%s|%s|%s|%lld]", part->name,
             part->filename != NULL ? part->filename : "(none)", part->content_type, (long long)part->length);
  note(self, line, (size_t)size);
  return self->part_rc;
}

static size_t on_data(daytona__multipart_reader_t *reader, const char *bytes, size_t size) {
  notes_t *self = reader->user;
  assert_true(size != 0 && !self->was_short);
  size_t take = !self->stops ? size : self->calls % 2; /* nothing at all, too */
  self->calls++;
  self->was_short = take < size;
  note(self, bytes, take);
  return take;
}

static int on_part_end(daytona__multipart_reader_t *reader) {
  notes_t *self = reader->user;
  note(self, "<", 1);
  if (self->stops_between) daytona__multipart_stop(reader);
  return self->end_rc;
}

static void begin(notes_t *self, const char *boundary) {
  self->size = self->calls = 0;
  assert_int_equal(daytona__multipart_init(&self->reader, boundary), 0);
  self->reader.on_part = on_part;
  self->reader.on_data = on_data;
  self->reader.on_part_end = on_part_end;
  self->reader.user = self;
}

/* Feed all of it, going on wherever the receiver stopped; returns the error. */
static int feed(notes_t *self, const char *bytes, size_t size) {
  int error = 0;
  size_t idle = 0;
  while (size != 0 && error == 0) {
    size_t calls = self->calls;
    self->was_short = false;
    size_t used = daytona__multipart_feed(&self->reader, bytes, size, &error);
    assert_true(used <= size);
    if (self->was_short) assert_true(used < size); /* so that whoever feeds has something to come back with */
    idle = used == 0 && self->calls == calls ? idle + 1 : 0;
    assert_true(idle < 2);
    bytes += used;
    size -= used;
  }
  return error;
}

static int end(notes_t *self, int error) {
  bool is_whole = daytona__multipart_is_whole(&self->reader);
  daytona__multipart_clear(&self->reader);
  self->text[self->size] = '\0';
  return error != 0 ? error : is_whole ? 0 : DAYTONA_ETRUNCATED;
}

static int read_pieces(notes_t *self, const char *bytes, size_t size, size_t piece, unsigned seed) {
  int error = 0;
  begin(self, B);
  srand(seed);
  for (size_t at = 0; at < size && error == 0;) {
    size_t next = piece != 0 ? piece : 1 + (size_t)rand() % 40;
    if (next > size - at) next = size - at;
    char *copy = malloc(next); /* of exactly that size: reading past it is seen */
    memcpy(copy, bytes + at, next);
    error = feed(self, copy, next);
    free(copy);
    at += next;
  }
  return end(self, error);
}

static void same(int rc) {
  assert_int_equal(notes.size, reference.size);
  assert_memory_equal(notes.text, reference.text, notes.size);
  assert_int_equal(rc, 0);
}

/* In every way; the events are `expected`, the outcome `code`. */
static void reads(const char *bytes, size_t size, const char *expected, int code) {
  notes.stops = notes.stops_between = false;
  int rc = read_pieces(&reference, bytes, size, size, 0);
  if (strcmp(reference.text, expected) != 0) fail_msg("%s\n is not %s", reference.text, expected);
  assert_int_equal(rc, code);
  same(read_pieces(&notes, bytes, size, 1, 0) - code);
  for (unsigned seed = 1; seed < 30; seed++) {
    notes.stops_between = seed % 3 == 0;
    same(read_pieces(&notes, bytes, size, 0, seed) - code);
  }
  notes.stops = true;
  for (size_t piece = 1; piece < 12; piece++) same(read_pieces(&notes, bytes, size, piece, 0) - code);
  same(read_pieces(&notes, bytes, size, size, 0) - code);
  notes.stops = notes.stops_between = false;
}

#define READS(text, expected, code) reads(text, sizeof(text) - 1, expected, code)

static void files_of_known_length_are_read(void **state) {
  READS("--" B "\r\n" FILE_PART("a", "5") "alpha\r\n--" B "--\r\n", "[file|a||5]alpha<", 0);
  READS("--" B "\r\n" FILE_PART("a", "0") "\r\n--" B "\r\n" FILE_PART("b", "1") "x\r\n--" B "--",
        "[file|a||0]<[file|b||1]x<", 0);
  READS("--" B "--\r\n", "", 0);
  READS("\r\n--" B "--\r\nepilogue\r\n--" B "\r\n", "", 0);
  READS("preamble\r\n--" B "\r\n" OPEN_PART("a") "x\r\n--" B "--\r\n", "[file|a||-1]x<", 0);
}

static void parts_without_a_length_are_read_to_the_delimiter(void **state) {
  READS("--" B "\r\n" OPEN_PART("a") "\r\n--" B "\r\n" OPEN_PART("b") "one\r\ntwo\r\n\r\n--" B "--\r\n",
        "[file|a||-1]<[file|b||-1]one\r\ntwo\r\n<", 0);
  READS("--" B "\r\n" OPEN_PART("a") "\r\r\n\r\n-\r\n--\r\n--DAYTONA\r\n--" B "x\r\n--" B "-y\r\n--" B
                                     "--\r\n",
        "[file|a||-1]\r\r\n\r\n-\r\n--\r\n--DAYTONA\r\n--" B "x\r\n--" B "-y<", 0);
}

static void delimiter_in_a_file_of_known_length_is_data(void **state) {
  READS("--" B "\r\n" FILE_PART("a", "36") "x\r\n--" B "--\r\nafter\r\r\n--" B "--\r\n",
        "[file|a||36]x\r\n--" B "--\r\nafter\r<", 0);
}

static void blanks_and_bare_line_feeds_between_parts_pass(void **state) {
  READS("--" B " \t\r\n" FILE_PART("a", "1") "x\r\n--" B "\n" OPEN_PART("b") "y\r\n--" B "--",
        "[file|a||1]x<[file|b||-1]y<", 0);
  READS("--" B " no\r\n", "", DAYTONA_EPROTOCOL);
  READS("--" B "\r\nContent-Disposition: form-data; name=file; filename=a\n\nx\r\n--" B "--",
        "[file|a||-1]x<", 0);
}

static void file_that_has_grown_goes_on_to_the_delimiter(void **state) {
  READS("--" B "\r\n" FILE_PART("a", "2") "more\r\n--" B "--\r\n", "[file|a||2]more<", 0);
  READS("--" B "\r\n" FILE_PART("a", "0") "data of /proc\n\r\n--" B "--\r\n", "[file|a||0]data of /proc\n<",
        0);
  READS("--" B "\r\n" FILE_PART("a", "0") "\r\n--DAYTONA\r\n--" B "--\r\n", "[file|a||0]\r\n--DAYTONA<", 0);
}

/* What was counted as the file holds the next part: nothing after it can be believed. Where it ends just before
   another delimiter, it cannot be told from a file that holds the boundary: there the next file is missing. */
static void file_that_has_shrunk_is_an_error(void **state) {
  static const char *const behind = "\r\n--" B "\r\n" FILE_PART("b", "4") "beta\r\n--" B "--\r\n";
  char text[512], expected[512];
  for (int length = 6; length < 5 + (int)strlen(behind); length++) {
    if (strcmp(behind + length - 5, "\r\n--" B "--\r\n") == 0) continue;
    int size = snprintf(text, sizeof text,
                        "--" B
                        "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n"
                        "Content-Length: %d\r\n\r\nalpha%s",
                        length, behind);
    int rc = read_pieces(&reference, text, (size_t)size, (size_t)size, 0);
    if (rc == 0) fail_msg("length %d: %s", length, reference.text);
    for (unsigned seed = 0; seed < 10; seed++) {
      assert_int_equal(read_pieces(&notes, text, (size_t)size, seed != 0 ? 0 : 1, seed), rc);
      assert_string_equal(notes.text, reference.text);
    }
  }
  snprintf(expected, sizeof expected, "[file|a||500]alpha%s", behind);
  snprintf(text, sizeof text, "--" B "\r\n" FILE_PART("a", "500") "alpha%s", behind);
  reads(text, strlen(text), expected, DAYTONA_ETRUNCATED);
}

static void answer_that_ends_anywhere_is_truncated(void **state) {
  static const char text[] = "--" B "\r\n" FILE_PART(
    "a", "5") "alpha\r\n--" B
              "\r\nContent-Disposition: form-data; name=\"error\"; filename=\"b\"\r\n"
              "Content-Type: application/json; charset=utf-8\r\n\r\n{\"message\":\"no\"}\r\n--" B "--\r\n";
  for (size_t size = 0; size < sizeof text - 1; size++) {
    bool is_whole = size >= sizeof text - 1 - 2; /* the last line end is nobody's */
    assert_int_equal(read_pieces(&notes, text, size, 0, (unsigned)size), is_whole ? 0 : DAYTONA_ETRUNCATED);
  }
  READS(text, "[file|a||5]alpha<[error|b|application/json; charset=utf-8|-1]{\"message\":\"no\"}<", 0);
}

static void names_are_decoded(void **state) {
  static const struct {
    const char *parameters, *events;
  } names[] = {
    {"name=\"file\"; filename=\"/a b/c\\\"d\\\\e\"", "[file|/a b/c\"d\\e||-1]"},
    {"name=file; filename=plain", "[file|plain||-1]"},
    {"filename=\"x;name=\\\"y\"; name=\"file\"", "[file|x;name=\"y||-1]"},
    {"name=\"file\"; filename=\"_\"; filename*=utf-8''%2Fa%20%C3%BC", "[file|/a \xc3\xbc||-1]"},
    {"name=\"file\"; filename*=UTF-8''b; filename=\"a\"", "[file|b||-1]"},
    {"NAME=\"file\";FileName=\"C:\\\\x\\\\y\"", "[file|C:\\x\\y||-1]"},
    {"name=\"file\"", "[file|(none)||-1]"},
    {"name=\"file\"; filename=\"\"", "[file|||-1]"},
    {"filename=\"a\"", "[|a||-1]"},
    {"name=\"file\"; filename=\"open", "[file|open||-1]"},
    {"name=\"file\"; filename=\"ends\\", "[file|ends\\||-1]"},
    {";; ; =x; name; name=\"file\"", "[file|(none)||-1]"},
  };
  char text[1024], expected[1024];
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    snprintf(text, sizeof text, "--" B "\r\nContent-Disposition: form-data; %s\r\n\r\nx\r\n--" B "--",
             names[i].parameters);
    snprintf(expected, sizeof expected, "%sx<", names[i].events);
    reads(text, strlen(text), expected, 0);
  }
}

static void bad_headers_are_errors(void **state) {
  static const char *const heads[] = {
    "Content-Disposition: form-data; name=\"file\"; filename*=latin1''x",
    "Content-Length: -1",
    "Content-Length: x",
    "Content-Length: 5 5",
    "Content-Length: 99999999999999999999",
    "Content-Length:",
    "Content-Disposition: form-data; filename*=utf-8''%",
    "Content-Disposition: form-data; filename*=utf-8''%4",
    "Content-Disposition: form-data; filename*=utf-8''%zz",
    "Content-Disposition: form-data; filename*=utf-8''%00",
    "Content-Disposition: form-data; filename*=utf-8''%ff",
    "no colon",
  };
  char text[1024];
  for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
    snprintf(text, sizeof text, "--" B "\r\n%s\r\n\r\nx\r\n--" B "--", heads[i]);
    reads(text, strlen(text), "", DAYTONA_EPROTOCOL);
  }
  READS("--" B "\r\nContent-Disposition: form-\0data\r\n\r\nx\r\n--" B "--", "", DAYTONA_EPROTOCOL);
}

static void flood_of_headers_is_refused(void **state) {
  size_t size = DAYTONA__PART_HEADERS_MAX + 100;
  char *text = malloc(size);
  int head = snprintf(text, size, "--" B "\r\n");
  memset(text + head, 'h', size - (size_t)head);
  assert_int_equal(read_pieces(&notes, text, size, 0, 1), DAYTONA_ELIMIT);
  for (size_t i = (size_t)head; i + 4 <= size; i += 4) memcpy(text + i, "a:b\n", 4);
  assert_int_equal(read_pieces(&notes, text, size, size, 1), DAYTONA_ELIMIT);
  free(text);
}

static void what_a_callback_returns_ends_it(void **state) {
  static const char text[] = "--" B "\r\n" FILE_PART("a", "1") "x\r\n--" B "--";
  notes.part_rc = DAYTONA_ENOMEM;
  assert_int_equal(read_pieces(&notes, text, sizeof text - 1, 0, 1), DAYTONA_ENOMEM);
  notes.part_rc = 0;
  notes.end_rc = DAYTONA_EIO;
  assert_int_equal(read_pieces(&notes, text, sizeof text - 1, 0, 1), DAYTONA_EIO);
  notes.end_rc = 0;
}

static void boundaries_are_checked(void **state) {
  daytona__multipart_reader_t reader;
  char longest[DAYTONA__BOUNDARY_MAX + 2];
  memset(longest, 'b', sizeof longest);
  longest[DAYTONA__BOUNDARY_MAX + 1] = '\0';
  const char *const bad[] = {"", "ends ", "a\rb", "a\"b", "\xc3\xbc", longest};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    assert_int_equal(daytona__multipart_init(&reader, bad[i]), DAYTONA_EINVAL);
  longest[DAYTONA__BOUNDARY_MAX] = '\0';
  char text[512];
  snprintf(text, sizeof text, "--%s\r\n" OPEN_PART("a") "\r\n--%.69sX\r\n--%s--", longest, longest, longest);
  begin(&notes, longest);
  assert_int_equal(end(&notes, feed(&notes, text, strlen(text))), 0);
  assert_non_null(strstr(notes.text, "bX<"));
}

static void large_data_passes_in_large_pieces(void **state) {
  enum { SIZE = 300 * 1024 };
  char *text = malloc(SIZE + 512);
  int at = snprintf(
    text, 512,
    "--" B "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\nContent-Length: %d\r\n\r\n",
    SIZE);
  for (int i = 0; i < SIZE; i++) text[at + i] = (char)(i * 7 + (i >> 9));
  int tail = snprintf(text + at + SIZE, 64, "\r\n--" B "--");
  assert_int_equal(read_pieces(&notes, text, (size_t)(at + SIZE + tail), (size_t)(at + SIZE + tail), 0), 0);
  assert_int_equal(notes.calls, 1);
  assert_memory_equal(strchr(notes.text, ']') + 1, text + at, SIZE);
  free(text);
}

/* --- writing ----------------------------------------------------------------------------------- */

static void files_are_written_as_the_toolbox_wants_them(void **state) {
  daytona__arena_t arena;
  daytona__arena_init(&arena, 0);
  assert_string_equal(daytona__multipart_file_head(&arena, "B", 0, "/home/a.txt"),
                      "--B\r\nContent-Disposition: form-data; name=\"files[0].path\"\r\n\r\n/home/a.txt\r\n"
                      "--B\r\nContent-Disposition: form-data; name=\"files[0].file\"; filename=\"a.txt\"\r\n"
                      "Content-Type: application/octet-stream\r\n\r\n");
  assert_string_equal(
    daytona__multipart_file_head(&arena, "B", 12, "a\"\\\r\n\x7f \xc3\xbc"),
    "\r\n--B\r\nContent-Disposition: form-data; name=\"files[12].path\"\r\n\r\na\"\\\r\n\x7f \xc3\xbc\r\n"
    "--B\r\nContent-Disposition: form-data; name=\"files[12].file\"; filename=\"a_____ \xc3\xbc\"\r\n"
    "Content-Type: application/octet-stream\r\n\r\n");
  assert_non_null(strstr(daytona__multipart_file_head(&arena, "B", 0, "folder/"), "filename=\"upload\""));
  assert_string_equal(daytona__multipart_end(&arena, "B"), "\r\n--B--\r\n");
  daytona__arena_clear(&arena);
}

static void written_parts_read_back(void **state) {
  char boundary[DAYTONA__BOUNDARY_MAX + 1], other[DAYTONA__BOUNDARY_MAX + 1], text[2048];
  daytona__arena_t arena;
  daytona__arena_init(&arena, 0);
  assert_int_equal(daytona__multipart_boundary(boundary), 0);
  assert_int_equal(daytona__multipart_boundary(other), 0);
  assert_string_not_equal(boundary, other);
  int size = snprintf(
    text, sizeof text, "%sone%s\r\n--%s\r\n%s", daytona__multipart_file_head(&arena, boundary, 0, "d/a"),
    daytona__multipart_file_head(&arena, boundary, 1, "b"), other, daytona__multipart_end(&arena, boundary));
  begin(&notes, boundary);
  assert_int_equal(end(&notes, feed(&notes, text, (size_t)size)), 0);
  char expected[512];
  snprintf(expected, sizeof expected,
           "[files[0].path|(none)||-1]d/a<[files[0].file|a|application/octet-stream|-1]one<"
           "[files[1].path|(none)||-1]b<[files[1].file|b|application/octet-stream|-1]\r\n--%s\r\n<",
           other);
  assert_string_equal(notes.text, expected);
  daytona__arena_clear(&arena);
}

static void lack_of_memory_is_told(void *user) {
  static const char text[] =
    "--" B "\r\n" FILE_PART("a", "1") "x\r\n--" B "\r\n" OPEN_PART("b") "\r\n--" B "--";
  int rc = read_pieces(&notes, text, sizeof text - 1, 0, 1);
  if (rc != 0) assert_int_equal(rc, DAYTONA_ENOMEM);
  if (rc == 0) assert_string_equal(notes.text, "[file|a||1]x<[file|b||-1]<");
}

static void every_allocation_may_fail(void **state) {
  support_alloc_install();
  support_alloc_sweep(lack_of_memory_is_told, NULL);
  support_alloc_remove();
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(files_of_known_length_are_read),
    cmocka_unit_test(parts_without_a_length_are_read_to_the_delimiter),
    cmocka_unit_test(delimiter_in_a_file_of_known_length_is_data),
    cmocka_unit_test(blanks_and_bare_line_feeds_between_parts_pass),
    cmocka_unit_test(file_that_has_grown_goes_on_to_the_delimiter),
    cmocka_unit_test(file_that_has_shrunk_is_an_error),
    cmocka_unit_test(answer_that_ends_anywhere_is_truncated),
    cmocka_unit_test(names_are_decoded),
    cmocka_unit_test(bad_headers_are_errors),
    cmocka_unit_test(flood_of_headers_is_refused),
    cmocka_unit_test(what_a_callback_returns_ends_it),
    cmocka_unit_test(boundaries_are_checked),
    cmocka_unit_test(large_data_passes_in_large_pieces),
    cmocka_unit_test(files_are_written_as_the_toolbox_wants_them),
    cmocka_unit_test(written_parts_read_back),
    cmocka_unit_test(every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
