// SPDX-License-Identifier: Apache-2.0
// What every scenario of the TypeScript SDK uses; plain Node 18 or newer.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import http from 'node:http'
import https from 'node:https'
import { createRequire } from 'node:module'
import path from 'node:path'

const requireSdk = createRequire(path.join(process.env.INTEROP_NODE_MODULES, 'x.js'))
export const sdk = requireSdk(process.env.INTEROP_NODE_SDK ?? '@daytona/sdk')
export const { Daytona, SandboxState } = sdk

export const apiUrl = process.env.DAYTONA_API_URL
const apiKey = process.env.DAYTONA_API_KEY

// Thrown by a scenario for which this SDK has no method; says so.
export class Skip extends Error {}

export const unique = (prefix) => `${prefix}-${randomUUID().slice(0, 8)}`

export async function raises(kind, call, status) {
  try {
    await call()
  } catch (error) {
    assert(error instanceof kind, `not a ${kind.name}: ${error?.constructor?.name}: ${error?.message}`)
    if (status !== undefined) assert.equal(error.statusCode, status)
    return error
  }
  throw new Error(`no ${kind.name}`)
}

export async function eventually(condition, seconds = 30) {
  const deadline = Date.now() + seconds * 1000
  for (;;) {
    if (await condition()) return
    assert(Date.now() < deadline, 'condition did not come true')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

export async function collect(iterator) {
  const items = []
  for await (const item of iterator) items.push(item)
  return items
}

// One plain request; names under localhost are this machine on every resolver, and with TLS the certificate is
// this machine's too.
export function send(method, url, headers = {}, body) {
  const target = new URL(url)
  const host = target.hostname.endsWith('.localhost') ? '127.0.0.1' : target.hostname
  return new Promise((resolve, reject) => {
    const request = (target.protocol === 'https:' ? https : http).request({ method, host, port: target.port,
      path: target.pathname + target.search, headers: { ...headers, host: target.host }, agent: false,
      servername: '' }, (answer) => {
      const chunks = []
      answer.on('data', (chunk) => chunks.push(chunk))
      answer.on('end', () => resolve({ status: answer.statusCode, body: Buffer.concat(chunks).toString() }))
    })
    request.on('error', reject)
    request.end(body)
  })
}

// A call of daytona-local's own admin interface.
export async function admin(method, where, body) {
  const answer = await send(method, process.env.DAYTONA_LOCAL_ADMIN_URL + where,
    { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' }, JSON.stringify(body))
  assert(answer.status < 300, `admin ${method} ${where}: ${answer.status} ${answer.body}`)
  return answer.body ? JSON.parse(answer.body) : undefined
}

export const client = new Daytona()

export async function withSandbox(params, body) {
  const sandbox = await client.create(params)
  try {
    return await body(sandbox)
  } finally {
    await sandbox.delete().catch((error) => {
      if (!(error instanceof sdk.DaytonaNotFoundError || error instanceof sdk.DaytonaConflictError)) throw error
    })
  }
}

export const exec = (sandbox, ...rest) => sandbox.process.executeCommand(...rest)
