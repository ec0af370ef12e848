/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a packet of the event socket: nothing falls, an event has a kind and an id that fit, and times are sane.
 */
#include <string.h>

#include "fuzz/target.h"
#include "wire/event_packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  daytona__event_packet_t packet;
  daytona__event_packet_read((const char *)data, size, &packet);
  FUZZ_CHECK(memchr(packet.noun, '\0', sizeof packet.noun) != NULL);
  FUZZ_CHECK(memchr(packet.id, '\0', sizeof packet.id) != NULL);
  if (packet.kind == DAYTONA__EVENT_CHANGE) FUZZ_CHECK(packet.noun[0] != '\0' && packet.id[0] != '\0');
  if (packet.kind == DAYTONA__EVENT_OPEN) {
    FUZZ_CHECK(packet.ping_interval_ms > 0 && packet.ping_interval_ms <= DAYTONA__EVENT_PING_MAX_MS);
    FUZZ_CHECK(packet.ping_timeout_ms > 0 && packet.ping_timeout_ms <= DAYTONA__EVENT_PING_MAX_MS);
  }
  return 0;
}
