// SPDX-License-Identifier: Apache-2.0
// The interpreter: runs of Python code that share their state.

import assert from 'node:assert/strict'

import { exec, raises, sdk, unique, withSandbox } from './support.mjs'

// What the run gave, and that no exception ended it.
async function run(sandbox, code, options) {
  const result = await sandbox.codeInterpreter.runCode(code, options)
  assert.equal(result.error, undefined)
  return result
}

export const scenarios = {
  async interpreter_output_and_callbacks() {
    await withSandbox({}, async (sandbox) => {
      const told = []
      const result = await run(sandbox,
        "import sys\nfor i in range(3):\n  print('out', i, 'ü 🚀')\n  print('err', i, file=sys.stderr)", {
          onStdout: (message) => told.push(['out', message.output]),
          onStderr: (message) => told.push(['err', message.output]),
          onError: (error) => told.push(['error', error]),
        })
      assert.equal(result.stdout, 'out 0 ü 🚀\nout 1 ü 🚀\nout 2 ü 🚀\n')
      assert.equal(result.stderr, 'err 0\nerr 1\nerr 2\n')
      assert.deepEqual(told.map(([kind]) => kind), ['out', 'err', 'out', 'err', 'out', 'err'])
      assert.equal(told.filter(([kind]) => kind === 'out').map(([, text]) => text).join(''), result.stdout)
      const silent = await run(sandbox, '1 + 1')
      assert.deepEqual([silent.stdout, silent.stderr], ['', ''])
    })
  },

  async interpreter_streams_while_it_runs() {
    await withSandbox({}, async (sandbox) => {
      let ended = false
      let running
      await new Promise((resolve, reject) => {
        running = run(sandbox, "import os, time\nprint('begun', flush=True)\n" +
          "while not os.path.exists('go'): time.sleep(0.02)\nprint('ended')", { onStdout: resolve })
        running.then(() => { ended = true }, reject)
      })
      assert.equal(ended, false)
      await exec(sandbox, 'touch go')
      assert.equal((await running).stdout, 'begun\nended\n')
    })
  },

  async interpreter_keeps_its_state() {
    await withSandbox({}, async (sandbox) => {
      await run(sandbox, "import json, os\nnumbers = [1, 2]\ndef twice(x): return 2 * x\nos.chdir('/tmp')")
      await run(sandbox, 'numbers.append(twice(21))')
      assert.equal((await run(sandbox, 'print(json.dumps(numbers), os.getcwd())')).stdout, '[1, 2, 42] /tmp\n')
      await sandbox.codeInterpreter.runCode("numbers.append(4)\nraise RuntimeError('x')")
      assert.equal((await run(sandbox, 'print(len(numbers))')).stdout, '4\n')
    })
  },

  async interpreter_contexts() {
    await withSandbox({}, async (sandbox) => {
      const interpreter = sandbox.codeInterpreter
      const ids = async () => (await interpreter.listContexts()).map((c) => c.id).sort()
      assert.deepEqual(await ids(), [])
      const first = await interpreter.createContext()
      const second = await interpreter.createContext('/tmp')
      assert(first.id && first.id !== second.id)
      assert.deepEqual([second.cwd, second.language], ['/tmp', 'python'])
      assert.deepEqual(await ids(), [first.id, second.id].sort())
      for (const [context, value] of [[first, 1], [second, 2], [undefined, 3]]) await run(sandbox, `own = ${value}`, { context })
      for (const [context, shown] of [[first, '1 /home/daytona\n'], [second, '2 /tmp\n'], [undefined, '3 /home/daytona\n']]) {
        assert.equal((await run(sandbox, 'import os; print(own, os.getcwd())', { context })).stdout, shown)
      }
      await interpreter.deleteContext(first)
      assert.deepEqual(await ids(), [second.id])
      await raises(sdk.DaytonaConnectionError, () => interpreter.runCode('print(1)', { context: first }))
      await raises(sdk.DaytonaNotFoundError, () => interpreter.deleteContext(first), 404)
      assert.equal((await run(sandbox, 'print(own)', { context: second })).stdout, '2\n')
    })
  },

  async interpreter_envs() {
    await withSandbox({ envVars: { GIVEN: 'by create' } }, async (sandbox) => {
      const show = "import os; print(os.environ.get('SHADE'), os.environ.get('GIVEN'))"
      assert.equal((await run(sandbox, show, { envs: { SHADE: 'dark ü', GIVEN: 'other' } })).stdout, 'dark ü other\n')
      assert.equal((await run(sandbox, show)).stdout, 'None by create\n')
    })
  },

  async interpreter_exceptions() {
    await withSandbox({}, async (sandbox) => {
      const interpreter = sandbox.codeInterpreter
      const told = []
      let result = await interpreter.runCode("print('before')\ndef fail():\n  raise ValueError('as expected ü')\nfail()",
        { onError: (error) => told.push(error) })
      assert.equal(result.stdout, 'before\n')
      assert.deepEqual(told, [result.error])
      assert.deepEqual([result.error.name, result.error.value], ['ValueError', 'as expected ü'])
      for (const part of ['Traceback (most recent call last)', 'line 4', 'line 3', 'ValueError: as expected ü']) {
        assert(result.error.traceback.includes(part), result.error.traceback)
      }
      result = await interpreter.runCode('def (')
      assert.deepEqual([result.error.name, result.stdout], ['SyntaxError', ''])
      result = await interpreter.runCode('class Own(Exception): pass\nraise Own')
      assert.deepEqual([result.error.name, result.error.value], ['Own', ''])
      await run(sandbox, 'import sys; sys.exit(3)') // an ordinary end
      assert.equal((await run(sandbox, "print('still here')")).stdout, 'still here\n')
    })
  },

  async interpreter_timeout() {
    await withSandbox({}, async (sandbox) => {
      const interpreter = sandbox.codeInterpreter
      await run(sandbox, 'kept = 7')
      // A defect of this SDK: it takes the message "interrupted", which comes before the close frame with the
      // code of a timeout, for success.
      const interrupted = await run(sandbox, "import time\nprint('go')\ntime.sleep(60)\nprint('never')", { timeout: 1 })
      assert.equal(interrupted.stdout, 'go\n')
      assert.equal((await run(sandbox, 'print(kept)', { timeout: 0 })).stdout, '7\n')
      // What does not let itself be interrupted is killed, and its state goes with it.
      await raises(sdk.DaytonaTimeoutError, () => interpreter.runCode(
        'while True:\n  try:\n    time.sleep(60)\n  except KeyboardInterrupt: pass', { timeout: 1 }))
      assert.equal((await run(sandbox, "print('kept' in globals())")).stdout, 'False\n')
    })
  },

  async interpreter_large_output() {
    await withSandbox({}, async (sandbox) => {
      const pieces = []
      // Fewer than the 1,024 messages that may wait: a client that is slow with more is dropped, as on the platform.
      const result = await run(sandbox, "for i in range(500): print('line', i, 'ü' * 900)\nprint('x' * 300000)",
        { onStdout: (message) => pieces.push(message.output) })
      const wanted = Array.from({ length: 500 }, (_, i) => `line ${i} ${'ü'.repeat(900)}\n`).join('') +
        `${'x'.repeat(300000)}\n`
      assert(result.stdout === wanted && pieces.join('') === wanted, `${result.stdout.length}`)
    })
  },

  async interpreter_contexts_at_once() {
    await withSandbox({}, async (sandbox) => {
      // Each waits for the other's file, so neither ends unless both run.
      const results = await Promise.all([['a', 'b'], ['b', 'a']].map(async ([own, other]) => {
        const context = await sandbox.codeInterpreter.createContext()
        return run(sandbox, `import os, time\nopen('${own}', 'w').close()\n` +
          `while not os.path.exists('${other}'): time.sleep(0.02)\nprint('${own} saw ${other}')`, { context })
      }))
      assert.deepEqual(results.map((r) => r.stdout), ['a saw b\n', 'b saw a\n'])
    })
  },

  async interpreter_errors() {
    await withSandbox({}, async (sandbox) => {
      const interpreter = sandbox.codeInterpreter
      const unknown = { ...await interpreter.createContext(), id: unique('none') }
      await raises(sdk.DaytonaConnectionError, () => interpreter.runCode('print(1)', { context: unknown }))
      await raises(sdk.DaytonaNotFoundError, () => interpreter.deleteContext(unknown), 404)
      await raises(sdk.DaytonaError, () => interpreter.runCode('')) // refused by the SDK itself
      await raises(sdk.DaytonaConnectionError, () => interpreter.runCode('print(1)', { timeout: -1 }))
      await raises(sdk.DaytonaError, () => interpreter.createContext('/does/not/exist'))
      // A process that goes away: this SDK takes 1001 for an ordinary end, where Python's raises.
      await run(sandbox, 'import os; os._exit(1)')
      assert.equal((await run(sandbox, "print('again')")).stdout, 'again\n')
    })
  },
}
