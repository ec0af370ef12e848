/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What downloads have in common beyond transfers: bytes go from the transport to a sink, the program may pause them, and the
 * call settles on a turn of its own, when the transport has reported the end and the sink is settled.
 *
 * When the connection is lost, a download waits and sends another request: for the rest of the file, whose response is
 * checked (resume.h), or for all of it from its beginning. The number of attempts in a row that bring nothing is
 * limited, and so is the number of new beginnings of a file; the time limit of the call is that of all its requests.
 */
#ifndef DAYTONA_CALL_DOWNLOAD_H
#define DAYTONA_CALL_DOWNLOAD_H

#include "call/resume.h"
#include "call/sink.h"
#include "call/transfer.h"

/* So many new bytes make an attempt after a lost connection a success. */
#define DAYTONA__DOWNLOAD_PROGRESS ((int64_t)64 << 10)

/* Attempts in a row to continue a download that bring under 64 KiB; the waits before them grow to 8 to 16 s, 16 to 32 s in all. */
#define DAYTONA__DOWNLOAD_ATTEMPTS_MAX 7

/* How often a file that cannot be continued is downloaded from its beginning again. */
#define DAYTONA__DOWNLOAD_RENEWALS_MAX 3

typedef struct daytona__download daytona__download_t;

struct daytona__download {
  daytona__transfer_t transfer; /* first */
  size_t memory_left;           /* of what may be kept in memory */
  bool is_paused; /* by the program: what comes is left with the transport, which then stops as well */
  bool has_ended; /* the transport has reported, and no further request was sent */
  daytona__task_t settle, resume;

  /* After a lost connection. */
  void (*again)(daytona__download_t *self); /* the wait is over: send the next request */
  daytona__timer_t wait;
  daytona__arena_t exchange; /* what belongs to one request */
  daytona__resume_t part;    /* the file that is being received */
  int64_t moved;             /* bytes since the last attempt */
  unsigned attempts, renewals;
  bool is_again;               /* the next request follows a lost connection */
  bool is_rest;                /* the request under way is for the rest of the file */
  daytona_errcode_t rest_code; /* why its response is of no use */
};

/* As daytona__transfer_new(); `settle` is called after daytona__download_settle_soon(). NULL: *future has failed. */
daytona__download_t *daytona__download_new(const char *name, const daytona__method_t *method,
                                           daytona_sandbox_t *sandbox, size_t size,
                                           const daytona_transfer_opts_t *opts,
                                           const daytona__op_kind_t *kind,
                                           void (*settle)(daytona__task_t *task), daytona_future_t **future);

/* Of the operation's ending. */
void daytona__download_clear(daytona__download_t *self);

/* Of its outgoing: what the request and its response are like, whatever the service. */
void daytona__download_outgoing(daytona__download_t *self, const char *accept,
                                void (*on_head)(daytona__http_call_t *call),
                                size_t (*on_bytes)(daytona__http_call_t *call, const char *bytes,
                                                   size_t size));

void daytona__download_settle_soon(daytona__download_t *self);

/* The kind's pause and resume; 0. */
int daytona__download_pause(daytona__download_t *self);
int daytona__download_resume(daytona__download_t *self);

/* Resolve with nothing, or with the bytes of a sink of memory. */
void daytona__download_resolve(daytona__download_t *self, daytona__sink_t *memory);

/* --- after a lost connection --- */

/* Bytes of the file were given to its sink. */
void daytona__download_note(daytona__download_t *self, const char *bytes, size_t size);

/* A file is complete: what comes next has all its attempts. */
void daytona__download_file_done(daytona__download_t *self);

/* Whether the connection was lost, or could not be made again: the download can continue later. */
bool daytona__download_is_cut(const daytona_error_t *error);

/* Whether the server refused to send the rest of the file. */
bool daytona__download_is_refused(const daytona__download_t *self, const daytona_error_t *error);

/* Wait, then have `again` called; false: the attempts are used up. Or, for a new beginning of the file: the renewals. */
bool daytona__download_wait(daytona__download_t *self);
bool daytona__download_renew(daytona__download_t *self);
bool daytona__download_is_waiting(const daytona__download_t *self);

/* The method was switched to and its path and query are filled in: send it, under the time limit of the call. */
void daytona__download_send(daytona__download_t *self, const void *request, bool is_rest);

/* Look at the head of the response with the rest. False: it is of no use, see rest_code. */
bool daytona__download_rest_head(daytona__download_t *self, const daytona__http_call_t *call);

/* How many of its bytes repeat what was received. When they differ, or there are too many bytes, rest_code is set. */
size_t daytona__download_rest_skip(daytona__download_t *self, const char *bytes, size_t size);

/* Whether the file is complete at the end of that response. */
bool daytona__download_rest_is_whole(const daytona__download_t *self);

/* Stop the request under way. */
void daytona__download_drop(daytona__download_t *self);

/* The error of a file that cannot be continued: for a rest_code, and for a refusal of the server. Static texts, or those of `error`. */
daytona_error_t daytona__download_part_error(daytona_errcode_t code);
daytona_error_t daytona__download_refusal(const daytona_error_t *error);

#endif
