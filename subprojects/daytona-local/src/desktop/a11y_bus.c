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

#define MESSAGE_MAX (16 * 1024 * 1024)

static const ref_t SESSION_A11Y = {"org.a11y.Bus", "/org/a11y/bus"};

/* Some toolkits show nothing before somebody wants to see it. */
static void switch_on(bus_t *session) {
  dbus_bool_t yes = TRUE;
  DBusMessage *reply = bus_wait(
    session, &SESSION_A11Y,
    bus_send_set(session, &SESSION_A11Y, "org.a11y.Status", "IsEnabled", DBUS_TYPE_BOOLEAN, &yes), NULL);
  if (reply != NULL) dbus_message_unref(reply);
}

/* The address of the accessibility bus, which the session bus starts when somebody asks for it. Yours to free. */
static char *find_address(void) {
  const char *set = getenv("AT_SPI_BUS_ADDRESS"), *said = NULL;
  char *address = NULL;
  if (set != NULL && *set != '\0') return dl_xstrdup(set);
  /* libdbus would start a bus of its own on the display. */
  const char *named = getenv("DBUS_SESSION_BUS_ADDRESS");
  if (named == NULL || *named == '\0') return NULL;
  bus_t session = {.connection = dbus_bus_get_private(DBUS_BUS_SESSION, NULL), .timeout_ms = A11Y_START_MS};
  if (session.connection == NULL) return NULL;
  dbus_connection_set_exit_on_disconnect(session.connection, FALSE);
  switch_on(&session);
  DBusPendingCall *call = bus_send(&session, &SESSION_A11Y, "org.a11y.Bus", "GetAddress", DBUS_TYPE_INVALID);
  DBusMessage *reply = bus_wait(&session, &SESSION_A11Y, call, NULL);
  if (reply != NULL && bus_read_text(reply, &said) && *said != '\0') address = dl_xstrdup(said);
  if (reply != NULL) dbus_message_unref(reply);
  bus_close(&session);
  return address;
}

const char *bus_open(bus_t *bus) {
  char *address = find_address();
  *bus = (bus_t){.timeout_ms = A11Y_CALL_MS};
  if (address == NULL)
    return "the sandbox has no accessibility bus: start the desktop, with at-spi2-core and dbus installed";
  bus->connection = dbus_connection_open_private(address, NULL);
  free(address);
  if (bus->connection == NULL) return "the accessibility bus does not answer";
  dbus_connection_set_exit_on_disconnect(bus->connection, FALSE);
  dbus_connection_set_max_message_size(bus->connection, MESSAGE_MAX);
  if (dbus_bus_register(bus->connection, NULL)) return NULL;
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

DBusPendingCall *bus_send(bus_t *bus, const ref_t *to, const char *interface, const char *method,
                          int first_type, ...) {
  DBusPendingCall *call = NULL;
  va_list args;
  if (dl_map_get(&bus->silent, to->name) != NULL) return NULL;
  DBusMessage *message = dbus_message_new_method_call(to->name, to->path, interface, method);
  if (message == NULL) return NULL;
  va_start(args, first_type);
  bool ok = dbus_message_append_args_valist(message, first_type, args);
  va_end(args);
  if (ok) ok = dbus_connection_send_with_reply(bus->connection, message, &call, bus->timeout_ms);
  dbus_message_unref(message);
  return ok ? call : NULL;
}

DBusPendingCall *bus_send_set(bus_t *bus, const ref_t *to, const char *interface, const char *property,
                              int type, const void *value) {
  const char signature[] = {(char)type, '\0'};
  DBusMessageIter args, variant;
  DBusPendingCall *call = NULL;
  DBusMessage *message = dbus_message_new_method_call(to->name, to->path, DBUS_INTERFACE_PROPERTIES, "Set");
  if (message == NULL) return NULL;
  dbus_message_iter_init_append(message, &args);
  bool ok = dbus_message_iter_append_basic(&args, DBUS_TYPE_STRING, &interface) &&
            dbus_message_iter_append_basic(&args, DBUS_TYPE_STRING, &property) &&
            dbus_message_iter_open_container(&args, DBUS_TYPE_VARIANT, signature, &variant) &&
            dbus_message_iter_append_basic(&variant, type, value) &&
            dbus_message_iter_close_container(&args, &variant) &&
            dbus_connection_send_with_reply(bus->connection, message, &call, bus->timeout_ms);
  dbus_message_unref(message);
  return ok ? call : NULL;
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

DBusMessage *bus_wait(bus_t *bus, const ref_t *to, DBusPendingCall *call, bus_error_t *error) {
  DBusMessage *reply = NULL;
  bus_error_t kind = BUS_GONE;
  if (call != NULL) {
    dbus_pending_call_block(call);
    reply = dbus_pending_call_steal_reply(call);
    dbus_pending_call_unref(call);
  }
  if (reply != NULL && dbus_message_get_type(reply) == DBUS_MESSAGE_TYPE_METHOD_RETURN) {
    kind = BUS_OK;
  } else if (reply != NULL) {
    kind = kind_of(dbus_message_get_error_name(reply));
    dbus_message_unref(reply);
    reply = NULL;
  }
  if (kind == BUS_LATE) dl_map_put(&bus->silent, to->name, bus);
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

bool bus_read_member(DBusMessage *reply, const char *key, const char **out) {
  DBusMessageIter at, entries, entry, value;
  if (strcmp(dbus_message_get_signature(reply), "a{sv}") != 0 || !dbus_message_iter_init(reply, &at))
    return false;
  dbus_message_iter_recurse(&at, &entries);
  for (; dbus_message_iter_get_arg_type(&entries) == DBUS_TYPE_DICT_ENTRY; dbus_message_iter_next(&entries)) {
    const char *name;
    dbus_message_iter_recurse(&entries, &entry);
    dbus_message_iter_get_basic(&entry, &name);
    if (strcmp(name, key) != 0) continue;
    dbus_message_iter_next(&entry);
    dbus_message_iter_recurse(&entry, &value);
    if (dbus_message_iter_get_arg_type(&value) != DBUS_TYPE_STRING) return false;
    dbus_message_iter_get_basic(&value, out);
    return true;
  }
  return false;
}
