/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The proxy: who may reach a sandbox, what of the request is passed on, and its errors. The
 * exchange itself is dl_forward's; the sandbox's toolbox listens on a Unix socket that only this
 * process can reach.
 */
#include "proxy/proxy.h"

#include "control/auth/web_sessions.h"
#include "control/objects/previews.h"
#include "control/routes/answer.h"
#include "http/forward.h"
#include "proxy/signature.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define TOKEN_QUERY "DAYTONA_SANDBOX_AUTH_KEY"
#define TOKEN_HEADER "X-Daytona-Preview-Token"
#define COOKIE "daytona-sandbox-auth-"
#define SKIP_HEADER "X-Daytona-Skip-Last-Activity-Update"

typedef enum {
  BY_NOBODY,
  BY_KEY,
  BY_TOKEN_HEADER,
  BY_TOKEN_QUERY,
  BY_COOKIE,
  BY_FOREIGN_COOKIE, /* a good one, sent by a page of another origin: it does not count */
  BY_SIGNATURE,
  BY_HOST,
  BY_PUBLIC
} credential_t;

typedef enum { WAY_TOOLBOX, WAY_TOOLBOX_PORT, WAY_PREVIEW, WAY_PAGE } way_t;

typedef struct {
  dl_control_t *control;
  dl_sandbox_t *sandbox; /* its relay_count holds us, and lives as long as the box */
  char *id;
  bool counts_as_activity;
  bool is_toolbox;          /* paths of the response are below /toolbox/{id} */
  int64_t port;             /* of a preview's program, else 0 */
  char *prefix;             /* what the client has in front of its paths; "" for a preview by host name */
  bool is_trusted;          /* the client is a listed proxy */
  bool is_page;             /* asked by our own page */
  bool is_on_our_host;      /* not on that of a preview */
  dl_passage_watch_t watch; /* of the page; may be empty */
} passage_t;

/* --- credentials --- */

typedef struct {
  const dl_sandbox_t *sandbox;
  const char *name; /* with the "=" behind it */
  bool is_found;
} cookie_search_t;

/* Others may have set cookies of the same name, so all are looked at. */
static void search_cookies(void *user, const char *header, const char *value) {
  cookie_search_t *search = user;
  if (strcasecmp(header, "Cookie") != 0) return;
  size_t name_len = strlen(search->name), len;
  for (const char *at = value; *at != '\0'; at += len) {
    at += strspn(at, "; ");
    len = strcspn(at, "; ");
    if (len <= name_len || strncmp(at, search->name, name_len) != 0) continue;
    char *token = dl_xstrndup(at + name_len, len - name_len);
    search->is_found = dl_same_secret(search->sandbox->preview_token, token) || search->is_found;
    free(token);
  }
}

static bool has_cookie(const dl_req_t *req, const dl_sandbox_t *sb) {
  char *name = dl_xprintf(COOKIE "%s=", sb->id);
  cookie_search_t search = {.sandbox = sb, .name = name};
  dl_req_each_header(req, search_cookies, &search);
  free(name);
  return search.is_found;
}

/* In the documented order; a wrong one does not spoil a later one. */
static credential_t find_credential(dl_control_t *c, dl_req_t *req, const dl_sandbox_t *sb) {
  unsigned permissions;
  const char *bearer = dl_req_header(req, "Authorization"), *token = dl_req_header(req, TOKEN_HEADER);
  const char *organization = dl_req_header(req, "X-Daytona-Organization-ID");
  if (bearer && dl_keys_check(&c->keys, bearer, organization ? organization : c->objects.organization_id,
                              &permissions) == DL_AUTH_OK)
    return BY_KEY;
  if (token && dl_same_secret(sb->preview_token, token)) return BY_TOKEN_HEADER;
  token = dl_query_get(dl_req_query(req), TOKEN_QUERY);
  if (token && dl_same_secret(sb->preview_token, token)) return BY_TOKEN_QUERY;
  if (!has_cookie(req, sb)) return BY_NOBODY;
  return dl_ambient_credential_counts(&c->front, req) ? BY_COOKIE : BY_FOREIGN_COOKIE;
}

static bool presented_any(dl_req_t *req) {
  return dl_req_header(req, "Authorization") || dl_req_header(req, TOKEN_HEADER) ||
         dl_query_get(dl_req_query(req), TOKEN_QUERY) || dl_query_get(dl_req_query(req), "signature");
}

/* --- passing on --- */

static int connect_box(void *user, int attempt, bool *is_connecting) {
  passage_t *p = user;
  struct sockaddr_un addr = {.sun_family = AF_UNIX};
  *is_connecting = false;
  if (attempt > 0 || !dl_sandbox_is_up(p->sandbox)) return -1;
  const char *path = dl_box_socket_path(p->sandbox->box);
  if (!path || strlen(path) >= sizeof addr.sun_path) return -1;
  strcpy(addr.sun_path, path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof addr) == 0) return fd;
  if (fd >= 0) close(fd);
  return -1;
}

static bool is_any_of(const char *name, const char *const *names) {
  for (; *names != NULL; names++)
    if (strcasecmp(name, *names) == 0) return true;
  return false;
}

/* All that a sandbox hears of a browser that shows our page. */
static bool is_heard_of_page(const char *name) {
  static const char *const names[] = {"Content-Type", "Sec-WebSocket-Key", "Sec-WebSocket-Version", NULL};
  return is_any_of(name, names);
}

/* All that our page's browser hears of a sandbox, but for the body. */
static bool is_said_to_page(const char *name) {
  static const char *const names[] = {"Content-Type", "Upgrade", "Sec-WebSocket-Accept", NULL};
  return is_any_of(name, names);
}

/* What browsers hold for a whole origin, and so for our page, whichever of its paths has said it. */
static bool is_of_whole_origin(const char *name) {
  static const char *const names[] = {"Accept-CH",
                                      "Alt-Svc",
                                      "Expect-CT",
                                      "NEL",
                                      "Origin-Agent-Cluster",
                                      "Public-Key-Pins",
                                      "Public-Key-Pins-Report-Only",
                                      "Report-To",
                                      "Sec-Session-Registration",
                                      "Secure-Session-Registration",
                                      "Service-Worker-Allowed",
                                      "Set-Login",
                                      "Strict-Transport-Security",
                                      "Use-As-Dictionary",
                                      NULL};
  return is_any_of(name, names);
}

/* A sandbox sets no cookie of our page, does not clear what a browser keeps of us, and does not say how a browser deals with us.
 * A cookie without a name is sent like one whose name is in its value, so the whole text is looked at. */
static bool is_against_page(const passage_t *p, const char *name, const char *value) {
  if (p->control->page == NULL) return false;
  if (strcasecmp(name, "Set-Cookie") == 0) return strstr(value, DL_SESSION_COOKIE) != NULL;
  return strcasecmp(name, "Clear-Site-Data") == 0 || (p->is_on_our_host && is_of_whole_origin(name));
}

/* To the page a 401 says that its session is over, which is not for a sandbox to say. */
static bool takes(void *user, int status) {
  const passage_t *p = user;
  return !p->is_page || status != 401;
}

/* No credential of ours reaches a program, whichever of them the request was let in by. */
static bool drop_header(void *user, const char *name, const char *value) {
  const passage_t *p = user;
  if (p->is_page) return !is_heard_of_page(name);
  if (strcasecmp(name, TOKEN_HEADER) == 0 || strcasecmp(name, SKIP_HEADER) == 0) return true;
  if (strcasecmp(name, "Authorization") == 0) return dl_keys_holds(&p->control->keys, value);
  if (strcasecmp(name, "X-Forwarded-For") == 0) return true; /* it is in ours */
  return dl_is_forwarding_header(name) && !p->is_trusted;
}

/* A program takes "localhost:PORT" for its own address, and makes its redirects from that. For the client this is
 * the path alone, below what it has called. NULL: the value leads elsewhere, or is a path already. */
static char *map_preview_location(const passage_t *p, const char *value) {
  static const char *const hosts[] = {"localhost", "127.0.0.1", "[::1]"};
  const char *host = dl_starts_with(value, "http://")    ? value + 7
                     : dl_starts_with(value, "https://") ? value + 8
                                                         : NULL;
  for (size_t i = 0; host != NULL && i < DL_COUNT(hosts); i++) {
    char *own = dl_xprintf("%s:%lld", hosts[i], (long long)p->port);
    const char *rest = dl_starts_with(host, own) ? host + strlen(own) : NULL;
    free(own);
    if (rest != NULL && (*rest == '\0' || strchr("/?#", *rest) != NULL))
      return dl_xprintf("%s%s%s", p->prefix,
                        *rest != '/'     ? "/"
                        : rest[1] == '/' ? "/."
                                         : "",
                        rest); /* "//x" is a host */
  }
  return NULL;
}

/* The toolbox knows nothing of the prefix in front of its paths. */
static char *map_header(void *user, const char *name, const char *value) {
  const passage_t *p = user;
  if (p->is_page ? !is_said_to_page(name) : is_against_page(p, name, value)) return dl_xstrdup("");
  if (p->port > 0 && strcasecmp(name, "Location") == 0) return map_preview_location(p, value);
  if (!p->is_toolbox || strcasecmp(name, "Location") != 0 || value[0] != '/') return NULL;
  char *prefix = dl_xprintf("/toolbox/%s", p->id);
  char *mapped = dl_starts_with(value, prefix) ? NULL : dl_xprintf("%s%s", prefix, value);
  free(prefix);
  return mapped;
}

static void on_head(void *user, dl_req_t *req, int status) {
  const passage_t *p = user;
  if (status == 101 && p->is_page) dl_req_add_header(req, "Sec-WebSocket-Protocol", DL_PAGE_PROTOCOL);
}

static void on_upgraded(void *user, dl_duplex_t *client) {
  const passage_t *p = user;
  if (p->watch.on_upgraded != NULL) p->watch.on_upgraded(p->watch.user, client);
}

static void on_failure(void *user, dl_req_t *req) {
  passage_t *p = user;
  dl_fail_proxy(p->control, req, 502, "bad gateway: the sandbox %s does not answer", p->id);
}

static void on_end(void *user) {
  passage_t *p = user;
  dl_sandbox_t *sb = dl_map_get(&p->control->objects.sandboxes, p->id);
  if (sb && p->counts_as_activity) {
    assert(sb->relay_count > 0);
    sb->relay_count--;
    sb->last_activity_at = dl_now(p->control);
  }
  if (p->watch.on_end != NULL) p->watch.on_end(p->watch.user);
  free(p->prefix);
  free(p->id);
  free(p);
}

/* Whether the parameter is named `name`, in whatever spelling it is read as that. */
static bool is_named(const char *parameter, size_t len, const char *name) {
  char *key = dl_url_decode(parameter, len, true);
  bool is_it = key != NULL && strcmp(key, name) == 0;
  free(key);
  return is_it;
}

/* The query without what is ours; the rest as it came. Yours to free. */
static char *query_without(const char *raw, size_t raw_len, const char *const *names) {
  dl_buf_t out;
  dl_buf_init(&out, raw_len);
  for (const char *at = raw, *end = raw + raw_len; at < end;) {
    const char *stop = memchr(at, '&', (size_t)(end - at));
    size_t len = stop != NULL ? (size_t)(stop - at) : (size_t)(end - at);
    const char *equals = memchr(at, '=', len);
    bool is_ours = false;
    for (size_t i = 0; names[i]; i++)
      is_ours = is_ours || is_named(at, equals != NULL ? (size_t)(equals - at) : len, names[i]);
    if (!is_ours && len > 0) {
      if (out.len > 0) dl_buf_append(&out, "&", 1);
      dl_buf_append(&out, at, len);
    }
    at += len + (stop != NULL);
  }
  return dl_buf_take(&out);
}

/* Tokens go whatever the request was let in by. Only the two file calls know signatures; elsewhere those names
 * belong to the program. */
static char *query_to_pass(dl_req_t *req, const char *path, way_t in) {
  static const char *const token[] = {TOKEN_QUERY, NULL}, *const all[] = {TOKEN_QUERY, "signature", "expires",
                                                                          NULL};
  const char *raw = dl_req_raw_query(req);
  return query_without(raw, strlen(raw), in == WAY_TOOLBOX && dl_signature_is_for(path) ? all : token);
}

static bool is_our_cookie(const char *text) {
  return dl_starts_with(text, COOKIE) || dl_starts_with(text, DL_SESSION_COOKIE) ||
         dl_starts_with(text, DL_SESSION_HOST_COOKIE);
}

/* The cookies without those that open sandboxes or our page. */
static char *cookies_to_pass(const char *value) {
  dl_buf_t out;
  dl_buf_init(&out, strlen(value) + 1);
  for (const char *at = value; *at != '\0';) {
    at += strspn(at, "; ");
    size_t len = strcspn(at, ";");
    if (len > 0 && !is_our_cookie(at)) {
      if (out.len > 0) dl_buf_puts(&out, "; ");
      dl_buf_append(&out, at, len);
    }
    at += len;
  }
  return dl_buf_take(&out);
}

/* A page that was opened with a token in its query sends that along as where it came from. */
static char *referer_to_pass(const char *value) {
  static const char *const token[] = {TOKEN_QUERY, NULL};
  const char *query = strchr(value, '?');
  if (query == NULL) return NULL;
  char *rest = query_without(query + 1, strlen(query + 1), token);
  char *out = dl_xprintf("%.*s%s%s", (int)(query - value), value, *rest ? "?" : "", rest);
  free(rest);
  return out;
}

static char *map_request_header(void *user, const char *name, const char *value) {
  (void)user;
  if (strcasecmp(name, "Cookie") == 0 &&
      (strstr(value, COOKIE) != NULL || strstr(value, DL_SESSION_COOKIE) != NULL))
    return cookies_to_pass(value);
  return strcasecmp(name, "Referer") == 0 ? referer_to_pass(value) : NULL;
}

/* `preview_port`: 0 where there is none; `prefix`: see passage; `watch`: NULL, or of the page. */
static void pass_on(dl_control_t *c, dl_req_t *req, dl_sandbox_t *sb, const char *path, way_t in,
                    int64_t preview_port, const char *prefix, const dl_passage_watch_t *watch) {
  passage_t *p = dl_xcalloc(1, sizeof *p);
  const char *skip = dl_req_header(req, SKIP_HEADER);
  *p = (passage_t){.control = c,
                   .sandbox = sb,
                   .id = dl_xstrdup(sb->id),
                   .is_toolbox = in == WAY_TOOLBOX,
                   .port = preview_port,
                   .prefix = dl_xstrdup(prefix),
                   .is_page = in == WAY_PAGE,
                   .is_on_our_host = in != WAY_PREVIEW || *prefix != '\0',
                   .is_trusted = dl_is_from_trusted(&c->front, req)};
  if (watch != NULL) p->watch = *watch;
  p->counts_as_activity = !skip || strcasecmp(skip, "true") != 0;
  if (p->counts_as_activity) {
    sb->last_activity_at = dl_now(c);
    sb->relay_count++;
  }
  char *query = in == WAY_PAGE ? dl_xstrdup("") : query_to_pass(req, path, in);
  char *target = dl_xprintf("%s%s%s", path, *query ? "?" : "", query);
  char *extra = dl_forwarding_lines(&c->front, req);
  dl_forward_opts_t forward = {
    .connect = connect_box,
    .target = target,
    .host = in == WAY_PREVIEW ? NULL : "localhost",
    .drop_header = drop_header,
    .map_request_header = map_request_header,
    .map_header = map_header,
    .takes = takes,
    .on_head = on_head,
    .on_upgraded = on_upgraded,
    .extra_headers = extra,
    .on_failure = on_failure,
    .on_end = on_end,
    .user = p,
  };
  dl_forward(req, &forward);
  free(extra);
  free(target);
  free(query);
}

/* True when the sandbox can take requests; otherwise answered. */
static bool is_running(dl_control_t *c, dl_req_t *req, const dl_sandbox_t *sb) {
  if (sb->pool_id) {
    dl_fail_proxy(c, req, 400, "bad request: sandbox %s waits in a warm pool, and is nobody's yet", sb->id);
    return false;
  }
  if (dl_sandbox_is_up(sb)) return true;
  dl_fail_proxy(c, req, 400, "bad request: sandbox %s has no network address (state %s); is it started?",
                sb->id, dl_sandbox_state_name(sb, false));
  return false;
}

/* True when nobody may come in by that; answered then. */
static bool is_refused(dl_control_t *c, dl_req_t *req, credential_t who, const char *missing) {
  if (who == BY_FOREIGN_COOKIE)
    dl_fail_proxy(
      c, req, 403,
      "forbidden: the cookie counts for pages of the same origin only, and this request comes from another");
  else if (who == BY_NOBODY)
    dl_fail_proxy(c, req, 401, "unauthorized: %s", missing);
  return who == BY_NOBODY || who == BY_FOREIGN_COOKIE;
}

/* --- metrics --- */

typedef struct {
  dl_control_t *control;
  dl_req_t *req;
} asking_t;

static void on_sample(const dl_sample_t *s, void *user) {
  asking_t *a = user;
  if (!s) {
    dl_fail_proxy(a->control, a->req, 400, "bad request: the sandbox has ended meanwhile");
  } else {
    int64_t at = dl_clock_shown(&a->control->objects.clock, s->at);
    dl_reply_json(
      a->req, 200,
      json_pack("{s:s, s:I, s:I, s:f, s:I, s:I, s:I, s:I, s:I, s:I}", "timestamp", dl_iso_format(at).text,
                "timestampUnix", (json_int_t)(at / 1000), "cpuCount", (json_int_t)s->cpu, "cpuUsedPct",
                s->cpu_pct, "memTotal", (json_int_t)s->memory_total, "memUsed", (json_int_t)s->memory,
                "memCache", (json_int_t)s->cache, "diskTotal", (json_int_t)s->disk_total, "diskUsed",
                (json_int_t)s->disk, "diskFree", (json_int_t)s->disk_free));
  }
  free(a);
}

/* Inside of a sandbox nobody can read what its control group counts, so its toolbox is not asked. */
static void answer_metrics(dl_control_t *c, dl_req_t *req, dl_sandbox_t *sb) {
  const char *skip = dl_req_header(req, SKIP_HEADER);
  asking_t *a = dl_xcalloc(1, sizeof *a);
  *a = (asking_t){c, req};
  if (!skip || strcasecmp(skip, "true") != 0) sb->last_activity_at = dl_now(c);
  dl_meter_ask(c->meter, sb, on_sample, a);
}

/* --- the two ways in --- */

void dl_proxy_toolbox(dl_control_t *c, dl_req_t *req, const char *path) {
  size_t len = strcspn(path + 1, "/");
  if (path[1 + len] != '/') {
    dl_fail_proxy(c, req, 404, "not found: not found");
    return;
  }
  char *id = dl_xstrndup(path + 1, len);
  dl_sandbox_t *sb = dl_objects_find(&c->objects, id, false);
  free(id);
  unsigned permissions;
  const char *bearer = dl_req_header(req, "Authorization"),
             *organization = dl_req_header(req, "X-Daytona-Organization-ID");
  if (!sb) {
    /* Only somebody with a key learns that it does not exist. */
    if (dl_keys_check(&c->keys, bearer, organization ? organization : c->objects.organization_id,
                      &permissions) == DL_AUTH_OK)
      dl_fail_proxy(c, req, 404, "not found: no such sandbox");
    else
      dl_fail_proxy(c, req, 401, "unauthorized: no usable credential");
    return;
  }
  credential_t who = find_credential(c, req, sb);
  if (who == BY_NOBODY && dl_query_get(dl_req_query(req), "signature")) {
    dl_signature_t verdict =
      dl_signature_check(sb->signing_key, req, path + 1 + len, dl_clock_followed(&c->objects.clock));
    if (verdict == DL_SIGNATURE_NO_PATH) {
      dl_fail_proxy(c, req, 400, "bad request: a signed URL needs a path");
      return;
    }
    if (verdict == DL_SIGNATURE_GOOD) who = BY_SIGNATURE;
  }
  const char *missing = presented_any(req) ? "the credentials presented are not valid for this sandbox"
                                           : "authentication is missing";
  if (is_refused(c, req, who, missing)) return;
  if (!is_running(c, req, sb)) return;
  if (strcmp(dl_req_method(req), "GET") == 0 && strcmp(path + 1 + len, "/system/metrics") == 0)
    answer_metrics(c, req, sb);
  else
    pass_on(c, req, sb, path + 1 + len, WAY_TOOLBOX, 0, "", NULL);
}

/* What the platform's own programs listen for in every sandbox; these ports belong to no program of it. */
static const struct {
  int64_t port;
  const char *place;  /* of it in the toolbox */
  const char *absent; /* or why there is nothing */
} OWN_PORTS[] = {
  {2280, "", NULL},
  {22222, "/terminal", NULL},
  {22220, NULL, "port 22220 is that of SSH, which has no page: ssh-access makes a token for an SSH client"},
  {33333, "/recordings-page", NULL},
};

/* True when the port is one of those; passed on, or answered. */
static bool pass_to_own(dl_control_t *c, dl_req_t *req, dl_sandbox_t *sb, int64_t port, const char *path) {
  for (size_t i = 0; i < DL_COUNT(OWN_PORTS); i++) {
    if (OWN_PORTS[i].port != port) continue;
    if (OWN_PORTS[i].place == NULL) {
      dl_fail_proxy(c, req, 501, "%s", OWN_PORTS[i].absent);
      return true;
    }
    char *inner = dl_xprintf("%s%s", OWN_PORTS[i].place, path);
    pass_on(c, req, sb, inner, WAY_TOOLBOX_PORT, 0, "", NULL);
    free(inner);
    return true;
  }
  return false;
}

static bool needs_credential(const dl_sandbox_t *sb, int64_t port) {
  return !sb->is_public || port == 2280 || port == 22222 || port == 33333;
}

void dl_proxy_preview(dl_control_t *c, dl_req_t *req, const char *label, const char *prefix,
                      const char *path) {
  size_t digits = strspn(label, "0123456789");
  char number[8] = {0};
  int64_t port = 0;
  if (digits > 0 && digits < 6) memcpy(number, label, digits);
  if (label[digits] != '-' || !dl_parse_int(number, 1, 65535, &port)) {
    dl_fail_proxy(c, req, 404, "not found: not a preview address");
    return;
  }
  const char *name = label + digits + 1;
  dl_sandbox_t *sb = dl_preview_find(&c->objects, name, port);
  credential_t who = sb ? BY_HOST : BY_NOBODY;
  if (!sb) {
    sb = dl_objects_find(&c->objects, name, false);
    if (sb) who = find_credential(c, req, sb);
    bool is_in = who != BY_NOBODY && who != BY_FOREIGN_COOKIE;
    if (sb && !is_in && !needs_credential(sb, port)) who = BY_PUBLIC;
  }
  /* The platform redirects to a login page; there is none here. */
  if (is_refused(c, req, who, "this preview needs a token")) return;
  if (!is_running(c, req, sb)) return;
  if (pass_to_own(c, req, sb, port, path)) return;
  char *inner = dl_xprintf("/proxy/%lld%s", (long long)port, path);
  pass_on(c, req, sb, inner, WAY_PREVIEW, port, prefix, NULL);
  free(inner);
}

void dl_proxy_page(dl_control_t *c, dl_req_t *req, dl_sandbox_t *sb, const char *path,
                   const dl_passage_watch_t *watch) {
  assert(c->page != NULL);
  if (is_running(c, req, sb))
    pass_on(c, req, sb, path, WAY_PAGE, 0, "", watch);
  else if (watch != NULL)
    watch->on_end(watch->user);
}
