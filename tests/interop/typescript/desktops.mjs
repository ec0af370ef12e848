// SPDX-License-Identifier: Apache-2.0
// The desktop: processes, mouse, keyboard, screenshots, displays, windows and recordings.

import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { Skip, eventually, raises, sdk, withSandbox } from './support.mjs'

const names = ['xvfb', 'xfce4', 'x11vnc', 'novnc']
const at = (position) => [position.x, position.y]

// Of a PNG.
function sizeOf(shot) {
  const data = Buffer.from(shot.screenshot, 'base64')
  assert.equal(data.subarray(1, 4).toString(), 'PNG')
  return [data.readUInt32BE(16), data.readUInt32BE(20)]
}

async function processes(use) {
  assert.equal((await use.getStatus()).status, 'inactive')
  const started = await use.start()
  for (const name of names) assert(started.status[name].running && started.status[name].pid > 0, name)
  assert.equal((await use.getStatus()).status, 'active')
  for (const name of names) assert.equal((await use.getProcessStatus(name)).running, true)
  assert.equal((await use.restartProcess('novnc')).processName, 'novnc')
  assert.match((await use.getProcessLogs('x11vnc')).logs, /PORT=5901/)
  assert.equal((await use.getProcessErrors('xvfb')).processName, 'xvfb')
}

async function mouse(use) {
  assert.deepEqual(at(await use.mouse.move(300, 200)), [300, 200])
  assert.deepEqual(at(await use.mouse.getPosition()), [300, 200])
  assert.deepEqual(at(await use.mouse.click(310, 210)), [310, 210])
  assert.deepEqual(at(await use.mouse.click(320, 220, 'right', true)), [320, 220])
  assert.deepEqual(at(await use.mouse.drag(100, 100, 200, 160)), [200, 160])
  assert.equal(await use.mouse.scroll(300, 200, 'down', 3), true)
  await raises(sdk.DaytonaError, () => use.mouse.click(1, 1, 'fourth'), 400)
  await raises(sdk.DaytonaError, () => use.mouse.move(99999, 1), 400)
}

async function keyboard(sandbox, use) {
  await use.keyboard.press('escape')
  await sandbox.process.executeCommand("(xterm -T typed -e sh -c 'cat >typed' >/dev/null 2>&1 </dev/null &)")
  const windows = async () => ((await use.display.getWindows()).windows ?? []).filter((w) => w.title === 'typed')
  await eventually(async () => (await windows()).length > 0)
  const [window] = await windows()
  await use.mouse.click(window.x + 20, window.y + 20)
  await use.keyboard.type('Grüße, 漢字!\n')
  await use.keyboard.type('slow', 10)
  await use.keyboard.press('Return')
  await use.keyboard.press('a', ['shift'])
  await use.keyboard.press('enter')
  await use.keyboard.hotkey('ctrl+d')
  await eventually(async () => (await windows()).length === 0)
  assert.equal((await sandbox.process.executeCommand('cat typed')).result, 'Grüße, 漢字!\nslow\nA\n')
  for (const call of [() => use.keyboard.press('nosuch'), () => use.keyboard.hotkey('a+b'), () => use.keyboard.type('a\tb')])
    await raises(sdk.DaytonaError, call, 400)
}

async function screen(use) {
  const [display] = (await use.display.getInfo()).displays
  assert.deepEqual([display.width, display.height, display.isActive], [1024, 768, true])
  // All the same: SDK 0.205.1 sends the four in another order than it means.
  const region = { x: 64, y: 64, width: 64, height: 64 }
  assert.deepEqual(sizeOf(await use.screenshot.takeFullScreen()), [1024, 768])
  assert.deepEqual(sizeOf(await use.screenshot.takeRegion(region, true)), [64, 64])
  const small = await use.screenshot.takeCompressed({ scale: 0.5 })
  assert.deepEqual(sizeOf(small), [512, 384])
  assert.equal(small.sizeBytes, Buffer.from(small.screenshot, 'base64').length)
  for (const [format, start] of [['jpeg', 'ffd8ff'], ['webp', '52494646']]) {
    const shot = await use.screenshot.takeCompressedRegion(region, { format, quality: 80, showCursor: true })
    assert(Buffer.from(shot.screenshot, 'base64').toString('hex').startsWith(start), format)
  }
}

async function recordings(use) {
  if (process.env.INTEROP_NO_FFMPEG) return
  const started = await use.recording.start('interop run')
  assert.equal(started.status, 'recording')
  assert.deepEqual((await use.recording.list()).recordings.map((r) => r.id), [started.id])
  await raises(sdk.DaytonaError, () => use.recording.delete(started.id), 409)
  const stopped = await use.recording.stop(started.id)
  assert(stopped.status === 'completed' && stopped.sizeBytes > 0)
  assert.equal((await use.recording.get(started.id)).sizeBytes, stopped.sizeBytes)
  const folder = await mkdtemp(join(tmpdir(), 'film-'))
  await use.recording.download(started.id, join(folder, 'film.mp4'))
  const film = await readFile(join(folder, 'film.mp4'))
  await rm(folder, { recursive: true })
  assert(film.subarray(4, 8).toString() === 'ftyp' && film.length === stopped.sizeBytes)
  await use.recording.delete(started.id)
  await raises(sdk.DaytonaNotFoundError, () => use.recording.get(started.id), 404)
  await raises(sdk.DaytonaError, () => use.recording.start('a/b'), 400)
}

export const scenarios = {
  async desktop() {
    if (process.env.INTEROP_NO_DESKTOP) throw new Skip(process.env.INTEROP_NO_DESKTOP)
    await withSandbox({}, async (sandbox) => {
      const use = sandbox.computerUse
      await processes(use)
      await mouse(use)
      await keyboard(sandbox, use)
      await screen(use)
      await recordings(use)
      await use.stop()
      assert.equal((await use.getStatus()).status, 'inactive')
    })
  },

  // Before there is one.
  async desktop_errors() {
    await withSandbox({}, async (sandbox) => {
      const use = sandbox.computerUse
      assert.equal((await use.display.getWindows()).windows, null)
      for (const call of [() => use.mouse.move(1, 1), () => use.keyboard.type('x'), () => use.screenshot.takeFullScreen()])
        await raises(sdk.DaytonaError, call, 503)
      await raises(sdk.DaytonaError, () => use.getProcessStatus('nosuch'), 503)
      await raises(sdk.DaytonaError, () => use.getProcessLogs('xvfb'), 400)
    })
  },
}
