/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Charts: the data and the picture of what a program has plotted.
 *
 * daytona_process_code_run() gives one for each figure that the program showed (matplotlib's `plt.show()`), in
 * `daytona_exec_result_t.charts`; daytona_chart_parse() reads the same JSON from elsewhere.
 *
 * Reading is lenient: every member may be missing, numbers may come as strings and strings as numbers, and what has another type
 * counts as missing. What has no member here is kept in `json`.
 *
 * Everything here is plain data, and belongs to the list: it lives as long as the list does.
 *
 * Of a large response the pictures are decoded over several turns of the loop. The data of one chart is read in one turn,
 * which takes about 0.1 s for a million points.
 *
 * Protocol: toolbox, `artifacts.charts` in the response of POST /process/code-run.
 */
#ifndef DAYTONA_CHART_H
#define DAYTONA_CHART_H

#include <stddef.h>

#include <daytona/export.h>
#include <daytona/types.h>

DAYTONA_BEGIN

/** What a chart shows. */
typedef enum daytona_chart_type {
  DAYTONA_CHART_UNKNOWN = 0, /**< none of these, or the type is missing */
  DAYTONA_CHART_LINE = 1,
  DAYTONA_CHART_SCATTER = 2,
  DAYTONA_CHART_BAR = 3,
  DAYTONA_CHART_PIE = 4,
  DAYTONA_CHART_BOX_AND_WHISKER = 5,
  DAYTONA_CHART_COMPOSITE = 6, /**< a figure of several charts: its elements have a `chart` each */
  DAYTONA_CHART_TYPE_FORCE_INT = 0x7fffffff /**< keeps the size of the enum */
} daytona_chart_type_t;

/** A list of values, most of which are numbers. All zero: none. */
typedef struct daytona_chart_values {
  const double *numbers; /**< `count` of them; NaN for what is not a number. A number in a string is one. */
  /** NULL: no value is a string. Otherwise `count` of them, NULL for values that are no strings: the names of
      categories, and dates such as `2026-01-31T00:00:00`. */
  const char *const *texts;
  size_t count;
} daytona_chart_values_t;

typedef struct daytona_chart_axis {
  const char *label; /**< may be NULL */
  const char *scale; /**< `linear`, `log`, `datetime`, `categorical` or another; may be NULL */
  /** line, scatter: where the marks are; some may be outside the visible range */
  daytona_chart_values_t ticks;
  /** what is written at them: perhaps TeX, perhaps with the minus sign U+2212 */
  daytona_strings_t tick_labels;
} daytona_chart_axis_t;

typedef struct daytona_chart daytona_chart_t;

/** A line, a cloud of points, a bar, a wedge, a box, or a chart of a composite. Which members are set depends on the chart. */
typedef struct daytona_chart_element {
  const char *label; /**< may be NULL; matplotlib's own names of lines begin with `_` */

  /* line, scatter */
  daytona_chart_values_t x, y; /**< the points; both have the same count */

  /* bar */
  const char *group; /**< may be NULL */
  daytona_opt_num_t value;
  const char *value_text; /**< as it was received; may be NULL */

  /* pie */
  daytona_opt_num_t angle; /**< degrees */
  daytona_opt_num_t radius;
  const char *autopct; /**< the text in the wedge; NULL: none, or the server does not send it */

  /* box and whisker */
  daytona_opt_num_t min, first_quartile, median, third_quartile, max;
  daytona_chart_values_t outliers;

  /* composite */
  /** NULL: none, or more than 8 charts inside each other. Many servers send neither its elements nor its ticks. */
  const daytona_chart_t *chart;
} daytona_chart_element_t;

struct daytona_chart {
  daytona_chart_type_t type;
  const char *type_name; /**< as it was received; may be NULL */
  const char *title;     /**< may be NULL */
  /** The picture of the whole figure, decoded; `data` is NULL without one, or if it is not base64. The bytes come from
      the sandbox, and need not be a PNG. */
  daytona_bytes_t png;
  const daytona_chart_axis_t *x, *y; /**< never NULL */
  const daytona_chart_element_t *const *elements;
  size_t element_count;
  /** The chart as it was received: `json_size` bytes without a NUL behind. In a composite: the element. */
  const char *json;
  size_t json_size;
};

typedef struct daytona_chart_list {
  const daytona_chart_t *const *items;
  size_t count;
  /** Charts that are left out: no objects, or they would take more memory than their text allows. */
  size_t skipped_count;
} daytona_chart_list_t;

/**
 * Read charts from JSON: one chart, an array of charts, an object with an array `charts` (what `artifacts` of a response
 * is), or an object with the `type` "chart" and a chart as its `value` (what plotting programs print behind
 * `dtn_artifact_k39fd2:`). Of a key that comes twice the last one counts. NaN and Infinity are not JSON.
 *
 * @param json  Copied; `size` bytes of UTF-8, at most 64 MiB. NULL is allowed when `size` is 0.
 * @param out   Yours on success: free with daytona_chart_list_release(). Untouched on failure.
 * @return 0, DAYTONA_EINVAL (a NULL argument), DAYTONA_EPROTOCOL (not JSON, or neither an object nor an array), DAYTONA_ELIMIT
 *         (too long, nested more than 64 levels deep, or more than 1,000,000 values in one array) or DAYTONA_ENOMEM.
 *
 * Thread: any.
 */
DAYTONA_API int daytona_chart_parse(const char *json, size_t size, daytona_chart_list_t **out);

/** Free the list of daytona_chart_parse(), and all that is in it. NULL is allowed. Thread: any. */
DAYTONA_API void daytona_chart_list_release(daytona_chart_list_t *list);

DAYTONA_END

#endif
