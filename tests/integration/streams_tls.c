/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams and contexts against daytona-local over TLS, with a certificate authority made for the test and a client certificate
 * that the server insists on: streams_tls DAYTONA_LOCAL
 *
 * The program makes the certificates and then runs itself under `daytona-local run`; that second process is the test.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/check.h"
#include "support/local_files.h"
#include "support/session.h"
#include "support/tls_matrix.h"

static const char *folder;
static char url[256], ca[256], other_ca[256], cert[256], key[256];

static daytona_config_t config_with(const char *ca_file, const char *client_cert, const char *client_key) {
  return (daytona_config_t){
    .api_url = url, .ca_file = ca_file, .client_cert = client_cert, .client_key = client_key};
}

static void path_of(char *to, const char *name) { snprintf(to, 256, "%s/%s", folder, name); }

typedef struct heard {
  char out[8192];
} heard_t;

static void on_out(const daytona_output_t *output, void *user) {
  heard_t *heard = user;
  size_t at = strlen(heard->out);
  assert_true(at + output->size < sizeof heard->out);
  memcpy(heard->out + at, output->bytes, output->size);
  heard->out[at + output->size] = '\0';
}

static void follow_a_log(daytona_sandbox_t *sandbox) {
  const daytona_session_exec_opts_t async = {.run_async = true};
  heard_t heard = {""};
  const daytona_session_follow_opts_t opts = {.on_stdout = on_out, .user = &heard};
  api_done(daytona_session_create(sandbox, "log", NULL));
  daytona_future_t *started =
    api_must(daytona_session_exec(sandbox, "log", "echo one; echo two; return 3", &async));
  const char *id = daytona_future_session_exec_result(started)->command_id;
  daytona_future_t *future = api_must(daytona_session_follow(sandbox, "log", id, &opts));
  const daytona_stream_end_t *end = daytona_future_stream_end(future);
  assert_int_equal(end->reason, DAYTONA_STREAM_EXITED);
  assert_int_equal(end->exit_code, 3);
  assert_string_equal(heard.out, "one\ntwo\n");
  daytona_future_release(future);
  daytona_future_release(started);
}

/* The server resets the socket in the middle; the log is whole all the same. */
static void follow_through_a_reset(daytona_sandbox_t *sandbox) {
  const daytona_session_exec_opts_t async = {.run_async = true};
  heard_t heard = {""};
  const daytona_session_follow_opts_t opts = {.on_stdout = on_out, .user = &heard};
  char expected[4096] = "";
  for (int i = 1; i <= 200; i++) sprintf(expected + strlen(expected), "line %d\n", i);
  daytona_future_t *started = api_must(daytona_session_exec(
    sandbox, "log", "for i in $(seq 200); do echo line $i; done; sleep 0.3; return 4", &async));
  const char *id = daytona_future_session_exec_result(started)->command_id;
  assert_int_equal(session_admin("POST", "/faults",
                                 "{\"match\":{\"target\":\"toolbox\","
                                 "\"path\":\"/toolbox/*/process/session/*/command/*/logs\"},"
                                 "\"action\":\"reset\",\"after_bytes\":700}"),
                   201);
  daytona_future_t *future = api_must(daytona_session_follow(sandbox, "log", id, &opts));
  const daytona_stream_end_t *end = daytona_future_stream_end(future);
  assert_int_equal(end->reason, DAYTONA_STREAM_EXITED);
  assert_int_equal(end->exit_code, 4);
  assert_true(end->resumed_count >= 1);
  assert_false(end->has_gap);
  assert_string_equal(heard.out, expected);
  daytona_future_release(future);
  daytona_future_release(started);
}

static void use_a_terminal(daytona_sandbox_t *sandbox) {
  heard_t heard = {""};
  const daytona_pty_create_opts_t opts = {.attach = {.on_output = on_out, .user = &heard}};
  daytona_future_t *future = api_must(daytona_pty_create(sandbox, &opts));
  daytona_pty_t *pty = daytona_future_pty(future);
  assert_int_equal(daytona_pty_write(pty, "echo $((6 * 7)) answers; exit 5\n", 32), 0);
  daytona_future_t *wait = api_must(daytona_pty_wait(pty));
  assert_int_equal(daytona_future_stream_end(wait)->reason, DAYTONA_STREAM_EXITED);
  assert_int_equal(daytona_future_stream_end(wait)->exit_code, 5);
  assert_non_null(strstr(heard.out, "42 answers\r\n"));
  daytona_future_release(wait);
  daytona_future_release(future);
}

static void run_code(daytona_sandbox_t *sandbox) {
  daytona_future_t *future = api_must(daytona_interpreter_run_code(sandbox, "print(6 * 7)", NULL));
  assert_string_equal(daytona_future_interpreter_run_result(future)->out.data, "42\n");
  daytona_future_release(future);
}

static void streams_work_over_tls(void **state) {
  session_t session;
  const daytona_config_t config = config_with(ca, cert, key);
  session_open(&session, &config);
  daytona_sandbox_t *sandbox = session_sandbox(&session, NULL);
  assert_true(strncmp(url, "https://", 8) == 0);
  follow_a_log(sandbox);
  use_a_terminal(sandbox);
  run_code(sandbox);
  follow_through_a_reset(sandbox);
  session_delete(sandbox);
  session_close(&session);
}

/* Object storage has the server's certificate, and wants the client's. */
static void contexts_are_uploaded_over_tls(void **state) {
  (void)state;
  session_t session;
  char file[256];
  const daytona_config_t config = config_with(ca, cert, key);
  const daytona_object_storage_upload_opts_t opts = {.archive_path = "f"};
  char *bytes = local_pattern(12 << 20, 7);
  path_of(file, "context");
  local_write(file, bytes, 12 << 20);
  free(bytes);
  session_open(&session, &config);
  for (int i = 0; i < 2; i++) {
    daytona_future_t *future = api_must(daytona_object_storage_upload(session.client, file, &opts));
    assert_int_equal(daytona_future_object_storage_result(future)->was_there, i);
    daytona_future_release(future);
  }
  session_close(&session);
  unlink(file);
}

/* Neither whom the server does not know nor whom the client does not know gets through. */
static void strangers_are_refused(void **state) {
  const daytona_config_t configs[] = {config_with(other_ca, cert, key), config_with(ca, NULL, NULL)};
  for (int i = 0; i < 2; i++) {
    session_t session;
    session_open(&session, &configs[i]);
    /* With TLS 1.3 a server says only after the handshake that it wants a certificate. */
    api_fails_as(daytona_sandbox_get(session.client, "sb", NULL), DAYTONA_ETLS);
    session_close(&session);
  }
}

static int be_the_test(const char *where) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(streams_work_over_tls),
    cmocka_unit_test(contexts_are_uploaded_over_tls),
    cmocka_unit_test(strangers_are_refused),
  };
  folder = where;
  snprintf(url, sizeof url, "%s", getenv("DAYTONA_API_URL"));
  path_of(ca, "ca.pem");
  path_of(other_ca, "other_ca.pem");
  path_of(cert, "client.pem");
  path_of(key, "client.key");
  session_admin_over_tls(ca, cert, key);
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Make the certificates, and be run by a server that uses them. */
static int run_server(const char *self, const char *local) {
  char server_cert[256], server_key[256], clients[256];
  int status = 1;
  folder = tls_certificates_make();
  if (folder == NULL) {
    printf("1..1\nok 1 - streams over TLS # SKIP openssl(1) is not installed\n");
    return 0;
  }
  path_of(server_cert, "address.pem");
  path_of(server_key, "address.key");
  path_of(clients, "ca.pem");
  pid_t pid = fork();
  if (pid == 0) {
    execl(local, local, "run", "--tls-cert", server_cert, "--tls-key", server_key, "--tls-client-ca", clients,
          "--", self, "--under", folder, (char *)NULL);
    _exit(127);
  }
  if (pid > 0) waitpid(pid, &status, 0);
  tls_certificates_remove();
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "--under") == 0) return be_the_test(argv[2]);
  return argc == 2 ? run_server(argv[0], argv[1]) : 2;
}
