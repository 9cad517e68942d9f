// A client on the TypeScript SDK v2, in either era.
import { clientError, main, options, sdk } from './steps.mjs';

const { Client, ProtocolError, SdkHttpError, StreamableHTTPClientTransport } = sdk('@modelcontextprotocol/client');

const MODES = { auto: 'auto', legacy: 'legacy', modern: { pin: '2026-07-28' } };

async function connect() {
  const { url, headers, mode } = options(Object.keys(MODES));
  const client = new Client(
    { name: 'ts2-client', version: '1.0.0' },
    { versionNegotiation: { mode: MODES[mode] } },
  );
  const transport = new StreamableHTTPClientTransport(url, { requestInit: { headers } });
  await client.connect(transport);
  return {
    negotiated: client.getNegotiatedProtocolVersion(),
    // Without a cursor the SDK fetches every page.
    listTools: async () => {
      const { tools } = await client.listTools(undefined, { cacheMode: 'refresh' });
      return tools;
    },
    callTool: (name, args, timeout, onprogress) =>
      client.callTool({ name, arguments: args }, { timeout, onprogress }),
    close: async () => {
      await transport.terminateSession();
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
