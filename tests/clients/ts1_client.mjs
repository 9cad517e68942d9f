// A client on the TypeScript SDK v1: handshake revisions only.
import { clientError, main, options, sdk } from './steps.mjs';

const { Client } = sdk('@modelcontextprotocol/sdk/client/index.js');
const { SSEClientTransport, SseError } = sdk('@modelcontextprotocol/sdk/client/sse.js');
const { StreamableHTTPClientTransport, StreamableHTTPError } = sdk('@modelcontextprotocol/sdk/client/streamableHttp.js');
const { CreateMessageRequestSchema, ElicitRequestSchema, ListRootsRequestSchema, McpError, ResultSchema } =
  sdk('@modelcontextprotocol/sdk/types.js');

async function connect(host) {
  const { url, headers, transport: wanted } = options(['legacy']);
  const client = new Client({ name: 'ts1-client', version: '1.0.0' }, { capabilities: host.capabilities });
  if (host.canAnswer) {
    for (const asked of [CreateMessageRequestSchema, ElicitRequestSchema, ListRootsRequestSchema]) {
      client.setRequestHandler(asked, (request) => host.answer(request));
    }
  }
  client.fallbackNotificationHandler = async (notification) => host.notify(notification);
  const Transport = wanted === 'sse' ? SSEClientTransport : StreamableHTTPClientTransport;
  const transport = new Transport(url, { requestInit: { headers } });
  await client.connect(transport);
  return {
    negotiated: transport.protocolVersion ?? transport._protocolVersion,
    listTools: () => listTools(client),
    callTool: (name, args, timeout, onprogress) =>
      client.callTool({ name, arguments: args }, undefined, { timeout, onprogress }),
    request: (method, params) => client.request({ method, params }, ResultSchema),
    listen: async () => {
      throw new Error('subscriptions/listen is of 2026-07-28');
    },
    close: async () => {
      await transport.terminateSession?.();
      await client.close();
    },
  };
}

async function listTools(client) {
  const tools = [];
  let cursor;
  do {
    const page = await client.listTools({ cursor });
    tools.push(...page.tools);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return tools;
}

function describe(error) {
  if (error instanceof McpError) return { protocol_error: { code: error.code, message: error.message } };
  if (error instanceof StreamableHTTPError) return { http_error: { status: error.code, message: error.message } };
  if (error instanceof SseError) return { http_error: { status: error.code ?? null, message: error.message } };
  return clientError(error);
}

await main(connect, describe);
