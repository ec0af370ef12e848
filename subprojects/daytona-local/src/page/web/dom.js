// SPDX-License-Identifier: Apache-2.0
// Elements and texts. Whatever comes from a sandbox or a client gets into the page by setText() and make() alone, so as text.

export const at = id => document.getElementById(id)

// Characters that are not seen, or that let others be seen elsewhere than they are, are named instead.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu
export const seen = text => String(text).replace(UNSEEN, c => '\\u{' + c.codePointAt(0).toString(16) + '}')
// The same for one line.
export const line = text => seen(text).replace(/[\n\t]/g, c => c === '\n' ? '\\n' : '\\t')

export function setText (node, text) {
  const wanted = line(text)
  if (node.textContent !== wanted) node.textContent = wanted
}

export function make (tag, text = '', more = {}) {
  const node = document.createElement(tag)
  if (text !== '') setText(node, text)
  Object.assign(node, more)
  return node
}

export function button (text, onClick, more = {}) {
  const node = make('button', text, { type: 'button', ...more })
  node.addEventListener('click', onClick)
  return node
}

// What screen readers say; something said twice is said twice.
export function say (text) {
  at('said').textContent = ''
  requestAnimationFrame(() => setText(at('said'), text))
}

export function complain (error) {
  setText(at('problem'), error === '' ? '' : error.message ?? error)
}

// Runs what a button is for; what goes wrong is shown.
export const doing = work => async (...rest) => {
  complain('')
  try {
    await work(...rest)
  } catch (error) {
    complain(error)
  }
}
