/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Creating sandboxes, and the rules that the setters share with it.
 */
#ifndef DL_CREATE_H
#define DL_CREATE_H

#include "control/life/network.h"
#include "control/routes/answer.h"

#define DL_ARCHIVE_MAX_MINUTES 43200

void dl_create_sandbox(dl_req_t *req, void *control);
/* What the sandbox runs on, from a snapshot by id or name; NULL: the default one. False when the request was answered. */
bool dl_take_snapshot(dl_control_t *c, dl_req_t *req, dl_sandbox_t *sb, const char *id_or_name);
/* What `secrets` of a body asks for, [{VARIABLE: NAME}], as {VARIABLE: id}: replaces *slot. Absent: it stays. *hosts becomes
 * what a sandbox with them may reach (dl_secret_narrow). False when the request was answered: then both are as they were. */
bool dl_take_secrets(dl_control_t *c, dl_req_t *req, const json_t *body, json_t **slot, char **hosts);
/* Network settings that this machine cannot enforce are refused, unless an option says to store them all the same. */
void dl_check_enforceable(dl_control_t *c, dl_check_t *k, const dl_network_settings_t *settings);
/* A living sandbox has it as name or id. */
bool dl_name_is_taken(const dl_control_t *c, const char *name);
int64_t dl_clamp_archive(int64_t minutes);
/* Why it cannot be paused by itself; NULL: it can. A static text. */
const char *dl_why_no_auto_pause(const dl_sandbox_t *sb);

#endif
