/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every public header needs from the compiler: visibility and C linkage.
 * Only symbols marked DAYTONA_API are exported by the shared library.
 */
#ifndef DAYTONA_EXPORT_H
#define DAYTONA_EXPORT_H

#if defined(__GNUC__) || defined(__clang__)
#define DAYTONA_API __attribute__((visibility("default")))
#else
#define DAYTONA_API
#endif

#ifdef __cplusplus
#define DAYTONA_BEGIN extern "C" {
#define DAYTONA_END }
#else
#define DAYTONA_BEGIN
#define DAYTONA_END
#endif

#endif
