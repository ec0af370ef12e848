/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Variables of build steps that are in no image, history or command line. buildah has no way to pass such ones, so it is given
 * a runtime of ours: the role "image-runtime REAL ARGS...", which adds them to the configuration of the container that is
 * about to be made and becomes the real runtime. What the image sets itself is left alone. A step whose mounts are not of the
 * build does not begin (mounts.h).
 */
#ifndef DL_IMAGE_VARIABLES_H
#define DL_IMAGE_VARIABLES_H

/* In the jail: NAME=VALUE, each ended by NUL. */
#define DL_IMAGE_VARIABLES "/etc/containers/build-env"

/* What it says before the reason why a step does not begin. */
#define DL_IMAGE_REFUSAL "daytona-local: refused: "

int dl_image_runtime_main(int argc, char **argv);

#endif
