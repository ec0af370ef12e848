/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host key: ed25519, in OpenSSH's own format, made at the first start and kept.
 */
#include "gateway/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_MAX (16u * 1024)

/* Whoever reads it can pass for this server. */
static const char *check_file(int fd) {
  struct stat st;
  if (fstat(fd, &st) != 0) return strerror(errno);
  if (!S_ISREG(st.st_mode)) return "it is no regular file";
  if (st.st_uid != geteuid()) return "it belongs to another user";
  return (st.st_mode & 077) != 0 ? "other users may read it (chmod 600)" : NULL;
}

static ssh_key read_key(int fd, const char *path, char **failure) {
  char text[KEY_MAX];
  size_t len = 0;
  ssh_key key = NULL;
  const char *problem = check_file(fd);
  ssize_t got = 1;
  while (problem == NULL && got > 0 && len < sizeof text - 1) {
    got = read(fd, text + len, sizeof text - 1 - len);
    if (got > 0) len += (size_t)got;
  }
  if (problem == NULL && got < 0) problem = strerror(errno);
  text[len] = '\0';
  if (problem == NULL && ssh_pki_import_privkey_base64(text, NULL, NULL, NULL, &key) != SSH_OK)
    problem = "it holds no private key without a passphrase";
  explicit_bzero(text, sizeof text);
  if (problem != NULL) *failure = dl_xprintf("cannot use the host key in %s: %s", path, problem);
  return key;
}

/* In one step, so that an interrupted start leaves no half of a key. 0 or an errno value. */
static int write_key(const char *path, const char *text) {
  char *new_path = dl_xprintf("%s.new", path);
  unlink(new_path);
  int fd = open(new_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600), error = 0;
  if (fd < 0) error = errno;
  size_t len = strlen(text);
  if (error == 0 && (write(fd, text, len) != (ssize_t)len || fsync(fd) != 0))
    error = errno != 0 ? errno : ENOSPC;
  if (error == 0 && rename(new_path, path) != 0) error = errno;
  if (fd >= 0) close(fd);
  if (error != 0) unlink(new_path);
  free(new_path);
  return error;
}

static ssh_key make_key(const char *path, char **failure) {
  ssh_key key = NULL;
  char *text = NULL;
  errno = 0;
  if (ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key) != SSH_OK ||
      ssh_pki_export_privkey_base64(key, NULL, NULL, NULL, &text) != SSH_OK) {
    *failure = dl_xstrdup("libssh cannot make a host key");
    ssh_key_free(key);
    return NULL;
  }
  int error = write_key(path, text);
  explicit_bzero(text, strlen(text));
  ssh_string_free_char(text);
  if (error == 0) return key;
  *failure = dl_xprintf("cannot keep the host key in %s: %s", path, strerror(error));
  ssh_key_free(key);
  return NULL;
}

ssh_key dl_host_key_get(const char *path, char **failure) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0 && errno == ENOENT) return make_key(path, failure);
  if (fd < 0) {
    *failure = dl_xprintf("cannot read the host key in %s: %s", path, strerror(errno));
    return NULL;
  }
  ssh_key key = read_key(fd, path, failure);
  close(fd);
  return key;
}

char *dl_host_key_text(ssh_key key) {
  char *base64 = NULL, *print = NULL, *out = NULL;
  unsigned char *hash = NULL;
  size_t len = 0;
  ssh_key public_key = NULL;
  if (ssh_pki_export_privkey_to_pubkey(key, &public_key) == SSH_OK &&
      ssh_pki_export_pubkey_base64(public_key, &base64) == SSH_OK &&
      ssh_get_publickey_hash(public_key, SSH_PUBLICKEY_HASH_SHA256, &hash, &len) == 0)
    print = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, len);
  if (print != NULL) out = dl_xprintf("%s %s\n%s", ssh_key_type_to_char(ssh_key_type(key)), base64, print);
  ssh_string_free_char(print);
  ssh_clean_pubkey_hash(&hash);
  ssh_string_free_char(base64);
  ssh_key_free(public_key);
  return out;
}
