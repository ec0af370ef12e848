// SPDX-License-Identifier: Apache-2.0
// How failures of the control plane and of the toolbox show.

import assert from 'node:assert/strict'

import { randomUUID } from 'node:crypto'
import { Daytona, admin, apiUrl, client, exec, raises, sdk, unique, withSandbox } from './support.mjs'

export const scenarios = {
  async error_not_found() {
    await raises(sdk.DaytonaNotFoundError, () => client.get(randomUUID()), 404)
    await raises(sdk.DaytonaNotFoundError, () => client.snapshot.get(unique('none')), 404)
  },

  async error_authentication() {
    const other = new Daytona({ apiKey: 'not-the-key', apiUrl, target: 'us', useDeprecatedPolling: true })
    await raises(sdk.DaytonaAuthenticationError, () => other.get('anything'), 401)
  },

  async error_conflict() {
    const name = unique('twice')
    await withSandbox({ name }, () => raises(sdk.DaytonaConflictError, () => client.create({ name }), 409))
  },

  async error_bad_request() {
    await raises(sdk.DaytonaBadRequestError, () => client.create({ snapshot: unique('no-snapshot') }), 400)
  },

  async error_validation() {
    await raises(sdk.DaytonaValidationError, () => client.create({ autoStopInterval: -1 }))
    await raises(sdk.DaytonaError, () => client.create({}, { timeout: -1 }))
  },

  async error_of_the_toolbox() {
    await withSandbox({}, async (sandbox) => {
      const error = await raises(sdk.DaytonaBadRequestError, () => exec(sandbox, ''), 400)
      assert.equal(error.source, 'DAYTONA_DAEMON')
      await sandbox.stop()
      await raises(sdk.DaytonaError, () => exec(sandbox, 'true'))
    })
  },

  async error_rate_limit() {
    const rule = await admin('POST', '/faults', { match: { method: 'GET', path: '/api/sandbox/limited*', target: 'control' },
      action: 'status', status: 429, retry_after: 1, times: 100 })
    try {
      await raises(sdk.DaytonaRateLimitError, () => client.get('limited'), 429)
    } finally {
      await admin('DELETE', `/faults/${rule.id}`, {})
    }
  },
}
