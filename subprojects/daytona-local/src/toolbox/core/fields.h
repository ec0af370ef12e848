/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON bodies of requests, read field by field.
 */
#ifndef DL_TOOLBOX_FIELDS_H
#define DL_TOOLBOX_FIELDS_H

#include "base/jsonx.h"
#include "http/http.h"
#include "toolbox/core/environ.h"

/* The first JSON value of the body, an object. On failure NULL, and the request was answered. */
json_t *dl_tb_body(dl_req_t *req, const char *body, size_t len);

/* Each getter answers the request and returns false when the field has a wrong type (or a
 * required one is missing or empty). Absent optional fields leave *out untouched. Names match
 * without case. Texts are borrowed from `body`. */
bool dl_tb_field_text(dl_req_t *req, const json_t *body, const char *name, bool required, const char **out);
bool dl_tb_field_uint32(dl_req_t *req, const json_t *body, const char *name, uint32_t *out);
bool dl_tb_field_bool(dl_req_t *req, const json_t *body, const char *name, bool *out);
/* *out: the array or object, borrowed. Every element must be a text. */
bool dl_tb_field_texts(dl_req_t *req, const json_t *body, const char *name, json_t **out);
bool dl_tb_field_text_map(dl_req_t *req, const json_t *body, const char *name, json_t **out);
/* As text_map, and every name must be a valid environment variable name, every value one that a program can be given. */
bool dl_tb_field_envs(dl_req_t *req, const json_t *body, const char *name, json_t **out);
/* Answers the request when the kernel would not start a program with these: see dl_environ_too_large. */
bool dl_tb_can_start(dl_req_t *req, const dl_environ_t *e, char *const *argv);

#endif
