/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules over values: mounts, network lists, names, rates, faults, keys, the clock, URLs.
 */
#include "base/clock.h"
#include "control/faults/faults.h"
#include "control/auth/keys.h"
#include "control/auth/origin.h"
#include "control/auth/rates.h"
#include "control/objects/hosts.h"
#include "control/routes/validate.h"
#include "http/url.h"
#include "proxy/signature.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ALL(check, ok, list) \
  for (size_t i = 0; i < DL_COUNT(list); i++) assert_int_equal(check(list[i]) == NULL, ok)

static void mount_paths(void **state) {
  (void)state;
  static const char *const good[] = {"/mnt",   "/mnt/a", "/home/daytona/x", "/etcetera", "/library",
                                     "/a/..b", "//mnt"};
  static const char *const bad[] = {"",      "mnt",   "/",       "//",     "/a/../b",  "/..",  "/.",
                                    "/a/.",  "/a//b", "/etc",    "/etc/x", "/proc/1",  "/sys", "/dev/null",
                                    "/boot", "/bin",  "/sbin/x", "/lib",   "/lib64/x", "//etc"};
  ALL(dl_check_mount_path, true, good);
  ALL(dl_check_mount_path, false, bad);
  static const char *const good_sub[] = {"", "a", "a/b", "a.b"};
  static const char *const bad_sub[] = {"/a", "..", "a/../b", "a//b"};
  ALL(dl_check_subpath, true, good_sub);
  ALL(dl_check_subpath, false, bad_sub);
  char name[300] = "/";
  memset(name + 1, 'n', 255);
  assert_null(dl_check_mount_path(name));
  assert_null(dl_check_subpath(name + 1));
  name[256] = 'n';
  assert_string_equal(dl_check_mount_path(name), "is too long");
  assert_string_equal(dl_check_subpath(name + 1), "is too long");
}

static void network_lists(void **state) {
  (void)state;
  static const char *const good[] = {"", "10.0.0.0/8", " 10.0.0.0/8 , 192.0.2.7/32", "0.0.0.0/0",
                                     "10.0.0.0/8,,"};
  static const char *const bad[] = {
    "10.0.0.0",
    "10.0.0.0/33",
    "10.0.0/8",
    "10.0.0.0/",
    "10.0.0.0/8/8",
    "::/0",
    "x/8",
    "10.0.0.0/-1",
    "1.1.1.1/1,1.1.1.1/1,1.1.1.1/1,1.1.1.1/1,1.1.1.1/1,1.1.1.1/1,1.1.1.1/1,1.1.1.1/1,1.1.1.1/1,,"};
  ALL(dl_check_allow_list, true, good);
  ALL(dl_check_allow_list, false, bad);
  static const char *const good_domains[] = {"", "example.com", "*.example.com, a-b.org", "x1.y2.zz"};
  static const char *const bad_domains[] = {"localhost", "-a.com", "a-.com", "a..com",  "*.",
                                            "*.com.",    "a.c",    "a.b1",   "a_b.com", "x*.com"};
  ALL(dl_check_domain_list, true, good_domains);
  ALL(dl_check_domain_list, false, bad_domains);
}

static void display_texts(void **state) {
  (void)state;
  static const char *const good[] = {"box", "a/b:c", "a < b", "tab\tand\nbreak", "\xc3\xa9", "www"};
  static const char *const bad[] = {"<b>",       "</a",      "<!--",  "http://x", "HTTPS://x", "javascript:x",
                                    "see www.x", "mailto:a", "tel:1", "a\x01",    "a\x7f"};
  ALL(dl_check_display, true, good);
  ALL(dl_check_display, false, bad);
}

/* "env": {"A": count times 'x'} */
static json_t *env_of(size_t count) {
  char *text = dl_xmalloc(count + 1);
  memset(text, 'x', count);
  text[count] = '\0';
  json_t *body = json_pack("{s:{s:s}}", "env", "AB", text);
  free(text);
  return body;
}

static void texts_of_a_body(void **state) {
  (void)state;
  static const struct {
    const char *body, *problem; /* NULL: fine */
  } cases[] = {
    {"{}", NULL},
    {"{\"a\":\"tab\\tand\\nbreak\\r\",\"b\":[1,true,null,{\"c\":\"\\u00e9\"}]}", NULL},
    {"{\"env\":{\"A\":\"\\u001b[0m\\u007f\"}}", NULL},
    {"{\"labels\":{\"note\":\"x\\u0000y\"}}", "labels.note must not contain a NUL character"},
    {"{\"name\":\"a\\u0000b\"}", "name must not contain a NUL character"},
    {"{\"env\":{\"A\":\"\\u0000\"}}", "env.A must not contain a NUL character"},
    {"{\"env\":{\"A\\u0001\":\"\"}}", "env.A? must not contain control characters"},
    {"{\"labels\":{\"note\":\"\\u001b[0m\"}}", "labels.note must not contain control characters"},
    {"{\"labels\":{\"a\\u007f\":\"\"}}", "labels.a? must not contain control characters"},
    {"{\"volumes\":[{},{\"mountPath\":\"/a\\u0001\"}]}",
     "volumes.1.mountPath must not contain control characters"},
    {"{\"whatever\":{\"deep\":[[\"\\u0000\"]]}}", "whatever.deep.0.0 must not contain a NUL character"},
    {"{\"x\":{\"env\":{\"A\":\"\\u0001\"}}}", "x.env.A must not contain control characters"},
  };
  for (size_t i = 0; i < DL_COUNT(cases); i++) {
    char *error = NULL;
    json_t *body = dl_json_parse(cases[i].body, strlen(cases[i].body), &error);
    assert_non_null(body);
    char *problem = dl_check_texts(body);
    if (cases[i].problem == NULL)
      assert_null(problem);
    else
      assert_string_equal(problem ? problem : "nothing", cases[i].problem);
    free(problem);
    json_decref(body);
  }
  for (size_t len = DL_ENV_ENTRY_MAX - 6; len < DL_ENV_ENTRY_MAX; len++) {
    json_t *body = env_of(len);
    char *problem = dl_check_texts(body);
    assert_int_equal(problem == NULL, strlen("AB=") + len + 1 <= DL_ENV_ENTRY_MAX);
    if (problem) assert_non_null(strstr(problem, "env.AB is too long"));
    free(problem);
    json_object_set_new(body, "label", json_incref(json_object_get(json_object_get(body, "env"), "AB")));
    json_object_del(body, "env");
    problem = dl_check_texts(body);
    assert_non_null(strstr(problem, "label is too long"));
    free(problem);
    json_decref(body);
  }
}

static void rates_block_to_the_end_of_the_window(void **state) {
  (void)state;
  dl_rates_t r;
  dl_rate_opts_t opts[DL_BUCKET_COUNT] = {0};
  assert_true(dl_rates_parse("sandbox-create=2/10", opts));
  assert_true(dl_rates_parse("anonymous=5", opts));
  assert_int_equal(opts[DL_BUCKET_ANONYMOUS].window_ms, 60000);
  static const char *const bad[] = {"", "x=1", "anonymous", "anonymous=0", "anonymous=1/0", "anonymous=x"};
  for (size_t i = 0; i < DL_COUNT(bad); i++) assert_false(dl_rates_parse(bad[i], opts));
  dl_rates_init(&r, opts);
  assert_false(dl_rates_take(&r, DL_BUCKET_LIFECYCLE, "o", 1, 0).is_limited);
  assert_int_equal(dl_rates_take(&r, DL_BUCKET_CREATE, "o", 1, 100000).remaining, 1);
  assert_int_equal(dl_rates_take(&r, DL_BUCKET_CREATE, "o", 1, 101000).remaining, 0);
  dl_verdict_t v = dl_rates_take(&r, DL_BUCKET_CREATE, "o", 1, 104001);
  assert_true(v.is_blocked);
  assert_int_equal(v.reset_seconds, 6);
  assert_false(dl_rates_take(&r, DL_BUCKET_CREATE, "other", 1, 104001).is_blocked);
  assert_false(dl_rates_take(&r, DL_BUCKET_CREATE, "o", 1, 110000).is_blocked);
  dl_rates_clear(&r);
}

static void rates_count_networks_of_ipv6(void **state) {
  (void)state;
  dl_rates_t r;
  dl_rate_opts_t opts[DL_BUCKET_COUNT] = {0};
  assert_true(dl_rates_parse("failed-auth=1/10", opts));
  dl_rates_init(&r, opts);
  static const struct {
    const char *who;
    bool is_blocked;
  } calls[] = {
    {"2001:db8:1:2::1", false},
    {"2001:db8:1:2:ffff:ffff:ffff:ffff", true},
    {"2001:db8:1:3::1", false},
    {"::ffff:192.0.2.1", false},
    {"::ffff:192.0.2.2", false},
    {"192.0.2.1", false},
    {"192.0.2.1", true},
    {"::1", false},
    {"::1", true},
  };
  for (size_t i = 0; i < DL_COUNT(calls); i++)
    assert_int_equal(dl_rates_take(&r, DL_BUCKET_FAILED_AUTH, calls[i].who, 1, 0).is_blocked,
                     calls[i].is_blocked);
  dl_rates_clear(&r);
}

static const dl_fault_t *add(dl_faults_t *f, const char *text) {
  char *error = NULL;
  json_t *rule = dl_json_parse(text, strlen(text), &error);
  const dl_fault_t *added = dl_faults_add(f, rule, &error);
  json_decref(rule);
  free(error);
  return added;
}

static void faults_match_in_order_and_run_out(void **state) {
  (void)state;
  dl_faults_t *f = dl_faults_new();
  dl_fault_t hit;
  assert_null(add(f, "[]"));
  assert_null(add(f, "{\"action\":\"reset\",\"extra\":1}"));
  assert_non_null(add(f,
                      "{\"action\":\"reset\",\"skip\":1,\"match\":{\"method\":\"post\",\"path\":\"/api/"
                      "sandbox/*/stop\",\"target\":\"control\"}}"));
  assert_non_null(
    add(f, "{\"action\":\"stall\",\"times\":\"always\",\"match\":{\"target\":[\"toolbox\",\"preview\"]}}"));
  assert_false(dl_faults_hit(f, DL_TARGET_CONTROL, "GET", "/api/sandbox/x/stop", false, &hit));
  assert_false(dl_faults_hit(f, DL_TARGET_CONTROL, "POST", "/api/sandbox/x/start", false, &hit));
  assert_false(dl_faults_hit(f, DL_TARGET_CONTROL, "POST", "/api/sandbox/x/stop", false, &hit)); /* skipped */
  assert_true(dl_faults_hit(f, DL_TARGET_CONTROL, "POST", "/api/sandbox/x/stop", false, &hit));
  assert_string_equal(hit.path, "/api/sandbox/*/stop"); /* still readable although used up */
  assert_false(dl_faults_hit(f, DL_TARGET_CONTROL, "POST", "/api/sandbox/x/stop", false, &hit));
  for (int i = 0; i < 3; i++) assert_true(dl_faults_hit(f, DL_TARGET_PREVIEW, "GET", "/", false, &hit));
  assert_false(dl_faults_hit_accept(f));
  dl_faults_clear(f);
  assert_false(dl_faults_hit(f, DL_TARGET_PREVIEW, "GET", "/", false, &hit));
  dl_faults_free(f);
}

static void faults_of_streams_are_read_strictly(void **state) {
  (void)state;
  dl_faults_t *f = dl_faults_new();
  static const char *const good[] = {
    "{\"action\":\"reset\",\"after_frames\":0}",
    "{\"action\":\"truncate\",\"after_frames\":3,\"into_bytes\":1}",
    "{\"action\":\"freeze\",\"after_bytes\":0}",
    "{\"action\":\"freeze\",\"after_frames\":2,\"for_ms\":50}",
    "{\"action\":\"delay-pongs\"}",
    "{\"action\":\"delay-pongs\",\"delay_ms\":5}",
    "{\"action\":\"close\",\"close_code\":1012,\"close_reason\":\"restart\"}",
    "{\"action\":\"close\",\"close_code\":4999,\"after_frames\":7}",
    "{\"action\":\"close\",\"close_code\":1005}",
    "{\"action\":\"split\"}",
    "{\"action\":\"split\",\"piece_bytes\":2,\"pause_ms\":1}",
    "{\"action\":\"split\",\"fragment_bytes\":3}",
    "{\"action\":\"leave-unread\"}",
    "{\"action\":\"leave-unread\",\"after_frames\":1,\"for_ms\":5}",
  };
  static const char *const bad[] = {
    "{\"action\":\"freeze\"}",
    "{\"action\":\"freeze\",\"after_bytes\":1,\"after_frames\":1}",
    "{\"action\":\"freeze\",\"after_bytes\":1,\"into_bytes\":1}",
    "{\"action\":\"freeze\",\"after_bytes\":1,\"phase\":\"after\"}",
    "{\"action\":\"reset\",\"after_frames\":-1}",
    "{\"action\":\"reset\",\"after_frames\":1,\"for_ms\":5}",
    "{\"action\":\"delay-pongs\",\"delay_ms\":0}",
    "{\"action\":\"delay-pongs\",\"after_frames\":1}",
    "{\"action\":\"close\"}",
    "{\"action\":\"close\",\"close_code\":1004}",
    "{\"action\":\"close\",\"close_code\":1006}",
    "{\"action\":\"close\",\"close_code\":1015}",
    "{\"action\":\"close\",\"close_code\":2000}",
    "{\"action\":\"close\",\"close_code\":5000}",
    "{\"action\":\"close\",\"close_code\":\"1000\"}",
    "{\"action\":\"close\",\"close_code\":1005,\"close_reason\":\"x\"}",
    "{\"action\":\"close\",\"close_code\":1000,\"close_reason\":"
    "\"0123456789012345678901234567890123456789012345678901234567890123"
    "456789012345678901234567890123456789012345678901234567890123\"}",
    "{\"action\":\"close\",\"close_code\":1000,\"after_frames\":1,\"into_bytes\":1}",
    "{\"action\":\"reset\",\"close_code\":1000}",
    "{\"action\":\"reset\",\"close_reason\":\"x\"}",
    "{\"action\":\"split\",\"piece_bytes\":0}",
    "{\"action\":\"split\",\"fragment_bytes\":3,\"pause_ms\":1}",
    "{\"action\":\"dribble\",\"bytes_per_second\":1,\"piece_bytes\":1}",
    "{\"action\":\"leave-unread\",\"after_frames\":1,\"into_bytes\":1}",
    "{\"action\":\"leave-unread\",\"phase\":\"after\"}",
  };
  for (size_t i = 0; i < DL_COUNT(good); i++)
    if (add(f, good[i]) == NULL) fail_msg("refused: %s", good[i]);
  for (size_t i = 0; i < DL_COUNT(bad); i++)
    if (add(f, bad[i]) != NULL) fail_msg("taken: %s", bad[i]);
  dl_fault_t hit;
  assert_true(dl_faults_hit(f, DL_TARGET_TOOLBOX, "GET", "/", false, &hit));
  assert_int_equal(hit.action, DL_FAULT_FREEZE); /* the first one that is not about frames */
  assert_true(dl_faults_hit(f, DL_TARGET_TOOLBOX, "GET", "/", true, &hit));
  assert_int_equal(hit.action, DL_FAULT_RESET);
  dl_faults_free(f);
}

static void fault_paths(void **state) {
  (void)state;
  assert_true(dl_fault_path_matches("/api/sandbox", "/api/sandbox"));
  assert_true(dl_fault_path_matches("/api/sandbox", "/api/sandbox/x"));
  assert_false(dl_fault_path_matches("/api/sandbox", "/api/sandboxes"));
  assert_true(dl_fault_path_matches("/api/sand*", "/api/sandboxes/x"));
  assert_true(dl_fault_path_matches("/toolbox/*/process/execute", "/toolbox/abc/process/execute"));
  assert_false(dl_fault_path_matches("/toolbox/*/process/execute", "/toolbox/a/b/process/execute"));
}

static void keys_carry_permissions(void **state) {
  (void)state;
  dl_keys_t k;
  unsigned p = 0;
  const dl_key_t list[] = {{(char *)"one", DL_PERM_ALL}, {(char *)"two", 1u << DL_PERM_READ_VOLUMES}};
  dl_keys_init(&k, list, 2, "token", "org");
  assert_int_equal(dl_keys_check(&k, "Bearer two", "nonsense", &p), DL_AUTH_OK);
  assert_int_equal(p, 1u << DL_PERM_READ_VOLUMES);
  static const char *const bad[] = {"Bearer", "Bearer ", "two", "Basic two", "Bearer twoo", "Bearer tw", ""};
  for (size_t i = 0; i < DL_COUNT(bad); i++)
    assert_int_equal(dl_keys_check(&k, bad[i], NULL, &p), DL_AUTH_UNKNOWN);
  assert_int_equal(dl_keys_check(&k, NULL, NULL, &p), DL_AUTH_UNKNOWN);
  assert_int_equal(dl_keys_check(&k, "bearer token", "org", &p), DL_AUTH_OK);
  assert_int_equal(dl_keys_check(&k, "Bearer token", NULL, &p), DL_AUTH_NO_ORGANIZATION);
  dl_keys_clear(&k);
}

static void keys_are_found_in_header_values(void **state) {
  (void)state;
  dl_keys_t k;
  const dl_key_t list[] = {{(char *)"one", DL_PERM_ALL}, {(char *)"two", 1u << DL_PERM_READ_VOLUMES}};
  dl_keys_init(&k, list, 2, "token", "org");
  static const char *const with[] = {"Bearer one",     "bearer  two",  "two",    "Basic one",
                                     "Bearer token",   "Bearer x,one", "\tone ", "a b c two",
                                     "Bearer \"one\"", "x;one"};
  static const char *const without[] = {"", "Bearer", "Bearer onetwo", "Bearer app", "Bearer ones", " "};
  for (size_t i = 0; i < DL_COUNT(with); i++)
    if (!dl_keys_holds(&k, with[i])) fail_msg("not found: %s", with[i]);
  for (size_t i = 0; i < DL_COUNT(without); i++)
    if (dl_keys_holds(&k, without[i])) fail_msg("found: %s", without[i]);
  dl_keys_clear(&k);
}

/* Reads a file of `before`, `count` times 'k' and `after`. */
static dl_key_t *read_keys(const char *before, size_t count, const char *after, size_t after_len, size_t *out,
                           char **error) {
  char path[] = "/tmp/dl-keys-XXXXXX";
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  FILE *file = fdopen(fd, "w");
  fputs(before, file);
  for (size_t i = 0; i < count; i++) fputc('k', file);
  fwrite(after, 1, after_len, file);
  fclose(file);
  *error = NULL;
  dl_key_t *list = dl_keys_read_file(path, out, error);
  unlink(path);
  return list;
}

static void lines_of_key_files_are_read_whole(void **state) {
  (void)state;
  static const size_t lengths[] = {1, 1000, 1022, 1023, 1024, 5000, DL_KEY_LINE_MAX - 13};
  char *error;
  size_t count;
  for (size_t i = 0; i < DL_COUNT(lengths); i++) {
    static const char rest[] = " read:volumes\nlast";
    dl_key_t *list = read_keys("# first\n", lengths[i], rest, strlen(rest), &count, &error);
    assert_non_null(list);
    assert_int_equal(count, 2);
    assert_int_equal(strlen(list[0].key), lengths[i]);
    assert_int_equal(list[0].permissions, 1u << DL_PERM_READ_VOLUMES);
    assert_string_equal(list[1].key, "last");
    dl_keys_free_list(list, count);
  }
  dl_key_t *list = read_keys("a\n#", 20000, "\r\nb\r\n\n", 6, &count, &error); /* a long comment is no key */
  assert_non_null(list);
  assert_int_equal(count, 2);
  assert_string_equal(list[1].key, "b");
  dl_keys_free_list(list, count);
}

static void lines_of_key_files_that_cannot_be_are_refused(void **state) {
  (void)state;
  static const struct {
    const char *before;
    size_t count;
    const char *after;
    size_t after_len;
    const char *problem;
  } cases[] = {
    {"a\n", DL_KEY_LINE_MAX + 1, "", 0, "line 2 is too long"},
    {"a\nb\n#", DL_KEY_LINE_MAX, "\nc\n", 3, "line 3 is too long"},
    {"a\n", 5, "\0b\n", 3, "line 2 holds a NUL"},
    {"a\n", 5, "\001b\n", 3, "line 2 has a key with control characters"},
    {"a\n", 5, " read:everything\n", 17, "line 2 has an unknown permission"},
    {"# only this\n", 0, "", 0, "holds no key"},
  };
  for (size_t i = 0; i < DL_COUNT(cases); i++) {
    char *error;
    size_t count;
    assert_null(
      read_keys(cases[i].before, cases[i].count, cases[i].after, cases[i].after_len, &count, &error));
    if (strstr(error, cases[i].problem) == NULL) fail_msg("%s: %s", cases[i].problem, error);
    free(error);
  }
}

static void addresses_have_one_form(void **state) {
  (void)state;
  static const char *const cases[][2] = {{"127.0.0.1", "127.0.0.1"},
                                         {"::ffff:10.0.0.7", "10.0.0.7"},
                                         {"0:0::1", "::1"},
                                         {"FE80::A", "fe80::a"},
                                         {"localhost", NULL},
                                         {"10.0.0", NULL},
                                         {"", NULL},
                                         {"10.0.0.0/8", NULL}};
  for (size_t i = 0; i < DL_COUNT(cases); i++) {
    char *address = dl_address_normal(cases[i][0]);
    if (cases[i][1] == NULL)
      assert_null(address);
    else
      assert_string_equal(address, cases[i][1]);
    free(address);
  }
}

static void headers_of_proxies_are_known(void **state) {
  (void)state;
  static const char *const are[] = {
    "X-Forwarded-For", "x-forwarded-host", "X_Forwarded_Proto", "X-Forwarded-Anything",
    "Forwarded",       "X-Real-IP",        "x_real_ip"};
  static const char *const are_not[] = {"X-Forward", "Forwarded-For", "X-Real-IPs", "Host", ""};
  for (size_t i = 0; i < DL_COUNT(are); i++) assert_true(dl_is_forwarding_header(are[i]));
  for (size_t i = 0; i < DL_COUNT(are_not); i++) assert_false(dl_is_forwarding_header(are_not[i]));
}

static void the_clock_only_goes_forward(void **state) {
  (void)state;
  dl_clock_t c;
  dl_clock_init(&c, 1000);
  int64_t start = dl_clock_now(&c);
  dl_clock_jump(&c, 5000);
  assert_true(dl_clock_now(&c) >= start + 5000);
  int64_t now = dl_clock_now(&c);
  dl_clock_jump(&c, -5000);
  assert_true(dl_clock_now(&c) >= now);
  dl_clock_set_speed(&c, 1);
  assert_true(dl_clock_now(&c) >= now);
  assert_int_equal(dl_clock_real_until(&c, now - 1), 0);
}

static void urls_decode_whole_or_not_at_all(void **state) {
  (void)state;
  static const char *const bad[] = {"%", "%4", "%zz", "a%00b", "%ff", "%c3"};
  for (size_t i = 0; i < DL_COUNT(bad); i++) assert_null(dl_url_decode(bad[i], strlen(bad[i]), false));
  char *text = dl_url_decode("a%2Fb+%C3%A9", 12, false);
  assert_string_equal(text, "a/b+\xc3\xa9");
  free(text);
  text = dl_url_encode("a/b \xc3\xa9~");
  assert_string_equal(text, "a%2Fb%20%C3%A9~");
  free(text);
  dl_query_t q;
  size_t at = 0;
  dl_query_parse(&q, "a=1&b&a[]=2&=x&a=%zz&&c=%20+");
  assert_string_equal(dl_query_next(&q, "a", &at), "1");
  assert_string_equal(dl_query_next(&q, "a", &at), "2");
  assert_null(dl_query_next(&q, "a", &at));
  assert_string_equal(dl_query_get(&q, "b"), "");
  assert_string_equal(dl_query_get(&q, "c"), "  ");
  assert_null(dl_query_get(&q, "z"));
  dl_query_clear(&q);
}

static void signatures_match_the_documented_values(void **state) {
  (void)state;
  static const struct {
    const char *key, *path, *expires, *signature;
  } cases[] = {
    {"k3y", "/home/daytona/a b.txt", "0", "v1_Zw1bbZOFGUVabaT3kn05U8gm88FnyBH9zKnboYIi2dI"},
    {"testsigningkey1234567890abcdefgh", "/home/user/report.pdf", "1781234567",
     "v1_QXoy36mypac2FAv33L7jnN44GEUx8KrdwT0vuKgKiQg"},
    {"testsigningkey1234567890abcdefgh", "/home/user/report.pdf", "0",
     "v1_lpj67Q-1iHxBviass5MZhGs36X80uk3DgCaRjjmyPrk"},
  };
  for (size_t i = 0; i < DL_COUNT(cases); i++) {
    char *made = dl_signature_make(cases[i].key, "GET", cases[i].path, cases[i].expires);
    assert_string_equal(made, cases[i].signature);
    free(made);
  }
}

static void names_of_snapshots_and_images(void **state) {
  (void)state;
#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789ABCDEF"
  static const char *const good[] = {
    "a",         "acme/base:1.4",      "a.b_c-d:e",         "localhost:5000/x/y:1",
    "UPPER/low", "a/b@sha256:" DIGEST, "a:1@sha256:" DIGEST};
  static const char *const bad[] = {"",
                                    "/a",
                                    "a/",
                                    "a//b",
                                    "a b",
                                    "a$",
                                    "\xc3\xa4",
                                    "a@b",
                                    "a@sha256:12",
                                    "a@sha512:" DIGEST,
                                    "a@sha256:" DIGEST "0",
                                    "@sha256:" DIGEST,
                                    "http://x/y",
                                    "<b>",
                                    "a\n",
                                    "data:x"};
  ALL(dl_check_snapshot_name, true, good);
  ALL(dl_check_snapshot_name, false, bad);
  static const char *const good_images[] = {"debian:12.9", "127.0.0.1:5000/a:b",
                                            "registry.example.com/a/b:1.4", ("a@sha256:" DIGEST), "latest:1"};
  static const char *const bad_images[] = {"",
                                           "debian",
                                           "debian:",
                                           "debian:latest",
                                           "localhost:5000/debian",
                                           ":1",
                                           "a/:1",
                                           "a:1 b",
                                           "registry.example.com/a:latest"};
  ALL(dl_check_image_name, true, good_images);
  ALL(dl_check_image_name, false, bad_images);
  static const char *const good_hashes[] = {"6f1ed002ab5595859014ebf0951522d9", "a", "A-b_c.d"};
  static const char *const bad_hashes[] = {"", ".", "..", ".a", "a/b", "a b", "a%2f", "\xc3\xa4"};
  ALL(dl_check_context_hash, true, good_hashes);
  ALL(dl_check_context_hash, false, bad_hashes);
}

/* The one text that is longer than others; everything else about it is as for them. */
static void a_dockerfile_may_be_long(void **state) {
  (void)state;
  static const struct {
    const char *key;
    size_t len;
    bool is_good;
  } cases[] = {{"dockerfileContent", 200 * 1024, true},
               {"dockerfileContent", DL_DOCKERFILE_MAX + 1, false},
               {"other", 70 * 1024, false}};
  for (size_t i = 0; i < DL_COUNT(cases); i++) {
    char *text = dl_xcalloc(1, cases[i].len + 1);
    memset(text, 'x', cases[i].len);
    json_t *body = json_pack("{s:{s:s}}", "buildInfo", cases[i].key, text);
    char *problem = dl_check_texts(body);
    assert_int_equal(problem == NULL, cases[i].is_good);
    free(problem);
    json_decref(body);
    free(text);
  }
  json_t *body = json_pack("{s:{s:s}}", "buildInfo", "dockerfileContent", "FROM x\n\x1b[2J");
  char *problem = dl_check_texts(body);
  assert_non_null(problem);
  free(problem);
  json_decref(body);
}

static void hosts_in_common(void **state) {
  (void)state;
  static const struct {
    const char *a, *b, *both;
  } sets[] = {{NULL, NULL, NULL},
              {"a.b", NULL, "a.b"},
              {"a.b", "", ""},
              {"a.b,c.d", "c.d,e.f,a.b", "a.b,c.d"},
              {"a.b", "c.d", ""},
              {"*.x.org", "a.x.org,x.org,b.a.x.org", "a.x.org,b.a.x.org"},
              {"*.x.org", "*.a.x.org", "*.a.x.org"},
              {"*.x.org", "*.x.org", "*.x.org"},
              {"*.x.org", "*.yx.org", ""},
              {"*.a.b", "*.b,*.a.b", "*.a.b"},
              {"x.org", "*.x.org", ""}};
  for (size_t i = 0; i < 2 * DL_COUNT(sets); i++) {
    const char *a = sets[i / 2].a, *b = sets[i / 2].b, *both = sets[i / 2].both;
    char *found =
      i % 2 && strchr(both ? both : "", ',') == NULL ? dl_hosts_common(b, a) : dl_hosts_common(a, b);
    if (!both ? found != NULL : strcmp(found, both) != 0) fail_msg("%zu: %s", i, found);
    free(found);
  }
  json_t *names = json_pack("[s, s, s]", "A.b", "*.C.d", "a.B");
  char *text = dl_hosts_text(names);
  assert_string_equal(text, "a.b,*.c.d");
  free(text);
  json_array_clear(names);
  assert_null(dl_hosts_text(names));
  json_decref(names);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(mount_paths),
    cmocka_unit_test(network_lists),
    cmocka_unit_test(hosts_in_common),
    cmocka_unit_test(display_texts),
    cmocka_unit_test(texts_of_a_body),
    cmocka_unit_test(rates_block_to_the_end_of_the_window),
    cmocka_unit_test(rates_count_networks_of_ipv6),
    cmocka_unit_test(faults_match_in_order_and_run_out),
    cmocka_unit_test(faults_of_streams_are_read_strictly),
    cmocka_unit_test(fault_paths),
    cmocka_unit_test(keys_carry_permissions),
    cmocka_unit_test(keys_are_found_in_header_values),
    cmocka_unit_test(lines_of_key_files_are_read_whole),
    cmocka_unit_test(lines_of_key_files_that_cannot_be_are_refused),
    cmocka_unit_test(addresses_have_one_form),
    cmocka_unit_test(headers_of_proxies_are_known),
    cmocka_unit_test(the_clock_only_goes_forward),
    cmocka_unit_test(urls_decode_whole_or_not_at_all),
    cmocka_unit_test(signatures_match_the_documented_values),
    cmocka_unit_test(names_of_snapshots_and_images),
    cmocka_unit_test(a_dockerfile_may_be_long),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
