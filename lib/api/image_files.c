/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Working an image's record off: reading its files, following its COPY instructions, and naming what is
 * uploaded.
 *
 * All of this waits for disks, and so runs on the thread pool; see image_resolve.c. What it needs only for a
 * while is in the scratch arena, and what it finds in the content's. The first failure ends it.
 */
#include "api/image_impl.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/ascii.h"
#include "core/glob.h"
#include "core/path.h"
#include "wire/dockerfile.h"
#include "wire/pyproject.h"

/* Links that one path may lead over, as in Linux. */
enum { LINKS_MAX = 40 };

typedef struct entry {
  daytona_image_context_t context;
  struct entry *next;
} entry_t;

typedef struct files {
  const image_record_t *record;
  daytona__image_content_t *content;
  daytona__arena_t scratch;
  daytona__strbuf_t text; /* the Dockerfile */
  entry_t *first, **end;
  size_t count;
  /* of the step that is worked on */
  const char *prefix, *real_root; /* in front of sources; the folder whose outside is refused, or NULL */
} files_t;

/* --- failing ----------------------------------------------------------------------------------- */

/* Returns the code. Only the first failure counts. */
static int fail(files_t *files, int code, int system_errno, const char *format, ...)
  __attribute__((format(printf, 4, 5)));

static int fail(files_t *files, int code, int system_errno, const char *format, ...) {
  daytona__image_content_t *content = files->content;
  if (content->code != DAYTONA_OK) return content->code;
  va_list args;
  va_start(args, format);
  content->message = daytona__arena_vprintf(&content->arena, format, args);
  va_end(args);
  if (content->message == NULL) content->message = daytona_errcode_text((daytona_errcode_t)code);
  content->code = (daytona_errcode_t)code;
  content->system_errno = system_errno;
  return code;
}

/* An arena has refused: there is no memory, or a limit was reached. */
static int fail_memory(files_t *files) {
  bool is_full = files->content->arena.used > DAYTONA__IMAGE_MEMORY_MAX / 2 ||
                 files->scratch.used > DAYTONA__IMAGE_MEMORY_MAX / 2;
  if (is_full)
    return fail(files, DAYTONA_ELIMIT, 0, "the image's files need more than %zu bytes of memory",
                DAYTONA__IMAGE_MEMORY_MAX);
  return fail(files, DAYTONA_ENOMEM, 0, "out of memory for an image");
}

static int fail_text(files_t *files) {
  if (files->text.error == DAYTONA_ENOMEM) return fail_memory(files);
  return fail(files, DAYTONA_ELIMIT, 0, "the Dockerfile is larger than %zu bytes", DAYTONA__DOCKERFILE_MAX);
}

static bool is_cancelled(const files_t *files) {
  return files->record->is_cancelled != NULL &&
         __atomic_load_n(files->record->is_cancelled, __ATOMIC_RELAXED);
}

static void buffer_init(const files_t *files, daytona__strbuf_t *buf) {
  daytona__strbuf_init(buf, DAYTONA__DOCKERFILE_MAX);
  buf->is_pool = files->scratch.is_pool;
}

/* What was put into `buf`, in the scratch arena; `buf` is cleared. NULL: the work has failed. */
static const char *take_text(files_t *files, daytona__strbuf_t *buf) {
  const char *text = buf->error == 0 ? daytona__arena_strndup(&files->scratch, buf->data, buf->size) : NULL;
  if (buf->error == DAYTONA_ELIMIT)
    fail(files, DAYTONA_ELIMIT, 0, "a path is longer than %zu bytes", DAYTONA__DOCKERFILE_MAX);
  else if (text == NULL)
    fail_memory(files);
  daytona__strbuf_clear(buf);
  return text;
}

/* A copy in the scratch arena. NULL: the work has failed. */
static const char *keep(files_t *files, const char *text) {
  const char *copy = daytona__arena_strdup(&files->scratch, text);
  if (copy == NULL) fail_memory(files);
  return copy;
}

/* --- paths ------------------------------------------------------------------------------------- */

/* The home folder of a user, or of whoever runs this. NULL: there is none. */
static const char *find_home(files_t *files, const char *name) {
  enum { ROOM = 16 * 1024 };
  struct passwd entry, *found = NULL;
  char *room = daytona__arena_alloc(&files->scratch, ROOM);
  if (room == NULL) {
    fail_memory(files);
    return NULL;
  }
  if (name[0] != '\0')
    getpwnam_r(name, &entry, room, ROOM, &found);
  else
    getpwuid_r(getuid(), &entry, room, ROOM, &found);
  return found != NULL ? found->pw_dir : NULL;
}

/* A step's path, with the home folder in front if it asks for one. NULL: the work has failed. */
static const char *expand(files_t *files, const image_step_t *step) {
  daytona__strbuf_t buf;
  if (!step->has_tilde) return step->path;
  size_t size = strcspn(step->path, "/");
  const char *name = daytona__arena_strndup(&files->scratch, step->path + 1, size - 1);
  if (name == NULL) {
    fail_memory(files);
    return NULL;
  }
  const char *home = find_home(files, name);
  if (home == NULL) return files->content->code == DAYTONA_OK ? step->path : NULL;
  if (!daytona__utf8_is_valid(home, strlen(home))) {
    fail(files, DAYTONA_EINVAL, 0, "the home folder of %s is not UTF-8", step->path);
    return NULL;
  }
  buffer_init(files, &buf);
  daytona__path_put_home(&buf, home, step->path + size);
  return take_text(files, &buf);
}

static bool is_missing(int error) { return error == ENOENT || error == ENOTDIR || error == ELOOP; }

static int fail_access(files_t *files, const char *noun, const char *path, int error) {
  char text[128];
  uv_strerror_r(uv_translate_sys_error(error), text, sizeof text);
  return fail(files, DAYTONA_EIO, error, "%s %s cannot be read: %s", noun, path, text);
}

/* Whether `path` is there and a file or a folder. The nouns are those of the official SDK. */
static int check_kind(files_t *files, const char *noun, const char *other, const char *path, bool is_folder) {
  struct stat info;
  if (stat(path, &info) != 0) {
    if (!is_missing(errno)) return fail_access(files, noun, path, errno);
    return fail(files, DAYTONA_ENOTFOUND, errno, "%s %s does not exist", noun, path);
  }
  if (is_folder ? S_ISDIR(info.st_mode) : S_ISREG(info.st_mode)) return 0;
  return fail(files, DAYTONA_EINVAL, 0, "%s %s exists but is not a %s", other, path,
              is_folder ? "directory" : "file");
}

/* All of a file, in the scratch arena and with a NUL behind it. */
static int read_file(files_t *files, const char *noun, const char *path, char **out, size_t *size) {
  struct stat info;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = 0;
  if (fd < 0 || fstat(fd, &info) != 0) {
    rc = fail_access(files, noun, path, errno);
  } else if (!S_ISREG(info.st_mode)) {
    rc = fail(files, DAYTONA_EINVAL, 0, "%s path %s exists but is not a file", noun, path);
  } else if (info.st_size > (off_t)DAYTONA__DOCKERFILE_MAX) {
    rc =
      fail(files, DAYTONA_ELIMIT, 0, "%s %s is larger than %zu bytes", noun, path, DAYTONA__DOCKERFILE_MAX);
  } else if ((*out = daytona__arena_alloc(&files->scratch, (size_t)info.st_size + 1)) == NULL) {
    rc = fail_memory(files);
  }
  for (*size = 0; rc == 0 && *size < (size_t)info.st_size;) {
    ssize_t got = read(fd, *out + *size, (size_t)info.st_size - *size);
    if (got < 0 && errno != EINTR) rc = fail_access(files, noun, path, errno);
    if (got > 0) *size += (size_t)got;
    if (got == 0) break; /* it has become shorter */
  }
  if (fd >= 0) close(fd);
  return rc;
}

/* --- contexts ---------------------------------------------------------------------------------- */

static int add_context(files_t *files, const char *source, const char *archive) {
  if (files->count == DAYTONA__IMAGE_CONTEXTS_MAX)
    return fail(files, DAYTONA_ELIMIT, 0, "the image copies more than %d local files and folders",
                DAYTONA__IMAGE_CONTEXTS_MAX);
  daytona__arena_t *arena = &files->content->arena;
  entry_t *entry = daytona__arena_alloc(arena, sizeof *entry);
  if (entry == NULL) return fail_memory(files);
  entry->context.source_path = daytona__arena_strdup(arena, source);
  entry->context.archive_path = daytona__arena_strdup(arena, archive);
  if (entry->context.source_path == NULL || entry->context.archive_path == NULL) return fail_memory(files);
  *files->end = entry;
  files->end = &entry->next;
  files->count++;
  return 0;
}

/* A file or folder that the builder was given, below its own path. */
static int add_local(files_t *files, const char *path) {
  daytona__strbuf_t buf;
  buffer_init(files, &buf);
  daytona__path_put_archive(&buf, path);
  const char *archive = take_text(files, &buf);
  return archive != NULL ? add_context(files, path, archive) : files->content->code;
}

/* --- the outside of a context ------------------------------------------------------------------ */

static int fail_outside(files_t *files, const char *path) {
  return fail(files, DAYTONA_EINVAL, 0, "forbidden path outside the build context: %s", path);
}

/* Whether a source names something outside by its text alone: absolute, with a drive, or above the folder.
   A backslash counts as a slash, so that a Dockerfile is refused on every system or on none. */
static int check_source(files_t *files, const char *source) {
  daytona__strbuf_t buf;
  size_t size = strlen(source), first = daytona__utf8_length(source, size);
  buffer_init(files, &buf);
  daytona__strbuf_append(&buf, source, size);
  if (buf.error != 0) return take_text(files, &buf), files->content->code;
  for (size_t i = 0; i < size; i++)
    if (buf.data[i] == '\\') buf.data[i] = '/';
  const char *slashed = take_text(files, &buf);
  if (slashed == NULL) return files->content->code;
  daytona__path_put_normal(&buf, slashed);
  const char *normal = take_text(files, &buf);
  if (normal == NULL) return files->content->code;
  bool is_outside = slashed[0] == '/' || (first != 0 && source[first] == ':') || strcmp(normal, "..") == 0 ||
                    strncmp(normal, "../", 3) == 0;
  return is_outside ? fail_outside(files, source) : 0;
}

/* Where links lead to, also where there is nothing; absolute. NULL: nowhere, or the work has failed. */
static const char *real_path(files_t *files, const char *path) {
  char link[4096], resolved[4096] = "/";
  const char *rest = path;
  size_t size;
  int links = 0;
  daytona__strbuf_t buf;
  buffer_init(files, &buf);
  if (path[0] != '/') {
    if (getcwd(link, sizeof link) == NULL) return NULL;
    daytona__path_put_joined(&buf, link, path);
    if ((rest = take_text(files, &buf)) == NULL) return NULL;
  }
  for (;;) {
    rest += strspn(rest, "/");
    if ((size = strcspn(rest, "/")) == 0) return keep(files, resolved);
    const char *part = rest;
    rest += size;
    if (size == 1 && part[0] == '.') continue;
    char *end = resolved + strlen(resolved);
    if (size == 2 && memcmp(part, "..", 2) == 0) {
      *(strrchr(resolved, '/') == resolved ? resolved + 1 : strrchr(resolved, '/')) = '\0';
      continue;
    }
    if ((size_t)(end - resolved) + size + 2 > sizeof resolved) return NULL;
    snprintf(end, sizeof resolved - (size_t)(end - resolved), "%s%.*s", end[-1] == '/' ? "" : "/", (int)size,
             part);
    ssize_t length = readlink(resolved, link, sizeof link - 1);
    if (length < 0) continue; /* no link, or nothing there */
    if (++links > LINKS_MAX) return NULL;
    link[length] = '\0';
    daytona__path_put_joined(&buf, link, rest + strspn(rest, "/"));
    if ((rest = take_text(files, &buf)) == NULL) return NULL;
    if (link[0] == '/')
      strcpy(resolved, "/");
    else
      *end = '\0';
  }
}

static bool is_below(const char *path, const char *root) {
  size_t size = strlen(root);
  if (size == 1) return true; /* all is below "/" */
  return strncmp(path, root, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

/* Whether what is at `path` lies outside of a strict context once its links are followed. */
static int check_real(files_t *files, const char *path) {
  struct stat info;
  if (files->real_root == NULL || lstat(path, &info) != 0) return 0;
  const char *real = real_path(files, path);
  if (files->content->code != DAYTONA_OK) return files->content->code;
  return real != NULL && is_below(real, files->real_root) ? 0
                                                          : fail_outside(files, real != NULL ? real : path);
}

/* --- sources of COPY --------------------------------------------------------------------------- */

/* The path in the archive: without the folder's, unless the source was written with it. */
static int add_match(files_t *files, const char *path, const char *source) {
  size_t size = strlen(files->prefix);
  bool has_prefix = strncmp(source, files->prefix, size) != 0 && strncmp(path, files->prefix, size) == 0;
  int rc = check_real(files, path);
  if (rc == 0 && !daytona__utf8_is_valid(path, strlen(path)))
    rc = fail(files, DAYTONA_EINVAL, 0, "a file that %s stands for has a name that is not UTF-8", source);
  return rc == 0 ? add_context(files, path, has_prefix ? path + size : path) : rc;
}

typedef struct match {
  files_t *files;
  const char *source;
  bool is_any;
} match_t;

static int on_match(const char *path, void *user) {
  match_t *match = user;
  match->is_any = true;
  return add_match(match->files, path, match->source);
}

static bool must_stop(void *user) { return is_cancelled(((match_t *)user)->files); }

static int on_source(const char *source, void *user) {
  files_t *files = user;
  daytona__strbuf_t buf;
  int rc = files->real_root != NULL ? check_source(files, source) : 0;
  if (rc != 0) return rc;
  buffer_init(files, &buf);
  daytona__path_put_joined(&buf, files->prefix, source);
  const char *pattern = take_text(files, &buf);
  if (pattern == NULL) return files->content->code;
  match_t match = {.files = files, .source = source};
  rc = daytona__glob(pattern, files->scratch.is_pool, on_match, must_stop, &match);
  if (rc == 0 && !match.is_any) rc = add_match(files, pattern, source);
  if (rc == DAYTONA_ENOMEM) return fail_memory(files);
  if (rc == DAYTONA_ELIMIT) return fail(files, rc, 0, "%.100s has too many wildcards or matches", source);
  return rc != 0 ? fail(files, rc, 0, "cancelled") : 0;
}

static int add_copies(files_t *files, const char *prefix, bool is_strict, const char *text, size_t size) {
  files->prefix = prefix;
  files->real_root = NULL;
  if (is_strict) {
    files->real_root = real_path(files, prefix);
    if (files->content->code != DAYTONA_OK) return files->content->code;
    if (files->real_root == NULL) return fail_outside(files, prefix);
  }
  int rc = daytona__dockerfile_sources(text, size, files->scratch.is_pool, on_source, files);
  return rc == DAYTONA_ENOMEM ? fail_memory(files) : rc;
}

/* --- steps ------------------------------------------------------------------------------------- */

/* As Python reads text: every kind of line end is one. */
static size_t unify_line_ends(char *text, size_t size) {
  char *out = text;
  for (size_t i = 0; i < size; i++) {
    if (text[i] == '\r') {
      if (i + 1 < size && text[i + 1] == '\n') continue;
      *out++ = '\n';
    } else {
      *out++ = text[i];
    }
  }
  *out = '\0';
  return (size_t)(out - text);
}

static int do_dockerfile(files_t *files, const image_step_t *step, const char *given) {
  static const char noun[] = "Dockerfile", other[] = "Dockerfile path";
  daytona__strbuf_t buf;
  char *text = NULL;
  size_t size = 0, name_size;
  buffer_init(files, &buf);
  daytona__path_put_pure(&buf, given);
  const char *path = take_text(files, &buf);
  int rc = path != NULL ? check_kind(files, noun, other, path, false) : files->content->code;
  if (rc == 0) rc = read_file(files, noun, path, &text, &size);
  if (rc == 0 && !daytona__utf8_is_valid(text, size))
    rc = fail(files, DAYTONA_EINVAL, 0, "Dockerfile %s is not UTF-8 text", path);
  if (rc != 0) return rc;
  size = unify_line_ends(text, size);
  if (daytona__strbuf_append(&files->text, text, size) != 0) return fail_text(files);
  daytona__path_name(path, &name_size);
  const char *prefix = daytona__arena_strndup(&files->scratch, path, strlen(path) - name_size);
  return prefix != NULL ? add_copies(files, prefix, step->is_strict, text, size) : fail_memory(files);
}

/* Put the items of a list behind the others. */
static int collect(files_t *files, const daytona__pyproject_list_t *list, const char *path,
                   const char ***items, size_t *count, size_t *room) {
  if (list->is_bad)
    return fail(files, DAYTONA_EINVAL, 0,
                "the dependencies%s%s in pyproject.toml file %s are not a list of strings",
                list->name != NULL ? " of " : "", list->name != NULL ? list->name : "", path);
  if (*room - *count < list->count) {
    size_t more = *room * 2 + list->count;
    const char **grown = daytona__arena_array(&files->scratch, more, sizeof *grown);
    if (grown == NULL) return fail_memory(files);
    if (*count != 0) memcpy(grown, *items, *count * sizeof *grown);
    *items = grown;
    *room = more;
  }
  if (list->count != 0) memcpy(*items + *count, list->items, list->count * sizeof **items);
  *count += list->count;
  return 0;
}

/* The dependencies, and those of the groups that are wanted, in the order in which they are. */
static int collect_all(files_t *files, const image_step_t *step, const daytona__pyproject_t *project,
                       const char *path) {
  const char **items = NULL;
  size_t count = 0, room = 0;
  int rc = 0;
  for (const daytona__pyproject_list_t *list = project->lists; rc == 0 && list != NULL; list = list->next)
    if (list->name == NULL) rc = collect(files, list, path, &items, &count, &room);
  for (size_t i = 0; rc == 0 && i < step->group_count; i++)
    for (const daytona__pyproject_list_t *list = project->lists; rc == 0 && list != NULL; list = list->next)
      if (list->name != NULL && strcmp(list->name, step->groups[i]) == 0)
        rc = collect(files, list, path, &items, &count, &room);
  if (rc == 0) daytona__image_put_packages(&files->text, items, count, step->options);
  return rc == 0 && files->text.error != 0 ? fail_text(files) : rc;
}

static int do_pyproject(files_t *files, const image_step_t *step, const char *path) {
  static const char noun[] = "pyproject.toml file", other[] = "pyproject.toml path";
  static const char help[] =
    "See https://packaging.python.org/en/latest/guides/writing-pyproject-toml "
    "for further file format guidelines.";
  daytona__pyproject_t project;
  char *text = NULL;
  size_t size = 0;
  int rc = check_kind(files, noun, other, path, false);
  if (rc == 0) rc = read_file(files, noun, path, &text, &size);
  if (rc != 0) return rc;
  rc = daytona__pyproject_read(&project, &files->scratch, text, size);
  if (rc == DAYTONA_ENOMEM) return fail_memory(files);
  if (rc != 0)
    return fail(files, DAYTONA_EINVAL, 0, "Invalid pyproject.toml file %s: line %u: %s", path, project.line,
                project.problem);
  if (!project.has_project)
    return fail(files, DAYTONA_EINVAL, 0, "No [project] section in pyproject.toml file. %s", help);
  if (!project.has_dependencies)
    return fail(files, DAYTONA_EINVAL, 0, "No [project.dependencies] section in pyproject.toml file. %s",
                help);
  if (step->group_count != 0 && project.has_bad_groups)
    return fail(files, DAYTONA_EINVAL, 0, "optional-dependencies must be a mapping in pyproject.toml");
  return collect_all(files, step, &project, path);
}

static int do_local(files_t *files, const image_step_t *step, const char *path) {
  static const char *const nouns[] = {[IMAGE_REQUIREMENTS] = "Requirements file",
                                      [IMAGE_FILE] = "Local file",
                                      [IMAGE_FOLDER] = "Local directory"};
  const char *other = step->kind == IMAGE_REQUIREMENTS ? "Requirements path" : "Local path";
  int rc = check_kind(files, nouns[step->kind], other, path, step->kind == IMAGE_FOLDER);
  if (rc == 0 && step->has_tilde) {
    daytona__image_put_step(&files->text, step, path);
    if (files->text.error != 0) rc = fail_text(files);
  }
  return rc == 0 ? add_local(files, path) : rc;
}

static int do_commands(files_t *files, const image_step_t *step, const char *folder, const char *text,
                       size_t size) {
  int rc = folder != NULL ? check_kind(files, "Context directory", "Context path", folder, true) : 0;
  assert(size > 0); /* a line end at least */
  return rc == 0 ? add_copies(files, folder != NULL ? folder : "", step->is_strict, text, size - 1) : rc;
}

static int do_step(files_t *files, const image_step_t *step) {
  const char *text = files->record->text + step->text_start;
  size_t size = step->text_end - step->text_start;
  const char *path = step->path != NULL ? expand(files, step) : NULL;
  if (files->content->code != DAYTONA_OK) return files->content->code;
  if (daytona__strbuf_append(&files->text, text, size) != 0) return fail_text(files);
  switch (step->kind) {
    case IMAGE_TEXT: return 0;
    case IMAGE_DOCKERFILE: return do_dockerfile(files, step, path);
    case IMAGE_PYPROJECT: return do_pyproject(files, step, path);
    case IMAGE_COMMANDS: return do_commands(files, step, path, text, size);
    case IMAGE_REQUIREMENTS:
    case IMAGE_FILE:
    case IMAGE_FOLDER: return do_local(files, step, path);
  }
  return 0;
}

/* --- all of it --------------------------------------------------------------------------------- */

/* What was found, as programs see it. */
static int finish(files_t *files) {
  daytona__image_content_t *content = files->content;
  const image_record_t *record = files->record;
  if (daytona__strbuf_puts(&files->text, record->entrypoint) != 0) return fail_text(files);
  const daytona_image_context_t **contexts =
    daytona__arena_array(&content->arena, files->count, sizeof *contexts);
  content->view.dockerfile = daytona__arena_strndup(&content->arena, files->text.data, files->text.size);
  if (contexts == NULL || content->view.dockerfile == NULL) return fail_memory(files);
  size_t i = 0;
  for (const entry_t *entry = files->first; entry != NULL; entry = entry->next)
    contexts[i++] = &entry->context;
  assert(i == files->count);
  content->view.contexts = contexts;
  content->view.context_count = i;
  return 0;
}

void daytona__image_work(const image_record_t *record, daytona__image_content_t *content) {
  files_t files = {.record = record, .content = content};
  int rc = 0;
  files.end = &files.first;
  daytona__arena_init(&files.scratch, DAYTONA__IMAGE_MEMORY_MAX);
  files.scratch.is_pool = content->arena.is_pool;
  buffer_init(&files, &files.text);
  for (size_t i = 0; rc == 0 && i < record->step_count; i++)
    rc = is_cancelled(&files) ? fail(&files, DAYTONA_ECANCELED, 0, "cancelled")
                              : do_step(&files, &record->steps[i]);
  if (rc == 0 && record->code != DAYTONA_OK) rc = fail(&files, record->code, 0, "%s", record->message);
  if (rc == 0) rc = finish(&files);
  assert((rc == 0) == (content->code == DAYTONA_OK));
  daytona__strbuf_clear(&files.text);
  daytona__arena_clear(&files.scratch);
}
