// SPDX-License-Identifier: Apache-2.0
// Snapshots and sandboxes from images: from a registry, and declared and built, with their logs as they come.

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'

import { Skip, admin, apiUrl, client, eventually, exec, sdk, send, unique, withSandbox } from './support.mjs'

function imageName() {
  if (!process.env.INTEROP_IMAGE) throw new Skip(process.env.INTEROP_NO_IMAGES ?? 'there is no registry')
  return process.env.INTEROP_IMAGE
}

// No method of the SDK does it. The clock goes on, since nothing is activated right after a change.
async function deactivate(snapshot) {
  const answer = await send('POST', `${apiUrl}/snapshots/${snapshot.id}/deactivate`,
    { authorization: `Bearer ${process.env.DAYTONA_API_KEY}` })
  assert.equal(answer.status, 204)
  await admin('POST', '/clock', { jump_ms: 11 * 60 * 1000 })
}

async function withSnapshot(image, use, params = {}, onLogs = undefined) {
  const made = await client.snapshot.create({ name: unique('snapshot'), image, ...params }, { onLogs })
  try {
    await use(made)
  } finally {
    await client.snapshot.delete(made).catch(() => {})
  }
}

async function withCreated(image, use, onSnapshotCreateLogs = undefined) {
  const sandbox = await client.create({ image, resources: { cpu: 1, memory: 1, disk: 2 } },
    { timeout: 100, onSnapshotCreateLogs })
  try {
    await use(sandbox)
  } finally {
    await sandbox.delete().catch(() => {})
  }
}

const failsWith = (status) => (error) => status === undefined || error.statusCode === status

export const scenarios = {
  async snapshot_from_image() {
    const lines = []
    await withSnapshot(imageName(), async (made) => {
      assert(made.state === 'active' && made.size > 0)
      assert.deepEqual([made.cpu, made.mem, made.disk], [2, 3, 4])
      assert.deepEqual(made.entrypoint, ['sleep', '1000'])
      assert(lines.some((line) => /active/i.test(line)))
      assert.equal((await client.snapshot.get(made.name)).id, made.id)
      const page = await client.snapshot.list()
      assert(page.items.some((item) => item.id === made.id) && page.total === page.items.length)
      await withSandbox({ snapshot: made.name }, async (sandbox) => {
        assert.deepEqual([sandbox.snapshot, sandbox.cpu, sandbox.memory, sandbox.disk], [made.name, 2, 3, 4])
        assert.match((await exec(sandbox, 'busybox | head -n 1')).result, /BusyBox/)
      })
      await client.snapshot.delete(made)
      await eventually(() => client.snapshot.get(made.name).then(() => false, (error) => error.statusCode === 404))
    }, { entrypoint: ['sleep', '1000'], resources: { cpu: 2, memory: 3, disk: 4 } }, (line) => lines.push(line))
  },

  async snapshot_from_declarative_image() {
    const lines = []
    const word = unique('word')
    const image = sdk.Image.base(imageName()).env({ COLOUR: 'blue' }).runCommands(
      `echo ${word} > /made; for i in 1 2 3 4 5 6; do echo tick-$i; sleep 1; done`).workdir('/tmp')
    const entrypoint = ['sleep', '1000']
    await withSnapshot(image, async (made) => {
      assert(made.state === 'active' && made.size > 0)
      assert.deepEqual(made.entrypoint, entrypoint)
      const ticks = lines.filter((entry) => `\n${entry.line}`.includes('\ntick-')).map((entry) => entry.at)
      assert(lines.map((entry) => entry.line).join('').split('tick-').length > 6)
      assert(ticks.length > 1 && ticks.at(-1) - ticks[0] > 1000, 'the log came at once')
      await withSandbox({ snapshot: made.name }, async (sandbox) => {
        assert.deepEqual((await exec(sandbox, 'cat /made; echo $COLOUR')).result.split(/\s+/).filter(Boolean), [word, 'blue'])
      })
    }, { entrypoint }, (line) => lines.push({ line, at: Date.now() }))
  },

  async snapshot_that_fails() {
    const image = sdk.Image.base(imageName()).runCommands(`echo ${unique('x')}; echo some reason; exit 3`)
    await assert.rejects(client.snapshot.create({ name: unique('bad'), image }), /3/)
    const missing = `${imageName().slice(0, imageName().lastIndexOf('/'))}/nobody:1`
    await assert.rejects(client.snapshot.create({ name: unique('bad'), image: missing }), /nobody/)
    await assert.rejects(client.snapshot.create({ name: unique('bad'), image: 'debian' }), failsWith(400))
    await withSnapshot(imageName(), (made) =>
      assert.rejects(client.snapshot.create({ name: made.name, image: imageName() }), failsWith(409)))
    await assert.rejects(client.snapshot.get('nobody/knows:1'), failsWith(404))
  },

  async snapshot_activate() {
    await withSnapshot(imageName(), async (made) => {
      await assert.rejects(client.snapshot.activate(made), failsWith(400))
      await deactivate(made)
      await assert.rejects(client.create({ snapshot: made.name }), failsWith(400))
      assert(['pending', 'active'].includes((await client.snapshot.activate(made)).state))
      await eventually(async () => (await client.snapshot.get(made.name)).state === 'active')
      await withSandbox({ snapshot: made.name }, async (sandbox) =>
        assert.equal((await exec(sandbox, 'echo hello')).result, 'hello\n'))
    })
  },

  async create_from_image_name() {
    await withCreated(imageName(), async (sandbox) => {
      assert(sandbox.state === 'started' && sandbox.disk === 2)
      assert.equal(sandbox.buildInfo.dockerfileContent, `FROM ${imageName()}\n`)
      assert.match((await exec(sandbox, 'busybox | head -n 1')).result, /BusyBox/)
      await sandbox.fs.uploadFile(Buffer.from('content'), '/root/file')
      await sandbox.stop()
      await sandbox.start()
      assert.equal((await sandbox.fs.downloadFile('/root/file')).toString(), 'content')
    })
  },

  async create_from_declarative_image() {
    let log = ''
    const onLogs = (chunk) => { log += `${chunk}\n` }
    const image = sdk.Image.base(imageName()).runCommands(
      `echo ${unique('x')}; for i in 1 2 3; do echo tick-$i; sleep 1; done; echo made > /made`).env({ A: 'b c' })
    await withCreated(image, async (sandbox) => {
      assert.match(log, /tick-3/)
      assert.equal((await exec(sandbox, 'cat /made; echo $A')).result, 'made\nb c\n')
    }, onLogs)
    log = ''
    await withCreated(image, async () => assert.equal(log, ''), onLogs) // it was built before
    const bad = sdk.Image.base(imageName()).runCommands(`echo ${unique('x')}; exit 9`)
    await assert.rejects(client.create({ image: bad }, { timeout: 100, onSnapshotCreateLogs: onLogs }), /9/)
  },

  async create_from_image_with_files() {
    const base = imageName()
    const place = mkdtempSync(path.join(os.tmpdir(), 'interop-'))
    const names = ['app/main', 'app/deep/data', 'alone']
    try {
      mkdirSync(path.join(place, 'app', 'deep'), { recursive: true })
      for (const name of names) writeFileSync(path.join(place, name), unique('content'))
      const image = sdk.Image.base(base).addLocalDir(path.join(place, 'app'), '/srv/app')
        .addLocalFile(path.join(place, 'alone'), '/srv/alone')
      await withCreated(image, async (sandbox) => {
        for (const name of names)
          assert.equal((await sandbox.fs.downloadFile(`/srv/${name}`)).toString(), readFileSync(path.join(place, name), 'utf8'))
      })
    } finally {
      rmSync(place, { recursive: true })
    }
  },
}
