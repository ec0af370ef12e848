/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buildah's configuration: nothing of the machine's own is read, so what a store does is decided by the server's options
 * alone. The folder is /etc/containers of the jail, and only the server can read it outside: variables of build steps are
 * in it, and not on a command line.
 */
#include "images/internal.h"

#include "images/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static char *write_bytes(const char *dir, const char *name, const char *text, size_t len, mode_t mode) {
  char *path = dl_xprintf("%s/%s", dir, name), *error = NULL;
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
  if (fd < 0 || write(fd, text, len) != (ssize_t)len || fchmod(fd, mode) != 0)
    error = dl_xprintf("cannot write %s: %s", path, strerror(errno));
  if (fd >= 0) close(fd);
  free(path);
  return error;
}

static char *write_conf(const char *dir, const char *name, const char *text, mode_t mode) {
  return write_bytes(dir, name, text, strlen(text), mode);
}

/* A TOML text. */
static void put_text(dl_buf_t *out, const char *text) {
  dl_buf_puts(out, "\"");
  for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
    if (*at == '"' || *at == '\\')
      dl_buf_printf(out, "\\%c", *at);
    else if (*at < 0x20 || *at == 0x7f)
      dl_buf_printf(out, "\\u%04x", *at);
    else
      dl_buf_append(out, at, 1);
  }
  dl_buf_puts(out, "\"");
}

/* Each ended by NUL. */
static void put_variables(dl_buf_t *out, const dl_images_opts_t *opts) {
  dl_image_pair_t proxies[DL_PROXY_ENV_MAX];
  size_t count = opts->no_proxy_env ? 0 : dl_proxy_env(proxies);
  for (size_t i = 0; i < opts->build_env_count; i++) {
    dl_buf_printf(out, "%s=%s", opts->build_env[i].name, opts->build_env[i].value);
    dl_buf_append(out, "", 1);
  }
  for (size_t i = 0; i < count; i++) {
    dl_buf_printf(out, "%s=%s", proxies[i].name, proxies[i].value);
    dl_buf_append(out, "", 1);
  }
  dl_proxy_env_clear(proxies, count);
}

static bool is_insecure(const dl_images_opts_t *opts, const char *host) {
  size_t len = strcspn(host, "/");
  for (size_t i = 0; i < opts->insecure_registry_count; i++)
    if (strlen(opts->insecure_registries[i]) == len && strncmp(opts->insecure_registries[i], host, len) == 0)
      return true;
  return false;
}

static void put_registry(dl_buf_t *out, const dl_images_opts_t *opts, const char *host) {
  dl_buf_puts(out, "[[registry]]\nlocation = ");
  put_text(out, host);
  dl_buf_printf(out, "\ninsecure = %s\n", is_insecure(opts, host) ? "true" : "false");
  for (size_t i = 0; i < opts->mirror_count; i++) {
    if (strcmp(opts->mirrors[i].registry, host) != 0) continue;
    dl_buf_puts(out, "[[registry.mirror]]\nlocation = ");
    put_text(out, opts->mirrors[i].mirror);
    dl_buf_printf(out, "\ninsecure = %s\n", is_insecure(opts, opts->mirrors[i].mirror) ? "true" : "false");
  }
}

static bool is_first_mirror_of(const dl_images_opts_t *opts, size_t i) {
  for (size_t j = 0; j < i; j++)
    if (strcmp(opts->mirrors[j].registry, opts->mirrors[i].registry) == 0) return false;
  return true;
}

static bool has_mirror(const dl_images_opts_t *opts, const char *host) {
  for (size_t i = 0; i < opts->mirror_count; i++)
    if (strcmp(opts->mirrors[i].registry, host) == 0) return true;
  return false;
}

static void put_registries(dl_buf_t *out, const dl_images_opts_t *opts) {
  dl_buf_puts(out, "unqualified-search-registries = [\"docker.io\"]\nshort-name-mode = \"disabled\"\n");
  for (size_t i = 0; i < opts->mirror_count; i++)
    if (is_first_mirror_of(opts, i)) put_registry(out, opts, opts->mirrors[i].registry);
  for (size_t i = 0; i < opts->insecure_registry_count; i++)
    if (!has_mirror(opts, opts->insecure_registries[i]))
      put_registry(out, opts, opts->insecure_registries[i]);
}

char *dl_image_conf_write(const char *dir, const dl_images_opts_t *opts, const char *runtime) {
  char *bin = dl_xprintf("%s/bin", dir), *error = NULL;
  char *containers = dl_xprintf("[containers]\nhttp_proxy = false\n[engine]\nruntime = \"%s\"\n", runtime);
  char *wrapper = dl_xprintf("#!/bin/sh\nexec " DL_JAIL_PROGRAM " image-runtime %s \"$@\"\n", runtime);
  dl_buf_t variables, registries;
  dl_buf_init(&variables, SIZE_MAX / 2);
  dl_buf_init(&registries, SIZE_MAX / 2);
  put_variables(&variables, opts);
  put_registries(&registries, opts);
  if ((mkdir(dir, 0755) != 0 && errno != EEXIST) || (mkdir(bin, 0755) != 0 && errno != EEXIST))
    error = dl_xprintf("cannot make %s: %s", bin, strerror(errno));
  if (!error && (chmod(dir, 0755) != 0 || chmod(bin, 0755) != 0)) /* whatever the umask */
    error = dl_xprintf("cannot open %s to the jail: %s", dir, strerror(errno));
  /* 0644: id 0 of the jail is another user; the folder above is the server's alone. */
  if (!error) error = write_conf(dir, "containers.conf", containers, 0644);
  if (!error) error = write_conf(dir, "registries.conf", registries.data, 0644);
  if (!error)
    error = write_conf(dir, "policy.json", "{\"default\":[{\"type\":\"insecureAcceptAnything\"}]}\n", 0644);
  if (!error) error = write_bytes(dir, "build-env", variables.data, variables.len, 0644);
  if (!error) error = write_conf(bin, "runtime", wrapper, 0755);
  if (variables.data) explicit_bzero(variables.data, variables.len);
  dl_buf_clear(&variables);
  dl_buf_clear(&registries);
  free(containers);
  free(wrapper);
  free(bin);
  return error;
}

/* --- environment --- */

static const char *const proxy_names[] = {"http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy",
                                          "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY"};

/* [SCHEME://][USER[:PASSWORD]@]HOST: where USER begins, and its length with the '@'; 0: there is none. */
static size_t user_info(const char *value, size_t *at) {
  const char *scheme = strstr(value, "://"), *begin = scheme ? scheme + 3 : value;
  size_t authority = strcspn(begin, "/");
  const char *sign = memrchr(begin, '@', authority);
  *at = (size_t)(begin - value);
  return sign ? (size_t)(sign - begin) + 1 : 0;
}

size_t dl_proxy_env(dl_image_pair_t out[DL_PROXY_ENV_MAX]) {
  size_t count = 0;
  for (size_t i = 0; i < DL_COUNT(proxy_names); i++) {
    const char *value = getenv(proxy_names[i]);
    if (!value || !*value) continue;
    size_t at, len = user_info(value, &at);
    out[count++] = (dl_image_pair_t){proxy_names[i], dl_xprintf("%.*s%s", (int)at, value, value + at + len)};
  }
  return count;
}

void dl_proxy_env_clear(dl_image_pair_t *pairs, size_t count) {
  for (size_t i = 0; i < count; i++) free((char *)pairs[i].value);
}

/* buildah itself goes through the proxy as the server would, with user and password. */
char **dl_image_conf_env(bool has_auth) {
  static const char *const fixed[] = {
    "PATH=/etc/containers/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/run/home",
    "TMPDIR=/job",
    "XDG_RUNTIME_DIR=/run",
    "LC_ALL=C.UTF-8",
    "CONTAINERS_CONF=/etc/containers/containers.conf",
    "CONTAINERS_REGISTRIES_CONF=/etc/containers/registries.conf",
    "_CONTAINERS_USERNS_CONFIGURED=done",
    "_CONTAINERS_ROOTLESS_UID=0",
    "_CONTAINERS_ROOTLESS_GID=0"};
  char **env = dl_xcalloc(DL_COUNT(fixed) + DL_COUNT(proxy_names) + 2, sizeof *env);
  size_t count = 0;
  for (size_t i = 0; i < DL_COUNT(fixed); i++) env[count++] = dl_xstrdup(fixed[i]);
  if (has_auth) env[count++] = dl_xstrdup("REGISTRY_AUTH_FILE=" DL_IMAGE_AUTH_IN_JAIL);
  for (size_t i = 0; i < DL_COUNT(proxy_names); i++) {
    const char *value = getenv(proxy_names[i]);
    if (value && *value) env[count++] = dl_xprintf("%s=%s", proxy_names[i], value);
  }
  return env;
}

void dl_image_conf_free_env(char **env) {
  for (char **at = env; *at; at++) {
    explicit_bzero(*at, strlen(*at));
    free(*at);
  }
  free(env);
}

/* NO_PROXY is a list of hosts, which are in the log anyway. */
void dl_image_conf_secrets(dl_redact_t *r, const dl_images_opts_t *opts) {
  dl_image_pair_t proxies[DL_PROXY_ENV_MAX];
  size_t count = dl_proxy_env(proxies);
  for (size_t i = 0; i < count; i++)
    if (strcasecmp(proxies[i].name, "no_proxy") != 0) dl_redact_add(r, proxies[i].value);
  dl_proxy_env_clear(proxies, count);
  for (size_t i = 0; i < DL_COUNT(proxy_names); i++) {
    const char *value = getenv(proxy_names[i]);
    size_t at, len = value ? user_info(value, &at) : 0;
    if (len == 0) continue;
    char *user = dl_xstrndup(value + at, len - 1), *password = strchr(user, ':');
    dl_redact_add(r, value);
    dl_redact_add(r, user);
    if (password) dl_redact_add(r, password + 1);
    explicit_bzero(user, strlen(user));
    free(user);
  }
  for (size_t i = 0; i < opts->build_env_count; i++) dl_redact_add(r, opts->build_env[i].value);
}

/* --- what of the loopback the jail needs --- */

void dl_image_conf_add_loopback(dl_image_words_t *out, const char *host) {
  size_t len = strcspn(host, "/");
  bool is_loopback =
    dl_starts_with(host, "127.") || dl_starts_with(host, "localhost:") || dl_starts_with(host, "[::1]:");
  if (is_loopback && memrchr(host, ':', len)) dl_image_words_add(out, "%.*s", (int)len, host);
}

void dl_image_conf_forwards(dl_image_words_t *out, const dl_images_opts_t *opts) {
  dl_image_pair_t proxies[DL_PROXY_ENV_MAX];
  size_t count = dl_proxy_env(proxies);
  for (size_t i = 0; i < opts->insecure_registry_count; i++)
    dl_image_conf_add_loopback(out, opts->insecure_registries[i]);
  for (size_t i = 0; i < opts->mirror_count; i++) dl_image_conf_add_loopback(out, opts->mirrors[i].mirror);
  for (size_t i = 0; i < count; i++) {
    const char *scheme = strstr(proxies[i].value, "://");
    if (strcasecmp(proxies[i].name, "no_proxy") != 0)
      dl_image_conf_add_loopback(out, scheme ? scheme + 3 : proxies[i].value);
  }
  dl_proxy_env_clear(proxies, count);
}
