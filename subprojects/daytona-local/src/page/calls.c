/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the page does: some calls of the API with the permissions of the session's key, and two of a sandbox's toolbox.
 */
#include "page/internal.h"

#include "control/routes/answer.h"
#include "control/routes/api.h"
#include "proxy/proxy.h"

#include <stdlib.h>
#include <string.h>

/* "*" is one segment. */
static const struct {
  const char *method, *path;
} calls[] = {
  {"POST", "/sandbox"},
  {"POST", "/sandbox/*/start"},
  {"POST", "/sandbox/*/stop"},
  {"DELETE", "/sandbox/*"},
  {"GET", "/sandbox/*/build-logs"},
  {"GET", "/sandbox/*/ports/*/signed-preview-url"},
  {"GET", "/snapshots/*/build-logs"},
};

static bool is_like(const char *path, const char *pattern) {
  while (*path != '\0' && *pattern != '\0') {
    if (*pattern == '*') {
      size_t len = strcspn(path, "/");
      if (len == 0) return false;
      path += len;
      pattern++;
    } else if (*path++ != *pattern++) {
      return false;
    }
  }
  return *path == '\0' && *pattern == '\0';
}

void dl_page_call(dl_page_t *p, dl_req_t *req, const dl_web_session_t *session) {
  const char *path = dl_req_path(req) + strlen(DL_PAGE_PATH "/api");
  for (size_t i = 0; i < DL_COUNT(calls); i++) {
    if (strcmp(dl_req_method(req), calls[i].method) != 0 || !is_like(path, calls[i].path)) continue;
    dl_api_handle_as(p->control, req, path, session->permissions);
    return;
  }
  dl_fail(p->control, req, 404, "the page has no such call");
}

/* --- of a sandbox --- */

dl_sandbox_t *dl_page_sandbox(dl_page_t *p, dl_req_t *req) {
  const char *id = strrchr(dl_req_path(req), '/') + 1;
  dl_sandbox_t *sb = dl_is_uuid(id) ? dl_objects_find(&p->control->objects, id, false) : NULL;
  if (sb == NULL) dl_fail(p->control, req, 404, "there is no such sandbox");
  return sb;
}

static void pass(dl_page_t *p, dl_req_t *req, const char *path) {
  dl_sandbox_t *sb = dl_page_sandbox(p, req);
  if (sb != NULL) dl_proxy_page(p->control, req, sb, path, NULL);
}

void dl_page_ports(dl_page_t *p, dl_req_t *req) { pass(p, req, "/port"); }

void dl_page_desktop(dl_page_t *p, dl_req_t *req) { pass(p, req, "/computeruse/start"); }
