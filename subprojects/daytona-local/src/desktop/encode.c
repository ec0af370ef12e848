/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PNG, JPEG and WebP. A screenshot is taken many times a minute and looked at once, so all three are set for speed: a
 * desktop is mostly flat areas and compresses well anyway.
 */
#include "desktop/encode.h"

#include "toolbox/desktop/wire.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <png.h>
#include <webp/encode.h>
#include <zlib.h>

/* --- PNG --- */

static void on_png_bytes(png_structp png, png_bytep bytes, png_size_t len) {
  if (!dl_buf_append(png_get_io_ptr(png), bytes, len)) png_error(png, "too large");
}

static void on_png_flush(png_structp png) { (void)png; }

static bool encode_png(const picture_t *p, dl_buf_t *out) {
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
  png_infop info = png != NULL ? png_create_info_struct(png) : NULL;
  if (info == NULL || setjmp(png_jmpbuf(png)) != 0) {
    png_destroy_write_struct(&png, &info);
    return false;
  }
  png_set_write_fn(png, out, on_png_bytes, on_png_flush);
  png_set_IHDR(png, info, (png_uint_32)p->width, (png_uint_32)p->height, 8, PNG_COLOR_TYPE_RGB,
               PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_set_filter(png, 0, PNG_FILTER_UP);
  png_set_compression_level(png, 1);
  png_set_compression_strategy(png, Z_RLE);
  png_write_info(png, info);
  png_set_bgr(png);
  png_set_filler(png, 0, PNG_FILLER_AFTER);
  for (int y = 0; y < p->height; y++) png_write_row(png, p->pixels + (size_t)y * (size_t)p->width * 4);
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return true;
}

/* --- JPEG --- */

typedef struct {
  struct jpeg_compress_struct jpeg;
  struct jpeg_error_mgr errors;
  jmp_buf escape;
  unsigned char *bytes;
  unsigned long len;
} jpeg_job_t;

static void on_jpeg_error(j_common_ptr jpeg) { longjmp(DL_CONTAINER(jpeg, jpeg_job_t, jpeg)->escape, 1); }

static bool run_jpeg(jpeg_job_t *job, const picture_t *p, int quality) {
  struct jpeg_compress_struct *jpeg = &job->jpeg;
  if (setjmp(job->escape) != 0) return false;
  jpeg_mem_dest(jpeg, &job->bytes, &job->len);
  jpeg->image_width = (JDIMENSION)p->width;
  jpeg->image_height = (JDIMENSION)p->height;
  jpeg->input_components = 4;
  jpeg->in_color_space = JCS_EXT_BGRX;
  jpeg_set_defaults(jpeg);
  jpeg_set_quality(jpeg, quality, TRUE);
  jpeg->dct_method = JDCT_FASTEST;
  jpeg_start_compress(jpeg, TRUE);
  while (jpeg->next_scanline < jpeg->image_height) {
    JSAMPROW row = p->pixels + (size_t)jpeg->next_scanline * (size_t)p->width * 4;
    jpeg_write_scanlines(jpeg, &row, 1);
  }
  jpeg_finish_compress(jpeg);
  return true;
}

static bool encode_jpeg(const picture_t *p, int quality, dl_buf_t *out) {
  jpeg_job_t job = {.bytes = NULL};
  job.jpeg.err = jpeg_std_error(&job.errors);
  job.errors.error_exit = on_jpeg_error;
  jpeg_create_compress(&job.jpeg);
  bool ok = run_jpeg(&job, p, quality) && dl_buf_append(out, job.bytes, job.len);
  jpeg_destroy_compress(&job.jpeg);
  free(job.bytes);
  return ok;
}

/* --- WebP --- */

static int on_webp_bytes(const uint8_t *bytes, size_t len, const WebPPicture *picture) {
  return dl_buf_append(picture->custom_ptr, bytes, len);
}

static bool encode_webp(const picture_t *p, int quality, dl_buf_t *out) {
  WebPConfig config;
  WebPPicture picture;
  if (!WebPConfigInit(&config) || !WebPPictureInit(&picture)) return false;
  config.quality = (float)quality;
  config.method = 0;
  picture.width = p->width;
  picture.height = p->height;
  picture.writer = on_webp_bytes;
  picture.custom_ptr = out;
  bool ok = WebPPictureImportBGRX(&picture, p->pixels, p->width * 4) && WebPEncode(&config, &picture);
  WebPPictureFree(&picture);
  return ok;
}

/* --- --- */

bool picture_encode(const picture_t *p, int format, int quality, dl_buf_t *out) {
  switch (format) {
    case DL_SHOT_JPEG: return encode_jpeg(p, quality, out);
    case DL_SHOT_WEBP: return encode_webp(p, quality, out);
    default: return encode_png(p, out);
  }
}

/* The mean of a rectangle of the source, which has at least one pixel. */
static void average(const picture_t *p, int x0, int y0, int x1, int y1, uint8_t *to) {
  unsigned sums[3] = {0}, count = (unsigned)((x1 - x0) * (y1 - y0));
  for (int y = y0; y < y1; y++) {
    const uint8_t *at = p->pixels + ((size_t)y * (size_t)p->width + (size_t)x0) * 4;
    for (int x = x0; x < x1; x++, at += 4)
      for (int i = 0; i < 3; i++) sums[i] += at[i];
  }
  for (int i = 0; i < 3; i++) to[i] = (uint8_t)(sums[i] / count);
  to[3] = 0;
}

picture_t picture_scale(const picture_t *p, int width, int height) {
  picture_t out = {dl_xmalloc((size_t)width * (size_t)height * 4), width, height};
  for (int y = 0; y < height; y++) {
    int y0 = (int)((int64_t)y * p->height / height), y1 = (int)((int64_t)(y + 1) * p->height / height);
    for (int x = 0; x < width; x++) {
      int x0 = (int)((int64_t)x * p->width / width), x1 = (int)((int64_t)(x + 1) * p->width / width);
      average(p, x0, y0, x1 > x0 ? x1 : x0 + 1, y1 > y0 ? y1 : y0 + 1,
              out.pixels + ((size_t)y * (size_t)width + (size_t)x) * 4);
    }
  }
  return out;
}

bool put_base64(dl_buf_t *out, const uint8_t *bytes, size_t len) {
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  size_t size = (len + 2) / 3 * 4, i = 0;
  char *to = dl_buf_reserve(out, size);
  if (to == NULL) return false;
  for (; i + 2 < len; i += 3) {
    uint32_t group = (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8 | bytes[i + 2];
    *to++ = letters[group >> 18];
    *to++ = letters[group >> 12 & 63];
    *to++ = letters[group >> 6 & 63];
    *to++ = letters[group & 63];
  }
  if (i < len) {
    uint32_t group = (uint32_t)bytes[i] << 16 | (i + 1 < len ? (uint32_t)bytes[i + 1] << 8 : 0);
    *to++ = letters[group >> 18];
    *to++ = letters[group >> 12 & 63];
    *to++ = i + 1 < len ? letters[group >> 6 & 63] : '=';
    *to++ = '=';
  }
  dl_buf_grew(out, size);
  return true;
}
