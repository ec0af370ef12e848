/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a reader of a log to an answer.
 */
#include "control/routes/log_stream.h"

#include <stdlib.h>

typedef struct {
  dl_control_t *control;
  dl_req_t *req;
  dl_log_reader_t *reader;
  void (*on_missing)(dl_control_t *c, dl_req_t *req);
} stream_t;

static ssize_t on_pull(void *user, char *out, size_t max) {
  return dl_log_pull(((stream_t *)user)->reader, out, max);
}

static void on_close(void *user, bool is_complete) {
  stream_t *s = user;
  (void)is_complete;
  dl_log_close(s->reader);
  free(s);
}

static void on_open(dl_log_reader_t *reader, void *user) {
  static const dl_pull_events_t events = {on_pull, on_close};
  stream_t *s = user;
  s->reader = reader;
  if (reader) {
    dl_req_add_header(s->req, "Content-Type", "application/octet-stream");
    dl_reply_stream(s->req, 200, -1, &events, s);
  } else {
    s->on_missing(s->control, s->req);
    free(s);
  }
}

static void on_more(void *user) { dl_reply_wake(((stream_t *)user)->req); }

void dl_stream_log(dl_control_t *c, dl_req_t *req, const char *ref, bool follows,
                   void (*on_missing)(dl_control_t *c, dl_req_t *req)) {
  static const dl_log_events_t events = {on_open, on_more};
  stream_t *s = dl_xcalloc(1, sizeof *s);
  *s = (stream_t){.control = c, .req = req, .on_missing = on_missing};
  dl_log_read(dl_works_logs(c->life.works), ref, follows, &events, s);
}
