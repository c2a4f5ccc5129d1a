// Subscribes to a timeline with graphql-sse and prints each result as one line of JSON; ends when its standard input does.
// node sse.mjs URL TOKEN PROFILE_ID AFTER HEADER: AFTER is the cursor to resume behind, sent as Last-Event-ID if HEADER is "header", else as variable.
import { createClient } from "graphql-sse";

const [url, token, id, after, how] = process.argv.slice(2);
const headers = { Authorization: `Bearer ${token}`, ...(how === "header" ? { "Last-Event-ID": after } : {}) };
const client = createClient({ url, headers, retryAttempts: 0 });
const query = `subscription($id: ID!, $after: StreamCursor) { timelineEvents(profileId: $id, after: $after) {
  __typename ... on LiveEvent { seq cursor } ... on StreamReady { resumed } ... on TimelineItemUpserted { item { title } } } }`;
const variables = { id, after: how === "header" ? undefined : after };
client.subscribe(
  { query, variables },
  {
    next: ({ data, errors }) => console.log(JSON.stringify({ errors, ...Object.values(data ?? {})[0] })),
    error: (error) => console.log(JSON.stringify({ failed: error.message })),
    complete: () => console.log(JSON.stringify({ complete: true })),
  },
);
process.stdin.on("end", () => client.dispose()).resume();
