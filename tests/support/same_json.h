/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON compared as JSON: the order of members and white space do not count.
 */
#ifndef TESTS_SUPPORT_SAME_JSON_H
#define TESTS_SUPPORT_SAME_JSON_H

/* Both are JSON without a member that comes twice, and the same values. */
#define assert_same_json(text, expected) check_same_json(text, expected, __FILE__, __LINE__)
void check_same_json(const char *text, const char *expected, const char *file, int line);

/*
 * The value at "a.b" of an object: of a string its text, else JSON. NULL: it is not there, or `text` is not an object.
 * In a static buffer.
 */
const char *json_at(const char *text, const char *path);

#endif
