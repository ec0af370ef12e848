// SPDX-License-Identifier: Apache-2.0
// The addon of examples/node, against daytona-local: node --expose-gc node_addon.js ADDON
'use strict';
const assert = require('node:assert');
const { AsyncLocalStorage } = require('node:async_hooks');
const { spawnSync } = require('node:child_process');
const { setTimeout: sleep } = require('node:timers/promises');
const { Worker } = require('node:worker_threads');

const addon = process.argv[2];
const { Client } = require(addon);
const client = new Client();
let sandbox;

const tests = {
  'a promise resolves with the result': async () => {
    const done = await sandbox.exec('pwd; exit 4', { cwd: '/tmp' });
    assert.deepStrictEqual(done, { exitCode: 4, result: '/tmp\n' });
  },

  'a callback receives the result after the call has returned': async () => {
    let has_returned = false;
    const [error, done] = await new Promise((resolve) => {
      const handle = sandbox.exec('echo é', (...both) => resolve([...both, assert(has_returned)]));
      assert(!(handle instanceof Promise) && typeof handle.cancel === 'function');
      has_returned = true;
    });
    assert.strictEqual(error, null);
    assert.deepStrictEqual(done, { exitCode: 0, result: 'é\n' });
  },

  'a failure is an Error with a code, in both styles': async () => {
    const wanted = { code: 'DAYTONA_ENOTFOUND', status: 404 };
    await assert.rejects(client.get('nowhere'), (error) => error instanceof Error && error.message !== '' && assert.deepStrictEqual(
      { code: error.code, status: error.status }, wanted) === undefined);
    const given = await new Promise((resolve) => client.get('nowhere', (...all) => resolve(all)));
    assert.strictEqual(given.length, 1);
    assert.strictEqual(given[0].code, wanted.code);
    await assert.rejects(sandbox.exec('sleep 60', { timeoutMs: 1000 }), { code: 'DAYTONA_EPROCESS_TIMEOUT' });
  },

  'wrong arguments throw, and nothing is begun': async () => {
    const type = { code: 'ERR_INVALID_ARG_TYPE', name: 'TypeError' };
    const exec = sandbox.exec;
    for (const wrong of [() => sandbox.exec(), () => sandbox.exec(5), () => sandbox.exec('a\0b'), () => sandbox.exec('true', 'x'),
      () => sandbox.exec('true', { cwd: 5 }), () => sandbox.exec('true', { timeoutMs: 'soon' }), () => sandbox.exec('true', null),
      () => sandbox.follow('a', 'b'), () => new sandbox.constructor({}).exec('true'), () => Client(), () => new Client('x'), () => new Client({ apiKey: 5 })])
      assert.throws(wrong, type, String(wrong));
    for (const wrong of [() => exec.call({}, 'true'), () => exec.call(client, 'true'), () => client.get.call(sandbox, 'x')])
      assert.throws(wrong, TypeError, String(wrong));
    const options = { get cwd() { throw new RangeError('mine'); } };
    assert.throws(() => sandbox.exec('true', options), { name: 'RangeError', message: 'mine' });
    assert.throws(() => new Client({ apiUrl: 'no url' }), { code: 'DAYTONA_EINVAL' });
  },

  'output comes as it is printed, by stream, and ends with the exit code': async () => {
    let out = '', seen = 0;
    await sandbox.createSession('s');
    const command = await sandbox.start('s', '(echo one; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo two >&2; exit 5)');
    const end = await sandbox.follow('s', command, (chunk, name) => {
      assert(Buffer.isBuffer(chunk));
      out += `${name}=${chunk}`;
      if (seen++ === 0) sandbox.exec('touch /tmp/go');
    });
    assert.deepStrictEqual(end, { reason: 'exited', exitCode: 5 });
    assert.strictEqual(out, 'stdout=one\nstderr=two\n');
  },

  'a stream waits for the promise of its reader': async () => {
    const command = await sandbox.start('s', '(for i in $(seq 2000); do echo "line $i of a longer text"; done)');
    let out = '', active = 0, most = 0;
    await sandbox.follow('s', command, async (chunk) => {
      most = Math.max(most, ++active);
      await sleep(2);
      out += chunk;
      active--;
    });
    assert.strictEqual(active, 0);
    assert.strictEqual(most, 1);
    assert.strictEqual(out.split('\n').length, 2001);
    assert(out.endsWith('line 2000 of a longer text\n'));
  },

  'a reader that is never done can be cancelled': async () => {
    const command = await sandbox.start('s', '(while true; do echo x; sleep 0.01; done)');
    const follow = sandbox.follow('s', command, () => new Promise(() => setImmediate(() => follow.cancel())));
    await assert.rejects(follow, { code: 'DAYTONA_ECANCELED' });
    follow.cancel();
    await sandbox.deleteSession('s');
  },

  'cancel ends a call, and does nothing afterwards': async () => {
    const run = sandbox.exec('sleep 60');
    run.cancel();
    await assert.rejects(run, { code: 'DAYTONA_ECANCELED' });
    const cancel = run.cancel;
    global.gc();
    cancel();
  },

  'exceptions in callbacks reach uncaughtException, and everything continues': async () => {
    const caught = [];
    const handler = (error) => caught.push(error.message ?? error);
    process.on('uncaughtException', handler);
    try {
      sandbox.exec('true', () => { throw new Error('of a callback'); });
      await sandbox.exec('sleep 0.3');
      await sandbox.createSession('t');
      const command = await sandbox.start('t', 'echo a; sleep 0.2; echo b');
      const end = await sandbox.follow('t', command, (chunk) => { throw `of ${String(chunk).trim()}`; });
      assert.strictEqual(end.exitCode, 0);
      await sandbox.deleteSession('t');
      assert.deepStrictEqual(caught, ['of a callback', 'of a', 'of b']);
    } finally {
      process.off('uncaughtException', handler);
    }
  },

  'asynchronous context and the order of microtasks are kept': async () => {
    const storage = new AsyncLocalStorage();
    const order = [];
    await storage.run('inside', async () => {
      await sandbox.exec('true');
      order.push(storage.getStore());
      await new Promise((resolve) => sandbox.exec('true', () => {
        order.push(storage.getStore());
        process.nextTick(() => order.push('tick'));
        queueMicrotask(() => order.push('microtask'));
        setImmediate(resolve);
      }));
    });
    assert.deepStrictEqual(order, ['inside', 'inside', 'tick', 'microtask']);
  },

  'hundreds of calls are in flight while the collector runs': async () => {
    let ended = 0;
    const runs = Array.from({ length: 200 }, (_, i) => sandbox.exec(`echo ${i}`).then((done) => { ended++; return done.result; }));
    while (ended < 200) {
      await sleep(20);
      global.gc();
    }
    assert.deepStrictEqual(await Promise.all(runs), Array.from({ length: 200 }, (_, i) => `${i}\n`));
  },

  'a client that nobody holds lives until its calls have ended': async () => {
    const run = new Client().get(sandbox.id).then((same) => same.exec('sleep 0.3; echo alive'));
    for (let i = 0; i < 20; i++) {
      await sleep(20);
      global.gc();
    }
    assert.strictEqual((await run).result, 'alive\n');
  },

  'closing fails what is pending, and may be repeated': async () => {
    const other = new Client();
    const same = await other.get(sandbox.id);
    const pending = assert.rejects(same.exec('sleep 60'), { code: 'DAYTONA_ECLOSED' });
    await Promise.all([other.close(), other.close(), new Promise((resolve) => other.close(resolve)), pending]);
    await other.close();
    await assert.rejects(same.exec('true'), { code: 'DAYTONA_ECLOSED' });
    await assert.rejects(other.create(), { code: 'DAYTONA_ECLOSED' });
  },

  'workers have loops and clients of their own, and may end at any time': async () => {
    const code = `const { workerData, parentPort } = require('node:worker_threads');
      const { Client } = require(workerData.addon);
      const client = new Client();
      client.get(workerData.id).then(async (sandbox) => {
        parentPort.postMessage((await sandbox.exec('echo worker')).result);
        if (workerData.stays) await sandbox.exec('sleep 60');
      });`;
    for (const stays of [false, true]) {
      const worker = new Worker(code, { eval: true, workerData: { addon, id: sandbox.id, stays } });
      const exited = new Promise((resolve) => worker.once('exit', resolve));
      assert.strictEqual(await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject)), 'worker\n');
      if (stays) worker.terminate();
      assert.strictEqual(await exited, stays ? 1 : 0);
    }
  },

  'the process ends by itself, and at once when it is told to': async () => {
    const start = `const { Client } = require(${JSON.stringify(addon)}); const client = new Client();
      const ready = client.get(${JSON.stringify(sandbox.id)});`;
    const programs = {
      'ready.then(() => client.close()).then(() => console.log("end"))': [0, 'end\n', ''],
      'ready.then(() => console.log("never closed"))': [0, 'never closed\n', ''],
      'ready.then((sandbox) => { sandbox.exec("sleep 60"); process.exit(7); })': [7, '', ''],
      'client.get("nowhere", (error) => { setTimeout(() => {}, 60000); process.exit(8); })': [8, '', ''],
      'client.get("nowhere", (error) => { throw error; })': [1, '', "code: 'DAYTONA_ENOTFOUND'"],
      'client.get("nowhere")': [1, '', "code: 'DAYTONA_ENOTFOUND'"],
      'ready.then(() => client.close()).then(() => process.exit(9))': [9, '', ''],
    };
    for (const [program, [status, out, err]] of Object.entries(programs)) {
      const ran = spawnSync(process.execPath, ['-e', start + program], { encoding: 'utf8', timeout: 30000 });
      assert.deepStrictEqual([ran.status, ran.signal, ran.stdout], [status, null, out], `${program}: ${ran.status} ${ran.signal} ${ran.stderr}`);
      assert(err === '' ? ran.stderr === '' : ran.stderr.includes(err), `${program}: ${ran.stderr}`);
    }
  },
};

async function main() {
  let failed = 0, number = 0;
  console.log(`1..${Object.keys(tests).length + 1}`);
  sandbox = await client.create({ ephemeral: true, name: 'node-addon' });
  for (const [name, test] of Object.entries(tests)) {
    number++;
    try {
      await test();
      console.log(`ok ${number} - ${name}`);
    } catch (error) {
      failed++;
      console.log(`not ok ${number} - ${name}`);
      console.log(String(error.stack).replace(/^/gm, '# '));
    }
  }
  await sandbox.delete();
  await client.close();
  const left = process._getActiveHandles().filter((handle) => ![process.stdin, process.stdout, process.stderr].includes(handle));
  console.log(`${left.length ? 'not ok' : 'ok'} ${number + 1} - nothing is left on the loop`);
  process.exitCode = failed || left.length ? 1 : 0;
}

main();
