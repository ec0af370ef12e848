/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Local files on libuv's thread pool; see file.h.
 *
 * Each object runs one job at a time and has one request structure. What comes after a job is decided in one
 * place per object, next_step(), from its state; it is also where a closed object takes itself apart.
 */
#include "core/file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/limits.h"
#include "core/memory.h"
#include "core/random.h"

enum { PART_BASE_MAX = 200 };

typedef struct block {
  char *data;
  size_t start, end; /* bytes not taken yet, or not written yet */
} block_t;

/* What both have in common. */
typedef struct file {
  daytona__loop_t *loop;
  uv_fs_t req;
  uv_file fd; /* -1: not open */
  block_t blocks[2];
  int turn; /* block that the disk works on next */
  bool is_busy, is_closed;
  daytona_errcode_t code;
  int system_errno;
  char text[160];
  daytona__file_event_cb on_event;
  void *user;
} file_t;

static void file_init(file_t *file, daytona__loop_t *loop, daytona__file_event_cb on_event, void *user) {
  file->loop = daytona__loop_retain(loop);
  file->fd = -1;
  file->on_event = on_event;
  file->user = user;
}

/* Blocks are made when they are needed: reading only the size of a file needs none. */
static bool block_make(block_t *block) {
  if (block->data == NULL) block->data = daytona__alloc(DAYTONA__FILE_BLOCK);
  return block->data != NULL;
}

static void file_free(file_t *file) {
  for (int i = 0; i < 2; i++) daytona__free(file->blocks[i].data);
  daytona__loop_release(file->loop);
  daytona__free(file);
}

static void file_fail(file_t *file, const char *what, int error) {
  if (file->code != DAYTONA_OK) return;
  file->code = error == UV_ENOMEM ? DAYTONA_ENOMEM : DAYTONA_EIO;
  file->system_errno = daytona__system_errno(error);
  snprintf(file->text, sizeof file->text, "%s: %s", what, uv_strerror(error));
}

/* Before and after each job. libuv takes it unless memory is short, which counts as the job's failure. */
static bool job_begin(file_t *file, int rc) {
  if (rc < 0) {
    uv_fs_req_cleanup(&file->req);
    file_fail(file, "cannot start the local operation", rc);
    return false;
  }
  file->req.data = file;
  file->is_busy = true;
  daytona__loop_job_begin(file->loop);
  return true;
}

/* On this thread, when there is no memory for a job: a descriptor must not stay. */
static void close_now(file_t *file) {
  uv_fs_t req;
  if (file->fd < 0) return;
  uv_fs_close(NULL, &req, file->fd, NULL);
  uv_fs_req_cleanup(&req);
  file->fd = -1;
}

static ssize_t job_end(file_t *file) {
  ssize_t result = file->req.result;
  uv_fs_req_cleanup(&file->req);
  file->is_busy = false;
  return result;
}

static uv_loop_t *uv_of(const file_t *file) { return daytona__loop_uv(file->loop); }

/* Call the owner, unless it has closed the file; a job's end is reported only after that. */
static void notify(file_t *file) {
  if (!file->is_closed) file->on_event(file->user);
}

/* --- reading ----------------------------------------------------------------------------------- */

struct daytona__file_reader {
  file_t file;          /* first */
  int64_t from, most;   /* the range; -1: all of it */
  int64_t size, offset; /* of the range, as it was opened; asked for so far */
  int64_t taken;
  int read_turn; /* block that the caller takes from */
  bool is_open, wants_bytes;
};

static void reader_step(daytona__file_reader_t *reader);

static void on_reader_closed(uv_fs_t *req) {
  file_t *file = req->data;
  daytona__loop_t *loop = file->loop;
  job_end(file);
  daytona__loop_retain(loop);
  file_free(file);
  daytona__loop_job_end(loop);
  daytona__loop_release(loop);
}

static void reader_end_job(daytona__file_reader_t *reader) {
  daytona__loop_t *loop = daytona__loop_retain(reader->file.loop);
  reader_step(reader);
  daytona__loop_job_end(loop);
  daytona__loop_release(loop);
}

static void on_read(uv_fs_t *req) {
  daytona__file_reader_t *reader = req->data;
  file_t *file = &reader->file;
  block_t *block = &file->blocks[file->turn];
  ssize_t got = job_end(file);
  if (got < 0) {
    file_fail(file, "cannot read the local file", (int)got);
  } else if (got == 0) {
    file_fail(file, "the local file has become shorter", UV_EOF);
  } else {
    block->start = 0;
    block->end = (size_t)got;
    reader->offset += got;
    file->turn ^= 1;
  }
  reader_end_job(reader);
}

static void on_stat(uv_fs_t *req) {
  daytona__file_reader_t *reader = req->data;
  file_t *file = &reader->file;
  uv_stat_t stat = req->statbuf;
  ssize_t rc = job_end(file);
  if (rc < 0)
    file_fail(file, "cannot look at the local file", (int)rc);
  else if (!S_ISREG(stat.st_mode))
    file_fail(file, "not a regular file", S_ISDIR(stat.st_mode) ? UV_EISDIR : UV_EINVAL);
  else
    reader->is_open = true;
  reader->size = (int64_t)stat.st_size > reader->from ? (int64_t)stat.st_size - reader->from : 0;
  if (reader->most >= 0 && reader->size > reader->most) reader->size = reader->most;
  reader_end_job(reader);
}

static void on_reader_open(uv_fs_t *req) {
  daytona__file_reader_t *reader = req->data;
  file_t *file = &reader->file;
  ssize_t fd = job_end(file);
  if (fd < 0)
    file_fail(file, "cannot open the local file", (int)fd);
  else
    file->fd = (uv_file)fd;
  reader_end_job(reader);
}

static void read_block(daytona__file_reader_t *reader, block_t *block) {
  file_t *file = &reader->file;
  int64_t left = reader->size - reader->offset;
  if (!block_make(block)) {
    file_fail(file, "cannot read the local file", UV_ENOMEM);
    return;
  }
  unsigned room = (unsigned)(left < (int64_t)DAYTONA__FILE_BLOCK ? left : (int64_t)DAYTONA__FILE_BLOCK);
  uv_buf_t buf = uv_buf_init(block->data, room);
  job_begin(file,
            uv_fs_read(uv_of(file), &file->req, file->fd, &buf, 1, reader->from + reader->offset, on_read));
}

/* What the disk does next. */
static void reader_work(daytona__file_reader_t *reader) {
  file_t *file = &reader->file;
  block_t *block = &file->blocks[file->turn];
  if (file->code != DAYTONA_OK || file->fd < 0) return;
  if (!reader->is_open)
    job_begin(file, uv_fs_fstat(uv_of(file), &file->req, file->fd, on_stat));
  else if (reader->wants_bytes && block->start == block->end && reader->offset < reader->size)
    read_block(reader, block);
}

/* After each job; then the owner is called. */
static void reader_step(daytona__file_reader_t *reader) {
  file_t *file = &reader->file;
  assert(!file->is_busy);
  if (!file->is_closed) {
    reader_work(reader);
    notify(file);
  } else if (file->fd < 0 ||
             !job_begin(file, uv_fs_close(uv_of(file), &file->req, file->fd, on_reader_closed))) {
    close_now(file);
    file_free(file);
  }
}

daytona__file_reader_t *daytona__file_reader_new(daytona__loop_t *loop, const char *path,
                                                 daytona__file_event_cb on_event, void *user) {
  daytona__file_reader_t *reader = daytona__calloc(1, sizeof *reader);
  if (reader == NULL) return NULL;
  file_init(&reader->file, loop, on_event, user);
  reader->most = -1;
  if (job_begin(&reader->file, uv_fs_open(daytona__loop_uv(loop), &reader->file.req, path,
                                          O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0, on_reader_open)))
    return reader;
  file_free(&reader->file);
  return NULL;
}

void daytona__file_reader_set_range(daytona__file_reader_t *reader, int64_t from, int64_t size) {
  assert(!reader->is_open && from >= 0);
  reader->from = from;
  reader->most = size;
}

bool daytona__file_reader_is_open(const daytona__file_reader_t *reader) { return reader->is_open; }
int64_t daytona__file_reader_size(const daytona__file_reader_t *reader) { return reader->size; }

size_t daytona__file_reader_take(daytona__file_reader_t *reader, char *out, size_t size) {
  file_t *file = &reader->file;
  size_t done = 0;
  while (done < size) {
    block_t *block = &file->blocks[reader->read_turn];
    bool is_being_filled = file->is_busy && file->turn == reader->read_turn;
    size_t count = block->end - block->start;
    if (is_being_filled || count == 0) break;
    if (count > size - done) count = size - done;
    memcpy(out + done, block->data + block->start, count);
    block->start += count;
    done += count;
    if (block->start == block->end) {
      block->start = block->end = 0;
      reader->read_turn ^= 1;
    }
  }
  reader->taken += (int64_t)done;
  return done;
}

bool daytona__file_reader_has_bytes(const daytona__file_reader_t *reader) {
  const file_t *file = &reader->file;
  const block_t *block = &file->blocks[reader->read_turn];
  return block->start != block->end && !(file->is_busy && file->turn == reader->read_turn);
}

/* Apart from taking, because that may happen under libcurl. What fails at once is reported as if a job had failed. */
void daytona__file_reader_refill(daytona__file_reader_t *reader) {
  file_t *file = &reader->file;
  reader->wants_bytes = true;
  if (file->is_busy || file->is_closed || file->code != DAYTONA_OK) return;
  reader_work(reader);
  if (file->code != DAYTONA_OK) notify(file);
}

int daytona__file_reader_errno(const daytona__file_reader_t *reader) { return reader->file.system_errno; }

daytona_errcode_t daytona__file_reader_error(const daytona__file_reader_t *reader, const char **text) {
  *text = reader->file.text;
  return reader->file.code;
}

void daytona__file_reader_close(daytona__file_reader_t *reader) {
  if (reader == NULL) return;
  reader->file.is_closed = true;
  if (!reader->file.is_busy) reader_step(reader);
}

/* --- writing ----------------------------------------------------------------------------------- */

struct daytona__file_writer {
  file_t file;            /* first */
  char *path, *part_path; /* the name it gets, and the one it has until then */
  bool is_seen, is_link;  /* what has that name now: it was looked at; it is a link, to be followed */
  int mode;               /* permissions of the file that is replaced; -1: there is none, or it has them */
  size_t folder_end;      /* folders up to here are being made */
  int write_turn;         /* block that the caller fills */
  int64_t offset;
  bool is_made; /* the part file exists */
  bool is_committing, is_committed;
  bool is_abandoned, is_gone; /* what was written is to be removed; it has been */
};

static void writer_step(daytona__file_writer_t *writer);

static void writer_free(daytona__file_writer_t *writer) {
  daytona__free(writer->path);
  daytona__free(writer->part_path);
  file_free(&writer->file);
}

static void writer_end_job(daytona__file_writer_t *writer) {
  daytona__loop_t *loop = daytona__loop_retain(writer->file.loop);
  writer_step(writer);
  daytona__loop_job_end(loop);
  daytona__loop_release(loop);
}

/* Only a regular file may be replaced: never a device, whose name belongs to the system. */
static void on_seen(uv_fs_t *req) {
  daytona__file_writer_t *writer = req->data;
  file_t *file = &writer->file;
  uv_stat_t stat = req->statbuf;
  ssize_t rc = job_end(file);
  if (rc < 0 && rc != UV_ENOENT)
    file_fail(file, "cannot make the local file", (int)rc);
  else if (rc < 0)
    writer->is_seen = true;
  else if (S_ISLNK(stat.st_mode))
    writer->is_link = true;
  else if (!S_ISREG(stat.st_mode))
    file_fail(file, "not a regular file", S_ISDIR(stat.st_mode) ? UV_EISDIR : UV_EINVAL);
  else
    writer->mode = (int)(stat.st_mode & 0777);
  if (writer->mode >= 0) writer->is_seen = true;
  writer_end_job(writer);
}

/* Where the link leads is what gets replaced, and looked at again. */
static void on_followed(uv_fs_t *req) {
  daytona__file_writer_t *writer = req->data;
  char *target = req->result == 0 ? daytona__strdup(req->ptr) : NULL;
  ssize_t rc = job_end(&writer->file);
  writer->is_link = false;
  if (target == NULL) {
    file_fail(&writer->file, "cannot follow the local link", rc < 0 ? (int)rc : UV_ENOMEM);
  } else {
    daytona__free(writer->path);
    writer->path = target;
  }
  writer_end_job(writer);
}

static void on_mode(uv_fs_t *req) {
  daytona__file_writer_t *writer = req->data;
  job_end(&writer->file); /* some disks have no permissions */
  writer->mode = -1;
  writer_end_job(writer);
}

static void on_folder(uv_fs_t *req) {
  daytona__file_writer_t *writer = req->data;
  ssize_t rc = job_end(&writer->file);
  if (rc < 0 && rc != UV_EEXIST) file_fail(&writer->file, "cannot make the local folder", (int)rc);
  writer_end_job(writer);
}

static void on_writer_open(uv_fs_t *req) {
  daytona__file_writer_t *writer = req->data;
  file_t *file = &writer->file;
  ssize_t fd = job_end(file);
  if (fd == UV_ENOENT && writer->folder_end == 0) {
    writer->folder_end = 1; /* make the folders first, then try again */
  } else if (fd < 0) {
    file_fail(file, "cannot make the local file", (int)fd);
  } else {
    file->fd = (uv_file)fd;
    writer->is_made = true;
  }
  writer_end_job(writer);
}

static void on_written(uv_fs_t *req) {
  daytona__file_writer_t *writer = req->data;
  file_t *file = &writer->file;
  block_t *block = &file->blocks[file->turn];
  ssize_t put = job_end(file);
  if (put <= 0) {
    file_fail(file, "cannot write the local file", put < 0 ? (int)put : UV_EIO);
  } else {
    block->start += (size_t)put;
    writer->offset += put;
    if (block->start == block->end) {
      block->start = block->end = 0;
      file->turn ^= 1;
    }
  }
  writer_end_job(writer);
}

static void on_file_closed(uv_fs_t *req) {
  daytona__file_writer_t *writer = req->data;
  ssize_t rc = job_end(&writer->file);
  writer->file.fd = -1;
  if (rc < 0)
    file_fail(&writer->file, "cannot write the local file", (int)rc); /* delayed errors of the disk */
  writer_end_job(writer);
}

static void on_renamed(uv_fs_t *req) {
  daytona__file_writer_t *writer = req->data;
  ssize_t rc = job_end(&writer->file);
  if (rc < 0) {
    file_fail(&writer->file, "cannot give the local file its name", (int)rc);
  } else {
    writer->is_made = false;
    writer->is_committed = true;
  }
  writer_end_job(writer);
}

static void on_removed(uv_fs_t *req) {
  daytona__file_writer_t *writer = req->data;
  job_end(&writer->file);
  writer->is_made = false;
  writer_end_job(writer);
}

/* The next folder on the way to the file, or 0 when all are there. */
static size_t next_folder(const daytona__file_writer_t *writer) {
  const char *slash = strchr(writer->path + writer->folder_end, '/');
  return slash != NULL ? (size_t)(slash - writer->path) : 0;
}

static bool make_folder(daytona__file_writer_t *writer, size_t end) {
  file_t *file = &writer->file;
  writer->path[end] = '\0';
  int rc = uv_fs_mkdir(uv_of(file), &file->req, writer->path, 0777, on_folder); /* copies the path */
  writer->path[end] = '/';
  writer->folder_end = end + 1;
  return job_begin(file, rc);
}

/* A name beside the final one, of which it has as much as leaves room for the rest in 255 bytes. */
static bool name_part(daytona__file_writer_t *writer) {
  unsigned long long random;
  const char *slash = strrchr(writer->path, '/'), *base = slash != NULL ? slash + 1 : writer->path;
  size_t size = strlen(base), room = strlen(writer->path) + sizeof ".part-0123456789abcdef";
  if (size > PART_BASE_MAX)
    for (size = PART_BASE_MAX; size != 0 && ((unsigned char)base[size] & 0xc0) == 0x80;) size--;
  if (daytona__random(&random, sizeof random) == 0) writer->part_path = daytona__alloc(room);
  if (writer->part_path == NULL) return false;
  snprintf(writer->part_path, room, "%.*s.part-%016llx", (int)(base + size - writer->path), writer->path,
           random);
  return true;
}

/* Never readable for more people than the file that it will replace. */
static bool open_part(daytona__file_writer_t *writer) {
  file_t *file = &writer->file;
  if (writer->part_path == NULL && !name_part(writer)) {
    file_fail(file, "cannot make the local file", UV_ENOMEM);
    return false;
  }
  return job_begin(
    file, uv_fs_open(uv_of(file), &file->req, writer->part_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                     writer->mode >= 0 ? (writer->mode & 0600) | 0200 : 0666, on_writer_open));
}

/* What is there before the part file: a file, a link, nothing; then the folders; then the part file. */
static bool prepare(daytona__file_writer_t *writer) {
  file_t *file = &writer->file;
  size_t folder;
  if (writer->is_link)
    return job_begin(file, uv_fs_realpath(uv_of(file), &file->req, writer->path, on_followed));
  if (!writer->is_seen) return job_begin(file, uv_fs_lstat(uv_of(file), &file->req, writer->path, on_seen));
  if (writer->folder_end != 0 && (folder = next_folder(writer)) != 0) return make_folder(writer, folder);
  return open_part(writer);
}

static bool close_file(daytona__file_writer_t *writer) {
  file_t *file = &writer->file;
  if (job_begin(file, uv_fs_close(uv_of(file), &file->req, file->fd, on_file_closed))) return true;
  close_now(file);
  return false;
}

/* A writer that was closed or abandoned takes itself apart, job by job. */
static void writer_take_apart(daytona__file_writer_t *writer) {
  file_t *file = &writer->file;
  if (file->fd >= 0 && close_file(writer)) return;
  if (writer->is_made &&
      job_begin(file, uv_fs_unlink(uv_of(file), &file->req, writer->part_path, on_removed)))
    return;
  writer->is_gone = true;
  if (file->is_closed) writer_free(writer);
}

/* What the disk does next. False: nothing. */
static bool writer_work(daytona__file_writer_t *writer) {
  file_t *file = &writer->file;
  block_t *block = &file->blocks[file->turn];
  if (file->code != DAYTONA_OK || writer->is_committed) return false;
  if (!writer->is_made) return prepare(writer);
  if (writer->mode >= 0)
    return job_begin(file, uv_fs_fchmod(uv_of(file), &file->req, file->fd, writer->mode, on_mode));
  /* A full block, or what there is of it when nothing more will come. */
  if (block->end != block->start && (block->end == DAYTONA__FILE_BLOCK || block->start != 0 ||
                                     writer->is_committing || writer->write_turn != file->turn)) {
    uv_buf_t buf = uv_buf_init(block->data + block->start, (unsigned)(block->end - block->start));
    return job_begin(file,
                     uv_fs_write(uv_of(file), &file->req, file->fd, &buf, 1, writer->offset, on_written));
  }
  if (!writer->is_committing) return false;
  if (file->fd >= 0) return close_file(writer);
  return job_begin(file, uv_fs_rename(uv_of(file), &file->req, writer->part_path, writer->path, on_renamed));
}

static void writer_step(daytona__file_writer_t *writer) {
  file_t *file = &writer->file;
  if (file->is_busy) return;
  bool is_closed = file->is_closed;
  if (is_closed || writer->is_abandoned)
    writer_take_apart(writer);
  else
    writer_work(writer);
  if (!is_closed) notify(file);
}

daytona__file_writer_t *daytona__file_writer_new(daytona__loop_t *loop, const char *path,
                                                 daytona__file_event_cb on_event, void *user) {
  daytona__file_writer_t *writer = daytona__calloc(1, sizeof *writer);
  if (writer == NULL) return NULL;
  file_init(&writer->file, loop, on_event, user);
  writer->path = daytona__strdup(path);
  writer->mode = -1;
  bool has_blocks = block_make(&writer->file.blocks[0]) && block_make(&writer->file.blocks[1]);
  if (has_blocks && writer->path != NULL && prepare(writer)) return writer;
  writer_free(writer);
  return NULL;
}

size_t daytona__file_writer_put(daytona__file_writer_t *writer, const char *bytes, size_t size) {
  file_t *file = &writer->file;
  size_t done = 0;
  assert(!writer->is_committing);
  if (file->code != DAYTONA_OK) return 0;
  while (done < size) {
    block_t *block = &file->blocks[writer->write_turn];
    bool is_at_disk =
      block->start != 0 || (file->is_busy && writer->is_made && file->turn == writer->write_turn);
    size_t room = is_at_disk ? 0 : DAYTONA__FILE_BLOCK - block->end;
    if (room == 0) break;
    if (room > size - done) room = size - done;
    memcpy(block->data + block->end, bytes + done, room);
    block->end += room;
    done += room;
    if (block->end == DAYTONA__FILE_BLOCK) writer->write_turn ^= 1;
  }
  if (!file->is_busy && writer->is_made) writer_work(writer);
  return done;
}

void daytona__file_writer_commit(daytona__file_writer_t *writer) {
  writer->is_committing = true;
  if (!writer->file.is_busy) writer_work(writer);
}

void daytona__file_writer_abandon(daytona__file_writer_t *writer) {
  assert(!writer->is_committed);
  writer->is_abandoned = true;
  if (!writer->file.is_busy) writer_take_apart(writer);
}

bool daytona__file_writer_is_gone(const daytona__file_writer_t *writer) { return writer->is_gone; }

bool daytona__file_writer_is_committed(const daytona__file_writer_t *writer) { return writer->is_committed; }

int daytona__file_writer_errno(const daytona__file_writer_t *writer) { return writer->file.system_errno; }

daytona_errcode_t daytona__file_writer_error(const daytona__file_writer_t *writer, const char **text) {
  *text = writer->file.text;
  return writer->file.code;
}

void daytona__file_writer_close(daytona__file_writer_t *writer) {
  if (writer == NULL) return;
  writer->file.is_closed = true;
  writer_step(writer);
}
