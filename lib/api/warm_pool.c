/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Warm pools; see warm_pool.h.
 */
#include <daytona/warm_pool.h>

#include "call/method.h"
#include "call/results.h"

#define FIELD(type, member, key, ...) DAYTONA__FIELD(daytona_warm_pool_t, type, member, key, __VA_ARGS__)

static DAYTONA__MODEL_OF(pool_model, daytona_warm_pool_t, "WarmPool",
                         FIELD(STRING, id, "id", .flags = DAYTONA__JSON_REQUIRED),
                         FIELD(STRING, organization_id, "organizationId"),
                         FIELD(STRING, snapshot, "snapshot"), FIELD(STRING, target, "target"),
                         FIELD(INT, size, "pool"), FIELD(INT, ready_count, "currentSize"),
                         FIELD(NUMBER, cpu, "cpu"), FIELD(NUMBER, memory_gib, "mem"),
                         FIELD(NUMBER, disk_gib, "disk"), FIELD(STRING, os_user, "osUser"),
                         FIELD(MAP, env, "env", .flags = DAYTONA__JSON_SECRET),
                         FIELD(STRING, error_reason, "errorReason"), FIELD(STRING, created_at, "createdAt"),
                         FIELD(STRING, updated_at, "updatedAt"));

typedef struct pool_args {
  const char *id, *snapshot, *target;
  int64_t size;
} pool_args_t;

#define ARGS(...) .request = DAYTONA__ARGS(pool_args_t, __VA_ARGS__)
#define ID DAYTONA__ARG(IN_PATH, pool_args_t, STRING, id, "id", .rules = DAYTONA__NONEMPTY)
#define SIZE(least) DAYTONA__ARG(IN_BODY, pool_args_t, INT, size, "pool", .rules = DAYTONA__MIN, .min = least)
#define POOL .response = &pool_model, .result = &daytona__type_warm_pool

DAYTONA__METHOD(list, .prefix = "Failed to list warm pools: ", .verb = "GET", .path = "/warm-pools",
                .gives_array = true, .response = &pool_model, .result = &daytona__type_warm_pool_list);

daytona_future_t *daytona_warm_pool_list(daytona_client_t *client, const daytona_call_opts_t *opts) {
  return daytona__call(client, &list_method, NULL, DAYTONA__OPTS(opts));
}

DAYTONA__METHOD(create, .prefix = "Failed to create warm pool: ", .verb = "POST", .path = "/warm-pools",
                ARGS(DAYTONA__ARG(IN_BODY, pool_args_t, STRING, snapshot, "snapshot",
                                  .rules = DAYTONA__NONEMPTY),
                     SIZE(1), DAYTONA__ARG(IN_BODY, pool_args_t, STRING, target, "target")),
                POOL, .is_create = true);

daytona_future_t *daytona_warm_pool_create(daytona_client_t *client, const char *snapshot, int64_t size,
                                           const daytona_warm_pool_create_opts_t *opts) {
  const char *target = opts != NULL ? opts->target : NULL;
  if (target == NULL || target[0] == '\0') target = client != NULL ? client->settings.region : NULL;
  return daytona__call(client, &create_method,
                       &(pool_args_t){.snapshot = snapshot, .target = target, .size = size},
                       DAYTONA__OPTS(opts));
}

DAYTONA__METHOD(update, .prefix = "Failed to update warm pool: ", .verb = "PATCH", .path = "/warm-pools/{id}",
                ARGS(ID, SIZE(0)), POOL);

daytona_future_t *daytona_warm_pool_update(daytona_client_t *client, const char *id, int64_t size,
                                           const daytona_call_opts_t *opts) {
  return daytona__call(client, &update_method, &(pool_args_t){.id = id, .size = size}, DAYTONA__OPTS(opts));
}

DAYTONA__METHOD(delete, .prefix = "Failed to delete warm pool: ", .verb = "DELETE",
                .path = "/warm-pools/{id}", ARGS(ID));

daytona_future_t *daytona_warm_pool_delete(daytona_client_t *client, const char *id,
                                           const daytona_call_opts_t *opts) {
  return daytona__call(client, &delete_method, &(pool_args_t){.id = id}, DAYTONA__OPTS(opts));
}
