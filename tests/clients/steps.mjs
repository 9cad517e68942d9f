// What the TypeScript clients share: the command line, the steps on standard input, and a line of JSON for each.
// A client gives its SDK as a session: { negotiated, listTools(), callTool(name, arguments, timeoutMs, onProgress),
// request(method, params), listen(notifications), close() }.
import { createRequire } from 'node:module';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';

// The packages are not beside these files, so an `import` by name would not find them.
export const sdk = createRequire(new URL('../../target/test-tools/node/', import.meta.url));

// Longest that a notification is waited for.
const WAIT_MS = 10_000;
const PAGES_MAX = 100;

// The command line every client takes; the first mode is the default.
export function options(modes) {
  const string = { type: 'string' };
  const { values } = parseArgs({
    options: { url: string, key: string, bearer: string, mode: string, transport: { ...string, default: 'http' } },
  });
  const { transport, mode = modes[0] } = values;
  if (!values.url || !modes.includes(mode) || !['http', 'sse'].includes(transport)) {
    const flags = `--url URL [--key KEY] [--bearer TOKEN] [--mode ${modes.join('|')}] [--transport http|sse]`;
    console.error(`usage: ${flags} < steps.json`);
    process.exit(2);
  }
  return { url: new URL(values.url), headers: credentials(values), mode, transport };
}

// What the client's own side does: answers what servers ask, as the steps say, and keeps what they notify.
class Host {
  answers = {};
  asked = [];
  notified = [];
  arrived = () => {};

  // Elicitation, sampling and roots are declared only if a step has answers.
  constructor(steps) {
    this.canAnswer = steps.some(({ answers }) => answers !== undefined);
    this.capabilities = this.canAnswer ? { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} } : {};
  }

  answer({ method, params }) {
    const { _meta, ...asked } = params ?? {};
    this.asked.push({ method, params: asked });
    return this.answers[method];
  }

  notify({ method, params }) {
    this.notified.push({ method, params: params ?? null });
    this.arrived();
  }

  // The first notification of a method that was not told yet.
  async waitFor(method) {
    const deadline = AbortSignal.timeout(WAIT_MS);
    for (;;) {
      const place = this.notified.findIndex((notification) => notification.method === method);
      if (place >= 0) return this.notified.splice(place, 1)[0];
      await new Promise((resolve, reject) => {
        this.arrived = resolve;
        deadline.onabort = () => reject(new Error(`no ${method}`));
        if (deadline.aborted) deadline.onabort();
      });
    }
  }
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
    const host = new Host(steps);
    const session = await connect(host);
    emit({ negotiated: session.negotiated });
    for (const step of steps) {
      emit(await runStep(session, host, step, describe));
    }
    await session.close();
  } catch (error) {
    emit(describe(error));
    console.error(error);
    process.exit(2);
  }
}

async function runStep(session, host, step, describe) {
  Object.assign(host.answers, step.answers);
  switch (step.do) {
    case 'call':
      return runCall(session, host, step, describe);
    case 'call_parallel':
      return { results: await Promise.all(step.calls.map((call) => runCall(session, host, call, describe))) };
    default:
      return runOther(session, host, step).catch(describe);
  }
}

async function runOther(session, host, step) {
  switch (step.do) {
    case 'list':
      return toolsLine(await session.listTools());
    case 'pages':
      return { pages: await pages(session, step.method) };
    case 'request':
      return { result: await session.request(step.method, step.params ?? {}) };
    case 'listen':
      return { acknowledged: await session.listen(step.notifications) };
    case 'wait_for':
      return { notification: await host.waitFor(step.notification) };
    default:
      throw new Error(`unknown step \`${step.do}\``);
  }
}

// The names in each page of a list.
async function pages(session, method) {
  const pages = [];
  let params = {};
  while (pages.length < PAGES_MAX) {
    const page = await session.request(method, params);
    pages.push(Object.values(page).find(Array.isArray).map(({ name }) => name));
    if (!page.nextCursor) break;
    params = { cursor: page.nextCursor };
  }
  return pages;
}

async function runCall(session, host, call, describe) {
  const progress = [];
  const progress_ms = [];
  const started = performance.now();
  const sinceStart = () => Math.round(performance.now() - started);
  host.asked.length = 0;
  const onProgress = ({ message }) => {
    progress.push(message ?? null);
    progress_ms.push(sinceStart());
  };
  const line = await session
    .callTool(call.tool, call.arguments ?? {}, call.timeout_ms, onProgress)
    .then(resultLine, describe);
  const asked = host.canAnswer ? { asked: [...host.asked] } : {};
  return { ...line, progress, ...asked, progress_ms, elapsed_ms: sinceStart() };
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
