/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DL_A11Y_LIMITS_H
#define DL_A11Y_LIMITS_H

/* Ceilings of one answer. */
#define A11Y_NODES_MAX 20000u
#define A11Y_DEPTH_MAX 100
#define A11Y_MATCHES_MAX 5000
#define A11Y_MATCHES 500
#define A11Y_ACTIONS_MAX 16     /* of a node */
#define A11Y_TEXT_MAX 65536u    /* bytes of a name or a description; the rest is cut off */
#define A11Y_CHILDREN_MAX 10000 /* of one object: the cells of a sheet are millions, and are not asked for */
#define A11Y_PATH_MAX 1024u     /* bytes; objects with longer ones are left out */
#define A11Y_WINDOWS_MAX 64     /* of a program, where the active one is looked for */
#define A11Y_HELD_MAX (32u * 1024 * 1024) /* bytes of texts of a walk; then what was seen is the answer */
#define A11Y_OUT_MAX (48u * 1024 * 1024)
#define A11Y_MESSAGE_MAX (16 * 1024 * 1024)
#define A11Y_TIME_MS 30000  /* for all of it; then what a walk has seen is the answer */
#define A11Y_CALL_MS 5000   /* a program that takes longer for one reply is not asked again */
#define A11Y_START_MS 15000 /* for at-spi2-core to start, with the first question */

#endif
