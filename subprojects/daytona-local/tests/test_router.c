/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes: matched on the encoded path, literal segments before parameters, values decoded.
 */
#include "http_driver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const dl_route_t routes[] = {
  {"GET", "/sandbox", NULL, 0},
  {"GET", "/sandbox/{x}", NULL, 1},
  {"GET", "/sandbox/paginated", NULL, 2},
  {"GET", "/sandbox/ssh-access/validate", NULL, 3},
  {"GET", "/sandbox/{x}/{what}", NULL, 4},
  {"POST", "/sandbox/{x}/ports/{port}/url", NULL, 5},
  {"*", "/proxy/{port}/{path*}", NULL, 6},
};

static dl_routes_t *joined; /* looked in instead, when there is one */

/* "<flags> x=.. port=.. rest=.." or why not. */
static void on_request(dl_req_t *req, void *user) {
  bool bad_escape;
  (void)user;
  const dl_route_t *r = joined ? dl_routes_find(req, joined, dl_req_path(req), &bad_escape)
                               : dl_route_find(req, routes, DL_COUNT(routes), dl_req_path(req), &bad_escape);
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
  raw_client_t c;
  uv_loop_init(&loop);
  dl_http_t *h = dl_http_new(&loop, &(dl_http_opts_t){.listen_fd = -1, .on_request = on_request}, &error);
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

/* --- tables joined --- */

#define MANY 1000

/* No number of routes is too large, and the last of them is found like the first. */
static void tables_of_any_size_are_joined(void **state) {
  (void)state;
  dl_route_t *many = calloc(MANY, sizeof *many);
  char *error = NULL;
  for (unsigned i = 0; i < MANY; i++) many[i] = (dl_route_t){"GET", dl_xprintf("/many/%u/{x}", i), NULL, i};
  joined = dl_routes_join(
    (dl_route_table_t[]){{many, MANY / 2}, {routes, DL_COUNT(routes)}, {many + MANY / 2, MANY / 2}}, 3,
    &error);
  assert_non_null(joined);
  assert_null(error);
  expect("GET /many/0/a", "<0 x=a ");
  expect("GET /many/999/a", "<999 x=a ");
  expect("GET /sandbox/paginated", "<2 ");
  expect("GET /many/1000/a", "<none>");
  dl_routes_free(joined);
  joined = NULL;
  for (unsigned i = 0; i < MANY; i++) free((char *)many[i].path);
  free(many);
}

static void refuses(dl_route_t a, dl_route_t b, const char *why) {
  char *error = NULL;
  const dl_route_table_t tables[] = {{&a, 1}, {&b, 1}};
  dl_routes_t *r = dl_routes_join(tables, 2, &error);
  if ((r == NULL) != (why != NULL)) fail_msg("%s and %s: %s", a.path, b.path, r ? "joined" : error);
  if (why && !strstr(error, why)) fail_msg("%s and %s: %s", a.path, b.path, error);
  dl_routes_free(r);
  free(error);
}

static void routes_that_cannot_work_are_refused(void **state) {
  (void)state;
  const char *const same = "take the same requests", *const many = "too many segments or parameters";
  const dl_route_t x = {"GET", "/a/{x}", NULL, 0};
  refuses(x, (dl_route_t){"GET", "/a/{y}", NULL, 0}, same);
  refuses(x, (dl_route_t){"GET", "/a/{x}/", NULL, 0}, same);
  refuses(x, (dl_route_t){"*", "/a/{y}", NULL, 0}, same);
  refuses(x, (dl_route_t){"POST", "/a/{x}", NULL, 0}, NULL);
  refuses(x, (dl_route_t){"GET", "/a/b", NULL, 0}, NULL);
  refuses(x, (dl_route_t){"GET", "/a/{x*}", NULL, 0}, NULL);
  refuses(x, (dl_route_t){"GET", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16", NULL, 0}, NULL);
  refuses(x, (dl_route_t){"GET", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17", NULL, 0}, many);
  refuses(x, (dl_route_t){"GET", "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}", NULL, 0}, NULL);
  refuses(x, (dl_route_t){"GET", "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}", NULL, 0}, many);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(literal_segments_win),          cmocka_unit_test(segments_are_decoded_after_matching),
    cmocka_unit_test(slashes_and_methods),           cmocka_unit_test(the_rest_stays_as_it_came),
    cmocka_unit_test(tables_of_any_size_are_joined), cmocka_unit_test(routes_that_cannot_work_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
