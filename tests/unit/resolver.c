/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Name lookups: coalescing, the cap, the cache, cancelling and closing. getaddrinfo is replaced by one
 * that waits until the test lets it go on.
 */
#include "net/resolver.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "stage.h"
#include "support/check.h"

/* --- a getaddrinfo under control ---------------------------------------------------------------- */

static struct {
  uv_mutex_t lock;
  uv_cond_t changed;
  bool is_held;
  size_t started, running, most_running;
  int result;
  char last_octet;
} fake;

static int fake_getaddrinfo(const char *host, daytona__addresses_t *out) {
  uv_mutex_lock(&fake.lock);
  fake.started++;
  fake.running++;
  if (fake.running > fake.most_running) fake.most_running = fake.running;
  uv_cond_broadcast(&fake.changed);
  while (fake.is_held) uv_cond_wait(&fake.changed, &fake.lock);
  fake.running--;
  int result = strncmp(host, "bad", 3) == 0 ? EAI_NONAME : fake.result;
  char text[32];
  snprintf(text, sizeof text, "10.0.0.%d", fake.last_octet);
  uv_mutex_unlock(&fake.lock);
  if (result != 0) return result;
  uv_ip4_addr(text, 0, (struct sockaddr_in *)&out->items[0]);
  out->count = 1;
  return 0;
}

static void fake_hold(bool is_held) {
  uv_mutex_lock(&fake.lock);
  fake.is_held = is_held;
  uv_cond_broadcast(&fake.changed);
  uv_mutex_unlock(&fake.lock);
}

static void fake_wait_started(size_t count) {
  uv_mutex_lock(&fake.lock);
  while (fake.started < count) uv_cond_wait(&fake.changed, &fake.lock);
  uv_mutex_unlock(&fake.lock);
}

/* --- the scene ---------------------------------------------------------------------------------- */

typedef struct asked {
  daytona__lookup_t lookup;
  size_t told;
  daytona_errcode_t code;
  char message[256];
  char address[64];
} asked_t;

static stage_t stage;
static daytona__resolver_t *resolver;
static size_t told;

static void on_lookup(daytona__lookup_t *lookup, daytona_errcode_t code, const char *message,
                      const daytona__addresses_t *addresses) {
  asked_t *asked = DAYTONA__CONTAINER(lookup, asked_t, lookup);
  asked->told++;
  asked->code = code;
  if (code != DAYTONA_OK) {
    assert_null(addresses);
    assert_non_null(message);
    snprintf(asked->message, sizeof asked->message, "%s", message);
  } else {
    assert_true(addresses->count > 0);
    if (addresses->items[0].ss_family == AF_INET)
      uv_ip4_name((const struct sockaddr_in *)&addresses->items[0], asked->address, sizeof asked->address);
    else
      uv_ip6_name((const struct sockaddr_in6 *)&addresses->items[0], asked->address, sizeof asked->address);
  }
  told++;
}

static void ask(asked_t *asked, const char *host) {
  memset(asked, 0, sizeof *asked);
  asked->lookup.on_done = on_lookup;
  daytona__resolver_start(resolver, host, &asked->lookup);
  assert_int_equal(asked->told, 0); /* never inside the call */
}

static int set_up(void **state) {
  memset(&fake, 0, sizeof fake);
  fake.last_octet = 1;
  uv_mutex_init(&fake.lock);
  uv_cond_init(&fake.changed);
  stage_open(&stage);
  assert_int_equal(daytona__resolver_new(stage.loop, &resolver), 0);
  daytona__resolver_set_getaddrinfo(resolver, fake_getaddrinfo);
  told = 0;
  return 0;
}

static int tear_down(void **state) {
  bool is_closed = false;
  fake_hold(false);
  if (resolver != NULL) {
    daytona__resolver_close(resolver, stage_set_flag, &is_closed);
    assert_false(is_closed);
    stage_until(&stage, &is_closed);
  }
  stage_close(&stage);
  uv_cond_destroy(&fake.changed);
  uv_mutex_destroy(&fake.lock);
  return 0;
}

/* --- behaviour ---------------------------------------------------------------------------------- */

static void literals_and_localhost_need_no_lookup(void **state) {
  static const struct {
    const char *host, *first;
    size_t count;
  } rows[] = {
    {"127.0.0.1", "127.0.0.1", 1},
    {"::1", "::1", 1},
    {"[::1]", "::1", 1},
    {"10.1.2.3", "10.1.2.3", 1},
    {"localhost", "127.0.0.1", 2},
    {"LOCALHOST.", "127.0.0.1", 2},
    {"a.b.localhost", "127.0.0.1", 2},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    const daytona__addresses_t *known = daytona__resolver_peek(resolver, rows[i].host);
    assert_non_null(known);
    assert_int_equal(known->count, rows[i].count);
    asked_t asked;
    ask(&asked, rows[i].host);
    stage_until_count(&stage, &asked.told, 1);
    assert_int_equal(asked.code, DAYTONA_OK);
    assert_string_equal(asked.address, rows[i].first);
  }
  assert_null(daytona__resolver_peek(resolver, "notlocalhost"));
  assert_int_equal(fake.started, 0);
}

static void equal_names_share_one_lookup(void **state) {
  asked_t a, b, c;
  fake_hold(true);
  ask(&a, "name.example");
  ask(&b, "NAME.example.");
  ask(&c, "name.example");
  fake_wait_started(1);
  assert_null(daytona__resolver_peek(resolver, "name.example"));
  fake_hold(false);
  stage_until_count(&stage, &told, 3);
  assert_int_equal(fake.started, 1);
  assert_string_equal(a.address, "10.0.0.1");
  assert_string_equal(b.address, "10.0.0.1");
  assert_string_equal(c.address, "10.0.0.1");
}

static void two_lookups_run_at_most(void **state) {
  asked_t asked[8];
  fake_hold(true);
  for (int i = 0; i < 8; i++) {
    char name[32];
    snprintf(name, sizeof name, "name%d.example", i);
    ask(&asked[i], name);
  }
  fake_wait_started(DAYTONA__LOOKUPS_MAX);
  fake_hold(false);
  stage_until_count(&stage, &told, 8);
  assert_int_equal(fake.started, 8);
  assert_int_equal(fake.most_running, DAYTONA__LOOKUPS_MAX);
}

static void answers_live_for_a_minute(void **state) {
  asked_t asked;
  ask(&asked, "name.example");
  stage_until_count(&stage, &told, 1);
  daytona__loop_advance(stage.loop, 59 * 1000);
  assert_non_null(daytona__resolver_peek(resolver, "name.example"));
  ask(&asked, "name.example");
  stage_until_count(&stage, &told, 2);
  assert_int_equal(fake.started, 1);
  daytona__loop_advance(stage.loop, 1000);
  assert_null(daytona__resolver_peek(resolver, "name.example"));
  fake.last_octet = 2;
  ask(&asked, "name.example");
  stage_until_count(&stage, &told, 3);
  assert_int_equal(fake.started, 2);
  assert_string_equal(asked.address, "10.0.0.2");
}

static void a_stale_answer_serves_when_the_lookup_fails(void **state) {
  asked_t asked;
  ask(&asked, "name.example");
  stage_until_count(&stage, &told, 1);
  daytona__loop_advance(stage.loop, 3600 * 1000);
  fake.result = EAI_AGAIN;
  ask(&asked, "name.example");
  stage_until_count(&stage, &told, 2);
  assert_int_equal(fake.started, 2);
  assert_int_equal(asked.code, DAYTONA_OK);
  assert_string_equal(asked.address, "10.0.0.1");
}

static void failures_say_what_failed_and_are_not_kept(void **state) {
  asked_t asked;
  ask(&asked, "bad.example");
  stage_until_count(&stage, &told, 1);
  assert_int_equal(asked.code, DAYTONA_ERESOLVE);
  assert_non_null(strstr(asked.message, "bad.example"));
  ask(&asked, "bad.example");
  stage_until_count(&stage, &told, 2);
  assert_int_equal(fake.started, 2);
  fake.result = EAI_MEMORY;
  ask(&asked, "name.example");
  stage_until_count(&stage, &told, 3);
  assert_int_equal(asked.code, DAYTONA_ENOMEM);
}

static void nonsense_is_not_looked_up(void **state) {
  char large[300];
  memset(large, 'a', sizeof large - 1);
  large[sizeof large - 1] = '\0';
  const char *const names[] = {"", "[]", "a b", "a\nb", "b\xc3\xbc", "a/b", "a@b", large};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    asked_t asked;
    assert_null(daytona__resolver_peek(resolver, names[i]));
    ask(&asked, names[i]);
    stage_until_count(&stage, &asked.told, 1);
    assert_int_equal(asked.code, DAYTONA_EINVAL);
  }
  assert_int_equal(fake.started, 0);
}

static void a_cancelled_lookup_is_not_told(void **state) {
  asked_t running, shared, queued, known, literal, refused;
  fake_hold(true);
  ask(&running, "a.example");
  ask(&shared, "a.example");
  ask(&refused, "b.example");
  ask(&queued, "c.example");
  ask(&literal, "127.0.0.1");
  fake_wait_started(2);
  daytona__resolver_cancel(&running.lookup);
  daytona__resolver_cancel(&running.lookup); /* harmless */
  daytona__resolver_cancel(&refused.lookup);
  daytona__resolver_cancel(&queued.lookup);
  daytona__resolver_cancel(&literal.lookup);
  fake_hold(false);
  stage_until_count(&stage, &told, 1);
  assert_int_equal(shared.told, 1);
  while (daytona__resolver_peek(resolver, "b.example") == NULL) uv_run(&stage.uv, UV_RUN_ONCE);
  ask(&known, "a.example");
  daytona__resolver_cancel(&known.lookup);
  stage_spin(&stage, 5);
  assert_int_equal(told, 1);
  assert_int_equal(fake.started, 2);
}

static asked_t *to_cancel;
static void on_lookup_cancelling(daytona__lookup_t *lookup, daytona_errcode_t code, const char *message,
                                 const daytona__addresses_t *addresses) {
  on_lookup(lookup, code, message, addresses);
  daytona__resolver_cancel(&to_cancel->lookup);
}

static void a_callback_may_cancel_its_neighbour(void **state) {
  asked_t a = {0}, b;
  fake_hold(true);
  a.lookup.on_done = on_lookup_cancelling;
  daytona__resolver_start(resolver, "name.example", &a.lookup);
  ask(&b, "name.example");
  to_cancel = &b;
  fake_hold(false);
  stage_until_count(&stage, &a.told, 1);
  stage_spin(&stage, 5);
  assert_int_equal(b.told, 0);
}

static void closing_fails_the_waiters_at_once(void **state) {
  asked_t running, queued[3], known, late;
  bool is_closed = false;
  ask(&known, "known.example");
  stage_until_count(&stage, &told, 1);
  fake_hold(true);
  ask(&running, "a.example");
  ask(&queued[0], "b.example");
  ask(&queued[1], "c.example");
  ask(&queued[2], "known.example");
  fake_wait_started(3);
  daytona__resolver_close(resolver, stage_set_flag, &is_closed);
  assert_int_equal(told, 1);
  ask(&late, "late.example");
  stage_until_count(&stage, &told, 6); /* while getaddrinfo still runs */
  assert_int_equal(running.code, DAYTONA_ECLOSED);
  assert_int_equal(queued[2].code, DAYTONA_ECLOSED);
  assert_int_equal(late.code, DAYTONA_ECLOSED);
  assert_false(is_closed);
  fake_hold(false);
  stage_until(&stage, &is_closed);
  resolver = NULL;
}

static void the_cache_has_a_ceiling(void **state) {
  asked_t asked;
  char name[32];
  for (size_t i = 0; i < DAYTONA__NAMES_MAX + 4; i++) {
    snprintf(name, sizeof name, "n%zu.example", i);
    ask(&asked, name);
    stage_until_count(&stage, &told, i + 1);
    assert_int_equal(asked.code, DAYTONA_OK);
    daytona__resolver_peek(resolver, "n0.example"); /* used often: stays */
  }
  assert_non_null(daytona__resolver_peek(resolver, "n0.example"));
  assert_null(daytona__resolver_peek(resolver, "n1.example"));
  assert_non_null(daytona__resolver_peek(resolver, "n9.example"));
}

static void too_many_busy_names_are_refused(void **state) {
  static asked_t asked[DAYTONA__NAMES_MAX + 1];
  fake_hold(true);
  for (size_t i = 0; i <= DAYTONA__NAMES_MAX; i++) {
    char name[32];
    snprintf(name, sizeof name, "n%zu.example", i);
    ask(&asked[i], name);
  }
  stage_until_count(&stage, &told, 1);
  assert_int_equal(asked[DAYTONA__NAMES_MAX].code, DAYTONA_ELIMIT);
  fake_hold(false);
  stage_until_count(&stage, &told, DAYTONA__NAMES_MAX + 1);
}

static void lack_of_memory_is_told(void **state) {
  bool has_failed = true;
  for (size_t n = 0; has_failed; n++) {
    asked_t asked;
    char name[32];
    snprintf(name, sizeof name, "n%zu.example", n);
    stage_fail_alloc(n);
    ask(&asked, name);
    stage_until_count(&stage, &asked.told, 1);
    has_failed = stage_alloc_failed();
    stage_alloc_restore();
    assert_int_equal(asked.code, has_failed ? DAYTONA_ENOMEM : DAYTONA_OK);
  }
}

static void the_real_lookup_answers(void **state) {
  asked_t asked;
  daytona__resolver_set_getaddrinfo(resolver, NULL);
  ask(&asked, "surely-not-there.invalid");
  stage_until_count(&stage, &told, 1);
  assert_int_equal(asked.code, DAYTONA_ERESOLVE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(literals_and_localhost_need_no_lookup),
    TEST(equal_names_share_one_lookup),
    TEST(two_lookups_run_at_most),
    TEST(answers_live_for_a_minute),
    TEST(a_stale_answer_serves_when_the_lookup_fails),
    TEST(failures_say_what_failed_and_are_not_kept),
    TEST(nonsense_is_not_looked_up),
    TEST(a_cancelled_lookup_is_not_told),
    TEST(a_callback_may_cancel_its_neighbour),
    TEST(closing_fails_the_waiters_at_once),
    TEST(the_cache_has_a_ceiling),
    TEST(too_many_busy_names_are_refused),
    TEST(lack_of_memory_is_told),
    TEST(the_real_lookup_answers),
  };
  return cmocka_run_group_tests_name("resolver", tests, NULL, NULL);
}
