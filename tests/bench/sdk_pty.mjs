// SPDX-License-Identifier: Apache-2.0
// A terminal's output with the official TypeScript SDK: node sdk_pty.mjs BLOCKS
// Prints what stream_bench prints: seconds and CPU time of this process until all of it has come.

import { createRequire } from 'node:module'
import path from 'node:path'

const require = createRequire(path.join(process.env.INTEROP_NODE_MODULES, 'x.js'))
const { Daytona } = require('@daytona/sdk')
const blocks = Number(process.argv[2])
const wanted = blocks * 64 * 4096 // see stream_blocks.h
let got = 0
let done
const all = new Promise((resolve) => (done = resolve))

const sandbox = await new Daytona().get('bench')
const terminal = await sandbox.process.connectPty('bench', {
  onData: (data) => {
    got += data.length
    if (got >= wanted) done()
  },
})
const cpu = process.cpuUsage()
const wall = performance.now()
await terminal.sendInput(`send ${blocks}`)
await all
const used = process.cpuUsage(cpu)
const seconds = (performance.now() - wall) / 1000
console.log(JSON.stringify({ bytes: got, seconds, cpu_s: (used.user + used.system) / 1e6 }))
process.exit(0)
