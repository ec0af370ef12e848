/*
 * Logs taken apart and text put together: the same result for every cut, and for bytes that come one by one.
 */
#include <string.h>

#include "support/check.h"
#include "wire/demux.h"
#include "wire/utf8_stream.h"

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
    for (size_t at = 0; logs[i].log[at] != '\0'; at++) daytona__demux_feed(&demux, logs[i].log + at, 1, note, &seen);
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

static void a_whole_log_is_taken_apart(void **state) {
  for (size_t i = 0; i < LOGS; i++) {
    daytona_session_logs_t *parts = NULL;
    assert_int_equal(daytona_demux_log(logs[i].log, strlen(logs[i].log), &parts), 0);
    assert_string_equal(parts->output.data, logs[i].log);
    assert_int_equal(parts->output.size, strlen(logs[i].log));
    assert_string_equal(parts->out.data, logs[i].out);
    assert_int_equal(parts->out.size, strlen(logs[i].out));
    assert_string_equal(parts->err.data, logs[i].err);
    daytona_session_logs_free(parts);
  }
  daytona_session_logs_t *parts = NULL;
  assert_int_equal(daytona_demux_log(NULL, 1, &parts), DAYTONA_EINVAL);
  assert_int_equal(daytona_demux_log("", 0, NULL), DAYTONA_EINVAL);
  assert_null(parts);
  assert_int_equal(daytona_demux_log(NULL, 0, &parts), 0);
  assert_int_equal(parts->output.size, 0);
  daytona_session_logs_free(parts);
  daytona_session_logs_free(NULL);
}

static void a_parsed_log_is_text(void **state) {
  static const char log[] = "\1\1\1a\xFF\xC3\xA9\n\2\2\2\xF0\x9F\x98\n";
  daytona_session_logs_t *parts = NULL;
  assert_int_equal(daytona_parse_session_command_logs(log, sizeof log - 1, &parts), 0);
  assert_string_equal(parts->out.data, "a\xC3\xA9\n");
  assert_int_equal(parts->out.size, 4);
  assert_string_equal(parts->err.data, "\n");
  assert_string_equal(parts->output.data, "\1\1\1a\xC3\xA9\n\2\2\2\n");
  daytona_session_logs_free(parts);
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

static void note_text(void *user, const char *text, size_t size) { note(user, DAYTONA__DEMUX_OUT, text, size); }

static void text_is_the_same_for_every_two_cuts(void **state) {
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    size_t size = strlen(texts[i].bytes);
    for (size_t first = 0; first <= size; first++)
      for (size_t second = first; second <= size; second++) {
        seen_t seen = {0};
        daytona__utf8_stream_t stream = {0};
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
    cmocka_unit_test(a_whole_log_is_taken_apart),
    cmocka_unit_test(a_parsed_log_is_text),
    cmocka_unit_test(text_is_the_same_for_every_two_cuts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
