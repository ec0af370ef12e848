/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of a project that contain a text, and what ends the search for them.
 */
#include "toolbox/lsp/scan.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

#define FILES 40

static const char *const SUFFIXES[] = {".py", NULL};
static char place[] = "/tmp/dl-test-scan-XXXXXX";

static void put(const char *name, const char *text) {
  char *path = dl_xprintf("%s/%s", place, name);
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  fputs(text, f);
  assert_int_equal(fclose(f), 0);
  free(path);
}

static int make_project(void **state) {
  char name[32];
  (void)state;
  if (mkdtemp(place) == NULL) return -1;
  for (int i = 0; i < FILES; i++) {
    snprintf(name, sizeof name, "f%02d.py", i);
    put(name, i % 2 == 0 ? "import os\nclass Needle: pass\n" : "x = 1\n");
  }
  put("needle.txt", "needle\n");
  put(".hidden.py", "needle\n");
  return 0;
}

static int remove_project(void **state) {
  (void)state;
  DIR *dir = opendir(place);
  for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) unlinkat(dirfd(dir), e->d_name, 0);
  if (dir != NULL) closedir(dir);
  return rmdir(place);
}

static void expect_found(uint64_t end_ns, bool is_abandoned, size_t count) {
  dl_lsp_scan_t scan = {.root = place, .query = "nEEDLE", .suffixes = SUFFIXES, .end_ns = end_ns};
  atomic_store(&scan.is_abandoned, is_abandoned);
  dl_lsp_scan_run(&scan);
  assert_int_equal(scan.count, count);
  if (count > 0) {
    assert_true(strstr(scan.found[0].path, "/f00.py") != NULL);
    assert_int_equal(scan.found[0].import_count, 1);
  }
  dl_lsp_scan_clear(&scan);
}

static void files_with_the_text_are_found(void **state) {
  (void)state;
  expect_found(uv_hrtime() + 60 * UINT64_C(1000000000), false, FILES / 2);
}

static void the_search_ends_with_its_time(void **state) {
  (void)state;
  expect_found(uv_hrtime(), false, 0);
}

static void the_search_ends_with_its_client(void **state) {
  (void)state;
  expect_found(UINT64_MAX, true, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(files_with_the_text_are_found),
    cmocka_unit_test(the_search_ends_with_its_time),
    cmocka_unit_test(the_search_ends_with_its_client),
  };
  return cmocka_run_group_tests(tests, make_project, remove_project);
}
