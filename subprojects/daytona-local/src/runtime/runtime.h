/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Boxes: isolated process trees on the server's uv loop.
 *
 * A box is one bubblewrap process tree whose first process is this program in its toolbox role,
 * listening on one Unix socket that only the server's user can reach. Everything here happens on
 * the loop's thread; no callback is ever made inside the call that asked for it.
 *
 * A box handle is valid from dl_box_start until the callback that reports its end has returned:
 * the start callback with an error, the stop callbacks, or on_exit.
 */
#ifndef DL_RUNTIME_H
#define DL_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

typedef struct dl_runtime dl_runtime_t;
typedef struct dl_box dl_box_t;

typedef enum {
  DL_ISOLATION_BWRAP, /* own namespaces through bubblewrap */
  DL_ISOLATION_NONE   /* a plain process of the server's user; said in the box's info */
} dl_isolation_t;

typedef enum {
  DL_NETWORK_DEFAULT, /* as the runtime was configured */
  DL_NETWORK_PRIVATE, /* own namespace, outside access through slirp4netns where it works */
  DL_NETWORK_NONE,    /* own namespace, loopback only */
  DL_NETWORK_HOST     /* the host's network */
} dl_network_t;

typedef struct {
  const char *run_dir; /* Required. Sockets and the crafted /etc; made with mode 0700. */
  const char *exe;     /* Optional. The program for the toolbox role; default /proc/self/exe. */
  dl_isolation_t isolation;
  dl_network_t network;     /* For boxes that say DL_NETWORK_DEFAULT; default private. */
  const char *node_modules; /* Optional. Directory with typescript or ts-node, seen read-only. */
  unsigned first_uid;       /* Server runs as root: boxes run as first_uid.., default 200000 */
  unsigned uid_count;       /* default 65536, at least 2; the last one owns the files of volumes */
  unsigned max_processes;   /* Per box, default 4096 */
  int reader_patience_ms;   /* See toolbox.h; 0: the toolbox's default, -1: none */
} dl_runtime_opts_t;

/* 0, or -1 with the reason in `error`: no bubblewrap, no user namespaces, bad directory. */
int dl_runtime_new(uv_loop_t *loop, const dl_runtime_opts_t *opts, dl_runtime_t **out, char *error,
                   size_t error_size);

/* Kills every box at once, then reports and frees. Boxes still known get their end callback. */
void dl_runtime_close(dl_runtime_t *rt, void (*on_closed)(void *user), void *user);

typedef struct {
  const char *name;
  const char *value;
} dl_box_pair_t;

/* A directory of the host that is seen in the box. Boxes may write to it, so `subpath` is opened part by
 * part, without following links, and mounted by descriptor; parts that are missing are made. */
typedef struct {
  const char *dir;     /* Required. Absolute; nobody but the server can change what this path leads to. */
  const char *subpath; /* Optional. What of it is mounted, relative; default all. */
  const char *target;  /* Required. The absolute path in the box. Not at or below another volume's. */
} dl_box_volume_t;

/* Which ids of the host those of an image are: 0 is zero_uid, and 1, 2, ... are first_uid, first_uid + 1, ... */
typedef struct {
  uid_t zero_uid, first_uid;
  gid_t zero_gid, first_gid;
  unsigned count; /* ids in all, 0 included; 1: nothing but id 0 */
} dl_box_ids_t;

/* An image that a box runs on instead of this machine's own system. Lists end with NULL; NULL is an empty one. */
typedef struct {
  /* Required. Read-only folders of the host, the uppermost first, for an overlay mount with `userxattr`. They belong to
   * `ids`, and only the server can change what their paths lead to. */
  const char *const *layers;
  dl_box_ids_t ids;
  const char *user;     /* Optional. As the image says: NAME or UID, with :GROUP or without; default root. */
  const char *work_dir; /* Optional. Made if absent; default is the user's home, else "/". */
  const char *const *env; /* Optional. NAME=VALUE; those of the box win. */
  const char *const *entrypoint, *const
                                   *cmd; /* Optional. What is started when the box names no entrypoint. */
} dl_box_image_t;

/* What a box may reach; of all zero: everything. Its loopback is never restricted. With any list only IPv4 is left, and of
 * that what one of the lists names. */
typedef struct {
  bool blocks_all;         /* Nothing. Wins over the lists. */
  const char *allow_list;  /* Optional. IPv4 networks (10.0.0.0/8), separated by commas; at most 10. */
  const char *domain_list; /* Optional. Host names, or *.NAME for all names below it, separated by commas. */
  /* Optional. Host names as above, any number. Whatever the two lists say, nothing is reached but the addresses of these. */
  const char *hosts;
} dl_box_rules_t;

typedef void (*dl_box_start_cb)(void *user, dl_box_t *box, const char *error);
typedef void (*dl_box_stop_cb)(void *user);
/* The box ended by itself. */
typedef void (*dl_box_exit_cb)(void *user, dl_box_t *box, const char *reason);

typedef struct {
  const char *id; /* Required, unique among live boxes: letters, digits, `-`, `_` */
  /* Required. Host directory seen as /home/daytona; made if absent. With an image it is the folder of the box's writable
   * layer instead: what the box changes is kept in it, and found there by the next start. */
  const char *home_dir;
  const dl_box_image_t *image; /* Optional. NULL: this machine's own system. */
  const dl_box_pair_t *env;
  size_t env_count;
  const dl_box_volume_t *volumes;
  size_t volume_count;
  dl_network_t network;
  dl_box_rules_t rules;
  const char *hosts;             /* Optional. More lines of its /etc/hosts. */
  double cpu;                    /* 0: no limit */
  double memory_gib;             /* 0: no limit */
  double disk_gib;               /* never enforced, see dl_box_info_t */
  const char *const *entrypoint; /* Optional. What the box is started with; NULL at its end. */
  /* Optional. Makes it a spare box, which boots for somebody who comes later: this is called when it is up, its network
   * included, and waits for dl_box_claim. What tells the outcome of the start is called before that for an error only. It
   * is given the `user` of dl_box_start. A spare box has no env, entrypoint, image, volumes and rules. Only with isolation. */
  void (*on_spare)(void *user, dl_box_t *box);
  dl_box_exit_cb on_exit; /* Optional. */
  void *user;             /* For on_exit. */
} dl_box_spec_t;

/* Copies `spec`. Never NULL: whatever is wrong comes through `cb`, once. A start that is stopped
 * before it was reported fails with an error, and then the stop callbacks follow. */
dl_box_t *dl_box_start(dl_runtime_t *rt, const dl_box_spec_t *spec, dl_box_start_cb cb, void *user);

/* Whether a spare box that is up still lives, and can become one of `spec`, of which env, entrypoint and what is called do not
 * matter: those are told to it. Rules are no hindrance, unless it shares the server's network. */
bool dl_box_fits(const dl_box_t *box, const dl_box_spec_t *spec);
/* A spare box that is up and fits becomes that of `spec`, which has its id; `home_dir` is where its home was moved to, if it
 * was. From now on it is as dl_box_start with these arguments had made it, `cb` included; the callbacks of the spare one are
 * not called any more. Once for each box. */
void dl_box_claim(dl_box_t *box, const dl_box_spec_t *spec, dl_box_start_cb cb, void *user);

/* Whether the path `target` in a box is `other` or lies below it; however many slashes they have. */
bool dl_box_target_is_below(const char *target, const char *other);

/* Ends every process in the box: SIGTERM, then SIGKILL after five seconds; `force` is SIGKILL at
 * once, also when an orderly stop is under way. May be called several times. */
void dl_box_stop(dl_box_t *box, bool force, dl_box_stop_cb cb, void *user);

/* Its directories are being made ready. Where a large home changes hands that takes long, and dl_box_stop interrupts it. */
bool dl_box_is_preparing(const dl_box_t *box);

/* NULL, or why a box of this runtime cannot be kept to such rules. Lives as long as the runtime. The first question about
 * lists may wait some milliseconds. */
const char *dl_runtime_rules_missing(const dl_runtime_t *rt, const dl_box_rules_t *rules);

/* New rules for a box, at any time from its start to its end. Copies `rules`. NULL: `cb` comes once, on a later turn: without
 * an error when they are in force or the box has ended, else the old ones still are. Not NULL: why it cannot be (yours to
 * free), and no callback comes. */
typedef void (*dl_box_rules_cb)(void *user, const char *error);
char *dl_box_set_rules(dl_box_t *box, const dl_box_rules_t *rules, dl_box_rules_cb cb, void *user);

/* Two boxes reach each other at these addresses (host order, no others' of this runtime), while neither is blocked nor kept to
 * hosts. Each may have several such links. Until both have their first process, and after the end of one, there is no link;
 * a program in a box that is starting is held back until its links are there. */
void dl_box_link(dl_box_t *a, uint32_t address_a, dl_box_t *b, uint32_t address_b);
/* NULL, or why boxes of this runtime cannot be linked (a static text). */
const char *dl_runtime_links_missing(const dl_runtime_t *rt);

/* Connectable from start to stop. Borrowed from the box. */
const char *dl_box_socket_path(const dl_box_t *box);

/* What the box really has: short texts, borrowed from the box. */
typedef struct {
  const char *isolation; /* "bwrap" or "none" */
  const char *network;   /* "private", "none", "host", or with the reason why there is less */
  const char *rules;     /* "none", "blocked", or "nftables: only " and what is allowed */
  const char *memory;    /* "cgroup2", "cgroup1", "rlimit" (per process), "unlimited" or "none" */
  const char *cpu;       /* "cgroup2", "cgroup1", "unlimited" or "none" */
  const char *processes; /* "cgroup2", "cgroup1", "rlimit" or "none" */
  const char *disk;      /* always "none" */
  const char *start;     /* "cold", or "warm": it was a spare box, see dl_box_claim */
} dl_box_info_t;
/* "none" means: asked for, but nothing here can enforce it. */
dl_box_info_t dl_box_get_info(const dl_box_t *box);

/* Changes the environment of what is started in a running box from now on. `text` holds NAME=VALUE to set and NAME to unset,
 * each ended by NUL; it is copied. `cb` is called once, on a later turn: `is_set` says whether the box has taken it, or has
 * ended before. False: it could not be sent, and there is no call. */
typedef void (*dl_box_env_cb)(bool is_set, void *user);
bool dl_box_set_env(dl_box_t *box, const char *text, size_t len, dl_box_env_cb cb, void *user);

/* What a box uses at one moment. */
typedef struct {
  uint64_t cpu_us; /* since it began */
  uint64_t memory_bytes, cache_bytes;
  bool has_memory,
    has_cpu; /* counted by its control group; else the sum over its processes, without caches */
} dl_usage_t;
/* On a later turn, once; in the order of the boxes, which may have ended meanwhile. Borrowed. */
typedef void (*dl_usage_cb)(const dl_usage_t *usages, size_t count, void *user);
void dl_runtime_measure(dl_runtime_t *rt, dl_box_t *const *boxes, size_t count, dl_usage_cb cb, void *user);
/* When it was up, as dl_steady_ms. */
int64_t dl_box_up_ms(const dl_box_t *box);

/* New limits for a running box. The text says what could not be enforced, NULL if nothing. */
const char *dl_box_update_limits(dl_box_t *box, double cpu, double memory_gib);

/* Makes this process, of one thread, root of a user namespace that has these ids. One that root makes belongs to `owner`.
 * NULL, or the reason (yours to free). */
char *dl_ids_enter(const dl_box_ids_t *ids, uid_t owner);

/* Another role for the runtime itself, "image-box": makes a box on an image and becomes the toolbox in it, see
 * image_box.c. */
typedef int (*dl_role_fn)(int argc, char **argv);
int dl_image_box_main(dl_role_fn toolbox, int argc, char **argv);

/* The bytes of the program that has the roles "toolbox", "image-box" and "own-root" alone; the build makes them. Boxes run a copy of
 * it in run_dir, or `exe` where that cannot be run. */
extern const unsigned char DL_TOOLBOX_PROGRAM[], DL_TOOLBOX_PROGRAM_END[];

/* A role of the binary that only the runtime itself asks for, "own-root": runs a program that ends when its parent
 * does, and for root in a mount namespace of its own, out of a chroot if need be. argv[0] is the program's path. */
int dl_own_root_main(int argc, char **argv);

/* Another one, "name-server": the resolver of a box, see name_server.c. */
int dl_name_server_main(int argc, char **argv);

/* Another one, "link": carries packets between two boxes, see link.c. */
int dl_link_main(int argc, char **argv);

#endif
