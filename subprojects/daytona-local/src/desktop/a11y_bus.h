/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls on the accessibility bus. Many are sent at once and waited for together: a walk is thousands of them.
 */
#ifndef DL_A11Y_BUS_H
#define DL_A11Y_BUS_H

#include "base/map.h"

#include <dbus/dbus.h>

#define A11Y_ACCESSIBLE "org.a11y.atspi.Accessible"
#define A11Y_COMPONENT "org.a11y.atspi.Component"
#define A11Y_ACTION "org.a11y.atspi.Action"
#define A11Y_EDITABLE "org.a11y.atspi.EditableText"
#define A11Y_VALUE "org.a11y.atspi.Value"

typedef struct {
  DBusConnection *connection;
  int timeout_ms;  /* of a call */
  dl_map_t silent; /* names of programs that have let a call wait for too long */
} bus_t;

/* An object of a program. */
typedef struct {
  char *name, *path; /* of the program on the bus; of the object in it */
} ref_t;

/* NULL, or why there is no accessibility bus (static or yours for the life of the program). */
const char *bus_open(bus_t *bus);
void bus_close(bus_t *bus);

/* Sends a call; `first_type` and what follows as for dbus_message_append_args. NULL: it was not sent. */
DBusPendingCall *bus_send(bus_t *bus, const ref_t *to, const char *interface, const char *method,
                          int first_type, ...);
/* Waits for the reply, and lets `call` go. NULL: none came, or an error did; *error (may be NULL) is then one of these. */
typedef enum { BUS_OK, BUS_GONE, BUS_UNSUPPORTED, BUS_LATE, BUS_FAILED } bus_error_t;
DBusMessage *bus_wait(bus_t *bus, const ref_t *to, DBusPendingCall *call, bus_error_t *error);

/* Sends that a property is to be set; `type` is basic. */
DBusPendingCall *bus_send_set(bus_t *bus, const ref_t *to, const char *interface, const char *property,
                              int type, const void *value);

/* What a reply says; false and untouched when it has another form. Texts are borrowed from the reply. */
bool bus_read_text(DBusMessage *reply, const char **out);
bool bus_read_bool(DBusMessage *reply, bool *out);
/* Its array of texts has this one. */
bool bus_list_has(DBusMessage *reply, const char *text);
/* A member of the a{sv} of Properties.GetAll. */
bool bus_read_member(DBusMessage *reply, const char *key, const char **out);

#endif
