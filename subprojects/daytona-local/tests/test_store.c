/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal: cut at every byte it yields a prefix of whole records, damaged in any place it yields all others, and
 * what was committed is read again.
 */
#include "control/store/journal.h"
#include "control/store/removal.h"
#include "control/store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { RECORDS = 5 };

/* 0 and 1 are new, 0 again, 2 with text that looks like a record, 1 removed. */
static char *five_records(size_t ends[RECORDS]) {
  static const char *const ids[RECORDS] = {"0", "1", "0", "2", "1"};
  char *text = dl_xstrdup("");
  for (int i = 0; i < RECORDS; i++) {
    json_t *value = json_pack("{s:i, s:s}", "n", i, "text",
                              i == 3 ? "\n8a9e0f3c 13 [\"kind\",\"9\",1]\n" : "line\nbreak \xc3\xa9");
    char *line = dl_journal_encode("kind", ids[i], i == 4 ? NULL : value);
    char *longer = dl_xprintf("%s%s", text, line);
    free(text);
    free(line);
    json_decref(value);
    text = longer;
    ends[i] = strlen(text);
  }
  return text;
}

/* The state after some of the five, as text. */
static char *state_without(const char *text, const size_t ends[RECORDS], int missing) {
  json_t *all = json_object();
  dl_replay_t r;
  for (int i = 0; i < RECORDS; i++) {
    size_t start = i ? ends[i - 1] : 0;
    if (i == missing) continue;
    dl_journal_replay(all, text + start, ends[i] - start, &r);
    assert_int_equal(r.record_count, 1);
    dl_replay_clear(&r);
  }
  char *state = dl_json_text(all);
  json_decref(all);
  return state;
}

static char *replayed(const char *text, size_t len, dl_replay_t *r) {
  json_t *all = json_object();
  char *copy = malloc(len ? len : 1); /* exact, so that reading past the end is caught */
  memcpy(copy, text, len);
  dl_journal_replay(all, copy, len, r);
  free(copy);
  char *state = dl_json_text(all);
  json_decref(all);
  return state;
}

static void a_cut_at_any_byte_is_an_unfinished_write(void **state) {
  (void)state;
  size_t ends[RECORDS];
  char *text = five_records(ends);
  for (size_t len = 0; len <= ends[RECORDS - 1]; len++) {
    for (size_t zeros = 0; zeros < 40; zeros += 13) {
      dl_replay_t r;
      char *longer = dl_xmalloc(len + zeros + 1);
      memcpy(longer, text, len);
      memset(longer + len, 0, zeros);
      free(replayed(longer, len + zeros, &r));
      free(longer);
      size_t count = 0, whole = 0;
      /* A record that lacks nothing but its line end is whole. */
      while (count < RECORDS && len + 1 >= ends[count]) whole = ends[count++];
      assert_int_equal(r.record_count, count);
      bool lacks_end = whole > len;
      assert_int_equal(r.needs_rewrite, lacks_end);
      if (!lacks_end) {
        assert_int_equal(r.read_bytes, whole);
        assert_int_equal(r.unfinished_bytes, len + zeros - whole);
      }
      if (!lacks_end || zeros < 2) assert_int_equal(r.bad_count, 0);
      dl_replay_clear(&r);
    }
  }
  free(text);
}

/* The record that byte belongs to. */
static int record_at(const size_t ends[RECORDS], size_t at) {
  int i = 0;
  while (at >= ends[i]) i++;
  return i;
}

static void check_damaged(const char *text, const size_t ends[RECORDS], const char *damaged, size_t len,
                          int record) {
  dl_replay_t r;
  char *whole = state_without(text, ends, -1), *without = state_without(text, ends, record);
  char *got = replayed(damaged, len, &r);
  bool is_whole = r.record_count == RECORDS;
  assert_true(r.record_count == RECORDS - 1 || r.record_count == RECORDS);
  assert_string_equal(got, is_whole ? whole : without);
  assert_int_equal(r.unfinished_bytes, 0); /* it is never taken for a write that was cut off */
  assert_true(is_whole ? r.needs_rewrite : r.bad_bytes > 0);
  assert_int_equal(is_whole, r.bad_count == 0);
  dl_replay_clear(&r);
  free(got);
  free(whole);
  free(without);
}

static void a_flipped_bit_loses_its_record_at_most(void **state) {
  (void)state;
  size_t ends[RECORDS];
  char *text = five_records(ends);
  for (size_t at = 0; at < ends[RECORDS - 1]; at++) {
    for (int bit = 0; bit < 8; bit++) {
      size_t len = ends[RECORDS - 1];
      char *damaged = dl_xmalloc(len);
      memcpy(damaged, text, len);
      damaged[at] = (char)(damaged[at] ^ (1 << bit));
      check_damaged(text, ends, damaged, len, record_at(ends, at));
      free(damaged);
    }
  }
  free(text);
}

static void any_byte_in_any_place_loses_its_record_at_most(void **state) {
  (void)state;
  static const char bytes[] = "\0\n 0af9\"[],:{}\\\xff";
  size_t ends[RECORDS];
  char *text = five_records(ends), *damaged = dl_xstrdup(text);
  for (size_t at = 0; at < ends[RECORDS - 1]; at++) {
    for (size_t i = 0; i < sizeof bytes - 1; i++) {
      if (text[at] == bytes[i]) continue;
      damaged[at] = bytes[i];
      check_damaged(text, ends, damaged, ends[RECORDS - 1], record_at(ends, at));
      damaged[at] = text[at];
    }
  }
  free(damaged);
  free(text);
}

static void what_is_lost_is_named(void **state) {
  (void)state;
  static const char *const lost[RECORDS] = {NULL, NULL, "kind 0", "kind 2", "kind 1"};
  size_t ends[RECORDS];
  char *text = five_records(ends);
  for (int i = 0; i < RECORDS; i++) {
    dl_replay_t r;
    text[ends[i] - 4] ^= 1; /* in the value */
    free(replayed(text, ends[RECORDS - 1], &r));
    text[ends[i] - 4] ^= 1;
    assert_int_equal(r.bad_count, 1);
    assert_int_equal(r.unnamed_count, 0);
    assert_int_equal(r.bad_bytes, ends[i] - (i ? ends[i - 1] : 0));
    /* What was written once more is not lost. */
    assert_int_equal(json_object_size(r.lost), lost[i] != NULL);
    if (lost[i]) assert_non_null(json_object_get(r.lost, lost[i]));
    dl_replay_clear(&r);
  }
  free(text);
}

static void a_hole_of_any_kind_loses_what_it_covers(void **state) {
  (void)state;
  size_t ends[RECORDS], len;
  char *text = five_records(ends), *damaged = dl_xstrdup(text);
  len = ends[RECORDS - 1];
  for (size_t from = 0; from < len; from += 3) {
    for (size_t to = from + 1; to <= len && to < from + 200; to += 7) {
      for (int kind = 0; kind < 3; kind++) {
        dl_replay_t r;
        size_t left = len;
        memcpy(damaged, text, len);
        if (kind == 2) {
          memmove(damaged + from, damaged + to, len - to); /* a chunk is missing */
          left = len - (to - from);
        } else {
          memset(damaged + from, kind == 0 ? 0 : 0x5a, to - from);
        }
        free(replayed(damaged, left, &r));
        int first = record_at(ends, from), last = record_at(ends, to - 1);
        assert_true(r.record_count + (size_t)(last - first + 1) + (kind == 2) >= RECORDS);
        dl_replay_clear(&r);
      }
    }
  }
  free(damaged);
  free(text);
}

static void on_commit(dl_written_t outcome, void *user) { *(int *)user += outcome == DL_WRITTEN ? 1 : 100; }
static void on_closed(void *user) { *(bool *)user = true; }

static void close_store(uv_loop_t *loop, dl_store_t *s) {
  bool is_closed = false;
  dl_store_close(s, on_closed, &is_closed);
  uv_run(loop, UV_RUN_DEFAULT);
  assert_true(is_closed);
}

static void committed_changes_are_read_again(void **state) {
  (void)state;
  uv_loop_t loop;
  char dir[] = "/tmp/dl-store-XXXXXX", *error = NULL;
  int commits = 0;
  uv_loop_init(&loop);
  assert_non_null(mkdtemp(dir));
  dl_store_t *s = dl_store_open(&loop, dir, true, &error);
  assert_non_null(s);
  dl_store_put(s, "a", "1", json_integer(1));
  dl_store_commit(s, on_commit, &commits);
  assert_int_equal(commits, 0); /* never inside the call */
  dl_store_put(s, "a", "2", json_integer(2));
  dl_store_put(s, "a", "1", NULL);
  dl_store_commit(s, on_commit, &commits);
  dl_store_commit(s, on_commit, &commits);
  close_store(&loop, s);
  assert_int_equal(commits, 3);
  s = dl_store_open(&loop, dir, true, &error);
  assert_null(json_object_get(dl_store_all(s, "a"), "1"));
  assert_int_equal(json_integer_value(json_object_get(dl_store_all(s, "a"), "2")), 2);
  dl_store_t *second = dl_store_open(&loop, dir, true, &error);
  assert_null(second);
  assert_non_null(strstr(error, "in use"));
  free(error);
  close_store(&loop, s);
  uv_loop_close(&loop);
  dl_remove_tree(dir, NULL);
}

static void a_long_history_is_compacted(void **state) {
  (void)state;
  uv_loop_t loop;
  char dir[] = "/tmp/dl-store-XXXXXX", *error = NULL;
  int commits = 0;
  char *big = malloc(100001);
  memset(big, 'x', 100000);
  big[100000] = '\0';
  uv_loop_init(&loop);
  assert_non_null(mkdtemp(dir));
  dl_store_t *s = dl_store_open(&loop, dir, false, &error);
  for (int i = 0; i < 100; i++) {
    dl_store_put(s, "a", "same", json_pack("{s:i, s:s}", "n", i, "text", big));
    dl_store_commit(s, on_commit, &commits);
    uv_run(&loop, UV_RUN_DEFAULT);
  }
  close_store(&loop, s);
  assert_int_equal(commits, 100);
  char *path = dl_xprintf("%s/journal", dir);
  uv_fs_t stat;
  uv_fs_stat(NULL, &stat, path, NULL);
  assert_true(stat.statbuf.st_size < 6 * 1000 * 1000);
  uv_fs_req_cleanup(&stat);
  s = dl_store_open(&loop, dir, false, &error);
  assert_int_equal(dl_json_int(json_object_get(dl_store_all(s, "a"), "same"), "n", -1), 99);
  close_store(&loop, s);
  uv_loop_close(&loop);
  dl_remove_tree(dir, NULL);
  free(path);
  free(big);
}

/* --- a disk that is full: no file of ours may grow beyond what it is --- */

typedef struct {
  uv_loop_t loop;
  char dir[32], *path;
  dl_store_t *s;
  char *undone; /* "kind id=value " of each */
  int good, bad;
} scene_t;

static void on_undone(const char *kind, const char *id, void *user) {
  scene_t *t = user;
  char *value = dl_json_text(json_object_get(dl_store_all(t->s, kind), id));
  char *longer = dl_xprintf("%s%s %s=%s ", t->undone ? t->undone : "", kind, id, value);
  free(t->undone);
  free(value);
  t->undone = longer;
}

static void count(dl_written_t outcome, void *user) {
  scene_t *t = user;
  if (outcome == DL_WRITTEN)
    t->good++;
  else
    t->bad++;
  assert_int_not_equal(outcome, DL_PERHAPS_WRITTEN);
}

static void open_scene(scene_t *t) {
  char *error = NULL;
  t->s = dl_store_open(&t->loop, t->dir, true, &error);
  assert_non_null(t->s);
  dl_store_watch(t->s, on_undone, t);
}

static void setup_scene(scene_t *t) {
  *t = (scene_t){.dir = "/tmp/dl-store-XXXXXX"};
  uv_loop_init(&t->loop);
  assert_non_null(mkdtemp(t->dir));
  t->path = dl_xprintf("%s/journal", t->dir);
  open_scene(t);
}

static void teardown_scene(scene_t *t) {
  close_store(&t->loop, t->s);
  uv_loop_close(&t->loop);
  dl_remove_tree(t->dir, NULL);
  free(t->undone);
  free(t->path);
}

static off_t size_of(const scene_t *t) {
  struct stat st;
  assert_int_equal(stat(t->path, &st), 0);
  return st.st_size;
}

static void limit_files(rlim_t size) {
  struct rlimit limit;
  signal(SIGXFSZ, SIG_IGN);
  getrlimit(RLIMIT_FSIZE, &limit);
  limit.rlim_cur = size;
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void put_text(scene_t *t, const char *id, const char *text) {
  dl_store_put(t->s, "a", id, text ? json_string(text) : NULL);
}

static void commit_and_run(scene_t *t) {
  dl_store_commit(t->s, count, t);
  uv_run(&t->loop, UV_RUN_DEFAULT);
}

static void check_all(scene_t *t, const char *expected) {
  char *text = dl_json_text(dl_store_all(t->s, "a"));
  assert_string_equal(text, expected);
  free(text);
}

static void what_cannot_be_written_is_taken_back(void **state) {
  (void)state;
  scene_t t;
  setup_scene(&t);
  put_text(&t, "old", "1");
  put_text(&t, "gone", "1");
  commit_and_run(&t);
  off_t before = size_of(&t);
  limit_files((rlim_t)before + 30); /* a part of a record gets there */
  put_text(&t, "old", "2");
  put_text(&t, "gone", NULL);
  dl_store_commit(t.s, count, &t);
  put_text(&t, "old", "3"); /* on top of it, and waiting */
  put_text(&t, "new", "3");
  dl_store_commit(t.s, count, &t);
  assert_int_equal(t.bad, 0); /* never inside the call */
  uv_run(&t.loop, UV_RUN_DEFAULT);
  assert_int_equal(t.bad, 2);
  assert_int_equal(t.good, 1);
  assert_true(dl_store_is_failing(t.s));
  check_all(&t, "{\"old\":\"1\",\"gone\":\"1\"}");
  assert_string_equal(t.undone, "a old=\"1\" a gone=\"1\" a new=null ");
  assert_int_equal(size_of(&t), before);
  limit_files(RLIM_INFINITY);
  put_text(&t, "later", "4");
  commit_and_run(&t);
  assert_int_equal(t.good, 2);
  assert_false(dl_store_is_failing(t.s));
  close_store(&t.loop, t.s);
  open_scene(&t);
  assert_null(dl_store_damage(t.s));
  check_all(&t, "{\"old\":\"1\",\"gone\":\"1\",\"later\":\"4\"}");
  teardown_scene(&t);
}

/* Nobody may shorten the file or put another in its place. False where that cannot be. */
static bool pin(const scene_t *t, bool is_pinned) {
  int fd = open(t->path, O_RDONLY | O_CLOEXEC), flags = 0;
  bool ok = fd >= 0 && ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0;
  flags = is_pinned ? flags | FS_APPEND_FL : flags & ~FS_APPEND_FL;
  ok = ok && ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
  close(fd);
  return ok;
}

static void on_uncertain(dl_written_t outcome, void *user) { *(dl_written_t *)user = outcome; }

static void what_is_uncertain_is_replaced_by_a_new_file(void **state) {
  (void)state;
  scene_t t;
  dl_written_t outcome = DL_WRITTEN;
  setup_scene(&t);
  put_text(&t, "old", "1");
  commit_and_run(&t);
  off_t before = size_of(&t);
  if (!pin(&t, true)) {
    teardown_scene(&t);
    skip();
  }
  put_text(&t, "new", "2");
  limit_files((rlim_t)before + 10);
  dl_store_commit(t.s, on_uncertain, &outcome);
  uv_run(&t.loop, UV_RUN_DEFAULT);
  limit_files(RLIM_INFINITY);
  assert_int_equal(outcome, DL_PERHAPS_WRITTEN);
  assert_true(size_of(&t) > before);
  check_all(&t, "{\"old\":\"1\"}");
  /* Nothing may follow what is not known. */
  put_text(&t, "more", "3");
  dl_store_commit(t.s, on_uncertain, &outcome);
  uv_run(&t.loop, UV_RUN_DEFAULT);
  assert_int_equal(outcome, DL_NOT_WRITTEN);
  assert_true(pin(&t, false));
  put_text(&t, "last", "4");
  commit_and_run(&t);
  assert_int_equal(t.good, 2);
  close_store(&t.loop, t.s);
  open_scene(&t);
  assert_null(dl_store_damage(t.s));
  check_all(&t, "{\"old\":\"1\",\"last\":\"4\"}");
  teardown_scene(&t);
}

static void too_much_that_waits_fails_what_follows(void **state) {
  (void)state;
  scene_t t;
  setup_scene(&t);
  put_text(&t, "old", "1");
  commit_and_run(&t);
  dl_store_set_waiting_max(t.s, 100);
  dl_store_commit(t.s, count, &t);
  uv_run(&t.loop, UV_RUN_NOWAIT); /* it is under way when the rest comes */
  put_text(&t, "one", "1");
  for (int i = 0; i < 10; i++) put_text(&t, "many", "what is too much for the buffer in the end");
  dl_store_commit(t.s, count, &t);
  uv_run(&t.loop, UV_RUN_DEFAULT);
  assert_int_equal(t.good, 2);
  assert_int_equal(t.bad, 1);
  check_all(&t, "{\"old\":\"1\"}");
  put_text(&t, "next", "1");
  commit_and_run(&t);
  assert_int_equal(t.good, 3);
  close_store(&t.loop, t.s);
  open_scene(&t);
  check_all(&t, "{\"old\":\"1\",\"next\":\"1\"}");
  teardown_scene(&t);
}

/* What came before a commit decides about it, not what came after. */
static void a_commit_goes_with_what_was_put_before_it(void **state) {
  (void)state;
  scene_t t;
  setup_scene(&t);
  put_text(&t, "one", "1");
  dl_store_commit(t.s, count, &t);
  uv_run(&t.loop, UV_RUN_NOWAIT); /* it is under way */
  dl_store_commit(t.s, count, &t);
  dl_store_set_waiting_max(t.s, 1);
  put_text(&t, "two", "2");
  dl_store_commit(t.s, count, &t);
  uv_run(&t.loop, UV_RUN_DEFAULT);
  assert_int_equal(t.good, 2);
  assert_int_equal(t.bad, 1);
  check_all(&t, "{\"one\":\"1\"}");
  teardown_scene(&t);
}

/* Whoever commits twice in a turn is not told that something was taken back while half of it stays. */
static void a_turn_stands_or_falls_together(void **state) {
  (void)state;
  scene_t t;
  setup_scene(&t);
  dl_store_set_waiting_max(t.s, 100);
  put_text(&t, "one", "1");
  dl_store_commit(t.s, count, &t);
  put_text(&t, "two",
           "what is too much for the buffer, which has room for the first record and not for this one");
  dl_store_commit(t.s, count, &t);
  uv_run(&t.loop, UV_RUN_DEFAULT);
  assert_int_equal(t.good, 0);
  assert_int_equal(t.bad, 2);
  check_all(&t, "{}");
  teardown_scene(&t);
}

static void no_room_for_a_new_file_leaves_the_old_one(void **state) {
  (void)state;
  scene_t t;
  char *big = malloc(1000001);
  memset(big, 'x', 1000000);
  big[1000000] = '\0';
  setup_scene(&t);
  for (int i = 0; i < 5; i++) {
    put_text(&t, "same", big);
    commit_and_run(&t);
  }
  put_text(&t, "other", big);
  commit_and_run(&t);
  assert_int_equal(t.good, 6);
  /* It would be rewritten now, but under that name nothing can be made. */
  char *name = dl_xprintf("%s/journal.new", t.dir);
  unlink(name);
  assert_int_equal(mkdir(name, 0700), 0);
  for (int i = 0; i < 3; i++) {
    put_text(&t, "same", big);
    commit_and_run(&t);
  }
  assert_int_equal(t.good, 9);
  assert_int_equal(t.bad, 0);
  rmdir(name);
  close_store(&t.loop, t.s);
  open_scene(&t);
  assert_int_equal(json_object_size(dl_store_all(t.s, "a")), 2);
  teardown_scene(&t);
  free(name);
  free(big);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_cut_at_any_byte_is_an_unfinished_write),
    cmocka_unit_test(a_flipped_bit_loses_its_record_at_most),
    cmocka_unit_test(any_byte_in_any_place_loses_its_record_at_most),
    cmocka_unit_test(what_is_lost_is_named),
    cmocka_unit_test(a_hole_of_any_kind_loses_what_it_covers),
    cmocka_unit_test(committed_changes_are_read_again),
    cmocka_unit_test(a_long_history_is_compacted),
    cmocka_unit_test(what_cannot_be_written_is_taken_back),
    cmocka_unit_test(what_is_uncertain_is_replaced_by_a_new_file),
    cmocka_unit_test(too_much_that_waits_fails_what_follows),
    cmocka_unit_test(a_commit_goes_with_what_was_put_before_it),
    cmocka_unit_test(a_turn_stands_or_falls_together),
    cmocka_unit_test(no_room_for_a_new_file_leaves_the_old_one),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
