/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See s3_peer.h. Memory comes from malloc, not from the library, but for what checking a signature takes.
 */
#define _GNU_SOURCE
#include "s3_peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "net/digest.h"
#include "support/check.h"
#include "wire/s3_sign.h"

/* --- requests ---------------------------------------------------------------------------------- */

static bool header(const s3_request_t *request, const char *name, char *out, size_t room) {
  size_t size = strlen(name);
  const char *end = request->body;
  out[0] = '\0';
  for (const char *line = strstr(request->text, "\r\n"); line != NULL && line + 4 < end;
       line = strstr(line + 2, "\r\n"))
    if (strncasecmp(line + 2, name, size) == 0 && line[2 + size] == ':') {
      const char *value = line + 3 + size + strspn(line + 3 + size, " ");
      snprintf(out, room, "%.*s", (int)strcspn(value, "\r"), value);
      return true;
    }
  return false;
}

static void parse(s3_request_t *request, const char *text, size_t size) {
  memset(request, 0, sizeof *request);
  request->text = text;
  assert_int_equal(sscanf(text, "%7s %511[^ ?]", request->verb, request->path), 2);
  const char *query = text + strcspn(text, "? ");
  query = text + strlen(request->verb) + 1 + strlen(request->path);
  if (*query == '?') sscanf(query + 1, "%2047[^ ]", request->query);
  request->body = strstr(text, "\r\n\r\n") + 4;
  request->body_size = size - (size_t)(request->body - text);
}

static void blame(s3_peer_t *s3, const char *why) {
  s3->bad++;
  snprintf(s3->why, sizeof s3->why, "%s", why);
}

static void check_hash(s3_peer_t *s3, const s3_request_t *request, const char *payload) {
  unsigned char hash[DAYTONA__SHA256_SIZE];
  char hex[DAYTONA__DIGEST_HEX];
  if (strcmp(payload, daytona__s3_unsigned_payload) == 0) {
    s3->has_unsigned = true;
    return;
  }
  daytona__sha256(request->body, request->body_size, hash);
  daytona__hex(hash, sizeof hash, hex);
  if (strcmp(hex, payload) != 0) blame(s3, "the hash of the body");
}

static void check_signature(s3_peer_t *s3, const s3_request_t *request) {
  char date[64], payload[80], host[128], token[128], given[1024];
  struct tm tm = {0};
  daytona__arena_t arena;
  daytona_header_t headers[DAYTONA__S3_SIGNED_HEADERS];
  size_t count = 0;
  header(request, "x-amz-date", date, sizeof date);
  header(request, "x-amz-content-sha256", payload, sizeof payload);
  header(request, "host", host, sizeof host);
  header(request, "authorization", given, sizeof given);
  header(request, "x-amz-security-token", token, sizeof token);
  if (strptime(date, "%Y%m%dT%H%M%SZ", &tm) == NULL) blame(s3, "no date");
  if (strcmp(token, s3->token) != 0) blame(s3, "another token");
  if (strstr(request->text, "Bearer") != NULL) blame(s3, "the key of the control plane");
  check_hash(s3, request, payload);
  daytona__arena_init(&arena, 0);
  const daytona__s3_identity_t identity = {s3->access_key, s3->secret, token, s3->region};
  const daytona__s3_request_t same = {.verb = request->verb,
                                      .host = host,
                                      .path = request->path,
                                      .query = request->query,
                                      .payload = payload,
                                      .time_s = (int64_t)timegm(&tm)};
  if (daytona__s3_sign(&arena, &identity, &same, headers, &count) == 0 &&
      strcmp(headers[2].value, given) != 0)
    blame(s3, "the signature");
  daytona__arena_clear(&arena);
}

/* --- answers ----------------------------------------------------------------------------------- */

static void answer(peer_conn_t *conn, int status, const char *headers, const char *body) {
  char text[2048];
  if (((s3_peer_t *)conn->peer)->is_mute) return;
  snprintf(text, sizeof text,
           "HTTP/1.1 %d X\r\nDate: Mon, 30 Nov 2026 12:00:00 GMT\r\n%sContent-Length: %zu\r\n\r\n%s", status,
           headers, strlen(body), body);
  peer_puts(conn, text);
}

static void refuse(peer_conn_t *conn, const s3_request_t *request, int status, const char *code) {
  char body[512];
  snprintf(body, sizeof body,
           "<?xml version=\"1.0\"?>\n<Error><Code>%s</Code><Message>because of &quot;%s&quot;</Message>"
           "<RequestId>r-1</RequestId></Error>",
           code, code);
  answer(conn, status, "Content-Type: application/xml\r\n", strcmp(request->verb, "HEAD") == 0 ? "" : body);
}

/* --- the storage ------------------------------------------------------------------------------- */

static void keep(s3_blob_t *blob, const char *bytes, size_t size) {
  free(blob->bytes);
  blob->bytes = malloc(size + 1);
  memcpy(blob->bytes, bytes, size);
  blob->size = size;
}

static s3_object_t *find_object(s3_peer_t *s3, const char *key) {
  for (size_t i = 0; i < s3->object_count; i++)
    if (strcmp(s3->objects[i].key, key) == 0) return &s3->objects[i];
  return NULL;
}

static s3_object_t *make_object(s3_peer_t *s3, const char *key) {
  s3_object_t *object = find_object(s3, key);
  if (object != NULL) return object;
  assert_true(s3->object_count < S3_OBJECTS);
  object = &s3->objects[s3->object_count++];
  snprintf(object->key, sizeof object->key, "%s", key);
  return object;
}

static s3_upload_t *find_upload(s3_peer_t *s3, const s3_request_t *request, const char *key) {
  const char *id = strstr(request->query, "uploadId=");
  for (size_t i = 0; i < s3->upload_count && id != NULL; i++)
    if (s3->uploads[i].is_open && strcmp(s3->uploads[i].id, id + 9) == 0 &&
        strcmp(s3->uploads[i].key, key) == 0)
      return &s3->uploads[i];
  return NULL;
}

static void clear_upload(s3_upload_t *upload) {
  upload->is_open = false;
  for (size_t i = 0; i < S3_PARTS; i++) free(upload->parts[i].bytes);
  memset(upload->parts, 0, sizeof upload->parts);
}

static void create_upload(s3_peer_t *s3, peer_conn_t *conn, const char *key) {
  char body[512];
  assert_true(s3->upload_count < S3_UPLOADS);
  s3_upload_t *upload = &s3->uploads[s3->upload_count++];
  snprintf(upload->id, sizeof upload->id, "up-%zu~_.", s3->upload_count);
  snprintf(upload->key, sizeof upload->key, "%s", key);
  upload->is_open = true;
  snprintf(
    body, sizeof body,
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?><InitiateMultipartUploadResult "
    "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Bucket>b</Bucket><Key>k</Key><UploadId>%s</UploadId>"
    "</InitiateMultipartUploadResult>",
    upload->id);
  if (s3->holds_creates) {
    snprintf(s3->held_create, sizeof s3->held_create, "%s", body);
    s3->creating = conn;
  } else {
    answer(conn, 200, "", body);
  }
}

static void put_part(s3_peer_t *s3, peer_conn_t *conn, const s3_request_t *request, s3_upload_t *upload) {
  int number = 0;
  char headers[128];
  assert_int_equal(sscanf(request->query, "partNumber=%d", &number), 1);
  assert_in_range(number, 1, S3_PARTS);
  keep(&upload->parts[number - 1], request->body, request->body_size);
  snprintf(headers, sizeof headers, "ETag: \"e-%s-%d-%zu\"\r\n", upload->id, number, request->body_size);
  if (!s3->holds_parts) {
    answer(conn, 200, headers, "");
    return;
  }
  assert_true(s3->held_count < S3_PARTS);
  snprintf(s3->held_answers[s3->held_count], sizeof s3->held_answers[0], "%s", headers);
  s3->held[s3->held_count++] = conn;
  s3->in_flight++;
  if (s3->in_flight > s3->most_in_flight) s3->most_in_flight = s3->in_flight;
}

void s3_peer_release(s3_peer_t *s3) {
  for (size_t i = 0; i < s3->held_count; i++) /* as far as they are still there */
    for (peer_conn_t *conn = s3->peer.conns; conn != NULL; conn = conn->next)
      if (conn == s3->held[i]) answer(conn, 200, s3->held_answers[i], "");
  s3->held_count = s3->in_flight = 0;
  for (peer_conn_t *conn = s3->peer.conns; conn != NULL && s3->creating != NULL; conn = conn->next)
    if (conn == s3->creating) answer(conn, 200, "", s3->held_create);
  s3->creating = NULL;
}

static void complete(s3_peer_t *s3, peer_conn_t *conn, const s3_request_t *request, s3_upload_t *upload) {
  s3_blob_t whole = {NULL, 0};
  for (size_t i = 0; i < S3_PARTS && upload->parts[i].bytes != NULL; i++) {
    char line[256];
    snprintf(line, sizeof line, "<Part><PartNumber>%zu</PartNumber><ETag>\"e-%s-%zu-%zu\"</ETag></Part>",
             i + 1, upload->id, i + 1, upload->parts[i].size);
    if (memmem(request->body, request->body_size, line, strlen(line)) == NULL) {
      blame(s3, "a part is not in the list");
      refuse(conn, request, 400, "InvalidPart");
      return;
    }
    whole.bytes = realloc(whole.bytes, whole.size + upload->parts[i].size + 1);
    memcpy(whole.bytes + whole.size, upload->parts[i].bytes, upload->parts[i].size);
    whole.size += upload->parts[i].size;
  }
  s3_object_t *object = make_object(s3, upload->key);
  free(object->blob.bytes);
  object->blob = whole;
  clear_upload(upload);
  s3->completions++;
  answer(conn, 200, "", "<CompleteMultipartUploadResult><ETag>\"x\"</ETag></CompleteMultipartUploadResult>");
}

static void list(s3_peer_t *s3, peer_conn_t *conn, const char *bucket, const s3_request_t *request) {
  char prefix[512] = "", key[1024], body[1024];
  const char *at = strstr(request->query, "prefix=");
  size_t used = 0;
  for (at = at != NULL ? at + 7 : ""; *at != '\0' && *at != '&' && used < sizeof prefix - 1; at++) {
    unsigned c = (unsigned char)*at;
    if (*at == '%') {
      sscanf(at + 1, "%2x", &c);
      at += 2;
    }
    prefix[used++] = (char)c;
  }
  prefix[used] = '\0';
  snprintf(key, sizeof key, "%s/%s", bucket, prefix);
  bool is_there = false;
  for (size_t i = 0; i < s3->object_count; i++)
    is_there |= strncmp(s3->objects[i].key, key, strlen(key)) == 0;
  snprintf(body, sizeof body, "<ListBucketResult><KeyCount>%d</KeyCount>%s</ListBucketResult>", is_there,
           is_there ? "<Contents><Key>k</Key></Contents>" : "");
  answer(conn, 200, "", body);
}

static void serve(s3_peer_t *s3, peer_conn_t *conn, const s3_request_t *request) {
  const char *key = request->path + strlen(s3->path) + 1;
  bool is_upload = strstr(request->query, "uploadId=") != NULL;
  s3_upload_t *upload = is_upload ? find_upload(s3, request, key) : NULL;
  if (is_upload && upload == NULL) {
    refuse(conn, request, 404, "NoSuchUpload");
  } else if (strcmp(request->verb, "HEAD") == 0) {
    answer(conn, find_object(s3, key) != NULL ? 200 : 404, "", "");
  } else if (strcmp(request->verb, "GET") == 0) {
    list(s3, conn, key, request);
  } else if (strcmp(request->verb, "DELETE") == 0) {
    s3->aborts++;
    clear_upload(upload);
    answer(conn, 204, "", "");
  } else if (strcmp(request->verb, "POST") == 0 && upload == NULL) {
    create_upload(s3, conn, key);
  } else if (strcmp(request->verb, "POST") == 0) {
    complete(s3, conn, request, upload);
  } else if (upload != NULL) {
    put_part(s3, conn, request, upload);
  } else {
    keep(&make_object(s3, key)->blob, request->body, request->body_size);
    answer(conn, 200, "ETag: \"one\"\r\n", "");
  }
}

static void on_request(peer_conn_t *conn, const char *text, size_t size) {
  s3_peer_t *s3 = (s3_peer_t *)conn->peer;
  s3_request_t request;
  parse(&request, text, size);
  assert_true(s3->requests < S3_LOG);
  request.index = s3->requests;
  snprintf(s3->log[s3->requests++], sizeof s3->log[0], "%s %.80s", request.verb, request.query);
  int what = s3->script != NULL ? s3->script(s3, &request) : S3_DO;
  if (what == S3_DO || what == S3_DO_AND_DROP) check_signature(s3, &request);
  s3->is_mute = what == S3_DO_AND_DROP;
  if (what == S3_DO || what == S3_DO_AND_DROP) serve(s3, conn, &request);
  s3->is_mute = false;
  if (what == S3_RAW) peer_puts(conn, s3->s3_raw);
  if (what == S3_DROP || what == S3_DO_AND_DROP || what == S3_RAW) {
    if (what == S3_RAW)
      peer_end(conn);
    else
      peer_reset(conn);
  }
  if (what >= 100) refuse(conn, &request, what, s3->s3_code);
}

/* --- life -------------------------------------------------------------------------------------- */

void s3_peer_open(s3_peer_t *s3, uv_loop_t *uv) {
  memset(s3, 0, sizeof *s3);
  peer_open(&s3->peer, uv);
  s3->peer.on_request = on_request;
  strcpy(s3->host, "127.0.0.1");
  strcpy(s3->access_key, "AK");
  strcpy(s3->secret, "the-secret-of-s3");
  strcpy(s3->token, "token-of-a-session");
  strcpy(s3->region, "us-east-1");
  s3->s3_code = "InternalError";
}

void s3_peer_forget(s3_peer_t *s3) {
  for (size_t i = 0; i < s3->object_count; i++) free(s3->objects[i].blob.bytes);
  memset(s3->objects, 0, sizeof s3->objects);
  s3->object_count = 0;
}

void s3_peer_close(s3_peer_t *s3) {
  peer_close(&s3->peer);
  s3_peer_forget(s3);
  for (size_t i = 0; i < s3->upload_count; i++) clear_upload(&s3->uploads[i]);
}

const char *s3_peer_access(const s3_peer_t *s3) {
  static char text[512];
  snprintf(
    text, sizeof text,
    "{\"accessKey\":\"%s\",\"secret\":\"%s\",\"sessionToken\":\"%s\",\"storageUrl\":\"http://%s:%d%s\","
    "\"organizationId\":\"org-1\",\"bucket\":\"daytona\",\"region\":\"%s\"}",
    s3->access_key, s3->secret, s3->token, s3->host, s3->peer.port, s3->path, s3->region);
  return text;
}

size_t s3_peer_open_uploads(const s3_peer_t *s3) {
  size_t count = 0;
  for (size_t i = 0; i < s3->upload_count; i++) count += s3->uploads[i].is_open;
  return count;
}

size_t s3_peer_count(const s3_peer_t *s3, const char *line) {
  size_t count = 0;
  for (size_t i = 0; i < s3->requests; i++) count += strncmp(s3->log[i], line, strlen(line)) == 0;
  return count;
}
