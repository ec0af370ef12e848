/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See frames.h.
 */
#include "ssh/frames.h"

#include <string.h>

void dl_ssh_write_head(char out[DL_SSH_HEAD], dl_ssh_frame_t type, size_t len) {
  out[0] = (char)type;
  for (unsigned i = 0; i < 4; i++) out[1 + i] = (char)(unsigned char)(len >> (24 - 8 * i));
}

bool dl_ssh_read_head(const char head[DL_SSH_HEAD], dl_ssh_frame_t *type, size_t *len) {
  size_t n = 0;
  for (unsigned i = 1; i < DL_SSH_HEAD; i++) n = n << 8 | (unsigned char)head[i];
  *type = (dl_ssh_frame_t)head[0];
  *len = n;
  return n <= DL_SSH_CONTENT_MAX;
}

bool dl_ssh_append_frame(dl_buf_t *out, dl_ssh_frame_t type, const void *content, size_t len) {
  char head[DL_SSH_HEAD];
  dl_ssh_write_head(head, type, len);
  if (dl_buf_reserve(out, sizeof head + len) == NULL) return false;
  dl_buf_append(out, head, sizeof head);
  if (len > 0) dl_buf_append(out, content, len);
  return true;
}

const char *dl_ssh_field(const char *list, size_t len, const char *name) {
  size_t name_len = strlen(name);
  for (size_t at = 0; at < len; at += strlen(list + at) + 1)
    if (strncmp(list + at, name, name_len) == 0 && list[at + name_len] == '=')
      return list + at + name_len + 1;
  return NULL;
}

bool dl_ssh_append_field(dl_buf_t *list, const char *name, const char *value) {
  size_t name_len = strlen(name), value_len = strlen(value);
  if (dl_buf_reserve(list, name_len + value_len + 2) == NULL) return false;
  dl_buf_append(list, name, name_len);
  dl_buf_append(list, "=", 1);
  dl_buf_append(list, value, value_len + 1);
  return true;
}
