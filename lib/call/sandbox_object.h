/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a sandbox object, for the services.
 */
#ifndef DAYTONA_CALL_SANDBOX_OBJECT_H
#define DAYTONA_CALL_SANDBOX_OBJECT_H

#include <daytona/sandbox.h>

#include "core/arena.h"
#include "core/future.h"
#include "json/codec.h"

/* One response of the server with the memory of everything in it; a list page has several sandboxes in one. */
typedef struct daytona__sandbox_data {
  daytona__arena_t arena;
  unsigned refs;
} daytona__sandbox_data_t;

/* A decoded sandbox: the public part first, then what becomes part of it. */
typedef struct daytona__sandbox_dto {
  daytona_sandbox_info_t info;
  struct {
    const char *dockerfile;
    const char *snapshot_ref;
  } build;
} daytona__sandbox_dto_t;

struct daytona_sandbox {
  unsigned refs;
  daytona_client_t *client; /* retained */
  char *id;
  daytona__sandbox_data_t *data;
  daytona__sandbox_data_t *labels;    /* holds labels set since that answer; NULL: they are in data */
  const daytona_sandbox_info_t *info; /* in data */
  char *toolbox_url;                  /* base of toolbox calls with the id; NULL: not known yet */
  const char *signing_key;            /* of its files, wiped with the object; NULL: none is known */
  int64_t signing_key_ms;             /* when that was read, on the loop's clock */
  bool creates_ptys_in_turn;          /* its daemon does not create a terminal and attach to it in one step */
};

extern const daytona__json_model_t daytona__sandbox_model;      /* a daytona__sandbox_dto_t */
extern const daytona__json_model_t daytona__volume_mount_model; /* a daytona_volume_mount_t */
extern const daytona__type_t daytona__type_sandbox;             /* a daytona_sandbox_t, one reference */

daytona__sandbox_data_t *daytona__sandbox_data_new(void);
void daytona__sandbox_data_release(daytona__sandbox_data_t *data);

/* Fill in what follows from other members: the state's number, the build. For each decoded DTO. */
void daytona__sandbox_dto_finish(daytona__sandbox_dto_t *dto);

/* DAYTONA_SANDBOX_UNKNOWN for a name that is NULL or not known. */
daytona_sandbox_state_t daytona__sandbox_state_named(const char *name);

/* A new object for `dto`, which lies in `data`. Both are retained. NULL without memory. */
daytona_sandbox_t *daytona__sandbox_new(daytona_client_t *client, daytona__sandbox_data_t *data,
                                        daytona__sandbox_dto_t *dto);

/* Bring `sandbox` up to date with a response about it. */
void daytona__sandbox_update(daytona_sandbox_t *sandbox, daytona__sandbox_data_t *data,
                             daytona__sandbox_dto_t *dto);

/* Show a copy of `labels`, which the server has taken over. 0 or DAYTONA_ENOMEM. */
int daytona__sandbox_set_labels(daytona_sandbox_t *sandbox, const daytona_map_t *labels);

/* Note a state learned otherwise: a 404 means DESTROYED. */
void daytona__sandbox_set_state(daytona_sandbox_t *sandbox, daytona_sandbox_state_t state);

/* Why a toolboxProxyUrl is not used. */
typedef enum daytona__toolbox_fault {
  DAYTONA__TOOLBOX_FINE,
  DAYTONA__TOOLBOX_UNNAMED,
  DAYTONA__TOOLBOX_NO_URL, /* or one with an invalid host */
  DAYTONA__TOOLBOX_PLAIN   /* http, and the control plane is https */
} daytona__toolbox_fault_t;

/* Whether a URL that the server names may be sent the credentials; `base` becomes its normalised form when there is no
   fault. 0 or DAYTONA_ENOMEM. */
struct daytona__settings;
int daytona__toolbox_check(const struct daytona__settings *settings, const char *proxy_url,
                           daytona__arena_t *scratch, const char **base, daytona__toolbox_fault_t *fault);

/* Set the base of toolbox calls from a toolboxProxyUrl; one with a fault changes nothing. 0 or DAYTONA_ENOMEM.
   `fault` may be NULL. */
int daytona__sandbox_set_toolbox(daytona_sandbox_t *sandbox, const char *proxy_url,
                                 daytona__toolbox_fault_t *fault);

#endif
