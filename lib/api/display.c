/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Displays and windows; see display.h.
 */
#include <daytona/display.h>

#include "call/method.h"
#include "call/results.h"

#define DISPLAY(type, member, key) DAYTONA__FIELD(daytona_display_info_t, type, member, key)
#define WINDOW(type, member, key) DAYTONA__FIELD(daytona_display_window_t, type, member, key)

static DAYTONA__MODEL_OF(display_model, daytona_display_info_t, "DisplayInfo", DISPLAY(INT, id, "id"),
                         DISPLAY(INT32, x, "x"), DISPLAY(INT32, y, "y"), DISPLAY(INT32, width, "width"),
                         DISPLAY(INT32, height, "height"), DISPLAY(BOOL, is_active, "isActive"));

static DAYTONA__MODEL_OF(displays_model, daytona_display_info_list_t, "DisplayInfoResponse",
                         DAYTONA__FIELD_LIST(daytona_display_info_list_t, items, count, "displays",
                                             &display_model));

static DAYTONA__MODEL_OF(window_model, daytona_display_window_t, "WindowInfo", WINDOW(INT, id, "id"),
                         WINDOW(STRING, title, "title"), WINDOW(INT32, x, "x"), WINDOW(INT32, y, "y"),
                         WINDOW(INT32, width, "width"), WINDOW(INT32, height, "height"),
                         WINDOW(BOOL, is_active, "isActive"));

static DAYTONA__MODEL_OF(windows_model, daytona_display_window_list_t, "WindowsResponse",
                         DAYTONA__FIELD_LIST(daytona_display_window_list_t, items, count, "windows",
                                             &window_model));

DAYTONA__METHOD(get_info, .prefix = "Failed to get display info: ", .verb = "GET",
                .path = "/computeruse/display/info", .service = DAYTONA__TOOLBOX, .response = &displays_model,
                .result = &daytona__type_display_info_list);

daytona_future_t *daytona_display_get_info(daytona_sandbox_t *sandbox, const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &get_info_method, NULL, DAYTONA__OPTS(opts));
}

DAYTONA__METHOD(get_windows, .prefix = "Failed to get windows: ", .verb = "GET",
                .path = "/computeruse/display/windows", .service = DAYTONA__TOOLBOX,
                .response = &windows_model, .result = &daytona__type_display_window_list);

daytona_future_t *daytona_display_get_windows(daytona_sandbox_t *sandbox, const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &get_windows_method, NULL, DAYTONA__OPTS(opts));
}
