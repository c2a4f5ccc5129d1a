// Queries, mutates and subscribes with @urql/core; prints what it got, and what went over HTTP, as one line of JSON. node urql.mjs URL TOKEN
import { Client, fetchExchange } from "@urql/core";

const [url, token] = process.argv.slice(2);
const sent = [];
setTimeout(() => process.exit(2), 10_000).unref();

async function recorded(address, init) {
  const response = await fetch(address, init);
  sent.push({ method: init.method, accept: init.headers.accept, status: response.status, type: response.headers.get("content-type") });
  return response;
}

const clientOf = (preferGetMethod) =>
  new Client({
    url,
    exchanges: [fetchExchange],
    fetch: recorded,
    fetchOptions: { headers: { authorization: `Bearer ${token}` } },
    fetchSubscriptions: true,
    preferGetMethod,
  });
const shown = ({ data, error }) => ({ data, codes: error?.graphQLErrors.map(({ extensions }) => extensions.code) });

const VIEWER = "query Viewer { viewer { actor { id } } }";
const CREATE = "mutation Create($input: CreateProfileInput!) { createProfile(input: $input) { profile { id firstName streamCursor } } }";
const STATE = `subscription State($id: ID!, $after: StreamCursor) { profileEvents(profileId: $id, after: $after) {
  __typename ... on LiveEvent { cursor } ... on ProfileUpdated { profile { firstName } } } }`;
const RENAME = "mutation Rename($input: UpdateProfileInput!) { updateProfile(input: $input) { profile { firstName } userErrors { message } } }";

const client = clientOf(false);
const query = shown(await client.query(VIEWER, {}));
const get = shown(await clientOf("force").query(VIEWER, {}));
const mutation = shown(await client.mutation(CREATE, { input: { firstName: "Ada" } }));
const refused = shown(await client.query("query { nothing }", {}));
const { id, streamCursor } = mutation.data.createProfile.profile;

const events = [];
let renamed;
await new Promise((resolve) => {
  const { unsubscribe } = client.subscription(STATE, { id, after: streamCursor }).subscribe(({ data, error }) => {
    const event = data?.profileEvents ?? { error: String(error) };
    events.push(event);
    if (event.__typename === "StreamReady") renamed = client.mutation(RENAME, { input: { id, firstName: "Ida" } }).toPromise();
    else setTimeout(() => resolve(unsubscribe()));
  });
});
renamed = shown(await renamed);
console.log(JSON.stringify({ query, get, mutation, refused, events, renamed, sent }));
