# SPDX-License-Identifier: Apache-2.0
"""Language servers: completions and symbols of the files of a project."""

import os

from support import Skip, Topic, done, raises, sdk

PYTHON = """import os


class Stack:
    def push(self, item):
        return item


stack = Stack()
stack.
os.path.jo
"""
SCRIPT = "export class Circle {\n  area(): number { return 3; }\n}\nconst one = new Circle();\none.\n"


class LanguageServers(Topic):
    async def _project(self, sandbox, language, files):
        """A server that was started for a folder with these files, and the folder."""
        project = "/home/daytona/project"
        await done(sandbox.fs.upload_files([sdk.FileUpload(text.encode(), f"{project}/{name}") for name, text in files.items()]))
        server = sandbox.create_lsp_server(language, project)
        await done(server.start())
        await done(server.start())
        return server, project

    def _where(self, symbols, name, path):
        symbol = next(s for s in symbols if s.name == name)
        assert symbol.location.uri == f"file://{path}", symbol
        return symbol.kind, symbol.location.range.start.line

    async def lsp_python(self):
        if "INTEROP_NO_PYLSP" in os.environ:
            raise Skip(os.environ["INTEROP_NO_PYLSP"])
        async with self.sandbox() as sandbox:
            server, project = await self._project(sandbox, sdk.LspLanguageId.PYTHON, {
                "main.py": PYTHON, "lib/größe.py": "def measure():\n    return 1\n"})
            main = f"{project}/main.py"
            await done(server.did_open(main))
            symbols = await done(server.document_symbols(main))
            assert self._where(symbols, "Stack", main) == (5, 3), symbols
            # Of the project, also of files that were never opened.
            for call in (server.sandbox_symbols, server.workspace_symbols):
                assert self._where(await done(call("measure")), "measure", f"{project}/lib/größe.py") == (12, 0)
            assert await done(server.sandbox_symbols("nothing_of_that_name")) == []
            found = await done(server.completions(main, sdk.LspCompletionPosition(line=9, character=6)))
            assert not found.is_incomplete and "push" in [item.insert_text for item in found.items], found
            found = await done(server.completions(main, sdk.LspCompletionPosition(line=10, character=10)))
            assert [item.insert_text for item in found.items] == ["join"], found
            await done(server.did_close(main))
            await done(server.stop())
            await raises(sdk.DaytonaError, lambda: server.stop(), 500)

    async def lsp_typescript(self):
        if "INTEROP_NO_TSSERVER" in os.environ:
            raise Skip(os.environ["INTEROP_NO_TSSERVER"])
        async with self.sandbox() as sandbox:
            server, project = await self._project(sandbox, sdk.LspLanguageId.TYPESCRIPT, {
                "main.ts": SCRIPT, "other.ts": "export function measure() {}\n", "tsconfig.json": "{}"})
            main = f"{project}/main.ts"
            # Before any file was opened.
            assert self._where(await done(server.sandbox_symbols("measure")), "measure", f"{project}/other.ts") == (12, 0)
            await done(server.did_open(main))
            assert self._where(await done(server.document_symbols(main)), "Circle", main) == (5, 0)
            assert self._where(await done(server.sandbox_symbols("Circle")), "Circle", main) == (5, 0)
            found = await done(server.completions(main, sdk.LspCompletionPosition(line=4, character=4)))
            assert [item.label for item in found.items] == ["area"], found
            await done(server.did_close(main))
            assert await done(server.document_symbols(main)) == []
            await done(server.stop())

    async def lsp_errors(self):
        async with self.sandbox() as sandbox:
            server = sandbox.create_lsp_server(sdk.LspLanguageId.PYTHON, "/home/daytona/none")
            for call in (lambda: server.did_open("/x.py"), lambda: server.did_close("/x.py"), lambda: server.document_symbols("/x.py"),
                         lambda: server.sandbox_symbols("x"), lambda: server.completions("/x.py", sdk.LspCompletionPosition(0, 0))):
                error = await raises(sdk.DaytonaBadRequestError, call, 400)
                assert error.error_code == "LSP_SERVER_NOT_INITIALIZED", repr(error)
            error = await raises(sdk.DaytonaError, server.start, 500)
            assert "/home/daytona/none" in str(error), error
            await raises(sdk.DaytonaError, server.stop, 500)
