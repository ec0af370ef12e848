/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libdaytona for C++17 and newer: handles that own, typed futures, exceptions, and with C++20 coroutines and spans.
 *
 * Nothing but this header is needed: it calls <daytona/daytona.h>, and its rules hold here too. In short:
 *   Thread: everything here belongs to the thread of the client, the destructors of handles included.
 *   Ownership: client, sandbox, pty, image and future own one reference each; copies of all but the last take another. A handle may
 *   be empty (made without a value, or moved from): `if (handle)` asks it, its operations fail with DAYTONA_EINVAL, its id is
 *   empty, and it has no info.
 *   Results: a result keeps the future it came from, so what it points to lives as long as the result or a copy of it.
 *   Failures: daytona::error, thrown by get(), wait() and co_await. An operation itself only throws for a text with a NUL in
 *   it, and std::bad_alloc.
 *   Coroutines: destroying one that is suspended in `co_await sandbox.exec(...)` cancels that operation, since nobody else has its
 *   future; `co_await kept`, with a future that has a name, leaves it to its owner. Destroying a future never cancels.
 *   Callbacks: any callable that can be copied. One that throws ends the program (std::terminate), for there is nobody to catch.
 *   Texts are copied by each call; so are the bytes of an upload. A view that an object returns lives as long as the object.
 *
 * There are methods for sandboxes and how they are found, for commands, code, files, sessions, logs, terminals, images and
 * previews. Everything else (git, volumes, secrets, desktops and so on) is called as in C, and given its accessor:
 *
 *   daytona::future<daytona_future_git_status> status(daytona_git_get_status(sandbox.get(), "repo", nullptr));
 */
#ifndef DAYTONA_DAYTONA_HPP
#define DAYTONA_DAYTONA_HPP

#include <cassert>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#if defined(__cpp_impl_coroutine)
#include <coroutine>
#endif
#if __cplusplus >= 202002L
#include <span>
#endif

#include <daytona/daytona.h>

namespace daytona {

/** Why a call failed: a copy of daytona_error_t that may leave the loop's thread. what() is its one line for people. */
class error : public std::runtime_error {
 public:
  explicit error(daytona_errcode_t code)
      : std::runtime_error(daytona_errcode_text(code)), facts_(std::make_shared<facts>()) {
    facts_->code = code;
  }
  error(daytona_errcode_t code, const std::string &message)
      : std::runtime_error(message), facts_(std::make_shared<facts>()) {
    facts_->code = code;
  }
  explicit error(const daytona_error_t &why)
      : std::runtime_error(why.message), facts_(std::make_shared<facts>()) {
    facts_->code = why.code;
    facts_->http_status = why.http_status;
    facts_->attempts = why.attempts;
    facts_->system_errno = why.system_errno;
    facts_->retry_after_ms = why.retry_after_ms;
    facts_->server_code = copy_of(why.server_code);
    facts_->request_id = copy_of(why.request_id);
    facts_->field = copy_of(why.field);
    facts_->sandbox = copy_of(why.sandbox);
    if (why.body != nullptr) facts_->body.assign(why.body, why.body_size);
  }

  daytona_errcode_t code() const noexcept { return facts_->code; }
  /** Whether it is of kind `kind` or one below it, as daytona_error_is() says. */
  bool is(daytona_errcode_t kind) const noexcept { return daytona_errcode_is(facts_->code, kind); }
  int http_status() const noexcept { return facts_->http_status; }
  int attempts() const noexcept { return facts_->attempts; }
  int system_errno() const noexcept { return facts_->system_errno; }
  /** Milliseconds; -1 when the server did not say. */
  std::int64_t retry_after_ms() const noexcept { return facts_->retry_after_ms; }
  /** These are empty where they are not known. */
  const std::string &server_code() const noexcept { return facts_->server_code; }
  const std::string &request_id() const noexcept { return facts_->request_id; }
  const std::string &field() const noexcept { return facts_->field; }
  const std::string &body() const noexcept { return facts_->body; }
  /** A sandbox that may exist after the failure: use it or delete it. Empty: none. */
  const std::string &sandbox() const noexcept { return facts_->sandbox; }

 private:
  struct facts {
    daytona_errcode_t code = DAYTONA_EFAILED;
    int http_status = 0;
    int attempts = 0;
    int system_errno = 0;
    std::int64_t retry_after_ms = -1;
    std::string server_code, request_id, field, sandbox, body;
  };
  static std::string copy_of(const char *text) { return text == nullptr ? std::string() : std::string(text); }

  std::shared_ptr<facts> facts_; /* shared: copies of an exception must not throw */
};

namespace detail {

/** A NUL-terminated copy. A NUL inside would cut the text off unseen, so it is refused. */
class text {
 public:
  explicit text(std::string_view from) : copy_(from) {
    if (from.find('\0') != std::string_view::npos) throw error(DAYTONA_EINVAL, "a text has a NUL in it");
  }
  operator const char *() const noexcept { return copy_.c_str(); }

 private:
  std::string copy_;
};

/** What an object is called; an empty one for none. */
inline std::string_view view(const char *text) noexcept {
  return text == nullptr ? std::string_view() : std::string_view(text);
}

/** One counted reference. */
template <typename T, T *(*Retain)(T *), void (*Release)(T *)>
class handle {
 public:
  handle() noexcept = default;
  handle(const handle &other) noexcept : raw_(other.raw_ == nullptr ? nullptr : Retain(other.raw_)) {}
  handle(handle &&other) noexcept : raw_(std::exchange(other.raw_, nullptr)) {}
  handle &operator=(handle other) noexcept {
    std::swap(raw_, other.raw_);
    return *this;
  }
  ~handle() {
    if (raw_ != nullptr) Release(raw_);
  }

  /** The C object, borrowed; nullptr when empty. */
  T *get() const noexcept { return raw_; }
  /** The C object with its reference, which is yours; the handle is empty then. */
  T *release() noexcept { return std::exchange(raw_, nullptr); }
  explicit operator bool() const noexcept { return raw_ != nullptr; }

 protected:
  explicit handle(T *taken) noexcept : raw_(taken) {}

 private:
  T *raw_ = nullptr;
};

using future_handle = handle<daytona_future_t, daytona_future_retain, daytona_future_release>;

class held_future : public future_handle {
 public:
  explicit held_future(daytona_future_t *taken) noexcept : future_handle(taken) {}
};

using output_function = std::function<void(const daytona_output_t &)>;
using source_function = std::function<std::ptrdiff_t(char *buffer, std::size_t size)>;
using sink_function = std::function<std::size_t(std::string_view bytes)>;

inline void call_output(const daytona_output_t *output, void *user) noexcept {
  (*static_cast<output_function *>(user))(*output);
}

inline std::ptrdiff_t call_source(char *buffer, std::size_t size, void *user) noexcept {
  return (*static_cast<source_function *>(user))(buffer, size);
}

inline std::size_t call_sink(const char *bytes, std::size_t size, void *user) noexcept {
  return (*static_cast<sink_function *>(user))(std::string_view(bytes, size));
}

template <typename T>
void destroy(void *user) noexcept {
  delete static_cast<T *>(user);
}

} /* namespace detail */

/** What a future settled with, and the future that it belongs to. Empty when daytona_future_is_absent(). */
template <typename T>
class result {
 public:
  result(daytona_future_t *future, const T *value) noexcept
      : held_(daytona_future_retain(future)), value_(value) {}
  const T &operator*() const noexcept { return *value_; }
  const T *operator->() const noexcept { return value_; }
  const T *get() const noexcept { return value_; }
  explicit operator bool() const noexcept { return value_ != nullptr; }

 private:
  detail::held_future held_;
  const T *value_;
};

class sandbox;
class pty;

/**
 * A future whose result `Accessor` reads; future<> for calls that settle without a value. What get(), wait() and co_await give:
 * a sandbox or a pty for daytona_future_sandbox and daytona_future_pty, std::optional<std::string> for texts, a result<T> for
 * structs. Destroying it detaches the operation, which continues; cancel() ends it.
 */
template <auto Accessor = nullptr>
class future {
 public:
  /** Takes the reference that every operation of the C library returns. */
  explicit future(daytona_future_t *taken) noexcept : held_(taken) {}
  future(future &&) noexcept = default;
  future &operator=(future &&) noexcept = default;

  daytona_future_t *raw() const noexcept { return held_.get(); }
  bool is_settled() const noexcept { return daytona_future_is_settled(raw()); }
  void cancel() noexcept { daytona_future_cancel(raw()); }
  int pause() noexcept { return daytona_future_pause(raw()); }
  int resume() noexcept { return daytona_future_resume(raw()); }

  /** The result of a settled future; throws error, or std::logic_error when it has not settled. */
  auto get() const {
    if (!is_settled()) throw std::logic_error("daytona::future::get() before it has settled");
    if (const daytona_error_t *why = daytona_future_error(raw())) throw error(*why);
    if constexpr (!std::is_null_pointer_v<decltype(Accessor)>) return convert(Accessor(raw()));
  }

  /** Run the loop until it has settled, and get(). For tools and tests, and not in callbacks: see daytona_future_await(). */
  auto wait() const {
    int rc = daytona_future_await(raw());
    if (rc != DAYTONA_OK && !is_settled()) throw error(static_cast<daytona_errcode_t>(rc));
    return get();
  }

  /** Call `callback(future)` once, from a later turn of the loop, when it has settled. This future is empty then. */
  template <typename Callback>
  void then(Callback callback) && {
    auto kept = std::make_unique<Callback>(std::move(callback));
    daytona_future_then(held_.release(), call<Callback>, kept.release());
  }

  /** This future with a limit: DAYTONA_EDEADLINE after it. This one is empty then. */
  future deadline(std::chrono::milliseconds limit) && {
    return future(daytona_future_deadline(held_.release(), limit.count()));
  }

#if defined(__cpp_impl_coroutine)
  /**
   * Awaiting a future resumes the coroutine from a turn of the loop. A coroutine that is destroyed before that is not resumed,
   * and its operation is cancelled if the coroutine had the only handle.
   */
  class awaiter {
   public:
    awaiter(future &&taken, bool is_sole) noexcept : future_(std::move(taken)), is_sole_(is_sole) {}
    awaiter(const awaiter &) = delete;
    awaiter &operator=(const awaiter &) = delete;
    ~awaiter() {
      if (ticket_ == nullptr) return;
      ticket_->waiting = nullptr;
      if (is_sole_) future_.cancel();
    }
    bool await_ready() const noexcept { return future_.is_settled(); }
    void await_suspend(std::coroutine_handle<> waiting) {
      auto kept = std::make_unique<ticket>(ticket{this, waiting});
      int rc = daytona_future_on_settled(future_.raw(), resume, kept.get());
      if (rc != 0) throw error(static_cast<daytona_errcode_t>(rc));
      ticket_ = kept.release();
    }
    auto await_resume() const { return future_.get(); }

   private:
    struct ticket {
      awaiter *waiting; /* NULL: its coroutine was destroyed */
      std::coroutine_handle<> coroutine;
    };
    static void resume(daytona_future_t *, void *user) noexcept {
      std::unique_ptr<ticket> kept(static_cast<ticket *>(user));
      if (kept->waiting == nullptr) return;
      kept->waiting->ticket_ = nullptr;
      kept->coroutine.resume();
    }

    future future_;
    bool is_sole_;
    ticket *ticket_ = nullptr;
  };
  awaiter operator co_await() &&noexcept { return awaiter(std::move(*this), true); }
  /** The future stays yours: it can be cancelled by others, and awaited or asked again. */
  awaiter operator co_await() &noexcept { return awaiter(future(daytona_future_retain(raw())), false); }
#endif

 private:
  template <typename T>
  auto convert(T *value) const;
  template <typename Callback>
  static void call(daytona_future_t *settled, void *user) noexcept {
    std::unique_ptr<Callback> callback(static_cast<Callback *>(user));
    (*callback)(future(daytona_future_retain(settled)));
  }

  detail::held_future held_;
};

using output_callback = detail::output_function;
/** As daytona_fs_source_cb: fills in the next bytes of an upload, 0 at the end, DAYTONA_SOURCE_WAIT or DAYTONA_SOURCE_FAIL. */
using source_callback = detail::source_function;
/** As daytona_fs_sink_cb: how many of the bytes of a download it has taken. */
using sink_callback = detail::sink_function;

/** A terminal: daytona_pty_t. Its callback is called until the last handle and the last pending wait() are gone; disconnect() ends both. */
class pty : public detail::handle<daytona_pty_t, daytona_pty_retain, daytona_pty_release> {
 public:
  pty() noexcept = default;
  /** Takes a reference. */
  explicit pty(daytona_pty_t *taken) noexcept : handle(taken) {}

  std::string_view id() const noexcept { return detail::view(daytona_pty_id(get())); }
  bool is_connected() const noexcept { return daytona_pty_is_connected(get()); }
  /** As daytona_pty_pause() and daytona_pty_resume(). */
  int pause() const noexcept { return daytona_pty_pause(get()); }
  int resume() const noexcept { return daytona_pty_resume(get()); }
  /** Throws error as daytona_pty_write() fails: DAYTONA_ELIMIT when its queue has no room. */
  void write(std::string_view bytes) const {
    int rc = daytona_pty_write(get(), bytes.data(), bytes.size());
    if (rc != 0) throw error(static_cast<daytona_errcode_t>(rc));
  }
  future<daytona_future_stream_end> wait() const {
    return future<daytona_future_stream_end>(daytona_pty_wait(get()));
  }
  future<daytona_future_pty_info> resize(int cols, int rows) const {
    return future<daytona_future_pty_info>(
      daytona_pty_resize(daytona_pty_sandbox(get()), daytona_pty_id(get()), cols, rows, nullptr));
  }
  future<> kill() const {
    return future<>(daytona_pty_kill(daytona_pty_sandbox(get()), daytona_pty_id(get()), nullptr));
  }
  void disconnect() const noexcept { daytona_pty_disconnect(get()); }
};

/** A sandbox: daytona_sandbox_t. Destroying it leaves the sandbox on the server as it is. */
class sandbox : public detail::handle<daytona_sandbox_t, daytona_sandbox_retain, daytona_sandbox_release> {
 public:
  sandbox() noexcept = default;
  /** Takes a reference. */
  explicit sandbox(daytona_sandbox_t *taken) noexcept : handle(taken) {}

  std::string_view id() const noexcept { return detail::view(daytona_sandbox_id(get())); }
  daytona_sandbox_state_t state() const noexcept { return daytona_sandbox_state(get()); }
  /** As daytona_sandbox_info(): copy what you keep. Not of an empty handle. */
  const daytona_sandbox_info_t &info() const noexcept { return *daytona_sandbox_info(get()); }

  using itself = future<daytona_future_sandbox>;
  itself start(const daytona_sandbox_lifecycle_opts_t &opts = {}) const {
    return itself(daytona_sandbox_start(get(), &opts));
  }
  itself stop(const daytona_sandbox_lifecycle_opts_t &opts = {}) const {
    return itself(daytona_sandbox_stop(get(), &opts));
  }
  /** daytona_sandbox_delete(); `delete` is a word of the language. */
  itself remove(const daytona_sandbox_lifecycle_opts_t &opts = {}) const {
    return itself(daytona_sandbox_delete(get(), &opts));
  }

  itself refresh() const { return itself(daytona_sandbox_refresh_data(get(), nullptr)); }
  /** What a browser is given for a port of the sandbox. */
  future<daytona_future_preview_link> preview_link(int port) const {
    return future<daytona_future_preview_link>(daytona_sandbox_get_preview_link(get(), port, nullptr));
  }

  future<daytona_future_exec_result> exec(std::string_view command,
                                          const daytona_process_exec_opts_t &opts = {}) const {
    return future<daytona_future_exec_result>(daytona_process_exec(get(), detail::text(command), &opts));
  }
  future<daytona_future_exec_result> code_run(std::string_view code,
                                              const daytona_process_code_run_opts_t &opts = {}) const {
    return future<daytona_future_exec_result>(daytona_process_code_run(get(), detail::text(code), &opts));
  }
  /** `opts.user` and `opts.destroy_user` stay yours unless `on_output` is given: then they must not be. */
  future<daytona_future_interpreter_run_result> run_code(std::string_view code,
                                                         daytona_interpreter_run_code_opts_t opts = {},
                                                         output_callback on_output = nullptr) const {
    detail::text copied(code);
    if (on_output) hear(opts.on_stdout, opts.on_stderr, opts, std::move(on_output));
    return future<daytona_future_interpreter_run_result>(daytona_interpreter_run_code(get(), copied, &opts));
  }

  /** Upload a copy of `bytes`. `opts.user` must not be set; progress needs the C call. */
  future<> upload(std::string_view path, std::string_view bytes, daytona_transfer_opts_t opts = {}) const {
    detail::text where(path);
    auto copy = std::make_unique<std::string>(bytes);
    assert(opts.user == nullptr && opts.destroy_user == nullptr);
    opts.user = copy.get();
    opts.destroy_user = detail::destroy<std::string>;
    const std::string &kept = *copy.release(); /* destroyed by the library, whatever the outcome */
    return future<>(daytona_fs_upload(get(), kept.data(), kept.size(), where, &opts));
  }
  future<daytona_future_bytes> download(std::string_view path,
                                        const daytona_transfer_opts_t &opts = {}) const {
    return future<daytona_future_bytes>(daytona_fs_download(get(), detail::text(path), &opts));
  }
  /** A local file, to and from the sandbox. `opts` may report progress. */
  future<> upload_file(std::string_view local_path, std::string_view path,
                       const daytona_transfer_opts_t &opts = {}) const {
    return future<>(daytona_fs_upload_file(get(), detail::text(local_path), detail::text(path), &opts));
  }
  future<> download_file(std::string_view path, std::string_view local_path,
                         const daytona_transfer_opts_t &opts = {}) const {
    return future<>(daytona_fs_download_file(get(), detail::text(path), detail::text(local_path), &opts));
  }
  /** What `source` gives. The future's resume() calls it again after DAYTONA_SOURCE_WAIT. */
  future<> upload_stream(std::string_view path, source_callback source,
                         daytona_transfer_opts_t opts = {}) const {
    detail::text where(path);
    opts.destroy_stream_user = detail::destroy<source_callback>;
    void *user = std::make_unique<source_callback>(std::move(source)).release();
    return future<>(daytona_fs_upload_file_stream(get(), detail::call_source, user, where, &opts));
  }
  /** Into `sink`. When that has not taken all, the future's resume() continues. */
  future<> download_stream(std::string_view path, sink_callback sink,
                           daytona_transfer_opts_t opts = {}) const {
    detail::text where(path);
    opts.destroy_stream_user = detail::destroy<sink_callback>;
    void *user = std::make_unique<sink_callback>(std::move(sink)).release();
    return future<>(daytona_fs_download_file_stream(get(), where, detail::call_sink, user, &opts));
  }
  future<daytona_future_file_list> list_files(std::string_view path,
                                              const daytona_fs_list_files_opts_t &opts = {}) const {
    return future<daytona_future_file_list>(daytona_fs_list_files(get(), detail::text(path), &opts));
  }
  future<daytona_future_file_info> file_info(std::string_view path) const {
    return future<daytona_future_file_info>(daytona_fs_get_file_info(get(), detail::text(path), nullptr));
  }
  /** `mode` is octal, as in "755". */
  future<> create_folder(std::string_view path, std::string_view mode = "755") const {
    return future<>(daytona_fs_create_folder(get(), detail::text(path), detail::text(mode), nullptr));
  }
  future<> move_files(std::string_view source, std::string_view destination) const {
    return future<>(daytona_fs_move_files(get(), detail::text(source), detail::text(destination), nullptr));
  }
  future<> delete_file(std::string_view path, bool is_recursive = false) const {
    daytona_fs_delete_file_opts_t opts{};
    opts.is_recursive = is_recursive;
    return future<>(daytona_fs_delete_file(get(), detail::text(path), &opts));
  }
#if __cplusplus >= 202002L
  future<> upload(std::string_view path, std::span<const std::byte> bytes,
                  const daytona_transfer_opts_t &opts = {}) const {
    return upload(path, std::string_view(reinterpret_cast<const char *>(bytes.data()), bytes.size()), opts);
  }
#endif

  future<> create_session(std::string_view id) const {
    return future<>(daytona_session_create(get(), detail::text(id), nullptr));
  }
  future<daytona_future_session_exec_result> session_exec(
    std::string_view session, std::string_view command, const daytona_session_exec_opts_t &opts = {}) const {
    return future<daytona_future_session_exec_result>(
      daytona_session_exec(get(), detail::text(session), detail::text(command), &opts));
  }
  /** Input of a command that runs; a newline is added where there is none. */
  future<> session_input(std::string_view session, std::string_view command_id, std::string_view data) const {
    return future<>(daytona_session_send_input(get(), detail::text(session), detail::text(command_id),
                                               detail::text(data), nullptr));
  }
  future<daytona_future_session_command> session_command(std::string_view session,
                                                         std::string_view command_id) const {
    return future<daytona_future_session_command>(
      daytona_session_get_command(get(), detail::text(session), detail::text(command_id), nullptr));
  }
  future<daytona_future_session_logs> session_logs(std::string_view session,
                                                   std::string_view command_id) const {
    return future<daytona_future_session_logs>(
      daytona_session_get_command_logs(get(), detail::text(session), detail::text(command_id), nullptr));
  }
  /** Follow a log. `opts.user` and `opts.destroy_user` must not be set. */
  future<daytona_future_stream_end> follow(std::string_view session, std::string_view command_id,
                                           output_callback on_output,
                                           daytona_session_follow_opts_t opts = {}) const {
    detail::text of(session), command(command_id);
    hear(opts.on_stdout, opts.on_stderr, opts, std::move(on_output));
    return future<daytona_future_stream_end>(daytona_session_follow(get(), of, command, &opts));
  }
  future<> delete_session(std::string_view id) const {
    return future<>(daytona_session_delete(get(), detail::text(id), nullptr));
  }

  /** A new terminal. `opts.attach.user` and `opts.attach.destroy_user` must not be set. */
  future<daytona_future_pty> create_pty(output_callback on_output,
                                        daytona_pty_create_opts_t opts = {}) const {
    daytona_output_cb unused = nullptr;
    hear(opts.attach.on_output, unused, opts.attach, std::move(on_output));
    return future<daytona_future_pty>(daytona_pty_create(get(), &opts));
  }
  /** Attach to a terminal that exists. `opts.attach.user` and `opts.attach.destroy_user` must not be set. */
  future<daytona_future_pty> connect_pty(std::string_view id, output_callback on_output,
                                         daytona_pty_connect_opts_t opts = {}) const {
    detail::text copied(id);
    daytona_output_cb unused = nullptr;
    hear(opts.attach.on_output, unused, opts.attach, std::move(on_output));
    return future<daytona_future_pty>(daytona_pty_connect(get(), copied, &opts));
  }

 private:
  /** Lets the library own `function`, as the user of `opts`. */
  template <typename Opts>
  static void hear(daytona_output_cb &first, daytona_output_cb &second, Opts &opts,
                   output_callback function) {
    assert(opts.user == nullptr && opts.destroy_user == nullptr);
    opts.user = std::make_unique<output_callback>(std::move(function)).release();
    opts.destroy_user = detail::destroy<output_callback>;
    first = second = detail::call_output;
  }
};

/**
 * An image: daytona_image_t, built up by calls that return it. Copies are the same image. An error shows when the image is used.
 * For `image` of the options of create() and daytona_snapshot_create(): pass get().
 */
class image : public detail::handle<daytona_image_t, daytona_image_retain, daytona_image_release> {
 public:
  image() noexcept = default;
  /** Takes a reference. */
  explicit image(daytona_image_t *taken) noexcept : handle(taken) {}

  static image base(std::string_view name) { return image(daytona_image_base(detail::text(name))); }
  static image debian_slim(std::string_view python_version = "3.13") {
    return image(daytona_image_debian_slim(detail::text(python_version)));
  }
  static image from_dockerfile(std::string_view path) {
    return image(daytona_image_from_dockerfile(detail::text(path), nullptr));
  }
  const image &run(std::string_view command) const {
    detail::text copied(command);
    const char *const items[] = {copied};
    daytona_strings_t list{};
    list.items = items;
    list.count = 1;
    daytona_image_run_commands(get(), &list);
    return *this;
  }
  const image &env(std::string_view name, std::string_view value) const {
    detail::text key(name), copied(value);
    daytona_pair_t pair{};
    pair.key = key;
    pair.value = copied;
    daytona_map_t map{};
    map.items = &pair;
    map.count = 1;
    daytona_image_env(get(), &map);
    return *this;
  }
  const image &workdir(std::string_view path) const {
    daytona_image_workdir(get(), detail::text(path));
    return *this;
  }
  const image &add_local_file(std::string_view local, std::string_view remote) const {
    daytona_image_add_local_file(get(), detail::text(local), detail::text(remote));
    return *this;
  }
  const image &add_local_dir(std::string_view local, std::string_view remote) const {
    daytona_image_add_local_dir(get(), detail::text(local), detail::text(remote));
    return *this;
  }
  /** The text so far; empty after an error, and where a part of it stands in a file that was not read. */
  std::string_view dockerfile() const noexcept { return detail::view(daytona_image_dockerfile(get())); }
};

/** The sandboxes that a query finds, one after the other. Moved, not copied. */
class sandbox_iter {
 public:
  /** Takes the iterator. */
  explicit sandbox_iter(daytona_sandbox_iter_t *taken) noexcept : raw_(taken) {}

  /** The next one; an empty handle at the end. One call at a time. */
  future<daytona_future_sandbox> next() const {
    return future<daytona_future_sandbox>(daytona_sandbox_iter_next(raw_.get()));
  }

 private:
  struct release {
    void operator()(daytona_sandbox_iter_t *iter) const noexcept { daytona_sandbox_iter_release(iter); }
  };
  std::unique_ptr<daytona_sandbox_iter_t, release> raw_;
};

/** A client: daytona_client_t. When the last handle, sandbox and operation are gone, it closes itself; run the loop after that. */
class client : public detail::handle<daytona_client_t, daytona_client_retain, daytona_client_release> {
 public:
  client() noexcept = default;
  /** As daytona_client_new(); nullptr takes everything from the environment. Throws error with the reason. */
  explicit client(struct uv_loop_s *loop, const daytona_config_t *config = nullptr)
      : client(make(loop, config)) {}
  /** Takes a reference. */
  explicit client(daytona_client_t *taken) noexcept : handle(taken) {}

  struct uv_loop_s *loop() const noexcept {
    return daytona_client_loop(get());
  }
  void close() const noexcept { daytona_client_close(get(), nullptr, nullptr); }

  future<daytona_future_sandbox> create(const daytona_sandbox_create_opts_t &opts = {}) const {
    return future<daytona_future_sandbox>(daytona_sandbox_create(get(), &opts));
  }
  /** daytona_sandbox_get(). */
  future<daytona_future_sandbox> find(std::string_view id_or_name) const {
    return future<daytona_future_sandbox>(daytona_sandbox_get(get(), detail::text(id_or_name), nullptr));
  }
  /** Throws error as daytona_sandbox_iter_new() fails. `query` is copied. */
  sandbox_iter sandboxes(const daytona_sandbox_query_t &query = {}) const {
    daytona_sandbox_iter_t *made = nullptr;
    int rc = daytona_sandbox_iter_new(get(), &query, &made);
    if (rc != 0) throw error(static_cast<daytona_errcode_t>(rc));
    return sandbox_iter(made);
  }

 private:
  static daytona_client_t *make(struct uv_loop_s *loop, const daytona_config_t *config) {
    daytona_client_t *made = nullptr;
    int rc = daytona_client_new(loop, config, &made);
    if (rc == 0) return made;
    char reason[256] = "";
    daytona_config_check(config, reason, sizeof reason);
    throw error(static_cast<daytona_errcode_t>(rc), reason[0] != '\0' ? reason : daytona_errcode_text(rc));
  }
};

template <auto Accessor>
template <typename T>
auto future<Accessor>::convert(T *value) const {
  using kind = std::remove_const_t<T>;
  if constexpr (std::is_same_v<kind, daytona_sandbox_t>)
    return sandbox(value == nullptr ? nullptr : daytona_sandbox_retain(value));
  else if constexpr (std::is_same_v<kind, daytona_pty_t>)
    return pty(value == nullptr ? nullptr : daytona_pty_retain(value));
  else if constexpr (std::is_same_v<kind, char>)
    return value == nullptr ? std::optional<std::string>() : std::optional<std::string>(value);
  else
    return result<kind>(raw(), value);
}

#if defined(__cpp_impl_coroutine)

template <typename T = void>
class task;

namespace detail {

/** What the promises of task<T> and task<void> share. */
struct task_state {
  std::coroutine_handle<> waiting; /* the coroutine that awaits this one */
  std::exception_ptr failure;

  struct last {
    bool await_ready() const noexcept { return false; }
    template <typename Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> done) const noexcept {
      std::coroutine_handle<> next = done.promise().waiting;
      return next ? next : std::coroutine_handle<>(std::noop_coroutine());
    }
    void await_resume() const noexcept {}
  };
  std::suspend_never initial_suspend() const noexcept { return {}; }
  last final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { failure = std::current_exception(); }
};

template <typename T>
struct task_promise : task_state {
  std::optional<T> value;
  task<T> get_return_object() noexcept;
  template <typename U>
  void return_value(U &&from) {
    value.emplace(std::forward<U>(from));
  }
  T take() {
    if (failure) std::rethrow_exception(failure);
    return std::move(*value);
  }
};

template <>
struct task_promise<void> : task_state {
  task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
  void take() const {
    if (failure) std::rethrow_exception(failure);
  }
};

} /* namespace detail */

/**
 * A coroutine that awaits futures and other tasks. It starts when it is called and runs to its first pending future; what it
 * throws comes out of get() or co_await. Destroying a task destroys the coroutine where it stands: not from within itself.
 * A parameter that is a reference must outlive the task; a lambda that captures, too.
 */
template <typename T>
class [[nodiscard]] task {
 public:
  using promise_type = detail::task_promise<T>;

  explicit task(std::coroutine_handle<promise_type> coroutine) noexcept : coroutine_(coroutine) {}
  task(task &&other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
  task &operator=(task &&other) noexcept {
    task old(std::move(*this));
    coroutine_ = std::exchange(other.coroutine_, nullptr);
    return *this;
  }
  ~task() {
    if (coroutine_) coroutine_.destroy();
  }

  bool is_done() const noexcept { return coroutine_ && coroutine_.done(); }
  /** The result of a task that is done, once; rethrows what it threw. std::logic_error when it is not done. */
  T get() {
    if (!is_done()) throw std::logic_error("daytona::task::get() before it is done");
    return coroutine_.promise().take();
  }

  class awaiter {
   public:
    explicit awaiter(std::coroutine_handle<promise_type> coroutine) noexcept : coroutine_(coroutine) {}
    awaiter(const awaiter &) = delete;
    awaiter &operator=(const awaiter &) = delete;
    ~awaiter() {
      if (is_waiting_ && !coroutine_.done()) coroutine_.promise().waiting = nullptr;
    }
    bool await_ready() const noexcept { return coroutine_.done(); }
    void await_suspend(std::coroutine_handle<> waiting) noexcept {
      coroutine_.promise().waiting = waiting;
      is_waiting_ = true;
    }
    T await_resume() { return coroutine_.promise().take(); }

   private:
    std::coroutine_handle<promise_type> coroutine_;
    bool is_waiting_ = false;
  };
  /** The result, once. One coroutine may wait for a task, which must live until that is resumed or destroyed. */
  awaiter operator co_await() const noexcept { return awaiter(coroutine_); }

 private:
  std::coroutine_handle<promise_type> coroutine_;
};

template <typename T>
task<T> detail::task_promise<T>::get_return_object() noexcept {
  return task<T>(std::coroutine_handle<task_promise<T>>::from_promise(*this));
}
inline task<void> detail::task_promise<void>::get_return_object() noexcept {
  return task<void>(std::coroutine_handle<task_promise<void>>::from_promise(*this));
}

#endif

} /* namespace daytona */

#endif
