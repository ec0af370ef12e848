/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replies come from programs of the sandbox, and may be anything: libdbus checks their form, and here every type is looked at
 * before it is read.
 */
#include "desktop/a11y_bus.h"

#include "desktop/a11y_limits.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const ref_t SESSION_A11Y = {"org.a11y.Bus", "/org/a11y/bus"};

uint64_t clock_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

bool bus_is_lost(const bus_t *bus) { return !dbus_connection_get_is_connected(bus->connection); }

bool bus_is_late(const bus_t *bus) { return clock_ms() >= bus->end_ms; }

/* --- opening --- */

/* Some toolkits show nothing before somebody wants to see it; those of Qt before a screen reader does. Set once: programs of Qt
 * connect again whenever it is set, and never get there when that is often. */
static void switch_on(bus_t *session, const char *property) {
  dbus_bool_t is_on = FALSE, yes = TRUE;
  DBusPendingCall *call = bus_send_get(session, &SESSION_A11Y, "org.a11y.Status", property);
  DBusMessage *reply = bus_wait(session, &SESSION_A11Y, call, NULL);
  if (reply != NULL) bus_read_property(reply, DBUS_TYPE_BOOLEAN, &is_on);
  if (reply != NULL) dbus_message_unref(reply);
  if (is_on) return;
  call = bus_send_set(session, &SESSION_A11Y, "org.a11y.Status", property, DBUS_TYPE_BOOLEAN, &yes);
  reply = bus_wait(session, &SESSION_A11Y, call, NULL);
  if (reply != NULL) dbus_message_unref(reply);
}

/* Messages that are no replies to us are read and dropped: kept, they would fill the connection. */
static DBusHandlerResult on_other(DBusConnection *connection, DBusMessage *message, void *user) {
  (void)connection;
  (void)message;
  (void)user;
  return DBUS_HANDLER_RESULT_HANDLED;
}

/* False: no memory. */
static bool set_up(bus_t *bus) {
  dbus_connection_set_exit_on_disconnect(bus->connection, FALSE);
  dbus_connection_set_max_message_size(bus->connection, A11Y_MESSAGE_MAX);
  return dbus_connection_add_filter(bus->connection, on_other, NULL, NULL);
}

/* The address of the accessibility bus, which the session bus starts when somebody asks for it. Yours to free. */
static char *find_address(uint64_t end_ms) {
  const char *set = getenv("AT_SPI_BUS_ADDRESS"), *said = NULL;
  char *address = NULL;
  if (set != NULL && *set != '\0') return dl_xstrdup(set);
  /* libdbus would start a bus of its own on the display. */
  const char *named = getenv("DBUS_SESSION_BUS_ADDRESS");
  if (named == NULL || *named == '\0') return NULL;
  bus_t session = {.connection = dbus_bus_get_private(DBUS_BUS_SESSION, NULL),
                   .timeout_ms = A11Y_START_MS,
                   .end_ms = end_ms};
  if (session.connection == NULL) return NULL;
  if (set_up(&session)) {
    switch_on(&session, "IsEnabled");
    switch_on(&session, "ScreenReaderEnabled");
    DBusPendingCall *call =
      bus_send(&session, &SESSION_A11Y, "org.a11y.Bus", "GetAddress", DBUS_TYPE_INVALID);
    DBusMessage *reply = bus_wait(&session, &SESSION_A11Y, call, NULL);
    if (reply != NULL && bus_read_text(reply, &said) && *said != '\0') address = dl_xstrdup(said);
    if (reply != NULL) dbus_message_unref(reply);
  }
  bus_close(&session);
  return address;
}

const char *bus_open(bus_t *bus, uint64_t end_ms) {
  char *address = find_address(end_ms);
  *bus = (bus_t){.timeout_ms = A11Y_CALL_MS, .end_ms = end_ms};
  if (address == NULL)
    return "the sandbox has no accessibility bus: start the desktop, with at-spi2-core and dbus installed";
  bus->connection = dbus_connection_open_private(address, NULL);
  free(address);
  if (bus->connection == NULL) return "the accessibility bus does not answer";
  if (set_up(bus) && dbus_bus_register(bus->connection, NULL)) return NULL;
  bus_close(bus);
  return "the accessibility bus refuses this user";
}

void bus_close(bus_t *bus) {
  if (bus->connection != NULL) {
    dbus_connection_close(bus->connection);
    dbus_connection_unref(bus->connection);
  }
  bus->connection = NULL;
  dl_map_clear(&bus->silent);
}

/* --- calls --- */

/* `message` is taken, and may be NULL. NULL: it was not sent. */
static DBusPendingCall *send_message(bus_t *bus, const ref_t *to, DBusMessage *message) {
  DBusPendingCall *call = NULL;
  uint64_t now = clock_ms();
  if (message != NULL && now < bus->end_ms && dl_map_get(&bus->silent, to->name) == NULL) {
    uint64_t left = bus->end_ms - now;
    bus->until_ms = now + (left < bus->timeout_ms ? left : bus->timeout_ms);
    if (!dbus_connection_send_with_reply(bus->connection, message, &call, DBUS_TIMEOUT_INFINITE)) call = NULL;
  }
  if (message != NULL) dbus_message_unref(message);
  return call;
}

DBusPendingCall *bus_send(bus_t *bus, const ref_t *to, const char *interface, const char *method,
                          int first_type, ...) {
  va_list args;
  DBusMessage *message = dbus_message_new_method_call(to->name, to->path, interface, method);
  va_start(args, first_type);
  bool ok = message != NULL && dbus_message_append_args_valist(message, first_type, args);
  va_end(args);
  if (!ok && message != NULL) dbus_message_unref(message);
  return send_message(bus, to, ok ? message : NULL);
}

DBusPendingCall *bus_send_get(bus_t *bus, const ref_t *to, const char *interface, const char *property) {
  return bus_send(bus, to, DBUS_INTERFACE_PROPERTIES, "Get", DBUS_TYPE_STRING, &interface, DBUS_TYPE_STRING,
                  &property, DBUS_TYPE_INVALID);
}

DBusPendingCall *bus_send_set(bus_t *bus, const ref_t *to, const char *interface, const char *property,
                              int type, const void *value) {
  const char signature[] = {(char)type, '\0'};
  DBusMessageIter args, variant;
  DBusMessage *message = dbus_message_new_method_call(to->name, to->path, DBUS_INTERFACE_PROPERTIES, "Set");
  if (message == NULL) return NULL;
  dbus_message_iter_init_append(message, &args);
  bool ok = dbus_message_iter_append_basic(&args, DBUS_TYPE_STRING, &interface) &&
            dbus_message_iter_append_basic(&args, DBUS_TYPE_STRING, &property) &&
            dbus_message_iter_open_container(&args, DBUS_TYPE_VARIANT, signature, &variant) &&
            dbus_message_iter_append_basic(&variant, type, value) &&
            dbus_message_iter_close_container(&args, &variant);
  if (!ok) dbus_message_unref(message);
  return send_message(bus, to, ok ? message : NULL);
}

static bus_error_t kind_of(const char *name) {
  static const struct {
    const char *name;
    bus_error_t kind;
  } KINDS[] = {
    {DBUS_ERROR_SERVICE_UNKNOWN, BUS_GONE},
    {DBUS_ERROR_NAME_HAS_NO_OWNER, BUS_GONE},
    {DBUS_ERROR_UNKNOWN_OBJECT, BUS_GONE},
    {DBUS_ERROR_UNKNOWN_METHOD, BUS_UNSUPPORTED},
    {DBUS_ERROR_UNKNOWN_INTERFACE, BUS_UNSUPPORTED},
    {DBUS_ERROR_UNKNOWN_PROPERTY, BUS_UNSUPPORTED},
    {DBUS_ERROR_NOT_SUPPORTED, BUS_UNSUPPORTED},
    {DBUS_ERROR_NO_REPLY, BUS_LATE},
    {DBUS_ERROR_TIMEOUT, BUS_LATE},
  };
  for (size_t i = 0; name != NULL && i < DL_COUNT(KINDS); i++)
    if (strcmp(name, KINDS[i].name) == 0) return KINDS[i].kind;
  return BUS_FAILED;
}

/* Everything that comes meanwhile is taken in, other replies as well. Not by dbus_pending_call_block, which leaves the rest in
 * the connection until that is full. */
static DBusMessage *wait_for(bus_t *bus, DBusPendingCall *call) {
  while (!dbus_pending_call_get_completed(call) && !bus_is_lost(bus)) {
    uint64_t now = clock_ms();
    if (now >= bus->until_ms) break;
    dbus_connection_read_write_dispatch(bus->connection, (int)(bus->until_ms - now));
  }
  if (dbus_pending_call_get_completed(call)) return dbus_pending_call_steal_reply(call);
  dbus_pending_call_cancel(call);
  return NULL;
}

DBusMessage *bus_wait(bus_t *bus, const ref_t *to, DBusPendingCall *call, bus_error_t *error) {
  bool is_silent = call == NULL && (bus_is_late(bus) || dl_map_get(&bus->silent, to->name) != NULL);
  bus_error_t kind = is_silent ? BUS_LATE : BUS_GONE;
  DBusMessage *reply = call != NULL ? wait_for(bus, call) : NULL;
  if (call != NULL) dbus_pending_call_unref(call);
  if (reply != NULL && dbus_message_get_type(reply) == DBUS_MESSAGE_TYPE_METHOD_RETURN) {
    kind = BUS_OK;
  } else if (reply != NULL) {
    kind = kind_of(dbus_message_get_error_name(reply));
    dbus_message_unref(reply);
    reply = NULL;
  } else if (call != NULL) {
    kind = BUS_LATE;
  }
  if (reply == NULL && bus_is_lost(bus))
    kind = BUS_LOST;
  else if (kind == BUS_LATE)
    dl_map_put(&bus->silent, to->name, bus);
  if (error != NULL) *error = kind;
  return reply;
}

/* --- reading --- */

static bool read_basic(DBusMessage *reply, int type, void *out) {
  DBusMessageIter at;
  if (!dbus_message_iter_init(reply, &at) || dbus_message_iter_get_arg_type(&at) != type) return false;
  dbus_message_iter_get_basic(&at, out);
  return true;
}

bool bus_read_text(DBusMessage *reply, const char **out) { return read_basic(reply, DBUS_TYPE_STRING, out); }

bool bus_read_bool(DBusMessage *reply, bool *out) {
  dbus_bool_t value;
  if (!read_basic(reply, DBUS_TYPE_BOOLEAN, &value)) return false;
  *out = value;
  return true;
}

bool bus_list_has(DBusMessage *reply, const char *text) {
  DBusMessageIter at, items;
  const char *item;
  if (strcmp(dbus_message_get_signature(reply), "as") != 0 || !dbus_message_iter_init(reply, &at))
    return false;
  dbus_message_iter_recurse(&at, &items);
  for (; dbus_message_iter_get_arg_type(&items) == DBUS_TYPE_STRING; dbus_message_iter_next(&items)) {
    dbus_message_iter_get_basic(&items, &item);
    if (strcmp(item, text) == 0) return true;
  }
  return false;
}

bool bus_read_property(DBusMessage *reply, int type, void *out) {
  DBusMessageIter at, value;
  if (!dbus_message_iter_init(reply, &at) || dbus_message_iter_get_arg_type(&at) != DBUS_TYPE_VARIANT)
    return false;
  dbus_message_iter_recurse(&at, &value);
  if (dbus_message_iter_get_arg_type(&value) != type) return false;
  dbus_message_iter_get_basic(&value, out);
  return true;
}
