/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See telemetry_config.h. A variable of a signal, OTEL_EXPORTER_OTLP_TRACES_TIMEOUT, wins over the general one,
 * OTEL_EXPORTER_OTLP_TIMEOUT; what the program gives wins over both. Empty variables count as not set.
 */
#include "call/telemetry_config.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "call/config.h"
#include "core/ascii.h"
#include "core/header.h"
#include "core/limits.h"
#include "net/proxy.h"
#include "wire/url.h"

#define DEFAULT_ENDPOINT "http://localhost:4318"
#define TIMEOUT_DEFAULT_MS 10000
#define INTERVAL_DEFAULT_MS 5000
#define METRICS_INTERVAL_DEFAULT_MS 60000
#define FLUSH_DEFAULT_MS 5000

/* A day; what is longer is as good as never. */
#define LONGEST_MS ((int64_t)24 * 3600 * 1000)

typedef struct resolver {
  daytona__arena_t *arena;
  const daytona_config_t *config;
  const daytona_telemetry_opts_t *opts;
  daytona__telemetry_settings_t settings;
  int error;
  char *reason;
  size_t size;
} resolver_t;

/* "TRACES" and "METRICS" as they stand in the names of variables, and in paths. */
static const char *const signal_names[] = {"TRACES", "METRICS"};
static const char *const signal_paths[] = {"/v1/traces", "/v1/metrics"};

/* --- reporting ---------------------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static void fail(resolver_t *self, int error, const char *format, ...) {
  va_list args;
  if (self->error != 0) return;
  self->error = error;
  if (self->reason == NULL || self->size == 0) return;
  va_start(args, format);
  vsnprintf(self->reason, self->size, format, args);
  va_end(args);
}

__attribute__((format(printf, 2, 3))) static void warn(const resolver_t *self, const char *format, ...) {
  char line[256];
  va_list args;
  if (self->config->log == NULL) return;
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  self->config->log(DAYTONA_LOG_WARN, line, self->config->log_user);
}

static const char *copy(resolver_t *self, const char *text) {
  if (text == NULL) return NULL;
  const char *copied = daytona__arena_strdup(self->arena, text);
  if (copied == NULL) fail(self, DAYTONA_ENOMEM, "%s", daytona_errcode_text(DAYTONA_ENOMEM));
  return copied;
}

/* --- the environment ---------------------------------------------------------------------------- */

typedef struct variable {
  const char *text; /* NULL: not set, or empty */
  char name[64];
} variable_t;

static variable_t look_up(const resolver_t *self, const char *format, const char *part) {
  variable_t found;
  snprintf(found.name, sizeof found.name, format, part);
  found.text = self->config->ignores_environment ? NULL : getenv(found.name);
  if (found.text != NULL && found.text[0] == '\0') found.text = NULL;
  return found;
}

/* OTEL_EXPORTER_OTLP_<signal>_<name>, else OTEL_EXPORTER_OTLP_<name>. */
static variable_t look_up_signal(const resolver_t *self, daytona__signal_t signal, const char *name) {
  char of_signal[40];
  snprintf(of_signal, sizeof of_signal, "%s_%s", signal_names[signal], name);
  variable_t found = look_up(self, "OTEL_EXPORTER_OTLP_%s", of_signal);
  return found.text != NULL ? found : look_up(self, "OTEL_EXPORTER_OTLP_%s", name);
}

static int64_t number(const resolver_t *self, const variable_t *variable, int64_t fallback, int64_t most) {
  if (variable->text == NULL) return fallback;
  int64_t value = 0;
  const char *at = variable->text;
  while (*at >= '0' && *at <= '9' && value <= most) value = value * 10 + (*at++ - '0');
  if (*at != '\0' && !(*at >= '0' && *at <= '9')) value = 0;
  if (value == 0)
    warn(self, "telemetry: %s is no number from 1 on: %" PRId64 " is used", variable->name, fallback);
  if (value > most) return most;
  return value != 0 ? value : fallback;
}

static int64_t env_number(const resolver_t *self, const char *name, int64_t fallback, int64_t most) {
  variable_t variable = look_up(self, "%s", name);
  return number(self, &variable, fallback, most);
}

static int64_t given_ms(resolver_t *self, const char *name, int64_t value) {
  if (value < 0) fail(self, DAYTONA_EINVAL, "telemetry.%s: must not be negative", name);
  return value > LONGEST_MS ? LONGEST_MS : value;
}

/* --- lists of pairs ----------------------------------------------------------------------------- */

/* A copy of the text without blanks around it, percent-decoded. NULL: malformed, or no memory. */
static char *decode(resolver_t *self, const char *text, size_t size) {
  while (size != 0 && (*text == ' ' || *text == '\t')) text++, size--;
  while (size != 0 && (text[size - 1] == ' ' || text[size - 1] == '\t')) size--;
  char *out = daytona__arena_alloc(self->arena, size + 1), *to = out;
  if (out == NULL) {
    fail(self, DAYTONA_ENOMEM, "%s", daytona_errcode_text(DAYTONA_ENOMEM));
    return NULL;
  }
  for (size_t i = 0; i < size; i++) {
    int high = text[i] == '%' && i + 2 < size ? daytona__hex_digit(text[i + 1]) : -1;
    int low = high >= 0 ? daytona__hex_digit(text[i + 2]) : -1;
    if (low >= 0) i += 2;
    *to = low >= 0 ? (char)(high << 4 | low) : text[i];
    if (*to++ == '\0') return NULL;
  }
  *to = '\0';
  return out;
}

typedef bool pair_fn(resolver_t *self, const char *key, const char *value, void *user);

/* "key=value,key=value". False: malformed, or `add` has refused one. */
static bool each_pair(resolver_t *self, const char *text, pair_fn *add, void *user) {
  while (*text != '\0') {
    size_t size = strcspn(text, ",");
    const char *equals = memchr(text, '=', size);
    if (equals != NULL) {
      const char *key = decode(self, text, (size_t)(equals - text));
      const char *value = decode(self, equals + 1, size - (size_t)(equals + 1 - text));
      if (key == NULL || value == NULL || key[0] == '\0' || !add(self, key, value, user)) return false;
    } else if (strspn(text, " \t") < size) {
      return false;
    }
    text += size + (text[size] == ',');
  }
  return true;
}

/* --- headers ------------------------------------------------------------------------------------ */

typedef struct headers {
  daytona_header_t items[DAYTONA__EXPORT_HEADERS_MAX];
  size_t count;
} headers_t;

static bool add_header(resolver_t *self, const char *name, const char *value, void *user) {
  headers_t *headers = user;
  const daytona_header_t header = {name, value};
  if (headers->count == DAYTONA__EXPORT_HEADERS_MAX || !daytona__header_is_valid(&header)) return false;
  if (strnlen(value, DAYTONA__TOKEN_MAX + 1) > DAYTONA__TOKEN_MAX) return false;
  headers->items[headers->count++] = (daytona_header_t){copy(self, name), copy(self, value)};
  return self->error == 0;
}

static void resolve_headers(resolver_t *self, daytona__signal_t signal) {
  daytona__signal_settings_t *out = &self->settings.signals[signal];
  variable_t variable = look_up_signal(self, signal, "HEADERS");
  const char *name = self->opts->header_count != 0 ? "telemetry.headers" : variable.name;
  headers_t headers = {.count = 0};
  bool is_fine = true;
  for (size_t i = 0; i < self->opts->header_count && is_fine; i++) {
    const daytona_header_t *given = &self->opts->headers[i];
    is_fine =
      given->name != NULL && given->value != NULL && add_header(self, given->name, given->value, &headers);
  }
  if (self->opts->header_count == 0 && variable.text != NULL)
    is_fine = each_pair(self, variable.text, add_header, &headers);
  if (!is_fine)
    fail(self, DAYTONA_EINVAL, "%s: not a list of headers, name=value, of which there may be %d", name,
         DAYTONA__EXPORT_HEADERS_MAX);
  daytona_header_t *kept = daytona__arena_array(self->arena, headers.count + 1, sizeof *kept);
  if (kept == NULL) fail(self, DAYTONA_ENOMEM, "%s", daytona_errcode_text(DAYTONA_ENOMEM));
  if (kept == NULL || self->error != 0) return;
  memcpy(kept, headers.items, headers.count * sizeof *kept);
  out->headers = kept;
  out->header_count = headers.count;
}

/* --- endpoints ---------------------------------------------------------------------------------- */

/* Whether it can be sent to as it is: http or https, a host, no login, nothing that ends a line. */
static bool is_endpoint(const char *url) {
  daytona__target_t target;
  if (strnlen(url, DAYTONA__URL_MAX) == DAYTONA__URL_MAX) return false;
  if (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0) return false;
  for (const char *at = url; *at != '\0'; at++)
    if (*at <= ' ' || *at > '~' || *at == '#') return false;
  return daytona__target_parse(url, &target, NULL) == 0;
}

static void use_endpoint(resolver_t *self, daytona__signal_t signal, const char *name, const char *url,
                         const char *path) {
  size_t size = strnlen(url, DAYTONA__URL_MAX);
  if (!is_endpoint(url) || (path[0] != '\0' && strchr(url, '?') != NULL)) {
    fail(self, DAYTONA_EINVAL, "%s: not the http or https URL of a collector", name);
    return;
  }
  if (path[0] != '\0' && url[size - 1] == '/') size--;
  self->settings.signals[signal].url = daytona__arena_printf(self->arena, "%.*s%s", (int)size, url, path);
  if (self->settings.signals[signal].url == NULL)
    fail(self, DAYTONA_ENOMEM, "%s", daytona_errcode_text(DAYTONA_ENOMEM));
}

static bool is_given(const char *text) { return text != NULL && text[0] != '\0'; }

static void resolve_endpoint(resolver_t *self, daytona__signal_t signal) {
  static const char *const fields[] = {"telemetry.traces_endpoint", "telemetry.metrics_endpoint"};
  const daytona_telemetry_opts_t *opts = self->opts;
  const char *own = signal == DAYTONA__TRACES ? opts->traces_endpoint : opts->metrics_endpoint;
  char name[40];
  snprintf(name, sizeof name, "%s_ENDPOINT", signal_names[signal]);
  variable_t of_signal = look_up(self, "OTEL_EXPORTER_OTLP_%s", name);
  variable_t general = look_up(self, "OTEL_EXPORTER_OTLP_%s", "ENDPOINT");
  if (is_given(own))
    use_endpoint(self, signal, fields[signal], own, "");
  else if (is_given(opts->endpoint))
    use_endpoint(self, signal, "telemetry.endpoint", opts->endpoint, signal_paths[signal]);
  else if (of_signal.text != NULL)
    use_endpoint(self, signal, of_signal.name, of_signal.text, "");
  else
    use_endpoint(self, signal, general.name, general.text != NULL ? general.text : DEFAULT_ENDPOINT,
                 signal_paths[signal]);
}

/* --- the rest of a signal ----------------------------------------------------------------------- */

static bool resolve_compression(resolver_t *self, daytona__signal_t signal) {
  if (self->opts->compression != DAYTONA_TELEMETRY_COMPRESSION_DEFAULT)
    return self->opts->compression == DAYTONA_TELEMETRY_COMPRESSION_GZIP;
  variable_t variable = look_up_signal(self, signal, "COMPRESSION");
  if (variable.text == NULL || strcasecmp(variable.text, "none") == 0) return false;
  if (strcasecmp(variable.text, "gzip") == 0) return true;
  warn(self, "telemetry: %s is neither gzip nor none: nothing is compressed", variable.name);
  return false;
}

/* OTEL_TRACES_EXPORTER and its like: a list, of which we have one. */
static bool is_exported(resolver_t *self, daytona__signal_t signal) {
  variable_t variable = look_up(self, "OTEL_%s_EXPORTER", signal_names[signal]);
  if (signal == DAYTONA__TRACES ? self->opts->no_traces : self->opts->no_metrics) return false;
  if (variable.text == NULL || strcmp(variable.text, "otlp") == 0) return true;
  if (strcmp(variable.text, "none") == 0) return false;
  warn(self, "telemetry: %s names something other than otlp and none: otlp is used", variable.name);
  return true;
}

static void resolve_signal(resolver_t *self, daytona__signal_t signal) {
  daytona__signal_settings_t *out = &self->settings.signals[signal];
  out->is_on = is_exported(self, signal);
  if (!out->is_on) return;
  resolve_endpoint(self, signal);
  resolve_headers(self, signal);
  out->is_gzip = resolve_compression(self, signal);
  variable_t timeout = look_up_signal(self, signal, "TIMEOUT");
  int64_t given = given_ms(self, "timeout_ms", self->opts->timeout_ms);
  out->timeout_ms = given != 0 ? given : number(self, &timeout, TIMEOUT_DEFAULT_MS, LONGEST_MS);
  variable_t protocol = look_up_signal(self, signal, "PROTOCOL");
  if (protocol.text != NULL && strcmp(protocol.text, "http/protobuf") != 0)
    warn(self, "telemetry: %s is not http/protobuf, which is what is used", protocol.name);
}

/* --- what both signals share -------------------------------------------------------------------- */

static const char *resolve_file(resolver_t *self, const char *given, const char *field,
                                const char *variable) {
  variable_t found = look_up(self, "OTEL_EXPORTER_OTLP_%s", variable);
  const char *path = is_given(given) ? given : found.text;
  if (path == NULL) return NULL;
  if (access(path, R_OK) != 0)
    fail(self, DAYTONA_ETLS, "%s: cannot be read", is_given(given) ? field : found.name);
  return copy(self, path);
}

static void resolve_tls(resolver_t *self) {
  daytona__telemetry_settings_t *out = &self->settings;
  out->ca_file = resolve_file(self, self->opts->ca_file, "telemetry.ca_file", "CERTIFICATE");
  out->client_cert =
    resolve_file(self, self->opts->client_cert, "telemetry.client_cert", "CLIENT_CERTIFICATE");
  out->client_key = resolve_file(self, self->opts->client_key, "telemetry.client_key", "CLIENT_KEY");
  if (out->client_key != NULL && out->client_cert == NULL)
    fail(self, DAYTONA_EINVAL, "telemetry.client_key needs client_cert");
}

static void resolve_times(resolver_t *self) {
  const daytona_telemetry_opts_t *opts = self->opts;
  daytona__telemetry_settings_t *out = &self->settings;
  out->interval_ms = given_ms(self, "interval_ms", opts->interval_ms);
  if (out->interval_ms == 0)
    out->interval_ms = env_number(self, "OTEL_BSP_SCHEDULE_DELAY", INTERVAL_DEFAULT_MS, LONGEST_MS);
  out->metrics_interval_ms = given_ms(self, "metrics_interval_ms", opts->metrics_interval_ms);
  if (out->metrics_interval_ms == 0)
    out->metrics_interval_ms =
      env_number(self, "OTEL_METRIC_EXPORT_INTERVAL", METRICS_INTERVAL_DEFAULT_MS, LONGEST_MS);
  if (opts->flush_timeout_ms == DAYTONA_NO_WAIT) return;
  out->flush_timeout_ms = given_ms(self, "flush_timeout_ms", opts->flush_timeout_ms);
  if (out->flush_timeout_ms == 0) out->flush_timeout_ms = FLUSH_DEFAULT_MS;
}

static void resolve_sizes(resolver_t *self) {
  daytona__telemetry_settings_t *out = &self->settings;
  int given = self->opts->max_queue;
  if (given < 0 || given > DAYTONA__SPANS_QUEUED_MAX)
    fail(self, DAYTONA_EINVAL, "telemetry.max_queue: %d is not in 1 to %d", given, DAYTONA__SPANS_QUEUED_MAX);
  out->max_queue = given != 0 ? (size_t)given
                              : (size_t)env_number(self, "OTEL_BSP_MAX_QUEUE_SIZE",
                                                   DAYTONA__SPANS_QUEUED_DEFAULT, DAYTONA__SPANS_QUEUED_MAX);
  out->max_batch = (size_t)env_number(self, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", DAYTONA__SPANS_BATCH_DEFAULT,
                                      DAYTONA__SPANS_QUEUED_MAX);
  if (out->max_batch > out->max_queue) out->max_batch = out->max_queue;
}

/* A number from 0 to 1, whatever the locale. -1: it is none. */
static double parse_ratio(const char *text) {
  double value = 0, unit = 0;
  bool has_digit = false;
  for (; *text != '\0'; text++) {
    if (*text == '.' && unit == 0) {
      unit = 1;
    } else if (*text >= '0' && *text <= '9') {
      has_digit = true;
      value = unit == 0 ? value * 10 + (*text - '0') : value + (*text - '0') * (unit /= 10);
    } else {
      return -1;
    }
  }
  return has_digit && value <= 1 ? value : -1;
}

static void resolve_sampler(resolver_t *self) {
  static const char parent_based[] = "parentbased_";
  daytona__sampler_t *out = &self->settings.sampler;
  variable_t name = look_up(self, "OTEL_TRACES_SAMPLER%s", ""),
             arg = look_up(self, "OTEL_TRACES_SAMPLER%s", "_ARG");
  *out = (daytona__sampler_t){.follows_parent = true, .ratio = 1};
  if (self->opts->sample_ratio.is_set) {
    out->ratio = self->opts->sample_ratio.value;
    if (!(out->ratio >= 0 && out->ratio <= 1))
      fail(self, DAYTONA_EINVAL, "telemetry.sample_ratio: not in 0 to 1");
    return;
  }
  if (name.text == NULL) return;
  const char *root = name.text;
  bool follows_parent = strncmp(root, parent_based, sizeof parent_based - 1) == 0;
  if (follows_parent) root += sizeof parent_based - 1;
  double ratio = strcmp(root, "always_on") == 0 ? 1 : strcmp(root, "always_off") == 0 ? 0 : -1;
  if (strcmp(root, "traceidratio") == 0) {
    ratio = arg.text != NULL ? parse_ratio(arg.text) : 1;
    if (ratio < 0) warn(self, "telemetry: %s is not a number from 0 to 1: all traces are recorded", arg.name);
    if (ratio < 0) ratio = 1;
  } else if (ratio < 0) {
    warn(self, "telemetry: %s names no sampler that is known: all traces are recorded", name.name);
    return;
  }
  *out = (daytona__sampler_t){.follows_parent = follows_parent, .ratio = ratio};
}

static void resolve_names(resolver_t *self) {
  variable_t opt_in = look_up(self, "%s", "OTEL_SEMCONV_STABILITY_OPT_IN");
  bool is_both = opt_in.text != NULL && strstr(opt_in.text, "http/dup") != NULL;
  self->settings.has_new_names = opt_in.text != NULL && strstr(opt_in.text, "http") != NULL;
  self->settings.has_old_names = !self->settings.has_new_names || is_both;
}

/* --- the resource ------------------------------------------------------------------------------- */

typedef struct attributes {
  daytona__otlp_attribute_t items[DAYTONA__RESOURCE_ATTRIBUTES_MAX];
  size_t count;
} attributes_t;

static bool add_attribute(resolver_t *self, const char *key, const char *value, void *user) {
  static const char *const own[] = {"service.name", "service.version", "telemetry.sdk.name",
                                    "telemetry.sdk.language", "telemetry.sdk.version"};
  attributes_t *attributes = user;
  for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
    if (strcmp(key, own[i]) == 0) return true; /* the SDK's own win */
  if (attributes->count == DAYTONA__RESOURCE_ATTRIBUTES_MAX) return false;
  attributes->items[attributes->count++] = (daytona__otlp_attribute_t){.key = key, .text = value};
  return true;
}

static void resolve_resource(resolver_t *self) {
  variable_t variable = look_up(self, "%s", "OTEL_RESOURCE_ATTRIBUTES");
  bool is_own = is_given(self->opts->resource_attributes);
  const char *text = is_own ? self->opts->resource_attributes : variable.text;
  attributes_t attributes = {.count = 0};
  if (text == NULL) return;
  if (!each_pair(self, text, add_attribute, &attributes)) {
    if (is_own)
      fail(self, DAYTONA_EINVAL,
           "telemetry.resource_attributes: not a list key=value, of which there may be %d",
           DAYTONA__RESOURCE_ATTRIBUTES_MAX);
    else
      warn(self, "telemetry: %s is not a list key=value and is ignored", variable.name);
    return;
  }
  size_t size = attributes.count * sizeof attributes.items[0];
  daytona__otlp_attribute_t *kept = daytona__arena_alloc(self->arena, size + 1);
  if (kept == NULL) {
    fail(self, DAYTONA_ENOMEM, "%s", daytona_errcode_text(DAYTONA_ENOMEM));
    return;
  }
  memcpy(kept, attributes.items, size);
  self->settings.attributes = kept;
  self->settings.attribute_count = attributes.count;
}

/* --- all of it ---------------------------------------------------------------------------------- */

static void check_opts(resolver_t *self) {
  const daytona_telemetry_opts_t *opts = self->opts;
  for (size_t i = 0; i < sizeof opts->reserved / sizeof opts->reserved[0]; i++)
    if (opts->reserved[i] != 0) fail(self, DAYTONA_EINVAL, "telemetry.reserved: must be zero");
  if (opts->compression < 0 || opts->compression > DAYTONA_TELEMETRY_COMPRESSION_GZIP)
    fail(self, DAYTONA_EINVAL, "telemetry.compression: no such value");
  if (opts->header_count != 0 && opts->headers == NULL)
    fail(self, DAYTONA_EINVAL, "telemetry.headers: NULL, with a count");
}

static bool is_switched_off(const resolver_t *self) {
  variable_t variable = look_up(self, "%s", "OTEL_SDK_DISABLED");
  return self->opts->is_disabled || (variable.text != NULL && strcasecmp(variable.text, "true") == 0);
}

int daytona__telemetry_resolve(daytona__arena_t *arena, const daytona_config_t *config, bool is_asked,
                               daytona__telemetry_settings_t *settings, char *reason, size_t size) {
  static const daytona_telemetry_opts_t nothing_given;
  static void (*const parts[])(resolver_t *) = {resolve_tls,     resolve_times, resolve_sizes,
                                                resolve_sampler, resolve_names, resolve_resource};
  resolver_t self = {.arena = arena,
                     .config = config,
                     .opts = config->telemetry != NULL ? config->telemetry : &nothing_given,
                     .reason = reason,
                     .size = size};
  check_opts(&self);
  if (self.error != 0) return self.error;
  *settings = self.settings;
  if ((config->telemetry == NULL && !is_asked) || is_switched_off(&self)) return 0;
  for (int signal = 0; signal < DAYTONA__SIGNALS && self.error == 0; signal++)
    resolve_signal(&self, (daytona__signal_t)signal);
  for (size_t i = 0; i < sizeof parts / sizeof parts[0] && self.error == 0; i++) parts[i](&self);
  self.settings.is_on =
    self.settings.signals[DAYTONA__TRACES].is_on || self.settings.signals[DAYTONA__METRICS].is_on;
  if (self.error == 0) *settings = self.settings;
  return self.error;
}
