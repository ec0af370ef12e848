/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Typed fields of a body, and what creating a sandbox and a snapshot have in common.
 */
#include "control/routes/fields.h"

#include "control/objects/build_info.h"
#include "control/objects/snapshots.h"
#include "control/routes/validate.h"

#include <math.h>
#include <string.h>

#define CONTEXTS_MAX 1000

bool dl_field_is(dl_check_t *k, const json_t *body, const char *key, bool ok, const char *what) {
  if (!dl_json_get(body, key) || ok) return true;
  dl_check_add(k, "%s must be %s", key, what);
  return false;
}

void dl_take_text(dl_check_t *k, const json_t *body, const char *key, char **slot) {
  json_t *value = dl_json_get(body, key);
  if (dl_field_is(k, body, key, json_is_string(value), "a string") && value)
    dl_set(slot, json_string_value(value));
}

void dl_take_bool(dl_check_t *k, const json_t *body, const char *key, bool *slot) {
  json_t *value = dl_json_get(body, key);
  if (dl_field_is(k, body, key, json_is_boolean(value), "a boolean value") && value)
    *slot = json_is_true(value);
}

bool dl_asks_for(const json_t *body, const char *key) {
  const json_t *value = dl_json_get(body, key);
  const char *name;
  json_t *inner;
  if (!value) return false;
  if (json_is_string(value)) return json_string_length(value) > 0;
  if (json_is_array(value)) return json_array_size(value) > 0;
  if (!json_is_object(value)) return true;
  json_object_foreach ((json_t *)value, name, inner) {
    if (dl_asks_for(value, name)) return true;
  }
  return false;
}

bool dl_has_number(const json_t *body, const char *key) { return dl_json_num(body, key, 0) != 0; }

/* --- sizes --- */

/* SDKs read a sandbox's sizes as integers, and fail at a fraction. */
static void take_size(dl_check_t *k, const json_t *body, const char *key, double max, double *slot) {
  json_t *value = dl_json_get(body, key);
  double n = json_number_value(value);
  if (!dl_field_is(k, body, key, json_is_number(value), "a number") || !value) return;
  if (n < 0)
    dl_check_add(k, "%s must not be less than 0", key);
  else if (n != floor(n))
    dl_check_add(k, "%s must be an integer number", key);
  else if (n > max)
    dl_check_add(k, "%s must not be greater than %g, the limit for one sandbox", key, max);
  else if (n > 0)
    *slot = n;
}

void dl_take_sizes(dl_control_t *c, dl_check_t *k, const json_t *body, dl_sizes_t *slot) {
  take_size(k, body, "cpu", c->opts.max_cpu, &slot->cpu);
  take_size(k, body, "memory", c->opts.max_memory, &slot->memory);
  take_size(k, body, "disk", c->opts.max_disk, &slot->disk);
}

void dl_check_gpu(dl_check_t *k, const json_t *body) {
  const json_t *gpu = dl_json_get(body, "gpu");
  double n = json_number_value(gpu);
  if (!dl_field_is(k, body, "gpu", json_is_number(gpu), "a number")) return;
  if (n < 0 || n > 1)
    dl_check_add(k, "gpu must be 0 or 1");
  else if (n > 0 || dl_asks_for(body, "gpuType"))
    dl_check_add(k, "daytona-local has no GPUs");
}

/* --- builds --- */

static bool check_hashes(dl_check_t *k, const json_t *hashes) {
  size_t before = k->text.len, i;
  json_t *hash;
  if (hashes && !json_is_array(hashes)) dl_check_add(k, "buildInfo.contextHashes must be an array");
  if (json_array_size(hashes) > CONTEXTS_MAX)
    dl_check_add(k, "buildInfo.contextHashes must not have more than %d elements", CONTEXTS_MAX);
  json_array_foreach (hashes, i, hash) {
    const char *problem =
      json_is_string(hash) ? dl_check_context_hash(json_string_value(hash)) : "must be a string";
    if (problem) dl_check_add(k, "buildInfo.contextHashes.%zu %s", i, problem);
  }
  return k->text.len == before;
}

json_t *dl_take_build(dl_check_t *k, const json_t *body, int64_t now) {
  const json_t *info = dl_json_get(body, "buildInfo");
  if (!dl_field_is(k, body, "buildInfo", json_is_object(info), "an object") ||
      !dl_asks_for(body, "buildInfo"))
    return NULL;
  const char *dockerfile = dl_json_str(info, "dockerfileContent");
  const json_t *hashes = dl_json_get(info, "contextHashes");
  bool is_empty = !dockerfile || dockerfile[strspn(dockerfile, " \t\r\n")] == '\0';
  if (is_empty) dl_check_add(k, "buildInfo.dockerfileContent should not be empty");
  return check_hashes(k, hashes) && !is_empty ? dl_build_info(dockerfile, hashes, now) : NULL;
}

bool dl_region_is_ours(const dl_control_t *c, const char *region) {
  static const char *const aliases[] = {"us", "eu", "local"};
  if (strcmp(region, c->objects.region) == 0) return true;
  for (size_t i = 0; i < DL_COUNT(aliases); i++)
    if (strcmp(region, aliases[i]) == 0) return true;
  return false;
}

char *dl_why_no_images(const dl_control_t *c) {
  const char *missing = dl_images_missing(c->life.images);
  return missing ? dl_xprintf("daytona-local cannot make images here: %s; the snapshot %s works without",
                              missing, DL_DEFAULT_SNAPSHOT)
                 : NULL;
}
