/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An api_scene whose server upgrades to WebSockets as well: what each socket sends is a script of bytes, made of
 * frames and perhaps cut, and what the client sends is collected. REST and sockets have one address, as in a toolbox.
 */
#ifndef TESTS_SUPPORT_STREAM_SCENE_H
#define TESTS_SUPPORT_STREAM_SCENE_H

#include "api_scene.h"

/* What happens behind a script's last byte. */
typedef enum stream_fate { STREAM_STAYS, STREAM_ENDS, STREAM_BREAKS } stream_fate_t;

enum { STREAM_SCRIPTS = 20, STREAM_SCRIPT_MAX = 65536 };

typedef struct stream_script {
  char *bytes;
  size_t size;
  stream_fate_t fate;
} stream_script_t;

typedef struct stream_scene {
  api_scene_t api;
  daytona_sandbox_t *sandbox;
  void (*on_rest)(peer_conn_t *conn, const char *request, size_t size);
  stream_script_t
    scripts[STREAM_SCRIPTS]; /* of the sockets in the order of their upgrades; the rest send nothing */
  size_t script_count;
  stream_script_t script; /* for the test to make: cleared with the scene */
  uv_idle_t breaker;      /* resets a socket some turns later, when the client has read what came before */
  peer_conn_t *breaking;
  int turns;
  const char *refusal; /* the answer to upgrades instead of 101 */
  size_t refusals;     /* to so many of them; 0: to all */
  size_t upgrades;
  char upgrade[4096];  /* the newest request for one */
  peer_conn_t *socket; /* the newest */
  void (*on_message)(struct stream_scene *scene, int opcode, const char *bytes, size_t size);
  char in[1 << 18]; /* of the newest socket, not yet a frame */
  size_t in_size;
  char received[1 << 18]; /* payloads of its text and binary frames */
  size_t received_size, frames, largest;
  int close_code; /* of the client's close frame; 0: none came */
  bool answers_pings;
  size_t pings;
} stream_scene_t;

void stream_open(stream_scene_t *scene);
void stream_close(stream_scene_t *scene);

/* Setup and teardown for cmocka: *state is a stream_scene_t. And one more of it, for another round of a test. */
int stream_setup(void **state);
int stream_teardown(void **state);
void stream_again(stream_scene_t *scene);

/* The same in two steps, with scene->api.config to be changed between them. */
void stream_open_bare(stream_scene_t *scene);
void stream_client(stream_scene_t *scene);

/* As if nothing had happened yet: scripts, upgrades, what was received. The routes stay. */
void stream_forget(stream_scene_t *scene);

/* A frame behind the others in `script`, which is filled anew from the second on. */
void stream_frame(stream_script_t *script, int opcode, const char *bytes, size_t size);
void stream_close_frame(stream_script_t *script, int code, const char *reason);

/* What the next socket sends: the first `size` bytes of `script`. */
void stream_play(stream_scene_t *scene, const stream_script_t *script, size_t size, stream_fate_t fate);
void stream_script_clear(stream_script_t *script);

/* From the newest socket, now. */
void stream_send(stream_scene_t *scene, int opcode, const char *bytes, size_t size);
void stream_send_close(stream_scene_t *scene, int code, const char *reason);

/* What the platform's proxy answers to an upgrade of a sandbox that is stopped. */
extern const char stream_stopped_sandbox[];

/* What fronts answer that let no WebSocket through, and how many there are: pages, or nothing. */
typedef struct stream_front {
  int status;
  const char *answer;
} stream_front_t;
extern const stream_front_t stream_fronts[];
enum { STREAM_FRONTS = 7 };

/* A text/plain answer for `line`. */
void stream_answer_text(stream_scene_t *scene, const char *line, const char *text);

#endif
