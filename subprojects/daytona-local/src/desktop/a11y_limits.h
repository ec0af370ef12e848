/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DL_A11Y_LIMITS_H
#define DL_A11Y_LIMITS_H

/* Ceilings of one answer. */
#define A11Y_NODES_MAX 20000u
#define A11Y_DEPTH_MAX 100
#define A11Y_MATCHES_MAX 5000
#define A11Y_MATCHES 500
#define A11Y_ACTIONS_MAX 16  /* of a node */
#define A11Y_TEXT_MAX 65536u /* bytes of a name or a description; the rest is cut off */
#define A11Y_OUT_MAX (48u * 1024 * 1024)
#define A11Y_TIME_MS 30000  /* for a walk; then what was seen is the answer */
#define A11Y_CALL_MS 5000   /* a program that takes longer for one reply is not asked again */
#define A11Y_START_MS 15000 /* for at-spi2-core to start, with the first question */

#endif
