/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Films of a sandbox's desktop, recorded in the sandbox by ffmpeg (MP4 with H.264).
 *
 * The rules of <daytona/computer_use.h> hold for all functions here. Besides, they fail with DAYTONA_ENOTFOUND for an
 * unknown recording, and with DAYTONA_ERECORDING_NO_FFMPEG where the sandbox has no ffmpeg (older toolboxes: DAYTONA_EINVAL).
 *
 * Protocol: toolbox, /computeruse/recordings.
 */
#ifndef DAYTONA_RECORDING_H
#define DAYTONA_RECORDING_H

#include <stddef.h>
#include <stdint.h>

#include <daytona/export.h>
#include <daytona/fs.h>
#include <daytona/future.h>
#include <daytona/sandbox.h>
#include <daytona/types.h>

DAYTONA_BEGIN

/** A recording. Times are RFC 3339 text, as received. */
typedef struct daytona_recording {
  const char *id;
  const char *file_name;
  const char *file_path; /**< in the sandbox */
  const char *start_time;
  const char *end_time; /**< NULL while it is being recorded */
  const char *status;   /**< "recording", "completed" or "failed" */
  daytona_opt_num_t duration_seconds;
  daytona_opt_int_t size_bytes;
} daytona_recording_t;

typedef struct daytona_recording_list_t {
  const daytona_recording_t *const *items;
  size_t count;
} daytona_recording_list_t;

typedef struct daytona_recording_start_opts {
  const char
    *label; /**< Optional. A part of the file's name: 1 to 100 letters, digits, blanks, dots, underscores and
                             hyphens, not beginning with a dot, else the sandbox refuses it. */
  int64_t timeout_ms;   /**< Optional. */
  uint64_t reserved[8]; /**< Must be zero. */
} daytona_recording_start_opts_t;

/** Start to record. Settles with daytona_future_recording(). */
DAYTONA_API daytona_future_t *daytona_recording_start(daytona_sandbox_t *sandbox,
                                                      const daytona_recording_start_opts_t *opts);

/** Stop a recording. Settles with daytona_future_recording(): completed, with its size. Fails with DAYTONA_ENOTFOUND if it
    was stopped before. */
DAYTONA_API daytona_future_t *daytona_recording_stop(daytona_sandbox_t *sandbox, const char *id,
                                                     const daytona_call_opts_t *opts);

/** All recordings. Settles with daytona_future_recording_list(). */
DAYTONA_API daytona_future_t *daytona_recording_list(daytona_sandbox_t *sandbox,
                                                     const daytona_call_opts_t *opts);

/** One recording. Settles with daytona_future_recording(). */
DAYTONA_API daytona_future_t *daytona_recording_get(daytona_sandbox_t *sandbox, const char *id,
                                                    const daytona_call_opts_t *opts);

/** Delete a recording and its file. Fails with DAYTONA_ERECORDING_ACTIVE while it is being recorded (older toolboxes:
    DAYTONA_EINVAL or DAYTONA_ECONFLICT). */
DAYTONA_API daytona_future_t *daytona_recording_delete(daytona_sandbox_t *sandbox, const char *id,
                                                       const daytona_call_opts_t *opts);

/** Results of the calls above, or NULL. Borrowed from the future. */
DAYTONA_API const daytona_recording_t *daytona_future_recording(const daytona_future_t *future);
DAYTONA_API const daytona_recording_list_t *daytona_future_recording_list(const daytona_future_t *future);

/*
 * --- downloads ---
 *
 * As the downloads of <daytona/fs.h>, with the same options: progress, pause by daytona_future_pause(), limits of time
 * and memory. After a lost connection they continue as those do: the rest is requested, with Range and If-Range, and what
 * cannot be continued is downloaded again or fails with DAYTONA_ECHANGED or DAYTONA_ETRUNCATED. There are no short files.
 */

/** Download to memory. Settles with daytona_future_bytes(). */
DAYTONA_API daytona_future_t *daytona_recording_download(daytona_sandbox_t *sandbox, const char *id,
                                                         const daytona_transfer_opts_t *opts);

/** Download to a local file, which appears when it is complete; parent folders are made. Fails with DAYTONA_EIO if it
    cannot be written. */
DAYTONA_API daytona_future_t *daytona_recording_download_file(daytona_sandbox_t *sandbox, const char *id,
                                                              const char *local_path,
                                                              const daytona_transfer_opts_t *opts);

/** Download into `sink`. Settles after the last byte was taken. @param user  For `sink`; borrowed until completion. */
DAYTONA_API daytona_future_t *daytona_recording_download_file_stream(daytona_sandbox_t *sandbox,
                                                                     const char *id, daytona_fs_sink_cb sink,
                                                                     void *user,
                                                                     const daytona_transfer_opts_t *opts);

DAYTONA_END

#endif
