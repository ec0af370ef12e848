/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process is told to give up by SIGTERM, ends with the server, and says on standard output what came of it: a number
 * of bytes, or with a status that is not 0 the reason.
 */
#include "control/store/layers.h"

#include "base/base.h"
#include "base/beneath.h"
#include "control/store/archive.h"
#include "control/store/removal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_MS 50
#define SAID_MAX 4096
#define NUMBERS 5

extern char **environ;

static const char *const NAMES[] = {"pack", "unpack", "remove", "measure"};

/* --- measuring --- */

typedef struct {
  const atomic_bool *stop;
  uint64_t bytes;
} measure_t;

static int add_entry(const dl_beneath_entry_t *entry, void *user) {
  measure_t *m = user;
  if (m->stop != NULL && atomic_load(m->stop)) return ECANCELED;
  uint64_t bytes = (uint64_t)entry->st.st_blocks * 512;
  bool is_shared = !S_ISDIR(entry->st.st_mode) && entry->st.st_nlink > 1;
  m->bytes += is_shared ? bytes / entry->st.st_nlink : bytes;
  return 0;
}

int dl_layer_measure(const char *dir, const atomic_bool *stop, uint64_t *out) {
  measure_t m = {.stop = stop};
  struct stat st;
  int fd = open(dir, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  int rc = fd < 0 || fstat(fd, &st) != 0 ? errno : 0;
  if (rc == 0) m.bytes = (uint64_t)st.st_blocks * 512;
  if (rc == 0 && S_ISDIR(st.st_mode)) rc = dl_beneath_walk(fd, add_entry, &m);
  if (fd >= 0) close(fd);
  if (rc == 0) *out = m.bytes;
  return rc;
}

/* --- the server's side --- */

static pid_t start(char *const *argv, int out, int *error) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none, defaults;
  pid_t pid = -1;
  sigemptyset(&none);
  sigfillset(&defaults);
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out, 1);
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  *error = posix_spawn(&pid, argv[0], &actions, &attributes, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return *error == 0 ? pid : -1;
}

/* What it says, until it has ended. */
static void listen_to(pid_t pid, int in, const atomic_bool *stop, char *said) {
  size_t len = 0;
  bool is_told = false;
  for (;;) {
    struct pollfd p = {.fd = in, .events = POLLIN};
    int found = poll(&p, 1, LOOK_MS);
    if (!is_told && stop != NULL && atomic_load(stop)) is_told = kill(pid, SIGTERM) == 0;
    if (found <= 0) continue;
    char block[256];
    ssize_t got = read(in, block, sizeof block);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return;
    for (ssize_t i = 0; i < got && len < SAID_MAX - 1; i++) said[len++] = block[i];
  }
}

static char *run_process(char *const *argv, const atomic_bool *stop, char *said) {
  int ends[2], error = 0, status = 0;
  if (pipe2(ends, O_CLOEXEC) != 0) return dl_xprintf("cannot make a pipe: %s", strerror(errno));
  pid_t pid = start(argv, ends[1], &error);
  close(ends[1]);
  if (pid > 0) {
    listen_to(pid, ends[0], stop, said);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  }
  close(ends[0]);
  if (pid < 0) return dl_xprintf("cannot start a process: %s", strerror(error));
  said[strcspn(said, "\n")] = '\0';
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return NULL;
  return dl_xstrdup(*said != '\0' ? said : "the process that works on the sandbox's files was killed");
}

char *dl_layer_run(const char *exe, const dl_box_ids_t *ids, dl_layer_task_t task, const char *from,
                   const char *to, bool is_durable, const atomic_bool *stop, uint64_t *out) {
  const unsigned values[NUMBERS] = {ids->zero_uid, ids->first_uid, ids->zero_gid, ids->first_gid, ids->count};
  char numbers[NUMBERS][16], said[SAID_MAX] = "";
  char *argv[NUMBERS + 7] = {(char *)exe, "image-files"};
  size_t count = 2;
  for (size_t i = 0; i < NUMBERS; i++) {
    snprintf(numbers[i], sizeof numbers[i], "%u", values[i]);
    argv[count++] = numbers[i];
  }
  argv[count++] = (char *)NAMES[task];
  argv[count++] = is_durable ? "durable" : "fast";
  argv[count++] = (char *)from;
  argv[count++] = (char *)(to != NULL ? to : "");
  char *failure = run_process(argv, stop, said);
  if (failure == NULL && task == DL_LAYER_MEASURE) *out = strtoull(said, NULL, 10);
  return failure;
}

/* --- the process --- */

static atomic_bool is_given_up;

static void on_terminate(int number) {
  (void)number;
  atomic_store(&is_given_up, true);
}

static char *do_task(size_t task, bool is_durable, const char *from, const char *to) {
  uint64_t bytes = 0;
  int rc;
  switch (task) {
    case DL_LAYER_PACK: return dl_archive_pack(from, to, is_durable, &is_given_up);
    case DL_LAYER_UNPACK: return dl_archive_unpack(from, to, is_durable, &is_given_up);
    case DL_LAYER_REMOVE: rc = dl_remove_tree(from, &is_given_up); break;
    default: rc = dl_layer_measure(from, &is_given_up, &bytes); break;
  }
  if (rc == 0 && task == DL_LAYER_MEASURE) printf("%llu\n", (unsigned long long)bytes);
  if (rc == 0) return NULL;
  return rc == ECANCELED ? dl_xstrdup(DL_GIVEN_UP)
                         : dl_xprintf("cannot %s %s: %s", NAMES[task], from, strerror(rc));
}

int dl_layer_main(int argc, char **argv) {
  int64_t numbers[NUMBERS];
  size_t task = 0;
  if (argc != NUMBERS + 4) return 2;
  for (int i = 0; i < NUMBERS; i++)
    if (!dl_parse_int(argv[i], 0, UINT32_MAX, &numbers[i])) return 2;
  while (task < DL_COUNT(NAMES) && strcmp(argv[NUMBERS], NAMES[task]) != 0) task++;
  if (task == DL_COUNT(NAMES)) return 2;
  const dl_box_ids_t ids = {(uid_t)numbers[0], (uid_t)numbers[1], (gid_t)numbers[2], (gid_t)numbers[3],
                            (unsigned)numbers[4]};
  char *failure = dl_ids_enter(&ids, ids.zero_uid);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGTERM, on_terminate);
  umask(077);
  if (failure == NULL)
    failure = do_task(task, strcmp(argv[NUMBERS + 1], "durable") == 0, argv[NUMBERS + 2], argv[NUMBERS + 3]);
  if (failure != NULL) printf("%s\n", failure);
  int status = failure != NULL;
  free(failure);
  return fflush(stdout) != 0 || status;
}
