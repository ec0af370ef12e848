/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What buildah says when something is wrong, as one line and a code. The texts are those of 1.28 and of the libraries in it;
 * what is not known is passed on as it is.
 */
#include "images/internal.h"

#include "images/jail.h"
#include "images/variables.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define SAID_MAX 1000

static const struct {
  const char *text; /* in small letters */
  dl_image_code_t code;
  const char *means; /* in front of what was said; NULL: nothing */
} meanings[] = {
  {"overlay is not supported over", DL_IMAGE_UNAVAILABLE,
   "the file system of the state directory cannot hold images (ext4, xfs and btrfs can; --state names "
   "another place)"},
  {"kernel does not support overlay", DL_IMAGE_UNAVAILABLE,
   "the kernel has no overlay mounts for user namespaces (Linux 5.11 or newer has)"},
  {"unauthorized", DL_IMAGE_REFUSED,
   "the registry wants other credentials (--registry-auth-file), or has no such image"},
  {"authentication required", DL_IMAGE_REFUSED, "the registry wants credentials (--registry-auth-file)"},
  {"access to the resource is denied", DL_IMAGE_REFUSED,
   "the registry wants credentials (--registry-auth-file), or has no such image"},
  {"403 (forbidden)", DL_IMAGE_REFUSED, "the registry refused"},
  {"manifest unknown", DL_IMAGE_UNKNOWN, "there is no such image"},
  {"name unknown", DL_IMAGE_UNKNOWN, "there is no such image"},
  {"repository name not known", DL_IMAGE_UNKNOWN, "there is no such image"},
  {"image not known", DL_IMAGE_UNKNOWN, "there is no such image"},
  {"no image found in manifest list", DL_IMAGE_UNKNOWN, "there is no image for this kind of machine"},
  {"choosing an image from manifest list", DL_IMAGE_UNKNOWN, "there is no image for this kind of machine"},
  {"no such host", DL_IMAGE_NO_NETWORK, "the registry cannot be reached"},
  {"dial tcp", DL_IMAGE_NO_NETWORK, "the registry cannot be reached"},
  {"i/o timeout", DL_IMAGE_NO_NETWORK, "the registry cannot be reached"},
  {"tls handshake timeout", DL_IMAGE_NO_NETWORK, "the registry cannot be reached"},
  {"network is unreachable", DL_IMAGE_NO_NETWORK, "the registry cannot be reached"},
  {"proxyconnect", DL_IMAGE_NO_NETWORK, "the proxy cannot be reached"},
  {"server gave http response to https client", DL_IMAGE_NO_NETWORK,
   "the registry speaks plain HTTP (--registry-insecure HOST allows that)"},
  {"x509:", DL_IMAGE_NO_NETWORK,
   "the registry's certificate cannot be checked (--registry-insecure HOST ignores that)"},
  {"pinging container registry", DL_IMAGE_NO_NETWORK, "the registry cannot be reached"},
  {"connection reset by peer", DL_IMAGE_NO_NETWORK, "the registry cannot be reached"},
  {"while running runtime: exit status", DL_IMAGE_STEP_FAILED, NULL},
  {"dockerfile parse error", DL_IMAGE_INVALID, "the Dockerfile cannot be read"},
  {"unknown instruction", DL_IMAGE_INVALID, "the Dockerfile cannot be read"},
  {"error parsing main dockerfile", DL_IMAGE_INVALID, "the Dockerfile cannot be read"},
  {"no from statement found", DL_IMAGE_INVALID, "the Dockerfile has no FROM"},
  {"not an image archive", DL_IMAGE_INVALID, NULL},
  {"invalid reference format", DL_IMAGE_INVALID, "that is no name of an image"},
};

/* The last line that begins with "Error: " or is of ours, else the last line; yours to free. *is_ours: it is the very last,
 * and one of the jail. A step may end with any status, and then buildah has the last word. */
static char *last_error(const char *said, bool *is_ours) {
  static const char *const beginnings[] = {"Error: ", "daytona-local: "};
  const char *found = NULL, *last = "";
  size_t skip = 0;
  for (const char *at = said; *at; at += strcspn(at, "\n"), at += *at == '\n') {
    if (*at != '\n') last = at;
    for (size_t i = 0; i < DL_COUNT(beginnings); i++) {
      if (!dl_starts_with(at, beginnings[i])) continue;
      found = at;
      skip = strlen(beginnings[i]);
    }
  }
  const char *line = found ? found + skip : last;
  *is_ours = dl_starts_with(last, beginnings[1]);
  size_t len = strcspn(line, "\n");
  return dl_xstrndup(line, len < SAID_MAX ? len : SAID_MAX);
}

static char *in_small(const char *text) {
  char *small = dl_xstrdup(text);
  for (char *at = small; *at; at++) *at = (char)tolower((unsigned char)*at);
  return small;
}

/* A full disk shows first in what the programs of a job say, and then in whatever they end with. */
static bool is_full(const char *said) {
  static const char *const texts[] = {"no space left on device", "wrote only ", "disk quota exceeded"};
  char *small = in_small(said);
  bool is_one = false;
  for (size_t i = 0; i < DL_COUNT(texts); i++) is_one = is_one || strstr(small, texts[i]);
  free(small);
  return is_one;
}

/* "building at STEP "RUN x": ..." of a command that has ended with an error. */
static bool is_step(const char *small) {
  const char *step = strstr(small, "building at step \"run ");
  return step && strstr(step, "exit status");
}

/* A step that the kernel ended says nothing itself; buildah says how it ended. */
static const char *killed_note(const char *said) {
  return strstr(said, "exited on killed") || strstr(said, "exit status 137")
           ? ": the step was killed, as when the memory of builds (--build-memory) is used up"
           : "";
}

/* Why the runtime of the steps, which is ours, did not begin one; "" if it did. Up to the end of its line; yours to free. */
static char *refusal_in(const char *said) {
  const char *found = strstr(said, "]: " DL_IMAGE_REFUSAL);
  if (!found) return dl_xstrdup("");
  found += strlen("]: " DL_IMAGE_REFUSAL);
  size_t len = strcspn(found, "\n");
  char *text = dl_xstrndup(found, len < SAID_MAX ? len : SAID_MAX), *out = dl_xprintf(": %s", text);
  free(text);
  return out;
}

char *dl_image_explain(const char *said, int status, dl_image_code_t *code) {
  bool is_ours;
  char *line = last_error(said, &is_ours), *small = in_small(line);
  const char *means = NULL;
  *code = DL_IMAGE_FAILED;
  if (is_ours && status == DL_JAIL_EXIT) *code = DL_IMAGE_UNAVAILABLE;
  if (is_ours && status == DL_JAIL_INVALID) *code = DL_IMAGE_INVALID;
  if (*code == DL_IMAGE_FAILED && is_step(small)) *code = DL_IMAGE_STEP_FAILED;
  if (*code == DL_IMAGE_FAILED && is_full(said)) {
    *code = DL_IMAGE_NO_SPACE;
    means = "no space is left on the disk of the image store";
  }
  for (size_t i = 0; i < DL_COUNT(meanings) && *code == DL_IMAGE_FAILED; i++) {
    if (!strstr(small, meanings[i].text)) continue;
    *code = meanings[i].code;
    means = meanings[i].means;
  }
  char *refusal = *code == DL_IMAGE_STEP_FAILED ? refusal_in(said) : dl_xstrdup("");
  char *text = means ? dl_xprintf("%s: %s", means, line)
               : *line
                 ? dl_xprintf("%s%s%s", line, refusal, *code == DL_IMAGE_STEP_FAILED ? killed_note(said) : "")
                 : dl_xprintf("buildah ended with status %d", status);
  free(refusal);
  free(line);
  free(small);
  return text;
}
