/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image builder: what each call adds to the Dockerfile, and the record of files to be looked at later.
 *
 * An image is a list of steps and the text that is known without looking at files. Steps that only add text
 * and stand side by side are one step. After the first error nothing is recorded any more. Texts are those of
 * the official Python SDK, byte for byte, with what is odd in them: its images and ours must have the same
 * name on the server.
 */
#include <daytona/image.h>

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/image_impl.h"
#include "call/op.h"
#include "core/ascii.h"
#include "core/memory.h"
#include "core/path.h"
#include "wire/shell.h"

static daytona_image_t no_memory = {
  .is_static = true, .code = DAYTONA_ENOMEM, .message = "out of memory for an image"};

/* --- the record -------------------------------------------------------------------------------- */

static daytona_image_t *image_new(void) {
  daytona_image_t *image = daytona__calloc(1, sizeof *image);
  if (image == NULL) return &no_memory;
  image->refs = 1;
  daytona__arena_init(&image->arena, DAYTONA__IMAGE_MEMORY_MAX);
  daytona__strbuf_init(&image->text, DAYTONA__DOCKERFILE_MAX);
  return image;
}

daytona_image_t *daytona_image_retain(daytona_image_t *image) {
  if (image != NULL && !image->is_static) image->refs++;
  return image;
}

void daytona_image_release(daytona_image_t *image) {
  if (image == NULL || image->is_static) return;
  assert(image->refs > 0);
  if (--image->refs != 0) return;
  daytona__arena_clear(&image->arena);
  daytona__strbuf_clear(&image->text);
  daytona__free(image->steps);
  daytona__free(image);
}

/* Whether a call may add something. */
static bool is_open(const daytona_image_t *image) { return image != NULL && image->code == DAYTONA_OK; }

/* Keep the first error. Returns false. */
static bool fail(daytona_image_t *image, daytona_errcode_t code, const char *format, ...)
  __attribute__((format(printf, 3, 4)));

static bool fail(daytona_image_t *image, daytona_errcode_t code, const char *format, ...) {
  assert(!image->is_static && image->code == DAYTONA_OK && code != DAYTONA_OK);
  va_list args;
  va_start(args, format);
  image->message = daytona__arena_vprintf(&image->arena, format, args);
  va_end(args);
  if (image->message == NULL) image->message = daytona_errcode_text(code);
  image->code = code;
  return false;
}

/* A buffer or the arena had no room. */
static bool fail_room(daytona_image_t *image, int code) {
  if (code == DAYTONA_ELIMIT)
    return fail(image, DAYTONA_ELIMIT, "the Dockerfile is larger than %zu bytes", DAYTONA__DOCKERFILE_MAX);
  return fail(image, DAYTONA_ENOMEM, "out of memory for an image");
}

/* A copy for the record. NULL: the image has failed. */
static char *keep(daytona_image_t *image, const char *text) {
  size_t size = strlen(text) + 1;
  if (size >= DAYTONA__IMAGE_MEMORY_MAX || image->arena.used >= DAYTONA__IMAGE_MEMORY_MAX - size) {
    fail(image, DAYTONA_ELIMIT, "the image has more than %zu bytes of calls", DAYTONA__IMAGE_MEMORY_MAX);
    return NULL;
  }
  char *copy = daytona__arena_strdup(&image->arena, text);
  if (copy == NULL) fail_room(image, DAYTONA_ENOMEM);
  return copy;
}

/* Put a step at the end; its text is what was appended since `from`. */
static void add_step(daytona_image_t *image, const image_step_t *step, size_t from) {
  image_step_t *last = image->step_count != 0 ? &image->steps[image->step_count - 1] : NULL;
  if (image->text.error != 0) {
    fail_room(image, image->text.error);
    return;
  }
  if (step->kind == IMAGE_TEXT && last != NULL && last->kind == IMAGE_TEXT) {
    assert(last->text_end == from);
    last->text_end = image->text.size;
    return;
  }
  if (image->step_count == image->step_room) {
    size_t room = image->step_room != 0 ? image->step_room * 2 : 8;
    image_step_t *steps = daytona__realloc(image->steps, room * sizeof *steps);
    if (steps == NULL) {
      fail_room(image, DAYTONA_ENOMEM);
      return;
    }
    image->steps = steps;
    image->step_room = room;
  }
  image->steps[image->step_count] = *step;
  image->steps[image->step_count].text_start = from;
  image->steps[image->step_count++].text_end = image->text.size;
}

/* After a call that only adds text, from `from` on. */
static daytona_image_t *added_text(daytona_image_t *image, size_t from) {
  const image_step_t step = {.kind = IMAGE_TEXT};
  if (image->text.error != 0 || image->text.size != from) add_step(image, &step, from);
  return image;
}

/* --- arguments --------------------------------------------------------------------------------- */

static bool check_text(daytona_image_t *image, const char *text, const char *name) {
  if (text == NULL) return fail(image, DAYTONA_EINVAL, "%s is missing", name);
  if (!daytona__utf8_is_valid(text, strlen(text)))
    return fail(image, DAYTONA_EINVAL, "%s is not UTF-8", name);
  return true;
}

static bool check_path(daytona_image_t *image, const char *text, const char *name) {
  if (text != NULL && text[0] == '\0') return fail(image, DAYTONA_EINVAL, "%s is empty", name);
  return check_text(image, text, name);
}

static bool check_optional(daytona_image_t *image, const char *text, const char *name) {
  return text == NULL || check_text(image, text, name);
}

static bool check_strings(daytona_image_t *image, const daytona_strings_t *strings, const char *name) {
  if (strings == NULL) return true;
  if (strings->count != 0 && strings->items == NULL)
    return fail(image, DAYTONA_EINVAL, "%s is missing", name);
  for (size_t i = 0; i < strings->count; i++)
    if (!check_text(image, strings->items[i], name)) return false;
  return true;
}

static bool check_reserved(daytona_image_t *image, bool is_zero) {
  return is_zero || fail(image, DAYTONA_EINVAL, "the reserved words of the options are not zero");
}

#define RESERVED_OK(image, opts) check_reserved(image, (opts) == NULL || DAYTONA__RESERVED_OK(opts))

static size_t count_of(const daytona_strings_t *strings) { return strings != NULL ? strings->count : 0; }

/* --- what instructions look like --------------------------------------------------------------- */

/* A JSON string in ASCII, as Python's json module writes it. */
static void put_json(daytona__strbuf_t *out, const char *text) {
  static const char *const shorts[] = {['"'] = "\\\"", ['\\'] = "\\\\", ['\n'] = "\\n", ['\r'] = "\\r",
                                       ['\t'] = "\\t", ['\b'] = "\\b",  ['\f'] = "\\f"};
  size_t size = strlen(text);
  daytona__strbuf_putc(out, '"');
  for (size_t i = 0, length; i < size; i += length) {
    length = daytona__utf8_length(text + i, size - i);
    assert(length != 0);
    uint32_t c = daytona__utf8_get(text + i, length);
    if (c < sizeof shorts / sizeof shorts[0] && shorts[c] != NULL)
      daytona__strbuf_puts(out, shorts[c]);
    else if (c >= 0x10000)
      daytona__strbuf_printf(out, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10), 0xdc00 + (c & 0x3ff));
    else if (c < ' ' || c > '~')
      daytona__strbuf_printf(out, "\\u%04x", c);
    else
      daytona__strbuf_putc(out, (char)c);
  }
  daytona__strbuf_putc(out, '"');
}

static int compare_words(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b); /* of UTF-8: the order of code points */
}

void daytona__image_put_packages(daytona__strbuf_t *out, const char **packages, size_t count,
                                 const char *options) {
  if (count == 0) return;
  qsort(packages, count, sizeof *packages, compare_words);
  daytona__strbuf_puts(out, "RUN python -m pip install");
  for (size_t i = 0; i < count; i++) {
    daytona__strbuf_putc(out, ' ');
    daytona__shell_quote(out, packages[i]);
  }
  daytona__strbuf_puts(out, options);
  daytona__strbuf_putc(out, '\n');
}

void daytona__image_put_words(daytona__strbuf_t *out, const char *instruction,
                              const daytona_strings_t *words) {
  daytona__strbuf_printf(out, "%s [", instruction);
  for (size_t i = 0; i < count_of(words); i++)
    daytona__strbuf_printf(out, "%s\"%s\"", i != 0 ? ", " : "", words->items[i]);
  daytona__strbuf_puts(out, "]\n");
}

void daytona__image_put_step(daytona__strbuf_t *out, const image_step_t *step, const char *path) {
  daytona__strbuf_t archive;
  daytona__strbuf_init(&archive, DAYTONA__DOCKERFILE_MAX);
  archive.is_pool = out->is_pool;
  daytona__path_put_archive(&archive, path);
  if (archive.error != 0) {
    out->error = archive.error;
  } else if (step->kind == IMAGE_REQUIREMENTS) {
    daytona__strbuf_printf(out, "COPY %s /.requirements.txt\n", archive.data);
    daytona__strbuf_printf(out, "RUN python -m pip install -r /.requirements.txt%s\n", step->options);
  } else {
    daytona__strbuf_puts(out, "COPY [");
    put_json(out, archive.data);
    daytona__strbuf_puts(out, ", ");
    put_json(out, step->remote);
    daytona__strbuf_puts(out, "]\n");
  }
  daytona__strbuf_clear(&archive);
}

/* --- local paths ------------------------------------------------------------------------------- */

/*
 * Take over a path, with its home folder as far as the environment has it: to ask the system's list of users
 * may take time, which only the thread pool has.
 */
static bool keep_path(daytona_image_t *image, image_step_t *step, const char *path) {
  const char *home = path[0] == '~' && (path[1] == '/' || path[1] == '\0') ? getenv("HOME") : NULL;
  if (home == NULL) {
    step->has_tilde = path[0] == '~';
    step->path = keep(image, path);
    return step->path != NULL;
  }
  if (!check_text(image, home, "HOME")) return false;
  daytona__strbuf_t full;
  daytona__strbuf_init(&full, DAYTONA__DOCKERFILE_MAX);
  daytona__path_put_home(&full, home, path + 1);
  step->path = full.error == 0 ? keep(image, full.data) : NULL;
  if (full.error != 0) fail_room(image, full.error);
  daytona__strbuf_clear(&full);
  return step->path != NULL;
}

/* A step with a path whose text follows from it. */
static daytona_image_t *add_path_step(daytona_image_t *image, image_step_t *step, const char *path) {
  size_t from = image->text.size;
  if (!keep_path(image, step, path)) return image;
  if (step->has_tilde)
    image->has_gaps = true;
  else
    daytona__image_put_step(&image->text, step, step->path);
  add_step(image, step, from);
  return image;
}

/* --- new images -------------------------------------------------------------------------------- */

daytona_image_t *daytona_image_base(const char *name) {
  daytona_image_t *image = image_new();
  if (!is_open(image) || !check_path(image, name, "the name of the image")) return image;
  daytona__strbuf_printf(&image->text, "FROM %s\n", name);
  return added_text(image, 0);
}

/* The series that there are, and their newest releases. */
static const struct {
  const char *series, *release;
} pythons[] = {
  {"3.9", "3.9.22"}, {"3.10", "3.10.17"}, {"3.11", "3.11.12"}, {"3.12", "3.12.10"}, {"3.13", "3.13.3"},
};

enum { PYTHONS = sizeof pythons / sizeof pythons[0] };

static size_t digits(const char *at) { return strspn(at, "0123456789"); }

/* "3", one or two groups of a dot and one or two digits, and perhaps "rc" with digits. */
static bool is_version(const char *text) {
  if (*text++ != '3') return false;
  int groups = 0;
  for (; groups < 2 && *text == '.'; groups++) {
    size_t count = digits(text + 1);
    if (count < 1 || count > 2) return false;
    text += 1 + count;
  }
  if (strncmp(text, "rc", 2) == 0) text += 2 + digits(text + 2);
  return groups != 0 && *text == '\0';
}

/* The release that `version` stands for; NULL: the image has failed. */
static const char *find_python(daytona_image_t *image, const char *version) {
  if (!is_version(version)) {
    fail(image, DAYTONA_EINVAL, "Invalid Python version: '%s'", version);
    return NULL;
  }
  for (size_t i = 0; i < PYTHONS; i++) {
    size_t size = strlen(pythons[i].series);
    if (strncmp(version, pythons[i].series, size) != 0) continue;
    if (version[size] == '\0') return pythons[i].release;
    if (version[size] == '.') return version;
  }
  fail(image, DAYTONA_EINVAL,
       "Unsupported Python version: '%s'. "
       "Daytona supports the following series: ['3.9', '3.10', '3.11', '3.12', '3.13'].",
       version);
  return NULL;
}

daytona_image_t *daytona_image_debian_slim(const char *python_version) {
  daytona_image_t *image = image_new();
  if (!is_open(image)) return image;
  if (python_version == NULL) python_version = pythons[PYTHONS - 1].series;
  if (!check_text(image, python_version, "python_version")) return image;
  const char *release = find_python(image, python_version);
  if (release == NULL) return image;
  daytona__strbuf_printf(
    &image->text,
    "FROM python:%s-slim-bookworm\n"
    "RUN apt-get update\n"
    "RUN apt-get install -y gcc gfortran build-essential\n"
    "RUN pip install --upgrade pip\n"
    "RUN echo 'debconf debconf/frontend select Noninteractive' | debconf-set-selections\n",
    release);
  return added_text(image, 0);
}

daytona_image_t *daytona_image_from_dockerfile(const char *path,
                                               const daytona_image_from_dockerfile_opts_t *opts) {
  daytona_image_t *image = image_new();
  image_step_t step = {.kind = IMAGE_DOCKERFILE, .is_strict = opts != NULL && opts->is_strict};
  if (!is_open(image) || !RESERVED_OK(image, opts) || !check_path(image, path, "path")) return image;
  if (!keep_path(image, &step, path)) return image;
  image->has_gaps = true;
  add_step(image, &step, 0);
  return image;
}

/* --- Python packages --------------------------------------------------------------------------- */

static void put_option(daytona__strbuf_t *out, const char *name, const char *value) {
  daytona__strbuf_printf(out, " %s ", name);
  daytona__shell_quote(out, value);
}

/* White space of Unicode off both ends. */
static void put_trimmed(daytona__strbuf_t *out, const char *text) {
  size_t size = strlen(text), length, last = 0;
  while ((length = daytona__utf8_space(text, size)) != 0) {
    text += length;
    size -= length;
  }
  for (size_t i = 0; i < size; i += length) {
    length = daytona__utf8_length(text + i, size - i);
    if (daytona__utf8_space(text + i, size - i) == 0) last = i + length;
  }
  daytona__strbuf_append(out, text, last);
}

/* What stands behind the packages, in `out`. False: the image has failed. */
static bool put_options(daytona_image_t *image, daytona__strbuf_t *out,
                        const daytona_image_pip_install_opts_t *opts) {
  daytona__strbuf_init(out, DAYTONA__DOCKERFILE_MAX);
  if (!RESERVED_OK(image, opts)) return false;
  if (opts != NULL) {
    if (!check_strings(image, &opts->find_links, "find_links") ||
        !check_optional(image, opts->index_url, "index_url") ||
        !check_strings(image, &opts->extra_index_urls, "extra_index_urls") ||
        !check_optional(image, opts->extra_options, "extra_options"))
      return false;
    for (size_t i = 0; i < opts->find_links.count; i++)
      put_option(out, "--find-links", opts->find_links.items[i]);
    if (opts->index_url != NULL && opts->index_url[0] != '\0')
      put_option(out, "--index-url", opts->index_url);
    for (size_t i = 0; i < opts->extra_index_urls.count; i++)
      put_option(out, "--extra-index-url", opts->extra_index_urls.items[i]);
    if (opts->takes_pre_releases) daytona__strbuf_puts(out, " --pre");
    if (opts->extra_options != NULL && opts->extra_options[0] != '\0') {
      daytona__strbuf_putc(out, ' ');
      put_trimmed(out, opts->extra_options);
    }
  }
  daytona__strbuf_puts(out, "");
  return out->error == 0 || fail_room(image, out->error);
}

/* The pointers of a list, to be sorted or kept. NULL: the image has failed. */
static const char **copy_pointers(daytona_image_t *image, const daytona_strings_t *strings) {
  if (strings->count > DAYTONA__DOCKERFILE_MAX) {
    fail_room(image, DAYTONA_ELIMIT); /* each takes more than a byte */
    return NULL;
  }
  const char **copy = daytona__calloc(strings->count, sizeof *copy);
  if (copy == NULL)
    fail_room(image, DAYTONA_ENOMEM);
  else
    memcpy(copy, strings->items, strings->count * sizeof *copy);
  return copy;
}

daytona_image_t *daytona_image_pip_install(daytona_image_t *image, const daytona_strings_t *packages,
                                           const daytona_image_pip_install_opts_t *opts) {
  daytona__strbuf_t options;
  if (!is_open(image) || !check_strings(image, packages, "packages")) return image;
  size_t from = image->text.size;
  if (put_options(image, &options, opts) && count_of(packages) != 0) {
    const char **sorted = copy_pointers(image, packages);
    if (sorted != NULL) {
      daytona__image_put_packages(&image->text, sorted, packages->count, options.data);
      added_text(image, from);
    }
    daytona__free(sorted);
  }
  daytona__strbuf_clear(&options);
  return image;
}

/* Take over the options of a step. */
static bool keep_options(daytona_image_t *image, image_step_t *step,
                         const daytona_image_pip_install_opts_t *opts) {
  daytona__strbuf_t options;
  if (put_options(image, &options, opts)) step->options = keep(image, options.data);
  daytona__strbuf_clear(&options);
  return step->options != NULL;
}

daytona_image_t *daytona_image_pip_install_from_requirements(daytona_image_t *image, const char *path,
                                                             const daytona_image_pip_install_opts_t *opts) {
  image_step_t step = {.kind = IMAGE_REQUIREMENTS};
  if (!is_open(image) || !check_path(image, path, "path") || !keep_options(image, &step, opts)) return image;
  return add_path_step(image, &step, path);
}

static bool keep_groups(daytona_image_t *image, image_step_t *step, const daytona_strings_t *groups) {
  if (!check_strings(image, groups, "optional_dependencies")) return false;
  const char **kept = daytona__arena_array(&image->arena, groups->count, sizeof *kept);
  if (kept == NULL) return fail_room(image, DAYTONA_ENOMEM);
  for (size_t i = 0; i < groups->count; i++)
    if ((kept[i] = keep(image, groups->items[i])) == NULL) return false;
  step->groups = kept;
  step->group_count = groups->count;
  return true;
}

daytona_image_t *daytona_image_pip_install_from_pyproject(
  daytona_image_t *image, const char *path, const daytona_image_pip_install_from_pyproject_opts_t *opts) {
  static const daytona_image_pip_install_from_pyproject_opts_t none;
  image_step_t step = {.kind = IMAGE_PYPROJECT};
  if (!is_open(image) || !check_path(image, path, "path") || !RESERVED_OK(image, opts)) return image;
  if (opts == NULL) opts = &none;
  bool has_links = opts->find_links != NULL && opts->find_links[0] != '\0',
       has_extra = opts->extra_index_url != NULL && opts->extra_index_url[0] != '\0';
  const daytona_image_pip_install_opts_t options = {.find_links = {&opts->find_links, has_links},
                                                    .index_url = opts->index_url,
                                                    .extra_index_urls = {&opts->extra_index_url, has_extra},
                                                    .takes_pre_releases = opts->takes_pre_releases,
                                                    .extra_options = opts->extra_options};
  if (!keep_options(image, &step, &options) || !keep_groups(image, &step, &opts->optional_dependencies) ||
      !keep_path(image, &step, path))
    return image;
  image->has_gaps = true;
  add_step(image, &step, image->text.size);
  return image;
}

/* --- files ------------------------------------------------------------------------------------- */

static daytona_image_t *add_local(daytona_image_t *image, image_step_kind_t kind, const char *local,
                                  const char *remote) {
  image_step_t step = {.kind = kind};
  if (!is_open(image) || !check_path(image, local, "local") || !check_text(image, remote, "remote"))
    return image;
  size_t size = strlen(remote), name_size;
  const char *name = daytona__path_name(local, &name_size);
  daytona__strbuf_t full;
  daytona__strbuf_init(&full, DAYTONA__DOCKERFILE_MAX);
  daytona__strbuf_append(&full, remote, size);
  if (kind == IMAGE_FILE && size != 0 && remote[size - 1] == '/')
    daytona__strbuf_append(&full, name, name_size);
  if (full.error != 0)
    fail_room(image, full.error);
  else
    step.remote = keep(image, full.data);
  daytona__strbuf_clear(&full);
  return step.remote != NULL ? add_path_step(image, &step, local) : image;
}

daytona_image_t *daytona_image_add_local_file(daytona_image_t *image, const char *local, const char *remote) {
  return add_local(image, IMAGE_FILE, local, remote);
}

daytona_image_t *daytona_image_add_local_dir(daytona_image_t *image, const char *local, const char *remote) {
  return add_local(image, IMAGE_FOLDER, local, remote);
}

/* --- instructions ------------------------------------------------------------------------------ */

daytona_image_t *daytona_image_run_commands(daytona_image_t *image, const daytona_strings_t *commands) {
  if (!is_open(image) || !check_strings(image, commands, "commands")) return image;
  size_t from = image->text.size;
  for (size_t i = 0; i < count_of(commands); i++)
    daytona__strbuf_printf(&image->text, "RUN %s\n", commands->items[i]);
  return added_text(image, from);
}

/* Between double quotes, its own behind backslashes. */
static void put_run_word(daytona__strbuf_t *out, const char *word) {
  daytona__strbuf_putc(out, '"');
  for (; *word != '\0'; word++) {
    if (*word == '"') daytona__strbuf_puts(out, "\\\\\\");
    if (*word == '\'') daytona__strbuf_putc(out, '\\');
    daytona__strbuf_putc(out, *word);
  }
  daytona__strbuf_putc(out, '"');
}

daytona_image_t *daytona_image_run_words(daytona_image_t *image, const daytona_strings_t *words) {
  if (!is_open(image) || !check_strings(image, words, "words")) return image;
  size_t from = image->text.size;
  daytona__strbuf_puts(&image->text, "RUN ");
  for (size_t i = 0; i < count_of(words); i++) {
    if (i != 0) daytona__strbuf_putc(&image->text, ' ');
    put_run_word(&image->text, words->items[i]);
  }
  daytona__strbuf_putc(&image->text, '\n');
  return added_text(image, from);
}

static bool check_map(daytona_image_t *image, const daytona_map_t *map, const char *name) {
  if (map == NULL) return true;
  if (map->count != 0 && map->items == NULL) return fail(image, DAYTONA_EINVAL, "%s is missing", name);
  for (size_t i = 0; i < map->count; i++)
    if (!check_text(image, map->items[i].key, name) || !check_text(image, map->items[i].value, name))
      return false;
  return true;
}

daytona_image_t *daytona_image_env(daytona_image_t *image, const daytona_map_t *variables) {
  if (!is_open(image) || !check_map(image, variables, "variables")) return image;
  size_t from = image->text.size;
  for (size_t i = 0; variables != NULL && i < variables->count; i++) {
    daytona__strbuf_printf(&image->text, "ENV %s=", variables->items[i].key);
    daytona__shell_quote(&image->text, variables->items[i].value);
    daytona__strbuf_putc(&image->text, '\n');
  }
  return added_text(image, from);
}

daytona_image_t *daytona_image_workdir(daytona_image_t *image, const char *path) {
  if (!is_open(image) || !check_text(image, path, "path")) return image;
  size_t from = image->text.size;
  daytona__strbuf_puts(&image->text, "WORKDIR ");
  daytona__shell_quote(&image->text, path);
  daytona__strbuf_putc(&image->text, '\n');
  return added_text(image, from);
}

static daytona_image_t *add_words(daytona_image_t *image, const char *instruction,
                                  const daytona_strings_t *words) {
  if (!is_open(image) || !check_strings(image, words, "words")) return image;
  size_t from = image->text.size;
  daytona__image_put_words(&image->text, instruction, words);
  return added_text(image, from);
}

daytona_image_t *daytona_image_entrypoint(daytona_image_t *image, const daytona_strings_t *words) {
  return add_words(image, "ENTRYPOINT", words);
}

daytona_image_t *daytona_image_cmd(daytona_image_t *image, const daytona_strings_t *words) {
  return add_words(image, "CMD", words);
}

daytona_image_t *daytona_image_dockerfile_commands(daytona_image_t *image, const daytona_strings_t *lines,
                                                   const daytona_image_dockerfile_commands_opts_t *opts) {
  image_step_t step = {.kind = IMAGE_COMMANDS, .is_strict = opts != NULL && opts->is_strict};
  if (!is_open(image) || !check_strings(image, lines, "lines") || !RESERVED_OK(image, opts)) return image;
  const char *folder = opts != NULL ? opts->context_dir : NULL;
  if (!check_optional(image, folder, "context_dir")) return image;
  bool has_folder = folder != NULL && folder[0] != '\0';
  if (step.is_strict && !has_folder) {
    fail(image, DAYTONA_EINVAL, "is_strict needs context_dir, the folder whose outside is refused");
    return image;
  }
  if (has_folder && !keep_path(image, &step, folder)) return image;
  size_t from = image->text.size;
  for (size_t i = 0; i < count_of(lines); i++) {
    if (i != 0) daytona__strbuf_putc(&image->text, '\n');
    daytona__strbuf_puts(&image->text, lines->items[i]);
  }
  daytona__strbuf_putc(&image->text, '\n');
  add_step(image, &step, from);
  return image;
}

/* --- what it has become ------------------------------------------------------------------------ */

daytona_errcode_t daytona_image_check(const daytona_image_t *image, const char **message) {
  if (message != NULL) *message = image != NULL ? image->message : "there is no image";
  return image != NULL ? image->code : DAYTONA_EINVAL;
}

const char *daytona_image_dockerfile(const daytona_image_t *image) {
  return image != NULL && image->code == DAYTONA_OK && !image->has_gaps ? image->text.data : NULL;
}
