// Runs the TypeScript text on standard input: node -e DRIVER -- PACKAGE-OR-EMPTY [ARGUMENT...]
// With the typescript package the text becomes CommonJS and types are dropped unchecked; without
// it, a Node that can drop types itself does, and imports then make it a module. Text that is no
// TypeScript is not run: what is wrong with it is printed, and the exit code is 1.
'use strict';
const Module = require('module');
const path = require('path');
const [packageDir] = process.argv.splice(1, 1);
const source = require('fs').readFileSync(0, 'utf8');

function runAsCommonJs(text) {
  const main = new Module('.', null);
  main.filename = path.join(process.cwd(), '[code].ts');
  main.paths = Module._nodeModulePaths(process.cwd());
  require.main = process.mainModule = main;
  main._compile(text, main.filename);
}

function refuse(lines) {
  process.stderr.write(lines.join('\n') + '\n');
  process.exitCode = 1;
}

function strip() {
  try {
    return Module.stripTypeScriptTypes(source, { mode: 'transform' });
  } catch (e) {
    if (!/TYPESCRIPT_SYNTAX/.test(e.code)) throw e;
    refuse([`[code].ts: ${e.message}`]);
  }
}

function runStripped() {
  const text = strip();
  if (text === undefined) return;
  if (!/^\s*(import|export)\b/m.test(text)) return runAsCommonJs(text);
  return import('data:text/javascript;base64,' + Buffer.from(text).toString('base64'));
}

// FILE(LINE,COLUMN): error TSNUMBER: TEXT, as the compiler prints it.
function describe(ts, diagnostic) {
  const { line, character } = diagnostic.file.getLineAndCharacterOfPosition(diagnostic.start);
  const text = ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n');
  return `[code].ts(${line + 1},${character + 1}): error TS${diagnostic.code}: ${text}`;
}

if (packageDir) {
  const ts = require(packageDir);
  const options = {
    module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022, esModuleInterop: true,
    experimentalDecorators: true, emitDecoratorMetadata: true, inlineSourceMap: false,
  };
  const made = ts.transpileModule(source, { compilerOptions: options, fileName: '[code].ts', reportDiagnostics: true });
  const errors = made.diagnostics.filter((d) => d.category === ts.DiagnosticCategory.Error && d.file);
  if (errors.length > 0) refuse(errors.map((d) => describe(ts, d)));
  else runAsCommonJs(made.outputText);
} else if (Module.stripTypeScriptTypes) {
  process.removeAllListeners('warning');
  runStripped();
} else {
  console.log('dtn_no_typescript');
  process.exitCode = 97;
}
