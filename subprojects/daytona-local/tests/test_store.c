/* SPDX-License-Identifier: Apache-2.0
 *
 * The journal: cut at every byte it yields a prefix of whole records, and what was committed is
 * read again.
 */
#include "control/store/removal.h"
#include "control/store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *three_records(size_t ends[3]) {
  char *text = dl_xstrdup("");
  for (int i = 0; i < 3; i++) {
    json_t *value = json_pack("{s:i, s:s}", "n", i, "text", "line\nbreak \xc3\xa9");
    char *line = dl_store_encode("kind", i == 2 ? "0" : i ? "1" : "0", value);
    char *longer = dl_xprintf("%s%s", text, line);
    free(text);
    free(line);
    json_decref(value);
    text = longer;
    ends[i] = strlen(text);
  }
  return text;
}

static void a_cut_at_any_byte_leaves_whole_records(void **state) {
  (void)state;
  size_t ends[3];
  char *text = three_records(ends);
  for (size_t len = 0; len <= ends[2]; len++) {
    json_t *all = json_object();
    char *copy = malloc(len ? len : 1); /* exact, so that reading past the cut is caught */
    memcpy(copy, text, len);
    size_t used = dl_store_replay(all, copy, len);
    size_t expected = len >= ends[2] ? ends[2] : len >= ends[1] ? ends[1] : len >= ends[0] ? ends[0] : 0;
    assert_int_equal(used, expected);
    json_t *first = json_object_get(json_object_get(all, "kind"), "0");
    if (expected >= ends[0]) assert_int_equal(dl_json_int(first, "n", -1), expected == ends[2] ? 2 : 0);
    free(copy);
    json_decref(all);
  }
  free(text);
}

static void a_changed_byte_ends_the_replay(void **state) {
  (void)state;
  size_t ends[3];
  char *text = three_records(ends);
  for (size_t at = ends[0]; at < ends[1]; at++) {
    json_t *all = json_object();
    text[at] ^= 1;
    assert_int_equal(dl_store_replay(all, text, ends[2]), ends[0]);
    text[at] ^= 1;
    json_decref(all);
  }
  free(text);
}

static void on_commit(bool is_durable, void *user) { *(int *)user += is_durable ? 1 : 100; }
static void on_closed(void *user) { *(bool *)user = true; }

static void close_store(uv_loop_t *loop, dl_store *s) {
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
  dl_store *s = dl_store_open(&loop, dir, true, &error);
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
  dl_store *second = dl_store_open(&loop, dir, true, &error);
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
  dl_store *s = dl_store_open(&loop, dir, false, &error);
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

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_cut_at_any_byte_leaves_whole_records),
    cmocka_unit_test(a_changed_byte_ends_the_replay),
    cmocka_unit_test(committed_changes_are_read_again),
    cmocka_unit_test(a_long_history_is_compacted),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
