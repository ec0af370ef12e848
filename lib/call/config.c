/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration: what the program gave, completed from the environment, checked and copied.
 *
 * Every value remembers where it came from, because a complaint about a variable in a file must name the
 * variable and the file. The first failure wins and is kept in the lookup; no complaint and no log line
 * ever holds a value. The process environment is only read.
 */
#include "call/config.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <uv.h>

#include <daytona/error.h>

#include "call/dotenv.h"
#include "core/ascii.h"
#include "core/limits.h"
#include "core/memory.h"
#include "net/proxy.h"
#include "wire/url.h"

#define DEFAULT_URL "https://app.daytona.io/api"
#define REQUEST_TIMEOUT_DEFAULT_MS 300000
#define RATE_LIMIT_WAIT_DEFAULT_MS 30000

/* A hundred years. Longer is as good as for ever, and "now plus a limit" must not overflow. */
#define FOREVER_MS ((int64_t)100 * 366 * 24 * 3600 * 1000)

/* In the order in which they are asked. */
static const char *const file_names[] = {".env.local", ".env"};
enum { FILE_COUNT = sizeof file_names / sizeof file_names[0], NAME_ROOM = 64 };

typedef struct value {
  const char *text; /* NULL: not given */
  const char *name; /* of the field or variable */
  const char *file; /* NULL: from the program or the process environment */
} value_t;

typedef struct config_lookup {
  const daytona_config_t *config;
  daytona__arena_t *arena;
  daytona__settings_t settings;
  value_t key, jwt, organization, url, region;
  daytona__dotenv_t files[FILE_COUNT];
  const char *file_problems[FILE_COUNT]; /* NULL: read, or not there */
  bool has_files;                        /* the files were looked at */
  int error;
  char *reason;
  size_t reason_size;
} config_lookup_t;

/* --- reporting --- */

__attribute__((format(printf, 3, 4))) static void fail(config_lookup_t *lookup, int error, const char *format,
                                                       ...) {
  va_list args;
  if (lookup->error != 0) return;
  lookup->error = error;
  if (lookup->reason_size == 0) return;
  va_start(args, format);
  vsnprintf(lookup->reason, lookup->reason_size, format, args);
  va_end(args);
}

static void fail_nomem(config_lookup_t *lookup) {
  fail(lookup, DAYTONA_ENOMEM, "%s", daytona_errcode_text(DAYTONA_ENOMEM));
}

/* The same with the place that the value came from in front. */
static void fail_value(config_lookup_t *lookup, int error, const value_t *value, const char *problem) {
  bool has_file = value->file != NULL;
  fail(lookup, error, "%s%s%s: %s", value->name, has_file ? " in " : "", has_file ? value->file : "",
       problem);
}

__attribute__((format(printf, 2, 3))) static void warn(const config_lookup_t *lookup, const char *format,
                                                       ...) {
  char line[256];
  va_list args;
  if (lookup->config->log == NULL) return;
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  lookup->config->log(DAYTONA_LOG_WARN, line, lookup->config->log_user);
}

/* --- the sources --- */

static const char *non_empty(const char *text) { return text != NULL && text[0] != '\0' ? text : NULL; }

static const char *copy(config_lookup_t *lookup, const char *text) {
  if (text == NULL) return NULL;
  const char *copied = daytona__arena_strdup(lookup->arena, text);
  if (copied == NULL) fail_nomem(lookup);
  return copied;
}

/* A file that cannot be used counts as absent: it may lie there for another program. */
static void load_files(config_lookup_t *lookup) {
  if (lookup->has_files) return;
  lookup->has_files = true;
  for (size_t i = 0; i < FILE_COUNT; i++) {
    int error = daytona__dotenv_load(&lookup->files[i], file_names[i], &lookup->file_problems[i]);
    if (error == DAYTONA_ENOMEM) fail_nomem(lookup);
    if (error != 0) warn(lookup, "config: %s %s and is ignored", file_names[i], lookup->file_problems[i]);
  }
}

/* From the process environment alone: what decides where credentials go. */
static value_t look_up_in_process(const char *name) { return (value_t){non_empty(getenv(name)), name, NULL}; }

/* The first source that has the name decides, even if it says that the value is empty. */
static value_t look_up(config_lookup_t *lookup, const char *name) {
  value_t value = {getenv(name), name, NULL};
  if (value.text == NULL) load_files(lookup);
  for (size_t i = 0; value.text == NULL && i < FILE_COUNT; i++) {
    value.text = daytona__dotenv_get(&lookup->files[i], name);
    if (value.text != NULL) value.file = file_names[i];
  }
  value.text = non_empty(value.text);
  return value;
}

static void fill(config_lookup_t *lookup, value_t *value, const char *name) {
  if (value->text == NULL) *value = look_up(lookup, name);
}

static value_t given(const char *text, const char *name) { return (value_t){non_empty(text), name, NULL}; }

/* --- credentials, address, region --- */

static void take_given(config_lookup_t *lookup) {
  const daytona_config_t *config = lookup->config;
  lookup->key = given(config->api_key, "api_key");
  lookup->jwt = given(config->jwt_token, "jwt_token");
  lookup->organization = given(config->organization_id, "organization_id");
  lookup->region = given(config->target, "target");
  lookup->url = given(config->api_url, "api_url");
  if (lookup->url.text != NULL) return;
  lookup->url = given(config->server_url, "server_url");
  if (lookup->url.text != NULL) warn(lookup, "config: server_url is deprecated: use api_url");
}

static bool is_complete(const config_lookup_t *lookup) {
  bool has_credentials =
    lookup->key.text != NULL || (lookup->jwt.text != NULL && lookup->organization.text != NULL);
  return has_credentials && lookup->url.text != NULL && lookup->region.text != NULL;
}

/*
 * The server's address never comes from a file: the working directory need not belong to the user, and
 * anybody who can write there would get the key.
 */
static void fill_url(config_lookup_t *lookup) {
  if (lookup->url.text != NULL) return;
  lookup->url = look_up_in_process("DAYTONA_API_URL");
  if (lookup->url.text != NULL) return;
  lookup->url = look_up_in_process("DAYTONA_SERVER_URL");
  if (lookup->url.text != NULL) warn(lookup, "config: DAYTONA_SERVER_URL is deprecated: use DAYTONA_API_URL");
}

static void fill_from_environment(config_lookup_t *lookup) {
  /* A JWT keeps out a key of a lower source: a file must not put the program into another account. */
  if (lookup->jwt.text == NULL && lookup->key.text == NULL) {
    lookup->key = look_up_in_process("DAYTONA_API_KEY");
    lookup->jwt = look_up_in_process("DAYTONA_JWT_TOKEN");
    if (lookup->jwt.text == NULL) fill(lookup, &lookup->key, "DAYTONA_API_KEY");
  }
  if (lookup->key.text == NULL) {
    fill(lookup, &lookup->jwt, "DAYTONA_JWT_TOKEN");
    fill(lookup, &lookup->organization, "DAYTONA_ORGANIZATION_ID");
  }
  fill(lookup, &lookup->region, "DAYTONA_TARGET");
  fill_url(lookup);
}

/* Behind "credentials not found", where a file that could not be used may be why. */
static const char *file_hint(const config_lookup_t *lookup, char *hint, size_t size) {
  hint[0] = '\0';
  for (size_t i = 0; i < FILE_COUNT && hint[0] == '\0'; i++)
    if (lookup->file_problems[i] != NULL)
      snprintf(hint, size, " (%s %s)", file_names[i], lookup->file_problems[i]);
  return hint;
}

/* A value for a header: what is not printable could end the line and begin a header of its own. */
static void check_header_value(config_lookup_t *lookup, const value_t *value) {
  if (strnlen(value->text, DAYTONA__TOKEN_MAX + 1) > DAYTONA__TOKEN_MAX)
    fail_value(lookup, DAYTONA_EINVAL, value, "the value is too long");
  for (const char *at = value->text; *at != '\0' && lookup->error == 0; at++)
    if (*at <= ' ' || *at > '~')
      fail_value(lookup, DAYTONA_EINVAL, value,
                 "the value holds a space, a control character or a character outside of ASCII");
}

static void resolve_credentials(config_lookup_t *lookup) {
  daytona__settings_t *settings = &lookup->settings;
  const value_t *token = lookup->key.text != NULL ? &lookup->key : &lookup->jwt;
  char hint[NAME_ROOM];
  if (token->text == NULL) {
    fail(
      lookup, DAYTONA_EAUTH,
      "credentials not found: set DAYTONA_API_KEY, or DAYTONA_JWT_TOKEN and DAYTONA_ORGANIZATION_ID, or the "
      "fields api_key, or jwt_token and organization_id%s",
      file_hint(lookup, hint, sizeof hint));
    return;
  }
  check_header_value(lookup, token);
  settings->token = copy(lookup, token->text);
  if (token == &lookup->key) return; /* a key belongs to one organization and names it */
  if (lookup->organization.text == NULL) {
    fail(lookup, DAYTONA_EAUTH,
         "DAYTONA_ORGANIZATION_ID, or the field organization_id, is required with a JWT%s",
         file_hint(lookup, hint, sizeof hint));
    return;
  }
  check_header_value(lookup, &lookup->organization);
  settings->organization_id = copy(lookup, lookup->organization.text);
}

static void resolve_url(config_lookup_t *lookup) {
  const char *problem = NULL;
  daytona__target_t unused;
  if (lookup->url.text == NULL) lookup->url = given(DEFAULT_URL, "the default");
  int error = daytona__url_base(lookup->arena, lookup->url.text, &lookup->settings.api_url, &problem);
  if (error == 0) {
    error = daytona__target_parse(lookup->settings.api_url, &unused, NULL);
    problem = "the URL has no valid host";
  }
  if (error == DAYTONA_ENOMEM)
    fail_nomem(lookup);
  else if (error != 0)
    fail_value(lookup, DAYTONA_EINVAL, &lookup->url, problem);
}

static void resolve_region(config_lookup_t *lookup) {
  const value_t *region = &lookup->region;
  if (region->text == NULL) return;
  size_t size = strnlen(region->text, DAYTONA__NAME_MAX + 1);
  if (size > DAYTONA__NAME_MAX)
    fail_value(lookup, DAYTONA_EINVAL, region, "the value is too long");
  else if (!daytona__utf8_is_valid(region->text, size))
    fail_value(lookup, DAYTONA_EINVAL, region, "the value is not valid UTF-8");
  else
    lookup->settings.region = copy(lookup, region->text);
}

/* --- limits --- */

/* 0 is the default; `least` is the smallest of the named negative values. */
static int64_t duration(config_lookup_t *lookup, const char *name, int64_t value, int64_t fallback,
                        int64_t least) {
  if (value < least) fail(lookup, DAYTONA_EINVAL, "%s: %" PRId64 " is out of range", name, value);
  if (value == 0) return fallback;
  return value > FOREVER_MS ? DAYTONA_NO_TIMEOUT : value;
}

static int count(config_lookup_t *lookup, const char *name, int value, int fallback, int most) {
  if (value < 0 || value > most) fail(lookup, DAYTONA_EINVAL, "%s: %d is not in 1 to %d", name, value, most);
  return value != 0 ? value : fallback;
}

static void resolve_limits(config_lookup_t *lookup) {
  const daytona_config_t *config = lookup->config;
  daytona__settings_t *settings = &lookup->settings;
  daytona__net_options_t *net = &settings->net;
  net->max_connections = count(lookup, "max_connections", config->max_connections,
                               DAYTONA__CONNECTIONS_DEFAULT, DAYTONA__CONNECTIONS_MAX);
  settings->max_starting =
    count(lookup, "max_starting", config->max_starting, DAYTONA__STARTING_DEFAULT, INT_MAX);
  net->connect_timeout_ms = duration(lookup, "connect_timeout_ms", config->connect_timeout_ms,
                                     DAYTONA__CONNECT_TIMEOUT_DEFAULT_MS, DAYTONA_NO_TIMEOUT);
  settings->request_timeout_ms = duration(lookup, "request_timeout_ms", config->request_timeout_ms,
                                          REQUEST_TIMEOUT_DEFAULT_MS, DAYTONA_NO_TIMEOUT);
  net->rate_limit_wait_ms = duration(lookup, "rate_limit_wait_ms", config->rate_limit_wait_ms,
                                     RATE_LIMIT_WAIT_DEFAULT_MS, DAYTONA_NO_WAIT);
  if (net->rate_limit_wait_ms == DAYTONA_NO_TIMEOUT) net->rate_limit_wait_ms = INT64_MAX;
  if (net->rate_limit_wait_ms == DAYTONA_NO_WAIT) net->rate_limit_wait_ms = 0;
  net->no_http2 = config->no_http2;
  settings->allows_plain_toolbox = config->allows_plain_toolbox;
}

/* --- happy eyeballs --- */

/* Seconds such as "0.25" to milliseconds. Not strtod(): the locale decides what that takes for a point. */
static bool parse_seconds(const char *text, size_t size, int64_t *out_ms) {
  int64_t ms = 0, unit = 1000; /* of the digit that comes next, once the point was seen */
  bool has_digit = false, has_point = false;
  for (size_t i = 0; i < size; i++) {
    if (text[i] == '.' && !has_point) {
      has_point = true;
      continue;
    }
    if (text[i] < '0' || text[i] > '9') return false;
    has_digit = true;
    int digit = text[i] - '0';
    if (has_point)
      ms += digit * (unit /= 10);
    else if (ms <= FOREVER_MS)
      ms = ms * 10 + digit * 1000;
  }
  *out_ms = ms > FOREVER_MS ? INT64_MAX : ms;
  return has_digit;
}

static void resolve_happy_eyeballs(config_lookup_t *lookup) {
  static const char blanks[] = " \t\n\v\f\r";
  const daytona_config_t *config = lookup->config;
  int64_t *out = &lookup->settings.net.happy_eyeballs_ms;
  *out = -1;
  if (config->happy_eyeballs_ms != 0) {
    int64_t ms = duration(lookup, "happy_eyeballs_ms", config->happy_eyeballs_ms, 0, DAYTONA_NO_TIMEOUT);
    *out = ms == DAYTONA_NO_TIMEOUT ? INT64_MAX : ms;
    return;
  }
  if (config->ignores_environment) return;
  value_t value = look_up(lookup, "DAYTONA_HAPPY_EYEBALLS_DELAY");
  if (value.text == NULL) return;
  const char *start = value.text + strspn(value.text, blanks);
  size_t size = strlen(start);
  while (size > 0 && strchr(blanks, start[size - 1]) != NULL) size--;
  if (size == 0) return;
  if (size == 4 && strncasecmp(start, "none", 4) == 0)
    *out = INT64_MAX;
  else if (!parse_seconds(start, size, out))
    fail_value(lookup, DAYTONA_EINVAL, &value, "must be a number of seconds, such as 0.25, or none");
}

/* --- waiting --- */

static void resolve_waiting(config_lookup_t *lookup) {
  const daytona_config_t *config = lookup->config;
  if (config->waiting > DAYTONA_WAITING_EVENTS)
    fail(lookup, DAYTONA_EINVAL, "waiting: %d is no way of waiting", (int)config->waiting);
  lookup->settings.uses_events = config->waiting == DAYTONA_WAITING_EVENTS;
  if (config->waiting != DAYTONA_WAITING_DEFAULT || config->ignores_environment) return;
  /* Files that nothing else needs are not read for this. */
  static const char name[] = "DAYTONA_USE_DEPRECATED_POLLING";
  value_t value = lookup->has_files ? look_up(lookup, name) : look_up_in_process(name);
  lookup->settings.uses_events = value.text != NULL && strcasecmp(value.text, "false") == 0;
}

/* Somebody may have meant it: say what is not done. Files that nothing else needs are not read for this. */
static void warn_of_file_urls(config_lookup_t *lookup) {
  static const char *const names[] = {"DAYTONA_API_URL", "DAYTONA_SERVER_URL"};
  for (size_t i = 0; i < FILE_COUNT * 2; i++) {
    const char *file = file_names[i / 2], *name = names[i % 2];
    const char *text = non_empty(daytona__dotenv_get(&lookup->files[i / 2], name));
    if (text == NULL || strcmp(text, lookup->url.text) == 0) continue;
    warn(lookup, "config: %s in %s is ignored: the server is never taken from a file (in use: %s)", name,
         file, lookup->url.name);
  }
}

/* --- TLS --- */

/* The path as a setting, once it is known that it can be read. */
static const char *checked_path(config_lookup_t *lookup, const char *name, const char *path,
                                bool is_directory) {
  if (non_empty(path) == NULL) return NULL;
  char text[NAME_ROOM];
  struct stat about;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  int error = fd < 0 || fstat(fd, &about) != 0 ? errno : 0;
  if (fd >= 0) close(fd);
  if (error == 0 && is_directory && !S_ISDIR(about.st_mode)) error = ENOTDIR;
  if (error != 0)
    fail(lookup, DAYTONA_ETLS, "%s: cannot be read: %s", name, uv_strerror_r(-error, text, sizeof text));
  else if (!is_directory && !S_ISREG(about.st_mode))
    fail(lookup, DAYTONA_ETLS, "%s: not a regular file", name);
  return copy(lookup, path);
}

static void resolve_tls(config_lookup_t *lookup) {
  const daytona_config_t *config = lookup->config;
  daytona__tls_options_t *tls = &lookup->settings.net.tls;
  tls->ca_file = checked_path(lookup, "ca_file", config->ca_file, false);
  tls->ca_path = checked_path(lookup, "ca_path", config->ca_path, true);
  tls->client_cert = checked_path(lookup, "client_cert", config->client_cert, false);
  tls->client_key = checked_path(lookup, "client_key", config->client_key, false);
  tls->client_key_password = copy(lookup, non_empty(config->client_key_password));
  if (tls->client_cert == NULL && (tls->client_key != NULL || tls->client_key_password != NULL))
    fail(lookup, DAYTONA_EINVAL, "client_key and client_key_password need client_cert");
  tls->is_unverified = config->insecure_skip_verify;
  if (tls->is_unverified) warn(lookup, "config: certificates and host names are not verified");
}

/* --- proxies --- */

/* The first that is set and not empty. The list ends in NULL. */
static value_t first_variable(const char *const *names) {
  value_t value = {NULL, NULL, NULL};
  for (; *names != NULL && value.text == NULL; names++) value = given(getenv(*names), *names);
  return value;
}

static const char *checked_proxy(config_lookup_t *lookup, value_t proxy) {
  daytona__proxy_t parsed;
  if (proxy.text == NULL) return NULL;
  int error = daytona__proxy_parse(proxy.text, &parsed);
  if (error == 0) daytona__proxy_clear(&parsed);
  if (error == DAYTONA_ENOMEM)
    fail_nomem(lookup);
  else if (error != 0)
    fail_value(lookup, DAYTONA_EINVAL, &proxy, "not the URL of a proxy");
  return copy(lookup, proxy.text);
}

/*
 * libcurl takes http_proxy in lower case only, because a CGI program finds a request's header "Proxy" in
 * HTTP_PROXY. The other SDKs take both, so we do too, but not in a CGI program.
 */
static void resolve_proxy(config_lookup_t *lookup) {
  static const char *const http[] = {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", NULL};
  static const char *const cgi_http[] = {"http_proxy", "all_proxy", "ALL_PROXY", NULL};
  static const char *const https[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", NULL};
  static const char *const no[] = {"no_proxy", "NO_PROXY", NULL};
  const daytona_config_t *config = lookup->config;
  daytona__proxy_options_t *proxy = &lookup->settings.net.proxy;
  if (config->proxy != NULL) {
    proxy->http_proxy = proxy->https_proxy = checked_proxy(lookup, given(config->proxy, "proxy"));
  } else if (!config->ignores_environment) {
    bool is_cgi = getenv("REQUEST_METHOD") != NULL;
    proxy->http_proxy = checked_proxy(lookup, first_variable(is_cgi ? cgi_http : http));
    proxy->https_proxy = checked_proxy(lookup, first_variable(https));
    proxy->no_proxy = copy(lookup, first_variable(no).text);
    proxy->spares_loopback = true;
  }
}

/* --- telemetry --- */

/* In files only if they were read for something else: a complete configuration needs none. */
static bool is_true(config_lookup_t *lookup, const char *name) {
  if (getenv(name) == NULL && !lookup->has_files) return false;
  value_t value = look_up(lookup, name);
  return value.text != NULL && strcmp(value.text, "true") == 0;
}

static void resolve_telemetry(config_lookup_t *lookup) {
  bool is_asked =
    lookup->config->telemetry == NULL && !lookup->config->ignores_environment &&
    (is_true(lookup, "DAYTONA_OTEL_ENABLED") || is_true(lookup, "DAYTONA_EXPERIMENTAL_OTEL_ENABLED"));
  int error = daytona__telemetry_resolve(lookup->arena, lookup->config, is_asked, &lookup->settings.telemetry,
                                         lookup->reason, lookup->reason_size);
  if (error != 0 && lookup->error == 0) lookup->error = error;
}

/* --- all of it --- */

static void check_reserved(config_lookup_t *lookup) {
  const uint64_t *reserved = lookup->config->reserved;
  for (size_t i = 0; i < sizeof lookup->config->reserved / sizeof reserved[0]; i++)
    if (reserved[i] != 0) fail(lookup, DAYTONA_EINVAL, "reserved: must be zero");
}

int daytona__config_resolve(daytona__arena_t *arena, const daytona_config_t *config,
                            daytona__settings_t *settings, char *reason, size_t size) {
  static const daytona_config_t nothing_given;
  static void (*const parts[])(config_lookup_t *) = {
    check_reserved, resolve_credentials,    resolve_url,       resolve_region,
    resolve_limits, resolve_happy_eyeballs, resolve_waiting,   warn_of_file_urls,
    resolve_tls,    resolve_proxy,          resolve_telemetry,
  };
  config_lookup_t lookup = {.config = config != NULL ? config : &nothing_given,
                            .arena = arena,
                            .reason = reason,
                            .reason_size = reason != NULL ? size : 0};
  assert(arena != NULL && settings != NULL);
  arena->is_secret = true;
  if (lookup.reason_size != 0) reason[0] = '\0';
  for (size_t i = 0; i < FILE_COUNT; i++) daytona__dotenv_init(&lookup.files[i]);
  take_given(&lookup);
  if (!lookup.config->ignores_environment && !is_complete(&lookup)) fill_from_environment(&lookup);
  for (size_t i = 0; i < sizeof parts / sizeof parts[0] && lookup.error == 0; i++) parts[i](&lookup);
  for (size_t i = 0; i < FILE_COUNT; i++) daytona__dotenv_clear(&lookup.files[i]);
  if (lookup.error == 0) *settings = lookup.settings;
  return lookup.error;
}

int daytona_config_check(const daytona_config_t *config, char *reason, size_t size) {
  daytona_config_t silent = config != NULL ? *config : (daytona_config_t){0};
  daytona__arena_t arena;
  daytona__settings_t settings;
  silent.log = NULL; /* the reason is what was asked for; the client itself will warn */
  daytona__arena_init(&arena, 0);
  int error = daytona__config_resolve(&arena, &silent, &settings, reason, size);
  daytona__arena_clear(&arena);
  return error;
}
