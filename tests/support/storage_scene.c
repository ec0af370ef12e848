/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See storage_scene.h.
 */
#include "storage_scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "call/storage.h"
#include "check.h"
#include "core/future.h"
#include "local_files.h"

static int to_this_machine(const char *host, daytona__addresses_t *out) {
  (void)host;
  out->count = 1;
  return uv_ip4_addr("127.0.0.1", 0, (struct sockaddr_in *)&out->items[0]);
}

int storage_scene_open(void **state) {
  storage_scene_t *scene = calloc(1, sizeof *scene);
  api_scene_open(&scene->api);
  s3_peer_open(&scene->s3, &scene->api.uv);
  strcpy(scene->s3.host, "storage.example"); /* what goes to this machine itself is not signed */
  daytona__resolver_set_getaddrinfo(scene->api.client->resolver, to_this_machine);
  api_answer(&scene->api, STORAGE_ACCESS, 200, s3_peer_access(&scene->s3));
  strcpy(scene->folder, "/tmp/storage-XXXXXX");
  assert_non_null(mkdtemp(scene->folder));
  snprintf(scene->file, sizeof scene->file, "%s/file", scene->folder);
  daytona__storage_part_size = STORAGE_PART;
  *state = scene;
  return 0;
}

int storage_scene_close(void **state) {
  storage_scene_t *scene = *state;
  char command[96];
  if (scene->s3.bad != 0) fail_msg("%zu requests were wrong: %s", scene->s3.bad, scene->s3.why);
  s3_peer_close(&scene->s3);
  api_scene_close(&scene->api);
  daytona__storage_part_size = DAYTONA__STORAGE_PART_MAX;
  snprintf(command, sizeof command, "rm -r %s", scene->folder);
  free(scene);
  return system(command);
}

void storage_file(storage_scene_t *scene, size_t size) {
  char *bytes = local_pattern(size, (unsigned)size);
  local_write(scene->file, bytes, size);
  free(bytes);
}

void storage_file_of_parts(storage_scene_t *scene, int count) {
  storage_file(scene, (size_t)count * STORAGE_PART - 1536); /* a header and two empty blocks */
}

daytona_future_t *storage_upload(storage_scene_t *scene) {
  static const daytona_object_storage_upload_opts_t opts = {.archive_path = "f"};
  return daytona_object_storage_upload(scene->api.client, scene->file, &opts);
}

void storage_holds_file(storage_scene_t *scene) {
  struct stat facts;
  assert_int_equal(scene->s3.object_count, 1);
  assert_memory_equal(scene->s3.objects[0].key, "daytona/org-1/", 14);
  assert_string_equal(scene->s3.objects[0].key + 14 + 32, "/context.tar");
  const char *tar = scene->s3.objects[0].blob.bytes;
  assert_string_equal(tar, "f");
  assert_int_equal(stat(scene->file, &facts), 0);
  assert_true(scene->s3.objects[0].blob.size >= 512 + (size_t)facts.st_size);
  local_holds(scene->file, tar + 512, (size_t)facts.st_size);
}

void storage_until_requests(storage_scene_t *scene, size_t count) {
  while (scene->s3.requests < count) uv_run(&scene->api.uv, UV_RUN_ONCE);
}

void storage_hurry(storage_scene_t *scene, daytona_future_t *future) {
  while (daytona__future_is_pending(future)) {
    api_hurry(&scene->api, future, 200);
  }
}

void storage_until_clean(storage_scene_t *scene) {
  while (s3_peer_open_uploads(&scene->s3) != 0) uv_run(&scene->api.uv, UV_RUN_ONCE);
}
