// SPDX-License-Identifier: Apache-2.0
// Terminals (PTY sessions).
//
// What is typed comes back as echo, so results are told from it by being calculated: `echo is-$((1+1))`.

import assert from 'node:assert/strict'

import { eventually, exec, raises, sdk, unique, withSandbox } from './support.mjs'

// A handle and its output so far.
export class Terminal {
  chunks = []

  static async create(process, options = {}) {
    const terminal = new Terminal()
    const onData = (data) => { terminal.chunks.push(Buffer.from(data)) }
    terminal.handle = await process.createPty({ id: unique('pty'), ...options, onData })
    return terminal
  }

  static async connect(process, id) {
    const terminal = new Terminal()
    terminal.handle = await process.connectPty(id, { onData: (data) => { terminal.chunks.push(Buffer.from(data)) } })
    return terminal
  }

  get output() {
    this.chunks = [Buffer.concat(this.chunks)]
    return this.chunks[0].toString()
  }

  type(text) {
    return this.handle.sendInput(text)
  }

  // Waits until `text` has come.
  until(text) {
    return eventually(() => this.output.includes(text))
  }

  // Waits for the end: [exit code, error].
  async end() {
    const result = await this.handle.wait()
    assert.equal(this.handle.isConnected(), false)
    assert.deepEqual([this.handle.exitCode, this.handle.error], [result.exitCode, result.error])
    await this.handle.disconnect()
    return [result.exitCode, result.error]
  }
}

export const scenarios = {
  async pty_input_and_output() {
    await withSandbox({}, async ({ process }) => {
      const id = unique('pty')
      const terminal = await Terminal.create(process, { id })
      assert(terminal.handle.isConnected())
      assert.deepEqual([terminal.handle.sessionId, terminal.handle.exitCode, terminal.handle.error],
        [id, undefined, undefined])
      await terminal.type('echo is-$((1+1))-$TERM; tty\n')
      await terminal.until('is-2-xterm-256color\r\n/dev/pts/')
      await terminal.type(Buffer.from("printf 'gr\\303\\274n-%s\\n' '世界 🚀'\n"))
      await terminal.until('grün-世界 🚀\r\n')
      await terminal.type('read -r line; echo "<$line>"\n')
      await terminal.type('something said\n')
      await terminal.until('<something said>\r\n')
      await terminal.type('exit\n')
      assert.deepEqual(await terminal.end(), [0, undefined])
      await raises(sdk.DaytonaConnectionError, () => terminal.type('more\n'))
    })
  },

  async pty_exit_codes() {
    await withSandbox({}, async ({ process }) => {
      for (const [command, code] of [['exit 3', 3], ["exec sh -c 'exit 137'", 137], ['exit 0', 0]]) {
        const terminal = await Terminal.create(process)
        await terminal.type(`${command}\n`)
        const [exitCode, error] = await terminal.end()
        assert.deepEqual([exitCode, Boolean(error)], [code, code !== 0], command)
      }
    })
  },

  async pty_control_keys() {
    await withSandbox({}, async ({ process }) => {
      const terminal = await Terminal.create(process)
      await terminal.type("PS1='pro''mpt> '; sh -c 'echo is-$((1+1)); exec sleep 1234'; echo not-$((1+1))\n")
      await terminal.until('is-2\r\n')
      await terminal.type('\x03')
      await terminal.until('prompt> ') // what is typed before is thrown away by the key
      assert(!terminal.output.includes('not-2'))
      await terminal.type('echo is-$((2+2)); cat > typed\n')
      await terminal.until('is-4\r\n')
      await terminal.type('one\ntwo\n\x04')
      await terminal.type("wc -l < typed; PS1='rea''dy> '; echo over-$((1+1))\n")
      await terminal.until('over-2\r\n')
      assert(terminal.output.includes('2\r\nover-2'))
      await terminal.until('ready> ') // before its prompt is there, the shell is shown a zero for the key
      await terminal.type('\x04')
      assert.deepEqual(await terminal.end(), [0, undefined])
    })
  },

  async pty_resize() {
    await withSandbox({}, async ({ process }) => {
      const terminal = await Terminal.create(process, { rows: 30, cols: 100 })
      await terminal.type('echo size: $(stty size) $COLUMNS\n')
      await terminal.until('size: 30 100')
      let info = await terminal.handle.resize(120, 40)
      assert.deepEqual([info.rows, info.cols], [40, 120])
      await terminal.type('echo size: $(stty size)\n')
      await terminal.until('size: 40 120\r\n')
      info = await process.resizePtySession(terminal.handle.sessionId, 6, 5)
      assert.deepEqual([info.rows, info.cols], [5, 6])
      await raises(sdk.DaytonaError, () => terminal.handle.resize(1001, 24))
      await terminal.handle.kill()
      await terminal.end()
    })
  },

  async pty_list_and_info() {
    await withSandbox({}, async ({ process }) => {
      const ids = async () => (await process.listPtySessions()).map((s) => s.id).sort()
      const first = await Terminal.create(process, { id: 'first', cwd: '/tmp', envs: { SHADE: 'dark' } })
      const second = await Terminal.create(process, { id: 'second', rows: 11, cols: 22 })
      assert.deepEqual(await ids(), ['first', 'second'])
      let info = await process.getPtySessionInfo('first')
      assert.deepEqual([info.id, info.cwd, info.rows, info.cols, info.active], ['first', '/tmp', 24, 80, true])
      assert(info.envs.SHADE === 'dark' && info.createdAt && !info.lazyStart)
      info = await process.getPtySessionInfo('second')
      assert.deepEqual([info.rows, info.cols], [11, 22])
      await process.killPtySession('first')
      assert.equal((await first.end())[0], 137)
      assert.deepEqual(await ids(), ['second'])
      await second.handle.kill()
      await second.end()
    })
  },

  async pty_kill() {
    await withSandbox({}, async (sandbox) => {
      const terminal = await Terminal.create(sandbox.process)
      await terminal.type('sleep 1236 & sleep 1236 | cat\n')
      await eventually(async () => (await exec(sandbox, "pgrep -fc '^sleep 1236'")).result === '2\n')
      await terminal.handle.kill()
      assert.deepEqual(await terminal.end(), [137, 'SIGKILL'])
      assert.equal((await exec(sandbox, "pgrep -f '^sleep 1236'")).exitCode, 1)
      await raises(sdk.DaytonaNotFoundError, () => sandbox.process.getPtySessionInfo(terminal.handle.sessionId), 404)
      await raises(sdk.DaytonaError, () => terminal.handle.kill())
    })
  },

  async pty_env_and_directory() {
    await withSandbox({ envVars: { GIVEN: 'by create' } }, async (sandbox) => {
      await exec(sandbox, "mkdir -p 'some where/ü'")
      const envs = { ODD: 'a\'b"c $HOME ü\n2', TERM: 'vt100', EMPTY: '' }
      const terminal = await Terminal.create(sandbox.process, { cwd: '/home/daytona/some where/ü', envs })
      await terminal.type('pwd; echo "<$ODD>$TERM<${EMPTY-unset}>$GIVEN"; echo over-$((1+1))\n')
      await terminal.until('over-2\r\n')
      assert(terminal.output.includes('/home/daytona/some where/ü\r\n'), terminal.output)
      assert(terminal.output.includes('<a\'b"c $HOME ü\r\n2>vt100<>by create\r\n'), terminal.output)
      await terminal.type('exit\n')
      await terminal.end()
    })
  },

  async pty_reconnect() {
    await withSandbox({}, async ({ process }) => {
      const first = await Terminal.create(process, { id: 'kept' })
      await first.type('cd /tmp; own=kept; echo is-$((1+1))\n')
      await first.until('is-2\r\n')
      await first.handle.disconnect()
      const second = await Terminal.connect(process, 'kept')
      const third = await Terminal.connect(process, 'kept') // both see everything from here on
      await second.type('echo $own-$((2+2)) in $PWD\n')
      await second.until('kept-4 in /tmp\r\n')
      await third.until('kept-4 in /tmp\r\n')
      await third.type('exit 5\n')
      assert.deepEqual([(await second.end())[0], (await third.end())[0]], [5, 5])
      await raises(sdk.DaytonaError, () => Terminal.connect(process, 'kept'))
      const again = await Terminal.create(process, { id: 'kept' }) // the name is free again
      await again.type('exit\n')
      assert.deepEqual(await again.end(), [0, undefined])
    })
  },

  async pty_large_output() {
    await withSandbox({}, async ({ process }) => {
      const terminal = await Terminal.create(process)
      await terminal.type("stty -onlcr; echo be''gin; seq 1 150000; echo over-$((1+1))\n")
      await terminal.until('over-2\n')
      const [body] = terminal.output.split('begin\n')[1].split('over-2\n')
      assert(body === Array.from({ length: 150000 }, (_, i) => `${i + 1}\n`).join(''), `${body.length}`)
      await terminal.type('exit\n')
      assert.deepEqual(await terminal.end(), [0, undefined])
    })
  },

  async pty_large_input() {
    await withSandbox({}, async (sandbox) => {
      const terminal = await Terminal.create(sandbox.process)
      await terminal.type('stty raw -echo; echo is-$((1+1)); head -c 300000 | md5sum; stty sane; echo over-$((1+1))\n')
      await terminal.until('is-2\n')
      const piece = Buffer.concat([Buffer.alloc(25600, Buffer.from(Array.from({ length: 256 }, (_, i) => i))),
        Buffer.alloc(4400, 'x')])
      for (let i = 0; i < 10; i++) await terminal.type(piece)
      await terminal.until('over-2')
      const wanted = await exec(sandbox, "python3 -c 'import sys; [sys.stdout.buffer.write(" +
        "bytes(range(256)) * 100 + b\"x\" * 4400) for _ in range(10)]' | md5sum")
      assert(terminal.output.includes(wanted.result.split(' ')[0]), terminal.output.slice(-200))
      await terminal.type('exit\n')
      await terminal.end()
    })
  },

  async pty_many_at_once() {
    await withSandbox({}, async ({ process }) => {
      const numbers = [1, 2, 3, 4, 5, 6, 7, 8]
      const found = await Promise.all(numbers.map(async (number) => {
        const terminal = await Terminal.create(process, { id: `many-${number}`, envs: { NUMBER: String(number) } })
        await terminal.type('echo is-$((NUMBER*100)); exit $NUMBER\n')
        return [(await terminal.end())[0], terminal.output.includes(`is-${number}00`)]
      }))
      assert.deepEqual(found, numbers.map((n) => [n, true]))
      assert.deepEqual(await process.listPtySessions(), [])
    })
  },

  async pty_errors() {
    await withSandbox({}, async ({ process }) => {
      const terminal = await Terminal.create(process, { id: 'taken' })
      // The SDK does not read why an upgrade was refused (409, 500, 400): every refusal is a connection error.
      await raises(sdk.DaytonaConnectionError, () => Terminal.create(process, { id: 'taken' }))
      await raises(sdk.DaytonaConnectionError, () => Terminal.create(process, { cwd: '/does/not/exist' }))
      await raises(sdk.DaytonaConnectionError, () => Terminal.create(process, { rows: 24, cols: 1001 }))
      await raises(sdk.DaytonaConnectionError, () => Terminal.connect(process, 'none'))
      await raises(sdk.DaytonaNotFoundError, () => process.getPtySessionInfo('none'), 404)
      await raises(sdk.DaytonaNotFoundError, () => process.killPtySession('none'), 404)
      await raises(sdk.DaytonaError, () => process.resizePtySession('none', 1, 1), 410)
      await terminal.type('exit\n') // all this did nothing to the one that is there
      assert.deepEqual(await terminal.end(), [0, undefined])
    })
  },
}
