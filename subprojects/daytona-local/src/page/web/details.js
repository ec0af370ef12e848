// SPDX-License-Identifier: Apache-2.0
// One sandbox: its facts, the ports on which its programs listen, and the ways to them.
import { at, button, doing, make, say, setText } from './dom.js'
import { showLog } from './dialogs.js'
import { openPort } from './previews.js'
import { ask, sandboxPath } from './server.js'
import { focusOn, size } from './sandboxes.js'

const PORTS_EVERY_MS = 3000, PORTS_MAX = 50
// Of the sandbox's own listeners: the toolbox, terminals, recordings, and a desktop's two.
const OWN_PORTS = [2280, 22220, 22222, 33333, 5901, 6080]
let shown = null // {id, name, isStarted, asked, ports}

export const selected = () => shown?.id ?? null

function showPorts (ports) {
  const text = ports.join()
  if (shown.ports === text) return
  shown.ports = text
  at('ports').replaceChildren(...ports.map(port => {
    const item = make('li'), { id } = shown
    item.append(button('Open port ' + port, doing(() => openPort(id, port, '/'))))
    return item
  }))
  setText(at('ports-note'), ports.length === 0 ? 'No program listens on a port.' : '')
}

// What a sandbox answers is anything; only numbers of ports are taken from it.
async function lookAtPorts () {
  const { id } = shown
  shown.asked = Date.now()
  const signal = AbortSignal.timeout(PORTS_EVERY_MS), headers = { 'X-Daytona-Skip-Last-Activity-Update': 'true' }
  const told = await ask('GET', '/page/ports/' + encodeURIComponent(id), { signal, headers }).catch(() => null)
  if (shown?.id !== id) return
  const list = Array.isArray(told?.ports) ? told.ports : []
  showPorts(list.filter(port => Number.isInteger(port) && port > 0 && port < 65536 && !OWN_PORTS.includes(port)).slice(0, PORTS_MAX))
}

function factsOf (details) {
  const { cpu, memory, disk } = details.resources
  const labels = Object.entries(details.labels ?? {}).slice(0, 100).map(([key, value]) => [`Label ${key}`, value])
  return [['Id', details.id], ['State', details.state], ['Snapshot', details.snapshot ?? '–'], ['User', details.user],
    ['Resources', `${cpu} CPU, ${memory} GiB memory, ${disk} GiB disk`],
    ['In use', details.use ? `${details.use.cpuPct.toFixed(0)} % CPU, ${size(details.use.memory)} memory` : '–'],
    ['Last activity', details.lastActivity], ['Stops after', details.autoStop > 0 ? details.autoStop + ' min without activity' : 'never by itself'],
    ['Previews', details.isPublic ? 'public' : 'need a token'], ...(details.error ? [['Error', details.error]] : []), ...labels]
}

function showFacts (facts) {
  const list = at('facts')
  while (list.children.length > 2 * facts.length) list.lastElementChild.remove()
  while (list.children.length < 2 * facts.length) list.append(make('dt'), make('dd'))
  facts.forEach(([name, value], index) => {
    setText(list.children[2 * index], name)
    setText(list.children[2 * index + 1], value)
  })
}

export function showDetails (state) {
  if (!shown) return
  const { details } = state
  if (details === null || details.id !== shown.id) {
    if (!state.sandboxes.some(one => one.id === shown.id)) closeDetails()
    return
  }
  shown.isStarted = details.state === 'started'
  setText(at('details-title'), details.name)
  showFacts(factsOf(details))
  at('desktop').disabled = !shown.isStarted
  at('other-port').querySelector('button').disabled = !shown.isStarted
  at('details-log').disabled = !details.hasLog
  if (!shown.isStarted) showPorts([])
  else if (Date.now() - shown.asked > PORTS_EVERY_MS) lookAtPorts()
}

export function openDetails (id, name) {
  shown = { id, name, isStarted: false, asked: 0, ports: null }
  at('facts').replaceChildren()
  at('ports').replaceChildren()
  setText(at('ports-note'), '')
  setText(at('details-title'), name)
  at('details').hidden = false
  at('details-title').focus()
}

export function closeDetails () {
  const { id } = shown, hadFocus = at('details').contains(document.activeElement)
  shown = null
  at('details').hidden = true
  if (hadFocus) focusOn(id)
}

at('details-close').addEventListener('click', closeDetails)
at('details-log').addEventListener('click', () => showLog('Build log of ' + shown.name, sandboxPath(shown.id) + '/build-logs'))
at('other-port').addEventListener('submit', event => {
  event.preventDefault()
  doing(openPort)(shown.id, Number(at('port').value), '/')
})
at('desktop').addEventListener('click', doing(async () => {
  const { id } = shown
  say('The desktop starts.')
  await ask('POST', '/page/desktop/' + encodeURIComponent(id))
  await openPort(id, 6080, '/vnc.html?autoconnect=true')
}))
