// SPDX-License-Identifier: Apache-2.0
// The terminal's page without a browser: what arrives is shown as an xterm would, and keys become what one sends.
// test_terminal_page.mjs PAGE
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import vm from 'node:vm'

const source = readFileSync(process.argv[2], 'utf8').match(/<script>\n(.*)<\/script>/s)[1]

class Element {
  constructor (tag) { Object.assign(this, { tag, children: [], style: {}, listeners: {}, textContent: '', value: '', scrollTop: 0, clientHeight: 450, clientWidth: 802, scrollHeight: 450 }) }
  classList = { add () {}, remove () {} }
  append (...more) { this.children.push(...more); for (const child of more) child.parent = this }
  replaceChildren (...more) { this.children = []; this.append(...more) }
  remove () { this.parent.children = this.parent.children.filter(child => child !== this) }
  get childElementCount () { return this.children.length }
  get firstElementChild () { return this.children[0] }
  addEventListener (name, listener) { this.listeners[name] = listener }
  getBoundingClientRect () { return { width: 100 } }
  focus () {}
}

class Page {
  constructor (href = 'http://22222-box.localhost:4000/?key=k#x') {
    const elements = {}
    const sockets = this.sockets = []
    this.elements = elements
    const document = Object.assign(new Element('document'), {
      getElementById: id => elements[id] ??= new Element(id),
      createElement: tag => new Element(tag),
      activeElement: null
    })
    this.document = document
    class WebSocket {
      constructor (url) { Object.assign(this, { url: String(url), sent: [], readyState: 1 }); sockets.push(this) }
      send (text) { this.sent.push(text) }
    }
    this.context = vm.createContext({ document, WebSocket, URL, location: { href }, getComputedStyle: () => ({ font: '' }), requestAnimationFrame () {}, addEventListener () {}, getSelection: () => '' })
    vm.runInContext(source, this.context)
    this.socket = sockets[0]
    this.socket.onopen()
  }

  arrive (text) { this.socket.onmessage({ data: text }); return this }
  rows () { return vm.runInContext("cells.map(line => line.map(cell => cell[0]).join('').trimEnd())", this.context) }
  get (text) { return vm.runInContext(text, this.context) }
  press (key, more = {}) {
    this.socket.sent.length = 0
    this.elements.keys.listeners.keydown({ key, preventDefault () {}, ...more })
    return this.socket.sent[0]
  }
}

const tests = {
  'it connects to its own place and says its size' () {
    const page = new Page()
    assert.equal(page.socket.url, 'ws://22222-box.localhost:4000/ws?key=k')
    assert.deepEqual(JSON.parse(page.socket.sent[0]), { rows: 24, cols: 80 })
    assert.equal(new Page('https://host/preview/22222-box').socket.url, 'wss://host/preview/22222-box/ws')
  },
  'text wraps and scrolls into the past' () {
    const page = new Page().arrive('x'.repeat(81) + '\r\n' + Array.from({ length: 30 }, (_, i) => 'line ' + i).join('\r\n'))
    assert.equal(page.rows().at(-1), 'line 29')
    assert.equal(page.elements.past.children.length, 8)
    assert.equal(page.elements.past.children[0].children[0].textContent, 'x'.repeat(80))
  },
  'the last column waits for the next character' () {
    const page = new Page().arrive('\x1b[1;80Hab')
    assert.equal(page.rows()[0], ' '.repeat(79) + 'a')
    assert.equal(page.rows()[1], 'b')
    assert.equal(new Page().arrive('\x1b[?7l\x1b[1;80Hab').rows()[0], ' '.repeat(79) + 'b')
  },
  'the cursor moves and parts are erased' () {
    const page = new Page().arrive('one\r\ntwo\r\nthree\x1b[2;2HX\x1b[K\x1b[1;1H\x1b[1P\x1b[2@\x1b[3;3H\x1b[1K')
    assert.deepEqual([...page.rows().slice(0, 3)], ['  ne', 'tX', '   ee'])
    assert.deepEqual([...new Page().arrive('a\r\nb\r\nc\x1b[2;1H\x1b[L\x1b[2Md').rows().slice(0, 3)], ['a', 'd', ''])
    assert.deepEqual([...new Page().arrive('gone\x1b[2J\x1b[Hnew').rows().slice(0, 2)], ['new', ''])
  },
  'a region scrolls by itself' () {
    const page = new Page().arrive('head\x1b[24;1Hfoot\x1b[2;23r\x1b[23;1Hx\r\ny\x1b[r')
    assert.equal(page.rows()[0], 'head')
    assert.equal(page.rows()[21], 'x')
    assert.equal(page.rows()[22], 'y')
    assert.equal(page.rows()[23], 'foot')
  },
  'the other screen comes and goes' () {
    const page = new Page().arrive('shell\x1b[?1049heditor\x1b[2;1H~')
    assert.equal(page.rows()[1], '~')
    assert.equal(page.arrive('\x1b[?1049l$').rows()[0], 'shell$')
  },
  'colors and what does not print' () {
    const page = new Page().arrive('\x1b]0;title\x07\x1b[1;31mr\x1b[38;5;196mp\x1b[48;2;1;2;3mt\x1b[0mn\x1b(0qx\x1b(B\x1bPq\x1b\\!')
    assert.equal(page.rows()[0], 'rptn─│!')
    assert.equal(page.document.title, 'title')
    assert.deepEqual({ ...page.get('cells[0][0][1]') }, { bold: true, fore: '#e06c5f' })
    assert.equal(page.get('cells[0][1][1].fore'), 'rgb(255,0,0)')
    assert.equal(page.get('cells[0][2][1].back'), 'rgb(1,2,3)')
    assert.deepEqual({ ...page.get('cells[0][3][1]') }, {})
  },
  'wide characters and marks' () {
    const page = new Page().arrive('漢字e\u0301|')
    assert.equal(page.rows()[0], '漢字e\u0301|')
    assert.equal(page.get('column'), 6)
  },
  'questions are answered' () {
    const page = new Page().arrive('\x1b[5;7H')
    page.socket.sent.length = 0
    page.arrive('\x1b[6n\x1b[c\x1b[>c\x1b[5n')
    assert.deepEqual(page.socket.sent, ['\x1b[5;7R', '\x1b[?62;22c', '\x1b[0n'])
  },
  'keys become what an xterm sends' () {
    const page = new Page()
    assert.equal(page.press('c', { ctrlKey: true }), '\x03')
    assert.equal(page.press('ArrowUp'), '\x1b[A')
    assert.equal(page.press('ArrowLeft', { ctrlKey: true }), '\x1b[1;5D')
    assert.equal(page.press('Enter'), '\r')
    assert.equal(page.press('Delete'), '\x1b[3~')
    assert.equal(page.press('b', { altKey: true }), '\x1bb')
    assert.equal(page.press('a'), undefined) // comes as input
    page.arrive('\x1b[?1h')
    assert.equal(page.press('ArrowUp'), '\x1bOA')
  },
  'random bytes break nothing' () {
    const page = new Page()
    let seed = 7
    const parts = ['\x1b[', '\x1b', ';', '?', 'm', 'H', 'r', 'L', 'M', 'P', '@', 'X', 'S', 'T', '999999999', '1049h', '1049l', '\n', '\x9b', '漢', 'K', 'J', 'b', '\x1b]', '\x07', 'A', 'c', '3', '0']
    for (let i = 0; i < 60000; i++) {
      seed = (seed * 1103515245 + 12345) % 2147483648
      page.arrive(parts[Math.floor(seed / 65536) % parts.length])
    }
    assert.ok(page.get('cells.length === rows && cells.every(line => line.length === columns && line.every(cell => cell.length === 2))'))
    assert.ok(page.elements.past.children.length <= 2000)
  },
  'an end is said, and Enter starts another shell' () {
    const page = new Page()
    page.socket.readyState = 3
    page.socket.onclose({ reason: 'The shell has ended.' })
    assert.match(page.elements.state.textContent, /The shell has ended/)
    page.press('Enter')
    assert.equal(page.sockets.length, 2)
  }
}

console.log(`1..${Object.keys(tests).length}`)
let number = 0
let failed = false
for (const [name, test] of Object.entries(tests)) {
  number++
  try {
    test()
    console.log(`ok ${number} - ${name}`)
  } catch (error) {
    failed = true
    console.log(`not ok ${number} - ${name}\n${String(error.stack).replace(/^/gm, '# ')}`)
  }
}
process.exit(failed ? 1 : 0)
