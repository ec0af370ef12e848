// SPDX-License-Identifier: Apache-2.0
// A terminal of a sandbox: xterm.js, which the server has from its package, on a WebSocket.
import { at, doing, make, setText } from './dom.js'
import { openPort } from './previews.js'
import { proof } from './server.js'
import { focusOn } from './sandboxes.js'

// Debian 12 has a package, but browsers cannot use what is in it.
const MISSING = 'xterm.js is not installed where the server runs, or cannot be used. Debian 13 has it as libjs-xterm, npm as @xterm/xterm; see --xterm.'
const OWN_PAGE = 22222 // every sandbox has a terminal of its own there
// Output that xterm.js has not shown yet; it throws away what is beyond 50 MB.
const WAITING_MAX = 32 * 1024 * 1024, TOO_MUCH = 'The terminal was closed: it writes faster than can be shown.'
let wanted = null
let shown = null // {terminal, socket, watcher}
let loading = null

function loadStyle () {
  return new Promise((resolve, reject) => {
    const link = make('link', '', { rel: 'stylesheet', href: '/page/file/xterm.css', onload: resolve, onerror: reject })
    document.head.append(link)
  })
}

// Newer ones make style elements, which the page's policy does not let in; the same rules as a sheet of a script's are let in.
function adoptStyles (place) {
  const sheets = new Map()
  new MutationObserver(() => {
    for (const node of place.querySelectorAll('style')) {
      if (!sheets.has(node)) sheets.set(node, new CSSStyleSheet())
      sheets.get(node).replaceSync(node.textContent)
    }
    for (const node of [...sheets.keys()]) if (!node.isConnected) sheets.delete(node)
    document.adoptedStyleSheets = [...sheets.values()]
  }).observe(place, { childList: true, subtree: true, characterData: true })
}

async function load () {
  const [module] = await Promise.all([import('/page/file/xterm.js'), loadStyle()])
  const Terminal = globalThis.Terminal ?? module.Terminal
  if (typeof Terminal !== 'function') throw new Error(MISSING)
  adoptStyles(at('terminal-place'))
  return Terminal
}

// Something that is not there now may be installed the next time.
function loaded () {
  loading ??= load().catch(() => {
    loading = null
    throw new Error(MISSING)
  })
  return loading
}

function fit () {
  const { terminal, socket } = shown, place = at('terminal-place'), screen = place.querySelector('.xterm-screen')
  if (!screen || screen.clientWidth === 0 || screen.clientHeight === 0) return
  const style = getComputedStyle(place)
  const width = place.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight) - 17 // its scroll bar
  const height = place.clientHeight - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom)
  const columns = Math.floor(width / (screen.clientWidth / terminal.cols)), rows = Math.floor(height / (screen.clientHeight / terminal.rows))
  if (columns < 2 || rows < 2 || columns > 1000 || rows > 1000) return
  if (columns !== terminal.cols || rows !== terminal.rows) terminal.resize(columns, rows)
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ rows, cols: columns }))
}

function connect (id, terminal) {
  const address = new URL('/page/terminal/' + encodeURIComponent(id), location.href)
  address.protocol = address.protocol.replace('http', 'ws')
  const socket = new WebSocket(address, ['daytona-local-page', 'proof.' + proof()])
  const isCurrent = () => shown?.socket === socket
  socket.addEventListener('open', () => {
    if (!isCurrent()) return
    setText(at('terminal-state'), '')
    fit()
  })
  let waiting = 0
  socket.addEventListener('message', ({ data }) => {
    if (!isCurrent()) return
    waiting += data.length
    terminal.write(data, () => { waiting -= data.length })
    if (waiting > WAITING_MAX) socket.close(4000)
  })
  socket.addEventListener('close', event => { if (isCurrent()) setText(at('terminal-state'), event.code === 4000 ? TOO_MUCH : event.reason || 'The terminal has ended.') })
  const send = input => { if (socket.readyState === WebSocket.OPEN) socket.send(input) }
  if (terminal.onData) terminal.onData(send)
  else terminal.on('data', send)
  return socket
}

function makeTerminal (Terminal) {
  const terminal = new Terminal({
    cols: 80,
    rows: 24,
    cursorBlink: false,
    fontSize: 14,
    fontFamily: 'ui-monospace, "DejaVu Sans Mono", monospace',
    screenReaderMode: true,
    scrollback: 2000,
    theme: { background: '#101418', foreground: '#d8dee4' }
  })
  terminal.attachCustomKeyEventHandler(event => {
    const leaves = event.ctrlKey && event.shiftKey && event.code === 'KeyL'
    if (leaves && event.type === 'keydown') at('terminal-close').focus()
    if (leaves) event.preventDefault()
    return !leaves
  })
  return terminal
}

export async function openTerminal (id, name) {
  if (shown) closeTerminal(false)
  wanted = id
  at('terminal-tab').hidden = true
  setText(at('terminal-title'), 'Terminal of ' + name)
  setText(at('terminal-state'), 'The terminal opens.')
  at('terminal').hidden = false
  try {
    const terminal = makeTerminal(await loaded())
    if (shown || wanted !== id) return // closed meanwhile, or another one was faster
    at('terminal-place').replaceChildren()
    terminal.open(at('terminal-place'))
    const watcher = new ResizeObserver(() => { if (shown?.terminal === terminal) fit() })
    shown = { terminal, watcher, socket: connect(id, terminal) }
    watcher.observe(at('terminal-place'))
    terminal.focus()
  } catch (error) {
    setText(at('terminal-state'), error.message)
    at('terminal-tab').hidden = false
    at('terminal-tab').focus()
  }
}

export function closeTerminal (focuses = true) {
  const gone = shown, id = wanted
  shown = wanted = null
  if (gone) {
    gone.watcher.disconnect()
    gone.socket.close()
    ;(gone.terminal.dispose ?? gone.terminal.destroy).call(gone.terminal)
  }
  at('terminal-place').replaceChildren()
  at('terminal').hidden = true
  if (focuses) focusOn(id)
}

// Its sandbox is gone.
export function checkTerminal (state) {
  if (wanted !== null && !state.sandboxes.some(one => one.id === wanted)) closeTerminal(at('terminal').contains(document.activeElement))
}

at('terminal-close').addEventListener('click', () => closeTerminal())
at('terminal-tab').addEventListener('click', doing(() => openPort(wanted, OWN_PAGE, '/')))
