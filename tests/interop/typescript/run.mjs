// SPDX-License-Identifier: Apache-2.0
// Runs the scenarios with the official TypeScript SDK: run.mjs [NAME...]. Reports TAP.
// The files beside this one say what those of ../python say, under the same names.

import { readFileSync } from 'node:fs'

import { Skip, apiUrl, client, send } from './support.mjs'

const topics = ['sandboxes', 'platform_parts', 'processes', 'sessions', 'terminals', 'interpreter', 'language_servers', 'desktops', 'accessibility', 'together', 'files', 'git', 'storage', 'images', 'errors']
const limitSeconds = 120

function withLimit(promise, seconds) {
  let timer
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not finished after ${seconds} s`)), seconds * 1000)
  })
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer))
}

// What TAP says after the name, or undefined with the reason printed.
async function runOne(scenario) {
  try {
    await withLimit(scenario(), limitSeconds)
    return ''
  } catch (error) {
    if (error instanceof Skip) return ` # SKIP ${error.message}`
    console.log(String(error?.stack ?? error).replace(/^/gm, '# '))
    return undefined
  }
}

const scenarios = {}
for (const topic of topics) Object.assign(scenarios, (await import(`./${topic}.mjs`)).scenarios)
const names = readFileSync(process.env.INTEROP_SCENARIOS, 'ascii').split(/\s+/).filter(Boolean)
const oneSided = [...names, ...Object.keys(scenarios)].filter((name) => !scenarios[name] || !names.includes(name))
if (oneSided.length) {
  console.log(`Bail out! not in both scenarios.txt and here: ${oneSided}`)
  process.exit(1)
}

const only = process.argv.slice(2)
const wanted = only.length ? names.filter((name) => only.includes(name)) : names
console.log(`1..${wanted.length}`)
let failures = 0
for (const [index, name] of wanted.entries()) {
  const note = await runOne(scenarios[name])
  console.log(note === undefined ? `not ok ${index + 1} - ${name}` : `ok ${index + 1} - ${name}${note}`)
  if (note === undefined) {
    failures += 1
    if (!(await send('GET', `${apiUrl}/health`).catch(() => undefined))) {
      console.log('Bail out! daytona-local is gone')
      break
    }
  }
}
await client[Symbol.asyncDispose]?.()
process.exit(failures ? 1 : 0)
