/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the runtime share. One noun per file: etc (the crafted /etc), limits
 * (cgroups), command (the bubblewrap command line), launch (the forked child), own_root
 * (mount namespaces, in a chroot too), syscalls (the filter), helper (what serves a network), network (slirp), rules (of a
 * network), names, name_server and dns (a box's resolver), box_network (the order of these), users (user namespaces), watches (of epoll), image, image_box,
 * image_root and image_user (boxes on an image), box (the life of one box), spare (boxes that boot before
 * somebody asks), runtime (all of them).
 */
#ifndef DL_RUNTIME_INTERNAL_H
#define DL_RUNTIME_INTERNAL_H

#include "base/base.h"
#include "base/buf.h"
#include "base/list.h"
#include "runtime/runtime.h"

#include <jansson.h>
#include <stdatomic.h>
#include <sys/types.h>

/* Descriptors as the processes of a box find them. */
enum {
  DL_FD_LISTEN = 3,  /* the toolbox's listening socket */
  DL_FD_CONTROL = 4, /* socket to the server: see box.c */
  DL_FD_ENV = 5,    /* NAME=value texts, each ended by NUL; behind an empty one the words of the entrypoint */
  DL_FD_INFO = 6,   /* bubblewrap's answer, see box.c */
  DL_FD_HOSTS = 7,  /* content of /etc/hosts */
  DL_FD_FILTER = 8, /* which system calls there are, see syscalls.c; bubblewrap reads and closes it */
  DL_FD_IMAGE = 9,  /* of a box on an image: what image_box.c is to make */
  DL_FD_END = 10
};

#define DL_BOX_HOME "/home/daytona"
#define DL_BOX_EXE "/run/daytona/toolbox"
#define DL_BOX_NODE_MODULES "/run/daytona/node_modules"
#define DL_BOX_DESKTOP "/run/daytona/desktop"
#define DL_BOX_UID 1000
/* The kernel has some thousands for all namespaces together. */
#define DL_BOX_TERMINALS "256"

/* --- limits --- */

enum { DL_LIMIT_MEMORY, DL_LIMIT_CPU, DL_LIMIT_PIDS, DL_LIMIT_COUNT };

typedef struct {
  int version;                /* 1, 2, or 0: nothing usable */
  char *base[DL_LIMIT_COUNT]; /* our own directory per controller; NULL: not usable. One for all in 2 */
  int lock[DL_LIMIT_COUNT];   /* on it, for as long as we live; -1: none */
} dl_limits_t;

typedef struct {
  const char *how[DL_LIMIT_COUNT]; /* static texts of dl_box_info_t */
  char *dir[DL_LIMIT_COUNT];       /* owned; in version 2 the same path three times */
} dl_box_limits_t;

void dl_limits_init(dl_limits_t *l);
/* Removes our directories. Nothing may run in them any more. */
void dl_limits_clear(dl_limits_t *l);
void dl_box_limits_init(const dl_limits_t *l, dl_box_limits_t *bl, const char *box_id);
void dl_box_limits_clear(const dl_limits_t *l, dl_box_limits_t *bl);
void dl_box_limits_set(const dl_limits_t *l, dl_box_limits_t *bl, double cpu, double memory_gib,
                       unsigned processes);
/* Put a process into the box's groups. Can take 10 ms: the kernel waits for all processors. Touches
 * nothing but the file system. NULL, or the reason (yours to free). */
char *dl_box_limits_join(const dl_limits_t *l, const dl_box_limits_t *bl, pid_t pid);

/* --- etc --- */

/* Fill `dir` with an /etc that holds nothing private. `mounted`: a bit for each of DL_ETC_DIRS that the host has and that
 * is to be mounted over an empty one. NULL, or the reason (yours to free). */
char *dl_etc_make(const char *dir, unsigned *mounted);
/* The content of resolv.conf in a box with a network of its own. */
#define DL_ETC_RESOLV "nameserver 10.0.2.3\noptions timeout:2 attempts:2\n"
/* Directories of the host's /etc that a box has. */
extern const char *const DL_ETC_DIRS[];
/* Below it: the last directory of PATH, with stand-ins for programs that the machine may lack. */
#define DL_ETC_BIN "daytona/bin"

/* --- system calls --- */

/* NULL, or why there is no filter of them on this machine. */
const char *dl_syscalls_missing(void);
/* A descriptor with the filter, in the form that bubblewrap takes; yours to close. -1 with errno. */
int dl_syscalls_open(void);
/* Installs the filter of such a descriptor for this process and all that come from it. 0, or -1 with errno. */
int dl_syscalls_install(int fd);

/* --- images --- */

/* The loader of the server's system. */
#if defined __aarch64__
#define DL_LOADER "/lib/ld-linux-aarch64.so.1"
#else
#define DL_LOADER "/lib64/ld-linux-x86-64.so.2"
#endif
/* The program made of starter.c. */
extern const unsigned char DL_STARTER[];
extern const size_t DL_STARTER_SIZE;

/* NULL, or why it cannot work (yours to free). */
char *dl_image_check(const dl_box_image_t *image);
/* What of it the launcher needs, see image.c; all is copied. */
json_t *dl_image_copy(const dl_box_image_t *image);
/* All that the launcher needs, for DL_FD_IMAGE; when the directories are prepared. Yours to free. */
char *dl_image_plan(const dl_box_t *box);

/* --- the command line and the child --- */

/* A file in memory with these bytes, to be read from its start; -1 with errno. */
int dl_memory_file(const char *name, const void *bytes, size_t len);

/* A directory or file of the host in the box. */
typedef struct {
  char *source;      /* on the host */
  int fd;            /* O_PATH, borrowed: what is bound when it is not -1, wherever `source` leads by then */
  bool is_mount;     /* fd is a mount of the box's own already */
  bool is_terminals; /* instead: a devpts of the box's own, made by the launcher of root */
  char *staged;      /* where the launcher puts it when it runs as root, else the same as source */
} dl_bind_t;

/* A home or volume. Boxes can write to it, so what it is was settled once, by opening it. */
typedef struct {
  char *source;        /* on the host, as text; only bubblewrap of an ordinary user is given it */
  char *target;        /* in the box */
  char *dir, *subpath; /* of a volume: the parts of `source` */
  int fd;              /* O_PATH; -1 before dl_prepare_dirs and after dl_prepare_close */
  bool is_mount;       /* fd is a mount made by dl_idmap_mount */
  bool can_be_shown;   /* of a box on an image: its launcher can make such a mount */
  uint64_t dev, ino;   /* of fd */
} dl_shared_dir_t;

typedef struct {
  char **argv;
  size_t argc, argv_cap;
  dl_bind_t *binds;
  size_t bind_count;
} dl_command_t;

void dl_command_clear(dl_command_t *c);

typedef struct {
  dl_command_t command;
  int fds[DL_FD_END];  /* source descriptors by target number; -1: closed in the child */
  const char *program; /* absolute path */
  const char *cwd;
  char **envp;
  bool stage; /* running as root: move the binds below DL_STAGE_DIR and become uid */
  unsigned uid;
} dl_launch_t;

/* Gives the process a mount namespace of its own, whose root is the process's; a chroot is none in it. For root, and
 * with one thread. NULL, or what failed, with errno. Only makes system calls. */
const char *dl_own_root(void);

/* --- loopback: see there; before slirp4netns starts. False with errno where it cannot be done --- */

/* Of the network namespace that the process is in; it takes CAP_NET_ADMIN there. */
bool dl_forbid_loopback(void);
/* Of another one, whose user namespace is `user_fd`. For a process of one thread. */
bool dl_forbid_loopback_of(int net_fd, int user_fd);

/* fork and exec. -1 with errno when there is no new process; anything later is said by the child
 * on its standard error, followed by exit 127. */
pid_t dl_launch_run(const dl_launch_t *l);

/* --- users --- */

/* A user namespace with these maps, whose ids are those of our own; a descriptor of yours, or -1 with errno. */
int dl_users_open(const char *uid_map, const char *gid_map);
/* A user namespace that has these ids of the host. One that root makes belongs to `owner`; for an ordinary user it runs
 * newuidmap and newgidmap. In a process of one thread. ENOENT when there are none. */
int dl_users_open_ids(const dl_box_ids_t *ids, uid_t owner);
/* In one of those: another with the same ids, whose rights end at it. */
int dl_users_open_inner(unsigned count);

/* --- mounts with other users --- */

typedef struct {
  unsigned stored, shown; /* files of `stored` on the disk are shown as those of `shown`, and the other way */
  unsigned first, count;  /* other users that are shown as themselves; count 0: none. Not `stored` */
} dl_idmap_t;

/* A mount, attached to nothing yet, of the directory `fd`: its users (and groups of the same number) are those of the
 * map. Whom it does not name is nobody. For root. A descriptor of yours, or -1 with errno, as where the file system or
 * the kernel cannot do it. */
int dl_idmap_mount(int fd, const dl_idmap_t *map);

/* --- the runtime --- */

struct dl_runtime {
  uv_loop_t *loop;
  uv_signal_t child_signal;
  dl_isolation_t isolation;
  dl_network_t network;
  char *run_dir, *etc_dir, *exe, *toolbox, *node_modules, *bwrap, *slirp, *nft; /* toolbox: what boxes run */
  char *desktop;        /* daytona-local-desktop, or NULL */
  unsigned etc_mounted; /* see dl_etc_make */
  struct dl_rules_probe *rules_probe;
  int run_fd; /* O_PATH of run_dir: socket paths of any length go through it */
  bool as_root;
  unsigned first_uid, uid_count, next_uid, max_processes;
  unsigned volume_uid; /* whom all files of volumes belong to on the disk, where that can be */
  int reader_patience_ms;
  dl_limits_t limits;
  dl_list_t boxes, links; /* see link.h */
  unsigned link_count;    /* made so far */
  bool is_searching;      /* see watches.c */
  int64_t searched_at_ms; /* dl_steady_ms */
  bool is_closing;
  void (*on_closed)(void *user);
  void *closed_user;
};

struct dl_helper;
struct dl_rules;

/* See box_network.c. */
typedef struct {
  struct dl_rules *wanted, *applied; /* the same when nothing is to be done; applied: NULL before the first */
  char *text;                        /* of `applied` */
  char reason[64];                   /* why there is no network */
  bool has_table;                    /* nft has rules in the namespace */
  unsigned mark;
  struct dl_helper *slirp;
  struct dl_names *names;       /* see names.h */
  struct dl_rules *names_rules; /* what it was told last */
  bool awaits_names;            /* it was told, and has not answered */
  bool has_dead_names;          /* it has ended by itself, and another one is to be started */
  bool are_names_broken;        /* names are not resolved until there are other rules */
  int names_restarts;
  bool is_stale;     /* `applied` has to be written again */
  bool is_ending;    /* after the end of the box: something of it has to end, too */
  bool is_open;      /* the first process runs */
  bool is_busy;      /* a step is under way that comes to its end whatever happens */
  bool is_quiet;     /* no programs run in the box */
  bool awaits_slirp; /* it was started, and is not ready */
  bool is_broken;    /* slirp4netns does not work */
  bool was_told;     /* the toolbox knows that the network is as it is to be */
  uv_work_t work;    /* nft */
  struct dl_rules *in_work;
  char *script, *failure; /* they belong to the thread pool while is_busy */
  int net_fd, user_fd;    /* the namespaces that `script` is for */
  dl_list_t waiters;
} dl_box_net_t;

typedef struct {
  dl_list_t link;
  dl_box_stop_cb cb;
  void *user;
} dl_stop_waiter_t;

typedef struct {
  dl_list_t link;
  dl_box_env_cb cb;
  void *user;
} dl_env_waiter_t;

typedef enum { DL_BOX_PREPARING, DL_BOX_STARTING, DL_BOX_UP, DL_BOX_STOPPING, DL_BOX_GONE } dl_box_state_t;

struct dl_box {
  dl_list_t link;
  dl_runtime_t *rt;
  dl_box_state_t state;
  char *id, *socket_path, *hosts; /* more lines of /etc/hosts; NULL: none */
  dl_buf_t env;                   /* NAME=value NUL ... */
  dl_shared_dir_t home, *volumes;
  size_t volume_count;
  json_t *image;  /* see image.c; NULL: this machine's own system */
  uid_t zero_uid; /* root of the image, on the host */
  gid_t zero_gid;
  char **entrypoint; /* NULL at its end */
  dl_network_t network;
  double cpu, memory_gib;
  unsigned uid;
  dl_box_limits_t limits;
  dl_box_net_t net;

  uv_work_t prepare, join;
  atomic_bool is_given_up; /* preparing goes no further */
  char *join_failure;      /* belongs to the thread pool while is_joining */
  bool is_joining, has_joined;
  void (*on_spare)(void *user, dl_box_t *box); /* NULL: it is no spare, or was claimed; see spare.c */
  bool is_spare_ready, is_claimed;
  bool stop_wanted, term_sent, is_ready, has_exited, is_ended;
  char *failure;
  int64_t up_at_ms; /* dl_steady_ms */
  pid_t pid;        /* the launcher, which becomes bubblewrap; waited for by us */
  pid_t inner_pid;  /* process 1 of the box */
  int inner_fd;     /* pidfd of it, or -1 */
  int control_fd, info_fd, error_fd;
  uv_poll_t control, info, error;
  uv_timer_t timer;
  dl_buf_t info_text, error_text;
  int open_handles;

  dl_box_start_cb start_cb;
  void *start_user;
  dl_box_exit_cb on_exit;
  void *exit_user;
  dl_list_t stop_waiters;
  dl_list_t env_waiters; /* in the order in which they were sent */
};

void dl_command_build(dl_command_t *c, const dl_runtime_t *rt, const dl_box_t *box);
/* The content of its /etc/hosts, yours to free. */
char *dl_box_hosts(const dl_box_t *box);
/* Its environment and its entrypoint are those of `spec`. */
void dl_box_copy_told(dl_box_t *box, const dl_box_spec_t *spec);
/* The same as a file for DL_FD_ENV; -1 with errno. Yours to close. */
int dl_box_told_file(const dl_box_t *box);
bool dl_box_send_descriptor(dl_box_t *box, char byte, int fd);
/* All that the start of this box waited for has happened; true when it is a spare one that nobody has claimed yet. */
bool dl_box_is_kept(dl_box_t *box);
/* A claimed one says that it is as it was told to be. */
void dl_box_claim_taken(dl_box_t *box);
/* Its network has ended by itself. */
void dl_box_spare_is_cut_off(dl_box_t *box);
void dl_box_child_exited(dl_box_t *box, int status);
void dl_runtime_box_gone(dl_runtime_t *rt);
bool dl_runtime_uid_taken(const dl_runtime_t *rt, unsigned uid);

/* A start that cannot go on, or a box that must not: it ends for this reason, which is taken. */
void dl_box_fail(dl_box_t *box, char *reason);
/* Some of what a start waits for has happened: reports it when all has. */
void dl_box_report_start(dl_box_t *box);
/* The last step of its end: the network is gone. */
void dl_box_free(dl_box_t *box);

/* --- watches of epoll --- */

/* Somebody lacks them: if a box holds most of them it ends. On a thread; not more often than each second. */
void dl_runtime_relieve(dl_runtime_t *rt);
/* The same at once, for dl_watches_on_lack. */
void dl_runtime_on_lack(void *rt);

/* --- network --- */

/* NULL: private boxes of this runtime get outside access; else why not (a static text). */
const char *dl_network_missing(const dl_runtime_t *rt);
/* Start slirp4netns for the box whose process 1 is inner_pid; it says one byte when it is ready. NULL when that did
 * not work. */
struct dl_helper *dl_network_start(dl_box_t *box, void (*on_said)(void *user, const char *bytes, size_t len));

/* Begins to find out what rules this machine can enforce; and that. NULL, or why not (it lives as long as the runtime). The
 * first question may wait for nft, some milliseconds. */
void dl_rules_probe_begin(dl_runtime_t *rt);
const char *dl_rules_missing(const dl_runtime_t *rt, bool has_names);
void dl_rules_probe_end(dl_runtime_t *rt);

/* Which network the box has, and what is wanted of it. NULL, or why it cannot be had (yours to free). */
char *dl_box_net_init(dl_box_t *box, const dl_box_spec_t *spec);
/* When its first process runs and its number is known. */
void dl_box_net_open(dl_box_t *box);
/* Whether no programs run in it: then slirp4netns, which wakes up every second, is stopped until one does. */
void dl_box_net_rest(dl_box_t *box, bool is_quiet);
/* Its first rules are in force, if it has any. */
bool dl_box_net_is_safe(const dl_box_t *box);
/* Something of its network has changed: does what is to be done now. */
void dl_box_net_look(dl_box_t *box);
/* The box has ended: frees it when all of its network is gone. */
void dl_box_net_ended(dl_box_t *box);
void dl_box_net_clear(dl_box_t *box);
/* See dl_box_info_t. */
const char *dl_box_net_text(const dl_box_t *box);

#endif
