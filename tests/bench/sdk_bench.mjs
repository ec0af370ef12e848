// SPDX-License-Identifier: Apache-2.0
// The same commands with the official TypeScript SDK: node sdk_bench.mjs CONCURRENCY WARMUP CALLS
// Prints what measure.c prints: CPU time of this process per call, and calls per second.

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import path from 'node:path'

const require = createRequire(path.join(process.env.INTEROP_NODE_MODULES, 'x.js'))
const { Daytona } = require('@daytona/sdk')
const [concurrency, warmup, calls] = process.argv.slice(2).map(Number)

async function runCalls(sandbox, count) {
  const each = Math.floor(count / concurrency)
  const worker = async () => {
    for (let i = 0; i < each; i++) {
      const response = await sandbox.process.executeCommand('echo hello from the sandbox')
      assert(response.exitCode === 0 && response.result === 'hello from the sandbox\n')
    }
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
  return each * concurrency
}

const sandbox = await new Daytona().get('bench')
await runCalls(sandbox, warmup)
const cpu = process.cpuUsage()
const wall = performance.now()
const done = await runCalls(sandbox, calls)
const used = process.cpuUsage(cpu)
const seconds = (performance.now() - wall) / 1000
console.log(JSON.stringify({ cpu_us: (used.user + used.system) / done, calls_per_s: done / seconds }))
process.exit(0)
