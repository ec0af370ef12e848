/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The C++ header in one story: coroutines that create sandboxes side by side, run commands in them and clean up.
 *
 *   daytona-local run -- tour        with no account
 */
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <uv.h>

#include <daytona/daytona.hpp>

static daytona::task<std::string> greet(daytona::sandbox sandbox, int number) {
  co_await sandbox.upload("greeting.txt", "hello from number " + std::to_string(number));
  auto done = co_await sandbox.exec("cat greeting.txt");
  co_return std::string(done->result, done->result_size);
}

/* A sandbox is deleted whatever happened to it; a failure goes on to the caller after that. */
static daytona::task<std::string> one(daytona::client client, int number) {
  daytona::sandbox sandbox = co_await client.create();
  std::exception_ptr failure;
  std::string said;
  try {
    said = co_await greet(sandbox, number);
  } catch (const daytona::error &) {
    failure = std::current_exception();
  }
  co_await sandbox.remove();
  if (failure) std::rethrow_exception(failure);
  co_return said;
}

static daytona::task<int> tour(daytona::client client) {
  std::vector<daytona::task<std::string>> all; /* they run side by side from here on */
  for (int i = 1; i <= 3; i++) all.push_back(one(client, i));
  int status = EXIT_SUCCESS;
  for (auto &each : all) { /* each is waited for, so that each deletes its sandbox */
    try {
      std::printf("%s\n", (co_await each).c_str());
    } catch (const daytona::error &why) {
      std::fprintf(stderr, "%s: %s\n", daytona_errcode_name(why.code()), why.what());
      status = EXIT_FAILURE;
    }
  }
  co_return status;
}

int main(int argc, char **argv) {
  if (argc > 1) {
    const std::string word = argv[1];
    const bool is_help = word == "--help" || word == "-h";
    std::fputs("usage: tour\nCreates sandboxes side by side, runs commands in them and deletes them.\n",
               is_help ? stdout : stderr);
    return is_help ? EXIT_SUCCESS : 2;
  }
  uv_loop_t loop;
  uv_loop_init(&loop);
  int status = EXIT_FAILURE;
  try {
    daytona::client client(&loop);
    daytona::task<int> story = tour(client);
    uv_run(&loop, UV_RUN_DEFAULT);
    status = story.get();
  } catch (const daytona::error &why) {
    std::fprintf(stderr, "%s\n", why.what());
  }
  uv_run(&loop, UV_RUN_DEFAULT); /* the client, now released, closes */
  return uv_loop_close(&loop) == 0 ? status : EXIT_FAILURE;
}
