/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets; see secret.h. Values travel to the server only: no response has one.
 */
#include <daytona/secret.h>

#include "call/method.h"
#include "call/pager.h"
#include "call/results.h"

/* --- tables ------------------------------------------------------------------------------------ */

#define FIELD(type, member, key, ...) DAYTONA__FIELD(daytona_secret_t, type, member, key, __VA_ARGS__)

static DAYTONA__MODEL_OF(secret_model, daytona_secret_t, "Secret",
                         FIELD(STRING, id, "id", .flags = DAYTONA__JSON_REQUIRED),
                         FIELD(STRING, name, "name"), FIELD(STRING, description, "description"),
                         FIELD(STRING, placeholder, "placeholder"), FIELD(STRINGS, hosts, "hosts"),
                         FIELD(STRING, created_at, "createdAt"), FIELD(STRING, updated_at, "updatedAt"));

DAYTONA__PAGE_MODEL(page_model, "ListSecretsResponse", &secret_model);

typedef struct secret_args {
  const char *id, *name, *value;
  daytona_strings_t no_hosts; /* empty */
} secret_args_t;

#define ARGS(...) .request = DAYTONA__ARGS(secret_args_t, __VA_ARGS__)
#define ID DAYTONA__ARG(IN_PATH, secret_args_t, STRING, id, "id", .rules = DAYTONA__NONEMPTY)
#define SECRET .response = &secret_model, .result = &daytona__type_secret

/* --- lists ------------------------------------------------------------------------------------- */

static int finish_page(daytona__op_t *op, const void *args, void **answer, const char **problem) {
  const daytona__page_t *given = *answer;
  const char *next = given->next_cursor;
  daytona_secret_page_t *page = daytona__arena_alloc(&op->future->arena, sizeof *page);
  if (page == NULL) return DAYTONA_ENOMEM;
  *page = (daytona_secret_page_t){.items = (const daytona_secret_t *const *)given->items,
                                  .count = given->count,
                                  .total = given->total,
                                  .next_cursor = next != NULL && next[0] != '\0' ? next : NULL};
  *answer = page;
  return 0;
}

#define FILTER(type, member, key, ...) \
  DAYTONA__OPT(IN_QUERY, daytona_secret_list_opts_t, type, member, key, __VA_ARGS__)
#define FILTERS                                                                                \
  FILTER(OPT_INT, limit, "limit", .rules = DAYTONA__MIN | DAYTONA__MAX, .min = 1, .max = 200), \
    FILTER(STRING, name, "name"), FILTER(STRING, sort, "sort"), FILTER(STRING, order, "order")

DAYTONA__METHOD(list, .prefix = "Failed to list secrets: ", .verb = "GET", .path = "/secret/paginated",
                ARGS(FILTER(STRING, cursor, "cursor"), FILTERS), .response = &page_model,
                .result = &daytona__type_secret_page, .finish = finish_page);

daytona_future_t *daytona_secret_list(daytona_client_t *client, const daytona_secret_list_opts_t *opts) {
  return daytona__call(client, &list_method, NULL, DAYTONA__OPTS(opts));
}

static const char *check_walk(const void *args, const void *opts) {
  return ((const daytona_secret_list_opts_t *)opts)->cursor != NULL ? "an iteration has no cursor" : NULL;
}

DAYTONA__METHOD(walk, .prefix = "Failed to list secrets: ", .verb = "GET", .path = "/secret/paginated",
                ARGS(FILTERS), .response = &page_model, .keeps_answer = true, .check = check_walk);

static const daytona__paged_t secrets = {
  .fetch = &walk_method, .item = &secret_model, .result = &daytona__type_secret};

/* An iterator of secrets is a walk. */
static daytona__pager_t *pager_of(daytona_secret_iter_t *iter) { return (daytona__pager_t *)iter; }

int daytona_secret_iter_new(daytona_client_t *client, const daytona_secret_list_opts_t *opts,
                            daytona_secret_iter_t **out) {
  daytona__pager_t *pager;
  if (out == NULL) return DAYTONA_EINVAL;
  int rc = daytona__pager_new(client, &secrets, NULL, DAYTONA__OPTS(opts), &pager);
  if (rc == 0) *out = (daytona_secret_iter_t *)pager;
  return rc;
}

daytona_future_t *daytona_secret_iter_next(daytona_secret_iter_t *iter) {
  return daytona__pager_next(pager_of(iter));
}

void daytona_secret_iter_release(daytona_secret_iter_t *iter) { daytona__pager_release(pager_of(iter)); }

/* --- one secret -------------------------------------------------------------------------------- */

DAYTONA__METHOD(get, .prefix = "Failed to get secret: ", .verb = "GET", .path = "/secret/{id}", ARGS(ID),
                SECRET);

daytona_future_t *daytona_secret_get(daytona_client_t *client, const char *id,
                                     const daytona_call_opts_t *opts) {
  return daytona__call(client, &get_method, &(secret_args_t){.id = id}, DAYTONA__OPTS(opts));
}

DAYTONA__METHOD(create, .prefix = "Failed to create secret: ", .verb = "POST", .path = "/secret",
                ARGS(DAYTONA__ARG(IN_BODY, secret_args_t, STRING, name, "name", .rules = DAYTONA__NONEMPTY),
                     DAYTONA__ARG(IN_BODY, secret_args_t, STRING, value, "value",
                                  .flags = DAYTONA__JSON_SECRET, .rules = DAYTONA__NONEMPTY | DAYTONA__HIDE),
                     DAYTONA__OPT(IN_BODY, daytona_secret_create_opts_t, STRING, description, "description"),
                     DAYTONA__OPT(IN_BODY, daytona_secret_create_opts_t, STRINGS, hosts, "hosts")),
                SECRET, .is_secret = true, .is_create = true);

daytona_future_t *daytona_secret_create(daytona_client_t *client, const char *name, const char *value,
                                        const daytona_secret_create_opts_t *opts) {
  return daytona__call(client, &create_method, &(secret_args_t){.name = name, .value = value},
                       DAYTONA__OPTS(opts));
}

#define CHANGE(type, member, key, ...) \
  DAYTONA__OPT(IN_BODY, daytona_secret_update_opts_t, type, member, key, __VA_ARGS__)
#define UPDATE(noun, ...)                                                                               \
  DAYTONA__METHOD(noun, .prefix = "Failed to update secret: ", .verb = "PATCH", .path = "/secret/{id}", \
                  ARGS(ID, __VA_ARGS__), SECRET, .is_secret = true, .check = check_update)
#define VALUE(any)                                                            \
  CHANGE(STRING, value, "value", .group = any, .flags = DAYTONA__JSON_SECRET, \
         .rules = DAYTONA__HIDE | ((any) != 0 ? DAYTONA__ANY_OF : 0))

static const char *check_update(const void *args, const void *given) {
  const daytona_secret_update_opts_t *opts = given;
  if (opts->value != NULL && opts->value[0] == '\0') return "value must not be empty";
  return opts->removes_hosts && opts->hosts.count != 0 ? "hosts and removes_hosts exclude each other" : NULL;
}

UPDATE(update, VALUE(1), CHANGE(STRING, description, "description", .group = 1, .rules = DAYTONA__ANY_OF),
       CHANGE(STRINGS, hosts, "hosts", .group = 1, .rules = DAYTONA__ANY_OF));
UPDATE(open, VALUE(0), CHANGE(STRING, description, "description"),
       DAYTONA__ARG(IN_BODY, secret_args_t, STRINGS, no_hosts, "hosts", .flags = DAYTONA__JSON_ALWAYS));

daytona_future_t *daytona_secret_update(daytona_client_t *client, const char *id,
                                        const daytona_secret_update_opts_t *opts) {
  bool opens = opts != NULL && opts->removes_hosts;
  return daytona__call(client, opens ? &open_method : &update_method, &(secret_args_t){.id = id},
                       DAYTONA__OPTS(opts));
}

DAYTONA__METHOD(delete, .prefix = "Failed to delete secret: ", .verb = "DELETE", .path = "/secret/{id}",
                ARGS(ID));

daytona_future_t *daytona_secret_delete(daytona_client_t *client, const char *id,
                                        const daytona_call_opts_t *opts) {
  return daytona__call(client, &delete_method, &(secret_args_t){.id = id}, DAYTONA__OPTS(opts));
}
