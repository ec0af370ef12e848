/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hash and tar of a context; see archive.h.
 *
 * libarchive hands on what it writes at once, without blocks of its own: into the room of the fill that is under way, and
 * what has no room there into `spill`, for the next one. A step writes one entry's header or one read of a file, so that
 * the spill stays small.
 */
#include "wire/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/digest.h"
#include "wire/tree.h"

enum { READ_SIZE = 128 * 1024 };

/* One step writes a read of a file, or headers: a name and a link's target, each of which may be long. */
enum { SPILL_MAX = READ_SIZE + 256 * 1024 };

struct daytona__archive {
  char *path, *name;
  char buffer[READ_SIZE];

  /* hashing */
  daytona__tree_t *hashed; /* NULL: not begun, or done */
  daytona__digest_t digest;
  bool is_hashing;
  char hash[DAYTONA__DIGEST_HEX];
  int64_t content_size, entry_count;
  uint64_t fingerprint;
  const daytona__tree_entry_t *reading; /* of either walk: the entry whose bytes are next */

  /* packing */
  daytona__tree_t *packed;
  struct archive *tar;
  char *out; /* of the fill under way */
  size_t out_room, out_size;
  char *spill;
  size_t spill_start, spill_size;
  int64_t content_done;
  bool is_closed;  /* all was written, though some may be in the spill */
  bool is_freeing; /* nothing is taken of what libarchive still wants to write */

  daytona_errcode_t code;
  int system_errno;
  char text[512];
};

/* --- failing ----------------------------------------------------------------------------------- */

static int fail(daytona__archive_t *self, daytona_errcode_t code, const char *text) {
  if (self->code != DAYTONA_OK) return self->code;
  self->code = code;
  snprintf(self->text, sizeof self->text, "%.300s: %s", self->path, text);
  return code;
}

static int fail_memory(daytona__archive_t *self) {
  return fail(self, DAYTONA_ENOMEM, daytona_errcode_text(DAYTONA_ENOMEM));
}

/* The error of a walk; 0: it has none. */
static int take_error(daytona__archive_t *self, const daytona__tree_t *tree) {
  const char *text;
  int system_errno;
  daytona_errcode_t code = daytona__tree_error(tree, &text, &system_errno);
  if (code == DAYTONA_OK) return 0;
  if (self->code != DAYTONA_OK) return self->code;
  self->code = code;
  self->system_errno = system_errno;
  snprintf(self->text, sizeof self->text, "%s", text);
  return code;
}

static int fail_tar(daytona__archive_t *self) {
  const char *text = archive_error_string(self->tar);
  return fail(self, DAYTONA_EIO, text != NULL ? text : "the archive cannot be written");
}

daytona_errcode_t daytona__archive_error(const daytona__archive_t *self, const char **text,
                                         int *system_errno) {
  *text = self->text;
  *system_errno = self->system_errno;
  return self->code;
}

/* --- the hash ---------------------------------------------------------------------------------- */

static bool is_root(const daytona__tree_entry_t *entry) { return entry->path[0] == '\0'; }

/* What of an entry counts before its bytes. The root's own name counts only if it is an empty folder. */
static void hash_entry(daytona__archive_t *self, const daytona__tree_entry_t *entry) {
  if (S_ISDIR(entry->stat.st_mode)) {
    const char *path = is_root(entry) ? "." : entry->path;
    if (entry->is_empty) daytona__digest_add(&self->digest, path, strlen(path));
    return;
  }
  daytona__digest_add(&self->digest, entry->path, strlen(entry->path));
  if (entry->target == NULL || daytona__tree_follow(self->hashed)) {
    if (entry->target == NULL) self->content_size += (int64_t)entry->stat.st_size;
    self->reading = entry;
  } else { /* a link that leads to no file: others would fail, or not see that it has changed */
    daytona__digest_add(&self->digest, entry->target, strlen(entry->target));
  }
}

static int end_hash(daytona__archive_t *self) {
  self->fingerprint = daytona__tree_fingerprint(self->hashed);
  daytona__tree_free(self->hashed);
  self->hashed = NULL;
  self->is_hashing = false;
  if (daytona__digest_end(&self->digest, self->hash) != 0)
    return fail(self, DAYTONA_EFAILED, "its MD5 cannot be computed");
  return 1;
}

static int begin_hash(daytona__archive_t *self) {
  assert(self->packed == NULL && self->hash[0] == '\0');
  self->hashed = daytona__tree_new(self->path, DAYTONA__TREE_FILES_FIRST);
  if (self->hashed == NULL) return fail_memory(self);
  daytona__digest_begin(&self->digest, DAYTONA__MD5);
  daytona__digest_add(&self->digest, self->name, strlen(self->name));
  self->is_hashing = true;
  return 0;
}

int daytona__archive_hash(daytona__archive_t *self, size_t budget) {
  size_t done = 0;
  if (self->code != DAYTONA_OK) return self->code;
  if (!self->is_hashing && begin_hash(self) != 0) return self->code;
  while (done < budget) {
    if (self->reading != NULL) {
      size_t size = daytona__tree_read(self->hashed, self->buffer, sizeof self->buffer);
      daytona__digest_add(&self->digest, self->buffer, size);
      if (size == 0) self->reading = NULL;
      done += size;
    } else {
      const daytona__tree_entry_t *entry = daytona__tree_next(self->hashed);
      if (entry == NULL && take_error(self, self->hashed) == 0) return end_hash(self);
      if (entry != NULL) hash_entry(self, entry);
      if (entry != NULL) self->entry_count++;
      done += 4096; /* it costs some calls of the system */
    }
    if (take_error(self, self->hashed) != 0) return self->code;
  }
  return 0;
}

const char *daytona__archive_hash_text(const daytona__archive_t *self) {
  assert(!self->is_hashing && self->hash[0] != '\0');
  return self->hash;
}

int64_t daytona__archive_content_size(const daytona__archive_t *self) { return self->content_size; }
int64_t daytona__archive_entry_count(const daytona__archive_t *self) { return self->entry_count; }

/* --- what libarchive writes -------------------------------------------------------------------- */

static size_t put_out(daytona__archive_t *self, const char *bytes, size_t size) {
  size_t room = self->out_room - self->out_size;
  if (size > room) size = room;
  if (size != 0) memcpy(self->out + self->out_size, bytes, size);
  self->out_size += size;
  return size;
}

static la_ssize_t on_write(struct archive *tar, void *user, const void *buffer, size_t size) {
  daytona__archive_t *self = user;
  if (self->is_freeing) return -1;
  size_t put = self->spill_size == 0 ? put_out(self, buffer, size) : 0, rest = size - put;
  if (rest > SPILL_MAX - self->spill_start - self->spill_size) {
    archive_set_error(tar, EFBIG, "the headers of an entry are too large");
    return -1;
  }
  memcpy(self->spill + self->spill_start + self->spill_size, (const char *)buffer + put, rest);
  self->spill_size += rest;
  return (la_ssize_t)size;
}

static void take_spill(daytona__archive_t *self) {
  size_t taken = put_out(self, self->spill + self->spill_start, self->spill_size);
  self->spill_size -= taken;
  self->spill_start = self->spill_size != 0 ? self->spill_start + taken : 0;
}

/* --- the tar ----------------------------------------------------------------------------------- */

static int begin_pack(daytona__archive_t *self) {
  self->packed = daytona__tree_new(self->path, DAYTONA__TREE_BY_NAME);
  self->spill = malloc(SPILL_MAX);
  self->tar = archive_write_new();
  if (self->packed == NULL || self->spill == NULL || self->tar == NULL) return fail_memory(self);
  /* GNU's format takes names as the bytes that they are; others are converted, by the locale of the program. */
  if (archive_write_set_format_gnutar(self->tar) != ARCHIVE_OK ||
      archive_write_add_filter_none(self->tar) != ARCHIVE_OK ||
      archive_write_set_bytes_per_block(self->tar, 0) != ARCHIVE_OK ||
      archive_write_open(self->tar, self, NULL, on_write, NULL) != ARCHIVE_OK)
    return fail_tar(self);
  return 0;
}

static char *member_name(const daytona__archive_t *self, const daytona__tree_entry_t *entry) {
  const char *base = self->name + strspn(self->name, "/");
  size_t base_size = strlen(base), path_size = strlen(entry->path);
  char *name = malloc(base_size + path_size + 2);
  if (name == NULL) return NULL;
  memcpy(name, base, base_size);
  if (base_size != 0 && path_size != 0) name[base_size++] = '/';
  memcpy(name + base_size, entry->path, path_size + 1);
  return name;
}

static struct archive_entry *make_header(daytona__archive_t *self, const daytona__tree_entry_t *entry) {
  const struct stat *stat = &entry->stat;
  struct archive_entry *header = archive_entry_new();
  char *name = member_name(self, entry);
  if (header != NULL && name != NULL) {
    archive_entry_copy_pathname(header, name);
    archive_entry_set_mode(header, stat->st_mode);
    archive_entry_set_uid(header, (la_int64_t)stat->st_uid);
    archive_entry_set_gid(header, (la_int64_t)stat->st_gid);
    archive_entry_set_mtime(header, stat->st_mtim.tv_sec > 0 ? stat->st_mtim.tv_sec : 0, 0);
    archive_entry_set_size(header, S_ISREG(stat->st_mode) ? (la_int64_t)stat->st_size : 0);
    if (entry->target != NULL) archive_entry_copy_symlink(header, entry->target);
  } else {
    archive_entry_free(header);
    header = NULL;
  }
  free(name);
  return header;
}

static int pack_entry(daytona__archive_t *self, const daytona__tree_entry_t *entry) {
  bool is_unnamed = self->name[strspn(self->name, "/")] == '\0' && is_root(entry);
  if (is_unnamed && !S_ISDIR(entry->stat.st_mode))
    return fail(self, DAYTONA_EINVAL, "the archive path is empty");
  if (is_unnamed) return 0;
  struct archive_entry *header = make_header(self, entry);
  if (header == NULL) return fail_memory(self);
  int rc = archive_write_header(self->tar, header);
  archive_entry_free(header);
  if (rc != ARCHIVE_OK) return fail_tar(self);
  if (S_ISREG(entry->stat.st_mode)) self->reading = entry;
  return 0;
}

static int pack_bytes(daytona__archive_t *self) {
  size_t size = daytona__tree_read(self->packed, self->buffer, sizeof self->buffer);
  if (size == 0) self->reading = NULL;
  if (size != 0 && archive_write_data(self->tar, self->buffer, size) != (la_ssize_t)size)
    return fail_tar(self);
  self->content_done += (int64_t)size;
  return take_error(self, self->packed);
}

static int end_pack(daytona__archive_t *self) {
  if (self->hash[0] != '\0' && daytona__tree_fingerprint(self->packed) != self->fingerprint)
    return fail(self, DAYTONA_EIO, "it has changed while it was read");
  if (archive_write_close(self->tar) != ARCHIVE_OK) return fail_tar(self);
  self->is_closed = true;
  return 0;
}

static int pack_step(daytona__archive_t *self) {
  if (self->reading != NULL) return pack_bytes(self);
  const daytona__tree_entry_t *entry = daytona__tree_next(self->packed);
  if (entry != NULL) return pack_entry(self, entry);
  int rc = take_error(self, self->packed);
  return rc != 0 ? rc : end_pack(self);
}

int daytona__archive_fill(daytona__archive_t *self, char *out, size_t room, size_t *size) {
  assert(!self->is_hashing);
  if (self->packed == NULL && self->code == DAYTONA_OK) begin_pack(self);
  if (self->code != DAYTONA_OK) return self->code;
  self->out = out;
  self->out_room = room;
  self->out_size = 0;
  take_spill(self);
  while (self->out_size < room && !self->is_closed && self->code == DAYTONA_OK) pack_step(self);
  *size = self->out_size;
  self->out = NULL;
  self->out_room = self->out_size = 0;
  return self->code;
}

bool daytona__archive_is_done(const daytona__archive_t *self) {
  return self->is_closed && self->spill_size == 0;
}

int64_t daytona__archive_content_done(const daytona__archive_t *self) { return self->content_done; }

/* --- life -------------------------------------------------------------------------------------- */

daytona__archive_t *daytona__archive_new(const char *path, const char *name) {
  daytona__archive_t *self = calloc(1, sizeof *self);
  if (self == NULL) return NULL;
  self->path = strdup(path);
  self->name = strdup(name);
  if (self->path != NULL && self->name != NULL) return self;
  daytona__archive_free(self);
  return NULL;
}

void daytona__archive_free(daytona__archive_t *self) {
  if (self == NULL) return;
  if (self->is_hashing) daytona__digest_abort(&self->digest);
  daytona__tree_free(self->hashed);
  daytona__tree_free(self->packed);
  self->is_freeing = true;
  if (self->tar != NULL) archive_write_free(self->tar);
  free(self->spill);
  free(self->path);
  free(self->name);
  free(self);
}
