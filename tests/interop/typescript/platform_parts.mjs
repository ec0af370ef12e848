// SPDX-License-Identifier: Apache-2.0
// What the platform has besides sandboxes: secrets, warm pools, metrics, forks, snapshots of sandboxes, pauses.

import assert from 'node:assert/strict'

import { SandboxState, client, eventually, exec, raises, sdk, unique, withSandbox } from './support.mjs'

const machine = 'daytona-local/vm:1.0'

export const scenarios = {
  async secrets() {
    const name = unique('secret').replaceAll('-', '_')
    const made = await client.secret.create({ name, value: 'the value', description: 'd' })
    assert(made.name === name && made.placeholder && made.hosts.length === 0 && !('value' in made))
    assert.equal((await client.secret.get(made.id)).description, 'd')
    const page = await client.secret.list({ name, limit: 1 })
    assert.deepEqual([page.items.map((one) => one.id), page.total, page.nextCursor], [[made.id], 1, null])
    await withSandbox({ secrets: { TOKEN: name } }, async (sandbox) => {
      assert.equal((await exec(sandbox, 'printf %s "$TOKEN"')).result, 'the value')
      assert(!('TOKEN' in (sandbox.env ?? {})))
      await sandbox.updateSecrets({})
      assert.equal((await exec(sandbox, 'printf %s "$TOKEN"')).result, '')
      assert.equal((await client.secret.update(made.id, { value: 'another' })).id, made.id)
      await sandbox.updateSecrets({ OTHER: name })
      assert.equal((await exec(sandbox, 'printf %s "$OTHER"')).result, 'another')
    })
    await client.secret.delete(made.id)
    assert.deepEqual((await client.secret.list({ name })).items, [])
  },

  async warm_pools() {
    const made = await client.warmPool.create({ snapshot: machine, pool: 1 })
    try {
      assert.deepEqual([made.snapshot, made.pool], [machine, 1])
      await eventually(async () => (await client.warmPool.list()).find((p) => p.id === made.id)?.currentSize === 1)
      await withSandbox({ snapshot: machine }, async (sandbox) =>
        assert.equal((await exec(sandbox, 'hostname')).result.trim(), sandbox.id))
      assert.equal((await client.warmPool.update(made.id, { pool: 0 })).pool, 0)
    } finally {
      await client.warmPool.delete(made.id)
    }
    assert(!(await client.warmPool.list()).some((p) => p.id === made.id))
  },

  async metrics_have_a_past() {
    await withSandbox({}, async (sandbox) => {
      await sandbox.getMetricsLatest()
      const past = await sandbox.getMetrics()
      assert(past.length > 0 && past[0].memTotal === 2 ** 30 && past[0].cpuCount === 1, JSON.stringify(past[0]))
    })
  },

  async fork_of_a_machine() {
    await withSandbox({ snapshot: machine, envVars: { A: 'b' } }, async (parent) => {
      await exec(parent, 'echo text > file')
      const child = await parent.fork({ name: unique('child') })
      try {
        assert.notEqual(child.id, parent.id)
        assert.equal((await exec(child, 'cat file; echo $A; echo other > file')).result, 'text\nb\n')
        assert.equal((await exec(parent, 'cat file')).result, 'text\n')
      } finally {
        await child.delete(60, true)
      }
    })
    await withSandbox({}, (container) => raises(sdk.DaytonaError, () => container.fork(), 422))
  },

  async snapshot_of_a_sandbox() {
    const name = unique('of-a-sandbox')
    await withSandbox({}, async (sandbox) => {
      await exec(sandbox, 'echo text > file')
      await sandbox.createSnapshot(name)
      assert.equal(sandbox.state, SandboxState.STARTED)
    })
    const found = await client.snapshot.get(name)
    await withSandbox({ snapshot: name }, async (other) => assert.equal((await exec(other, 'cat file')).result, 'text\n'))
    await client.snapshot.delete(found)
  },

  async pause_and_resume() {
    await withSandbox({ snapshot: machine }, async (sandbox) => {
      await exec(sandbox, 'echo text > file')
      await sandbox.setAutoPauseInterval(30)
      await sandbox.pause()
      assert.equal(sandbox.state, SandboxState.PAUSED)
      await sandbox.start()
      assert.equal(sandbox.state, SandboxState.STARTED)
      assert.equal((await exec(sandbox, 'cat file')).result, 'text\n')
    })
  },
}
