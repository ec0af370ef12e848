/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A screenshot: pixels through shared memory, the cursor drawn in, scaled, encoded.
 *
 * Only the part of the region that is on the screen is asked for; the rest stays black. The picture is ours from the moment
 * it was copied out of the segment, so that the next one can be taken into it.
 */
#include "desktop/shot.h"

#include "desktop/encode.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <xcb/xfixes.h>

typedef struct {
  int x, y, width, height;
} rect_t;

static int min(int a, int b) { return a < b ? a : b; }
static int max(int a, int b) { return a > b ? a : b; }

/* Coordinates of clients can be anything, so sums are made in 64 bits. */
static rect_t intersect(rect_t a, int width, int height) {
  int64_t right = (int64_t)a.x + a.width, bottom = (int64_t)a.y + a.height;
  rect_t out = {max(a.x, 0), max(a.y, 0), 0, 0};
  if (out.x < width && right > out.x) out.width = (int)(right < width ? right : width) - out.x;
  if (out.y < height && bottom > out.y) out.height = (int)(bottom < height ? bottom : height) - out.y;
  if (out.width == 0 || out.height == 0) out.width = out.height = 0;
  return out;
}

/* --- pixels --- */

static bool ensure_segment(screen_t *s, size_t size) {
  if (!s->has_shm || s->shared_size >= size) return s->has_shm;
  if (s->shared != NULL) {
    xcb_shm_detach(s->x, s->segment);
    shmdt(s->shared);
    s->shared = NULL;
    s->shared_size = 0;
  }
  int id = shmget(IPC_PRIVATE, size, IPC_CREAT | 0600);
  void *at = id >= 0 ? shmat(id, NULL, 0) : (void *)-1;
  s->has_shm = false;
  if (at != (void *)-1) {
    s->segment = xcb_generate_id(s->x);
    xcb_generic_error_t *failure =
      xcb_request_check(s->x, xcb_shm_attach_checked(s->x, s->segment, (uint32_t)id, 0));
    s->has_shm = failure == NULL && !screen_is_lost(s);
    free(failure);
    if (!s->has_shm) shmdt(at);
  }
  if (id >= 0) shmctl(id, IPC_RMID, NULL); /* it lives as long as somebody holds it */
  if (!s->has_shm) return false;
  s->shared = at;
  s->shared_size = size;
  return true;
}

static void copy_rows(picture_t *to, rect_t place, const uint8_t *from) {
  for (int y = 0; y < place.height; y++)
    memcpy(to->pixels + ((size_t)(place.y + y) * (size_t)to->width + (size_t)place.x) * 4,
           from + (size_t)y * (size_t)place.width * 4, (size_t)place.width * 4);
}

static bool fetch_shared(screen_t *s, rect_t part, picture_t *to, rect_t place) {
  if (!ensure_segment(s, (size_t)part.width * (size_t)part.height * 4)) return false;
  xcb_shm_get_image_cookie_t cookie =
    xcb_shm_get_image(s->x, s->root, (int16_t)part.x, (int16_t)part.y, (uint16_t)part.width,
                      (uint16_t)part.height, ~0u, XCB_IMAGE_FORMAT_Z_PIXMAP, s->segment, 0);
  xcb_shm_get_image_reply_t *reply = xcb_shm_get_image_reply(s->x, cookie, NULL);
  if (reply != NULL) copy_rows(to, place, s->shared);
  free(reply);
  return reply != NULL;
}

static bool fetch_plain(screen_t *s, rect_t part, picture_t *to, rect_t place) {
  xcb_get_image_cookie_t cookie =
    xcb_get_image(s->x, XCB_IMAGE_FORMAT_Z_PIXMAP, s->root, (int16_t)part.x, (int16_t)part.y,
                  (uint16_t)part.width, (uint16_t)part.height, ~0u);
  xcb_get_image_reply_t *reply = xcb_get_image_reply(s->x, cookie, NULL);
  size_t need = (size_t)part.width * (size_t)part.height * 4;
  bool ok = reply != NULL && (size_t)xcb_get_image_data_length(reply) >= need;
  if (ok) copy_rows(to, place, xcb_get_image_data(reply));
  free(reply);
  return ok;
}

/* 32 bits a pixel, in the order of bytes that the encoders read. */
static bool has_known_pixels(const screen_t *s) {
  const xcb_setup_t *setup = xcb_get_setup(s->x);
  xcb_format_iterator_t formats = xcb_setup_pixmap_formats_iterator(setup);
  for (; formats.rem > 0; xcb_format_next(&formats))
    if (formats.data->depth == s->screen->root_depth)
      return formats.data->bits_per_pixel == 32 && s->screen->root_depth >= 24 &&
             setup->image_byte_order == XCB_IMAGE_ORDER_LSB_FIRST;
  return false;
}

/* --- the cursor --- */

/* `over`: with its own share of the colour multiplied in. */
static void blend(uint8_t *under, uint32_t over) {
  unsigned alpha = over >> 24;
  for (int i = 0; i < 3; i++) {
    unsigned sum = (over >> 8 * i & 255) + under[i] * (255 - alpha) / 255;
    under[i] = (uint8_t)(sum > 255 ? 255 : sum);
  }
}

static void draw_cursor(screen_t *s, picture_t *to, rect_t region) {
  if (!s->has_fixes) return;
  xcb_xfixes_get_cursor_image_reply_t *cursor =
    xcb_xfixes_get_cursor_image_reply(s->x, xcb_xfixes_get_cursor_image(s->x), NULL);
  if (cursor == NULL) return;
  const uint32_t *pixels = xcb_xfixes_get_cursor_image_cursor_image(cursor);
  if ((uint64_t)cursor->width * cursor->height * 4 > screen_reply_bytes(cursor->length)) {
    free(cursor);
    return;
  }
  int left = cursor->x - cursor->xhot - region.x, top = cursor->y - cursor->yhot - region.y;
  for (int y = max(0, -top); y < min(cursor->height, to->height - top); y++)
    for (int x = max(0, -left); x < min(cursor->width, to->width - left); x++)
      blend(to->pixels + ((size_t)(top + y) * (size_t)to->width + (size_t)(left + x)) * 4,
            pixels[y * cursor->width + x]);
  free(cursor);
}

/* --- the response --- */

static void put_position(screen_t *s, const dl_desktop_ask_t *ask, rect_t region, dl_buf_t *out) {
  int x = 0, y = 0;
  unsigned mask;
  bool is_part = ask->args[2] > 0;
  double scale = (double)ask->args[7] / DL_SHOT_SCALE_ONE;
  screen_pointer(s, &x, &y, &mask);
  if (is_part) {
    x = region.x + (int)((x - region.x) * scale);
    y = region.y + (int)((y - region.y) * scale);
  } else {
    x = (int)(x * scale);
    y = (int)(y * scale);
  }
  dl_buf_printf(out, ",\"cursorPosition\":{\"x\":%d,\"y\":%d}", x, y);
}

static bool put_response(screen_t *s, const dl_desktop_ask_t *ask, rect_t region, const picture_t *p,
                         dl_buf_t *out) {
  dl_buf_t file;
  bool is_compressed = ask->args[8] != 0, has_cursor = ask->args[4] != 0;
  dl_buf_init(&file, DL_DESKTOP_REPLY_MAX / 4 * 3 - 1024);
  bool ok = picture_encode(p, ask->args[5], ask->args[6], &file) && dl_buf_puts(out, "{\"screenshot\":\"") &&
            put_base64(out, (const uint8_t *)file.data, file.len) && dl_buf_puts(out, "\"");
  if (ok && (has_cursor || !is_compressed)) put_position(s, ask, region, out);
  if (ok && is_compressed) ok = dl_buf_printf(out, ",\"sizeBytes\":%zu", file.len);
  ok = ok && dl_buf_puts(out, "}");
  dl_buf_clear(&file);
  return ok;
}

static int failed(dl_buf_t *out, int status, const char *text) {
  dl_buf_reset(out);
  dl_buf_puts(out, text);
  return status;
}

/* Pixels of a picture: those of the largest screen. */
#define PIXELS_MAX (7680 * 4320)

int shot_take(screen_t *s, const dl_desktop_ask_t *ask, dl_buf_t *out) {
  int width, height;
  screen_size(s, &width, &height);
  rect_t region = {ask->args[0], ask->args[1], ask->args[2], ask->args[3]};
  if (region.width <= 0) region = (rect_t){0, 0, width, height};
  if (region.width <= 0 || region.height <= 0) return failed(out, 500, "the screen has no size");
  if (!has_known_pixels(s)) return failed(out, 500, "the screen has pixels of an unknown form");
  if ((int64_t)region.width * region.height > PIXELS_MAX) return failed(out, 400, "the region is too large");
  picture_t picture = {dl_xcalloc((size_t)region.width * (size_t)region.height, 4), region.width,
                       region.height};
  rect_t part = intersect(region, width, height);
  rect_t place = {part.x - region.x, part.y - region.y, part.width, part.height};
  bool ok =
    part.width == 0 || fetch_shared(s, part, &picture, place) || fetch_plain(s, part, &picture, place);
  if (ok && ask->args[4] != 0) draw_cursor(s, &picture, region);
  if (ok && ask->args[7] < DL_SHOT_SCALE_ONE) {
    double scale = (double)ask->args[7] / DL_SHOT_SCALE_ONE;
    picture_t small =
      picture_scale(&picture, max(1, (int)(region.width * scale)), max(1, (int)(region.height * scale)));
    free(picture.pixels);
    picture = small;
  }
  bool is_sent = ok && put_response(s, ask, region, &picture, out);
  free(picture.pixels);
  if (!ok) return failed(out, 500, "the X server gives no picture");
  return is_sent ? 200 : failed(out, 500, "the picture cannot be encoded, or is too large");
}
