/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transfers against daytona-local when the world does not hold still: full disks, files that change on either side,
 * servers that cut, programs that cancel or die.
 */
#define _GNU_SOURCE /* unshare */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "call/client_impl.h"
#include "support/check.h"
#include "support/local_files.h"
#include "support/session.h"

static session_t shared;
static daytona_sandbox_t *sandbox;
static char folder[64];
static char no_small_disk[128]; /* why there is none; empty: FOLDER/small has room for 1 MiB */

static void remove_folder(const char *path) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", path);
  assert_int_equal(system(command), 0);
}

static int open_shared(void **state) {
  session_open(&shared, NULL);
  sandbox = session_sandbox(&shared, NULL);
  return 0;
}

static int close_shared(void **state) {
  session_admin("DELETE", "/faults", NULL);
  session_delete(sandbox);
  session_close(&shared);
  return 0;
}

/* Await a future; while nothing is in flight, the client's clock passes at once. */
static int await_hurried(daytona_future_t *future) {
  size_t in_flight = 0, waiting = 0;
  while (!daytona_future_is_settled(future)) {
    uv_run(&shared.uv, UV_RUN_NOWAIT);
    daytona__http_counts(shared.client->http, &in_flight, &waiting);
    if (in_flight + waiting != 0)
      uv_run(&shared.uv, UV_RUN_ONCE);
    else
      daytona__loop_advance(shared.client->loop, 50);
  }
  return daytona_future_code(future);
}

static const char *in_folder(const char *name) { return local_path(folder, name); }

static size_t entries(const char *path) {
  size_t count = 0;
  DIR *dir = opendir(path);
  while (dir != NULL && readdir(dir) != NULL) count++;
  closedir(dir);
  return count - 2;
}

/* What is to be cleaned up goes on the thread pool after the future has settled. */
static void until_entries(const char *path, size_t count) {
  for (int i = 0; i < 3; i++) { /* one job may follow another in a later turn */
    uv_run(&shared.uv, UV_RUN_NOWAIT);
    while (daytona__loop_job_count(shared.client->loop) != 0) uv_run(&shared.uv, UV_RUN_ONCE);
  }
  assert_int_equal(entries(path), count);
}

static void expect_bytes(const char *path, const char *bytes, size_t size) {
  daytona_future_t *future = api_must(daytona_fs_download(sandbox, path, NULL));
  assert_int_equal(daytona_future_bytes(future)->size, size);
  assert_memory_equal(daytona_future_bytes(future)->data, bytes, size);
  daytona_future_release(future);
}

static void shell(const char *command) { session_expect(sandbox, command, 0, NULL); }

static void fails_with(daytona_future_t *future, daytona_errcode_t code, const char *part) {
  api_must_fail_as(future, code);
  if (strstr(daytona_future_error(future)->message, part) == NULL)
    fail_msg("\"%s\" is not in: %s", part, daytona_future_error(future)->message);
  daytona_future_release(future);
}

/* --- full disks -------------------------------------------------------------------------------- */

static void write_text(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  if (write(fd, text, strlen(text)) < 0) perror(path);
  close(fd);
}

/* A disk of 1 MiB that only this program sees; before it has threads, because namespaces are of a thread. */
static void make_small_disk(void) {
  char map[64];
  unsigned uid = geteuid(), gid = getegid();
  assert_int_equal(mkdir(in_folder("small"), 0700), 0);
  if (unshare(CLONE_NEWNS) != 0) {
    if (unshare(CLONE_NEWNS | CLONE_NEWUSER) != 0) {
      snprintf(no_small_disk, sizeof no_small_disk, "no mount namespace: %s", strerror(errno));
      return;
    }
    write_text("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "%u %u 1", uid, uid);
    write_text("/proc/self/uid_map", map);
    snprintf(map, sizeof map, "%u %u 1", gid, gid);
    write_text("/proc/self/gid_map", map);
  }
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
      mount("tmpfs", in_folder("small"), "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=0700") != 0)
    snprintf(no_small_disk, sizeof no_small_disk, "no disk can be mounted: %s", strerror(errno));
}

static void local_disk_that_is_full_is_an_error_and_keeps_the_old_file(void **state) {
  if (no_small_disk[0] != '\0') {
    print_message("%s\n", no_small_disk);
    skip();
  }
  char *bytes = local_pattern(4 << 20, 1);
  api_done(daytona_fs_upload(sandbox, bytes, 4 << 20, "full/large", NULL));
  api_done(daytona_fs_upload(sandbox, bytes, 1000, "full/little", NULL));
  local_write(in_folder("small/x"), "old", 3);
  for (int is_new = 0; is_new < 2; is_new++) {
    const char *target = in_folder(is_new ? "small/new" : "small/x");
    fails_with(daytona_fs_download_file(sandbox, "full/large", target, NULL), DAYTONA_EIO,
               "no space left on device");
    until_entries(in_folder("small"), 1);
    local_holds(in_folder("small/x"), "old", 3);
  }
  /* The others of a call are not concerned: what is left of one is removed before the next begins. */
  daytona_fs_download_item_t items[] = {{.source = "full/large", .local_path = in_folder("small/x")},
                                        {.source = "full/little", .local_path = in_folder("small/y")},
                                        {.source = "full/large"}};
  daytona_future_t *future = api_must(daytona_fs_download_files(sandbox, items, 3, NULL));
  const daytona_fs_result_list_t *results = daytona_future_fs_result_list(future);
  assert_int_equal(results->failed_count, 1);
  assert_int_equal(results->items[0]->error->code, DAYTONA_EIO);
  assert_non_null(strstr(results->items[0]->error->message, "no space left on device"));
  assert_int_equal(results->items[2]->bytes.size, 4 << 20);
  daytona_future_release(future);
  until_entries(in_folder("small"), 2);
  local_holds(in_folder("small/x"), "old", 3);
  local_holds(in_folder("small/y"), bytes, 1000);
  free(bytes);
}

static void sandbox_disk_that_is_full_is_an_error_of_that_file(void **state) {
  char *bytes = local_pattern(4 << 20, 2);
  shell(
    "head -c 1G /dev/zero > /dev/shm/fill; test $(df --output=avail /dev/shm | tail -1) = 0 && truncate -s "
    "-1M /dev/shm/fill");
  fails_with(daytona_fs_upload(sandbox, bytes, 4 << 20, "/dev/shm/x", NULL), DAYTONA_EFAILED,
             "no space left on device");
  daytona_fs_upload_item_t items[] = {{.destination = "full/before", .bytes = bytes, .size = 100000},
                                      {.destination = "/dev/shm/y", .bytes = bytes, .size = 4 << 20},
                                      {.destination = "full/behind", .bytes = bytes, .size = 100000}};
  daytona_future_t *future = api_must(daytona_fs_upload_files(sandbox, items, 3, NULL));
  const daytona_fs_result_list_t *results = daytona_future_fs_result_list(future);
  assert_int_equal(results->failed_count, 1);
  assert_non_null(strstr(results->items[1]->error->message, "/dev/shm/y: write: "));
  assert_non_null(strstr(results->items[1]->error->message, "no space left on device"));
  daytona_future_release(future);
  expect_bytes("full/before", bytes, 100000);
  expect_bytes("full/behind", bytes, 100000);
  shell("rm /dev/shm/*");
  api_done(daytona_fs_upload(sandbox, bytes, 4 << 20, "/dev/shm/x", NULL));
  expect_bytes("/dev/shm/x", bytes, 4 << 20);
  shell("rm /dev/shm/x");
  free(bytes);
}

/* --- files that change while they are downloaded ----------------------------------------------- */

typedef struct pausing {
  char *bytes;
  size_t size, room;
  bool goes_on;
} pausing_t;

/* Take the first bytes, then wait for the test. */
static size_t on_pausing(const char *bytes, size_t size, void *user) {
  pausing_t *self = user;
  if (!self->goes_on && self->size != 0) return 0;
  if (!self->goes_on && size > 1000) size = 1000;
  assert_true(self->size + size <= self->room);
  memcpy(self->bytes + self->size, bytes, size);
  self->size += size;
  return size;
}

/* Download "moving" and run a command in the sandbox as soon as the first bytes are here. */
static daytona_future_t *while_downloading(pausing_t *sink, const char *command) {
  sink->size = 0;
  sink->goes_on = false;
  daytona_future_t *future = daytona_fs_download_file_stream(sandbox, "moving", on_pausing, sink, NULL);
  while (sink->size == 0 && !daytona_future_is_settled(future)) uv_run(&shared.uv, UV_RUN_ONCE);
  shell(command);
  assert_false(daytona_future_is_settled(future));
  sink->goes_on = true;
  daytona_future_resume(future);
  daytona_future_await(future);
  return future;
}

static void remote_file_that_changes_is_whole_as_it_was_or_an_error(void **state) {
  enum { SIZE = 40 * 1000 * 1000 }; /* more than fits into the sockets on the way */
  char *bytes = local_pattern(SIZE, 3);
  pausing_t sink = {.bytes = malloc(SIZE + 1000), .room = SIZE + 1000};
  api_done(daytona_fs_upload(sandbox, bytes, SIZE, "moving", NULL));
  daytona_future_release(api_must(while_downloading(&sink, "echo more >> moving")));
  assert_int_equal(sink.size, SIZE);
  assert_memory_equal(sink.bytes, bytes, SIZE);
  daytona_future_release(api_must(while_downloading(&sink, "rm moving; echo other > moving")));
  assert_int_equal(sink.size, SIZE + 5);
  assert_memory_equal(sink.bytes, bytes, SIZE);
  api_done(daytona_fs_upload(sandbox, bytes, SIZE, "moving", NULL));
  daytona_future_release(
    api_must_fail_as(while_downloading(&sink, "truncate -s 2000 moving"), DAYTONA_EFAILED));
  assert_true(sink.size < SIZE);
  free(sink.bytes);
  free(bytes);
}

/* --- servers that cut -------------------------------------------------------------------------- */

static void cut_at(const char *action, size_t at) {
  char rule[256];
  snprintf(rule, sizeof rule,
           "{\"match\":{\"path\":\"/toolbox/*/files/bulk-download\"},\"action\":\"%s\",\"after_bytes\":%zu}",
           action, at);
  assert_int_equal(session_admin("POST", "/faults", rule), 201);
}

/* At every byte, and so at every border of a part: it continues, or fails and leaves no part of a file. */
static void bulk_download_cut_anywhere_leaves_whole_files_only(void **state) {
  static const char *const actions[] = {"truncate", "reset", "short"};
  static const char *const contents[] = {"alpha", "", "gamma\r\n--DAYTONA-FILE-BOUNDARY"};
  daytona_fs_download_item_t items[3];
  char names[3][16], locals[3][256], cut[80];
  snprintf(cut, sizeof cut, "%s/cut", folder);
  assert_int_equal(mkdir(cut, 0700), 0);
  for (int i = 0; i < 3; i++) {
    snprintf(names[i], sizeof names[i], "part/%d", i);
    snprintf(locals[i], sizeof locals[i], "%s/%d", cut, i);
    items[i] = (daytona_fs_download_item_t){.source = names[i], .local_path = locals[i]};
    api_done(daytona_fs_upload(sandbox, contents[i], strlen(contents[i]), names[i], NULL));
  }
  size_t at = 0, whole_count = 0;
  for (bool is_over = false; !is_over; at++) {
    for (size_t a = 0; a < 3; a++) {
      if (at % 7 != 0 && a == 1) continue; /* resets are like truncations, and slower */
      cut_at(actions[a], at);
      daytona_future_t *future = daytona_fs_download_files(sandbox, items, 3, NULL);
      bool is_whole = await_hurried(future) == 0;
      /* A response that ends in an orderly way is all that the sandbox could send. */
      is_over = is_whole && strcmp(actions[a], "short") == 0;
      whole_count += is_whole;
      session_admin("DELETE", "/faults", NULL);
      daytona_future_release(future);
      for (int i = 0; i < 3; i++) {
        if (!is_whole && access(locals[i], F_OK) != 0) continue;
        local_holds(locals[i], contents[i], strlen(contents[i]));
        unlink(locals[i]);
      }
      until_entries(cut, 0);
    }
  }
  assert_true(at > 500); /* it ran through the whole response */
  assert_true(whole_count > at - 10);
}

/* So many times, the response to a download ends after so many bytes. */
static void cut_downloads(const char *action, long long at, int times) {
  char rule[256];
  session_admin("DELETE", "/faults", NULL);
  snprintf(
    rule, sizeof rule,
    "{\"match\":{\"path\":\"/toolbox/*/files/*\"},\"action\":\"%s\",\"after_bytes\":%lld,\"times\":%d}",
    action, at, times);
  assert_int_equal(session_admin("POST", "/faults", rule), 201);
}

static uint64_t attempts(void) { return daytona__http_stats(shared.client->http)->attempts; }

static void ten_cuts_are_survived_in_every_way(void **state) {
  enum { SIZE = 5 * 1024 * 1024, CUT = SIZE / 11 };
  static const char *const actions[] = {"truncate", "reset"};
  char *bytes = local_pattern(SIZE, 6);
  pausing_t sink = {.bytes = malloc(SIZE), .room = SIZE, .goes_on = true};
  api_done(daytona_fs_upload(sandbox, bytes, SIZE, "cut/ten", NULL));
  shell("touch -d '1 minute ago' cut/ten");
  for (int a = 0; a < 2; a++) {
    cut_downloads(actions[a], CUT, 10);
    daytona_future_t *future = daytona_fs_download(sandbox, "cut/ten", NULL);
    assert_int_equal(await_hurried(future), 0);
    assert_int_equal(daytona_future_bytes(future)->size, SIZE);
    assert_memory_equal(daytona_future_bytes(future)->data, bytes, SIZE);
    daytona_future_release(future);
    cut_downloads(actions[a], CUT, 10);
    future = daytona_fs_download_file(sandbox, "cut/ten", in_folder("ten"), NULL);
    assert_int_equal(await_hurried(future), 0);
    local_holds(in_folder("ten"), bytes, SIZE);
    assert_int_equal(unlink(in_folder("ten")), 0);
    daytona_future_release(future);
    cut_downloads(actions[a], CUT, 10);
    sink.size = 0;
    future = daytona_fs_download_file_stream(sandbox, "cut/ten", on_pausing, &sink, NULL);
    assert_int_equal(await_hurried(future), 0);
    assert_int_equal(sink.size, SIZE);
    assert_memory_equal(sink.bytes, bytes, SIZE);
    daytona_future_release(future);
  }
  session_admin("DELETE", "/faults", NULL);
  free(sink.bytes);
  free(bytes);
}

/* Of 64 MiB; with DAYTONA_TEST_DOWNLOAD_MIB in the environment, of so many. It has holes, and bytes between them. */
static void large_file_survives_ten_cuts(void **state) {
  const char *wanted = getenv("DAYTONA_TEST_DOWNLOAD_MIB");
  long long mib = wanted != NULL ? atoll(wanted) : 64;
  char command[512], sum[80];
  assert_true(mib >= 11);
  snprintf(
    command, sizeof command,
    "truncate -s %lldM cut/large && for i in $(seq 0 10); do dd if=/dev/urandom of=cut/large bs=1M count=1 "
    "seek=$((i * %lld / 11)) conv=notrunc status=none; done; touch -d '1 minute ago' cut/large",
    mib, mib);
  shell(command);
  cut_downloads("truncate", (mib << 20) / 11, 10);
  uint64_t before = attempts();
  daytona_future_t *future = daytona_fs_download_file(sandbox, "cut/large", in_folder("large"), NULL);
  assert_int_equal(await_hurried(future), 0);
  assert_int_equal(attempts() - before, 11);
  daytona_future_release(future);
  session_admin("DELETE", "/faults", NULL);
  snprintf(command, sizeof command, "sha256sum < %s", in_folder("large"));
  FILE *local = popen(command, "r");
  assert_non_null(local);
  assert_non_null(fgets(sum, sizeof sum, local));
  assert_int_equal(pclose(local), 0);
  session_expect(sandbox, "sha256sum < cut/large", 0, sum);
  assert_int_equal(unlink(in_folder("large")), 0);
  shell("rm cut/large");
}

/* --- progress and cancelling, for each kind ---------------------------------------------------- */

enum { LARGE = 6 * 1024 * 1024 };
static char *large;

typedef struct watcher {
  int64_t bytes, total;
  size_t calls, cancels_at; /* 0: never */
  daytona_future_t *future;
  size_t given; /* of the source */
} watcher_t;

static void on_watch(const daytona_transfer_progress_t *progress, void *user) {
  watcher_t *self = user;
  assert_true(progress->bytes > self->bytes);
  assert_true(progress->total == -1 || progress->total >= progress->bytes);
  self->bytes = progress->bytes;
  self->total = progress->total;
  if (++self->calls == self->cancels_at) daytona_future_cancel(self->future);
}

static ptrdiff_t on_give(char *buffer, size_t size, void *user) {
  watcher_t *self = user;
  if (size > LARGE - self->given) size = LARGE - self->given;
  memcpy(buffer, large + self->given, size);
  self->given += size;
  return (ptrdiff_t)size;
}

static size_t on_take(const char *bytes, size_t size, void *user) { return size; }

enum { KINDS = 8 };

static daytona_future_t *transfer(int kind, const daytona_transfer_opts_t *opts) {
  static daytona_fs_upload_item_t up[2];
  static daytona_fs_download_item_t down[2];
  up[0] = (daytona_fs_upload_item_t){.destination = "kinds/m0", .bytes = large, .size = LARGE / 2};
  up[1] = (daytona_fs_upload_item_t){.destination = "kinds/m1", .local_path = in_folder("half")};
  down[0] = (daytona_fs_download_item_t){.source = "kinds/source"};
  down[1] = (daytona_fs_download_item_t){.source = "kinds/source", .local_path = in_folder("got/b")};
  switch (kind) {
    case 0: return daytona_fs_upload(sandbox, large, LARGE, "kinds/a", opts);
    case 1: return daytona_fs_upload_file(sandbox, in_folder("large"), "kinds/b", opts);
    case 2: return daytona_fs_upload_file_stream(sandbox, on_give, opts->user, "kinds/c", opts);
    case 3: return daytona_fs_upload_files(sandbox, up, 2, opts);
    case 4: return daytona_fs_download(sandbox, "kinds/source", opts);
    case 5: return daytona_fs_download_file(sandbox, "kinds/source", in_folder("got/a"), opts);
    case 6: return daytona_fs_download_file_stream(sandbox, "kinds/source", on_take, NULL, opts);
    default: return daytona_fs_download_files(sandbox, down, 2, opts);
  }
}

static void make_kinds(void) {
  large = local_pattern(LARGE, 4);
  local_write(in_folder("large"), large, LARGE);
  local_write(in_folder("half"), large, LARGE / 2);
  mkdir(in_folder("got"), 0700);
  api_done(daytona_fs_upload(sandbox, large, LARGE, "kinds/source", NULL));
}

static void every_kind_tells_its_progress(void **state) {
  make_kinds();
  for (int kind = 0; kind < KINDS; kind++) {
    watcher_t watcher = {.total = -1};
    daytona_transfer_opts_t opts = {.on_progress = on_watch, .user = &watcher};
    api_done(transfer(kind, &opts));
    assert_int_equal(watcher.bytes, kind == 7 ? 2 * LARGE : LARGE);
    assert_true(watcher.total == (kind == 2 || kind == 7 ? -1 : LARGE));
    assert_true(watcher.calls > 1);
  }
  until_entries(in_folder("got"), 2);
  remove_folder(in_folder("got/*"));
}

static void every_kind_can_be_cancelled_anywhere(void **state) {
  for (int kind = 0; kind < KINDS; kind++) {
    for (size_t at = 1; at < 12; at += 5) {
      watcher_t watcher = {.total = -1, .cancels_at = at};
      daytona_transfer_opts_t opts = {.on_progress = on_watch, .user = &watcher};
      watcher.future = transfer(kind, &opts);
      api_must_fail_as(watcher.future, DAYTONA_ECANCELED);
      assert_int_equal(watcher.calls, at); /* nothing is told after it */
      daytona_future_release(watcher.future);
    }
  }
  remove_folder(in_folder("got/b")); /* the first of a call may have been whole */
  until_entries(in_folder("got"), 0);
  free(large);
}

/* --- a program that dies ----------------------------------------------------------------------- */

static void on_die(const daytona_transfer_progress_t *progress, void *user) { raise(SIGKILL); }

static void die_while_downloading(void) {
  daytona_transfer_opts_t opts = {.on_progress = on_die};
  uv_loop_t uv;
  daytona_client_t *client;
  if (uv_loop_init(&uv) != 0 || daytona_client_new(&uv, NULL, &client) != 0) _exit(1);
  daytona_future_t *found = daytona_sandbox_get(client, daytona_sandbox_id(sandbox), NULL);
  if (daytona_future_await(found) != 0) _exit(2);
  daytona_future_await(
    daytona_fs_download_file(daytona_future_sandbox(found), "die", in_folder("die/x"), &opts));
  _exit(3);
}

static void crash_leaves_the_old_file_and_a_part_beside_it(void **state) {
  char *bytes = local_pattern(1 << 20, 5);
  int status = 0;
  mkdir(in_folder("die"), 0700);
  local_write(in_folder("die/x"), "old", 3);
  api_done(daytona_fs_upload(sandbox, bytes, 1 << 20, "die", NULL));
  pid_t pid = fork();
  if (pid == 0) die_while_downloading();
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  local_holds(in_folder("die/x"), "old", 3);
  assert_true(entries(in_folder("die")) <= 2);
  api_done(daytona_fs_download_file(sandbox, "die", in_folder("die/x"), NULL)); /* which is in nobody's way */
  local_holds(in_folder("die/x"), bytes, 1 << 20);
  free(bytes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(local_disk_that_is_full_is_an_error_and_keeps_the_old_file),
    cmocka_unit_test(sandbox_disk_that_is_full_is_an_error_of_that_file),
    cmocka_unit_test(remote_file_that_changes_is_whole_as_it_was_or_an_error),
    cmocka_unit_test(bulk_download_cut_anywhere_leaves_whole_files_only),
    cmocka_unit_test(ten_cuts_are_survived_in_every_way),
    cmocka_unit_test(large_file_survives_ten_cuts),
    cmocka_unit_test(every_kind_tells_its_progress),
    cmocka_unit_test(every_kind_can_be_cancelled_anywhere),
    cmocka_unit_test(crash_leaves_the_old_file_and_a_part_beside_it),
  };
  strcpy(folder, "/tmp/client_transfers-XXXXXX");
  if (mkdtemp(folder) == NULL) return 1;
  make_small_disk();
  int failed = cmocka_run_group_tests(tests, open_shared, close_shared);
  umount(in_folder("small"));
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  return failed != 0 || system(command) != 0;
}
