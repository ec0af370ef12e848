/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue and the processes. Invariants: a job is in exactly one of `waiting`, `active` and `settled` from its submit to
 * its report; `running` counts `active`; a sweep runs alone. A job that was killed may have left working containers in
 * the store and files in its folder, so a sweep follows as soon as nothing runs.
 */
#include "images/internal.h"

#include "images/jail.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define LAST_MAX 8192
#define SPACE_LOOK_MS 250
/* What jobs leave free on the disk of the store, for everybody else: this, or one part of so many of a small disk. */
#define SPACE_RESERVE ((uint64_t)256 << 20)
#define SPACE_PART 50
/* The same of files, where the file system has a number of them. */
#define FILES_RESERVE 65536u

/* --- words --- */

void dl_image_words_add(dl_image_words_t *w, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  w->items = dl_xrealloc(w->items, (w->count + 2) * sizeof *w->items);
  w->items[w->count++] = dl_xvprintf(fmt, args);
  w->items[w->count] = NULL;
  va_end(args);
}

void dl_image_words_clear(dl_image_words_t *w) {
  for (size_t i = 0; i < w->count; i++) free(w->items[i]);
  free(w->items);
  memset(w, 0, sizeof *w);
}

/* --- the end of a job --- */

static void free_job(dl_image_job_t *job) {
  dl_image_words_clear(&job->jail);
  dl_image_words_clear(&job->program);
  dl_redact_clear(&job->redact);
  dl_buf_clear(&job->last);
  dl_image_records_clear(&job->records);
  free(job->stdin_text);
  free(job->wants);
  free(job->subject);
  free(job->error);
  free(job->reload_error);
  free(job);
}

static void set_outcome(dl_image_job_t *job, dl_image_code_t code, char *error) {
  free(job->error);
  job->code = code;
  job->error = error;
}

/* From any list to the one that only reports. */
static void settle(dl_image_job_t *job) {
  dl_images_t *images = job->images;
  assert(!job->is_settled);
  job->is_settled = true;
  if (job->is_running) {
    job->is_running = false;
    images->running--;
    if (job->is_alone) images->is_reserved = false;
  }
  dl_list_unlink(&job->link);
  dl_list_push(&images->settled, &job->link);
  dl_image_jobs_wake(images);
}

static void report(dl_image_job_t *job) {
  dl_images_t *images = job->images;
  dl_image_result_t result = {.code = job->code, .error = job->error};
  if (job->code == DL_IMAGE_OK && job->wants) {
    result.image = dl_image_records_find(&images->records, job->wants);
    if (!result.image) {
      set_outcome(job, DL_IMAGE_FAILED, dl_xprintf("the image %s is not in the store", job->wants));
      result = (dl_image_result_t){.code = job->code, .error = job->error};
    }
  }
  dl_list_unlink(&job->link);
  if (result.image) dl_image_retain(result.image);
  if (job->cb.on_done) job->cb.on_done(&result, job->cb.user);
  dl_image_release(result.image);
  free_job(job);
}

/* --- what was made --- */

static void reload(dl_work_t *work) {
  dl_image_job_t *job = DL_CONTAINER(work, dl_image_job_t, reload);
  dl_images_t *images = job->images;
  int fd = images->is_durable ? open(images->store_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  if (fd >= 0) {
    syncfs(fd);
    close(fd);
  }
  if (job->folder) {
    char *dir = dl_xprintf("%s/%d", images->work_dir, job->folder);
    rmdir(dir); /* what is still in it goes with the next sweep */
    free(dir);
  }
  job->reload_error = dl_image_records_load(images->store_dir, &job->records);
}

static void reloaded(dl_work_t *work) {
  dl_image_job_t *job = DL_CONTAINER(work, dl_image_job_t, reload);
  dl_images_t *images = job->images;
  if (job->reload_error) {
    dl_warn("%s", job->reload_error);
    if (job->code == DL_IMAGE_OK) set_outcome(job, DL_IMAGE_FAILED, dl_xstrdup(job->reload_error));
  } else {
    dl_images_take_records(images, &job->records);
  }
  settle(job);
}

static void emit(const char *bytes, size_t len, void *user) {
  dl_image_job_t *job = user;
  if (job->last.len + len > LAST_MAX) {
    size_t keep = len < LAST_MAX / 2 ? LAST_MAX / 2 - len / 2 : 0;
    if (job->last.len > keep) dl_buf_consume(&job->last, job->last.len - keep);
  }
  size_t part = len < LAST_MAX / 2 ? len : LAST_MAX / 2;
  dl_buf_append(&job->last, bytes + len - part, part);
  if (job->cb.on_log && !job->is_cancelled) job->cb.on_log(bytes, len, job->cb.user);
}

/* A registry that cannot be reached does not take away what is here. */
static void settle_for_what_is_here(dl_image_job_t *job) {
  static const char note[] = "The registry cannot be reached; the image that was pulled before is used.\n";
  bool is_here = job->kind == DL_IMAGE_JOB_PULL && job->code == DL_IMAGE_NO_NETWORK &&
                 dl_image_records_find(&job->images->records, job->wants) != NULL;
  if (!is_here) return;
  emit(note, strlen(note), job);
  set_outcome(job, DL_IMAGE_OK, NULL);
}

static void process_ended(dl_image_job_t *job) {
  dl_images_t *images = job->images;
  dl_redact_feed(&job->redact, "", 0, true, emit, job);
  if (job->is_cancelled) {
    set_outcome(job, DL_IMAGE_CANCELLED, dl_xstrdup("cancelled"));
    images->needs_sweep = true;
  } else if (job->is_out_of_space) {
    set_outcome(job, DL_IMAGE_NO_SPACE,
                dl_xstrdup("no space is left on the disk of the image store, but for the server's reserve"));
    images->needs_sweep = true;
  } else if (job->status != 0) {
    dl_image_code_t code;
    char *error = dl_image_explain(job->last.data ? job->last.data : "", job->status, &code);
    set_outcome(job, code, error);
    settle_for_what_is_here(job);
    if (job->kind != DL_IMAGE_JOB_SWEEP) images->needs_sweep = true;
  }
  if (job->code != DL_IMAGE_OK) dl_debug("image job %s: %s", job->subject ? job->subject : "", job->error);
  job->reload.run = reload;
  job->reload.done = reloaded;
  dl_lane_add(images->lane, &job->reload);
}

static void on_closed(uv_handle_t *handle) {
  dl_image_job_t *job = handle->data;
  if (--job->open_handles == 0) process_ended(job);
}

static void on_exit_(uv_process_t *process, int64_t status, int signal) {
  dl_image_job_t *job = process->data;
  job->status = signal ? 128 + signal : (int)status;
  uv_close((uv_handle_t *)process, on_closed);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  static char block[65536]; /* read and used within one turn of the loop */
  (void)handle, (void)suggested;
  *buf = uv_buf_init(block, sizeof block);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf) {
  dl_image_job_t *job = stream->data;
  if (got > 0) dl_redact_feed(&job->redact, buf->base, (size_t)got, false, emit, job);
  if (got < 0) uv_close((uv_handle_t *)stream, on_closed);
}

/* SIGTERM to the group: the part of the jail that is outside kills its process 1 and waits for its end. */
static void kill_process(dl_image_job_t *job) {
  if (job->is_running && job->open_handles > 0 && !uv_is_closing((uv_handle_t *)&job->process))
    kill(-job->process.pid, SIGTERM);
}

/* --- the disk --- */

static bool is_short(uint64_t all, uint64_t left, uint64_t reserve) {
  return left < (all / SPACE_PART < reserve ? all / SPACE_PART : reserve);
}

static bool is_space_short(const dl_images_t *images) {
  struct statvfs fs;
  if (statvfs(images->store_dir, &fs) != 0) return false;
  return is_short((uint64_t)fs.f_blocks * fs.f_frsize, (uint64_t)fs.f_bavail * fs.f_frsize, SPACE_RESERVE) ||
         is_short(fs.f_files, fs.f_favail, FILES_RESERVE);
}

/* The server's own files are on that disk as well: jobs that write end before it is full. */
static void look_at_space(uv_timer_t *timer) {
  dl_images_t *images = timer->data;
  if (!is_space_short(images)) return;
  DL_LIST_EACH(&images->active, node) {
    dl_image_job_t *job = DL_CONTAINER(node, dl_image_job_t, link);
    bool writes = job->kind != DL_IMAGE_JOB_REMOVE && job->kind != DL_IMAGE_JOB_SWEEP;
    if (!writes || job->is_out_of_space) continue;
    job->is_out_of_space = true;
    kill_process(job);
  }
}

static void watch_space(dl_images_t *images) {
  images->space_timer.data = images;
  if (images->running == 0)
    uv_timer_stop(&images->space_timer);
  else if (!uv_is_active((uv_handle_t *)&images->space_timer))
    uv_timer_start(&images->space_timer, look_at_space, SPACE_LOOK_MS, SPACE_LOOK_MS);
}

/* --- its beginning --- */

/* A folder of its own, which is all that the job sees of `work`. A sweep sees all. NULL, or the reason. */
static char *make_folder(dl_image_job_t *job, char **path) {
  dl_images_t *images = job->images;
  if (job->kind == DL_IMAGE_JOB_SWEEP) return *path = dl_xstrdup(images->work_dir), NULL;
  job->folder = ++images->last_folder;
  *path = dl_xprintf("%s/%d", images->work_dir, job->folder);
  if ((mkdir(*path, 0700) != 0 && errno != EEXIST) ||
      (images->as_root && chown(*path, images->ids.zero_uid, images->ids.zero_gid) != 0))
    return dl_xprintf("cannot make %s: %s", *path, strerror(errno));
  return NULL;
}

static void command_line(const dl_image_job_t *job, const char *folder, dl_image_words_t *out) {
  const dl_images_t *images = job->images;
  const dl_image_ids_t *ids = &images->ids;
  dl_image_words_add(out, "daytona-local");
  dl_image_words_add(out, "image-jail");
  dl_image_words_add(out, "--parent");
  dl_image_words_add(out, "%d", (int)getpid());
  dl_image_words_add(out, "--ids");
  dl_image_words_add(out, "%u:%u:%u:%u:%u", (unsigned)ids->zero_uid, (unsigned)ids->first_uid, ids->count,
                     (unsigned)ids->zero_gid, (unsigned)ids->first_gid);
  dl_image_words_add(out, "--ro");
  dl_image_words_add(out, "%s=/etc/containers", images->conf_dir);
  dl_image_words_add(out, "--rw");
  dl_image_words_add(out, "%s=/store", images->store_dir);
  dl_image_words_add(out, "--rw");
  dl_image_words_add(out, "%s=" DL_JAIL_WORK, folder);
  for (int i = 0; i < DL_LIMIT_COUNT; i++) {
    if (!images->group.dir[i] || (images->limits.version == 2 && i > 0)) continue;
    dl_image_words_add(out, "--group");
    dl_image_words_add(out, "%s", images->group.dir[i]);
  }
  if (images->auth_file) {
    dl_image_words_add(out, "--copy");
    dl_image_words_add(out, "%s=" DL_IMAGE_AUTH_IN_JAIL, images->auth_file);
  }
  for (size_t i = 0; i < job->jail.count; i++) dl_image_words_add(out, "%s", job->jail.items[i]);
  dl_image_words_add(out, "--");
  for (size_t i = 0; i < job->program.count; i++) dl_image_words_add(out, "%s", job->program.items[i]);
}

static int stdin_file(const char *text) {
  int fd = memfd_create("dockerfile", MFD_CLOEXEC);
  size_t len = strlen(text);
  if (fd >= 0 && (write(fd, text, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) != 0)) {
    close(fd);
    fd = -1;
  }
  return fd;
}

/* 0, or a negative libuv error with the handles that are open closing. */
static int spawn(dl_image_job_t *job, dl_image_words_t *words, int input, int output) {
  char **env = dl_image_conf_env(job->images->auth_file != NULL);
  uv_stdio_container_t stdio[3] = {{.flags = input >= 0 ? UV_INHERIT_FD : UV_IGNORE, .data.fd = input},
                                   {.flags = UV_INHERIT_FD, .data.fd = output},
                                   {.flags = UV_INHERIT_FD, .data.fd = output}};
  uv_process_options_t options = {.file = job->images->exe,
                                  .args = words->items,
                                  .env = env,
                                  .cwd = "/",
                                  .flags = UV_PROCESS_DETACHED, /* a group of its own, to be ended as one */
                                  .stdio = stdio,
                                  .stdio_count = 3,
                                  .exit_cb = on_exit_};
  job->process.data = job;
  int rc = uv_spawn(job->images->loop, &job->process, &options);
  dl_image_conf_free_env(env);
  job->open_handles++;
  if (rc != 0) uv_close((uv_handle_t *)&job->process, on_closed);
  return rc;
}

static int start_process(dl_image_job_t *job, dl_image_words_t *words) {
  int ends[2], input = job->stdin_text ? stdin_file(job->stdin_text) : -1;
  if (job->stdin_text && input < 0) return -errno;
  if (pipe2(ends, O_CLOEXEC) != 0) {
    int reason = -errno;
    if (input >= 0) close(input);
    return reason;
  }
  uv_pipe_init(job->images->loop, &job->output, 0);
  job->output.data = job;
  job->open_handles = 1;
  int rc = uv_pipe_open(&job->output, ends[0]);
  assert(rc == 0);
  uv_read_start((uv_stream_t *)&job->output, on_alloc, on_read);
  rc = spawn(job, words, input, ends[1]);
  close(ends[1]);
  if (input >= 0) close(input);
  if (rc == 0) return 0;
  /* Both handles report their end, and with that the job. */
  dl_warn("cannot start a process: %s", uv_strerror(rc));
  job->status = DL_JAIL_EXIT;
  return 0;
}

static void start(dl_image_job_t *job) {
  dl_images_t *images = job->images;
  dl_image_words_t words = {0};
  char *folder = NULL;
  dl_list_unlink(&job->link);
  dl_list_push(&images->active, &job->link);
  job->is_running = true;
  images->running++;
  if (job->is_alone) images->is_reserved = true;
  if (job->prepare && !job->prepare(job)) {
    settle(job);
    return;
  }
  dl_buf_init(&job->last, SIZE_MAX / 2);
  dl_redact_init(&job->redact);
  for (size_t i = 0; i < images->secrets.count; i++) dl_redact_add(&job->redact, images->secrets.secrets[i]);
  if (job->prologue) emit(job->prologue, strlen(job->prologue), job);
  char *error = make_folder(job, &folder);
  if (!error) {
    command_line(job, folder, &words);
    int rc = start_process(job, &words);
    if (rc != 0) error = dl_xprintf("cannot start a process: %s", uv_strerror(rc));
  }
  free(folder);
  dl_image_words_clear(&words);
  if (!error) return;
  set_outcome(job, DL_IMAGE_FAILED, error);
  settle(job);
}

/* --- the queue --- */

/* buildah removes the working containers that have its own record in them. One whose build was killed before that was written is
 * given one. */
static const char sweep_script[] =
  "for at in /store/overlay-containers/*/userdata; do\n"
  "  [ -d $at ] && [ ! -e $at/buildah.json ] || continue\n"
  "  id=${at%/userdata}\n"
  "  printf '{\"type\":\"buildah 0.0.1\",\"container-id\":\"%s\"}' ${id##*/} >$at/buildah.json\n"
  "done\n"
  "exec buildah --root /store --runroot /run/store rm --all";

static void start_sweep(dl_images_t *images) {
  dl_image_job_t *job = dl_image_job_new(images, DL_IMAGE_JOB_SWEEP, NULL);
  images->needs_sweep = false;
  job->is_alone = true;
  dl_image_words_add(&job->program, "/bin/sh");
  dl_image_words_add(&job->program, "-c");
  dl_image_words_add(&job->program, "%s%s", images->was_killed ? "sleep 0.3\n" : "", sweep_script);
  images->was_killed = false;
  dl_set(&job->subject, "sweep");
  dl_list_push(&images->waiting, &job->link);
  start(job);
}

static void notice_waiting(dl_images_t *images) {
  DL_LIST_EACH(&images->waiting, node) {
    dl_image_job_t *job = DL_CONTAINER(node, dl_image_job_t, link);
    if (job->has_waited) continue;
    job->has_waited = true;
    const char *s = images->running == 1 ? "" : "s";
    bool is_cleaning = images->is_reserved || images->needs_sweep;
    char *line = is_cleaning
                   ? dl_xstrdup("Waiting for the image store to be cleaned.\n")
                   : dl_xprintf("Waiting for %u other build%s or pull%s to end.\n", images->running, s, s);
    if (job->cb.on_log) job->cb.on_log(line, strlen(line), job->cb.user);
    free(line);
    return; /* the callback may have changed the list */
  }
}

static bool has_unnoticed(const dl_images_t *images) {
  DL_LIST_EACH(&images->waiting, node)
  if (!DL_CONTAINER(node, dl_image_job_t, link)->has_waited) return true;
  return false;
}

/* In order: what has to run alone holds back all that comes after it. A sweep that is due does not: what runs may take an
 * hour, and what is swept harms nobody. */
static bool may_start(const dl_images_t *images) {
  if (images->is_closing || images->is_reserved || dl_list_empty(&images->waiting)) return false;
  const dl_image_job_t *next = DL_CONTAINER(images->waiting.next, dl_image_job_t, link);
  return images->running < (next->is_alone ? 1 : images->at_once);
}

static void on_turn(uv_idle_t *idle) {
  dl_images_t *images = idle->data;
  if (!images->is_closing && images->needs_sweep && images->running == 0 && !images->missing)
    start_sweep(images);
  while (may_start(images)) start(DL_CONTAINER(images->waiting.next, dl_image_job_t, link));
  if (!dl_list_empty(&images->settled))
    report(DL_CONTAINER(images->settled.next, dl_image_job_t, link));
  else if (has_unnoticed(images))
    notice_waiting(images);
  else
    uv_idle_stop(idle);
  watch_space(images);
  dl_images_close_when_idle(images);
}

void dl_image_jobs_wake(dl_images_t *images) { uv_idle_start(&images->turn, on_turn); }

dl_image_job_t *dl_image_job_new(dl_images_t *images, dl_image_job_kind_t kind,
                                 const dl_image_callbacks_t *cb) {
  dl_image_job_t *job = dl_xcalloc(1, sizeof *job);
  job->images = images;
  job->kind = kind;
  if (cb) job->cb = *cb;
  dl_list_init(&job->link);
  return job;
}

void dl_image_job_submit(dl_image_job_t *job, dl_image_code_t code, char *error) {
  dl_images_t *images = job->images;
  bool runs = job->program.count > 0 || job->prepare;
  if (!error && runs && images->missing) {
    code = DL_IMAGE_UNAVAILABLE;
    error = dl_xstrdup(images->missing);
  }
  if (!error && images->is_closing) {
    code = DL_IMAGE_CANCELLED;
    error = dl_xstrdup("the server ends");
  }
  if (error || !runs) {
    set_outcome(job, code, error);
    settle(job);
    return;
  }
  dl_list_push(&images->waiting, &job->link);
  dl_image_jobs_wake(images);
}

void dl_image_job_cancel(dl_image_job_t *job) {
  if (job->is_settled || job->is_cancelled) return;
  job->is_cancelled = true;
  if (job->is_running) {
    kill_process(job);
    return;
  }
  set_outcome(job, DL_IMAGE_CANCELLED, dl_xstrdup("cancelled"));
  settle(job);
}

void dl_image_jobs_stop(dl_images_t *images) {
  DL_LIST_EACH_SAFE(&images->waiting, node, after)
  dl_image_job_cancel(DL_CONTAINER(node, dl_image_job_t, link));
  DL_LIST_EACH_SAFE(&images->active, other, next)
  dl_image_job_cancel(DL_CONTAINER(other, dl_image_job_t, link));
  dl_image_jobs_wake(images);
}
