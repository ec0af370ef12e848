// SPDX-License-Identifier: Apache-2.0
// What driver.c does, with the official TypeScript SDK: sdk.mjs PATH < CODES

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'

const { Daytona, CodeRunParams } = createRequire(path.join(process.env.INTEROP_NODE_MODULES, 'x.js'))('@daytona/sdk')

// Without what is absent, and a picture as its size and the sum of its bytes.
function plain(value) {
  if (Array.isArray(value)) return value.map(plain)
  if (value === null || typeof value !== 'object') return value
  const out = {}
  for (const [key, item] of Object.entries(value)) {
    if (item === undefined || item === null || (Array.isArray(item) && item.length === 0)) continue
    out[key] = key === 'png' ? [Buffer.from(item, 'base64').length, Buffer.from(item, 'base64').reduce((a, b) => a + b, 0)] : plain(item)
  }
  return out
}

const daytona = new Daytona()
const sandbox = await daytona.create()
const params = new CodeRunParams()
params.env = { PATH: process.argv[2] }
for (const code of readFileSync(0, 'utf8').split('\0')) {
  const done = await sandbox.process.codeRun(code, params)
  if (done.exitCode !== 0) console.error(done.result)
  process.stdout.write(JSON.stringify(plain(done.artifacts?.charts ?? [])) + '\n')
}
await daytona[Symbol.asyncDispose]?.()
process.exit(0)
