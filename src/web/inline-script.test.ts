import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { runInNewContext } from 'node:vm';
import { inlineScript } from './inline-script.ts';

test('a module and those it imports become one script, each once', (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'inline-'));
  context.after(() => rmSync(directory, { recursive: true }));
  const write = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  write('one.js', 'export const ONE = 1;\nloaded.push("one");\n//# sourceMappingURL=one.js.map\n');
  write('two.js', "import { ONE } from './one.js';\nexport function two() { return ONE + 1; }\n");
  const page = write(
    'page.js',
    "import { ONE, } from './one.js';\nimport { two } from './two.js';\nloaded.push(ONE + two());\nexport {};\n",
  );
  const script = inlineScript(pathToFileURL(page));
  assert.doesNotMatch(script, /\b(import|export)\b|sourceMapping/);
  const loaded: unknown[] = [];
  runInNewContext(script, { loaded });
  assert.deepEqual(loaded, ['one', 3]);
});
