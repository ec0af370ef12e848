/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The .env parser: what a file means, what it may cost, and that python-dotenv agrees.
 */
#include "call/dotenv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <daytona/error.h>

#include "core/limits.h"
#include "core/memory.h"
#include "support/alloc.h"
#include "support/check.h"

#define ROWS(array) (sizeof(array) / sizeof(array)[0])

/* Parse a copy of exactly `size` bytes, so that a read beyond it does not go unnoticed. */
static int parse(daytona__dotenv_t *env, const char *text, size_t size) {
  char *exact = malloc(size != 0 ? size : 1);
  assert_non_null(exact);
  memcpy(exact, text, size);
  daytona__dotenv_init(env);
  int error = daytona__dotenv_parse(env, exact, size);
  free(exact);
  return error;
}

static void expect(const char *text, const char *name, const char *value) {
  daytona__dotenv_t env;
  assert_int_equal(parse(&env, text, strlen(text)), 0);
  const char *got = daytona__dotenv_get(&env, name);
  if ((got == NULL) != (value == NULL) || (got != NULL && strcmp(got, value) != 0))
    fail_msg("<%s> gave <%s>, not <%s>", text, got != NULL ? got : "(none)",
             value != NULL ? value : "(none)");
  daytona__dotenv_clear(&env);
}

/* Each text says what DAYTONA_X is. */
typedef struct row {
  const char *text, *value;
} row_t;

static void expect_rows(const row_t *rows, size_t count) {
  for (size_t i = 0; i < count; i++) expect(rows[i].text, "DAYTONA_X", rows[i].value);
}

static void plain_values_are_trimmed(void **state) {
  static const row_t rows[] = {
    {"DAYTONA_X=a", "a"},
    {"DAYTONA_X=a\n", "a"},
    {"  DAYTONA_X \t=\t a b \t\n", "a b"},
    {"\n\n\tDAYTONA_X=a", "a"},
    {"DAYTONA_X=", ""},
    {"DAYTONA_X=   \nA=1", ""},
    {"DAYTONA_X=a=b==", "a=b=="},
    {"DAYTONA_X=it's \"so\"", "it's \"so\""},
    {"DAYTONA_X=a\\nb", "a\\nb"},
    {"DAYTONA_X=$HOME", "$HOME"},
    {"DAYTONA_X\xc2\xa0=\xe3\x80\x80"
     "a\xe2\x80\x89\n",
     "a"},
    {"'DAYTONA_X'=a", "a"},
    {"DAYTONA_X=\xc3\xa4\xff", "\xc3\xa4\xff"},
  };
  expect_rows(rows, ROWS(rows));
}

static void export_may_stand_in_front(void **state) {
  static const row_t rows[] = {
    {"export DAYTONA_X=a", "a"},
    {" export\t DAYTONA_X=a", "a"},
    {"export 'DAYTONA_X' = 'a'", "a"},
    {"exportDAYTONA_X=a", NULL},
    {"export\nDAYTONA_X=a", "a"},
    {"export =b\nDAYTONA_X=a", "a"},
    {"export", NULL},
    {"export ", NULL},
  };
  expect_rows(rows, ROWS(rows));
}

static void comments_are_skipped(void **state) {
  static const row_t rows[] = {
    {"# c\nDAYTONA_X=a", "a"},  {"  # DAYTONA_X=b", NULL},      {"DAYTONA_X=a # c", "a"},
    {"DAYTONA_X=a\t#c", "a"},   {"DAYTONA_X=a#b", "a#b"},       {"DAYTONA_X=#b", "#b"},
    {"DAYTONA_X= #b", ""},      {"DAYTONA_X=a # b # c\n", "a"}, {"DAYTONA_X='a # b' # c", "a # b"},
    {"DAYTONA_X=\"a\"#c", "a"}, {"DAYTONA_X#=a", NULL},         {"export # c\nDAYTONA_X=a", "a"},
  };
  expect_rows(rows, ROWS(rows));
}

static void quotes_keep_blanks_and_lines(void **state) {
  static const row_t rows[] = {
    {"DAYTONA_X=' a '", " a "},
    {"DAYTONA_X=\" a \"", " a "},
    {"DAYTONA_X=''", ""},
    {"DAYTONA_X='a\nb\n'\nA=1", "a\nb\n"},
    {"DAYTONA_X=\"a\nDAYTONA_Y=b\"", "a\nDAYTONA_Y=b"},
    {"DAYTONA_X='a\"b'", "a\"b"},
    {"DAYTONA_X=\"a'b\"  ", "a'b"},
  };
  expect_rows(rows, ROWS(rows));
}

static void escapes_count_in_double_quotes(void **state) {
  static const row_t rows[] = {
    {"DAYTONA_X=\"\\a\\b\\f\\n\\r\\t\\v\"", "\a\b\f\n\r\t\v"},
    {"DAYTONA_X=\"\\\"\\'\\\\\"", "\"'\\"},
    {"DAYTONA_X=\"\\\\n\"", "\\n"},
    {"DAYTONA_X=\"\\x\\0\\$\\u0041\"", "\\x\\0\\$\\u0041"},
    {"DAYTONA_X=\"\\x\\n\"", "\\x\n"},
    {"DAYTONA_X='\\n\\\"'", "\\n\\\""},
    {"DAYTONA_X='\\'\\\\'", "'\\"},
    {"DAYTONA_X='\\\\' # '", "\\"},
    {"DAYTONA_X=\"a\\\nb\"", "a\\\nb"},
  };
  expect_rows(rows, ROWS(rows));
}

static void lines_that_make_no_sense_are_skipped(void **state) {
  static const row_t rows[] = {
    {"DAYTONA_X=\"a\nDAYTONA_X=b", "b"},
    {"DAYTONA_X='a", NULL},
    {"DAYTONA_X='a\\'", NULL},
    {"DAYTONA_X=\"a\\", NULL},
    {"DAYTONA_X='a' b\nA=1", NULL},
    {"DAYTONA_X='a\nb' c\nDAYTONA_X=d", "d"},
    {"DAYTONA_Y b=1\nDAYTONA_X=a", "a"},
    {"=a\nDAYTONA_X=a", "a"},
    {"''=1\nDAYTONA_X=a", "a"},
    {"'DAYTONA_X=a\n", NULL},
    {"'\nDAYTONA_X=a", "a"},
    {"\\\nDAYTONA_X=a", "a"},
  };
  expect_rows(rows, ROWS(rows));
}

static void a_name_without_a_value_has_none(void **state) {
  static const row_t rows[] = {
    {"DAYTONA_X", NULL},
    {"DAYTONA_X\n", NULL},
    {"export DAYTONA_X # c\n", NULL},
    {"DAYTONA_X=a\nDAYTONA_X", NULL},
    {"DAYTONA_X\nDAYTONA_X=a", "a"},
    {"Y\nDAYTONA_X=<${Y:-b}>", "<>"},
  };
  expect_rows(rows, ROWS(rows));
}

static void the_last_of_a_name_counts(void **state) {
  expect("DAYTONA_X=a\nDAYTONA_X=b\n", "DAYTONA_X", "b");
  expect("DAYTONA_X=a\nDAYTONA_X=${DAYTONA_X}b\n", "DAYTONA_X", "ab");
}

static void every_kind_of_line_end_ends_a_line(void **state) {
  static const row_t rows[] = {
    {"\xef\xbb\xbf"
     "DAYTONA_X=a",
     "a"},
    {"\xef\xbb\xbf\xef\xbb\xbf"
     "DAYTONA_X=a",
     NULL},
    {"A=1\r\nDAYTONA_X=a\r\n", "a"},
    {"A=1\rDAYTONA_X=a\r", "a"},
    {"DAYTONA_X='a\r\nb\rc'", "a\nb\nc"},
    {"DAYTONA_X=\r\nA=1", ""},
    {"# c\rDAYTONA_X=a", "a"},
  };
  expect_rows(rows, ROWS(rows));
  expect("\xef\xbb\xbf", "DAYTONA_X", NULL);
}

static void references_are_replaced(void **state) {
  setenv("DOTENV_TEST_A", "process", 1);
  unsetenv("DOTENV_TEST_B");
  static const row_t rows[] = {
    {"DAYTONA_X=<${DOTENV_TEST_A}>", "<process>"},
    {"DAYTONA_X='<${DOTENV_TEST_A}>'", "<process>"},
    {"DAYTONA_X=\"${DOTENV_TEST_A}${DOTENV_TEST_A}\"", "processprocess"},
    {"DAYTONA_X=<${DOTENV_TEST_B}>", "<>"},
    {"DAYTONA_X=${DOTENV_TEST_B:-b}", "b"},
    {"DAYTONA_X=${DOTENV_TEST_B:-}", ""},
    {"DAYTONA_X=${DOTENV_TEST_A:-b}", "process"},
    {"DOTENV_TEST_A=file\nDAYTONA_X=${DOTENV_TEST_A}", "file"},
    {"DOTENV_TEST_A=\nDAYTONA_X=<${DOTENV_TEST_A:-b}>", "<>"},
    {"DAYTONA_X=${Y}\nY=late", ""},
    {"Y=1\nDAYTONA_X=${ Y}", ""},
    {"Y=1\nDAYTONA_X=${Y:-a:b}${Y:-c}", "11"},
    {"DAYTONA_X=${Y:-a:b$}c", "a:b$c"},
    {"DAYTONA_X=${Y:+a}", "${Y:+a}"},
    {"DAYTONA_X=${Y:a${Z:-b}", "${Y:ab"},
    {"DAYTONA_X=${Y${Z}}", "}"},
    {"DAYTONA_X=${Y:-${Z:-a}}", "${Z:-a}"},
    {"DAYTONA_X=${", "${"},
    {"DAYTONA_X=a$", "a$"},
    {"DAYTONA_X=${}b", "b"},
    {"DAYTONA_X=${Y:-", "${Y:-"},
    {"DAYTONA_X=${Y:", "${Y:"},
    {"DAYTONA_X=$${DOTENV_TEST_A}", "$process"},
    {"Y='${Z}'\nDAYTONA_X=${Y}", ""},
    {"DAYTONA_X=\"${Y:-a\nb}\"", "a\nb"},
  };
  expect_rows(rows, ROWS(rows));
  unsetenv("DOTENV_TEST_A");
}

static void a_reference_is_not_half_of_another_variable(void **state) {
  setenv("DOTENV_TEST_A", "b=c", 1);
  expect("DAYTONA_X=<${DOTENV_TEST_A=b}>", "DAYTONA_X", "<>");
  unsetenv("DOTENV_TEST_A");
}

static void only_names_of_daytona_are_told(void **state) {
  expect("PATH=x\nDAYTONA_X=a", "PATH", NULL);
  expect("PATH=x\nDAYTONA_X=a", "DAYTONA", NULL);
  expect("DAYTONA_=b", "DAYTONA_", "b");
  expect("daytona_x=b", "daytona_x", NULL);
}

static void the_process_environment_stays_as_it_is(void **state) {
  unsetenv("DAYTONA_X");
  expect("DAYTONA_X=a\nDOTENV_TEST_A=b\n", "DAYTONA_X", "a");
  assert_null(getenv("DAYTONA_X"));
  assert_null(getenv("DOTENV_TEST_A"));
}

static void every_prefix_of_a_file_is_read(void **state) {
  static const char text[] =
    "\xef\xbb\xbf# c\r\nexport 'A' = \"x\\n${B:-\\\"c}\" # d\n"
    "DAYTONA_X='${A}\n\\'' \xc2\xa0#\nB\xe3\x80\x80=y\xe2\x80\x80#";
  for (size_t size = 0; size < sizeof text; size++) {
    daytona__dotenv_t env;
    assert_int_equal(parse(&env, text, size), 0);
    daytona__dotenv_clear(&env);
  }
}

/* --- ceilings --- */

static void what_is_not_text_is_refused(void **state) {
  static const char utf16[] = "D\0A\0Y\0=\0a";
  daytona__dotenv_t env;
  assert_int_equal(parse(&env, utf16, sizeof utf16), DAYTONA_EINVAL);
  assert_null(daytona__dotenv_get(&env, "DAYTONA_X"));
  daytona__dotenv_clear(&env);
}

static char *repeat(const char *piece, size_t total) {
  size_t size = strlen(piece);
  char *text = malloc(total);
  assert_non_null(text);
  for (size_t at = 0; at < total; at++) text[at] = piece[at % size];
  return text;
}

static void a_file_has_a_ceiling(void **state) {
  daytona__dotenv_t env;
  char *text = repeat("# DAYTONA_X\n", DAYTONA__DOTENV_MAX + 1);
  assert_int_equal(parse(&env, text, DAYTONA__DOTENV_MAX), 0);
  daytona__dotenv_clear(&env);
  assert_int_equal(parse(&env, text, DAYTONA__DOTENV_MAX + 1), DAYTONA_ELIMIT);
  daytona__dotenv_clear(&env);
  free(text);
}

static void values_that_explode_are_refused(void **state) {
  daytona__dotenv_t env;
  char text[4096] = "A0=0123456789abcdef\n";
  for (int i = 1; i < 40; i++)
    snprintf(text + strlen(text), sizeof text - strlen(text), "A%d=${A%d}${A%d}\n", i, i - 1, i - 1);
  size_t blocks = daytona__alloc_count();
  assert_int_equal(parse(&env, text, strlen(text)), DAYTONA_ELIMIT);
  assert_int_equal(daytona__alloc_count(), blocks);
  daytona__dotenv_clear(&env);
}

static void one_value_that_explodes_is_refused(void **state) {
  daytona__dotenv_t env;
  char *text = repeat("${A}", DAYTONA__DOTENV_MAX);
  memset(text, 'a', DAYTONA__DOTENV_MAX / 2);
  memcpy(text, "A=", 2);
  memcpy(text + DAYTONA__DOTENV_MAX / 2 - 3, "\nB=", 3);
  assert_int_equal(parse(&env, text, DAYTONA__DOTENV_MAX), DAYTONA_ELIMIT);
  daytona__dotenv_clear(&env);
  free(text);
}

/* Each of these would take minutes if anything were searched more than once. */
static void hostile_files_take_no_longer_than_others(void **state) {
  static const char *const pieces[] = {"${",      "${A:-", "${A:", "A='\\'",   "A=\"\n",
                                       "'\n",     "$",     "A\n",  "A=${A}\n", "A= \xc2\xa0",
                                       "export ", "\\",    "${}",  "#'\"",     "A=' '${:-}"};
  for (size_t i = 0; i < ROWS(pieces); i++) {
    daytona__dotenv_t env;
    char *text = repeat(pieces[i], DAYTONA__DOTENV_MAX);
    memcpy(text, "A=", 2);
    int error = parse(&env, text, DAYTONA__DOTENV_MAX);
    assert_true(error == 0 || error == DAYTONA_ELIMIT);
    daytona__dotenv_clear(&env);
    free(text);
  }
}

static void a_hundred_thousand_names_are_found(void **state) {
  daytona__dotenv_t env;
  size_t size = 0;
  char *text = malloc(DAYTONA__DOTENV_MAX);
  assert_non_null(text);
  for (int i = 0; i < 100000; i++) size += (size_t)sprintf(text + size, "%x=\n", (unsigned)i);
  size += (size_t)sprintf(text + size, "77=yes\nDAYTONA_X=${77}${%x:-no}", 99999);
  assert_int_equal(parse(&env, text, size), 0);
  assert_string_equal(daytona__dotenv_get(&env, "DAYTONA_X"), "yes");
  daytona__dotenv_clear(&env);
  free(text);
}

/* An arena tries again with less, so that a failed allocation need not be an error; then all must be there. */
static void load_with_what_there_is(void *user) {
  daytona__dotenv_t env;
  const char *problem;
  daytona__dotenv_init(&env);
  int error = daytona__dotenv_load(&env, "full.env", &problem);
  const char *value = daytona__dotenv_get(&env, "DAYTONA_X");
  if (error == 0) {
    assert_non_null(value);
    assert_int_equal(strlen(value), 3000);
  } else {
    assert_int_equal(error, DAYTONA_ENOMEM);
    assert_true(support_alloc_failed() > 0);
    assert_null(value);
  }
  daytona__dotenv_clear(&env);
}

static void lack_of_memory_is_told(void **state) {
  support_alloc_install();
  support_alloc_sweep(load_with_what_there_is, NULL);
  support_alloc_remove();
}

/* --- files --- */

static char folder[] = "/tmp/dotenv-test-XXXXXX";

static void write_file(const char *name, const void *text, size_t size) {
  FILE *file = fopen(name, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(text, 1, size, file), size);
  assert_int_equal(fclose(file), 0);
}

static int enter_folder(void **state) {
  if (mkdtemp(folder) == NULL || chdir(folder) != 0) return -1;
  FILE *file = fopen("full.env", "wb");
  if (file == NULL) return -1;
  fprintf(file, "A=%01500d\nDAYTONA_X=${A}${A}\nDAYTONA_Y='b'\n", 7);
  return fclose(file);
}

static int leave_folder(void **state) {
  char command[64];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  return chdir("/") == 0 ? system(command) : -1;
}

static int load(const char *path, const char **problem, bool *has_value) {
  daytona__dotenv_t env;
  daytona__dotenv_init(&env);
  *problem = NULL;
  int error = daytona__dotenv_load(&env, path, problem);
  *has_value = daytona__dotenv_get(&env, "DAYTONA_X") != NULL;
  daytona__dotenv_clear(&env);
  return error;
}

static void files_are_read(void **state) {
  const char *problem;
  bool has_value;
  assert_int_equal(load("full.env", &problem, &has_value), 0);
  assert_true(has_value);
  write_file("empty.env", "", 0);
  assert_int_equal(load("empty.env", &problem, &has_value), 0);
  assert_false(has_value);
}

static void what_is_not_a_file_counts_as_empty(void **state) {
  static const char *const names[] = {"missing", "folder", "pipe", "full.env/x"};
  const char *problem;
  bool has_value;
  assert_int_equal(mkdir("folder", 0700), 0);
  assert_int_equal(mkfifo("pipe", 0600), 0);
  for (size_t i = 0; i < ROWS(names); i++) {
    assert_int_equal(load(names[i], &problem, &has_value), 0);
    assert_false(has_value);
    assert_null(problem);
  }
}

static void files_that_cannot_be_used_say_why(void **state) {
  const char *problem;
  bool has_value;
  char *text = repeat("DAYTONA_X=1\n", DAYTONA__DOTENV_MAX + 1);
  write_file("big.env", text, DAYTONA__DOTENV_MAX + 1);
  free(text);
  assert_int_equal(load("big.env", &problem, &has_value), DAYTONA_ELIMIT);
  assert_string_equal(problem, "is too large");
  write_file("zero.env", "DAYTONA_X=1\n\0", 13);
  assert_int_equal(load("zero.env", &problem, &has_value), DAYTONA_EINVAL);
  assert_string_equal(problem, "is not plain text");
  assert_false(has_value);
  assert_int_equal(symlink("loop.env", "loop.env"), 0);
  assert_int_equal(load("loop.env", &problem, &has_value), DAYTONA_EIO);
  assert_string_equal(problem, "cannot be read");
}

/* --- python-dotenv --- */

enum { CASES = 4000, CASE_ROOM = 512 };

/* What the responses are compared for; the chunks below make such names. */
static const char *const told[] = {"DAYTONA_X", "DAYTONA_Y", "DAYTONA_"};

static uint32_t seed = 20261121;

static uint32_t next_random(uint32_t below) {
  seed ^= seed << 13;
  seed ^= seed >> 17;
  seed ^= seed << 5;
  return seed % below;
}

/* A text from chunks that matter to the format. Python wants valid UTF-8, so chunks are never cut. */
static void make_case(char text[CASE_ROOM]) {
  static const char *const pieces[] = {
    "DAYTONA_X",
    "DAYTONA_Y",
    "DAYTONA_",
    "DAYTONA_X=",
    "\nDAYTONA_X=",
    "\nDAYTONA_Y=",
    "A",
    "B",
    "=",
    "=",
    "'",
    "\"",
    "'",
    "\"",
    "\\",
    "\\n",
    "\\\"",
    "\\'",
    "\\\\",
    "\\x41",
    "\n",
    "\n",
    "\r\n",
    "\r",
    " ",
    " ",
    "\t",
    "\f",
    "\v",
    "\x1c",
    "\x1f",
    "\xc2\x85",
    "\xc2\xa0",
    "\xe2\x80\xa8",
    "\xe3\x80\x80",
    "\xe1\x9a\x80",
    "\xef\xbb\xbf",
    "#",
    " #",
    "export",
    "export ",
    "${",
    "}",
    ":",
    ":-",
    "$",
    "${A}",
    "${DAYTONA_X}",
    "${B:-",
    "${DOTENV_TEST_A}",
    "x",
    "\xc3\xa4",
    "\xe2\x82\xac",
    "\n'A'=",
    "''",
    "\\\n",
    "0",
  };
  text[0] = '\0';
  for (uint32_t left = 1 + next_random(30); left > 0; left--) {
    const char *piece = pieces[next_random(ROWS(pieces))];
    if (strlen(text) + strlen(piece) < CASE_ROOM) strcat(text, piece);
  }
}

/* Prints, for each case and each name, "-" or the value in hexadecimal digits behind a ":". */
static const char script[] =
  "import importlib.metadata, sys\n"
  "try:\n"
  "    found = importlib.metadata.version('python-dotenv')\n"
  "except importlib.metadata.PackageNotFoundError:\n"
  "    sys.exit('python-dotenv is not installed')\n"
  "if tuple(int(part) for part in found.split('.')[:3]) < (1, 2, 4):\n"
  "    sys.exit('python-dotenv ' + found + ' reads files differently from 1.2.4')\n"
  "import logging\n"
  "logging.disable()\n"
  "from dotenv import dotenv_values\n"
  "for number in range(int(sys.argv[1])):\n"
  "    values = dotenv_values(f'case-{number}')\n"
  "    for name in sys.argv[2:]:\n"
  "        value = values.get(name)\n"
  "        print('-' if value is None else ':' + value.encode().hex())\n";

static void compare_answer(FILE *answers, int number, const char *text, const char *name, const char *got) {
  char line[4 * CASE_ROOM * 8], mine[sizeof line] = "-";
  if (fgets(line, sizeof line, answers) == NULL) fail_msg("no answer for case %d", number);
  line[strcspn(line, "\n")] = '\0';
  if (got != NULL) {
    size_t size = strlen(got);
    assert_true(2 * size + 2 < sizeof mine);
    strcpy(mine, ":");
    for (size_t i = 0; i < size; i++) sprintf(mine + 1 + 2 * i, "%02x", (unsigned char)got[i]);
  }
  if (strcmp(line, mine) != 0)
    fail_msg("case %d <%s> %s: python says %s, we say %s", number, text, name, line, mine);
}

static void python_dotenv_agrees(void **state) {
  static char texts[CASES][CASE_ROOM];
  const char *python = getenv("DAYTONA_TEST_PYTHON");
  char command[512], name[32], reason[200] = "";
  setenv("DOTENV_TEST_A", "process", 1);
  for (int i = 0; i < CASES; i++) {
    make_case(texts[i]);
    snprintf(name, sizeof name, "case-%d", i);
    write_file(name, texts[i], strlen(texts[i]));
  }
  write_file("ask.py", script, sizeof script - 1);
  snprintf(command, sizeof command, "%s ask.py %d %s %s %s >answers 2>problem",
           python != NULL ? python : "python3", CASES, told[0], told[1], told[2]);
  if (system(command) != 0) {
    FILE *problem = fopen("problem", "r");
    if (problem != NULL && fgets(reason, sizeof reason, problem) != NULL)
      reason[strcspn(reason, "\n")] = '\0';
    if (problem != NULL) fclose(problem);
    print_message("# skipped: %s\n", reason);
    unsetenv("DOTENV_TEST_A");
    skip();
  }
  FILE *answers = fopen("answers", "r");
  assert_non_null(answers);
  for (int i = 0; i < CASES; i++) {
    daytona__dotenv_t env;
    assert_int_equal(parse(&env, texts[i], strlen(texts[i])), 0);
    for (size_t j = 0; j < ROWS(told); j++)
      compare_answer(answers, i, texts[i], told[j], daytona__dotenv_get(&env, told[j]));
    daytona__dotenv_clear(&env);
  }
  fclose(answers);
  unsetenv("DOTENV_TEST_A");
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(plain_values_are_trimmed),
    cmocka_unit_test(export_may_stand_in_front),
    cmocka_unit_test(comments_are_skipped),
    cmocka_unit_test(quotes_keep_blanks_and_lines),
    cmocka_unit_test(escapes_count_in_double_quotes),
    cmocka_unit_test(lines_that_make_no_sense_are_skipped),
    cmocka_unit_test(a_name_without_a_value_has_none),
    cmocka_unit_test(the_last_of_a_name_counts),
    cmocka_unit_test(every_kind_of_line_end_ends_a_line),
    cmocka_unit_test(references_are_replaced),
    cmocka_unit_test(a_reference_is_not_half_of_another_variable),
    cmocka_unit_test(only_names_of_daytona_are_told),
    cmocka_unit_test(the_process_environment_stays_as_it_is),
    cmocka_unit_test(every_prefix_of_a_file_is_read),
    cmocka_unit_test(what_is_not_text_is_refused),
    cmocka_unit_test(a_file_has_a_ceiling),
    cmocka_unit_test(values_that_explode_are_refused),
    cmocka_unit_test(one_value_that_explodes_is_refused),
    cmocka_unit_test(hostile_files_take_no_longer_than_others),
    cmocka_unit_test(a_hundred_thousand_names_are_found),
    cmocka_unit_test(lack_of_memory_is_told),
    cmocka_unit_test(files_are_read),
    cmocka_unit_test(what_is_not_a_file_counts_as_empty),
    cmocka_unit_test(files_that_cannot_be_used_say_why),
    cmocka_unit_test(python_dotenv_agrees),
  };
  return cmocka_run_group_tests_name("dotenv", tests, enter_folder, leave_folder);
}
