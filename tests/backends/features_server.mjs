// What features_server.py is, on the TypeScript SDK v1: handshake revisions only. With --transport sse it speaks HTTP+SSE of
// 2024-11-05: the stream at /sse, messages to /messages. It has the tools of sse_server.py as well.
import { randomUUID } from 'node:crypto';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import * as http1 from 'node:http';
import * as http2 from 'node:http2';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const string = { type: 'string' };
const { values: options } = parseArgs({
  options: {
    port: { ...string, default: '0' },
    log: string,
    transport: { ...string, default: 'http' },
    // HTTP/2 and nothing else: over TLS with a certificate, on plain connections without.
    http2: { type: 'boolean' },
    certificate: string,
    'private-key': string,
  },
});
const sdk = createRequire(new URL('../../target/test-tools/node/', import.meta.url));
const { Server } = sdk('@modelcontextprotocol/sdk/server/index.js');
const { SSEServerTransport } = sdk('@modelcontextprotocol/sdk/server/sse.js');
const { StreamableHTTPServerTransport } = sdk('@modelcontextprotocol/sdk/server/streamableHttp.js');
const types = sdk('@modelcontextprotocol/sdk/types.js');

const PAGE_ITEMS = 2;
const RETRY_MS = 200;

if (options.log) writeFileSync(options.log, '');
const log = (line) => options.log && appendFileSync(options.log, `${JSON.stringify(line)}\n`);

const form = (message, name) => ({
  method: 'elicitation/create',
  params: {
    mode: 'form',
    message,
    requestedSchema: { type: 'object', properties: { [name]: { type: 'string' } }, required: [name] },
  },
});

// Each tool: what it answers, or an answer with `isError`. `ask` sends a request on the call's own stream.
const tools = {
  async ask_form(_args, { ask }) {
    const { action, content } = await ask(form('Which colour?', 'colour'), types.ElicitResultSchema);
    return action === 'accept' ? `the colour is ${content.colour}` : failure(`the form was ${action}`);
  },
  async ask_twice(_args, { ask }) {
    const { content: first } = await ask(form('Which colour?', 'colour'), types.ElicitResultSchema);
    const { content } = await ask(form(`Which ${first.colour}?`, 'shade'), types.ElicitResultSchema);
    return `the colour is ${content.shade} ${first.colour}`;
  },
  async ask_url(_args, { ask }) {
    const url = 'https://example.com/sign-in?a=1&b=2';
    const params = { mode: 'url', message: 'Please sign in', url, elicitationId: 'sign-in-1' };
    const { action } = await ask({ method: 'elicitation/create', params }, types.ElicitResultSchema);
    return `the page was ${action}`;
  },
  async ask_model(_args, { ask }) {
    const messages = [{ role: 'user', content: { type: 'text', text: 'A poem, please' } }];
    const params = { messages, maxTokens: 10 };
    const { content } = await ask({ method: 'sampling/createMessage', params }, types.CreateMessageResultSchema);
    return `the model says ${content.text}`;
  },
  async ask_roots(_args, { ask }) {
    const { roots } = await ask({ method: 'roots/list' }, types.ListRootsResultSchema);
    return `the roots are ${roots.map(({ uri }) => uri).join(', ')}`;
  },
  async ask_later(_args, { server }) {
    sleep(100)
      .then(() => server.request(form('Which colour?', 'colour'), types.ElicitResultSchema))
      .then(({ content }) => server.sendLoggingMessage({ level: 'info', data: { answered: content } }));
    return 'you will be asked';
  },
  async announce(_args, { server }) {
    await server.sendToolListChanged();
    await server.sendPromptListChanged();
    await server.sendResourceListChanged();
    await server.sendResourceUpdated({ uri: 'note://first' });
    return 'announced';
  },
  async chatter(_args, { notify, progress }) {
    await notify({ level: 'info', logger: 'chatter', data: 'starting' });
    await progress(1, 2, 'step 1 of 2');
    await progress(2, 2, 'step 2 of 2');
    await notify({ level: 'warning', logger: 'chatter', data: { left: 0 } });
    return 'done';
  },
  async poll(_args, { extra, notify, progress }) {
    await progress(1, 2, 'before');
    await sleep(RETRY_MS);
    extra.closeSSEStream?.();
    await sleep(RETRY_MS);
    await notify({ level: 'info', logger: 'poll', data: 'while away' });
    return 'polled';
  },
  async wait({ milliseconds }, { extra }) {
    log({ waits_ms: milliseconds });
    try {
      await sleep(milliseconds, undefined, { signal: extra.signal });
    } catch (error) {
      log({ wait: 'cancelled' });
      throw error;
    }
    log({ wait: 'finished' });
    return 'waited';
  },
  async end_session(_args, { extra }) {
    ending.add(extra.sessionId);
    return 'this session ends';
  },
  async echo({ payload }) {
    return JSON.stringify(payload);
  },
  async slow_count({ n, delay_ms }, { progress }) {
    for (let step = 1; step <= n; step++) {
      await sleep(delay_ms);
      await progress(step, n, `step ${step} of ${n}`);
    }
    return `counted to ${n}`;
  },
  async write_note({ path, text }) {
    return `wrote ${text.length} characters to ${path}`;
  },
  async drop_table({ table }) {
    return `dropped ${table}`;
  },
};

const failure = (text) => ({ content: [{ type: 'text', text }], isError: true });

const names = ['first', 'second', 'third'];
const lists = [
  [types.ListToolsRequestSchema, 'tools', Object.keys(tools).map((name) => ({ name, inputSchema: { type: 'object' } }))],
  [types.ListResourcesRequestSchema, 'resources', names.map((name) => ({ name, uri: `note://${name}` }))],
  [
    types.ListResourceTemplatesRequestSchema,
    'resourceTemplates',
    names.map((name) => ({ name: `${name} line`, uriTemplate: `note://${name}/{line}` })),
  ],
  [types.ListPromptsRequestSchema, 'prompts', names.map((name) => ({ name: `greet ${name}` }))],
];

async function callTool({ params }, extra, server) {
  log({ tool: params.name, arguments: params.arguments ?? {}, headers: extra.requestInfo?.headers ?? {} });
  const progressToken = params._meta?.progressToken;
  const context = {
    server,
    extra,
    ask: (request, schema) => extra.sendRequest(request, schema),
    notify: (params) => extra.sendNotification({ method: 'notifications/message', params }),
    progress: async (progress, total, message) => {
      const params = { progressToken, progress, total, message };
      if (progressToken !== undefined) await extra.sendNotification({ method: 'notifications/progress', params });
    },
  };
  const result = await tools[params.name](params.arguments ?? {}, context);
  return typeof result === 'string' ? { content: [{ type: 'text', text: result }] } : result;
}

function newServer() {
  const listChanged = true;
  const capabilities = {
    logging: {},
    completions: {},
    prompts: { listChanged },
    resources: { listChanged, subscribe: true },
    tools: { listChanged },
  };
  const server = new Server({ name: 'features', version: '1.0.0' }, { capabilities });
  for (const [schema, key, items] of lists) {
    server.setRequestHandler(schema, ({ params }) => {
      const start = Number(params?.cursor ?? 0);
      const end = start + PAGE_ITEMS;
      return { [key]: items.slice(start, end), ...(end < items.length && { nextCursor: String(end) }) };
    });
  }
  server.setRequestHandler(types.CallToolRequestSchema, (request, extra) => callTool(request, extra, server));
  server.setRequestHandler(types.ReadResourceRequestSchema, ({ params: { uri } }) => ({
    contents: [{ uri, mimeType: 'text/plain', text: `the note at ${uri}` }],
  }));
  server.setRequestHandler(types.SubscribeRequestSchema, () => ({}));
  server.setRequestHandler(types.GetPromptRequestSchema, ({ params }) => ({
    messages: [{ role: 'user', content: { type: 'text', text: `${params.name}: ${params.arguments?.who}` } }],
  }));
  server.setRequestHandler(types.CompleteRequestSchema, ({ params }) => {
    const values = ['Ada', 'Adam', 'Eve'].filter((word) => word.startsWith(params.argument.value));
    return { completion: { values, total: values.length, hasMore: false } };
  });
  return server;
}

const sessions = new Map();
// Sessions that end with the next request.
const ending = new Set();

// Events of all streams, for callers who come back for the rest. An event's id is its place; a priming event has no method
// and no result, and is not sent again.
const events = [];
const eventStore = {
  async storeEvent(stream, message) {
    return String(events.push({ stream, message }) - 1);
  },
  async replayEventsAfter(last, { send }) {
    const { stream } = events[Number(last)];
    for (const [place, { stream: other, message }] of events.entries()) {
      if (place > Number(last) && other === stream && 'jsonrpc' in message) await send(String(place), message);
    }
    return stream;
  },
};

async function streamableHttp(request, response) {
  const id = request.headers['mcp-session-id'];
  if (ending.delete(id)) await sessions.get(id).close();
  const known = sessions.get(id);
  if (known) return known.handleRequest(request, response);
  if (id) return response.writeHead(404).end();
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    eventStore,
    retryInterval: RETRY_MS,
    onsessioninitialized: (id) => sessions.set(id, transport),
  });
  transport.onclose = () => sessions.delete(transport.sessionId);
  await newServer().connect(transport);
  await transport.handleRequest(request, response);
}

async function httpAndSse(request, response) {
  const { pathname, searchParams } = new URL(request.url, 'http://localhost');
  if (request.method === 'GET' && pathname === '/sse') {
    const transport = new SSEServerTransport('/messages', response);
    sessions.set(transport.sessionId, transport);
    transport.onclose = () => sessions.delete(transport.sessionId);
    return newServer().connect(transport);
  }
  const transport = sessions.get(searchParams.get('sessionId'));
  if (request.method !== 'POST' || pathname !== '/messages' || !transport) return response.writeHead(404).end();
  return transport.handlePostMessage(request, response);
}

const [path, serve] = options.transport === 'sse' ? ['/sse', httpAndSse] : ['/mcp', streamableHttp];
const attend = async (request, response) => {
  response.on('close', () => {
    const headers = Object.keys(request.headers).filter((name) => name.startsWith('mcp-') || name === 'last-event-id');
    log({ http: request.method, status: response.statusCode, headers: headers.sort(), version: request.httpVersion });
  });
  await serve(request, response);
};

function newListener() {
  if (!options.http2) return ['http', http1.createServer(attend)];
  if (!options.certificate) return ['http', http2.createServer(attend)];
  const [cert, key] = [options.certificate, options['private-key']].map((file) => readFileSync(file));
  return ['https', http2.createSecureServer({ cert, key }, attend)];
}
const [scheme, listener] = newListener();
listener.listen(Number(options.port), '127.0.0.1', () => {
  console.log(`listening on ${scheme}://127.0.0.1:${listener.address().port}${path}`);
});
