// Runs the official "everything" server over streamable HTTP, on the loopback address only.
// It takes its port from PORT, listens on all interfaces and doesn't tell which port it got: all three are set right here.
import { createRequire } from 'node:module';
import net from 'node:net';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { port: { type: 'string', default: '0' } } });
const require = createRequire(new URL('../../target/test-tools/node/', import.meta.url));

// Standard output is for the ready line; the server's own log goes to standard error.
console.log = console.error;

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (_port, listening) {
  this.once('listening', () => {
    process.stdout.write(`listening on http://127.0.0.1:${this.address().port}/mcp\n`);
  });
  return listen.call(this, Number(values.port), '127.0.0.1', listening);
};

await import(require.resolve('@modelcontextprotocol/server-everything/dist/transports/streamableHttp.js'));
