/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the servers of streams send, so that the clients know when they have it all: blocks of frames, as large as a
 * toolbox makes them. Of a terminal 4096 bytes, which is what the kernel gives of one at a time; of a log 1024,
 * cut out of lines of which each begins with a mark.
 */
#ifndef BENCH_STREAM_BLOCKS_H
#define BENCH_STREAM_BLOCKS_H

enum {
  FRAME_HEAD = 4,
  TERMINAL_FRAME = 4096,
  TERMINAL_FRAMES = 64,
  TERMINAL_BYTES = TERMINAL_FRAMES * TERMINAL_FRAME,
  LOG_FRAME = 1024,
  LOG_FRAMES = 324,
  LOG_MARK = 3,
  LOG_FIRST = 6, /* the line before the blocks */
  LOG_LINE = 81, /* with mark and newline; whole lines fill a block */
  LOG_BYTES = LOG_FRAMES * LOG_FRAME / LOG_LINE * (LOG_LINE - LOG_MARK),
  TERMINAL_WIRE = TERMINAL_FRAMES * (FRAME_HEAD + TERMINAL_FRAME),
  LOG_WIRE = LOG_FRAMES * (FRAME_HEAD + LOG_FRAME),

  /* What is typed and comes back: messages of this size, and so much on its way at most. */
  TYPED_SIZE = 4096,
  ECHO_SIZE = 64 * 1024, /* of the bare client that sends itself what the library is sent */
  TYPED_WINDOW = 256 * 1024
};

#endif
