// A client on the TypeScript SDK v2 that gets its own token: discovery, registration, authorization code, all by the SDK.
import { clientError, main, options, sdk } from './steps.mjs';

const { Client, ProtocolError, SdkHttpError, StreamableHTTPClientTransport, UnauthorizedError } =
  sdk('@modelcontextprotocol/client');

const MODES = { legacy: 'legacy', modern: { pin: '2026-07-28' } };
const REDIRECT_URI = 'http://127.0.0.1:1/callback';
const REDIRECTS_MAX = 10;

// A person's part: a browser that keeps cookies and agrees to everything, and a memory for what that gave.
class Person {
  redirectUrl = REDIRECT_URI;
  clientMetadata = {
    client_name: 'oauth_client',
    redirect_uris: [REDIRECT_URI],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  };

  clientInformation = () => this.registered;
  saveClientInformation = (registered) => void (this.registered = registered);
  tokens = () => this.saved;
  saveTokens = (tokens) => void (this.saved = tokens);
  saveCodeVerifier = (verifier) => void (this.verifier = verifier);
  codeVerifier = () => this.verifier;
  saveDiscoveryState = (state) => void (this.discovered = state);
  discoveryState = () => this.discovered;

  async redirectToAuthorization(url) {
    const cookies = new Map();
    for (let left = REDIRECTS_MAX; left > 0 && !url.href.startsWith(REDIRECT_URI); left -= 1) {
      const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
      const response = await fetch(url, { redirect: 'manual', headers: { cookie } });
      for (const set of response.headers.getSetCookie()) {
        const [, name, value] = /^([^=]+)=([^;]*)/.exec(set);
        cookies.set(name, value);
      }
      url = new URL(response.headers.get('location'), url);
    }
    this.answer = url.searchParams;
  }
}

async function connect(host) {
  const { url, mode } = options(Object.keys(MODES));
  const person = new Person();
  const client = new Client(
    { name: 'oauth-client', version: '1.0.0' },
    { versionNegotiation: { mode: MODES[mode] }, capabilities: host.capabilities },
  );
  let transport = new StreamableHTTPClientTransport(url, { authProvider: person });
  try {
    await client.connect(transport);
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
    await transport.finishAuth(person.answer);
    transport = new StreamableHTTPClientTransport(url, { authProvider: person });
    await client.connect(transport);
  }
  return {
    negotiated: client.getNegotiatedProtocolVersion(),
    listTools: async () => (await client.listTools(undefined, { cacheMode: 'refresh' })).tools,
    callTool: (name, args, timeout) => client.callTool({ name, arguments: args }, { timeout }),
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
