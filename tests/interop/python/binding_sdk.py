# SPDX-License-Identifier: Apache-2.0
"""The names of the official Python SDK that the scenarios use, on bindings/python: they run the same scenarios with both.

Only what a scenario asks for is here, in the official shapes: options by their official names, seconds, texts, errors by their
official classes. What the two do on purpose differently is translated where it stands, with a comment.
"""

import asyncio
import base64
import codecs
import contextlib
import functools
import inspect
from types import SimpleNamespace as Facts

import libdaytona
from libdaytona import lib


class Unsupported(Exception):
    """A scenario has asked for something that is of the official SDK alone; its text is the reason to skip it."""


# --- errors ---

class DaytonaError(Exception):
    def __init__(self, error):
        super().__init__(str(error))
        # What the library refuses before it is sent has no status; the server would say 400.
        self.status_code = error.http_status or (400 if error.is_a(lib.DAYTONA_EINVAL) else 0)
        self.error_code, self.source, self.headers = error.server_code, error.source, error.headers


class DaytonaNotFoundError(DaytonaError): ...
class DaytonaConflictError(DaytonaError): ...
class DaytonaBadRequestError(DaytonaError): ...
class DaytonaValidationError(DaytonaBadRequestError): ...
class DaytonaAuthenticationError(DaytonaError): ...
class DaytonaRateLimitError(DaytonaError): ...
class DaytonaConnectionError(DaytonaError): ...
class DaytonaTimeoutError(DaytonaError): ...
class DaytonaProcessExecutionTimeoutError(DaytonaTimeoutError): ...
class DaytonaGitAuthFailedError(DaytonaAuthenticationError): ...
class DaytonaGitRepoNotFoundError(DaytonaNotFoundError): ...
class DaytonaGitBranchNotFoundError(DaytonaNotFoundError): ...
class DaytonaGitBranchExistsError(DaytonaConflictError): ...
class DaytonaGitPushRejectedError(DaytonaConflictError): ...
class DaytonaGitMergeConflictError(DaytonaConflictError): ...
class DaytonaGitDirtyWorktreeError(DaytonaConflictError): ...
class DaytonaGitTransportFailedError(DaytonaError): ...
class DaytonaGitRemoteRejectedError(DaytonaError): ...


GIT = ("AuthFailed", "RepoNotFound", "BranchNotFound", "BranchExists", "PushRejected", "MergeConflict", "DirtyWorktree",
       "TransportFailed", "RemoteRejected")
KINDS = [(getattr(lib, "DAYTONA_EGIT_" + "".join("_" * (i > 0 and c.isupper()) + c.upper() for i, c in enumerate(name))),
          globals()[f"DaytonaGit{name}Error"]) for name in GIT] + [
    (lib.DAYTONA_EPROCESS_TIMEOUT, DaytonaProcessExecutionTimeoutError),
    (lib.DAYTONA_ECONNECTION, DaytonaConnectionError),
    (lib.DAYTONA_ETIMEOUT, DaytonaTimeoutError),
    (lib.DAYTONA_ENOTFOUND, DaytonaNotFoundError),
    (lib.DAYTONA_ECONFLICT, DaytonaConflictError),
    (lib.DAYTONA_EAUTH, DaytonaAuthenticationError),
    (lib.DAYTONA_ERATELIMIT, DaytonaRateLimitError),
]


def official(error):
    for code, kind in KINDS:
        if error.is_a(code):
            return kind(error)
    if error.is_a(lib.DAYTONA_EINVAL):
        return (DaytonaBadRequestError if error.http_status else DaytonaValidationError)(error)
    return DaytonaBadRequestError(error) if error.http_status == 400 else DaytonaError(error)


@contextlib.contextmanager
def official_errors():
    try:
        yield
    except libdaytona.DaytonaError as error:
        raise official(error) from error


class Calls:
    """A class whose coroutines raise the official errors."""

    def __init_subclass__(cls):
        for name, member in list(vars(cls).items()):
            if inspect.iscoroutinefunction(member):
                setattr(cls, name, cls._translated(member))

    @staticmethod
    def _translated(member):
        @functools.wraps(member)
        async def call(*arguments, **options):
            with official_errors():
                return await member(*arguments, **options)
        return call


# --- parameters ---

def parameters(name, *order):
    """A class of keyword arguments, which may also be given in this order."""
    def __init__(self, *values, **more):
        self.__dict__.update(zip(order, values), **more)
    return type(name, (), {"__init__": __init__, "__getattr__": lambda self, name: None})


CreateSandboxFromSnapshotParams = parameters("CreateSandboxFromSnapshotParams")
CreateSandboxFromImageParams = parameters("CreateSandboxFromImageParams")
ListSandboxesQuery = parameters("ListSandboxesQuery")
CodeRunParams = parameters("CodeRunParams")
SessionExecuteRequest = parameters("SessionExecuteRequest")
PtySize = parameters("PtySize")
FileUpload = parameters("FileUpload", "source", "destination")
FileDownloadRequest = parameters("FileDownloadRequest")
VolumeMount = parameters("VolumeMount")
Resources = parameters("Resources")
CreateSecretParams = parameters("CreateSecretParams")
UpdateSecretParams = parameters("UpdateSecretParams")
CreateSnapshotParams = parameters("CreateSnapshotParams")
DaytonaConfig = parameters("DaytonaConfig")
LspCompletionPosition = parameters("LspCompletionPosition", "line", "character")
ScreenshotRegion = parameters("ScreenshotRegion")
ScreenshotOptions = parameters("ScreenshotOptions")


class SandboxState:
    STARTED, STOPPED, ARCHIVED, ERROR, DESTROYED, PAUSED = "started", "stopped", "archived", "error", "destroyed", "paused"


class SandboxListSortField:
    NAME = "name"


class SandboxListSortDirection:
    DESC = "desc"


class LspLanguageId:
    PYTHON, TYPESCRIPT = "python", "typescript"


class Image:
    """The official builder takes words one by one where ours takes a list."""

    def __init__(self, own):
        self.own = own

    @classmethod
    def base(cls, name):
        return cls(libdaytona.Image.base(name))

    def run_commands(self, *commands):
        self.own.run_commands(list(commands))
        return self

    def __getattr__(self, name):
        def call(*arguments):
            getattr(self.own, name)(*arguments)
            return self
        return call


def given(**options):
    """Without those that were not given."""
    return {name: value for name, value in options.items() if value is not None}


def milliseconds(seconds):
    """Of a limit: 0 is none in the official SDK, and the default in the library."""
    return 0 if seconds is None else -1 if seconds == 0 else int(seconds * 1000)


def resources(from_official):
    """The names of the library."""
    if from_official is None:
        return None
    return given(cpu=from_official.cpu, memory_gib=from_official.memory, disk_gib=from_official.disk, gpu=from_official.gpu)


def renamed(record, **names):
    """A record with official names; the others stay."""
    facts = dict(vars(record))
    for official_name, name in names.items():
        facts[official_name] = facts.pop(name)
    return Facts(**facts)


# --- the client ---

CREATE = {"env_vars": "env", "public": "is_public", "auto_stop_interval": "auto_stop_minutes", "auto_pause_interval": "auto_pause_minutes",
          "auto_archive_interval": "auto_archive_minutes", "auto_delete_interval": "auto_delete_minutes", "ephemeral": "is_ephemeral",
          "queue_timeout": "queue_timeout_minutes", "kvm": "has_kvm"}


class AsyncDaytona(Calls):
    def __init__(self, config=None):
        settings = given(api_key=config.api_key, api_url=config.api_url, target=config.target) if config else {}
        # That one does not wait when it is told to send less.
        self.own = libdaytona.Client(rate_limit_wait_ms=-2, **settings)
        self.volume, self.snapshot, self.secret, self.warm_pool = Volumes(self.own), Snapshots(self.own), Secrets(self.own), WarmPools(self.own)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.close()

    async def close(self):
        await self.own.close()

    async def create(self, params=None, *, timeout=None, on_snapshot_create_logs=None):
        options = {CREATE.get(name, name): value for name, value in vars(params).items()} if params else {}
        if "auto_stop_minutes" in options and options["auto_stop_minutes"] < 0:
            # The library lets the server decide about it.
            raise DaytonaValidationError(libdaytona.InvalidError(lib.DAYTONA_EINVAL))
        # The official SDK writes the label of the language always.
        options.setdefault("language", "python")
        if "volumes" in options:
            options["volumes"] = [vars(mount) for mount in options["volumes"]]
        image = options.pop("image", None)
        if isinstance(image, str):
            options["image_name"] = image
        elif image is not None:
            options["image"] = image.own
        options["resources"] = resources(options.get("resources"))
        if on_snapshot_create_logs is not None:
            options["on_build"] = lambda event: event.text and on_snapshot_create_logs(event.text)
        return Sandbox(await self.own.create(timeout_ms=milliseconds(timeout), **given(**options)))

    async def get(self, id_or_name):
        return Sandbox(await self.own.get(id_or_name))

    async def list(self, query):
        options = given(labels=query.labels, name_prefix=query.name, sort=query.sort, order=query.order, page_size=query.limit)
        if query.states:
            number = {lib_name(state): state for state in range(22)}
            options["states"] = [number[name] for name in query.states]
        with official_errors():
            async for sandbox in self.own.sandboxes(**options):
                yield Sandbox(sandbox)


def lib_name(state):
    return libdaytona.ffi.string(lib.daytona_sandbox_state_name(state)).decode()


class Service(Calls):
    def __init__(self, own):
        self.own = own


class Volumes(Service):
    async def create(self, name):
        return volume_of(await self.own.call("volume_create", name))

    async def get(self, name, create=False):
        return volume_of(await self.own.call("volume_get", name, creates=create))

    async def list(self):
        return [volume_of(each) for each in await self.own.call("volume_list")]

    async def delete(self, volume):
        await self.own.call("volume_delete", volume.id)


def volume_of(record):
    facts = {name: value for name, value in vars(record).items() if name != "state"}
    return renamed(Facts(**facts), state="state_name")


def snapshot_of(record):
    facts = {name: value for name, value in vars(record).items() if name != "state"}
    return renamed(Facts(**facts), state="state_name", general="is_general", size="size_gb", mem="memory_gib", disk="disk_gib")


class Snapshots(Service):
    async def list(self):
        page = await self.own.call("snapshot_list")
        return Facts(items=[snapshot_of(each) for each in page], total=page.total)

    async def get(self, name):
        return snapshot_of(await self.own.call("snapshot_get", name))

    async def create(self, params, *, on_logs=None, timeout=None):
        image = {"image_name": params.image} if isinstance(params.image, str) else {"image": params.image.own}
        options = given(entrypoint=params.entrypoint, resources=resources(params.resources))

        def tell(event):
            on_logs(f"the snapshot is {event.state}" if event.text is None else event.text)
        return snapshot_of(await self.own.create_snapshot(params.name, on_build=on_logs and tell, timeout_ms=milliseconds(timeout),
                                                          **image, **options))

    async def delete(self, snapshot):
        await self.own.call("snapshot_delete", snapshot.id)

    async def activate(self, snapshot):
        return snapshot_of(await self.own.call("snapshot_activate", snapshot.id))


class Secrets(Service):
    async def create(self, params):
        return await self.own.call("secret_create", params.name, params.value, **given(description=params.description))

    async def get(self, id):
        return await self.own.call("secret_get", id)

    async def list(self, **query):
        page = await self.own.call("secret_list", **query)
        return Facts(items=page, total=page.total, next_cursor=page.next_cursor)

    async def update(self, id, params):
        return await self.own.call("secret_update", id, **given(value=params.value))

    async def delete(self, id):
        await self.own.call("secret_delete", id)


class WarmPools(Service):
    def _of(self, record):
        return renamed(record, pool="size", current_size="ready_count")

    async def create(self, snapshot, size):
        return self._of(await self.own.call("warm_pool_create", snapshot, size))

    async def list(self):
        return [self._of(each) for each in await self.own.call("warm_pool_list")]

    async def update(self, id, size):
        return self._of(await self.own.call("warm_pool_update", id, size))

    async def delete(self, id):
        await self.own.call("warm_pool_delete", id)


# --- sandboxes ---

INFO = {"public": "is_public", "memory": "memory_gib", "disk": "disk_gib", "auto_stop_interval": "auto_stop_minutes",
        "auto_archive_interval": "auto_archive_minutes", "auto_delete_interval": "auto_delete_minutes", "recoverable": "is_recoverable",
        "queue_timeout": "queue_timeout_minutes", "kvm": "has_kvm", "state": "state_name"}


class Sandbox(Calls):
    def __init__(self, own):
        self.own = own
        self.process, self.fs, self.git = Process(own), Files(own), Git(own)
        self.code_interpreter, self.computer_use = Interpreter(own), ComputerUse(own)

    def __getattr__(self, name):
        info = self.own.info
        if name == "build_info":
            return Facts(dockerfile_content=info.dockerfile)
        return getattr(info, INFO.get(name, name))

    async def delete(self, timeout=None, wait=False):
        await self.own.delete(waits=wait)

    async def start(self, timeout=None):
        await self.own.start()

    async def stop(self, timeout=None, force=False):
        await self.own.stop(is_forced=force, timeout_ms=milliseconds(timeout))

    async def archive(self):
        await self.own.call("sandbox_archive")

    async def recover(self):
        await self.own.call("sandbox_recover")

    async def pause(self):
        await self.own.call("sandbox_pause")

    async def resize(self, to):
        await self.own.call("sandbox_resize", **resources(to))

    async def fork(self, **options):
        return Sandbox(await self.own.call("sandbox_fork", **options))

    async def create_snapshot(self, name):
        await self.own.call("sandbox_create_snapshot", name)

    async def refresh_data(self):
        await self.own.call("sandbox_refresh_data")

    async def refresh_activity(self):
        await self.own.call("sandbox_refresh_activity")

    async def set_labels(self, labels):
        return await self.own.call("sandbox_set_labels", labels)

    async def set_public(self, public):
        await self.own.call("sandbox_set_public", public)

    async def set_autostop_interval(self, minutes):
        await self.own.call("sandbox_set_autostop_interval", minutes)

    async def set_auto_archive_interval(self, minutes):
        await self.own.call("sandbox_set_auto_archive_interval", minutes)

    async def set_auto_delete_interval(self, minutes):
        await self.own.call("sandbox_set_auto_delete_interval", minutes)

    async def set_auto_pause_interval(self, minutes):
        await self.own.call("sandbox_set_auto_pause_interval", minutes)

    async def set_ttl(self, minutes):
        await self.own.call("sandbox_set_ttl", minutes)

    async def update_network_settings(self, **settings):
        await self.own.call("sandbox_update_network_settings", **settings)

    async def update_secrets(self, secrets):
        await self.own.call("sandbox_update_secrets", secrets)

    async def update_env(self, env, unset=()):
        await self.own.call("sandbox_update_env", env, unset=list(unset))

    async def get_metrics_latest(self):
        return self._metrics(await self.own.call("sandbox_get_metrics_latest"))

    async def get_metrics(self):
        return [self._metrics(each) for each in await self.own.call("sandbox_get_metrics")]

    def _metrics(self, record):
        return renamed(record, mem_total="memory_total_bytes", disk_total="disk_total_bytes")

    async def get_user_home_dir(self):
        return await self.own.call("sandbox_get_user_home_dir")

    async def get_work_dir(self):
        return await self.own.call("sandbox_get_work_dir")

    async def get_preview_link(self, port):
        return await self.own.call("sandbox_get_preview_link", port)

    async def create_signed_preview_url(self, port, **options):
        return await self.own.call("sandbox_create_signed_preview_url", port, **options)

    async def expire_signed_preview_url(self, port, token):
        await self.own.call("sandbox_expire_signed_preview_url", port, token)

    async def create_ssh_access(self, **options):
        return await self.own.call("sandbox_create_ssh_access", **options)

    async def validate_ssh_access(self, token):
        return renamed(await self.own.call("sandbox_validate_ssh_access", token), valid="is_valid")

    async def revoke_ssh_access(self, token):
        await self.own.call("sandbox_revoke_ssh_access", token)

    def create_lsp_server(self, language, project):
        return LspServer(self.own.lsp(language, project))


# --- processes, sessions and terminals ---

def logs_of(logs):
    return Facts(output=logs.output.decode("utf-8", "replace"), stdout=logs.out.decode("utf-8", "replace"),
                 stderr=logs.err.decode("utf-8", "replace"))


async def follow(log, on_stdout, on_stderr):
    async with log:
        async for part in log:
            told = (on_stderr if part.stream == "stderr" else on_stdout)(part.data.decode())
            if inspect.isawaitable(told):
                await told
        return await log.wait()


class Process(Service):
    async def exec(self, command, cwd=None, env=None, timeout=None):
        if not command:
            raise Unsupported("the library refuses an empty command before it is sent")
        done = await self.own.exec(command, cwd=cwd, env=env, timeout_ms=milliseconds(timeout))
        return Facts(exit_code=done.exit_code, result=done.result, artifacts=Facts(stdout=done.result))

    async def code_run(self, code, params=None):
        return await self.own.code_run(code, **given(argv=params and params.argv, env=params and params.env))

    def _session(self, record):
        commands = [renamed(each) for each in record.commands]
        return Facts(session_id=record.id, commands=commands)

    async def create_session(self, name):
        await self.own.create_session(name)

    async def delete_session(self, name):
        await self.own.delete_session(name)

    async def get_session(self, name):
        return self._session(await self.own.call("session_get", name))

    async def list_sessions(self):
        return [self._session(each) for each in await self.own.call("session_list")]

    async def get_entrypoint_session(self):
        return self._session(await self.own.call("session_get_entrypoint"))

    async def get_entrypoint_logs(self):
        return logs_of(await self.own.call("session_get_entrypoint_logs"))

    async def execute_session_command(self, session, request):
        done = await self.own.call("session_exec", session, request.command,
                                   **given(run_async=request.run_async, suppress_input_echo=request.suppress_input_echo))
        return Facts(cmd_id=done.command_id, exit_code=done.exit_code, **vars(logs_of(done.logs)))

    async def get_session_command(self, session, command):
        return await self.own.call("session_get_command", session, command)

    async def get_session_command_logs(self, session, command):
        return logs_of(await self.own.call("session_get_command_logs", session, command))

    async def get_session_command_logs_async(self, session, command, on_stdout, on_stderr):
        await follow(self.own.follow(session, command, as_text=True), on_stdout, on_stderr)

    async def send_session_command_input(self, session, command, data):
        await self.own.session_input(session, command, data)

    async def create_pty_session(self, id=None, *, on_data, pty_size=None, cwd=None, envs=None):
        size = {"cols": pty_size.cols, "rows": pty_size.rows} if pty_size else {}
        return PtyHandle(await self.own.pty(**given(id=id, cwd=cwd, env=envs), **size), on_data)

    async def connect_pty_session(self, id, *, on_data):
        try:
            return PtyHandle(await self.own.connect_pty(id), on_data)
        except libdaytona.DaytonaError as error:  # there, whatever keeps it from being connected
            raise DaytonaConnectionError(error) from error

    async def list_pty_sessions(self):
        return await self.own.call("pty_list")

    async def get_pty_session_info(self, id):
        return pty_info(await self.own.call("pty_get_info", id))

    async def kill_pty_session(self, id):
        await self.own.call("pty_kill", id)

    async def resize_pty_session(self, id, size):
        return pty_info(await self.own.call("pty_resize", id, size.cols, size.rows))


def pty_info(record):
    return renamed(record, envs="env", active="is_active", lazy_start="is_lazy")


class PtyHandle(Calls):
    def __init__(self, own, on_data):
        self.own, self.session_id = own, own.id
        self.exit_code = self.error = None
        self._reading = asyncio.ensure_future(self._read(on_data))

    async def _read(self, on_data):
        async for data in self.own:
            on_data(data)

    def is_connected(self):
        return self.own.is_connected

    async def send_input(self, data):
        self.own.write(data.encode() if isinstance(data, str) else data)

    async def resize(self, size):
        return pty_info(await self.own.resize(size.cols, size.rows))

    async def kill(self):
        await self.own.kill()

    async def wait(self):
        await self._reading
        end = await self.own.wait()
        # There, every end that is no plain success has a text.
        self.exit_code, self.error = end.exit_code, None if end.exit_code == 0 else end.message or f"exit code {end.exit_code}"
        return Facts(exit_code=self.exit_code, error=self.error)

    async def disconnect(self):
        self.own.close()


# --- files and git ---

class Files(Service):
    async def upload_file(self, source, path):
        await (self.own.upload_file if isinstance(source, str) else self.own.upload)(source, path)

    async def download_file(self, path, local=None):
        return await (self.own.download(path) if local is None else self.own.download_file(path, local))

    async def upload_files(self, uploads):
        for each in await self.own.upload_files({upload.destination: upload.source for upload in uploads}):
            if each.error is not None:
                raise each.error

    async def download_files(self, requests):
        wanted = [(each.source, each.destination) if each.destination else each.source for each in requests]
        return [Facts(result=None if each.error else each.data, error=each.error and str(each.error))
                for each in await self.own.download_files(wanted)]

    async def upload_file_stream(self, source, path, on_progress=None, cancel_event=None):
        if cancel_event is not None:
            raise DaytonaError(libdaytona.DaytonaError(lib.DAYTONA_ECANCELED))  # tasks are cancelled instead
        chunks = iter(lambda: source.read(65536), b"")
        await self.own.upload_stream(chunks, path, on_progress=on_progress and (lambda done, _: on_progress(Facts(bytes_sent=done))))

    async def download_file_stream(self, path, on_progress=None, cancel_event=None):
        if cancel_event is not None:
            raise DaytonaError(libdaytona.DaytonaError(lib.DAYTONA_ECANCELED))

        def report(done, total):
            on_progress(Facts(bytes_received=done, total_bytes=total))

        async def chunks():
            with official_errors():
                async with self.own.download_stream(path, on_progress=on_progress and report) as download:
                    async for chunk in download:
                        yield chunk
        return chunks()

    async def create_folder(self, path, mode):
        await self.own.create_folder(path, mode)

    async def delete_file(self, path, recursive=False):
        await self.own.delete_file(path, recursive=recursive)

    async def move_files(self, source, destination):
        await self.own.move_files(source, destination)

    async def get_file_info(self, path):
        return await self.own.file_info(path)

    async def list_files(self, path, **options):
        return await self.own.list_files(path, **options)

    async def find_files(self, path, pattern):
        return await self.own.call("fs_find_files", path, pattern)

    async def search_files(self, path, pattern):
        return Facts(files=await self.own.call("fs_search_files", path, pattern))

    async def replace_in_files(self, files, pattern, value):
        return [renamed(each, success="is_success") for each in await self.own.call("fs_replace_in_files", files, pattern, value)]

    async def set_file_permissions(self, path, **permissions):
        await self.own.call("fs_set_file_permissions", path, **permissions)


def credentials(username, password):
    return given(credentials=given(username=username, password=password) or None)


class Git(Service):
    async def clone(self, url, path, branch=None, commit_id=None, username=None, password=None, insecure_skip_tls=False, depth=None):
        await self.own.call("git_clone", url, path, insecure_skip_tls=insecure_skip_tls,
                            **given(branch=branch, commit_id=commit_id, depth=depth), **credentials(username, password))

    async def add(self, path, files):
        await self.own.call("git_add", path, files)

    async def commit(self, path, message, author, email, allow_empty=False):
        return Facts(sha=await self.own.call("git_commit", path, message, author, email, allow_empty=allow_empty))

    async def push(self, path, username=None, password=None, **options):
        await self.own.call("git_push", path, **options, **credentials(username, password))

    async def pull(self, path, username=None, password=None, **options):
        await self.own.call("git_pull", path, **options, **credentials(username, password))

    async def status(self, path):
        return renamed(await self.own.call("git_get_status", path), file_status="files", branch_published="is_published")

    async def branches(self, path):
        return renamed(await self.own.call("git_list_branches", path), branches="names")

    async def create_branch(self, path, name):
        await self.own.call("git_create_branch", path, name)

    async def checkout_branch(self, path, name):
        await self.own.call("git_checkout_branch", path, name)

    async def delete_branch(self, path, name):
        await self.own.call("git_delete_branch", path, name)

    async def init(self, path, bare=False, initial_branch=None):
        await self.own.call("git_init", path, is_bare=bare, **given(initial_branch=initial_branch))

    async def reset(self, path, mode=None, target=None, files=None):
        await self.own.call("git_reset", path, **given(mode=mode, target=target, files=files))

    async def restore(self, path, files, **options):
        await self.own.call("git_restore", path, files, **options)

    async def remote_add(self, path, name, url, fetch=False, overwrite=False):
        await self.own.call("git_remote_add", path, name, url, fetches=fetch, overwrites=overwrite)

    async def remote_get(self, path, name):
        return await self.own.call("git_remote_get", path, name)

    async def remotes(self, path):
        remotes = await self.own.call("git_list_remotes", path)
        return Facts(remotes=[Facts(name=name, url=url) for name, url in remotes.items()])

    async def set_config(self, key, value, scope=None, path=None):
        await self.own.call("git_set_config", key, value, **given(scope=scope, path=path))

    async def get_config(self, key, scope=None, path=None):
        return await self.own.call("git_get_config", key, **given(scope=scope, path=path))

    async def configure_user(self, name, email, scope=None, path=None):
        await self.own.call("git_configure_user", name, email, **given(scope=scope, path=path))

    async def dangerously_authenticate(self, username, password, host=None, protocol=None):
        await self.own.call("git_dangerously_authenticate", username, password, **given(host=host, protocol=protocol))


# --- the interpreter ---

class Context(Facts):
    def model_copy(self, update):
        return Context(**{**vars(self), **update})


class Interpreter(Service):
    async def run_code(self, code, context=None, on_stdout=None, on_stderr=None, on_error=None, envs=None, timeout=None):
        decoders = {name: codecs.getincrementaldecoder("utf-8")("replace") for name in ("stdout", "stderr")}

        def tell(part):
            called = on_stderr if part.stream == "stderr" else on_stdout
            text = decoders[part.stream].decode(part.data)
            if called is not None and text:
                called(Facts(output=text))
        try:
            ran = await self.own.run_code(code, on_output=tell, timeout_ms=milliseconds(timeout),
                                          **given(context_id=context and context.id, env=envs))
        except libdaytona.DaytonaTimeoutError as error:
            raise DaytonaTimeoutError(error) from error
        except libdaytona.DaytonaError as error:  # there, whatever ends the connection
            raise DaytonaConnectionError(error) from error
        if ran.error is not None and on_error is not None:
            on_error(ran.error)
        return Facts(stdout=ran.out.decode(), stderr=ran.err.decode(), error=ran.error)

    async def create_context(self, **options):
        return Context(**vars(await self.own.call("interpreter_create_context", **options)))

    async def list_contexts(self):
        return await self.own.call("interpreter_list_contexts")

    async def delete_context(self, context):
        await self.own.call("interpreter_delete_context", context.id)


# --- language servers ---

class LspServer(Service):
    async def start(self):
        await self.own.call("start")

    async def stop(self):
        await self.own.call("stop")

    async def did_open(self, path):
        await self.own.call("did_open", path)

    async def did_close(self, path):
        await self.own.call("did_close", path)

    async def document_symbols(self, path):
        return await self.own.call("document_symbols", path)

    async def sandbox_symbols(self, query):
        return await self.own.call("sandbox_symbols", query)

    async def workspace_symbols(self, query):
        return await self.own.call("workspace_symbols", query)

    async def completions(self, path, position):
        found = await self.own.call("completions", path, position.line, position.character)
        return Facts(items=found, is_incomplete=found.is_incomplete)


# --- desktops ---

class ComputerUse(Service):
    def __init__(self, own):
        super().__init__(own)
        self.mouse, self.keyboard, self.screenshot = Mouse(own), Keyboard(own), Screenshots(own)
        self.display, self.recording, self.accessibility = Display(own), Recordings(own), Accessibility(own)

    def _result(self, record):
        return Facts(message=record.message, status={each.name: Facts(running=each.is_running) for each in record.processes})

    async def start(self):
        return self._result(await self.own.call("computer_use_start"))

    async def stop(self):
        return self._result(await self.own.call("computer_use_stop"))

    async def get_status(self):
        return Facts(status=await self.own.call("computer_use_get_status"))

    async def get_process_status(self, name):
        return renamed(await self.own.call("computer_use_get_process_status", name), process_name="name", running="is_running")

    async def restart_process(self, name):
        await self.own.call("computer_use_restart_process", name)
        return Facts(process_name=name)

    async def get_process_logs(self, name):
        return Facts(logs=await self.own.call("computer_use_get_process_logs", name))

    async def get_process_errors(self, name):
        return Facts(errors=await self.own.call("computer_use_get_process_errors", name), process_name=name)


class Mouse(Service):
    async def move(self, x, y):
        return await self.own.call("mouse_move", x, y)

    async def get_position(self):
        return await self.own.call("mouse_get_position")

    async def click(self, x, y, button=None, double=False, clicks=None, modifiers=None):
        return await self.own.call("mouse_click", x, y, is_double=double, **given(button=button, clicks=clicks, modifiers=modifiers))

    async def drag(self, *points):
        return await self.own.call("mouse_drag", *points)

    async def scroll(self, x, y, direction, **options):
        await self.own.call("mouse_scroll", x, y, direction, **options)
        return True

    async def down(self, x, y):
        return await self.own.call("mouse_down", x=x, y=y)

    async def up(self, x, y):
        return await self.own.call("mouse_up", x=x, y=y)


class Keyboard(Service):
    async def type(self, text, delay=None):
        await self.own.call("keyboard_type", text, **given(delay_ms=delay))

    async def press(self, key, modifiers=None):
        await self.own.call("keyboard_press", key, **given(modifiers=modifiers))

    async def hotkey(self, keys):
        await self.own.call("keyboard_hotkey", keys)

    async def down(self, key):
        await self.own.call("keyboard_down", key)

    async def up(self, key):
        await self.own.call("keyboard_up", key)


class Screenshots(Service):
    def _of(self, shot):
        return Facts(screenshot=base64.b64encode(shot.image).decode(), size_bytes=shot.size_bytes,
                     cursor_position=shot.cursor if shot.has_cursor else None)

    def _options(self, options):
        return given(format=options.fmt, quality=options.quality, scale=options.scale, shows_cursor=options.show_cursor)

    async def take_full_screen(self):
        return self._of(await self.own.call("screenshot_take_full_screen"))

    async def take_region(self, region, show_cursor=False):
        return self._of(await self.own.call("screenshot_take_region", region.x, region.y, region.width, region.height,
                                            shows_cursor=show_cursor))

    async def take_compressed(self, options):
        return self._of(await self.own.call("screenshot_take_compressed", **self._options(options)))

    async def take_compressed_region(self, region, options):
        return self._of(await self.own.call("screenshot_take_compressed_region", region.x, region.y, region.width, region.height,
                                            **self._options(options)))


class Display(Service):
    async def get_info(self):
        return Facts(displays=await self.own.call("display_get_info"))

    async def get_windows(self):
        return Facts(windows=await self.own.call("display_get_windows") or None)


class Recordings(Service):
    async def start(self, label):
        return await self.own.call("recording_start", label=label)

    async def stop(self, id):
        return await self.own.call("recording_stop", id)

    async def list(self):
        return Facts(recordings=await self.own.call("recording_list"))

    async def get(self, id):
        return await self.own.call("recording_get", id)

    async def delete(self, id):
        await self.own.call("recording_delete", id)

    async def download(self, id, path):
        await self.own.call("recording_download_file", id, path)


class Accessibility(Service):
    async def get_tree(self, **options):
        return renamed(await self.own.call("accessibility_get_tree", **options), truncated="is_truncated")

    async def find_nodes(self, **options):
        found = await self.own.call("accessibility_find_nodes", **options)
        return Facts(matches=found)

    async def focus_node(self, id):
        await self.own.call("accessibility_focus_node", id)

    async def invoke_node(self, id, action=None):
        await self.own.call("accessibility_invoke_node", id, **given(action=action))

    async def set_node_value(self, id, value):
        await self.own.call("accessibility_set_node_value", id, value)
