// Follows a timeline with nothing but the graphql-ws client's own retries, and prints each event and each close as one line of JSON.
// node retrying.mjs URL TOKEN_FILE PROFILE_ID CURSOR; ends when its standard input does.
import { readFileSync } from "node:fs";
import { createClient } from "graphql-ws";
import { WebSocket } from "ws";

const [url, tokenFile, id, cursor] = process.argv.slice(2);
let after = cursor;
const print = (line) => console.log(JSON.stringify(line));
let ended = () => {};
const client = createClient({
  url,
  webSocketImpl: WebSocket,
  connectionParams: () => ({ Authorization: `Bearer ${readFileSync(tokenFile, "utf8")}` }),
  retryAttempts: 100,
  retryWait: () => new Promise((resolve) => setTimeout(resolve, 100)),
  shouldRetry: () => true, // the codes that the client itself calls fatal never come so far
  lazyCloseTimeout: 10_000, // after a goodbye the socket waits for the server to close it
  on: {
    closed: ({ code, reason }) => {
      print({ closed: code, reason });
      ended();
    },
  },
});
const query = `subscription($id: ID!, $after: StreamCursor) { timelineEvents(profileId: $id, after: $after) { __typename
  ... on LiveEvent { cursor } ... on StreamReady { resumed } ... on StreamGoAway { reason } ... on TimelineItemUpserted { item { title } } } }`;
for (let going = true; going; ) {
  // The client writes the variables anew whenever it subscribes again, so it comes back with the newest cursor.
  const stream = client.iterate({ query, variables: { id, get after() { return after; } } });
  const closed = new Promise((resolve) => (ended = resolve));
  going = false;
  for await (const { data, errors } of stream) {
    const event = data?.timelineEvents;
    print(event ?? { errors });
    after = event?.cursor ?? after;
    going = event?.__typename === "StreamGoAway" && event.reason !== "TOKEN_EXPIRED";
  }
  if (going) await closed;
}
