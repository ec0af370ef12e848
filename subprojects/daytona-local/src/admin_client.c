/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command admin: one documented admin call to the server that the environment names.
 */
#include "cli.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A path is what stands behind /admin, or has it in front, as README.md lists them. */
static char *admin_url(const char *path) {
  const char *admin = getenv("DAYTONA_LOCAL_ADMIN_URL"), *api = getenv("DAYTONA_API_URL");
  if (strncmp(path, "/admin/", 7) == 0) path += 6;
  const char *slash = path[0] == '/' ? "" : "/";
  if (admin && *admin) return dl_xprintf("%s%s%s", admin, slash, path);
  if (!api || !*api) return NULL;
  size_t len = strlen(api);
  while (len > 0 && api[len - 1] == '/') len--;
  if (len >= 4 && strncmp(api + len - 4, "/api", 4) == 0) len -= 4;
  return dl_xprintf("%.*s/admin%s%s", (int)len, api, slash, path);
}

static int perform(CURL *curl, const char *method, const char *url, const char *key, const char *json) {
  char reason[CURL_ERROR_SIZE] = "";
  char *authorization = dl_xprintf("Authorization: Bearer %s", key);
  struct curl_slist *headers = curl_slist_append(NULL, authorization);
  long status = 0;
  headers = curl_slist_append(headers, "Content-Type: application/json");
  curl_easy_setopt(curl, CURLOPT_URL, url);
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
  curl_easy_setopt(curl, CURLOPT_NOPROXY, "*"); /* it is a server of the caller's own */
  if (json) curl_easy_setopt(curl, CURLOPT_POSTFIELDS, json);
  CURLcode rc = curl_easy_perform(curl);
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  curl_slist_free_all(headers);
  free(authorization);
  if (rc == CURLE_OK) putchar('\n');
  if (rc != CURLE_OK)
    fprintf(stderr, "daytona-local: %s: %s\n", url, *reason ? reason : curl_easy_strerror(rc));
  else if (status >= 400)
    fprintf(stderr, "daytona-local: status %ld\n", status);
  return rc != CURLE_OK || status >= 400;
}

static const char usage[] =
  "usage: daytona-local admin GET|POST|PUT|DELETE PATH [JSON]\n"
  "\n"
  "One admin call to the server that DAYTONA_LOCAL_ADMIN_URL or DAYTONA_API_URL names, with "
  "DAYTONA_API_KEY.\n"
  "\n"
  "  GET /admin/info                 version, clock, what each running sandbox really has\n"
  "  GET /admin/clock                POST '{\"jump_ms\":60000}' or '{\"speed\":10}' changes it\n"
  "  PUT /admin/sandbox/ID/state     '{\"state\":\"error\",\"errorReason\":\"...\"}'\n"
  "  GET /admin/faults               POST adds a rule, DELETE takes all away, DELETE /admin/faults/ID one\n";

static bool is_help(const char *word) { return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0; }

int dl_cli_admin(int argc, char **argv) {
  const char *key = getenv("DAYTONA_API_KEY");
  if (argc == 1 && is_help(argv[0])) return fputs(usage, stdout) < 0;
  if (argc < 2 || argc > 3) return fputs(usage, stderr), 2;
  char *url = admin_url(argv[1]);
  if (!url || !key) {
    fputs("daytona-local: DAYTONA_API_KEY and DAYTONA_API_URL (or DAYTONA_LOCAL_ADMIN_URL) must be set\n",
          stderr);
    free(url);
    return 2;
  }
  CURL *curl = curl_easy_init();
  int rc = curl ? perform(curl, argv[0], url, key, argc == 3 ? argv[2] : NULL) : 1;
  curl_easy_cleanup(curl);
  free(url);
  return rc;
}
