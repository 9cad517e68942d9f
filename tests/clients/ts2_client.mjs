// A client on the TypeScript SDK v2, in either era.
import { clientError, main, options, sdk } from './steps.mjs';

const { Client, ProtocolError, SdkHttpError, SSEClientTransport, StreamableHTTPClientTransport } =
  sdk('@modelcontextprotocol/client');

const MODES = { auto: 'auto', legacy: 'legacy', modern: { pin: '2026-07-28' } };

// Modern servers send log messages only to requests that ask for them.
const LOG_LEVEL = { 'io.modelcontextprotocol/logLevel': 'debug' };

async function connect(host) {
  const { url, headers, mode, transport: wanted } = options(Object.keys(MODES));
  const client = new Client(
    { name: 'ts2-client', version: '1.0.0' },
    { versionNegotiation: { mode: MODES[mode] }, capabilities: host.capabilities },
  );
  if (host.canAnswer) {
    for (const asked of ['sampling/createMessage', 'elicitation/create', 'roots/list']) {
      client.setRequestHandler(asked, (request) => host.answer(request));
    }
  }
  client.fallbackNotificationHandler = async (notification) => host.notify(notification);
  const Transport = wanted === 'sse' ? SSEClientTransport : StreamableHTTPClientTransport;
  const transport = new Transport(url, { requestInit: { headers } });
  await client.connect(transport);
  return {
    negotiated: client.getNegotiatedProtocolVersion(),
    // Without a cursor the SDK fetches every page.
    listTools: async () => {
      const { tools } = await client.listTools(undefined, { cacheMode: 'refresh' });
      return tools;
    },
    callTool: (name, args, timeout, onprogress) =>
      client.callTool({ name, arguments: args, _meta: LOG_LEVEL }, { timeout, onprogress }),
    request: (method, params) => client.request({ method, params }),
    listen: async (notifications) => (await client.listen(notifications)).honoredFilter,
    close: async () => {
      await transport.terminateSession?.();
      await client.close();
    },
  };
}

function describe(error) {
  if (error instanceof ProtocolError) return { protocol_error: { code: error.code, message: error.message } };
  if (error instanceof SdkHttpError) return { http_error: { status: error.status, message: error.message } };
  return clientError(error);
}

await main(connect, describe);
