/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors and other documents of S3. Every answer has an x-amz-request-id, as clients show it.
 */
#include "s3/errors.h"

#include <string.h>

#define DOCUMENT_MAX (8u * 1024 * 1024)

static const struct {
  const char *name;
  int status;
  const char *message;
} codes[] = {[DL_S3_OK] = {"", 200, ""},
#define X(name, status, message) [DL_S3_##name] = {#name, status, message},
             DL_S3_CODES(X)
#undef X
};

int dl_s3_status(dl_s3_code_t code) { return codes[code].status; }
const char *dl_s3_code_name(dl_s3_code_t code) { return codes[code].name; }

/* --- XML --- */

void dl_xml_put(dl_buf_t *out, const char *text) {
  for (const char *at = text; *at != '\0'; at++) {
    unsigned char c = (unsigned char)*at;
    switch (c) {
      case '&': dl_buf_puts(out, "&amp;"); break;
      case '<': dl_buf_puts(out, "&lt;"); break;
      case '>': dl_buf_puts(out, "&gt;"); break;
      case '"': dl_buf_puts(out, "&quot;"); break;
      default:
        if (c >= ' ' && c != 0x7f) dl_buf_append(out, at, 1);
    }
  }
}

void dl_xml_element(dl_buf_t *out, const char *name, const char *text) {
  dl_buf_printf(out, "<%s>", name);
  dl_xml_put(out, text);
  dl_buf_printf(out, "</%s>", name);
}

void dl_xml_number(dl_buf_t *out, const char *name, int64_t number) {
  dl_buf_printf(out, "<%s>%lld</%s>", name, (long long)number, name);
}

/* --- answers --- */

/* Names and paths in it are somebody's: a browser shows it as what it is, and runs nothing. */
static void reply(dl_req_t *req, int status, const dl_buf_t *document) {
  dl_req_add_header(req, "Content-Security-Policy", "sandbox");
  dl_req_add_header(req, "X-Content-Type-Options", "nosniff");
  dl_reply_bytes(req, status, "application/xml", document->len > 0 ? document->data : "", document->len);
}

void dl_s3_reply_xml(dl_req_t *req, dl_buf_t *document) {
  reply(req, 200, document);
  dl_buf_clear(document);
}

void dl_s3_fail_as(dl_req_t *req, int status, const char *code, const char *message) {
  if (status == 304) { /* has no body */
    dl_reply_empty(req, status);
    return;
  }
  dl_buf_t out;
  dl_buf_init(&out, DOCUMENT_MAX);
  dl_buf_puts(&out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>");
  dl_xml_element(&out, "Code", code);
  dl_xml_element(&out, "Message", message);
  const char *path = dl_req_path(req); /* of any bytes */
  if (dl_utf8_valid(path, strlen(path))) dl_xml_element(&out, "Resource", path);
  dl_buf_puts(&out, "</Error>");
  reply(req, status, &out);
  dl_buf_clear(&out);
}

void dl_s3_fail(dl_req_t *req, dl_s3_code_t code, const char *detail) {
  dl_s3_fail_as(req, codes[code].status, codes[code].name, detail ? detail : codes[code].message);
}
