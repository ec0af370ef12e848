/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See gzip.h.
 */
#include "wire/gzip.h"

#include <archive.h>
#include <archive_entry.h>

#include <daytona/error.h>

#include "core/memory.h"

struct daytona__gzip {
  struct archive *archive;
  daytona__strbuf_t *out; /* NULL: nothing more is taken */
};

static la_ssize_t on_write(struct archive *archive, void *user, const void *bytes, size_t size) {
  daytona__gzip_t *self = user;
  if (self->out != NULL && daytona__strbuf_append(self->out, bytes, size) != 0) return -1;
  return (la_ssize_t)size;
}

/* A stream of one entry, whose bytes are all there is. Without zlib libarchive would start a program for the filter. */
static int open_stream(daytona__gzip_t *self) {
  struct archive *archive = self->archive = archive_write_new();
  if (archive == NULL || archive_write_set_format_raw(archive) != ARCHIVE_OK) return DAYTONA_ENOMEM;
  if (archive_write_add_filter_gzip(archive) != ARCHIVE_OK) return DAYTONA_EUNSUPPORTED;
  archive_write_set_options(archive, "gzip:compression-level=1,gzip:!timestamp");
  archive_write_set_bytes_per_block(archive, 0);
  if (archive_write_open(archive, self, NULL, on_write, NULL) != ARCHIVE_OK) return DAYTONA_ENOMEM;
  struct archive_entry *entry = archive_entry_new();
  if (entry == NULL) return DAYTONA_ENOMEM;
  archive_entry_set_filetype(entry, AE_IFREG);
  int code = archive_write_header(archive, entry) == ARCHIVE_OK ? 0 : DAYTONA_ENOMEM;
  archive_entry_free(entry);
  return code;
}

daytona__gzip_t *daytona__gzip_new(daytona__strbuf_t *out) {
  daytona__gzip_t *self = daytona__calloc(1, sizeof *self);
  if (self == NULL) return NULL;
  self->out = out;
  if (open_stream(self) == 0) return self;
  daytona__gzip_free(self);
  return NULL;
}

static int code_of(const daytona__gzip_t *self) {
  return self->out->error != 0 ? self->out->error : DAYTONA_ENOMEM;
}

int daytona__gzip_add(daytona__gzip_t *self, const void *bytes, size_t size) {
  return archive_write_data(self->archive, bytes, size) == (la_ssize_t)size ? 0 : code_of(self);
}

int daytona__gzip_end(daytona__gzip_t *self) {
  int rc = archive_write_close(self->archive);
  return rc == ARCHIVE_OK && self->out->error == 0 ? 0 : code_of(self);
}

void daytona__gzip_free(daytona__gzip_t *self) {
  if (self == NULL) return;
  self->out = NULL;
  archive_write_free(self->archive); /* takes NULL; may write what it still holds */
  daytona__free(self);
}
