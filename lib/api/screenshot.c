/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Screenshots; see screenshot.h.
 *
 * The base64 text of the response, which has its place in the result's arena already, is decoded in place, a part in
 * each turn of the loop: the image needs no memory of its own.
 */
#include <daytona/screenshot.h>

#include <string.h>

#include "call/method.h"
#include "call/results.h"
#include "core/ascii.h"
#include "wire/picture.h"

typedef struct shot_args {
  int x, y, width, height;
} shot_args_t;

/* The public result, and what it is made of. */
typedef struct shot {
  daytona_screenshot_t shown; /* first */
  daytona_bytes_t text;       /* base64 */
  const daytona_mouse_position_t *cursor;
} shot_t;

static DAYTONA__MODEL_OF(cursor_model, daytona_mouse_position_t, "CursorPosition",
                         DAYTONA__FIELD(daytona_mouse_position_t, INT32, x, "x"),
                         DAYTONA__FIELD(daytona_mouse_position_t, INT32, y, "y"));

static DAYTONA__MODEL_OF(shot_model, shot_t, "ScreenshotResponse",
                         DAYTONA__FIELD(shot_t, BYTES, text, "screenshot"),
                         DAYTONA__FIELD(shot_t, OBJECT, cursor, "cursorPosition", .model = &cursor_model),
                         DAYTONA__FIELD(shot_t, OPT_INT, shown.size_bytes, "sizeBytes"));

/* --- the image --------------------------------------------------------------------------------- */

/* Bytes of base64 that are decoded in one turn. */
enum { DECODED_PER_TURN = 1 << 20 };

typedef struct progress {
  daytona__base64_t decoder;
  size_t read, written;
} progress_t;

/* Decode some more. 0, DAYTONA__FINISH_AGAIN, or DAYTONA_EPROTOCOL. */
static int decode_some(progress_t *progress, const daytona_bytes_t *text) {
  char *bytes = (char *)text->data; /* the arena's */
  size_t left = text->size - progress->read, size = left < DECODED_PER_TURN ? left : DECODED_PER_TURN;
  const char *from = text->data + progress->read;
  if (!daytona__base64_decode(&progress->decoder, from, size, bytes, &progress->written))
    return DAYTONA_EPROTOCOL;
  progress->read += size;
  if (progress->read < text->size) return DAYTONA__FINISH_AGAIN;
  bool is_whole = daytona__base64_end(&progress->decoder, bytes, &progress->written);
  return is_whole && progress->written != 0 ? 0 : DAYTONA_EPROTOCOL;
}

static int finish_shot(daytona__op_t *op, const void *args, void **answer, const char **problem) {
  shot_t *shot = *answer;
  daytona_screenshot_t *shown = &shot->shown;
  progress_t *progress = op->work;
  if (progress == NULL) {
    *problem = "malformed response: there is no screenshot in it";
    if (shot->text.size == 0) return DAYTONA_EPROTOCOL;
    *problem = NULL;
    progress = op->work = daytona__arena_alloc(&op->future->arena, sizeof *progress);
    if (progress == NULL) return DAYTONA_ENOMEM;
  }
  int rc = decode_some(progress, &shot->text);
  if (rc == DAYTONA_EPROTOCOL) *problem = "malformed response: the screenshot is not base64";
  if (rc != 0) return rc;
  ((char *)shot->text.data)[progress->written] = '\0'; /* the text was longer */
  shown->image = (daytona_bytes_t){shot->text.data, progress->written};
  daytona__picture_t picture = daytona__picture_read(shown->image.data, shown->image.size);
  shown->format = picture.format;
  shown->width = picture.width;
  shown->height = picture.height;
  shown->has_cursor = shot->cursor != NULL;
  if (shown->has_cursor) shown->cursor = *shot->cursor;
  return 0;
}

/* --- requests ---------------------------------------------------------------------------------- */

#define NUMBER(member) DAYTONA__ARG(IN_QUERY, shot_args_t, INT32, member, #member)
#define REGION NUMBER(x), NUMBER(y), NUMBER(width), NUMBER(height)
#define PLAIN DAYTONA__OPT(IN_QUERY, daytona_screenshot_opts_t, BOOL, shows_cursor, "showCursor")
#define OPT(type, member, key, ...) \
  DAYTONA__OPT(IN_QUERY, daytona_screenshot_compressed_opts_t, type, member, key, __VA_ARGS__)
#define COMPRESSED                                                                      \
  OPT(OPT_BOOL, shows_cursor, "showCursor"), OPT(STRING, format, "format"),             \
    OPT(OPT_INT, quality, "quality", .rules = DAYTONA__MIN | DAYTONA__MAX, .max = 100), \
    OPT(OPT_NUM, scale, "scale", .rules = DAYTONA__POSITIVE)
#define SCREENSHOT(noun, tail, what, ...)                                                      \
  DAYTONA__METHOD(noun, .prefix = "Failed to take " what ": ", .verb = "GET",                  \
                  .path = "/computeruse/screenshot" tail, .service = DAYTONA__TOOLBOX,         \
                  .request = DAYTONA__ARGS(shot_args_t, __VA_ARGS__), .response = &shot_model, \
                  .result = &daytona__type_screenshot, .finish = finish_shot)

SCREENSHOT(full_screen, "", "screenshot", PLAIN);

daytona_future_t *daytona_screenshot_take_full_screen(daytona_sandbox_t *sandbox,
                                                      const daytona_screenshot_opts_t *opts) {
  return daytona__call(sandbox, &full_screen_method, NULL, DAYTONA__OPTS(opts));
}

SCREENSHOT(region, "/region", "region screenshot", REGION, PLAIN);

daytona_future_t *daytona_screenshot_take_region(daytona_sandbox_t *sandbox, int x, int y, int width,
                                                 int height, const daytona_screenshot_opts_t *opts) {
  return daytona__call(sandbox, &region_method, &(shot_args_t){x, y, width, height}, DAYTONA__OPTS(opts));
}

SCREENSHOT(compressed, "/compressed", "compressed screenshot", COMPRESSED);

daytona_future_t *daytona_screenshot_take_compressed(daytona_sandbox_t *sandbox,
                                                     const daytona_screenshot_compressed_opts_t *opts) {
  return daytona__call(sandbox, &compressed_method, NULL, DAYTONA__OPTS(opts));
}

SCREENSHOT(compressed_region, "/region/compressed", "compressed region screenshot", REGION, COMPRESSED);

daytona_future_t *daytona_screenshot_take_compressed_region(
  daytona_sandbox_t *sandbox, int x, int y, int width, int height,
  const daytona_screenshot_compressed_opts_t *opts) {
  return daytona__call(sandbox, &compressed_region_method, &(shot_args_t){x, y, width, height},
                       DAYTONA__OPTS(opts));
}
