/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What has to come of a TLS connection in each case, for libcurl's stack and for mbedTLS alike: one
 * table, walked by the tests of both. Certificates are made by openssl(1) when the test begins.
 *
 * Host names end in "localhost", which the resolver answers without asking anybody. A revoked certificate is
 * in the table as one that works: neither stack looks at revocation lists, and the documentation says so.
 */
#ifndef TESTS_SUPPORT_TLS_MATRIX_H
#define TESTS_SUPPORT_TLS_MATRIX_H

#include <stdbool.h>
#include <stddef.h>

#include <daytona/error.h>

#include "net/options.h"

/* What the server does besides a proper handshake. */
typedef enum tls_fault {
  TLS_FAULT_NONE,
  TLS_FAULT_CUT,       /* ends the connection at the client's first bytes */
  TLS_FAULT_GARBAGE,   /* answers in plain HTTP */
  TLS_FAULT_OLD,       /* says that it knows no version the client offers */
  TLS_FAULT_OLD_HELLO, /* chooses TLS 1.1 */
  TLS_FAULT_RESET,     /* resets the connection at the client's first bytes */
  TLS_FAULT_TRUNCATE,  /* ends the connection in the middle of its response */
  TLS_FAULT_ALERT,     /* finishes the handshake, and then refuses the client, as with TLS 1.3 */
  TLS_FAULT_STALL      /* takes the client's first bytes and says nothing */
} tls_fault_t;

typedef struct tls_case {
  const char *name;
  const char *server; /* NAME.pem (chain) and NAME.key in the directory */
  const char *host;   /* in the URL */
  const char *ca;     /* ca_file in the directory; one that ends with "/" is a ca_path; NULL: is_unverified */
  const char *client; /* client certificate NAME.pem, NAME.key, perhaps ":" and its password; NULL: none */
  bool asks_client;   /* the server insists on a client certificate of ca.pem */
  tls_fault_t fault;
  daytona_errcode_t expected; /* DAYTONA_OK: the connection works */
} tls_case_t;

static const tls_case_t tls_cases[] = {
  {"good", "good", "localhost", "ca.pem", NULL, false, TLS_FAULT_NONE, DAYTONA_OK},
  {"good_through_an_intermediate", "chain", "localhost", "ca.pem", NULL, false, TLS_FAULT_NONE, DAYTONA_OK},
  {"wildcard", "wildcard", "a.wild.localhost", "ca.pem", NULL, false, TLS_FAULT_NONE, DAYTONA_OK},
  {"wildcard_spans_one_label", "wildcard", "a.b.wild.localhost", "ca.pem", NULL, false, TLS_FAULT_NONE,
   DAYTONA_ETLS},
  {"wildcard_is_not_its_parent", "wildcard", "wild.localhost", "ca.pem", NULL, false, TLS_FAULT_NONE,
   DAYTONA_ETLS},
  {"address_in_certificate", "address", "127.0.0.1", "ca.pem", NULL, false, TLS_FAULT_NONE, DAYTONA_OK},
  {"address_not_in_certificate", "good", "127.0.0.1", "ca.pem", NULL, false, TLS_FAULT_NONE, DAYTONA_ETLS},
  {"other_address_in_certificate", "other_address", "127.0.0.1", "ca.pem", NULL, false, TLS_FAULT_NONE,
   DAYTONA_ETLS},
  {"wrong_host", "wrong", "localhost", "ca.pem", NULL, false, TLS_FAULT_NONE, DAYTONA_ETLS},
  {"expired", "expired", "localhost", "ca.pem", NULL, false, TLS_FAULT_NONE, DAYTONA_ETLS},
  {"not_yet_valid", "future", "localhost", "ca.pem", NULL, false, TLS_FAULT_NONE, DAYTONA_ETLS},
  {"unknown_ca", "good", "localhost", "other_ca.pem", NULL, false, TLS_FAULT_NONE, DAYTONA_ETLS},
  {"self_signed", "self_signed", "localhost", "ca.pem", NULL, false, TLS_FAULT_NONE, DAYTONA_ETLS},
  {"self_signed_and_trusted", "self_signed", "localhost", "self_signed.pem", NULL, false, TLS_FAULT_NONE,
   DAYTONA_OK},
  {"weak_key", "weak", "localhost", "ca.pem", NULL, false, TLS_FAULT_NONE, DAYTONA_ETLS},
  {"weak_authority", "under_weak", "localhost", "ca.pem", NULL, false, TLS_FAULT_NONE, DAYTONA_ETLS},
  {"weak_signature", "sha1", "localhost", "ca.pem", NULL, false, TLS_FAULT_NONE, DAYTONA_ETLS},
  {"issuer_is_no_authority", "under_leaf", "localhost", "ca.pem", NULL, false, TLS_FAULT_NONE, DAYTONA_ETLS},
  {"common_name_only", "common_name", "localhost", "ca.pem", NULL, false, TLS_FAULT_NONE, DAYTONA_OK},
  {"revoked_is_not_looked_up", "revoked", "localhost", "ca.pem", NULL, false, TLS_FAULT_NONE, DAYTONA_OK},
  {"ca_path", "good", "localhost", "cas/", NULL, false, TLS_FAULT_NONE, DAYTONA_OK},
  {"ca_path_with_others", "good", "localhost", "other_cas/", NULL, false, TLS_FAULT_NONE, DAYTONA_ETLS},
  {"unverified", "expired", "localhost", NULL, NULL, false, TLS_FAULT_NONE, DAYTONA_OK},
  {"unverified_address", "wrong", "127.0.0.1", NULL, NULL, false, TLS_FAULT_NONE, DAYTONA_OK},
  {"no_such_ca_file", "good", "localhost", "absent.pem", NULL, false, TLS_FAULT_NONE, DAYTONA_ETLS},
  {"ca_file_without_certificate", "good", "localhost", "empty.pem", NULL, false, TLS_FAULT_NONE,
   DAYTONA_ETLS},
  {"client_certificate", "good", "localhost", "ca.pem", "client", true, TLS_FAULT_NONE, DAYTONA_OK},
  {"client_certificate_missing", "good", "localhost", "ca.pem", NULL, true, TLS_FAULT_NONE, DAYTONA_ETLS},
  {"client_certificate_absent_file", "good", "localhost", "ca.pem", "absent", true, TLS_FAULT_NONE,
   DAYTONA_ETLS},
  {"client_certificate_of_a_stranger", "good", "localhost", "ca.pem", "stranger", true, TLS_FAULT_NONE,
   DAYTONA_ETLS},
  {"client_certificate_with_another_key", "good", "localhost", "ca.pem", "mixed", true, TLS_FAULT_NONE,
   DAYTONA_ETLS},
  {"client_key_with_a_password", "good", "localhost", "ca.pem", "locked:secret", true, TLS_FAULT_NONE,
   DAYTONA_OK},
  {"client_key_with_a_wrong_password", "good", "localhost", "ca.pem", "locked:other", true, TLS_FAULT_NONE,
   DAYTONA_ETLS},
  {"client_refused_after_the_handshake", "good", "localhost", "ca.pem", NULL, false, TLS_FAULT_ALERT,
   DAYTONA_ETLS},
  {"handshake_reset", "good", "localhost", "ca.pem", NULL, false, TLS_FAULT_RESET, DAYTONA_ETLS},
  {"handshake_truncated", "good", "localhost", "ca.pem", NULL, false, TLS_FAULT_TRUNCATE, DAYTONA_ETLS},
  {"version_too_old_chosen", "good", "localhost", "ca.pem", NULL, false, TLS_FAULT_OLD_HELLO, DAYTONA_ETLS},
  {"handshake_cut", "good", "localhost", "ca.pem", NULL, false, TLS_FAULT_CUT, DAYTONA_ETLS},
  {"handshake_garbage", "good", "localhost", "ca.pem", NULL, false, TLS_FAULT_GARBAGE, DAYTONA_ETLS},
  {"version_too_old", "good", "localhost", "ca.pem", NULL, false, TLS_FAULT_OLD, DAYTONA_ETLS},
  {"handshake_stalled", "good", "localhost", "ca.pem", NULL, false, TLS_FAULT_STALL,
   DAYTONA_ECONNECT_TIMEOUT},
  {"wildcard_of_a_top_level", "top", "a.localhost", "ca.pem", NULL, false, TLS_FAULT_NONE, DAYTONA_ETLS},
  {"wildcard_of_a_top_level_as_common_name", "top_common", "a.localhost", "ca.pem", NULL, false,
   TLS_FAULT_NONE, DAYTONA_ETLS},
  {"name_beside_such_a_wildcard", "top_and_name", "b.localhost", "ca.pem", NULL, false, TLS_FAULT_NONE,
   DAYTONA_OK},
  {"final_dot", "good", "localhost.", "ca.pem", NULL, false, TLS_FAULT_NONE, DAYTONA_OK},
  {"wildcard_and_a_final_dot", "wildcard", "a.wild.localhost.", "ca.pem", NULL, false, TLS_FAULT_NONE,
   DAYTONA_OK},
  {"final_dot_of_another_host", "wrong", "localhost.", "ca.pem", NULL, false, TLS_FAULT_NONE, DAYTONA_ETLS},
};

enum { TLS_CASES = sizeof tls_cases / sizeof *tls_cases };

/* Make all certificates in a fresh directory; its name (static), or NULL when there is no openssl(1). */
const char *tls_certificates_make(void);
void tls_certificates_remove(void);

/* What `test` says about trust and the client, into `options`; its strings live until the next call. */
void tls_case_options(const tls_case_t *test, daytona__tls_options_t *options);

/* "DIR/NAME" into `out`. */
void tls_certificate_path(const char *name, const char *suffix, char *out, size_t size);

/* Put DIR/FROM in the place of DIR/renewed.pem at once, as who renews a file does, and tell its name. */
const char *tls_certificate_renew(const char *from);

#endif
