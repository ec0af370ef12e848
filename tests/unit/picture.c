/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What image files say of themselves: format and size, and nothing from files that are cut off or broken.
 */
#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "wire/picture.h"

typedef struct row {
  const char *bytes;
  size_t size;
  const char *format;
  int width, height;
} row_t;

#define ROW(text, format, width, height) \
  { text, sizeof text - 1, format, width, height }
#define PNG "\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR"
#define WEBP "RIFF\x40\0\0\0WEBP"

static const row_t rows[] = {
  ROW(PNG "\0\0\4\0\0\0\3\0\x08", "png", 1024, 768),
  ROW(PNG "\0\0\0\0\0\0\3\0", "png", 0, 0),
  ROW(PNG "\xff\xff\xff\xff\0\0\3\0", "png", 0, 0),
  ROW("\xFF\xD8\xFF\xE0\0\4ab\xFF\xC0\0\x11\x08\1\2\3\4", "jpeg", 772, 258),
  ROW("\xFF\xD8\xFF\xC4\0\3a\xFF\xDB\0\2\xFF\xC2\0\x11\x08\0\2\0\4", "jpeg", 4, 2),
  ROW("\xFF\xD8\xFF\xE0\xFF\xFF"
      "abcdefghij",
      "jpeg", 0, 0),
  ROW("\xFF\xD8\xFF\xE0\0\1abcdefgh", "jpeg", 0, 0),
  ROW("\xFF\xD8\xFF\xE0\0\4abxxxxxxxxxxx", "jpeg", 0, 0),
  ROW(WEBP "VP8 \x10\0\0\0\0\0\0\x9d\x01\x2a\x20\x43\x58\x02", "webp", 800, 600),
  ROW(WEBP "VP8L\x10\0\0\0\x2f\x1f\xc3\x95\0\0\0\0\0\0", "webp", 800, 600),
  ROW(WEBP "VP8X\x0a\0\0\0\0\0\0\0\x1f\3\0\x57\2\0", "webp", 800, 600),
  ROW(WEBP "ABCD\x0a\0\0\0\0\0\0\0\x1f\3\0\x57\2\0", "webp", 0, 0),
  ROW("GIF89a\1\0\1\0", NULL, 0, 0),
  ROW("", NULL, 0, 0),
};

/* The bytes in a block of their own, so that a read behind them is seen. */
static daytona__picture_t read_block(const char *bytes, size_t size) {
  char *block = malloc(size != 0 ? size : 1);
  assert_non_null(block);
  memcpy(block, bytes, size);
  daytona__picture_t picture = daytona__picture_read(block, size);
  free(block);
  return picture;
}

static void formats_and_sizes(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    daytona__picture_t picture = read_block(rows[i].bytes, rows[i].size);
    if (rows[i].format == NULL)
      assert_null(picture.format);
    else
      assert_string_equal(picture.format, rows[i].format);
    assert_int_equal(picture.width, rows[i].width);
    assert_int_equal(picture.height, rows[i].height);
  }
}

static void files_that_are_cut_off(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
    for (size_t size = 0; size < rows[i].size; size++) {
      daytona__picture_t picture = read_block(rows[i].bytes, size);
      assert_true(picture.width == 0 || (picture.width == rows[i].width && picture.height == rows[i].height));
    }
}

/* Each byte wrong in each way: nothing but a size within bounds. */
static void files_that_are_broken(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
    for (size_t at = 0; at < rows[i].size; at++)
      for (int byte = 0; byte < 256; byte++) {
        char bytes[64];
        memcpy(bytes, rows[i].bytes, rows[i].size);
        bytes[at] = (char)byte;
        daytona__picture_t picture = read_block(bytes, rows[i].size);
        assert_true(picture.width >= 0 && picture.height >= 0 &&
                    (picture.width == 0) == (picture.height == 0));
      }
}

/* A file of nothing but tables is not gone through to its end. */
static void segments_have_a_ceiling(void **state) {
  (void)state;
  for (int count = DAYTONA__JPEG_SEGMENTS_MAX - 1; count <= DAYTONA__JPEG_SEGMENTS_MAX; count++) {
    static char bytes[2 + 4 * DAYTONA__JPEG_SEGMENTS_MAX + 16] = "\xFF\xD8";
    char *at = bytes + 2;
    for (int i = 0; i < count; i++, at += 4) memcpy(at, "\xFF\xDB\0\2", 4);
    memcpy(at, "\xFF\xC0\0\x11\x08\0\2\0\4", 9);
    daytona__picture_t picture = read_block(bytes, (size_t)(at + 9 - bytes));
    assert_int_equal(picture.width, count < DAYTONA__JPEG_SEGMENTS_MAX ? 4 : 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(formats_and_sizes),
    cmocka_unit_test(files_that_are_cut_off),
    cmocka_unit_test(files_that_are_broken),
    cmocka_unit_test(segments_have_a_ceiling),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
