/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server of sftp: packets in a file, answers in another. OpenSSH's client is in tests/server/test_ssh.py.
 */
#include "base/buf.h"
#include "toolbox/ssh/sftp.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/dl-sftp-XXXXXX";
static dl_buf_t packets, answers;
static size_t answer_at, last_packet;

/* --- what is asked --- */

static void put_u32(uint32_t n) {
  for (int i = 24; i >= 0; i -= 8) dl_buf_append(&packets, &(char){(char)(n >> i)}, 1);
}

static void put_bytes(const void *bytes, size_t len) {
  put_u32((uint32_t)len);
  dl_buf_append(&packets, bytes, len);
}

static void end_packet(void) {
  size_t len = packets.len - last_packet - 4;
  for (int i = 0; i < 4; i++) packets.data[last_packet + (size_t)i] = (char)(len >> (24 - 8 * i));
}

/* Ids are the numbers of the requests. */
static void begin_packet(int type) {
  static uint32_t id;
  if (packets.len > 0) end_packet();
  last_packet = packets.len;
  put_u32(0);
  dl_buf_append(&packets, &(char){(char)type}, 1);
  if (type == 1)
    put_u32(3);
  else
    put_u32(++id);
}

static void put_open(const char *path, uint32_t flags) {
  begin_packet(3);
  put_bytes(path, strlen(path));
  put_u32(flags);
  put_u32(0);
}

static void put_on_handle(int type, const char *handle) {
  begin_packet(type);
  put_bytes(handle, strlen(handle));
}

static void put_u64(uint64_t n) {
  put_u32((uint32_t)(n >> 32));
  put_u32((uint32_t)n);
}

/* --- what is answered --- */

static int serve(void) {
  int in = open("in", O_RDWR | O_CREAT | O_TRUNC, 0600), out = open("out", O_RDWR | O_CREAT | O_TRUNC, 0600);
  if (packets.len > 0) end_packet();
  assert_int_equal(write(in, packets.data, packets.len), packets.len);
  lseek(in, 0, SEEK_SET);
  int status = dl_sftp_serve(in, out);
  off_t size = lseek(out, 0, SEEK_END);
  lseek(out, 0, SEEK_SET);
  dl_buf_reset(&answers);
  char *room = dl_buf_reserve(&answers, (size_t)size + 1);
  assert_int_equal(read(out, room, (size_t)size), size);
  dl_buf_grew(&answers, (size_t)size);
  close(in);
  close(out);
  dl_buf_reset(&packets);
  answer_at = last_packet = 0;
  return status;
}

static uint32_t u32_at(size_t at) {
  const unsigned char *p = (const unsigned char *)answers.data + at;
  assert_true(at + 4 <= answers.len);
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The type of the next answer; its content begins behind the id. */
static int next_answer(const char **content, size_t *len) {
  size_t size = u32_at(answer_at);
  int type = (unsigned char)answers.data[answer_at + 4];
  assert_true(answer_at + 4 + size <= answers.len);
  *content = answers.data + answer_at + 9;
  *len = size - 5;
  answer_at += 4 + size;
  return type;
}

static void expect_status(uint32_t code) {
  const char *content;
  size_t len;
  assert_int_equal(next_answer(&content, &len), 101);
  assert_int_equal(u32_at((size_t)(content - answers.data)), code);
}

static void expect_handle(const char *handle) {
  const char *content;
  size_t len;
  assert_int_equal(next_answer(&content, &len), 102);
  assert_int_equal(len, 4 + strlen(handle));
  assert_memory_equal(content + 4, handle, len - 4);
}

/* --- tests --- */

static void files_are_written_and_read(void **state) {
  const char *content;
  size_t len;
  (void)state;
  begin_packet(1);
  put_open("file", 2 | 8 | 16);
  put_on_handle(6, "0");
  put_u64(3);
  put_bytes("words", 5);
  put_on_handle(4, "0");
  put_open("file", 1);
  put_on_handle(5, "0");
  put_u64(0);
  put_u32(100);
  put_on_handle(5, "0");
  put_u64(8);
  put_u32(100);
  put_open("file", 2 | 8 | 32);
  put_open("absent", 1);
  assert_int_equal(serve(), 0);
  assert_int_equal(next_answer(&content, &len), 2);
  expect_handle("0");
  expect_status(0);
  expect_status(0);
  expect_handle("0");
  assert_int_equal(next_answer(&content, &len), 103);
  assert_int_equal(len, 4 + 8);
  assert_memory_equal(content + 4, "\0\0\0words", 8);
  expect_status(1);
  expect_status(4); /* it is there already */
  expect_status(2);
}

static void folders_are_listed_to_their_end(void **state) {
  const char *content;
  size_t len;
  uint32_t count = 0;
  (void)state;
  assert_int_equal(mkdir("many", 0700), 0);
  for (int i = 0; i < 250; i++) {
    char name[32];
    snprintf(name, sizeof name, "many/%d", i);
    close(open(name, O_WRONLY | O_CREAT, 0600));
  }
  begin_packet(11);
  put_bytes("many", 4);
  for (int i = 0; i < 4; i++) put_on_handle(12, "0");
  assert_int_equal(serve(), 0);
  expect_handle("0");
  for (int i = 0; i < 3; i++) {
    assert_int_equal(next_answer(&content, &len), 104);
    count += u32_at((size_t)(content - answers.data));
  }
  assert_int_equal(count, 252);
  expect_status(1);
}

static void a_rename_replaces_nothing(void **state) {
  struct stat st;
  (void)state;
  close(open("from", O_WRONLY | O_CREAT, 0600));
  close(open("to", O_WRONLY | O_CREAT, 0600));
  begin_packet(18);
  put_bytes("from", 4);
  put_bytes("to", 2);
  begin_packet(200);
  put_bytes("posix-rename@openssh.com", 24);
  put_bytes("from", 4);
  put_bytes("to", 2);
  begin_packet(200);
  put_bytes("unknown@example.com", 19);
  assert_int_equal(serve(), 0);
  expect_status(4);
  expect_status(0);
  expect_status(8);
  assert_int_equal(stat("from", &st), -1);
}

static void what_is_cut_short_does_nothing(void **state) {
  static const int types[] = {3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 200};
  struct stat st;
  (void)state;
  close(open("keep", O_WRONLY | O_CREAT, 0600));
  for (size_t i = 0; i < DL_COUNT(types); i++) begin_packet(types[i]);
  begin_packet(13);
  put_bytes("keep\0more", 9);
  begin_packet(13);
  put_u32(4);
  dl_buf_append(&packets, "kee", 3);
  begin_packet(13);
  put_u32(0xffffffff);
  assert_int_equal(serve(), 0);
  for (size_t i = 0; i < DL_COUNT(types) + 3; i++) expect_status(5);
  assert_int_equal(stat("keep", &st), 0);
}

static void a_length_that_cannot_be_is_the_end(void **state) {
  static const char *const heads[] = {"\0\0\0\0\5", "\xff\xff\xff\xff\5", "\0\4\0\1\5"};
  (void)state;
  for (size_t i = 0; i < DL_COUNT(heads); i++) {
    int in = open("in", O_RDWR | O_CREAT | O_TRUNC, 0600), out = open("/dev/null", O_WRONLY);
    assert_int_equal(write(in, heads[i], 5), 5);
    lseek(in, 0, SEEK_SET);
    assert_int_equal(dl_sftp_serve(in, out), 1);
    close(in);
    close(out);
  }
}

static void handles_are_limited(void **state) {
  (void)state;
  close(open("file", O_WRONLY | O_CREAT, 0600));
  for (int i = 0; i < 257; i++) put_open("file", 1);
  put_on_handle(4, "7");
  put_on_handle(4, "7");
  put_open("file", 1);
  put_on_handle(5, "-1");
  put_u64(0);
  put_u32(1);
  assert_int_equal(serve(), 0);
  for (int i = 0; i < 256; i++) {
    char handle[8];
    snprintf(handle, sizeof handle, "%d", i);
    expect_handle(handle);
  }
  expect_status(4);
  expect_status(0);
  expect_status(4);
  expect_handle("7");
  expect_status(4);
}

/* Right packets with wrong bytes in them, in a folder where they can do no harm: whatever comes, each has one answer. */
static void random_packets_are_answered(void **state) {
  unsigned seed = 1;
  (void)state;
  for (int round = 0; round < 300; round++) {
    int count = 0;
    for (; count < 20; count++) {
      int type = (int[]){3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 17, 18, 19, 20}[rand_r(&seed) % 16];
      begin_packet(type);
      size_t from = packets.len;
      put_bytes((const char *[]){"0", "1", "many", "file", "x"}[rand_r(&seed) % 5], 1);
      for (int i = rand_r(&seed) % 4; i > 0; i--) put_u32((uint32_t)rand_r(&seed) % 20);
      if (rand_r(&seed) % 3 == 0)
        packets.data[from + (unsigned)rand_r(&seed) % (packets.len - from)] = (char)(rand_r(&seed) % 64);
    }
    assert_int_equal(serve(), 0);
    const char *content;
    size_t len;
    for (; count > 0; count--) next_answer(&content, &len);
    assert_int_equal(answer_at, answers.len);
  }
}

static int enter(void **state) {
  (void)state;
  dl_buf_init(&packets, 1 << 20);
  dl_buf_init(&answers, 1 << 22);
  return mkdtemp(folder) != NULL && chdir(folder) == 0 ? 0 : -1;
}

static int leave(void **state) {
  char command[64];
  (void)state;
  dl_buf_clear(&packets);
  dl_buf_clear(&answers);
  snprintf(command, sizeof command, "chmod -R u+rwx %s; rm -rf %s", folder, folder);
  return chdir("/") == 0 ? system(command) : -1;
}

int main(void) {
  static const struct CMUnitTest tests[] = {
    cmocka_unit_test(files_are_written_and_read),         cmocka_unit_test(folders_are_listed_to_their_end),
    cmocka_unit_test(a_rename_replaces_nothing),          cmocka_unit_test(what_is_cut_short_does_nothing),
    cmocka_unit_test(a_length_that_cannot_be_is_the_end), cmocka_unit_test(handles_are_limited),
    cmocka_unit_test(random_packets_are_answered),
  };
  return cmocka_run_group_tests(tests, enter, leave);
}
