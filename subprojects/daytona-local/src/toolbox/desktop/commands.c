/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The programs of a desktop. Of several that do the same the first one that is installed is taken.
 */
#include "toolbox/desktop/commands.h"

#include "toolbox/core/spawn.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define STATE_LISTEN 0x0a
#define ARGS_MAX 24

/* --- settings --- */

static bool read_size(const char *text, dl_desktop_place_t *out) {
  int end = 0, count = sscanf(text, "%5dx%5d%n", &out->width, &out->height, &end);
  if (count != 2) return false;
  if (text[end] == 'x' && sscanf(text + end, "x%2d%n", &out->depth, &count) == 1) end += count;
  return text[end] == '\0' && out->width >= 64 && out->width <= 7680 && out->height >= 64 &&
         out->height <= 4320 && out->depth == 24;
}

static char *read_port(const dl_environ_t *e, const char *name, int *port) {
  const char *text = dl_environ_get(e, name);
  int64_t number;
  if (text == NULL || *text == '\0') return NULL;
  if (!dl_parse_int(text, 1, 65535, &number)) return dl_xprintf("%s is no port: '%.40s'", name, text);
  *port = (int)number;
  return NULL;
}

char *dl_desktop_place_read(const dl_environ_t *e, dl_desktop_place_t *out) {
  dl_desktop_place_t place = {0, 1024, 768, 24, 5901, 6080};
  const char *size = dl_environ_get(e, "VNC_RESOLUTION"), *display = dl_environ_get(e, "DISPLAY");
  if (size != NULL && *size != '\0' && !read_size(size, &place))
    return dl_xprintf(
      "VNC_RESOLUTION must be WIDTHxHEIGHT or WIDTHxHEIGHTx24, 64x64 to 7680x4320, not '%.40s'", size);
  if (display != NULL &&
      (sscanf(display, ":%d", &place.display) != 1 || place.display < 0 || place.display > 9999))
    place.display = 0; /* of another machine */
  char *problem = read_port(e, "VNC_PORT", &place.vnc_port);
  if (problem == NULL) problem = read_port(e, "NO_VNC_PORT", &place.novnc_port);
  if (problem == NULL) *out = place;
  return problem;
}

/* --- what is taken --- */

static bool answers(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  bool ok = fd >= 0 && (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 || errno == EAGAIN);
  if (fd >= 0) close(fd);
  return ok;
}

/* A lock names the process that holds it; one of a process that is gone holds nothing. */
static bool is_locked(int display) {
  char path[32], text[16] = "";
  snprintf(path, sizeof path, "/tmp/.X%d-lock", display);
  int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return errno != ENOENT;
  ssize_t got = read(fd, text, sizeof text - 1);
  close(fd);
  long pid = got > 0 ? strtol(text, NULL, 10) : 0;
  return pid > 0 && (kill((pid_t)pid, 0) == 0 || errno == EPERM);
}

bool dl_desktop_display_taken(int display) {
  char path[40];
  struct stat st;
  snprintf(path, sizeof path, "/tmp/.X11-unix/X%d", display);
  if (lstat(path, &st) == 0 && (answers(path) || (st.st_uid != geteuid() && geteuid() != 0))) return true;
  return is_locked(display);
}

void dl_desktop_make_socket_dir(void) {
  if (mkdir("/tmp/.X11-unix", 0777) == 0) chmod("/tmp/.X11-unix", 01777);
}

static bool listens(const char *table, unsigned wanted) {
  FILE *f = fopen(table, "re");
  char line[512];
  bool found = false;
  while (f != NULL && !found && fgets(line, sizeof line, f) != NULL) {
    unsigned port, state;
    if (sscanf(line, " %*u: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x", &port, &state) == 2)
      found = port == wanted && state == STATE_LISTEN;
  }
  if (f != NULL) fclose(f);
  return found;
}

bool dl_desktop_port_taken(int port) {
  return listens("/proc/self/net/tcp", (unsigned)port) || listens("/proc/self/net/tcp6", (unsigned)port);
}

/* --- command lines --- */

typedef struct {
  char **argv;
  size_t count;
} words_t;

static void put(words_t *w, char *word) {
  if (w->argv == NULL) w->argv = dl_xcalloc(ARGS_MAX + 1, sizeof *w->argv);
  if (w->count < ARGS_MAX)
    w->argv[w->count++] = word;
  else
    free(word);
}

static void put_all(words_t *w, const char *first, ...) {
  va_list args;
  va_start(args, first);
  for (const char *word = first; word != NULL; word = va_arg(args, const char *)) put(w, dl_xstrdup(word));
  va_end(args);
}

void dl_desktop_command_free(char **argv) {
  for (size_t i = 0; argv != NULL && argv[i] != NULL; i++) free(argv[i]);
  free(argv);
}

static bool has_program(const dl_toolbox_t *tb, const char *name) {
  char *path = dl_process_find(&tb->environment, name);
  free(path);
  return path != NULL;
}

/* -nolisten local: no socket in the abstract name space, which belongs to the network and not to the files of the box.
 * The number of the display is written to standard input when the server is ready. */
static void put_xvfb(words_t *w, const dl_desktop_place_t *place) {
  put_all(w, "Xvfb", NULL);
  put(w, dl_xprintf(":%d", place->display));
  put_all(w, "-screen", "0", NULL);
  put(w, dl_xprintf("%dx%dx%d", place->width, place->height, place->depth));
  put_all(w, "-nolisten", "tcp", "-nolisten", "local", "-displayfd", "0", NULL);
}

/* xfce4 needs a session bus, and brings its own when it is given the means. */
static bool put_manager(const dl_toolbox_t *tb, words_t *w) {
  if (has_program(tb, "startxfce4")) {
    bool has_bus = dl_environ_get(&tb->environment, "DBUS_SESSION_BUS_ADDRESS") != NULL;
    if (!has_bus && has_program(tb, "dbus-launch")) put_all(w, "dbus-launch", "--exit-with-session", NULL);
    put_all(w, "startxfce4", NULL);
  } else if (has_program(tb, "icewm")) {
    put_all(w, "icewm", NULL);
  } else if (has_program(tb, "openbox")) {
    put_all(w, "openbox", NULL);
    if (has_program(tb, "tint2")) put_all(w, "--startup", "tint2", NULL);
  } else {
    return false;
  }
  return true;
}

static void put_x11vnc(words_t *w, const dl_desktop_place_t *place) {
  put_all(w, "x11vnc", "-display", NULL);
  put(w, dl_xprintf(":%d", place->display));
  put_all(w, "-rfbport", NULL);
  put(w, dl_xprintf("%d", place->vnc_port));
  put_all(w, "-localhost", "-no6", "-forever", "-shared", "-nopw", "-repeat", "-quiet", NULL);
}

static const char *novnc_pages(void) {
  static const char *const PLACES[] = {"/usr/share/novnc", "/usr/share/webapps/novnc", "/opt/novnc",
                                       "/opt/noVNC"};
  for (size_t i = 0; i < DL_COUNT(PLACES); i++)
    if (access(PLACES[i], X_OK) == 0) return PLACES[i];
  return NULL;
}

static void put_novnc(words_t *w, const char *pages, const dl_desktop_place_t *place) {
  put_all(w, "websockify", "--web", pages, NULL);
  put(w, dl_xprintf("127.0.0.1:%d", place->novnc_port));
  put(w, dl_xprintf("127.0.0.1:%d", place->vnc_port));
}

char **dl_desktop_command(const dl_toolbox_t *tb, int which, const dl_desktop_place_t *place,
                          char **problem) {
  static const char *const PROGRAMS[] = {"Xvfb", NULL, "x11vnc", "websockify"};
  words_t w = {0};
  const char *pages = novnc_pages();
  *problem = NULL;
  if (PROGRAMS[which] != NULL && !has_program(tb, PROGRAMS[which])) {
    *problem = dl_xprintf("%s is not installed%s", PROGRAMS[which],
                          tb->hidden_dir != NULL ? " in the sandbox's image" : "");
    return NULL;
  }
  if (which == DL_XVFB) put_xvfb(&w, place);
  if (which == DL_X11VNC) put_x11vnc(&w, place);
  if (which == DL_XFCE4 && !put_manager(tb, &w))
    *problem = dl_xstrdup("no window manager is installed (xfce4, icewm or openbox)");
  if (which == DL_NOVNC && pages == NULL)
    *problem = dl_xstrdup("the pages of noVNC are not installed (/usr/share/novnc)");
  if (which == DL_NOVNC && pages != NULL) put_novnc(&w, pages, place);
  return w.argv;
}
