/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The role "image-runtime". Runs in the jail, once per build step; what it reads was written by buildah and by us.
 */
#include "images/variables.h"

#include "base/base.h"
#include "images/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VARIABLES_MAX (1024 * 1024)

static int fail(const char *what, const char *detail) {
  fprintf(stderr, "daytona-local: %s %s\n", what, detail);
  return 1;
}

static int refuse(const char *reason) {
  fprintf(stderr, DL_IMAGE_REFUSAL "%s\n", reason);
  return 1;
}

/* The folder of "create --bundle FOLDER", else NULL. */
static const char *find_bundle(int argc, char **argv, bool *creates_one) {
  bool creates = false;
  const char *bundle = NULL;
  for (int i = 1; i < argc; i++) {
    creates = creates || strcmp(argv[i], "create") == 0 || strcmp(argv[i], "run") == 0;
    if (i + 1 < argc && (strcmp(argv[i], "--bundle") == 0 || strcmp(argv[i], "-b") == 0))
      bundle = argv[i + 1];
    if (dl_starts_with(argv[i], "--bundle=")) bundle = argv[i] + strlen("--bundle=");
  }
  *creates_one = creates;
  return creates ? bundle : NULL;
}

static bool is_set(const json_t *env, const char *variable) {
  size_t i, len = strcspn(variable, "=") + 1;
  json_t *item;
  json_array_foreach (env, i, item)
    if (json_is_string(item) && strncmp(json_string_value(item), variable, len) == 0) return true;
  return false;
}

static int add_all(json_t *env) {
  char *text = dl_xmalloc(VARIABLES_MAX + 1);
  int fd = open(DL_IMAGE_VARIABLES, O_RDONLY | O_CLOEXEC);
  ssize_t len = fd >= 0 ? read(fd, text, VARIABLES_MAX) : -1;
  if (fd >= 0) close(fd);
  if (len < 0) return -1;
  text[len] = '\0';
  for (char *at = text; at < text + len; at += strlen(at) + 1)
    if (!is_set(env, at)) json_array_append_new(env, json_string(at));
  explicit_bzero(text, (size_t)len);
  free(text);
  return 0;
}

static int prepare(const char *bundle) {
  char *path = dl_xprintf("%s/config.json", bundle);
  json_error_t problem;
  json_t *config = json_load_file(path, 0, &problem);
  json_t *env = json_object_get(json_object_get(config, "process"), "env");
  char *refusal = config ? dl_image_mounts_check(config) : NULL;
  int rc = 0;
  if (!json_is_array(env))
    rc = fail("cannot read", path);
  else if (refusal)
    rc = refuse(refusal);
  else if (add_all(env) != 0)
    rc = fail("cannot read " DL_IMAGE_VARIABLES ":", strerror(errno));
  else if (json_dump_file(config, path, JSON_COMPACT) != 0)
    rc = fail("cannot write", path);
  json_decref(config);
  free(refusal);
  free(path);
  return rc;
}

int dl_image_runtime_main(int argc, char **argv) {
  if (argc < 2) return fail("a runtime is missing:", "image-runtime REAL ARGS...");
  bool creates;
  const char *bundle = find_bundle(argc - 1, argv + 1, &creates);
  if (creates && !bundle) return fail("no bundle for", argv[1]);
  if (bundle && prepare(bundle) != 0) return 1;
  execvp(argv[1], argv + 1);
  return fail("cannot run", argv[1]);
}
