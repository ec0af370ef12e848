/* SPDX-License-Identifier: Apache-2.0 */
/*
 * S3's XML: what a storage answers, whatever it is. What is found is text; an error has a message.
 */
#include <string.h>

#include "fuzz/target.h"
#include "wire/s3_error.h"
#include "wire/s3_xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const names[] = {"UploadId", "Code", "Contents"};
  daytona__arena_t arena;
  daytona_error_t error;
  char root[DAYTONA__S3_XML_NAME_MAX + 1];
  const char *xml = (const char *)data;
  daytona__arena_init(&arena, 0);
  if (daytona__s3_xml_root(xml, size, root)) FUZZ_CHECK(strlen(root) <= DAYTONA__S3_XML_NAME_MAX);
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    const char *text = daytona__s3_xml_text(&arena, xml, size, names[i]);
    if (text != NULL) FUZZ_CHECK(daytona__s3_xml_has(xml, size, names[i]));
    if (text != NULL) FUZZ_CHECK(strlen(text) <= DAYTONA__S3_XML_TEXT_MAX);
  }
  for (int status = 200; status <= 500; status += 100) {
    const daytona__response_t response = {
      .code = status == 200 ? DAYTONA_OK : DAYTONA_EFAILED, .status = status, .body = xml, .body_size = size};
    daytona__s3_error(&arena, &response, &error);
    if (error.code != DAYTONA_OK) FUZZ_CHECK(error.message != NULL);
  }
  daytona__arena_clear(&arena);
  return 0;
}
