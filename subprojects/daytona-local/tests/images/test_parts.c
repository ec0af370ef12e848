/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the image engine that run nothing: names, redaction, marks, what errors mean, reading a store, unpacking.
 */
#include "base/buf.h"
#include "images/internal.h"
#include "images/jail.h"
#include "images/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER64 "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

static char place[64];

static int make_place(void **state) {
  (void)state;
  strcpy(place, "/tmp/dl-image-parts-XXXXXX");
  return mkdtemp(place) ? 0 : -1;
}

static int remove_place(void **state) {
  (void)state;
  dl_image_empty(place);
  return rmdir(place);
}

static char *in_place(const char *name) { return dl_xprintf("%s/%s", place, name); }

static void put_file(const char *name, const char *text) {
  char *path = in_place(name);
  for (char *at = path + strlen(place) + 1; (at = strchr(at, '/')); *at++ = '/') {
    *at = '\0';
    mkdir(path, 0755);
  }
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, text, strlen(text)), strlen(text));
  close(fd);
  free(path);
}

/* --- names --- */

static void names_get_their_full_form(void **state) {
  (void)state;
  static const struct {
    const char *name, *full;
  } rows[] = {
    {"debian:12", "docker.io/library/debian:12"},
    {"debian", "docker.io/library/debian:latest"},
    {"acme/base:1.4", "docker.io/acme/base:1.4"},
    {"docker.io/library/debian:12", "docker.io/library/debian:12"},
    {"localhost/x", "localhost/x:latest"},
    {"localhost:5000/x:1", "localhost:5000/x:1"},
    {"127.0.0.1:5000/a/b/c:V_1.2-3", "127.0.0.1:5000/a/b/c:V_1.2-3"},
    {"registry.example.com/team/app@sha256:" HEX64, "registry.example.com/team/app@sha256:" HEX64},
    {"debian:12@sha256:" HEX64, "docker.io/library/debian@sha256:" HEX64},
    {"[::1]:5000/x:1", "[::1]:5000/x:1"},
    {"a__b/c-d", "docker.io/a__b/c-d:latest"},
  };
  for (size_t i = 0; i < DL_COUNT(rows); i++) {
    char *full = dl_image_full_name(rows[i].name);
    assert_string_equal(full, rows[i].full);
    char *again = dl_image_full_name(full);
    assert_string_equal(again, full);
    free(again);
    free(full);
  }
}

static void what_is_no_name(void **state) {
  (void)state;
  static const char *const names[] = {"",        "/",           "a/",      "/a",     "A:1",
                                      "a:",      "a:b:c",       "a@b",     "a b",    "../a",
                                      "a/../b",  "-a",          "a-",      ".a/b",   "a.",
                                      "a:\n",    "a\n",         "a:-x y",  "h.com/", "h.com//a",
                                      "h:5/A",   "a@sha256:12", "a$(x):1", "a;b",    "a:1@sha256:" HEX64 "0",
                                      "-h.com/a"};
  for (size_t i = 0; i < DL_COUNT(names); i++) assert_null(dl_image_full_name(names[i]));
  char *longer = dl_xmalloc(2000);
  memset(longer, 'a', 1999);
  longer[1999] = '\0';
  assert_null(dl_image_full_name(longer));
  free(longer);
}

static void repositories(void **state) {
  (void)state;
  char *one = dl_image_repository("h:5/a/b:1"), *two = dl_image_repository("h.x/a@sha256:" HEX64);
  assert_string_equal(one, "h:5/a/b");
  assert_string_equal(two, "h.x/a");
  free(one);
  free(two);
}

/* --- redaction --- */

static void collect(const char *bytes, size_t len, void *user) { dl_buf_append(user, bytes, len); }

static char *redacted(const char *const *secrets, const char *text, size_t step) {
  dl_redact_t r;
  dl_buf_t out;
  dl_redact_init(&r);
  dl_buf_init(&out, 1 << 20);
  for (; *secrets; secrets++) dl_redact_add(&r, *secrets);
  for (size_t at = 0, len = strlen(text); at < len; at += step)
    dl_redact_feed(&r, text + at, len - at < step ? len - at : step, false, collect, &out);
  dl_redact_feed(&r, "", 0, true, collect, &out);
  dl_redact_clear(&r);
  return dl_buf_take(&out);
}

static void secrets_are_replaced_however_they_come(void **state) {
  (void)state;
  static const struct {
    const char *secrets[4], *text, *want;
  } rows[] = {
    {{"hushhush"}, "a hushhush b hushhus hushhushhush", "a *** b hushhus ***hush"},
    {{"abcd", "abcdef"}, "abcdef abcde abcd abc", "*** ***e *** abc"},
    {{"abcdef", "abcd"}, "abcdef abcde", "*** ***e"},
    {{"one\ntwolines\r\nx"}, "say twolines or one", "say *** or one"},
    {{"aaab"}, "aaaab aaaaab", "a*** aa***"},
    {{"12"}, "1212", "1212"}, /* too short: it would hit everything */
    {{NULL}, "nothing", "nothing"},
  };
  for (size_t i = 0; i < DL_COUNT(rows); i++)
    for (size_t step = 1; step < 40; step++) {
      char *got = redacted(rows[i].secrets, rows[i].text, step);
      assert_string_equal(got, rows[i].want);
      free(got);
    }
}

static void what_cannot_be_a_secret_is_not_held_back(void **state) {
  (void)state;
  dl_redact_t r;
  dl_buf_t out;
  dl_redact_init(&r);
  dl_redact_add(&r, "hushhush");
  dl_buf_init(&out, 1 << 20);
  dl_redact_feed(&r, "STEP 1\n", 7, false, collect, &out);
  assert_int_equal(out.len, 7);
  dl_redact_feed(&r, "hus", 3, false, collect, &out);
  assert_int_equal(out.len, 7);
  dl_redact_feed(&r, "k\n", 2, false, collect, &out);
  assert_int_equal(out.len, 12);
  dl_buf_clear(&out);
  dl_redact_clear(&r);
}

/* --- marks --- */

static void marks_stay(void **state) {
  (void)state;
  char *path = in_place("marks");
  dl_image_marks_t m;
  dl_image_marks_load(&m, path);
  assert_int_equal(m.count, 0);
  assert_true(dl_image_marks_set(&m, "docker.io/a:1", true));
  assert_true(dl_image_marks_set(&m, "docker.io/b:1", true));
  assert_true(dl_image_marks_set(&m, "docker.io/b:1", true));
  assert_true(dl_image_marks_set(&m, "docker.io/a:1", false));
  assert_true(dl_image_marks_set(&m, "docker.io/c:1", false));
  dl_image_marks_clear(&m);
  dl_image_marks_load(&m, path);
  assert_int_equal(m.count, 1);
  assert_true(dl_image_marks_have(&m, "docker.io/b:1"));
  dl_image_marks_clear(&m);
  free(path);
  dl_image_marks_load(&m, "/proc/none/marks");
  assert_false(dl_image_marks_set(&m, "x", true));
  assert_false(dl_image_marks_have(&m, "x"));
  dl_image_marks_clear(&m);
}

/* --- what errors mean --- */

static void errors_have_codes(void **state) {
  (void)state;
  static const struct {
    const char *said;
    int status;
    dl_image_code_t code;
    const char *part;
  } rows[] = {
    {"daytona-local: cannot make namespaces: x\n", DL_JAIL_EXIT, DL_IMAGE_UNAVAILABLE,
     "cannot make namespaces"},
    {"daytona-local: the context has a path that leads out of it: ../x\n", DL_JAIL_INVALID, DL_IMAGE_INVALID,
     "../x"},
    {"STEP 1/2\nError: building at STEP \"RUN false\": while running runtime: exit status 3\n", 125,
     DL_IMAGE_STEP_FAILED, "exit status 3"},
    {"Error: initializing source docker://x: pinging container registry x: Get \"https://x\": dial tcp: "
     "lookup x: no such host\n",
     125, DL_IMAGE_NO_NETWORK, "cannot be reached"},
    {"Error: reading manifest 2 in h/a: manifest unknown: manifest unknown\n", 125, DL_IMAGE_UNKNOWN,
     "no such image"},
    {"Error: unable to retrieve auth token: invalid username/password: unauthorized: authentication "
     "required\n",
     125, DL_IMAGE_REFUSED, "--registry-auth-file"},
    {"x: No space left on device\nError: writing blob\n", 125, DL_IMAGE_NO_SPACE, "no space"},
    {"Error: no FROM statement found\n", 125, DL_IMAGE_INVALID, "no FROM"},
    {"daytona-local: not of the jail\nError: building at STEP \"RUN no\": while running runtime: exit status "
     "127\n",
     127, DL_IMAGE_STEP_FAILED, "exit status 127"},
    {"error running container: from /r creating container for [/bin/sh -c x]: daytona-local: refused: not "
     "this one\n"
     ": exit status 1\nError: building at STEP \"RUN x\": while running runtime: exit status 1\n",
     1, DL_IMAGE_STEP_FAILED, "exit status 1: not this one"},
    {"", 9, DL_IMAGE_FAILED, "status 9"},
    {"odd\n", 1, DL_IMAGE_FAILED, "odd"},
    {"Error: first\nError: second", 1, DL_IMAGE_FAILED, "second"},
  };
  for (size_t i = 0; i < DL_COUNT(rows); i++) {
    dl_image_code_t code;
    char *text = dl_image_explain(rows[i].said, rows[i].status, &code);
    assert_int_equal(code, rows[i].code);
    assert_non_null(strstr(text, rows[i].part));
    assert_null(strchr(text, '\n'));
    free(text);
  }
}

/* --- reading a store --- */

#define CONFIG_FILE             \
  "store/overlay-images/" HEX64 \
  "/=c2hhMjU2OjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
#define CONFIG                                                                                   \
  "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"User\":\"app\",\"WorkingDir\":\"/" \
  "w\",\"Env\":[\"A=b\",7],"                                                                     \
  "\"Entrypoint\":[\"/e\",\"x\"],\"Cmd\":null}}"

static char *load(dl_image_records_t *r) {
  char *dir = in_place("store"), *error = dl_image_records_load(dir, r);
  free(dir);
  return error;
}

static void an_image_is_read(void **state) {
  (void)state;
  dl_image_records_t r;
  put_file("store/overlay-images/images.json",
           "[{\"id\":\"" HEX64 "\",\"digest\":\"sha256:" OTHER64
           "\",\"names\":[\"h.x/a:1\"],\"layer\":\"" HEX64 "\",\"created\":\"2026-01-02T03:04:05Z\"}]");
  put_file("store/overlay-layers/layers.json",
           "[{\"id\":\"" HEX64 "\",\"parent\":\"" OTHER64 "\",\"diff-size\":5},{\"id\":\"" OTHER64
           "\",\"diff-size\":7}]");
  put_file(CONFIG_FILE, CONFIG);
  assert_null(load(&r));
  assert_int_equal(r.count, 1);
  assert_int_equal(r.disk_bytes, 12);
  dl_image_t *image = dl_image_records_find(&r, "h.x/a:1");
  assert_ptr_equal(dl_image_records_find(&r, HEX64), image);
  assert_ptr_equal(dl_image_records_find(&r, "0123456789ab"), image);
  assert_ptr_equal(dl_image_records_find(&r, "h.x/a@sha256:" OTHER64), image);
  assert_null(dl_image_records_find(&r, "h.x/b@sha256:" OTHER64));
  assert_null(dl_image_records_find(&r, "0123456789"));
  const dl_image_info_t *i = dl_image_info(image);
  assert_int_equal(i->size_bytes, 12);
  assert_string_equal(i->user, "app");
  assert_string_equal(i->work_dir, "/w");
  assert_string_equal(i->env[0], "A=b");
  assert_null(i->env[1]);
  assert_string_equal(i->entrypoint[1], "x");
  assert_null(i->cmd[0]);
  assert_non_null(strstr(dl_image_layers(image)[0], "store/overlay/" HEX64 "/diff"));
  assert_non_null(strstr(dl_image_layers(image)[1], "store/overlay/" OTHER64 "/diff"));
  assert_null(dl_image_layers(image)[2]);
  dl_image_records_clear(&r);
}

static void what_is_not_whole_is_left_out(void **state) {
  (void)state;
  static const char *const layers[] = {
    "[]",
    "[{\"id\":\"" HEX64 "\",\"parent\":\"" OTHER64 "\"}]",
    "[{\"id\":\"" HEX64 "\",\"flags\":{\"incomplete\":true}}]",
    "[{\"id\":\"" HEX64 "\",\"parent\":\"" HEX64 "\"}]", /* its own parent */
    "[{\"id\":7},{},null]",
  };
  dl_image_records_t r;
  assert_null(load(&r)); /* never used */
  put_file("store/overlay-images/images.json",
           "[{\"id\":\"" HEX64 "\",\"layer\":\"" HEX64 "\"},{\"id\":\"../../x\"},{},null]");
  put_file(CONFIG_FILE, CONFIG);
  for (size_t i = 0; i < DL_COUNT(layers); i++) {
    put_file("store/overlay-layers/layers.json", layers[i]);
    assert_null(load(&r));
    assert_int_equal(r.count, 0);
    dl_image_records_clear(&r);
  }
  put_file("store/overlay-layers/layers.json", "[{\"id\":\"" HEX64 "\"}]");
  put_file(CONFIG_FILE, "{");
  assert_null(load(&r));
  assert_int_equal(r.count, 0);
  dl_image_records_clear(&r);
  put_file("store/overlay-images/images.json", "{\"no\":\"list\"}");
  char *error = load(&r);
  assert_non_null(strstr(error, "images.json"));
  free(error);
}

/* --- unpacking --- */

static void pack(const char *file, const char *name, mode_t type, const char *link) {
  struct archive *a = archive_write_new();
  struct archive_entry *entry = archive_entry_new();
  archive_write_set_format_pax(a);
  assert_int_equal(archive_write_open_filename(a, file), ARCHIVE_OK);
  archive_entry_set_pathname(entry, name);
  archive_entry_set_filetype(entry, type);
  archive_entry_set_perm(entry, 06755);
  if (link) archive_entry_set_symlink(entry, link);
  if (type == AE_IFREG) archive_entry_set_size(entry, 3);
  assert_int_equal(archive_write_header(a, entry), ARCHIVE_OK);
  if (type == AE_IFREG) archive_write_data(a, "abc", 3);
  archive_entry_free(entry);
  archive_write_free(a);
}

static char *unpack(const char *file, const char *to) {
  int fd = open(file, O_RDONLY);
  assert_true(fd >= 0);
  char *error = dl_image_unpack(fd, to);
  close(fd);
  return error;
}

static void contexts_stay_in_their_folder(void **state) {
  (void)state;
  char *file = in_place("c.tar"), *to = in_place("context"), *outside = in_place("outside"),
       *path = in_place("context/a/b");
  struct stat st;
  mkdir(to, 0755);
  mkdir(outside, 0755);
  static const char *const bad[] = {"../outside/x", "/tmp/x-of-test", "a/../../outside/x", ".."};
  for (size_t i = 0; i < DL_COUNT(bad); i++) {
    pack(file, bad[i], AE_IFREG, NULL);
    char *error = unpack(file, to);
    assert_non_null(strstr(error, "leads out"));
    free(error);
  }
  pack(file, "way", AE_IFLNK, outside);
  assert_null(unpack(file, to));
  pack(file, "way/x", AE_IFREG, NULL); /* from another context */
  free(unpack(file, to));
  assert_int_equal(rmdir(outside), 0); /* nothing is in it */
  pack(file, "a/b", AE_IFREG, NULL);
  assert_null(unpack(file, to));
  assert_int_equal(stat(path, &st), 0);
  assert_int_equal(st.st_mode & 07777, 0755); /* never with another's rights */
  pack(file, "pipe", AE_IFIFO, NULL);
  assert_null(unpack(file, to));
  put_file("c.tar", "no tar file at all");
  char *error = unpack(file, to);
  assert_non_null(error);
  free(error);
  free(path);
  free(outside);
  free(to);
  free(file);
}

static void proxies_lose_user_and_password(void **state) {
  (void)state;
  static const struct {
    const char *value, *want;
  } rows[] = {{"http://u:p@h:1", "http://h:1"},
              {"http://h:1/x@y", "http://h:1/x@y"},
              {"u:p@h:1", "h:1"},
              {"socks5h://u:p%40@h", "socks5h://h"},
              {"http://u:p@x@h:1/", "http://h:1/"}};
  dl_image_pair_t pairs[DL_PROXY_ENV_MAX];
  static const char *const names[] = {"http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy",
                                      "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY"};
  for (size_t i = 0; i < DL_COUNT(names); i++) unsetenv(names[i]);
  assert_int_equal(dl_proxy_env(pairs), 0);
  for (size_t i = 0; i < DL_COUNT(rows); i++) {
    setenv("HTTPS_PROXY", rows[i].value, 1);
    assert_int_equal(dl_proxy_env(pairs), 1);
    assert_string_equal(pairs[0].name, "HTTPS_PROXY");
    assert_string_equal(pairs[0].value, rows[i].want);
    dl_proxy_env_clear(pairs, 1);
  }
  unsetenv("HTTPS_PROXY");
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(names_get_their_full_form),
    cmocka_unit_test(what_is_no_name),
    cmocka_unit_test(repositories),
    cmocka_unit_test(secrets_are_replaced_however_they_come),
    cmocka_unit_test(what_cannot_be_a_secret_is_not_held_back),
    cmocka_unit_test_setup_teardown(marks_stay, make_place, remove_place),
    cmocka_unit_test(errors_have_codes),
    cmocka_unit_test_setup_teardown(an_image_is_read, make_place, remove_place),
    cmocka_unit_test_setup_teardown(what_is_not_whole_is_left_out, make_place, remove_place),
    cmocka_unit_test_setup_teardown(contexts_stay_in_their_folder, make_place, remove_place),
    cmocka_unit_test(proxies_lose_user_and_password),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
