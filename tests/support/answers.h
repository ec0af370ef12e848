/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers by the table of methods: what a server could say to a request, made from the model of its response.
 */
#ifndef TESTS_SUPPORT_ANSWERS_H
#define TESTS_SUPPORT_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>

#include "call/op.h"

/* All methods of the program, from 0; NULL behind the last. */
const daytona__method_t *answers_method(size_t index);

/* The one that a request, "GET /toolbox/sb-1/files?path=x HTTP/1.1...", is of; NULL: none. The first of several. */
const daytona__method_t *answers_method_of(const char *request);

/* The state of every sandbox in a response; "started" at first. */
extern const char *answers_state;

/* Where object storage is, in an answer; "x" at first. */
extern char answers_storage[64];

/* How many members the response of a method has that could be of another type. */
size_t answers_member_count(const daytona__method_t *method);

/*
 * JSON for the method, or NULL if its response is not looked at. Member number `wrong` is of another type; with -1
 * everything is right. free() it.
 */
char *answers_json(const daytona__method_t *method, int wrong);

#endif
