/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors of object storage; see s3_error.h. What S3 calls an error and what can be done about it stands in one table;
 * what is not there goes by the status.
 */
#include "wire/s3_error.h"

#include <string.h>

#include "wire/error_map.h"
#include "wire/s3_xml.h"

const char daytona__s3_source[] = "OBJECT_STORAGE";

static const struct {
  const char *name;
  daytona_errcode_t code;
  daytona__s3_remedy_t remedy;
} by_name[] = {
  {"AccessDenied", DAYTONA_EFORBIDDEN, DAYTONA__S3_FATAL},
  {"AuthorizationHeaderMalformed", DAYTONA_EAUTH, DAYTONA__S3_FATAL},
  {"BadDigest", DAYTONA_EPROTOCOL, DAYTONA__S3_RETRY}, /* the bytes were damaged on the way */
  {"EntityTooLarge", DAYTONA_ELIMIT, DAYTONA__S3_FATAL},
  {"ExpiredToken", DAYTONA_EAUTH, DAYTONA__S3_RENEW},
  {"ExpiredTokenException", DAYTONA_EAUTH, DAYTONA__S3_RENEW},
  {"IncompleteBody", DAYTONA_EPROTOCOL, DAYTONA__S3_RETRY},
  {"InternalError", DAYTONA_EINTERNAL, DAYTONA__S3_RETRY},
  {"InvalidAccessKeyId", DAYTONA_EAUTH, DAYTONA__S3_RENEW},
  {"InvalidClientTokenId", DAYTONA_EAUTH, DAYTONA__S3_RENEW},
  {"InvalidToken", DAYTONA_EAUTH, DAYTONA__S3_RENEW},
  {"InvalidTokenId", DAYTONA_EAUTH, DAYTONA__S3_RENEW},
  {"NoSuchBucket", DAYTONA_ENOTFOUND, DAYTONA__S3_FATAL},
  {"NoSuchKey", DAYTONA_ENOTFOUND, DAYTONA__S3_FATAL},
  {"NoSuchUpload", DAYTONA_ENOTFOUND, DAYTONA__S3_FATAL},
  {"OperationAborted", DAYTONA_ECONFLICT, DAYTONA__S3_RETRY},
  {"RequestExpired", DAYTONA_EAUTH, DAYTONA__S3_RENEW},
  {"RequestTimeTooSkewed", DAYTONA_EAUTH, DAYTONA__S3_RECLOCK},
  {"RequestTimeout", DAYTONA_ETIMEOUT, DAYTONA__S3_RETRY},
  {"ServiceUnavailable", DAYTONA_EUNAVAILABLE, DAYTONA__S3_RETRY},
  {"SignatureDoesNotMatch", DAYTONA_EAUTH, DAYTONA__S3_FATAL},
  {"SlowDown", DAYTONA_ERATELIMIT, DAYTONA__S3_RETRY},
  {"TokenRefreshRequired", DAYTONA_EAUTH, DAYTONA__S3_RENEW},
  {"XAmzContentSHA256Mismatch", DAYTONA_EPROTOCOL, DAYTONA__S3_RETRY},
};

static daytona__s3_remedy_t by_status(int status) {
  return status == 408 || status == 429 || status >= 500 ? DAYTONA__S3_RETRY : DAYTONA__S3_FATAL;
}

/* The network may come back; a certificate, a proxy's refusal or a limit of ours will be the same again. */
static daytona__s3_remedy_t by_transport(daytona_errcode_t code) {
  switch (code) {
    case DAYTONA_ECONNECTION:
    case DAYTONA_ECONNECT_TIMEOUT:
    case DAYTONA_ECONNECTION_TIMEOUT:
    case DAYTONA_EIDLE_TIMEOUT:
    case DAYTONA_ETRUNCATED: return DAYTONA__S3_RETRY;
    default: return DAYTONA__S3_FATAL;
  }
}

static daytona__s3_remedy_t read_body(daytona__arena_t *arena, const daytona__response_t *response,
                                      daytona_error_t *error) {
  const char *body = response->body;
  size_t size = response->body_size;
  const char *name = daytona__s3_xml_text(arena, body, size, "Code");
  const char *message = daytona__s3_xml_text(arena, body, size, "Message");
  error->source = daytona__s3_source;
  error->server_code = name;
  if (error->request_id == NULL) error->request_id = daytona__s3_xml_text(arena, body, size, "RequestId");
  if (message != NULL && *message != '\0')
    error->message = name != NULL ? daytona__arena_printf(arena, "%s: %s", name, message) : message;
  else if (name != NULL)
    error->message = name;
  for (size_t i = 0; name != NULL && i < sizeof by_name / sizeof by_name[0]; i++) {
    if (strcmp(by_name[i].name, name) != 0) continue;
    error->code = by_name[i].code;
    return by_name[i].remedy;
  }
  return by_status(response->status);
}

daytona__s3_remedy_t daytona__s3_error(daytona__arena_t *arena, const daytona__response_t *response,
                                       daytona_error_t *error) {
  char root[DAYTONA__S3_XML_NAME_MAX + 1];
  bool is_xml = daytona__s3_xml_root(response->body, response->body_size, root) && strcmp(root, "Error") == 0;
  memset(error, 0, sizeof *error);
  if (response->code == DAYTONA_OK && !is_xml) return DAYTONA__S3_FATAL;
  if (response->code != DAYTONA_OK && response->code != DAYTONA_EFAILED) {
    daytona__error_from_response(arena, response, error);
    return by_transport(response->code);
  }
  daytona__response_t failed = *response;
  failed.code =
    DAYTONA_EFAILED; /* also where it comes with status 200: the work went wrong after the headers */
  daytona__error_from_response(arena, &failed, error);
  daytona__s3_remedy_t remedy = is_xml ? read_body(arena, response, error) : by_status(response->status);
  if (is_xml && response->code == DAYTONA_OK && remedy == DAYTONA__S3_FATAL && error->server_code == NULL)
    remedy = DAYTONA__S3_RETRY;
  error->source = daytona__s3_source;
  return remedy;
}
