// The file calls.

import assert from 'node:assert/strict'

import { exec, raises, sdk, withSandbox } from './support.mjs'

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
}
