/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The role "name-server": the resolver of one box, in its network namespace. Every question of the box comes here (nft sees to
 * that). Names that are not allowed do not exist; questions about the others are asked again, in words of our own, at the
 * resolver of slirp4netns; and before an answer is passed on, its addresses are in the set that nft compares with.
 *
 * The box is not trusted, and neither is who answers. So this process has no rights but those over the box's network, no files,
 * no further processes; questions that wait, connections and addresses are counted; and each question goes out from a
 * socket of its own, with a number of its own.
 */
#include "runtime/dns.h"
#include "runtime/names.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FD_NET = 3, FD_USER = 4, FD_LINE = 5 };

#define QUESTIONS_MAX 256 /* that wait for an answer */
#define STREAMS_MAX 16    /* questions over TCP at once */
#define ADDRESSES_MAX DL_RULES_SET_SIZE
#define RETRY_MS 1500
#define ANSWER_LIMIT_MS 5000
#define STREAM_LIMIT_MS 10000
#define STREAM_ANSWER_MAX 65535
/* Programs use an address a while longer than they may. */
#define GRACE_MS (10 * 60 * 1000)
#define AGE_MAX_MS (24 * 60 * 60 * 1000)
#define SWEEP_MS 30000

/* --- what is allowed --- */

static struct {
  bool are_there; /* until then nothing is allowed */
  char *text;     /* what the others point into */
  const char *domains;
  dl_cidr_t cidrs[DL_RULES_PARTS_MAX];
  size_t cidr_count;
  const char *hosts;
} rules;

static bool read_line(char *line) {
  char *value = strchr(line, ' ');
  if (value == NULL) return false;
  *value++ = '\0';
  if (strcmp(line, "domains") == 0) {
    rules.domains = value;
  } else if (strcmp(line, "hosts") == 0) {
    rules.hosts = value;
  } else if (strcmp(line, "network") == 0 && rules.cidr_count < DL_RULES_PARTS_MAX) {
    struct in_addr address;
    int64_t prefix;
    char *slash = strchr(value, '/');
    if (slash == NULL || !dl_parse_int(slash + 1, 0, 32, &prefix)) return false;
    *slash = '\0';
    if (inet_pton(AF_INET, value, &address) != 1) return false;
    rules.cidrs[rules.cidr_count++] = (dl_cidr_t){ntohl(address.s_addr), (unsigned)prefix};
  } else {
    return false;
  }
  return true;
}

static bool read_rules(const char *bytes, size_t len) {
  free(rules.text);
  memset(&rules, 0, sizeof rules);
  rules.text = dl_xstrndup(bytes, len);
  char *rest = rules.text;
  for (char *line; (line = strsep(&rest, "\n")) != NULL;)
    if (*line != '\0' && !read_line(line)) return false;
  return rules.are_there = true;
}

static bool is_in(const dl_cidr_t *cidr, uint32_t address) {
  uint32_t mask = cidr->prefix == 0 ? 0 : UINT32_MAX << (32 - cidr->prefix);
  return (address & mask) == (cidr->address & mask);
}

static bool in_lists(const char *name, const uint32_t *address) {
  if (rules.domains != NULL && dl_dns_is_listed(rules.domains, name)) return true;
  /* Without a list the hosts alone count, and addresses in a network are allowed under any name that the hosts allow. */
  if (rules.domains == NULL && rules.cidr_count == 0) return true;
  if (rules.hosts == NULL) return false;
  for (size_t i = 0; i < rules.cidr_count; i++)
    if (address == NULL || is_in(&rules.cidrs[i], *address)) return true;
  return false;
}

/* `address`: NULL is whichever it has. */
static bool is_allowed(const char *name, const uint32_t *address) {
  if (!rules.are_there) return false;
  if (rules.hosts != NULL && !dl_dns_is_listed(rules.hosts, name)) return false;
  return in_lists(name, address);
}

/* No name is a reason to reach what slirp4netns makes of this machine, or what is no host's address at all. */
static bool is_special(uint32_t address) {
  static const dl_cidr_t SPECIAL[] = {{0, 8}, {0x7f000000, 8}, {DL_SLIRP_NETWORK, 24}, {0xe0000000, 3}};
  for (size_t i = 0; i < DL_COUNT(SPECIAL); i++)
    if (is_in(&SPECIAL[i], address)) return true;
  return false;
}

/* --- nftables' set --- */

static int netlink_fd = -1;

static size_t put_attr(uint8_t *to, unsigned type, const void *data, size_t len) {
  struct nlattr head = {(uint16_t)(NLA_HDRLEN + len), (uint16_t)type};
  memcpy(to, &head, sizeof head);
  memcpy(to + NLA_HDRLEN, data, len);
  memset(to + NLA_HDRLEN + len, 0, NLA_ALIGN(len) - len);
  return NLA_HDRLEN + NLA_ALIGN(len);
}

static size_t put_head(uint8_t *to, unsigned type, unsigned flags, uint32_t number, unsigned family,
                       unsigned resource, size_t len) {
  struct nlmsghdr head = {(uint32_t)(NLMSG_HDRLEN + sizeof(struct nfgenmsg) + len), (uint16_t)type,
                          (uint16_t)(NLM_F_REQUEST | flags), number, 0};
  struct nfgenmsg more = {(uint8_t)family, NFNETLINK_V0, htons((uint16_t)resource)};
  memcpy(to, &head, sizeof head);
  memcpy(to + NLMSG_HDRLEN, &more, sizeof more);
  return NLMSG_HDRLEN + sizeof more;
}

/* NFT_MSG_NEWSETELEM or NFT_MSG_DELSETELEM with one element, as a transaction. */
static size_t write_element(uint8_t *to, unsigned type, uint32_t address, uint32_t number) {
  uint8_t attrs[256], key[64], element[64], inner[64];
  uint32_t value = htonl(address);
  size_t len = put_attr(key, NFTA_DATA_VALUE, &value, sizeof value);
  len = put_attr(inner, NFTA_SET_ELEM_KEY | NLA_F_NESTED, key, len);
  len = put_attr(element, NFTA_LIST_ELEM | NLA_F_NESTED, inner, len);
  size_t at = put_attr(attrs, NFTA_SET_ELEM_LIST_TABLE, DL_RULES_TABLE, sizeof DL_RULES_TABLE);
  at += put_attr(attrs + at, NFTA_SET_ELEM_LIST_SET, DL_RULES_SET, sizeof DL_RULES_SET);
  at += put_attr(attrs + at, NFTA_SET_ELEM_LIST_ELEMENTS | NLA_F_NESTED, element, len);
  size_t used = put_head(to, NFNL_MSG_BATCH_BEGIN, 0, number, AF_UNSPEC, NFNL_SUBSYS_NFTABLES, 0);
  used +=
    put_head(to + used, NFNL_SUBSYS_NFTABLES << 8 | type,
             NLM_F_ACK | (type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0), number + 1, NFPROTO_INET, 0, at);
  memcpy(to + used, attrs, at);
  used += at;
  return used + put_head(to + used, NFNL_MSG_BATCH_END, 0, number + 2, AF_UNSPEC, NFNL_SUBSYS_NFTABLES, 0);
}

/* The kernel has answered when the call returns. 0, or an errno value. */
static int change_set(unsigned type, uint32_t address) {
  static uint32_t number;
  uint8_t message[1024], said[8192] __attribute__((aligned(8)));
  number += 4;
  size_t len = write_element(message, type, address, number);
  if (send(netlink_fd, message, len, 0) != (ssize_t)len) return errno;
  int outcome = EIO;
  for (ssize_t got; (got = recv(netlink_fd, said, sizeof said, MSG_DONTWAIT)) > 0;) {
    struct nlmsghdr *head = (struct nlmsghdr *)(void *)said;
    for (; NLMSG_OK(head, (size_t)got); head = NLMSG_NEXT(head, got)) {
      if (head->nlmsg_type != NLMSG_ERROR || head->nlmsg_len < NLMSG_LENGTH(sizeof(struct nlmsgerr)))
        continue;
      int code = -((struct nlmsgerr *)NLMSG_DATA(head))->error;
      if (head->nlmsg_seq == number + 1 || code != 0) outcome = code;
    }
  }
  return outcome;
}

/* --- the addresses of names --- */

typedef struct {
  uint32_t address;
  char *name;
  int64_t until;
} known_t;

static known_t known[ADDRESSES_MAX];
static size_t known_count;

static bool is_known(uint32_t address) {
  for (size_t i = 0; i < known_count; i++)
    if (known[i].address == address) return true;
  return false;
}

static void forget(size_t i) {
  known_t gone = known[i];
  known[i] = known[--known_count];
  free(gone.name);
  if (!is_known(gone.address)) change_set(NFT_MSG_DELSETELEM, gone.address);
}

static void make_room(void) {
  size_t first = 0;
  if (known_count < ADDRESSES_MAX) return;
  for (size_t i = 1; i < known_count; i++)
    if (known[i].until < known[first].until) first = i;
  forget(first);
}

/* False when nft has not taken it. */
static bool know(const char *name, const dl_dns_address_t *found) {
  uint32_t address = found->address;
  int64_t age = (int64_t)found->seconds * 1000 + GRACE_MS,
          until = dl_steady_ms() + (age < AGE_MAX_MS ? age : AGE_MAX_MS);
  if (is_special(address) || !is_allowed(name, &address)) return true;
  for (size_t i = 0; i < known_count; i++) {
    if (known[i].address != address || strcmp(known[i].name, name) != 0) continue;
    if (known[i].until < until) known[i].until = until;
    return true;
  }
  make_room();
  if (!is_known(address) && change_set(NFT_MSG_NEWSETELEM, address) != 0) return false;
  known[known_count++] = (known_t){address, dl_xstrdup(name), until};
  return true;
}

static void on_sweep(uv_timer_t *timer) {
  int64_t now = dl_steady_ms();
  (void)timer;
  for (size_t i = known_count; i-- > 0;)
    if (known[i].until < now) forget(i);
}

/* An answer is passed on when nft lets through what it says. */
static bool take_answer(const uint8_t *bytes, size_t len, const dl_dns_query_t *query) {
  dl_dns_address_t found[DL_DNS_ADDRESSES_MAX];
  int count = dl_dns_read_addresses(bytes, len, query, found, DL_COUNT(found));
  if (count < 0 || !is_allowed(query->name, NULL)) return false; /* the rules may be others by now */
  for (int i = 0; i < count; i++)
    if (!know(query->name, &found[i])) return false;
  return true;
}

/* --- questions --- */

/* What is answered without asking anybody; -1: it is to be asked. */
static int answer_alone(const dl_dns_query_t *query) {
  if (!is_allowed(query->name, NULL)) return DL_DNS_NO_NAME;
  switch (query->type) {
    case DL_DNS_AAAA: /* there is no IPv6 */
    case DL_DNS_SVCB: /* they have addresses of their own */
    case DL_DNS_HTTPS:
    case DL_DNS_ANY: return DL_DNS_NO_ERROR;
    default: return -1;
  }
}

static int upstream_socket(int type) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(53)};
  int mark = DL_RULES_NAMES_MARK;
  int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  inet_pton(AF_INET, DL_SLIRP_RESOLVER, &to.sin_addr);
  if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark) == 0 &&
      (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 || errno == EINPROGRESS))
    return fd;
  if (fd >= 0) close(fd);
  return -1;
}

static uint16_t new_number(void) {
  uint16_t number;
  dl_random_bytes(&number, sizeof number);
  return number;
}

/* --- over UDP --- */

static uv_loop_t *loop;
static uv_poll_t door;
static int door_fd = -1;
static size_t question_count;

typedef struct {
  uv_poll_t poll;
  uv_timer_t timer;
  int fd, open_handles, tries;
  struct sockaddr_in from;
  dl_dns_query_t query;
  uint16_t number;
} question_t;

static void reply(const question_t *q, const void *bytes, size_t len) {
  sendto(door_fd, bytes, len, MSG_DONTWAIT, (const struct sockaddr *)&q->from, sizeof q->from);
}

static void reply_code(const question_t *q, int code) {
  uint8_t out[DL_DNS_QUERY_MAX];
  reply(q, out, dl_dns_write_answer(&q->query, code, false, out));
}

static void on_question_closed(uv_handle_t *handle) {
  question_t *q = handle->data;
  if (--q->open_handles > 0) return;
  close(q->fd);
  free(q);
  question_count--;
}

static void end_question(question_t *q) {
  uv_close((uv_handle_t *)&q->poll, on_question_closed);
  uv_close((uv_handle_t *)&q->timer, on_question_closed);
}

static void ask(question_t *q) {
  uint8_t out[DL_DNS_QUERY_MAX];
  size_t len = dl_dns_write_query(&q->query, q->number, out);
  send(q->fd, out, len, 0); /* one that is lost is sent again */
}

static void on_question_time(uv_timer_t *timer) {
  question_t *q = timer->data;
  if (++q->tries * RETRY_MS < ANSWER_LIMIT_MS) {
    ask(q);
    return;
  }
  reply_code(q, DL_DNS_SERVER_FAILURE);
  end_question(q);
}

static void on_answer(uv_poll_t *poll, int status, int events) {
  question_t *q = poll->data;
  uint8_t bytes[DL_DNS_MESSAGE_MAX];
  (void)status, (void)events;
  ssize_t got = recv(q->fd, bytes, sizeof bytes, 0);
  if (got < 0 || !dl_dns_is_answer(bytes, (size_t)got, &q->query, q->number))
    return; /* the time limit ends it */
  if (take_answer(bytes, (size_t)got, &q->query)) {
    bytes[0] = (uint8_t)(q->query.id >> 8);
    bytes[1] = (uint8_t)q->query.id;
    reply(q, bytes, (size_t)got);
  } else {
    reply_code(q, DL_DNS_SERVER_FAILURE);
  }
  end_question(q);
}

static void begin_question(const question_t *from) {
  int fd = question_count < QUESTIONS_MAX ? upstream_socket(SOCK_DGRAM) : -1;
  if (fd < 0) {
    reply_code(from, DL_DNS_SERVER_FAILURE);
    return;
  }
  question_t *q = dl_xmalloc(sizeof *q);
  *q = *from;
  q->fd = fd;
  q->number = new_number();
  q->open_handles = 2;
  question_count++;
  uv_poll_init(loop, &q->poll, fd);
  uv_timer_init(loop, &q->timer);
  q->poll.data = q->timer.data = q;
  uv_poll_start(&q->poll, UV_READABLE, on_answer);
  uv_timer_start(&q->timer, on_question_time, RETRY_MS, RETRY_MS);
  ask(q);
}

static void on_door(uv_poll_t *poll, int status, int events) {
  (void)poll, (void)status, (void)events;
  for (int turns = 0; turns < 64; turns++) {
    question_t q = {.tries = 0};
    uint8_t bytes[DL_DNS_QUERY_MAX];
    socklen_t size = sizeof q.from;
    ssize_t got = recvfrom(door_fd, bytes, sizeof bytes, MSG_DONTWAIT, (struct sockaddr *)&q.from, &size);
    if (got < 0) return;
    if (!dl_dns_read_query(bytes, (size_t)got, &q.query)) continue;
    int code = answer_alone(&q.query);
    if (code >= 0)
      reply_code(&q, code);
    else
      begin_question(&q);
  }
}

/* --- over TCP: one question per connection --- */

typedef struct {
  uv_tcp_t client, upstream;
  uv_timer_t timer;
  uv_write_t write;
  int open_handles;
  bool is_ending, has_upstream;
  dl_dns_query_t query;
  uint16_t number;
  size_t len; /* in `bytes` */
  uint8_t out[2 + DL_DNS_QUERY_MAX];
  uint8_t bytes[2 + STREAM_ANSWER_MAX];
} stream_t;

static uv_tcp_t stream_door;
static size_t stream_count;

static void on_stream_closed(uv_handle_t *handle) {
  stream_t *s = handle->data;
  if (--s->open_handles > 0) return;
  free(s);
  stream_count--;
}

static void end_stream(stream_t *s) {
  if (s->is_ending) return;
  s->is_ending = true;
  uv_close((uv_handle_t *)&s->client, on_stream_closed);
  uv_close((uv_handle_t *)&s->timer, on_stream_closed);
  if (s->has_upstream) uv_close((uv_handle_t *)&s->upstream, on_stream_closed);
}

static void on_stream_time(uv_timer_t *timer) { end_stream(timer->data); }

static void on_stream_written(uv_write_t *write, int status) {
  (void)status;
  end_stream(write->data);
}

static void write_to(stream_t *s, uv_tcp_t *to, void *bytes, size_t len, uv_write_cb cb) {
  uint8_t *message = bytes;
  message[0] = (uint8_t)(len >> 8);
  message[1] = (uint8_t)len;
  uv_buf_t buf = uv_buf_init(bytes, (unsigned)(2 + len));
  s->write.data = s;
  if (uv_write(&s->write, (uv_stream_t *)to, &buf, 1, cb) != 0) end_stream(s);
}

static void answer_stream(stream_t *s, int code) {
  size_t len = dl_dns_write_answer(&s->query, code, false, s->out + 2);
  write_to(s, &s->client, s->out, len, on_stream_written);
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *out) {
  stream_t *s = handle->data;
  (void)suggested;
  *out = uv_buf_init((char *)s->bytes + s->len, (unsigned)(sizeof s->bytes - s->len));
}

/* The length of the whole message, when it is there; else 0. */
static size_t whole(const stream_t *s) {
  size_t len = s->len >= 2 ? (size_t)s->bytes[0] << 8 | s->bytes[1] : 0;
  return len > 0 && s->len >= 2 + len ? len : 0;
}

static void on_upstream_read(uv_stream_t *upstream, ssize_t got, const uv_buf_t *buf) {
  stream_t *s = upstream->data;
  (void)buf;
  if (got > 0) s->len += (size_t)got;
  size_t len = whole(s);
  if (got < 0 && len == 0) {
    answer_stream(s, DL_DNS_SERVER_FAILURE);
    uv_read_stop(upstream);
  } else if (len > 0) {
    uv_read_stop(upstream);
    if (dl_dns_is_answer(s->bytes + 2, len, &s->query, s->number) &&
        take_answer(s->bytes + 2, len, &s->query)) {
      s->bytes[2] = (uint8_t)(s->query.id >> 8);
      s->bytes[3] = (uint8_t)s->query.id;
      write_to(s, &s->client, s->bytes, len, on_stream_written);
    } else {
      answer_stream(s, DL_DNS_SERVER_FAILURE);
    }
  }
}

static void on_asked(uv_write_t *write, int status) {
  stream_t *s = write->data;
  if (s->is_ending) return;
  s->len = 0;
  if (status != 0 || uv_read_start((uv_stream_t *)&s->upstream, on_room, on_upstream_read) != 0)
    end_stream(s);
}

static void ask_stream(stream_t *s) {
  int fd = upstream_socket(SOCK_STREAM);
  if (fd >= 0) {
    uv_tcp_init(loop, &s->upstream);
    s->upstream.data = s;
    s->has_upstream = true;
    s->open_handles++;
    if (uv_tcp_open(&s->upstream, fd) == 0) {
      s->number = new_number();
      write_to(s, &s->upstream, s->out, dl_dns_write_query(&s->query, s->number, s->out + 2), on_asked);
      return;
    }
    close(fd);
  }
  answer_stream(s, DL_DNS_SERVER_FAILURE);
}

static void on_client_read(uv_stream_t *client, ssize_t got, const uv_buf_t *buf) {
  stream_t *s = client->data;
  (void)buf;
  if (got < 0 || (s->len += (size_t)got) > sizeof s->out) {
    end_stream(s);
    return;
  }
  size_t len = whole(s);
  if (len == 0) return;
  uv_read_stop(client);
  if (!dl_dns_read_query(s->bytes + 2, len, &s->query)) {
    end_stream(s);
    return;
  }
  int code = answer_alone(&s->query);
  if (code >= 0)
    answer_stream(s, code);
  else
    ask_stream(s);
}

static void on_stream(uv_stream_t *door_stream, int status) {
  if (status != 0) return;
  stream_t *s = dl_xcalloc(1, sizeof *s);
  uv_tcp_init(loop, &s->client);
  uv_timer_init(loop, &s->timer);
  s->client.data = s->timer.data = s;
  s->open_handles = 2;
  stream_count++;
  if (uv_accept(door_stream, (uv_stream_t *)&s->client) != 0 || stream_count > STREAMS_MAX ||
      uv_read_start((uv_stream_t *)&s->client, on_room, on_client_read) != 0) {
    end_stream(s);
    return;
  }
  uv_timer_start(&s->timer, on_stream_time, STREAM_LIMIT_MS, 0);
}

/* --- the line to the server --- */

static unsigned port;

static void on_line(uv_poll_t *poll, int status, int events) {
  static char bytes[DL_NAMES_RULES_MAX];
  char said[16];
  (void)poll, (void)events;
  ssize_t got = status == 0 ? recv(FD_LINE, bytes, sizeof bytes, MSG_DONTWAIT) : 0;
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) _exit(0);
  bool ok = read_rules(bytes, (size_t)got);
  for (size_t i = known_count; i-- > 0;)
    if (!ok || !is_allowed(known[i].name, &known[i].address)) forget(i);
  int len = snprintf(said, sizeof said, ok ? "%u" : "!bad rules", port);
  if (send(FD_LINE, said, (size_t)len, MSG_NOSIGNAL) != len) _exit(0);
}

/* --- the start --- */

/* The first id that there is in our user namespace: root's, as a rule. */
static unsigned first_id(const char *path) {
  unsigned id = 0;
  FILE *f = fopen(path, "re");
  if (f == NULL || fscanf(f, "%u", &id) != 1) id = 0;
  if (f != NULL) fclose(f);
  return id;
}

static const char *enter(void) {
  if (geteuid() == 0 && setgroups(0, NULL) != 0) return "cannot leave the groups";
  if (setns(FD_USER, CLONE_NEWUSER) != 0 || setns(FD_NET, CLONE_NEWNET) != 0)
    return "cannot enter the namespaces";
  unsigned uid = first_id("/proc/self/uid_map"), gid = first_id("/proc/self/gid_map");
  if (setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0) return "cannot become the box's user";
  close(FD_USER);
  close(FD_NET);
  return NULL;
}

static const char *give_up(void) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2] = {{0}, {0}};
  const struct rlimit none = {0, 0}, files = {512, 512};
  /* A folder of descriptors' descriptions, which nobody can write to. */
  if (chdir("/proc/self/fdinfo") != 0 || chroot(".") != 0) return "cannot leave the files";
  data[CAP_NET_ADMIN / 32].effective = data[CAP_NET_ADMIN / 32].permitted = 1u << (CAP_NET_ADMIN % 32);
  for (int i = 0; prctl(PR_CAPBSET_READ, i) >= 0; i++) prctl(PR_CAPBSET_DROP, i);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || syscall(SYS_capset, &header, data) != 0)
    return "cannot give up rights";
  setrlimit(RLIMIT_FSIZE, &none);
  setrlimit(RLIMIT_CORE, &none);
  setrlimit(RLIMIT_NPROC, &none);
  setrlimit(RLIMIT_NOFILE, &files);
  return NULL;
}

static const char *listen_at(void) {
  struct sockaddr_in at = {.sin_family = AF_INET}, there;
  socklen_t size = sizeof there;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  /* The number that UDP was given has to be free for TCP, too. */
  for (int tries = 0; tries < 16; tries++) {
    if (door_fd >= 0) close(door_fd);
    door_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (door_fd < 0 || bind(door_fd, (struct sockaddr *)&at, sizeof at) != 0 ||
        getsockname(door_fd, (struct sockaddr *)&there, &size) != 0)
      return "cannot make a socket";
    uv_tcp_init(loop, &stream_door);
    if (uv_tcp_bind(&stream_door, (struct sockaddr *)&there, 0) == 0 &&
        uv_listen((uv_stream_t *)&stream_door, STREAMS_MAX, on_stream) == 0) {
      port = ntohs(there.sin_port);
      uv_poll_init(loop, &door, door_fd);
      return uv_poll_start(&door, UV_READABLE, on_door) == 0 ? NULL : "cannot listen";
    }
    uv_close((uv_handle_t *)&stream_door, NULL);
    uv_run(loop, UV_RUN_NOWAIT);
  }
  return "no port is free";
}

static const char *open_netlink(void) {
  struct sockaddr_nl to = {.nl_family = AF_NETLINK};
  netlink_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  if (netlink_fd >= 0 && connect(netlink_fd, (struct sockaddr *)&to, sizeof to) == 0) return NULL;
  return "cannot talk to nftables";
}

int dl_name_server_main(int argc, char **argv) {
  uv_timer_t sweep;
  uv_poll_t line;
  (void)argc, (void)argv;
  loop = uv_default_loop();
  uv_timer_init(loop, &sweep); /* the loop has its descriptors before files are out of reach */
  const char *failure = enter();
  if (failure == NULL) failure = open_netlink();
  if (failure == NULL) failure = listen_at();
  if (failure == NULL) failure = give_up();
  if (failure != NULL) {
    char said[256];
    int len = snprintf(said, sizeof said, "!%s: %s", failure, strerror(errno));
    ssize_t ignored = send(FD_LINE, said, (size_t)len, MSG_NOSIGNAL);
    (void)ignored;
    return 1;
  }
  uv_timer_start(&sweep, on_sweep, SWEEP_MS, SWEEP_MS);
  uv_poll_init(loop, &line, FD_LINE);
  uv_poll_start(&line, UV_READABLE, on_line);
  return uv_run(loop, UV_RUN_DEFAULT);
}
