/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plot in a sandbox: its data as a table, and its picture as a file.
 *
 *   daytona-local run -- chart [--code FILE] [--env NAME=VALUE] [FILE.png]
 *
 * The program in the sandbox draws with matplotlib, which has to be there, and shows the figure.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/options.h"
#include "shared/steps.h"
#include "shared/text_file.h"

enum { CODE_MAX = 4 << 20 };

static const char usage[] =
  "usage: chart [OPTIONS] [FILE.png]\n"
  "Plots in a sandbox, prints the data as a table, and writes the picture to FILE.png (default chart.png).\n"
  "Of several figures the second is written to FILE-2.png, and so on.\n";

static const char plot[] =
  "import matplotlib.pyplot as plt\n"
  "days = [1, 2, 3, 4, 5]\n"
  "plt.plot(days, [3, 5, 4, 8, 9], label='built')\n"
  "plt.plot(days, [1, 1, 0, 2, 1], label='failed')\n"
  "plt.title('Builds')\n"
  "plt.xlabel('day')\n"
  "plt.ylabel('count')\n"
  "plt.legend()\n"
  "plt.show()\n";

/* --- the table --------------------------------------------------------------------------------- */

static const char *or_dash(const char *text) { return text != NULL && text[0] != '\0' ? text : "-"; }

static void print_value(const daytona_chart_values_t *values, size_t index) {
  const char *text = values->texts != NULL ? values->texts[index] : NULL;
  if (text != NULL)
    printf("\t%s", text);
  else if (isnan(values->numbers[index]))
    printf("\t-");
  else
    printf("\t%g", values->numbers[index]);
}

static void print_number(daytona_opt_num_t number) {
  if (number.is_set)
    printf("\t%g", number.value);
  else
    printf("\t-");
}

static void print_points(const daytona_chart_element_t *line) {
  for (size_t i = 0; i < line->x.count; i++) {
    printf("%s", or_dash(line->label));
    print_value(&line->x, i);
    print_value(&line->y, i);
    printf("\n");
  }
}

static void print_box(const daytona_chart_element_t *box) {
  printf("%s", or_dash(box->label));
  print_number(box->min);
  print_number(box->first_quartile);
  print_number(box->median);
  print_number(box->third_quartile);
  print_number(box->max);
  for (size_t i = 0; i < box->outliers.count; i++) print_value(&box->outliers, i);
  printf("\n");
}

static void print_wedge(const daytona_chart_element_t *wedge) {
  printf("%s", or_dash(wedge->label));
  print_number(wedge->angle);
  print_number(wedge->radius);
  printf("\t%s\n", or_dash(wedge->autopct));
}

static void print_head(const daytona_chart_t *chart) {
  printf("# %s: %s\n", or_dash(chart->type_name), or_dash(chart->title));
  switch (chart->type) {
    case DAYTONA_CHART_LINE:
    case DAYTONA_CHART_SCATTER:
      printf("series\t%s\t%s\n", or_dash(chart->x->label), or_dash(chart->y->label));
      break;
    case DAYTONA_CHART_BAR: printf("bar\tgroup\tvalue\n"); break;
    case DAYTONA_CHART_PIE: printf("wedge\tangle\tradius\ttext\n"); break;
    case DAYTONA_CHART_BOX_AND_WHISKER: printf("box\tmin\t25%%\tmedian\t75%%\tmax\toutliers\n"); break;
    default: break;
  }
}

static void print_chart(const daytona_chart_t *chart) {
  print_head(chart);
  for (size_t i = 0; i < chart->element_count; i++) {
    const daytona_chart_element_t *element = chart->elements[i];
    if (element->chart != NULL) print_chart(element->chart);
    if (chart->type == DAYTONA_CHART_LINE || chart->type == DAYTONA_CHART_SCATTER) print_points(element);
    if (chart->type == DAYTONA_CHART_BAR)
      printf("%s\t%s\t%s\n", or_dash(element->label), or_dash(element->group), or_dash(element->value_text));
    if (chart->type == DAYTONA_CHART_PIE) print_wedge(element);
    if (chart->type == DAYTONA_CHART_BOX_AND_WHISKER) print_box(element);
  }
}

/* --- the picture ------------------------------------------------------------------------------- */

/* "dir/a.png" is "dir/a-2.png" for the second figure. */
static char *path_of(const char *path, size_t index) {
  const char *name = strrchr(path, '/');
  const char *dot = strrchr(name != NULL ? name : path, '.');
  int stem = (int)(dot != NULL ? dot - path : (long)strlen(path));
  size_t room = strlen(path) + 32;
  char *made = malloc(room);
  if (made == NULL) return NULL;
  if (index == 0)
    snprintf(made, room, "%s", path);
  else
    snprintf(made, room, "%.*s-%zu%s", stem, path, index + 1, dot != NULL ? dot : "");
  return made;
}

static bool write_picture(const daytona_chart_t *chart, const char *path, size_t index) {
  char *target = path_of(path, index);
  FILE *file = target != NULL ? fopen(target, "wb") : NULL;
  bool ok = file != NULL && fwrite(chart->png.data, 1, chart->png.size, file) == chart->png.size;
  if (file != NULL) ok = fclose(file) == 0 && ok;
  if (ok)
    printf("wrote %s, %zu bytes\n", target, chart->png.size);
  else
    perror(target != NULL ? target : path);
  free(target);
  return ok;
}

/* --- the run ----------------------------------------------------------------------------------- */

static bool show(const daytona_exec_result_t *result, const char *path) {
  const daytona_chart_list_t *charts = result->charts;
  bool ok = result->exit_code == 0;
  fputs(result->result, ok ? stdout : stderr);
  if (!ok) fprintf(stderr, "exit code %d\n", result->exit_code);
  for (size_t i = 0; i < charts->count; i++) {
    print_chart(charts->items[i]);
    if (charts->items[i]->png.data != NULL) ok = write_picture(charts->items[i], path, i) && ok;
  }
  if (ok && charts->count == 0) fprintf(stderr, "the program has shown no figure\n");
  return ok && charts->count != 0;
}

typedef struct task {
  const char *source; /* a file; NULL: the plot above */
  const char *path;   /* of the picture */
  option_pairs_t variables;
} task_t;

static bool run_plot(daytona_client_t *client, const char *code, const task_t *task) {
  const daytona_sandbox_create_opts_t opts = {.language = "python", .is_ephemeral = true};
  daytona_sandbox_t *sandbox = take_sandbox(daytona_sandbox_create(client, &opts));
  if (sandbox == NULL) return false;
  const daytona_process_code_run_opts_t how = {.env = {task->variables.items, task->variables.count}};
  daytona_future_t *future = daytona_process_code_run(sandbox, code, &how);
  bool ok = succeeds(future) && show(daytona_future_exec_result(future), task->path);
  daytona_future_release(future);
  return discard(sandbox) && ok;
}

int main(int argc, char **argv) {
  task_t task = {.path = "chart.png"};
  const option_row_t rows[] = {
    {'c', "code", "FILE", "the Python program, which plots with matplotlib and calls show()",
     .text = &task.source},
    {'e', "env", "NAME=VALUE", "a variable for it, such as PYTHONPATH (may be repeated)",
     .pairs = &task.variables},
  };
  int first = parse_options(argc, argv, usage, rows, sizeof rows / sizeof rows[0]);
  if (argc - first > 1) refuse_arguments(usage, "one FILE.png at most");
  if (first < argc) task.path = argv[first];
  size_t size;
  char *code = task.source != NULL ? read_text_file(task.source, CODE_MAX, &size) : NULL;
  if (task.source != NULL && code == NULL) {
    perror(task.source);
    return EXIT_FAILURE;
  }
  daytona_client_t *client = open_client();
  bool ok = run_plot(client, code != NULL ? code : plot, &task);
  ok = close_client(client) && ok;
  free(code);
  return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
