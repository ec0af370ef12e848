// Runs the TypeScript text on standard input: node -e DRIVER -- PACKAGE-OR-EMPTY [ARGUMENT...]
// With the typescript package the text becomes CommonJS and types are dropped unchecked; without
// it, a Node that can drop types itself does, and imports then make it a module.
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

function runStripped() {
  const text = Module.stripTypeScriptTypes(source, { mode: 'transform' });
  if (!/^\s*(import|export)\b/m.test(text)) return runAsCommonJs(text);
  return import('data:text/javascript;base64,' + Buffer.from(text).toString('base64'));
}

if (packageDir) {
  const ts = require(packageDir);
  const options = {
    module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022, esModuleInterop: true,
    experimentalDecorators: true, emitDecoratorMetadata: true, inlineSourceMap: false,
  };
  runAsCommonJs(ts.transpileModule(source, { compilerOptions: options, fileName: '[code].ts' }).outputText);
} else if (Module.stripTypeScriptTypes) {
  process.removeAllListeners('warning');
  runStripped();
} else {
  console.log('dtn_no_typescript');
  process.exitCode = 97;
}
