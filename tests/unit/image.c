/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image builder: every sentence of <daytona/image.h>. That its texts are those of the official SDK is
 * compared with that SDK in tests/interop.
 */
#include <daytona/image.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/image_impl.h"
#include "core/future.h"
#include "core/glob.h"
#include "core/memory.h"
#include "support/alloc.h"
#include "support/api_scene.h"
#include "support/check.h"
#include "support/local_files.h"

#define LIST(...)                                           \
  (&(daytona_strings_t){(const char *const[]){__VA_ARGS__}, \
                        sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)})
#define PAIRS(...)                                         \
  (&(daytona_map_t){(const daytona_pair_t[]){__VA_ARGS__}, \
                    sizeof((const daytona_pair_t[]){__VA_ARGS__}) / sizeof(daytona_pair_t)})

/* --- the text ---------------------------------------------------------------------------------- */

/* The image is released. */
static void expect_text(daytona_image_t *image, const char *text) {
  const char *message;
  daytona_errcode_t code = daytona_image_check(image, &message);
  if (code != DAYTONA_OK) fail_msg("%s: %s", daytona_errcode_name(code), message);
  assert_null(message);
  assert_non_null(daytona_image_dockerfile(image));
  assert_string_equal(daytona_image_dockerfile(image), text);
  daytona_image_release(image);
}

static void expect_error(daytona_image_t *image, daytona_errcode_t code, const char *text) {
  const char *message = NULL;
  assert_int_equal(daytona_image_check(image, &message), code);
  assert_non_null(message);
  if (strstr(message, text) == NULL) fail_msg("<%s> does not say <%s>", message, text);
  assert_null(daytona_image_dockerfile(image));
  daytona_image_release(image);
}

static void a_base_is_one_line(void **state) {
  expect_text(daytona_image_base("python:3.12"), "FROM python:3.12\n");
  expect_error(daytona_image_base(NULL), DAYTONA_EINVAL, "missing");
  expect_error(daytona_image_base(""), DAYTONA_EINVAL, "empty");
  expect_error(daytona_image_base("a\xff"), DAYTONA_EINVAL, "UTF-8");
}

static void expect_python(const char *version, const char *release) {
  char text[512];
  snprintf(text, sizeof text,
           "FROM python:%s-slim-bookworm\nRUN apt-get update\n"
           "RUN apt-get install -y gcc gfortran build-essential\nRUN pip install --upgrade pip\n"
           "RUN echo 'debconf debconf/frontend select Noninteractive' | debconf-set-selections\n",
           release);
  expect_text(daytona_image_debian_slim(version), text);
}

static void a_series_of_python_is_its_newest_release(void **state) {
  static const char *const wrong[] = {"",      "3",     "4.1",    "3.",   "3.123",   "3.12.", "3.12.1.2",
                                      "a3.12", "3.12 ", "3.12rx", "3.1x", "3.12.1x", "v3.12", "3.12.4-slim"},
                           *const old[] = {"3.8", "3.14", "3.1", "3.8.1", "3.09", "3.12rc1", "3.99"};
  expect_python(NULL, "3.13.3");
  expect_python("3.9", "3.9.22");
  expect_python("3.10", "3.10.17");
  expect_python("3.11", "3.11.12");
  expect_python("3.12", "3.12.10");
  expect_python("3.13", "3.13.3");
  expect_python("3.12.4", "3.12.4");
  expect_python("3.9.0rc2", "3.9.0rc2");
  expect_python("3.9.0rc", "3.9.0rc");
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
    expect_error(daytona_image_debian_slim(wrong[i]), DAYTONA_EINVAL, "Invalid Python version");
  for (size_t i = 0; i < sizeof old / sizeof old[0]; i++)
    expect_error(daytona_image_debian_slim(old[i]), DAYTONA_EINVAL, "Unsupported Python version");
}

static void calls_can_be_chained(void **state) {
  daytona_image_t *image = daytona_image_base("a");
  assert_ptr_equal(daytona_image_workdir(daytona_image_env(image, PAIRS({"K", "v w"})), "/work space"),
                   image);
  assert_ptr_equal(daytona_image_cmd(daytona_image_entrypoint(image, LIST("sh", "-c")), LIST("x y")), image);
  assert_ptr_equal(
    daytona_image_run_words(daytona_image_run_commands(image, LIST("a && b", "c")), LIST("d", "e")), image);
  expect_text(image,
              "FROM a\nENV K='v w'\nWORKDIR '/work space'\nENTRYPOINT [\"sh\", \"-c\"]\nCMD [\"x y\"]\n"
              "RUN a && b\nRUN c\nRUN \"d\" \"e\"\n");
}

static void packages_are_sorted_and_quoted(void **state) {
  const daytona_image_pip_install_opts_t opts = {.find_links = *LIST("a b", ""),
                                                 .index_url = "https://x/?q=1",
                                                 .extra_index_urls = *LIST("u"),
                                                 .takes_pre_releases = true,
                                                 .extra_options = " \xc2\xa0--no-deps $X\t\n"};
  expect_text(
    daytona_image_pip_install(daytona_image_base("a"), LIST("b>1", "a", "\xc3\xa9", "it's", "B", ""), NULL),
    "FROM a\nRUN python -m pip install '' B a 'b>1' 'it'\"'\"'s' '\xc3\xa9'\n");
  expect_text(daytona_image_pip_install(daytona_image_base("a"), LIST("p"), &opts),
              "FROM a\nRUN python -m pip install p --find-links 'a b' --find-links '' --index-url "
              "'https://x/?q=1' --extra-index-url u --pre --no-deps $X\n");
  expect_text(daytona_image_pip_install(daytona_image_base("a"), NULL, &opts), "FROM a\n");
  expect_text(
    daytona_image_pip_install(daytona_image_base("a"), LIST("p"),
                              &(daytona_image_pip_install_opts_t){.index_url = "", .extra_options = " "}),
    "FROM a\nRUN python -m pip install p \n");
}

static void empty_lists_add_what_the_official_sdk_adds(void **state) {
  daytona_image_t *image = daytona_image_base("a");
  daytona_image_run_commands(image, NULL);
  daytona_image_run_commands(image, LIST(""));
  daytona_image_run_words(image, NULL);
  daytona_image_env(image, NULL);
  daytona_image_env(image, PAIRS({"", ""}));
  daytona_image_entrypoint(image, NULL);
  daytona_image_cmd(image, LIST(""));
  daytona_image_workdir(image, "");
  daytona_image_dockerfile_commands(image, NULL, NULL);
  expect_text(image, "FROM a\nRUN \nRUN \nENV =''\nENTRYPOINT []\nCMD [\"\"]\nWORKDIR ''\n\n");
}

static void words_keep_their_odd_quotes(void **state) {
  expect_text(daytona_image_run_words(daytona_image_base("a"), LIST("sh", "echo \"it's\"", "")),
              "FROM a\nRUN \"sh\" \"echo \\\\\\\"it\\'s\\\\\\\"\" \"\"\n");
  expect_text(daytona_image_cmd(daytona_image_base("a"), LIST("a\"b\\")), "FROM a\nCMD [\"a\"b\\\"]\n");
}

static void local_files_are_copied_in_the_json_form(void **state) {
  daytona_image_t *image = daytona_image_base("a");
  daytona_image_add_local_file(image, "/x/./y//f\xc3\xa9.txt", "/to/");
  daytona_image_add_local_file(image, "d/../g", "a\"b\\c\n\x7f\x01");
  daytona_image_add_local_file(image, "../h/..", "/");
  daytona_image_add_local_dir(image, "../z/", "/\xf0\x9f\x98\x80/");
  daytona_image_pip_install_from_requirements(image, "./r/req s.txt", NULL);
  expect_text(image,
              "FROM a\nCOPY [\"x/y/f\\u00e9.txt\", \"/to/f\\u00e9.txt\"]\n"
              "COPY [\"g\", \"a\\\"b\\\\c\\n\\u007f\\u0001\"]\nCOPY [\"..\", \"/..\"]\n"
              "COPY [\"../z\", \"/\\ud83d\\ude00/\"]\n"
              "COPY r/req s.txt /.requirements.txt\nRUN python -m pip install -r /.requirements.txt\n");
}

static void a_home_folder_is_put_in_front(void **state) {
  char *home = getenv("HOME") != NULL ? strdup(getenv("HOME")) : NULL;
  setenv("HOME", "/home/me/", 1);
  daytona_image_t *image = daytona_image_add_local_file(daytona_image_base("a"), "~/f", "/");
  expect_text(daytona_image_add_local_dir(image, "~", "/d"),
              "FROM a\nCOPY [\"home/me/f\", \"/f\"]\nCOPY [\"home/me\", \"/d\"]\n");
  setenv("HOME", "/", 1);
  expect_text(daytona_image_add_local_dir(daytona_image_base("a"), "~", "/d"),
              "FROM a\nCOPY [\"\", \"/d\"]\n");
  unsetenv("HOME");
  image = daytona_image_add_local_file(daytona_image_base("a"), "~/f", "/");
  assert_int_equal(daytona_image_check(image, NULL), DAYTONA_OK);
  assert_null(daytona_image_dockerfile(image)); /* whose it is stands in the system's list */
  daytona_image_release(image);
  if (home != NULL) setenv("HOME", home, 1);
  free(home);
}

/* --- errors ------------------------------------------------------------------------------------ */

typedef daytona_image_t *(*wrong_t)(daytona_image_t *image);

#define WRONG(name, ...) \
  static daytona_image_t *wrong_##name(daytona_image_t *image) { return __VA_ARGS__; }
#define BAD "\xc3"
static const char *const no_items[] = {"a", NULL};
static const daytona_strings_t with_null = {no_items, 2}, without_items = {NULL, 1};
static const daytona_map_t no_pairs = {NULL, 1};

WRONG(package, daytona_image_pip_install(image, &with_null, NULL))
WRONG(packages, daytona_image_pip_install(image, &without_items, NULL))
WRONG(links,
      daytona_image_pip_install(image, NULL, &(daytona_image_pip_install_opts_t){.find_links = with_null}))
WRONG(index, daytona_image_pip_install(image, NULL, &(daytona_image_pip_install_opts_t){.index_url = BAD}))
WRONG(extra,
      daytona_image_pip_install(image, NULL, &(daytona_image_pip_install_opts_t){.extra_options = BAD}))
WRONG(pip_words,
      daytona_image_pip_install(image, NULL, &(daytona_image_pip_install_opts_t){.reserved = {[7] = 1}}))
WRONG(requirements, daytona_image_pip_install_from_requirements(image, NULL, NULL))
WRONG(no_requirements, daytona_image_pip_install_from_requirements(image, "", NULL))
WRONG(requirement_words,
      daytona_image_pip_install_from_requirements(image, "r",
                                                  &(daytona_image_pip_install_opts_t){.reserved = {1}}))
WRONG(pyproject, daytona_image_pip_install_from_pyproject(image, NULL, NULL))
WRONG(group, daytona_image_pip_install_from_pyproject(image, "p",
                                                      &(daytona_image_pip_install_from_pyproject_opts_t){
                                                        .optional_dependencies = with_null}))
WRONG(project_words, daytona_image_pip_install_from_pyproject(
                       image, "p", &(daytona_image_pip_install_from_pyproject_opts_t){.reserved = {[3] = 1}}))
WRONG(local, daytona_image_add_local_file(image, NULL, "/"))
WRONG(no_local, daytona_image_add_local_dir(image, "", "/"))
WRONG(bad_local, daytona_image_add_local_dir(image, BAD, "/"))
WRONG(remote, daytona_image_add_local_file(image, "f", NULL))
WRONG(bad_remote, daytona_image_add_local_file(image, "f", BAD))
WRONG(command, daytona_image_run_commands(image, &with_null))
WRONG(word, daytona_image_run_words(image, LIST(BAD)))
WRONG(map, daytona_image_env(image, &no_pairs))
WRONG(key, daytona_image_env(image, PAIRS({NULL, "v"})))
WRONG(value, daytona_image_env(image, PAIRS({"K", NULL})))
WRONG(folder, daytona_image_workdir(image, NULL))
WRONG(entry, daytona_image_entrypoint(image, &with_null))
WRONG(argument, daytona_image_cmd(image, &without_items))
WRONG(line, daytona_image_dockerfile_commands(image, &with_null, NULL))
WRONG(context,
      daytona_image_dockerfile_commands(image, NULL,
                                        &(daytona_image_dockerfile_commands_opts_t){.context_dir = BAD}))
WRONG(strict, daytona_image_dockerfile_commands(image, NULL,
                                                &(daytona_image_dockerfile_commands_opts_t){
                                                  .is_strict = true, .context_dir = ""}))
WRONG(line_words,
      daytona_image_dockerfile_commands(image, NULL,
                                        &(daytona_image_dockerfile_commands_opts_t){.reserved = {[7] = 1}}))

static const wrong_t wrongs[] = {wrong_package,
                                 wrong_packages,
                                 wrong_links,
                                 wrong_index,
                                 wrong_extra,
                                 wrong_pip_words,
                                 wrong_requirements,
                                 wrong_no_requirements,
                                 wrong_requirement_words,
                                 wrong_pyproject,
                                 wrong_group,
                                 wrong_project_words,
                                 wrong_local,
                                 wrong_no_local,
                                 wrong_bad_local,
                                 wrong_remote,
                                 wrong_bad_remote,
                                 wrong_command,
                                 wrong_word,
                                 wrong_map,
                                 wrong_key,
                                 wrong_value,
                                 wrong_folder,
                                 wrong_entry,
                                 wrong_argument,
                                 wrong_line,
                                 wrong_context,
                                 wrong_strict,
                                 wrong_line_words};

enum { WRONGS = sizeof wrongs / sizeof wrongs[0] };

static void the_first_error_is_kept(void **state) {
  for (size_t i = 0; i < WRONGS; i++) {
    daytona_image_t *image = daytona_image_base("a");
    const char *message, *again;
    assert_ptr_equal(wrongs[i](image), image);
    assert_int_equal(daytona_image_check(image, &message), DAYTONA_EINVAL);
    assert_true(message[0] != '\0' && strchr(message, '\n') == NULL);
    assert_ptr_equal(wrongs[(i + 1) % WRONGS](daytona_image_workdir(image, "/")), image);
    assert_int_equal(daytona_image_check(image, &again), DAYTONA_EINVAL);
    assert_ptr_equal(again, message);
    assert_null(daytona_image_dockerfile(image));
    daytona_image_release(image);
  }
}

static void null_goes_through_the_chain(void **state) {
  const char *message;
  for (size_t i = 0; i < WRONGS; i++) assert_null(wrongs[i](NULL));
  assert_null(daytona_image_workdir(NULL, "/"));
  assert_null(daytona_image_retain(NULL));
  assert_null(daytona_image_dockerfile(NULL));
  assert_int_equal(daytona_image_check(NULL, &message), DAYTONA_EINVAL);
  assert_non_null(message);
  assert_int_equal(daytona_image_check(NULL, NULL), DAYTONA_EINVAL);
  daytona_image_release(NULL);
}

static void reserved_words_of_a_dockerfile_are_checked(void **state) {
  for (size_t i = 0; i < 8; i++) {
    daytona_image_from_dockerfile_opts_t opts = {0};
    opts.reserved[i] = 1;
    expect_error(daytona_image_from_dockerfile("x", &opts), DAYTONA_EINVAL, "reserved");
  }
}

static void a_dockerfile_has_a_ceiling(void **state) {
  char *large = malloc(DAYTONA__DOCKERFILE_MAX);
  memset(large, 'a', DAYTONA__DOCKERFILE_MAX - 1);
  large[DAYTONA__DOCKERFILE_MAX - 1] = '\0';
  const daytona_image_pip_install_opts_t opts = {.extra_options = large};
  expect_error(daytona_image_base(large), DAYTONA_ELIMIT, "Dockerfile is larger than");
  expect_error(daytona_image_workdir(daytona_image_base("a"), large), DAYTONA_ELIMIT, "Dockerfile is larger");
  expect_error(daytona_image_pip_install(daytona_image_base("a"), LIST("x"), &opts), DAYTONA_ELIMIT,
               "larger");
  expect_error(daytona_image_add_local_file(daytona_image_base("a"), "x", large), DAYTONA_ELIMIT, "larger");
  large[DAYTONA__DOCKERFILE_MAX - 8] = '\0';
  daytona_image_t *image = daytona_image_base(large); /* FROM, a blank and a line end */
  assert_int_equal(daytona_image_check(image, NULL), DAYTONA_OK);
  assert_int_equal(strlen(daytona_image_dockerfile(image)), DAYTONA__DOCKERFILE_MAX - 2);
  expect_error(daytona_image_cmd(image, NULL), DAYTONA_ELIMIT, "larger");
  free(large);
}

static void calls_without_text_have_a_ceiling_too(void **state) {
  daytona_image_t *image = daytona_image_base("a");
  char path[4096];
  memset(path, 'p', sizeof path - 1);
  path[sizeof path - 1] = '\0';
  for (int i = 0; i < 5000 && daytona_image_check(image, NULL) == DAYTONA_OK; i++)
    daytona_image_pip_install_from_pyproject(image, path, NULL);
  expect_error(image, DAYTONA_ELIMIT, "bytes of calls");
}

static void references_are_counted(void **state) {
  daytona_image_t *image = daytona_image_base("a");
  assert_ptr_equal(daytona_image_retain(image), image);
  daytona_image_release(image);
  expect_text(daytona_image_workdir(image, "/"), "FROM a\nWORKDIR /\n");
}

/* --- files ------------------------------------------------------------------------------------- */

/* A folder of its own, which is the working folder meanwhile. */
typedef struct files {
  char folder[64], before[4096];
  api_scene_t *scene; /* of the tests that have a client */
} files_t;

static void write_text(const char *path, const char *text) { local_write(path, text, strlen(text)); }

static int files_open(void **state) {
  files_t *files = calloc(1, sizeof *files);
  const char *temp = getenv("TMPDIR");
  snprintf(files->folder, sizeof files->folder, "%s/imageXXXXXX",
           temp != NULL && strlen(temp) < 40 ? temp : "/tmp");
  assert_non_null(getcwd(files->before, sizeof files->before));
  assert_non_null(mkdtemp(files->folder));
  assert_int_equal(chdir(files->folder), 0);
  mkdir("d", 0755);
  mkdir("d/e", 0755);
  mkdir("w", 0755);
  write_text("f", "f");
  write_text("d/b.txt", "b");
  write_text("d/a.txt", "a");
  write_text("d/.hidden.txt", "h");
  write_text("d/e/c.txt", "c");
  write_text("secret", "s");
  assert_int_equal(symlink("../secret", "d/out"), 0);
  assert_int_equal(symlink("..", "d/up"), 0);
  assert_int_equal(symlink("nowhere", "d/dangling"), 0);
  assert_int_equal(symlink("a.txt", "d/in"), 0);
  assert_int_equal(symlink("loop", "d/loop"), 0);
  *state = files;
  return 0;
}

static int files_close(void **state) {
  files_t *files = *state;
  char command[128];
  assert_int_equal(chdir(files->before), 0);
  snprintf(command, sizeof command, "rm -rf '%s'", files->folder);
  assert_int_equal(system(command), 0);
  free(files);
  return 0;
}

static daytona__image_content_t *content_make(bool is_pool) {
  daytona__image_content_t *content = daytona__calloc(1, sizeof *content);
  if (content == NULL) return NULL;
  content->refs = 1;
  daytona__arena_init(&content->arena, DAYTONA__IMAGE_MEMORY_MAX);
  content->arena.is_pool = is_pool;
  return content;
}

/* What a job does, here and now. The image is released. */
static daytona__image_content_t *work(daytona_image_t *image) {
  daytona__image_content_t *content = content_make(false);
  const image_record_t record = {.steps = image->steps,
                                 .step_count = image->step_count,
                                 .text = image->text.data,
                                 .entrypoint = "",
                                 .code = image->code,
                                 .message = image->message};
  if (content != NULL) daytona__image_work(&record, content);
  daytona_image_release(image);
  return content;
}

static void expect_content(daytona_image_t *image, const char *text, const char *const *contexts,
                           size_t count) {
  daytona__image_content_t *content = work(image);
  if (content->code != DAYTONA_OK) fail_msg("%s", content->message);
  if (text != NULL) assert_string_equal(content->view.dockerfile, text);
  for (size_t i = 0; i < content->view.context_count && i < count / 2; i++) {
    assert_string_equal(content->view.contexts[i]->source_path, contexts[2 * i]);
    assert_string_equal(content->view.contexts[i]->archive_path, contexts[2 * i + 1]);
  }
  assert_int_equal(content->view.context_count, count / 2);
  daytona__image_content_release(content);
}

#define EXPECT(image, text, ...)                                  \
  expect_content(image, text, (const char *const[]){__VA_ARGS__}, \
                 sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void expect_failure(daytona_image_t *image, daytona_errcode_t code, int system_errno,
                           const char *text) {
  daytona__image_content_t *content = work(image);
  if (content->code != code || strstr(content->message, text) == NULL)
    fail_msg("%s: %s, not %s: %s", daytona_errcode_name(content->code), content->message,
             daytona_errcode_name(code), text);
  assert_int_equal(content->system_errno, system_errno);
  daytona__image_content_release(content);
}

static daytona_image_t *commands(const char *line, const char *folder, bool is_strict) {
  const daytona_image_dockerfile_commands_opts_t opts = {.context_dir = folder, .is_strict = is_strict};
  return daytona_image_dockerfile_commands(daytona_image_base("a"), LIST(line), &opts);
}

static void local_files_become_context(void **state) {
  const files_t *files = *state;
  char absolute[128];
  snprintf(absolute, sizeof absolute, "%s/d/../f", files->folder);
  daytona_image_t *image = daytona_image_add_local_file(daytona_image_base("a"), "./f", "/");
  daytona_image_add_local_dir(image, "d/", "/d");
  daytona_image_add_local_file(image, absolute, "/g");
  daytona_image_pip_install_from_requirements(image, "f", NULL);
  char archive[128], text[512];
  snprintf(archive, sizeof archive, "%s/f", files->folder + 1);
  snprintf(text, sizeof text,
           "FROM a\nCOPY [\"f\", \"/f\"]\nCOPY [\"d\", \"/d\"]\nCOPY [\"%s\", \"/g\"]\n"
           "COPY f /.requirements.txt\nRUN python -m pip install -r /.requirements.txt\n",
           archive);
  EXPECT(image, text, "./f", "f", "d/", "d", absolute, archive, "f", "f");
}

static void what_is_not_there_is_reported_by_the_use(void **state) {
  daytona_image_t *(*const base)(const char *) = daytona_image_base;
  expect_failure(daytona_image_add_local_file(base("a"), "no", "/"), DAYTONA_ENOTFOUND, ENOENT,
                 "Local file no does not exist");
  expect_failure(daytona_image_add_local_file(base("a"), "d", "/"), DAYTONA_EINVAL, 0,
                 "Local path d exists but is not a file");
  expect_failure(daytona_image_add_local_file(base("a"), "f/x", "/"), DAYTONA_ENOTFOUND, ENOTDIR, "f/x");
  expect_failure(daytona_image_add_local_file(base("a"), "d/loop", "/"), DAYTONA_ENOTFOUND, ELOOP, "d/loop");
  expect_failure(daytona_image_add_local_dir(base("a"), "no", "/"), DAYTONA_ENOTFOUND, ENOENT,
                 "Local directory no does not exist");
  expect_failure(daytona_image_add_local_dir(base("a"), "f", "/"), DAYTONA_EINVAL, 0,
                 "Local path f exists but is not a directory");
  expect_failure(daytona_image_pip_install_from_requirements(base("a"), "no", NULL), DAYTONA_ENOTFOUND,
                 ENOENT, "Requirements file no does not exist");
  expect_failure(daytona_image_pip_install_from_requirements(base("a"), "d", NULL), DAYTONA_EINVAL, 0,
                 "Requirements path d exists but is not a file");
  expect_failure(daytona_image_pip_install_from_pyproject(base("a"), "no", NULL), DAYTONA_ENOTFOUND, ENOENT,
                 "pyproject.toml file no does not exist");
  expect_failure(daytona_image_pip_install_from_pyproject(base("a"), "d", NULL), DAYTONA_EINVAL, 0,
                 "pyproject.toml path d exists but is not a file");
  expect_failure(daytona_image_from_dockerfile("./no//x", NULL), DAYTONA_ENOTFOUND, ENOENT,
                 "Dockerfile no/x does not exist");
  expect_failure(daytona_image_from_dockerfile("d/", NULL), DAYTONA_EINVAL, 0,
                 "Dockerfile path d exists but is not a file");
  expect_failure(commands("RUN x", "no", false), DAYTONA_ENOTFOUND, ENOENT,
                 "Context directory no does not exist");
  expect_failure(commands("RUN x", "f", true), DAYTONA_EINVAL, 0,
                 "Context path f exists but is not a directory");
}

static void the_first_failure_in_the_order_of_calls_is_reported(void **state) {
  daytona_image_t *image = daytona_image_add_local_file(daytona_image_base("a"), "no", "/");
  daytona_image_workdir(image, NULL);
  assert_int_equal(daytona_image_check(image, NULL), DAYTONA_EINVAL); /* all that is known so far */
  expect_failure(image, DAYTONA_ENOTFOUND, ENOENT, "Local file no");
  image = daytona_image_workdir(daytona_image_add_local_file(daytona_image_base("a"), "f", "/"), NULL);
  daytona_image_add_local_file(image, "no", "/");
  expect_failure(image, DAYTONA_EINVAL, 0, "path is missing");
}

static void a_dockerfile_is_read_with_what_it_copies(void **state) {
  write_text("d/Dockerfile", "FROM x\r\nCOPY a.txt e /app/\rCOPY d/b.txt /b\nADD f /f\nCOPY none /n");
  daytona_image_t *image = daytona_image_from_dockerfile("./d//Dockerfile", NULL);
  assert_null(daytona_image_dockerfile(image));
  daytona_image_run_commands(image, LIST("y"));
  EXPECT(image, "FROM x\nCOPY a.txt e /app/\nCOPY d/b.txt /b\nADD f /f\nCOPY none /nRUN y\n", "d/a.txt",
         "a.txt", "d/e", "e", "d/d/b.txt", "d/d/b.txt", "d/none", "none");
  write_text("Dockerfile", "");
  EXPECT(daytona_image_from_dockerfile("Dockerfile", NULL), "");
  write_text("Dockerfile", "COPY f /\n");
  EXPECT(daytona_image_from_dockerfile("Dockerfile", NULL), "COPY f /\n", "f", "f");
}

static void a_dockerfile_must_be_text_of_a_size(void **state) {
  local_write("bad", "FROM \xff\n", 7);
  expect_failure(daytona_image_from_dockerfile("bad", NULL), DAYTONA_EINVAL, 0,
                 "Dockerfile bad is not UTF-8 text");
  local_write("nul", "FROM \0\n", 7);
  expect_failure(daytona_image_from_dockerfile("nul", NULL), DAYTONA_EINVAL, 0, "not UTF-8");
  char *large = calloc(1, DAYTONA__DOCKERFILE_MAX + 1);
  memset(large, 'a', DAYTONA__DOCKERFILE_MAX + 1);
  local_write("large", large, DAYTONA__DOCKERFILE_MAX + 1);
  expect_failure(daytona_image_from_dockerfile("large", NULL), DAYTONA_ELIMIT, 0,
                 "larger than 1048576 bytes");
  local_write("large", large, DAYTONA__DOCKERFILE_MAX);
  expect_failure(daytona_image_workdir(daytona_image_from_dockerfile("large", NULL), "/"), DAYTONA_ELIMIT, 0,
                 "the Dockerfile is larger");
  daytona__image_content_release(work(daytona_image_from_dockerfile("large", NULL)));
  free(large);
  mkfifo("fifo", 0600);
  expect_failure(daytona_image_from_dockerfile("fifo", NULL), DAYTONA_EINVAL, 0, "exists but is not a file");
  if (geteuid() == 0) return; /* who may read all */
  chmod("bad", 0);
  expect_failure(daytona_image_from_dockerfile("bad", NULL), DAYTONA_EIO, EACCES, "cannot be read");
}

static void dependencies_of_a_project_are_installed(void **state) {
  write_text("p.toml",
             "[project]\ndependencies = [\"b>=1\", 'a']\n[project.optional-dependencies]\n"
             "dev = ['z']\ntest = ['y', 'a']\nbad = 1\n");
  daytona_image_pip_install_from_pyproject_opts_t opts = {
    .find_links = "l l",
    .index_url = "i",
    .extra_index_url = "x",
    .takes_pre_releases = true,
    .extra_options = "-q",
    .optional_dependencies = *LIST("test", "none", "dev")};
  daytona_image_t *image = daytona_image_pip_install_from_pyproject(daytona_image_base("a"), "p.toml", &opts);
  assert_null(daytona_image_dockerfile(image));
  EXPECT(
    daytona_image_workdir(image, "/"),
    "FROM a\nRUN python -m pip install a a 'b>=1' y z --find-links 'l l' --index-url i --extra-index-url x "
    "--pre -q\nWORKDIR /\n");
  EXPECT(daytona_image_pip_install_from_pyproject(daytona_image_base("a"), "p.toml", NULL),
         "FROM a\nRUN python -m pip install a 'b>=1'\n");
  opts.optional_dependencies = *LIST("bad");
  expect_failure(daytona_image_pip_install_from_pyproject(daytona_image_base("a"), "p.toml", &opts),
                 DAYTONA_EINVAL, 0,
                 "the dependencies of bad in pyproject.toml file p.toml are not a list of strings");
}

static void expect_project(const char *text, const daytona_image_pip_install_from_pyproject_opts_t *opts,
                           const char *message) {
  write_text("p.toml", text);
  expect_failure(daytona_image_pip_install_from_pyproject(daytona_image_base("a"), "p.toml", opts),
                 DAYTONA_EINVAL, 0, message);
}

static void a_project_without_dependencies_is_refused(void **state) {
  const daytona_image_pip_install_from_pyproject_opts_t opts = {.optional_dependencies = *LIST("dev")};
  expect_project("", NULL, "No [project] section in pyproject.toml file. See https://");
  expect_project("project = 1", NULL, "No [project] section");
  expect_project("[project]\nname='x'", NULL, "No [project.dependencies] section in pyproject.toml file.");
  expect_project("[project]\ndependencies='x'", NULL, "No [project.dependencies] section");
  expect_project("[project.dependencies]", NULL, "No [project.dependencies] section");
  expect_project("[project]\ndependencies=[1]", NULL, "are not a list of strings");
  expect_project("[project]\ndependencies=[]\noptional-dependencies=[]", &opts, "must be a mapping");
  expect_project("[project]\n\nx = ", NULL, "Invalid pyproject.toml file p.toml: line 3: ");
  write_text("p.toml", "[project]\ndependencies=[]\noptional-dependencies=1");
  EXPECT(daytona_image_pip_install_from_pyproject(daytona_image_base("a"), "p.toml", NULL), "FROM a\n");
}

static void sources_of_copy_become_context(void **state) {
  const files_t *files = *state;
  char line[256], absolute[128];
  snprintf(absolute, sizeof absolute, "%s/secret", files->folder);
  snprintf(line, sizeof line, "COPY --chown=1:1 %s a.txt /x", absolute);
  EXPECT(commands("COPY *.txt /", "d", false), "FROM a\nCOPY *.txt /\n", "d/a.txt", "/a.txt", "d/b.txt",
         "/b.txt");
  EXPECT(commands("COPY *.txt /", "d/", false), NULL, "d/a.txt", "a.txt", "d/b.txt", "b.txt");
  EXPECT(commands("COPY d/a.txt d/?.txt /", NULL, false), NULL, "d/a.txt", "d/a.txt", "d/a.txt", "d/a.txt",
         "d/b.txt", "d/b.txt");
  EXPECT(commands("COPY d/a.txt /", "d", false), NULL, "d/d/a.txt", "d/d/a.txt");
  EXPECT(commands(line, "d", false), NULL, absolute, absolute, "d/a.txt", "/a.txt");
  EXPECT(commands("COPY [\"../secret\", \"*\", \"/\"]", "w", false), NULL, "w/../secret", "/../secret", "w/*",
         "/*");
  EXPECT(commands("COPY x*y /", "d", false), NULL, "d/x*y", "/x*y");
  EXPECT(commands("COPY --from=x a b\nCOPY <<EOF /x\nRUN y", NULL, false), NULL);
}

static void a_strict_context_has_no_outside(void **state) {
  static const char *const outside[] = {"/etc/hosts",  "../secret",  "e/../../secret",
                                        "..",          "C:x",        "\\\\host\\share",
                                        "\\x",         "..\\secret", "x/../..",
                                        "\xc3\xa9:/x", "//x"},
                           *const linked[] = {"out", "up/secret", "up",          "dangling", "o*",
                                              "up/", "up//",      "up///secret", "up//..",   ".//up//."};
  char line[128];
  for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
    char *json = strdup(outside[i]);
    daytona__strbuf_t quoted;
    daytona__strbuf_init(&quoted, 256);
    for (const char *at = json; *at != '\0'; at++)
      daytona__strbuf_printf(&quoted, *at == '\\' ? "\\\\" : "%c", *at);
    snprintf(line, sizeof line, "COPY [\"%s\", \"/\"]", quoted.data);
    char said[160];
    snprintf(said, sizeof said, "forbidden path outside the build context: %s", outside[i]);
    expect_failure(commands(line, "d", true), DAYTONA_EINVAL, 0, said);
    daytona__strbuf_clear(&quoted);
    free(json);
  }
  assert_int_equal(unlink("d/dangling"), 0);
  assert_int_equal(symlink("../nowhere", "d/dangling"), 0);
  for (size_t i = 0; i < sizeof linked / sizeof linked[0]; i++) {
    snprintf(line, sizeof line, "COPY %s /", linked[i]);
    expect_failure(commands(line, "d", true), DAYTONA_EINVAL, 0,
                   "forbidden path outside the build context: /");
    daytona__image_content_t *content = work(commands(line, "d", false));
    assert_int_equal(content->code, DAYTONA_OK);
    daytona__image_content_release(content);
  }
}

static void a_link_without_an_end_is_outside(void **state) {
  expect_failure(commands("COPY loop /", "d", true), DAYTONA_EINVAL, 0,
                 "forbidden path outside the build context: d/loop");
}

static void a_strict_context_has_an_inside(void **state) {
  EXPECT(commands("COPY a.txt e in ./e/../b.txt missing up//d/a.txt /", "d", true), NULL, "d/a.txt", "/a.txt",
         "d/e", "/e", "d/in", "/in", "d/./e/../b.txt", "/./e/../b.txt", "d/missing", "/missing",
         "d/up//d/a.txt", "/up//d/a.txt");
  EXPECT(commands("COPY a.txt /", "d/up/d", true), NULL, "d/up/d/a.txt", "/a.txt");
  write_text("d/Dockerfile", "COPY a.txt /\n");
  const daytona_image_from_dockerfile_opts_t opts = {.is_strict = true};
  EXPECT(daytona_image_from_dockerfile("d/Dockerfile", &opts), NULL, "d/a.txt", "a.txt");
  write_text("Dockerfile", "COPY d/out /\n"); /* leads to a file that is inside */
  EXPECT(daytona_image_from_dockerfile("Dockerfile", &opts), NULL, "d/out", "d/out");
  write_text("d/Dockerfile", "COPY a.txt out /\n");
  expect_failure(daytona_image_from_dockerfile("d/Dockerfile", &opts), DAYTONA_EINVAL, 0, "forbidden path");
}

static void names_of_files_must_be_text(void **state) {
  if (symlink("f", "w/\xff.txt") != 0) skip(); /* some disks refuse such a name */
  expect_failure(commands("COPY *.txt /", "w", false), DAYTONA_EINVAL, 0, "a name that is not UTF-8");
}

static void contexts_have_a_ceiling(void **state) {
  enum { LINES = DAYTONA__IMAGE_CONTEXTS_MAX + 1 };
  const char **lines = calloc(LINES, sizeof *lines);
  for (size_t i = 0; i < LINES; i++) lines[i] = "COPY f /";
  const daytona_strings_t all = {lines, LINES}, most = {lines, LINES - 1};
  expect_failure(daytona_image_dockerfile_commands(daytona_image_base("a"), &all, NULL), DAYTONA_ELIMIT, 0,
                 "more than 10000 local files");
  daytona__image_content_t *content =
    work(daytona_image_dockerfile_commands(daytona_image_base("a"), &most, NULL));
  assert_int_equal(content->view.context_count, LINES - 1);
  daytona__image_content_release(content);
  free(lines);
}

static void other_homes_are_looked_up(void **state) {
  char *home = getenv("HOME") != NULL ? strdup(getenv("HOME")) : NULL;
  unsetenv("HOME");
  expect_failure(daytona_image_add_local_file(daytona_image_base("a"), "~no-such-user/f", "/"),
                 DAYTONA_ENOTFOUND, ENOENT, "Local file ~no-such-user/f does not exist");
  daytona_image_t *image = daytona_image_add_local_dir(daytona_image_base("a"), "~root", "/r");
  daytona__image_content_t *content = work(image);
  assert_true(content->code == DAYTONA_OK || strchr(content->message, '/') != NULL);
  if (content->code == DAYTONA_OK) {
    assert_int_equal(content->view.contexts[0]->source_path[0], '/');
    assert_memory_equal(content->view.dockerfile, "FROM a\nCOPY [\"", 14);
  }
  daytona__image_content_release(content);
  if (home != NULL) setenv("HOME", home, 1);
  free(home);
}

/* --- jobs and the public call ------------------------------------------------------------------ */

static int scene_open(void **state) {
  if (files_open(state) != 0) return -1;
  files_t *files = *state;
  files->scene = calloc(1, sizeof *files->scene);
  api_scene_open(files->scene);
  return 0;
}

static int scene_close(void **state) {
  files_t *files = *state;
  api_scene_close(files->scene);
  free(files->scene);
  return files_close(state);
}

static api_scene_t *scene_of(void **state) { return ((files_t *)*state)->scene; }

static void resolving_gives_text_and_contexts(void **state) {
  api_scene_t *scene = scene_of(state);
  daytona_image_t *image = commands("COPY *.txt /", "d/", true);
  daytona_future_t *future = daytona_image_resolve(scene->client, image);
  assert_false(daytona_future_is_settled(future));
  assert_null(daytona_future_image_content(future));
  daytona_image_workdir(image, "/"); /* does not count any more */
  daytona_image_add_local_file(image, "no", "/");
  daytona_image_release(image);
  api_must(future);
  const daytona_image_content_t *content = daytona_future_image_content(future);
  assert_string_equal(daytona_future_kind(future), "image_content");
  assert_string_equal(content->dockerfile, "FROM a\nCOPY *.txt /\n");
  assert_int_equal(content->context_count, 2);
  assert_string_equal(content->contexts[1]->source_path, "d/b.txt");
  assert_string_equal(content->contexts[1]->archive_path, "b.txt");
  assert_int_equal(scene->request_count, 0);
  daytona_future_release(future);
}

static void an_image_can_be_used_again_after_a_change(void **state) {
  api_scene_t *scene = scene_of(state);
  daytona_image_t *image = daytona_image_add_local_file(daytona_image_base("a"), "new", "/");
  daytona_future_t *future = daytona_image_resolve(scene->client, image);
  api_must_fail(future, DAYTONA_ENOTFOUND);
  assert_string_equal(daytona_future_message(future),
                      "Failed to resolve image: Local file new does not exist");
  assert_int_equal(daytona_future_error(future)->system_errno, ENOENT);
  daytona_future_release(future);
  write_text("new", "n");
  future = api_must(daytona_image_resolve(scene->client, daytona_image_workdir(image, "/")));
  assert_string_equal(daytona_future_image_content(future)->dockerfile,
                      "FROM a\nCOPY [\"new\", \"/new\"]\nWORKDIR /\n");
  daytona_future_release(future);
  daytona_image_release(image);
}

static void kept_errors_are_reported_from_a_later_turn(void **state) {
  api_scene_t *scene = scene_of(state);
  daytona_image_t *image = daytona_image_base("");
  daytona_future_t *future = daytona_image_resolve(scene->client, image);
  assert_false(daytona_future_is_settled(future));
  api_must_fail(future, DAYTONA_EINVAL);
  assert_string_equal(daytona_future_message(future),
                      "Failed to resolve image: the name of the image is empty");
  daytona_future_release(future);
  daytona_image_release(image);
  api_fails(daytona_image_resolve(scene->client, NULL), DAYTONA_EINVAL);
  assert_int_equal(daytona_future_code(daytona_image_resolve(NULL, NULL)), DAYTONA_EINVAL);
}

static void resolving_can_be_cancelled(void **state) {
  api_scene_t *scene = scene_of(state);
  daytona_image_t *image = commands("COPY */*/* /", NULL, false);
  daytona_future_t *future = daytona_image_resolve(scene->client, image);
  daytona_image_release(image);
  assert_int_equal(daytona__loop_job_count(scene->client->loop), 1);
  daytona_future_cancel(future);
  api_must_fail(future, DAYTONA_ECANCELED);
  daytona_future_release(future);
  api_until_no_job(scene);
}

static void closing_fails_what_is_resolved(void **state) {
  api_scene_t *scene = scene_of(state);
  daytona_image_t *image = daytona_image_base("a");
  daytona_client_t *client = daytona_client_retain(scene->client);
  daytona_future_t *future = daytona_image_resolve(client, image);
  api_scene_close_client(scene);
  api_fails(future, DAYTONA_ECLOSED);
  api_fails(daytona_image_resolve(client, image), DAYTONA_ECLOSED);
  while (!scene->is_closed) uv_run(&scene->uv, UV_RUN_ONCE);
  daytona_client_release(client);
  daytona_image_release(image);
}

static void resolve_elsewhere(void *user) {
  api_scene_t *scene = user;
  daytona_image_t *image = daytona_image_base("a");
  daytona_future_t *future = daytona_image_resolve(scene->client, image);
  assert_int_equal(daytona_future_code(future), DAYTONA_ETHREAD);
  daytona_future_release(future);
  daytona_image_release(image);
}

static void resolving_belongs_to_the_thread_of_the_loop(void **state) {
  uv_thread_t thread;
  assert_int_equal(uv_thread_create(&thread, resolve_elsewhere, scene_of(state)), 0);
  uv_thread_join(&thread);
}

static void too_many_wildcards_are_refused(void **state) {
  char line[8192] = "COPY *";
  memset(line + 6, 'x', DAYTONA__GLOB_PATTERN_MAX);
  strcpy(line + 6 + DAYTONA__GLOB_PATTERN_MAX, " /d");
  expect_failure(commands(line, NULL, false), DAYTONA_ELIMIT, 0, "xxx has too many wildcards or matches");
}

typedef struct told {
  int count;
  daytona_errcode_t code;
  daytona__image_content_t *content;
} told_t;

static void on_content(daytona__image_content_t *content, const daytona_error_t *error, void *user) {
  told_t *told = user;
  told->count++;
  told->code = error != NULL ? error->code : DAYTONA_OK;
  told->content = content != NULL ? daytona__image_content_retain(content) : NULL;
}

static void a_job_can_add_an_entrypoint(void **state) {
  api_scene_t *scene = scene_of(state);
  daytona__loop_t *loop = scene->client->loop;
  daytona_image_t *image = daytona_image_base("a");
  told_t told = {0};
  assert_non_null(daytona__image_job_new(loop, image, LIST("sh", "-c"), on_content, &told));
  api_until_no_job(scene);
  assert_int_equal(told.count, 1);
  assert_string_equal(told.content->view.dockerfile, "FROM a\nENTRYPOINT [\"sh\", \"-c\"]\n");
  daytona__image_content_release(told.content);
  assert_non_null(daytona__image_job_new(loop, image, NULL, on_content, &told));
  api_until_no_job(scene);
  assert_string_equal(told.content->view.dockerfile, "FROM a\n");
  daytona__image_content_release(told.content);
  char *large = malloc(DAYTONA__DOCKERFILE_MAX);
  memset(large, 'a', DAYTONA__DOCKERFILE_MAX);
  large[DAYTONA__DOCKERFILE_MAX - 1] = '\0';
  assert_non_null(daytona__image_job_new(loop, image, LIST(large), on_content, &told));
  api_until_no_job(scene);
  assert_int_equal(told.code, DAYTONA_ELIMIT);
  free(large);
  daytona__image_job_t *job = daytona__image_job_new(loop, image, NULL, on_content, &told);
  daytona__image_job_cancel(job);
  daytona__image_job_cancel(NULL);
  api_until_no_job(scene);
  assert_int_equal(told.count, 3);
  daytona_image_release(image);
}

/* --- lack of memory ---------------------------------------------------------------------------- */

static daytona_image_t *build_all(void) {
  const daytona_image_pip_install_opts_t pip = {
    .find_links = *LIST("l"), .index_url = "i", .extra_options = "-q"};
  const daytona_image_pip_install_from_pyproject_opts_t groups = {.optional_dependencies = *LIST("g", "h")};
  const daytona_image_dockerfile_commands_opts_t strict = {.context_dir = "d", .is_strict = true};
  const daytona_image_from_dockerfile_opts_t strict_file = {.is_strict = true};
  daytona_image_t *image = daytona_image_from_dockerfile("w/Dockerfile", &strict_file);
  daytona_image_pip_install(image, LIST("b", "a"), &pip);
  daytona_image_pip_install_from_requirements(image, "f", &pip);
  daytona_image_pip_install_from_pyproject(image, "p.toml", &groups);
  daytona_image_add_local_file(image, "~root/x", "/");
  daytona_image_add_local_file(image, "f", "/");
  daytona_image_add_local_dir(image, "d", "/d");
  daytona_image_run_commands(image, LIST("a", "b"));
  daytona_image_run_words(image, LIST("a", "b"));
  daytona_image_env(image, PAIRS({"K", "v w"}));
  daytona_image_entrypoint(image, LIST("a"));
  daytona_image_cmd(image, LIST("a"));
  daytona_image_dockerfile_commands(
    image, LIST("COPY [\"*\", \"e/*\", \"/\"]", "COPY --x a.txt \\", " 'b'.txt /"), &strict);
  return image;
}

/* Arenas try again with less, so that not every failure is one of the call. */
static void expect_memory_code(daytona_errcode_t code) {
  assert_true(code == DAYTONA_OK || (code == DAYTONA_ENOMEM && support_alloc_failed() != 0));
}

static void build_without_memory(void *user) {
  daytona_image_t *image = build_all();
  daytona_errcode_t code = daytona_image_check(image, NULL);
  expect_memory_code(code);
  daytona_image_release(image);
}

/* Steps that were recorded with memory are worked off without. */
static void work_without_memory(void *user) {
  const daytona_image_t *image = user;
  const image_record_t record = {.steps = image->steps,
                                 .step_count = image->step_count,
                                 .text = image->text.data,
                                 .entrypoint = "ENTRYPOINT []\n"};
  daytona__image_content_t content = {.refs = 1};
  daytona__arena_init(&content.arena, DAYTONA__IMAGE_MEMORY_MAX);
  daytona__image_work(&record, &content);
  if (content.code != DAYTONA_OK && content.code != DAYTONA_ENOMEM) fail_msg("%s", content.message);
  expect_memory_code(content.code);
  if (content.code == DAYTONA_OK) assert_int_equal(content.view.context_count, 12);
  daytona__arena_clear(&content.arena);
}

static int memory_open(void **state) {
  support_alloc_install();
  return files_open(state);
}

static int memory_close(void **state) {
  int rc = files_close(state);
  support_alloc_remove();
  return rc;
}

static void building_survives_a_lack_of_memory(void **state) {
  support_alloc_sweep(build_without_memory, NULL);
}

static void work_survives_a_lack_of_memory(void **state) {
  write_text("w/Dockerfile", "FROM x\nCOPY f* /\n");
  write_text("p.toml", "[project]\ndependencies=['b','a']\noptional-dependencies.g=['''x''', \"y\\n\"]\n");
  unlink("d/out"), unlink("d/up"), unlink("d/loop");
  daytona_image_t *image = build_all();
  for (size_t i = 0; i < image->step_count; i++) /* whoever has that home folder */
    if (image->steps[i].has_tilde) image->steps[i] = (image_step_t){.kind = IMAGE_TEXT};
  support_alloc_sweep(work_without_memory, image);
  daytona_image_release(image);
}

static void resolve_without_memory(void *user) {
  api_scene_t *scene = user;
  daytona_image_t *image = daytona_image_add_local_file(daytona_image_base("a"), "f", "/");
  daytona_future_t *future = daytona_image_resolve(scene->client, image);
  daytona_image_release(image);
  daytona_future_await(future);
  expect_memory_code(daytona_future_code(future));
  daytona_future_release(future);
  api_settle(scene);
}

static void resolving_survives_a_lack_of_memory(void **state) {
  support_alloc_sweep(resolve_without_memory, scene_of(state));
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_base_is_one_line),
    cmocka_unit_test(a_series_of_python_is_its_newest_release),
    cmocka_unit_test(calls_can_be_chained),
    cmocka_unit_test(packages_are_sorted_and_quoted),
    cmocka_unit_test(empty_lists_add_what_the_official_sdk_adds),
    cmocka_unit_test(words_keep_their_odd_quotes),
    cmocka_unit_test(local_files_are_copied_in_the_json_form),
    cmocka_unit_test(a_home_folder_is_put_in_front),
    cmocka_unit_test(the_first_error_is_kept),
    cmocka_unit_test(null_goes_through_the_chain),
    cmocka_unit_test(reserved_words_of_a_dockerfile_are_checked),
    cmocka_unit_test(a_dockerfile_has_a_ceiling),
    cmocka_unit_test(calls_without_text_have_a_ceiling_too),
    cmocka_unit_test(references_are_counted),
#define FILES(test) cmocka_unit_test_setup_teardown(test, files_open, files_close)
    FILES(local_files_become_context),
    FILES(what_is_not_there_is_reported_by_the_use),
    FILES(the_first_failure_in_the_order_of_calls_is_reported),
    FILES(a_dockerfile_is_read_with_what_it_copies),
    FILES(a_dockerfile_must_be_text_of_a_size),
    FILES(dependencies_of_a_project_are_installed),
    FILES(a_project_without_dependencies_is_refused),
    FILES(sources_of_copy_become_context),
    FILES(a_strict_context_has_no_outside),
    FILES(a_link_without_an_end_is_outside),
    FILES(a_strict_context_has_an_inside),
    FILES(names_of_files_must_be_text),
    FILES(contexts_have_a_ceiling),
    FILES(other_homes_are_looked_up),
#define SCENE(test) cmocka_unit_test_setup_teardown(test, scene_open, scene_close)
    SCENE(resolving_gives_text_and_contexts),
    SCENE(an_image_can_be_used_again_after_a_change),
    SCENE(kept_errors_are_reported_from_a_later_turn),
    SCENE(resolving_can_be_cancelled),
    SCENE(closing_fails_what_is_resolved),
    SCENE(resolving_belongs_to_the_thread_of_the_loop),
    FILES(too_many_wildcards_are_refused),
    SCENE(a_job_can_add_an_entrypoint),
    cmocka_unit_test_setup_teardown(building_survives_a_lack_of_memory, memory_open, memory_close),
    cmocka_unit_test_setup_teardown(work_survives_a_lack_of_memory, memory_open, memory_close),
    SCENE(resolving_survives_a_lack_of_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
