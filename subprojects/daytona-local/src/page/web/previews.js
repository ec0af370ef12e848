// SPDX-License-Identifier: Apache-2.0
// The way to a program of a sandbox. Its page has another origin than ours, and hears nothing of ours: no opener, no referrer.
import { make } from './dom.js'
import { ask, sandboxPath } from './server.js'

const PREVIEW_SECONDS = 3600

export async function openPort (id, port, path) {
  const { url } = await ask('GET', `${sandboxPath(id)}/ports/${port}/signed-preview-url?expiresInSeconds=${PREVIEW_SECONDS}`)
  const target = new URL(path, url)
  if (!/^https?:$/.test(target.protocol) || target.host === location.host) throw new Error('The preview has no address of its own.')
  const link = make('a', '', { href: target.href, target: '_blank', rel: 'noopener noreferrer' })
  link.click()
}
