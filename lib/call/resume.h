/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of a file of which a part was received, so that the rest of it can be requested, and how the response
 * with the rest is checked. No I/O.
 *
 * The rest must be of the very version whose beginning was received. Its Last-Modified must be older than the beginning
 * of the first response, by the server's own clock and by more than the resolution of these dates; the same as that of
 * the first response where that had one; the whole size must be the same; and the rest begins with the last bytes that
 * were received, which are compared.
 */
#ifndef DAYTONA_CALL_RESUME_H
#define DAYTONA_CALL_RESUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daytona/error.h>

/* Bytes that are requested again, to be compared. */
#define DAYTONA__RESUME_TAIL 4096u

typedef struct daytona__resume {
  int64_t size;      /* of the whole file; -1: not known, the rest cannot be requested */
  int64_t at;        /* bytes received so far */
  int64_t began_s;   /* the server's clock when it began to send, in seconds since 1970; -1: not known */
  char modified[40]; /* Last-Modified of this version; "": not known yet */
  char tail[DAYTONA__RESUME_TAIL];
  size_t tail_size;

  /* The response with the rest. */
  size_t overlap, compared; /* bytes of the tail that it repeats; so many of them were the same */
  int64_t rest_end;         /* where it ends in the file; that may be before the file's end */
  char range[48], condition[40];
  daytona_header_t headers[2];
} daytona__resume_t;

/* The server's clock, as the headers of a response say it, in seconds since 1970; -1: they do not. */
int64_t daytona__resume_clock(const daytona_header_t *headers, size_t count);

/* A file of `size` bytes (-1: not known) begins. `modified`: its Last-Modified, or NULL. */
void daytona__resume_begin(daytona__resume_t *resume, int64_t size, int64_t began_s, const char *modified);

/* Bytes of it were received. */
void daytona__resume_note(daytona__resume_t *resume, const char *bytes, size_t size);

/* Whether enough is known for requesting the rest. Never at its beginning: then the whole can be requested again. */
bool daytona__resume_is_possible(const daytona__resume_t *resume);

/* The two headers of the request for the rest; they live in `resume`. */
daytona_header_t *daytona__resume_request(daytona__resume_t *resume);

/*
 * Check the head of the response. DAYTONA_OK: its body is the tail and then the rest, or a part of it. DAYTONA_ECHANGED: it
 * is another version. DAYTONA_EUNSUPPORTED: the server does not send parts, or does not say enough for the check.
 */
daytona_errcode_t daytona__resume_accept(daytona__resume_t *resume, int status,
                                         const daytona_header_t *headers, size_t count);

/* Compare what repeats the tail. Returns how many of the bytes that were; false in *is_same: they differ. */
size_t daytona__resume_compare(daytona__resume_t *resume, const char *bytes, size_t size, bool *is_same);

#endif
