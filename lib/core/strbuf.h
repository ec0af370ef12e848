/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growable byte buffer that is born with a ceiling. A failed append sets a flag that the final
 * check reports, so that builders need not test every step.
 */
#ifndef DAYTONA_CORE_STRBUF_H
#define DAYTONA_CORE_STRBUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct daytona__strbuf {
  char *data; /* NUL-terminated once anything was appended */
  size_t size;
  size_t room;
  size_t max;
  int error;    /* 0, DAYTONA_ENOMEM or DAYTONA_ELIMIT: the first failure */
  bool is_pool; /* of work on the thread pool, where the program's allocator is not called */
} daytona__strbuf_t;

void daytona__strbuf_init(daytona__strbuf_t *buf, size_t max);
/* Empty and usable afterwards, with the same ceiling. */
void daytona__strbuf_clear(daytona__strbuf_t *buf);
int daytona__strbuf_append(daytona__strbuf_t *buf, const void *bytes, size_t size);
int daytona__strbuf_puts(daytona__strbuf_t *buf, const char *text);
int daytona__strbuf_putc(daytona__strbuf_t *buf, char c);
int daytona__strbuf_printf(daytona__strbuf_t *buf, const char *format, ...)
  __attribute__((format(printf, 2, 3)));

/* Room for `size` more bytes, to be written at data + size; NULL on failure. */
char *daytona__strbuf_reserve(daytona__strbuf_t *buf, size_t size);

#endif
