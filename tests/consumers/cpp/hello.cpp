/* SPDX-License-Identifier: Apache-2.0 */
/* A program in C++ of somebody who has installed the library: with coroutines where the compiler has them, without them else. */
#include <cstdio>
#include <string>
#include <string_view>

#include <uv.h>

#include <daytona/daytona.hpp>

#if defined(__cpp_impl_coroutine)

static daytona::task<std::string> say(daytona::client client) {
  daytona::sandbox sandbox = co_await client.create();
  auto done = co_await sandbox.exec("echo from the sandbox");
  std::string said(done->result, done->result_size);
  co_await sandbox.remove();
  co_return said;
}

static std::string run(uv_loop_t *loop, const daytona::client &client) {
  auto task = say(client);
  while (!task.is_done()) uv_run(loop, UV_RUN_ONCE);
  return task.get();
}

#else

static std::string run(uv_loop_t *, const daytona::client &client) {
  daytona::sandbox sandbox = client.create().wait();
  auto done = sandbox.exec("echo from the sandbox").wait();
  std::string said(done->result, done->result_size);
  sandbox.remove().wait();
  return said;
}

#endif

int main() {
  uv_loop_t loop;
  uv_loop_init(&loop);
  int status = 1;
  try {
    daytona::client client(&loop);
    std::fputs(run(&loop, client).c_str(), stdout);
    status = 0;
  } catch (const daytona::error &why) {
    std::fprintf(stderr, "%s\n", why.what());
  }
  uv_run(&loop, UV_RUN_DEFAULT); /* the client, now released, closes */
  return uv_loop_close(&loop) == 0 ? status : 1;
}
