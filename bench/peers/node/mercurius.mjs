// fastify with mercurius, `jit: 1` and loaders: the peer of workloads Q2, S1, S2 and S3.
//
// Serves rows as a data source gives them, a profile's without its traits, notes and timeline: a loader's key is its parent as JSON.
// Environment: PORT, SCREEN_JSON, LOADERS (1): with 0 everything is nested in the profile and nothing is loaded, which is the least it can do.

import "./production.mjs";

import Fastify from "fastify";
import mercurius from "mercurius";

import { endWith } from "./listening.mjs";
import { burst, profiles, typeDefs, viewer } from "./screen.mjs";

const loading = process.env.LOADERS !== "0";

const rows = new Map();
const relations = { traits: new Map(), notes: new Map(), timeline: new Map() };
const authors = new Map();
for (const [id, { traits, notes, timeline, ...row }] of Object.entries(profiles)) {
  const written = notes.nodes.map(({ author, ...note }) => {
    authors.set(author.id, author);
    return { ...note, authorId: author.id };
  });
  rows.set(id, row);
  relations.traits.set(id, traits);
  relations.notes.set(id, { nodes: written });
  relations.timeline.set(id, timeline);
}

const loadersOf = (name) => async (queries) => queries.map(({ obj }) => relations[name].get(obj.id));
const loaders = {
  Profile: { traits: loadersOf("traits"), notes: loadersOf("notes"), timeline: loadersOf("timeline") },
  Note: { author: async (queries) => queries.map(({ obj }) => authors.get(obj.authorId)) },
};

const app = Fastify({ logger: false, keepAliveTimeout: 600_000, forceCloseConnections: true });

app.register(mercurius, {
  schema: typeDefs,
  jit: 1,
  graphiql: false,
  subscription: true,
  resolvers: {
    Query: { profile: (_, { by }) => (loading ? rows.get(by.id) : profiles[by.id]), viewer: () => viewer },
    Subscription: { profileEvents: { subscribe: (_, { profileId }, { pubsub }) => pubsub.subscribe(profileId) } },
  },
  loaders: loading ? loaders : {},
});

app.post("/publish", async (request) =>
  burst(request.body, (topic, event) => {
    app.graphql.pubsub.publish({ topic, payload: { profileEvents: loading ? { ...event, profile: rows.get(topic) } : event } });
  }),
);

await app.listen({ port: Number(process.env.PORT), host: "127.0.0.1", backlog: 2048 });
console.log("ready");
endWith(() => app.close());
