/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of arguments: every rule with what it lets pass and what it says, and every place that a value can go to.
 */
#include <math.h>
#include <string.h>

#include "call/method.h"
#include "support/check.h"

typedef struct item {
  const char *name;
  uint64_t reserved[8];
} item_t;

typedef struct args {
  const char *text, *mode, *word;
  int64_t number;
  int port;
  bool flag;
  daytona_strings_t list;
  daytona_map_t map;
  const item_t *items;
  size_t item_count;
} args_t;

typedef struct opts {
  const char *user, *password;
  daytona_opt_int_t count;
  daytona_opt_num_t ratio;
  item_t inner;
} opts_t;

static const opts_t no_opts;

static void refuses(const daytona__json_model_t *rows, const args_t *args, const opts_t *opts,
                    const char *text) {
  daytona__params_problem_t problem = {""};
  assert_false(daytona__params_check(rows, args, opts != NULL ? opts : &no_opts, &problem));
  assert_string_equal(problem.text, text);
}

static void accepts(const daytona__json_model_t *rows, const args_t *args, const opts_t *opts) {
  daytona__params_problem_t problem = {""};
  if (!daytona__params_check(rows, args, opts != NULL ? opts : &no_opts, &problem))
    fail_msg("%s", problem.text);
}

#define ARG(type, member, ...) DAYTONA__ARG(IN_BODY, args_t, type, member, #member, __VA_ARGS__)
#define OPT(type, member, ...) DAYTONA__OPT(IN_BODY, opts_t, type, member, #member, __VA_ARGS__)
#define ROWS(...) DAYTONA__ARGS(args_t, __VA_ARGS__)

static void texts_may_be_required(void **state) {
  (void)state;
  static const struct {
    unsigned rule;
    const char *refused, *taken;
  } cases[] = {{DAYTONA__GIVEN, NULL, ""}, {DAYTONA__NONEMPTY, "", " "}, {DAYTONA__NOT_BLANK, " \t\n", " x"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const daytona__json_field_t row = ARG(STRING, text, .rules = cases[i].rule);
    const daytona__json_model_t rows = {"rows", sizeof(args_t), &row, 1};
    refuses(&rows, &(args_t){.text = NULL}, NULL, "text is required");
    refuses(&rows, &(args_t){.text = cases[i].refused}, NULL, "text is required");
    accepts(&rows, &(args_t){.text = cases[i].taken}, NULL);
  }
}

static void modes_are_octal(void **state) {
  (void)state;
  const daytona__json_model_t *rows = ROWS(ARG(STRING, mode, .rules = DAYTONA__OCTAL));
  static const char *const bad[] = {"", "8", "123456", "0x1", "-1"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    refuses(rows, &(args_t){.mode = bad[i]}, NULL, "mode must be one to 5 octal digits");
  accepts(rows, &(args_t){.mode = NULL}, NULL);
  accepts(rows, &(args_t){.mode = "01777"}, NULL);
}

static void words_are_of_a_list(void **state) {
  (void)state;
  static const char *const words[] = {"a", "b", "c", NULL};
  const daytona__json_model_t *rows = ROWS(ARG(STRING, word, .one_of = words));
  refuses(rows, &(args_t){.word = "d"}, NULL, "word must be a, b or c");
  refuses(rows, &(args_t){.word = ""}, NULL, "word must be a, b or c");
  accepts(rows, &(args_t){.word = "c"}, NULL);
  accepts(rows, &(args_t){.word = NULL}, NULL);
}

static void numbers_have_bounds(void **state) {
  (void)state;
  const daytona__json_model_t *rows = ROWS(
    ARG(INT32, port, .rules = DAYTONA__MIN | DAYTONA__MAX, .min = 1, .max = 9),
    ARG(INT, number, .rules = DAYTONA__MIN, .min = 0), OPT(OPT_INT, count, .rules = DAYTONA__MIN, .min = 2),
    OPT(OPT_NUM, ratio, .rules = DAYTONA__POSITIVE));
  refuses(rows, &(args_t){.port = 0}, NULL, "port must be 1 to 9");
  refuses(rows, &(args_t){.port = 10}, NULL, "port must be 1 to 9");
  refuses(rows, &(args_t){.port = 1, .number = -1}, NULL, "number must not be negative");
  refuses(rows, &(args_t){.port = 1}, &(opts_t){.count = daytona_int(1)}, "count must be at least 2");
  refuses(rows, &(args_t){.port = 1}, &(opts_t){.ratio = daytona_num(0)}, "ratio must be more than 0");
  refuses(rows, &(args_t){.port = 1}, &(opts_t){.ratio = daytona_num(INFINITY)}, "ratio must be more than 0");
  accepts(rows, &(args_t){.port = 9}, &(opts_t){.count = daytona_int(2), .ratio = daytona_num(0.1)});
  accepts(rows, &(args_t){.port = 1}, NULL);
}

static void a_time_limit_may_be_none(void **state) {
  (void)state;
  const daytona__json_model_t *rows =
    ROWS(ARG(INT, number, .rules = DAYTONA__TIME_LIMIT | DAYTONA__MAX, .max = 5000));
  refuses(rows, &(args_t){.number = -2}, NULL, "number must not be negative");
  refuses(rows, &(args_t){.number = INT64_MIN}, NULL, "number must not be negative");
  refuses(rows, &(args_t){.number = 5001}, NULL, "number must be at most 5000");
  accepts(rows, &(args_t){.number = 0}, NULL);
  accepts(rows, &(args_t){.number = DAYTONA_NO_TIMEOUT}, NULL);
}

static void lists_and_maps_are_whole(void **state) {
  (void)state;
  static const char *const hole[] = {"a", NULL};
  static const daytona_pair_t no_value[] = {{"a", NULL}}, no_name[] = {{"", "v"}}, odd[] = {{"1a", "v"}},
                              good[] = {{"_a1", ""}};
  const daytona__json_model_t *rows =
    ROWS(ARG(STRINGS, list, .rules = DAYTONA__NONEMPTY), ARG(MAP, map, .rules = DAYTONA__ENV));
  const daytona_strings_t one = {hole, 1};
  refuses(rows, &(args_t){.map = {NULL, 0}}, NULL, "list is required");
  refuses(rows, &(args_t){.list = {NULL, 1}}, NULL, "list has an element that is NULL");
  refuses(rows, &(args_t){.list = {hole, 2}}, NULL, "list has an element that is NULL");
  refuses(rows, &(args_t){.list = one, .map = {NULL, 1}}, NULL, "map has an entry without a name or a value");
  refuses(rows, &(args_t){.list = one, .map = {no_value, 1}}, NULL,
          "map has an entry without a name or a value");
  refuses(rows, &(args_t){.list = one, .map = {no_name, 1}}, NULL,
          "map has an entry without a name or a value");
  refuses(rows, &(args_t){.list = one, .map = {odd, 1}}, NULL,
          "map has a name that is not a letter or _ followed by letters, digits and _");
  accepts(rows, &(args_t){.list = one, .map = {good, 1}}, NULL);
}

/* More than the kernel hands to a program could be sent and stored, and then no command could be started with it. */
static void what_no_program_can_be_given_is_named(void **state) {
  (void)state;
  static char value[DAYTONA__PASSED_MAX + 1], word[DAYTONA__PASSED_MAX + 1];
  memset(value, 'x', sizeof value - 1);
  memset(word, 'x', sizeof word - 1);
  const daytona_pair_t pairs[] = {{"A", ""}, {"BIG", value}};
  const char *const words[] = {"", word};
  const daytona__json_model_t *rows = ROWS(ARG(STRINGS, list, .rules = DAYTONA__PASSED),
                                           ARG(MAP, map, .rules = DAYTONA__ENV | DAYTONA__PASSED));
  const daytona__json_model_t *free_rows = ROWS(ARG(STRINGS, list), ARG(MAP, map));
  value[DAYTONA__PASSED_MAX - 4] = '\0'; /* and "BIG=" and a NUL */
  refuses(rows, &(args_t){.map = {pairs, 2}}, NULL,
          "map: BIG is too long (name and value are 131071 bytes, a program can be given 131070)");
  accepts(free_rows, &(args_t){.map = {pairs, 2}}, NULL);
  value[DAYTONA__PASSED_MAX - 5] = '\0';
  accepts(rows, &(args_t){.map = {pairs, 2}}, NULL);
  refuses(rows, &(args_t){.list = {words, 2}}, NULL,
          "list[1] is too long (a program can be given 131071 bytes in one argument)");
  accepts(free_rows, &(args_t){.list = {words, 2}}, NULL);
  word[70000] = ' '; /* two words */
  accepts(rows, &(args_t){.list = {words, 2}}, NULL);
  word[70000] = 'x';
  word[DAYTONA__PASSED_MAX - 1] = '\0';
  accepts(rows, &(args_t){.list = {words, 2}}, NULL);
}

static void rows_of_a_group_belong_together(void **state) {
  (void)state;
  const daytona__json_model_t *both = ROWS(OPT(STRING, user, .group = 1, .rules = DAYTONA__TOGETHER),
                                           OPT(STRING, password, .group = 1, .rules = DAYTONA__TOGETHER));
  const daytona__json_model_t *any = ROWS(OPT(STRING, user, .group = 1, .rules = DAYTONA__ANY_OF),
                                          OPT(OPT_INT, count, .group = 1, .rules = DAYTONA__ANY_OF));
  refuses(both, NULL, &(opts_t){.user = "u"}, "user and password must be given together");
  refuses(both, NULL, &(opts_t){.password = "p"}, "user and password must be given together");
  accepts(both, NULL, &(opts_t){.user = "u", .password = "p"});
  accepts(both, NULL, NULL);
  refuses(any, NULL, NULL, "user or count is required");
  accepts(any, NULL, &(opts_t){.count = daytona_int(0)});
}

static const daytona__json_field_t item_rows[] = {
  DAYTONA__ARG(IN_BODY, item_t, STRING, name, "name", .rules = DAYTONA__NONEMPTY),
  DAYTONA__ARG(IN_BODY, item_t, RESERVED, reserved, "reserved"),
};
static DAYTONA__MODEL(item_model, item_t, "item", item_rows);

static void rules_hold_inside_of_items_and_nested_structs(void **state) {
  (void)state;
  const daytona__json_model_t *rows =
    ROWS(DAYTONA__FIELD_ARRAY(args_t, items, item_count, "items", &item_model),
         DAYTONA__OPT(IN_BODY, opts_t, INLINE, inner, "inner", .model = &item_model));
  const item_t bad[] = {{.name = "a"}, {.name = ""}},
               used[] = {{.name = "a", .reserved = {0, 0, 0, 0, 0, 0, 0, 1}}};
  const opts_t good = {.inner = {.name = "n"}};
  refuses(rows, &(args_t){.items = bad, .item_count = 2}, &good, "items[1].name is required");
  refuses(rows, &(args_t){.items = used, .item_count = 1}, &good, "reserved words of items[0] are not zero");
  refuses(rows, &(args_t){.items = NULL, .item_count = 1}, &good, "items has a count but no items");
  refuses(rows, &(args_t){.items = bad, .item_count = 1}, NULL, "inner.name is required");
  accepts(rows, &(args_t){.items = bad, .item_count = 1}, &good);
}

/* --- places ------------------------------------------------------------------------------------ */

static void values_go_where_their_rows_say(void **state) {
  (void)state;
  static const char *const words[] = {"x y", "z"};
  static const daytona_pair_t pairs[] = {{"k", "v"}};
  const daytona__json_model_t *rows = ROWS(
    DAYTONA__ARG(IN_PATH, args_t, STRING, text, "text"), DAYTONA__ARG(IN_PATH, args_t, INT, number, "n"),
    DAYTONA__ARG(IN_QUERY, args_t, STRING, mode, "mode", .fallback = "755"),
    DAYTONA__ARG(IN_QUERY, args_t, BOOL, flag, "flag"), DAYTONA__ARG(IN_QUERY, args_t, STRINGS, list, "list"),
    DAYTONA__ARG(IN_QUERY, args_t, MAP, map, "map"), DAYTONA__OPT(IN_QUERY, opts_t, OPT_INT, count, "count"),
    DAYTONA__ARG(IN_HEADER, args_t, STRING, word, "X-Word"),
    DAYTONA__OPT(IN_BODY, opts_t, STRING, user, "user"));
  const args_t args = {.text = "a/b", .number = 7, .list = {words, 2}, .map = {pairs, 1}, .word = "w"};
  const opts_t opts = {.count = daytona_int(3), .user = "u"};
  daytona__arena_t arena;
  daytona__url_t url;
  const char *text;
  size_t size, count = 0;
  daytona_header_t *headers = NULL;
  daytona__arena_init(&arena, 0);
  daytona__url_init(&url);
  daytona__params_url(&url, &arena, "http://h", "/s/{sandbox}/{text}/x/{n}", "sb", rows, &args, &opts);
  assert_int_equal(daytona__url_finish(&url, &arena, &text), 0);
  assert_string_equal(
    text,
    "http://h/s/sb/a%2Fb/x/7?mode=755&flag=false&list=x%20y&list=z&map=%7B%22k%22%3A%22v%22%7D"
    "&count=3");
  assert_int_equal(daytona__params_headers(&arena, rows, &args, &opts, &headers, &count), 0);
  assert_int_equal(count, 1);
  assert_string_equal(headers[0].name, "X-Word");
  assert_string_equal(headers[0].value, "w");
  assert_true(daytona__params_have_body(rows));
  assert_int_equal(daytona__json_encode_args(&arena, rows, &args, &opts, &text, &size, NULL), 0);
  assert_string_equal(text, "{\"user\":\"u\"}");
  daytona__arena_clear(&arena);
}

static void header_cannot_break_its_line(void **state) {
  (void)state;
  const daytona__json_model_t *rows = ROWS(DAYTONA__ARG(IN_HEADER, args_t, STRING, word, "X-Word"));
  daytona_header_t *headers = NULL;
  daytona__arena_t arena;
  size_t count = 0;
  daytona__arena_init(&arena, 0);
  assert_int_equal(
    daytona__params_headers(&arena, rows, &(args_t){.word = "a\r\nX: y"}, &no_opts, &headers, &count),
    DAYTONA_EINVAL);
  daytona__arena_clear(&arena);
}

static void value_can_be_the_whole_body(void **state) {
  (void)state;
  static const char *const words[] = {"a", "b"};
  const daytona__json_model_t *list = ROWS(DAYTONA__ARG(AS_BODY, args_t, STRINGS, list, "list"));
  const daytona__json_model_t *flag = ROWS(DAYTONA__ARG(AS_BODY, args_t, BOOL, flag, "flag"));
  daytona__arena_t arena;
  const char *text;
  daytona__arena_init(&arena, 0);
  assert_int_equal(
    daytona__json_encode_args(&arena, list, &(args_t){.list = {words, 2}}, NULL, &text, NULL, NULL), 0);
  assert_string_equal(text, "[\"a\",\"b\"]");
  assert_int_equal(daytona__json_encode_args(&arena, flag, &(args_t){.flag = true}, NULL, &text, NULL, NULL),
                   0);
  assert_string_equal(text, "true");
  daytona__arena_clear(&arena);
}

static void kept_strings_are_copies(void **state) {
  (void)state;
  char word[] = "word";
  const daytona__json_model_t *rows =
    ROWS(DAYTONA__ARG(NOWHERE, args_t, STRING, word, "word", .rules = DAYTONA__KEPT),
         DAYTONA__ARG(NOWHERE, args_t, INT, number, "number"));
  daytona__arena_t arena;
  daytona__arena_init(&arena, 0);
  const args_t *kept = daytona__params_keep(&arena, rows, &(args_t){.word = word, .number = 5});
  word[0] = 'W';
  assert_string_equal(kept->word, "word");
  assert_int_equal(kept->number, 5);
  assert_false(daytona__params_have_body(rows));
  daytona__arena_clear(&arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(texts_may_be_required),
    cmocka_unit_test(modes_are_octal),
    cmocka_unit_test(words_are_of_a_list),
    cmocka_unit_test(numbers_have_bounds),
    cmocka_unit_test(a_time_limit_may_be_none),
    cmocka_unit_test(lists_and_maps_are_whole),
    cmocka_unit_test(what_no_program_can_be_given_is_named),
    cmocka_unit_test(rows_of_a_group_belong_together),
    cmocka_unit_test(rules_hold_inside_of_items_and_nested_structs),
    cmocka_unit_test(values_go_where_their_rows_say),
    cmocka_unit_test(header_cannot_break_its_line),
    cmocka_unit_test(value_can_be_the_whole_body),
    cmocka_unit_test(kept_strings_are_copies),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
