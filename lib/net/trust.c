/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See trust.h. While `is_working` only the thread of the pool touches `fresh`, `seen`, `code` and `message`.
 */
#include "net/trust.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A look at the files holds for so long. */
#define LOOK_MS 1000

/* --- looking ----------------------------------------------------------------------------------- */

static void look_at(const char *path, daytona__trust_version_t *out) {
  struct stat about;
  memset(out, 0, sizeof *out);
  if (path == NULL || stat(path, &about) != 0) return;
  out->modified = about.st_mtim;
  out->changed = about.st_ctim;
  out->device = (uint64_t)about.st_dev;
  out->inode = (uint64_t)about.st_ino;
  out->size = (uint64_t)about.st_size;
}

static bool is_same(const daytona__trust_version_t *a, const daytona__trust_version_t *b) {
  return a->modified.tv_sec == b->modified.tv_sec && a->modified.tv_nsec == b->modified.tv_nsec &&
         a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec &&
         a->device == b->device && a->inode == b->inode && a->size == b->size;
}

static bool has_changed(const daytona__trust_t *trust) {
  for (size_t i = 0; i < DAYTONA__TRUST_FILES; i++)
    if (!is_same(&trust->versions[i], &trust->seen[i])) return true;
  return false;
}

/* The look comes before the reading: what changes in between is seen as a change next time. */
static void look_and_load(daytona__trust_t *trust) {
  trust->code = 0;
  trust->fresh = NULL;
  for (size_t i = 0; i < DAYTONA__TRUST_FILES; i++) look_at(trust->files[i], &trust->seen[i]);
  if (!trust->is_loaded || has_changed(trust)) trust->fresh = trust->load(trust);
}

static void on_work(uv_work_t *work) { look_and_load(work->data); }

/* --- reporting --------------------------------------------------------------------------------- */

static void report_closed(daytona__trust_t *trust) { trust->closed(trust->closed_user); }

/* Back on the loop: take over what was read. */
static void take(daytona__trust_t *trust) {
  trust->is_working = false;
  trust->looked_ms = daytona__loop_now(trust->loop);
  bool was_loaded = trust->is_loaded;
  void *fresh = trust->fresh;
  trust->fresh = NULL;
  if (fresh != NULL && (trust->code = trust->use(trust, fresh)) != 0)
    snprintf(trust->message, sizeof trust->message, "%s", daytona_errcode_text(trust->code));
  if (fresh != NULL && trust->code == 0) {
    trust->is_loaded = true;
    if (was_loaded) daytona__log(trust->loop, DAYTONA_LOG_INFO, "tls: certificates were renewed");
  }
  if (trust->code != 0 && was_loaded) {
    daytona__log(trust->loop, DAYTONA_LOG_WARN,
                 "tls: changed certificates cannot be used, the old ones stay: %s", trust->message);
    trust->code = 0;
  }
  /* Also of files that were of no use: they are read again when they have changed once more. */
  if (trust->is_loaded) memcpy(trust->versions, trust->seen, sizeof trust->versions);
}

static void on_worked(uv_work_t *work, int status) {
  daytona__trust_t *trust = work->data;
  if (!trust->is_closing) {
    assert(status == 0);
    take(trust);
    daytona__loop_defer(trust->loop, &trust->notify);
    return;
  }
  if (status == 0 && trust->fresh != NULL) trust->drop(trust->fresh);
  report_closed(trust);
}

static void on_notify(daytona__task_t *task) {
  daytona__trust_t *trust = DAYTONA__CONTAINER(task, daytona__trust_t, notify);
  if (trust->is_closing) {
    report_closed(trust);
    return;
  }
  if (trust->is_working && trust->stays_on_loop) {
    look_and_load(trust);
    take(trust);
  }
  /* A waiter that is called may begin another look, which then owns the code and the message. */
  char message[sizeof trust->message];
  int code = trust->code;
  memcpy(message, trust->message, sizeof message);
  daytona__list_t batch, *node;
  daytona__list_move(&trust->waiters, &batch);
  while ((node = daytona__list_shift(&batch)) != NULL) {
    daytona__trust_waiter_t *waiter = DAYTONA__CONTAINER(node, daytona__trust_waiter_t, link);
    waiter->on_ready(waiter, code, message);
  }
}

/* --- public ------------------------------------------------------------------------------------ */

void daytona__trust_init(daytona__trust_t *trust, daytona__loop_t *loop) {
  trust->loop = loop;
  trust->looked_ms = -1;
  trust->work.data = trust;
  daytona__list_init(&trust->waiters);
  daytona__task_init(&trust->notify, on_notify);
}

bool daytona__trust_is_fresh(const daytona__trust_t *trust) {
  return trust->is_loaded && !trust->is_working && trust->looked_ms >= 0 &&
         daytona__loop_now(trust->loop) - trust->looked_ms < LOOK_MS;
}

void daytona__trust_wait(daytona__trust_t *trust, daytona__trust_waiter_t *waiter) {
  assert(!trust->is_closing);
  daytona__list_append(&trust->waiters, &waiter->link);
  if (trust->is_working) return;
  /* A failure that is not yet reported applies to all waiters. */
  if (daytona__trust_is_fresh(trust) || daytona__task_is_queued(&trust->notify)) {
    daytona__loop_defer(trust->loop, &trust->notify);
    return;
  }
  trust->is_working = true;
  if (trust->stays_on_loop) {
    daytona__loop_defer(trust->loop, &trust->notify);
    return;
  }
  int status = uv_queue_work(daytona__loop_uv(trust->loop), &trust->work, on_work, on_worked);
  assert(status == 0);
  (void)status;
}

void daytona__trust_cancel(daytona__trust_waiter_t *waiter) { daytona__list_remove(&waiter->link); }

void daytona__trust_forget(daytona__trust_t *trust) { trust->is_loaded = false; }

void daytona__trust_doubt(daytona__trust_t *trust) { trust->looked_ms = -1; }

void daytona__trust_close(daytona__trust_t *trust, void (*closed)(void *user), void *user) {
  assert(!trust->is_closing && daytona__list_empty(&trust->waiters));
  trust->is_closing = true;
  trust->closed = closed;
  trust->closed_user = user;
  if (trust->is_working && !trust->stays_on_loop) {
    daytona__task_cancel(&trust->notify);
    uv_cancel((uv_req_t *)&trust->work); /* whether it comes in time or not, on_worked comes */
  } else {
    daytona__loop_defer(trust->loop, &trust->notify);
  }
}

/* --- where the system has them ----------------------------------------------------------------- */

static bool is_usable(const char *path, bool is_folder) {
  struct stat about;
  return path != NULL && access(path, R_OK) == 0 && stat(path, &about) == 0 &&
         (is_folder ? S_ISDIR(about.st_mode) : S_ISREG(about.st_mode));
}

static bool keep(const char *found, char *path, size_t size) {
  return (size_t)snprintf(path, size, "%s", found) < size;
}

bool daytona__trust_of_system(char *path, size_t size, bool *is_folder) {
  /* Where distributions keep their bundle, for a libcurl that was built for another. */
  static const char *const bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/ca-bundle.pem"};
  char *file = NULL, *folder = NULL;
  bool is_up = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  CURL *curl = is_up ? curl_easy_init() : NULL;
  if (curl != NULL) {
    curl_easy_getinfo(curl, CURLINFO_CAINFO, &file);
    curl_easy_getinfo(curl, CURLINFO_CAPATH, &folder);
  }
  bool is_found = false;
  *is_folder = false;
  if (is_usable(file, false)) {
    is_found = keep(file, path, size);
  } else if (is_usable(folder, true)) {
    is_found = *is_folder = keep(folder, path, size);
  } else {
    for (size_t i = 0; !is_found && i < sizeof bundles / sizeof bundles[0]; i++)
      is_found = is_usable(bundles[i], false) && keep(bundles[i], path, size);
  }
  curl_easy_cleanup(curl);
  if (is_up) curl_global_cleanup();
  return is_found;
}
