/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The format of the journal: encoding one record, and reading all of them whatever happened to the file.
 *
 * A record is one line: "<crc32 of the JSON as 8 hex digits> <bytes of the JSON> <JSON>\n", where the JSON is
 * ["kind","id",value], and value is null for an object that is removed. A record counts by its checksum; the length and
 * the line end only say where it is, so a record behind a damaged one is found again.
 */
#ifndef DL_JOURNAL_H
#define DL_JOURNAL_H

#include "base/jsonx.h"

/* One record, yours to free. */
char *dl_journal_encode(const char *kind, const char *id, const json_t *value);

/* `value` becomes the object of that kind and id; NULL or JSON null removes it. Borrowed. */
void dl_journal_apply(json_t *all, const char *kind, const char *id, json_t *value);

typedef struct {
  size_t record_count; /* read */
  size_t read_bytes;   /* from the front to the end of the last record that was read */
  /* Behind it: a write that was cut off, and nothing else. It was never acknowledged. */
  size_t unfinished_bytes;
  /* Anything else that is no record. */
  size_t bad_count, bad_bytes; /* at least so many records, in so many bytes */
  size_t unnamed_count;        /* so many of them do not show whose they were */
  json_t *lost; /* {"kind id": true}: objects whose last change was in one, as far as that can be read */
  bool needs_rewrite; /* a record could be read although it was not as it was written */
} dl_replay_t;

/* Reads every record of `text` into `all` (kind -> id -> value), in order. */
void dl_journal_replay(json_t *all, const char *text, size_t len, dl_replay_t *out);
void dl_replay_clear(dl_replay_t *r);

#endif
