/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Name lookups; see resolver.h.
 *
 * An entry stands for one name: its addresses, how long they are fresh, and the lookups that wait for
 * it. Invariants: an entry is on `entries` (most recently used first) from its making to its freeing;
 * it is `busy` while a job for it waits or runs, and `is_notifying` while its waiters are called; only an
 * entry that is neither, and that nobody waits for, may be freed. A job owns everything its pool
 * thread touches, so that closing never has to wait for memory, only for the thread to return.
 */
#include "net/resolver.h"

#include <assert.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/memory.h"

enum { FRESH_MS = 60 * 1000, NAME_ROOM = 256 };

typedef struct entry {
  daytona__list_t link;    /* resolver->entries */
  daytona__list_t waiting; /* resolver->queue, while it has no job yet */
  daytona__list_t lookups;
  daytona__task_t task; /* completes the lookups of a known address */
  daytona__resolver_t *resolver;
  bool is_busy, is_notifying;
  int64_t fresh_until_ms;
  daytona_errcode_t code;         /* of the last lookup */
  daytona__addresses_t addresses; /* count 0: none known */
  char message[NAME_ROOM + 96];
  char host[];
} entry_t;

typedef struct job {
  uv_work_t work;
  daytona__resolver_t *resolver;
  entry_t *entry;
  daytona__getaddrinfo_fn getaddrinfo_fn;
  int result;
  daytona__addresses_t addresses;
  daytona__list_t link; /* resolver->jobs */
  char host[];
} job_t;

struct daytona__resolver {
  daytona__loop_t *loop;
  daytona__list_t entries, queue, jobs;
  size_t entry_count, job_count;
  daytona__getaddrinfo_fn getaddrinfo_fn;
  daytona__addresses_t scratch; /* what peek() makes up */
  bool is_closing, has_reported;
  daytona__task_t closing;
  void (*closed)(void *user);
  void *closed_user;
};

/* --- the blocking part, on a pool thread -------------------------------------------------------- */

static int system_getaddrinfo(const char *host, daytona__addresses_t *out) {
  struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
  struct addrinfo *list = NULL;
  int result = getaddrinfo(host, NULL, &hints, &list);
  if (result != 0) return result;
  for (struct addrinfo *at = list; at != NULL && out->count < DAYTONA__ADDRESSES_MAX; at = at->ai_next) {
    if (at->ai_family != AF_INET && at->ai_family != AF_INET6) continue;
    if (at->ai_addrlen > sizeof out->items[0]) continue;
    memcpy(&out->items[out->count++], at->ai_addr, at->ai_addrlen);
  }
  freeaddrinfo(list);
  return out->count != 0 ? 0 : EAI_NONAME;
}

static void on_work(uv_work_t *work) {
  job_t *job = work->data;
  job->result = job->getaddrinfo_fn(job->host, &job->addresses);
}

/* --- names that need no lookup ------------------------------------------------------------------ */

static bool ends_with(const char *text, const char *tail) {
  size_t size = strlen(text), tail_size = strlen(tail);
  return size >= tail_size && strcasecmp(text + size - tail_size, tail) == 0;
}

/* The name as the cache keeps it: no brackets, no final dot, lower case. False: not a host name. */
static bool canonical(const char *host, char out[NAME_ROOM]) {
  size_t size = host != NULL ? strlen(host) : 0;
  if (size >= 2 && host[0] == '[' && host[size - 1] == ']') {
    host++;
    size -= 2;
  }
  if (size > 1 && host[size - 1] == '.') size--;
  if (size == 0 || size >= NAME_ROOM) return false;
  for (size_t i = 0; i < size; i++) {
    unsigned char c = (unsigned char)host[i];
    if (c <= ' ' || c >= 0x7f || strchr("/\\?#@,[]\"<>", c) != NULL) return false;
    out[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
  }
  out[size] = '\0';
  return true;
}

static void add_literal(daytona__addresses_t *out, const char *text) {
  struct sockaddr_storage *item = &out->items[out->count];
  memset(item, 0, sizeof *item);
  if (uv_ip4_addr(text, 0, (struct sockaddr_in *)item) == 0 ||
      uv_ip6_addr(text, 0, (struct sockaddr_in6 *)item) == 0)
    out->count++;
}

static bool make_up(const char *name, daytona__addresses_t *out) {
  out->count = 0;
  if (strcmp(name, "localhost") == 0 || ends_with(name, ".localhost")) {
    add_literal(out, "127.0.0.1");
    add_literal(out, "::1");
  } else {
    add_literal(out, name);
  }
  return out->count != 0;
}

/* --- entries ------------------------------------------------------------------------------------ */

static void notify_known(daytona__task_t *task);

static entry_t *entry_find(daytona__resolver_t *resolver, const char *name) {
  for (daytona__list_t *at = resolver->entries.next; at != &resolver->entries; at = at->next) {
    entry_t *entry = DAYTONA__CONTAINER(at, entry_t, link);
    if (strcmp(entry->host, name) == 0) return entry;
  }
  return NULL;
}

static bool entry_is_idle(const entry_t *entry) {
  return !entry->is_busy && !entry->is_notifying && daytona__list_empty(&entry->lookups) &&
         !daytona__task_is_queued(&entry->task);
}

static void entry_free(entry_t *entry) {
  assert(entry_is_idle(entry));
  daytona__list_remove(&entry->link);
  entry->resolver->entry_count--;
  daytona__free(entry);
}

/* An entry is worth keeping for the addresses it has. */
static void entry_settle(entry_t *entry) {
  if (entry_is_idle(entry) && (entry->addresses.count == 0 || entry->resolver->is_closing)) entry_free(entry);
}

static bool make_room(daytona__resolver_t *resolver) {
  if (resolver->entry_count < DAYTONA__NAMES_MAX) return true;
  for (daytona__list_t *at = resolver->entries.prev; at != &resolver->entries; at = at->prev) {
    entry_t *entry = DAYTONA__CONTAINER(at, entry_t, link);
    if (!entry_is_idle(entry)) continue;
    entry_free(entry);
    return true;
  }
  return false;
}

static entry_t *entry_new(daytona__resolver_t *resolver, const char *name) {
  size_t size = strlen(name) + 1;
  entry_t *entry = daytona__calloc(1, sizeof *entry + size);
  if (entry == NULL) return NULL;
  memcpy(entry->host, name, size);
  entry->resolver = resolver;
  daytona__list_init(&entry->link);
  daytona__list_init(&entry->waiting);
  daytona__list_init(&entry->lookups);
  daytona__task_init(&entry->task, notify_known);
  resolver->entry_count++;
  daytona__list_append(&resolver->entries, &entry->link);
  return entry;
}

static void entry_touch(entry_t *entry) {
  daytona__list_t *head = &entry->resolver->entries;
  daytona__list_remove(&entry->link);
  daytona__list_append(head->next, &entry->link); /* before the first: at the front */
}

static bool entry_is_fresh(const entry_t *entry) {
  return entry->addresses.count != 0 && !entry->is_busy &&
         daytona__loop_now(entry->resolver->loop) < entry->fresh_until_ms;
}

/* --- notifying ---------------------------------------------------------------------------------- */

/* Callbacks may start and cancel lookups of this very name: the list is moved away first. */
static void notify_all(entry_t *entry, daytona_errcode_t code, const char *message) {
  daytona__list_t batch, *node;
  daytona__list_move(&entry->lookups, &batch);
  entry->is_notifying = true;
  while ((node = daytona__list_shift(&batch)) != NULL) {
    daytona__lookup_t *lookup = DAYTONA__CONTAINER(node, daytona__lookup_t, link);
    lookup->entry = NULL;
    lookup->on_done(lookup, code, message, code == DAYTONA_OK ? &entry->addresses : NULL);
  }
  entry->is_notifying = false;
  entry_settle(entry);
}

static void notify_known(daytona__task_t *task) {
  entry_t *entry = DAYTONA__CONTAINER(task, entry_t, task);
  if (entry->is_busy) return; /* a fresh lookup began meanwhile and will complete them */
  notify_all(entry, entry->code, entry->message);
}

/* Tasks of a lookup itself, for failures that have no entry. */
static void notify_one(daytona__task_t *task, daytona_errcode_t code, const char *message) {
  daytona__lookup_t *lookup = DAYTONA__CONTAINER(task, daytona__lookup_t, task);
  lookup->on_done(lookup, code, message, NULL);
}

static void notify_no_memory(daytona__task_t *task) {
  notify_one(task, DAYTONA_ENOMEM, "out of memory for a name lookup");
}
static void notify_closed(daytona__task_t *task) {
  notify_one(task, DAYTONA_ECLOSED, "the client closed during a name lookup");
}
static void notify_bad_name(daytona__task_t *task) { notify_one(task, DAYTONA_EINVAL, "not a host name"); }
static void notify_too_many(daytona__task_t *task) {
  notify_one(task, DAYTONA_ELIMIT, "too many names are being looked up");
}

static void notify_later(daytona__resolver_t *resolver, daytona__lookup_t *lookup,
                         void (*run)(daytona__task_t *task)) {
  daytona__task_init(&lookup->task, run);
  daytona__loop_defer(resolver->loop, &lookup->task);
}

/* --- jobs --------------------------------------------------------------------------------------- */

static void run_queue(daytona__resolver_t *resolver);
static void report_closed(daytona__resolver_t *resolver);

/* Take over what the pool thread found. A stale response serves when there is no fresh one. */
static void entry_take_result(entry_t *entry, const job_t *job) {
  entry->is_busy = false;
  entry->code = DAYTONA_OK;
  if (job->result == 0 && job->addresses.count != 0) {
    entry->addresses = job->addresses;
    entry->fresh_until_ms = daytona__loop_now(entry->resolver->loop) + FRESH_MS;
  } else if (entry->addresses.count == 0) {
    entry->code = job->result == EAI_MEMORY ? DAYTONA_ENOMEM : DAYTONA_ERESOLVE;
    snprintf(entry->message, sizeof entry->message, "name lookup of %s failed: %s", entry->host,
             gai_strerror(job->result != 0 ? job->result : EAI_NONAME));
  }
}

static void on_worked(uv_work_t *work, int status) {
  job_t *job = work->data;
  daytona__resolver_t *resolver = job->resolver;
  entry_t *entry = job->entry;
  daytona__list_remove(&job->link);
  resolver->job_count--;
  if (resolver->is_closing) {
    entry->is_busy = false;
    daytona__free(job);
    entry_settle(entry);
    report_closed(resolver);
    return;
  }
  assert(status == 0); /* only closing cancels */
  entry_take_result(entry, job);
  daytona__free(job);
  run_queue(resolver);
  notify_all(entry, entry->code, entry->message);
}

static bool job_start(entry_t *entry) {
  daytona__resolver_t *resolver = entry->resolver;
  size_t size = strlen(entry->host) + 1;
  job_t *job = daytona__calloc(1, sizeof *job + size);
  if (job == NULL) return false;
  memcpy(job->host, entry->host, size);
  job->work.data = job;
  job->resolver = resolver;
  job->entry = entry;
  job->getaddrinfo_fn = resolver->getaddrinfo_fn;
  if (uv_queue_work(daytona__loop_uv(resolver->loop), &job->work, on_work, on_worked) != 0) {
    daytona__free(job);
    return false;
  }
  daytona__list_append(&resolver->jobs, &job->link);
  resolver->job_count++;
  return true;
}

static void run_queue(daytona__resolver_t *resolver) {
  while (resolver->job_count < DAYTONA__LOOKUPS_MAX) {
    daytona__list_t *node = daytona__list_shift(&resolver->queue);
    if (node == NULL) return;
    entry_t *entry = DAYTONA__CONTAINER(node, entry_t, waiting);
    if (job_start(entry)) continue;
    entry->is_busy = false;
    if (entry->addresses.count != 0) {
      entry->code = DAYTONA_OK;
    } else {
      entry->code = DAYTONA_ENOMEM;
      snprintf(entry->message, sizeof entry->message, "out of memory for a name lookup");
    }
    daytona__loop_defer(resolver->loop, &entry->task);
  }
}

/* --- public ------------------------------------------------------------------------------------- */

static void on_closing(daytona__task_t *task);

int daytona__resolver_new(daytona__loop_t *loop, daytona__resolver_t **out) {
  daytona__resolver_t *resolver = daytona__calloc(1, sizeof *resolver);
  if (resolver == NULL) return DAYTONA_ENOMEM;
  resolver->loop = daytona__loop_retain(loop);
  resolver->getaddrinfo_fn = system_getaddrinfo;
  daytona__list_init(&resolver->entries);
  daytona__list_init(&resolver->queue);
  daytona__list_init(&resolver->jobs);
  daytona__task_init(&resolver->closing, on_closing);
  *out = resolver;
  return 0;
}

void daytona__resolver_discard(daytona__resolver_t *resolver) {
  daytona__loop_t *loop = resolver->loop;
  assert(daytona__list_empty(&resolver->entries) && daytona__list_empty(&resolver->jobs));
  daytona__free(resolver);
  daytona__loop_release(loop);
}

void daytona__resolver_set_getaddrinfo(daytona__resolver_t *resolver, daytona__getaddrinfo_fn fn) {
  resolver->getaddrinfo_fn = fn != NULL ? fn : system_getaddrinfo;
}

const daytona__addresses_t *daytona__resolver_peek(daytona__resolver_t *resolver, const char *host) {
  char name[NAME_ROOM];
  if (!canonical(host, name)) return NULL;
  if (make_up(name, &resolver->scratch)) return &resolver->scratch;
  entry_t *entry = entry_find(resolver, name);
  if (entry == NULL || !entry_is_fresh(entry)) return NULL;
  entry_touch(entry);
  return &entry->addresses;
}

/* Attach to an entry: answered already, being looked up, or to be looked up now. */
static void entry_join(entry_t *entry, daytona__lookup_t *lookup) {
  daytona__resolver_t *resolver = entry->resolver;
  lookup->entry = entry;
  daytona__list_append(&entry->lookups, &lookup->link);
  entry_touch(entry);
  if (entry->is_busy) return;
  bool is_known = entry_is_fresh(entry);
  if (!is_known && make_up(entry->host, &resolver->scratch)) {
    entry->addresses = resolver->scratch;
    is_known = true;
  }
  if (is_known) {
    entry->code = DAYTONA_OK;
    daytona__loop_defer(resolver->loop, &entry->task);
    return;
  }
  entry->is_busy = true;
  daytona__list_append(&resolver->queue, &entry->waiting);
  run_queue(resolver);
}

void daytona__resolver_start(daytona__resolver_t *resolver, const char *host, daytona__lookup_t *lookup) {
  char name[NAME_ROOM];
  daytona__list_init(&lookup->link);
  daytona__task_init(&lookup->task, notify_no_memory);
  lookup->entry = NULL;
  if (resolver->is_closing) {
    notify_later(resolver, lookup, notify_closed);
    return;
  }
  if (!canonical(host, name)) {
    notify_later(resolver, lookup, notify_bad_name);
    return;
  }
  entry_t *entry = entry_find(resolver, name);
  if (entry == NULL) {
    if (!make_room(resolver)) {
      notify_later(resolver, lookup, notify_too_many);
      return;
    }
    entry = entry_new(resolver, name);
  }
  if (entry == NULL)
    notify_later(resolver, lookup, notify_no_memory);
  else
    entry_join(entry, lookup);
}

/* The job of a name that nobody waits for any more continues: its result is kept for the next lookup. */
void daytona__resolver_cancel(daytona__lookup_t *lookup) {
  entry_t *entry = lookup->entry;
  daytona__task_cancel(&lookup->task);
  daytona__list_remove(&lookup->link);
  lookup->entry = NULL;
  if (entry == NULL || entry->is_notifying || !daytona__list_empty(&entry->lookups)) return;
  if (!daytona__list_empty(&entry->waiting)) {
    daytona__list_remove(&entry->waiting);
    entry->is_busy = false;
  }
  daytona__task_cancel(&entry->task);
  entry_settle(entry);
}

void daytona__resolver_doubt(daytona__resolver_t *resolver, const char *host) {
  char name[NAME_ROOM];
  entry_t *entry = canonical(host, name) ? entry_find(resolver, name) : NULL;
  if (entry != NULL) entry->fresh_until_ms = 0;
}

/* --- closing ------------------------------------------------------------------------------------ */

static void report_closed(daytona__resolver_t *resolver) {
  if (!resolver->has_reported || resolver->job_count != 0) return;
  assert(daytona__list_empty(&resolver->entries));
  void (*closed)(void *user) = resolver->closed;
  void *user = resolver->closed_user;
  daytona__loop_t *loop = resolver->loop;
  daytona__free(resolver);
  if (closed != NULL) closed(user);
  daytona__loop_release(loop);
}

/* Runs after the tasks that complete the last lookups: they were queued before it. */
static void on_closing(daytona__task_t *task) {
  daytona__resolver_t *resolver = DAYTONA__CONTAINER(task, daytona__resolver_t, closing);
  resolver->has_reported = true;
  report_closed(resolver);
}

void daytona__resolver_close(daytona__resolver_t *resolver, void (*closed)(void *user), void *user) {
  assert(!resolver->is_closing);
  resolver->is_closing = true;
  resolver->closed = closed;
  resolver->closed_user = user;
  daytona__list_t batch, *node;
  daytona__list_move(&resolver->entries, &batch);
  while ((node = daytona__list_shift(&batch)) != NULL) {
    entry_t *entry = DAYTONA__CONTAINER(node, entry_t, link);
    daytona__list_append(&resolver->entries, node);
    while ((node = daytona__list_shift(&entry->lookups)) != NULL) {
      daytona__lookup_t *lookup = DAYTONA__CONTAINER(node, daytona__lookup_t, link);
      lookup->entry = NULL;
      notify_later(resolver, lookup, notify_closed);
    }
    daytona__task_cancel(&entry->task);
    if (!daytona__list_empty(&entry->waiting)) {
      daytona__list_remove(&entry->waiting);
      entry->is_busy = false;
    }
    entry_settle(entry);
  }
  for (node = resolver->jobs.next; node != &resolver->jobs; node = node->next) {
    job_t *job = DAYTONA__CONTAINER(node, job_t, link);
    uv_cancel((uv_req_t *)&job->work); /* one that has not begun need not */
  }
  daytona__loop_defer(resolver->loop, &resolver->closing);
}
