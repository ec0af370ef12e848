/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x_window X Y WIDTH HEIGHT: a window of four coloured quarters (red, green, blue, white) that has the focus (again, once it is clicked) and prints what
 * happens to it, a line each: "press BUTTON X Y STATE", "release ...", "motion X Y STATE", "key CODE STATE", "keyup ...".
 * X and Y are those of the screen. After SIGUSR1 it prints "fence": everything that had happened before stands above it.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <xcb/xcb.h>

static xcb_connection_t *x;
static xcb_window_t window;

static void paint(int width, int height) {
  static const uint32_t colours[] = {0xff0000, 0x00ff00, 0x0000ff, 0xffffff};
  xcb_gcontext_t gc = xcb_generate_id(x);
  xcb_create_gc(x, gc, window, 0, NULL);
  for (int i = 0; i < 4; i++) {
    xcb_rectangle_t part = {(int16_t)(i % 2 * width / 2), (int16_t)(i / 2 * height / 2),
                            (uint16_t)(width / 2), (uint16_t)(height / 2)};
    xcb_change_gc(x, gc, XCB_GC_FOREGROUND, &colours[i]);
    xcb_poly_fill_rectangle(x, window, gc, 1, &part);
  }
  xcb_free_gc(x, gc);
  xcb_flush(x);
}

static void print_event(const xcb_generic_event_t *event) {
  const xcb_button_press_event_t *e = (const void *)event; /* the four have one form */
  switch (event->response_type & 127) {
    case XCB_BUTTON_PRESS: printf("press %d %d %d %d\n", e->detail, e->root_x, e->root_y, e->state); break;
    case XCB_BUTTON_RELEASE:
      printf("release %d %d %d %d\n", e->detail, e->root_x, e->root_y, e->state);
      break;
    case XCB_MOTION_NOTIFY: printf("motion %d %d %d\n", e->root_x, e->root_y, e->state); break;
    case XCB_KEY_PRESS: printf("key %d %d\n", e->detail, e->state); break;
    case XCB_KEY_RELEASE: printf("keyup %d %d\n", e->detail, e->state); break;
    default: break;
  }
}

static void handle(const xcb_generic_event_t *event, const int place[4]) {
  int kind = event->response_type & 127;
  if (kind == XCB_EXPOSE) {
    paint(place[2], place[3]);
    printf("painted\n");
  }
  if (kind == XCB_BUTTON_PRESS) xcb_set_input_focus(x, XCB_INPUT_FOCUS_NONE, window, XCB_CURRENT_TIME);
  print_event(event);
}

static void drain(const int place[4]) {
  for (xcb_generic_event_t *event; (event = xcb_poll_for_event(x)) != NULL; free(event)) handle(event, place);
  xcb_flush(x);
}

static void fence(int signals, const int place[4]) {
  struct signalfd_siginfo info;
  if (read(signals, &info, sizeof info) != sizeof info) exit(1);
  free(xcb_get_input_focus_reply(x, xcb_get_input_focus(x), NULL));
  drain(place);
  printf("fence\n");
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  int place[4];
  sigset_t usr1;
  sigemptyset(&usr1);
  sigaddset(&usr1, SIGUSR1);
  sigprocmask(SIG_BLOCK, &usr1, NULL);
  int signals = signalfd(-1, &usr1, SFD_CLOEXEC);
  for (int i = 0; i < 4; i++) place[i] = atoi(argv[i + 1]);
  x = xcb_connect(NULL, NULL);
  if (xcb_connection_has_error(x)) return 1;
  xcb_screen_t *screen = xcb_setup_roots_iterator(xcb_get_setup(x)).data;
  window = xcb_generate_id(x);
  uint32_t values[] = {1, XCB_EVENT_MASK_KEY_PRESS | XCB_EVENT_MASK_KEY_RELEASE |
                            XCB_EVENT_MASK_BUTTON_PRESS | XCB_EVENT_MASK_BUTTON_RELEASE |
                            XCB_EVENT_MASK_POINTER_MOTION | XCB_EVENT_MASK_EXPOSURE};
  xcb_create_window(x, XCB_COPY_FROM_PARENT, window, screen->root, (int16_t)place[0], (int16_t)place[1],
                    (uint16_t)place[2], (uint16_t)place[3], 0, XCB_WINDOW_CLASS_INPUT_OUTPUT,
                    screen->root_visual, XCB_CW_OVERRIDE_REDIRECT | XCB_CW_EVENT_MASK, values);
  xcb_map_window(x, window);
  xcb_set_input_focus(x, XCB_INPUT_FOCUS_NONE, window, XCB_CURRENT_TIME);
  xcb_flush(x);
  setvbuf(stdout, NULL, _IOLBF, 0);
  struct pollfd fds[] = {{.fd = xcb_get_file_descriptor(x), .events = POLLIN},
                         {.fd = signals, .events = POLLIN}};
  while (!xcb_connection_has_error(x)) {
    drain(place);
    if (poll(fds, 2, -1) > 0 && fds[1].revents != 0) fence(signals, place);
  }
  return 0;
}
