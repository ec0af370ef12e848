/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the version of the client's SDK changes in sessions and their logs.
 */
#ifndef DL_SDK_VERSION_H
#define DL_SDK_VERSION_H

#include "http/http.h"
#include "toolbox/core/toolbox.h"

typedef enum {
  DL_LOG_VIEW_STRIPPED, /* text without markers */
  DL_LOG_VIEW_MARKED,   /* text with markers */
  DL_LOG_VIEW_SPLIT,    /* JSON: with markers, and both streams */
} dl_log_view_t;

typedef struct {
  dl_log_view_t view;
  bool starts_at_home; /* sessions start in the home directory, not in the work directory */
} dl_sdk_rules_t;

/* From the header, else from the sub-protocol. */
dl_sdk_rules_t dl_sdk_rules_of(dl_req_t *req);
/* The same for a version text (NULL: none) and the split header. */
dl_sdk_rules_t dl_sdk_rules_for(const char *version, bool wants_split);

#endif
