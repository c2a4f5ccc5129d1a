// Queries and mutates with @apollo/client (its core, without React); prints what it got, and what went over HTTP, as one line of JSON.
// node apollo.mjs URL TOKEN
import { createHash } from "node:crypto";
import { ApolloClient, CombinedGraphQLErrors, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";

const [uri, token] = process.argv.slice(2);
const sent = [];

async function recorded(address, init) {
  const response = await fetch(address, init);
  const by = /"persistedQuery"/.test(init.body) ? { by: /"query"/.test(init.body) ? "both" : "hash" } : {};
  sent.push({ ...by, method: init.method, accept: init.headers.accept, status: response.status, type: response.headers.get("content-type") });
  return response;
}

const clientOf = (useGETForQueries) =>
  new ApolloClient({
    cache: new InMemoryCache(),
    link: new HttpLink({ uri, fetch: recorded, headers: { authorization: `Bearer ${token}` }, useGETForQueries }),
  });

const VIEWER = gql`query Viewer { viewer { actor { id } } }`;
const CREATE = gql`mutation Create($input: CreateProfileInput!) { createProfile(input: $input) { profile { id firstName version } } }`;
const PROFILE = gql`query Profile($id: ID!) { node(id: $id) { id ... on Profile { firstName } } }`;

const client = clientOf(false);
const query = (await client.query({ query: VIEWER })).data;
const get = (await clientOf(true).query({ query: VIEWER })).data;
const mutation = (await client.mutate({ mutation: CREATE, variables: { input: { firstName: "Ada" } } })).data;
const { id } = mutation.createProfile.profile;
const read = (await client.query({ query: PROFILE, variables: { id } })).data;
const cached = client.cache.extract()[`Profile:${id}`]?.firstName;
const refused = await client.query({ query: gql`query Wrong { nothing }` }).catch((error) => ({
  typed: CombinedGraphQLErrors.is(error),
  codes: error.errors?.map(({ extensions }) => extensions.code),
}));
const hashing = new PersistedQueryLink({ sha256: (text) => createHash("sha256").update(text).digest("hex") });
const hashed = new ApolloClient({ cache: new InMemoryCache(), link: hashing.concat(client.link) });
await hashed.query({ query: VIEWER });
await hashed.query({ query: PROFILE, variables: { id } });
console.log(JSON.stringify({ query, get, mutation, read, cached, refused, sent }));
