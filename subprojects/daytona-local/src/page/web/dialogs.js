// SPDX-License-Identifier: Apache-2.0
// The question before something is stopped or deleted, and the log of a build.
import { at, seen, setText } from './dom.js'
import { open } from './server.js'

// True for yes. The focus goes back to where it was. The close event is not waited for: it comes so late that it may be
// taken for that of the next question.
export function confirmed (text, yes) {
  const dialog = at('question'), form = dialog.querySelector('form')
  setText(at('question-text'), text)
  setText(at('question-yes'), yes)
  if (!dialog.open) dialog.showModal()
  return new Promise(resolve => {
    form.onsubmit = event => resolve(event.submitter?.value === 'yes')
    dialog.oncancel = () => resolve(false)
  })
}

const LOG_MAX = 256 * 1024 // characters that are shown; of a longer log the end
const SHOW_EVERY_MS = 200

export async function showLog (title, path) {
  const dialog = at('log'), place = at('log-text'), ending = new AbortController()
  let text = '', isLeftOut = false, timer = null
  const show = () => {
    timer = null
    const isAtEnd = place.scrollTop + place.clientHeight >= place.scrollHeight - 20
    place.textContent = (isLeftOut ? '[the beginning is left out]\n' : '') + seen(text)
    if (isAtEnd) place.scrollTop = place.scrollHeight
  }
  setText(at('log-title'), title)
  place.textContent = ''
  dialog.showModal()
  dialog.onclose = () => { if (!dialog.open) ending.abort() }
  try {
    const reader = (await open('GET', path + '?follow=true', { signal: ending.signal })).body.getReader()
    const decoder = new TextDecoder()
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      text += decoder.decode(value, { stream: true })
      if (text.length > LOG_MAX) {
        text = text.slice(-LOG_MAX)
        isLeftOut = true
      }
      timer ??= setTimeout(show, SHOW_EVERY_MS)
    }
    if (text === '') text = 'The log is empty.'
  } catch (error) {
    text += '\n' + error.message
  }
  clearTimeout(timer)
  if (!ending.signal.aborted) show()
}
