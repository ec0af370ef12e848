/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole trees of files: remove and copy. Both answer 0 or errno with *failed naming the path (yours
 * to free). They block.
 */
#ifndef DL_TREE_H
#define DL_TREE_H

/* A file, a link (never what it leads to) or a folder with all that is in it. */
int dl_tree_remove(const char *path, char **failed);
/* To a path that does not exist. Modes and times are kept, links are copied as links. */
int dl_tree_copy(const char *from, const char *to, char **failed);

#endif
