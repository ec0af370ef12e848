// SPDX-License-Identifier: Apache-2.0
// Requests to the server. The cookie goes along by itself; the proof of the session is added here.

const PROOF = 'daytona-local-page'
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
  const told = await answer.json().catch(() => ({}))
  throw new Error(typeof told.message === 'string' ? told.message : 'The server answered ' + answer.status + '.')
}

export async function ask (method, path, more) {
  const answer = await open(method, path, more)
  const text = await answer.text()
  return text === '' ? null : JSON.parse(text)
}

export const sandboxPath = id => '/page/api/sandbox/' + encodeURIComponent(id)
