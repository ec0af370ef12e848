/* SPDX-License-Identifier: Apache-2.0 */
#include "test_net.h"

#include "base/base.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define PORT 7001
static const char *const ADDRESSES[] = {"10.77.1.1", "10.77.2.1", "10.77.1.53"};

/* --- the names --- */

#define NAMES_MAX 10
static struct {
  const char *name, *value;
  int asked;
} names[NAMES_MAX] = {
  {"one.test", "10.77.1.1", 0},   {"two.test", "10.77.2.1", 0},  {"deep.below.wild.test", "10.77.1.1", 0},
  {"wild.test", "10.77.2.1", 0},  {"alias.test", "two.test", 0}, {"home.test", "127.0.0.1", 0},
  {"router.test", "10.0.2.2", 0}, {"long.test", "10.77.1.1", 0},
};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

int test_net_asked(const char *name) {
  int asked = 0;
  pthread_mutex_lock(&lock);
  for (size_t i = 0; i < NAMES_MAX; i++) {
    if (names[i].name == NULL || strcmp(names[i].name, name) != 0) continue;
    asked = names[i].asked;
    names[i].asked = 0;
  }
  pthread_mutex_unlock(&lock);
  return asked;
}

static const char *look_up(const char *name, bool counts) {
  const char *value = NULL;
  pthread_mutex_lock(&lock);
  for (size_t i = 0; i < NAMES_MAX; i++) {
    if (names[i].name == NULL || strcasecmp(names[i].name, name) != 0) continue;
    if (counts) names[i].asked++;
    value = names[i].value;
  }
  pthread_mutex_unlock(&lock);
  return value;
}

static size_t put_name(unsigned char *to, const char *name) {
  size_t at = 0;
  for (size_t len; *name != '\0'; name += len + (name[len] == '.')) {
    len = strcspn(name, ".");
    to[at++] = (unsigned char)len;
    memcpy(to + at, name, len);
    at += len;
  }
  to[at++] = 0;
  return at;
}

/* A record of the type, one minute. `owner`: NULL is the name of the question. */
static size_t put_record(unsigned char *to, const char *owner, int type, const unsigned char *data,
                         size_t len) {
  size_t at = 0;
  if (owner == NULL)
    to[at++] = 0xc0, to[at++] = 12;
  else
    at = put_name(to, owner);
  unsigned char rest[] = {0, (unsigned char)type, 0, 1, 0, 0, 0, 60, 0, (unsigned char)len};
  memcpy(to + at, rest, sizeof rest);
  memcpy(to + at + sizeof rest, data, len);
  return at + sizeof rest + len;
}

/* The answer to a question, in place; 0: none. "long.test" does not fit into a datagram. */
static size_t answer(unsigned char *m, size_t len, bool is_stream) {
  char name[256] = "";
  size_t at = 12, name_len = 0;
  if (len < 17 || m[2] & 0x80) return 0;
  while (at < len && m[at] != 0 && at + 1 + m[at] < len && name_len + 1 + m[at] < sizeof name) {
    if (name_len > 0) name[name_len++] = '.';
    memcpy(name + name_len, m + at + 1, m[at]);
    name_len += m[at];
    at += 1 + (size_t)m[at];
  }
  if (at + 5 > len) return 0;
  int type = m[at + 2];
  at += 5;
  m[2] = 0x81, m[3] = 0x80, m[10] = m[11] = m[8] = m[9] = 0;
  const char *value = look_up(name, true);
  if (value == NULL) {
    m[3] |= 3;
    return at;
  }
  if (strcmp(name, "long.test") == 0 && !is_stream) {
    m[2] |= 2;
    return at;
  }
  if (type != 1) return at;
  const char *owner = NULL;
  unsigned char data[256];
  if (!isdigit((unsigned char)value[0])) {
    at += put_record(m + at, NULL, 5, data, put_name(data, value));
    owner = value;
    value = look_up(value, false);
    m[7]++;
  }
  inet_pton(AF_INET, value, data);
  at += put_record(m + at, owner, 1, data, 4);
  m[7]++;
  /* And one that nobody has asked for. */
  unsigned char other[4] = {10, 77, 2, 1};
  at += put_record(m + at, "unasked.test", 1, other, 4);
  m[7]++;
  return at;
}

/* --- the servers --- */

static int listen_at(const char *address, int port, int type) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  inet_pton(AF_INET, address, &at.sin_addr);
  int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || (type == SOCK_STREAM && listen(fd, 64) != 0))
    abort();
  return fd;
}

/* Until the other side ends it; each question is answered. */
static void *stay(void *user) {
  int fd = (int)(intptr_t)user;
  char byte;
  while (read(fd, &byte, 1) == 1)
    if (byte == '?' && send(fd, "!", 1, MSG_NOSIGNAL) != 1) break;
  close(fd);
  return NULL;
}

static void serve_stream(int fd, const char *says) {
  unsigned char m[2048];
  int one = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
  if (one < 0) return;
  if (says != NULL) {
    pthread_t thread;
    send(one, says, strlen(says), MSG_NOSIGNAL);
    if (pthread_create(&thread, NULL, stay, (void *)(intptr_t)one) != 0) abort();
    pthread_detach(thread);
    return;
  } else {
    ssize_t got = recv(one, m + 2, sizeof m - 600, 0);
    size_t len = got > 2 ? (size_t)got - 2 : 0;
    memmove(m, m + 4, len);
    len = answer(m, len, true);
    unsigned char head[2] = {(unsigned char)(len >> 8), (unsigned char)len};
    if (len > 0 && write(one, head, 2) == 2) {
      ssize_t ignored = write(one, m, len);
      (void)ignored;
    }
  }
  close(one);
}

static void serve_datagram(int fd, const char *says) {
  unsigned char m[2048];
  struct sockaddr_in from;
  socklen_t size = sizeof from;
  ssize_t got = recvfrom(fd, m, 1024, 0, (struct sockaddr *)&from, &size);
  if (got < 0) return;
  size_t len = says != NULL ? strlen(says) : answer(m, (size_t)got, false);
  if (len > 0) sendto(fd, says != NULL ? (const void *)says : m, len, 0, (struct sockaddr *)&from, size);
}

static struct pollfd polls[6];

static void *serve(void *user) {
  (void)user;
  for (;;) {
    if (poll(polls, DL_COUNT(polls), -1) < 0 && errno != EINTR) return NULL;
    for (size_t i = 0; i < DL_COUNT(polls); i++) {
      const char *says = i / 2 < 2 ? ADDRESSES[i / 2] : NULL;
      if (!(polls[i].revents & POLLIN)) continue;
      (i % 2 == 0 ? serve_stream : serve_datagram)(polls[i].fd, says);
    }
  }
}

/* --- the namespace --- */

static bool set_address(const char *name, const char *address) {
  struct ifreq request = {0};
  struct sockaddr_in *in = (struct sockaddr_in *)&request.ifr_addr;
  snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  in->sin_family = AF_INET;
  inet_pton(AF_INET, address, &in->sin_addr);
  bool ok = fd >= 0 && ioctl(fd, SIOCSIFADDR, &request) == 0;
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  ok = ok && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
  close(fd);
  return ok;
}

/* A /dev/net/tun for everybody, and a resolv.conf of our own; seen by this process and its children only. */
static bool make_files(void) {
  char dir[] = "/tmp/dl-net-XXXXXX", *tun, *resolv;
  if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
      mkdtemp(dir) == NULL || mount("tmpfs", dir, "tmpfs", 0, "mode=0755") != 0)
    return false;
  tun = dl_xprintf("%s/tun", dir);
  resolv = dl_xprintf("%s/resolv.conf", dir);
  int fd = open(resolv, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  bool ok = fd >= 0 && write(fd, "nameserver 10.77.1.53\n", 22) == 22 &&
            mknod(tun, S_IFCHR | 0666, makedev(10, 200)) == 0 && chmod(tun, 0666) == 0 &&
            mount(tun, "/dev/net/tun", NULL, MS_BIND, NULL) == 0 &&
            mount(resolv, "/etc/resolv.conf", NULL, MS_BIND, NULL) == 0;
  if (fd >= 0) close(fd);
  umount2(dir, MNT_DETACH);
  rmdir(dir);
  free(tun);
  free(resolv);
  return ok;
}

const char *test_net_enter(void) {
  pthread_t thread;
  if (geteuid() != 0) return "only root can make the networks of this test";
  if (unshare(CLONE_NEWNET) != 0) return "no network namespace can be made here";
  if (!make_files()) return "/dev/net/tun and /etc/resolv.conf cannot be replaced here";
  if (!set_address("lo", "127.0.0.1")) return "the loopback cannot be brought up";
  for (size_t i = 0; i < DL_COUNT(ADDRESSES); i++) {
    char name[16];
    snprintf(name, sizeof name, "lo:%zu", i + 1);
    if (!set_address(name, ADDRESSES[i])) return "the loopback takes no more addresses";
    polls[2 * i] = (struct pollfd){listen_at(ADDRESSES[i], i < 2 ? PORT : 53, SOCK_STREAM), POLLIN, 0};
    polls[2 * i + 1] = (struct pollfd){listen_at(ADDRESSES[i], i < 2 ? PORT : 53, SOCK_DGRAM), POLLIN, 0};
  }
  return pthread_create(&thread, NULL, serve, NULL) == 0 ? NULL : "no thread";
}
