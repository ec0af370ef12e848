/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of an image: what the builder in image.c records, and image_files.c works off on the thread pool.
 */
#ifndef DAYTONA_API_IMAGE_IMPL_H
#define DAYTONA_API_IMAGE_IMPL_H

#include "api/image.h"
#include "core/strbuf.h"

typedef enum image_step_kind {
  IMAGE_TEXT,         /* only text */
  IMAGE_DOCKERFILE,   /* the text of `path`, and what it copies */
  IMAGE_REQUIREMENTS, /* `path` is a file, to be installed with `options` */
  IMAGE_PYPROJECT,    /* `path` is a file, whose dependencies are to be installed with `options` */
  IMAGE_FILE,         /* `path` is a file, to be copied to `remote` */
  IMAGE_FOLDER,       /* the same with a folder */
  IMAGE_COMMANDS      /* text whose copies start at `path`, a folder; NULL: the working folder */
} image_step_kind_t;

/* One entry of the record. The strings live in the image's arena and never change. */
typedef struct image_step {
  image_step_kind_t kind;
  size_t text_start, text_end; /* of the image's text: what it adds, as far as that is known */
  const char *path;
  bool has_tilde; /* the home folder in front of `path` is not known yet, and so neither is the text */
  bool is_strict;
  const char *remote;
  const char *options;
  const char *const *groups;
  size_t group_count;
} image_step_t;

struct daytona_image {
  unsigned refs;
  bool is_static; /* stands for all that could not be made: nothing in it ever changes */
  daytona__arena_t arena;
  image_step_t *steps;
  size_t step_count, step_room;
  daytona__strbuf_t text; /* all that is known of the Dockerfile */
  bool has_gaps;          /* a part of it is not known */
  daytona_errcode_t code; /* the first error */
  const char *message;
};

/* Everything that a job needs of an image, which may be changed meanwhile. */
typedef struct image_record {
  image_step_t *steps;
  size_t step_count;
  const char *text;
  const char *entrypoint; /* a line to be added; empty: none */
  daytona_errcode_t code; /* what failed in the call behind the last step */
  const char *message;
  const bool *is_cancelled; /* atomic */
} image_record_t;

/* Append the instructions of a step with a path; `path` is that path with its home folder. */
void daytona__image_put_step(daytona__strbuf_t *out, const image_step_t *step, const char *path);

/* Append `RUN python -m pip install` for `packages`, which are sorted in place. Nothing without packages. */
void daytona__image_put_packages(daytona__strbuf_t *out, const char **packages, size_t count,
                                 const char *options);

/* `ENTRYPOINT ["a", "b"]` or another such instruction. */
void daytona__image_put_words(daytona__strbuf_t *out, const char *instruction,
                              const daytona_strings_t *words);

/*
 * Work a record off, on the thread pool or, in tests, wherever: the arena of `content` says whose memory is
 * used. The content is complete afterwards, or has a code.
 */
void daytona__image_work(const image_record_t *record, daytona__image_content_t *content);

#endif
