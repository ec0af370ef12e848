// SPDX-License-Identifier: Apache-2.0
// Streams of every kind at once, and plain calls beside them.

import assert from 'node:assert/strict'

import { Followed } from './sessions.mjs'
import { exec, withSandbox } from './support.mjs'
import { Terminal } from './terminals.mjs'

export const scenarios = {
  async streams_beside_other_calls() {
    await withSandbox({}, async (sandbox) => {
      const { process, fs } = sandbox
      const waiting = 'until [ -e go ]; do sleep 0.02; done'
      await process.createSession('long')
      const { cmdId } = await process.executeSessionCommand('long',
        { command: `echo begun; ${waiting}; echo ended`, runAsync: true })
      const log = new Followed(process, 'long', cmdId)
      const terminal = await Terminal.create(process)
      await terminal.type(`${waiting}; exit 6\n`)
      let isRunOver = false
      const running = sandbox.codeInterpreter.runCode(
        "import os, time\nwhile not os.path.exists('go'): time.sleep(0.02)\nprint('ended')")
      running.finally(() => { isRunOver = true }).catch(() => {})
      await log.until('begun\n')
      for (let i = 0; i < 10; i++) {
        assert.equal((await exec(sandbox, `echo ${i}`)).result, `${i}\n`)
        await fs.uploadFile(Buffer.from(`${i}`), `file-${i}`)
        assert.equal((await fs.downloadFile(`file-${i}`)).toString(), `${i}`)
      }
      assert(!log.isOver && !isRunOver && terminal.handle.isConnected())
      await exec(sandbox, 'touch go')
      await log.end
      assert.equal(log.out, 'begun\nended\n')
      assert.equal((await running).stdout, 'ended\n')
      assert.equal((await terminal.end())[0], 6)
    })
  },

  async stream_is_left_early() {
    await withSandbox({}, async ({ process }) => {
      await process.createSession('left')
      const { cmdId } = await process.executeSessionCommand('left', { command: 'read -r a; echo got $a', runAsync: true })
      const terminal = await Terminal.create(process, { id: 'left' })
      await terminal.handle.disconnect()
      assert((await process.getPtySessionInfo('left')).active)
      await process.sendSessionCommandInput('left', cmdId, 'on')
      const log = new Followed(process, 'left', cmdId)
      await log.end
      assert(log.out.includes('got on\n'), log.out)
    })
  },
}
