/*
 * Every ceiling of the library, with its reason. No buffer grows without one of these.
 */
#ifndef DAYTONA_CORE_LIMITS_H
#define DAYTONA_CORE_LIMITS_H

/* One operation's request, answer and error together; also the most that a download to memory holds. */
#define DAYTONA__ARENA_MAX ((size_t)1 << 30)

/* A JSON answer. The largest honest ones are screenshots and charts (base64 PNG), well under this. */
#define DAYTONA__JSON_BODY_MAX ((size_t)64 << 20)

/* What a decoded answer may take: so many bytes, and so many for each byte of its text. */
#define DAYTONA__JSON_MEMORY_BASE ((size_t)1 << 20)
#define DAYTONA__JSON_MEMORY_FACTOR 16

/* Nesting of a JSON answer, for each level of which the decoder has a frame; our models need fewer than 16. */
#define DAYTONA__JSON_DEPTH_MAX 64

/* Elements of one JSON array or object that we decode. */
#define DAYTONA__JSON_ITEMS_MAX 1000000

/* What an error keeps of the answer's body. */
#define DAYTONA__ERROR_BODY_MAX ((size_t)64 << 10)

/* An error message, whatever the server sends in it. */
#define DAYTONA__ERROR_MESSAGE_MAX ((size_t)8 << 10)

/* All headers of one answer; libcurl stops at 300 KiB in newer versions. */
#define DAYTONA__HEADERS_MAX ((size_t)256 << 10)

/* A URL with its query. Servers refuse far shorter ones. */
#define DAYTONA__URL_MAX ((size_t)64 << 10)

/* A JSON request body (a command, a script, a code cell). */
#define DAYTONA__REQUEST_BODY_MAX ((size_t)64 << 20)

/* A name, id, label or path given by the program. */
#define DAYTONA__NAME_MAX ((size_t)4 << 10)

/* A .env file. */
#define DAYTONA__DOTENV_MAX ((size_t)1 << 20)

/* The same with names, values and bookkeeping; a few lines of ${NAME} could ask for any amount. */
#define DAYTONA__DOTENV_MEMORY_MAX ((size_t)16 << 20)

/* An API key, a JWT, an organization's id: they go into headers, and servers refuse far shorter ones. */
#define DAYTONA__TOKEN_MAX ((size_t)32 << 10)

/* Callers of one client whom its loop can tell about lack of memory, from a later turn, at once. */
#define DAYTONA__NOTICES_RESERVED 16

/* The longest delay of a timer, so that sums of times cannot overflow: over 35,000 years. */
#define DAYTONA__DELAY_MAX_MS ((int64_t)1 << 50)

/* Connections of one client, unless configured otherwise. */
#define DAYTONA__CONNECTIONS_DEFAULT 250
#define DAYTONA__CONNECTIONS_MAX 65535

/* Sandboxes of one client that may be in creation or start at once, unless configured otherwise. */
#define DAYTONA__STARTING_DEFAULT 100

/* Requests that wait for a connection; beyond it a call fails with DAYTONA_ELIMIT. */
#define DAYTONA__QUEUE_MAX 1000000

/* Addresses kept of one name; and names kept by one client. */
#define DAYTONA__ADDRESSES_MAX 16
#define DAYTONA__NAMES_MAX 256

/* Name lookups on the thread pool at once: it has four threads for the whole process. */
#define DAYTONA__LOOKUPS_MAX 2

/* One read from a socket, into a buffer that all sockets of a client share. */
#define DAYTONA__READ_BUFFER ((size_t)64 << 10)

/* What one socket may read, and one stream hand on of what it kept, before the others of the loop get their turn. */
#define DAYTONA__READ_BUDGET ((size_t)256 << 10)

/* Status line and headers of an answer to an upgrade or to CONNECT, and how many headers. */
#define DAYTONA__UPGRADE_HEAD_MAX ((size_t)64 << 10)
#define DAYTONA__UPGRADE_HEADERS_MAX 256

/* The request of an upgrade: URL and headers. */
#define DAYTONA__REQUEST_HEAD_MAX ((size_t)256 << 10)

/* Interim (1xx) answers tolerated before one. */
#define DAYTONA__INTERIM_MAX 8

/* A WebSocket message received, all frames together; it is handed on in pieces, never held. */
#define DAYTONA__WS_MESSAGE_MAX ((size_t)64 << 20)

/* Bytes that a WebSocket holds for a slow peer, unless configured otherwise. */
#define DAYTONA__WS_QUEUED_DEFAULT ((size_t)4 << 20)

/* With more than this waiting to be sent, of several pings only the last is answered. */
#define DAYTONA__WS_PONG_BACKLOG ((size_t)16 << 10)

/* TLS sessions kept for resumption by one client. */
#define DAYTONA__TLS_SESSIONS_MAX 16

/* Between a local disk and a socket, for each file that is being transferred: one block being read or written
   on the thread pool while the other is sent or filled. */
#define DAYTONA__FILE_BLOCK ((size_t)256 << 10)

/* A download to memory, unless the call says otherwise. */
#define DAYTONA__DOWNLOAD_DEFAULT ((size_t)256 << 20)

/* The headers of one part of a multipart answer; honest ones are well under a kilobyte, but hold the path twice. */
#define DAYTONA__PART_HEADERS_MAX ((size_t)64 << 10)

/* Files in one call. */
#define DAYTONA__TRANSFER_ITEMS_MAX 100000

#endif
