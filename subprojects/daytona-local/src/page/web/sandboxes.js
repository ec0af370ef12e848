// SPDX-License-Identifier: Apache-2.0
// The table of sandboxes. A row stays the same elements as long as its sandbox is there, so the focus stays where it is.
import { at, button, doing, line, make, say, setText } from './dom.js'
import { confirmed } from './dialogs.js'
import { ask, sandboxPath } from './server.js'

const rows = new Map() // id -> row
let isFirst = true

export function size (bytes) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let unit = 0
  while (bytes >= 1024 && unit < units.length - 1) {
    bytes /= 1024
    unit++
  }
  return (unit === 0 || bytes >= 100 ? Math.round(bytes) : bytes.toFixed(1)) + ' ' + units[unit]
}

export function age (ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  if (seconds < 60) return seconds + ' s'
  if (seconds < 3600) return Math.floor(seconds / 60) + ' min'
  if (seconds < 86400) return Math.floor(seconds / 3600) + ' h'
  return Math.floor(seconds / 86400) + ' d'
}

const doStart = doing(id => ask('POST', sandboxPath(id) + '/start'))

const doStop = doing(async (id, name) => {
  if (await confirmed(`Stop the sandbox ${name}? Its processes end; its files stay.`, 'Stop')) await ask('POST', sandboxPath(id) + '/stop')
})

const doDelete = doing(async (id, name) => {
  if (await confirmed(`Delete the sandbox ${name} with all its files?`, 'Delete')) await ask('DELETE', sandboxPath(id))
})

function makeRow (sandbox, on) {
  const { id } = sandbox, row = { state: '', name: sandbox.name, tr: make('tr') }
  row.open = button(sandbox.name, () => on.details(id, row.name), { className: 'name' })
  row.terminal = button('Terminal', () => on.terminal(id, row.name))
  row.toggle = button('Stop', () => row.state === 'started' ? doStop(id, row.name) : doStart(id))
  row.remove = button('Delete', () => doDelete(id, row.name))
  row.cells = ['state', 'cpu', 'memory', 'disk', 'age'].map(() => make('td'))
  const name = make('th', '', { scope: 'row' }), actions = make('td')
  name.append(row.open)
  actions.append(row.terminal, row.toggle, row.remove)
  row.tr.append(name, ...row.cells, actions)
  row.tr.dataset.sandbox = id
  return row
}

function show (row, sandbox, now, rights) {
  const { state, use } = sandbox, [stateCell, cpu, memory, disk, ageCell] = row.cells, name = line(sandbox.name)
  row.name = sandbox.name
  setText(row.open, name)
  setText(stateCell, state)
  stateCell.className = /^[a-z_]+$/.test(state) ? 'state-' + state : ''
  setText(cpu, use ? use.cpuPct.toFixed(0) + ' % of ' + use.cpu : '–')
  setText(memory, use ? size(use.memory) + ' of ' + size(use.memoryTotal) : '–')
  setText(disk, use ? size(use.disk) + ' of ' + size(use.diskTotal) : '–')
  setText(ageCell, age(now - Date.parse(sandbox.created)))
  setText(row.toggle, state === 'started' ? 'Stop' : 'Start')
  for (const each of [row.terminal, row.toggle, row.remove]) each.setAttribute('aria-label', each.textContent + ' ' + name)
  row.terminal.disabled = state !== 'started'
  row.toggle.disabled = !rights.mayWrite || !['started', 'stopped', 'archived', 'paused', 'error'].includes(state)
  row.remove.disabled = !rights.mayDelete || ['destroying', 'destroyed'].includes(state)
  row.state = state
}

// The focus of a row that goes passes to the next one.
function removeRow (id) {
  const { tr, name } = rows.get(id)
  if (tr.contains(document.activeElement)) {
    const next = tr.nextElementSibling ?? tr.previousElementSibling
    ;(next?.querySelector('button') ?? at('create')).focus()
  }
  tr.remove()
  rows.delete(id)
  return name + ': deleted'
}

export function showSandboxes (state, on) {
  const body = at('sandboxes').tBodies[0], now = Date.parse(state.now), there = new Set(), news = []
  for (const id of [...rows.keys()]) if (!state.sandboxes.some(one => one.id === id)) news.push(removeRow(id))
  state.sandboxes.forEach((sandbox, index) => {
    there.add(sandbox.id)
    let row = rows.get(sandbox.id)
    if (!row) rows.set(sandbox.id, row = makeRow(sandbox, on))
    if (row.state !== sandbox.state) news.push(sandbox.name + ': ' + sandbox.state)
    show(row, sandbox, now, state)
    if (body.children[index] !== row.tr) body.insertBefore(row.tr, body.children[index] ?? null)
  })
  at('sandboxes').hidden = there.size === 0
  setText(at('sandboxes-note'), there.size === 0 ? 'There is no sandbox.' : there.size < state.sandboxTotal ? `The newest ${there.size} of ${state.sandboxTotal}.` : '')
  if (news.length > 0 && !isFirst) say(news.length > 3 ? news.length + ' changes of sandboxes' : news.join('; '))
  isFirst = false
}

export const createSandbox = doing(async () => {
  at('create').disabled = true
  try {
    await ask('POST', '/page/api/sandbox', { body: {} })
  } finally {
    at('create').disabled = false
    at('create').focus()
  }
})

export const focusOn = id => (rows.get(id)?.open ?? at('create')).focus()
