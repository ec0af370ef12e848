/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line: commands and their options, by table.
 */
#include "cli.h"

#include "base/buf.h"
#include "control/store/layers.h"
#include "images/jail.h"
#include "images/variables.h"
#include "runtime/runtime.h"
#include "toolbox/main.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PEM_MAX (1024 * 1024)
#define WARM_COUNT 2
#define WARM_MAX 1000

static const char usage[] =
  "usage: daytona-local serve [OPTIONS]            a sandbox server on 127.0.0.1\n"
  "       daytona-local run [OPTIONS] -- CMD...    one for the life of a command, nothing left behind\n"
  "       daytona-local image COMMAND              images without a registry: import, list, remove, prune\n"
  "       daytona-local admin METHOD PATH [JSON]   an admin call to the server in the environment\n"
  "       daytona-local COMMAND --help | --help | --version\n";

static const char serve_usage[] =
  "usage: daytona-local serve [OPTIONS]\n"
  "\n"
  "A sandbox server that stays. Without --key it makes one at its first start and keeps it in DIR/key.\n"
  "\n"
  "  --listen HOST:PORT       where to listen (127.0.0.1:3986)\n"
  "  --state DIR              state directory ($XDG_STATE_HOME/daytona-local, or "
  "~/.local/state/daytona-local)\n"
  "  --print-env              print shell lines that set DAYTONA_API_URL and _KEY; nothing else goes to "
  "stdout\n";

static const char run_usage[] =
  "usage: daytona-local run [OPTIONS] -- CMD...\n"
  "\n"
  "A server for the life of a command, with a fresh key in its environment.\n"
  "\n"
  "  --listen HOST:PORT       where to listen (any free port of 127.0.0.1)\n"
  "  --state DIR              state directory, kept (else one in $TMPDIR, /var/tmp or /tmp that is "
  "removed)\n";

static const char common_usage[] =
  "  --key KEY                API key; may be repeated\n"
  "  --key-file FILE          keys, one per line, each with optional permissions\n"
  "  --jwt-token TOKEN        accept this token with the organization header\n"
  "  --organization-id ID     the organization's id\n"
  "  --isolation bwrap|none   how sandboxes are kept apart; none: NOT AT ALL\n"
  "  --network private|host|none   network of sandboxes\n"
  "  --registry-insecure HOST[:PORT]   a registry without TLS, or with a certificate nobody signed; may be "
  "repeated\n"
  "  --registry-mirror REGISTRY=HOST[:PORT][/PATH]   is asked first for the images of REGISTRY; may be "
  "repeated\n"
  "  --registry-auth-file FILE   credentials of registries, as `buildah login` writes them\n"
  "  --build-env NAME[=VALUE]    for the steps of builds, kept in no image and no log; may be repeated\n"
  "  --sandbox-env NAME[=VALUE]  for all sandboxes; may be repeated\n"
  "  --build-memory GIB       of all builds and pulls together (half of the machine's); 0: no limit\n"
  "  --no-proxy-env           builds and sandboxes do not get HTTP_PROXY and its like\n"
  "  --ssh-listen HOST:PORT   where SSH clients come in with tokens of ssh-access; none: nowhere (serve: "
  "none,\n"
  "                           run: any free port of 127.0.0.1)\n"
  "  --ssh-login-time SECONDS for a login (20)\n"
  "  --node-modules DIR       modules for TypeScript, seen read-only by sandboxes\n"
  "  --tls-cert FILE --tls-key FILE   serve https (TLS 1.2, 1.3)\n"
  "  --tls-client-ca FILE     require a client certificate of this CA\n"
  "  --public-url URL         what clients call the server\n"
  "  --proxy-domain HOST:PORT end of preview host names (localhost:PORT)\n"
  "  --trusted-proxy ADDRESS  believe X-Forwarded-* of this client; may be repeated\n"
  "  --allow-origin ORIGIN    pages of it may call from a browser (http://app.example); may be repeated\n"
  "  --no-page                no page for browsers at /\n"
  "  --xterm DIR              where xterm.js is, for terminals in the page (that of the package "
  "libjs-xterm)\n"
  "  --region NAME            name of the one region (local)\n"
  "  --warm N                 sandboxes of the default snapshot that are kept ready (2)\n"
  "  --clock-speed N          run timers and timestamps N times faster\n"
  "  --create-answer started|creating   when a create is answered\n"
  "  --accept-unenforced      store network lists although nothing enforces them\n"
  "  --rate-limit BUCKET=LIMIT/SECONDS  authenticated, sandbox-create, sandbox-lifecycle,\n"
  "                           sandbox-list, anonymous, failed-auth; may be repeated\n"
  "  --event-ping MS          how often clients of the event socket are asked whether they are there "
  "(25000)\n"
  "  --reader-patience MS     how long a program waits for a client that takes nothing (10000)\n"
  "  --max-cpu N --max-memory GIB --max-disk GIB   per sandbox (4, 8, 10)\n"
  "  --max-volumes N          volumes at once (100)\n"
  "  --metrics-interval S     seconds between samples of what sandboxes use (10); 0: only when asked\n"
  "  --analytics-url URL      a service that clients are to ask for metrics instead\n"
  "  --max-snapshots N --max-snapshot-size GB   how many there can be, and how large (30, 20)\n"
  "  --max-builds N           builds at the same time, and as many pulls (2)\n"
  "  --max-object GIB --max-storage GIB   of one object, and of all, in the object store (5, 100)\n"
  "  --fault JSON             a fault rule, see README.md; may be repeated\n"
  "  --log error|warn|info|debug\n"
  "  --log-requests           a line per request: method, path without query and tokens, status, ms\n";

/* --- option readers: NULL, or what is wrong --- */

typedef const char *(*reader_fn)(dl_cli_opts_t *o, const char *value);

static const char *read_listen(dl_cli_opts_t *o, const char *value) {
  const char *colon = strrchr(value, ':');
  int64_t port;
  if (!colon || !dl_parse_int(colon + 1, 0, 65535, &port)) return "must be HOST:PORT";
  size_t len = (size_t)(colon - value);
  bool is_bracketed = len >= 2 && value[0] == '[' && value[len - 1] == ']';
  free(o->listen_host);
  o->listen_host = is_bracketed ? dl_xstrndup(value + 1, len - 2) : dl_xstrndup(value, len);
  if (strcmp(o->listen_host, "localhost") == 0) dl_set(&o->listen_host, "127.0.0.1");
  o->control.listen_host = o->listen_host;
  o->control.listen_port = (int)port;
  return NULL;
}

static const char *read_ssh_listen(dl_cli_opts_t *o, const char *value) {
  const char *colon = strrchr(value, ':');
  int64_t port;
  o->has_ssh = true;
  free(o->ssh_host);
  o->ssh_host = NULL;
  o->control.ssh_host = NULL;
  if (strcmp(value, "none") == 0) return NULL;
  if (!colon || !dl_parse_int(colon + 1, 0, 65535, &port)) return "must be HOST:PORT, or none";
  size_t len = (size_t)(colon - value);
  bool is_bracketed = len >= 2 && value[0] == '[' && value[len - 1] == ']';
  char *host = is_bracketed ? dl_xstrndup(value + 1, len - 2) : dl_xstrndup(value, len);
  if (strcmp(host, "localhost") == 0) dl_set(&host, "127.0.0.1");
  o->control.ssh_host = o->ssh_host = host;
  o->control.ssh_port = (int)port;
  o->control.ssh_is_asked = true;
  return NULL;
}

static const char *read_ssh_login_time(dl_cli_opts_t *o, const char *value) {
  int64_t seconds;
  if (!dl_parse_int(value, 1, 3600, &seconds)) return "must be seconds, from 1 to 3600";
  o->control.ssh_login_seconds = (unsigned)seconds;
  return NULL;
}

static const char *read_state(dl_cli_opts_t *o, const char *value) {
  dl_set(&o->state, value);
  return *value ? NULL : "must not be empty";
}

static const char *read_key(dl_cli_opts_t *o, const char *value) {
  if (!dl_key_is_usable(value)) return "must not be empty, and hold no blanks and no control characters";
  o->keys = dl_xrealloc(o->keys, (o->key_count + 1) * sizeof *o->keys);
  o->keys[o->key_count++] = (dl_key_t){dl_xstrdup(value), DL_PERM_ALL};
  return NULL;
}

static const char *read_key_file(dl_cli_opts_t *o, const char *value) {
  char *error = NULL;
  size_t count = 0;
  dl_key_t *list = dl_keys_read_file(value, &count, &error);
  if (!list) {
    fprintf(stderr, "daytona-local: %s\n", error);
    free(error);
    return "cannot be used";
  }
  o->keys = dl_xrealloc(o->keys, (o->key_count + count) * sizeof *o->keys);
  memcpy(o->keys + o->key_count, list, count * sizeof *list);
  o->key_count += count;
  free(list);
  return NULL;
}

static const char *read_pem(char **slot, const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return "cannot be read";
  dl_buf_t text;
  dl_buf_init(&text, PEM_MAX);
  ssize_t got = 1;
  while (got > 0) {
    char *at = dl_buf_reserve(&text, 4096);
    got = at ? read(fd, at, 4096) : -1;
    if (got > 0) dl_buf_grew(&text, (size_t)got);
  }
  close(fd);
  free(*slot);
  *slot = dl_buf_take(&text);
  return got == 0 && strstr(*slot, "-----BEGIN") ? NULL : "is not a PEM file";
}

static const char *read_cert(dl_cli_opts_t *o, const char *value) { return read_pem(&o->cert, value); }
static const char *read_cert_key(dl_cli_opts_t *o, const char *value) { return read_pem(&o->key, value); }
static const char *read_client_ca(dl_cli_opts_t *o, const char *value) {
  return read_pem(&o->client_ca, value);
}

static const char *read_isolation(dl_cli_opts_t *o, const char *value) {
  bool is_none = strcmp(value, "none") == 0;
  o->control.runtime.isolation = is_none ? DL_ISOLATION_NONE : DL_ISOLATION_BWRAP;
  return is_none || strcmp(value, "bwrap") == 0 ? NULL : "must be bwrap or none";
}

static const char *read_network(dl_cli_opts_t *o, const char *value) {
  static const struct {
    const char *name;
    dl_network_t network;
  } networks[] = {{"private", DL_NETWORK_PRIVATE}, {"none", DL_NETWORK_NONE}, {"host", DL_NETWORK_HOST}};
  for (size_t i = 0; i < DL_COUNT(networks); i++) {
    if (strcmp(networks[i].name, value) != 0) continue;
    o->control.runtime.network = o->control.images.network = networks[i].network;
    return NULL;
  }
  return "must be private, host or none";
}

static const char *read_organization(dl_cli_opts_t *o, const char *value) {
  dl_set(&o->organization, value);
  o->control.organization_id = o->organization;
  return dl_is_uuid(value) ? NULL : "must be a UUID";
}

static const char *read_warm(dl_cli_opts_t *o, const char *value) {
  int64_t count = 0;
  if (!dl_parse_int(value, 0, WARM_MAX, &count)) return "must be a number from 0 to 1000";
  o->control.warm_count = (unsigned)count;
  return NULL;
}

static const char *read_speed(dl_cli_opts_t *o, const char *value) {
  bool ok = dl_parse_double(value, &o->control.clock_speed) && o->control.clock_speed >= 0.001 &&
            o->control.clock_speed <= 1e6;
  return ok ? NULL : "must be a number from 0.001 to 1000000";
}

static const char *read_create_answer(dl_cli_opts_t *o, const char *value) {
  o->control.answers_creating = strcmp(value, "creating") == 0;
  return o->control.answers_creating || strcmp(value, "started") == 0 ? NULL : "must be started or creating";
}

static const char *read_limit(dl_cli_opts_t *o, const char *value) {
  return dl_rates_parse(value, o->control.limits) ? NULL : "must be BUCKET=LIMIT/SECONDS";
}

static const char *read_fault(dl_cli_opts_t *o, const char *value) {
  if (o->fault_count == DL_COUNT(o->fault_texts)) return "given too often";
  o->fault_texts[o->fault_count++] = dl_xstrdup(value);
  return NULL;
}

static const char *read_size(double *slot, const char *value) {
  return dl_parse_double(value, slot) && *slot >= 1 && *slot <= 4096 ? NULL
                                                                     : "must be a number from 1 to 4096";
}
static const char *read_max_cpu(dl_cli_opts_t *o, const char *value) {
  return read_size(&o->control.max_cpu, value);
}
static const char *read_max_memory(dl_cli_opts_t *o, const char *value) {
  return read_size(&o->control.max_memory, value);
}
static const char *read_max_disk(dl_cli_opts_t *o, const char *value) {
  return read_size(&o->control.max_disk, value);
}

static const char *read_metrics_interval(dl_cli_opts_t *o, const char *value) {
  int64_t seconds;
  if (!dl_parse_int(value, 0, 86400, &seconds)) return "must be a number of seconds, 0 for none";
  o->control.metrics_interval_ms = seconds > 0 ? seconds * 1000 : -1;
  return NULL;
}

static const char *read_analytics_url(dl_cli_opts_t *o, const char *value) {
  if (!dl_starts_with(value, "http://") && !dl_starts_with(value, "https://"))
    return "must begin with http:// or https://";
  o->control.analytics_url = value;
  return NULL;
}

static const char *read_max_volumes(dl_cli_opts_t *o, const char *value) {
  return dl_parse_int(value, 1, 1000000, &o->control.max_volumes) ? NULL
                                                                  : "must be a number from 1 to 1000000";
}

static const char *read_count(int64_t max, int64_t *slot, const char *value) {
  return dl_parse_int(value, 1, max, slot) ? NULL : "must be a positive integer";
}
static const char *read_max_snapshots(dl_cli_opts_t *o, const char *value) {
  int64_t count;
  const char *problem = read_count(100000, &count, value);
  if (!problem) o->control.max_snapshots = (int)count;
  return problem;
}
static const char *read_max_builds(dl_cli_opts_t *o, const char *value) {
  int64_t count;
  const char *problem = read_count(64, &count, value);
  if (!problem) o->control.max_builds = (unsigned)count;
  return problem;
}
static const char *read_max_snapshot_size(dl_cli_opts_t *o, const char *value) {
  return dl_parse_double(value, &o->control.max_snapshot_gb) && o->control.max_snapshot_gb > 0
           ? NULL
           : "must be a number greater than 0";
}
/* In GiB, with a fraction if need be. */
static const char *read_bytes(int64_t *slot, const char *value) {
  double gib;
  if (!dl_parse_double(value, &gib) || gib < 1e-6 || gib > 1e6)
    return "must be a number of GiB from 0.000001 to 1000000";
  *slot = (int64_t)(gib * 1073741824.0);
  return NULL;
}
static const char *read_max_object(dl_cli_opts_t *o, const char *value) {
  return read_bytes(&o->control.max_object, value);
}
static const char *read_max_storage(dl_cli_opts_t *o, const char *value) {
  return read_bytes(&o->control.max_storage, value);
}

static const char *read_patience(dl_cli_opts_t *o, const char *value) {
  int64_t ms;
  if (!dl_parse_int(value, 0, 86400000, &ms)) return "must be milliseconds";
  o->control.runtime.reader_patience_ms = ms > 0 ? (int)ms : -1;
  return NULL;
}

static const char *read_event_ping(dl_cli_opts_t *o, const char *value) {
  int64_t ms;
  if (!dl_parse_int(value, 100, 86400000, &ms)) return "must be milliseconds, at least 100";
  o->control.event_ping_ms = (unsigned)ms;
  return NULL;
}

static const char *read_log(dl_cli_opts_t *o, const char *value) {
  dl_log_level_t level;
  (void)o;
  if (!dl_log_level_parse(value, &level)) return "must be error, warn, info or debug";
  dl_log_set_level(level);
  return NULL;
}

/* Texts that live as long as argv. */
static const char *read_jwt(dl_cli_opts_t *o, const char *value) {
  o->control.jwt_token = value;
  return dl_key_is_usable(value) ? NULL : "must not be empty, and hold no blanks and no control characters";
}
static const char *read_modules(dl_cli_opts_t *o, const char *value) {
  return o->control.runtime.node_modules = value, NULL;
}
/* Clients take it for the beginning of their URLs: what is not one would only show in their errors. */
static const char *read_public_url(dl_cli_opts_t *o, const char *value) {
  const char *rest = dl_starts_with(value, "https://")  ? value + 8
                     : dl_starts_with(value, "http://") ? value + 7
                                                        : NULL;
  o->control.public_url = value;
  if (!rest) return "must be a URL that begins with http:// or https://";
  if (!*rest || strpbrk(rest, "/?# \t\r\n"))
    return "must be http://HOST:PORT or https://HOST:PORT, without a path";
  return NULL;
}

static const char *read_domain(dl_cli_opts_t *o, const char *value) {
  return o->control.proxy_domain = value, NULL;
}
static const char *read_region(dl_cli_opts_t *o, const char *value) {
  return o->control.region = value, *value ? NULL : "must not be empty";
}

static const char *keep(char ***list, size_t *count, char *text) {
  *list = dl_xrealloc(*list, (*count + 1) * sizeof **list);
  (*list)[(*count)++] = text;
  return NULL;
}

static const char *read_trusted_proxy(dl_cli_opts_t *o, const char *value) {
  char *address = dl_address_normal(value);
  return address ? keep(&o->trusted_proxies, &o->trusted_proxy_count, address) : "must be a numeric address";
}

/* Compared as text with what browsers send, so a path, an empty port or capitals would never be hit. */
static const char *read_origin(dl_cli_opts_t *o, const char *value) {
  const char *host = dl_starts_with(value, "https://")  ? value + 8
                     : dl_starts_with(value, "http://") ? value + 7
                                                        : "";
  bool ok = *host && !strpbrk(host, "/?#@* \t\r\n") && host[strlen(host) - 1] != ':';
  for (const char *at = host; *at; at++) ok = ok && !(*at >= 'A' && *at <= 'Z');
  if (!ok && strcmp(value, "null") != 0)
    return "must be http://HOST[:PORT] or https://HOST[:PORT], in small letters";
  return keep(&o->allowed_origins, &o->allowed_origin_count, dl_xstrdup(value));
}

/* --- images --- */

static const char *read_insecure(dl_cli_opts_t *o, const char *value) {
  if (!*value || strpbrk(value, "/ \t\r\n\"")) return "must be HOST or HOST:PORT";
  keep(&o->insecure_registries, &o->control.images.insecure_registry_count, dl_xstrdup(value));
  o->control.images.insecure_registries = (const char *const *)o->insecure_registries;
  return NULL;
}

static const char *read_mirror(dl_cli_opts_t *o, const char *value) {
  const char *sign = strchr(value, '=');
  size_t *count = &o->control.images.mirror_count;
  if (!sign || sign == value || !sign[1] || strpbrk(value, " \t\r\n\"")) return "must be REGISTRY=MIRROR";
  o->mirrors = dl_xrealloc(o->mirrors, (*count + 1) * sizeof *o->mirrors);
  o->mirrors[(*count)++] =
    (dl_image_mirror_t){dl_xstrndup(value, (size_t)(sign - value)), dl_xstrdup(sign + 1)};
  o->control.images.mirrors = o->mirrors;
  return NULL;
}

static const char *read_auth_file(dl_cli_opts_t *o, const char *value) {
  o->control.images.auth_file = value;
  return access(value, R_OK) == 0 ? NULL : "cannot be read";
}

/* NAME=VALUE, or NAME with the value that it has here. */
static const char *read_variable(dl_image_pair_t **list, size_t *count, const char *value) {
  static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
  size_t len = strspn(value, allowed);
  if (len == 0 || (value[0] >= '0' && value[0] <= '9') || (value[len] != '=' && value[len] != '\0'))
    return "must be NAME or NAME=VALUE";
  char *name = dl_xstrndup(value, len);
  const char *text = value[len] == '=' ? value + len + 1 : getenv(name);
  if (!text) {
    free(name);
    return "is not in the environment";
  }
  *list = dl_xrealloc(*list, (*count + 1) * sizeof **list);
  (*list)[(*count)++] = (dl_image_pair_t){name, dl_xstrdup(text)};
  return NULL;
}

static const char *read_build_env(dl_cli_opts_t *o, const char *value) {
  const char *problem = read_variable(&o->build_env, &o->control.images.build_env_count, value);
  o->control.images.build_env = o->build_env;
  return problem;
}

static const char *read_sandbox_env(dl_cli_opts_t *o, const char *value) {
  const char *problem = read_variable(&o->sandbox_env, &o->control.sandbox_env_count, value);
  o->control.sandbox_env = o->sandbox_env;
  return problem;
}

static const char *read_build_memory(dl_cli_opts_t *o, const char *value) {
  int64_t gib;
  if (!dl_parse_int(value, 0, 1 << 20, &gib)) return "must be a number of GiB, 0 for no limit";
  o->control.images.memory_gib = gib == 0 ? -1 : (double)gib;
  return NULL;
}

static const char *read_no_proxy_env(dl_cli_opts_t *o, const char *value) {
  return (void)value, o->control.images.no_proxy_env = true, NULL;
}

static const char *read_unenforced(dl_cli_opts_t *o, const char *value) {
  return (void)value, o->control.accepts_unenforced = true, NULL;
}
static const char *read_no_page(dl_cli_opts_t *o, const char *value) {
  return (void)value, o->control.has_no_page = true, NULL;
}
static const char *read_xterm(dl_cli_opts_t *o, const char *value) {
  free(o->xterm);
  o->control.xterm_dir = o->xterm = realpath(value, NULL);
  return o->xterm ? NULL : "cannot be read";
}
static const char *read_log_requests(dl_cli_opts_t *o, const char *value) {
  return (void)value, o->control.logs_requests = true, NULL;
}
static const char *read_help(dl_cli_opts_t *o, const char *value) {
  return (void)value, o->wants_help = true, NULL;
}
static const char *read_print_env(dl_cli_opts_t *o, const char *value) {
  return (void)value, o->prints_env = true, NULL;
}

static const struct {
  const char *name;
  bool has_value;
  reader_fn read;
} options[] = {
  {"--listen", true, read_listen},
  {"--ssh-listen", true, read_ssh_listen},
  {"--ssh-login-time", true, read_ssh_login_time},
  {"--state", true, read_state},
  {"--key", true, read_key},
  {"--key-file", true, read_key_file},
  {"--jwt-token", true, read_jwt},
  {"--organization-id", true, read_organization},
  {"--isolation", true, read_isolation},
  {"--network", true, read_network},
  {"--registry-insecure", true, read_insecure},
  {"--registry-mirror", true, read_mirror},
  {"--registry-auth-file", true, read_auth_file},
  {"--build-env", true, read_build_env},
  {"--sandbox-env", true, read_sandbox_env},
  {"--build-memory", true, read_build_memory},
  {"--no-proxy-env", false, read_no_proxy_env},
  {"--node-modules", true, read_modules},
  {"--tls-cert", true, read_cert},
  {"--tls-key", true, read_cert_key},
  {"--tls-client-ca", true, read_client_ca},
  {"--public-url", true, read_public_url},
  {"--proxy-domain", true, read_domain},
  {"--trusted-proxy", true, read_trusted_proxy},
  {"--allow-origin", true, read_origin},
  {"--no-page", false, read_no_page},
  {"--xterm", true, read_xterm},
  {"--region", true, read_region},
  {"--warm", true, read_warm},
  {"--clock-speed", true, read_speed},
  {"--create-answer", true, read_create_answer},
  {"--accept-unenforced", false, read_unenforced},
  {"--rate-limit", true, read_limit},
  {"--max-cpu", true, read_max_cpu},
  {"--max-memory", true, read_max_memory},
  {"--max-disk", true, read_max_disk},
  {"--max-volumes", true, read_max_volumes},
  {"--metrics-interval", true, read_metrics_interval},
  {"--analytics-url", true, read_analytics_url},
  {"--max-snapshots", true, read_max_snapshots},
  {"--max-snapshot-size", true, read_max_snapshot_size},
  {"--max-builds", true, read_max_builds},
  {"--max-object", true, read_max_object},
  {"--max-storage", true, read_max_storage},
  {"--event-ping", true, read_event_ping},
  {"--reader-patience", true, read_patience},
  {"--fault", true, read_fault},
  {"--print-env", false, read_print_env},
  {"--log", true, read_log},
  {"--log-requests", false, read_log_requests},
  {"--help", false, read_help},
  {"-h", false, read_help},
};

/* Takes one option at argv[*at], as "--name value" or "--name=value"; NULL or what is wrong. */
static const char *take_option(dl_cli_opts_t *o, char **argv, int *at) {
  const char *arg = argv[*at];
  size_t len = strcspn(arg, "=");
  for (size_t i = 0; i < DL_COUNT(options); i++) {
    if (strlen(options[i].name) != len || strncmp(options[i].name, arg, len) != 0) continue;
    const char *value = arg[len] == '=' ? arg + len + 1 : NULL;
    if (!options[i].has_value) return value ? "takes no value" : options[i].read(o, "");
    if (!value) value = argv[++*at];
    return value ? options[i].read(o, value) : "needs a value";
  }
  return "is not an option; see --help";
}

static const char *check(const dl_cli_opts_t *o) {
  if (!o->cert != !o->key) return "--tls-cert and --tls-key go together";
  if (o->client_ca && !o->cert) return "--tls-client-ca needs --tls-cert";
  if (o->is_run && (!o->command || !o->command[0])) return "run needs a command behind --";
  if (!o->is_run && o->command) return "serve takes no command";
  return NULL;
}

int dl_cli_parse(int argc, char **argv, dl_cli_opts_t *o) {
  for (int i = 0; i < argc; i++) {
    if (strcmp(argv[i], "--") == 0) {
      o->command = argv + i + 1;
      break;
    }
    char *name = dl_xstrndup(argv[i], strcspn(argv[i], "=")); /* never print a value: it may be a key */
    const char *problem = take_option(o, argv, &i);
    if (problem) fprintf(stderr, "daytona-local: %s %s\n", name, problem);
    free(name);
    if (problem) return 2;
    if (o->wants_help) return 0;
  }
  const char *problem = check(o);
  if (problem) fprintf(stderr, "daytona-local: %s\n", problem);
  o->control.tls_cert_pem = o->cert;
  o->control.tls_key_pem = o->key;
  o->control.tls_client_ca_pem = o->client_ca;
  o->control.front = (dl_front_t){.trusted_proxies = o->trusted_proxies,
                                  .trusted_proxy_count = o->trusted_proxy_count,
                                  .allowed_origins = o->allowed_origins,
                                  .allowed_origin_count = o->allowed_origin_count};
  return problem ? 2 : 0;
}

static void free_variables(dl_image_pair_t *list, size_t count) {
  for (size_t i = 0; i < count; i++) {
    explicit_bzero((char *)list[i].value, strlen(list[i].value));
    free((char *)list[i].name);
    free((char *)list[i].value);
  }
  free(list);
}

void dl_cli_clear(dl_cli_opts_t *o) {
  char *const texts[] = {o->cert,        o->key,          o->client_ca, o->state,
                         o->listen_host, o->organization, o->ssh_host,  o->xterm};
  for (size_t i = 0; i < DL_COUNT(texts); i++) free(texts[i]);
  for (size_t i = 0; i < o->fault_count; i++) free(o->fault_texts[i]);
  for (size_t i = 0; i < o->trusted_proxy_count; i++) free(o->trusted_proxies[i]);
  free_variables(o->build_env, o->control.images.build_env_count);
  free_variables(o->sandbox_env, o->control.sandbox_env_count);
  for (size_t i = 0; i < o->control.images.insecure_registry_count; i++) free(o->insecure_registries[i]);
  free(o->insecure_registries);
  for (size_t i = 0; i < o->control.images.mirror_count; i++) {
    free((char *)o->mirrors[i].registry);
    free((char *)o->mirrors[i].mirror);
  }
  free(o->mirrors);
  free(o->trusted_proxies);
  for (size_t i = 0; i < o->allowed_origin_count; i++) free(o->allowed_origins[i]);
  free(o->allowed_origins);
  dl_keys_free_list(o->keys, o->key_count);
}

static bool is_any_of(const char *word, const char *const *names) {
  for (; *names; names++)
    if (strcmp(word, *names) == 0) return true;
  return false;
}

static int unknown_command(const char *word) {
  if (!*word) return fputs(usage, stderr), 2;
  fprintf(
    stderr,
    "daytona-local: unknown command '%s': there are serve, run, image and admin; see daytona-local --help\n",
    word);
  return 2;
}

int dl_cli_main(int argc, char **argv) {
  static const char *const help[] = {"--help", "-h", "help", NULL}, *const version[] = {"--version", "-V",
                                                                                        "version", NULL};
  const char *command = argc > 1 ? argv[1] : "";
  if (strcmp(command, "toolbox") == 0) return dl_toolbox_main(argc - 1, argv + 1);
  if (strcmp(command, "image-box") == 0) return dl_image_box_main(dl_toolbox_main, argc - 2, argv + 2);
  if (strcmp(command, "image-files") == 0) return dl_layer_main(argc - 2, argv + 2);
  if (strcmp(command, "own-root") == 0) return dl_own_root_main(argc - 2, argv + 2);
  if (strcmp(command, "link") == 0) return dl_link_main(argc - 2, argv + 2);
  if (strcmp(command, "name-server") == 0) return dl_name_server_main(argc - 2, argv + 2);
  if (strcmp(command, "image-jail") == 0) return dl_image_jail_main(argc - 1, argv + 1);
  if (strcmp(command, "image-runtime") == 0) return dl_image_runtime_main(argc - 1, argv + 1);
  if (strcmp(command, "image") == 0) return dl_cli_image(argc - 2, argv + 2);
  if (strcmp(command, "admin") == 0) return dl_cli_admin(argc - 2, argv + 2);
  if (is_any_of(command, version)) return puts("daytona-local " DL_VERSION) < 0;
  if (is_any_of(command, help)) return fputs(usage, stdout) < 0;
  bool is_run = strcmp(command, "run") == 0;
  if (!is_run && strcmp(command, "serve") != 0) return unknown_command(command);
  dl_cli_opts_t o = {.is_run = is_run, .control.warm_count = WARM_COUNT};
  int rc = dl_cli_parse(argc - 2, argv + 2, &o);
  if (rc == 0 && o.wants_help)
    printf("%s%s", is_run ? run_usage : serve_usage, common_usage);
  else if (rc == 0 && (rc = dl_init_split()) == 0)
    rc = is_run ? dl_cli_run(&o) : dl_cli_serve(&o);
  dl_cli_clear(&o);
  return rc;
}
