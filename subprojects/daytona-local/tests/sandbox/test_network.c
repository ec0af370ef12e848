/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What boxes reach: lists, blocks, and their change while a box runs. The outside is test_net.h.
 */
#include "boxes.h"
#include "test_net.h"

#include "base/base.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ONE "10.77.1.1"
#define TWO "10.77.2.1"

static world_t w;
static const char *cannot; /* why there is no test network */

static void open_with(dl_runtime_opts_t opts) {
  static const dl_box_rules_t list = {.domain_list = "a.b"};
  const char *why = cannot != NULL ? cannot : world_open(&w, opts);
  if (why == NULL && opts.network == DL_NETWORK_DEFAULT) {
    why = dl_runtime_links_missing(w.rt);
    if (why == NULL) why = dl_runtime_rules_missing(w.rt, &list);
    if (why != NULL) print_message("%s\n", why);
    if (why != NULL) world_close(&w);
    if (why != NULL) why = "the machine lacks something of a sandbox's network";
  }
  if (why == NULL) return;
  print_message("skipped: %s\n", why);
  skip();
}
#define OPEN(...) open_with((dl_runtime_opts_t){.isolation = DL_ISOLATION_BWRAP, __VA_ARGS__})

/* --- what a box says --- */

static bool says(dl_box_t *box, const char *command, const char *text) {
  outcome_t o = box_run(&w, box, command);
  bool is_equal = o.exit_code == 0 && strcmp(o.text, text) == 0;
  free(o.text);
  return is_equal;
}

static bool has_tcp(dl_box_t *box, const char *host) {
  char *command =
    dl_xprintf("timeout 3 bash -c 'head -c 9 < /dev/tcp/%s/7001' 2>/dev/null | head -c 6", host);
  bool is_there = says(box, command, "10.77.");
  free(command);
  return is_there;
}

static bool has_udp(dl_box_t *box, const char *host) {
  char *command =
    dl_xprintf("timeout 1 bash -c 'exec 3<>/dev/udp/%s/7001; echo x >&3; head -c 6 <&3' 2>/dev/null", host);
  bool is_there = says(box, command, "10.77.");
  free(command);
  return is_there;
}

static bool has_both(dl_box_t *box, const char *host) {
  bool tcp = has_tcp(box, host), udp = has_udp(box, host);
  assert_int_equal(tcp, udp);
  return tcp;
}

#define REACHES(box, host) assert_true(has_both(box, host))
#define MISSES(box, host) assert_false(has_both(box, host))
#define RULES(box, expected) assert_string_equal(dl_box_get_info(box).rules, expected)

/* --- making and changing --- */

static dl_box_t *up_with(const char *id, dl_box_rules_t rules) {
  dl_box_spec_t spec = box_spec(&w, id);
  spec.rules = rules;
  return box_start(&w, &spec, NULL);
}
#define UP(id, ...) up_with(id, (dl_box_rules_t){__VA_ARGS__})

typedef struct {
  bool is_done;
  char error[512];
} change_t;

static void on_changed(void *user, const char *error) {
  change_t *c = user;
  c->is_done = true;
  snprintf(c->error, sizeof c->error, "%s", error != NULL ? error : "");
}

static void on_started(void *user, dl_box_t *box, const char *error) {
  (void)box;
  on_changed(user, error);
}

static void set_with(dl_box_t *box, dl_box_rules_t rules) {
  change_t c = {0};
  char *failure = dl_box_set_rules(box, &rules, on_changed, &c);
  if (failure != NULL) fail_msg("%s", failure);
  assert_false(c.is_done); /* never inside the call */
  while (!c.is_done) uv_run(&w.loop, UV_RUN_ONCE);
  if (*c.error != '\0') fail_msg("%s", c.error);
}
#define SET(box, ...) set_with(box, (dl_box_rules_t){__VA_ARGS__})

/* A child of ours with this word as its second. */
static pid_t find_process(const char *word) {
  char command[128], line[32] = "";
  snprintf(command, sizeof command, "pgrep -P %ld -f ' %s$'", (long)getpid(), word);
  FILE *f = popen(command, "r");
  if (fgets(line, sizeof line, f) == NULL) line[0] = '\0';
  pclose(f);
  return (pid_t)atoi(line);
}

/* --- tests --- */

static void without_rules_all_is_open(void **state) {
  (void)state;
  OPEN();
  dl_box_t *box = UP("open", .allow_list = "");
  RULES(box, "none");
  REACHES(box, ONE);
  REACHES(box, TWO);
  world_close(&w);
}

static void a_list_is_all_that_is_reached(void **state) {
  (void)state;
  OPEN();
  dl_box_t *box = UP("list", .allow_list = " 10.77.1.1/24 ,, 192.0.2.7/32");
  RULES(box, "nftables: only 10.77.1.0/24, 192.0.2.7/32");
  REACHES(box, ONE);
  MISSES(box, TWO);
  MISSES(box, "10.77.1.1.nip.test"); /* nor does the resolver answer, which is an address like others */
  box_expect(&w, box, "bash -c 'cat < /dev/null > /dev/tcp/127.0.0.1/1' 2>&1 | grep -q refused", "");
  /* A refusal is quick. */
  box_expect(&w, box, "bash -c 'cat < /dev/tcp/10.77.2.1/7001' 2>&1 | grep -q refused", "");
  world_close(&w);
}

static void overlapping_networks_and_all_of_them(void **state) {
  (void)state;
  OPEN();
  dl_box_t *box = UP("overlap", .allow_list = "10.77.0.0/16,10.77.1.0/24,10.77.1.1/32,10.0.0.0/8");
  REACHES(box, TWO);
  SET(box, .allow_list = "0.0.0.0/0");
  REACHES(box, ONE);
  world_close(&w);
}

/* Gives a box an IPv6 address and a route, as slirp4netns could. False where that cannot be done. */
static bool give_ipv6(void) {
  return geteuid() == 0 &&
         system(
           "box=$(pgrep -P $(pgrep -P $PPID -x bwrap | head -1) | head -1) && nsenter -t $box -n sh -c '"
           "echo 0 > /proc/sys/net/ipv6/conf/tap0/accept_dad && /bin/busybox ip -6 addr add fd77::2/64 dev "
           "tap0'") == 0;
}

static void lists_leave_no_ipv6(void **state) {
  (void)state;
  static const char send[] =
    "python3 -c 'import socket, errno; s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n"
    "try: s.sendto(b\"x\", (\"fd77::1\", 7001)); print(\"sent\")\nexcept OSError as e: "
    "print(errno.errorcode[e.errno])'";
  static const char own[] =
    "python3 -c 'import socket; a = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); a.bind((\"::1\", 0)); "
    "a.sendto(b\"x\", a.getsockname()); print(a.recv(1))'";
  OPEN();
  dl_box_t *box = UP("six", .allow_list = NULL);
  REACHES(box, ONE); /* its network is there */
  bool has_route = give_ipv6();
  if (has_route) box_expect(&w, box, send, "sent\n");
  SET(box, .allow_list = "0.0.0.0/0");
  if (has_route) box_expect(&w, box, send, "EPERM\n");
  assert_false(says(box, send, "sent\n"));
  if (access("/proc/net/if_inet6", F_OK) == 0) box_expect(&w, box, own, "b'x'\n");
  SET(box, .domain_list = "one.test");
  assert_false(says(box, send, "sent\n"));
  SET(box, .blocks_all = true);
  assert_false(says(box, send, "sent\n"));
  print_message("# IPv6: %s\n", has_route ? "with a route" : "without a route");
  world_close(&w);
}

static void rules_change_while_it_runs(void **state) {
  (void)state;
  OPEN();
  dl_box_t *box = UP("change", .allow_list = NULL);
  REACHES(box, TWO);
  SET(box, .allow_list = "10.77.1.0/24");
  MISSES(box, TWO);
  REACHES(box, ONE);
  SET(box, .allow_list = "10.77.2.0/24");
  MISSES(box, ONE);
  REACHES(box, TWO);
  SET(box, .blocks_all = true, .allow_list = "10.77.2.0/24");
  assert_string_equal(dl_box_get_info(box).network, "none");
  RULES(box, "blocked");
  MISSES(box, TWO);
  box_expect(&w, box, "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '", "lo\n");
  SET(box, .allow_list = "10.77.2.0/24");
  REACHES(box, TWO);
  MISSES(box, ONE);
  SET(box, .allow_list = "");
  RULES(box, "none");
  assert_string_equal(dl_box_get_info(box).network, "private");
  REACHES(box, ONE);
  world_close(&w);
}

static void a_blocked_box_can_be_opened(void **state) {
  (void)state;
  OPEN();
  dl_box_t *box = UP("closed", .blocks_all = true);
  MISSES(box, ONE);
  RULES(box, "blocked");
  SET(box, .blocks_all = false);
  REACHES(box, ONE);
  world_close(&w);
}

/* A program in the box that asks over one connection whenever /tmp/ask is there. */
static const char KEEPER[] =
  "cat > /tmp/keeper.py <<'E'\n"
  "import os, socket, time\n"
  "s = socket.create_connection(('10.77.2.1', 7001)); s.recv(9); s.settimeout(1)\n"
  "open('/tmp/up', 'w').close()\n"
  "while True:\n"
  "  while not os.path.exists('/tmp/ask'): time.sleep(0.01)\n"
  "  try:\n    s.send(b'?'); said = s.recv(1).decode() or 'end'\n"
  "  except OSError: said = 'cut'\n"
  "  with open('/tmp/said.new', 'w') as f: f.write(said)\n"
  "  os.unlink('/tmp/ask'); os.rename('/tmp/said.new', '/tmp/said')\n"
  "E\n"
  "(setsid python3 /tmp/keeper.py >/dev/null 2>&1 &); until [ -e /tmp/up ]; do sleep 0.02; done";
static const char ASK[] =
  "touch /tmp/ask; until [ -e /tmp/said ]; do sleep 0.02; done; cat /tmp/said; rm /tmp/said";

static void a_connection_ends_with_its_permission(void **state) {
  (void)state;
  OPEN();
  dl_box_t *box = UP("keep", .allow_list = "10.77.0.0/16");
  box_expect(&w, box, KEEPER, "");
  box_expect(&w, box, ASK, "!");
  SET(box, .allow_list = "10.77.2.0/24");
  box_expect(&w, box, ASK, "!");
  SET(box, .allow_list = "10.77.1.0/24");
  box_expect(&w, box, ASK, "cut");
  world_close(&w);
}

static void nobody_in_a_box_changes_rules(void **state) {
  (void)state;
  OPEN();
  dl_box_t *box = UP("flush", .allow_list = "10.77.1.0/24");
  box_refuses(&w, box, "PATH=$PATH:/usr/sbin nft flush ruleset");
  box_refuses(&w, box, "PATH=$PATH:/usr/sbin nft list ruleset");
  box_refuses(&w, box, "unshare -Ur true");
  box_refuses(&w, box, "python3 -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)'");
  /* SO_MARK, with which the resolver's own packets are let through. */
  box_refuses(&w, box, "python3 -c 'import socket; socket.socket().setsockopt(socket.SOL_SOCKET, 36, 100)'");
  MISSES(box, TWO);
  world_close(&w);
}

/* A folder with busybox and nft, for the root of a box. False where there is no nft to copy. */
static bool make_nft_image(const char *dir, const dl_box_ids_t *ids) {
  char *command = dl_xprintf(
    "PATH=$PATH:/usr/sbin; nft=$(command -v nft) && [ -x /bin/busybox ] && mkdir -p '%s/bin' '%s/etc' && cd "
    "'%s' &&"
    "cp /bin/busybox bin && ln -s busybox bin/sh && for a in nc cat head timeout grep id; do ln -s busybox "
    "bin/$a; done &&"
    "for f in $nft $(ldd $nft | grep -o '/[^ )]*'); do mkdir -p .${f%%/*} && cp -L $f .$f || exit 1; done &&"
    "printf 'root:x:0:0:root:/:/bin/sh\\n' > etc/passwd && { [ $(id -u) != 0 ] || chown -hR %u:%u .; }",
    dir, dir, dir, (unsigned)ids->zero_uid, (unsigned)ids->zero_gid);
  bool ok = system(command) == 0;
  free(command);
  return ok;
}

static void root_of_an_image_changes_no_rules(void **state) {
  (void)state;
  OPEN();
  char *dir = dl_xprintf("%s/nft-image", w.dir);
  const char *layers[] = {dir, NULL};
  unsigned uid = geteuid() == 0 ? 300000 : geteuid();
  dl_box_image_t image = {.layers = layers, .ids = {uid, uid + 1, uid, uid + 1, geteuid() == 0 ? 65536 : 1}};
  if (!make_nft_image(dir, &image.ids)) fail_msg("there is no nft to be tried");
  dl_box_spec_t spec = box_spec(&w, "image");
  spec.image = &image;
  spec.rules = (dl_box_rules_t){.allow_list = "10.77.1.0/24"};
  dl_box_t *box = box_start(&w, &spec, NULL);
  box_expect(&w, box, "id -u", "0\n");
  box_expect(&w, box, "/usr/sbin/nft --version | head -c 8", "nftables");
  static const char *const tries[] = {"flush ruleset", "list ruleset", "delete table inet daytona",
                                      "add table inet mine", "add rule inet daytona out accept"};
  for (size_t i = 0; i < DL_COUNT(tries); i++) {
    char *command = dl_xprintf("/usr/sbin/nft %s 2>&1", tries[i]);
    outcome_t o = box_run(&w, box, command);
    if (o.exit_code == 0 || strstr(o.text, "not permitted") == NULL)
      fail_msg("%s: %ld %s", command, o.exit_code, o.text);
    free(o.text);
    free(command);
  }
  static const char tcp[] = "timeout 2 nc " ONE " 7001 < /dev/null | head -c 9",
                    other[] = "timeout 2 nc " TWO " 7001 < /dev/null 2>&1 | head -c 9";
  box_expect(&w, box, tcp, ONE);
  assert_false(says(box, other, TWO));
  SET(box, .allow_list = "10.77.2.0/24");
  box_expect(&w, box, other, TWO);
  world_close(&w);
  free(dir);
}

/* --- names --- */

static void only_listed_names_are_reached(void **state) {
  (void)state;
  OPEN();
  dl_box_t *box = UP("names", .domain_list = "One.test, *.wild.test,alias.test,home.test,router.test");
  RULES(box, "nftables: only one.test,*.wild.test,alias.test,home.test,router.test");
  MISSES(box, ONE); /* nobody has asked for its name yet */
  REACHES(box, "one.test");
  REACHES(box, ONE);
  MISSES(box, TWO);
  MISSES(box, "two.test");
  REACHES(box, "alias.test"); /* which is another name of two.test */
  REACHES(box, "DEEP.below.wild.test");
  MISSES(box, "wild.test");
  MISSES(box, "nothing.wild.test");
  /* They lead to this machine itself. */
  MISSES(box, "home.test");
  MISSES(box, "router.test");
  test_net_asked("two.test");
  box_refuses(&w, box, "getent hosts two.test");
  assert_int_equal(test_net_asked("two.test"), 0); /* nor does the question leave */
  world_close(&w);
}

/* ASK(TYPE, NAME[, HOST]): the code of the answer and the number of its records. */
static const char DNS[] =
  "cat > /tmp/ask.py <<'E'\n"
  "import socket, struct, sys\n"
  "kind, name, host, way = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]\n"
  "q = struct.pack('>6H', 7, 0x100, 1, 0, 0, 0) + b''.join(bytes([len(p)]) + p.encode() for p in "
  "name.split('.')) + struct.pack('>BHH', 0, kind, 1)\n"
  "s = socket.socket(socket.AF_INET, socket.SOCK_STREAM if way == 'tcp' else socket.SOCK_DGRAM); "
  "s.settimeout(4)\n"
  "s.connect((host, 53))\n"
  "s.sendall(struct.pack('>H', len(q)) + q if way == 'tcp' else q)\n"
  "a = s.recv(4096)\n"
  "if way == 'tcp':\n  while len(a) < 2 or len(a) < 2 + struct.unpack('>H', a[:2])[0]:\n"
  "    more = s.recv(4096)\n    if not more: sys.exit('cut')\n    a += more\n  a = a[2:]\n"
  "i, f, _, n = struct.unpack('>4H', a[:8])\n"
  "print(i, f & 15, n, 'cut' if f & 0x200 else 'whole')\n"
  "E";

static void every_question_goes_to_the_resolver(void **state) {
  (void)state;
  OPEN();
  dl_box_t *box = UP("dns", .domain_list = "one.test,long.test");
  box_expect(&w, box, DNS, "");
  static const char *const hosts[] = {"10.0.2.3", "10.77.1.53", "192.0.2.1"};
  for (size_t i = 0; i < 2 * DL_COUNT(hosts); i++) {
    char *command = dl_xprintf(
      "cd /tmp; for n in 1:one.test 1:two.test 28:one.test 65:one.test 255:one.test 16:one.test; do "
      "python3 ask.py ${n%%%%:*} ${n#*:} %s %s; done",
      hosts[i / 2], i % 2 ? "tcp" : "udp");
    box_expect(&w, box, command,
               "7 0 2 whole\n7 3 0 whole\n7 0 0 whole\n7 0 0 whole\n7 0 0 whole\n7 0 0 whole\n");
    free(command);
  }
  box_expect(&w, box, "python3 /tmp/ask.py 1 long.test 10.0.2.3 udp", "7 0 0 cut\n");
  MISSES(box, TWO);
  box_expect(&w, box, "python3 /tmp/ask.py 1 long.test 10.0.2.3 tcp", "7 0 2 whole\n");
  REACHES(box, ONE);
  /* What is no question gets no answer, and does no harm. */
  box_expect(&w, box,
             "python3 -c 'import os, socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
             "s.connect((\"10.0.2.3\", 53))\n"
             "for i in range(2000): s.send(os.urandom(i % 600))'",
             "");
  box_expect(&w, box, "python3 /tmp/ask.py 1 one.test 10.0.2.3 udp", "7 0 2 whole\n");
  world_close(&w);
}

static void names_change_while_it_runs(void **state) {
  (void)state;
  OPEN();
  dl_box_t *box = UP("rename", .allow_list = "10.77.1.0/24");
  MISSES(box, "one.test");
  SET(box, .domain_list = "two.test");
  box_expect(&w, box, "getent ahostsv4 two.test | head -c 9", TWO);
  box_expect(&w, box, KEEPER, "");
  MISSES(box, ONE);
  /* It is still allowed, and what it had goes on. */
  SET(box, .domain_list = "one.test,two.test");
  box_expect(&w, box, ASK, "!");
  REACHES(box, TWO);
  REACHES(box, "one.test");
  SET(box, .domain_list = "one.test");
  box_expect(&w, box, ASK, "cut");
  MISSES(box, TWO);
  REACHES(box, ONE);
  /* Both lists: what one of them allows. */
  SET(box, .domain_list = "two.test", .allow_list = "10.77.1.0/24");
  REACHES(box, ONE);
  MISSES(box, "one.test");
  REACHES(box, "two.test");
  SET(box, .blocks_all = true, .domain_list = "two.test");
  MISSES(box, "two.test");
  SET(box, .domain_list = NULL);
  REACHES(box, "one.test");
  REACHES(box, TWO);
  world_close(&w);
}

static void hosts_narrow_what_the_lists_allow(void **state) {
  (void)state;
  static const char one[] = "one.test,*.wild.test";
  OPEN();
  dl_box_t *box = UP("hosts", .hosts = one);
  RULES(box, "nftables: only hosts of a secret: one.test,*.wild.test");
  MISSES(box, "two.test");
  REACHES(box, "one.test");
  MISSES(box, TWO);
  SET(box, .hosts = "two.test");
  MISSES(box, "one.test");
  REACHES(box, "two.test");
  /* A network is not enough, nor is a name. */
  SET(box, .hosts = one, .allow_list = "10.77.2.0/24");
  MISSES(box, TWO);
  MISSES(box, "one.test");
  SET(box, .hosts = one, .allow_list = "10.77.1.0/24");
  REACHES(box, "one.test");
  SET(box, .hosts = one, .domain_list = "two.test");
  MISSES(box, "one.test");
  MISSES(box, "two.test");
  world_close(&w);
}

/* Nothing but the right to change the box's network, and no files. */
static void has_given_up_its_rights(pid_t pid) {
  char path[64], line[128], root[64] = "";
  bool has_right = false;
  snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
  FILE *f = fopen(path, "re");
  assert_non_null(f);
  while (fgets(line, sizeof line, f) != NULL) {
    if (strncmp(line, "Uid:", 4) == 0) assert_int_not_equal(atoi(line + 4), 0);
    if (strncmp(line, "CapPrm:", 7) == 0) has_right = strtoull(line + 7, NULL, 16) == 1ull << 12;
    if (strncmp(line, "CapBnd:", 7) == 0) assert_true(strtoull(line + 7, NULL, 16) == 0);
    if (strncmp(line, "NoNewPrivs:", 11) == 0) assert_int_equal(atoi(line + 11), 1);
  }
  fclose(f);
  assert_true(has_right);
  snprintf(path, sizeof path, "/proc/%ld/root", (long)pid);
  if (geteuid() == 0)
    assert_true(readlink(path, root, sizeof root - 1) > 1 && strstr(root, "fdinfo") != NULL);
}

static void a_dead_resolver_is_replaced(void **state) {
  (void)state;
  OPEN();
  dl_box_t *box = UP("again", .domain_list = "one.test,two.test");
  REACHES(box, "one.test");
  pid_t before = find_process("name-server");
  assert_true(before > 0);
  has_given_up_its_rights(before);
  assert_int_equal(kill(before, SIGKILL), 0);
  while (kill(before, 0) == 0 || find_process("name-server") <= 0) uv_run(&w.loop, UV_RUN_NOWAIT);
  box_expect(&w, box,
             "for i in $(seq 50); do getent ahostsv4 two.test >/dev/null && break; sleep 0.1; done; echo $?",
             "0\n");
  REACHES(box, TWO);
  /* What the first one knew is forgotten with it. */
  SET(box, .domain_list = "two.test");
  MISSES(box, ONE);
  REACHES(box, "two.test");
  world_close(&w);
  assert_true(find_process("name-server") <= 0);
}

/* --- links --- */

#define ADDRESS_A 0xc6120001u /* 198.18.0.1 */
#define ADDRESS_B 0xc6120002u
#define ADDRESS_C 0xc6120003u

/* Serves the name of its box on port 9000, TCP. */
static void serve_name(dl_box_t *box) {
  box_expect(
    &w, box,
    "cat > /tmp/serve.py <<'E'\n"
    "import socket\n"
    "s = socket.create_server(('0.0.0.0', 9000)); open('/tmp/serves', 'w').close()\n"
    "while True:\n  c, _ = s.accept(); c.sendall(socket.gethostname().encode()); c.close()\n"
    "E\n"
    "(setsid python3 /tmp/serve.py >/dev/null 2>&1 &); until [ -e /tmp/serves ]; do sleep 0.02; done",
    "");
}

static bool finds(dl_box_t *box, const char *host, const char *name) {
  char *command = dl_xprintf("timeout 2 bash -c 'cat < /dev/tcp/%s/9000' 2>/dev/null", host);
  bool is_there = says(box, command, name);
  free(command);
  return is_there;
}

/* A link of boxes that are up already comes by itself. */
static bool finds_soon(dl_box_t *box, const char *host, const char *name) {
  for (int tries = 0; tries < 50; tries++) {
    if (finds(box, host, name)) return true;
    for (int turns = 0; turns < 10; turns++) {
      uv_run(&w.loop, UV_RUN_NOWAIT);
      usleep(10000);
    }
  }
  return false;
}

static void linked_boxes_reach_each_other(void **state) {
  (void)state;
  OPEN();
  dl_box_t *a = UP("owner", .blocks_all = false), *c = UP("stranger", .blocks_all = false);
  serve_name(a);
  dl_box_spec_t spec = box_spec(&w, "follower");
  spec.rules = (dl_box_rules_t){.allow_list = "10.77.1.0/24"};
  spec.hosts = "198.18.0.1\towner\n";
  dl_box_t *b = box_start(&w, &spec, NULL);
  dl_box_link(a, ADDRESS_A, b, ADDRESS_B);
  serve_name(b);
  assert_true(finds_soon(b, "owner", "owner"));
  assert_true(finds(a, "198.18.0.2", "follower"));
  assert_false(finds(c, "198.18.0.1", "owner"));
  /* And the rest is as it was. */
  MISSES(b, TWO);
  REACHES(b, ONE);
  REACHES(a, TWO);
  /* What does not fit into a packet. */
  box_expect(
    &w, a,
    "head -c 3000000 /dev/zero > /tmp/big; cd /tmp; (setsid python3 -m http.server 9001 >/dev/null 2>&1 &)",
    "");
  box_expect(&w, b,
             "for i in $(seq 100); do python3 -c 'import urllib.request; "
             "print(len(urllib.request.urlopen(\"http://owner:9001/big\").read()))' "
             "2>/dev/null && break; sleep 0.1; done",
             "3000000\n");
  world_close(&w);
}

static void a_link_ends_with_what_allowed_it(void **state) {
  (void)state;
  OPEN();
  dl_box_t *a = UP("a", .blocks_all = false), *b = UP("b", .blocks_all = true);
  dl_box_link(a, ADDRESS_A, b, ADDRESS_B);
  serve_name(a);
  assert_false(finds(b, "198.18.0.1", "a"));
  SET(b, .blocks_all = false);
  assert_true(finds(b, "198.18.0.1", "a"));
  SET(a, .blocks_all = true);
  assert_false(finds(b, "198.18.0.1", "a"));
  SET(a, .domain_list = "one.test");
  assert_true(finds(b, "198.18.0.1", "a"));
  SET(b, .hosts = "one.test");
  assert_false(finds(b, "198.18.0.1", "a"));
  SET(b, .allow_list = NULL);
  assert_true(finds(b, "198.18.0.1", "a"));
  pid_t helper = find_process("[l]ink link1 .*");
  assert_true(helper > 0);
  box_stop(&w, a, true);
  assert_false(finds(b, "198.18.0.1", "a"));
  assert_true(find_process("[l]ink link1 .*") <= 0);
  /* The owner again, and two others. */
  a = UP("a", .blocks_all = false);
  dl_box_t *c = UP("c", .blocks_all = false);
  dl_box_link(a, ADDRESS_A, b, ADDRESS_B);
  dl_box_link(a, ADDRESS_A, c, ADDRESS_C);
  serve_name(a);
  assert_true(finds_soon(b, "198.18.0.1", "a"));
  assert_true(finds_soon(c, "198.18.0.1", "a"));
  serve_name(c);
  assert_true(finds(a, "198.18.0.3", "c"));
  assert_false(finds(b, "198.18.0.3", "c"));
  world_close(&w); /* with all of them */
}

/* Links are there before a program of a box that starts is, so nobody has to wait for them. */
static void links_of_boxes_that_start_and_end(void **state) {
  (void)state;
  OPEN();
  dl_box_t *a = UP("a", .blocks_all = false);
  serve_name(a);
  for (int round = 0; round < 6; round++) {
    change_t started = {0};
    dl_box_spec_t spec = box_spec(&w, "b");
    spec.rules.blocks_all = false;
    dl_box_t *b = dl_box_start(w.rt, &spec, on_started, &started);
    dl_box_link(a, ADDRESS_A, b, ADDRESS_B);
    if (round % 3 == 0) {
      while (!started.is_done) uv_run(&w.loop, UV_RUN_ONCE);
      assert_true(finds(b, "198.18.0.1", "a"));
    }
    for (int turns = 0; round % 3 == 1 && turns < 4 * round; turns++) {
      uv_run(&w.loop, UV_RUN_NOWAIT);
      usleep(3000);
    }
    box_stop(&w, b, round % 2);
  }
  assert_true(find_process("[l]ink link.*") <= 0);
  world_close(&w);
}

static void bad_rules_change_nothing(void **state) {
  (void)state;
  static const char *const lists[] = {"10.77.2.1",
                                      "10.77.2.0/33",
                                      "x/8",
                                      "10.77.2.0/-1",
                                      "10.0.0.0/8 }; flush ruleset",
                                      ("1.0.0.0/8,1.0.0.0/8,1.0.0.0/8,1.0.0.0/8,1.0.0.0/8,"
                                       "1.0.0.0/8,1.0.0.0/8,1.0.0.0/8,1.0.0.0/8,1.0.0.0/8,1.0.0.0/8")};
  static const char *const domains[] = {"a b", "a..b", "*.", ".a", "a;b", "*a.b"};
  OPEN();
  dl_box_t *box = UP("bad", .allow_list = "10.77.1.0/24");
  for (size_t i = 0; i < DL_COUNT(lists) + DL_COUNT(domains); i++) {
    dl_box_rules_t bad = {.allow_list = i < DL_COUNT(lists) ? lists[i] : NULL,
                          .domain_list = i < DL_COUNT(lists) ? NULL : domains[i - DL_COUNT(lists)]};
    char *failure = dl_box_set_rules(box, &bad, on_changed, NULL);
    assert_non_null(failure);
    free(failure);
  }
  MISSES(box, TWO);
  REACHES(box, ONE);
  dl_box_spec_t spec = box_spec(&w, "worse");
  const char *error = NULL;
  spec.rules.allow_list = "1.2.3.4";
  assert_null(box_start(&w, &spec, &error));
  assert_non_null(strstr(error, "'1.2.3.4' is no IPv4 network"));
  world_close(&w);
}

static void changes_of_a_box_that_ends(void **state) {
  (void)state;
  OPEN();
  change_t c[4] = {0};
  dl_box_spec_t spec = box_spec(&w, "ends");
  for (int round = 0; round < 3; round++) {
    memset(c, 0, sizeof c);
    dl_box_t *box = box_start(&w, &spec, NULL);
    for (size_t i = 0; i < DL_COUNT(c); i++) {
      dl_box_rules_t rules = {.blocks_all = i % 2 == 1, .allow_list = "10.77.1.0/24"};
      assert_null(dl_box_set_rules(box, &rules, on_changed, &c[i]));
    }
    for (int turns = 0; turns < round; turns++) uv_run(&w.loop, UV_RUN_ONCE);
    box_stop(&w, box, round != 1);
    for (size_t i = 0; i < DL_COUNT(c); i++) assert_true(c[i].is_done && *c[i].error == '\0');
  }
  world_close(&w);
}

static void rules_that_cannot_be_had_are_refused(void **state) {
  (void)state;
  dl_box_rules_t list = {.allow_list = "10.0.0.0/8"}, block = {.blocks_all = true};
  OPEN(.network = DL_NETWORK_HOST);
  assert_non_null(strstr(dl_runtime_rules_missing(w.rt, &list), "--network=host"));
  dl_box_t *box = UP("host", .allow_list = NULL);
  char *failure = dl_box_set_rules(box, &block, on_changed, NULL);
  assert_non_null(strstr(failure, "shares the server's network"));
  free(failure);
  world_close(&w);
  char *path = dl_xstrdup(getenv("PATH"));
  OPEN(.network = DL_NETWORK_NONE);
  box = UP("nothing", .allow_list = "10.77.1.0/24");
  assert_string_equal(dl_box_get_info(box).network, "none");
  MISSES(box, ONE);
  world_close(&w);
  free(path);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(without_rules_all_is_open),
    cmocka_unit_test(a_list_is_all_that_is_reached),
    cmocka_unit_test(overlapping_networks_and_all_of_them),
    cmocka_unit_test(lists_leave_no_ipv6),
    cmocka_unit_test(rules_change_while_it_runs),
    cmocka_unit_test(a_blocked_box_can_be_opened),
    cmocka_unit_test(a_connection_ends_with_its_permission),
    cmocka_unit_test(nobody_in_a_box_changes_rules),
    cmocka_unit_test(root_of_an_image_changes_no_rules),
    cmocka_unit_test(only_listed_names_are_reached),
    cmocka_unit_test(every_question_goes_to_the_resolver),
    cmocka_unit_test(names_change_while_it_runs),
    cmocka_unit_test(hosts_narrow_what_the_lists_allow),
    cmocka_unit_test(a_dead_resolver_is_replaced),
    cmocka_unit_test(linked_boxes_reach_each_other),
    cmocka_unit_test(a_link_ends_with_what_allowed_it),
    cmocka_unit_test(links_of_boxes_that_start_and_end),
    cmocka_unit_test(bad_rules_change_nothing),
    cmocka_unit_test(changes_of_a_box_that_ends),
    cmocka_unit_test(rules_that_cannot_be_had_are_refused),
  };
  cannot = test_net_enter();
  if (argc > 1 && geteuid() == 0) {
    unsigned uid = (unsigned)atoi(argv[1]);
    if (setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0) return 99;
  }
  return cmocka_run_group_tests(tests, NULL, NULL);
}
