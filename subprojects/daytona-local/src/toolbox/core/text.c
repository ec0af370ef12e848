/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turning what programs and the system say into what the wire carries.
 */
#include "toolbox/core/text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Length of the valid UTF-8 sequence at `p`, 0 if there is none. */
static size_t sequence(const unsigned char *p, size_t left) {
  if (p[0] < 0x80) return 1;
  size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
  if (p[0] < 0xc2 || p[0] > 0xf4 || len > left) return 0;
  for (size_t i = 1; i < len; i++)
    if ((p[i] & 0xc0) != 0x80) return 0;
  bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
  bool surrogate = p[0] == 0xed && p[1] > 0x9f;
  bool too_large = p[0] == 0xf4 && p[1] > 0x8f;
  return overlong || surrogate || too_large ? 0 : len;
}

json_t *dl_tb_text(const char *bytes, size_t len) {
  if (dl_utf8_valid(bytes, len)) return json_stringn_nocheck(bytes, len);
  dl_buf_t out;
  dl_buf_init(&out, len * 3 + 1);
  for (size_t at = 0; at < len;) {
    size_t n = sequence((const unsigned char *)bytes + at, len - at);
    if (n == 0)
      dl_buf_append(&out, "\xef\xbf\xbd", 3);
    else
      dl_buf_append(&out, bytes + at, n);
    at += n ? n : 1;
  }
  json_t *text = json_stringn_nocheck(out.data, out.len);
  dl_buf_clear(&out);
  return text;
}

char *dl_tb_path(const dl_toolbox_t *tb, const char *path) {
  if (path == NULL || *path == '\0') return dl_xstrdup(tb->work_dir);
  return path[0] == '/' ? dl_xstrdup(path) : dl_xprintf("%s/%s", tb->work_dir, path);
}

void dl_tb_errno_text(int error, char *out, size_t size) {
  const char *text = strerrordesc_np(error);
  size_t len = text ? strlen(text) : 0;
  if (len >= size) len = size - 1;
  if (len > 0) memcpy(out, text, len);
  out[len] = '\0';
  out[0] = (char)tolower((unsigned char)out[0]);
}

void dl_tb_put_base64(dl_buf_t *out, const char *text) {
  static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const unsigned char *p = (const unsigned char *)text;
  for (size_t left = strlen(text); left > 0;) {
    size_t n = left < 3 ? left : 3;
    unsigned v = (unsigned)p[0] << 16 | (n > 1 ? (unsigned)p[1] << 8 : 0) | (n > 2 ? p[2] : 0);
    char four[4] = {DIGITS[v >> 18], DIGITS[v >> 12 & 63], n > 1 ? DIGITS[v >> 6 & 63] : '=',
                    n > 2 ? DIGITS[v & 63] : '='};
    dl_buf_append(out, four, 4);
    p += n;
    left -= n;
  }
}
