/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom an image runs as, from what it says and what its accounts are. Any bytes may be in these files.
 */
#include "base/base.h"
#include "runtime/image_user.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char PASSWD[] =
  "root:x:0:0:root:/root:/bin/ash\n"
  "app:x:1000:1001:App:/home/app:/bin/bash\n"
  "1000:x:7:7::/seven:\n"
  "short:x:5:6\n"
  "nohome:x:8:8::relative:sh\n"
  "bad:x:-1:3::/x:/x\n"
  "huge:x:4294967295:4294967295::/x:/x\n"
  "app:x:2000:2000::/second:/bin/sh";
static const char GROUP[] =
  "root:x:0:\napp:x:1001:\nstaff:x:50:root,app\nusers:x:100:other\nwheel:x:10:app\nbad:x:y:app\n";

static void expect(const char *text, unsigned uid, unsigned gid, const char *name, const char *home,
                   const char *shell) {
  dl_image_user_t user;
  char *failure = dl_image_user_find(text, PASSWD, GROUP, &user);
  if (failure != NULL) fail_msg("%s: %s", text, failure);
  assert_int_equal(user.uid, uid);
  assert_int_equal(user.gid, gid);
  assert_string_equal(user.name, name);
  assert_string_equal(user.home, home);
  if (shell == NULL)
    assert_null(user.shell);
  else
    assert_string_equal(user.shell, shell);
  dl_image_user_clear(&user);
}

static void names_and_numbers_are_found(void **state) {
  (void)state;
  expect(NULL, 0, 0, "root", "/root", "/bin/ash");
  expect("", 0, 0, "root", "/root", "/bin/ash");
  expect("0", 0, 0, "root", "/root", "/bin/ash");
  expect("app", 1000, 1001, "app", "/home/app", "/bin/bash");
  expect("1000", 7, 7, "1000", "/seven", NULL); /* a name comes before a number */
  expect("2000", 2000, 2000, "app", "/second", "/bin/sh");
  expect("short", 5, 6, "short", "/", NULL);
  expect("nohome", 8, 8, "nohome", "/", NULL);
  expect("4242", 4242, 0, "4242", "/", NULL);
  expect("app:", 1000, 1001, "app", "/home/app", "/bin/bash");
  expect("app:staff", 1000, 50, "app", "/home/app", "/bin/bash");
  expect("app:77", 1000, 77, "app", "/home/app", "/bin/bash");
  expect(":staff", 0, 50, "root", "/root", "/bin/ash");
  expect("4294967294", 4294967294u, 0, "4294967294", "/", NULL);
}

static void groups_are_those_that_name_the_user(void **state) {
  (void)state;
  dl_image_user_t user;
  assert_null(dl_image_user_find("app", PASSWD, GROUP, &user));
  assert_int_equal(user.group_count, 2);
  assert_int_equal(user.groups[0], 50);
  assert_int_equal(user.groups[1], 10);
  dl_image_user_clear(&user);
  char *many = dl_xmalloc(200 * 16 + 1), *at = many;
  for (int i = 0; i < 200; i++) at += sprintf(at, "g%d:x:%d:app\n", i, 500 + i);
  assert_null(dl_image_user_find("app", PASSWD, many, &user));
  assert_int_equal(user.group_count, DL_IMAGE_GROUPS_MAX);
  dl_image_user_clear(&user);
  free(many);
}

static void what_is_not_there_is_said(void **state) {
  (void)state;
  static const char *const BAD[] = {
    "nobody", "bad", "huge", "4294967295", "-1", "app:none", "99999999999999999999", "a b", "root\n"};
  for (size_t i = 0; i < DL_COUNT(BAD); i++) {
    dl_image_user_t user;
    char *failure = dl_image_user_find(BAD[i], PASSWD, GROUP, &user);
    if (failure == NULL) fail_msg("'%s' was found", BAD[i]);
    assert_non_null(strstr(failure, "of the image") || strstr(failure, "the image's") ? failure : NULL);
    assert_null(user.name);
    free(failure);
  }
}

static void root_needs_no_accounts(void **state) {
  (void)state;
  static const char *const TEXTS[] = {NULL, "", "0", "root", "root:0"};
  for (size_t i = 0; i < DL_COUNT(TEXTS); i++) {
    dl_image_user_t user;
    assert_null(dl_image_user_find(TEXTS[i], "", "", &user));
    assert_int_equal(user.uid, 0);
    assert_string_equal(user.name, "root");
    assert_string_equal(user.home, "/root");
    dl_image_user_clear(&user);
  }
}

static void any_bytes_are_survived(void **state) {
  (void)state;
  static const char *const TEXTS[] = {
    ":",
    "::::::::::::",
    "\n\n\n",
    "root",
    "root:",
    ":x:0:0",
    "root:x:0",
    "\xff\xfe:x:0:0::/:",
    "root:x:00000000000000000000000000000000000000000000000000000000000000000000:0::/:"};
  for (size_t i = 0; i < DL_COUNT(TEXTS); i++)
    for (size_t j = 0; j < DL_COUNT(TEXTS); j++) {
      dl_image_user_t user;
      uid_t uid;
      gid_t gid;
      assert_null(dl_image_user_find("0:0", TEXTS[i], TEXTS[j], &user));
      dl_image_user_clear(&user);
      dl_image_uid(TEXTS[i], "root", &uid);
      dl_image_gid(TEXTS[j], "root", &gid);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(names_and_numbers_are_found), cmocka_unit_test(groups_are_those_that_name_the_user),
    cmocka_unit_test(what_is_not_there_is_said),   cmocka_unit_test(root_needs_no_accounts),
    cmocka_unit_test(any_bytes_are_survived),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
