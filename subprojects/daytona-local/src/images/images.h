/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images: a store below the state directory, filled by buildah. Pulling, building, importing, committing and removing are
 * jobs that run buildah; looking an image up and mounting it read the store's own records and run nothing.
 *
 * buildah never runs as the server's user with the server's view of the machine. It runs in a jail (jail.h): user, mount,
 * PID, IPC and UTS namespaces of its own with a made-up root, and it ends with everything in it, mounts included, when the
 * job is cancelled or the server dies at any moment.
 *
 * Files in the store belong to the ids of one range: id N of an image is `first_uid + N` on the disk (id 0 is the server's
 * own user where that is an ordinary one). A sandbox on an image needs a user namespace with that mapping:
 * dl_images_ids().
 *
 * Everything here happens on the loop's thread; no callback is made inside the call that asked for it.
 */
#ifndef DL_IMAGES_H
#define DL_IMAGES_H

#include "runtime/runtime.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

typedef struct dl_images dl_images_t;

/* NAME and VALUE of a variable. */
typedef dl_box_pair_t dl_image_pair_t;

/* A mirror is asked first for what is of `registry`. */
typedef struct {
  const char *registry; /* HOST[:PORT], docker.io say */
  const char *mirror;   /* HOST[:PORT][/PATH] */
} dl_image_mirror_t;

typedef struct {
  const char *state_dir; /* Required. The store is in its folder `images`; made with mode 0700. */
  const char *exe;       /* Optional. This program; default /proc/self/exe. */
  dl_network_t
    network;          /* Of build steps: private (default; no way to the host's own services), none, host. */
  unsigned first_uid; /* Server runs as root: the store's files belong to first_uid + N; default 300000. */
  unsigned
    jobs_at_once; /* Builds and pulls that run at the same time; default 2. More wait, and say so in their log. */
  double memory_gib; /* Of all jobs together; 0: half of this machine's; negative: no limit. */
  const dl_image_pair_t
    *build_env; /* Optional. For every build step; never kept in an image, history or log. */
  size_t build_env_count;
  bool
    no_proxy_env; /* true: HTTP_PROXY and its like of the server's environment are not given to build steps. */
  const char *const
    *insecure_registries; /* Optional. HOST[:PORT], plain HTTP or a certificate nobody signed. */
  size_t insecure_registry_count;
  const dl_image_mirror_t *mirrors; /* Optional. */
  size_t mirror_count;
  const char
    *auth_file; /* Optional. Credentials of registries, as `buildah login` writes them; read at every job. */
  /* Optional. Whether something is made from the image of that id, which is not held at the moment: it is then kept when
   * its last name goes, and by dl_images_prune. */
  bool (*is_used)(const char *id, void *user);
  void *user;
  bool is_durable; /* what a job made is on the disk before it is reported */
} dl_images_opts_t;

/* Copies `opts`. Removes what a server that was killed has left behind. NULL and *error (yours to free) only when the
 * folder cannot be used; a machine without buildah has a store all the same, see dl_images_missing(). */
dl_images_t *dl_images_new(uv_loop_t *loop, const dl_images_opts_t *opts, char **error);
/* Cancels every job; reports and frees when each has called back. Mounts must have been released. */
void dl_images_close(dl_images_t *images, void (*on_closed)(void *user), void *user);

/* NULL when images can be pulled and built here; else the reason, with the package or setting that is missing. Borrowed. */
const char *dl_images_missing(const dl_images_t *images);

/* What ids of the host those of an image are. */
typedef struct {
  uid_t zero_uid, first_uid; /* for 0, and for 1 and up */
  gid_t zero_gid, first_gid;
  unsigned count; /* ids in all, 0 included; 1: nothing but id 0 */
} dl_image_ids_t;
dl_image_ids_t dl_images_ids(const dl_images_t *images);

/* --- images --- */

/* All borrowed from the image. Lists end with NULL, and are never NULL themselves. */
typedef struct {
  const char
    *id; /* 64 hexadecimal digits: of the configuration, so the same image has the same id everywhere */
  const char *digest;       /* of the manifest, with "sha256:" */
  const char *const *names; /* full ones: docker.io/library/debian:12, localhost/NAME of a build */
  uint64_t size_bytes;      /* of the unpacked layers */
  int64_t created_ms;
  const char *architecture, *os;
  const char *const *entrypoint, *const *cmd;
  const char *const *env; /* NAME=VALUE */
  const char *user;       /* as the image says: "", "1000", "app", "app:staff" */
  const char *work_dir;   /* "" when it says nothing */
  bool is_imported;       /* has a name that was given by an import */
} dl_image_info_t;

/* An image of the store, held: jobs leave its layers alone until the last release. */
typedef struct dl_image dl_image_t;

/* By id, by digest (NAME@sha256:...) or by name (short ones are those of docker.io, as on the platform). NULL when the
 * store has none, with *error (yours to free) saying so. Reads a few small files, runs nothing. */
dl_image_t *dl_image_open(dl_images_t *images, const char *name, char **error);
dl_image_t *dl_image_retain(dl_image_t *image);
void dl_image_release(dl_image_t *image);
const dl_image_info_t *dl_image_info(const dl_image_t *image);

/* The read-only layers as folders, topmost first, made to be the lower folders of an overlay mount (with `userxattr`;
 * deletions are character devices 0:0). There is nothing to mount or unmount for the image itself. Absolute paths that only
 * the server can change; borrowed from the image. NULL at the end. */
const char *const *dl_image_layers(const dl_image_t *image);

/* --- jobs --- */

typedef struct dl_image_job dl_image_job_t;

typedef enum {
  DL_IMAGE_OK,
  DL_IMAGE_CANCELLED,
  DL_IMAGE_UNAVAILABLE, /* no buildah, or the kernel does not allow it */
  DL_IMAGE_UNKNOWN,     /* no registry and no import has it */
  DL_IMAGE_REFUSED,     /* the registry refused the credentials, or wants some */
  DL_IMAGE_NO_NETWORK,  /* the registry cannot be reached */
  DL_IMAGE_NO_SPACE,
  DL_IMAGE_INVALID,     /* a name, Dockerfile, archive or context that cannot be used */
  DL_IMAGE_STEP_FAILED, /* a command of the Dockerfile ended with an error */
  DL_IMAGE_FAILED       /* anything else */
} dl_image_code_t;

/* Borrowed for the call. */
typedef struct {
  dl_image_code_t code;
  const char *error; /* one line for a person; NULL when it worked */
  dl_image_t *image; /* what the job made; NULL where it makes none. Retain it to keep it. */
} dl_image_result_t;

typedef struct {
  /* Optional. The log, as it comes; redacted. */
  void (*on_log)(const char *bytes, size_t len, void *user);
  /* Once, after the last on_log. The job's handle is invalid afterwards. */
  void (*on_done)(const dl_image_result_t *result, void *user);
  void *user;
} dl_image_callbacks_t;

/* Kills everything of the job, whole builds with their steps included. on_done follows with DL_IMAGE_CANCELLED, unless the
 * job was over already. */
void dl_image_job_cancel(dl_image_job_t *job);

/* From the registry; one that is there already is only asked about, and used when the registry cannot be reached. A name
 * that was imported is never asked for anywhere. `reference` as dl_image_open. */
dl_image_job_t *dl_images_pull(dl_images_t *images, const char *reference, const dl_image_callbacks_t *cb);

typedef struct {
  const char *dockerfile; /* Required. Its text. Copied. */
  const char *name;       /* Optional. What the image is called: "daytona-<hash>:daytona". Copied. */
  /* Tar files of contexts (of the object store), unpacked one over the other into one folder. Copied. The files must stay
   * until on_done. */
  const char *const *contexts;
  size_t context_count;
} dl_image_build_t;
dl_image_job_t *dl_images_build(dl_images_t *images, const dl_image_build_t *build,
                                const dl_image_callbacks_t *cb);

/* `path`: a file of `docker save` or an OCI archive, or a folder that is a root file system or an OCI layout. It answers to
 * `name` from then on, in FROM too. */
dl_image_job_t *dl_images_import(dl_images_t *images, const char *name, const char *path,
                                 const dl_image_callbacks_t *cb);

/* A new image: `base` with what `upper` (the upper folder of an overlay over its layers) changes. Nothing may write to
 * `upper` meanwhile. */
dl_image_job_t *dl_images_commit(dl_images_t *images, dl_image_t *base, const char *upper, const char *name,
                                 const dl_image_callbacks_t *cb);

/* Takes a name away, or with an id all names; the image goes with its last name, unless it is held or used. */
dl_image_job_t *dl_images_remove(dl_images_t *images, const char *name, const dl_image_callbacks_t *cb);

/* Removes every image that is neither imported nor held nor used (dl_images_opts_t), and what builds have kept as cache. */
dl_image_job_t *dl_images_prune(dl_images_t *images, const dl_image_callbacks_t *cb);

/* Calls `each` for every image, during the call. */
void dl_images_list(dl_images_t *images, void (*each)(const dl_image_info_t *info, void *user), void *user);

/* Bytes of all layers, each counted once. */
uint64_t dl_images_disk_bytes(dl_images_t *images);

/* The full form of a name: "debian:12" is docker.io/library/debian:12, a missing tag is latest. NULL when it is none.
 * Yours to free. */
char *dl_image_full_name(const char *name);

/* The environment of build steps and sandboxes from the server's own: HTTP_PROXY, HTTPS_PROXY, FTP_PROXY, ALL_PROXY and
 * NO_PROXY in both cases, without user and password in their URLs. Pairs are borrowed from the process. Returns how many;
 * `out` has room for DL_PROXY_ENV_MAX. Values are yours to free with dl_proxy_env_clear. */
#define DL_PROXY_ENV_MAX 10
size_t dl_proxy_env(dl_image_pair_t out[DL_PROXY_ENV_MAX]);
void dl_proxy_env_clear(dl_image_pair_t *pairs, size_t count);

#endif
