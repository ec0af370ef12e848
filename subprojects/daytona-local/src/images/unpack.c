/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unpacking with libarchive. Names in a context are those that the client gave; the jail would hold what gets out of the
 * folder, but a name that leads out is an error that the client should see.
 */
#include "images/unpack.h"

#include "base/base.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK 65536

static char *problem_of(struct archive *a, const char *what, const char *name) {
  const char *text = archive_error_string(a);
  return dl_xprintf("%s %s: %s", what, name, text ? text : "unknown error");
}

static bool leads_out(const char *name) {
  if (name[0] == '/' || name[0] == '\0') return true;
  for (const char *at = name; *at; at += strcspn(at, "/")) {
    at += strspn(at, "/");
    if (at[0] == '.' && at[1] == '.' && (at[2] == '/' || at[2] == '\0')) return true;
  }
  return false;
}

/* An entry that the builder takes; devices, pipes and links to files of the archive are left out, as on the platform. */
static bool is_wanted(struct archive_entry *entry) {
  mode_t type = archive_entry_filetype(entry);
  return !archive_entry_hardlink(entry) && (type == AE_IFREG || type == AE_IFDIR || type == AE_IFLNK);
}

static char *copy_content(struct archive *in, struct archive *out, const char *name) {
  const void *block;
  size_t len;
  la_int64_t offset;
  int rc;
  while ((rc = archive_read_data_block(in, &block, &len, &offset)) == ARCHIVE_OK)
    if (archive_write_data_block(out, block, len, offset) < ARCHIVE_OK)
      return problem_of(out, "cannot write", name);
  return rc == ARCHIVE_EOF ? NULL : problem_of(in, "cannot read", name);
}

static char *unpack_entry(struct archive *in, struct archive *out, struct archive_entry *entry,
                          const char *to) {
  const char *name = archive_entry_pathname(entry);
  if (!is_wanted(entry)) return NULL;
  if (!name || leads_out(name))
    return dl_xprintf("the context has a path that leads out of it: %s", name ? name : "");
  char *shown = dl_xstrdup(name), *path = dl_xprintf("%s/%s", to, name), *error = NULL;
  archive_entry_set_pathname(entry, path);
  archive_entry_set_perm(entry, archive_entry_perm(entry) & 0777);
  if (archive_entry_filetype(entry) == AE_IFDIR)
    archive_entry_set_perm(entry, archive_entry_perm(entry) | 0700);
  if (archive_write_header(out, entry) < ARCHIVE_OK)
    error = problem_of(out, "cannot unpack", shown);
  else if (archive_entry_size(entry) > 0)
    error = copy_content(in, out, shown);
  if (!error && archive_write_finish_entry(out) < ARCHIVE_WARN)
    error = problem_of(out, "cannot unpack", shown);
  free(path);
  free(shown);
  return error;
}

char *dl_image_unpack(int fd, const char *to) {
  struct archive *in = archive_read_new(), *out = archive_write_disk_new();
  struct archive_entry *entry;
  char *error = NULL;
  int rc = ARCHIVE_OK;
  if (!in || !out) error = dl_xstrdup("no memory");
  if (!error) {
    archive_read_support_format_tar(in);
    archive_read_support_filter_gzip(in);
    archive_read_support_filter_none(in);
    archive_write_disk_set_options(out, ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_UNLINK |
                                          ARCHIVE_EXTRACT_SECURE_SYMLINKS | ARCHIVE_EXTRACT_SECURE_NODOTDOT);
    if (archive_read_open_fd(in, fd, BLOCK) != ARCHIVE_OK) error = problem_of(in, "cannot read", "a context");
  }
  while (!error && (rc = archive_read_next_header(in, &entry)) == ARCHIVE_OK)
    error = unpack_entry(in, out, entry, to);
  if (!error && rc != ARCHIVE_EOF) error = problem_of(in, "cannot read", "a context");
  archive_read_free(in);
  if (out && archive_write_free(out) != ARCHIVE_OK && !error) error = dl_xstrdup("cannot write the context");
  return error;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where) {
  (void)st;
  if (where->level > 0) (type == FTW_DP ? rmdir : unlink)(path);
  return 0;
}

void dl_image_empty(const char *dir) { nftw(dir, remove_one, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT); }
