/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets in the store.
 */
#include "control/objects/secrets.h"

#include "control/objects/hosts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define KIND "secret"

const json_t *dl_secrets_all(dl_objects_t *o) { return dl_store_all(o->store, KIND); }

void dl_secrets_init(dl_objects_t *o) {
  static const char *const needed[] = {"name", "value", "placeholder", "createdAt", "updatedAt"};
  const char *id;
  void *next;
  json_t *secret;
  json_object_foreach_safe ((json_t *)dl_secrets_all(o), next, id, secret) {
    const char *own = dl_json_str(secret, "id");
    bool is_sound = own && strcmp(own, id) == 0 && json_is_array(dl_json_get(secret, "hosts"));
    for (size_t i = 0; i < DL_COUNT(needed); i++) is_sound = is_sound && dl_json_str(secret, needed[i]);
    if (is_sound) continue;
    char *copy = dl_xstrdup(id);
    dl_error("the record of secret %s makes no sense and is put aside", copy);
    dl_store_put(o->store, "unsound", copy, json_incref(secret));
    dl_store_put(o->store, KIND, copy, NULL);
    free(copy);
  }
}

const json_t *dl_secret_by_id(dl_objects_t *o, const char *id) {
  return json_object_get(dl_secrets_all(o), id);
}

const json_t *dl_secret_by_name(dl_objects_t *o, const char *name) {
  const char *id;
  json_t *secret;
  json_object_foreach ((json_t *)dl_secrets_all(o), id, secret) {
    if (strcmp(dl_json_str(secret, "name"), name) == 0) return secret;
  }
  return NULL;
}

json_t *dl_secret_shown(const json_t *secret) {
  json_t *shown = json_copy((json_t *)secret);
  json_object_del(shown, "value");
  return shown;
}

static const json_t *put(dl_objects_t *o, json_t *secret) {
  dl_store_put(o->store, KIND, dl_json_str(secret, "id"), secret);
  return secret;
}

const json_t *dl_secret_create(dl_objects_t *o, const char *name, const char *value, const char *description,
                               const json_t *hosts) {
  assert(!dl_secret_by_name(o, name));
  dl_iso_t now = dl_iso_format(dl_objects_stamp(o));
  char *random = dl_random_token(16, DL_ALPHABET_HEX);
  json_t *secret =
    json_pack("{s:s, s:s, s:o, s:o, s:s, s:s, s:s}", "id", dl_uuid_new().text, "name", name, "placeholder",
              json_sprintf("dtn_secret_%s", random), "hosts", hosts ? json_deep_copy(hosts) : json_array(),
              "createdAt", now.text, "updatedAt", now.text, "value", value);
  if (description) json_object_set_new(secret, "description", json_string(description));
  free(random);
  return put(o, secret);
}

const json_t *dl_secret_update(dl_objects_t *o, const char *id, const char *value, const char *description,
                               const json_t *hosts) {
  json_t *updated = json_copy((json_t *)dl_secret_by_id(o, id));
  assert(updated);
  if (value) {
    json_object_set_new(updated, "value", json_string(value));
    dl_store_forget_history(o->store);
  }
  if (description) json_object_set_new(updated, "description", json_string(description));
  if (hosts) json_object_set_new(updated, "hosts", json_deep_copy(hosts));
  json_object_set_new(updated, "updatedAt", json_string(dl_iso_format(dl_objects_stamp(o)).text));
  return put(o, updated);
}

void dl_secret_remove(dl_objects_t *o, const char *id) {
  dl_store_forget_history(o->store);
  dl_store_put(o->store, KIND, id, NULL);
}

bool dl_secret_narrow(const json_t *secret, char **hosts) {
  char *own = dl_hosts_text(dl_json_get(secret, "hosts")), *common = dl_hosts_common(*hosts, own);
  free(own);
  free(*hosts);
  *hosts = common;
  return !common || *common;
}

bool dl_secrets_narrow(dl_objects_t *o, const json_t *attached, char **hosts) {
  const char *name;
  json_t *id;
  json_object_foreach ((json_t *)attached, name, id) {
    const json_t *secret = dl_secret_by_id(o, json_string_value(id));
    if (secret && !dl_secret_narrow(secret, hosts)) return false;
  }
  return true;
}

char *dl_secrets_refused(dl_objects_t *o, const json_t *attached) {
  char *hosts = NULL;
  bool is_left = dl_secrets_narrow(o, attached, &hosts);
  free(hosts);
  return is_left ? NULL : dl_xstrdup("the secrets of the sandbox have no host in common");
}

static bool holds(const json_t *attached, const char *id) {
  const char *name;
  json_t *own;
  json_object_foreach ((json_t *)attached, name, own) {
    if (strcmp(json_string_value(own), id) == 0) return true;
  }
  return false;
}

bool dl_secret_is_attached(const dl_objects_t *o, const char *id) {
  DL_LIST_EACH(&o->sandbox_list, node) {
    const dl_sandbox_t *sb = DL_CONTAINER(node, dl_sandbox_t, link);
    if (sb->want == DL_WANT_DESTROYED) continue;
    if (holds(sb->secrets, id) || holds(sb->coming_secrets, id)) return true;
  }
  return false;
}

const char *dl_secret_value(dl_objects_t *o, const char *id) {
  return dl_json_str(dl_secret_by_id(o, id), "value");
}
