/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration of a client: sources and their order, checks, defaults, and what is told about
 * them. Every test begins in an empty folder with a clean environment; every credential in here has
 * "s3cret" in it, and resolve() fails the test when that shows up in a reason or a log line.
 */
#include "call/config.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <daytona/error.h>

#include "core/limits.h"
#include "core/memory.h"
#include "support/alloc.h"
#include "support/check.h"

#define ROWS(array) (sizeof(array) / sizeof(array)[0])
#define KEY "s3cret-key"
#define JWT "s3cret.jwt"

static char folder[] = "/tmp/config-test-XXXXXX";

static struct {
  daytona__arena_t arena;
  daytona__settings_t settings;
  char reason[512];
  char warnings[2048]; /* one line each */
} got;

/* --- the stage --- */

static const char *const variables[] = {
  "DAYTONA_API_KEY",
  "DAYTONA_JWT_TOKEN",
  "DAYTONA_ORGANIZATION_ID",
  "DAYTONA_API_URL",
  "DAYTONA_SERVER_URL",
  "DAYTONA_TARGET",
  "DAYTONA_HAPPY_EYEBALLS_DELAY",
  "DAYTONA_USE_DEPRECATED_POLLING",
  "http_proxy",
  "HTTP_PROXY",
  "https_proxy",
  "HTTPS_PROXY",
  "all_proxy",
  "ALL_PROXY",
  "no_proxy",
  "NO_PROXY",
  "REQUEST_METHOD",
};

static int make_folder(void **state) { return mkdtemp(folder) != NULL && chdir(folder) == 0 ? 0 : -1; }

static int remove_folder(void **state) {
  char command[64];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  return chdir("/") == 0 ? system(command) : -1;
}

static int begin(void **state) {
  for (size_t i = 0; i < ROWS(variables); i++) unsetenv(variables[i]);
  if (system("rm -rf ./* ./.env ./.env.local") != 0) return -1;
  daytona__arena_init(&got.arena, 0);
  return 0;
}

static int end(void **state) {
  daytona__arena_clear(&got.arena);
  return 0;
}

static void write_file(const char *name, const char *text) {
  FILE *file = fopen(name, "wb");
  assert_non_null(file);
  assert_true(fputs(text, file) >= 0);
  assert_int_equal(fclose(file), 0);
}

static void on_log(daytona_log_level_t level, const char *line, void *user) {
  assert_int_equal(level, DAYTONA_LOG_WARN);
  assert_ptr_equal(user, &got);
  assert_null(strchr(line, '\n'));
  strncat(got.warnings, line, sizeof got.warnings - strlen(got.warnings) - 2);
  strcat(got.warnings, "\n");
}

static int resolve(daytona_config_t config) {
  daytona__arena_clear(&got.arena);
  memset(&got.settings, 0xaa, sizeof got.settings);
  got.warnings[0] = '\0';
  config.log = on_log;
  config.log_user = &got;
  int error = daytona__config_resolve(&got.arena, &config, &got.settings, got.reason, sizeof got.reason);
  assert_true((error != 0) == (got.reason[0] != '\0'));
  assert_null(strpbrk(got.reason, "\r\n"));
  assert_null(strstr(got.reason, "s3cret"));
  assert_null(strstr(got.warnings, "s3cret"));
  return error;
}

static void expect_ok(daytona_config_t config) {
  if (resolve(config) != 0) fail_msg("refused: %s", got.reason);
}

static void expect_error(daytona_config_t config, int error, const char *part) {
  daytona__settings_t before;
  memset(&before, 0xaa, sizeof before);
  assert_int_equal(resolve(config), error);
  if (strstr(got.reason, part) == NULL) fail_msg("\"%s\" does not say \"%s\"", got.reason, part);
  assert_memory_equal(&before, &got.settings, sizeof before);
}

static void expect_warning(const char *part) {
  if (strstr(got.warnings, part) == NULL) fail_msg("\"%s\" does not say \"%s\"", got.warnings, part);
}

static void expect_text(const char *value, const char *wanted) {
  assert_true((value == NULL) == (wanted == NULL));
  if (wanted != NULL) assert_string_equal(value, wanted);
}

/* --- credentials --- */

static void without_credentials_the_variables_are_named(void **state) {
  expect_error((daytona_config_t){0}, DAYTONA_EAUTH, "DAYTONA_API_KEY");
  expect_error((daytona_config_t){0}, DAYTONA_EAUTH, "DAYTONA_JWT_TOKEN");
  expect_error((daytona_config_t){0}, DAYTONA_EAUTH, "DAYTONA_ORGANIZATION_ID");
  expect_error((daytona_config_t){.api_key = "", .jwt_token = ""}, DAYTONA_EAUTH, "not found");
  assert_int_equal(daytona__config_resolve(&got.arena, NULL, &got.settings, NULL, 0), DAYTONA_EAUTH);
}

static void a_key_is_all_that_is_needed(void **state) {
  expect_ok((daytona_config_t){.api_key = KEY});
  expect_text(got.settings.token, KEY);
  expect_text(got.settings.api_url, "https://app.daytona.io/api");
  expect_text(got.settings.organization_id, NULL);
  expect_text(got.settings.region, NULL);
  expect_text(got.warnings, "");
}

static void no_configuration_means_the_environment(void **state) {
  setenv("DAYTONA_API_KEY", KEY, 1);
  setenv("DAYTONA_API_URL", "http://localhost:3000/api", 1);
  setenv("DAYTONA_TARGET", "eu", 1);
  assert_int_equal(daytona__config_resolve(&got.arena, NULL, &got.settings, got.reason, sizeof got.reason),
                   0);
  expect_text(got.settings.token, KEY);
  expect_text(got.settings.api_url, "http://localhost:3000/api");
  expect_text(got.settings.region, "eu");
}

static void a_jwt_needs_an_organization(void **state) {
  expect_error((daytona_config_t){.jwt_token = JWT}, DAYTONA_EAUTH, "DAYTONA_ORGANIZATION_ID");
  expect_ok((daytona_config_t){.jwt_token = JWT, .organization_id = "org"});
  expect_text(got.settings.token, JWT);
  expect_text(got.settings.organization_id, "org");
  setenv("DAYTONA_ORGANIZATION_ID", "from-env", 1);
  expect_ok((daytona_config_t){.jwt_token = JWT, .organization_id = ""});
  expect_text(got.settings.organization_id, "from-env");
}

static void a_given_jwt_keeps_the_key_of_the_environment_out(void **state) {
  setenv("DAYTONA_API_KEY", KEY, 1);
  expect_ok((daytona_config_t){.jwt_token = JWT, .organization_id = "org"});
  expect_text(got.settings.token, JWT);
}

static void a_key_wins_over_a_jwt_and_sends_no_organization(void **state) {
  expect_ok((daytona_config_t){.api_key = KEY, .jwt_token = JWT, .organization_id = "org"});
  expect_text(got.settings.token, KEY);
  expect_text(got.settings.organization_id, NULL);
  setenv("DAYTONA_API_KEY", KEY, 1);
  setenv("DAYTONA_JWT_TOKEN", JWT, 1);
  setenv("DAYTONA_ORGANIZATION_ID", "org", 1);
  expect_ok((daytona_config_t){0});
  expect_text(got.settings.token, KEY);
  expect_text(got.settings.organization_id, NULL);
}

static void credentials_that_would_break_a_header_are_refused(void **state) {
  static const char *const tokens[] = {"s3cret\r\nX: y", "s3cret\n",   " s3cret",
                                       "s3cret x",       "s3cret\t",   "s3cret\x7f",
                                       "s3cret\xc3\xa4", "s3cret\x01", "s3cret\xff"};
  char *big = malloc(DAYTONA__TOKEN_MAX + 2);
  assert_non_null(big);
  for (size_t i = 0; i < ROWS(tokens); i++) {
    expect_error((daytona_config_t){.api_key = tokens[i]}, DAYTONA_EINVAL, "api_key: ");
    expect_error((daytona_config_t){.jwt_token = tokens[i], .organization_id = "o"}, DAYTONA_EINVAL,
                 "jwt_token: ");
    expect_error((daytona_config_t){.jwt_token = JWT, .organization_id = tokens[i]}, DAYTONA_EINVAL,
                 "organization_id: ");
  }
  memset(big, 'x', DAYTONA__TOKEN_MAX + 1);
  big[DAYTONA__TOKEN_MAX + 1] = '\0';
  expect_error((daytona_config_t){.api_key = big}, DAYTONA_EINVAL, "too long");
  expect_ok((daytona_config_t){.api_key = big + 1});
  free(big);
}

static void a_complaint_names_variable_and_file(void **state) {
  setenv("DAYTONA_API_KEY", "s3cret\n", 1);
  expect_error((daytona_config_t){0}, DAYTONA_EINVAL, "DAYTONA_API_KEY: ");
  unsetenv("DAYTONA_API_KEY");
  write_file(".env", "DAYTONA_API_KEY=\"s3cret\\n\"\n");
  expect_error((daytona_config_t){0}, DAYTONA_EINVAL, "DAYTONA_API_KEY in .env: ");
}

/* --- sources --- */

static void the_process_comes_before_the_local_file_and_that_before_the_other(void **state) {
  write_file(".env", "DAYTONA_TARGET=env\nDAYTONA_API_KEY=" KEY "\n");
  expect_ok((daytona_config_t){0});
  expect_text(got.settings.region, "env");
  write_file(".env.local", "DAYTONA_TARGET=local\n");
  expect_ok((daytona_config_t){0});
  expect_text(got.settings.region, "local");
  setenv("DAYTONA_TARGET", "process", 1);
  expect_ok((daytona_config_t){0});
  expect_text(got.settings.region, "process");
  expect_ok((daytona_config_t){.target = "given"});
  expect_text(got.settings.region, "given");
  expect_ok((daytona_config_t){.target = ""});
  expect_text(got.settings.region, "process");
}

static void an_empty_variable_still_comes_first(void **state) {
  write_file(".env", "DAYTONA_TARGET=env\nDAYTONA_API_KEY=" KEY "\n");
  setenv("DAYTONA_TARGET", "", 1);
  expect_ok((daytona_config_t){0});
  expect_text(got.settings.region, NULL);
  unsetenv("DAYTONA_TARGET");
  write_file(".env.local", "DAYTONA_TARGET=\n");
  expect_ok((daytona_config_t){0});
  expect_text(got.settings.region, NULL);
  write_file(".env.local", "DAYTONA_TARGET\n");
  expect_ok((daytona_config_t){0});
  expect_text(got.settings.region, "env");
  setenv("DAYTONA_API_KEY", "", 1);
  expect_error((daytona_config_t){0}, DAYTONA_EAUTH, "not found");
}

static void files_of_other_folders_are_not_read(void **state) {
  write_file(".env", "DAYTONA_API_KEY=" KEY "\n");
  assert_int_equal(mkdir("below", 0700), 0);
  assert_int_equal(chdir("below"), 0);
  expect_error((daytona_config_t){0}, DAYTONA_EAUTH, "not found");
  assert_int_equal(chdir(".."), 0);
}

static void folders_called_like_the_files_are_ignored(void **state) {
  assert_int_equal(mkdir(".env", 0700), 0);
  assert_int_equal(mkdir(".env.local", 0700), 0);
  expect_error((daytona_config_t){0}, DAYTONA_EAUTH, "organization_id");
  expect_text(got.warnings, "");
}

static void a_file_that_cannot_be_used_is_told(void **state) {
  assert_int_equal(symlink(".env", ".env"), 0);
  write_file(".env.local", "DAYTONA_TARGET=local\n");
  expect_ok((daytona_config_t){.api_key = KEY});
  expect_text(got.settings.region, "local");
  expect_text(got.warnings, "config: .env cannot be read and is ignored\n");
  expect_error((daytona_config_t){0}, DAYTONA_EAUTH, "(.env cannot be read)");
  expect_error((daytona_config_t){.jwt_token = JWT}, DAYTONA_EAUTH, "(.env cannot be read)");
}

static void files_are_not_read_when_nothing_is_missing(void **state) {
  assert_int_equal(symlink(".env", ".env"), 0);
  expect_ok(
    (daytona_config_t){.api_key = KEY, .api_url = "http://a", .target = "eu", .happy_eyeballs_ms = 1});
  expect_text(got.warnings, "");
  expect_ok((daytona_config_t){
    .jwt_token = JWT, .organization_id = "o", .api_url = "http://a", .target = "eu", .happy_eyeballs_ms = 1});
  expect_text(got.warnings, "");
  expect_ok((daytona_config_t){.api_key = KEY, .api_url = "http://a", .happy_eyeballs_ms = 1});
  expect_warning(".env cannot be read");
}

static void the_environment_can_be_left_out(void **state) {
  write_file(".env", "DAYTONA_API_KEY=" KEY "\nDAYTONA_TARGET=env\n");
  setenv("DAYTONA_API_KEY", KEY, 1);
  setenv("DAYTONA_SERVER_URL", "http://process", 1);
  setenv("DAYTONA_HAPPY_EYEBALLS_DELAY", "rubbish", 1);
  setenv("http_proxy", "http://proxy:1", 1);
  setenv("https_proxy", "http://proxy:1", 1);
  setenv("no_proxy", "*", 1);
  expect_error((daytona_config_t){.ignores_environment = true}, DAYTONA_EAUTH, "not found");
  expect_ok((daytona_config_t){.ignores_environment = true, .api_key = KEY});
  expect_text(got.settings.api_url, "https://app.daytona.io/api");
  expect_text(got.settings.region, NULL);
  expect_text(got.settings.net.proxy.http_proxy, NULL);
  expect_text(got.settings.net.proxy.https_proxy, NULL);
  expect_text(got.settings.net.proxy.no_proxy, NULL);
  assert_int_equal(got.settings.net.happy_eyeballs_ms, -1);
  expect_text(got.warnings, "");
}

static void the_environment_is_not_changed(void **state) {
  write_file(".env", "DAYTONA_API_KEY=" KEY "\n");
  expect_ok((daytona_config_t){0});
  assert_null(getenv("DAYTONA_API_KEY"));
}

/* --- the address --- */

static void addresses_are_normalised(void **state) {
  static const struct {
    const char *given, *wanted;
  } rows[] = {
    {"https://a.example/api", "https://a.example/api"}, {"https://a.example/api///", "https://a.example/api"},
    {"HTTP://a.example/", "http://a.example"},          {"http://127.0.0.1:3000", "http://127.0.0.1:3000"},
    {"https://[::1]:8443/x/", "https://[::1]:8443/x"},
  };
  for (size_t i = 0; i < ROWS(rows); i++) {
    expect_ok((daytona_config_t){.api_key = KEY, .api_url = rows[i].given});
    expect_text(got.settings.api_url, rows[i].wanted);
  }
}

static void doubtful_addresses_are_refused(void **state) {
  static const char *const urls[] = {
    "a.example",
    "ftp://a.example",
    "http://",
    "https:///api",
    "http://user:s3cret@a.example",
    "http://a.example?s3cret",
    "http://a.example/#x",
    "http://a.example/\r\nX: y",
    "http://a.example/ x",
    "http://a.example:0",
    "http://127.1",
    "http://a.example:x",
    "http://a\xc3\xa4.example",
    "file:///etc/passwd",
    " http://a.example",
    "http://[::1",
  };
  for (size_t i = 0; i < ROWS(urls); i++) {
    expect_error((daytona_config_t){.api_key = KEY, .api_url = urls[i]}, DAYTONA_EINVAL, "api_url: ");
    expect_error((daytona_config_t){.api_key = KEY, .server_url = urls[i]}, DAYTONA_EINVAL, "server_url: ");
    setenv("DAYTONA_API_URL", urls[i], 1);
    expect_error((daytona_config_t){.api_key = KEY}, DAYTONA_EINVAL, "DAYTONA_API_URL: ");
    unsetenv("DAYTONA_API_URL");
  }
  char *big = malloc(DAYTONA__URL_MAX + 1);
  assert_non_null(big);
  memset(big, 'a', DAYTONA__URL_MAX);
  memcpy(big, "http://a/", 9);
  big[DAYTONA__URL_MAX] = '\0';
  expect_error((daytona_config_t){.api_key = KEY, .api_url = big}, DAYTONA_EINVAL, "too long");
  free(big);
}

static void the_old_name_of_the_address_is_deprecated(void **state) {
  expect_ok((daytona_config_t){.api_key = KEY, .server_url = "http://old"});
  expect_text(got.settings.api_url, "http://old");
  expect_warning("server_url is deprecated");
  expect_ok((daytona_config_t){.api_key = KEY, .server_url = "http://old", .api_url = "http://new"});
  expect_text(got.settings.api_url, "http://new");
  expect_text(got.warnings, "");
  setenv("DAYTONA_SERVER_URL", "http://old-env", 1);
  expect_ok((daytona_config_t){.api_key = KEY});
  expect_text(got.settings.api_url, "http://old-env");
  expect_text(got.warnings, "config: DAYTONA_SERVER_URL is deprecated: use DAYTONA_API_URL\n");
  setenv("DAYTONA_API_URL", "http://new-env", 1);
  expect_ok((daytona_config_t){.api_key = KEY});
  expect_text(got.settings.api_url, "http://new-env");
  expect_text(got.warnings, "");
  setenv("DAYTONA_API_URL", "", 1);
  expect_ok((daytona_config_t){.api_key = KEY});
  expect_text(got.settings.api_url, "http://old-env");
}

static void a_hostile_file_cannot_redirect_a_key(void **state) {
  static const char *const names[] = {"DAYTONA_API_URL", "DAYTONA_SERVER_URL"};
  static const char *const files[] = {".env", ".env.local"};
  for (size_t i = 0; i < ROWS(names) * ROWS(files); i++) {
    char text[256], warning[128];
    end(state);
    assert_int_equal(begin(state), 0);
    snprintf(text, sizeof text, "%s=http://evil.example\nhttps_proxy=http://evil.example:1\n", names[i / 2]);
    write_file(files[i % 2], text);
    snprintf(warning, sizeof warning, "%s in %s is ignored", names[i / 2], files[i % 2]);
    setenv("DAYTONA_API_KEY", KEY, 1);
    expect_ok((daytona_config_t){0});
    expect_text(got.settings.api_url, "https://app.daytona.io/api");
    expect_text(got.settings.net.proxy.https_proxy, NULL);
    expect_warning(warning);
    expect_ok((daytona_config_t){.jwt_token = JWT, .organization_id = "o", .api_url = "http://given"});
    expect_text(got.settings.api_url, "http://given");
    expect_warning(warning);
    setenv("DAYTONA_SERVER_URL", "http://process", 1);
    expect_ok((daytona_config_t){0});
    expect_text(got.settings.api_url, "http://process");
    expect_warning(warning);
  }
}

static void a_key_of_a_file_goes_to_no_server_of_the_file(void **state) {
  write_file(".env", "DAYTONA_API_KEY=" KEY "\nDAYTONA_API_URL=http://env\nDAYTONA_TARGET=eu\n");
  expect_ok((daytona_config_t){0});
  expect_text(got.settings.token, KEY);
  expect_text(got.settings.region, "eu");
  expect_text(got.settings.api_url, "https://app.daytona.io/api");
  expect_warning("(in use: the default)");
}

static void a_url_in_a_file_that_is_in_use_anyway_is_no_news(void **state) {
  write_file(".env", "DAYTONA_API_KEY=" KEY "\nDAYTONA_API_URL=http://same\nDAYTONA_SERVER_URL=\n");
  setenv("DAYTONA_API_URL", "http://same", 1);
  expect_ok((daytona_config_t){0});
  expect_text(got.warnings, "");
}

static void a_key_of_a_file_does_not_replace_a_jwt_of_the_process(void **state) {
  write_file(".env", "DAYTONA_API_KEY=" KEY "\n");
  setenv("DAYTONA_JWT_TOKEN", JWT, 1);
  setenv("DAYTONA_ORGANIZATION_ID", "org", 1);
  expect_ok((daytona_config_t){0});
  expect_text(got.settings.token, JWT);
  expect_text(got.settings.organization_id, "org");
}

static void a_target_is_checked(void **state) {
  char big[DAYTONA__NAME_MAX + 2];
  memset(big, 'x', sizeof big);
  big[sizeof big - 1] = '\0';
  expect_error((daytona_config_t){.api_key = KEY, .target = "\xff"}, DAYTONA_EINVAL, "target: ");
  expect_error((daytona_config_t){.api_key = KEY, .target = big}, DAYTONA_EINVAL, "target: ");
  expect_ok((daytona_config_t){.api_key = KEY,
                               .target = "s\xc3\xbc"
                                         "d"});
  expect_text(got.settings.region,
              "s\xc3\xbc"
              "d");
}

/* --- limits --- */

static void limits_have_defaults(void **state) {
  expect_ok((daytona_config_t){.api_key = KEY});
  assert_int_equal(got.settings.max_starting, 100);
  assert_int_equal(got.settings.request_timeout_ms, 300000);
  assert_int_equal(got.settings.net.max_connections, 250);
  assert_int_equal(got.settings.net.connect_timeout_ms, 30000);
  assert_int_equal(got.settings.net.rate_limit_wait_ms, 30000);
  assert_int_equal(got.settings.net.happy_eyeballs_ms, -1);
  assert_false(got.settings.net.no_http2);
  assert_false(got.settings.net.tls.is_unverified);
}

static void limits_can_be_set(void **state) {
  expect_ok((daytona_config_t){.api_key = KEY,
                               .max_connections = 65535,
                               .max_starting = INT_MAX,
                               .connect_timeout_ms = 1,
                               .request_timeout_ms = 2,
                               .rate_limit_wait_ms = 3,
                               .happy_eyeballs_ms = 4,
                               .no_http2 = true});
  assert_int_equal(got.settings.max_starting, INT_MAX);
  assert_int_equal(got.settings.request_timeout_ms, 2);
  assert_int_equal(got.settings.net.max_connections, 65535);
  assert_int_equal(got.settings.net.connect_timeout_ms, 1);
  assert_int_equal(got.settings.net.rate_limit_wait_ms, 3);
  assert_int_equal(got.settings.net.happy_eyeballs_ms, 4);
  assert_true(got.settings.net.no_http2);
}

static void limits_can_be_taken_away(void **state) {
  static const int64_t endless[] = {DAYTONA_NO_TIMEOUT, INT64_MAX};
  for (size_t i = 0; i < ROWS(endless); i++) {
    expect_ok((daytona_config_t){.api_key = KEY,
                                 .connect_timeout_ms = endless[i],
                                 .request_timeout_ms = endless[i],
                                 .rate_limit_wait_ms = endless[i],
                                 .happy_eyeballs_ms = endless[i]});
    assert_int_equal(got.settings.request_timeout_ms, -1);
    assert_int_equal(got.settings.net.connect_timeout_ms, -1);
    assert_true(got.settings.net.rate_limit_wait_ms == INT64_MAX);
    assert_true(got.settings.net.happy_eyeballs_ms == INT64_MAX);
  }
  expect_ok((daytona_config_t){.api_key = KEY, .rate_limit_wait_ms = DAYTONA_NO_WAIT});
  assert_int_equal(got.settings.net.rate_limit_wait_ms, 0);
}

static void values_out_of_range_are_refused(void **state) {
#define REFUSED(field, wrong) \
  expect_error((daytona_config_t){.api_key = KEY, .field = wrong}, DAYTONA_EINVAL, #field ": ")
  REFUSED(max_connections, -1);
  REFUSED(max_connections, 65536);
  REFUSED(max_starting, -1);
  REFUSED(max_starting, INT_MIN);
  REFUSED(connect_timeout_ms, -2);
  REFUSED(request_timeout_ms, -2);
  REFUSED(request_timeout_ms, INT64_MIN);
  REFUSED(rate_limit_wait_ms, -3);
  REFUSED(happy_eyeballs_ms, -2);
#undef REFUSED
}

static void reserved_words_must_be_zero(void **state) {
  for (size_t i = 0; i < sizeof((daytona_config_t *)0)->reserved / sizeof(uint64_t); i++) {
    daytona_config_t config = {.api_key = KEY};
    config.reserved[i] = 1;
    expect_error(config, DAYTONA_EINVAL, "reserved");
  }
}

static void happy_eyeballs_are_read_from_the_environment(void **state) {
  static const struct {
    const char *text;
    int64_t ms; /* -2: refused */
  } rows[] = {
    {"", -1},
    {"  \t", -1},
    {"none", INT64_MAX},
    {" NoNe ", INT64_MAX},
    {"0", 0},
    {"0.25", 250},
    {" 1 ", 1000},
    {".5", 500},
    {"2.", 2000},
    {"0.0019", 1},
    {"1.0005", 1000},
    {"00.1", 100},
    {"99999999999999999999999999", INT64_MAX},
    {"-1", -2},
    {"nan", -2},
    {"inf", -2},
    {"Infinity", -2},
    {".", -2},
    {"1,5", -2},
    {"1.2.3", -2},
    {"1s", -2},
    {"0x1", -2},
    {"fast", -2},
    {"1 2", -2},
    {"nonee", -2},
  };
  for (size_t i = 0; i < ROWS(rows); i++) {
    setenv("DAYTONA_HAPPY_EYEBALLS_DELAY", rows[i].text, 1);
    if (rows[i].ms == -2) {
      expect_error((daytona_config_t){.api_key = KEY}, DAYTONA_EINVAL, "DAYTONA_HAPPY_EYEBALLS_DELAY: ");
      continue;
    }
    expect_ok((daytona_config_t){.api_key = KEY});
    if (got.settings.net.happy_eyeballs_ms != rows[i].ms) fail_msg("<%s> is misread", rows[i].text);
  }
  expect_ok((daytona_config_t){.api_key = KEY, .happy_eyeballs_ms = 7});
  assert_int_equal(got.settings.net.happy_eyeballs_ms, 7);
}

static void happy_eyeballs_are_read_from_files_of_a_complete_configuration(void **state) {
  write_file(".env", "DAYTONA_HAPPY_EYEBALLS_DELAY=0.1\n");
  expect_ok((daytona_config_t){.api_key = KEY, .api_url = "http://a", .target = "eu"});
  assert_int_equal(got.settings.net.happy_eyeballs_ms, 100);
  write_file(".env.local", "DAYTONA_HAPPY_EYEBALLS_DELAY=-1\n");
  expect_error((daytona_config_t){.api_key = KEY, .api_url = "http://a", .target = "eu"}, DAYTONA_EINVAL,
               "DAYTONA_HAPPY_EYEBALLS_DELAY in .env.local: ");
}

/* --- waiting --- */

static void waiting_is_given_or_the_environment_decides(void **state) {
  static const struct {
    const char *text; /* NULL: not set */
    daytona_waiting_t given;
    bool uses_events;
  } rows[] = {
    {NULL, DAYTONA_WAITING_DEFAULT, false},   {"", DAYTONA_WAITING_DEFAULT, false},
    {"false", DAYTONA_WAITING_DEFAULT, true}, {"FALSE", DAYTONA_WAITING_DEFAULT, true},
    {"true", DAYTONA_WAITING_DEFAULT, false}, {"0", DAYTONA_WAITING_DEFAULT, false},
    {"true", DAYTONA_WAITING_EVENTS, true},   {"false", DAYTONA_WAITING_POLLS, false},
    {NULL, DAYTONA_WAITING_EVENTS, true},
  };
  for (size_t i = 0; i < ROWS(rows); i++) {
    unsetenv("DAYTONA_USE_DEPRECATED_POLLING");
    if (rows[i].text != NULL) setenv("DAYTONA_USE_DEPRECATED_POLLING", rows[i].text, 1);
    expect_ok((daytona_config_t){.api_key = KEY, .waiting = rows[i].given});
    assert_int_equal(got.settings.uses_events, rows[i].uses_events);
  }
  setenv("DAYTONA_USE_DEPRECATED_POLLING", "false", 1);
  expect_ok((daytona_config_t){.api_key = KEY, .ignores_environment = true});
  assert_false(got.settings.uses_events);
  unsetenv("DAYTONA_USE_DEPRECATED_POLLING");
  write_file(".env", "DAYTONA_USE_DEPRECATED_POLLING=false\n");
  expect_ok((daytona_config_t){.api_key = KEY});
  assert_true(got.settings.uses_events);
  expect_error((daytona_config_t){.api_key = KEY, .waiting = (daytona_waiting_t)3}, DAYTONA_EINVAL,
               "waiting: ");
}

/* --- TLS --- */

static void certificates_are_taken_over(void **state) {
  write_file("ca.pem", "");
  write_file("cert.pem", "");
  write_file("key.pem", "");
  assert_int_equal(mkdir("certs", 0700), 0);
  expect_ok((daytona_config_t){.api_key = KEY,
                               .ca_file = "ca.pem",
                               .ca_path = "certs",
                               .client_cert = "cert.pem",
                               .client_key = "key.pem",
                               .client_key_password = "s3cret"});
  expect_text(got.settings.net.tls.ca_file, "ca.pem");
  expect_text(got.settings.net.tls.ca_path, "certs");
  expect_text(got.settings.net.tls.client_cert, "cert.pem");
  expect_text(got.settings.net.tls.client_key, "key.pem");
  expect_text(got.settings.net.tls.client_key_password, "s3cret");
  expect_ok((daytona_config_t){.api_key = KEY,
                               .ca_file = "",
                               .ca_path = "",
                               .client_cert = "",
                               .client_key = "",
                               .client_key_password = ""});
  expect_text(got.settings.net.tls.ca_file, NULL);
  expect_text(got.settings.net.tls.client_key_password, NULL);
}

static void certificates_that_cannot_be_read_are_refused(void **state) {
  write_file("file", "");
  assert_int_equal(mkdir("folder", 0700), 0);
  assert_int_equal(mkfifo("pipe", 0600), 0);
#define REFUSED(field, path) \
  expect_error((daytona_config_t){.api_key = KEY, .field = path}, DAYTONA_ETLS, #field ": ")
  REFUSED(ca_file, "missing");
  REFUSED(ca_file, "folder");
  REFUSED(ca_file, "pipe");
  REFUSED(ca_path, "missing");
  REFUSED(ca_path, "file");
  REFUSED(client_cert, "missing");
  REFUSED(client_cert, "folder");
  REFUSED(client_key, "missing");
#undef REFUSED
  expect_error((daytona_config_t){.api_key = KEY, .ca_file = "missing"}, DAYTONA_ETLS, "no such file");
}

static void a_client_key_needs_a_certificate(void **state) {
  write_file("key.pem", "");
  expect_error((daytona_config_t){.api_key = KEY, .client_key = "key.pem"}, DAYTONA_EINVAL, "client_cert");
  expect_error((daytona_config_t){.api_key = KEY, .client_key_password = "s3cret"}, DAYTONA_EINVAL,
               "client_cert");
}

static void turning_verification_off_is_told(void **state) {
  expect_ok((daytona_config_t){.api_key = KEY, .insecure_skip_verify = true});
  assert_true(got.settings.net.tls.is_unverified);
  expect_warning("not verified");
}

/* --- proxies --- */

static void expect_proxies(daytona_config_t config, const char *http, const char *https, const char *no) {
  config.api_key = KEY;
  expect_ok(config);
  expect_text(got.settings.net.proxy.http_proxy, http);
  expect_text(got.settings.net.proxy.https_proxy, https);
  expect_text(got.settings.net.proxy.no_proxy, no);
  /* What the program itself asks for holds for every host. */
  assert_int_equal(got.settings.net.proxy.spares_loopback, config.proxy == NULL);
}

static void proxies_are_read_from_the_environment(void **state) {
  expect_proxies((daytona_config_t){0}, NULL, NULL, NULL);
  setenv("ALL_PROXY", "http://all:1", 1);
  expect_proxies((daytona_config_t){0}, "http://all:1", "http://all:1", NULL);
  setenv("all_proxy", "http://all:2", 1);
  expect_proxies((daytona_config_t){0}, "http://all:2", "http://all:2", NULL);
  setenv("HTTPS_PROXY", "http://upper:1", 1);
  setenv("HTTP_PROXY", "http://upper:2", 1);
  setenv("NO_PROXY", "upper", 1);
  expect_proxies((daytona_config_t){0}, "http://upper:2", "http://upper:1", "upper");
  setenv("https_proxy", "http://u:s3cret@lower:1", 1);
  setenv("http_proxy", "lower:2", 1);
  setenv("no_proxy", "lower", 1);
  expect_proxies((daytona_config_t){0}, "lower:2", "http://u:s3cret@lower:1", "lower");
  setenv("http_proxy", "", 1);
  expect_proxies((daytona_config_t){0}, "http://upper:2", "http://u:s3cret@lower:1", "lower");
}

static void a_cgi_program_does_not_trust_http_proxy(void **state) {
  setenv("HTTP_PROXY", "http://client:1", 1);
  setenv("REQUEST_METHOD", "GET", 1);
  expect_proxies((daytona_config_t){0}, NULL, NULL, NULL);
  setenv("http_proxy", "http://lower:1", 1);
  expect_proxies((daytona_config_t){0}, "http://lower:1", NULL, NULL);
}

static void proxies_are_not_read_from_files(void **state) {
  write_file(".env", "HTTP_PROXY=http://a:1\nHTTPS_PROXY=http://a:1\nDAYTONA_TARGET=eu\n");
  expect_proxies((daytona_config_t){0}, NULL, NULL, NULL);
  expect_text(got.settings.region, "eu");
}

static void a_given_proxy_replaces_those_of_the_environment(void **state) {
  setenv("http_proxy", "http://env:1", 1);
  setenv("https_proxy", "http://env:1", 1);
  setenv("no_proxy", "*", 1);
  expect_proxies((daytona_config_t){.proxy = "http://given:1"}, "http://given:1", "http://given:1", NULL);
  expect_proxies((daytona_config_t){.proxy = ""}, NULL, NULL, NULL);
}

static void malformed_proxies_are_refused(void **state) {
  expect_error((daytona_config_t){.api_key = KEY, .proxy = "gopher://s3cret"}, DAYTONA_EINVAL, "proxy: ");
  expect_error((daytona_config_t){.api_key = KEY, .proxy = "http://a b"}, DAYTONA_EINVAL, "proxy: ");
  setenv("HTTPS_PROXY", "http://u:s3cret@", 1);
  expect_error((daytona_config_t){.api_key = KEY}, DAYTONA_EINVAL, "HTTPS_PROXY: ");
}

/* --- telling, memory --- */

static void a_check_answers_in_words_and_is_silent(void **state) {
  char reason[64] = "untouched";
  daytona_config_t config = {.api_key = KEY, .server_url = "http://old", .log = on_log, .log_user = &got};
  got.warnings[0] = '\0';
  assert_int_equal(daytona_config_check(&config, reason, sizeof reason), 0);
  expect_text(reason, "");
  expect_text(got.warnings, "");
  assert_int_equal(daytona_config_check(NULL, reason, sizeof reason), DAYTONA_EAUTH);
  assert_int_equal(strncmp(reason, "credentials not found", 21), 0);
  assert_int_equal(strlen(reason), sizeof reason - 1);
  assert_int_equal(daytona_config_check(NULL, NULL, 0), DAYTONA_EAUTH);
  assert_int_equal(daytona_config_check(NULL, NULL, 10), DAYTONA_EAUTH);
  reason[0] = 'x';
  assert_int_equal(daytona_config_check(NULL, reason, 0), DAYTONA_EAUTH);
  assert_int_equal(reason[0], 'x');
  assert_int_equal(daytona_config_check(NULL, reason, 1), DAYTONA_EAUTH);
  expect_text(reason, "");
}

static void settings_are_copies_in_memory_that_is_wiped(void **state) {
  char key[] = KEY, url[] = "http://a", proxy[] = "http://b:1";
  expect_ok((daytona_config_t){.api_key = key, .api_url = url, .proxy = proxy});
  memset(key, 'x', sizeof key - 1);
  memset(url, 'x', sizeof url - 1);
  memset(proxy, 'x', sizeof proxy - 1);
  expect_text(got.settings.token, KEY);
  expect_text(got.settings.api_url, "http://a");
  expect_text(got.settings.net.proxy.https_proxy, "http://b:1");
  assert_true(got.arena.is_secret);
}

static void resolve_with_what_there_is(void *user) {
  daytona__arena_t arena;
  daytona__settings_t settings;
  char reason[64];
  daytona__arena_init(&arena, 0);
  int error = daytona__config_resolve(&arena, user, &settings, reason, sizeof reason);
  if (error == 0) {
    expect_text(settings.token, KEY);
    expect_text(settings.region, "local");
    expect_text(settings.api_url, "http://env");
    expect_text(settings.net.tls.client_cert, "cert.pem");
    expect_text(settings.net.proxy.http_proxy, "http://u:s3cret@a:1");
  } else {
    assert_int_equal(error, DAYTONA_ENOMEM);
    assert_true(support_alloc_failed() > 0);
    expect_text(reason, "out of memory");
  }
  daytona__arena_clear(&arena);
}

static void lack_of_memory_is_told(void **state) {
  write_file(".env", "DAYTONA_API_URL=http://file\nDAYTONA_API_KEY=" KEY "\n");
  write_file(".env.local", "DAYTONA_TARGET=local\n");
  setenv("DAYTONA_API_URL", "http://env", 1);
  write_file("cert.pem", "");
  setenv("http_proxy", "http://u:s3cret@a:1", 1);
  support_alloc_install();
  support_alloc_sweep(resolve_with_what_there_is, &(daytona_config_t){.client_cert = "cert.pem"});
  support_alloc_remove();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(without_credentials_the_variables_are_named),
    TEST(a_key_is_all_that_is_needed),
    TEST(no_configuration_means_the_environment),
    TEST(a_jwt_needs_an_organization),
    TEST(a_given_jwt_keeps_the_key_of_the_environment_out),
    TEST(a_key_wins_over_a_jwt_and_sends_no_organization),
    TEST(credentials_that_would_break_a_header_are_refused),
    TEST(a_complaint_names_variable_and_file),
    TEST(the_process_comes_before_the_local_file_and_that_before_the_other),
    TEST(an_empty_variable_still_comes_first),
    TEST(files_of_other_folders_are_not_read),
    TEST(folders_called_like_the_files_are_ignored),
    TEST(a_file_that_cannot_be_used_is_told),
    TEST(files_are_not_read_when_nothing_is_missing),
    TEST(the_environment_can_be_left_out),
    TEST(the_environment_is_not_changed),
    TEST(addresses_are_normalised),
    TEST(doubtful_addresses_are_refused),
    TEST(the_old_name_of_the_address_is_deprecated),
    TEST(a_hostile_file_cannot_redirect_a_key),
    TEST(a_key_of_a_file_goes_to_no_server_of_the_file),
    TEST(a_url_in_a_file_that_is_in_use_anyway_is_no_news),
    TEST(a_key_of_a_file_does_not_replace_a_jwt_of_the_process),
    TEST(a_target_is_checked),
    TEST(limits_have_defaults),
    TEST(limits_can_be_set),
    TEST(limits_can_be_taken_away),
    TEST(values_out_of_range_are_refused),
    TEST(reserved_words_must_be_zero),
    TEST(happy_eyeballs_are_read_from_the_environment),
    TEST(happy_eyeballs_are_read_from_files_of_a_complete_configuration),
    TEST(waiting_is_given_or_the_environment_decides),
    TEST(certificates_are_taken_over),
    TEST(certificates_that_cannot_be_read_are_refused),
    TEST(a_client_key_needs_a_certificate),
    TEST(turning_verification_off_is_told),
    TEST(proxies_are_read_from_the_environment),
    TEST(a_cgi_program_does_not_trust_http_proxy),
    TEST(proxies_are_not_read_from_files),
    TEST(a_given_proxy_replaces_those_of_the_environment),
    TEST(malformed_proxies_are_refused),
    TEST(a_check_answers_in_words_and_is_silent),
    TEST(settings_are_copies_in_memory_that_is_wiped),
    TEST(lack_of_memory_is_told),
  };
  return cmocka_run_group_tests_name("config", tests, make_folder, remove_folder);
}
