/* SPDX-License-Identifier: Apache-2.0
 *
 * Routes: matched on the encoded path, literal segments before parameters, values decoded.
 */
#include "http_driver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const dl_route routes[] = {
  {"GET", "/sandbox", NULL, 0},
  {"GET", "/sandbox/{x}", NULL, 1},
  {"GET", "/sandbox/paginated", NULL, 2},
  {"GET", "/sandbox/ssh-access/validate", NULL, 3},
  {"GET", "/sandbox/{x}/{what}", NULL, 4},
  {"POST", "/sandbox/{x}/ports/{port}/url", NULL, 5},
  {"*", "/proxy/{port}/{path*}", NULL, 6},
};

/* "<flags> x=.. port=.. rest=.." or why not. */
static void on_request(dl_req *req, void *user) {
  bool bad_escape;
  (void)user;
  const dl_route *r = dl_route_find(req, routes, DL_COUNT(routes), dl_req_path(req), &bad_escape);
  const char *x = r ? dl_req_param(req, "x") : NULL, *port = r ? dl_req_param(req, "port") : NULL;
  char *text =
    r ? dl_xprintf("<%u x=%s port=%s rest=%s>", r->flags, x ? x : "-", port ? port : "-", dl_req_rest(req))
      : dl_xstrdup(bad_escape ? "<bad>" : "<none>");
  dl_reply_text(req, 200, text);
  free(text);
}

static void expect(const char *request, const char *answer) {
  uv_loop_t loop;
  char *error = NULL;
  raw_client c;
  uv_loop_init(&loop);
  dl_http *h = dl_http_new(&loop, &(dl_http_opts){.listen_fd = -1, .on_request = on_request}, &error);
  raw_open(&c, &loop, dl_http_port(h));
  char *text = dl_xprintf("%s HTTP/1.1\r\nHost: x\r\n\r\n", request);
  raw_send(&c, text);
  free(text);
  assert_true(raw_until(&c, ">"));
  if (!strstr(c.got.data, answer)) fail_msg("%s: %s", request, strstr(c.got.data, "\r\n\r\n"));
  turn_until_closed(&loop, h);
  raw_close(&c);
  uv_run(&loop, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&loop), 0);
}

static void literal_segments_win(void **state) {
  (void)state;
  expect("GET /sandbox", "<0 ");
  expect("GET /sandbox/paginated", "<2 ");
  expect("GET /sandbox/other", "<1 x=other");
  expect("GET /sandbox/ssh-access/validate", "<3 ");
  expect("GET /sandbox/ssh-access/other", "<4 x=ssh-access");
}

static void segments_are_decoded_after_matching(void **state) {
  (void)state;
  expect("GET /sandbox/a%2Fb%3A1.4", "<1 x=a/b:1.4 ");
  expect("GET /sandbox/%70aginated", "<1 x=paginated ");
  expect("GET /sandbox/%zz", "<bad>");
  expect("GET /sandbox/%ff", "<bad>");
  expect("POST /sandbox/x/ports/1e%2B03/url", "<5 x=x port=1e+03 ");
}

static void slashes_and_methods(void **state) {
  (void)state;
  expect("GET //sandbox//x", "<1 x=x ");
  expect("GET /sandbox/", "<0 ");
  expect("DELETE /sandbox/x", "<none>");
  expect("GET /", "<none>");
  expect("GET /sandbox/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s", "<none>");
}

static void the_rest_stays_as_it_came(void **state) {
  (void)state;
  expect("PUT /proxy/80/a%2Fb//c?q=1", "<6 x=- port=80 rest=a%2Fb//c>");
  expect("GET /proxy/80", "<6 x=- port=80 rest=>");
  expect("GET /proxy/80/", "<6 x=- port=80 rest=>");
  expect("GET /proxy/80/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18",
         "rest=1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18>");
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(literal_segments_win),
    cmocka_unit_test(segments_are_decoded_after_matching),
    cmocka_unit_test(slashes_and_methods),
    cmocka_unit_test(the_rest_stays_as_it_came),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
