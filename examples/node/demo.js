// SPDX-License-Identifier: Apache-2.0
// A sandbox from Node: with a promise, with a callback, with output as it comes, and with an error.
//   daytona-local run -- node demo.js [path of daytona.node]
'use strict';
const { randomUUID } = require('node:crypto');
const path = require('node:path');

const usage = 'usage: demo.js [ADDON]\nRuns commands in a fresh sandbox. ADDON: path of daytona.node; default: beside this file.';
const [argument] = process.argv.slice(2);
if (argument === '--help' || argument === '-h') {
  console.log(usage);
  process.exit(0);
} else if (argument?.startsWith('-') || process.argv.length > 3) {
  console.error(usage);
  process.exit(2);
}
const { Client } = require(path.resolve(argument ?? path.join(__dirname, 'daytona.node')));

// Runs a command, and gives its output to `onOutput(chunk, 'stdout' | 'stderr')` as it comes.
async function stream(sandbox, command, onOutput) {
  const session = `node-${randomUUID()}`;
  await sandbox.createSession(session);
  try {
    return await sandbox.follow(session, await sandbox.start(session, command), onOutput);
  } finally {
    await sandbox.deleteSession(session);
  }
}

async function use(sandbox) {
  const done = await sandbox.exec('echo hello from node', { timeoutMs: 10000 });
  console.log('promise:', done.result.trim());

  await new Promise((resolve, reject) => {
    sandbox.exec('exit 3', (error, result) => {
      if (error) return reject(error);
      console.log('callback: exit code', result.exitCode);
      resolve();
    });
  });

  const end = await stream(sandbox, 'for i in 1 2 3; do echo line $i; sleep 0.1; done', (chunk, name) => {
    process.stdout.write(`${name}: ${chunk}`);
  });
  console.log('stream:', end.reason, end.exitCode);

  try {
    await sandbox.exec('sleep 100', { timeoutMs: 1000 });
  } catch (error) {
    console.log('error:', error.code);
  }
}

async function main() {
  const client = new Client(); // of the environment: DAYTONA_API_KEY, DAYTONA_API_URL
  const sandbox = await client.create({ ephemeral: true });
  try {
    await use(sandbox);
  } finally {
    await sandbox.delete();
    await client.close();
  }
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
