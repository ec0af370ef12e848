/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of a box's network, enforced by nftables inside its network namespace. The namespace belongs to a user namespace in
 * which no program of the box has rights, so nobody in the box can change them.
 *
 * Every packet that leaves is compared, whatever connection it belongs to, so a list that becomes shorter also ends
 * connections. Only those that were made to the address of a name go on when the address is forgotten: they carry a mark,
 * which is another one for each new script.
 */
#include "runtime/internal.h"
#include "runtime/rules.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SCRIPT_MAX (64 * 1024)
#define SAID_MAX 1024

/* --- reading --- */

/* Calls `take` for each part between commas, without its blanks; empty ones are left out. */
static char *each_part(const char *list, char *(*take)(dl_rules_t *, const char *part, size_t len),
                       dl_rules_t *rules) {
  for (const char *at = list; at != NULL && *at != '\0';) {
    size_t whole = strcspn(at, ","), len = whole;
    const char *part = at;
    at += whole + (at[whole] == ',');
    for (; len > 0 && isspace((unsigned char)*part); part++) len--;
    while (len > 0 && isspace((unsigned char)part[len - 1])) len--;
    char *failure = len > 0 ? take(rules, part, len) : NULL;
    if (failure != NULL) return failure;
  }
  return NULL;
}

static char *take_cidr(dl_rules_t *rules, const char *part, size_t len) {
  char text[32], *slash;
  struct in_addr address;
  int64_t prefix;
  snprintf(text, sizeof text, "%.*s", (int)(len < sizeof text ? len : sizeof text - 1), part);
  slash = strchr(text, '/');
  if (slash != NULL) *slash = '\0';
  if (slash == NULL || inet_pton(AF_INET, text, &address) != 1 || !dl_parse_int(slash + 1, 0, 32, &prefix))
    return dl_xprintf("'%.*s' is no IPv4 network such as 10.0.0.0/8", (int)len, part);
  if (rules->cidr_count == DL_RULES_PARTS_MAX) return dl_xprintf("more than %d networks", DL_RULES_PARTS_MAX);
  uint32_t mask = prefix == 0 ? 0 : UINT32_MAX << (32 - prefix);
  rules->cidrs[rules->cidr_count++] = (dl_cidr_t){ntohl(address.s_addr) & mask, (unsigned)prefix};
  return NULL;
}

/* What goes into a script or to the resolver: letters, digits, `-`, `_`, and `*.` in front. */
static bool is_name(const char *part, size_t len) {
  if (len > 2 && part[0] == '*' && part[1] == '.') part += 2, len -= 2;
  if (len > 253 || part[0] == '.' || part[len - 1] == '.') return false;
  for (size_t i = 0; i < len; i++) {
    bool is_dot = part[i] == '.';
    if (is_dot && part[i - 1] == '.') return false;
    if (!is_dot && !isalnum((unsigned char)part[i]) && part[i] != '-' && part[i] != '_') return false;
  }
  return true;
}

static char *add_name(char **list, const char *part, size_t len) {
  if (!is_name(part, len))
    return dl_xprintf("'%.*s' is no host name such as example.com or *.example.com", (int)len, part);
  char *all = *list == NULL ? dl_xstrndup(part, len) : dl_xprintf("%s,%.*s", *list, (int)len, part);
  for (char *c = all; *c != '\0'; c++) *c = (char)tolower((unsigned char)*c);
  free(*list);
  *list = all;
  return NULL;
}

static char *take_domain(dl_rules_t *rules, const char *part, size_t len) {
  return add_name(&rules->domains, part, len);
}

static char *take_host(dl_rules_t *rules, const char *part, size_t len) {
  return add_name(&rules->hosts, part, len);
}

dl_rules_t *dl_rules_new(const dl_box_rules_t *from, char **failure) {
  dl_rules_t *rules = dl_xcalloc(1, sizeof *rules);
  rules->refs = 1;
  if (from == NULL) return rules;
  rules->blocks_all = from->blocks_all;
  char *problem = each_part(from->allow_list, take_cidr, rules);
  if (problem == NULL) problem = each_part(from->domain_list, take_domain, rules);
  if (problem == NULL) problem = each_part(from->hosts, take_host, rules);
  if (problem == NULL && from->hosts != NULL && rules->hosts == NULL)
    rules->blocks_all = true; /* no host is left */
  if (problem == NULL) return rules;
  dl_rules_release(rules);
  *failure = problem;
  return NULL;
}

dl_rules_t *dl_rules_retain(dl_rules_t *rules) {
  assert(rules->refs > 0);
  rules->refs++;
  return rules;
}

void dl_rules_release(dl_rules_t *rules) {
  if (rules == NULL || --rules->refs > 0) return;
  free(rules->hosts);
  free(rules->domains);
  free(rules);
}

bool dl_rules_have_names(const dl_rules_t *rules) {
  return !rules->blocks_all && (rules->domains != NULL || rules->hosts != NULL);
}

bool dl_rules_have_lists(const dl_rules_t *rules) {
  return !rules->blocks_all && (rules->cidr_count > 0 || dl_rules_have_names(rules));
}

/* --- writing --- */

static void add(dl_buf_t *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(dl_buf_t *out, const char *format, ...) {
  va_list args;
  va_start(args, format);
  char *text = dl_xvprintf(format, args);
  va_end(args);
  bool fits = dl_buf_append(out, text, strlen(text));
  assert(fits); /* the lists have their limits */
  (void)fits;
  free(text);
}

static void add_cidr(dl_buf_t *out, const dl_cidr_t *cidr) {
  struct in_addr address = {htonl(cidr->address)};
  char text[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, &address, text, sizeof text);
  add(out, "%s/%u", text, cidr->prefix);
}

char *dl_rules_text(const dl_rules_t *rules) {
  dl_buf_t out;
  if (rules->blocks_all) return dl_xstrdup("blocked");
  if (!dl_rules_have_lists(rules)) return dl_xstrdup("none");
  dl_buf_init(&out, SCRIPT_MAX);
  add(&out, "nftables: only");
  for (size_t i = 0; i < rules->cidr_count; i++) {
    add(&out, i == 0 ? " " : ", ");
    add_cidr(&out, &rules->cidrs[i]);
  }
  if (rules->domains != NULL) add(&out, "%s %s", rules->cidr_count > 0 ? " and" : "", rules->domains);
  if (rules->hosts != NULL)
    add(&out, "%s hosts of a secret: %s", rules->cidr_count > 0 || rules->domains != NULL ? ";" : "",
        rules->hosts);
  char *text = dl_xstrdup(out.data);
  dl_buf_clear(&out);
  return text;
}

#define IN_TABLE "inet " DL_RULES_TABLE " "

static void add_networks(dl_buf_t *out, const dl_rules_t *rules) {
  for (size_t i = 0; i < rules->cidr_count; i++) {
    const dl_cidr_t *cidr = &rules->cidrs[i];
    if (cidr->prefix == 0) {
      add(out, "add rule " IN_TABLE
               "out meta nfproto ipv4 accept\n"
               "add rule " IN_TABLE "in meta nfproto ipv4 accept\n");
      continue;
    }
    add(out, "add rule " IN_TABLE "out ip daddr ");
    add_cidr(out, cidr);
    add(out, " accept\nadd rule " IN_TABLE "in ip saddr ");
    add_cidr(out, cidr);
    add(out, " accept\n");
  }
}

/* Every question goes to the resolver, whomever it was sent to; its own go to the one of slirp4netns. */
static void add_names(dl_buf_t *out, const dl_rules_script_t *how) {
  add(out,
      "add rule " IN_TABLE
      "dns meta mark %d return\n"
      "add rule " IN_TABLE
      "dns ip daddr 127.0.0.0/8 return\n"
      "add rule " IN_TABLE
      "dns meta nfproto ipv4 udp dport 53 dnat ip to 127.0.0.1:%u\n"
      "add rule " IN_TABLE "dns meta nfproto ipv4 tcp dport 53 dnat ip to 127.0.0.1:%u\n",
      DL_RULES_NAMES_MARK, how->port, how->port);
  static const char *const protocols[] = {"udp", "tcp"};
  for (size_t i = 0; i < DL_COUNT(protocols); i++)
    add(out,
        "add rule " IN_TABLE "out meta mark %d ip daddr " DL_SLIRP_RESOLVER
        " %s dport 53 accept\n"
        "add rule " IN_TABLE "in ip saddr " DL_SLIRP_RESOLVER " %s sport 53 accept\n",
        DL_RULES_NAMES_MARK, protocols[i], protocols[i]);
  add(out,
      "add rule " IN_TABLE "out ip daddr @" DL_RULES_SET
      " ct mark set %u accept\n"
      "add rule " IN_TABLE
      "out ct mark %u accept\n"
      "add rule " IN_TABLE "in ct mark %u accept\n",
      how->mark, how->mark, how->mark);
}

char *dl_rules_script(const dl_rules_t *rules, const dl_rules_script_t *how) {
  dl_buf_t out;
  bool has_names = dl_rules_have_names(rules);
  assert(!has_names || how->port != 0);
  dl_buf_init(&out, SCRIPT_MAX);
  add(&out, "add table inet " DL_RULES_TABLE "\n");
  if (!how->keeps_names) add(&out, "delete table inet " DL_RULES_TABLE "\n");
  if (dl_rules_have_lists(rules)) {
    add(&out, "add table inet " DL_RULES_TABLE
              "\n"
              "add chain " IN_TABLE
              "out { type filter hook output priority 0; policy drop; }\n"
              "add chain " IN_TABLE
              "in { type filter hook input priority 0; policy drop; }\n"
              "flush chain " IN_TABLE
              "out\n"
              "flush chain " IN_TABLE
              "in\n"
              "add chain " IN_TABLE
              "post { type filter hook postrouting priority 0; }\n"
              "flush chain " IN_TABLE
              "post\n"
              /* Here the device is the real one: none but the loopback has its addresses. */
              "add rule " IN_TABLE
              "post oifname != \"lo\" ip daddr 127.0.0.0/8 drop\n"
              "add rule " IN_TABLE
              "out oifname \"lo\" accept\n"
              /* A question on its way to the resolver still has the device that it was meant for. */
              "add rule " IN_TABLE
              "out ip daddr 127.0.0.0/8 accept\n"
              "add rule " IN_TABLE "in iifname \"lo\" accept\n");
    if (rules->hosts == NULL)
      add(&out, "add rule " IN_TABLE "out oifname \"" DL_LINK_PREFIX
                "*\" accept\n"
                "add rule " IN_TABLE "in iifname \"" DL_LINK_PREFIX "*\" accept\n");
    if (has_names)
      add(&out,
          "add set " IN_TABLE DL_RULES_SET
          " { type ipv4_addr; size %d; }\n"
          "add chain " IN_TABLE
          "dns { type nat hook output priority -100; }\n"
          "flush chain " IN_TABLE "dns\n",
          DL_RULES_SET_SIZE);
    /* With hosts a network is not enough: the resolver knows both. */
    if (rules->hosts == NULL) add_networks(&out, rules);
    if (has_names) add_names(&out, how);
    add(&out, "add rule " IN_TABLE
              "out meta l4proto tcp reject with tcp reset\n"
              "add rule " IN_TABLE "out reject with icmpx admin-prohibited\n");
  }
  char *text = dl_xstrdup(out.data);
  dl_buf_clear(&out);
  return text;
}

/* --- running nft --- */

/* In a child of a process with threads: only system calls. */
_Noreturn static void child_failed(const char *step) {
  const char *reason = strerrordesc_np(errno);
  ssize_t ignored = write(2, step, strlen(step));
  ignored = write(2, ": ", 2);
  ignored =
    write(2, reason != NULL ? reason : "unknown error", strlen(reason != NULL ? reason : "unknown error"));
  (void)ignored;
  _exit(127);
}

/* Who is not root in the user namespace loses his rights when a program is run, unless they are ambient. */
static bool keep_right(void) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2];
  if (syscall(SYS_capget, &header, data) != 0) return false;
  data[CAP_NET_ADMIN / 32].inheritable |= 1u << (CAP_NET_ADMIN % 32);
  return syscall(SYS_capset, &header, data) == 0 &&
         prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_ADMIN, 0, 0) == 0;
}

static void enter(int net_fd, int user_fd) {
  /* Root has all rights in the namespaces of others, and stays who it is. */
  if (geteuid() != 0 && setns(user_fd, CLONE_NEWUSER) != 0) child_failed("cannot enter the user namespace");
  if (setns(net_fd, CLONE_NEWNET) != 0) child_failed("cannot enter the network namespace");
}

static void enter_new(void) {
  if (unshare((geteuid() != 0 ? CLONE_NEWUSER : 0) | CLONE_NEWNET) != 0)
    child_failed("cannot make a network namespace");
}

_Noreturn static void child(const char *nft, int script_fd, int said_fd, int net_fd, int user_fd) {
  bool is_root = geteuid() == 0;
  char *argv[] = {(char *)"nft", (char *)"-f", (char *)"-", NULL};
  char *envp[] = {(char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", (char *)"LC_ALL=C", NULL};
  sigset_t none;
  if (dup2(script_fd, 0) < 0 || dup2(said_fd, 1) < 0 || dup2(said_fd, 2) < 0) _exit(127);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (int i = 1; i < NSIG; i++) signal(i, SIG_DFL);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  if (net_fd >= 0)
    enter(net_fd, user_fd);
  else
    enter_new();
  if (!is_root && !keep_right()) child_failed("cannot keep the right to change the network");
  syscall(SYS_close_range, 3U, ~0U, 0U);
  execve(nft, argv, envp);
  child_failed("cannot run nft");
}

static pid_t start_nft(const char *nft, int script_fd, int said_fd, int net_fd, int user_fd) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before); /* no handler of the server may run in the child */
  pid_t pid = fork();
  if (pid == 0) child(nft, script_fd, said_fd, net_fd, user_fd);
  int failure = errno;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  errno = failure;
  return pid;
}

/* What it has said, its first line; and its end. */
static int wait_for(pid_t pid, int fd, char said[SAID_MAX]) {
  size_t len = 0;
  char rest[256];
  int status = 0;
  for (ssize_t got; (got = read(fd, len < SAID_MAX - 1 ? said + len : rest,
                                len < SAID_MAX - 1 ? SAID_MAX - 1 - len : sizeof rest)) != 0;) {
    if (got < 0 && errno != EINTR) break;
    if (got > 0 && len < SAID_MAX - 1) len += (size_t)got;
  }
  said[len] = '\0';
  said[strcspn(said, "\n")] = '\0';
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  return status;
}

static char *run(const char *nft, int net_fd, int user_fd, const char *script) {
  int said[2] = {-1, -1}, script_fd = dl_memory_file("rules", script, strlen(script));
  char text[SAID_MAX] = "", *failure = NULL;
  int status = 0;
  pid_t pid = -1;
  if (script_fd >= 0 && pipe2(said, O_CLOEXEC) == 0)
    pid = start_nft(nft, script_fd, said[1], net_fd, user_fd);
  if (pid < 0) failure = dl_xprintf("cannot start nft: %s", strerror(errno));
  if (said[1] >= 0) close(said[1]);
  if (script_fd >= 0) close(script_fd);
  if (pid > 0) status = wait_for(pid, said[0], text);
  if (said[0] >= 0) close(said[0]);
  if (failure != NULL || status == 0) return failure;
  return dl_xprintf("nftables refuses the rules: %s", *text != '\0' ? text : "nft has failed");
}

char *dl_rules_run(const char *nft, int net_fd, int user_fd, const char *script) {
  assert(net_fd >= 0 && user_fd >= 0);
  return run(nft, net_fd, user_fd, script);
}

char *dl_rules_try(const char *nft, const char *script) { return run(nft, -1, -1, script); }
