/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logs taken apart and text put together: the same result for every cut, and for bytes that come one by one.
 */
#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "wire/demux.h"
#include "wire/utf8_split.h"

#include <daytona/session.h>

typedef struct seen {
  char parts[3][256];
  size_t sizes[3];
} seen_t;

static void note(void *user, int stream, const char *bytes, size_t size) {
  seen_t *seen = user;
  assert_true(stream == DAYTONA__DEMUX_OUT || stream == DAYTONA__DEMUX_ERR);
  assert_true(size != 0 && seen->sizes[stream] + size < sizeof seen->parts[0]);
  memcpy(seen->parts[stream] + seen->sizes[stream], bytes, size);
  seen->sizes[stream] += size;
}

static const struct {
  const char *log, *out, *err;
} logs[] = {
  {"", "", ""},
  {"no mark", "", ""},
  {"\1\1\1out\n\2\2\2err\n", "out\n", "err\n"},
  {"lost\1\1\1\1x\1\1\1y\n", "\1xy\n", ""},
  {"\1\1\1a\1\1", "a\1\1", ""},
  {"\1\1\1a\1\1b\2\2c\1\2\1\2", "a\1\1b\2\2c\1\2\1\2", ""},
  {"\1\1\1\2\2\2\1\1\1", "", ""},
  {"\1\1\1\1\1\1\1\1", "\1\1", ""},
  {"\1\1\2\2\2e\2\2\1\1\1o\2", "o\2", "e\2\2"},
  {"\1\1\2\2", "", ""},
  {"\2\2\2\xFF\xFE\1\1\1\xC3\1\1\1\xA9", "\xC3\xA9", "\xFF\xFE"},
};

enum { LOGS = sizeof logs / sizeof logs[0] };

static void check(const seen_t *seen, size_t i) {
  assert_int_equal(seen->sizes[1], strlen(logs[i].out));
  assert_memory_equal(seen->parts[1], logs[i].out, seen->sizes[1]);
  assert_int_equal(seen->sizes[2], strlen(logs[i].err));
  assert_memory_equal(seen->parts[2], logs[i].err, seen->sizes[2]);
}

static void logs_are_the_same_for_every_two_cuts(void **state) {
  for (size_t i = 0; i < LOGS; i++) {
    size_t size = strlen(logs[i].log);
    for (size_t first = 0; first <= size; first++)
      for (size_t second = first; second <= size; second++) {
        seen_t seen = {0};
        daytona__demux_t demux = {0};
        daytona__demux_feed(&demux, logs[i].log, first, note, &seen);
        daytona__demux_feed(&demux, logs[i].log + first, second - first, note, &seen);
        daytona__demux_feed(&demux, logs[i].log + second, size - second, note, &seen);
        daytona__demux_end(&demux, note, &seen);
        check(&seen, i);
      }
  }
}

static void logs_are_the_same_byte_by_byte(void **state) {
  for (size_t i = 0; i < LOGS; i++) {
    seen_t seen = {0};
    daytona__demux_t demux = {0};
    for (size_t at = 0; logs[i].log[at] != '\0'; at++)
      daytona__demux_feed(&demux, logs[i].log + at, 1, note, &seen);
    daytona__demux_end(&demux, note, &seen);
    check(&seen, i);
  }
}

static void output_is_handed_on_as_soon_as_it_cannot_be_a_mark(void **state) {
  seen_t seen = {0};
  daytona__demux_t demux = {0};
  daytona__demux_feed(&demux, "\1\1\1abc\2", 7, note, &seen);
  assert_string_equal(seen.parts[1], "abc");
  daytona__demux_feed(&demux, "d", 1, note, &seen);
  assert_string_equal(seen.parts[1], "abc\2d");
}

/* --- long logs --------------------------------------------------------------------------------- */

enum { LONG_MAX = 60000 };

/* What was heard: each byte and its stream, in order. */
typedef struct track {
  char bytes[LONG_MAX], streams[LONG_MAX];
  size_t size, calls;
} track_t;

static void note_track(void *user, int stream, const char *bytes, size_t size) {
  track_t *track = user;
  assert_true(size != 0 && size <= LONG_MAX - track->size);
  memcpy(track->bytes + track->size, bytes, size);
  memset(track->streams + track->size, stream, size);
  track->size += size;
  track->calls++;
}

/* The same byte by byte, from the rule alone. */
static void read_slowly(track_t *track, const char *log, size_t size) {
  int stream = DAYTONA__DEMUX_NONE;
  for (size_t at = 0; at < size; at++) {
    if (size - at >= 3 && (log[at] == 1 || log[at] == 2) && log[at + 1] == log[at] &&
        log[at + 2] == log[at]) {
      stream = log[at];
      at += 2;
    } else if (stream != DAYTONA__DEMUX_NONE) {
      note_track(track, stream, log + at, 1);
    }
  }
}

/* Runs of what is, and of what looks like, a part of a mark: small bytes, and the same ones with the top bit set. */
static size_t make_long(char *log, size_t run_max) {
  static const char letters[] = {0, 1, 2, 1, 2, 3, '\x7f', '\x80', '\x81', '\x82', '\x83', '\xff', '\n'};
  size_t size = 0, wanted = (size_t)rand() % LONG_MAX;
  while (size < wanted) {
    char letter = rand() % 2 == 0 ? (char)('a' + rand() % 26) : letters[(size_t)rand() % sizeof letters];
    bool is_plain = letter >= 'a' && letter <= 'z';
    for (size_t run = 1 + (size_t)rand() % (is_plain ? run_max : 7); run > 0 && size < wanted; run--)
      log[size++] = letter;
  }
  return size;
}

static void expect_same(const track_t *heard, const track_t *expected) {
  assert_int_equal(heard->size, expected->size);
  assert_memory_equal(heard->bytes, expected->bytes, expected->size);
  assert_memory_equal(heard->streams, expected->streams, expected->size);
}

static void long_logs_are_read_as_the_rule_says(void **state) {
  static char log[LONG_MAX];
  static track_t heard, expected;
  for (unsigned seed = 0; seed < 120; seed++) {
    srand(seed);
    size_t size = make_long(log, seed % 3 == 0 ? 20000 : seed % 3 == 1 ? 200 : 9);
    size_t piece_max = seed % 4 == 0 ? LONG_MAX : seed % 4 == 1 ? 2000 : seed % 4 == 2 ? 40 : 3;
    daytona__demux_t demux = {0};
    heard.size = expected.size = 0;
    for (size_t at = 0, piece; at < size; at += piece) {
      piece = 1 + (size_t)rand() % piece_max;
      if (piece > size - at) piece = size - at;
      char *exact = malloc(piece); /* of its own, so that reading past it would be seen */
      assert_non_null(exact);
      memcpy(exact, log + at, piece);
      daytona__demux_feed(&demux, exact, piece, note_track, &heard);
      free(exact);
    }
    daytona__demux_end(&demux, note_track, &heard);
    read_slowly(&expected, log, size);
    expect_same(&heard, &expected);
  }
}

/* Marks, and what nearly is one, at each place of the blocks that are searched at once, and the chunk's end at each behind it. */
static void marks_are_found_wherever_they_stand(void **state) {
  static const char *const marks[] = {
    "\1\1\1",        "\2\2\2",     "\1\1",   "\2",    "\1\2\1\2\2\2", "\1\1\1\1\1\1\2\2\2",
    "\2\2\2a\1\1\1", "\1\1\1\1\1", "\0\0\0", "\3\3\3"};
  enum { BEFORE = 140, AFTER = 210 };
  static track_t heard, expected;
  for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
    for (size_t place = 3; place < BEFORE; place++)
      for (size_t cut = place; cut <= place + 12; cut++) {
        char log[AFTER] = "\1\1\1";
        size_t size = strlen(marks[i]) != 0 ? strlen(marks[i]) : 3;
        memset(log + 3, 'x', sizeof log - 3);
        memcpy(log + place, marks[i], size);
        daytona__demux_t demux = {0};
        heard.size = expected.size = 0;
        char *first = malloc(cut); /* of its own, so that reading past it would be seen */
        assert_non_null(first);
        memcpy(first, log, cut);
        daytona__demux_feed(&demux, first, cut, note_track, &heard);
        free(first);
        daytona__demux_feed(&demux, log + cut, sizeof log - cut, note_track, &heard);
        daytona__demux_end(&demux, note_track, &heard);
        read_slowly(&expected, log, sizeof log);
        expect_same(&heard, &expected);
      }
}

static void lines_of_one_stream_are_handed_on_together(void **state) {
  static const char log[] = "\1\1\1one\n\1\1\1two\n\2\2\2bad\n\2\2\2worse\n\1\1\1three\n";
  static track_t heard;
  daytona__demux_t demux = {0};
  heard.size = heard.calls = 0;
  daytona__demux_feed(&demux, log, sizeof log - 1, note_track, &heard);
  assert_int_equal(heard.calls, 3);
  assert_int_equal(heard.size, strlen("one\ntwo\nbad\nworse\nthree\n"));
}

static void a_whole_log_is_taken_apart(void **state) {
  for (size_t i = 0; i < LOGS; i++) {
    daytona_session_logs_t *parts = NULL;
    assert_int_equal(daytona_session_parse_logs(logs[i].log, strlen(logs[i].log), &parts), 0);
    assert_string_equal(parts->output.data, logs[i].log);
    assert_int_equal(parts->output.size, strlen(logs[i].log));
    assert_string_equal(parts->out.data, logs[i].out);
    assert_int_equal(parts->out.size, strlen(logs[i].out));
    assert_string_equal(parts->err.data, logs[i].err);
    daytona_session_logs_release(parts);
  }
  daytona_session_logs_t *parts = NULL;
  assert_int_equal(daytona_session_parse_logs(NULL, 1, &parts), DAYTONA_EINVAL);
  assert_int_equal(daytona_session_parse_logs("", 0, NULL), DAYTONA_EINVAL);
  assert_null(parts);
  assert_int_equal(daytona_session_parse_logs(NULL, 0, &parts), 0);
  assert_int_equal(parts->output.size, 0);
  daytona_session_logs_release(parts);
  daytona_session_logs_release(NULL);
}

static void a_parsed_log_is_text(void **state) {
  static const char log[] = "\1\1\1a\xFF\xC3\xA9\n\2\2\2\xF0\x9F\x98\n";
  daytona_session_logs_t *parts = NULL;
  assert_int_equal(daytona_session_parse_text_logs(log, sizeof log - 1, &parts), 0);
  assert_string_equal(parts->out.data, "a\xC3\xA9\n");
  assert_int_equal(parts->out.size, 4);
  assert_string_equal(parts->err.data, "\n");
  assert_string_equal(parts->output.data, "\1\1\1a\xC3\xA9\n\2\2\2\n");
  daytona_session_logs_release(parts);
}

/* --- text -------------------------------------------------------------------------------------- */

#define BAD "\xEF\xBF\xBD"

static const struct {
  const char *bytes, *text;
} texts[] = {
  {"", ""},
  {"plain", "plain"},
  {"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"},
  {"\xFF", BAD},
  {"a\xC3", "a" BAD},
  {"\xC3x", BAD "x"},
  {"\xC0\xAF", BAD BAD},
  {"\xE0\x80\x80", BAD BAD BAD},
  {"\xED\xA0\x80", BAD BAD BAD},
  {"\xE2\x82x", BAD "x"},
  {"\xF0\x9F\x98", BAD},
  {"\xF0\x9F\x98\xC3\xA9", BAD "\xC3\xA9"},
  {"\xF4\x90\x80\x80", BAD BAD BAD BAD},
  {"\xF4\x8F\xBF\xBF\x80", "\xF4\x8F\xBF\xBF" BAD},
};

static void note_text(void *user, const char *text, size_t size) {
  note(user, DAYTONA__DEMUX_OUT, text, size);
}

static void text_is_the_same_for_every_two_cuts(void **state) {
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    size_t size = strlen(texts[i].bytes);
    for (size_t first = 0; first <= size; first++)
      for (size_t second = first; second <= size; second++) {
        seen_t seen = {0};
        daytona__utf8_split_t stream = {0};
        daytona__utf8_feed(&stream, texts[i].bytes, first, note_text, &seen);
        daytona__utf8_feed(&stream, texts[i].bytes + first, second - first, note_text, &seen);
        daytona__utf8_feed(&stream, texts[i].bytes + second, size - second, note_text, &seen);
        daytona__utf8_end(&stream, note_text, &seen);
        assert_string_equal(seen.parts[1], texts[i].text);
      }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(logs_are_the_same_for_every_two_cuts),
    cmocka_unit_test(logs_are_the_same_byte_by_byte),
    cmocka_unit_test(output_is_handed_on_as_soon_as_it_cannot_be_a_mark),
    cmocka_unit_test(long_logs_are_read_as_the_rule_says),
    cmocka_unit_test(marks_are_found_wherever_they_stand),
    cmocka_unit_test(lines_of_one_stream_are_handed_on_together),
    cmocka_unit_test(a_whole_log_is_taken_apart),
    cmocka_unit_test(a_parsed_log_is_text),
    cmocka_unit_test(text_is_the_same_for_every_two_cuts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
