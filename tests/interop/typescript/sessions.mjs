// SPDX-License-Identifier: Apache-2.0
// Sessions: commands in a shell that stays, their logs, read at once or followed, and their input.

import assert from 'node:assert/strict'

import { eventually, exec, raises, sdk, unique, withSandbox } from './support.mjs'

// A log that is followed in the background, with what its callbacks got.
export class Followed {
  out = ''
  err = ''

  constructor(process, session, command) {
    this.end = process.getSessionCommandLogs(session, command, (text) => { this.out += text },
      (text) => { this.err += text })
    this.end.then(() => { this.isOver = true }, () => { this.isOver = true })
  }

  // Waits until `text` has come on standard output; the follow must not end before.
  async until(text) {
    await eventually(() => {
      assert(!this.isOver || this.out.includes(text), `the log ended with ${this.out}`)
      return this.out.includes(text)
    })
  }
}

const withSession = (params, body) => withSandbox(params, async (sandbox) => {
  const name = unique('session')
  await sandbox.process.createSession(name)
  await body(sandbox.process, name, sandbox)
})

const run = (process, session, command) => process.executeSessionCommand(session, { command })

// The id of a command that is begun and not waited for.
async function start(process, session, command, options = {}) {
  const answer = await process.executeSessionCommand(session, { command, runAsync: true, ...options })
  assert(answer.cmdId && answer.exitCode == null && !answer.stdout && !answer.stderr, JSON.stringify(answer))
  return answer.cmdId
}

async function exitCodeOf(process, session, command) {
  await eventually(async () => (await process.getSessionCommand(session, command)).exitCode != null)
  return (await process.getSessionCommand(session, command)).exitCode
}

export const scenarios = {
  async session_create_get_list_delete() {
    await withSession({}, async (process, first) => {
      const ids = async () => (await process.listSessions()).map((s) => s.sessionId).sort()
      const second = unique('second')
      await process.createSession(second)
      assert.deepEqual(await ids(), [first, second].sort())
      const ran = await run(process, first, "echo 'x y'; (exit 9)")
      const got = await process.getSession(first)
      assert.equal(got.sessionId, first)
      assert.deepEqual(got.commands.map((c) => [c.id, c.command, c.exitCode]), [[ran.cmdId, "echo 'x y'; (exit 9)", 9]])
      assert.equal((await process.getSession(second)).commands?.length ?? 0, 0)
      await process.deleteSession(second)
      assert.deepEqual(await ids(), [first])
      await process.createSession(second) // the name is free again
    })
  },

  async session_run_and_wait() {
    await withSession({}, async (process, session) => {
      const answer = await run(process, session, "echo out; echo err >&2; printf 'grün 🚀'; (exit 3)")
      assert.deepEqual([answer.stdout, answer.stderr, answer.exitCode], ['out\ngrün 🚀\n', 'err\n', 3])
      for (const part of ['out\n', 'err\n', 'grün 🚀\n']) assert(answer.output.includes(part), answer.output)
      const silent = await run(process, session, 'true')
      assert.deepEqual([silent.stdout, silent.stderr, silent.exitCode], ['', '', 0])
      assert.equal((await run(process, session, "sh -c 'kill -9 $$'")).exitCode, 137)
      assert.equal((await run(process, session, 'no-such-command-here')).exitCode, 127)
    })
  },

  async session_run_and_look_later() {
    await withSession({}, async (process, session, sandbox) => {
      const command = await start(process, session, 'echo begun; echo oops >&2; until [ -e go ]; do sleep 0.02; done; ' +
        'echo ended; (exit 4)')
      await eventually(async () => (await process.getSessionCommandLogs(session, command)).stdout === 'begun\n')
      assert.equal((await process.getSessionCommand(session, command)).exitCode ?? null, null)
      await exec(sandbox, 'touch go')
      assert.equal(await exitCodeOf(process, session, command), 4)
      const logs = await process.getSessionCommandLogs(session, command)
      assert.deepEqual([logs.stdout, logs.stderr], ['begun\nended\n', 'oops\n'])
      assert(logs.output.includes('begun\n') && logs.output.includes('oops\n'), logs.output)
    })
  },

  async session_keeps_its_state() {
    await withSession({ envVars: { GIVEN: 'by create' } }, async (process, session) => {
      await run(process, session, 'mkdir -p deep/er && cd deep && export SHADE=dark; own=1; f() { echo f:$1; }')
      await run(process, session, 'cd er; set -o pipefail')
      const answer = await run(process, session, 'pwd; echo "$SHADE $own $GIVEN"; f x; false | true; echo $?')
      assert.equal(answer.stdout, '/home/daytona/deep/er\ndark 1 by create\nf:x\n1\n')
      const other = unique('other')
      await process.createSession(other)
      assert.equal((await run(process, other, 'pwd; echo "$SHADE$own"')).stdout, '/home/daytona\n\n')
    })
  },

  async session_commands_take_turns() {
    await withSession({}, async (process, session, sandbox) => {
      const first = await start(process, session, 'until [ -e go ]; do sleep 0.02; done; echo first >> turns')
      const second = await start(process, session, 'echo second >> turns')
      assert.equal((await process.getSessionCommand(session, second)).exitCode ?? null, null)
      await exec(sandbox, 'touch go')
      assert.equal((await run(process, session, 'cat turns')).stdout, 'first\nsecond\n')
      assert.equal(await exitCodeOf(process, session, first), 0)
    })
  },

  async session_logs_followed() {
    await withSession({}, async (process, session, sandbox) => {
      const command = await start(process, session, 'for i in 1 2 3; do echo out $i; echo err $i >&2; done; ' +
        'until [ -e go ]; do sleep 0.02; done; echo late; echo last >&2')
      const log = new Followed(process, session, command)
      await log.until('out 3\n')
      assert(!log.out.includes('late'))
      await exec(sandbox, 'touch go')
      await log.end
      assert.equal(log.out, 'out 1\nout 2\nout 3\nlate\n')
      assert.equal(log.err, 'err 1\nerr 2\nerr 3\nlast\n')
      const again = new Followed(process, session, command) // of a command that has ended
      await again.end
      assert.deepEqual([again.out, again.err], [log.out, log.err])
    })
  },

  async session_logs_followed_unicode() {
    await withSession({}, async (process, session) => {
      // Characters of two to four bytes, in pieces, and a byte that belongs to none.
      const command = await start(process, session, "printf 'gr\\303'; sleep 0.1; printf '\\274n \\360\\237'; " +
        "sleep 0.1; printf '\\232\\200 世界\\n'; printf 'bad \\377 byte\\n' >&2")
      const log = new Followed(process, session, command)
      await log.end
      assert.deepEqual([log.out, log.err], ['grün 🚀 世界\n', 'bad \ufffd byte\n'])
    })
  },

  async session_logs_followed_long() {
    await withSession({}, async (process, session) => {
      const command = await start(process, session, "seq -f 'line %.0f of the long output' 1 20000; seq 1 5000 >&2")
      const log = new Followed(process, session, command)
      await log.end
      const numbers = Array.from({ length: 20000 }, (_, i) => i + 1)
      assert(log.out === numbers.map((i) => `line ${i} of the long output\n`).join(''), `${log.out.length}`)
      assert(log.err === numbers.slice(0, 5000).map((i) => `${i}\n`).join(''), `${log.err.length}`)
      const logs = await process.getSessionCommandLogs(session, command)
      assert(logs.stdout === log.out && logs.stderr === log.err)
    })
  },

  async session_input() {
    await withSession({}, async (process, session) => {
      const reader = 'echo ready; read -r a; read -r b; echo "got $a+$b"'
      const lines = (text) => text.trimEnd().split('\n').sort()
      for (const [suppressInputEcho, shown] of [[false, 'ready\neins\nzwei ü\ngot eins+zwei ü\n'],
        [true, 'ready\ngot eins+zwei ü\n']]) {
        const command = await start(process, session, reader, { suppressInputEcho })
        const log = new Followed(process, session, command)
        await log.until('ready\n')
        await process.sendSessionCommandInput(session, command, 'eins\n')
        await process.sendSessionCommandInput(session, command, 'zwei ü') // a newline is added
        await log.end
        assert.deepEqual(lines(log.out), lines(shown))
        assert.equal(await exitCodeOf(process, session, command), 0)
      }
    })
  },

  async session_deleted_while_busy() {
    await withSession({}, async (process, session, sandbox) => {
      const command = await start(process, session, 'echo on; sleep 1234; echo never')
      const log = new Followed(process, session, command)
      await log.until('on\n')
      await process.deleteSession(session)
      await log.end
      assert.equal(log.out, 'on\n')
      assert.equal((await exec(sandbox, "pgrep -f '^sleep 1234'")).exitCode, 1)
      await raises(sdk.DaytonaNotFoundError, () => process.getSessionCommand(session, command), 404)
      // One who waits for the command is told so too.
      await process.createSession(session)
      const waiting = raises(sdk.DaytonaError, () => run(process, session, 'sleep 1235'))
      await eventually(async () => (await process.getSession(session)).commands?.length)
      await process.deleteSession(session)
      await waiting
    })
  },

  async session_many_at_once() {
    await withSandbox({}, async ({ process }) => {
      const numbers = [0, 1, 2, 3, 4, 5, 6, 7]
      const found = await Promise.all(numbers.map(async (number) => {
        const name = `many-${number}`
        await process.createSession(name)
        const log = new Followed(process, name, await start(process, name, `for i in 1 2 3; do echo ${number}:$i; done`))
        await log.end
        return log.out
      }))
      assert.deepEqual(found, numbers.map((n) => `${n}:1\n${n}:2\n${n}:3\n`))
      assert.equal((await process.listSessions()).length, 8)
    })
  },

  async session_errors() {
    await withSession({}, async (process, session) => {
      const none = unique('none')
      await raises(sdk.DaytonaConflictError, () => process.createSession(session), 409)
      await raises(sdk.DaytonaNotFoundError, () => process.getSession(none), 404)
      await raises(sdk.DaytonaNotFoundError, () => process.deleteSession(none), 404)
      await raises(sdk.DaytonaError, () => run(process, none, 'true'))
      await raises(sdk.DaytonaNotFoundError, () => process.getSessionCommand(session, none), 404)
      await raises(sdk.DaytonaNotFoundError, () => process.getSessionCommandLogs(session, none), 404)
      await raises(sdk.DaytonaNotFoundError, () => process.sendSessionCommandInput(session, none, 'x'), 404)
      // A defect of this SDK: what it throws here is the event of the socket and no Error.
      await raises(Object, () => new Followed(process, session, none).end)
      await raises(Object, () => new Followed(process, none, none).end)
      await raises(sdk.DaytonaBadRequestError, () => run(process, session, ' '), 400)
      const entrypoint = await process.getEntrypointSession()
      assert.deepEqual(entrypoint.commands.map((c) => c.id), ['entrypoint_command'])
      assert.equal((await process.getEntrypointLogs()).stdout, '')
      await raises(sdk.DaytonaBadRequestError, () => process.deleteSession('entrypoint'), 400)
      const ended = await run(process, session, 'true')
      await raises(sdk.DaytonaError, () => process.sendSessionCommandInput(session, ended.cmdId, 'x'), 410)
    })
  },
}
