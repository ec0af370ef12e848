// SPDX-License-Identifier: Apache-2.0
// The page: asks the server for its state as long as somebody looks at it, and shows what came.
import { at, doing, setText } from './dom.js'
import { openDetails, selected, showDetails } from './details.js'
import { showRequests, showSnapshots } from './history.js'
import { createSandbox, showSandboxes } from './sandboxes.js'
import { ask, leave, proof } from './server.js'
import { checkTerminal, openTerminal } from './terminal.js'

const EVERY_MS = 1000, EVERY_MANY_MS = 3000, MANY = 200
const on = { details: show, terminal: openTerminal }
let since = 0, timer = null, isAsking = false, isAskedAgain = false

function show (id, name) {
  openDetails(id, name)
  lookSoon()
}

function showAll (state) {
  since = state.requestCount
  setText(at('version'), state.version)
  setText(at('connection'), 'live')
  at('create').hidden = !state.mayWrite
  showSandboxes(state, on)
  showDetails(state)
  checkTerminal(state)
  showSnapshots(state)
  showRequests(state)
}

async function look () {
  let wait = EVERY_MS
  isAsking = true
  try {
    const id = selected()
    const state = await ask('GET', `/page/state?since=${since}` + (id === null ? '' : '&sandbox=' + encodeURIComponent(id)))
    showAll(state)
    if (state.sandboxes.length > MANY) wait = EVERY_MANY_MS
  } catch (error) {
    setText(at('connection'), 'not connected: ' + error.message)
    wait = EVERY_MANY_MS
  }
  isAsking = false
  clearTimeout(timer)
  if (isAskedAgain) wait = 0
  isAskedAgain = false
  if (!document.hidden) timer = setTimeout(look, wait)
}

function lookSoon () {
  isAskedAgain = isAsking
  clearTimeout(timer)
  if (!isAsking) look()
}

document.addEventListener('visibilitychange', () => { if (!document.hidden) lookSoon() })
at('create').addEventListener('click', createSandbox)
at('logout').addEventListener('click', doing(async () => {
  await ask('POST', '/page/logout')
  leave()
}))
if (proof() === '') leave()
else look()
