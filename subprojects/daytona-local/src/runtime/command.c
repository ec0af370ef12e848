/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bubblewrap command line of a box. Everything a box can see is named in this file.
 *
 * Nothing secret is on the line, because any user of the host can read it: the environment goes
 * through a descriptor.
 */
#include "runtime/image_root.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* In the launcher's private mount namespace, see launch.c. */
#define STAGE_FORMAT "/tmp/stage%zu"
#define TMP_SIZE "1073741824"
#define SHM_SIZE "268435456"

static void push(dl_command_t *c, const char *text) {
  if (c->argc + 2 > c->argv_cap) {
    c->argv_cap = c->argv_cap ? c->argv_cap * 2 : 128;
    c->argv = dl_xrealloc(c->argv, c->argv_cap * sizeof *c->argv);
  }
  c->argv[c->argc++] = dl_xstrdup(text);
  c->argv[c->argc] = NULL;
}

#define PUSH(c, ...)                                                      \
  do {                                                                    \
    const char *const words[] = {__VA_ARGS__};                            \
    for (size_t i_ = 0; i_ < DL_COUNT(words); i_++) push((c), words[i_]); \
  } while (0)

static void push_number(dl_command_t *c, const char *option, int number) {
  char text[16];
  snprintf(text, sizeof text, "%d", number);
  PUSH(c, option, text);
}

/* A bind of something that other users of the host may not be able to reach. `fd`: see dl_bind_t. */
static void bind_private(dl_command_t *c, const dl_runtime_t *rt, const char *option, const char *source,
                         int fd, const char *target) {
  c->binds = dl_xrealloc(c->binds, (c->bind_count + 1) * sizeof *c->binds);
  dl_bind_t *b = &c->binds[c->bind_count];
  *b = (dl_bind_t){.source = dl_xstrdup(source), .fd = fd};
  b->staged = rt->as_root ? dl_xprintf(STAGE_FORMAT, c->bind_count) : dl_xstrdup(source);
  PUSH(c, option, b->staged, target);
  c->bind_count++;
}

static void bind_terminals(dl_command_t *c, const dl_runtime_t *rt) {
  if (!rt->as_root) return;
  bind_private(c, rt, "--dev-bind", "", -1, "/dev/pts");
  c->binds[c->bind_count - 1].is_terminals = true;
}

static void bind_shared(dl_command_t *c, const dl_runtime_t *rt, const dl_shared_dir_t *d) {
  bind_private(c, rt, "--bind", d->source, d->fd, d->target);
  c->binds[c->bind_count - 1].is_mount = d->is_mount;
}

/* /bin, /lib and so on are links into /usr on today's systems; keep whatever the host has. */
static void push_system(dl_command_t *c) {
  static const char *const TOP[] = {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"};
  PUSH(c, "--ro-bind", "/usr", "/usr");
  for (size_t i = 0; i < DL_COUNT(TOP); i++) {
    char target[PATH_MAX];
    ssize_t len = readlink(TOP[i], target, sizeof target - 1);
    if (len > 0) {
      target[len] = '\0';
      PUSH(c, "--symlink", target, TOP[i]);
    } else if (access(TOP[i], X_OK) == 0) {
      PUSH(c, "--ro-bind", TOP[i], TOP[i]);
    }
  }
  PUSH(c, "--ro-bind-try", "/opt", "/opt");
  PUSH(c, "--proc", "/proc", "--dev", "/dev");
  PUSH(c, "--perms", "1777", "--size", SHM_SIZE, "--tmpfs", "/dev/shm", "--remount-ro", "/dev");
  PUSH(c, "--perms", "1777", "--size", TMP_SIZE, "--tmpfs", "/tmp");
  PUSH(c, "--dir", "/root", "--dir", "/run", "--dir", "/var", "--symlink", "/tmp", "/var/tmp");
}

static void push_etc(dl_command_t *c, const dl_runtime_t *rt, const dl_box_t *box) {
  bind_private(c, rt, "--ro-bind", rt->etc_dir, -1, "/etc");
  for (size_t i = 0; DL_ETC_DIRS[i] != NULL; i++) {
    if (!(rt->etc_mounted & 1u << i)) continue;
    char *path = dl_xprintf("/etc/%s", DL_ETC_DIRS[i]);
    if (access(path, R_OK | X_OK) == 0) PUSH(c, "--ro-bind", path, path);
    free(path);
  }
  PUSH(c, "--perms", "0644");
  push_number(c, "--ro-bind-data", DL_FD_HOSTS);
  push(c, "/etc/hosts");
  if (box->network == DL_NETWORK_HOST) PUSH(c, "--ro-bind-try", "/etc/resolv.conf", "/etc/resolv.conf");
}

static void push_namespaces(dl_command_t *c, const dl_box_t *box) {
  PUSH(c, "bwrap", "--unshare-user", "--disable-userns", "--unshare-pid", "--unshare-ipc", "--unshare-uts",
       "--unshare-cgroup-try");
  if (box->network != DL_NETWORK_HOST) push(c, "--unshare-net");
  PUSH(c, "--hostname", box->id);
  push_number(c, "--uid", DL_BOX_UID);
  push_number(c, "--gid", DL_BOX_UID);
  PUSH(c, "--die-with-parent", "--as-pid-1", "--new-session", "--cap-drop", "ALL");
  push_number(c, "--info-fd", DL_FD_INFO);
  push_number(c, "--seccomp", DL_FD_FILTER);
}

/* `home`: NULL where the role finds it out. */
static void push_toolbox(dl_command_t *c, const dl_runtime_t *rt, const char *exe, const char *role,
                         const char *home, const char *node_modules, bool isolated, bool has_network,
                         double memory_gib) {
  char number[32];
  PUSH(c, exe, role);
  push_number(c, "--listen-fd", DL_FD_LISTEN);
  push_number(c, "--control-fd", DL_FD_CONTROL);
  push_number(c, "--env-fd", DL_FD_ENV);
  if (home != NULL) {
    char *bin = dl_xprintf("%s/" DL_ETC_BIN, isolated ? "/etc" : rt->etc_dir);
    PUSH(c, "--home", home, "--bin-dir", bin);
    free(bin);
  }
  if (node_modules != NULL) PUSH(c, "--node-modules", node_modules);
  if (isolated) {
    snprintf(number, sizeof number, "%u", rt->max_processes);
    PUSH(c, "--max-processes", number);
  }
  if (has_network) push(c, "--await-network");
  if (rt->reader_patience_ms != 0)
    push_number(c, "--reader-patience", rt->reader_patience_ms < 0 ? 0 : rt->reader_patience_ms);
  if (memory_gib > 0) {
    snprintf(number, sizeof number, "%.0f", memory_gib * 1024 * 1024 * 1024);
    PUSH(c, "--max-data", number);
  }
}

/* bubblewrap of an ordinary user binds what the path leads to when it looks. The toolbox compares, before it
 * does anything else. */
static void push_expected(dl_command_t *c, const dl_shared_dir_t *d) {
  char *text = dl_xprintf("%llx:%llx:%s", (unsigned long long)d->dev, (unsigned long long)d->ino, d->target);
  PUSH(c, "--expect", text);
  free(text);
}

void dl_command_build(dl_command_t *c, const dl_runtime_t *rt, const dl_box_t *box) {
  memset(c, 0, sizeof *c);
  bool memory_by_rlimit = strcmp(box->limits.how[DL_LIMIT_MEMORY], "rlimit") == 0;
  double data_gib = memory_by_rlimit ? box->memory_gib : 0;
  if (rt->isolation == DL_ISOLATION_NONE) {
    push_toolbox(c, rt, rt->toolbox, "toolbox", box->home.source, rt->node_modules, false, false, data_gib);
    if (rt->desktop != NULL) PUSH(c, "--desktop", rt->desktop);
    return;
  }
  if (box->image != NULL) {
    /* Its own name in the box; nothing there needs to know where the program is on the host. */
    push_toolbox(c, rt, "daytona-local", "image-box", NULL, rt->node_modules ? DL_HIDDEN_NODE_MODULES : NULL,
                 true, box->network == DL_NETWORK_PRIVATE, data_gib);
    return;
  }
  push_namespaces(c, box);
  push_system(c);
  bind_terminals(c, rt);
  push_etc(c, rt, box);
  PUSH(c, "--dir", "/home");
  bind_shared(c, rt, &box->home);
  for (size_t i = 0; i < box->volume_count; i++) bind_shared(c, rt, &box->volumes[i]);
  bind_private(c, rt, "--ro-bind", rt->toolbox, -1, DL_BOX_EXE);
  if (rt->node_modules != NULL) bind_private(c, rt, "--ro-bind", rt->node_modules, -1, DL_BOX_NODE_MODULES);
  if (rt->desktop != NULL) bind_private(c, rt, "--ro-bind", rt->desktop, -1, DL_BOX_DESKTOP);
  PUSH(c, "--remount-ro", "/", "--chdir", DL_BOX_HOME, "--");
  push_toolbox(c, rt, DL_BOX_EXE, "toolbox", DL_BOX_HOME, rt->node_modules ? DL_BOX_NODE_MODULES : NULL, true,
               box->network == DL_NETWORK_PRIVATE, data_gib);
  if (rt->desktop != NULL) PUSH(c, "--desktop", DL_BOX_DESKTOP);
  push_expected(c, &box->home);
  for (size_t i = 0; i < box->volume_count; i++) push_expected(c, &box->volumes[i]);
}

void dl_command_clear(dl_command_t *c) {
  for (size_t i = 0; i < c->argc; i++) free(c->argv[i]);
  free(c->argv);
  for (size_t i = 0; i < c->bind_count; i++) {
    free(c->binds[i].source);
    free(c->binds[i].staged);
  }
  free(c->binds);
  memset(c, 0, sizeof *c);
}
