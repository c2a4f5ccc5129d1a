// Subscribes to both streams of a profile with the graphql-ws client and prints each event as one line of JSON.
// node streams.mjs URL TOKEN PROFILE_ID CURSOR; ends when its standard input does.
import { createClient } from "graphql-ws";
import { WebSocket } from "ws";

const [url, token, id, after] = process.argv.slice(2);
const client = createClient({ url, webSocketImpl: WebSocket, connectionParams: { Authorization: `Bearer ${token}` }, lazy: false });
const documents = {
  timeline: `subscription($id: ID!, $after: StreamCursor) { timelineEvents(profileId: $id, after: $after) {
    __typename ... on LiveEvent { seq } ... on TimelineItemUpserted { item { title } } } }`,
  state: `subscription($id: ID!, $after: StreamCursor) { profileEvents(profileId: $id, after: $after) {
    __typename ... on LiveEvent { seq } ... on ProfileUpdated { profile { firstName } } } }`,
};
for (const [name, query] of Object.entries(documents)) {
  client.subscribe(
    { query, variables: { id, after } },
    {
      next: ({ data, errors }) => console.log(JSON.stringify({ name, errors, ...Object.values(data ?? {})[0] })),
      error: (error) => console.log(JSON.stringify({ name, failed: String(error.reason ?? error.message ?? JSON.stringify(error)) })),
      complete: () => console.log(JSON.stringify({ name, complete: true })),
    },
  );
}
process.stdin.on("end", () => client.dispose()).resume();
