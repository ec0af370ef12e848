/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON text into structs, in one pass and by field table.
 *
 * Strings go from the text straight into the arena, so that a large response is copied once and no other
 * copy of a secret exists. Lists grow in a block of their own; a large one becomes a part of the arena as it is, a small
 * one is copied there. What the table does not name is checked and dropped without being stored.
 *
 * The reader keeps its place in frames of its own and not on C's stack, so that a long text can be read in parts, some
 * in each turn of the loop: one frame per value that is open, at most as many as a text may be nested. Every step does
 * a bounded amount of work, however long a string or a run of white space is, and counts it in `left`.
 *
 * A record of a list that cannot be read costs only itself: the list's frame remembers where the record began, and when a step
 * above it fails for another reason than the text's own, the reader goes back there and passes over the record (leave_out).
 *
 * Here are the steps' loop and the two ways to call it; the kinds of values have files of their own, see decode_private.h.
 */
#include <string.h>

#include "core/limits.h"
#include "core/memory.h"
#include "json/decode_private.h"

/* --- records that cannot be read --- */

/* Count the record that has failed; of the first one it is kept why. */
static void note_skipped(reader_t *r) {
  if (r->skipped_count++ == 0) {
    r->skipped = *r->error;
    r->skipped.code = DAYTONA_OK;
    r->skipped.skipped_id[0] = '\0';
  }
  memset(r->error, 0, sizeof *r->error);
  r->is_crowded = false;
}

/*
 * After a failing step: go back to the beginning of the innermost record of a list and pass over it, id and all. False: what
 * has failed is the text as a whole, memory, or a value that belongs to no list.
 */
static bool leave_out(reader_t *r) {
  size_t depth = r->depth;
  if (r->lexer.code != 0 || (r->error->code != DAYTONA_EPROTOCOL && !r->is_crowded)) return false;
  while (depth != 0 && daytona__json_frame_at(r, depth - 1)->record.text == NULL) depth--;
  if (depth == 0) return false;
  while (r->depth > depth) daytona__json_list_drop(&daytona__json_frame_at(r, --r->depth)->own);
  frame_t *f = daytona__json_frame_at(r, depth - 1);
  assert(f->kind == LIST && f->step == NEXT && f->list->count <= f->record.index + 1);
  note_skipped(r);
  f->list->count = f->record.index;
  r->lexer.at = f->record.text;
  r->lexer.depth = f->record.depth;
  f->record.text = NULL;
  if (!daytona__json_skip_value(r, &f->place)) return false;
  frame_t *top = daytona__json_frame_at(r, r->depth - 1);
  if (top != f && top->kind == OBJECT && r->skipped_count == 1)
    top->name = daytona__json_id_of(f->field->model);
  return true;
}

/* --- whole texts --- */

static void drop_frames(reader_t *r) {
  while (r->depth != 0) daytona__json_list_drop(&daytona__json_frame_at(r, --r->depth)->own);
}

/* Go on until the value is read, a failure, or the end of this part. */
static daytona__json_part_t run(reader_t *r, size_t work) {
  static bool (*const steps[KINDS])(reader_t * r, frame_t * f) = {
    [OBJECT] = daytona__json_step_object, [LIST] = daytona__json_step_list,
    [PAIRS] = daytona__json_step_pairs,   [MAP] = daytona__json_step_map,
    [STRING] = daytona__json_step_string, [RAW] = daytona__json_step_raw};
  r->left = work > PTRDIFF_MAX ? PTRDIFF_MAX : (ptrdiff_t)work;
  while (r->depth != 0) {
    frame_t *f = daytona__json_frame_at(r, r->depth - 1);
    if (r->left <= 0) return DAYTONA__JSON_MORE;
    const char *before = r->lexer.at;
    if (!steps[f->kind](r, f) && !leave_out(r)) {
      assert(r->error->code != DAYTONA_OK);
      drop_frames(r);
      return DAYTONA__JSON_FAILED;
    }
    r->left -= STEP_WORK + (f->kind == LIST ? r->lexer.at - before : 0);
  }
  if (!daytona__json_skip_blank(r)) return DAYTONA__JSON_MORE;
  if (daytona__json_at_end(&r->lexer)) {
    r->skipped.skipped_count = r->skipped_count;
    *r->error = r->skipped;
    return DAYTONA__JSON_DONE;
  }
  daytona__json_fail_text(r, NULL);
  return DAYTONA__JSON_FAILED;
}

static bool begin(reader_t *r, daytona__arena_t *arena, const char *text, size_t size,
                  daytona__json_error_t *error) {
  r->error = error != NULL ? error : &r->own_error;
  memset(r->error, 0, sizeof *r->error);
  daytona__json_lexer_init(&r->lexer, text, size);
  r->text = r->lexer.at;
  r->size = size;
  r->arena = arena;
  r->used_before = arena->used;
  r->left = PTRDIFF_MAX;
  r->depth = 0;
  r->far = NULL;
  r->result = NULL;
  r->count = 0;
  r->is_crowded = false;
  r->skipped_count = 0;
  memset(&r->skipped, 0, sizeof r->skipped);
  r->is_block = false;
  if (size > DAYTONA__JSON_BODY_MAX)
    return daytona__json_fail(r, NULL, DAYTONA_ELIMIT, "the JSON text is too large");
  return true;
}

/* The frame of the whole text. */
static bool begin_value(reader_t *r, const model_t *model, bool is_array) {
  static const place_t top = {NULL, "", 0, 0};
  r->root = (field_t){.type = DAYTONA__JSON_LIST, .model = model};
  if (!is_array) {
    if ((r->result = daytona__arena_alloc(r->arena, model->size)) == NULL)
      return daytona__json_fail_room(r, NULL, model->size);
    return daytona__json_open_object(r, &top, model, r->result);
  }
  if (daytona__json_peek(&r->lexer) == 'n') return daytona__json_read_null(r, NULL);
  return daytona__json_read_list(r, &top, &r->root, sizeof(void *), (char *)&r->result);
}

int daytona__json_decode(daytona__arena_t *arena, const daytona__json_model_t *model, const char *text,
                         size_t size, void **out, daytona__json_error_t *error) {
  reader_t r;
  if (begin(&r, arena, text, size, error) && begin_value(&r, model, false) &&
      run(&r, SIZE_MAX) == DAYTONA__JSON_DONE)
    *out = r.result;
  return r.error->code;
}

int daytona__json_decode_list(daytona__arena_t *arena, const daytona__json_model_t *model, const char *text,
                              size_t size, void **out, size_t *count, daytona__json_error_t *error) {
  reader_t r;
  if (begin(&r, arena, text, size, error) && begin_value(&r, model, true) &&
      run(&r, SIZE_MAX) == DAYTONA__JSON_DONE) {
    *out = r.result;
    *count = r.count;
  }
  return r.error->code;
}

int daytona__json_decode_string(daytona__arena_t *arena, const char *text, size_t size, const char **out,
                                daytona__json_error_t *error) {
  static const place_t top = {NULL, "", 0, 0};
  const char *value = NULL;
  reader_t r;
  if (begin(&r, arena, text, size, error) &&
      daytona__json_read_string(&r, &top, NULL, AS_TEXT, (char *)&value) &&
      run(&r, SIZE_MAX) == DAYTONA__JSON_DONE)
    *out = value;
  return r.error->code;
}

/* --- in parts --- */

daytona__json_decoder_t *daytona__json_decoder_new(daytona__arena_t *arena,
                                                   const daytona__json_model_t *model, bool is_array,
                                                   const char *text, size_t size) {
  reader_t *r = daytona__alloc(sizeof *r);
  if (r == NULL) return NULL;
  if (begin(r, arena, text, size, NULL)) begin_value(r, model, is_array);
  r->is_block = true;
  return r;
}

int daytona__json_decoder_run(daytona__json_decoder_t *decoder, size_t work) {
  if (decoder->error->code != DAYTONA_OK) return decoder->error->code;
  return run(decoder, work) == DAYTONA__JSON_MORE ? DAYTONA__JSON_GOES_ON : (int)decoder->error->code;
}

void *daytona__json_decoder_result(const daytona__json_decoder_t *decoder, size_t *count) {
  assert(decoder->error->code == DAYTONA_OK && decoder->depth == 0);
  if (count != NULL) *count = decoder->count;
  return decoder->result;
}

const daytona__json_error_t *daytona__json_decoder_error(const daytona__json_decoder_t *decoder) {
  return decoder->error;
}

void daytona__json_decoder_free(daytona__json_decoder_t *decoder) {
  if (decoder == NULL) return;
  drop_frames(decoder);
  daytona__free(decoder);
}
