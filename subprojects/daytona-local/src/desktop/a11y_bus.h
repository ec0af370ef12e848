/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls on the accessibility bus. Many are sent at once and waited for together: a walk is thousands of them. None is waited
 * for beyond the end that was given for all of it, whatever programs do.
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
  uint64_t timeout_ms; /* of a call */
  uint64_t end_ms;     /* of everything, on the clock of clock_ms */
  uint64_t until_ms;   /* replies to what was sent last are waited for */
  dl_map_t silent;     /* names of programs that have let a call wait for too long */
} bus_t;

/* An object of a program. */
typedef struct {
  char *name, *path; /* of the program on the bus; of the object in it */
} ref_t;

uint64_t clock_ms(void);

/* NULL, or why there is no accessibility bus (static). */
const char *bus_open(bus_t *bus, uint64_t end_ms);
void bus_close(bus_t *bus);
/* It has ended, or has ended the connection: a program has sent more than A11Y_MESSAGE_MAX at once. */
bool bus_is_lost(const bus_t *bus);
bool bus_is_late(const bus_t *bus);

/* Sends a call; `first_type` and what follows as for dbus_message_append_args. NULL: it was not sent. */
DBusPendingCall *bus_send(bus_t *bus, const ref_t *to, const char *interface, const char *method,
                          int first_type, ...);
/* Waits for the reply, and lets `call` go. NULL: none came, or an error did; *error (may be NULL) is then one of these. */
typedef enum { BUS_OK, BUS_GONE, BUS_UNSUPPORTED, BUS_LATE, BUS_LOST, BUS_FAILED } bus_error_t;
DBusMessage *bus_wait(bus_t *bus, const ref_t *to, DBusPendingCall *call, bus_error_t *error);

/* Asks for a property. One by one: Properties.GetAll ends programs of Qt 5. */
DBusPendingCall *bus_send_get(bus_t *bus, const ref_t *to, const char *interface, const char *property);
/* Sends that a property is to be set; `type` is basic. */
DBusPendingCall *bus_send_set(bus_t *bus, const ref_t *to, const char *interface, const char *property,
                              int type, const void *value);

/* What a reply says; false and untouched when it has another form. Texts are borrowed from the reply. */
bool bus_read_text(DBusMessage *reply, const char **out);
bool bus_read_bool(DBusMessage *reply, bool *out);
/* Its array of texts has this one. */
bool bus_list_has(DBusMessage *reply, const char *text);
/* What is in the reply to bus_send_get, when it has this type, which is basic. */
bool bus_read_property(DBusMessage *reply, int type, void *out);

#endif
