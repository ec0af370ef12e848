// SPDX-License-Identifier: Apache-2.0
// The git calls.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'

import { exec, raises, sdk, withSandbox } from './support.mjs'

// A sandbox with origin.git, a working copy of it as `seed`, and a clone as `copy`.
const withRepository = (body) => withSandbox({}, async (sandbox) => {
  await sandbox.git.configureUser('Seed', 'seed@example.com')
  const made = await exec(sandbox, 'git init -q -b main seed && cd seed && echo one > a.txt && git add . && ' +
    'git commit -q -m first && git clone -q --bare . ../origin.git && git remote add origin ../origin.git')
  assert.equal(made.exitCode, 0, made.result)
  await sandbox.git.clone('origin.git', 'copy', 'main')
  await body(sandbox, sandbox.git)
})

export const scenarios = {
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

  async git_over_http() {
    await withRepository(async (sandbox, git) => {
      await sandbox.fs.uploadFile(readFileSync(new URL('../web.py', import.meta.url)), 'web.py')
      const port = (await exec(sandbox,
        'git -C origin.git config http.receivepack true && python3 web.py && cat port')).result
      const url = `http://127.0.0.1:${port}/origin.git`
      const ann = ['ann', 'top-secret']
      await raises(sdk.DaytonaGitAuthFailedError, () => git.clone(url, 'x'), 401)
      await raises(sdk.DaytonaGitAuthFailedError, () => git.clone(url, 'x', undefined, undefined, 'ann', 'wrong'), 401)
      await exec(sandbox, 'cd seed && git commit -q --allow-empty -m two && git push -q origin main main:side')
      await git.clone(url, 'far', 'side', undefined, ...ann, true, 1)
      assert.equal((await git.status('far')).currentBranch, 'side')
      assert.equal((await exec(sandbox, 'git -C far rev-list --count HEAD; grep -c secret far/.git/config')).result,
        '1\n0\n')
      await git.commit('far', 'mine', 'a', 'a@example.com', true)
      await raises(sdk.DaytonaGitAuthFailedError, () => git.push('far'), 401)
      await git.push('far', ...ann, 'side', 'origin')
      assert.equal((await exec(sandbox, 'git -C origin.git log -1 --format=%s side')).result, 'mine\n')
      await exec(sandbox, 'cd seed && git fetch -q && git checkout -q side && git pull -q && ' +
        'git commit -q --allow-empty -m theirs && git push -q origin side')
      await git.pull('far', ...ann, 'side', 'origin')
      assert.equal((await exec(sandbox, 'git -C far log -1 --format=%s')).result, 'theirs\n')
      await git.dangerouslyAuthenticate(...ann, `127.0.0.1:${port}`, 'http')
      await git.clone(url, 'stored')
      await git.remoteAdd('copy', 'far', url, true)
      assert((await exec(sandbox, 'git -C copy branch -r')).result.includes('far/side'))
    })
  },

  async git_other_choices() {
    await withRepository(async (sandbox, git) => {
      const stagingOf = async (name) => (await git.status('copy')).fileStatus.find((f) => f.name === name).staging
      await git.init('bare.git', true)
      assert.equal((await exec(sandbox, 'git -C bare.git rev-parse --is-bare-repository')).result, 'true\n')
      await git.configureUser('Local', 'local@example.com', 'local', 'copy')
      assert.equal(await git.getConfig('user.name', 'local', 'copy'), 'Local')
      await git.remoteAdd('copy', 'origin', '/elsewhere.git', false, true)
      assert.equal(await git.remoteGet('copy', 'origin'), '/elsewhere.git')
      assert.equal(await git.remoteGet('copy', 'none') ?? null, null)
      await exec(sandbox, 'cd copy && echo two > a.txt && echo b > b.txt')
      await git.add('copy', ['a.txt', 'b.txt'])
      await git.commit('copy', 'second', 'a', 'a@example.com')
      await git.restore('copy', ['a.txt'], undefined, true, 'HEAD~1')
      assert.equal((await exec(sandbox, 'cat copy/a.txt')).result, 'one\n')
      await git.reset('copy', 'soft', 'HEAD~1')
      assert.equal(await stagingOf('b.txt'), 'Added')
      await git.reset('copy', undefined, undefined, ['b.txt'])
      assert.equal(await stagingOf('b.txt'), 'Untracked')
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
}
