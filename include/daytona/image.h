/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images: a Dockerfile built up by calls, and the local files that it copies.
 *
 *   daytona_image_t *image = daytona_image_debian_slim("3.12");
 *   daytona_image_pip_install(image, &packages, NULL);
 *   daytona_image_add_local_dir(image, "src", "/home/daytona/src");
 *   ... create a sandbox or a snapshot from it ...
 *   daytona_image_release(image);
 *
 * The Dockerfile is byte for byte the one that the official Python SDK makes for the same calls from its version
 * 0.226.0 on.
 *
 * A builder call records what is wanted, changes the image in place, and returns it. It never waits, reads no file,
 * and cannot fail visibly: the image keeps the first error, every call that uses the image fails with that error,
 * and builder calls after it change nothing. An image may be used any number of times, and changed after a use, which
 * works on what it was when it was passed. Files are looked at on libuv's thread pool, each time the image is used:
 * relative paths start at the working folder of that moment, and a missing file is reported then. What goes wrong
 * first, in the order of the builder calls, is what is reported.
 *
 * Unless a function says otherwise:
 *   Thread: any, one at a time; once an image was passed to a call of a client, only the thread of its loop.
 *   In callbacks: yes.  A NULL image: does nothing and returns NULL.
 *   Arguments: copied. Strings are required, must be UTF-8, and may be empty where a Dockerfile may have an empty one.
 *   Lists may be NULL, which means empty; their strings may not (DAYTONA_EINVAL). Options may be NULL: all defaults.
 *   Errors that the image keeps: DAYTONA_EINVAL (an argument), DAYTONA_ENOTFOUND (no such local file or folder),
 *   DAYTONA_EIO (a local file cannot be read), DAYTONA_ELIMIT (the Dockerfile, a file that is read for it, or the number
 *   of contexts, see docs/limits.md), DAYTONA_ENOMEM.
 *   Paths of local files: a leading "~" or "~name" is replaced by that home folder.
 *
 * Values are not checked for being one line: what is put into a Dockerfile becomes part of it. Never pass a text of
 * unknown origin as an image name, a command, a package option or the name of a variable.
 */
#ifndef DAYTONA_IMAGE_H
#define DAYTONA_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daytona/error.h>
#include <daytona/export.h>
#include <daytona/future.h>
#include <daytona/types.h>

DAYTONA_BEGIN

/** Reference-counted. Functions that make one never return NULL: without memory they return one that has failed. */
typedef struct daytona_image daytona_image_t;

/* --- new images -------------------------------------------------------------------------------- */

/** Start from an image: `FROM name`. @param name  Required and not empty. */
DAYTONA_API daytona_image_t *daytona_image_base(const char *name);

/**
 * Start from Debian with Python, compilers and pip.
 *
 * @param python_version  Optional: a series, "3.9" to "3.13", which stands for its newest release that this library
 *                        knows, or a release such as "3.12.4". NULL: 3.13.
 */
DAYTONA_API daytona_image_t *daytona_image_debian_slim(const char *python_version);

typedef struct daytona_image_from_dockerfile_opts {
  bool is_strict;       /**< Refuse sources of COPY outside of the Dockerfile's folder; see below. */
  uint64_t reserved[8]; /**< Must be zero. */
} daytona_image_from_dockerfile_opts_t;

/**
 * Start from the text of a Dockerfile. What its COPY instructions name becomes context, with paths that are relative to
 * its folder; see daytona_image_dockerfile_commands(). Line ends become "\n".
 *
 * @param path  Required and not empty. Must be UTF-8 text without NUL.
 */
DAYTONA_API daytona_image_t *daytona_image_from_dockerfile(const char *path,
                                                           const daytona_image_from_dockerfile_opts_t *opts);

/** One more reference. Returns `image`. */
DAYTONA_API daytona_image_t *daytona_image_retain(daytona_image_t *image);

/** Release a reference. NULL is allowed. */
DAYTONA_API void daytona_image_release(daytona_image_t *image);

/* --- Python packages --------------------------------------------------------------------------- */

typedef struct daytona_image_pip_install_opts {
  daytona_strings_t find_links;       /**< Optional. `--find-links` for each. */
  const char *index_url;              /**< Optional. `--index-url`. */
  daytona_strings_t extra_index_urls; /**< Optional. `--extra-index-url` for each. */
  bool takes_pre_releases;            /**< `--pre`. */
  const char *extra_options;          /**< Optional. Passed to the shell as it is. */
  uint64_t reserved[8];               /**< Must be zero. */
} daytona_image_pip_install_opts_t;

/** Install packages with pip, sorted and quoted for the shell. Without packages nothing is added. */
DAYTONA_API daytona_image_t *daytona_image_pip_install(daytona_image_t *image,
                                                       const daytona_strings_t *packages,
                                                       const daytona_image_pip_install_opts_t *opts);

/** Copy a requirements file, which becomes context, to /.requirements.txt and install what it lists. Its path may not
    contain white space: the instruction has no quotes. @param path  Required and not empty. */
DAYTONA_API daytona_image_t *daytona_image_pip_install_from_requirements(
  daytona_image_t *image, const char *path, const daytona_image_pip_install_opts_t *opts);

typedef struct daytona_image_pip_install_from_pyproject_opts {
  daytona_strings_t
    optional_dependencies;     /**< Optional. Groups to install as well; unknown ones are ignored. */
  const char *find_links;      /**< Optional. `--find-links`. */
  const char *index_url;       /**< Optional. `--index-url`. */
  const char *extra_index_url; /**< Optional. `--extra-index-url`. */
  bool takes_pre_releases;     /**< `--pre`. */
  const char *extra_options;   /**< Optional. Passed to the shell as it is. */
  uint64_t reserved[8];        /**< Must be zero. */
} daytona_image_pip_install_from_pyproject_opts_t;

/** Install the dependencies that a pyproject.toml declares, as daytona_image_pip_install() does. A file that is not
    TOML, or has no project.dependencies, is DAYTONA_EINVAL. @param path  Required and not empty. */
DAYTONA_API daytona_image_t *daytona_image_pip_install_from_pyproject(
  daytona_image_t *image, const char *path, const daytona_image_pip_install_from_pyproject_opts_t *opts);

/* --- files ------------------------------------------------------------------------------------- */

/**
 * Copy a local file into the image. It becomes context.
 *
 * @param local   Required and not empty.
 * @param remote  Required. If it ends in "/", the name of the local file is added.
 */
DAYTONA_API daytona_image_t *daytona_image_add_local_file(daytona_image_t *image, const char *local,
                                                          const char *remote);

/** Copy what is in a local folder into the image. It becomes context. @param local  Required and not empty. */
DAYTONA_API daytona_image_t *daytona_image_add_local_dir(daytona_image_t *image, const char *local,
                                                         const char *remote);

/* --- instructions ------------------------------------------------------------------------------ */

/** Run commands of the shell while the image is built: `RUN command` for each. */
DAYTONA_API daytona_image_t *daytona_image_run_commands(daytona_image_t *image,
                                                        const daytona_strings_t *commands);

/** Run one command, given as a list of words: `RUN "word" "word"`. The shell still replaces `$` and backquotes in them,
    and receives quotes in them behind a backslash, as from the official SDKs. */
DAYTONA_API daytona_image_t *daytona_image_run_words(daytona_image_t *image, const daytona_strings_t *words);

/** Set environment variables: `ENV key=value` for each, in their order, the values quoted for the shell. */
DAYTONA_API daytona_image_t *daytona_image_env(daytona_image_t *image, const daytona_map_t *variables);

/** Set the folder in which commands run, while building and in the sandbox. */
DAYTONA_API daytona_image_t *daytona_image_workdir(daytona_image_t *image, const char *path);

/** Set the program that a container of this image runs. A quote or backslash in a word must be escaped as JSON has
    it: words are put between quotes and otherwise taken as they are, as by the official SDKs. */
DAYTONA_API daytona_image_t *daytona_image_entrypoint(daytona_image_t *image, const daytona_strings_t *words);

/** Set the default arguments; otherwise as daytona_image_entrypoint(). */
DAYTONA_API daytona_image_t *daytona_image_cmd(daytona_image_t *image, const daytona_strings_t *words);

typedef struct daytona_image_dockerfile_commands_opts {
  const char
    *context_dir; /**< Optional. Folder at which sources of COPY start. NULL or empty: the working folder. */
  bool is_strict; /**< Refuse sources of COPY outside of `context_dir`, which is required then. */
  uint64_t reserved[8]; /**< Must be zero. */
} daytona_image_dockerfile_commands_opts_t;

/**
 * Add lines of a Dockerfile as they are. What their COPY instructions name becomes context.
 *
 * COPY is understood in both of its forms, over continued lines and with flags; wildcards are resolved on the local
 * disk, in the order of names. A source without a match becomes context all the same, and fails when it is uploaded.
 * Copies from other stages (--from=) and inline texts (<<) need no context. ADD is not looked at.
 *
 * Strict: a source that is absolute, has a drive, or leads above the folder is DAYTONA_EINVAL before anything is read,
 * and so is one that lies outside once its links are followed. Links that change between this check and the upload are
 * not seen.
 */
DAYTONA_API daytona_image_t *daytona_image_dockerfile_commands(
  daytona_image_t *image, const daytona_strings_t *lines,
  const daytona_image_dockerfile_commands_opts_t *opts);

/* --- what it has become ------------------------------------------------------------------------ */

/**
 * The first error that is known without looking at files, or DAYTONA_OK. DAYTONA_EINVAL for NULL.
 *
 * @param message  Optional; receives one line for people, or NULL when there is no error. Borrowed from the image.
 */
DAYTONA_API daytona_errcode_t daytona_image_check(const daytona_image_t *image, const char **message);

/**
 * The Dockerfile so far. Borrowed; valid until the next builder call on the image, or its release.
 *
 * NULL after an error, and where a part of it stands in a file that was not read: after daytona_image_from_dockerfile()
 * and daytona_image_pip_install_from_pyproject(), and for local paths that begin with "~" if HOME is not set, or "~name".
 * daytona_image_resolve() then has it.
 */
DAYTONA_API const char *daytona_image_dockerfile(const daytona_image_t *image);

/** A local file or folder that is uploaded for a build. */
typedef struct daytona_image_context {
  const char *source_path;  /**< where it is on this machine: absolute, or relative to the working folder */
  const char *archive_path; /**< where it is in the build's context; a leading "/" does not count */
} daytona_image_context_t;

/** An image with its files looked at. */
typedef struct daytona_image_content {
  const char *dockerfile;
  const daytona_image_context_t *const *contexts; /**< in the order of the calls; some may be named twice */
  size_t context_count;
} daytona_image_content_t;

/**
 * Look at the files of an image, as every call that uses it does. Sends nothing. Settles with
 * daytona_future_image_content(), or fails with the error of the image.
 *
 * @param client  The future settles on its loop.
 * @param image   Retained until the future settles; what is added to it meanwhile does not count.
 *
 * Thread: loop.  In callbacks: yes.  After close: fails with DAYTONA_ECLOSED.
 * Cancel: at once; work on the thread pool ends soon after, before the client reports that it has closed.
 */
DAYTONA_API daytona_future_t *daytona_image_resolve(daytona_client_t *client, daytona_image_t *image);

/** The result of daytona_image_resolve(), or NULL. Borrowed from the future. */
DAYTONA_API const daytona_image_content_t *daytona_future_image_content(const daytona_future_t *future);

DAYTONA_END

#endif
