// Runs the GraphQL over HTTP audit of graphql-http and prints each result as one line of JSON.
// node audit.mjs URL TOKEN. The token is all that its requests are given beyond what the audit sends.
import { serverAudits } from "graphql-http";

const [url, token] = process.argv.slice(2);
const fetchFn = (address, { headers, ...init } = {}) => fetch(address, { ...init, headers: { ...headers, authorization: `Bearer ${token}` } });
for (const { id, name, fn } of serverAudits({ url, fetchFn })) {
  const { status, reason } = await fn();
  console.log(JSON.stringify({ id, name, status, reason }));
}
