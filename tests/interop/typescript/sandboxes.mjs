// SPDX-License-Identifier: Apache-2.0
// The life of a sandbox, and the ways to reach it.

import assert from 'node:assert/strict'

import {
  SandboxState, Skip, admin, client, collect, eventually, exec, raises, sdk, send, unique, withSandbox,
} from './support.mjs'

async function servePage(sandbox, port) {
  await exec(sandbox, 'mkdir -p site && echo hello from inside > site/index.html')
  await exec(sandbox, `cd site && (setsid python3 -m http.server ${port} >/dev/null 2>&1 </dev/null &)`)
  const probe = `python3 -c 'import socket; socket.create_connection(("127.0.0.1", ${port})).close()'`
  await eventually(async () => (await exec(sandbox, probe)).exitCode === 0)
}

const rejected = [307, 401, 403, 404]

export const scenarios = {
  async create_get_delete() {
    const sandbox = await client.create()
    assert.equal(sandbox.state, SandboxState.STARTED)
    for (const key of ['name', 'organizationId', 'createdAt', 'updatedAt', 'toolboxProxyUrl']) assert(sandbox[key], key)
    assert(sandbox.cpu > 0 && sandbox.memory > 0 && sandbox.disk > 0)
    const again = await client.get(sandbox.id)
    assert.equal(again.id, sandbox.id)
    await sandbox.delete(60, true)
    await raises(sdk.DaytonaNotFoundError, () => client.get(sandbox.id), 404)
  },

  // The create without parameters sends labels of the SDK's own.
  async create_takes_a_booted_one() {
    await eventually(async () => (await admin('GET', '/info')).warm.ready > 0)
    const sandbox = await client.create()
    try {
      assert.equal((await admin('GET', '/info')).boxes[sandbox.id].start, 'warm')
      assert.equal(sandbox.labels['code-toolbox-language'], 'python')
      const seen = (await exec(sandbox, 'hostname; echo $DAYTONA_SANDBOX_ID')).result.trim()
      assert.equal(seen, `${sandbox.id}\n${sandbox.id}`)
    } finally {
      await sandbox.delete()
    }
  },

  async create_with_everything() {
    const name = unique('everything')
    await withSandbox({ name, language: 'javascript', envVars: { COLOUR: 'blue' }, labels: { team: 'red' }, public: true,
      autoStopInterval: 7, autoArchiveInterval: 8, autoDeleteInterval: 9 }, async (sandbox) => {
      const got = await client.get(sandbox.id)
      assert.deepEqual([got.name, got.public, got.env.COLOUR, got.labels.team], [name, true, 'blue', 'red'])
      assert.equal(got.labels['code-toolbox-language'], 'javascript')
      assert.deepEqual([got.autoStopInterval, got.autoArchiveInterval, got.autoDeleteInterval], [7, 8, 9])
      assert.equal((await exec(sandbox, 'echo $COLOUR')).result.trim(), 'blue')
    })
  },

  async list_filters_and_pages() {
    const batch = unique('batch')
    const made = []
    try {
      for (const i of [0, 1, 2]) made.push(await client.create({ name: `${batch}-${i}`, labels: { batch } }))
      const pages = await collect(client.list({ labels: { batch }, limit: 1 }))
      assert.deepEqual(pages.map((s) => s.id).sort(), made.map((s) => s.id).sort())
      const named = await collect(client.list({ name: batch.toUpperCase(), sort: 'name', order: 'desc' }))
      assert.deepEqual(named.map((s) => s.name), [2, 1, 0].map((i) => `${batch}-${i}`))
      assert.deepEqual(await collect(client.list({ labels: { batch }, states: [SandboxState.STOPPED] })), [])
      assert.deepEqual(await collect(client.list({ labels: { batch, x: 'y' } })), [])
    } finally {
      for (const sandbox of made) await sandbox.delete()
    }
  },

  async find_by_name() {
    const name = unique('found')
    await withSandbox({ name }, async (sandbox) => assert.equal((await client.get(name)).id, sandbox.id))
  },

  async stop_and_start_keep_files() {
    await withSandbox({}, async (sandbox) => {
      await exec(sandbox, 'echo kept > note.txt; (sleep 1000 >/dev/null 2>&1 &)')
      await sandbox.stop()
      assert.equal(sandbox.state, SandboxState.STOPPED)
      await sandbox.start()
      assert.equal(sandbox.state, SandboxState.STARTED)
      assert.equal((await exec(sandbox, 'cat note.txt')).result, 'kept\n')
      assert.equal((await exec(sandbox, "pgrep -f 'sleep 100[0]'")).exitCode, 1)
    })
  },

  async force_stop() {
    await withSandbox({}, async (sandbox) => {
      await sandbox.stop(30, true)
      assert.equal(sandbox.state, SandboxState.STOPPED)
    })
  },

  async ephemeral_is_gone_after_stop() {
    const sandbox = await client.create({ ephemeral: true })
    assert.equal(sandbox.autoDeleteInterval, 0)
    await sandbox.stop()
    await eventually(() => client.get(sandbox.id).then((s) => s.state === SandboxState.DESTROYED,
      (error) => error instanceof sdk.DaytonaNotFoundError))
  },

  async labels_are_replaced() {
    await withSandbox({ labels: { old: '1' } }, async (sandbox) => {
      assert.deepEqual(await sandbox.setLabels({ new: '2' }), { new: '2' })
      assert.deepEqual((await client.get(sandbox.id)).labels, { new: '2' })
    })
  },

  async intervals() {
    await withSandbox({}, async (sandbox) => {
      await sandbox.setAutostopInterval(0)
      await sandbox.setAutoArchiveInterval(0)
      await sandbox.setAutoDeleteInterval(-1)
      await sandbox.refreshData()
      assert.deepEqual([sandbox.autoStopInterval, sandbox.autoArchiveInterval, sandbox.autoDeleteInterval], [0, 43200, -1])
      await sandbox.setAutostopInterval(21)
      await sandbox.setAutoDeleteInterval(600)
      await sandbox.setTtl(90)
      await sandbox.refreshData()
      assert.deepEqual([sandbox.autoStopInterval, sandbox.autoDeleteInterval], [21, 600])
      assert(sandbox.autoDestroyAt)
    })
  },

  async network_settings() {
    await withSandbox({ networkBlockAll: true }, async (sandbox) => {
      assert.equal(sandbox.networkBlockAll, true)
      await sandbox.updateNetworkSettings({ networkBlockAll: false })
      assert.equal((await client.get(sandbox.id)).networkBlockAll, false)
      await sandbox.updateNetworkSettings({ networkAllowList: '192.0.2.0/24', domainAllowList: '*.example.com' })
      assert.deepEqual([sandbox.networkAllowList, sandbox.domainAllowList], ['192.0.2.0/24', '*.example.com'])
      const answer = await sandbox.process.executeCommand("timeout 3 bash -c '< /dev/tcp/198.51.100.1/80' 2>&1")
      assert(answer.exitCode !== 0 && /refused|unreachable/.test(answer.result), answer.result)
    })
  },

  async linked_sandboxes() {
    await withSandbox({ name: `link-owner-${process.pid}` }, async (owner) => {
      const serve = `mkdir -p /tmp/lnk && cd /tmp/lnk && echo hello from owner > index.html && exec python3 -m http.server 3000 > srv.log 2>&1 &
for i in $(seq 50); do timeout 1 bash -c '< /dev/tcp/127.0.0.1/3000' 2>/dev/null && exit; sleep 0.2; done; exit 1`
      assert.equal((await owner.process.executeCommand(serve)).exitCode, 0)
      await withSandbox({ linkedSandbox: owner.id, ephemeral: true }, async (follower) => {
        assert.equal(follower.linkedSandboxId, owner.id)
        const script = `import urllib.request; print(urllib.request.urlopen('http://${owner.name}:3000/', timeout=5).read().decode())`
        const answer = await follower.process.executeCommand(`python3 -c "${script}"`)
        assert.equal(answer.result.trim(), 'hello from owner')
      })
    })
  },

  async newer_settings() {
    if (!('setPublic' in sdk.Sandbox.prototype)) throw new Skip('this SDK is older than setPublic')
    await withSandbox({}, async (sandbox) => {
      for (const isPublic of [true, false]) {
        await sandbox.setPublic(isPublic)
        assert.equal((await client.get(sandbox.id)).public, isPublic)
      }
    })
  },

  async resize() {
    await withSandbox({}, async (sandbox) => {
      await sandbox.resize({ cpu: 2, memory: 2 })
      assert.deepEqual([sandbox.cpu, sandbox.memory, sandbox.state], [2, 2, SandboxState.STARTED])
      await raises(sdk.DaytonaBadRequestError, () => sandbox.resize({ cpu: 1 }), 400)
      await sandbox.stop()
      await sandbox.resize({ disk: 5 })
      const got = await client.get(sandbox.id)
      assert.deepEqual([got.cpu, got.memory, got.disk, got.state], [2, 2, 5, SandboxState.STOPPED])
    })
  },

  async archive_and_start_keep_files() {
    await withSandbox({}, async (sandbox) => {
      await exec(sandbox, 'mkdir -p deep/er; echo archived > deep/er/note; ln -s note deep/er/link')
      await raises(sdk.DaytonaBadRequestError, () => sandbox.archive(), 400)
      await sandbox.stop()
      await sandbox.archive()
      await eventually(async () => {
        await sandbox.refreshData()
        return sandbox.state === SandboxState.ARCHIVED
      })
      await sandbox.start()
      assert.equal((await exec(sandbox, 'cat deep/er/link')).result, 'archived\n')
    })
  },

  async recover_from_error() {
    await withSandbox({}, async (sandbox) => {
      await exec(sandbox, 'echo still here > note')
      await admin('PUT', `/sandbox/${sandbox.id}/state`, { state: 'error', errorReason: 'injected', recoverable: true })
      await sandbox.refreshData()
      assert.deepEqual([sandbox.state, sandbox.errorReason, sandbox.recoverable], [SandboxState.ERROR, 'injected', true])
      await sandbox.recover()
      assert.equal(sandbox.state, SandboxState.STARTED)
      assert.equal((await exec(sandbox, 'cat note')).result, 'still here\n')
    })
  },

  async activity_and_metrics() {
    await withSandbox({}, async (sandbox) => {
      await sandbox.refreshActivity()
      const sample = await sandbox.getMetricsLatest()
      assert(sample.cpuCount > 0 && sample.memTotal > 0 && sample.diskTotal > 0)
    })
  },

  async work_and_home_directory() {
    await withSandbox({}, async (sandbox) => {
      assert.equal(await sandbox.getUserHomeDir(), '/home/daytona')
      assert.equal((await exec(sandbox, 'pwd')).result.trim(), await sandbox.getWorkDir())
      assert.equal((await exec(sandbox, 'id -un')).result.trim(), 'daytona')
    })
  },

  async volumes() {
    const name = unique('volume')
    const volume = await client.volume.create(name)
    await eventually(async () => (await client.volume.get(name)).state === 'ready', 15)
    assert((await client.volume.list()).some((v) => v.id === volume.id))
    const volumes = [{ volumeId: volume.id, mountPath: '/home/daytona/shared' }]
    await withSandbox({ volumes }, (first) => exec(first, 'echo common > shared/note'))
    await withSandbox({ volumes }, async (second) =>
      assert.equal((await exec(second, 'cat shared/note')).result, 'common\n'))
    await eventually(async () => {
      try {
        await client.volume.delete(await client.volume.get(name))
      } catch (error) {
        return error instanceof sdk.DaytonaNotFoundError
      }
      return false
    })
  },

  async snapshots() {
    const page = await client.snapshot.list()
    assert(page.total >= 1 && page.items.length >= 1)
    const first = page.items[0]
    assert.equal((await client.snapshot.get(first.name)).id, first.id)
    await withSandbox({ snapshot: first.name }, async (sandbox) => assert.equal(sandbox.snapshot, first.name))
  },

  async preview_link() {
    await withSandbox({}, async (sandbox) => {
      await servePage(sandbox, 3000)
      const link = await sandbox.getPreviewLink(3000)
      assert.deepEqual(await send('GET', link.url, { 'x-daytona-preview-token': link.token }),
        { status: 200, body: 'hello from inside\n' })
      assert(rejected.includes((await send('GET', link.url, { 'x-daytona-preview-token': 'wrong' })).status))
      assert(rejected.includes((await send('GET', link.url)).status))
    })
  },

  async signed_preview() {
    await withSandbox({}, async (sandbox) => {
      await servePage(sandbox, 3001)
      const link = await sandbox.getSignedPreviewUrl(3001, 600)
      assert(link.port === 3001 && link.token)
      assert.deepEqual(await send('GET', link.url), { status: 200, body: 'hello from inside\n' })
      await sandbox.expireSignedPreviewUrl(3001, link.token)
      assert(rejected.includes((await send('GET', link.url)).status))
    })
  },

  async ssh_access() {
    await withSandbox({}, async (sandbox) => {
      const access = await sandbox.createSshAccess(10)
      assert(access.token && access.sshCommand.startsWith('ssh ') && access.sshCommand.includes(access.token))
      const valid = await sandbox.validateSshAccess(access.token)
      assert.deepEqual([valid.valid, valid.sandboxId], [true, sandbox.id])
      const newer = await sandbox.createSshAccess()
      assert.equal((await sandbox.validateSshAccess(access.token)).valid, false)
      await sandbox.revokeSshAccess(newer.token)
      assert.equal((await sandbox.validateSshAccess(newer.token)).valid, false)
    })
  },
}
