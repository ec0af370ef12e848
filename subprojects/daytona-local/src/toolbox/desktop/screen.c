/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Screenshots, displays, windows.
 */
#include "toolbox/core/reply.h"
#include "toolbox/desktop/ask.h"
#include "toolbox/desktop/desktop.h"
#include "toolbox/desktop/life.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DEFAULT_QUALITY 85

/* --- parameters; each answers the request when it is wrong --- */

static bool refuse(dl_req_t *req, const char *name, const char *rule) {
  dl_tb_reply_error(req, 400, "invalid query parameter %s: %s", name, rule);
  return false;
}

/* `out` is untouched when it is absent. */
static bool read_int(dl_req_t *req, const char *name, int32_t *out, bool is_required) {
  const char *text = dl_query_get(dl_req_query(req), name);
  int64_t number;
  if (text == NULL) {
    if (is_required) dl_tb_reply_error(req, 400, "missing required query parameter: %s", name);
    return !is_required;
  }
  if (strchr(text, '.') != NULL || strpbrk(text, "eE") != NULL ||
      !dl_parse_int(text, INT32_MIN, INT32_MAX, &number))
    return refuse(req, name, "must be an integer");
  *out = (int32_t)number;
  return true;
}

static bool read_cursor(dl_req_t *req, int32_t *out) {
  static const char *const TRUE_TEXTS[] = {"1", "t", "T", "TRUE", "true", "True"};
  static const char *const FALSE_TEXTS[] = {"0", "f", "F", "FALSE", "false", "False"};
  const char *name = "show_cursor", *text = dl_query_get(dl_req_query(req), name);
  if (text == NULL) text = dl_query_get(dl_req_query(req), name = "showCursor");
  if (text == NULL) return true;
  for (size_t i = 0; i < DL_COUNT(TRUE_TEXTS); i++) {
    *out = strcmp(text, TRUE_TEXTS[i]) == 0;
    if (*out != 0 || strcmp(text, FALSE_TEXTS[i]) == 0) return true;
  }
  return refuse(req, name, "must be a boolean");
}

static bool read_region(dl_req_t *req, dl_desktop_ask_t *ask) {
  static const char *const NAMES[] = {"x", "y", "width", "height"};
  for (int i = 0; i < 4; i++) {
    if (!read_int(req, NAMES[i], &ask->args[i], true)) return false;
    if (i >= 2 && ask->args[i] <= 0) return refuse(req, NAMES[i], "must be greater than zero");
  }
  return true;
}

static bool read_format(dl_req_t *req, int32_t *out) {
  static const struct {
    const char *name;
    int format;
  } FORMATS[] = {{"png", DL_SHOT_PNG}, {"jpeg", DL_SHOT_JPEG}, {"jpg", DL_SHOT_JPEG}, {"webp", DL_SHOT_WEBP}};
  const char *text = dl_query_get(dl_req_query(req), "format");
  if (text == NULL || *text == '\0') return true;
  for (size_t i = 0; i < DL_COUNT(FORMATS); i++)
    if (strcasecmp(FORMATS[i].name, text) == 0) {
      *out = FORMATS[i].format;
      return true;
    }
  return refuse(req, "format", "must be png, jpeg or webp");
}

static bool read_scale(dl_req_t *req, int32_t *out) {
  const char *text = dl_query_get(dl_req_query(req), "scale");
  double scale;
  if (text == NULL) return true;
  if (!dl_parse_double(text, &scale)) return refuse(req, "scale", "must be a number");
  if (!(scale >= 0.1 && scale <= 1)) return refuse(req, "scale", "must be from 0.1 to 1");
  *out = (int32_t)(scale * DL_SHOT_SCALE_ONE + 0.5);
  return true;
}

static bool read_compression(dl_req_t *req, dl_desktop_ask_t *ask) {
  if (!read_format(req, &ask->args[5]) || !read_int(req, "quality", &ask->args[6], false)) return false;
  if (ask->args[6] < 1 || ask->args[6] > 100) return refuse(req, "quality", "must be from 1 to 100");
  ask->args[8] = 1;
  return read_scale(req, &ask->args[7]);
}

/* --- the calls --- */

static void take(dl_req_t *req, dl_toolbox_t *tb, bool is_region, bool is_compressed) {
  dl_desktop_ask_t ask = {.kind = DL_DESKTOP_SHOT, .args = {[6] = DEFAULT_QUALITY, [7] = DL_SHOT_SCALE_ONE}};
  if (is_region && !read_region(req, &ask)) return;
  if (is_compressed && !read_compression(req, &ask)) return;
  if (!read_cursor(req, &ask.args[4])) return;
  dl_desktop_pass_on(req, tb->desktop->view, &ask, NULL, NULL);
}

static void on_full(dl_req_t *req, void *user) { take(req, user, false, false); }
static void on_region(dl_req_t *req, void *user) { take(req, user, true, false); }
static void on_full_compressed(dl_req_t *req, void *user) { take(req, user, false, true); }
static void on_region_compressed(dl_req_t *req, void *user) { take(req, user, true, true); }

/* Without a screen the lists are null, as on the platform: a client may ask before it starts the desktop. */
static bool reply_no_displays(dl_req_t *req, int status) {
  if (status != 503) return false;
  dl_tb_reply_json(req, 200, json_pack("{s:n}", "displays"));
  return true;
}

static bool reply_no_windows(dl_req_t *req, int status) {
  if (status != 503) return false;
  dl_tb_reply_json(req, 200, json_pack("{s:n}", "windows"));
  return true;
}

static void on_displays(dl_req_t *req, void *user) {
  dl_desktop_ask_t ask = {.kind = DL_DESKTOP_DISPLAYS};
  dl_desktop_pass_on(req, ((dl_toolbox_t *)user)->desktop->view, &ask, NULL, reply_no_displays);
}

static void on_windows(dl_req_t *req, void *user) {
  dl_desktop_ask_t ask = {.kind = DL_DESKTOP_WINDOWS};
  dl_desktop_pass_on(req, ((dl_toolbox_t *)user)->desktop->view, &ask, NULL, reply_no_windows);
}

static const dl_route_t ROUTES[] = {
  {"GET", "/computeruse/screenshot", on_full, 0},
  {"GET", "/computeruse/screenshot/region", on_region, 0},
  {"GET", "/computeruse/screenshot/compressed", on_full_compressed, 0},
  {"GET", "/computeruse/screenshot/region/compressed", on_region_compressed, 0},
  {"GET", "/computeruse/display/info", on_displays, 0},
  {"GET", "/computeruse/display/windows", on_windows, 0},
};
const dl_route_table_t DL_TB_SCREEN_ROUTES = {ROUTES, DL_COUNT(ROUTES)};
