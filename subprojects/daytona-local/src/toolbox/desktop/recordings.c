/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recordings of the screen: those under way, and the files of earlier ones in ~/.daytona/recordings.
 *
 * The name of a file begins with its id, so the folder is all there is to know: recordings survive a restart of the sandbox. What
 * else lies in the folder is left alone. Work on the folder is quick and small, and is done on the loop; the bytes of a
 * download come from the thread pool.
 */
#include "toolbox/core/conditions.h"
#include "toolbox/core/fields.h"
#include "toolbox/core/pump.h"
#include "toolbox/core/range.h"
#include "toolbox/core/reply.h"
#include "toolbox/core/scripts.h"
#include "toolbox/core/spawn.h"
#include "toolbox/desktop/desktop.h"
#include "toolbox/desktop/life.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FOLDER ".daytona/recordings"
#define SUFFIX ".mp4"
#define LABEL_MAX 100
#define BODY_MAX 65536
#define FILES_MAX 10000

/* --- the folder --- */

static char *folder_of(const dl_toolbox_t *tb) { return dl_xprintf("%s/" FOLDER, tb->home); }

/* NULL, or why there is none; yours to free. */
static char *make_folder(const dl_toolbox_t *tb) {
  char *above = dl_xprintf("%s/.daytona", tb->home), *folder = folder_of(tb), *problem = NULL;
  mkdir(above, 0755);
  if (mkdir(folder, 0755) != 0 && errno != EEXIST)
    problem = dl_xprintf("cannot make %s: %s", folder, strerror(errno));
  free(above);
  free(folder);
  return problem;
}

/* "UUID_label_date.mp4" */
static bool is_recording(const char *name) {
  size_t len = strlen(name);
  if (len <= DL_UUID_LEN + strlen(SUFFIX) || name[DL_UUID_LEN] != '_' ||
      strcmp(name + len - strlen(SUFFIX), SUFFIX) != 0)
    return false;
  char *id = dl_xstrndup(name, DL_UUID_LEN);
  bool ok = dl_is_uuid(id);
  free(id);
  return ok;
}

static bool is_active(const dl_toolbox_t *tb, const char *name) {
  DL_LIST_EACH(dl_recorders_list(tb->desktop->recorders), node)
  if (strcmp(DL_CONTAINER(node, dl_recorder_t, link)->name, name) == 0) return true;
  return false;
}

/* Calls `each` for every file of a recording that is over, until it returns false. */
static void each_file(const dl_toolbox_t *tb, bool (*each)(int dir, const char *name, void *user),
                      void *user) {
  char *path = folder_of(tb);
  DIR *dir = opendir(path);
  const struct dirent *entry;
  int count = 0;
  free(path);
  while (dir != NULL && count < FILES_MAX && (entry = readdir(dir)) != NULL) {
    if (!is_recording(entry->d_name) || is_active(tb, entry->d_name)) continue;
    count++;
    if (!each(dirfd(dir), entry->d_name, user)) break;
  }
  if (dir != NULL) closedir(dir);
}

typedef struct {
  const char *id;
  char *name; /* found */
} search_t;

static bool match(int dir, const char *name, void *user) {
  search_t *s = user;
  (void)dir;
  if (strncmp(name, s->id, DL_UUID_LEN) != 0) return true;
  s->name = dl_xstrdup(name);
  return false;
}

/* The name of the file of a recording that is over, yours to free; NULL: there is none. */
static char *find_file(const dl_toolbox_t *tb, const char *id) {
  search_t search = {.id = id};
  if (dl_is_uuid(id)) each_file(tb, match, &search);
  return search.name;
}

/* -1 with errno: it is none. */
static int open_file(const dl_toolbox_t *tb, const char *name, struct stat *st) {
  char *path = dl_xprintf("%s/" FOLDER "/%s", tb->home, name);
  int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  free(path);
  if (fd >= 0 && (fstat(fd, st) != 0 || !S_ISREG(st->st_mode))) {
    close(fd);
    errno = ENOENT;
    fd = -1;
  }
  return fd;
}

/* --- JSON --- */

static void set_time(json_t *to, const char *key, const struct timespec *time) {
  char seconds[24], text[48];
  struct tm parts;
  gmtime_r(&time->tv_sec, &parts);
  strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &parts);
  snprintf(text, sizeof text, "%s.%09ldZ", seconds, time->tv_nsec);
  json_object_set_new(to, key, json_string(text));
}

static json_t *describe(const dl_toolbox_t *tb, const char *id, const char *name, const char *status) {
  json_t *path = json_sprintf("%s/" FOLDER "/%s", tb->home, name);
  return json_pack("{s:s,s:s,s:o,s:s}", "id", id, "fileName", name, "filePath", path, "status", status);
}

static json_t *describe_active(const dl_recorder_t *r) {
  json_t *value = describe(r->run.tb, r->id, r->name, "recording");
  set_time(value, "startTime", &r->started);
  return value;
}

static json_t *describe_file(const dl_toolbox_t *tb, const char *name, const struct stat *st) {
  char *id = dl_xstrndup(name, DL_UUID_LEN);
  json_t *value = describe(tb, id, name, "completed");
  set_time(value, "startTime", &st->st_mtim);
  set_time(value, "endTime", &st->st_mtim);
  json_object_set_new(value, "sizeBytes", json_integer(st->st_size));
  free(id);
  return value;
}

static void reply_not_found(dl_req_t *req) { dl_tb_reply_error(req, 404, "recording not found"); }

/* --- start --- */

static bool label_ok(const char *label) {
  const char *at = label;
  size_t len = strlen(label);
  while (isspace((unsigned char)*at)) at++;
  if (len == 0 || len > LABEL_MAX || *at == '\0' || *at == '.') return false;
  for (at = label; *at != '\0'; at++)
    if (!isalnum((unsigned char)*at) && strchr("._-", *at) == NULL && *at != ' ' && *at != '\t') return false;
  return true;
}

typedef struct {
  dl_req_t *req;
  dl_toolbox_t *tb;
  char *label;
} start_t;

static void free_start(start_t *s) {
  free(s->label);
  free(s);
}

static void on_begun(dl_recorder_t *r, void *user, const char *problem) {
  start_t *s = user;
  if (problem != NULL) {
    unlink(r->path); /* there is nothing in it */
    dl_tb_reply_error(s->req, 500, "the recording has not begun: %s", problem);
  } else {
    dl_tb_reply_json(s->req, 201, describe_active(r));
  }
  free_start(s);
}

static void begin(start_t *s) {
  char date[24], *folder = folder_of(s->tb), *problem = make_folder(s->tb);
  time_t seconds = time(NULL);
  struct tm parts;
  dl_uuid_t id = dl_uuid_new();
  gmtime_r(&seconds, &parts);
  strftime(date, sizeof date, "%Y%m%d_%H%M%S", &parts);
  char *name = dl_xprintf("%s_%s_%s" SUFFIX, id.text, s->label, date);
  dl_recorder_t *r = NULL;
  if (problem == NULL)
    r = dl_recorder_start(s->tb->desktop->recorders, id.text, folder, name, dl_desktop_display_name(s->tb),
                          on_begun, s, &problem);
  if (r == NULL) {
    dl_tb_reply_error(s->req, 500, "the recording has not begun: %s", problem);
    free_start(s);
  }
  free(problem);
  free(folder);
  free(name);
}

/* ffmpeg would say it less clearly. */
static void on_screen_known(void *user, int status, const char *body, size_t len) {
  start_t *s = user;
  if (status == 200 && !s->tb->desktop->is_leaving) {
    begin(s);
    return;
  }
  dl_tb_reply_error(s->req, 503, "%.*s", (int)len, body);
  free_start(s);
}

/* A body that cannot be read is none. */
static char *read_label(const char *body, size_t len) {
  char *problem = NULL;
  json_t *value = len > 0 ? dl_json_parse_first(body, len, &problem) : NULL;
  const json_t *label = json_is_object(value) ? dl_json_get_nocase(value, "label") : NULL;
  const char *text = json_string_value(label);
  bool has_nul = text != NULL && strlen(text) != json_string_length(label);
  char *copy = dl_xstrdup(has_nul ? "/" : text != NULL && *text != '\0' ? text : "session");
  free(problem);
  json_decref(value);
  return copy;
}

static void on_start_body(dl_req_t *req, const char *body, size_t len, void *user) {
  dl_toolbox_t *tb = user;
  dl_desktop_ask_t ask = {.kind = DL_DESKTOP_DISPLAYS};
  char *label = read_label(body, len), *ffmpeg = dl_process_find(&tb->environment, "ffmpeg");
  if (!label_ok(label)) {
    dl_tb_reply_error(req, 400,
                      "invalid label: must be 1-100 characters, cannot start with dot, cannot contain path "
                      "separators (/ or \\), "
                      "and can only contain letters, numbers, spaces, dots, underscores, and hyphens");
    free(label);
  } else if (ffmpeg == NULL) {
    dl_tb_reply_error_code(req, 503, "RECORDING_FFMPEG_NOT_FOUND",
                           "FFmpeg must be installed and available in PATH to use screen recording");
    free(label);
  } else {
    start_t *s = dl_xcalloc(1, sizeof *s);
    *s = (start_t){.req = req, .tb = tb, .label = label};
    dl_desktop_lane_ask(tb->desktop->view, &ask, NULL, on_screen_known, s);
  }
  free(ffmpeg);
}

static void on_start(dl_req_t *req, void *user) { dl_req_read_body(req, BODY_MAX, on_start_body, user); }

/* --- stop --- */

static void on_stopped(dl_recorder_t *r, void *user) {
  dl_req_t *req = user;
  struct stat st;
  struct timespec end;
  int fd = open_file(r->run.tb, r->name, &st);
  if (fd < 0) {
    dl_tb_reply_error(req, 500, "the file of the recording is gone: %s", strerror(errno));
    return;
  }
  close(fd);
  clock_gettime(CLOCK_REALTIME, &end);
  json_t *value = describe(r->run.tb, r->id, r->name, "completed");
  set_time(value, "startTime", &r->started);
  set_time(value, "endTime", &end);
  double seconds =
    (double)(end.tv_sec - r->started.tv_sec) + (double)(end.tv_nsec - r->started.tv_nsec) / 1e9;
  json_object_set_new(value, "durationSeconds", json_real(seconds > 0 ? seconds : 0));
  json_object_set_new(value, "sizeBytes", json_integer(st.st_size));
  dl_tb_reply_json(req, 200, value);
}

static void on_stop_body(dl_req_t *req, const char *body, size_t len, void *user) {
  dl_toolbox_t *tb = user;
  json_t *value = dl_tb_body(req, body, len);
  const char *id = NULL;
  if (value == NULL) return;
  if (dl_tb_field_text(req, value, "id", true, &id)) {
    dl_recorder_t *r = dl_recorders_find(tb->desktop->recorders, id);
    if (r == NULL)
      reply_not_found(req);
    else
      dl_recorder_end(r, on_stopped, req);
  }
  json_decref(value);
}

static void on_stop(dl_req_t *req, void *user) { dl_req_read_body(req, BODY_MAX, on_stop_body, user); }

/* --- list, get, delete --- */

typedef struct {
  const dl_toolbox_t *tb;
  json_t *array;
} listing_t;

static bool add_file(int dir, const char *name, void *user) {
  listing_t *l = user;
  struct stat st;
  if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
    json_array_append_new(l->array, describe_file(l->tb, name, &st));
  return true;
}

static void on_list(dl_req_t *req, void *user) {
  dl_toolbox_t *tb = user;
  listing_t listing = {tb, json_array()};
  DL_LIST_EACH(dl_recorders_list(tb->desktop->recorders), node)
  json_array_append_new(listing.array, describe_active(DL_CONTAINER(node, dl_recorder_t, link)));
  each_file(tb, add_file, &listing);
  dl_tb_reply_json(req, 200, json_pack("{s:o}", "recordings", listing.array));
}

static void on_get(dl_req_t *req, void *user) {
  dl_toolbox_t *tb = user;
  const char *id = dl_req_param(req, "id");
  const dl_recorder_t *r = dl_recorders_find(tb->desktop->recorders, id);
  struct stat st;
  char *name = r == NULL ? find_file(tb, id) : NULL;
  int fd = name != NULL ? open_file(tb, name, &st) : -1;
  if (r != NULL)
    dl_tb_reply_json(req, 200, describe_active(r));
  else if (fd >= 0)
    dl_tb_reply_json(req, 200, describe_file(tb, name, &st));
  else
    reply_not_found(req);
  if (fd >= 0) close(fd);
  free(name);
}

typedef enum { DELETED, STILL_ACTIVE, NOT_THERE, NOT_DELETED } deletion_t;

static deletion_t delete_recording(const dl_toolbox_t *tb, const char *id) {
  if (dl_recorders_find(tb->desktop->recorders, id) != NULL) return STILL_ACTIVE;
  char *name = find_file(tb, id),
       *path = name != NULL ? dl_xprintf("%s/" FOLDER "/%s", tb->home, name) : NULL;
  deletion_t outcome = DELETED;
  if (path == NULL || (unlink(path) != 0 && errno == ENOENT))
    outcome = NOT_THERE;
  else if (access(path, F_OK) == 0)
    outcome = NOT_DELETED;
  free(name);
  free(path);
  return outcome;
}

static void on_delete(dl_req_t *req, void *user) {
  switch (delete_recording(user, dl_req_param(req, "id"))) {
    case STILL_ACTIVE:
      dl_tb_reply_error_code(req, 409, "RECORDING_STILL_ACTIVE",
                             "cannot delete an active recording, stop it first");
      break;
    case NOT_THERE: reply_not_found(req); break;
    case NOT_DELETED: dl_tb_reply_error(req, 500, "the recording cannot be deleted"); break;
    case DELETED:
      dl_tb_add_request_id(req);
      dl_reply_empty(req, 204);
      break;
  }
}

/* --- download --- */

typedef struct {
  int fd;
  int64_t at, end;
} download_t;

static ssize_t produce(void *user, char *out, size_t max) {
  download_t *d = user;
  size_t want = d->end - d->at < (int64_t)max ? (size_t)(d->end - d->at) : max;
  ssize_t got = want > 0 ? pread(d->fd, out, want, d->at) : 0;
  if (want > 0 && got <= 0) return -1; /* it has shrunk */
  d->at += got;
  return got;
}

static void release(void *user) {
  download_t *d = user;
  close(d->fd);
  free(d);
}

static void add_headers(dl_req_t *req, const struct stat *st) {
  char date[64];
  struct tm parts;
  gmtime_r(&st->st_mtime, &parts);
  strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  dl_req_add_header(req, "Content-Type", "video/mp4");
  dl_req_add_header(req, "Accept-Ranges", "bytes");
  dl_req_add_header(req, "Last-Modified", date);
}

/* Several ranges at once get the whole file, as HTTP allows. */
static void send_file(dl_req_t *req, dl_toolbox_t *tb, int fd, const struct stat *st) {
  static const dl_source_events_t events = {produce, release};
  dl_range_t ranges[DL_RANGES_MAX];
  size_t count = 0;
  dl_range_kind_t kind = dl_range_parse(dl_conditions_range(req, st->st_mtime), st->st_size, ranges, &count);
  char text[96];
  int status = dl_conditions_check(req, st->st_mtime);
  if (status != 0) {
    add_headers(req, st);
    dl_tb_add_request_id(req);
    dl_reply_empty(req, status);
    close(fd);
    return;
  }
  if (kind == DL_RANGE_BAD || kind == DL_RANGE_OUTSIDE) {
    snprintf(text, sizeof text, "bytes */%lld", (long long)st->st_size);
    dl_req_add_header(req, "Content-Range", text);
    dl_tb_reply_error(req, 416, "the range is not in the file");
    close(fd);
    return;
  }
  bool is_part = kind == DL_RANGE_SOME && count == 1;
  download_t *d = dl_xcalloc(1, sizeof *d);
  *d =
    (download_t){fd, is_part ? ranges[0].start : 0, is_part ? ranges[0].start + ranges[0].len : st->st_size};
  if (is_part) {
    snprintf(text, sizeof text, "bytes %lld-%lld/%lld", (long long)d->at, (long long)d->end - 1,
             (long long)st->st_size);
    dl_req_add_header(req, "Content-Range", text);
  }
  add_headers(req, st);
  dl_source_start(tb, req, is_part ? 206 : 200, d->end - d->at, &events, d);
}

static void on_download(dl_req_t *req, void *user) {
  dl_toolbox_t *tb = user;
  const char *id = dl_req_param(req, "id");
  struct stat st;
  if (dl_recorders_find(tb->desktop->recorders, id) != NULL) {
    dl_tb_reply_error(req, 404, "file not found: the recording is under way, stop it first");
    return;
  }
  char *name = find_file(tb, id);
  int fd = name != NULL ? open_file(tb, name, &st) : -1;
  if (fd >= 0)
    send_file(req, tb, fd, &st);
  else
    reply_not_found(req);
  free(name);
}

/* --- the page of recordings, which the platform has on port 33333 --- */

static void on_page(dl_req_t *req, void *user) {
  (void)user;
  dl_tb_reply_page(req, DL_SCRIPT_RECORDINGS_PAGE_HTML);
}

/* Each is looked for in the folder. */
#define DELETED_AT_ONCE_MAX 100

static void on_delete_many_body(dl_req_t *req, const char *body, size_t len, void *user) {
  json_t *value = dl_tb_body(req, body, len), *id, *deleted = json_array(), *failed = json_array();
  size_t i;
  if (json_array_size(dl_json_get(value, "ids")) > DELETED_AT_ONCE_MAX) {
    dl_tb_reply_error(req, 400, "not more than 100 recordings can be deleted at once");
    json_decref(value);
    value = NULL;
  }
  json_array_foreach (dl_json_get(value, "ids"), i, id) {
    bool ok = json_is_string(id) && delete_recording(user, json_string_value(id)) == DELETED;
    json_array_append(ok ? deleted : failed, id);
  }
  if (value != NULL)
    dl_tb_reply_json(req, 200, json_pack("{s:O, s:O}", "deleted", deleted, "failed", failed));
  json_decref(deleted);
  json_decref(failed);
  json_decref(value);
}

static void on_delete_many(dl_req_t *req, void *user) {
  dl_req_read_body(req, BODY_MAX, on_delete_many_body, user);
}

static void on_video(dl_req_t *req, void *user) {
  const char *name = dl_req_param(req, "file");
  struct stat st;
  int fd = is_recording(name) && strchr(name, '/') == NULL && !is_active(user, name)
             ? open_file(user, name, &st)
             : -1;
  if (fd >= 0)
    send_file(req, user, fd, &st);
  else
    reply_not_found(req);
}

static const dl_route_t ROUTES[] = {
  {"GET", "/recordings-page/", on_page, DL_TB_ANY_SLASH},
  {"GET", "/recordings-page/api/recordings", on_list, 0},
  {"DELETE", "/recordings-page/api/recordings", on_delete_many, 0},
  {"GET", "/recordings-page/videos/{file}", on_video, 0},
  {"POST", "/computeruse/recordings/start", on_start, 0},
  {"POST", "/computeruse/recordings/stop", on_stop, 0},
  {"GET", "/computeruse/recordings", on_list, 0},
  {"GET", "/computeruse/recordings/{id}", on_get, 0},
  {"DELETE", "/computeruse/recordings/{id}", on_delete, 0},
  {"GET", "/computeruse/recordings/{id}/download", on_download, 0},
};
const dl_route_table_t DL_TB_RECORDING_ROUTES = {ROUTES, DL_COUNT(ROUTES)};
