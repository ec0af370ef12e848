/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public calls: opening the store, looking images up, and what buildah is asked for in each job.
 */
#include "images/internal.h"

#include "images/jail.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AT_ONCE 2
/* Each is open while the jail begins. */
#define CONTEXTS_MAX 500
#define PROCESSES_MAX 65536 /* of all jobs; the jail has a limit for each */
#define DOCKERFILE_MAX ((size_t)1 << 20)
/* Below it are the names of ours, which nobody else sees. */
#define KEPT "localhost/daytona-local/kept:"

/* --- opening --- */

static char *find_program(const char *name) {
  static const char *const dirs[] = {"/usr/local/bin", "/usr/local/sbin", "/usr/bin", "/usr/sbin", "/bin",
                                     "/sbin"};
  for (size_t i = 0; i < DL_COUNT(dirs); i++) {
    char *path = dl_xprintf("%s/%s", dirs[i], name);
    if (access(path, X_OK) == 0) return path;
    free(path);
  }
  return NULL;
}

static bool have_program(const char *name) {
  char *path = find_program(name);
  bool found = path != NULL;
  free(path);
  return found;
}

/* NULL, or what images need that this machine has not. */
static char *find_missing(dl_images_t *images, const dl_images_opts_t *opts) {
  char *ids = dl_image_ids_find(opts->first_uid, &images->ids);
  char *missing = NULL;
  images->runtime = dl_xstrdup(have_program("crun") ? "crun" : "runc");
  if (!have_program("buildah"))
    missing = dl_xstrdup("images need buildah, which is not installed (package buildah)");
  else if (!have_program(images->runtime))
    missing = dl_xstrdup("images need crun or runc, and neither is installed (package crun)");
  else if (!images->as_root && (!have_program("newuidmap") || !have_program("newgidmap")))
    missing = dl_xstrdup("images of an ordinary user need newuidmap and newgidmap (package uidmap)");
  else if (ids)
    missing = dl_xprintf("images cannot be used: %s", ids);
  free(ids);
  return missing;
}

/* Whoever writes a Dockerfile decides what buildah asks for (ADD takes URLs), so that has the network of the steps, with no
 * way to this machine's own services. What to pull is a name, and never a path of a service. */
static void choose_networks(dl_images_t *images, const dl_images_opts_t *opts) {
  bool has_slirp = have_program("slirp4netns");
  bool has_tun = access("/dev/net/tun", images->as_root ? F_OK : R_OK | W_OK) == 0;
  images->pull_network = has_slirp && has_tun && opts->network != DL_NETWORK_HOST ? "private" : "host";
  images->build_network = opts->network == DL_NETWORK_NONE ? "none" : images->pull_network;
  dl_image_conf_forwards(&images->forwards, opts);
  if (opts->network == DL_NETWORK_HOST || opts->network == DL_NETWORK_NONE || (has_slirp && has_tun)) return;
  images->build_network = "none";
  images->network_reason = has_slirp ? "The build has no network: /dev/net/tun cannot be opened.\n"
                                     : "The build has no network: slirp4netns is not installed.\n";
}

static char *make_dir(const char *path, mode_t mode, const dl_images_t *images, bool is_theirs) {
  struct stat st;
  if (mkdir(path, mode) != 0 && errno != EEXIST)
    return dl_xprintf("cannot make %s: %s", path, strerror(errno));
  if (lstat(path, &st) != 0 || !S_ISDIR(st.st_mode)) return dl_xprintf("%s is no folder", path);
  if (!is_theirs || !images->as_root || st.st_uid == images->ids.zero_uid) return NULL;
  if (st.st_uid != 0)
    return dl_xprintf("%s belongs to user %u, and the images of this server to %u", path, (unsigned)st.st_uid,
                      (unsigned)images->ids.zero_uid);
  if (chown(path, images->ids.zero_uid, images->ids.zero_gid) == 0) return NULL;
  return dl_xprintf("cannot give away %s: %s", path, strerror(errno));
}

static bool is_empty_dir(const char *path) {
  return rmdir(path) == 0 ? mkdir(path, 0700) == 0 : errno == ENOENT;
}

/* What a killed server has left: folders of jobs, and working containers in the store. */
static bool has_leftovers(const dl_images_t *images) {
  struct stat st;
  char *containers = dl_xprintf("%s/overlay-containers/containers.json", images->store_dir);
  bool has = stat(containers, &st) == 0 && st.st_size > 4; /* "null" and "[]" are none */
  free(containers);
  return has || !is_empty_dir(images->work_dir);
}

/* The jobs of a server that was killed end by themselves, a moment after it: what they leave may not be there yet. */
static void mark_open(dl_images_t *images) {
  struct stat st;
  char *containers = dl_xprintf("%s/overlay-containers", images->store_dir);
  images->was_killed = access(images->open_mark, F_OK) == 0 && stat(containers, &st) == 0;
  free(containers);
  int fd = open(images->open_mark, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd >= 0) close(fd);
}

static char *open_store(dl_images_t *images, const dl_images_opts_t *opts) {
  char *marks = dl_xprintf("%s/imported", images->dir);
  char *error = make_dir(images->dir, 0700, images, false);
  if (!error) images->missing = find_missing(images, opts);
  if (!error) error = make_dir(images->store_dir, 0700, images, !images->missing);
  if (!error) error = make_dir(images->work_dir, 0700, images, false);
  if (!error) mark_open(images);
  if (!error) images->needs_sweep = has_leftovers(images) || images->was_killed;
  if (!error) error = make_dir(images->work_dir, 0700, images, !images->missing);
  if (!error) error = dl_image_conf_write(images->conf_dir, opts, images->runtime);
  if (!error) {
    dl_image_marks_load(&images->imported, marks);
    dl_image_records_t records;
    char *problem = dl_image_records_load(images->store_dir, &records);
    if (problem) dl_warn("%s", problem);
    free(problem);
    dl_images_take_records(images, &records);
  }
  free(marks);
  return error;
}

static void free_images(dl_images_t *images) {
  dl_box_limits_clear(&images->limits, &images->group);
  dl_limits_clear(&images->limits);
  dl_image_records_clear(&images->records);
  dl_image_marks_clear(&images->imported);
  dl_redact_clear(&images->secrets);
  dl_image_words_clear(&images->forwards);
  free(images->open_mark);
  free(images->dir);
  free(images->store_dir);
  free(images->work_dir);
  free(images->conf_dir);
  free(images->exe);
  free(images->auth_file);
  free(images->missing);
  free(images->runtime);
  free(images);
}

static void on_turn_closed(uv_handle_t *handle) {
  dl_images_t *images = handle->data;
  void (*on_closed)(void *) = images->on_closed;
  void *user = images->closed_user;
  unlink(images->open_mark);
  free_images(images);
  if (on_closed) on_closed(user);
}

static void on_timer_closed(uv_handle_t *handle) {
  uv_close((uv_handle_t *)&((dl_images_t *)handle->data)->turn, on_turn_closed);
}

static void on_lane_closed(void *user) {
  dl_images_t *images = user;
  images->space_timer.data = images;
  uv_close((uv_handle_t *)&images->space_timer, on_timer_closed);
}

void dl_images_close_when_idle(dl_images_t *images) {
  if (!images->is_closing || !images->lane) return;
  if (!dl_list_empty(&images->waiting) || !dl_list_empty(&images->active) || !dl_list_empty(&images->settled))
    return;
  dl_lane_t *lane = images->lane;
  images->lane = NULL;
  uv_idle_stop(&images->turn);
  dl_lane_close(lane, on_lane_closed, images);
}

static char *own_program(const char *exe) {
  char path[PATH_MAX];
  ssize_t len = exe ? -1 : readlink("/proc/self/exe", path, sizeof path - 1);
  if (len < 0) return dl_xstrdup(exe ? exe : "/proc/self/exe");
  path[len] = '\0';
  return dl_xstrdup(path);
}

/* One control group for all jobs: a step may take what is there, and no more. */
static void limit_memory(dl_images_t *images, double gib) {
  double machine = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / ((double)(1 << 30));
  dl_limits_init(&images->limits);
  dl_box_limits_init(&images->limits, &images->group, "images");
  dl_box_limits_set(&images->limits, &images->group, 0,
                    gib == 0  ? machine / 2
                    : gib < 0 ? 0
                              : gib,
                    PROCESSES_MAX);
  if (gib > 0 && strcmp(images->group.how[DL_LIMIT_MEMORY], "none") == 0)
    dl_warn("the memory of builds cannot be limited: there is no control group for it");
}

dl_images_t *dl_images_new(uv_loop_t *loop, const dl_images_opts_t *opts, char **error) {
  dl_images_t *images = dl_xcalloc(1, sizeof *images);
  images->loop = loop;
  images->as_root = geteuid() == 0;
  char *state = realpath(opts->state_dir, NULL); /* jobs run in another folder */
  images->dir = dl_xprintf("%s/images", state ? state : opts->state_dir);
  free(state);
  images->store_dir = dl_xprintf("%s/store", images->dir);
  images->work_dir = dl_xprintf("%s/work", images->dir);
  images->open_mark = dl_xprintf("%s/open", images->dir);
  images->conf_dir = dl_xprintf("%s/conf", images->dir);
  images->exe = own_program(opts->exe);
  images->auth_file = opts->auth_file ? realpath(opts->auth_file, NULL) : NULL;
  if (opts->auth_file && !images->auth_file) images->auth_file = dl_xstrdup(opts->auth_file);
  images->at_once = opts->jobs_at_once ? opts->jobs_at_once : AT_ONCE;
  images->is_durable = opts->is_durable;
  images->is_used = opts->is_used;
  images->used_user = opts->user;
  dl_redact_init(&images->secrets);
  dl_image_conf_secrets(&images->secrets, opts);
  choose_networks(images, opts);
  dl_list_init(&images->waiting);
  dl_list_init(&images->active);
  dl_list_init(&images->settled);
  *error = open_store(images, opts);
  if (!*error && !(images->lane = dl_lane_new(loop, 1, 0)))
    *error = dl_xprintf("cannot make threads: %s", strerror(errno));
  if (*error) {
    free_images(images);
    return NULL;
  }
  uv_idle_init(loop, &images->turn);
  images->turn.data = images;
  uv_timer_init(loop, &images->space_timer);
  if (!images->missing) limit_memory(images, opts->memory_gib);
  if (images->needs_sweep) dl_image_jobs_wake(images);
  return images;
}

void dl_images_close(dl_images_t *images, void (*on_closed)(void *user), void *user) {
  assert(!images->is_closing);
  images->is_closing = true;
  images->on_closed = on_closed;
  images->closed_user = user;
  dl_image_jobs_stop(images);
}

const char *dl_images_missing(const dl_images_t *images) { return images->missing; }

dl_image_ids_t dl_images_ids(const dl_images_t *images) { return images->ids; }

/* --- looking up --- */

static bool has_import(const dl_images_t *images, const dl_image_t *image) {
  for (char **name = image->names; *name; name++)
    if (dl_image_marks_have(&images->imported, *name)) return true;
  return false;
}

/* An image that was there before keeps its object, so that who holds it holds the image. */
void dl_images_take_records(dl_images_t *images, dl_image_records_t *r) {
  for (size_t i = 0; i < r->count; i++) {
    dl_image_t *before = dl_image_records_find(&images->records, r->images[i]->info.id);
    if (before) r->images[i] = dl_image_renew(before, r->images[i]);
    r->images[i]->info.is_imported = has_import(images, r->images[i]);
    r->images[i]->is_leaving = false;
  }
  dl_image_records_clear(&images->records);
  images->records = *r;
  memset(r, 0, sizeof *r);
}

/* Names without a host are of a build first, then of docker.io, as buildah looks them up. */
static dl_image_t *find(const dl_images_t *images, const char *name) {
  dl_image_t *image = NULL;
  char *full = dl_image_full_name(name);
  if (full && dl_starts_with(full, "docker.io/") && !dl_starts_with(name, "docker.io/")) {
    char *local = dl_xprintf("localhost/%s", name), *full_local = dl_image_full_name(local);
    if (full_local) image = dl_image_records_find(&images->records, full_local);
    free(full_local);
    free(local);
  }
  if (!image && full) image = dl_image_records_find(&images->records, full);
  if (!image) image = dl_image_records_find(&images->records, name);
  free(full);
  return image;
}

dl_image_t *dl_image_open(dl_images_t *images, const char *name, char **error) {
  dl_image_t *image = find(images, name);
  if (image && !image->is_leaving) return dl_image_retain(image);
  if (error) *error = dl_xprintf("there is no image %s", name);
  return NULL;
}

void dl_images_list(dl_images_t *images, void (*each)(const dl_image_info_t *info, void *user), void *user) {
  for (size_t i = 0; i < images->records.count; i++) each(&images->records.images[i]->info, user);
}

uint64_t dl_images_disk_bytes(dl_images_t *images) { return images->records.disk_bytes; }

/* --- jobs --- */

static void buildah(dl_image_job_t *job, const char *command) {
  static const char *const words[] = {"buildah", "--root", "/store", "--runroot", "/run/store"};
  for (size_t i = 0; i < DL_COUNT(words); i++) dl_image_words_add(&job->program, "%s", words[i]);
  dl_image_words_add(&job->program, "%s", command);
}

static void set_network(dl_image_job_t *job, const char *network) {
  dl_image_words_add(&job->jail, "--net");
  dl_image_words_add(&job->jail, "%s", network);
  for (size_t i = 0; i < job->images->forwards.count; i++) {
    dl_image_words_add(&job->jail, "--forward");
    dl_image_words_add(&job->jail, "%s", job->images->forwards.items[i]);
  }
}

/* A script with buildah and its options as $B, and `argument` as $1. */
static void script(dl_image_job_t *job, const char *text, const char *argument) {
  dl_image_words_add(&job->program, "/bin/sh");
  dl_image_words_add(&job->program, "-euc");
  dl_image_words_add(&job->program, "B='buildah --root /store --runroot /run/store'\n%s", text);
  dl_image_words_add(&job->program, "sh");
  dl_image_words_add(&job->program, "%s", argument);
}

static void bind_read_only(dl_image_job_t *job, const char *from, const char *to) {
  dl_image_words_add(&job->jail, "--ro");
  dl_image_words_add(&job->jail, "%s=%s", from, to);
}

static dl_image_job_t *refuse(dl_image_job_t *job, char *error) {
  dl_image_job_submit(job, DL_IMAGE_INVALID, error);
  return job;
}

/* A registry on this machine's loopback is in the jail only when the options name it. NULL, or its HOST:PORT, yours. */
static char *unknown_loopback(const dl_images_t *images, const char *full_name) {
  dl_image_words_t found = {0};
  char *host = NULL;
  if (strcmp(images->pull_network, "private") == 0) dl_image_conf_add_loopback(&found, full_name);
  if (found.count > 0) host = dl_xstrdup(found.items[0]);
  for (size_t i = 0; host && i < images->forwards.count; i++)
    if (strcmp(images->forwards.items[i], host) == 0) dl_set(&host, NULL);
  dl_image_words_clear(&found);
  return host;
}

dl_image_job_t *dl_images_pull(dl_images_t *images, const char *reference, const dl_image_callbacks_t *cb) {
  dl_image_job_t *job = dl_image_job_new(images, DL_IMAGE_JOB_PULL, cb);
  char *full = dl_image_full_name(reference);
  if (!full) return refuse(job, dl_xprintf("'%s' is no name of an image", reference));
  job->wants = full;
  dl_set(&job->subject, full);
  if (dl_image_marks_have(&images->imported, full) && dl_image_records_find(&images->records, full)) {
    dl_image_job_submit(job, DL_IMAGE_OK, NULL);
    return job;
  }
  char *host = unknown_loopback(images, full);
  if (host) {
    bool is_here = dl_image_records_find(&images->records, full) != NULL;
    dl_image_job_submit(
      job, is_here ? DL_IMAGE_OK : DL_IMAGE_NO_NETWORK,
      is_here ? NULL
              : dl_xprintf("the registry cannot be reached: %s is of this machine's loopback, and only "
                           "--registry-insecure %s makes it known",
                           host, host));
    free(host);
    return job;
  }
  set_network(job, images->pull_network);
  buildah(job, "pull");
  dl_image_words_add(&job->program, "--policy=always");
  dl_image_words_add(&job->program, "docker://%s", full);
  dl_image_job_submit(job, DL_IMAGE_OK, NULL);
  return job;
}

static char *build_name(const char *name) {
  char *local = NULL;
  if (!name) {
    dl_uuid_t id = dl_uuid_new();
    local = dl_xprintf("localhost/daytona-local/build:%s", id.text);
  } else {
    char *full = dl_image_full_name(name);
    bool has_host = full && dl_starts_with(name, full);
    local = has_host || !full ? dl_xstrdup(name) : dl_xprintf("localhost/%s", name);
    free(full);
  }
  char *full = dl_image_full_name(local);
  free(local);
  return full;
}

dl_image_job_t *dl_images_build(dl_images_t *images, const dl_image_build_t *build,
                                const dl_image_callbacks_t *cb) {
  dl_image_job_t *job = dl_image_job_new(images, DL_IMAGE_JOB_BUILD, cb);
  job->wants = build_name(build->name);
  if (!job->wants) return refuse(job, dl_xprintf("'%s' is no name of an image", build->name));
  if (strlen(build->dockerfile) > DOCKERFILE_MAX)
    return refuse(job, dl_xstrdup("the Dockerfile is longer than 1 MiB"));
  if (build->context_count > CONTEXTS_MAX)
    return refuse(job, dl_xprintf("a build can have %d contexts, and this one has %zu", CONTEXTS_MAX,
                                  build->context_count));
  dl_set(&job->subject, job->wants);
  dl_set(&job->stdin_text, build->dockerfile);
  job->prologue = images->network_reason;
  set_network(job, images->build_network);
  for (size_t i = 0; i < build->context_count; i++) {
    dl_image_words_add(&job->jail, "--unpack");
    dl_image_words_add(&job->jail, "%s", build->contexts[i]);
  }
  /* --layers keeps every step as cache; images that are there are used as they are. */
  static const char *const words[] = {
    "--layers", "--pull=missing", "--format=docker", "--isolation=rootless", "--force-rm",
    "--http-proxy=false", "--identity-label=false",
    /* Raw packets pass by the routes of the jail, and slirp4netns takes 127.0.0.1 for the host's own. */
    "--cap-drop=CAP_NET_RAW"};
  buildah(job, "build");
  for (size_t i = 0; i < DL_COUNT(words); i++) dl_image_words_add(&job->program, "%s", words[i]);
  dl_image_words_add(&job->program, "--runtime=/etc/containers/bin/runtime"); /* variables.h */
  /* Steps have the network of the jail, or none. */
  dl_image_words_add(&job->program, "--network=%s",
                     strcmp(images->build_network, "none") == 0 ? "none" : "host");
  dl_image_words_add(&job->program, "--tag=%s", job->wants);
  dl_image_words_add(&job->program, "--file=-");
  dl_image_words_add(&job->program, DL_JAIL_CONTEXT);
  dl_image_job_submit(job, DL_IMAGE_OK, NULL);
  return job;
}

/* $1 is the full name. An archive brings names of its own, which must not take those of other images away, so it is read
 * into a store of the job's, and one image of that goes on. */
#define IMPORT_FROM(from)                              \
  "T='buildah --root /job/store --runroot /run/job'\n" \
  "id=$($T pull -q \"" from                            \
  "\")\n"                                              \
  "exec $T push -q \"$id\" \"containers-storage:[overlay@/store+/run/store]$1\"\n"
/* Devices cannot be made by an id that is not the host's root, and every sandbox gets its own. */
#define IMPORT_ROOT(file)                                                                                   \
  "c=$($B from scratch)\n"                                                                                  \
  "m=$($B mount \"$c\")\n"                                                                                  \
  "tar -C \"$m\" --numeric-owner --xattrs --xattrs-include='user.*' --exclude='./dev/*' --exclude='dev/*' " \
  "-xpf " file                                                                                              \
  "\n"                                                                                                      \
  "[ " file " = /import ] || rm -f " file                                                                   \
  "\n"                                                                                                      \
  "$B umount \"$c\" >/dev/null\n"                                                                           \
  "exec $B commit -q --format docker --identity-label=false --rm \"$c\" \"$1\"\n"
static const char import_archive[] =
  "file=/import\n"
  "for program in gzip bzip2 xz zstd; do\n"
  "  $program -qt /import 2>/dev/null || continue\n"
  "  $program -qdc /import >/job/plain.tar; file=/job/plain.tar; break\n"
  "done\n"
  "tar -tf $file >/job/names 2>/dev/null || :\n"
  "has() { grep -qxE \"(\\./)?$1\" /job/names; }\n"
  "if has manifest.json; then kind=docker-archive\n"
  "elif has oci-layout; then kind=oci-archive\n"
  "elif has '(bin|usr|etc)/.*'; then\n" IMPORT_ROOT("$file") "else\n"
  "  echo 'Error: this is not an image archive (of docker save, OCI, or a root file system)' >&2; exit 1\n"
  "fi\n" IMPORT_FROM("$kind:$file");
static const char import_layout[] = IMPORT_FROM("oci:/import");
static const char import_folder[] = IMPORT_ROOT(DL_JAIL_PACKED);

dl_image_job_t *dl_images_import(dl_images_t *images, const char *name, const char *path,
                                 const dl_image_callbacks_t *cb) {
  dl_image_job_t *job = dl_image_job_new(images, DL_IMAGE_JOB_IMPORT, cb);
  struct stat st;
  char *full = dl_image_full_name(name);
  if (!full || strchr(full, '@')) {
    free(full);
    return refuse(job, dl_xprintf("'%s' is no name that an image can be given", name));
  }
  job->wants = full;
  dl_set(&job->subject, full);
  if (path[0] != '/') return refuse(job, dl_xprintf("%s is not an absolute path", path));
  if (stat(path, &st) != 0) return refuse(job, dl_xprintf("cannot read %s: %s", path, strerror(errno)));
  if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
    return refuse(job, dl_xprintf("%s is no file and no folder", path));
  if (!dl_image_marks_set(&images->imported, full, true))
    return refuse(job, dl_xprintf("cannot write %s: %s", images->imported.path, strerror(errno)));
  char *layout = dl_xprintf("%s/oci-layout", path);
  bool is_root = S_ISDIR(st.st_mode) && access(layout, F_OK) != 0;
  free(layout);
  if (is_root) {
    dl_image_words_add(&job->jail, "--pack");
    dl_image_words_add(&job->jail, "%s", path);
  } else {
    bind_read_only(job, path, "/import");
  }
  script(job, is_root ? import_folder : S_ISDIR(st.st_mode) ? import_layout : import_archive, full);
  dl_image_job_submit(job, DL_IMAGE_OK, NULL);
  return job;
}

/* $1 is the name, $2 the base. What overlay has written is what the store keeps of a layer, so it is copied as it is. */
static const char commit_layer[] =
  "c=$($B from --pull-never \"$2\")\n"
  "m=$($B mount \"$c\")\n"
  "$B umount \"$c\" >/dev/null\n"
  "cp -a --preserve=all /upper/. \"${m%/merged}/diff/\"\n"
  "exec $B commit -q --format docker --identity-label=false --rm \"$c\" \"$1\"\n";

dl_image_job_t *dl_images_commit(dl_images_t *images, dl_image_t *base, const char *upper, const char *name,
                                 const dl_image_callbacks_t *cb) {
  dl_image_job_t *job = dl_image_job_new(images, DL_IMAGE_JOB_COMMIT, cb);
  job->wants = build_name(name);
  if (!job->wants) return refuse(job, dl_xprintf("'%s' is no name of an image", name));
  dl_set(&job->subject, job->wants);
  bind_read_only(job, upper, "/upper");
  script(job, commit_layer, job->wants);
  dl_image_words_add(&job->program, "%s", base->info.id);
  dl_image_job_submit(job, DL_IMAGE_OK, NULL);
  return job;
}

static bool is_needed(const dl_images_t *images, const dl_image_t *image) {
  return image->references > 1 || (images->is_used && images->is_used(image->info.id, images->used_user));
}

static size_t name_count(const dl_image_t *image) {
  size_t count = 0;
  while (image->names[count]) count++;
  return count;
}

/* Every name from $2 on; $1 is one that the image keeps when it is needed, or empty. */
static const char remove_names[] =
  "keep=$1; shift\n"
  "[ -z \"$keep\" ] || $B tag \"$1\" \"$keep\"\n"
  "exec $B rmi \"$@\"\n";

static bool prepare_remove(dl_image_job_t *job) {
  dl_images_t *images = job->images;
  dl_image_t *image = find(images, job->subject);
  if (!image) return false;
  bool by_id = dl_starts_with(image->info.id, job->subject);
  char *full = dl_image_full_name(job->subject), *keep = NULL;
  bool is_last = by_id || name_count(image) <= 1;
  if (is_last && is_needed(images, image)) keep = dl_xprintf(KEPT "%.12s", image->info.id);
  image->is_leaving = is_last && !keep;
  script(job, remove_names, keep ? keep : "");
  for (char **at = image->names; *at; at++) {
    bool is_meant = by_id || name_count(image) == 1 || (full && strcmp(*at, full) == 0);
    if (!is_meant || (keep && strcmp(*at, keep) == 0)) continue;
    dl_image_words_add(&job->program, "%s", *at);
    if (!dl_image_marks_set(&images->imported, *at, false))
      dl_warn("%s: %s", images->imported.path, strerror(errno));
  }
  if (!image->names[0] && !keep) dl_image_words_add(&job->program, "%s", image->info.id);
  free(keep);
  free(full);
  return true;
}

dl_image_job_t *dl_images_remove(dl_images_t *images, const char *name, const dl_image_callbacks_t *cb) {
  dl_image_job_t *job = dl_image_job_new(images, DL_IMAGE_JOB_REMOVE, cb);
  dl_set(&job->subject, name);
  job->prepare = prepare_remove;
  if (find(images, name))
    dl_image_job_submit(job, DL_IMAGE_OK, NULL);
  else
    dl_image_job_submit(job, DL_IMAGE_UNKNOWN, dl_xprintf("there is no image %s", name));
  return job;
}

/* What is to go is settled when nothing else runs, and cannot be opened from then on. */
static bool prepare_prune(dl_image_job_t *job) {
  dl_images_t *images = job->images;
  size_t count = 0;
  buildah(job, "rmi");
  dl_image_words_add(&job->program, "--force");
  for (size_t i = 0; i < images->records.count; i++) {
    dl_image_t *image = images->records.images[i];
    if (image->info.is_imported || is_needed(images, image)) continue;
    image->is_leaving = true;
    dl_image_words_add(&job->program, "%s", image->info.id);
    count++;
  }
  return count > 0;
}

dl_image_job_t *dl_images_prune(dl_images_t *images, const dl_image_callbacks_t *cb) {
  dl_image_job_t *job = dl_image_job_new(images, DL_IMAGE_JOB_REMOVE, cb);
  dl_set(&job->subject, "prune");
  job->prepare = prepare_prune;
  job->is_alone = true;
  dl_image_job_submit(job, DL_IMAGE_OK, NULL);
  return job;
}
