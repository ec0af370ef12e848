/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading charts in parts, into an arena. The text is checked as a whole first; what comes after that cannot find it malformed.
 */
#ifndef DAYTONA_API_CHART_H
#define DAYTONA_API_CHART_H

#include <daytona/chart.h>

#include "core/arena.h"
#include "json/lexer.h"

/* Charts inside each other; the protocol has two levels, and deeper ones are not read. */
#define DAYTONA__CHART_DEPTH_MAX 8

/* The memory of charts: a fixed number of bytes, and a number for each byte of their text. Usual ones take under two. */
#define DAYTONA__CHART_MEMORY_BASE ((size_t)1 << 20)
#define DAYTONA__CHART_MEMORY_FACTOR 12

typedef struct daytona__chart_node daytona__chart_node_t;

/* A list of charts that is being read. */
typedef struct daytona__charts {
  daytona__arena_t *arena;
  size_t room; /* bytes that may still be taken of the arena */
  int code;    /* DAYTONA_ELIMIT: the chart that is being read is too much; DAYTONA_ENOMEM */
  daytona__json_lexer_t lexer;
  daytona__json_walk_t walk;
  bool is_array, is_over;
  daytona__chart_node_t *first, **last;
  daytona__chart_node_t *pending; /* those whose picture is not decoded yet, nested ones too */
  daytona_chart_list_t *list;
} daytona__charts_t;

/* Whether only the `charts` of an object count, and it may have none, or everything that daytona_chart_parse() takes. */
typedef enum daytona__charts_of { DAYTONA__CHARTS_OF_ARTIFACTS, DAYTONA__CHARTS_OF_ANY } daytona__charts_of_t;

/* `text` stays as long as the charts, which point into it. 0, DAYTONA_EPROTOCOL, DAYTONA_ELIMIT or DAYTONA_ENOMEM. */
int daytona__charts_begin(daytona__charts_t *charts, daytona__arena_t *arena, daytona__charts_of_t of,
                          const char *text, size_t size);

/* Read about `work` bytes of it, whole charts always: 0 when `list` is complete, DAYTONA__CHARTS_AGAIN, or DAYTONA_ENOMEM. */
enum { DAYTONA__CHARTS_AGAIN = 1 };
int daytona__charts_read(daytona__charts_t *charts, size_t work);

#endif
