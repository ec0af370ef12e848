/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of boxes: start, stop, death, limits, homes and volumes.
 */
#include "boxes.h"

#include "base/base.h"

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static world_t w;

/* A number that no other test has in its commands at the same time. */
static const char *mark(int n) {
  static char texts[4][32];
  static int next;
  char *text = texts[next++ % 4];
  snprintf(text, sizeof texts[0], "%d%ld", 870 + n, (long)getpid());
  return text;
}

/* Every test has a runtime of its own and checks at its end that nothing is left. */
#define OPEN_WORLD(...)                                                 \
  do {                                                                  \
    const char *why = world_open(&w, (dl_runtime_opts_t){__VA_ARGS__}); \
    if (why != NULL) {                                                  \
      print_message("skipped: %s\n", why);                              \
      skip();                                                           \
    }                                                                   \
  } while (0)

static void a_daemon(dl_box_t *box, const char *seconds) {
  char *command = dl_xprintf(
    "(setsid sleep %s >/dev/null 2>&1 &) ; (setsid setsid sleep %s >/dev/null 2>&1 &) ; "
    "while [ $(pgrep -c -f '^sleep %s') != 2 ]; do :; done; echo up",
    seconds, seconds, seconds);
  box_expect(&w, box, command, "up\n");
  free(command);
}

static void stop_ends_every_process(void **state) {
  (void)state;
  OPEN_WORLD(.isolation = DL_ISOLATION_BWRAP);
  dl_box_t *box = box_up(&w, "stop-all");
  a_daemon(box, mark(1));
  expect_processes(mark(1), 2);
  box_stop(&w, box, false);
  assert_int_equal(count_processes(mark(1)), 0);
  world_close(&w);
}

static void forced_stop_ends_what_ignores_signals(void **state) {
  (void)state;
  OPEN_WORLD(.isolation = DL_ISOLATION_BWRAP);
  dl_box_t *box = box_up(&w, "stop-force");
  /* "ok" comes once the sleep is there, which is later than the shell's fork. */
  char *command = dl_xprintf(
    "(trap '' TERM HUP INT; exec setsid sleep %s) >/dev/null 2>&1 & "
    "until pgrep -fx 'sleep %s' >/dev/null; do :; done; echo ok",
    mark(2), mark(2));
  box_expect(&w, box, command, "ok\n");
  free(command);
  expect_processes(mark(2), 1);
  box_stop(&w, box, true);
  assert_int_equal(count_processes(mark(2)), 0);
  world_close(&w);
}

static void orderly_stop_lets_programs_finish(void **state) {
  (void)state;
  OPEN_WORLD(.isolation = DL_ISOLATION_BWRAP);
  dl_box_t *box = box_up(&w, "stop-orderly");
  box_expect(
    &w, box,
    "(trap 'echo bye > left; exit' TERM; echo ready > up; while :; do sleep 0.01; done) >/dev/null 2>&1 & "
    "while [ ! -s up ]; do :; done; echo ok",
    "ok\n");
  box_stop(&w, box, false);
  box = box_up(&w, "stop-orderly");
  box_expect(&w, box, "cat left", "bye\n");
  world_close(&w);
}

typedef struct {
  bool is_told;
  char reason[256];
} death_t;

static void on_exit_told(void *user, dl_box_t *box, const char *reason) {
  death_t *d = user;
  (void)box;
  d->is_told = true;
  snprintf(d->reason, sizeof d->reason, "%s", reason);
}

static void note_start(void *user, dl_box_t *box, const char *error) {
  on_exit_told(user, box, error ? error : "up");
}

static void note_stop(void *user) { *(bool *)user = true; }

static void death_of_a_box_is_told(void **state) {
  (void)state;
  OPEN_WORLD(.isolation = DL_ISOLATION_BWRAP);
  death_t d = {0};
  dl_box_spec_t spec = box_spec(&w, "dies");
  spec.on_exit = on_exit_told;
  spec.user = &d;
  dl_box_t *box = box_start(&w, &spec, NULL);
  char *socket = dl_xstrdup(dl_box_socket_path(box));
  a_daemon(box, mark(3));
  /* From the host, as an administrator or the kernel's memory killer would. */
  for (int pid = 2; pid < 1 << 22 && !d.is_told; pid++) {
    char path[64], text[256] = "";
    snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0) close(fd);
    if (got <= 0 || strcmp(text, "/run/daytona/toolbox") != 0 || getpgid(pid) == getpgid(0)) continue;
    snprintf(path, sizeof path, "/proc/%d/root/home/daytona", pid);
    struct stat inside, home;
    if (stat(path, &inside) != 0 || stat(spec.home_dir, &home) != 0 || inside.st_ino != home.st_ino) continue;
    kill(pid, SIGKILL);
    break;
  }
  while (!d.is_told) uv_run(&w.loop, UV_RUN_ONCE);
  assert_int_equal(count_processes(mark(3)), 0);
  assert_int_not_equal(access(socket, F_OK), 0);
  free(socket);
  world_close(&w);
}

static void bad_specifications_are_refused(void **state) {
  (void)state;
  OPEN_WORLD(.isolation = DL_ISOLATION_BWRAP);
  const char *error = NULL;
  dl_box_spec_t good = box_spec(&w, "good");
  const dl_box_volume_t etc = {w.dir, NULL, "/etc/x"}, up = {w.dir, NULL, "/data/../etc"},
                        gone = {"/tmp/dl-boxes-gone", NULL, "/data"}, home = {w.dir, NULL, "/home/daytona"},
                        parent = {w.dir, "../..", "/data"}, absolute = {w.dir, "/etc", "/data"},
                        nested[] = {{w.dir, NULL, "/data"}, {w.dir, NULL, "/data/x"}};
  const dl_box_pair_t env = {"A=B", "x"};
  dl_box_spec_t bad[12];
  for (int i = 0; i < 12; i++) bad[i] = good;
  bad[0].id = "../x";
  bad[1].id = NULL;
  bad[2].home_dir = "relative";
  bad[3].memory_gib = -1;
  bad[4].volumes = &etc;
  bad[5].volumes = &up;
  bad[6].volumes = &gone;
  bad[7].volumes = &home;
  bad[4].volume_count = bad[5].volume_count = bad[6].volume_count = bad[7].volume_count = 1;
  bad[8].env = &env;
  bad[8].env_count = 1;
  bad[9].volumes = &parent;
  bad[10].volumes = &absolute;
  bad[11].volumes = nested;
  bad[9].volume_count = bad[10].volume_count = 1;
  bad[11].volume_count = 2;
  for (int i = 0; i < 12; i++) {
    if (box_start(&w, &bad[i], &error) != NULL) fail_msg("specification %d was accepted", i);
    assert_true(strlen(error) > 10);
  }
  assert_non_null(box_start(&w, &good, NULL));
  assert_null(box_start(&w, &good, &error));
  assert_non_null(strstr(error, "running already"));
  world_close(&w);
}

static void volumes_do_not_follow_links_of_the_box(void **state) {
  (void)state;
  OPEN_WORLD(.isolation = DL_ISOLATION_BWRAP);
  const char *error = NULL;
  const dl_box_volume_t volume = {w.dir, NULL, "/home/daytona/link/data"};
  dl_box_t *box = box_up(&w, "links");
  box_expect(&w, box, "ln -s /oldroot/tmp link && echo ok", "ok\n");
  box_stop(&w, box, false);
  dl_box_spec_t spec = box_spec(&w, "links");
  spec.volumes = &volume;
  spec.volume_count = 1;
  assert_null(box_start(&w, &spec, &error));
  assert_non_null(strstr(error, "not a directory"));
  world_close(&w);
}

static void volumes_are_shared_by_boxes(void **state) {
  (void)state;
  OPEN_WORLD(.isolation = DL_ISOLATION_BWRAP);
  char *dir = dl_xprintf("%s/volume", w.dir);
  mkdir(dir, 0700);
  const dl_box_volume_t volumes[] = {{dir, NULL, "/data/shared"}, {dir, NULL, "/home/daytona/shared"}};
  dl_box_spec_t spec = box_spec(&w, "one");
  spec.volumes = volumes;
  spec.volume_count = 2;
  dl_box_t *one = box_start(&w, &spec, NULL);
  dl_box_spec_t second = box_spec(&w, "two");
  second.volumes = volumes;
  second.volume_count = 1;
  dl_box_t *two = box_start(&w, &second, NULL);
  box_expect(&w, one, "mkdir ~/shared/dir && echo first > ~/shared/dir/file && cat /data/shared/dir/file",
             "first\n");
  box_expect(
    &w, two,
    "echo second >> /data/shared/dir/file && cat /data/shared/dir/file && touch /data/shared/dir/new",
    "first\nsecond\n");
  box_expect(&w, one, "rm -r /data/shared/dir && ls /data/shared", "");
  world_close(&w);
  free(dir);
}

static void homes_and_environments_persist(void **state) {
  (void)state;
  OPEN_WORLD(.isolation = DL_ISOLATION_BWRAP);
  const dl_box_pair_t env[] = {
    {"GREETING", "two words = fine\nand lines"}, {"HOME", "/tmp"}, {"LD_PRELOAD", "/x.so"}};
  dl_box_spec_t spec = box_spec(&w, "again");
  spec.env = env;
  spec.env_count = 2;
  dl_box_t *box = box_start(&w, &spec, NULL);
  box_expect(&w, box, "echo kept > ~daytona/kept; mkdir -p ~daytona/d; echo \"$GREETING\"; echo $HOME",
             "two words = fine\nand lines\n/tmp\n");
  box_stop(&w, box, false);
  dl_box_t *before = box_up(&w, "another"); /* may take over the user number */
  (void)before;
  box = box_up(&w, "again");
  box_expect(&w, box, "cat kept && echo more >> kept && touch d/x && stat -c %U kept", "kept\ndaytona\n");
  world_close(&w);
}

static void stopping_while_starting_reports_both(void **state) {
  (void)state;
  OPEN_WORLD(.isolation = DL_ISOLATION_BWRAP);
  death_t started = {0};
  bool stopped[2] = {false, false};
  dl_box_spec_t spec = box_spec(&w, "never");
  dl_box_t *box = dl_box_start(w.rt, &spec, note_start, &started);
  dl_box_stop(box, false, note_stop, &stopped[0]);
  dl_box_stop(box, true, note_stop, &stopped[1]);
  assert_false(started.is_told || stopped[0] || stopped[1]);
  while (!stopped[1]) uv_run(&w.loop, UV_RUN_ONCE);
  assert_true(started.is_told && stopped[0]);
  assert_non_null(strstr(started.reason, "stopped before"));
  world_close(&w);
}

/* At any moment of the start: nothing of bubblewrap may stay behind. */
static void killing_while_starting_leaves_nothing(void **state) {
  (void)state;
  OPEN_WORLD(.isolation = DL_ISOLATION_BWRAP);
  char id[40];
  for (int turns = 1; turns < 40; turns++) {
    death_t started = {0};
    bool stopped = false;
    snprintf(id, sizeof id, "m%s-%d", mark(6), turns);
    dl_box_spec_t spec = box_spec(&w, id);
    dl_box_t *box = dl_box_start(w.rt, &spec, note_start, &started);
    for (int i = 0; i < turns && !started.is_told; i++) uv_run(&w.loop, UV_RUN_NOWAIT);
    dl_box_stop(box, true, note_stop, &stopped);
    while (!stopped) uv_run(&w.loop, UV_RUN_ONCE);
  }
  snprintf(id, sizeof id, "m%.9s", mark(6)); /* the host name is the beginning of the id */
  expect_processes(id, 0);
  world_close(&w);
}

static void many_boxes_start_and_end_together(void **state) {
  (void)state;
  OPEN_WORLD(.isolation = DL_ISOLATION_BWRAP);
  enum { COUNT = 16 };
  death_t started[COUNT] = {{0}};
  char ids[COUNT][16];
  for (int i = 0; i < COUNT; i++) {
    snprintf(ids[i], sizeof ids[i], "many-%d", i);
    dl_box_spec_t spec = box_spec(&w, ids[i]);
    dl_box_start(w.rt, &spec, note_start, &started[i]);
  }
  for (int i = 0; i < COUNT; i++) {
    while (!started[i].is_told) uv_run(&w.loop, UV_RUN_ONCE);
    assert_string_equal(started[i].reason, "up");
  }
  world_close(&w); /* with all of them running */
}

static void memory_limit_holds_and_can_be_raised(void **state) {
  (void)state;
  OPEN_WORLD(.isolation = DL_ISOLATION_BWRAP);
  static const char take[] = "python3 -c 'x = b\"x\" * (200 << 20); print(len(x))'";
  dl_box_spec_t spec = box_spec(&w, "memory");
  spec.memory_gib = 0.125;
  dl_box_t *box = box_start(&w, &spec, NULL);
  dl_box_info_t info = dl_box_get_info(box);
  print_message("# memory: %s, cpu: %s, processes: %s\n", info.memory, info.cpu, info.processes);
  box_refuses(&w, box, take);
  box_expect(&w, box, "echo still here", "still here\n");
  const char *lost = dl_box_update_limits(box, 0, 0.5);
  if (strcmp(info.memory, "rlimit") == 0)
    assert_non_null(lost);
  else
    box_expect(&w, box, take, "209715200\n");
  assert_string_equal(info.disk, "none");
  world_close(&w);
}

static void private_network_is_its_own(void **state) {
  (void)state;
  OPEN_WORLD(.isolation = DL_ISOLATION_BWRAP);
  dl_box_spec_t spec = box_spec(&w, "private");
  spec.rules.blocks_all = false;
  dl_box_t *box = box_start(&w, &spec, NULL);
  const char *network = dl_box_get_info(box).network;
  print_message("# network: %s\n", network);
  box_refuses(&w, box, "python3 -c 'import socket; socket.create_connection((\"10.0.2.2\", 22), 2)'");
  if (strcmp(network, "private") == 0)
    box_expect(&w, box, "while ! grep -q '^0A\\|tap0.0000' /proc/net/route; do :; done; echo ok", "ok\n");
  else
    assert_non_null(strstr(network, "none ("));
  world_close(&w);
}

static void without_isolation_stop_still_ends_the_tree(void **state) {
  (void)state;
  OPEN_WORLD(.isolation = DL_ISOLATION_NONE);
  for (int force = 0; force < 2; force++) {
    dl_box_t *box = box_up(&w, "plain");
    assert_string_equal(dl_box_get_info(box).isolation, "none");
    assert_string_equal(dl_box_get_info(box).network, "host (isolation is off: cannot be blocked)");
    box_expect(&w, box, "echo $HOME | sed 's/.*home-//'; pwd | sed 's/.*home-//'", "plain\nplain\n");
    a_daemon(box, mark(4));
    box_stop(&w, box, force);
    /* Killed, but without a namespace nobody waits until the kernel has ended them. */
    expect_processes(mark(4), 0);
  }
  world_close(&w);
}

/* In a process of its own: a server with one box, until it is killed. */
static int victim(int out, const char *victim_mark) {
  if (world_open(&w, (dl_runtime_opts_t){.isolation = DL_ISOLATION_BWRAP}) != NULL) return 1;
  dl_box_t *box = box_up(&w, "orphan");
  a_daemon(box, victim_mark);
  dprintf(out, "%s\n", w.dir);
  return uv_run(&w.loop, UV_RUN_DEFAULT);
}

static void boxes_end_with_a_killed_server(void **state) {
  (void)state;
  OPEN_WORLD(.isolation = DL_ISOLATION_BWRAP);
  world_close(&w); /* no thread of it may hold a lock of the allocator, which a fork would keep for ever */
  int ends[2];
  assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
  const char *victim_mark = mark(5);
  pid_t pid = fork();
  if (pid == 0) _exit(victim(ends[1], victim_mark));
  close(ends[1]);
  char dir[128] = "";
  assert_true(read(ends[0], dir, sizeof dir - 1) > 0);
  close(ends[0]);
  expect_processes(victim_mark, 2);
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
  expect_processes(victim_mark, 0);
  dir[strcspn(dir, "\n")] = '\0';
  char *command = dl_xprintf("rm -rf '%s'", dir);
  assert_int_equal(system(command), 0);
  free(command);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(stop_ends_every_process),
    cmocka_unit_test(forced_stop_ends_what_ignores_signals),
    cmocka_unit_test(orderly_stop_lets_programs_finish),
    cmocka_unit_test(death_of_a_box_is_told),
    cmocka_unit_test(bad_specifications_are_refused),
    cmocka_unit_test(volumes_do_not_follow_links_of_the_box),
    cmocka_unit_test(volumes_are_shared_by_boxes),
    cmocka_unit_test(homes_and_environments_persist),
    cmocka_unit_test(stopping_while_starting_reports_both),
    cmocka_unit_test(killing_while_starting_leaves_nothing),
    cmocka_unit_test(many_boxes_start_and_end_together),
    cmocka_unit_test(memory_limit_holds_and_can_be_raised),
    cmocka_unit_test(private_network_is_its_own),
    cmocka_unit_test(without_isolation_stop_still_ends_the_tree),
    cmocka_unit_test(boxes_end_with_a_killed_server),
  };
  /* The same from an ordinary user's server: test_boxes UID. */
  if (argc > 1 && geteuid() == 0) {
    unsigned uid = (unsigned)atoi(argv[1]);
    if (setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0) return 99;
  }
  return cmocka_run_group_tests(tests, NULL, NULL);
}
