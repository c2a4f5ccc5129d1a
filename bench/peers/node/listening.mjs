// How the peers that bring no web framework speak HTTP, and how every peer begins and ends: 127.0.0.1 and PORT, one line `ready`, gone at SIGTERM.

/** Listen, say so, and at SIGTERM drop what is open, let `release` give back what the peer holds, and exit. */
export function listen(server, release = () => {}) {
  server.keepAliveTimeout = 600_000; // as long as a bench may think between two requests of one connection
  server.listen({ port: Number(process.env.PORT), host: "127.0.0.1", backlog: 2048 }, () => console.log("ready"));
  endWith(async () => {
    server.close();
    server.closeAllConnections();
    await release();
  });
}

/** Exit 0 at SIGTERM once `close` is through, and after a second in any case: sockets that nobody closes hold nobody up. */
export function endWith(close) {
  process.once("SIGTERM", async () => {
    setTimeout(() => process.exit(0), 1000);
    await close();
    process.exit(0);
  });
}

/** The body of a request, parsed. */
export async function json(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString());
}

/** Answer with this text of JSON. */
export function answer(response, text, status = 200) {
  response.writeHead(status, { "content-type": "application/json; charset=utf-8", "content-length": Buffer.byteLength(text) }).end(text);
}
