// SPDX-License-Identifier: Apache-2.0
// Snapshots and builds, and the latest requests.
import { at, button, make, setText } from './dom.js'
import { showLog } from './dialogs.js'

const REQUESTS_MAX = 100
let shownSnapshots = ''

export function showSnapshots (state) {
  const text = JSON.stringify([state.snapshots, state.builds])
  if (text === shownSnapshots) return
  shownSnapshots = text
  const items = state.snapshots.map(snapshot => {
    const row = make('tr'), actions = make('td')
    const open = button('Build log', () => showLog('Build log of ' + snapshot.name, `/page/api/snapshots/${encodeURIComponent(snapshot.id)}/build-logs`))
    open.disabled = !snapshot.hasLog
    actions.append(open)
    row.append(make('th', snapshot.name, { scope: 'row' }), make('td', snapshot.state + (snapshot.error ? ': ' + snapshot.error : '')), actions)
    return row
  })
  const works = state.builds.map(work => {
    const row = make('tr')
    row.append(make('th', work.name, { scope: 'row' }), make('td', work.kind + ', ' + work.state), make('td'))
    return row
  })
  at('snapshots').tBodies[0].replaceChildren(...works, ...items)
  at('snapshots').hidden = works.length + items.length === 0
  setText(at('snapshots-note'), works.length + items.length === 0 ? 'There is no snapshot but those that every server has.' : '')
}

const statusText = status => status === 0 ? 'none' : status < 0 ? 'gone' : String(status)

// The newest first.
export function showRequests (state) {
  const body = at('requests').tBodies[0]
  for (const [number, time, method, path, status, ms] of state.requests) {
    const row = make('tr')
    row.dataset.number = number
    row.append(make('td', time.slice(11, 23)), make('td', method), make('td', path), make('td', statusText(status)), make('td', ms))
    body.prepend(row)
  }
  while (body.children.length > REQUESTS_MAX) body.lastElementChild.remove()
}
