/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What decoding costs: a short exec answer, a sandbox, and the output of a talkative command; beside
 * jansson parsing the same text into its own tree, from which values would still have to be copied.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "json/codec.h"

typedef struct exec_answer {
  int exit_code;
  daytona_bytes_t result;
} exec_answer_t;

static const daytona__json_field_t exec_fields[] = {
  DAYTONA__FIELD(exec_answer_t, INT32, exit_code, "exitCode", .alias = "code"),
  DAYTONA__FIELD(exec_answer_t, BYTES, result, "result"),
};
static DAYTONA__MODEL(exec_model, exec_answer_t, "ExecuteResponse", exec_fields);

typedef struct sandbox {
  const char *id, *organization, *name, *snapshot, *user, *target, *state, *desired, *reason, *backup;
  const char *created, *updated, *active, *kind, *daemon, *runner, *proxy;
  daytona_map_t env, labels;
  bool is_public, blocks_network;
  double cpu, gpu, memory, disk;
  daytona_opt_int_t stop, archive, remove;
} sandbox_t;

static const daytona__json_field_t sandbox_fields[] = {
  DAYTONA__FIELD(sandbox_t, STRING, id, "id", .flags = DAYTONA__JSON_REQUIRED),
  DAYTONA__FIELD(sandbox_t, STRING, organization, "organizationId"),
  DAYTONA__FIELD(sandbox_t, STRING, name, "name"),
  DAYTONA__FIELD(sandbox_t, STRING, snapshot, "snapshot"),
  DAYTONA__FIELD(sandbox_t, STRING, user, "user"),
  DAYTONA__FIELD(sandbox_t, MAP, env, "env", .flags = DAYTONA__JSON_SECRET),
  DAYTONA__FIELD(sandbox_t, MAP, labels, "labels"),
  DAYTONA__FIELD(sandbox_t, BOOL, is_public, "public"),
  DAYTONA__FIELD(sandbox_t, BOOL, blocks_network, "networkBlockAll"),
  DAYTONA__FIELD(sandbox_t, STRING, target, "target"),
  DAYTONA__FIELD(sandbox_t, NUMBER, cpu, "cpu"),
  DAYTONA__FIELD(sandbox_t, NUMBER, gpu, "gpu"),
  DAYTONA__FIELD(sandbox_t, NUMBER, memory, "memory"),
  DAYTONA__FIELD(sandbox_t, NUMBER, disk, "disk"),
  DAYTONA__FIELD(sandbox_t, STRING, state, "state"),
  DAYTONA__FIELD(sandbox_t, STRING, desired, "desiredState"),
  DAYTONA__FIELD(sandbox_t, STRING, reason, "errorReason"),
  DAYTONA__FIELD(sandbox_t, STRING, backup, "backupState"),
  DAYTONA__FIELD(sandbox_t, OPT_INT, stop, "autoStopInterval"),
  DAYTONA__FIELD(sandbox_t, OPT_INT, archive, "autoArchiveInterval"),
  DAYTONA__FIELD(sandbox_t, OPT_INT, remove, "autoDeleteInterval"),
  DAYTONA__FIELD(sandbox_t, STRING, created, "createdAt"),
  DAYTONA__FIELD(sandbox_t, STRING, updated, "updatedAt"),
  DAYTONA__FIELD(sandbox_t, STRING, active, "lastActivityAt"),
  DAYTONA__FIELD(sandbox_t, STRING, kind, "sandboxClass"),
  DAYTONA__FIELD(sandbox_t, STRING, daemon, "daemonVersion"),
  DAYTONA__FIELD(sandbox_t, STRING, runner, "runnerId"),
  DAYTONA__FIELD(sandbox_t, STRING, proxy, "toolboxProxyUrl"),
};
static DAYTONA__MODEL(sandbox_model, sandbox_t, "Sandbox", sandbox_fields);

static const char exec_text[] = "{\"exitCode\":0,\"result\":\"hello from the sandbox\\n\"}";

static const char sandbox_text[] =
  "{\"id\":\"5f3c1d6e-0a54-4c0e-9d53-8f7f2f6f1c11\",\"organizationId\":\"9d7c2b1a-1111-4222-8333-"
  "444455556666\","
  "\"name\":\"bench\",\"snapshot\":\"daytonaio/"
  "sandbox:0.5.0\",\"user\":\"daytona\",\"env\":{\"MODE\":\"fast\"},"
  "\"labels\":{\"code-toolbox-language\":\"python\"},\"public\":false,\"networkBlockAll\":false,\"target\":"
  "\"us\","
  "\"cpu\":2,\"gpu\":0,\"memory\":4,\"disk\":10,\"state\":\"started\",\"desiredState\":\"started\","
  "\"errorReason\":null,\"recoverable\":null,\"backupState\":\"None\",\"autoStopInterval\":15,"
  "\"autoArchiveInterval\":10080,\"autoDeleteInterval\":-1,\"volumes\":[],"
  "\"createdAt\":\"2026-01-31T08:00:00.000Z\",\"updatedAt\":\"2026-01-31T08:00:01.000Z\","
  "\"lastActivityAt\":\"2026-01-31T08:00:02.000Z\",\"sandboxClass\":\"container\",\"daemonVersion\":\"0.100."
  "0\","
  "\"runnerId\":\"1b2c3d4e-5f60-4718-8293-a4b5c6d7e8f9\",\"toolboxProxyUrl\":\"https://proxy.example/"
  "toolbox\"}";

static double now_us(void) {
  struct timespec at;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
  return (double)at.tv_sec * 1e6 + (double)at.tv_nsec / 1e3;
}

static double ours(const daytona__json_model_t *model, const char *text, size_t size, int rounds) {
  double start = now_us();
  for (int i = 0; i < rounds; i++) {
    daytona__arena_t arena;
    void *out;
    daytona__arena_init(&arena, 0);
    if (daytona__json_decode(&arena, model, text, size, &out, NULL) != 0) abort();
    daytona__arena_clear(&arena);
  }
  return (now_us() - start) / rounds;
}

static double theirs(const char *text, size_t size, int rounds) {
  double start = now_us();
  for (int i = 0; i < rounds; i++) {
    json_t *root = json_loadb(text, size, JSON_ALLOW_NUL, NULL);
    if (root == NULL) abort();
    json_decref(root);
  }
  return (now_us() - start) / rounds;
}

static void measure(const char *name, const daytona__json_model_t *model, const char *text, size_t size,
                    int rounds) {
  double mine = ours(model, text, size, rounds), other = theirs(text, size, rounds);
  printf("bench json_decode_%s_us %.3f us\n", name, mine);
  printf("bench json_decode_%s_vs_jansson %.2f ratio\n", name, other / mine);
}

int main(void) {
  enum { LINES = 26000 };
  static const char line[] = "-rw-r--r-- 1 daytona daytona 1234 a-file\\n";
  char *talk = malloc(LINES * sizeof line + 64), *at = talk;
  if (talk == NULL) return 1;
  at += sprintf(at, "{\"exitCode\":0,\"result\":\"");
  for (int i = 0; i < LINES; i++, at += sizeof line - 1) memcpy(at, line, sizeof line - 1);
  at += sprintf(at, "\"}");
  measure("exec", &exec_model, exec_text, sizeof exec_text - 1, 200000);
  measure("sandbox", &sandbox_model, sandbox_text, sizeof sandbox_text - 1, 50000);
  measure("exec_1mb", &exec_model, talk, (size_t)(at - talk), 100);
  free(talk);
  return 0;
}
