/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The jail that buildah runs in: the role "image-jail" of this program, started by job.c.
 *
 *   image-jail --parent PID --ids Z:F:N:z:f [--ro FROM=TO] [--rw FROM=TO] [--copy FROM=TO] [--pack FOLDER] [--unpack FILE]...
 *              [--net host|private|none] [--forward HOST:PORT]... -- PROGRAM ARGS...
 *
 * The program runs as id 0 of a user namespace with N ids: id 0 is user Z and group z of the host, 1.. are F.. and f...
 * It has mount, PID, IPC and UTS namespaces of its own, and its network is the host's or one of its own (jail_net.h; none
 * if nothing is said), with --forward for what the host's loopback has. Its root is in memory and holds the host's /usr (read-only) and certificates, what --ro and --rw bind, and copies of the files of --copy, which only it
 * can read. --pack FOLDER: a tar file of the folder, with the owners that it has for the role's user, is at
 * DL_JAIL_PACKED. Tar files of --unpack are unpacked into DL_JAIL_CONTEXT first.
 *
 * SIGTERM to the group of the role kills all of it; the role ends when nothing is left.
 *
 * When the program ends, everything that it has started is killed, DL_JAIL_WORK is emptied, and the role ends with its
 * status. When the role or its parent is killed, the kernel kills all of it: process 1 of the jail dies with its
 * parent, and its PID namespace and mounts with it.
 *
 * Exit status 127: the jail could not be made; the last line on standard error says why.
 */
#ifndef DL_IMAGE_JAIL_H
#define DL_IMAGE_JAIL_H

#define DL_JAIL_EXIT 127
#define DL_JAIL_INVALID 126              /* a context cannot be used; the last line says why */
#define DL_JAIL_PROGRAM "/daytona-local" /* this program */
#define DL_JAIL_WORK "/job"
#define DL_JAIL_CONTEXT DL_JAIL_WORK "/context"
#define DL_JAIL_PACKED DL_JAIL_WORK "/root.tar"

int dl_image_jail_main(int argc, char **argv);

#endif
