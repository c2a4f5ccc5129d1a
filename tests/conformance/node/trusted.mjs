// Asks by hash and by id with @apollo/client, @urql/core and graphql-ws, each through its own means for trusted documents; prints what each got, and
// what went over HTTP, as one line of JSON. node trusted.mjs URL WEBSOCKET_URL MANIFEST PROFILE_ID FREE BOUND (tokens; of one who may send texts, and of one who may not)
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { ApolloClient, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { generatePersistedQueryIdsFromManifest } from "@apollo/persisted-query-lists";
import { Client, fetchExchange } from "@urql/core";
import { persistedExchange } from "@urql/exchange-persisted";
import { createClient } from "graphql-ws";
import { WebSocket } from "ws";

const [url, websocketUrl, path, profile, free, bound] = process.argv.slice(2);
const manifest = JSON.parse(readFileSync(path, "utf8"));
const stored = Object.fromEntries(manifest.operations.map((operation) => [operation.name, operation]));
const sha256 = (text) => createHash("sha256").update(text).digest("hex");
setTimeout(() => process.exit(2), 15_000).unref();

const ME = gql`query Me { viewer { actor { id } } }`;
const OTHER = gql`query Other { viewer { actor { displayName } } }`;
const MORE = gql`query More { viewer { actor { kind } } }`;

function recording() {
  const sent = [];
  const recorded = async (address, init) => {
    const asked = init.method === "GET" ? Object.fromEntries(new URL(address).searchParams) : JSON.parse(init.body);
    const response = await fetch(address, init);
    sent.push(`${init.method} ${asked.query ? "text" : "hash"} ${response.status}`);
    return response;
  };
  return [sent, recorded];
}

async function apollo(token, options, ...documents) {
  const [sent, recorded] = recording();
  const http = new HttpLink({ uri: url, fetch: recorded, headers: { authorization: `Bearer ${token}` } });
  const client = new ApolloClient({ cache: new InMemoryCache(), link: new PersistedQueryLink(options).concat(http) });
  const got = [];
  for (const query of documents) {
    const answer = await client.query({ query }).catch((error) => ({ data: error.errors?.map(({ extensions }) => extensions.code) }));
    got.push(answer.data);
  }
  return { got, sent };
}

async function urql(token, options, run) {
  const [sent, recorded] = recording();
  const exchanges = [persistedExchange(options), fetchExchange];
  const fetchOptions = { headers: { authorization: `Bearer ${token}` } };
  const client = new Client({ url, exchanges, fetch: recorded, fetchOptions, fetchSubscriptions: true, preferGetMethod: false });
  const shown = ({ data, error }) => data ?? error?.graphQLErrors.map(({ extensions }) => extensions.code);
  return { got: await run(client, shown), sent };
}

const event = (client, shown) =>
  new Promise((resolve) => {
    const { unsubscribe } = client.subscription(stored.Watch.body, { id: profile }).subscribe((result) => {
      resolve(shown(result));
      setTimeout(() => unsubscribe());
    });
  });

const socket = (token, payloads) => {
  const client = createClient({ url: websocketUrl, webSocketImpl: WebSocket, connectionParams: { Authorization: `Bearer ${token}` } });
  const one = (payload) =>
    new Promise((resolve) => {
      const end = client.subscribe({ query: "", ...payload }, {
        next: ({ data }) => { resolve(data); setTimeout(() => end()); },
        error: (errors) => resolve(errors.map?.(({ message, extensions }) => [message, extensions.code]) ?? String(errors)),
        complete: () => {},
      });
    });
  return Promise.all(payloads.map(one)).finally(() => client.dispose());
};
const named = (hash) => ({ extensions: { persistedQuery: { version: 1, sha256Hash: hash } } });
const fromManifest = generatePersistedQueryIdsFromManifest({ loadManifest: () => manifest });

console.log(JSON.stringify({
  apollo: await apollo(free, { sha256 }, ME, OTHER, MORE),
  apolloByGet: await apollo(free, { sha256, useGETForHashedQueries: true }, ME),
  apolloManifest: await apollo(bound, fromManifest, ME),
  apolloRequired: await apollo(bound, { sha256 }, ME, OTHER),
  urql: await urql(free, { preferGetForPersistedQueries: false }, async (client, shown) => [
    shown(await client.query(stored.Me.body, {})),
    shown(await client.query("query Other { viewer { actor { displayName } } }", {})),
  ]),
  urqlByGet: await urql(bound, { preferGetForPersistedQueries: true, enforcePersistedQueries: true }, async (client, shown) => [
    shown(await client.query(stored.Me.body, {})),
  ]),
  urqlEvents: await urql(bound, { enableForSubscriptions: true, enforcePersistedQueries: true }, async (client, shown) => [await event(client, shown)]),
  socket: await socket(bound, [
    { documentId: stored.Me.id },
    named(stored.Me.id),
    { documentId: stored.Watch.id, variables: { id: profile } },
    { ...named(stored.Watch.id), variables: { id: profile } },
    named(sha256("{ viewer { actor { id } } }")),
    { query: "{ viewer { actor { id } } }" },
  ]),
}));
