// graphql-sse asks for single answers, which come as event streams too; prints what it got as one line of JSON. node sse_single.mjs URL TOKEN
import { createClient } from "graphql-sse";

const [url, token] = process.argv.slice(2);
const clientOf = (credential) => createClient({ url, headers: { Authorization: `Bearer ${credential}` }, retryAttempts: 0 });

async function results(client, query) {
  const found = [];
  for await (const result of client.iterate({ query })) found.push(result);
  return found;
}

const client = clientOf(token);
const codes = ([{ errors }]) => errors.map(({ extensions }) => extensions.code);
console.log(
  JSON.stringify({
    query: await results(client, "{ viewer { actor { id } } }"),
    mutation: await results(client, 'mutation { createProfile(input: { firstName: "Eve" }) { profile { firstName } userErrors { code } } }'),
    syntax: codes(await results(client, "{ viewer")),
    field: codes(await results(client, "{ nothing }")),
    cursor: codes(await results(client, 'subscription { timelineEvents(profileId: "prf_x", after: "x") { __typename } }')),
    stranger: await results(clientOf("nobody"), "{ viewer { actor { id } } }").catch(({ message }) => message),
  }),
);
