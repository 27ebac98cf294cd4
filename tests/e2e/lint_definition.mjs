// The state machine's definition under the language service of AWS's own editors.
import { readFileSync } from 'node:fs';
import states from 'amazon-states-language-service';

const [file] = process.argv.slice(2);
const document = states.TextDocument.create(file, 'asl', 1, readFileSync(file, 'utf8'));
const service = states.getLanguageService({});
const found = await service.doValidation(document, service.parseJSONDocument(document));
for (const { range, message } of found) {
  console.error(`${file}:${range.start.line + 1}:${range.start.character + 1}: ${message}`);
}
process.exit(Math.min(found.length, 1));
