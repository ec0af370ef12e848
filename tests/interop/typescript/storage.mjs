// SPDX-License-Identifier: Apache-2.0
// Contexts of images sent to object storage, and the rules of volumes.

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'

import { client, eventually, exec, sdk, unique, withSandbox } from './support.mjs'

const large = 12_000_000 // three parts of an upload
const requireSdk = createRequire(path.join(process.env.INTEROP_NODE_MODULES, 'x.js'))

async function statusOf(call) {
  try {
    await call()
  } catch (error) {
    return error.statusCode
  }
  throw new Error('no error')
}

async function uploadFrom(place) {
  const { GetObjectCommand, HeadObjectCommand, S3Client } = requireSdk('@aws-sdk/client-s3')
  mkdirSync(path.join(place, 'folder'))
  writeFileSync(path.join(place, 'folder', 'small'), 'small\n')
  const content = randomBytes(large)
  writeFileSync(path.join(place, 'folder', 'large'), content)
  const image = sdk.Image.base('debian:12').addLocalDir(path.join(place, 'folder'), '/srv/folder')
    .addLocalFile(path.join(place, 'folder', 'small'), '/srv/small')
  const service = client.snapshot.constructor
  const hashes = await service.processImageContext(client.objectStorageApi, image)
  assert.equal(hashes.length, 2)
  assert.deepEqual(await service.processImageContext(client.objectStorageApi, image), hashes)
  const access = (await client.objectStorageApi.getPushAccess()).data
  const s3 = new S3Client({ region: access.region, endpoint: access.storageUrl, forcePathStyle: true,
    credentials: { accessKeyId: access.accessKey, secretAccessKey: access.secret, sessionToken: access.sessionToken } })
  const at = (hash) => ({ Bucket: access.bucket, Key: `${access.organizationId}/${hash}/context.tar` })
  const tars = []
  for (const hash of hashes) {
    const answer = await s3.send(new GetObjectCommand(at(hash)))
    tars.push(Buffer.from(await answer.Body.transformToByteArray()))
    assert.equal((await s3.send(new HeadObjectCommand(at(hash)))).ContentLength, tars.at(-1).length)
  }
  // Content begins at a block of 512 bytes; which one is the business of tar.
  const begin = tars[0].indexOf(content.subarray(0, 512))
  assert(begin > 0 && begin % 512 === 0)
  const sum = (bytes) => createHash('sha256').update(bytes).digest('hex')
  assert.equal(sum(tars[0].subarray(begin, begin + large)), sum(content))
  assert(tars[1].includes('small\n'))
  await assert.rejects(s3.send(new HeadObjectCommand(at('none'))), (error) => error.$metadata.httpStatusCode === 404)
}

export const scenarios = {
  async context_upload() {
    const place = mkdtempSync(path.join(os.tmpdir(), 'interop-'))
    try {
      await uploadFrom(place)
    } finally {
      rmSync(place, { recursive: true })
    }
  },

  async volume_rules() {
    const name = unique('volume')
    assert.equal(await statusOf(() => client.volume.get(name)), 404)
    const volume = await client.volume.get(name, true)
    assert.deepEqual([volume.name, volume.state], [name, 'pending_create'])
    assert.equal(await statusOf(() => client.volume.create(name)), 400)
    assert.equal((await client.volume.get(name, true)).id, volume.id)
    const isReady = async () => (await client.volume.get(name)).state === 'ready'
    await eventually(isReady, 15)
    const part = [{ volumeId: volume.id, mountPath: '/mnt/part', subpath: 'a/b' }]
    await withSandbox({ volumes: part }, async (first) => {
      await exec(first, 'echo below > /mnt/part/note')
      await withSandbox({ volumes: [{ volumeId: name, mountPath: '/mnt/whole' }] }, async (second) => {
        assert.equal((await exec(second, 'cat /mnt/whole/a/b/note')).result, 'below\n')
        assert.equal(await statusOf(() => client.volume.delete(volume)), 409)
      })
    })
    assert((await client.volume.get(name)).lastUsedAt)
    assert.equal((await client.volume.list())[0].id, volume.id) // the last used is the first
    await eventually(() => client.volume.delete(volume).then(() => true, () => false))
    await eventually(async () => !(await client.volume.list()).some((v) => v.id === volume.id), 15)
    assert.equal(await statusOf(() => client.volume.get(name)), 404)
    const again = await client.volume.create(name)
    assert.notEqual(again.id, volume.id)
    await eventually(isReady, 15)
    await client.volume.delete(again)
  },
}
