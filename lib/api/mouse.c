/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mouse; see mouse.h. What the sandbox decides (names of buttons, modifiers, directions; positions outside of the
 * screen) is not checked here.
 */
#include <daytona/mouse.h>

#include "call/method.h"
#include "call/results.h"

typedef struct mouse_args {
  int x, y, end_x, end_y;
  const char *direction;
  int64_t amount;
} mouse_args_t;

#define NUMBER(member, key) DAYTONA__ARG(IN_BODY, mouse_args_t, INT32, member, key)
#define OPT(opts_type, type, member, key, ...) \
  DAYTONA__OPT(IN_BODY, opts_type, type, member, key, __VA_ARGS__)
#define BUTTON(opts_type) OPT(opts_type, STRING, button, "button", .fallback = "left")
#define MODIFIERS(opts_type) OPT(opts_type, STRINGS, modifiers, "modifiers")
#define ARGS(...) .request = DAYTONA__ARGS(mouse_args_t, __VA_ARGS__)
#define MOUSE(noun, http_verb, tail, what, ...)                              \
  DAYTONA__METHOD(noun, .prefix = "Failed to " what ": ", .verb = http_verb, \
                  .path = "/computeruse/mouse/" tail, .service = DAYTONA__TOOLBOX, __VA_ARGS__)

static DAYTONA__MODEL_OF(position_model, daytona_mouse_position_t, "MousePositionResponse",
                         DAYTONA__FIELD(daytona_mouse_position_t, INT32, x, "x"),
                         DAYTONA__FIELD(daytona_mouse_position_t, INT32, y, "y"));

#define POSITION .response = &position_model, .result = &daytona__type_mouse_position

MOUSE(get_position, "GET", "position", "get mouse position", POSITION);

daytona_future_t *daytona_mouse_get_position(daytona_sandbox_t *sandbox, const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &get_position_method, NULL, DAYTONA__OPTS(opts));
}

MOUSE(move, "POST", "move", "move mouse", ARGS(NUMBER(x, "x"), NUMBER(y, "y")), POSITION);

daytona_future_t *daytona_mouse_move(daytona_sandbox_t *sandbox, int x, int y,
                                     const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &move_method, &(mouse_args_t){.x = x, .y = y}, DAYTONA__OPTS(opts));
}

MOUSE(click, "POST", "click", "click mouse",
      ARGS(NUMBER(x, "x"), NUMBER(y, "y"), BUTTON(daytona_mouse_click_opts_t),
           OPT(daytona_mouse_click_opts_t, BOOL, is_double, "double"),
           OPT(daytona_mouse_click_opts_t, OPT_INT, clicks, "clicks"), MODIFIERS(daytona_mouse_click_opts_t)),
      POSITION);

daytona_future_t *daytona_mouse_click(daytona_sandbox_t *sandbox, int x, int y,
                                      const daytona_mouse_click_opts_t *opts) {
  return daytona__call(sandbox, &click_method, &(mouse_args_t){.x = x, .y = y}, DAYTONA__OPTS(opts));
}

MOUSE(drag, "POST", "drag", "drag mouse",
      ARGS(NUMBER(x, "startX"), NUMBER(y, "startY"), NUMBER(end_x, "endX"), NUMBER(end_y, "endY"),
           BUTTON(daytona_mouse_drag_opts_t), MODIFIERS(daytona_mouse_drag_opts_t)),
      POSITION);

daytona_future_t *daytona_mouse_drag(daytona_sandbox_t *sandbox, int start_x, int start_y, int end_x,
                                     int end_y, const daytona_mouse_drag_opts_t *opts) {
  const mouse_args_t args = {.x = start_x, .y = start_y, .end_x = end_x, .end_y = end_y};
  return daytona__call(sandbox, &drag_method, &args, DAYTONA__OPTS(opts));
}

typedef struct scrolled {
  bool is_done;
} scrolled_t;

static DAYTONA__MODEL_OF(scrolled_model, scrolled_t, "ScrollResponse",
                         DAYTONA__FIELD(scrolled_t, BOOL, is_done, "success"));

static int finish_scroll(daytona__op_t *op, const void *args, void **answer, const char **problem) {
  if (((const scrolled_t *)*answer)->is_done) return 0;
  *problem = "the sandbox does not report that it has scrolled";
  return DAYTONA_EFAILED;
}

MOUSE(scroll, "POST", "scroll", "scroll mouse",
      ARGS(NUMBER(x, "x"), NUMBER(y, "y"),
           DAYTONA__ARG(IN_BODY, mouse_args_t, STRING, direction, "direction", .rules = DAYTONA__NONEMPTY),
           DAYTONA__ARG(IN_BODY, mouse_args_t, INT, amount, "amount", .rules = DAYTONA__MIN),
           MODIFIERS(daytona_mouse_scroll_opts_t)),
      .response = &scrolled_model, .finish = finish_scroll);

daytona_future_t *daytona_mouse_scroll(daytona_sandbox_t *sandbox, int x, int y, const char *direction,
                                       const daytona_mouse_scroll_opts_t *opts) {
  bool has_amount = opts != NULL && opts->amount.is_set;
  const mouse_args_t args = {
    .x = x, .y = y, .direction = direction, .amount = has_amount ? opts->amount.value : 1};
  return daytona__call(sandbox, &scroll_method, &args, DAYTONA__OPTS(opts));
}

#define HELD                                                                                   \
  ARGS(BUTTON(daytona_mouse_button_opts_t), OPT(daytona_mouse_button_opts_t, OPT_INT, x, "x"), \
       OPT(daytona_mouse_button_opts_t, OPT_INT, y, "y"))

MOUSE(down, "POST", "down", "press mouse button", HELD, POSITION);

daytona_future_t *daytona_mouse_down(daytona_sandbox_t *sandbox, const daytona_mouse_button_opts_t *opts) {
  return daytona__call(sandbox, &down_method, NULL, DAYTONA__OPTS(opts));
}

MOUSE(up, "POST", "up", "release mouse button", HELD, POSITION);

daytona_future_t *daytona_mouse_up(daytona_sandbox_t *sandbox, const daytona_mouse_button_opts_t *opts) {
  return daytona__call(sandbox, &up_method, NULL, DAYTONA__OPTS(opts));
}
