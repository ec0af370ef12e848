/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server says of a sandbox: the field table, and the object that holds the latest answer.
 *
 * The response is replaced as a whole; the id and the toolbox's base are copies of their own, because they
 * must outlive every response.
 */
#include "call/sandbox_object.h"

#include <assert.h>
#include <string.h>

#include <daytona/client.h>

#include "call/client_impl.h"
#include "call/params.h"
#include "core/memory.h"
#include "core/own.h"
#include "net/proxy.h"
#include "wire/url.h"

/* --- tables ------------------------------------------------------------------------------------ */

DAYTONA__MODEL_OF(daytona__volume_mount_model, daytona_volume_mount_t, "SandboxVolume",
                  DAYTONA__FIELD(daytona_volume_mount_t, RESERVED, reserved, "reserved"),
                  DAYTONA__FIELD(daytona_volume_mount_t, STRING, volume_id, "volumeId", .name = "volume_id",
                                 .rules = DAYTONA__NONEMPTY),
                  DAYTONA__FIELD(daytona_volume_mount_t, STRING, mount_path, "mountPath",
                                 .name = "mount_path", .rules = DAYTONA__NONEMPTY),
                  DAYTONA__FIELD(daytona_volume_mount_t, STRING, subpath, "subpath"));

typedef struct build_info {
  const char *dockerfile;
  const char *snapshot_ref;
} build_info_t;

static_assert(sizeof(build_info_t) == sizeof(((daytona__sandbox_dto_t *)0)->build),
              "the two descriptions of a build are one");

static DAYTONA__MODEL_OF(build_model, build_info_t, "BuildInfo",
                         DAYTONA__FIELD(build_info_t, STRING, dockerfile, "dockerfileContent"),
                         DAYTONA__FIELD(build_info_t, STRING, snapshot_ref, "snapshotRef"));

#define FIELD(type, member, key, ...) \
  DAYTONA__FIELD(daytona__sandbox_dto_t, type, info.member, key, __VA_ARGS__)

DAYTONA__MODEL_OF(
  daytona__sandbox_model, daytona__sandbox_dto_t, "Sandbox",
  FIELD(STRING, id, "id", .flags = DAYTONA__JSON_REQUIRED), FIELD(STRING, organization_id, "organizationId"),
  FIELD(STRING, name, "name"), FIELD(STRING, snapshot, "snapshot"), FIELD(STRING, os_user, "user"),
  FIELD(MAP, env, "env", .flags = DAYTONA__JSON_SECRET), FIELD(MAP, labels, "labels"),
  FIELD(BOOL, is_public, "public"), FIELD(BOOL, network_block_all, "networkBlockAll"),
  FIELD(STRING, network_allow_list, "networkAllowList"), FIELD(STRING, domain_allow_list, "domainAllowList"),
  FIELD(STRING, outbound_proxy_url, "outboundProxyUrl", .flags = DAYTONA__JSON_SECRET),
  FIELD(STRING, otel_endpoint_override, "otelEndpointOverride"), FIELD(STRING, target, "target"),
  FIELD(NUMBER, cpu, "cpu"), FIELD(NUMBER, gpu, "gpu"), FIELD(STRING, gpu_type, "gpuType"),
  FIELD(NUMBER, memory_gib, "memory"), FIELD(NUMBER, disk_gib, "disk"), FIELD(BOOL, is_spot, "spot"),
  FIELD(STRING, spot_evicted_at, "spotEvictedAt"), FIELD(BOOL, has_kvm, "kvm"),
  FIELD(OPT_INT, queue_timeout_minutes, "queueTimeout"), FIELD(STRING, queue_timed_out_at, "queueTimedOutAt"),
  FIELD(STRING, state_name, "state"), FIELD(STRING, desired_state, "desiredState"),
  FIELD(STRING, error_reason, "errorReason"), FIELD(BOOL, is_recoverable, "recoverable"),
  FIELD(STRING, warm_pool_id, "warmPoolId"), FIELD(STRING, backup_state, "backupState"),
  FIELD(STRING, backup_created_at, "backupCreatedAt"), FIELD(OPT_INT, auto_stop_minutes, "autoStopInterval"),
  FIELD(OPT_INT, auto_pause_minutes, "autoPauseInterval"),
  FIELD(OPT_INT, auto_archive_minutes, "autoArchiveInterval"),
  FIELD(OPT_INT, auto_delete_minutes, "autoDeleteInterval"), FIELD(STRING, auto_destroy_at, "autoDestroyAt"),
  DAYTONA__FIELD_LIST(daytona__sandbox_dto_t, info.volumes, info.volume_count, "volumes",
                      &daytona__volume_mount_model),
  DAYTONA__FIELD(daytona__sandbox_dto_t, INLINE, build, "buildInfo", .model = &build_model),
  FIELD(STRING, created_at, "createdAt"), FIELD(STRING, updated_at, "updatedAt"),
  FIELD(STRING, last_activity_at, "lastActivityAt"), FIELD(STRING, sandbox_class, "sandboxClass"),
  FIELD(STRING, daemon_version, "daemonVersion"), FIELD(STRING, runner_id, "runnerId"),
  FIELD(STRING, linked_sandbox_id, "linkedSandboxId"), FIELD(STRING, toolbox_proxy_url, "toolboxProxyUrl"));

/* --- states ------------------------------------------------------------------------------------ */

static const struct {
  daytona_sandbox_state_t state;
  const char *name;
} states[] = {
#define STATE_ROW(name, value, text) {DAYTONA_SANDBOX_##name, text},
  DAYTONA_SANDBOX_STATE_MAP(STATE_ROW)
#undef STATE_ROW
};
enum { STATE_COUNT = sizeof states / sizeof states[0] };

const char *daytona_sandbox_state_name(daytona_sandbox_state_t state) {
  for (size_t i = 0; i < STATE_COUNT; i++)
    if (states[i].state == state) return states[i].name;
  return "unknown";
}

daytona_sandbox_state_t daytona__sandbox_state_named(const char *name) {
  for (size_t i = 0; name != NULL && i < STATE_COUNT; i++)
    if (strcmp(states[i].name, name) == 0) return states[i].state;
  return DAYTONA_SANDBOX_UNKNOWN;
}

/* --- answers ----------------------------------------------------------------------------------- */

daytona__sandbox_data_t *daytona__sandbox_data_new(void) {
  enum { ROOM = 3072 }; /* a typical sandbox with its strings */
  daytona__sandbox_data_t *data =
    daytona__arena_new_self(sizeof *data, offsetof(daytona__sandbox_data_t, arena), ROOM, 0);
  if (data != NULL) data->refs = 1;
  return data;
}

void daytona__sandbox_data_release(daytona__sandbox_data_t *data) {
  if (data != NULL && --data->refs == 0) daytona__arena_free_self(&data->arena);
}

void daytona__sandbox_dto_finish(daytona__sandbox_dto_t *dto) {
  dto->info.state = daytona__sandbox_state_named(dto->info.state_name);
  if (dto->info.state_name == NULL) dto->info.state_name = "unknown";
  dto->info.dockerfile = dto->build.dockerfile;
  dto->info.snapshot_ref = dto->build.snapshot_ref;
}

/* --- the object -------------------------------------------------------------------------------- */

static void drop_sandbox(void *result) { daytona_sandbox_release(result); }

const daytona__type_t daytona__type_sandbox = {"sandbox", drop_sandbox};

daytona_sandbox_t *daytona__sandbox_new(daytona_client_t *client, daytona__sandbox_data_t *data,
                                        daytona__sandbox_dto_t *dto) {
  daytona_sandbox_t *sandbox = daytona__calloc(1, sizeof *sandbox);
  if (sandbox == NULL) return NULL;
  sandbox->id = daytona__strdup(dto->info.id);
  if (sandbox->id == NULL) {
    daytona__free(sandbox);
    return NULL;
  }
  sandbox->refs = 1;
  sandbox->client = daytona_client_retain(client);
  daytona__sandbox_update(sandbox, data, dto);
  return sandbox;
}

/* Whether all of it is the base that is known. */
static bool is_known_toolbox(const daytona_sandbox_t *sandbox, const char *proxy_url) {
  size_t size = strlen(proxy_url);
  while (size > 0 && proxy_url[size - 1] == '/') size--;
  const char *known = sandbox->toolbox_url;
  return known != NULL && strncmp(known, proxy_url, size) == 0 && known[size] == '/' &&
         strcmp(known + size + 1, sandbox->id) == 0;
}

int daytona__toolbox_check(const daytona__settings_t *settings, const char *proxy_url,
                           daytona__arena_t *scratch, const char **base, daytona__toolbox_fault_t *fault) {
  daytona__target_t target, control;
  int rc = daytona__url_base(scratch, proxy_url, base, NULL);
  if (rc == DAYTONA_ENOMEM) return rc;
  /* Both parsers: what one of them takes and the other does not would fail each call as if its arguments were wrong. */
  *fault = DAYTONA__TOOLBOX_NO_URL;
  if (rc != 0 || daytona__target_parse(*base, &target, NULL) != 0) return 0;
  bool is_secure = daytona__target_parse(settings->api_url, &control, NULL) == 0 && control.is_secure;
  bool is_downgrade = is_secure && !target.is_secure && !settings->allows_plain_toolbox;
  *fault = is_downgrade ? DAYTONA__TOOLBOX_PLAIN : DAYTONA__TOOLBOX_FINE;
  return 0;
}

static int take_toolbox(daytona_sandbox_t *sandbox, const char *base, daytona__arena_t *scratch) {
  daytona__url_t url;
  const char *with_id;
  daytona__url_init(&url);
  daytona__url_path(&url, base, "/{}", sandbox->id);
  int rc = daytona__url_finish(&url, scratch, &with_id);
  if (rc != 0) return rc;
  char *copy = daytona__strdup(with_id);
  if (copy == NULL) return DAYTONA_ENOMEM;
  daytona__free(sandbox->toolbox_url);
  sandbox->toolbox_url = copy;
  return 0;
}

int daytona__sandbox_set_toolbox(daytona_sandbox_t *sandbox, const char *proxy_url,
                                 daytona__toolbox_fault_t *fault) {
  daytona__toolbox_fault_t unused;
  daytona__arena_t scratch;
  const char *base = NULL;
  if (fault == NULL) fault = &unused;
  *fault = DAYTONA__TOOLBOX_UNNAMED;
  if (proxy_url == NULL || proxy_url[0] == '\0') return 0;
  *fault = DAYTONA__TOOLBOX_FINE;
  if (is_known_toolbox(sandbox, proxy_url)) return 0;
  daytona__arena_init(&scratch, 0);
  int rc = daytona__toolbox_check(&sandbox->client->settings, proxy_url, &scratch, &base, fault);
  if (rc == 0 && *fault == DAYTONA__TOOLBOX_FINE) {
    rc = take_toolbox(sandbox, base, &scratch);
    if (rc != 0 && rc != DAYTONA_ENOMEM) *fault = DAYTONA__TOOLBOX_NO_URL;
  }
  daytona__arena_clear(&scratch);
  return rc == DAYTONA_ENOMEM ? rc : 0;
}

void daytona__sandbox_update(daytona_sandbox_t *sandbox, daytona__sandbox_data_t *data,
                             daytona__sandbox_dto_t *dto) {
  data->refs++;
  daytona__sandbox_data_release(sandbox->data);
  daytona__sandbox_data_release(sandbox->labels);
  sandbox->labels = NULL;
  sandbox->data = data;
  sandbox->info = &dto->info;
  daytona__sandbox_set_toolbox(sandbox, dto->info.toolbox_proxy_url, NULL);
}

int daytona__sandbox_set_labels(daytona_sandbox_t *sandbox, const daytona_map_t *labels) {
  daytona__sandbox_data_t *data = daytona__sandbox_data_new();
  if (data == NULL) return DAYTONA_ENOMEM;
  daytona_pair_t *pairs = daytona__arena_array(&data->arena, labels->count, sizeof *pairs);
  for (size_t i = 0; pairs != NULL && i < labels->count; i++) {
    pairs[i].key = daytona__arena_strdup(&data->arena, labels->items[i].key);
    pairs[i].value = daytona__arena_strdup(&data->arena, labels->items[i].value);
    if (pairs[i].key == NULL || pairs[i].value == NULL) pairs = NULL;
  }
  if (pairs == NULL) {
    daytona__sandbox_data_release(data);
    return DAYTONA_ENOMEM;
  }
  daytona_sandbox_info_t *info = (daytona_sandbox_info_t *)sandbox->info; /* in our own arena */
  info->labels.items = pairs;
  info->labels.count = labels->count;
  daytona__sandbox_data_release(sandbox->labels);
  sandbox->labels = data;
  return 0;
}

void daytona__sandbox_set_state(daytona_sandbox_t *sandbox, daytona_sandbox_state_t state) {
  daytona_sandbox_info_t *info = (daytona_sandbox_info_t *)sandbox->info; /* in our own arena */
  info->state = state;
  info->state_name = daytona_sandbox_state_name(state);
}

daytona_sandbox_t *daytona_sandbox_retain(daytona_sandbox_t *sandbox) {
  if (sandbox != NULL) sandbox->refs++;
  return sandbox;
}

void daytona_sandbox_release(daytona_sandbox_t *sandbox) {
  if (sandbox == NULL || --sandbox->refs != 0) return;
  daytona_client_t *client = sandbox->client;
  daytona__sandbox_data_release(sandbox->data);
  daytona__sandbox_data_release(sandbox->labels);
  daytona__disown(&sandbox->signing_key);
  daytona__free(sandbox->toolbox_url);
  daytona__free(sandbox->id);
  daytona__free(sandbox);
  daytona_client_release(client);
}

const char *daytona_sandbox_id(const daytona_sandbox_t *sandbox) {
  return sandbox != NULL ? sandbox->id : NULL;
}

daytona_sandbox_state_t daytona_sandbox_state(const daytona_sandbox_t *sandbox) {
  return sandbox != NULL ? sandbox->info->state : DAYTONA_SANDBOX_UNKNOWN;
}

const daytona_sandbox_info_t *daytona_sandbox_info(const daytona_sandbox_t *sandbox) {
  return sandbox != NULL ? sandbox->info : NULL;
}

daytona_client_t *daytona_sandbox_client(const daytona_sandbox_t *sandbox) {
  return sandbox != NULL ? sandbox->client : NULL;
}
