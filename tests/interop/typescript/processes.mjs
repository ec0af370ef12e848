// SPDX-License-Identifier: Apache-2.0
// Single commands and single runs of code.

import assert from 'node:assert/strict'

import { eventually, exec, raises, sdk, withSandbox } from './support.mjs'

export const scenarios = {
  async exec_output_and_exit_codes() {
    await withSandbox({}, async (sandbox) => {
      const answer = await exec(sandbox, 'echo out; echo err >&2; exit 3')
      assert.equal(answer.exitCode, 3)
      assert.deepEqual(answer.result.trim().split('\n').sort(), ['err', 'out'])
      assert.equal(answer.artifacts.stdout, answer.result)
      assert.equal((await exec(sandbox, 'true')).exitCode, 0)
      assert.equal((await exec(sandbox, 'no-such-command-here')).exitCode, 127)
      const pipe = await exec(sandbox, 'printf \'a\\nb\\n\' | wc -l && X=\'1 2\'; echo "$X"')
      assert.deepEqual(pipe.result.trim().split(/\s+/), ['2', '1', '2'])
    })
  },

  async exec_cwd_and_env() {
    await withSandbox({}, async (sandbox) => {
      const greeting = 'hi \'there\' "you" $HOME'
      const answer = await exec(sandbox, 'pwd; echo "$GREETING"', '/tmp', { GREETING: greeting })
      assert.equal(answer.result, `/tmp\n${greeting}\n`)
      await raises(sdk.DaytonaBadRequestError, () => exec(sandbox, 'true', undefined, { '1BAD': 'x' }), 400)
    })
  },

  async exec_timeout() {
    await withSandbox({}, async (sandbox) => {
      const begin = Date.now()
      await raises(sdk.DaytonaProcessExecutionTimeoutError, () => exec(sandbox, 'sleep 60', undefined, undefined, 1), 408)
      assert(Date.now() - begin < 6000)
      // What was killed may not have been reaped yet.
      await eventually(async () => (await exec(sandbox, "pgrep -f 'sleep 6[0]'")).exitCode === 1, 5)
    })
  },

  async exec_unicode() {
    await withSandbox({}, async (sandbox) => {
      const text = 'grüße, 世界 🚀 e\u0301 <&>'
      assert.equal((await exec(sandbox, `echo '${text}'`)).result, text + '\n')
      assert.equal((await exec(sandbox, "printf '\\377ok'")).result, '\ufffdok')
    })
  },

  async exec_big_output() {
    await withSandbox({}, async (sandbox) => {
      const answer = await exec(sandbox, "head -c 4194304 /dev/zero | tr '\\0' x", undefined, undefined, 120)
      assert.equal(answer.result.length, 4194304)
      assert(/^x*$/.test(answer.result))
    })
  },

  async exec_many_at_once() {
    await withSandbox({}, async (sandbox) => {
      const numbers = Array.from({ length: 32 }, (_, i) => String(i))
      const answers = await Promise.all(numbers.map((i) => exec(sandbox, `echo ${i}`)))
      assert.deepEqual(answers.map((a) => a.result.trim()), numbers)
    })
  },

  async update_env() {
    await withSandbox({ envVars: { KEPT: '1', GONE: '2' } }, async (sandbox) => {
      await sandbox.updateEnv({ ADDED: '3' }, { unset: ['GONE'] })
      assert.equal((await exec(sandbox, 'echo ${KEPT-none} ${GONE-none} ${ADDED-none}')).result, '1 none 3\n')
    })
  },

  async code_run_python() {
    await withSandbox({}, async (sandbox) => {
      const answer = await sandbox.process.codeRun('import sys\nprint(sum(range(10)))\nsys.exit(4)')
      assert.deepEqual([answer.exitCode, answer.result], [4, '45\n'])
    })
  },

  async code_run_javascript() {
    await withSandbox({ language: 'javascript' }, async (sandbox) => {
      const answer = await sandbox.process.codeRun('console.log([1, 2, 3].map(x => x * 2).join())')
      assert.deepEqual([answer.exitCode, answer.result], [0, '2,4,6\n'])
    })
  },

  async code_run_typescript() {
    await withSandbox({ language: 'typescript' }, async (sandbox) => {
      const code = 'interface P { n: number }\nconst p: P = { n: 41 };\nconsole.log(p.n + 1 as number);'
      const answer = await sandbox.process.codeRun(code)
      assert.deepEqual([answer.exitCode, answer.result], [0, '42\n'])
    })
  },

  async code_run_argv_and_env() {
    await withSandbox({}, async (sandbox) => {
      const answer = await sandbox.process.codeRun("import os, sys; print(sys.argv[1:], os.environ['SHADE'])",
        { argv: ['one', 'two'], env: { SHADE: 'dark' } })
      assert.equal(answer.result, "['one', 'two'] dark\n")
    })
  },

  async code_run_failure() {
    await withSandbox({}, async (sandbox) => {
      const answer = await sandbox.process.codeRun("raise ValueError('as expected')")
      assert.equal(answer.exitCode, 1)
      assert(answer.result.includes('ValueError: as expected'))
    })
  },
}
