/*
 * The kinds of results that futures have, each with its public accessor: X(accessor, C type, name for messages).
 *
 * daytona__type_<accessor> is the tag of a result, daytona_future_<accessor>() gives it out. Those of the second list
 * need more than a name, or belong to a lower layer: whoever makes them defines the tag.
 */
#ifndef DAYTONA_CALL_RESULTS_H
#define DAYTONA_CALL_RESULTS_H

#include <daytona/daytona.h>

#include "core/future.h"

#define DAYTONA__PLAIN_RESULT_MAP(X)                                    \
  X(file_info, const daytona_file_info_t *, "file info")                \
  X(file_list, const daytona_file_list_t *, "file list")                \
  X(file_match_list, const daytona_file_match_list_t *, "file matches") \
  X(git_branches, const daytona_git_branches_t *, "git branches")       \
  X(git_status, const daytona_git_status_t *, "git status")             \
  X(replace_result_list, const daytona_replace_result_list_t *, "replace results")

#define DAYTONA__RESULT_MAP(X) DAYTONA__PLAIN_RESULT_MAP(X)

#define DAYTONA__DECLARE_TYPE(accessor, c_type, label) extern const daytona__type_t daytona__type_##accessor;
DAYTONA__RESULT_MAP(DAYTONA__DECLARE_TYPE)
#undef DAYTONA__DECLARE_TYPE

#endif
