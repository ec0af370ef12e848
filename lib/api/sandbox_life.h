/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What sandboxes are waited for.
 */
#ifndef DAYTONA_API_SANDBOX_LIFE_H
#define DAYTONA_API_SANDBOX_LIFE_H

#include "call/life.h"

extern const daytona__wait_rule_t daytona__wait_started;

#endif
