/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions of the page: both secrets together, their ends, and how many there can be.
 */
#include "control/auth/web_sessions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static dl_web_sessions_t sessions;
static uint64_t ended[64];
static size_t ended_count;

static void on_ended(uint64_t number, void *user) {
  (void)user;
  ended[ended_count++ % 64] = number;
}

static int set_up(void **state) {
  (void)state;
  ended_count = 0;
  dl_web_sessions_init(&sessions, on_ended, NULL);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  dl_web_sessions_clear(&sessions);
  return 0;
}

static const dl_web_session_t *find(const char *cookies, const char *proof, int64_t now) {
  return dl_web_session_find(&sessions, cookies, "c", proof, now);
}

static char *cookie_of(const dl_web_session_t *s) { return dl_xprintf("a=1; c=%s; b=2", s->cookie); }

static void both_secrets_together(void **state) {
  (void)state;
  const dl_web_session_t *one = dl_web_session_begin(&sessions, 1, 7, 100);
  const dl_web_session_t *two = dl_web_session_begin(&sessions, 2, 9, 100);
  char *first = cookie_of(one), *other = dl_xprintf("xc=%s; cc=%s; c=", one->cookie, one->cookie);
  assert_int_equal(strlen(one->cookie), DL_SESSION_TOKEN_LEN);
  assert_string_not_equal(one->cookie, one->proof);
  assert_ptr_equal(find(first, one->proof, 100), one);
  assert_ptr_equal(find(first, NULL, 100), one);
  assert_null(find(first, two->proof, 100));
  assert_null(find(first, "", 100));
  assert_null(find("", one->proof, 100));
  assert_null(find(other, one->proof, 100));
  assert_null(find("c=; c", one->proof, 100));
  free(first);
  free(other);
}

/* A cookie that somebody else has put there, before or behind the own one. */
static void the_proof_decides_between_cookies(void **state) {
  (void)state;
  const dl_web_session_t *own = dl_web_session_begin(&sessions, 1, 1, 0);
  const dl_web_session_t *tossed = dl_web_session_begin(&sessions, 2, 2, 0);
  char *before = dl_xprintf("c=%s; c=%s", tossed->cookie, own->cookie),
       *behind = dl_xprintf("c=%s;c=none;c=%s", own->cookie, tossed->cookie),
       *alone = dl_xprintf("c=%s", tossed->cookie);
  assert_ptr_equal(find(before, own->proof, 0), own);
  assert_ptr_equal(find(behind, own->proof, 0), own);
  assert_null(find(alone, own->proof, 0));
  free(before);
  free(behind);
  free(alone);
}

static void many_cookies_are_looked_at_up_to_a_limit(void **state) {
  (void)state;
  const dl_web_session_t *own = dl_web_session_begin(&sessions, 1, 1, 0);
  char text[1024] = "";
  for (int i = 0; i < 63; i++) strcat(text, "c=x; ");
  char *within = dl_xprintf("%sc=%s", text, own->cookie), *beyond = dl_xprintf("c=x; %s", within);
  assert_ptr_equal(find(within, own->proof, 0), own);
  assert_null(find(beyond, own->proof, 0));
  free(within);
  free(beyond);
}

static void sessions_end_by_themselves(void **state) {
  (void)state;
  const dl_web_session_t *one = dl_web_session_begin(&sessions, 1, 1, 0);
  char *cookie = cookie_of(one), proof[DL_SESSION_TOKEN_LEN + 1];
  int64_t now = 0;
  strcpy(proof, one->proof);
  while (now + DL_SESSION_IDLE_MS / 2 < DL_SESSION_LIFE_MS) {
    now += DL_SESSION_IDLE_MS / 2;
    assert_non_null(find(cookie, proof, now));
  }
  assert_null(find(cookie, proof, DL_SESSION_LIFE_MS));
  assert_int_equal(dl_web_sessions_count(&sessions), 0);
  free(cookie);
}

/* The cookie alone is no use of it: a browser sends that with whatever asks. */
static void only_use_keeps_one_alive(void **state) {
  (void)state;
  char *cookie = cookie_of(dl_web_session_begin(&sessions, 1, 1, 0));
  assert_non_null(find(cookie, NULL, DL_SESSION_IDLE_MS - 1));
  assert_null(find(cookie, NULL, DL_SESSION_IDLE_MS));
  free(cookie);
}

static void each_key_has_its_own_number(void **state) {
  (void)state;
  char *other = cookie_of(dl_web_session_begin(&sessions, 2, 1, 0));
  const dl_web_session_t *first = dl_web_session_begin(&sessions, 1, 1, 0);
  char *kept = cookie_of(first), proof[DL_SESSION_TOKEN_LEN + 1];
  strcpy(proof, first->proof);
  char *second = cookie_of(dl_web_session_begin(&sessions, 1, 1, 1));
  for (int i = 0; i < DL_SESSIONS_PER_KEY - 2; i++) dl_web_session_begin(&sessions, 1, 1, 2);
  assert_non_null(find(kept, proof, 3)); /* used, so the second is the oldest now */
  dl_web_session_begin(&sessions, 1, 1, 4);
  assert_int_equal(dl_web_sessions_count(&sessions), DL_SESSIONS_PER_KEY + 1);
  assert_null(find(second, NULL, 4));
  assert_non_null(find(kept, NULL, 4));
  assert_non_null(find(other, NULL, 4));
  free(kept);
  free(second);
  free(other);
}

static void one_that_has_ended_is_unknown(void **state) {
  (void)state;
  const dl_web_session_t *one = dl_web_session_begin(&sessions, 1, 1, 0);
  char *cookie = cookie_of(one);
  dl_web_session_end(&sessions, one);
  assert_null(find(cookie, NULL, 0));
  free(cookie);
}

/* So that what was opened with it can end, too. */
static void every_end_is_reported(void **state) {
  (void)state;
  const dl_web_session_t *out = dl_web_session_begin(&sessions, 1, 1, 0);
  assert_int_equal(out->number, 1);
  dl_web_session_end(&sessions, out);
  assert_int_equal(ended[0], 1);
  for (int i = 0; i <= DL_SESSIONS_PER_KEY; i++) dl_web_session_begin(&sessions, 1, 1, 10);
  assert_int_equal(ended_count, 2);
  assert_int_equal(ended[1], 2);
  dl_web_sessions_expire(&sessions, 9 + DL_SESSION_IDLE_MS);
  assert_int_equal(ended_count, 2);
  dl_web_sessions_expire(&sessions, 10 + DL_SESSION_IDLE_MS);
  assert_int_equal(ended_count, 2 + DL_SESSIONS_PER_KEY);
  assert_int_equal(dl_web_sessions_count(&sessions), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(both_secrets_together, set_up, tear_down),
    cmocka_unit_test_setup_teardown(the_proof_decides_between_cookies, set_up, tear_down),
    cmocka_unit_test_setup_teardown(many_cookies_are_looked_at_up_to_a_limit, set_up, tear_down),
    cmocka_unit_test_setup_teardown(sessions_end_by_themselves, set_up, tear_down),
    cmocka_unit_test_setup_teardown(only_use_keeps_one_alive, set_up, tear_down),
    cmocka_unit_test_setup_teardown(each_key_has_its_own_number, set_up, tear_down),
    cmocka_unit_test_setup_teardown(every_end_is_reported, set_up, tear_down),
    cmocka_unit_test_setup_teardown(one_that_has_ended_is_unknown, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
