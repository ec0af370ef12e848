/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's side of a WebSocket.
 *
 * One message sent is one frame. Frames wait in a queue with a ceiling and go to the socket one by
 * one as the client takes them. Pings are answered here; the server sends none.
 */
#ifndef DL_HTTP_WEBSOCKET_H
#define DL_HTTP_WEBSOCKET_H

#include "http/http.h"

typedef struct dl_ws dl_ws_t;

#define DL_WS_TEXT 1
#define DL_WS_BINARY 2

#define DL_WS_NORMAL 1000
#define DL_WS_GOING_AWAY 1001
#define DL_WS_PROTOCOL 1002
#define DL_WS_POLICY 1008
#define DL_WS_INTERNAL 1011

typedef struct {
  /* The connection stands; NULL: the client has gone meanwhile, and nothing else comes. */
  void (*on_open)(dl_ws_t *ws, void *user);
  /* A whole message, borrowed for the call. Optional: messages are then read and dropped. */
  void (*on_message)(dl_ws_t *ws, const char *bytes, size_t len, void *user);
  /* The queue is empty again after it was not. Optional. */
  void (*on_drain)(dl_ws_t *ws, void *user);
  /* The client has closed or broken off. The last event; `ws` is gone after it. */
  void (*on_end)(dl_ws_t *ws, void *user);
} dl_ws_events_t;

typedef struct {
  size_t message_max; /* bytes of a message from the client; larger ones end it with 1009 */
  size_t queue_max;   /* frames waiting for the client */
  size_t queue_bytes; /* the same in bytes; 0: no such limit */
  unsigned flush_ms;  /* for what is queued when the end comes; 0: 10 seconds */
} dl_ws_opts_t;

/* True if the request asks for a WebSocket, in any case of letters. */
bool dl_ws_is_wanted(dl_req_t *req);
/* True if dl_ws_open() will open it: all that RFC 6455 (4.2.1) asks of a handshake is there. */
bool dl_ws_is_handshake(dl_req_t *req);
/* Answers the request with 101 and reports in on_open (never inside this call unless the client
 * has gone). `protocol` is the sub-protocol to choose, one that was offered, or NULL. False: the request is no
 * handshake and was not answered; nothing is called then. */
bool dl_ws_open(dl_req_t *req, const char *protocol, const dl_ws_opts_t *opts, const dl_ws_events_t *events,
                void *user);
/* Events go there from now on. */
void dl_ws_listen(dl_ws_t *ws, const dl_ws_events_t *events, void *user);
/* Copied. False: the client is too slow. It is then closed with 1008, no event follows, and `ws`
 * must not be used any more. */
bool dl_ws_send(dl_ws_t *ws, int opcode, const void *bytes, size_t len);
/* Nothing waits for the client. */
bool dl_ws_is_idle(const dl_ws_t *ws);
/* Bytes that the client has taken so far. */
uint64_t dl_ws_taken(const dl_ws_t *ws);
void dl_ws_read_pause(dl_ws_t *ws);
void dl_ws_read_resume(dl_ws_t *ws);
/* What is queued leaves first, then the close frame, then the connection; all within a limit. No
 * event follows, and `ws` must not be used any more. `reason` is cut to what a frame holds. */
void dl_ws_close(dl_ws_t *ws, int code, const char *reason);

#endif
