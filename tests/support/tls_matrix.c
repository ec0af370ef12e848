/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates for the TLS tests; see tls_matrix.h. One shell script makes them all: `openssl ca` is used
 * because only it takes dates in the past and in the future.
 */
#include "support/tls_matrix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[64];

static const char script[] =
  "set -e; extra=; cd \"$1\"; exec >log 2>&1; : >db; : >empty.pem; mkdir new\n"
  "cat >cnf <<EOF\n"
  "[ca]\ndefault_ca=x\n[x]\ndatabase=db\nnew_certs_dir=new\nrand_serial=yes\ndefault_md=sha256\n"
  "policy=p\nemail_in_dn=no\nunique_subject=no\n[p]\ncommonName=supplied\n"
  "[req]\ndistinguished_name=dn\n[dn]\n[v3ca]\nbasicConstraints=critical,CA:true\n"
  "subjectKeyIdentifier=hash\nkeyUsage=keyCertSign,cRLSign\n"
  "EOF\n"
  "key() { openssl ecparam -name prime256v1 -genkey -noout -out $1.key; }\n"
  "root() { key $1; openssl req -x509 -new -key $1.key -sha256 -days 30 -subj \"/CN=$2\""
  " -config cnf -extensions v3ca -out $1.pem; }\n"
  "# sign NAME CN SAN START END ISSUER\n"
  "sign() { openssl req -new -key $1.key -subj \"/CN=$2\" -config cnf -out $1.csr\n"
  " printf 'basicConstraints=%s\\n' \"${7:-CA:false}\" >$1.ext\n"
  " if [ -n \"$3\" ]; then printf 'subjectAltName=%s\\n' \"$3\" >>$1.ext; fi\n"
  " if [ -n \"$extra\" ]; then printf '%s\\n' \"$extra\" >>$1.ext; fi\n"
  " openssl ca -batch -config cnf -cert $6.pem -keyfile $6.key -in $1.csr -out $1.pem -notext"
  " -startdate $4 -enddate $5 -extfile $1.ext; }\n"
  "now=20200101000000Z; end=20991231000000Z\n"
  "root ca 'Test Root'; root other_ca 'Other Root'\n"
  "for n in good wildcard top top_common top_and_name address other_address wrong expired future client "
  "inner chain sha1 common_name"
  " revoked stranger locked under_weak under_leaf; do key $n; done\n"
  "openssl genrsa -out weak.key 1024; openssl genrsa -out weak_inner.key 1024\n"
  "sign good localhost DNS:localhost $now $end ca\n"
  "sign wildcard wild 'DNS:*.wild.localhost' $now $end ca\n"
  "sign top top 'DNS:*.localhost' $now $end ca\n"
  "sign top_common '*.localhost' '' $now $end ca\n"
  "sign top_and_name top 'DNS:*.localhost,DNS:b.localhost' $now $end ca\n"
  "sign address address 'DNS:localhost,IP:127.0.0.1,IP:::1' $now $end ca\n"
  "sign other_address 127.0.0.1 'IP:127.0.0.2,DNS:127.0.0.1' $now $end ca\n"
  "sign wrong localhost DNS:elsewhere.localhost $now $end ca\n"
  "sign expired localhost DNS:localhost $now 20210101000000Z ca\n"
  "sign future localhost DNS:localhost 20900101000000Z $end ca\n"
  "sign client client '' $now $end ca\n"
  "sign weak localhost DNS:localhost $now $end ca\n"
  "sign inner 'Test Inner' '' $now $end ca critical,CA:true\n"
  "sign chain localhost DNS:localhost $now $end inner; cat inner.pem >>chain.pem\n"
  "sign weak_inner 'Weak Inner' '' $now $end ca critical,CA:true\n"
  "sign under_weak localhost DNS:localhost $now $end weak_inner; cat weak_inner.pem >>under_weak.pem\n"
  "sign under_leaf localhost DNS:localhost $now $end good; cat good.pem >>under_leaf.pem\n"
  "sed s/sha256/sha1/ cnf >cnf1; mv cnf cnf2; mv cnf1 cnf; sign sha1 localhost DNS:localhost $now $end ca; "
  "mv cnf2 cnf\n"
  "sign common_name localhost '' $now $end ca\n"
  "extra='crlDistributionPoints=URI:http://127.0.0.1:9/crl'; sign revoked localhost DNS:localhost $now $end "
  "ca; extra=\n"
  "openssl ca -config cnf -cert ca.pem -keyfile ca.key -revoke revoked.pem\n"
  "sign stranger client '' $now $end other_ca; cp client.pem mixed.pem; cp good.key mixed.key\n"
  "openssl req -new -key locked.key -subj /CN=client -config cnf -out locked.csr; sign locked client '' $now "
  "$end ca\n"
  "openssl ec -aes256 -passout pass:secret -in locked.key -out locked2.key; mv locked2.key locked.key\n"
  "for n in ca other_ca; do mkdir ${n}s; cp $n.pem ${n}s; openssl rehash ${n}s; done\n"
  "key self_signed; openssl req -x509 -new -key self_signed.key -sha256 -days 30 -subj /CN=localhost"
  " -config cnf -addext subjectAltName=DNS:localhost -out self_signed.pem\n";

/* The script on sh's standard input: no file of its own, no quoting. */
static int run_script(void) {
  char command[128];
  snprintf(command, sizeof command, "sh -s -- '%s'", directory);
  FILE *shell = popen(command, "w");
  if (shell == NULL) return -1;
  fputs(script, shell);
  return pclose(shell);
}

const char *tls_certificates_make(void) {
  if (system("command -v openssl >/dev/null 2>&1") != 0) return NULL;
  strcpy(directory, "/tmp/tls-matrix-XXXXXX");
  if (mkdtemp(directory) == NULL) return NULL;
  if (run_script() == 0) return directory;
  fprintf(stderr, "# openssl failed, see %s/log\n", directory);
  abort();
}

void tls_certificates_remove(void) {
  char command[128];
  if (directory[0] == '\0') return;
  snprintf(command, sizeof command, "rm -rf '%s'", directory);
  if (system(command) != 0) fprintf(stderr, "# %s stays\n", directory);
}

void tls_certificate_path(const char *name, const char *suffix, char *out, size_t size) {
  snprintf(out, size, "%s/%s%s", directory, name, suffix);
}

void tls_case_options(const tls_case_t *test, daytona__tls_options_t *options) {
  static char ca[256], cert[256], key[256], name[64];
  if (test->ca == NULL) {
    options->is_unverified = true;
  } else {
    bool is_path = test->ca[strlen(test->ca) - 1] == '/';
    tls_certificate_path(test->ca, "", ca, sizeof ca);
    if (is_path) ca[strlen(ca) - 1] = '\0';
    *(is_path ? &options->ca_path : &options->ca_file) = ca;
  }
  if (test->client == NULL) return;
  size_t size = strcspn(test->client, ":");
  snprintf(name, sizeof name, "%.*s", (int)size, test->client);
  tls_certificate_path(name, ".pem", cert, sizeof cert);
  tls_certificate_path(name, ".key", key, sizeof key);
  options->client_cert = cert;
  options->client_key = key;
  if (test->client[size] == ':') options->client_key_password = test->client + size + 1;
}

const char *tls_certificate_renew(const char *from) {
  static char to[256];
  char source[256], fresh[256], bytes[65536];
  tls_certificate_path(from, "", source, sizeof source);
  tls_certificate_path("renewed", ".new", fresh, sizeof fresh);
  tls_certificate_path("renewed", ".pem", to, sizeof to);
  FILE *in = fopen(source, "rb"), *out = fopen(fresh, "wb");
  if (in == NULL || out == NULL) abort();
  size_t size = fread(bytes, 1, sizeof bytes, in);
  if (fwrite(bytes, 1, size, out) != size) abort();
  fclose(in);
  if (fclose(out) != 0 || rename(fresh, to) != 0) abort();
  return to;
}
