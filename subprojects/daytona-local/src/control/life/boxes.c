/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The box of a sandbox: what it is started with, how its start ends, how it ends by itself, and new secrets while it runs. And
 * the removal of the files that it lives on.
 */
#include "control/life/life.h"
#include "control/life/links.h"
#include "control/life/network.h"
#include "control/life/steps.h"

#include "control/objects/leftovers.h"
#include "control/objects/secrets.h"
#include "control/objects/snapshots.h"
#include "control/objects/volumes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* --- files --- */

void dl_step_discard_archive(dl_sandbox_t *sb, dl_job_cb cb) {
  dl_objects_t *o = sb->life->objects;
  char *archive = dl_objects_archive(o, sb);
  dl_discard(o, archive, cb, sb);
  free(archive);
}

void dl_step_discard_dir(dl_sandbox_t *sb, dl_job_cb cb) {
  dl_objects_t *o = sb->life->objects;
  char *dir = dl_objects_dir(o, sb);
  dl_discard(o, dir, cb, sb);
  free(dir);
}

/* --- the box --- */

/* There is no box any more, and what it ran on is not needed by it. */
void dl_step_box_is_over(dl_sandbox_t *sb) {
  sb->box = NULL;
  dl_image_release(sb->held_image);
  sb->held_image = NULL;
}

static void on_box_exit(void *user, dl_box_t *box, const char *reason) {
  dl_sandbox_t *sb = user;
  (void)box;
  dl_step_box_is_over(sb);
  if (sb->life->is_frozen) return;
  dl_warn("sandbox %s ended by itself: %s", sb->id, reason);
  if (sb->is_pending) return; /* the operation under way sees it too */
  dl_step_failed(sb, reason, true);
}

/* The archive goes only when the journal no longer asks for it. */
static void on_restored_durable(dl_written_t outcome, void *user) {
  dl_sandbox_t *sb = user;
  if (outcome == DL_WRITTEN && !sb->life->is_frozen && sb->want != DL_WANT_ARCHIVED)
    dl_step_discard_archive(sb, NULL);
  dl_step_unhold(sb);
}

static void on_box_started(void *user, dl_box_t *box, const char *error) {
  dl_sandbox_t *sb = user;
  if (error) box = NULL; /* a failed start names the box too, for the last time */
  if (!box) dl_step_box_is_over(sb);
  if (sb->life->is_frozen) {
    dl_step_tell_waiters(sb);
  } else if (sb->is_unmade) {
    assert(!box || sb->box); /* it is being stopped */
  } else if (!box && sb->want == DL_WANT_DESTROYED && !sb->intent.go) {
    dl_step_tell_waiters(sb); /* it was interrupted, and on_box_stopped goes on */
  } else if (!box) {
    dl_step_failed(sb, error ? error : "the sandbox did not start", true);
  } else {
    bool was_restored = sb->state == DL_RESTORING, is_to_go = sb->intent.go != NULL;
    dl_set(&sb->error_reason, NULL);
    sb->is_recoverable = false;
    if (is_to_go) { /* and this is what it goes back to, should the deletion not be written */
      sb->intent.state = DL_STARTED;
      sb->intent.is_pending = false;
    }
    dl_step_reached(sb, DL_STARTED, is_to_go);
    if (sb->are_secrets_due) dl_life_renew_secrets(sb, NULL, NULL);
    if (was_restored) {
      dl_step_hold(sb);
      dl_store_commit(sb->life->objects->store, on_restored_durable, sb);
    }
    dl_step_tell_waiters(sb);
  }
  dl_step_unhold(sb);
}

/* The server's pairs that the sandbox has not set itself. */
static size_t add_pairs(const dl_sandbox_t *sb, const dl_box_pair_t *from, size_t count, dl_box_pair_t *out) {
  size_t n = 0;
  for (size_t i = 0; i < count; i++)
    if (!json_object_get(sb->env, from[i].name)) out[n++] = from[i];
  return n;
}

/* Later ones win. */
static dl_box_pair_t *env_pairs(const dl_sandbox_t *sb, size_t *count) {
  const dl_life_t *l = sb->life;
  dl_box_pair_t *pairs = dl_xcalloc(
    l->proxy_env_count + l->sandbox_env_count + json_object_size(sb->env) + json_object_size(sb->secrets) + 5,
    sizeof *pairs);
  const char *name, *secret;
  json_t *value;
  size_t n = add_pairs(sb, l->proxy_env, l->proxy_env_count, pairs);
  n += add_pairs(sb, l->sandbox_env, l->sandbox_env_count, pairs + n);
  pairs[n++] = (dl_box_pair_t){"DAYTONA_SANDBOX_ID", sb->id};
  pairs[n++] = (dl_box_pair_t){"DAYTONA_SANDBOX_USER", sb->user};
  if (sb->snapshot) pairs[n++] = (dl_box_pair_t){"DAYTONA_SANDBOX_SNAPSHOT", sb->snapshot};
  pairs[n++] = (dl_box_pair_t){"DAYTONA_ORGANIZATION_ID", sb->life->objects->organization_id};
  pairs[n++] = (dl_box_pair_t){"DAYTONA_REGION_ID", sb->target};
  json_object_foreach (sb->env, name, value) pairs[n++] = (dl_box_pair_t){name, json_string_value(value)};
  json_object_foreach (sb->secrets, name, value) {
    secret = dl_secret_value(l->objects, json_string_value(value));
    if (secret) pairs[n++] = (dl_box_pair_t){name, secret};
  }
  *count = n;
  return pairs;
}

/* Nothing that would replace the image's own was asked for. */
static bool is_of_image(const json_t *words, const dl_image_info_t *info) {
  size_t count = 0;
  while (info->entrypoint[count]) count++;
  if (!json_is_array(words)) return true;
  for (size_t i = 0; i < count; i++) {
    const char *word = json_string_value(json_array_get(words, i));
    if (!word || strcmp(word, info->entrypoint[i]) != 0) return false;
  }
  return count > 0 && json_array_size(words) == count;
}

/* What it is started with: what was asked for, else the image's entrypoint with its arguments, else something that stays.
 * Borrowed texts, NULL at the end; the array is yours to free. `info` is that of its image, NULL: it has none. */
static const char **entrypoint_of(const dl_sandbox_t *sb, const dl_image_info_t *info) {
  static const char *const nothing[] = {NULL};
  const json_t *snapshot = dl_snapshot_find(sb->life->objects, NULL), *words = sb->entrypoint;
  const char *const *more = info && is_of_image(words, info) ? info->cmd : nothing;
  size_t count = 0, i;
  json_t *word;
  if (!json_is_array(words) && !*more) words = dl_json_get(snapshot, "entrypoint");
  while (more[count]) count++;
  const char **out = dl_xcalloc(json_array_size(words) + count + 1, sizeof *out);
  json_array_foreach (words, i, word) out[i] = json_string_value(word);
  for (i = 0; i < count; i++) out[json_array_size(words) + i] = more[i];
  return out;
}

/* What it runs on, filled in; `out` borrows from the image, which is held as long as the box lives. False: *error. */
static bool take_root(dl_sandbox_t *sb, dl_box_image_t *out, char **error) {
  dl_image_t *image = dl_image_open(sb->life->images, sb->image, error);
  if (!image) return false;
  const dl_image_info_t *info = dl_image_info(image);
  const dl_image_ids_t ids = dl_images_ids(sb->life->images);
  sb->held_image = image;
  *out = (dl_box_image_t){.layers = dl_image_layers(image),
                          .ids = {ids.zero_uid, ids.first_uid, ids.zero_gid, ids.first_gid, ids.count},
                          .user = sb->user,
                          .work_dir = info->work_dir,
                          .env = info->env};
  return true;
}

/* The box is given them all now. */
static void note_secrets(dl_sandbox_t *sb) {
  const char *name;
  json_t *id;
  sb->are_secrets_due = false;
  json_decref(sb->box_secrets);
  sb->box_secrets = json_object();
  json_object_foreach (sb->secrets, name, id) json_object_set_new(sb->box_secrets, name, json_true());
}

dl_box_rules_t dl_step_rules_of(const dl_sandbox_t *sb) {
  const dl_network_settings_t settings = dl_network_settings(sb);
  return dl_network_rules(sb->life->runtime, &settings, sb->life->accepts_unenforced);
}

/* What was there before a sandbox may be gone; then it starts as if there had been nothing. */
static void on_box_claimed(void *user, dl_box_t *box, const char *error) {
  dl_sandbox_t *sb = user;
  bool is_wanted = !sb->life->is_frozen && !sb->is_unmade && !sb->intent.go && sb->want == DL_WANT_STARTED;
  if (!error || !is_wanted) {
    on_box_started(user, box, error);
    return;
  }
  dl_info("sandbox %s: its warm box has ended, and it starts another one: %s", sb->id, error);
  dl_step_box_is_over(sb);
  dl_step_boot(sb);
  dl_step_unhold(sb);
}

void dl_step_boot(dl_sandbox_t *sb) {
  dl_objects_t *o = sb->life->objects;
  char *home = dl_objects_home(o, sb), *dir = dl_objects_dir(o, sb), *error = NULL;
  assert(sb->is_pending && !sb->box);
  sb->gives_way =
    false; /* a boot is over soon once it is prepared, and ends in a state that can be destroyed */
  mkdir(dir, 0711);
  dl_warm_put_off(&sb->life->warm);
  size_t env_count, volume_count;
  dl_box_pair_t *env = env_pairs(sb, &env_count);
  dl_box_volume_t *volumes = dl_volume_mounts(o, sb->volumes, &volume_count, &error);
  if (!error && !dl_secrets_narrow(o, sb->secrets, &sb->secret_hosts))
    error = dl_secrets_refused(o, sb->secrets);
  note_secrets(sb);
  dl_box_image_t root;
  bool has_root = sb->image && !error && take_root(sb, &root, &error);
  const char **entrypoint = entrypoint_of(sb, has_root ? dl_image_info(sb->held_image) : NULL);
  char *hosts = dl_links_hosts(o, sb);
  dl_step_hold(sb);
  assert(!error || !sb->warm_box);
  if (error) {
    on_box_started(sb, NULL, error);
  } else {
    dl_box_spec_t spec = {
      .id = sb->id,
      .home_dir = home,
      .image = has_root ? &root : NULL,
      .env = env,
      .env_count = env_count,
      .volumes = volumes,
      .volume_count = volume_count,
      .rules = dl_step_rules_of(sb),
      .hosts = hosts,
      .cpu = sb->cpu,
      .memory_gib = sb->memory,
      .disk_gib = sb->disk,
      .entrypoint = entrypoint,
      .on_exit = on_box_exit,
      .user = sb,
    };
    if (sb->warm_box) {
      sb->box = sb->warm_box;
      sb->warm_box = NULL;
      dl_box_claim(sb->box, &spec, on_box_claimed, sb);
    } else {
      sb->box = dl_box_start(sb->life->runtime, &spec, on_box_started, sb);
    }
    dl_links_make(o, sb);
  }
  dl_volume_mounts_free(volumes, volume_count);
  free(entrypoint);
  free(env);
  free(error);
  free(hosts);
  free(dir);
  free(home);
}

/* --- secrets of a running box --- */

#define SECRETS_TEXT_MAX (4u << 20)

typedef struct {
  dl_sandbox_t *sandbox;
  void (*cb)(dl_sandbox_t *sb, void *user);
  void *user;
} renewal_t;

static void on_renewed(bool is_set, void *user) {
  renewal_t *r = user;
  (void)is_set; /* a box that has ended is given them by the next start */
  if (r->cb) r->cb(r->sandbox, r->user);
  dl_step_unhold(r->sandbox);
  free(r);
}

static void put_variable(dl_buf_t *text, const char *name, const char *value) {
  dl_buf_puts(text, name);
  if (value) dl_buf_puts(text, "=");
  dl_buf_append(text, value ? value : "", value ? strlen(value) + 1 : 1);
}

/* What is gone has again the value that the sandbox's own environment has, or none. */
static void put_secrets(dl_buf_t *text, const dl_sandbox_t *sb) {
  const char *name;
  json_t *value;
  json_object_foreach (sb->box_secrets, name, value) {
    if (!json_object_get(sb->secrets, name)) put_variable(text, name, dl_json_str(sb->env, name));
  }
  json_object_foreach (sb->secrets, name, value) {
    const char *secret = dl_secret_value(sb->life->objects, json_string_value(value));
    put_variable(text, name, secret ? secret : dl_json_str(sb->env, name));
  }
}

void dl_life_renew_secrets(dl_sandbox_t *sb, void (*cb)(dl_sandbox_t *sb, void *user), void *user) {
  dl_buf_t text;
  dl_buf_init(&text, SECRETS_TEXT_MAX);
  renewal_t *r = dl_xcalloc(1, sizeof *r);
  *r = (renewal_t){sb, cb, user};
  dl_step_hold(sb);
  if (sb->box) put_secrets(&text, sb);
  bool is_sent = text.len > 0 && dl_box_set_env(sb->box, text.data, text.len, on_renewed, r);
  if (is_sent) note_secrets(sb);
  if (sb->box && text.len > 0 && !is_sent) sb->are_secrets_due = true; /* it is starting, or ending */
  if (!is_sent) on_renewed(false, r);
  if (text.data) explicit_bzero(text.data, text.len);
  dl_buf_clear(&text);
}
