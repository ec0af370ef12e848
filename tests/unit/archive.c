/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hash and tar of contexts: against values that Python's hashlib gave, and read again by libarchive.
 */
#define _GNU_SOURCE
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "support/check.h"
#include "support/local_files.h"
#include "wire/archive.h"
#include "wire/tree.h"

static char folder[64];

static int open_folder(void **state) {
  (void)state;
  strcpy(folder, "/tmp/archive-XXXXXX");
  return mkdtemp(folder) != NULL ? 0 : -1;
}

static int close_folder(void **state) {
  (void)state;
  char command[256];
  snprintf(command, sizeof command, "chmod -R u+rwx %s; rm -r %s", folder, folder);
  return system(command);
}

static const char *at(const char *name) { return local_path(folder, name); }

static void write_text(const char *name, const char *text) { local_write(at(name), text, strlen(text)); }

/* Hash it all, by `budget`. */
static int hash(daytona__archive_t *archive, size_t budget) {
  int rc;
  while ((rc = daytona__archive_hash(archive, budget)) == 0) continue;
  return rc;
}

static void hash_is(const char *path, const char *name, const char *expected) {
  daytona__archive_t *archive = daytona__archive_new(path, name);
  assert_int_equal(hash(archive, 1), 1);
  assert_string_equal(daytona__archive_hash_text(archive), expected);
  daytona__archive_free(archive);
}

/* All of the tar, in fills of `room`. free() it. */
static char *pack(daytona__archive_t *archive, size_t room, size_t *size) {
  size_t most = (size_t)8 << 20, got;
  char *whole = malloc(most);
  *size = 0;
  for (;;) {
    if (room > most - *size) room = most - *size;
    assert_int_equal(daytona__archive_fill(archive, whole + *size, room, &got), 0);
    *size += got;
    if (daytona__archive_is_done(archive)) return whole;
    assert_int_equal(got, room); /* only the last one is short */
  }
}

typedef struct member {
  char name[4096], target[4096], bytes[64];
  size_t size;
  int mode;
  int64_t mtime;
} member_t;

enum { MEMBERS = 64 };

static member_t members[MEMBERS];

static size_t unpack(const char *bytes, size_t size) {
  struct archive *tar = archive_read_new();
  struct archive_entry *entry;
  size_t count = 0;
  archive_read_support_format_tar(tar);
  assert_int_equal(archive_read_open_memory(tar, bytes, size), ARCHIVE_OK);
  memset(members, 0, sizeof members);
  while (archive_read_next_header(tar, &entry) == ARCHIVE_OK) {
    assert_true(count < MEMBERS);
    member_t *member = &members[count++];
    snprintf(member->name, sizeof member->name, "%s", archive_entry_pathname(entry));
    if (archive_entry_symlink(entry) != NULL)
      snprintf(member->target, sizeof member->target, "%s", archive_entry_symlink(entry));
    member->size = (size_t)archive_entry_size(entry);
    member->mode = (int)archive_entry_mode(entry);
    member->mtime = archive_entry_mtime(entry);
    archive_read_data(tar, member->bytes, sizeof member->bytes - 1);
  }
  archive_read_free(tar);
  return count;
}

static size_t members_of(const char *path, const char *name) {
  size_t size;
  daytona__archive_t *archive = daytona__archive_new(path, name);
  char *bytes = pack(archive, 4096, &size);
  assert_int_equal(size % 512, 0);
  size_t count = unpack(bytes, size);
  free(bytes);
  daytona__archive_free(archive);
  return count;
}

/* --- one file ---------------------------------------------------------------------------------- */

static void a_file_has_the_hash_of_the_official_sdk(void **state) {
  (void)state;
  write_text("hello.txt", "hello\n");
  hash_is(at("hello.txt"), "dir/hello.txt", "5534e515aa68d58fae17b6a7d4b02dd1");
  assert_int_equal(symlink("hello.txt", at("link")), 0);
  hash_is(at("link"), "dir/hello.txt", "5534e515aa68d58fae17b6a7d4b02dd1");
}

static void a_file_is_one_member(void **state) {
  (void)state;
  write_text("run.sh", "#!/bin/sh\n");
  chmod(at("run.sh"), 0751);
  const struct timespec times[2] = {{1000000000, 5}, {1000000001, 999}};
  utimensat(AT_FDCWD, at("run.sh"), times, 0);
  assert_int_equal(members_of(at("run.sh"), "//tools/run.sh"), 1);
  assert_string_equal(members[0].name, "tools/run.sh");
  assert_string_equal(members[0].bytes, "#!/bin/sh\n");
  assert_int_equal(members[0].mode, S_IFREG | 0751);
  assert_int_equal(members[0].mtime, 1000000001);
  assert_int_equal(symlink("run.sh", at("link")), 0); /* what is named is followed */
  assert_int_equal(members_of(at("link"), "x"), 1);
  assert_string_equal(members[0].target, "");
  assert_int_equal(members[0].size, 10);
}

/* --- folders ----------------------------------------------------------------------------------- */

static void make_tree(void) {
  mkdir(at("ctx"), 0755);
  mkdir(at("ctx/a"), 0700);
  mkdir(at("ctx/c"), 0755);
  mkdir(at("ctx/c/e"), 0755);
  write_text("ctx/b.txt", "B");
  write_text("ctx/c/d.txt", "D");
  write_text("ctx/c/e/f", "F");
  write_text("ctx/\xc3\xa9", "x");
  assert_int_equal(symlink("b.txt", at("ctx/z")), 0);
  assert_int_equal(symlink("c", at("ctx/l")), 0);
}

static void a_folder_is_hashed_as_a_walk_with_sorted_names(void **state) {
  (void)state;
  make_tree();
  hash_is(at("ctx"), "ctx", "919ddea681ef035554d156bcb5dd6228");
  mkdir(at("empty"), 0755);
  hash_is(at("empty"), "ctx", "2bcfddbc86ce229ae59ee3df4cc424af");
  assert_int_equal(symlink("ctx", at("to-ctx")), 0);
  hash_is(at("to-ctx"), "ctx", "919ddea681ef035554d156bcb5dd6228");
}

static void links_that_lead_to_no_file_count_by_their_text(void **state) {
  (void)state;
  char one[40];
  mkdir(at("ctx"), 0755);
  assert_int_equal(symlink("nowhere", at("ctx/l")), 0);
  daytona__archive_t *archive = daytona__archive_new(at("ctx"), "ctx");
  assert_int_equal(hash(archive, 1), 1);
  snprintf(one, sizeof one, "%s", daytona__archive_hash_text(archive));
  daytona__archive_free(archive);
  unlink(at("ctx/l"));
  assert_int_equal(symlink("elsewhere", at("ctx/l")), 0);
  archive = daytona__archive_new(at("ctx"), "ctx");
  assert_int_equal(hash(archive, 1), 1);
  assert_string_not_equal(one, daytona__archive_hash_text(archive));
  daytona__archive_free(archive);
}

static void a_folder_is_packed_by_names(void **state) {
  (void)state;
  static const char *const names[] = {"x/ctx/",        "x/ctx/a/",      "x/ctx/b.txt", "x/ctx/c/",
                                      "x/ctx/c/d.txt", "x/ctx/c/e/",    "x/ctx/c/e/f", "x/ctx/l",
                                      "x/ctx/z",       "x/ctx/\xc3\xa9"};
  make_tree();
  size_t count = members_of(at("ctx"), "/x/ctx");
  assert_int_equal(count, sizeof names / sizeof names[0]);
  for (size_t i = 0; i < count; i++) assert_string_equal(members[i].name, names[i]);
  assert_int_equal(members[1].mode, S_IFDIR | 0700);
  assert_string_equal(members[6].bytes, "F");
  assert_string_equal(members[7].target, "c");
  assert_string_equal(members[8].target, "b.txt");
  assert_string_equal(members[9].bytes, "x");
}

static void an_empty_name_is_what_is_in_the_folder(void **state) {
  (void)state;
  make_tree();
  assert_int_equal(members_of(at("ctx"), ""), 9);
  assert_string_equal(members[0].name, "a/");
  assert_string_equal(members[1].name, "b.txt");
  assert_int_equal(members_of(at("ctx"), "."), 10);
  assert_string_equal(members[0].name, "./");
  assert_string_equal(members[2].name, "./b.txt");
  daytona__archive_t *archive = daytona__archive_new(at("ctx/b.txt"), "/");
  char bytes[64];
  size_t size;
  assert_int_equal(daytona__archive_fill(archive, bytes, sizeof bytes, &size), DAYTONA_EINVAL);
  daytona__archive_free(archive);
}

static void long_names_and_targets_are_whole(void **state) {
  (void)state;
  char name[256], target[1000], path[2048];
  memset(name, 'n', 250);
  name[250] = '\0';
  memset(target, 't', sizeof target - 1);
  target[sizeof target - 1] = '\0';
  mkdir(at("ctx"), 0755);
  snprintf(path, sizeof path, "%s/ctx/%s", folder, name);
  local_write(path, "1", 1);
  snprintf(path, sizeof path, "%s/ctx/o", folder);
  assert_int_equal(symlink(target, path), 0);
  assert_int_equal(members_of(at("ctx"), "ctx"), 3);
  assert_int_equal(strlen(members[1].name), 254);
  assert_string_equal(members[2].target, target);
}

static void fills_of_any_size_are_the_same_bytes(void **state) {
  (void)state;
  static const size_t rooms[] = {1, 7, 511, 512, 513, 4096, 1 << 20};
  size_t whole_size, size;
  char *large = local_pattern(700000, 1);
  make_tree();
  local_write(at("ctx/large"), large, 700000);
  daytona__archive_t *archive = daytona__archive_new(at("ctx"), "ctx");
  assert_int_equal(hash(archive, 100000), 1);
  char *whole = pack(archive, 8 << 20, &whole_size);
  assert_int_equal(daytona__archive_content_size(archive), 700004);
  assert_int_equal(daytona__archive_content_done(archive), 700004);
  daytona__archive_free(archive);
  for (size_t i = 0; i < sizeof rooms / sizeof rooms[0]; i++) {
    archive = daytona__archive_new(at("ctx"), "ctx");
    char *bytes = pack(archive, rooms[i], &size);
    assert_int_equal(size, whole_size);
    assert_memory_equal(bytes, whole, size);
    free(bytes);
    daytona__archive_free(archive);
  }
  free(whole);
  free(large);
}

/* --- what goes wrong --------------------------------------------------------------------------- */

static void fails(const char *path, int code, int system_errno, const char *about) {
  const char *text;
  int number;
  daytona__archive_t *archive = daytona__archive_new(path, "ctx");
  assert_int_equal(hash(archive, 1 << 20), code);
  assert_int_equal(daytona__archive_error(archive, &text, &number), code);
  assert_int_equal(number, system_errno);
  if (strstr(text, about) == NULL) fail_msg("%s does not say %s", text, about);
  daytona__archive_free(archive);
}

static void what_cannot_be_read_is_an_error_that_names_it(void **state) {
  (void)state;
  fails(at("missing"), DAYTONA_EIO, ENOENT, "missing: ");
  mkdir(at("ctx"), 0755);
  assert_int_equal(mkfifo(at("ctx/pipe"), 0600), 0);
  fails(at("ctx"), DAYTONA_EIO, 0, "ctx/pipe: neither");
  fails(at("ctx/pipe"), DAYTONA_EIO, 0, "pipe: neither");
  unlink(at("ctx/pipe"));
  if (geteuid() == 0) return; /* who may read everything */
  write_text("ctx/closed", "x");
  chmod(at("ctx/closed"), 0);
  fails(at("ctx"), DAYTONA_EIO, EACCES, "ctx/closed: ");
}

static void sockets_are_left_out(void **state) {
  (void)state;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  mkdir(at("ctx"), 0755);
  write_text("ctx/a", "1");
  snprintf(address.sun_path, sizeof address.sun_path, "%s", at("ctx/socket"));
  assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
  assert_int_equal(members_of(at("ctx"), "ctx"), 2);
  close(fd);
}

static void folders_too_deep_are_refused(void **state) {
  (void)state;
  int fd = open(folder, O_DIRECTORY | O_RDONLY);
  for (int i = 0; i <= DAYTONA__TREE_DEPTH_MAX; i++) {
    assert_int_equal(mkdirat(fd, "d", 0755), 0);
    int below = openat(fd, "d", O_DIRECTORY | O_RDONLY);
    close(fd);
    fd = below;
  }
  close(fd);
  fails(folder, DAYTONA_ELIMIT, 0, "too many folders");
}

/* What is changed between the two walks would be stored under the hash of something else. */
static void changes_between_hash_and_tar_are_errors(void **state) {
  (void)state;
  static const char *const commands[] = {
    "printf Y > %s/ctx/b.txt",    "rm %s/ctx/b.txt",          "touch %s/ctx/new",
    "chmod 600 %s/ctx/b.txt",     "ln -sfn nowhere %s/ctx/l", "rmdir %s/ctx/a",
    "printf BB > %s/ctx/c/d.txt", "rm -r %s/ctx/c",           "mv %s/ctx/z %1$s/ctx/renamed",
    "chmod 711 %s/ctx/a"};
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
    char command[256], bytes[65536];
    const char *text;
    size_t size;
    int number, rc = 0;
    make_tree();
    daytona__archive_t *archive = daytona__archive_new(at("ctx"), "ctx");
    assert_int_equal(hash(archive, 1 << 20), 1);
    if (strstr(commands[i], "%1$s") != NULL)
      snprintf(command, sizeof command, "mv %s/ctx/z %s/ctx/renamed", folder, folder);
    else
      snprintf(command, sizeof command, commands[i], folder);
    assert_int_equal(system(command), 0);
    while (rc == 0 && !daytona__archive_is_done(archive))
      rc = daytona__archive_fill(archive, bytes, sizeof bytes, &size);
    if (rc != DAYTONA_EIO) fail_msg("%s is not noticed", command);
    assert_int_equal(daytona__archive_error(archive, &text, &number), DAYTONA_EIO);
    daytona__archive_free(archive);
    snprintf(command, sizeof command, "rm -r %s/ctx", folder);
    assert_int_equal(system(command), 0);
  }
}

/* A file that grows or shrinks under the reader has a header that says something else. */
static void a_file_that_changes_while_it_is_read_is_an_error(void **state) {
  (void)state;
  for (int i = 0; i < 2; i++) {
    char *bytes = local_pattern(1 << 20, 2), out[4096];
    size_t size;
    int rc = 0;
    local_write(at("file"), bytes, 1 << 20);
    daytona__archive_t *archive = daytona__archive_new(at("file"), "file");
    assert_int_equal(daytona__archive_fill(archive, out, sizeof out, &size), 0);
    assert_int_equal(truncate(at("file"), i == 0 ? 1000 : 2 << 20), 0);
    while (rc == 0 && !daytona__archive_is_done(archive))
      rc = daytona__archive_fill(archive, out, sizeof out, &size);
    assert_int_equal(rc, DAYTONA_EIO);
    assert_int_equal(daytona__archive_fill(archive, out, sizeof out, &size), DAYTONA_EIO); /* and stays so */
    daytona__archive_free(archive);
    free(bytes);
  }
}

static void half_built_archives_can_be_freed(void **state) {
  (void)state;
  char out[700];
  size_t size;
  make_tree();
  daytona__archive_free(NULL);
  for (int steps = 0; steps < 12; steps++) {
    daytona__archive_t *archive = daytona__archive_new(at("ctx"), "ctx");
    for (int i = 0; i < steps; i++) daytona__archive_hash(archive, 1);
    daytona__archive_free(archive);
    archive = daytona__archive_new(at("ctx"), "ctx");
    for (int i = 0; i < steps; i++) daytona__archive_fill(archive, out, sizeof out, &size);
    daytona__archive_free(archive);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_folder, close_folder)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(a_file_has_the_hash_of_the_official_sdk),
    TEST(a_file_is_one_member),
    TEST(a_folder_is_hashed_as_a_walk_with_sorted_names),
    TEST(links_that_lead_to_no_file_count_by_their_text),
    TEST(a_folder_is_packed_by_names),
    TEST(an_empty_name_is_what_is_in_the_folder),
    TEST(long_names_and_targets_are_whole),
    TEST(fills_of_any_size_are_the_same_bytes),
    TEST(what_cannot_be_read_is_an_error_that_names_it),
    TEST(sockets_are_left_out),
    TEST(folders_too_deep_are_refused),
    TEST(changes_between_hash_and_tar_are_errors),
    TEST(a_file_that_changes_while_it_is_read_is_an_error),
    TEST(half_built_archives_can_be_freed),
  };
  return cmocka_run_group_tests_name("archive", tests, NULL, NULL);
}
