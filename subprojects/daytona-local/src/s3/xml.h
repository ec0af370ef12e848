/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the one document that clients send: the list of parts of an upload that is to be completed.
 */
#ifndef DL_S3_XML_H
#define DL_S3_XML_H

#include "s3/sums.h"

#define DL_PARTS_MAX 10000u
#define DL_PARTS_DOCUMENT_MAX (8u * 1024 * 1024)

typedef struct {
  int number;
  char etag[65]; /* without quotes */
  dl_sum_kind_t sum;
  char sum_value[DL_SUM_BASE64_MAX];
} dl_listed_part_t;

/* <CompleteMultipartUpload> with its parts, in the order of the document: yours to free. NULL: something else, or no
 * part, or more than there may be. Elements that are not known are read over; there are no DTDs, and no entities but the
 * five of XML and numbers of ASCII characters. */
dl_listed_part_t *dl_parts_read(const char *text, size_t len, size_t *count);

#endif
