// SPDX-License-Identifier: Apache-2.0
// Requests to the server. The cookie goes along by itself; the proof of the session is added here.

const PROOF = 'daytona-local-page'
const ANSWER_MAX = 4 * 1024 * 1024, ANSWER_MS = 120000, MESSAGE_MAX = 2000
export const proof = () => localStorage.getItem(PROOF) ?? ''

// There is no session any more, or there never was.
export function leave () {
  localStorage.removeItem(PROOF)
  location.replace('/?login')
}

// The response, which is a good one.
export async function open (method, path, { body, signal, headers = {} } = {}) {
  const answer = await fetch(path, {
    method,
    headers: { 'X-Daytona-Page': proof(), ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
    credentials: 'same-origin',
    cache: 'no-store',
    redirect: 'error',
    signal
  })
  if (answer.ok) return answer
  if (answer.status === 401) leave()
  const told = await readAll(answer).then(JSON.parse).catch(() => null)
  throw new Error(typeof told?.message === 'string' ? told.message.slice(0, MESSAGE_MAX) : 'The server answered ' + answer.status + '.')
}

// What a sandbox answers ends when it wants, if at all, so there is an end of ours, too.
async function readAll (answer) {
  const reader = answer.body?.getReader(), decoder = new TextDecoder()
  let text = ''
  for (;;) {
    const { done, value } = await reader?.read() ?? { done: true }
    if (done) return text
    text += decoder.decode(value, { stream: true })
    if (text.length > ANSWER_MAX) {
      reader.cancel()
      throw new Error('The answer is too long.')
    }
  }
}

export async function ask (method, path, more) {
  const text = await readAll(await open(method, path, { signal: AbortSignal.timeout(ANSWER_MS), ...more }))
  return text === '' ? null : JSON.parse(text)
}

export const sandboxPath = id => '/page/api/sandbox/' + encodeURIComponent(id)
