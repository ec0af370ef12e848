/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists: objects (ListObjectsV2), uploads, and the parts of one. Pages are found again by the last thing of the page
 * before, so that what changes meanwhile is seen or not, and nothing else is lost.
 */
#include "s3/internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_MAX 1000
#define LIST_MAX (16u * 1024 * 1024)
#define NAMESPACE " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

/* --- what is common --- */

typedef struct {
  dl_buf_t out;
  bool is_encoded; /* encoding-type=url */
} page_t;

static void put_text(page_t *p, const char *name, const char *text) {
  if (!p->is_encoded) {
    dl_xml_element(&p->out, name, text);
    return;
  }
  dl_buf_printf(&p->out, "<%s>", name);
  for (const char *c = text; *c != '\0'; c++)
    if (isalnum((unsigned char)*c) || strchr("-._~/", *c))
      dl_buf_append(&p->out, c, 1);
    else
      dl_buf_printf(&p->out, "%%%02X", (unsigned char)*c);
  dl_buf_printf(&p->out, "</%s>", name);
}

static const char *query_or(dl_req_t *req, const char *name, const char *fallback) {
  const char *value = dl_query_get(dl_req_query(req), name);
  return value ? value : fallback;
}

/* False and answered when a parameter makes no sense. */
static bool read_page(dl_s3_call_t *call, dl_req_t *req, const char *max_name, page_t *p, int64_t *max) {
  const char *encoding = query_or(req, "encoding-type", ""), *text = query_or(req, max_name, "1000");
  const char *id = call->s3->opts.objects->organization_id, *prefix = query_or(req, "prefix", "");
  size_t len = strlen(id);
  p->is_encoded = strcmp(encoding, "url") == 0;
  bool is_own = call->key || (strncmp(prefix, id, len) == 0 && (prefix[len] == '\0' || prefix[len] == '/'));
  if (!is_own) {
    dl_s3_fail(req, DL_S3_AccessDenied, "these credentials list with the prefix of their organization only");
  } else if (*encoding && !p->is_encoded) {
    dl_s3_fail(req, DL_S3_InvalidArgument, "encoding-type must be url");
  } else if (strspn(text, "0123456789") != strlen(text) || !dl_parse_int(text, 0, INT32_MAX, max)) {
    dl_s3_fail(req, DL_S3_InvalidArgument, "the length of a page must be a number");
  } else {
    if (*max > PAGE_MAX) *max = PAGE_MAX;
    dl_buf_init(&p->out, LIST_MAX);
    dl_buf_puts(&p->out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    return true;
  }
  return false;
}

/* --- objects --- */

/* A token is the hexadecimal form of what the page before has ended with. */
static char *token_of(const char *text) {
  char *token = dl_xmalloc(2 * strlen(text) + 1);
  dl_hex((const unsigned char *)text, strlen(text), token);
  return token;
}

/* NULL: it is none. */
static char *text_of(const char *token) {
  size_t len = strlen(token);
  if (len % 2 != 0 || len > 2 * DL_S3_KEY_MAX || strspn(token, DL_ALPHABET_HEX) != len) return NULL;
  char *text = dl_xcalloc(1, len / 2 + 1);
  for (size_t i = 0; i < len; i++) {
    int digit = token[i] <= '9' ? token[i] - '0' : token[i] - 'a' + 10;
    text[i / 2] = (char)(text[i / 2] << 4 | digit);
  }
  return text;
}

typedef struct {
  page_t page;
  const dl_blobs_t *blobs;
  const char *prefix, *delimiter, *after;
  int64_t max, count;
  char *last; /* the last key or common prefix of the page; yours to free */
  bool is_truncated;
} listing_t;

static void put_object(listing_t *l, const char *key) {
  const json_t *record = dl_blob_find(l->blobs, key);
  char *etag = dl_xprintf("\"%s\"", dl_json_str(record, "etag"));
  dl_buf_t *out = &l->page.out;
  dl_buf_puts(out, "<Contents>");
  put_text(&l->page, "Key", key);
  dl_xml_element(out, "LastModified", dl_iso_format(dl_json_int(record, "modified", 0)).text);
  dl_xml_element(out, "ETag", etag);
  dl_xml_number(out, "Size", dl_json_int(record, "size", 0));
  dl_buf_puts(out, "<StorageClass>STANDARD</StorageClass></Contents>");
  free(etag);
}

static void put_common_prefix(listing_t *l, const char *prefix) {
  dl_buf_puts(&l->page.out, "<CommonPrefixes>");
  put_text(&l->page, "Prefix", prefix);
  dl_buf_puts(&l->page.out, "</CommonPrefixes>");
}

/* What the key shows as: itself, or everything up to the delimiter; yours to free. */
static char *shown_as(const listing_t *l, const char *key, bool *is_prefix) {
  size_t len = strlen(l->prefix);
  const char *found = *l->delimiter ? strstr(key + len, l->delimiter) : NULL;
  *is_prefix = found != NULL;
  return found ? dl_xstrndup(key, (size_t)(found - key) + strlen(l->delimiter)) : dl_xstrdup(key);
}

static void walk(listing_t *l, const char *const *keys, size_t count) {
  size_t prefix_len = strlen(l->prefix), low = 0, high = count;
  const char *from = strcmp(l->after, l->prefix) > 0 ? l->after : l->prefix;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (strcmp(keys[middle], from) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  for (size_t i = low; i < count && strncmp(keys[i], l->prefix, prefix_len) == 0; i++) {
    bool is_prefix;
    if (strcmp(keys[i], l->after) == 0) continue;
    char *shown = shown_as(l, keys[i], &is_prefix);
    bool is_again = is_prefix && ((l->last && strcmp(shown, l->last) == 0) || strcmp(shown, l->after) == 0);
    if (!is_again && l->count == l->max) {
      free(shown);
      l->is_truncated = l->max > 0;
      return;
    }
    if (!is_again) {
      is_prefix ? put_common_prefix(l, shown) : put_object(l, shown);
      l->count++;
      free(l->last);
      l->last = shown;
      continue;
    }
    free(shown);
  }
}

void dl_s3_list(dl_s3_call_t *call, dl_req_t *req) {
  size_t count;
  const char *token = query_or(req, "continuation-token", NULL), *start = query_or(req, "start-after", "");
  listing_t l = {.blobs = &call->s3->blobs, .delimiter = query_or(req, "delimiter", "")};
  char *after = token ? text_of(token) : dl_xstrdup(start);
  bool is_v2 = strcmp(query_or(req, "list-type", ""), "2") == 0;
  l.prefix = query_or(req, "prefix", "");
  l.after = after;
  if (!is_v2) {
    dl_s3_fail(req, DL_S3_NotImplemented, NULL);
  } else if (!after) {
    dl_s3_fail(req, DL_S3_InvalidArgument, "the continuation token is not one of this server");
  } else if (read_page(call, req, "max-keys", &l.page, &l.max)) {
    dl_buf_t *out = &l.page.out;
    dl_buf_puts(out, "<ListBucketResult" NAMESPACE "><Name>" DL_S3_BUCKET "</Name>");
    put_text(&l.page, "Prefix", l.prefix);
    if (*l.delimiter) put_text(&l.page, "Delimiter", l.delimiter);
    if (*start) put_text(&l.page, "StartAfter", start);
    if (token) dl_xml_element(out, "ContinuationToken", token);
    if (l.page.is_encoded) dl_buf_puts(out, "<EncodingType>url</EncodingType>");
    dl_xml_number(out, "MaxKeys", l.max);
    const char *const *keys = dl_blobs_keys(&call->s3->blobs, &count);
    walk(&l, keys, count);
    dl_xml_number(out, "KeyCount", l.count);
    dl_xml_element(out, "IsTruncated", l.is_truncated ? "true" : "false");
    if (l.is_truncated) {
      char *next = token_of(l.last);
      dl_xml_element(out, "NextContinuationToken", next);
      free(next);
    }
    dl_buf_puts(out, "</ListBucketResult>");
    dl_s3_reply_xml(req, out);
  }
  free(l.last);
  free(after);
}

/* --- uploads --- */

/* Those of the prefix, by key and then by id. */
static int by_key(const void *a, const void *b) {
  const dl_upload_t *x = *(dl_upload_t *const *)a, *y = *(dl_upload_t *const *)b;
  int order = strcmp(x->key, y->key);
  return order ? order : strcmp(x->id, y->id);
}

void dl_s3_list_uploads(dl_s3_call_t *call, dl_req_t *req) {
  const char *prefix = query_or(req, "prefix", ""), *key = query_or(req, "key-marker", "");
  const char *id = query_or(req, "upload-id-marker", "");
  dl_uploads_t *u = &call->s3->uploads;
  page_t p;
  int64_t max;
  if (dl_query_get(dl_req_query(req), "delimiter")) {
    dl_s3_fail(req, DL_S3_NotImplemented, NULL);
    return;
  }
  if (!read_page(call, req, "max-uploads", &p, &max)) return;
  dl_upload_t **sorted = dl_xcalloc(u->count + 1, sizeof *sorted);
  size_t count = 0, put = 0, i = 0;
  DL_LIST_EACH(&u->list, node) sorted[count++] = DL_CONTAINER(node, dl_upload_t, link);
  qsort(sorted, count, sizeof *sorted, by_key);
  dl_buf_puts(&p.out, "<ListMultipartUploadsResult" NAMESPACE "><Bucket>" DL_S3_BUCKET "</Bucket>");
  put_text(&p, "Prefix", prefix);
  put_text(&p, "KeyMarker", key);
  dl_xml_element(&p.out, "UploadIdMarker", id);
  const dl_upload_t *last = NULL;
  for (; i < count; i++) {
    const dl_upload_t *upload = sorted[i];
    int order = strcmp(upload->key, key);
    if (order < 0 || (order == 0 && (!*id || strcmp(upload->id, id) <= 0)) ||
        !dl_starts_with(upload->key, prefix))
      continue;
    if ((int64_t)put == max) break;
    dl_buf_puts(&p.out, "<Upload>");
    put_text(&p, "Key", upload->key);
    dl_xml_element(&p.out, "UploadId", upload->id);
    dl_xml_element(&p.out, "Initiated", dl_iso_format(upload->created_ms).text);
    dl_buf_puts(&p.out, "<StorageClass>STANDARD</StorageClass></Upload>");
    last = upload;
    put++;
  }
  bool is_truncated = i < count && last;
  if (is_truncated) {
    put_text(&p, "NextKeyMarker", last->key);
    dl_xml_element(&p.out, "NextUploadIdMarker", last->id);
  }
  dl_xml_number(&p.out, "MaxUploads", max);
  dl_xml_element(&p.out, "IsTruncated", is_truncated ? "true" : "false");
  dl_buf_puts(&p.out, "</ListMultipartUploadsResult>");
  free(sorted);
  dl_s3_reply_xml(req, &p.out);
}

/* --- parts --- */

static void put_part(page_t *p, const dl_upload_part_t *part) {
  char *etag = dl_xprintf("\"%s\"", part->etag);
  dl_buf_puts(&p->out, "<Part>");
  dl_xml_number(&p->out, "PartNumber", part->number);
  dl_xml_element(&p->out, "LastModified", dl_iso_format(part->modified_ms).text);
  dl_xml_element(&p->out, "ETag", etag);
  dl_xml_number(&p->out, "Size", part->size);
  if (part->sum != DL_SUM_NONE) dl_xml_element(&p->out, dl_sum_element(part->sum), part->sum_value);
  dl_buf_puts(&p->out, "</Part>");
  free(etag);
}

void dl_s3_list_parts(dl_s3_call_t *call, dl_req_t *req) {
  const char *marker = query_or(req, "part-number-marker", "0");
  const dl_upload_t *upload = dl_upload_find(&call->s3->uploads, query_or(req, "uploadId", ""), call->key);
  page_t p;
  int64_t max, after;
  if (!upload) {
    dl_s3_fail(req, DL_S3_NoSuchUpload, NULL);
    return;
  }
  if (!dl_parse_int(marker, 0, DL_PARTS_MAX, &after)) {
    dl_s3_fail(req, DL_S3_InvalidArgument, "part-number-marker must be a number");
    return;
  }
  if (!read_page(call, req, "max-parts", &p, &max)) return;
  dl_buf_puts(&p.out, "<ListPartsResult" NAMESPACE "><Bucket>" DL_S3_BUCKET "</Bucket>");
  put_text(&p, "Key", call->key);
  dl_xml_element(&p.out, "UploadId", upload->id);
  dl_xml_number(&p.out, "PartNumberMarker", after);
  dl_xml_number(&p.out, "MaxParts", max);
  int64_t put = 0, last = after;
  size_t i = 0;
  while (i < upload->part_count && upload->parts[i].number <= after) i++;
  for (; i < upload->part_count && put < max; i++, put++) {
    put_part(&p, &upload->parts[i]);
    last = upload->parts[i].number;
  }
  bool is_truncated = i < upload->part_count && put > 0;
  if (is_truncated) dl_xml_number(&p.out, "NextPartNumberMarker", last);
  dl_xml_element(&p.out, "IsTruncated", is_truncated ? "true" : "false");
  dl_buf_puts(&p.out, "</ListPartsResult>");
  dl_s3_reply_xml(req, &p.out);
}
