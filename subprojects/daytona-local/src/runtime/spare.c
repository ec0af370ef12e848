/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spare boxes: booted before it is known for whom.
 *
 * Until it is claimed, the start of such a box is not over: it stays in DL_BOX_STARTING, so that its end, whatever it comes from,
 * is that of a start that failed. To claim it is to put its rules in force, then to send it 'C' with the environment and the
 * entrypoint; when it has taken them it says 'C', and its start is reported. The entrypoint is started after that, as in every
 * start. A box is claimed once and used by one sandbox only: nothing of it ever goes back.
 */
#include "runtime/internal.h"
#include "runtime/prepare.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* For what takes a tenth of a millisecond. */
#define CLAIM_LIMIT_MS 2000
#define RULES_LIMIT_MS 10000

bool dl_box_is_kept(dl_box_t *box) {
  if (box->on_spare == NULL) return false;
  if (box->is_spare_ready || !box->net.was_told) return true;
  box->is_spare_ready = true;
  dl_prepare_close(box);
  uv_timer_stop(&box->timer);
  box->on_spare(box->start_user, box);
  return true;
}

/* Its first process, as the kernel sees it now: the loop may not have heard of its end yet. */
static bool is_alive(const dl_box_t *box) {
  struct pollfd first = {.fd = box->inner_fd, .events = POLLIN};
  return box->inner_fd >= 0 && poll(&first, 1, 0) == 0;
}

static bool differs(double a, double b) { return a < b || a > b; }

static bool has_rules(const dl_box_rules_t *r) {
  return r->blocks_all || r->allow_list != NULL || r->domain_list != NULL || r->hosts != NULL;
}

bool dl_box_fits(const dl_box_t *box, const dl_box_spec_t *spec) {
  if (!box->is_spare_ready || box->is_claimed || box->state != DL_BOX_STARTING || box->stop_wanted)
    return false;
  if (box->failure != NULL || !is_alive(box)) return false;
  if (spec->image != NULL || spec->volume_count > 0 || spec->network != DL_NETWORK_DEFAULT) return false;
  if (has_rules(&spec->rules) && box->network == DL_NETWORK_HOST) return false;
  /* A limit of this kind holds from the start of a process on. */
  return !differs(spec->memory_gib, box->memory_gib) ||
         strcmp(box->limits.how[DL_LIMIT_MEMORY], "rlimit") != 0;
}

void dl_box_spare_is_cut_off(dl_box_t *box) {
  if (box->on_spare != NULL && box->is_spare_ready) dl_box_fail(box, dl_xstrdup("its network has ended"));
}

/* On a busy server it may have answered without having been heard. */
static void on_late(uv_timer_t *timer) {
  dl_box_t *box = timer->data;
  struct pollfd answer = {.fd = box->control_fd, .events = POLLIN};
  if (poll(&answer, 1, 0) == 1)
    uv_timer_start(timer, on_late, CLAIM_LIMIT_MS, 0);
  else
    dl_box_fail(box, dl_xstrdup("the spare box does not answer"));
}

static void tell(dl_box_t *box) {
  int fd = dl_box_told_file(box);
  bool is_sent = fd >= 0 && dl_box_send_descriptor(box, 'C', fd);
  int reason = errno;
  if (fd >= 0) close(fd);
  if (is_sent)
    uv_timer_start(&box->timer, on_late, CLAIM_LIMIT_MS, 0);
  else
    dl_box_fail(box, dl_xprintf("cannot tell a spare box what it is for: %s", strerror(reason)));
}

static void on_rules(void *user, const char *error) {
  dl_box_t *box = user;
  if (box->state != DL_BOX_STARTING || box->failure != NULL) return;
  if (error == NULL)
    tell(box);
  else
    dl_box_fail(box, dl_xstrdup(error));
}

void dl_box_claim(dl_box_t *box, const dl_box_spec_t *spec, dl_box_start_cb cb, void *user) {
  assert(box->is_spare_ready && !box->is_claimed && box->state == DL_BOX_STARTING);
  assert(strcmp(box->id, spec->id) == 0);
  box->is_claimed = true;
  box->start_cb = cb;
  box->start_user = user;
  box->on_exit = spec->on_exit;
  box->exit_user = spec->user;
  dl_set(&box->home.source, spec->home_dir);
  dl_box_copy_told(box, spec);
  if (differs(spec->cpu, box->cpu) || differs(spec->memory_gib, box->memory_gib))
    dl_box_update_limits(box, spec->cpu, spec->memory_gib);
  char *failure = box->failure; /* of the copy; the box ends for it */
  box->failure = NULL;
  if (failure == NULL && has_rules(&spec->rules)) {
    uv_timer_start(&box->timer, on_late, RULES_LIMIT_MS, 0);
    failure = dl_box_set_rules(box, &spec->rules, on_rules, box);
  } else if (failure == NULL) {
    tell(box);
  }
  if (failure != NULL) dl_box_fail(box, failure);
}

void dl_box_claim_taken(dl_box_t *box) {
  if (!box->is_claimed) return; /* nobody has asked */
  box->on_spare = NULL;
  dl_box_report_start(box);
}
