// Follows one profile and never loses an item: ask for the screen, subscribe behind its cursor, come back behind the last event's.
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient, type SubscribePayload } from "graphql-ws";
import { WebSocket } from "ws"; // browsers have their own: leave this and `webSocketImpl` out

interface Item { id: string; title: string }
interface Screen { profile: { id: string; timeline: { nodes: Item[]; streamCursor: string } } | null }
interface Failure { code?: number; extensions?: { code: string; retryAfterMs?: number } } // a close event, or a GraphQL error
type Event = { cursor: string; seq: number } & (
  | { __typename: "StreamReady"; resumed: boolean }
  | { __typename: "StreamGap"; gap: string }
  | { __typename: "StreamGoAway"; reason: string; retryAfterMs: number }
  | { __typename: "TimelineItemUpserted"; item: Item }
  | { __typename: "TimelineItemRemoved"; itemId: string }
  | { __typename: "ProfileMerged"; profile: { id: string } });

const SCREEN = "query($email: EmailAddress!) { profile(by: {email: $email}) { id timeline(last: 20) { nodes { id title } streamCursor } } }";
const EVENTS = `subscription($id: ID!, $after: StreamCursor) { timelineEvents(profileId: $id, after: $after) { __typename
  ... on LiveEvent { cursor seq } ... on StreamReady { resumed } ... on StreamGap { gap: reason } ... on StreamGoAway { reason retryAfterMs }
  ... on TimelineItemUpserted { item { id title } } ... on TimelineItemRemoved { itemId } ... on ProfileMerged { profile { id } } } }`;
const RENEW = "mutation($token: String!) { refreshSession(token: $token) { actor { id } } }";
const OUR_FAULT = [4400, 4401, 4406, 4409, 4429, 1002, 1003, 1007, 1008, 1009]; // close codes that coming back does not mend
const PASSING = ["RATE_LIMITED", "OVERLOADED", "OPERATION_TIMEOUT", "SOURCE_TIMEOUT", "SOURCE_UNAVAILABLE", "SOURCE_CIRCUIT_OPEN"];

/** Shows a person's timeline, each change once and in order, until there is no more to show: the answer says why. */
export async function follow(url: string, email: string, getToken: () => Promise<string>, show: (news: object) => void): Promise<string> {
  let renewal: NodeJS.Timeout | undefined, silence: NodeJS.Timeout | undefined;
  const client = createClient({
    url, webSocketImpl: WebSocket, connectionAckWaitTimeout: 10_000, retryAttempts: 0, // when to come back is decided below
    connectionParams: async () => ({ Authorization: `Bearer ${renewInTime(await getToken())}` }),
    on: { // the gateway pings every 20 seconds: whoever hears nothing for 45 has lost it without being told
      message: () => { clearTimeout(silence); silence = setTimeout(() => client.terminate(), 45_000); },
      closed: () => { clearTimeout(silence); clearTimeout(renewal); },
    },
  });
  async function ask<T extends object>(payload: SubscribePayload): Promise<T> {
    for await (const { data, errors } of client.iterate<T>(payload)) {
      if (!data || (errors && Object.values(data).every((value) => value === null))) throw errors; // else it is what there is: a source is away
      show(data);
      return data;
    }
    throw new Error("no answer");
  }
  const screen = () => ask<Screen>({ query: SCREEN, variables: { email } });
  function renewInTime(token: string): string {
    const { exp } = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as { exp: number };
    clearTimeout(renewal);
    renewal = setTimeout(renew, Math.max(1000, 0.8 * (exp * 1000 - Date.now())));
    return token;
  }
  async function renew(): Promise<void> {
    try {
      await ask({ query: RENEW, variables: { token: renewInTime(await getToken()) } });
    } catch { /* then the gateway closes with 4403, and the next connection begins with a fresh token */ }
  }
  let id = "", after: string | undefined, seen = -1, attempts = 0, refusals = 0; // keep `after` where you keep what you show
  for (;;) {
    let pause = 0, leaving = false;
    try {
      if (after === undefined) {
        const { profile } = await screen();
        if (!profile) return "NOT_FOUND";
        [id, after] = [profile.id, profile.timeline.streamCursor];
      }
      for await (const { data, errors } of client.iterate<{ timelineEvents: Event }>({ query: EVENTS, variables: { id, after } })) {
        if (!data) throw errors;
        const event: Event = data.timelineEvents;
        if (event.__typename.startsWith("TimelineItem") && event.seq <= seen) continue; // shown already
        show(event);
        if (event.__typename === "StreamReady") attempts = refusals = 0;
        else if (event.__typename === "StreamGap") {
          if (event.gap === "PERMISSION_CHANGED") return event.gap;
          await screen(); // all up to this event, and perhaps some of what follows: know an item by its id
        } else if (event.__typename === "StreamGoAway") [leaving, pause] = [true, event.retryAfterMs];
        [seen, after] = [event.seq, event.cursor]; // only now that it was handled
      }
      if (!leaving) return "ENDED"; // merged into another profile, or erased, or not yours
    } catch (thrown) {
      const { code, extensions }: Failure = (Array.isArray(thrown) ? thrown[0] : thrown) ?? {};
      if (extensions?.code === "CURSOR_INVALID") after = undefined;
      else if (extensions ? !PASSING.includes(extensions.code) : code && OUR_FAULT.includes(code)) throw thrown;
      if (code === 4403 && ++refusals > 5) return "SIGN_IN_AGAIN";
      pause = Math.max(extensions?.retryAfterMs ?? 0, Math.random() * Math.min(30_000, 500 * 2 ** attempts++));
      show({ offline: extensions?.code ?? code ?? "unreachable", retryInMs: Math.round(pause) });
    }
    await sleep(pause);
  }
}

const [url = "", email = "", file = ""] = process.argv.slice(2);
await follow(url, email, async () => (await readFile(file, "utf8")).trim(), (news) => console.log(JSON.stringify(news)));
process.exit();
