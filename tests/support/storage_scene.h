/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client, a control plane and an object storage on one loop, and a local file to be uploaded in small parts.
 */
#ifndef TESTS_SUPPORT_STORAGE_SCENE_H
#define TESTS_SUPPORT_STORAGE_SCENE_H

#include "api_scene.h"
#include "s3_peer.h"

#define STORAGE_ACCESS "GET /api/object-storage/push-access"

enum { STORAGE_PART = 4096 };

typedef struct storage_scene {
  api_scene_t api;
  s3_peer_t s3;
  char folder[64];
  char file[80];
} storage_scene_t;

/* Setup and teardown for cmocka; *state is the scene. The latter checks that the storage has seen no wrong request. */
int storage_scene_open(void **state);
int storage_scene_close(void **state);

/* Make the local file: of so many bytes, or such that its archive is so many parts. Its content depends on the size. */
void storage_file(storage_scene_t *scene, size_t size);
void storage_file_of_parts(storage_scene_t *scene, int count);

/* Begin the upload of the file as "f". */
daytona_future_t *storage_upload(storage_scene_t *scene);

/* The object is there, alone, and is the archive of the file. */
void storage_holds_file(storage_scene_t *scene);

/* Turn the loop until the storage was asked so often. */
void storage_until_requests(storage_scene_t *scene, size_t count);

/* Let time pass until the future has settled. */
void storage_hurry(storage_scene_t *scene, daytona_future_t *future);

/* Turn the loop until no upload is open in the storage. */
void storage_until_clean(storage_scene_t *scene);

#endif
