/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libdaytona: the asynchronous C SDK for Daytona sandboxes, on libuv.
 *
 * One thread, one loop, thousands of sandboxes. Start with <daytona/client.h> and
 * <daytona/future.h>; each noun has a header of its own.
 */
#ifndef DAYTONA_DAYTONA_H
#define DAYTONA_DAYTONA_H

#include <daytona/accessibility.h>
#include <daytona/build.h>
#include <daytona/chart.h>
#include <daytona/client.h>
#include <daytona/computer_use.h>
#include <daytona/display.h>
#include <daytona/error.h>
#include <daytona/fs.h>
#include <daytona/future.h>
#include <daytona/git.h>
#include <daytona/image.h>
#include <daytona/interpreter.h>
#include <daytona/keyboard.h>
#include <daytona/log.h>
#include <daytona/lsp.h>
#include <daytona/memory.h>
#include <daytona/mouse.h>
#include <daytona/object_storage.h>
#include <daytona/process.h>
#include <daytona/promise.h>
#include <daytona/pty.h>
#include <daytona/recording.h>
#include <daytona/sandbox.h>
#include <daytona/screenshot.h>
#include <daytona/secret.h>
#include <daytona/session.h>
#include <daytona/snapshot.h>
#include <daytona/stats.h>
#include <daytona/stream.h>
#include <daytona/telemetry.h>
#include <daytona/types.h>
#include <daytona/volume.h>
#include <daytona/warm_pool.h>

#endif
