/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The little XML of S3's answers: the text of one element, found by the names of the elements around it.
 *
 * Nothing is fetched, no entity is defined, nothing nests deeper than our answers need. What is not well-formed as far as
 * it was read has no text.
 */
#ifndef DAYTONA_WIRE_S3_XML_H
#define DAYTONA_WIRE_S3_XML_H

#include <stdbool.h>
#include <stddef.h>

#include "core/arena.h"

/* Elements around a text in an answer of S3, and the longest name of one. */
#define DAYTONA__S3_XML_DEPTH_MAX 8
#define DAYTONA__S3_XML_NAME_MAX 64

/* The longest text that is taken from an answer of S3: an upload's id, a message. */
#define DAYTONA__S3_XML_TEXT_MAX ((size_t)8 << 10)

/* What the element around everything is called, without its prefix: "Error". False: this is no XML of ours. */
bool daytona__s3_xml_root(const char *xml, size_t size, char name[DAYTONA__S3_XML_NAME_MAX + 1]);

/*
 * The text of the first element `name` that is directly in the outermost one, in `arena`; NULL: there is none, it holds
 * elements, it is longer than DAYTONA__S3_XML_TEXT_MAX, not UTF-8, or there is no memory for it.
 */
const char *daytona__s3_xml_text(daytona__arena_t *arena, const char *xml, size_t size, const char *name);

/* Whether there is such an element. */
bool daytona__s3_xml_has(const char *xml, size_t size, const char *name);

#endif
