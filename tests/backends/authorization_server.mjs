// An authorization server: the npm package `oidc-provider`, whose one user agrees to everything.
// It registers clients, wants PKCE, and issues JWT access tokens for the resource that was asked for (RFC 8707).
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const tools = createRequire(new URL('../../target/test-tools/node/', import.meta.url));
const { Provider } = await import(pathToFileURL(tools.resolve('oidc-provider')));

const { values } = parseArgs({
  options: {
    log: { type: 'string' },
    algorithm: { type: 'string', default: 'ES256' },
    seconds: { type: 'string', default: '3600' },
    user: { type: 'string', default: 'ann' },
  },
});
const TTL = Number(values.seconds);

function signingKey(kid, alg, type, options) {
  const { privateKey } = generateKeyPairSync(type, options);
  return { ...privateKey.export({ format: 'jwk' }), kid, alg, use: 'sig' };
}

function provider(issuer) {
  const made = new Provider(issuer, {
    jwks: {
      keys: [
        signingKey('rsa', 'RS256', 'rsa', { modulusLength: 2048 }),
        signingKey('ec', 'ES256', 'ec', { namedCurve: 'P-256' }),
      ],
    },
    cookies: { keys: ['a secret of this test alone'] },
    scopes: ['openid', 'offline_access', 'tools'],
    ttl: { AccessToken: TTL, Session: 3600, Interaction: 600, Grant: 3600, IdToken: 600 },
    features: {
      devInteractions: { enabled: false },
      registration: { enabled: true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: (_context, resource) => ({
          scope: 'tools',
          audience: resource,
          accessTokenTTL: TTL,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: values.algorithm } },
        }),
      },
    },
    clientDefaults: { token_endpoint_auth_method: 'none' },
    pkce: { required: () => true },
    interactions: { url: (_context, interaction) => `/agree/${interaction.uid}` },
    extraTokenClaims: () => ({ team: 'ops' }),
    findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  });
  return made;
}

// Logs the user in, or consents to whatever is missing.
async function agree(server, request, response) {
  const { prompt, params, session, grantId } = await server.interactionDetails(request, response);
  if (prompt.name === 'login') {
    return server.interactionFinished(request, response, { login: { accountId: values.user } });
  }
  const existing = grantId && (await server.Grant.find(grantId));
  const grant = existing || new server.Grant({ accountId: session.accountId, clientId: params.client_id });
  const { missingOIDCScope: scopes, missingResourceScopes: resources } = prompt.details;
  if (scopes) grant.addOIDCScope(scopes.join(' '));
  for (const [resource, wanted] of Object.entries(resources ?? {})) grant.addResourceScope(resource, wanted.join(' '));
  const consent = { grantId: await grant.save() };
  return server.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true });
}

const http = createServer();
http.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${http.address().port}`;
  const server = provider(issuer);
  const callback = server.callback();
  http.on('request', (request, response) => {
    if (!request.url.startsWith('/agree/')) return callback(request, response);
    return agree(server, request, response).catch((error) => response.writeHead(500).end(String(error)));
  });
  console.log(`listening on ${issuer}`);
});
