/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening TCP ports, read from the kernel's tables on every request. IPv6 listeners count too:
 * the platform leaves them out, and then a Node server seems not to be there.
 */
#include "toolbox/port/port.h"

#include "toolbox/core/reply.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATE_LISTEN 0x0a
#define FIRST_ASKABLE 3000
#define LAST_ASKABLE 9999

bool dl_tb_port_parse(const char *text, int *out) {
  size_t len = strlen(text);
  if (len == 0 || len > 5 || strspn(text, "0123456789") != len) return false;
  int port = atoi(text);
  if (port < 1 || port > 65535) return false;
  *out = port;
  return true;
}

static void mark_ports(const char *table, unsigned char seen[65536 / 8]) {
  FILE *f = fopen(table, "re");
  char line[512];
  while (f != NULL && fgets(line, sizeof line, f) != NULL) {
    unsigned port, state;
    if (sscanf(line, " %*u: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x", &port, &state) != 2) continue;
    if (state == STATE_LISTEN && port < 65536) seen[port / 8] |= (unsigned char)(1u << port % 8);
  }
  if (f != NULL) fclose(f);
}

static void read_ports(unsigned char seen[65536 / 8]) {
  memset(seen, 0, 65536 / 8);
  mark_ports("/proc/self/net/tcp", seen);
  mark_ports("/proc/self/net/tcp6", seen);
}

static void on_list(dl_req_t *req, void *user) {
  unsigned char seen[65536 / 8];
  (void)user;
  read_ports(seen);
  json_t *ports = json_array();
  for (int port = 1; port < 65536; port++)
    if (seen[port / 8] >> port % 8 & 1) json_array_append_new(ports, json_integer(port));
  dl_tb_reply_json(req, 200, json_pack("{s:o}", "ports", ports));
}

static void on_in_use(dl_req_t *req, void *user) {
  unsigned char seen[65536 / 8];
  int port = 0;
  (void)user;
  if (!dl_tb_port_parse(dl_req_param(req, "port"), &port) || port < FIRST_ASKABLE || port > LAST_ASKABLE) {
    dl_tb_reply_error(req, 400, "invalid port: must be a number from %d to %d", FIRST_ASKABLE, LAST_ASKABLE);
    return;
  }
  read_ports(seen);
  dl_tb_reply_json(req, 200, json_pack("{s:b}", "isInUse", seen[port / 8] >> port % 8 & 1));
}

static const dl_route_t ROUTES[] = {{"GET", "/port", on_list, 0},
                                    {"GET", "/port/{port}/in-use", on_in_use, 0}};
const dl_route_table_t DL_TB_PORT_ROUTES = {ROUTES, DL_COUNT(ROUTES)};
