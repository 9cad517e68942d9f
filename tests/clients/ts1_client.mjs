// A client on the TypeScript SDK v1: handshake revisions only.
import { clientError, main, options, sdk } from './steps.mjs';

const { Client } = sdk('@modelcontextprotocol/sdk/client/index.js');
const { StreamableHTTPClientTransport, StreamableHTTPError } = sdk('@modelcontextprotocol/sdk/client/streamableHttp.js');
const { McpError } = sdk('@modelcontextprotocol/sdk/types.js');

async function connect() {
  const { url, headers } = options(['legacy']);
  const client = new Client({ name: 'ts1-client', version: '1.0.0' });
  const transport = new StreamableHTTPClientTransport(url, { requestInit: { headers } });
  await client.connect(transport);
  return {
    negotiated: transport.protocolVersion,
    listTools: () => listTools(client),
    callTool: (name, args, timeout, onprogress) =>
      client.callTool({ name, arguments: args }, undefined, { timeout, onprogress }),
    close: async () => {
      await transport.terminateSession();
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
  return clientError(error);
}

await main(connect, describe);
