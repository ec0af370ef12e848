/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the SSH gateway says to the server and to toolboxes: frames and their fields, messages and their descriptors.
 */
#include "ssh/frames.h"
#include "ssh/link.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void frames_have_a_head(void **state) {
  static const size_t sizes[] = {0, 1, 255, 256, 65536, DL_SSH_CONTENT_MAX};
  (void)state;
  for (size_t i = 0; i < DL_COUNT(sizes); i++) {
    char head[DL_SSH_HEAD];
    dl_ssh_frame_t type;
    size_t len = 0;
    dl_ssh_write_head(head, DL_SSH_DATA, sizes[i]);
    assert_true(dl_ssh_read_head(head, &type, &len));
    assert_int_equal(type, DL_SSH_DATA);
    assert_int_equal(len, sizes[i]);
  }
}

static void a_frame_that_is_too_long_is_none(void **state) {
  char head[DL_SSH_HEAD];
  dl_ssh_frame_t type;
  size_t len;
  (void)state;
  dl_ssh_write_head(head, DL_SSH_DATA, DL_SSH_CONTENT_MAX + 1);
  assert_false(dl_ssh_read_head(head, &type, &len));
  assert_false(dl_ssh_read_head("D\xff\xff\xff\xff", &type, &len));
}

static void a_full_buffer_takes_no_half_frame(void **state) {
  dl_buf_t out;
  (void)state;
  dl_buf_init(&out, 10);
  assert_true(dl_ssh_append_frame(&out, DL_SSH_END, NULL, 0));
  assert_false(dl_ssh_append_frame(&out, DL_SSH_DATA, "x", 1));
  assert_int_equal(out.len, DL_SSH_HEAD);
  dl_buf_clear(&out);
}

static void fields_are_found_by_their_whole_name(void **state) {
  dl_buf_t list;
  (void)state;
  dl_buf_init(&list, 64);
  assert_true(dl_ssh_append_field(&list, "kind", "exec"));
  assert_true(dl_ssh_append_field(&list, "env.kind", "a=b"));
  assert_true(dl_ssh_append_field(&list, "command", ""));
  assert_string_equal(dl_ssh_field(list.data, list.len, "kind"), "exec");
  assert_string_equal(dl_ssh_field(list.data, list.len, "env.kind"), "a=b");
  assert_string_equal(dl_ssh_field(list.data, list.len, "command"), "");
  assert_null(dl_ssh_field(list.data, list.len, "kin"));
  assert_null(dl_ssh_field(list.data, list.len, "command="));
  assert_null(dl_ssh_field("", 0, "kind"));
  size_t before = list.len;
  assert_false(dl_ssh_append_field(&list, "much", "0123456789012345678901234567890123456789"));
  assert_int_equal(list.len, before);
  dl_buf_clear(&list);
}

static int is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

static void messages_carry_a_descriptor(void **state) {
  int both[2], fd, file = open("/dev/null", O_RDONLY | O_CLOEXEC);
  char text[DL_SSH_MESSAGE_MAX];
  (void)state;
  assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, both), 0);
  assert_int_equal(dl_ssh_receive(both[1], text, &fd), -1);
  assert_int_equal(errno, EAGAIN);
  assert_true(dl_ssh_send(both[0], DL_SSH_LINK, "127.0.0.1 5", file));
  assert_true(dl_ssh_send(both[0], DL_SSH_OPEN, "", -1));
  assert_int_equal(dl_ssh_receive(both[1], text, &fd), DL_SSH_LINK);
  assert_string_equal(text, "127.0.0.1 5");
  assert_true(fd >= 0 && is_open(fd) && fd != file);
  assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
  close(fd);
  assert_int_equal(dl_ssh_receive(both[1], text, &fd), DL_SSH_OPEN);
  assert_string_equal(text, "");
  assert_int_equal(fd, -1);
  close(both[0]);
  assert_int_equal(dl_ssh_receive(both[1], text, &fd), 0);
  assert_false(dl_ssh_send(both[1], DL_SSH_YES, "", -1));
  close(both[1]);
  close(file);
}

/* A peer may send anything: a long text is cut where it was sent, and descriptors that nobody wants are not kept. */
static void what_is_too_much_is_cut(void **state) {
  int both[2], fd, probe = dup(0);
  char text[DL_SSH_MESSAGE_MAX], much[2 * DL_SSH_MESSAGE_MAX];
  (void)state;
  close(probe);
  memset(much, 'x', sizeof much);
  much[sizeof much - 1] = '\0';
  assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, both), 0);
  assert_true(dl_ssh_send(both[0], DL_SSH_TOKEN, much, -1));
  assert_int_equal(dl_ssh_receive(both[1], text, &fd), DL_SSH_TOKEN);
  assert_int_equal(strlen(text), DL_SSH_MESSAGE_MAX - 2);
  int fds[3] = {0, 1, 2};
  char letter = DL_SSH_TOKEN, room[CMSG_SPACE(sizeof fds)] = {0};
  struct iovec part = {&letter, 1};
  struct msghdr message = {
    .msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
  struct cmsghdr *c = CMSG_FIRSTHDR(&message);
  *c = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof fds), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
  memcpy(CMSG_DATA(c), fds, sizeof fds);
  assert_int_equal(sendmsg(both[0], &message, 0), 1);
  assert_int_equal(dl_ssh_receive(both[1], text, &fd), DL_SSH_TOKEN);
  if (fd >= 0) close(fd);
  close(both[0]);
  close(both[1]);
  int after = dup(0);
  assert_int_equal(after, probe); /* nothing is left open */
  close(after);
}

int main(void) {
  static const struct CMUnitTest tests[] = {
    cmocka_unit_test(frames_have_a_head),
    cmocka_unit_test(a_frame_that_is_too_long_is_none),
    cmocka_unit_test(a_full_buffer_takes_no_half_frame),
    cmocka_unit_test(fields_are_found_by_their_whole_name),
    cmocka_unit_test(messages_carry_a_descriptor),
    cmocka_unit_test(what_is_too_much_is_cut),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
