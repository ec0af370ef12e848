/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sandbox as clients see it, built by hand because nearly every key has a rule of its own.
 */
#include "control/routes/shown.h"

static json_t *time_or_null(const dl_control_t *c, int64_t at) {
  return at ? json_string(dl_iso_format(dl_clock_shown(&c->objects.clock, at)).text) : json_null();
}

/* The keys that both forms have. */
static json_t *common(const dl_control_t *c, const char *url, const dl_sandbox_t *sb, bool in_list) {
  json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:o, s:o, s:o, s:o, s:O}", "id", sb->id,
                        "organizationId", c->objects.organization_id, "name", sb->name, "target", sb->target,
                        "user", sb->user, "public", sb->is_public, "networkBlockAll", sb->is_blocked, "cpu",
                        dl_json_number(sb->cpu), "gpu", dl_json_number(sb->gpu), "memory",
                        dl_json_number(sb->memory), "disk", dl_json_number(sb->disk), "labels", sb->labels);
  json_object_set_new(o, "toolboxProxyUrl", json_sprintf("%s/toolbox", url));
  json_object_set_new(o, "state", json_string(dl_sandbox_state_name(sb, in_list)));
  json_object_set_new(o, "desiredState", json_string(dl_want_name(sb->want)));
  json_object_set_new(o, "snapshot", dl_json_str_or_null(sb->snapshot));
  json_object_set_new(o, "errorReason", dl_json_str_or_null(sb->error_reason));
  json_object_set_new(o, "recoverable", json_boolean(sb->is_recoverable));
  json_object_set_new(o, "backupState", json_string(sb->backup_state));
  json_object_set_new(o, "networkAllowList", dl_json_str_or_null(sb->allow_list));
  json_object_set_new(o, "domainAllowList", dl_json_str_or_null(sb->domain_list));
  json_object_set_new(o, "autoStopInterval", json_integer(sb->auto_stop));
  json_object_set_new(o, "autoArchiveInterval", json_integer(sb->auto_archive));
  json_object_set_new(o, "autoDeleteInterval", json_integer(sb->auto_delete));
  json_object_set_new(o, "autoPauseInterval", json_integer(sb->auto_pause));
  json_object_set_new(o, "autoDestroyAt", time_or_null(c, sb->destroy_at));
  json_object_set_new(o, "queueTimeout", sb->queue_timeout ? json_integer(sb->queue_timeout) : json_null());
  json_object_set_new(o, "createdAt", time_or_null(c, sb->created_at));
  json_object_set_new(o, "updatedAt", time_or_null(c, sb->updated_at));
  json_object_set_new(o, "lastActivityAt", time_or_null(c, sb->last_activity_at));
  json_object_set_new(o, "sandboxClass", json_string(sb->class_name));
  json_object_set_new(o, "daemonVersion", json_string(DL_API_VERSION));
  json_object_set_new(o, "runnerId", json_string(c->objects.organization_id));
  json_object_set_new(o, "spot", json_false());
  json_object_set_new(o, "spotEvictedAt", time_or_null(c, sb->spot_evicted_at));
  if (sb->queue_timed_out_at)
    json_object_set_new(o, "queueTimedOutAt", time_or_null(c, sb->queue_timed_out_at));
  json_object_set_new(o, "warmPoolId", dl_json_str_or_null(sb->pool_id));
  return o;
}

json_t *dl_sandbox_list_item(const dl_control_t *c, const char *url, const dl_sandbox_t *sb) {
  return common(c, url, sb, true);
}

json_t *dl_sandbox_dto(const dl_control_t *c, const char *url, const dl_sandbox_t *sb) {
  json_t *o = common(c, url, sb, false);
  json_object_set_new(o, "kvm", json_false()); /* newer than 0.205, and wanted by SDKs from 0.220 on */
  json_object_set(o, "env", sb->env);
  json_object_set(o, "volumes", sb->volumes);
  if (sb->build) json_object_set(o, "buildInfo", sb->build);
  if (sb->linked) json_object_set_new(o, "linkedSandboxId", json_string(sb->linked));
  if (sb->backup_at) json_object_set_new(o, "backupCreatedAt", time_or_null(c, sb->backup_at));
  json_object_set_new(o, "outboundProxyUrl", dl_json_str_or_null(sb->outbound_proxy));
  json_object_set_new(o, "otelEndpointOverride", dl_json_str_or_null(sb->otel_endpoint));
  return o;
}
