/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashes of contexts by the library: reads lines "PATH<tab>NAME" and prints a hash for each, or "error". Without a tab
 * the name is that which the path has by default.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <daytona/daytona.h>

#include "wire/archive.h"

int main(void) {
  char line[8192], name[8192];
  while (fgets(line, sizeof line, stdin) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    char *tab = strchr(line, '\t');
    if (tab != NULL) *tab++ = '\0';
    if (tab == NULL && daytona_object_storage_parse_archive_path(line, name, sizeof name) != 0) return 1;
    daytona__archive_t *archive = daytona__archive_new(line, tab != NULL ? tab : name);
    int rc;
    if (archive == NULL) return 1;
    while ((rc = daytona__archive_hash(archive, 1 << 20)) == 0) continue;
    printf("%s\n", rc == 1 ? daytona__archive_hash_text(archive) : "error");
    daytona__archive_free(archive);
  }
  return 0;
}
