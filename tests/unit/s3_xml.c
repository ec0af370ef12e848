/* SPDX-License-Identifier: Apache-2.0 */
/*
 * S3's XML and the errors in it: what storages answer, and what nobody should.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "wire/s3_error.h"
#include "wire/s3_xml.h"

static daytona__arena_t arena;

static int open_arena(void **state) {
  (void)state;
  daytona__arena_init(&arena, 0);
  return 0;
}

static int close_arena(void **state) {
  (void)state;
  daytona__arena_clear(&arena);
  return 0;
}

/* In a block of its very size, so that a read behind it is seen. */
static const char *text_of(const char *xml, const char *name) {
  size_t size = strlen(xml);
  char *copy = malloc(size + (size == 0));
  memcpy(copy, xml, size);
  const char *text = daytona__s3_xml_text(&arena, copy, size, name);
  free(copy);
  return text;
}

static const char created[] =
  "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<!-- a > b -->\n"
  "<s3:InitiateMultipartUploadResult xmlns:s3='http://s3.amazonaws.com/doc/2006-03-01/' a = \"<\" >\n"
  "  <s3:Bucket>b</s3:Bucket><Owner><UploadId>inner</UploadId></Owner><Empty/><Key/>"
  "<UploadId>a&amp;b&#x20;&#99;<![CDATA[<&>]]><!-- no -->\xc3\xa9</UploadId><UploadId>second</UploadId>\n"
  "</s3:InitiateMultipartUploadResult>\n<!-- end -->\n";

static void texts_are_found_by_name_and_place(void **state) {
  (void)state;
  char root[DAYTONA__S3_XML_NAME_MAX + 1];
  assert_true(daytona__s3_xml_root(created, sizeof created - 1, root));
  assert_string_equal(root, "InitiateMultipartUploadResult");
  assert_string_equal(text_of(created, "Bucket"), "b");
  assert_string_equal(text_of(created, "UploadId"), "a&b c<&>\xc3\xa9");
  assert_string_equal(text_of(created, "Key"), "");
  assert_null(text_of(created, "Owner")); /* holds an element */
  assert_null(text_of(created, "Missing"));
  assert_null(text_of(created, "InitiateMultipartUploadResult"));
  assert_true(daytona__s3_xml_has(created, sizeof created - 1, "Owner"));
  assert_false(daytona__s3_xml_has(created, sizeof created - 1, "Missing"));
}

static void every_beginning_of_an_answer_can_be_read(void **state) {
  (void)state;
  char cut[sizeof created];
  for (size_t size = 0; size < sizeof created; size++) {
    memcpy(cut, created, size);
    cut[size] = '\0';
    const char *text = text_of(cut, "UploadId");
    if (text != NULL) assert_string_equal(text, "a&b c<&>\xc3\xa9"); /* all of it or nothing */
  }
}

static void what_is_not_well_formed_has_no_text(void **state) {
  (void)state;
  static const char *const broken[] = {"",
                                       "x",
                                       "<",
                                       "<a",
                                       "<a>",
                                       "</a>",
                                       "<a/>",
                                       "<a></b>",
                                       "<a><x>1</y></a>",
                                       "<a><x>1</x",
                                       "<a><x>1",
                                       "<a><x>&unknown;</x></a>",
                                       "<a><x>&#0;</x></a>",
                                       "<a><x>&#xd800;</x></a>",
                                       "<a><x>&#x110000;</x></a>",
                                       "<a><x>&#99999999999999999999;</x></a>",
                                       "<a><x>&;</x></a>",
                                       "<a><x>&amp</x></a>",
                                       "<a><x>\xff</x></a>",
                                       "<!DOCTYPE a [<!ENTITY e \"v\">]><a><x>1</x></a>",
                                       "<a b><x>1</x></a>",
                                       "<a b=c><x>1</x></a>",
                                       "<a b=\"c><x>1</x></a>",
                                       "text<a><x>1</x></a>",
                                       "<a/><b><x>1</x></b>",
                                       "<a>< x>1</x></a>",
                                       "<a><x><![CDATA[1</x></a>",
                                       "<![CDATA[1]]><a><x>1</x></a>",
                                       "<a><!-- <x>1</x></a>",
                                       "<a:><x:>1</x:></a:>"};
  for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++)
    if (text_of(broken[i], "x") != NULL) fail_msg("%s has a text", broken[i]);
}

static void answers_without_measure_are_refused(void **state) {
  (void)state;
  size_t size = DAYTONA__S3_XML_TEXT_MAX;
  char *xml = malloc(size * 2 + 64), *at = xml;
  at += sprintf(at, "<a><x>");
  memset(at, 'y', size);
  strcpy(at + size, "</x></a>");
  assert_int_equal(strlen(text_of(xml, "x")), size);
  memset(at, 'y', size + 1);
  strcpy(at + size + 1, "</x></a>");
  assert_null(text_of(xml, "x"));
  at = xml;
  for (int i = 0; i <= DAYTONA__S3_XML_DEPTH_MAX; i++) at += sprintf(at, "<a>");
  for (int i = 0; i <= DAYTONA__S3_XML_DEPTH_MAX; i++) at += sprintf(at, "</a>");
  assert_null(text_of(xml, "x"));
  at = xml + sprintf(xml, "<a><");
  memset(at, 'n', DAYTONA__S3_XML_NAME_MAX + 1);
  strcpy(at + DAYTONA__S3_XML_NAME_MAX + 1, ">1</x></a>");
  assert_null(text_of(xml, "x"));
  free(xml);
}

static daytona__s3_remedy_t remedy(int status, const char *body, daytona_error_t *error) {
  const daytona__response_t response = {.code = status / 100 == 2 ? DAYTONA_OK : DAYTONA_EFAILED,
                                        .status = status,
                                        .body = body,
                                        .body_size = strlen(body)};
  return daytona__s3_error(&arena, &response, error);
}

#define ERROR(code, message) \
  "<Error><Code>" code "</Code><Message>" message "</Message><RequestId>r</RequestId></Error>"

static void errors_have_a_code_and_a_remedy(void **state) {
  (void)state;
  daytona_error_t error;
  assert_int_equal(remedy(403, ERROR("AccessDenied", "no &amp; no"), &error), DAYTONA__S3_FATAL);
  assert_int_equal(error.code, DAYTONA_EFORBIDDEN);
  assert_string_equal(error.message, "AccessDenied: no & no");
  assert_string_equal(error.server_code, "AccessDenied");
  assert_string_equal(error.source, "OBJECT_STORAGE");
  assert_string_equal(error.request_id, "r");
  assert_int_equal(remedy(400, ERROR("ExpiredToken", ""), &error), DAYTONA__S3_RENEW);
  assert_int_equal(error.code, DAYTONA_EAUTH);
  assert_string_equal(error.message, "ExpiredToken");
  assert_int_equal(remedy(403, ERROR("RequestTimeTooSkewed", "x"), &error), DAYTONA__S3_RECLOCK);
  assert_int_equal(remedy(503, ERROR("SlowDown", "x"), &error), DAYTONA__S3_RETRY);
  assert_int_equal(error.code, DAYTONA_ERATELIMIT);
  assert_int_equal(remedy(400, ERROR("RequestTimeout", "x"), &error), DAYTONA__S3_RETRY);
  assert_int_equal(remedy(409, ERROR("SomethingNew", "x"), &error), DAYTONA__S3_FATAL);
  assert_int_equal(error.code, DAYTONA_ECONFLICT);
  assert_int_equal(remedy(500, "<html>", &error), DAYTONA__S3_RETRY);
  assert_int_equal(error.code, DAYTONA_EINTERNAL);
  assert_int_equal(remedy(404, "", &error), DAYTONA__S3_FATAL);
  assert_int_equal(error.code, DAYTONA_ENOTFOUND);
}

/* A storage may find out that it cannot complete an upload after it has answered 200. */
static void an_error_may_come_with_status_200(void **state) {
  (void)state;
  daytona_error_t error;
  assert_int_equal(remedy(200, "<CompleteMultipartUploadResult/>", &error), DAYTONA__S3_FATAL);
  assert_int_equal(error.code, DAYTONA_OK);
  assert_int_equal(remedy(200, "", &error), DAYTONA__S3_FATAL);
  assert_int_equal(error.code, DAYTONA_OK);
  assert_int_equal(remedy(200, ERROR("InternalError", "x"), &error), DAYTONA__S3_RETRY);
  assert_int_equal(error.code, DAYTONA_EINTERNAL);
  assert_int_equal(remedy(200, ERROR("InvalidPart", "x"), &error), DAYTONA__S3_FATAL);
  assert_int_equal(error.code, DAYTONA_EFAILED);
}

static void transport_failures_pass_or_do_not(void **state) {
  (void)state;
  static const struct {
    daytona_errcode_t code;
    daytona__s3_remedy_t remedy;
  } cases[] = {{DAYTONA_ECONNECTION, DAYTONA__S3_RETRY},   {DAYTONA_ETRUNCATED, DAYTONA__S3_RETRY},
               {DAYTONA_EIDLE_TIMEOUT, DAYTONA__S3_RETRY}, {DAYTONA_ECONNECT_TIMEOUT, DAYTONA__S3_RETRY},
               {DAYTONA_ETLS, DAYTONA__S3_FATAL},          {DAYTONA_EPROXY, DAYTONA__S3_FATAL},
               {DAYTONA_ERESOLVE, DAYTONA__S3_FATAL},      {DAYTONA_ENOMEM, DAYTONA__S3_FATAL}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    daytona_error_t error;
    const daytona__response_t response = {.code = cases[i].code, .message = "m", .body = ""};
    assert_int_equal(daytona__s3_error(&arena, &response, &error), cases[i].remedy);
    assert_int_equal(error.code, cases[i].code);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_arena, close_arena)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(texts_are_found_by_name_and_place),   TEST(every_beginning_of_an_answer_can_be_read),
    TEST(what_is_not_well_formed_has_no_text), TEST(answers_without_measure_are_refused),
    TEST(errors_have_a_code_and_a_remedy),     TEST(an_error_may_come_with_status_200),
    TEST(transport_failures_pass_or_do_not),
  };
  return cmocka_run_group_tests_name("s3_xml", tests, NULL, NULL);
}
