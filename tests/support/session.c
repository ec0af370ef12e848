/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See session.h.
 */
#include "support/session.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "support/check.h"

void session_open(session_t *session, const daytona_config_t *config) {
  char reason[256] = "";
  memset(session, 0, sizeof *session);
  session->blocks_before = daytona__alloc_count();
  assert_int_equal(uv_loop_init(&session->uv), 0);
  int rc = daytona_client_new(&session->uv, config, &session->client);
  if (rc != 0) {
    daytona_config_check(config, reason, sizeof reason);
    fail_msg("no client: %s", reason);
  }
}

static void on_closed(void *user) { *(bool *)user = true; }

void session_close(session_t *session) {
  bool is_closed = false;
  daytona_client_close(session->client, on_closed, &is_closed);
  daytona_client_release(session->client);
  uv_run(&session->uv, UV_RUN_DEFAULT);
  assert_true(is_closed);
  assert_int_equal(uv_loop_close(&session->uv), 0);
  assert_int_equal(daytona__alloc_count(), session->blocks_before);
}

int session_setup(void **state) {
  session_t *session = malloc(sizeof *session);
  session_open(session, NULL);
  *state = session;
  return 0;
}

int session_teardown(void **state) {
  session_close(*state);
  free(*state);
  return 0;
}

daytona_sandbox_t *session_sandbox(session_t *session, const daytona_sandbox_create_opts_t *opts) {
  daytona_future_t *future = api_must(daytona_sandbox_create(session->client, opts));
  daytona_sandbox_t *sandbox = daytona_sandbox_retain(daytona_future_sandbox(future));
  daytona_future_release(future);
  return sandbox;
}

void session_delete(daytona_sandbox_t *sandbox) {
  daytona_sandbox_lifecycle_opts_t opts = {.waits = true};
  api_done(daytona_sandbox_delete(sandbox, &opts));
  daytona_sandbox_release(sandbox);
}

void session_expect(daytona_sandbox_t *sandbox, const char *command, int exit_code, const char *output) {
  daytona_future_t *future = api_must(daytona_process_exec(sandbox, command, NULL));
  const daytona_exec_result_t *result = daytona_future_exec_result(future);
  if (result->exit_code != exit_code)
    fail_msg("%s: exit code %d, output %s", command, result->exit_code, result->result);
  if (output != NULL) assert_string_equal(result->result, output);
  daytona_future_release(future);
}

/* --- blocking requests ------------------------------------------------------------------------- */

typedef struct sink {
  char *data;
  size_t size, room;
} sink_t;

static size_t on_body(char *bytes, size_t one, size_t count, void *user) {
  sink_t *sink = user;
  for (size_t i = 0; i < one * count && sink->size + 1 < sink->room; i++) sink->data[sink->size++] = bytes[i];
  if (sink->room != 0) sink->data[sink->size] = '\0';
  return one * count;
}

static const char *tls_ca, *tls_cert, *tls_key;

void session_admin_over_tls(const char *ca, const char *cert, const char *key) {
  tls_ca = ca;
  tls_cert = cert;
  tls_key = key;
}

static int request(const char *method, const char *url, const char *header, const char *body, sink_t *sink) {
  long status = 0;
  CURL *curl = curl_easy_init();
  struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
  if (header != NULL) headers = curl_slist_append(headers, header);
  curl_easy_setopt(curl, CURLOPT_URL, url);
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, 20L);
  if (tls_ca != NULL) {
    curl_easy_setopt(curl, CURLOPT_CAINFO, tls_ca);
    curl_easy_setopt(curl, CURLOPT_SSLCERT, tls_cert);
    curl_easy_setopt(curl, CURLOPT_SSLKEY, tls_key);
  }
  if (body != NULL) curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, sink);
  if (curl_easy_perform(curl) == CURLE_OK) curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  curl_slist_free_all(headers);
  curl_easy_cleanup(curl);
  return (int)status;
}

int session_admin(const char *method, const char *path, const char *body) {
  char url[512], header[512], answer[4096] = "";
  sink_t sink = {answer, 0, sizeof answer};
  const char *base = getenv("DAYTONA_LOCAL_ADMIN_URL");
  assert_non_null(base);
  snprintf(url, sizeof url, "%s%s", base, path);
  snprintf(header, sizeof header, "Authorization: Bearer %s", getenv("DAYTONA_API_KEY"));
  int status = request(method, url, header, body, &sink);
  if (status < 200 || status > 299) print_message("admin %s %s: %d %s\n", method, path, status, answer);
  return status;
}

int session_upload(const char *url, const char *content) {
  char answer[4096] = "";
  long status = 0;
  sink_t sink = {answer, 0, sizeof answer};
  CURL *curl = curl_easy_init();
  curl_mime *form = curl_mime_init(curl);
  curl_mimepart *file = curl_mime_addpart(form);
  curl_mime_name(file, "file");
  curl_mime_filename(file, "file");
  curl_mime_data(file, content, CURL_ZERO_TERMINATED);
  curl_easy_setopt(curl, CURLOPT_URL, url);
  curl_easy_setopt(curl, CURLOPT_MIMEPOST, form);
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, 20L);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &sink);
  if (curl_easy_perform(curl) == CURLE_OK) curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  curl_mime_free(form);
  curl_easy_cleanup(curl);
  return (int)status;
}

int session_fetch(const char *url, const char *header, char *body, size_t size) {
  sink_t sink = {body, 0, size};
  body[0] = '\0';
  return request("GET", url, header, NULL, &sink);
}
