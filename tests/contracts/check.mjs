// Checks openapi/asyncapi.yaml with the official parser: exit code 1 and every finding when it is not well.
import { readFileSync } from 'node:fs';
import { Parser } from '@asyncapi/parser';

const file = new URL('../../openapi/asyncapi.yaml', import.meta.url);
const { document, diagnostics } = await new Parser().parse(readFileSync(file, 'utf8'), { source: file.pathname });

// Severities: 0 error, 1 warning, 2 information, 3 hint.
const SEVERITY = ['error', 'warning', 'information', 'hint'];
for (const { severity, range, path, code, message } of diagnostics) {
    console.error(`${range.start.line + 1}: ${SEVERITY[severity]}: ${path.join('.')}: ${message} (${code})`);
}
if (!document || diagnostics.some(({ severity }) => severity <= 1)) {
    console.error('openapi/asyncapi.yaml is not what AsyncAPI asks for');
    process.exit(1);
}
const events = document.operations().filterBySend().length;
if (events < 2) {
    console.error('the parser found no operations: it has not read the document');
    process.exit(1);
}
console.log(`openapi/asyncapi.yaml: AsyncAPI ${document.version()}, ${document.channels().length} channels, `
    + `${document.operations().length} operations, ${document.allMessages().length} messages, valid`);
