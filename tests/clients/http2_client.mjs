// Requests on one connection of Node's own HTTP/2 client (nghttp2), with prior knowledge, all at once.
// On standard input a JSON array of {method, path, headers?, body?}; a line {status, headers, body} for each, in order.
import { connect } from "node:http2";
import { json } from "node:stream/consumers";

const url = process.argv[2];
const requests = await json(process.stdin);
const session = connect(url);

const answer = ({ method, path, headers = {}, body = "" }) =>
  new Promise((resolve, reject) => {
    const stream = session.request({ ":method": method, ":path": path, ...headers }, { endStream: body === "" });
    const line = { body: "" };
    stream.on("response", (all) => {
      const { ":status": status, ...rest } = all;
      Object.assign(line, { status, headers: rest });
    });
    stream.setEncoding("utf8");
    stream.on("data", (text) => (line.body += text));
    stream.on("end", () => resolve(line));
    stream.on("error", reject);
    if (body !== "") stream.end(body);
  });

for (const line of await Promise.all(requests.map(answer))) {
  console.log(JSON.stringify(line));
}
session.close();
