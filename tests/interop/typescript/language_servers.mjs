// SPDX-License-Identifier: Apache-2.0
// Language servers: completions and symbols of the files of a project.

import assert from 'node:assert/strict'

import { Skip, raises, sdk, withSandbox } from './support.mjs'

const python = `import os


class Stack:
    def push(self, item):
        return item


stack = Stack()
stack.
os.path.jo
`
const script = 'export class Circle {\n  area(): number { return 3; }\n}\nconst one = new Circle();\none.\n'
const project = '/home/daytona/project'

// A server that was started for a folder with these files.
async function start(sandbox, language, files) {
  await sandbox.fs.uploadFiles(Object.entries(files).map(([name, text]) => ({ source: Buffer.from(text), destination: `${project}/${name}` })))
  const server = await sandbox.createLspServer(language, project)
  await server.start()
  await server.start()
  return server
}

function where(symbols, name, path) {
  const symbol = symbols.find((s) => s.name === name)
  assert.equal(symbol?.location.uri, `file://${path}`)
  return [symbol.kind, symbol.location.range.start.line]
}

export const scenarios = {
  async lsp_python() {
    if (process.env.INTEROP_NO_PYLSP) throw new Skip(process.env.INTEROP_NO_PYLSP)
    await withSandbox({}, async (sandbox) => {
      const server = await start(sandbox, 'python', { 'main.py': python, 'lib/größe.py': 'def measure():\n    return 1\n' })
      const main = `${project}/main.py`
      await server.didOpen(main)
      assert.deepEqual(where(await server.documentSymbols(main), 'Stack', main), [5, 3])
      for (const call of ['sandboxSymbols', 'workspaceSymbols'])
        assert.deepEqual(where(await server[call]('measure'), 'measure', `${project}/lib/größe.py`), [12, 0])
      assert.deepEqual(await server.sandboxSymbols('nothing_of_that_name'), [])
      let found = await server.completions(main, { line: 9, character: 6 })
      assert(!found.isIncomplete && found.items.some((item) => item.insertText === 'push'))
      found = await server.completions(main, { line: 10, character: 10 })
      assert.deepEqual(found.items.map((item) => item.insertText), ['join'])
      await server.didClose(main)
      await server.stop()
      await raises(sdk.DaytonaError, () => server.stop(), 500)
    })
  },

  async lsp_typescript() {
    if (process.env.INTEROP_NO_TSSERVER) throw new Skip(process.env.INTEROP_NO_TSSERVER)
    await withSandbox({}, async (sandbox) => {
      const server = await start(sandbox, 'typescript', { 'main.ts': script, 'other.ts': 'export function measure() {}\n', 'tsconfig.json': '{}' })
      const main = `${project}/main.ts`
      assert.deepEqual(where(await server.sandboxSymbols('measure'), 'measure', `${project}/other.ts`), [12, 0])
      await server.didOpen(main)
      assert.deepEqual(where(await server.documentSymbols(main), 'Circle', main), [5, 0])
      assert.deepEqual(where(await server.sandboxSymbols('Circle'), 'Circle', main), [5, 0])
      const found = await server.completions(main, { line: 4, character: 4 })
      assert.deepEqual(found.items.map((item) => item.label), ['area'])
      await server.didClose(main)
      assert.deepEqual(await server.documentSymbols(main), [])
      await server.stop()
    })
  },

  async lsp_errors() {
    await withSandbox({}, async (sandbox) => {
      const server = await sandbox.createLspServer('python', '/home/daytona/none')
      for (const call of [() => server.didOpen('/x.py'), () => server.didClose('/x.py'), () => server.documentSymbols('/x.py'),
        () => server.sandboxSymbols('x'), () => server.completions('/x.py', { line: 0, character: 0 })])
        await raises(sdk.DaytonaError, call, 400)
      const error = await raises(sdk.DaytonaError, () => server.start(), 500)
      assert.match(error.message, /\/home\/daytona\/none/)
      await raises(sdk.DaytonaError, () => server.stop(), 500)
    })
  },
}
