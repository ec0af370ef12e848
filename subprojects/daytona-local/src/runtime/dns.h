/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of the domain name system, as far as the resolver of a box needs them. Bytes come from peers that are not trusted:
 * what does not parse is not used. Nothing here allocates or talks.
 */
#ifndef DL_RUNTIME_DNS_H
#define DL_RUNTIME_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DL_DNS_NAME_MAX 254
#define DL_DNS_QUERY_MAX 512    /* what is passed on never takes more */
#define DL_DNS_MESSAGE_MAX 4096 /* an answer in one datagram */

enum {
  DL_DNS_A = 1,
  DL_DNS_CNAME = 5,
  DL_DNS_AAAA = 28,
  DL_DNS_OPT = 41,
  DL_DNS_SVCB = 64,
  DL_DNS_HTTPS = 65,
  DL_DNS_ANY = 255
};
enum {
  DL_DNS_NO_ERROR = 0,
  DL_DNS_FORMAT_ERROR = 1,
  DL_DNS_SERVER_FAILURE = 2,
  DL_DNS_NO_NAME = 3,
  DL_DNS_NOT_IMPLEMENTED = 4
};

typedef struct {
  uint16_t id, type;
  char name[DL_DNS_NAME_MAX]; /* lower case, without a dot at its end */
  bool wants_recursion;
  bool has_opt; /* longer answers are welcome */
} dl_dns_query_t;

/* One question about one name of letters, digits, `-` and `_`, and nothing else but an OPT record. False for all other
 * messages. */
bool dl_dns_read_query(const uint8_t *bytes, size_t len, dl_dns_query_t *out);
/* The same question under the number `id`, made anew: nothing else of what the box has sent is in it. Its length. */
size_t dl_dns_write_query(const dl_dns_query_t *query, uint16_t id, uint8_t out[DL_DNS_QUERY_MAX]);
/* An answer without records. Its length. */
size_t dl_dns_write_answer(const dl_dns_query_t *query, int code, bool is_truncated,
                           uint8_t out[DL_DNS_QUERY_MAX]);

/* This is the answer to the question under that number. */
bool dl_dns_is_answer(const uint8_t *bytes, size_t len, const dl_dns_query_t *query, uint16_t id);

typedef struct {
  uint32_t address; /* host order */
  uint32_t seconds; /* for which it may be used */
} dl_dns_address_t;
#define DL_DNS_ADDRESSES_MAX 256
/* The IPv4 addresses of the name of an answer, by way of its aliases: at most `max` of them. -1: it does not parse. */
int dl_dns_read_addresses(const uint8_t *bytes, size_t len, const dl_dns_query_t *query,
                          dl_dns_address_t *out, size_t max);

/* A name is in a list of names, separated by commas, of which those with `*.` in front are all names below it. */
bool dl_dns_is_listed(const char *list, const char *name);

#endif
