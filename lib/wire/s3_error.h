/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a failed exchange with object storage to an error of ours.
 */
#ifndef DAYTONA_WIRE_S3_ERROR_H
#define DAYTONA_WIRE_S3_ERROR_H

#include <daytona/error.h>

#include "core/arena.h"
#include "net/response.h"

/* `source` of errors that object storage has answered. */
extern const char daytona__s3_source[];

/* What can be done about a failure. */
typedef enum daytona__s3_remedy {
  DAYTONA__S3_FATAL,
  DAYTONA__S3_RETRY,  /* it may pass by itself */
  DAYTONA__S3_RENEW,  /* the credentials are no longer accepted */
  DAYTONA__S3_RECLOCK /* this machine's clock is wrong */
} daytona__s3_remedy_t;

/*
 * Describe why a request failed: as daytona__error_from_response(), with what S3's XML says. Of an answer with status 200
 * whose body is an error it is that error. DAYTONA__S3_FATAL with `error->code` DAYTONA_OK: it is no failure.
 */
daytona__s3_remedy_t daytona__s3_error(daytona__arena_t *arena, const daytona__response_t *response,
                                       daytona_error_t *error);

#endif
