// The interop scenarios with the official TypeScript SDK, on plain Node 18 or newer. Reports TAP.
// The names are those of scenarios.txt, and scenarios.py says the same in Python.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import { createRequire } from 'node:module'
import path from 'node:path'

const require = createRequire(path.join(process.env.INTEROP_NODE_MODULES, 'x.js'))
const sdk = require('@daytona/sdk')
const { Daytona, SandboxState } = sdk

const apiUrl = process.env.DAYTONA_API_URL
const apiKey = process.env.DAYTONA_API_KEY

const unique = (prefix) => `${prefix}-${randomUUID().slice(0, 8)}`

async function raises(kind, call, status) {
  try {
    await call()
  } catch (error) {
    assert(error instanceof kind, `not a ${kind.name}: ${error?.constructor?.name}: ${error?.message}`)
    if (status !== undefined) assert.equal(error.statusCode, status)
    return error
  }
  throw new Error(`no ${kind.name}`)
}

async function eventually(condition, seconds = 30) {
  const deadline = Date.now() + seconds * 1000
  for (;;) {
    if (await condition()) return
    assert(Date.now() < deadline, 'condition did not come true')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

async function collect(iterator) {
  const items = []
  for await (const item of iterator) items.push(item)
  return items
}

// One plain request; names under localhost are this machine on every resolver.
function send(method, url, headers = {}, body) {
  const target = new URL(url)
  const host = target.hostname.endsWith('.localhost') ? '127.0.0.1' : target.hostname
  return new Promise((resolve, reject) => {
    const request = http.request({ method, host, port: target.port, path: target.pathname + target.search,
      headers: { ...headers, host: target.host }, agent: false }, (answer) => {
      const chunks = []
      answer.on('data', (chunk) => chunks.push(chunk))
      answer.on('end', () => resolve({ status: answer.statusCode, body: Buffer.concat(chunks).toString() }))
    })
    request.on('error', reject)
    request.end(body)
  })
}

// A call of daytona-local's own admin interface.
async function admin(method, where, body) {
  const answer = await send(method, process.env.DAYTONA_LOCAL_ADMIN_URL + where,
    { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' }, JSON.stringify(body))
  assert(answer.status < 300, `admin ${method} ${where}: ${answer.status} ${answer.body}`)
  return answer.body ? JSON.parse(answer.body) : undefined
}

const client = new Daytona()

async function withSandbox(params, body) {
  const sandbox = await client.create(params)
  try {
    return await body(sandbox)
  } finally {
    await sandbox.delete().catch((error) => {
      if (!(error instanceof sdk.DaytonaNotFoundError || error instanceof sdk.DaytonaConflictError)) throw error
    })
  }
}

const exec = (sandbox, ...rest) => sandbox.process.executeCommand(...rest)

async function servePage(sandbox, port) {
  await exec(sandbox, 'mkdir -p site && echo hello from inside > site/index.html')
  await exec(sandbox, `cd site && (setsid python3 -m http.server ${port} >/dev/null 2>&1 </dev/null &)`)
  const probe = `python3 -c 'import socket; socket.create_connection(("127.0.0.1", ${port})).close()'`
  await eventually(async () => (await exec(sandbox, probe)).exitCode === 0)
}

// A sandbox with origin.git, a working copy of it as `seed`, and a clone as `copy`.
const withRepository = (body) => withSandbox({}, async (sandbox) => {
  await sandbox.git.configureUser('Seed', 'seed@example.com')
  const made = await exec(sandbox, 'git init -q -b main seed && cd seed && echo one > a.txt && git add . && ' +
    'git commit -q -m first && git clone -q --bare . ../origin.git && git remote add origin ../origin.git')
  assert.equal(made.exitCode, 0, made.result)
  await sandbox.git.clone('origin.git', 'copy', 'main')
  await body(sandbox, sandbox.git)
})

const rejected = [307, 401, 403, 404]

const scenarios = {
  // Life of a sandbox

  async create_get_delete() {
    const sandbox = await client.create()
    assert.equal(sandbox.state, SandboxState.STARTED)
    for (const key of ['name', 'organizationId', 'createdAt', 'updatedAt', 'toolboxProxyUrl']) assert(sandbox[key], key)
    assert(sandbox.cpu > 0 && sandbox.memory > 0 && sandbox.disk > 0)
    const again = await client.get(sandbox.id)
    assert.equal(again.id, sandbox.id)
    await sandbox.delete(60, true)
    await raises(sdk.DaytonaNotFoundError, () => client.get(sandbox.id), 404)
  },

  async create_with_everything() {
    const name = unique('everything')
    await withSandbox({ name, language: 'javascript', envVars: { COLOUR: 'blue' }, labels: { team: 'red' }, public: true,
      autoStopInterval: 7, autoArchiveInterval: 8, autoDeleteInterval: 9 }, async (sandbox) => {
      const got = await client.get(sandbox.id)
      assert.deepEqual([got.name, got.public, got.env.COLOUR, got.labels.team], [name, true, 'blue', 'red'])
      assert.equal(got.labels['code-toolbox-language'], 'javascript')
      assert.deepEqual([got.autoStopInterval, got.autoArchiveInterval, got.autoDeleteInterval], [7, 8, 9])
      assert.equal((await exec(sandbox, 'echo $COLOUR')).result.trim(), 'blue')
    })
  },

  async list_filters_and_pages() {
    const batch = unique('batch')
    const made = []
    try {
      for (const i of [0, 1, 2]) made.push(await client.create({ name: `${batch}-${i}`, labels: { batch } }))
      const pages = await collect(client.list({ labels: { batch }, limit: 1 }))
      assert.deepEqual(pages.map((s) => s.id).sort(), made.map((s) => s.id).sort())
      const named = await collect(client.list({ name: batch.toUpperCase(), sort: 'name', order: 'desc' }))
      assert.deepEqual(named.map((s) => s.name), [2, 1, 0].map((i) => `${batch}-${i}`))
      assert.deepEqual(await collect(client.list({ labels: { batch }, states: [SandboxState.STOPPED] })), [])
      assert.deepEqual(await collect(client.list({ labels: { batch, x: 'y' } })), [])
    } finally {
      for (const sandbox of made) await sandbox.delete()
    }
  },

  async find_by_name() {
    const name = unique('found')
    await withSandbox({ name }, async (sandbox) => assert.equal((await client.get(name)).id, sandbox.id))
  },

  async stop_and_start_keep_files() {
    await withSandbox({}, async (sandbox) => {
      await exec(sandbox, 'echo kept > note.txt; (sleep 1000 &) ')
      await sandbox.stop()
      assert.equal(sandbox.state, SandboxState.STOPPED)
      await sandbox.start()
      assert.equal(sandbox.state, SandboxState.STARTED)
      assert.equal((await exec(sandbox, 'cat note.txt')).result, 'kept\n')
      assert.equal((await exec(sandbox, 'pgrep -x sleep')).exitCode, 1)
    })
  },

  async force_stop() {
    await withSandbox({}, async (sandbox) => {
      await sandbox.stop(30, true)
      assert.equal(sandbox.state, SandboxState.STOPPED)
    })
  },

  async ephemeral_is_gone_after_stop() {
    const sandbox = await client.create({ ephemeral: true })
    assert.equal(sandbox.autoDeleteInterval, 0)
    await sandbox.stop()
    await eventually(() => client.get(sandbox.id).then((s) => s.state === SandboxState.DESTROYED,
      (error) => error instanceof sdk.DaytonaNotFoundError))
  },

  async labels_are_replaced() {
    await withSandbox({ labels: { old: '1' } }, async (sandbox) => {
      assert.deepEqual(await sandbox.setLabels({ new: '2' }), { new: '2' })
      assert.deepEqual((await client.get(sandbox.id)).labels, { new: '2' })
    })
  },

  async intervals() {
    await withSandbox({}, async (sandbox) => {
      await sandbox.setAutostopInterval(0)
      await sandbox.setAutoArchiveInterval(0)
      await sandbox.setAutoDeleteInterval(-1)
      await sandbox.refreshData()
      assert.deepEqual([sandbox.autoStopInterval, sandbox.autoArchiveInterval, sandbox.autoDeleteInterval], [0, 43200, -1])
      await sandbox.setAutostopInterval(21)
      await sandbox.setAutoDeleteInterval(600)
      await sandbox.setTtl(90)
      await sandbox.refreshData()
      assert.deepEqual([sandbox.autoStopInterval, sandbox.autoDeleteInterval], [21, 600])
      assert(sandbox.autoDestroyAt)
    })
  },

  async network_settings() {
    await withSandbox({ networkBlockAll: true }, async (sandbox) => {
      assert.equal(sandbox.networkBlockAll, true)
      await sandbox.stop() // daytona-local gives a sandbox its network when it starts
      await sandbox.updateNetworkSettings({ networkBlockAll: false })
      assert.equal((await client.get(sandbox.id)).networkBlockAll, false)
    })
  },

  async resize() {
    await withSandbox({}, async (sandbox) => {
      await sandbox.resize({ cpu: 2, memory: 2 })
      assert.deepEqual([sandbox.cpu, sandbox.memory, sandbox.state], [2, 2, SandboxState.STARTED])
      await raises(sdk.DaytonaBadRequestError, () => sandbox.resize({ cpu: 1 }), 400)
      await sandbox.stop()
      await sandbox.resize({ disk: 5 })
      const got = await client.get(sandbox.id)
      assert.deepEqual([got.cpu, got.memory, got.disk, got.state], [2, 2, 5, SandboxState.STOPPED])
    })
  },

  async archive_and_start_keep_files() {
    await withSandbox({}, async (sandbox) => {
      await exec(sandbox, 'mkdir -p deep/er; echo archived > deep/er/note; ln -s note deep/er/link')
      await raises(sdk.DaytonaBadRequestError, () => sandbox.archive(), 400)
      await sandbox.stop()
      await sandbox.archive()
      await eventually(async () => {
        await sandbox.refreshData()
        return sandbox.state === SandboxState.ARCHIVED
      })
      await sandbox.start()
      assert.equal((await exec(sandbox, 'cat deep/er/link')).result, 'archived\n')
    })
  },

  async recover_from_error() {
    await withSandbox({}, async (sandbox) => {
      await exec(sandbox, 'echo still here > note')
      await admin('PUT', `/sandbox/${sandbox.id}/state`, { state: 'error', errorReason: 'injected', recoverable: true })
      await sandbox.refreshData()
      assert.deepEqual([sandbox.state, sandbox.errorReason, sandbox.recoverable], [SandboxState.ERROR, 'injected', true])
      await sandbox.recover()
      assert.equal(sandbox.state, SandboxState.STARTED)
      assert.equal((await exec(sandbox, 'cat note')).result, 'still here\n')
    })
  },

  async activity_and_metrics() {
    await withSandbox({}, async (sandbox) => {
      await sandbox.refreshActivity()
      const sample = await sandbox.getMetricsLatest()
      assert(sample.cpuCount > 0 && sample.memTotal > 0 && sample.diskTotal > 0)
    })
  },

  async work_and_home_directory() {
    await withSandbox({}, async (sandbox) => {
      assert.equal(await sandbox.getUserHomeDir(), '/home/daytona')
      assert.equal((await exec(sandbox, 'pwd')).result.trim(), await sandbox.getWorkDir())
      assert.equal((await exec(sandbox, 'id -un')).result.trim(), 'daytona')
    })
  },

  async volumes() {
    const name = unique('volume')
    const volume = await client.volume.create(name)
    await eventually(async () => (await client.volume.get(name)).state === 'ready', 15)
    assert((await client.volume.list()).some((v) => v.id === volume.id))
    const volumes = [{ volumeId: volume.id, mountPath: '/home/daytona/shared' }]
    await withSandbox({ volumes }, (first) => exec(first, 'echo common > shared/note'))
    await withSandbox({ volumes }, async (second) =>
      assert.equal((await exec(second, 'cat shared/note')).result, 'common\n'))
    await eventually(async () => {
      try {
        await client.volume.delete(await client.volume.get(name))
      } catch (error) {
        return error instanceof sdk.DaytonaNotFoundError
      }
      return false
    })
  },

  async snapshots() {
    const page = await client.snapshot.list()
    assert(page.total >= 1 && page.items.length >= 1)
    const first = page.items[0]
    assert.equal((await client.snapshot.get(first.name)).id, first.id)
    await withSandbox({ snapshot: first.name }, async (sandbox) => assert.equal(sandbox.snapshot, first.name))
  },

  // Reaching a sandbox

  async preview_link() {
    await withSandbox({}, async (sandbox) => {
      await servePage(sandbox, 3000)
      const link = await sandbox.getPreviewLink(3000)
      assert.deepEqual(await send('GET', link.url, { 'x-daytona-preview-token': link.token }),
        { status: 200, body: 'hello from inside\n' })
      assert(rejected.includes((await send('GET', link.url, { 'x-daytona-preview-token': 'wrong' })).status))
      assert(rejected.includes((await send('GET', link.url)).status))
    })
  },

  async signed_preview() {
    await withSandbox({}, async (sandbox) => {
      await servePage(sandbox, 3001)
      const link = await sandbox.getSignedPreviewUrl(3001, 600)
      assert(link.port === 3001 && link.token)
      assert.deepEqual(await send('GET', link.url), { status: 200, body: 'hello from inside\n' })
      await sandbox.expireSignedPreviewUrl(3001, link.token)
      assert(rejected.includes((await send('GET', link.url)).status))
    })
  },

  async ssh_access() {
    await withSandbox({}, async (sandbox) => {
      const access = await sandbox.createSshAccess(10)
      assert(access.token && access.sshCommand.startsWith('ssh ') && access.sshCommand.includes(access.token))
      const valid = await sandbox.validateSshAccess(access.token)
      assert.deepEqual([valid.valid, valid.sandboxId], [true, sandbox.id])
      const newer = await sandbox.createSshAccess()
      assert.equal((await sandbox.validateSshAccess(access.token)).valid, false)
      await sandbox.revokeSshAccess(newer.token)
      assert.equal((await sandbox.validateSshAccess(newer.token)).valid, false)
    })
  },

  // Running things

  async exec_output_and_exit_codes() {
    await withSandbox({}, async (sandbox) => {
      const answer = await exec(sandbox, 'echo out; echo err >&2; exit 3')
      assert.equal(answer.exitCode, 3)
      assert.deepEqual(answer.result.trim().split('\n').sort(), ['err', 'out'])
      assert.equal(answer.artifacts.stdout, answer.result)
      assert.equal((await exec(sandbox, 'true')).exitCode, 0)
      assert.equal((await exec(sandbox, 'no-such-command-here')).exitCode, 127)
      const pipe = await exec(sandbox, 'printf \'a\\nb\\n\' | wc -l && X=\'1 2\'; echo "$X"')
      assert.deepEqual(pipe.result.trim().split(/\s+/), ['2', '1', '2'])
    })
  },

  async exec_cwd_and_env() {
    await withSandbox({}, async (sandbox) => {
      const greeting = 'hi \'there\' "you" $HOME'
      const answer = await exec(sandbox, 'pwd; echo "$GREETING"', '/tmp', { GREETING: greeting })
      assert.equal(answer.result, `/tmp\n${greeting}\n`)
      await raises(sdk.DaytonaBadRequestError, () => exec(sandbox, 'true', undefined, { '1BAD': 'x' }), 400)
    })
  },

  async exec_timeout() {
    await withSandbox({}, async (sandbox) => {
      const begin = Date.now()
      await raises(sdk.DaytonaProcessExecutionTimeoutError, () => exec(sandbox, 'sleep 60', undefined, undefined, 1), 408)
      assert(Date.now() - begin < 6000)
      // What was killed may not have been reaped yet.
      await eventually(async () => (await exec(sandbox, 'pgrep -x sleep')).exitCode === 1, 5)
    })
  },

  async exec_unicode() {
    await withSandbox({}, async (sandbox) => {
      const text = 'grüße, 世界 🚀 e\u0301 <&>'
      assert.equal((await exec(sandbox, `echo '${text}'`)).result, text + '\n')
      assert.equal((await exec(sandbox, "printf '\\377ok'")).result, '\ufffdok')
    })
  },

  async exec_big_output() {
    await withSandbox({}, async (sandbox) => {
      const answer = await exec(sandbox, "head -c 4194304 /dev/zero | tr '\\0' x", undefined, undefined, 120)
      assert.equal(answer.result.length, 4194304)
      assert(/^x*$/.test(answer.result))
    })
  },

  async exec_many_at_once() {
    await withSandbox({}, async (sandbox) => {
      const numbers = Array.from({ length: 32 }, (_, i) => String(i))
      const answers = await Promise.all(numbers.map((i) => exec(sandbox, `echo ${i}`)))
      assert.deepEqual(answers.map((a) => a.result.trim()), numbers)
    })
  },

  async update_env() {
    await withSandbox({ envVars: { KEPT: '1', GONE: '2' } }, async (sandbox) => {
      await sandbox.updateEnv({ ADDED: '3' }, { unset: ['GONE'] })
      assert.equal((await exec(sandbox, 'echo ${KEPT-none} ${GONE-none} ${ADDED-none}')).result, '1 none 3\n')
    })
  },

  async code_run_python() {
    await withSandbox({}, async (sandbox) => {
      const answer = await sandbox.process.codeRun('import sys\nprint(sum(range(10)))\nsys.exit(4)')
      assert.deepEqual([answer.exitCode, answer.result], [4, '45\n'])
    })
  },

  async code_run_javascript() {
    await withSandbox({ language: 'javascript' }, async (sandbox) => {
      const answer = await sandbox.process.codeRun('console.log([1, 2, 3].map(x => x * 2).join())')
      assert.deepEqual([answer.exitCode, answer.result], [0, '2,4,6\n'])
    })
  },

  async code_run_typescript() {
    await withSandbox({ language: 'typescript' }, async (sandbox) => {
      const code = 'interface P { n: number }\nconst p: P = { n: 41 };\nconsole.log(p.n + 1 as number);'
      const answer = await sandbox.process.codeRun(code)
      assert.deepEqual([answer.exitCode, answer.result], [0, '42\n'])
    })
  },

  async code_run_argv_and_env() {
    await withSandbox({}, async (sandbox) => {
      const answer = await sandbox.process.codeRun("import os, sys; print(sys.argv[1:], os.environ['SHADE'])",
        { argv: ['one', 'two'], env: { SHADE: 'dark' } })
      assert.equal(answer.result, "['one', 'two'] dark\n")
    })
  },

  async code_run_failure() {
    await withSandbox({}, async (sandbox) => {
      const answer = await sandbox.process.codeRun("raise ValueError('as expected')")
      assert.equal(answer.exitCode, 1)
      assert(answer.result.includes('ValueError: as expected'))
    })
  },

  // Files

  async files_up_and_down() {
    const content = Buffer.concat([Buffer.alloc(1000000, 'abc\r\n'), Buffer.from('\r\n--DAYTONA-FILE-BOUNDARY--\r\n')])
    await withSandbox({}, async (sandbox) => {
      for (const [path, data] of [['a b/ü q.bin', content], ['empty', Buffer.alloc(0)], ['/home/daytona/x', Buffer.from('\r\n')]]) {
        await sandbox.fs.uploadFile(data, path)
        assert(data.equals(await sandbox.fs.downloadFile(path)), path)
      }
      assert.equal((await exec(sandbox, "stat -c %s 'a b/ü q.bin'")).result.trim(), String(content.length))
    })
  },

  async files_of_many_kinds_at_once() {
    await withSandbox({}, async (sandbox) => {
      const names = Array.from({ length: 50 }, (_, i) => `many/${i}`)
      await sandbox.fs.uploadFiles(names.map((name) => ({ source: Buffer.from(name), destination: name })))
      const found = await sandbox.fs.downloadFiles([...names, 'many/none'].map((source) => ({ source })))
      assert.deepEqual(found.slice(0, 50).map((f) => f.result.toString()), names)
      assert(found[50].error)
    })
  },

  async files_plain_calls() {
    await withSandbox({}, async ({ fs }) => {
      await fs.createFolder('work/deep', '750')
      await fs.uploadFile(Buffer.from('red fox\nblue\n'), 'work/one.txt')
      const info = await fs.getFileDetails('work/one.txt')
      assert.deepEqual([info.name, info.size, info.isDir], ['one.txt', 13, false])
      assert.deepEqual((await fs.listFiles('work')).map((f) => f.name), ['deep', 'one.txt'])
      const [match] = await fs.findFiles('work', 'fox')
      assert.deepEqual([match.line, match.content], [1, 'red fox'])
      assert.equal((await fs.searchFiles('work', '*.txt')).files.length, 1)
      const replaced = await fs.replaceInFiles(['work/one.txt', 'work/none'], 'fox', 'cat')
      assert.deepEqual(replaced.map((r) => Boolean(r.success)), [true, false])
      await fs.setFilePermissions('work/one.txt', { mode: '600' })
      await fs.moveFiles('work/one.txt', 'work/deep/two.txt')
      assert.equal((await fs.downloadFile('work/deep/two.txt')).toString(), 'red cat\nblue\n')
      await fs.deleteFile('work', true)
      assert(!(await fs.listFiles('.')).some((f) => f.name === 'work'))
    })
  },

  // Git

  async git_clone_and_status() {
    await withRepository(async (sandbox, git) => {
      await exec(sandbox, "cd copy && echo more >> a.txt && echo x > 'grün b.txt'")
      const status = await git.status('copy')
      assert.equal(status.currentBranch, 'main')
      assert.equal(status.branchPublished, true)
      assert.deepEqual(status.fileStatus.map((f) => [f.name, f.staging, f.worktree]),
        [['a.txt', 'Unmodified', 'Modified'], ['grün b.txt', 'Untracked', 'Untracked']])
      const commit = (await exec(sandbox, 'git -C seed rev-parse HEAD')).result.trim()
      await git.clone('origin.git', 'detached', undefined, commit)
      assert.equal((await git.status('detached')).currentBranch, 'HEAD')
    })
  },

  async git_commit_push_and_pull() {
    await withRepository(async (sandbox, git) => {
      await exec(sandbox, 'echo new > copy/new.txt')
      await git.add('copy', ['new.txt'])
      const made = await git.commit('copy', 'größer\n\nbody', 'Ann Ä', 'ann@example.com')
      assert.equal((await git.status('copy')).ahead, 1)
      await git.push('copy')
      const head = await exec(sandbox, "git -C origin.git log -1 --format='%H %an <%ae> %s' main")
      assert.equal(head.result, `${made.sha} Ann Ä <ann@example.com> größer\n`)
      await exec(sandbox, 'cd seed && git pull -q origin main && git commit -q --allow-empty -m theirs && ' +
        'git push -q origin main')
      await git.pull('copy')
      assert.equal((await exec(sandbox, 'git -C copy log -1 --format=%s')).result, 'theirs\n')
      assert.equal((await git.commit('copy', 'empty', 'a', 'a@example.com', true)).sha.length, 40)
    })
  },

  async git_branches() {
    await withRepository(async (_, git) => {
      await git.createBranch('copy', 'topic/ü')
      const found = await git.branches('copy')
      assert.deepEqual(found.branches, ['main', 'topic/ü'])
      assert.equal(found.current, 'topic/ü')
      await git.push('copy', undefined, undefined, undefined, undefined, true)
      assert.equal((await git.status('copy')).branchPublished, true)
      await git.checkoutBranch('copy', 'main')
      await git.deleteBranch('copy', 'topic/ü')
      assert.deepEqual((await git.branches('copy')).branches, ['main'])
    })
  },

  async git_init_remotes_and_settings() {
    await withSandbox({}, async (sandbox) => {
      const { git } = sandbox
      await git.init('work', false, 'trunk')
      assert.equal((await git.branches('work')).current, 'trunk')
      await git.remoteAdd('work', 'origin', 'https://u:hidden@example.com/x.git')
      assert.equal(await git.remoteGet('work', 'origin'), 'https://example.com/x.git')
      assert.deepEqual((await git.remotes('work')).remotes.map((r) => r.name), ['origin'])
      assert.equal(await git.getConfig('x.y') ?? null, null)
      await git.setConfig('x.y', 'everywhere')
      await git.setConfig('x.y', 'here', 'local', 'work')
      assert.equal(await git.getConfig('x.y'), 'everywhere')
      assert.equal(await git.getConfig('x.y', 'local', 'work'), 'here')
      await git.dangerouslyAuthenticate('u', 'p', 'git.example.com')
      assert.equal((await exec(sandbox, 'cat ~/.git-credentials')).result, 'https://u:p@git.example.com\n')
    })
  },

  async git_reset_and_restore() {
    await withRepository(async (sandbox, git) => {
      await exec(sandbox, 'echo x > copy/a.txt')
      await git.add('copy', ['.'])
      await git.restore('copy', ['a.txt'], true)
      await git.restore('copy', ['a.txt'])
      assert.deepEqual((await git.status('copy')).fileStatus, [])
      await git.commit('copy', 'second', 'a', 'a@example.com', true)
      await git.reset('copy', 'hard', 'HEAD~1')
      assert.equal((await exec(sandbox, 'git -C copy log -1 --format=%s')).result, 'first\n')
    })
  },

  // Errors

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

  async error_files() {
    await withSandbox({}, async ({ fs }) => {
      await raises(sdk.DaytonaNotFoundError, () => fs.getFileDetails('none'), 404)
      await raises(sdk.DaytonaNotFoundError, () => fs.downloadFile('none'), 404)
      await raises(sdk.DaytonaNotFoundError, () => fs.moveFiles('none', 'x'), 404)
      await raises(sdk.DaytonaError, () => fs.deleteFile('/home/daytona'))
      await raises(sdk.DaytonaError, () => fs.uploadFile(Buffer.from('x'), '/proc/none/x'))
    })
  },

  async error_git() {
    await withRepository(async (sandbox, git) => {
      await raises(sdk.DaytonaGitRepoNotFoundError, () => git.status('nowhere'), 404)
      await raises(sdk.DaytonaGitRepoNotFoundError, () => git.clone('nowhere.git', 'x'), 404)
      await raises(sdk.DaytonaGitBranchNotFoundError, () => git.checkoutBranch('copy', 'nosuch'), 404)
      await raises(sdk.DaytonaGitBranchExistsError, () => git.createBranch('copy', 'main'), 409)
      await raises(sdk.DaytonaGitAuthFailedError, () => git.clone('git@example.com:a/b.git', 'x'), 401)
      await raises(sdk.DaytonaGitTransportFailedError, () => git.clone('http://127.0.0.1:1/x', 'x'), 502)
      await exec(sandbox, 'cd seed && git commit -q --allow-empty -m theirs && git push -q origin main')
      await git.commit('copy', 'mine', 'a', 'a@example.com', true)
      await raises(sdk.DaytonaGitPushRejectedError, () => git.push('copy'), 409)
      await raises(sdk.DaytonaGitMergeConflictError, () => git.pull('copy'), 409)
      await exec(sandbox, 'cd copy && git reset -q --hard HEAD~1 && echo dirty > a.txt')
      await raises(sdk.DaytonaGitDirtyWorktreeError, () => git.pull('copy'), 409)
      await exec(sandbox, "cd copy && git reset -q --hard && printf '#!/bin/sh\\nexit 1\\n' " +
        '> ../origin.git/hooks/pre-receive && chmod +x ../origin.git/hooks/pre-receive')
      await git.pull('copy')
      await git.commit('copy', 'hooked', 'a', 'a@example.com', true)
      await raises(sdk.DaytonaGitRemoteRejectedError, () => git.push('copy'), 422)
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

function withLimit(promise, seconds) {
  let timer
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not finished after ${seconds} s`)), seconds * 1000)
  })
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer))
}

const only = process.argv.slice(2)
const names = readFileSync(process.env.DAYTONA_LOCAL_SCENARIOS, 'ascii').split(/\s+/).filter(Boolean)
  .filter((name) => only.length === 0 || only.includes(name))
console.log(`1..${names.length}`)
let failures = 0
for (const [index, name] of names.entries()) {
  try {
    await withLimit(scenarios[name](), 120)
    console.log(`ok ${index + 1} - ${name}`)
  } catch (error) {
    failures += 1
    console.log(String(error?.stack ?? error).replace(/^/gm, '# '))
    console.log(`not ok ${index + 1} - ${name}`)
    if (!(await send('GET', `${apiUrl}/health`).catch(() => undefined))) {
      console.log('Bail out! daytona-local is gone')
      break
    }
  }
}
await client[Symbol.asyncDispose]?.()
process.exit(failures ? 1 : 0)
