/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the page shows, as one answer: the page asks for it again and again. Bounded: the newest sandboxes and snapshots, the
 * requests since the last answer, and details of one sandbox. No secret, no variable and no token is in it.
 */
#include "page/internal.h"

#include "control/builds/works.h"
#include "control/objects/snapshots.h"
#include "control/routes/answer.h"

#include <string.h>

#define SANDBOXES_MAX 500
#define SNAPSHOTS_MAX 100

static json_t *time_of(const dl_control_t *c, int64_t at) {
  return json_string(dl_iso_format(dl_clock_shown(&c->objects.clock, at)).text);
}

/* --- sandboxes --- */

/* The latest sample; null: there is none. */
static json_t *use_of(const dl_control_t *c, const dl_sandbox_t *sb) {
  size_t count = 0;
  const dl_sample_t *samples = sb->state == DL_STARTED ? dl_meter_history(c->meter, sb->id, &count) : NULL;
  if (count == 0) return json_null();
  const dl_sample_t *last = &samples[count - 1];
  return json_pack("{s:f, s:f, s:I, s:I, s:I, s:I}", "cpuPct", last->cpu_pct, "cpu", last->cpu, "memory",
                   (json_int_t)last->memory, "memoryTotal", (json_int_t)last->memory_total, "disk",
                   (json_int_t)last->disk, "diskTotal", (json_int_t)last->disk_total);
}

static json_t *sandbox_json(const dl_control_t *c, const dl_sandbox_t *sb) {
  return json_pack("{s:s, s:s, s:s, s:s, s:o, s:b, s:o}", "id", sb->id, "name", sb->name, "state",
                   dl_sandbox_state_name(sb, true), "desired", dl_want_name(sb->want), "created",
                   time_of(c, sb->created_at), "hasLog", sb->build != NULL, "use", use_of(c, sb));
}

/* The newest first. */
static void put_sandboxes(const dl_control_t *c, json_t *out) {
  json_t *items = json_array();
  json_int_t total = 0;
  for (const dl_list_t *node = c->objects.sandbox_list.prev; node != &c->objects.sandbox_list;
       node = node->prev) {
    const dl_sandbox_t *sb = DL_CONTAINER(node, dl_sandbox_t, link);
    if (sb->state == DL_DESTROYED || sb->is_gone || sb->pool_id != NULL) continue;
    if (total++ < SANDBOXES_MAX) json_array_append_new(items, sandbox_json(c, sb));
  }
  json_object_set_new(out, "sandboxes", items);
  json_object_set_new(out, "sandboxTotal", json_integer(total));
}

static json_t *details_json(const dl_control_t *c, const dl_sandbox_t *sb) {
  json_t *o = sandbox_json(c, sb);
  json_object_set(o, "labels", sb->labels);
  json_object_set_new(o, "error", dl_json_str_or_null(sb->error_reason));
  json_object_set_new(o, "snapshot", dl_json_str_or_null(sb->snapshot));
  json_object_set_new(o, "user", json_string(sb->user));
  json_object_set_new(o, "isPublic", json_boolean(sb->is_public));
  json_object_set_new(o, "resources",
                      json_pack("{s:o, s:o, s:o}", "cpu", dl_json_number(sb->cpu), "memory",
                                dl_json_number(sb->memory), "disk", dl_json_number(sb->disk)));
  json_object_set_new(o, "lastActivity", time_of(c, sb->last_activity_at));
  json_object_set_new(o, "autoStop", json_integer(sb->auto_stop));
  return o;
}

/* --- snapshots and builds --- */

static json_t *snapshots_json(dl_control_t *c) {
  json_t *items = json_array();
  const char *id;
  json_t *one;
  json_object_foreach ((json_t *)dl_snapshots_all(&c->objects), id, one) {
    const char *name = dl_json_str(one, "name"), *error = dl_json_str(one, "errorReason");
    if (dl_snapshot_is_general(one) || json_array_size(items) == SNAPSHOTS_MAX) continue;
    json_array_append_new(
      items, json_pack("{s:s, s:s, s:s, s:o, s:b}", "id", id, "name", name ? name : "", "state",
                       dl_snapshot_state_name(dl_snapshot_state(one)), "error", dl_json_str_or_null(error),
                       "hasLog", dl_snapshot_build(one) != NULL));
  }
  return items;
}

/* --- all of it --- */

static bool may(const dl_web_session_t *session, dl_permission_t what) {
  return (session->permissions & 1u << what) != 0;
}

void dl_page_state(dl_page_t *p, dl_req_t *req, const dl_web_session_t *session) {
  dl_control_t *c = p->control;
  const char *since_text = dl_query_get(dl_req_query(req), "since"),
             *id = dl_query_get(dl_req_query(req), "sandbox");
  int64_t since = 0;
  if (since_text != NULL && !dl_parse_int(since_text, 0, INT64_C(1) << 53, &since)) {
    dl_fail(c, req, 400, "since must be an integer");
    return;
  }
  const dl_sandbox_t *sb = id != NULL ? dl_objects_find(&c->objects, id, false) : NULL;
  json_t *out = json_pack(
    "{s:s, s:s, s:o, s:b, s:b, s:o, s:o, s:I, s:o}", "version", DL_VERSION, "now",
    dl_iso_format(dl_objects_stamp(&c->objects)).text, "builds", dl_works_list(c->life.works), "mayWrite",
    may(session, DL_PERM_WRITE_SANDBOXES), "mayDelete", may(session, DL_PERM_DELETE_SANDBOXES), "snapshots",
    snapshots_json(c), "requests", dl_requests_since(&p->requests, (uint64_t)since), "requestCount",
    (json_int_t)p->requests.count, "details", sb != NULL ? details_json(c, sb) : json_null());
  put_sandboxes(c, out);
  dl_reply_json(req, 200, out);
}
