/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header of C++ against daytona-local: results, exceptions, ownership, streams; from C++20 on coroutines. TAP.
 */
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <unistd.h>
#include <uv.h>

#include <daytona/daytona.hpp>

using namespace std::chrono_literals;

namespace {

struct scene {
  uv_loop_t *loop;
  daytona::client client;
  daytona::sandbox sandbox;
};

void check(bool passed, const char *what) {
  if (!passed) throw std::runtime_error(what);
}
#define CHECK(condition) check((condition), #condition)

template <typename Function>
daytona::error failure_of(Function function) {
  try {
    function();
  } catch (const daytona::error &why) {
    return why;
  }
  throw std::runtime_error("it did not fail");
}

std::string text_of(const daytona_exec_result_t &done) { return std::string(done.result, done.result_size); }

void a_result_outlives_its_future(scene &on) {
  auto done = on.sandbox.exec("echo out; exit 3").wait();
  auto copy = done;
  CHECK(copy->exit_code == 3 && text_of(*copy) == "out\n");
}

void options_are_those_of_c(scene &on) {
  daytona_pair_t pair = {"WORD", "given"};
  daytona_process_exec_opts_t opts{};
  opts.env = {&pair, 1};
  CHECK(text_of(*on.sandbox.exec("echo $WORD", opts).wait()) == "given\n");
}

void a_failure_is_an_exception(scene &on) {
  daytona::error why = failure_of([&] { on.sandbox.download("/nowhere").wait(); });
  CHECK(why.is(DAYTONA_ENOTFOUND) && why.is(DAYTONA_EFAILED) && !why.is(DAYTONA_ETIMEOUT));
  CHECK(std::strlen(why.what()) > 0);
  why = failure_of([&] { on.client.find("no-such-sandbox").wait(); });
  CHECK(why.code() == DAYTONA_ENOTFOUND && why.http_status() == 404);
}

void a_text_with_a_nul_is_refused(scene &on) {
  CHECK(failure_of([&] { on.sandbox.exec(std::string_view("true\0false", 10)); }).code() == DAYTONA_EINVAL);
}

void a_bad_configuration_has_a_reason(scene &on) {
  daytona_config_t config{};
  config.ignores_environment = true;
  CHECK(failure_of([&] { daytona::client(on.loop, &config); }).code() == DAYTONA_EAUTH);
}

void an_upload_owns_its_bytes(scene &on) {
  std::string bytes(300000, 'x');
  bytes[1000] = '\0';
  auto upload =
    on.sandbox.upload("bytes", std::string(bytes)); /* the temporary is gone before a byte is sent */
  upload.wait();
  auto down = on.sandbox.download("bytes").wait();
  CHECK(std::string_view(down->data, down->size) == bytes);
}

void a_detached_upload_continues(scene &on) {
  { auto dropped = on.sandbox.upload("detached", std::string(100000, 'y')); }
  for (int i = 0; i < 200; i++)
    if (text_of(*on.sandbox.exec("wc -c < detached 2>&1").wait()) == "100000\n") return;
  check(false, "it never arrived");
}

void then_is_called_once(scene &on) {
  int calls = 0;
  on.sandbox.exec("echo then").then([&calls](daytona::future<daytona_future_exec_result> settled) {
    calls += text_of(*settled.get()) == "then\n" ? 1 : 100;
  });
  CHECK(calls == 0);
  on.sandbox.exec("sleep 0.2").wait();
  CHECK(calls == 1);
}

void a_deadline_is_an_exception(scene &on) {
  CHECK(failure_of([&] { on.sandbox.exec("sleep 30").deadline(50ms).wait(); }).code() == DAYTONA_EDEADLINE);
  auto future = on.sandbox.exec("sleep 30");
  future.cancel();
  CHECK(failure_of([&] { future.wait(); }).code() == DAYTONA_ECANCELED);
}

void get_before_the_end_is_a_bug(scene &on) {
  auto future = on.sandbox.exec("true");
  try {
    future.get();
    check(false, "it gave something");
  } catch (const std::logic_error &) {}
  future.wait();
}

void empty_handles_fail(scene &on) {
  daytona::sandbox moved = on.sandbox, other = std::move(moved);
  CHECK(!moved && other && moved.id().empty() && other.id() == on.sandbox.id());
  CHECK(failure_of([&] { moved.exec("true").wait(); }).code() == DAYTONA_EINVAL);
  CHECK(failure_of([&] { moved.upload("x", "bytes").wait(); }).code() == DAYTONA_EINVAL);
  CHECK(failure_of([&] { moved.upload_stream("x", [](char *, std::size_t) { return 0; }).wait(); }).code() ==
        DAYTONA_EINVAL);
  CHECK(failure_of([&] { moved.follow("x", "y", [](const daytona_output_t &) {}).wait(); }).code() ==
        DAYTONA_EINVAL);
  CHECK(failure_of([&] { moved.create_pty([](const daytona_output_t &) {}).wait(); }).code() ==
        DAYTONA_EINVAL);
  CHECK(failure_of([&] { daytona::client().create().wait(); }).code() == DAYTONA_EINVAL);
  CHECK(failure_of([&] { daytona::client().sandboxes(); }).code() == DAYTONA_EINVAL);
  CHECK(!daytona::pty().is_connected() && daytona::pty().id().empty() && daytona::pty().pause() != 0);
  CHECK(failure_of([&] { daytona::pty().write("x"); }).code() == DAYTONA_EINVAL);
  daytona::image().run("true").env("A", "b");
  moved = other; /* it may be used again */
  CHECK(moved.id() == on.sandbox.id());
  auto future = on.sandbox.exec("true");
  auto taken = std::move(future);
  CHECK(failure_of([&] { future.wait(); }).code() == DAYTONA_EINVAL && !future.is_settled());
  future.cancel();
  taken.wait();
}

void files_are_listed_and_moved(scene &on) {
  on.sandbox.create_folder("folder/below").wait();
  on.sandbox.upload("folder/one", "1234").wait();
  on.sandbox.move_files("folder/one", "folder/below/two").wait();
  CHECK(on.sandbox.file_info("folder/below/two").wait()->size == 4);
  auto files = on.sandbox.list_files("folder").wait();
  CHECK(files->count == 1 && std::string_view(files->items[0]->name) == "below" && files->items[0]->is_dir);
  on.sandbox.delete_file("folder", true).wait();
  CHECK(failure_of([&] { on.sandbox.list_files("folder").wait(); }).is(DAYTONA_ENOTFOUND));
  CHECK(std::string_view(on.sandbox.refresh().wait().info().state_name) == "started");
  CHECK(std::string_view(on.sandbox.preview_link(3000).wait()->url).find("http") == 0);
}

void files_stream_through_functions(scene &on) {
  auto state = std::make_shared<int>(0);
  auto upload = on.sandbox.upload_stream("streamed", [state](char *buffer, std::size_t) -> std::ptrdiff_t {
    if (++*state == 2) return DAYTONA_SOURCE_WAIT;
    if (*state > 6) return 0;
    std::memcpy(buffer, "part\n", 5);
    return 5;
  });
  while (*state < 2) uv_run(on.loop, UV_RUN_ONCE);
  CHECK(upload.resume() == 0);
  upload.wait();
  std::string got;
  bool was_full = false;
  auto download = on.sandbox.download_stream("streamed", [&](std::string_view bytes) -> std::size_t {
    if (!was_full) {
      was_full = true;
      return 0;
    }
    got += bytes;
    return bytes.size();
  });
  while (!was_full) uv_run(on.loop, UV_RUN_ONCE);
  download.resume();
  download.wait();
  CHECK(got == "part\npart\npart\npart\npart\n");
}

void local_files_go_and_come_back(scene &on) {
  char from[] = "/tmp/daytona-cpp-XXXXXX";
  int fd = mkstemp(from);
  CHECK(fd >= 0 && write(fd, "local", 5) == 5 && close(fd) == 0);
  const std::string to = std::string(from) + "-back";
  on.sandbox.upload_file(from, "local").wait();
  on.sandbox.download_file("local", to).wait();
  std::ifstream back(to);
  std::string text;
  CHECK(std::getline(back, text) && text == "local");
  CHECK(unlink(from) == 0 && unlink(to.c_str()) == 0);
}

void sandboxes_are_iterated(scene &on) {
  daytona_sandbox_query_t query{};
  int found = 0;
  auto all = on.client.sandboxes(query);
  while (daytona::sandbox each = all.next().wait()) found += each.id() == on.sandbox.id();
  CHECK(found == 1);
}

void an_image_is_built_up(scene &) {
  auto image = daytona::image::base("debian:12");
  auto same = image.run("make it").env("A", "b c").workdir("/srv");
  CHECK(image.dockerfile().find("FROM debian:12\n") == 0 && same.dockerfile() == image.dockerfile());
  CHECK(image.dockerfile().find("RUN make it") != std::string_view::npos);
  CHECK(failure_of([&] { image.run(std::string_view("a\0b", 3)); }).code() == DAYTONA_EINVAL);
}

void a_command_is_given_input(scene &on) {
  on.sandbox.create_session("input").wait();
  daytona_session_exec_opts_t opts{};
  opts.run_async = true;
  opts.suppress_input_echo = true;
  auto command = on.sandbox.session_exec("input", "read -r line; echo got $line", opts).wait();
  on.sandbox.session_input("input", command->command_id, "word").wait();
  auto end = on.sandbox.follow("input", command->command_id, [](const daytona_output_t &) {}).wait();
  CHECK(end->reason == DAYTONA_STREAM_EXITED);
  auto logs = on.sandbox.session_logs("input", command->command_id).wait();
  CHECK(std::string_view(logs->out.data, logs->out.size) == "got word\n");
  CHECK(on.sandbox.session_command("input", command->command_id).wait()->exit_code.value == 0);
  on.sandbox.delete_session("input").wait();
}

void any_call_of_c_has_a_future(scene &on) {
  daytona::future<daytona_future_file_list> files(daytona_fs_list_files(on.sandbox.get(), "/", nullptr));
  CHECK(files.wait()->count > 3);
}

void a_follow_hears_both_streams(scene &on) {
  on.sandbox.create_session("s").wait();
  daytona_session_exec_opts_t opts{};
  opts.run_async = true;
  auto command = on.sandbox.session_exec("s", "echo one; echo two >&2; sleep 0.1; echo three", opts).wait();
  std::string out, err;
  auto end = on.sandbox
               .follow("s", command->command_id,
                       [&](const daytona_output_t &part) {
                         (part.stream == DAYTONA_OUTPUT_STDERR ? err : out).append(part.bytes, part.size);
                       })
               .wait();
  CHECK(end->reason == DAYTONA_STREAM_EXITED && end->exit_code == 0);
  CHECK(out == "one\nthree\n" && err == "two\n");
  on.sandbox.delete_session("s").wait();
}

void the_interpreter_keeps_variables(scene &on) {
  on.sandbox.run_code("x = 20").wait();
  std::string heard;
  auto ran = on.sandbox
               .run_code("print(x + 1)", {},
                         [&](const daytona_output_t &part) { heard.append(part.bytes, part.size); })
               .wait();
  CHECK(heard == "21\n" && ran->error == nullptr);
}

void a_terminal_is_owned(scene &on) {
  auto shown = std::make_shared<std::string>();
  daytona::pty terminal =
    on.sandbox.create_pty([shown](const daytona_output_t &part) { shown->append(part.bytes, part.size); })
      .wait();
  CHECK(terminal.is_connected() && !terminal.id().empty());
  terminal.resize(100, 30).wait();
  terminal.write("stty size; exit 7\n");
  auto end = terminal.wait().wait();
  CHECK(end->reason == DAYTONA_STREAM_EXITED && end->exit_code == 7);
  CHECK(shown->find("30 100") != std::string::npos);
  CHECK(shown.use_count() > 1);
  std::string again;
  auto other = on.sandbox.create_pty([](const daytona_output_t &) {}).wait();
  auto second =
    on.sandbox
      .connect_pty(other.id(), [&](const daytona_output_t &part) { again.append(part.bytes, part.size); })
      .wait();
  other.write("echo is-$((1+1))\n");
  while (again.find("is-2") == std::string::npos) uv_run(on.loop, UV_RUN_ONCE);
  CHECK(second.pause() == 0 && second.resume() == 0);
  other.kill().wait();
  CHECK(second.wait().wait()->reason == DAYTONA_STREAM_KILLED);
  terminal = daytona::pty();
  uv_run(on.loop, UV_RUN_NOWAIT);
  CHECK(shown.use_count() == 1);
}

#if defined(__cpp_impl_coroutine)

daytona::task<std::string> say(daytona::sandbox sandbox, std::string word) {
  auto done = co_await sandbox.exec("echo " + word);
  co_return text_of(*done);
}

daytona::task<> many(scene &on) {
  std::vector<daytona::task<std::string>> all;
  for (int i = 0; i < 20; i++) all.push_back(say(on.sandbox, std::to_string(i)));
  for (int i = 0; i < 20; i++) CHECK(co_await all[static_cast<std::size_t>(i)] == std::to_string(i) + "\n");
  const std::byte bytes[] = {std::byte{1}, std::byte{0}, std::byte{2}};
  co_await on.sandbox.upload("span", bytes);
  auto down = co_await on.sandbox.download("span");
  CHECK(down->size == 3 && std::memcmp(down->data, bytes, 3) == 0);
  auto again = on.sandbox.exec("echo twice");
  CHECK(text_of(*co_await again) == text_of(*co_await again));
}

void finish(daytona::task<> &task, uv_loop_t *loop) {
  while (!task.is_done()) uv_run(loop, UV_RUN_ONCE);
  task.get();
}

void coroutines_await_side_by_side(scene &on) {
  auto task = many(on);
  finish(task, on.loop);
}

daytona::task<> throws(scene &on) { co_await on.sandbox.download("/nowhere"); }
daytona::task<> catches(scene &on, bool *caught) {
  try {
    co_await throws(on);
  } catch (const daytona::error &why) {
    *caught = why.is(DAYTONA_ENOTFOUND);
  }
  co_await throws(on);
}

void exceptions_pass_through_tasks(scene &on) {
  bool caught = false;
  auto task = catches(on, &caught);
  CHECK(failure_of([&] { finish(task, on.loop); }).is(DAYTONA_ENOTFOUND) && caught);
}

daytona::task<> waits(daytona::task<> &other) { co_await other; }

void a_destroyed_coroutine_is_not_resumed(scene &on) {
  auto outlives = throws(on);
  { auto dropped = waits(outlives); }
  CHECK(failure_of([&] { finish(outlives, on.loop); }).is(DAYTONA_ENOTFOUND));
  { auto dropped = say(on.sandbox, "nobody"); }
  on.sandbox.exec("sleep 0.2").wait();
}

daytona::task<> sleeps(daytona::sandbox sandbox, const char *command) { co_await sandbox.exec(command); }
daytona::task<> sleeps_with(daytona::future<daytona_future_exec_result> &kept) { co_await kept; }

bool runs(scene &on, const char *command) {
  return on.sandbox.exec(std::string("pgrep -f '^") + command + "'").wait()->exit_code == 0;
}

void a_destroyed_coroutine_cancels_what_it_alone_awaits(scene &on) {
  {
    auto dropped = sleeps(on.sandbox, "sleep 61");
    while (!runs(on, "sleep 61")) {}
  }
  for (int i = 0; i < 200 && runs(on, "sleep 61"); i++) {}
  CHECK(!runs(on, "sleep 61"));
  auto kept = on.sandbox.exec("sleep 0.3; echo kept");
  { auto dropped = sleeps_with(kept); }
  CHECK(text_of(*kept.wait()) == "kept\n");
}

daytona::task<int> counts(daytona::client client) {
  int count = 0;
  auto all = client.sandboxes();
  while (daytona::sandbox each = co_await all.next()) count += !each.id().empty();
  co_return count;
}

void coroutines_iterate(scene &on) {
  auto task = counts(on.client);
  while (!task.is_done()) uv_run(on.loop, UV_RUN_ONCE);
  CHECK(task.get() >= 1);
}

daytona::task<> awaits_nothing(daytona::sandbox empty) { co_await empty.exec("true"); }

void awaiting_an_empty_handle_fails(scene &on) {
  auto task = awaits_nothing(daytona::sandbox());
  CHECK(failure_of([&] { finish(task, on.loop); }).code() == DAYTONA_EINVAL);
}

#endif

struct test_case {
  const char *name;
  void (*run)(scene &);
};
#define CASE(function) \
  { #function, function }

const test_case cases[] = {
  CASE(a_result_outlives_its_future),
  CASE(options_are_those_of_c),
  CASE(a_failure_is_an_exception),
  CASE(a_text_with_a_nul_is_refused),
  CASE(a_bad_configuration_has_a_reason),
  CASE(an_upload_owns_its_bytes),
  CASE(a_detached_upload_continues),
  CASE(then_is_called_once),
  CASE(a_deadline_is_an_exception),
  CASE(get_before_the_end_is_a_bug),
  CASE(empty_handles_fail),
  CASE(files_are_listed_and_moved),
  CASE(files_stream_through_functions),
  CASE(local_files_go_and_come_back),
  CASE(sandboxes_are_iterated),
  CASE(an_image_is_built_up),
  CASE(a_command_is_given_input),
  CASE(any_call_of_c_has_a_future),
  CASE(a_follow_hears_both_streams),
  CASE(the_interpreter_keeps_variables),
  CASE(a_terminal_is_owned),
#if defined(__cpp_impl_coroutine)
  CASE(coroutines_await_side_by_side),
  CASE(exceptions_pass_through_tasks),
  CASE(a_destroyed_coroutine_is_not_resumed),
  CASE(a_destroyed_coroutine_cancels_what_it_alone_awaits),
  CASE(coroutines_iterate),
  CASE(awaiting_an_empty_handle_fails),
#endif
};

int run_all(scene &on) {
  int number = 0, failed = 0;
  for (const test_case &each : cases) {
    std::string why;
    try {
      each.run(on);
    } catch (const std::exception &error) {
      why = error.what();
    }
    failed += !why.empty();
    std::printf("%sok %d - %s\n", why.empty() ? "" : "not ", ++number, each.name);
    if (!why.empty()) std::printf("# %s\n", why.c_str());
    std::fflush(stdout);
  }
  return failed;
}

} /* namespace */

int main() {
  constexpr int count = sizeof cases / sizeof cases[0];
  std::printf("1..%d\n", count + 1);
  uv_loop_t loop;
  uv_loop_init(&loop);
  int failed = 0;
  {
    scene on{&loop, daytona::client(&loop), daytona::sandbox()};
    on.sandbox = on.client.create().wait();
    failed = run_all(on);
    on.sandbox.remove().wait();
  }
  uv_run(&loop, UV_RUN_DEFAULT); /* the client closes by itself */
  bool is_clean = uv_loop_close(&loop) == 0;
  std::printf("%sok %d - nothing is left on the loop\n", is_clean ? "" : "not ", count + 1);
  return failed == 0 && is_clean ? EXIT_SUCCESS : EXIT_FAILURE;
}
