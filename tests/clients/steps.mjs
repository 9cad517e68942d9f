// What the TypeScript clients share: the command line, the steps on standard input, and a line of JSON for each.
// A client gives its SDK as a session: { negotiated, listTools(), callTool(name, arguments, timeoutMs, onProgress) }.
import { createRequire } from 'node:module';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';

// The packages are not beside these files, so an `import` by name would not find them.
export const sdk = createRequire(new URL('../../target/test-tools/node/', import.meta.url));

// The command line every client takes; the first mode is the default.
export function options(modes) {
  const string = { type: 'string' };
  const { values } = parseArgs({ options: { url: string, key: string, bearer: string, mode: string } });
  const mode = values.mode ?? modes[0];
  if (!values.url || !modes.includes(mode)) {
    console.error(`usage: --url URL [--key KEY] [--bearer TOKEN] [--mode ${modes.join('|')}] < steps.json`);
    process.exit(2);
  }
  return { url: new URL(values.url), headers: credentials(values), mode };
}

function credentials({ key, bearer }) {
  return {
    ...(key !== undefined && { 'X-API-Key': key }),
    ...(bearer !== undefined && { Authorization: `Bearer ${bearer}` }),
  };
}

function emit(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

// Runs a whole client; a session that can't be opened is the last line and exit status 2.
// `describe` tells what an error of the SDK was: protocol_error, http_error or client_error.
export async function main(connect, describe) {
  const steps = JSON.parse(await text(process.stdin));
  try {
    const session = await connect();
    emit({ negotiated: session.negotiated });
    for (const step of steps) {
      emit(await runStep(session, step, describe));
    }
    await session.close();
  } catch (error) {
    emit(describe(error));
    console.error(error);
    process.exit(2);
  }
}

async function runStep(session, step, describe) {
  switch (step.do) {
    case 'list':
      return session.listTools().then(toolsLine, describe);
    case 'call':
      return runCall(session, step, describe);
    case 'call_parallel':
      return { results: await Promise.all(step.calls.map((call) => runCall(session, call, describe))) };
    default:
      throw new Error(`unknown step \`${step.do}\``);
  }
}

async function runCall(session, call, describe) {
  const progress = [];
  const progress_ms = [];
  const started = performance.now();
  const sinceStart = () => Math.round(performance.now() - started);
  const onProgress = ({ message }) => {
    progress.push(message ?? null);
    progress_ms.push(sinceStart());
  };
  const line = await session
    .callTool(call.tool, call.arguments ?? {}, call.timeout_ms, onProgress)
    .then(resultLine, describe);
  return { ...line, progress, progress_ms, elapsed_ms: sinceStart() };
}

function toolsLine(tools) {
  return {
    tools: tools.map(({ name }) => name),
    descriptions: Object.fromEntries(tools.map(({ name, description }) => [name, description ?? null])),
  };
}

function resultLine(result) {
  return {
    is_error: result.isError ?? false,
    text: result.content.filter(({ type }) => type === 'text').map(({ text }) => text).join('\n'),
    structured: result.structuredContent ?? null,
    meta: result._meta ?? null,
  };
}

// An error that is neither a JSON-RPC error nor an HTTP status: a broken connection, a bad result, …
export function clientError(error) {
  return { client_error: { kind: error.constructor.name, message: String(error.message) } };
}
