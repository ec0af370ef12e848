/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See header.h. Names and values that are sent are checked, for a line end in one would begin a header of somebody
 * else's choice.
 */
#include "core/header.h"

#include <strings.h>

#include "core/ascii.h"
#include "core/own.h"

const char *daytona__header_find(const daytona_header_t *headers, size_t count, const char *name) {
  for (size_t i = 0; i < count; i++)
    if (strcasecmp(headers[i].name, name) == 0) return headers[i].value;
  return NULL;
}

bool daytona__header_value_is_valid(const char *value) {
  if (value == NULL) return false;
  for (; *value != '\0'; value++)
    if (((unsigned char)*value < ' ' && *value != '\t') || *value == 0x7f) return false;
  return true;
}

bool daytona__header_is_valid(const daytona_header_t *header) {
  return daytona__is_token(header->name) && daytona__header_value_is_valid(header->value);
}

int daytona__headers_own(daytona_header_t *out, const daytona_header_t *headers, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (headers[i].name == NULL || headers[i].value == NULL) return DAYTONA_EINVAL;
    if (daytona__own(&out[i].name, headers[i].name) != 0) return DAYTONA_ENOMEM;
    if (daytona__own(&out[i].value, headers[i].value) != 0) return DAYTONA_ENOMEM;
  }
  return 0;
}

void daytona__headers_disown(daytona_header_t *headers, size_t count) {
  if (headers == NULL) return;
  for (size_t i = 0; i < count; i++) {
    daytona__disown(&headers[i].name);
    daytona__disown(&headers[i].value);
  }
  daytona__free(headers);
}
