/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signature version 4 with the examples that AWS publishes for S3, and what they do not show: session tokens, hosts with
 * ports, limits. Hashes and HMAC with the vectors of their standards.
 */
#include <stdio.h>
#include <string.h>

#include "net/digest.h"
#include "support/alloc.h"
#include "support/check.h"
#include "wire/s3_sign.h"

/* Friday, 24 May 2013, 00:00:00 UTC: the day of all examples. */
#define EXAMPLE_TIME INT64_C(1369353600)

static const daytona__s3_identity_t example = {.access_key = "AKIAIOSFODNN7EXAMPLE",
                                               .secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                                               .region = "us-east-1"};

static daytona__s3_request_t example_request(const char *verb, const char *path, const char *query) {
  return (daytona__s3_request_t){.verb = verb,
                                 .host = "examplebucket.s3.amazonaws.com",
                                 .path = path,
                                 .query = query,
                                 .payload = daytona__s3_empty_payload,
                                 .time_s = EXAMPLE_TIME};
}

static void signs(const daytona__s3_request_t *request, const char *authorization) {
  daytona__arena_t arena;
  daytona_header_t out[DAYTONA__S3_SIGNED_HEADERS];
  size_t count = 0;
  daytona__arena_init(&arena, 0);
  assert_int_equal(daytona__s3_sign(&arena, &example, request, out, &count), 0);
  assert_int_equal(count, 3);
  assert_string_equal(out[0].name, "x-amz-date");
  assert_string_equal(out[0].value, "20130524T000000Z");
  assert_string_equal(out[1].name, "x-amz-content-sha256");
  assert_string_equal(out[1].value, request->payload);
  assert_string_equal(out[2].name, "Authorization");
  assert_string_equal(out[2].value, authorization);
  daytona__arena_clear(&arena);
}

#define CREDENTIAL "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"

static void example_of_get_object(void **state) {
  (void)state;
  daytona__s3_request_t request = example_request("GET", "/test.txt", "");
  const daytona_header_t range = {"range", "bytes=0-9"};
  request.headers = &range;
  request.header_count = 1;
  signs(&request, CREDENTIAL
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

static void example_of_put_object(void **state) {
  (void)state;
  daytona__s3_request_t request = example_request("PUT", "/test%24file.text", "");
  const daytona_header_t headers[] = {{"x-amz-storage-class", "REDUCED_REDUNDANCY"},
                                      {"date", "Fri, 24 May 2013 00:00:00 GMT"}};
  request.headers = headers;
  request.header_count = 2;
  request.payload = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
  signs(&request, CREDENTIAL
        "SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,"
        "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

static void example_of_get_bucket_lifecycle(void **state) {
  (void)state;
  const daytona__s3_request_t request = example_request("GET", "/", "lifecycle=");
  signs(&request, CREDENTIAL
        "SignedHeaders=host;x-amz-content-sha256;x-amz-date,"
        "Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

static void example_of_list_objects(void **state) {
  (void)state;
  const daytona__s3_request_t request = example_request("GET", "/", "max-keys=2&prefix=J");
  signs(&request, CREDENTIAL
        "SignedHeaders=host;x-amz-content-sha256;x-amz-date,"
        "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

static void a_session_token_is_sent_and_signed(void **state) {
  (void)state;
  daytona__arena_t arena;
  daytona_header_t out[DAYTONA__S3_SIGNED_HEADERS];
  size_t count = 0;
  daytona__s3_identity_t identity = example;
  const daytona__s3_request_t request = example_request("GET", "/test.txt", "");
  char without[256];
  daytona__arena_init(&arena, 0);
  assert_int_equal(daytona__s3_sign(&arena, &identity, &request, out, &count), 0);
  snprintf(without, sizeof without, "%s", strstr(out[2].value, "Signature="));
  identity.session_token = "token";
  assert_int_equal(daytona__s3_sign(&arena, &identity, &request, out, &count), 0);
  assert_int_equal(count, 4);
  assert_string_equal(out[3].name, "x-amz-security-token");
  assert_string_equal(out[3].value, "token");
  assert_non_null(
    strstr(out[2].value, "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,"));
  assert_string_not_equal(strstr(out[2].value, "Signature="), without);
  daytona__arena_clear(&arena);
}

static void what_cannot_be_signed_is_refused(void **state) {
  (void)state;
  daytona__arena_t arena;
  daytona_header_t out[DAYTONA__S3_SIGNED_HEADERS], many[DAYTONA__S3_EXTRA_HEADERS_MAX + 1];
  size_t count = 7;
  daytona__s3_request_t request = example_request("GET", "/", "");
  daytona__arena_init(&arena, 0);
  for (size_t i = 0; i < sizeof many / sizeof many[0]; i++) many[i] = (daytona_header_t){"x-amz-a", "b"};
  request.headers = many;
  request.header_count = sizeof many / sizeof many[0];
  assert_int_equal(daytona__s3_sign(&arena, &example, &request, out, &count), DAYTONA_ELIMIT);
  request.header_count = 0;
  request.time_s = INT64_C(300000000000); /* the year 11476 */
  assert_int_equal(daytona__s3_sign(&arena, &example, &request, out, &count), DAYTONA_EINVAL);
  request.time_s = INT64_MAX;
  assert_int_equal(daytona__s3_sign(&arena, &example, &request, out, &count), DAYTONA_EINVAL);
  assert_int_equal(count, 7);
  daytona__arena_clear(&arena);
}

static void encodes(const char *text, bool keeps_slashes, const char *expected) {
  daytona__strbuf_t out;
  daytona__strbuf_init(&out, 1024);
  daytona__s3_encode(&out, text, keeps_slashes);
  assert_string_equal(out.data, expected);
  daytona__strbuf_clear(&out);
}

static void only_unreserved_characters_stay(void **state) {
  (void)state;
  encodes("AZaz09-._~", false, "AZaz09-._~");
  encodes("a/b c+d$e\xc3\xa9", false, "a%2Fb%20c%2Bd%24e%C3%A9");
  encodes("a/b", true, "a/b");
  encodes("%7E=&?#", true, "%257E%3D%26%3F%23");
}

static void hex_is(const unsigned char *bytes, const char *expected) {
  char hex[DAYTONA__DIGEST_HEX];
  daytona__hex(bytes, DAYTONA__SHA256_SIZE, hex);
  assert_string_equal(hex, expected);
}

static void digests_are_those_of_the_standards(void **state) {
  (void)state;
  char hex[DAYTONA__DIGEST_HEX];
  unsigned char out[DAYTONA__SHA256_SIZE], key[131];
  daytona__digest_t digest;
  daytona__digest_begin(&digest, DAYTONA__MD5); /* RFC 1321, in pieces */
  daytona__digest_add(&digest, "message ", 8);
  daytona__digest_add(&digest, NULL, 0);
  daytona__digest_add(&digest, "digest", 6);
  assert_int_equal(daytona__digest_end(&digest, hex), 0);
  assert_string_equal(hex, "f96b697d7cb7938d525a2f31aaf161d0");
  daytona__digest_begin(&digest, DAYTONA__SHA256);
  daytona__digest_abort(&digest);
  assert_int_equal(daytona__sha256("abc", 3, out), 0); /* FIPS 180 */
  hex_is(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  assert_int_equal(daytona__sha256("", 0, out), 0);
  hex_is(out, daytona__s3_empty_payload);
  assert_int_equal(daytona__hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, out),
                   0); /* RFC 4231 */
  hex_is(out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  memset(key, 0xaa, sizeof key);
  assert_int_equal(
    daytona__hmac_sha256(key, sizeof key, "Test Using Larger Than Block-Size Key - Hash Key First", 54, out),
    0);
  hex_is(out, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void sign_once(void *user) {
  daytona__arena_t arena;
  daytona_header_t out[DAYTONA__S3_SIGNED_HEADERS];
  size_t count;
  const daytona__s3_request_t request = example_request("GET", "/test.txt", "");
  (void)user;
  daytona__arena_init(&arena, 0);
  int rc = daytona__s3_sign(&arena, &example, &request, out, &count);
  assert_true(rc == 0 || rc == DAYTONA_ENOMEM);
  daytona__arena_clear(&arena);
}

static void lack_of_memory_is_an_error(void **state) {
  (void)state;
  support_alloc_install();
  support_alloc_sweep(sign_once, NULL);
  support_alloc_remove();
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(example_of_get_object),
    cmocka_unit_test(example_of_put_object),
    cmocka_unit_test(example_of_get_bucket_lifecycle),
    cmocka_unit_test(example_of_list_objects),
    cmocka_unit_test(a_session_token_is_sent_and_signed),
    cmocka_unit_test(what_cannot_be_signed_is_refused),
    cmocka_unit_test(only_unreserved_characters_stay),
    cmocka_unit_test(digests_are_those_of_the_standards),
    cmocka_unit_test(lack_of_memory_is_an_error),
  };
  return cmocka_run_group_tests_name("s3_sign", tests, NULL, NULL);
}
