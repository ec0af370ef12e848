/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The request's header lines.
 *
 * Most requests carry the common headers, one Accept and one Content-Type: such lists are made once per
 * pair of the two and shared. A request with headers of its own gets a list of its own, in one block, which
 * is wiped when freed, for common headers are credentials. Names and values are checked: a line break in
 * one would be a header of somebody else's choice.
 */
#include "net/http_private.h"

#include <string.h>
#include <strings.h>

#include "core/header.h"
#include "core/memory.h"

typedef struct line {
  const char *name, *value;
} line_t;

/* The lines of one request, in the order in which they are sent. */
typedef struct plan {
  daytona__http_transfer_t *t;
  size_t at;
} plan_t;

static const char json_type[] = "application/json";

static bool has_own(const daytona__http_call_t *call, const char *name) {
  for (size_t i = 0; i < call->header_count; i++)
    if (strcasecmp(call->headers[i].name, name) == 0) return true;
  return false;
}

static bool next_line(plan_t *plan, line_t *line) {
  const daytona__http_transfer_t *t = plan->t;
  const daytona__http_call_t *call = t->call;
  const daytona__http_t *http = t->http;
  size_t common_count = call->skips_common ? 0 : http->common_count;
  while (plan->at < common_count + call->header_count + 3) {
    size_t at = plan->at++;
    bool is_own = false;
    if (at < common_count) {
      *line = (line_t){http->common[at].name, http->common[at].value};
    } else if ((at -= common_count) < call->header_count) {
      is_own = true;
      *line = (line_t){call->headers[at].name, call->headers[at].value};
    } else if ((at -= call->header_count) == 0) {
      *line = (line_t){"Accept", call->accept != NULL ? call->accept : json_type};
    } else if (at == 1) {
      *line = (line_t){"Content-Type", call->content_type != NULL ? call->content_type : json_type};
    } else {
      *line = (line_t){"Expect", ""}; /* no waiting for 100-continue */
    }
    if (!is_own && has_own(call, line->name)) continue;
    if (daytona__redirect_hides(&t->redirect, line->name)) continue;
    return true;
  }
  return false;
}

/* "Name: value"; without a value libcurl leaves the header away. One sent empty would need "Name;". */
static size_t line_size(const line_t *line) { return strlen(line->name) + strlen(line->value) + 3; }

static char *line_write(const line_t *line, bool is_sent_empty, char *at) {
  size_t name_size = strlen(line->name), value_size = strlen(line->value);
  memcpy(at, line->name, name_size);
  at += name_size;
  *at++ = is_sent_empty ? ';' : ':';
  if (value_size != 0) *at++ = ' ';
  memcpy(at, line->value, value_size);
  at += value_size;
  *at++ = '\0';
  return at;
}

/* One block: the nodes, then their text. The block's size is kept in front, to wipe it. */
typedef struct block {
  size_t size;
  struct curl_slist nodes[];
} block_t;

static block_t *block_make(daytona__http_transfer_t *t) {
  plan_t plan = {.t = t};
  line_t line;
  size_t count = 0, text_size = 0;
  while (next_line(&plan, &line)) {
    count++;
    text_size += line_size(&line);
  }
  size_t size = sizeof(block_t) + count * sizeof(struct curl_slist) + text_size;
  block_t *block = daytona__alloc(size);
  if (block == NULL) return NULL;
  block->size = size;
  char *text = (char *)&block->nodes[count];
  plan.at = 0;
  for (size_t i = 0; i < count; i++) {
    next_line(&plan, &line);
    block->nodes[i].data = text;
    block->nodes[i].next = i + 1 < count ? &block->nodes[i + 1] : NULL;
    bool is_optional = strcmp(line.name, "Expect") == 0 || strcmp(line.name, "Accept") == 0 ||
                       strcmp(line.name, "Content-Type") == 0;
    text = line_write(&line, line.value[0] == '\0' && !is_optional, text);
  }
  return block;
}

static void block_free(block_t *block) {
  if (block == NULL) return;
  daytona__wipe(block, block->size);
  daytona__free(block);
}

static bool is_same(const char *a, const char *b) { return a == b || strcmp(a, b) == 0; }

static daytona__http_headers_t *shared_find(daytona__http_t *http, const char *accept, const char *type) {
  for (size_t i = 0; i < http->shared_count; i++)
    if (is_same(http->shared[i].accept, accept) && is_same(http->shared[i].content_type, type))
      return &http->shared[i];
  return NULL;
}

static daytona__http_headers_t *shared_add(daytona__http_transfer_t *t, const char *accept,
                                           const char *type) {
  daytona__http_t *http = t->http;
  daytona__http_headers_t *shared = &http->shared[http->shared_count];
  block_t *block = block_make(t);
  shared->accept = daytona__strdup(accept);
  shared->content_type = daytona__strdup(type);
  if (block == NULL || shared->accept == NULL || shared->content_type == NULL) {
    block_free(block);
    daytona__free(shared->accept);
    daytona__free(shared->content_type);
    return NULL;
  }
  shared->list = block->nodes;
  http->shared_count++;
  return shared;
}

static bool are_valid(const daytona__http_call_t *call) {
  for (size_t i = 0; i < call->header_count; i++)
    if (!daytona__header_is_valid(&call->headers[i])) return false;
  return (call->accept == NULL || daytona__header_value_is_valid(call->accept)) &&
         (call->content_type == NULL || daytona__header_value_is_valid(call->content_type));
}

/* The lines of the attempt's context, and behind them `list`, which others may share. */
static struct curl_slist *put_context(daytona__http_transfer_t *t, struct curl_slist *list) {
  daytona__http_context_t *context = &t->context;
  struct curl_slist *lines = t->context_lines;
  if (context->parent[0] == '\0' || t->call->skips_common || t->redirect.is_foreign) return list;
  lines[0] = (struct curl_slist){context->parent, list};
  if (context->state == NULL) return &lines[0];
  lines[0].next = &lines[1];
  lines[1] = (struct curl_slist){(char *)context->state, list};
  return &lines[0];
}

int daytona__http_headers_make(daytona__http_transfer_t *t, struct curl_slist **out, const char **message) {
  const daytona__http_call_t *call = t->call;
  daytona__http_t *http = t->http;
  const char *accept = call->accept != NULL ? call->accept : json_type;
  const char *type = call->content_type != NULL ? call->content_type : json_type;
  bool is_plain = call->header_count == 0 && !t->redirect.is_foreign && !call->skips_common;
  daytona__http_headers_t *shared = is_plain ? shared_find(http, accept, type) : NULL;
  if (shared == NULL) {
    if (!are_valid(call)) {
      *message = "a request header holds characters that are not allowed";
      return DAYTONA_EINVAL;
    }
    /* Multipart types hold a boundary of their own: nobody else will ask for them. */
    if (is_plain && http->shared_count < HTTP_SHARED_HEADERS && strchr(type, ';') == NULL)
      if ((shared = shared_add(t, accept, type)) == NULL) return DAYTONA_ENOMEM;
  }
  if (shared != NULL) {
    *out = put_context(t, shared->list);
    return 0;
  }
  block_free(t->headers);
  t->headers = block_make(t);
  if (t->headers == NULL) return DAYTONA_ENOMEM;
  *out = put_context(t, ((block_t *)t->headers)->nodes);
  return 0;
}

void daytona__http_headers_drop(daytona__http_transfer_t *t) {
  block_free(t->headers);
  t->headers = NULL;
}

bool daytona__http_headers_are_valid(const daytona_header_t *headers, size_t count) {
  daytona__http_call_t call = {.headers = headers, .header_count = count};
  return are_valid(&call);
}

void daytona__http_headers_free(daytona__http_t *http) {
  while (http->shared_count != 0) {
    daytona__http_headers_t *shared = &http->shared[--http->shared_count];
    block_free(DAYTONA__CONTAINER(shared->list, block_t, nodes));
    daytona__free(shared->accept);
    daytona__free(shared->content_type);
  }
}
