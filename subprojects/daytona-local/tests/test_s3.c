/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The object store's parsers and signer, with the examples that AWS has published for Signature Version 4 and for
 * signed chunks, and the check values of the checksums.
 */
#include "s3/chunks.h"
#include "s3/sigv4.h"
#include "s3/sums.h"
#include "s3/xml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define CREDENTIAL "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"
#define NOTHING "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define HOST "examplebucket.s3.amazonaws.com"
#define NOW INT64_C(1369353600000) /* 2013-05-24T00:00:00Z */

static char *authorization(const char *headers, const char *signature) {
  return dl_xprintf("AWS4-HMAC-SHA256 Credential=" CREDENTIAL ",SignedHeaders=%s,Signature=%s", headers,
                    signature);
}

/* Reads and checks; *out is what dl_sigv4_check says. */
static dl_s3_code_t check(const dl_sigv4_request_t *r, const char **detail) {
  dl_sigv4_t s;
  unsigned char key[32];
  dl_s3_code_t code = dl_sigv4_read(&s, r, "us-east-1", detail);
  if (code != DL_S3_OK) return code;
  dl_sigv4_key(&s, SECRET, key);
  code = dl_sigv4_check(&s, r, key, detail);
  dl_sigv4_clear(&s);
  return code;
}

static void published_headers(void **state) {
  (void)state;
  const char *detail;
  char *get = authorization("host;range;x-amz-content-sha256;x-amz-date",
                            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  const dl_sigv4_field_t get_fields[] = {{"Host", HOST},
                                         {"Authorization", get},
                                         {"Range", "bytes=0-9"},
                                         {"x-amz-content-sha256", NOTHING},
                                         {"x-amz-date", "20130524T000000Z"}};
  const dl_sigv4_request_t a = {"GET", "/test.txt", "", HOST, get_fields, DL_COUNT(get_fields)};
  assert_int_equal(check(&a, &detail), DL_S3_OK);

  char *put = authorization("date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
                            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
  const dl_sigv4_field_t put_fields[] = {
    {"Date", "Fri, 24 May 2013 00:00:00 GMT"},
    {"Authorization", put},
    {"x-amz-date", "20130524T000000Z"},
    {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
    {"x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"}};
  const dl_sigv4_request_t b = {"PUT", "/test$file.text", "", HOST, put_fields, DL_COUNT(put_fields)};
  assert_int_equal(check(&b, &detail), DL_S3_OK);

  char *list = authorization("host;x-amz-content-sha256;x-amz-date",
                             "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
  const dl_sigv4_field_t list_fields[] = {
    {"Authorization", list}, {"x-amz-content-sha256", NOTHING}, {"x-amz-date", "20130524T000000Z"}};
  const dl_sigv4_request_t c = {"GET", "/", "prefix=J&max-keys=2", HOST, list_fields, DL_COUNT(list_fields)};
  assert_int_equal(check(&c, &detail), DL_S3_OK);

  char *life = authorization("host;x-amz-content-sha256;x-amz-date",
                             "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
  const dl_sigv4_field_t life_fields[] = {
    {"Authorization", life}, {"x-amz-content-sha256", NOTHING}, {"x-amz-date", "20130524T000000Z"}};
  const dl_sigv4_request_t d = {"GET", "/", "lifecycle", HOST, life_fields, DL_COUNT(life_fields)};
  assert_int_equal(check(&d, &detail), DL_S3_OK);
  free(get);
  free(put);
  free(list);
  free(life);
}

#define PRESIGNED                                                                                       \
  "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%" \
  "2Faws4_request"                                                                                      \
  "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature="

static void published_query(void **state) {
  (void)state;
  const char *detail;
  dl_sigv4_t s;
  const dl_sigv4_request_t r = {
    "GET", "/test.txt", PRESIGNED "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
    HOST,  NULL,        0};
  assert_int_equal(check(&r, &detail), DL_S3_OK);
  assert_int_equal(dl_sigv4_read(&s, &r, "us-east-1", &detail), DL_S3_OK);
  assert_int_equal(dl_sigv4_check_time(&s, NOW + 86400000), DL_S3_OK);
  assert_int_equal(dl_sigv4_check_time(&s, NOW + 86400001), DL_S3_AccessDenied);
  assert_int_equal(dl_sigv4_check_time(&s, NOW - 15 * 60000 - 1), DL_S3_RequestTimeTooSkewed);
  dl_sigv4_clear(&s);
}

/* Each change of what was signed, and each way to leave something unsigned. */
static void what_is_refused(void **state) {
  (void)state;
  const char *detail;
  char *good = authorization("host;range;x-amz-content-sha256;x-amz-date",
                             "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  dl_sigv4_field_t f[] = {{"Authorization", good},
                          {"Range", "bytes=0-9"},
                          {"x-amz-content-sha256", NOTHING},
                          {"x-amz-date", "20130524T000000Z"},
                          {"X-Other", "anything"}};
  const dl_sigv4_request_t base = {"GET", "/test.txt", "", HOST, f, DL_COUNT(f)};
  dl_sigv4_request_t r = base;
  assert_int_equal(check(&r, &detail), DL_S3_OK);
  r.method = "PUT";
  assert_int_equal(check(&r, &detail), DL_S3_SignatureDoesNotMatch);
  r = base, r.path = "/test.txt2";
  assert_int_equal(check(&r, &detail), DL_S3_SignatureDoesNotMatch);
  r = base, r.query = "acl";
  assert_int_equal(check(&r, &detail), DL_S3_SignatureDoesNotMatch);
  r = base, r.host = "other";
  assert_int_equal(check(&r, &detail), DL_S3_SignatureDoesNotMatch);
  r = base, r.path = "/%zz";
  assert_int_equal(check(&r, &detail), DL_S3_AccessDenied);
  r = base, r.query = "a=%zz";
  assert_int_equal(check(&r, &detail), DL_S3_AccessDenied);
  f[1].value = "bytes=0-8";
  assert_int_equal(check(&base, &detail), DL_S3_SignatureDoesNotMatch);
  f[1].value = "  bytes=0-9 "; /* blanks around do not count */
  assert_int_equal(check(&base, &detail), DL_S3_OK);
  f[4] = (dl_sigv4_field_t){"x-amz-meta-more", "unsigned"};
  assert_int_equal(check(&base, &detail), DL_S3_AccessDenied);
  f[4] = (dl_sigv4_field_t){"range", "bytes=0-9"}; /* signed, and there twice */
  assert_int_equal(check(&base, &detail), DL_S3_AccessDenied);
  f[4] = (dl_sigv4_field_t){"X-Other", ""};
  f[3].value = "20130525T000000Z"; /* not the date of the scope */
  assert_int_equal(check(&base, &detail), DL_S3_AuthorizationHeaderMalformed);
  f[3].value = "20130524T000001Z";
  assert_int_equal(check(&base, &detail), DL_S3_SignatureDoesNotMatch);
  static const char *const stamps[] = {"",
                                       "20130524",
                                       "20130524T000000",
                                       "20131324T000000Z",
                                       "2013052aT000000Z",
                                       "20130524T250000Z",
                                       "20130524t000000Z"};
  for (size_t i = 0; i < DL_COUNT(stamps); i++) {
    f[3].value = stamps[i];
    assert_int_equal(check(&base, &detail), DL_S3_AccessDenied);
  }
  free(good);
}

static void malformed_headers(void **state) {
  (void)state;
#define SIG "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
  static const char *const bad[] = {
    "AWS4-HMAC-SHA256",
    "AWS4-HMAC-SHA256 ",
    "AWS4-HMAC-SHA256Credential=" CREDENTIAL ",SignedHeaders=host,Signature=" SIG,
    "AWS4-HMAC-SHA256 Credential=" CREDENTIAL ",SignedHeaders=host",
    "AWS4-HMAC-SHA256 Credential=" CREDENTIAL
    ",SignedHeaders=x-amz-date,Signature=" SIG, /* host is not signed */
    "AWS4-HMAC-SHA256 Credential=" CREDENTIAL ",SignedHeaders=Host,Signature=" SIG,
    "AWS4-HMAC-SHA256 Credential=" CREDENTIAL
    ",SignedHeaders=x-amz-date;host,Signature=" SIG, /* not in order */
    "AWS4-HMAC-SHA256 Credential=" CREDENTIAL ",SignedHeaders=host;host,Signature=" SIG,
    "AWS4-HMAC-SHA256 Credential=" CREDENTIAL ",SignedHeaders=,Signature=" SIG,
    "AWS4-HMAC-SHA256 Credential=" CREDENTIAL ",SignedHeaders=;host,Signature=" SIG,
    "AWS4-HMAC-SHA256 Credential=" CREDENTIAL ",SignedHeaders=host,Signature=F0e8",
    "AWS4-HMAC-SHA256 Credential=" CREDENTIAL ",SignedHeaders=host,Signature=" SIG "0",
    "AWS4-HMAC-SHA256 Credential=" CREDENTIAL ",SignedHeaders=host,Signature=" SIG ",Signature=" SIG,
    "AWS4-HMAC-SHA256 Credential=/20130524/us-east-1/s3/aws4_request,SignedHeaders=host,Signature=" SIG,
    "AWS4-HMAC-SHA256 Credential=K/20130524/eu-west-1/s3/aws4_request,SignedHeaders=host,Signature=" SIG,
    "AWS4-HMAC-SHA256 Credential=K/20130524/us-east-1/ec2/aws4_request,SignedHeaders=host,Signature=" SIG,
    "AWS4-HMAC-SHA256 Credential=K,SignedHeaders=host,Signature=" SIG,
  };
  for (size_t i = 0; i < DL_COUNT(bad); i++) {
    const char *detail;
    const dl_sigv4_field_t f[] = {
      {"Authorization", bad[i]}, {"x-amz-content-sha256", NOTHING}, {"x-amz-date", "20130524T000000Z"}};
    const dl_sigv4_request_t r = {"GET", "/test.txt", "", HOST, f, DL_COUNT(f)};
    assert_int_equal(check(&r, &detail), DL_S3_AuthorizationHeaderMalformed);
  }
  const char *detail;
  const dl_sigv4_field_t basic = {"Authorization", "Basic dTpw"};
  dl_sigv4_request_t r = {"GET", "/test.txt", "", HOST, &basic, 1};
  assert_int_equal(check(&r, &detail), DL_S3_AccessDenied);
  r.query = PRESIGNED SIG;
  assert_int_equal(check(&r, &detail), DL_S3_InvalidArgument); /* two signatures */
  r.field_count = 0;
  assert_int_equal(check(&r, &detail), DL_S3_SignatureDoesNotMatch);
  r.query = PRESIGNED "x";
  assert_int_equal(check(&r, &detail), DL_S3_AuthorizationQueryParametersError);
  r.query = PRESIGNED SIG "&X-Amz-Date=20130524T000000Z"; /* twice */
  assert_int_equal(check(&r, &detail), DL_S3_AuthorizationQueryParametersError);
}

/* --- chunks --- */

typedef struct {
  size_t bytes;
  unsigned char last;
} taken_t;

static void take(void *user, const char *bytes, size_t len) {
  taken_t *t = user;
  t->bytes += len;
  if (len > 0) t->last = (unsigned char)bytes[len - 1];
}

/* The published body: 66,560 times 'a' in chunks of 64 KiB and 1 KiB. */
static char *published_body(const char *first, const char *second, const char *end, size_t *len) {
  dl_buf_t out;
  dl_buf_init(&out, 1 << 20);
  dl_buf_printf(&out, "10000;chunk-signature=%s\r\n", first);
  for (int i = 0; i < 65536; i++) dl_buf_puts(&out, "a");
  dl_buf_printf(&out, "\r\n400;chunk-signature=%s\r\n", second);
  for (int i = 0; i < 1024; i++) dl_buf_puts(&out, "a");
  dl_buf_printf(&out, "\r\n%s", end);
  *len = out.len;
  return dl_buf_take(&out);
}

static dl_s3_code_t feed(const dl_sigv4_t *s, bool is_signed, dl_sum_kind_t trailer, const char *body,
                         size_t len, size_t step, taken_t *t) {
  unsigned char key[32] = {0};
  dl_chunks_t c;
  if (s) dl_sigv4_key(s, SECRET, key);
  *t = (taken_t){0};
  dl_chunks_init(&c, is_signed, trailer != DL_SUM_NONE, s, key, trailer);
  c.on_data = take;
  c.user = t;
  for (size_t at = 0; at < len; at += step) dl_chunks_feed(&c, body + at, len - at < step ? len - at : step);
  dl_s3_code_t code = dl_chunks_end(&c);
  dl_chunks_clear(&c);
  return code;
}

static dl_sigv4_t seed(const char *signature) {
  dl_sigv4_t s = {.stamp_ms = NOW};
  strcpy(s.stamp, "20130524T000000Z");
  s.scope = (char *)"20130524/us-east-1/s3/aws4_request";
  strcpy(s.signature, signature);
  return s;
}

static void published_chunks(void **state) {
  (void)state;
  static const char first[] = "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648";
  static const char second[] = "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497";
  static const char end[] =
    "0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n";
  const dl_sigv4_t s = seed("4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9");
  size_t len;
  taken_t t;
  char *body = published_body(first, second, end, &len);
  static const size_t steps[] = {1, 7, 4096, 1 << 20};
  for (size_t i = 0; i < DL_COUNT(steps); i++) {
    assert_int_equal(feed(&s, true, DL_SUM_NONE, body, len, steps[i], &t), DL_S3_OK);
    assert_int_equal(t.bytes, 66560);
  }
  for (size_t cut = 1; cut < 200; cut++) /* cut anywhere in the end */
    assert_int_equal(feed(&s, true, DL_SUM_NONE, body, len - cut, 4096, &t), DL_S3_IncompleteBody);
  body[100] = 'b';
  assert_int_equal(feed(&s, true, DL_SUM_NONE, body, len, 4096, &t), DL_S3_SignatureDoesNotMatch);
  free(body);
  body = published_body(second, first, end, &len); /* exchanged */
  assert_int_equal(feed(&s, true, DL_SUM_NONE, body, len, 4096, &t), DL_S3_SignatureDoesNotMatch);
  free(body);
}

static void published_trailer(void **state) {
  (void)state;
  static const char first[] = "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2";
  static const char second[] = "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7";
  static const char end[] =
    "0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n"
    "x-amz-checksum-crc32c:sOO8/Q==\r\n"
    "x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"
    "\r\n\r\n";
  const dl_sigv4_t s = seed("106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e");
  size_t len;
  taken_t t;
  char *body = published_body(first, second, end, &len);
  assert_int_equal(feed(&s, true, DL_SUM_CRC32C, body, len, 1, &t), DL_S3_OK);
  assert_int_equal(feed(&s, true, DL_SUM_CRC32, body, len, 1, &t),
                   DL_S3_InvalidRequest); /* another was promised */
  char *sum = strstr(body, "sOO8");
  sum[0] = 'S';
  assert_int_equal(feed(&s, true, DL_SUM_CRC32C, body, len, 1, &t), DL_S3_SignatureDoesNotMatch);
  sum[0] = 's';
  /* Without its signature. */
  memcpy(strstr(body, "\r\nx-amz-trailer-signature") + 2, "\r\n", 3);
  assert_int_equal(feed(&s, true, DL_SUM_CRC32C, body, strlen(body), 1, &t), DL_S3_InvalidRequest);
  free(body);
}

static void odd_chunks(void **state) {
  (void)state;
  static const struct {
    const char *body;
    dl_s3_code_t code;
    size_t bytes;
  } cases[] = {
    {"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", DL_S3_OK, 5},
    {"0005\r\nhello\r\n0\r\nX-Amz-Checksum-CRC32: NhCmhg==\r\n\r\n", DL_S3_OK, 5},
    {"0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", DL_S3_OK, 0},
    {"", DL_S3_IncompleteBody, 0},
    {"5\r\nhel", DL_S3_IncompleteBody, 3},
    {"5\r\nhello\r\n0\r\n", DL_S3_IncompleteBody, 5},
    {"5\r\nhello\r\n0\r\n\r\n", DL_S3_InvalidRequest, 5}, /* no checksum */
    {"5\r\nhello0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", DL_S3_InvalidRequest, 5},
    {"5\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", DL_S3_InvalidRequest, 0},
    {"\r\n", DL_S3_InvalidRequest, 0},
    {"-5\r\nhello", DL_S3_InvalidRequest, 0},
    {"5 \r\nhello", DL_S3_InvalidRequest, 0},
    {"ffffffffffffffff\r\nhello", DL_S3_InvalidRequest, 0},
    {"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n",
     DL_S3_InvalidRequest, 5},
    {"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:\r\n\r\n", DL_S3_InvalidRequest, 5},
    {"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\nmore", DL_S3_InvalidRequest, 5},
    {"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\rx\r\n\r\n", DL_S3_InvalidRequest, 5},
  };
  taken_t t;
  for (size_t i = 0; i < DL_COUNT(cases); i++)
    for (size_t step = 1; step < 80; step += 13) {
      assert_int_equal(feed(NULL, false, DL_SUM_CRC32, cases[i].body, strlen(cases[i].body), step, &t),
                       cases[i].code);
      assert_int_equal(t.bytes, cases[i].bytes);
    }
  /* One byte a chunk costs more than it brings. */
  dl_buf_t many;
  dl_buf_init(&many, 4 << 20);
  for (int i = 0; i < 40000; i++) dl_buf_puts(&many, "1\r\nx\r\n");
  assert_int_equal(feed(NULL, false, DL_SUM_CRC32, many.data, many.len, 4096, &t), DL_S3_InvalidRequest);
  dl_buf_clear(&many);
}

/* --- checksums --- */

static void sums(void **state) {
  (void)state;
  static const struct {
    dl_sum_kind_t kind;
    const char *hex;
  } cases[] = {{DL_SUM_CRC32, "cbf43926"},
               {DL_SUM_CRC32C, "e3069283"},
               {DL_SUM_CRC64NVME, "ae8b14860a799888"},
               {DL_SUM_SHA1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"},
               {DL_SUM_SHA256, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"},
               {DL_SUM_MD5, "25f9e794323b453885f5181f1b624d0b"}};
  for (size_t i = 0; i < DL_COUNT(cases); i++)
    for (size_t step = 1; step <= 9; step++) {
      unsigned char out[DL_SUM_MAX];
      char hex[DL_SUM_HEX_MAX];
      dl_sum_t s;
      dl_sum_init(&s, cases[i].kind);
      for (size_t at = 0; at < 9; at += step) dl_sum_add(&s, &"123456789"[at], 9 - at < step ? 9 - at : step);
      dl_hex(out, dl_sum_end(&s, out), hex);
      assert_string_equal(hex, cases[i].hex);
    }
  assert_int_equal(dl_sum_find("x-amz-checksum-CRC64nvme"), DL_SUM_CRC64NVME);
  assert_int_equal(dl_sum_find("crc32c"), DL_SUM_CRC32C);
  assert_int_equal(dl_sum_find("MD5"), DL_SUM_NONE);
}

static void base64(void **state) {
  (void)state;
  unsigned char bytes[DL_SUM_MAX], back[DL_SUM_MAX];
  char text[DL_SUM_BASE64_MAX];
  for (size_t len = 1; len <= DL_SUM_MAX; len++) {
    for (size_t i = 0; i < len; i++) bytes[i] = (unsigned char)(i * 37 + len * 11 + 200);
    dl_base64(bytes, len, text);
    assert_true(dl_base64_read(text, back, len));
    assert_memory_equal(back, bytes, len);
    assert_false(dl_base64_read(text, back, len + 3));
    if (len > 3) assert_false(dl_base64_read(text, back, len - 3));
  }
  static const char *const bad[] = {
    "", "NhCmhg=", "NhCmhg===", "NhCmhgA=", "NhCmh===", "NhCm-g==", "NhCmhh==", "N=CmhgAA"};
  for (size_t i = 0; i < DL_COUNT(bad); i++) assert_false(dl_base64_read(bad[i], back, 4));
  assert_true(dl_base64_read("NhCmhg==", back, 4));
}

/* --- the list of parts --- */

static void part_lists(void **state) {
  (void)state;
  static const char good[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n"
    "  <Part><ETag>&quot;a54357aff0632cce46d942af68356b38&quot;</ETag><PartNumber>1</PartNumber></Part>\n"
    "  "
    "<Part><PartNumber>2</PartNumber><ETag>&#34;b&#x22;</ETag><ChecksumCRC32>NhCmhg==</ChecksumCRC32></"
    "Part>\n"
    "  <Part><ETag>\"c\"</ETag><PartNumber>10000</PartNumber><Unknown a='1'>text</Unknown></Part>\n"
    "</CompleteMultipartUpload>";
  size_t count;
  dl_listed_part_t *parts = dl_parts_read(good, strlen(good), &count);
  assert_non_null(parts);
  assert_int_equal(count, 3);
  assert_string_equal(parts[0].etag, "a54357aff0632cce46d942af68356b38");
  assert_int_equal(parts[1].number, 2);
  assert_string_equal(parts[1].etag, "b");
  assert_int_equal(parts[1].sum, DL_SUM_CRC32);
  assert_string_equal(parts[1].sum_value, "NhCmhg==");
  assert_int_equal(parts[2].number, 10000);
  free(parts);
  for (size_t len = 0; len + 1 < sizeof good; len++)
    assert_null(dl_parts_read(good, len, &count)); /* cut anywhere */
#define PART(number, etag) "<Part><PartNumber>" number "</PartNumber><ETag>" etag "</ETag></Part>"
#define LIST(parts) "<CompleteMultipartUpload>" parts "</CompleteMultipartUpload>"
  static const char *const bad[] = {
    "",
    "null",
    LIST(""),
    LIST(PART("0", "a")),
    LIST(PART("10001", "a")),
    LIST(PART("1x", "a")),
    LIST(PART("1", "")),
    LIST("<Part><ETag>a</ETag></Part>"),
    LIST(PART("1", "a") "<Part/>"),
    LIST(PART("1", "&unknown;")),
    LIST(PART("1", "&#0;")),
    LIST(PART("1", "&#x;")),
    LIST(PART("1", "a") "text"),
    "<Other>" PART("1", "a") "</Other>",
    LIST(PART("1", "a")) LIST(PART("1", "a")),
    "<!DOCTYPE x [<!ENTITY a \"aaaa\">]>" LIST(PART("1", "&a;")),
    LIST("<Part><PartNumber>1</PartNumber><PartNumber>2</PartNumber><ETag>a</ETag></Part>"),
    LIST("<Part><a><b><c/></b></a></Part>"),
  };
  for (size_t i = 0; i < DL_COUNT(bad); i++) assert_null(dl_parts_read(bad[i], strlen(bad[i]), &count));
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(published_headers),
    cmocka_unit_test(published_query),
    cmocka_unit_test(what_is_refused),
    cmocka_unit_test(malformed_headers),
    cmocka_unit_test(published_chunks),
    cmocka_unit_test(published_trailer),
    cmocka_unit_test(odd_chunks),
    cmocka_unit_test(sums),
    cmocka_unit_test(base64),
    cmocka_unit_test(part_lists),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
