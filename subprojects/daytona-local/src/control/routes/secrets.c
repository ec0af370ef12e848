/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls for secrets, and which of them a sandbox has. No answer has a value.
 */
#include "control/objects/secrets.h"

#include "control/routes/call.h"
#include "control/routes/create.h"
#include "control/routes/cursor.h"
#include "control/routes/fields.h"
#include "control/routes/query.h"
#include "control/routes/validate.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define HOSTS_MAX 100u
/* The older list has no pages. */
#define PLAIN_LIST_MAX 1500u

/* --- reading --- */

typedef struct {
  const char *key;
  bool is_descending;
} order_t;

static dl_sort_value_t value_of(const order_t *o, const json_t *secret) {
  return (dl_sort_value_t){dl_json_str(secret, o->key), 0, dl_json_str(secret, "id")};
}

static int compare(const void *a, const void *b, void *user) {
  const order_t *o = user;
  return dl_sort_compare(value_of(o, *(json_t *const *)a), value_of(o, *(json_t *const *)b),
                         o->is_descending);
}

/* Those with `name` in theirs, in order; the array is yours to free. */
static json_t **sorted(dl_control_t *c, const char *name, order_t *o, size_t *count) {
  const json_t *all = dl_secrets_all(&c->objects);
  json_t **rows = dl_xcalloc(json_object_size(all) + 1, sizeof *rows), *secret;
  const char *id;
  *count = 0;
  json_object_foreach ((json_t *)all, id, secret) {
    if (!name || strcasestr(dl_json_str(secret, "name"), name)) rows[(*count)++] = secret;
  }
  qsort_r(rows, *count, sizeof *rows, compare, o);
  return rows;
}

static void list(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  static const char *const sorts[] = {"createdAt", "name", "updatedAt", NULL};
  dl_check_t k;
  dl_check_init(&k);
  int64_t limit = dl_query_int(req, &k, "limit", 1, 200, 100);
  const char *text = dl_query_get(dl_req_query(req), "cursor"),
             *name = dl_query_get(dl_req_query(req), "name");
  json_t *cursor = text && *text ? dl_cursor_read(text) : NULL;
  if (text && *text && !(cursor && dl_json_str(cursor, "text"))) dl_check_add(&k, "cursor is not valid");
  order_t o = {dl_query_enum(req, &k, "sort", sorts), false};
  o.is_descending = dl_query_descending(req, &k);
  if (!dl_check_failed(&k, c, req)) {
    size_t count, first = 0, i;
    json_t **rows = sorted(c, name, &o, &count), *items = json_array();
    while (cursor && first < count &&
           dl_sort_compare(value_of(&o, rows[first]), dl_cursor_value(cursor), o.is_descending) <= 0)
      first++;
    for (i = first; i < count && i - first < (size_t)limit; i++)
      json_array_append_new(items, dl_secret_shown(rows[i]));
    char *next = i < count ? dl_cursor_make(value_of(&o, rows[i - 1])) : NULL;
    dl_reply_json(req, 200,
                  json_pack("{s:o, s:I, s:o}", "items", items, "total", (json_int_t)count, "nextCursor",
                            dl_json_str_or_null(next)));
    free(next);
    free(rows);
  }
  json_decref(cursor);
}

static void list_plainly(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  order_t o = {"createdAt", true};
  size_t count;
  json_t **rows = sorted(c, NULL, &o, &count), *items = json_array();
  for (size_t i = 0; i < count; i++) json_array_append_new(items, dl_secret_shown(rows[i]));
  free(rows);
  if (count <= PLAIN_LIST_MAX) {
    dl_reply_json(req, 200, items);
    return;
  }
  json_decref(items);
  dl_fail(c, req, 400, "there are more than %u secrets: list them with /secret/paginated", PLAIN_LIST_MAX);
}

/* NULL when the request was answered. */
static const json_t *find(dl_control_t *c, dl_req_t *req) {
  const char *id = dl_req_param(req, "id");
  const json_t *secret = dl_secret_by_id(&c->objects, id);
  if (!secret) dl_fail(c, req, 404, "Secret %s not found", id);
  return secret;
}

static void get(dl_req_t *req, void *user) {
  const json_t *secret = find(user, req);
  if (secret) dl_reply_json(req, 200, dl_secret_shown(secret));
}

/* --- changing --- */

/* Borrowed from the body. */
typedef struct {
  const char *value, *description;
  const json_t *hosts; /* NULL: not given */
} wanted_t;

static bool is_name(const char *text) {
  if (!isalpha((unsigned char)text[0]) && text[0] != '_') return false;
  for (; *text; text++)
    if (!isalnum((unsigned char)*text) && *text != '_' && *text != '-') return false;
  return true;
}

/* One that a list of domains could have: nothing else could be kept to. */
static bool is_host(const char *host) {
  return *host && !strpbrk(host, ", \t\r\n") && dl_check_domain_list(host) == NULL;
}

static void take_hosts(dl_check_t *k, const json_t *body, const json_t **slot) {
  const json_t *hosts = dl_json_get(body, "hosts");
  size_t i;
  json_t *host;
  if (!dl_field_is(k, body, "hosts", json_is_array(hosts), "an array") || !hosts) return;
  if (json_array_size(hosts) > HOSTS_MAX) dl_check_add(k, "hosts must have at most %u entries", HOSTS_MAX);
  json_array_foreach (hosts, i, host) {
    const char *text = json_string_value(host);
    if (!text || !is_host(text))
      dl_check_add(k, "hosts.%zu must be a host name such as example.com or *.example.com", i);
  }
  *slot = hosts;
}

static void read_wanted(dl_check_t *k, const json_t *body, wanted_t *w) {
  *w = (wanted_t){.value = dl_json_str(body, "value"), .description = dl_json_str(body, "description")};
  dl_field_is(k, body, "value", w->value != NULL, "a string");
  dl_field_is(k, body, "description", w->description != NULL, "a string");
  if (w->value && !*w->value) dl_check_add(k, "value should not be empty");
  take_hosts(k, body, &w->hosts);
}

static void create(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  const json_t *body = dl_body(req);
  const char *name = dl_json_str(body, "name");
  wanted_t w;
  dl_check_t k;
  dl_check_init(&k);
  read_wanted(&k, body, &w);
  if (!name || !is_name(name) || strlen(name) > 255)
    dl_check_add(&k, "name must be a letter or _, then letters, digits, _ and -, 255 in all");
  if (!dl_json_get(body, "value")) dl_check_add(&k, "value should not be empty");
  if (dl_check_failed(&k, c, req)) return;
  if (dl_secret_by_name(&c->objects, name))
    dl_fail(c, req, 409, "Secret with name %s already exists", name);
  else if (json_object_size(dl_secrets_all(&c->objects)) >= DL_SECRETS_MAX)
    dl_fail(c, req, 400, "the limit of %u secrets is reached", DL_SECRETS_MAX);
  else
    dl_answer_durable(c, req, 201,
                      dl_secret_shown(dl_secret_create(&c->objects, name, w.value, w.description, w.hosts)));
}

/* --- a change that sandboxes are to see --- */

typedef struct {
  dl_control_t *control;
  dl_req_t *req;
  char *id;
  json_t *answer; /* NULL: empty */
} change_t;

static bool has_secret(const dl_sandbox_t *sb, const char *id) {
  const char *name;
  json_t *own;
  json_object_foreach (sb->secrets, name, own) {
    if (strcmp(json_string_value(own), id) == 0) return true;
  }
  return false;
}

static void on_changed(dl_written_t outcome, void *user) {
  change_t *ch = user;
  dl_control_t *c = ch->control;
  if (outcome != DL_WRITTEN) {
    json_decref(ch->answer);
    dl_fail_unwritten(c, ch->req, outcome);
  } else {
    DL_LIST_EACH(&c->objects.sandbox_list, node) {
      dl_sandbox_t *sb = DL_CONTAINER(node, dl_sandbox_t, link);
      if (has_secret(sb, ch->id)) dl_life_renew_secrets(sb, NULL, NULL);
    }
    if (ch->answer)
      dl_reply_json(ch->req, 200, ch->answer);
    else
      dl_reply_empty(ch->req, 204);
  }
  free(ch->id);
  free(ch);
}

/* `answer` is taken. */
static void answer_change(dl_control_t *c, dl_req_t *req, const char *id, json_t *answer) {
  change_t *ch = dl_xcalloc(1, sizeof *ch);
  *ch = (change_t){c, req, dl_xstrdup(id), answer};
  dl_store_commit(c->objects.store, on_changed, ch);
}

static void update(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  const json_t *secret = find(c, req);
  wanted_t w;
  dl_check_t k;
  if (!secret) return;
  dl_check_init(&k);
  read_wanted(&k, dl_body(req), &w);
  if (dl_check_failed(&k, c, req)) return;
  const char *id = dl_json_str(secret, "id");
  /* A sandbox that has the value already could have sent it anywhere. */
  bool narrows = w.hosts && !json_equal(w.hosts, dl_json_get(secret, "hosts"));
  if (narrows && dl_secret_is_attached(&c->objects, id))
    dl_fail(c, req, 409,
            "Secret %s has other hosts, and sandboxes have it: detach it from its sandboxes first",
            dl_json_str(secret, "name"));
  else
    answer_change(c, req, id,
                  dl_secret_shown(dl_secret_update(&c->objects, id, w.value, w.description, w.hosts)));
}

static void delete_secret(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  if (!find(c, req)) return;
  char *id = dl_xstrdup(dl_req_param(req, "id"));
  dl_secret_remove(&c->objects, id);
  answer_change(c, req, id, NULL);
  free(id);
}

/* --- those of a sandbox --- */

/* Why not, yours to free, with *status. NULL: `variable` is in `into`. */
static char *take_entry(dl_control_t *c, const char *variable, const json_t *name, json_t *into, char **hosts,
                        size_t *bytes, int *status) {
  const char *text = json_string_value(name);
  const json_t *secret = text ? dl_secret_by_name(&c->objects, text) : NULL;
  *status = !text || secret ? 400 : 404;
  if (!dl_env_name_ok(variable)) return dl_xprintf("secrets: %s is not a valid name of a variable", variable);
  if (!text) return dl_xstrdup("secrets: the name of a secret must be a string");
  if (!secret) return dl_xprintf("Secret %s not found", text);
  if (json_object_get(into, variable)) return dl_xprintf("secrets: %s is given twice", variable);
  if (!dl_secret_narrow(secret, hosts))
    return dl_xprintf(
      "Secret %s has no host in common with other secrets that the sandbox has or had. It gets the values "
      "themselves from daytona-local, so it may reach only what all of them may be sent to",
      text);
  *bytes += strlen(dl_json_str(secret, "value"));
  if (*bytes > DL_SECRETS_BYTES)
    return dl_xprintf("secrets: their values have more than %u bytes together", DL_SECRETS_BYTES);
  json_object_set(into, variable, dl_json_get(secret, "id"));
  return NULL;
}

/* NULL, or why a sandbox cannot be kept to these hosts; yours to free. */
static char *cannot_keep_to(dl_control_t *c, const char *hosts) {
  const dl_network_settings_t settings = {.secret_hosts = hosts};
  const char *reason = hosts ? dl_network_missing_for(c->life.runtime, &settings) : NULL;
  if (!reason) return NULL;
  return dl_xprintf("a secret is for some hosts only, and daytona-local cannot keep the sandbox to them: %s",
                    reason);
}

static bool take_entries(dl_control_t *c, dl_req_t *req, const json_t *list, json_t *into, char **hosts) {
  json_t *entry, *name;
  const char *variable;
  size_t i, bytes = 0;
  int status = 400;
  json_array_foreach (list, i, entry) {
    if (json_object_size(entry) != 1) {
      dl_fail(c, req, 400, "secrets.%zu must be an object of one variable and the name of a secret", i);
      return false;
    }
    json_object_foreach (entry, variable, name) {
      char *problem = take_entry(c, variable, name, into, hosts, &bytes, &status);
      if (problem) dl_fail(c, req, status, "%s", problem);
      free(problem);
      if (problem) return false;
    }
  }
  char *problem = cannot_keep_to(c, *hosts);
  if (problem) dl_fail(c, req, 400, "%s", problem);
  free(problem);
  return problem == NULL;
}

bool dl_take_secrets(dl_control_t *c, dl_req_t *req, const json_t *body, json_t **slot, char **hosts) {
  const json_t *list = dl_json_get(body, "secrets");
  if (!list) return true;
  if (!json_is_array(list) || json_array_size(list) > DL_SECRETS_PER_SANDBOX) {
    dl_fail(c, req, 400, "secrets must be an array of at most %u objects", DL_SECRETS_PER_SANDBOX);
    return false;
  }
  json_t *taken = json_object();
  char *narrowed = *hosts ? dl_xstrdup(*hosts) : NULL;
  bool ok = take_entries(c, req, list, taken, &narrowed);
  if (ok) {
    json_decref(*slot);
    *slot = json_incref(taken);
    dl_set(hosts, narrowed);
  }
  json_decref(taken);
  free(narrowed);
  return ok;
}

static void on_renewed(dl_sandbox_t *sb, void *user) {
  change_t *ch = user;
  (void)sb;
  dl_reply_json(ch->req, 200, ch->answer);
  free(ch->id);
  free(ch);
}

static void on_attached(dl_written_t outcome, void *user) {
  change_t *ch = user;
  dl_sandbox_t *sb = dl_map_get(&ch->control->objects.sandboxes, ch->id);
  if (outcome == DL_WRITTEN && sb) {
    dl_life_renew_secrets(sb, on_renewed, ch);
  } else if (outcome == DL_WRITTEN) {
    on_renewed(NULL, ch);
  } else {
    json_decref(ch->answer);
    dl_fail_unwritten(ch->control, ch->req, outcome);
    free(ch->id);
    free(ch);
  }
}

/* `secrets` is taken. */
static void put_attached(dl_control_t *c, dl_req_t *req, dl_sandbox_t *sb, json_t *secrets,
                         const char *hosts) {
  json_decref(sb->secrets);
  sb->secrets = secrets;
  dl_set(&sb->secret_hosts, hosts);
  sb->updated_at = dl_now(c);
  dl_life_save(sb);
  change_t *ch = dl_xcalloc(1, sizeof *ch);
  *ch = (change_t){c, req, dl_xstrdup(sb->id), dl_sandbox_shown_to(c, req, sb)};
  dl_store_commit(c->objects.store, on_attached, ch);
}

typedef struct {
  dl_control_t *control;
  dl_req_t *req;
  char *id, *hosts;
  json_t *secrets;
} narrowing_t;

static void on_narrowed(void *user, const char *error) {
  narrowing_t *n = user;
  dl_control_t *c = n->control;
  dl_sandbox_t *sb = dl_map_get(&c->objects.sandboxes, n->id);
  if (sb) {
    sb->is_changing_network = false;
    json_decref(sb->coming_secrets);
    sb->coming_secrets = NULL;
  }
  if (!sb || sb->want == DL_WANT_DESTROYED)
    dl_fail(c, n->req, 404, "Sandbox with ID or name %s not found", n->id);
  else if (error)
    dl_fail(c, n->req, 400, "a secret is for some hosts only, and the sandbox cannot be kept to them: %s",
            error);
  else
    put_attached(c, n->req, sb, json_incref(n->secrets), n->hosts);
  json_decref(n->secrets);
  free(n->id);
  free(n->hosts);
  free(n);
}

/* Only a box that reaches nothing else gets the values. */
static void narrow_box(dl_control_t *c, dl_req_t *req, dl_sandbox_t *sb, json_t *secrets, const char *hosts) {
  narrowing_t *n = dl_xcalloc(1, sizeof *n);
  *n = (narrowing_t){c, req, dl_xstrdup(sb->id), dl_xstrdup(hosts), json_incref(secrets)};
  dl_network_settings_t settings = dl_network_settings(sb);
  settings.secret_hosts = hosts;
  const dl_box_rules_t rules = dl_network_rules(c->life.runtime, &settings, c->opts.accepts_unenforced);
  sb->is_changing_network = true;
  sb->coming_secrets = json_incref(secrets);
  char *failure = dl_box_set_rules(sb->box, &rules, on_narrowed, n);
  if (failure) on_narrowed(n, failure);
  free(failure);
}

static void attach(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_sandbox_t *sb = dl_target(req);
  if (!dl_json_get(dl_body(req), "secrets")) {
    dl_fail(c, req, 400, "secrets must be an array");
    return;
  }
  if (sb->is_changing_network) {
    dl_fail(c, req, 409, "a change of the network settings is in progress");
    return;
  }
  /* What the value is written to may still get into the copy, which reaches more. */
  bool is_copied = sb->state == DL_FORKING || sb->state == DL_SNAPSHOTTING;
  json_t *secrets = json_incref(sb->secrets);
  char *hosts = sb->secret_hosts ? dl_xstrdup(sb->secret_hosts) : NULL;
  if (dl_take_secrets(c, req, dl_body(req), &secrets, &hosts)) {
    bool is_narrower = hosts && (!sb->secret_hosts || strcmp(hosts, sb->secret_hosts) != 0);
    if (is_narrower && is_copied)
      dl_fail(c, req, 409, "a copy of the sandbox is being made: attach secrets with hosts when it is there");
    else if (is_narrower && sb->box)
      narrow_box(c, req, sb, secrets, hosts);
    else
      put_attached(c, req, sb, json_incref(secrets), hosts);
  }
  json_decref(secrets);
  free(hosts);
}

#define SECRETS DL_R_PERM(DL_PERM_MANAGE_SECRETS)
static const dl_route_t routes[] = {
  {"GET", "/secret", list_plainly, SECRETS},
  {"POST", "/secret", create, DL_R_BODY | SECRETS},
  {"GET", "/secret/paginated", list, SECRETS},
  {"GET", "/secret/{id}", get, SECRETS},
  {"PATCH", "/secret/{id}", update, DL_R_BODY | SECRETS},
  {"DELETE", "/secret/{id}", delete_secret, SECRETS},
  {"PUT", "/sandbox/{x}/secrets", attach, DL_R_SANDBOX | DL_R_BODY | DL_R_PERM(DL_PERM_WRITE_SANDBOXES)},
};

dl_route_table_t dl_secret_routes(void) { return (dl_route_table_t){routes, DL_COUNT(routes)}; }
