/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A home as one tar file, and back. Both block, and both give up with an error soon after *stop became true.
 */
#ifndef DL_ARCHIVE_H
#define DL_ARCHIVE_H

#include <stdatomic.h>
#include <stdbool.h>

/* Said as the error of what was given up. */
extern const char DL_GIVEN_UP[];
/* Said as the error where an ordinary user's server meets files of others: it takes their ids, see layers.h. */
extern const char DL_FOREIGN[];

/* Owners, modes, times, extended attributes (of the kernel's own only what overlay and file capabilities need), links and
 * the marks of what a sandbox has deleted from its image are kept.
 *
 * The directory `dir` as a tar file at `file`, complete and (with `is_durable`) on the disk, or not there at all. Holes
 * of files are neither read nor stored. Nothing may run in `dir` meanwhile; modes that are opened to read what the
 * server's user may not are put back. NULL, or the reason (yours to free). */
char *dl_archive_pack(const char *dir, const char *file, bool is_durable, const atomic_bool *stop);

/* The other way; `dir` appears when all is in it and (with `is_durable`) on the disk. Holes are holes again. What was
 * given up stays as `dir`.part until the next call, or until the directory above is removed. */
char *dl_archive_unpack(const char *file, const char *dir, bool is_durable, const atomic_bool *stop);

#endif
