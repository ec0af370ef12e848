// SPDX-License-Identifier: Apache-2.0
// The file calls.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'

import { collect, exec, raises, sdk, withSandbox } from './support.mjs'

export const scenarios = {
  async files_up_and_down() {
    const content = Buffer.concat([Buffer.alloc(1000000, 'abc\r\n'), Buffer.from('\r\n--DAYTONA-FILE-BOUNDARY--\r\n')])
    await withSandbox({}, async (sandbox) => {
      for (const [path, data] of [['a b/ü q.bin', content], ['empty', Buffer.alloc(0)], ['/home/daytona/x', Buffer.from('\r\n')]]) {
        await sandbox.fs.uploadFile(data, path)
        assert(data.equals(await sandbox.fs.downloadFile(path)), path)
      }
      assert.equal((await exec(sandbox, "stat -c %s 'a b/ü q.bin'")).result.trim(), String(content.length))
    })
  },

  async files_of_many_kinds_at_once() {
    await withSandbox({}, async (sandbox) => {
      const names = Array.from({ length: 50 }, (_, i) => `many/${i}`)
      await sandbox.fs.uploadFiles(names.map((name) => ({ source: Buffer.from(name), destination: name })))
      const found = await sandbox.fs.downloadFiles([...names, 'many/none'].map((source) => ({ source })))
      assert.deepEqual(found.slice(0, 50).map((f) => f.result.toString()), names)
      assert(found[50].error)
    })
  },

  async files_plain_calls() {
    await withSandbox({}, async ({ fs }) => {
      await fs.createFolder('work/deep', '750')
      await fs.uploadFile(Buffer.from('red fox\nblue\n'), 'work/one.txt')
      const info = await fs.getFileDetails('work/one.txt')
      assert.deepEqual([info.name, info.size, info.isDir], ['one.txt', 13, false])
      assert.deepEqual((await fs.listFiles('work')).map((f) => f.name), ['deep', 'one.txt'])
      const [match] = await fs.findFiles('work', 'fox')
      assert.deepEqual([match.line, match.content], [1, 'red fox'])
      assert.equal((await fs.searchFiles('work', '*.txt')).files.length, 1)
      const replaced = await fs.replaceInFiles(['work/one.txt', 'work/none'], 'fox', 'cat')
      assert.deepEqual(replaced.map((r) => Boolean(r.success)), [true, false])
      await fs.setFilePermissions('work/one.txt', { mode: '600' })
      await fs.moveFiles('work/one.txt', 'work/deep/two.txt')
      assert.equal((await fs.downloadFile('work/deep/two.txt')).toString(), 'red cat\nblue\n')
      await fs.deleteFile('work', true)
      assert(!(await fs.listFiles('.')).some((f) => f.name === 'work'))
    })
  },

  async error_files() {
    await withSandbox({}, async ({ fs }) => {
      await raises(sdk.DaytonaNotFoundError, () => fs.getFileDetails('none'), 404)
      await raises(sdk.DaytonaNotFoundError, () => fs.downloadFile('none'), 404)
      await raises(sdk.DaytonaNotFoundError, () => fs.moveFiles('none', 'x'), 404)
      await raises(sdk.DaytonaError, () => fs.deleteFile('/home/daytona'))
      await raises(sdk.DaytonaError, () => fs.uploadFile(Buffer.from('x'), '/proc/none/x'))
    })
  },

  async files_local_paths() {
    const big = randomBytes(5000000)
    const folder = mkdtempSync(path.join(os.tmpdir(), 'interop-'))
    const local = (name) => path.join(folder, name)
    writeFileSync(local('big'), big)
    try {
      await withSandbox({}, async ({ fs }) => {
        await fs.uploadFile(local('big'), 'one/big')
        await fs.downloadFile('one/big', local('back'))
        assert(readFileSync(local('back')).equals(big))
        await fs.uploadFiles([{ source: local('big'), destination: 'two/big' },
          { source: Buffer.from('small'), destination: 'two/small' }])
        const found = await fs.downloadFiles([{ source: 'two/big', destination: local('two') }, { source: 'two/small' },
          { source: 'two/none' }])
        assert(readFileSync(local('two')).equals(big))
        assert.equal(found[1].result.toString(), 'small')
        assert(found[2].error)
      })
    } finally {
      rmSync(folder, { recursive: true })
    }
  },

  async files_streamed() {
    const data = randomBytes(3000000)
    await withSandbox({}, async ({ fs }) => {
      const sent = []
      const got = []
      const source = Readable.from([data.subarray(0, 1000000), data.subarray(1000000)])
      await fs.uploadFileStream(source, 'far/away.bin', { onProgress: (p) => sent.push(p.bytesSent) })
      assert.equal(sent.at(-1), data.length)
      const pieces = await collect(await fs.downloadFileStream('far/away.bin',
        { onProgress: (p) => got.push([p.bytesReceived, p.totalBytes]) }))
      assert(Buffer.concat(pieces).equals(data) && pieces.length > 1)
      assert.deepEqual(got.at(-1), [data.length, data.length])
      const read = async (...args) => collect(await fs.downloadFileStream(...args))
      await raises(sdk.DaytonaNotFoundError, () => read('far/none'), 404)
      const signal = AbortSignal.abort()
      await raises(Error, () => read('far/away.bin', { signal }))
      await raises(Error, () => fs.uploadFileStream(data, 'far/x', { signal }))
    })
  },

  async files_details() {
    await withSandbox({}, async (sandbox) => {
      const { fs } = sandbox
      await fs.createFolder('top/mid/low', '750')
      await fs.uploadFile(Buffer.from('a cat\nno\nthe cat sat\n'), 'top/mid/a.txt')
      await fs.uploadFile(Buffer.from('cat\n'), 'top/mid/low/b.md')
      assert.equal((await exec(sandbox, 'stat -c %a top/mid/low')).result, '750\n')
      const info = await fs.getFileDetails('top/mid/low')
      assert.deepEqual([info.isDir, info.owner, info.permissions], [true, '1000', '0750'])
      const names = (await fs.listFiles('top', { depth: 3 })).map((f) => f.name).sort()
      assert.deepEqual(names, ['a.txt', 'b.md', 'low', 'mid'])
      const matches = (await fs.findFiles('top', 'cat')).map((m) => `${path.basename(m.file)}:${m.line}`).sort()
      assert.deepEqual(matches, ['a.txt:1', 'a.txt:3', 'b.md:1'])
      const found = (await fs.searchFiles('top', '*.md')).files
      assert.deepEqual(found.map((file) => path.basename(file)), ['b.md'])
      await fs.setFilePermissions('top/mid/a.txt', { mode: '640', owner: 'daytona', group: 'daytona' })
      assert.equal((await exec(sandbox, "stat -c '%a %U %G' top/mid/a.txt")).result, '640 daytona daytona\n')
      await fs.moveFiles('top/mid', 'top/other')
      assert.equal((await fs.downloadFile('top/other/low/b.md')).toString(), 'cat\n')
      await raises(sdk.DaytonaError, () => fs.deleteFile('top')) // a folder, without recursive
      await fs.deleteFile('top/other/a.txt')
      await fs.deleteFile('top', true)
      await raises(sdk.DaytonaNotFoundError, () => fs.listFiles('top'), 404)
    })
  },
}
