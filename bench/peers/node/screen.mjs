// What every in-memory peer serves: bench/screen's schema, document and people, and the events of a burst. The contract is bench/README.md's.

import { readFileSync } from "node:fs";

const PLACE = new URL("../../screen/", import.meta.url);

export const typeDefs = readFileSync(new URL("schema.graphql", PLACE), "utf8");
export const screen = readFileSync(new URL("screen.graphql", PLACE), "utf8");

/** Every profile by its id, nested as the schema is. */
export const profiles = JSON.parse(readFileSync(process.env.SCREEN_JSON, "utf8"));

export const viewer = { actor: { id: "agent-0", displayName: "Ada Albers", kind: "AGENT" } };

/** `id` or `ids`, and `count`: as the body of POST /publish has it. Calls `publish` with each event in order and tells how many of each profile. */
export function burst({ id, ids = [id], count }, publish) {
  for (let n = 0; n < count; n++) for (const one of ids) publish(one, nextEvent(one));
  return { published: count };
}

const sequences = new Map();

function nextEvent(id) {
  const seq = (sequences.get(id) ?? 0) + 1;
  sequences.set(id, seq);
  return { __typename: "ProfileUpdated", seq, profile: profiles[id] };
}
