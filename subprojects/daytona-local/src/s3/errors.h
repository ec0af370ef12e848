/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be wrong with a request for the object store, and the documents that say so.
 */
#ifndef DL_S3_ERRORS_H
#define DL_S3_ERRORS_H

#include "base/buf.h"
#include "http/http.h"

/* Name, status, message. */
#define DL_S3_CODES(X)                                                                                       \
  X(AccessDenied, 403, "Access Denied")                                                                      \
  X(AuthorizationHeaderMalformed, 400, "The authorization header is malformed")                              \
  X(AuthorizationQueryParametersError, 400, "The query parameters of the signature are incomplete or wrong") \
  X(BadDigest, 400, "The Content-MD5 or checksum that you sent is not that of what was received")            \
  X(EntityTooLarge, 400, "The object is larger than this server allows")                                     \
  X(EntityTooSmall, 400, "A part other than the last is smaller than 5 MiB")                                 \
  X(ExpiredToken, 400, "The credentials have expired")                                                       \
  X(IncompleteBody, 400, "The body has another length than was declared")                                    \
  X(InsufficientStorage, 507, "The disk of the server is full")                                              \
  X(InternalError, 500, "The server could not do that")                                                      \
  X(InvalidAccessKeyId, 403, "There is no such access key")                                                  \
  X(InvalidArgument, 400, "An argument of the request is wrong")                                             \
  X(InvalidDigest, 400, "The Content-MD5 or checksum is none")                                               \
  X(InvalidPart, 400, "A part was not uploaded, or its ETag or checksum is another")                         \
  X(InvalidPartOrder, 400, "The list of parts is not in ascending order")                                    \
  X(InvalidRange, 416, "The range holds nothing of the object")                                              \
  X(InvalidRequest, 400, "The request is not valid")                                                         \
  X(InvalidToken, 400, "The session token is not one of this server; ask for credentials again")             \
  X(KeyTooLongError, 400, "The key is longer than 1024 bytes")                                               \
  X(MalformedXML, 400, "The XML of the body is not what this call takes")                                    \
  X(MethodNotAllowed, 405, "This method does not go with this resource")                                     \
  X(MissingContentLength, 411, "The length of the content is missing")                                       \
  X(NoSuchBucket, 404, "There is no such bucket")                                                            \
  X(NoSuchKey, 404, "There is no such object")                                                               \
  X(NoSuchUpload, 404,                                                                                       \
    "There is no such upload; it was completed or aborted, or the server was started again")                 \
  X(NotImplemented, 501, "This server does not have this part of S3")                                        \
  X(NotModified, 304, "Not Modified")                                                                        \
  X(OperationAborted, 409, "Another request is completing this upload")                                      \
  X(PreconditionFailed, 412, "A condition of the request does not hold")                                     \
  X(QuotaExceeded, 403, "The object store of this server is full")                                           \
  X(RequestTimeTooSkewed, 403, "The clocks of client and server differ by more than 15 minutes")             \
  X(SignatureDoesNotMatch, 403, "The signature is not the one that this request needs")                      \
  X(SlowDown, 503, "Too many requests at once")                                                              \
  X(TooManyParts, 400, "There are more than 10000 parts, uploads or objects")                                \
  X(XAmzContentSHA256Mismatch, 400, "The SHA-256 of the body is not the one of x-amz-content-sha256")

typedef enum {
  DL_S3_OK,
#define X(name, status, message) DL_S3_##name,
  DL_S3_CODES(X)
#undef X
} dl_s3_code_t;

int dl_s3_status(dl_s3_code_t code);
const char *dl_s3_code_name(dl_s3_code_t code);

/* Text between tags, or a value between quotes: what XML cannot carry is left out. */
void dl_xml_put(dl_buf_t *out, const char *text);
/* <name>text</name> */
void dl_xml_element(dl_buf_t *out, const char *name, const char *text);
void dl_xml_number(dl_buf_t *out, const char *name, int64_t number);

/* 200 with a document, taken. */
void dl_s3_reply_xml(dl_req_t *req, dl_buf_t *document);
/* `detail` NULL: the message of the code. */
void dl_s3_fail(dl_req_t *req, dl_s3_code_t code, const char *detail);
/* Any other code and status. */
void dl_s3_fail_as(dl_req_t *req, int status, const char *code, const char *message);

#endif
