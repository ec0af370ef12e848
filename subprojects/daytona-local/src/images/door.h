/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the command line reaches the images of a server that runs: a Unix socket in the store's folder, which only the server's
 * user and root can reach. What a client names (a file to import, say) is opened with the rights of the server, which is
 * why these commands are no calls of the HTTP server.
 *
 * One command per connection, a line of JSON:
 *   {"command": "import", "name": NAME, "path": ABSOLUTE} | {"command": "remove", "name": NAME}
 *   {"command": "list"} | {"command": "prune"}
 * Lines of JSON come back: {"log": TEXT} as it happens, {"image": {...}} for each of a list or the one that was made, and at
 * the end {"error": NULL-OR-TEXT, "diskBytes": N}. A client that goes away cancels what it has begun.
 */
#ifndef DL_IMAGE_DOOR_H
#define DL_IMAGE_DOOR_H

#include "base/jsonx.h"
#include "images/images.h"

typedef struct dl_image_door dl_image_door_t;

/* In the folder of the images of `state_dir`. NULL and *error when it cannot be made. */
dl_image_door_t *dl_image_door_open(uv_loop_t *loop, dl_images_t *images, const char *state_dir,
                                    char **error);
/* Closes connections, cancels their jobs, and reports when no job of theirs is left. Before the images are closed. */
void dl_image_door_close(dl_image_door_t *door, void (*on_closed)(void *user), void *user);

/* For both ends: its address through a descriptor of the folder of the images, since that of a socket must be short. Yours
 * to free. */
char *dl_image_door_address(int folder_fd);

/* One command without a socket. `emit` is given each line as an object (borrowed); the last has "error". */
typedef struct dl_image_command dl_image_command_t;
dl_image_command_t *dl_image_command_begin(uv_loop_t *loop, dl_images_t *images, const json_t *command,
                                           void (*emit)(const json_t *line, bool is_last, void *user),
                                           void *user);
/* Nothing more is emitted but the last line. */
void dl_image_command_cancel(dl_image_command_t *c);

#endif
