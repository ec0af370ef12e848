/*
 * What streams have in common: log follows and terminals. (A run of the interpreter is one, too, but its end is
 * the result or the error of its future; daytona_future_stream_reason() names the reason of that as well.)
 *
 * Bytes come through callbacks; pause and resume hold them back; and each stream ends with exactly one verdict:
 * an exit code, or a named reason why there is none.
 *
 * Unless a function says otherwise:
 *   Thread: loop.  In callbacks: yes.  After close: allowed, they only look.
 *   Arguments: borrowed for the call. NULL is a future that has not settled.
 *   Cannot fail.
 *
 * What every stream does:
 *   Callbacks come from turns of the loop, never inside a call, never after the verdict (but a terminal's callback that
 *   is set only then gets what was kept) or after the report of the client's close, and may do anything.
 *   Paused: nothing is handed on, and the verdict waits, too. Pausing in a callback takes effect at once: what has come
 *   already is kept.
 *   Alive: a connection on which nothing was heard for 20 s is asked, and given up when 20 more pass without an answer.
 *   A run of the interpreter may wait for its turn without being read: before its first output it is given up only when
 *   what was asked does not even reach the other machine.
 *   Limits hold to within 50 ms of a loop that is not kept busy.
 */
#ifndef DAYTONA_STREAM_H
#define DAYTONA_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daytona/export.h>
#include <daytona/future.h>

DAYTONA_BEGIN

/** How a stream ended. X(name, value, text): numbers never change once released. */
#define DAYTONA_STREAM_REASON_MAP(X)                                                                 \
  X(DAYTONA_STREAM_EXITED, 1, "exited")           /* the process ended: exit_code is set */          \
  X(DAYTONA_STREAM_KILLED, 2, "killed")           /* its session was deleted, or it was killed */    \
  X(DAYTONA_STREAM_LOST, 3, "connection lost")    /* and what it was attached to may still run */    \
  X(DAYTONA_STREAM_SLOW_READER, 4, "slow reader") /* the server dropped a client that fell behind */ \
  X(DAYTONA_STREAM_REPLACED, 5, "replaced")       /* another client took its place */                \
  X(DAYTONA_STREAM_TIMEOUT, 6, "timed out")       /* a limit of this client or of the server */      \
  X(DAYTONA_STREAM_CANCELED, 7, "cancelled")      /* its future was cancelled */                     \
  X(DAYTONA_STREAM_CLOSED, 8, "closed")           /* disconnected here, or the client was closed */  \
  X(DAYTONA_STREAM_FAILED, 9, "failed")           /* the server said why: see the message */

typedef enum daytona_stream_reason {
  DAYTONA_STREAM_OPEN = 0, /**< it has not ended */
#define DAYTONA_STREAM_REASON_ENUM(name, value, text) name = value,
  DAYTONA_STREAM_REASON_MAP(DAYTONA_STREAM_REASON_ENUM)
#undef DAYTONA_STREAM_REASON_ENUM
    DAYTONA_STREAM_REASON_FORCE_INT = 0x7fffffff /**< keeps the size of the enum */
} daytona_stream_reason_t;

/** "connection lost" for DAYTONA_STREAM_LOST. Static, never NULL. Thread: any. */
DAYTONA_API const char *daytona_stream_reason_text(daytona_stream_reason_t reason);

/** The verdict on a stream. Only handed out by the library, so it can grow. Sizes are bytes. */
typedef struct daytona_stream_end {
  daytona_stream_reason_t reason;
  bool has_exit_code;
  int exit_code;           /**< 137 and the like for processes killed by a signal; 0 unless has_exit_code */
  const char *message;     /**< one line for people, of the server's words if there are any; never NULL */
  int close_code;          /**< of the server's last close frame; 0 when there was none */
  uint64_t received_bytes; /**< of output, markers of a log not counted */
  uint64_t
    dropped_bytes; /**< of what was to be handed on: thrown away because the buffer of a paused stream was
                                 full, or because the follow's time was over */
  uint32_t resumed_count; /**< how often a lost connection was made up for */
  bool has_gap; /**< after a lost connection the log was not the same any more: output may be missing */
} daytona_stream_end_t;

/**
 * The verdict of a settled follow or terminal wait, or NULL for other futures. Borrowed from the future.
 *
 * A stream that ended by itself, for whatever reason, settles its future with success; only a future that was
 * cancelled, or whose client was closed, or for which there was no memory, fails. daytona_future_stream_reason() names the
 * reason in each case.
 */
DAYTONA_API const daytona_stream_end_t *daytona_future_stream_end(const daytona_future_t *future);

/**
 * The reason of the end of a follow, of a terminal's wait, or of a run (EXITED when the server ended it in good order),
 * from the result or the error; DAYTONA_STREAM_OPEN while the future is pending.
 */
DAYTONA_API daytona_stream_reason_t daytona_future_stream_reason(const daytona_future_t *future);

/** What a program printed to. */
typedef enum daytona_output_stream {
  DAYTONA_OUTPUT_STDOUT = 1, /**< also everything that a terminal shows */
  DAYTONA_OUTPUT_STDERR = 2,
  DAYTONA_OUTPUT_STREAM_FORCE_INT = 0x7fffffff /**< keeps the size of the enum */
} daytona_output_stream_t;

struct daytona_pty;

/** Output that has arrived. Only handed out by the library, so it can grow. Valid during the call, with its bytes. */
typedef struct daytona_output {
  const char *bytes;              /**< need not be text, and are cut anywhere; no NUL behind them */
  size_t size;                    /**< never 0 */
  daytona_output_stream_t stream; /**< so one callback may serve both */
  daytona_future_t *future;       /**< of the follow or the run; NULL for a terminal. Borrowed: for
                                       daytona_future_pause(), daytona_future_cancel() */
  struct daytona_pty *pty;        /**< the terminal, a daytona_pty_t; NULL for others. Borrowed */
} daytona_output_t;

/**
 * Output has arrived. Zero or more times, on the loop, before the stream's end is reported; never after that. You may call
 * anything: pausing, cancelling, releasing, closing the client.
 */
typedef void (*daytona_output_cb)(const daytona_output_t *output, void *user);

/** What becomes of output that arrives while a stream is paused. */
typedef enum daytona_buffer_policy {
  DAYTONA_BUFFER_STOP = 0, /**< stop reading; the server waits, or drops its slow reader */
  DAYTONA_BUFFER_DROP_OLDEST =
    1 /**< go on reading, keep the newest `buffer_bytes`, count the rest. (A log that changes
                                   its stream with every byte takes five times of that in memory.) */
} daytona_buffer_policy_t;

DAYTONA_END

#endif
