// graphql-ws over ws, executing with graphql-jit, on node:http alone: the leanest server that Node's libraries make. A peer of workloads S1 to S3.
//
// Each document is parsed, validated and compiled once. Environment: PORT, SCREEN_JSON, JIT (1): with 0 graphql-js executes what comes by WebSocket.

import "./production.mjs";

import { createServer } from "node:http";
import { buildSchema, createSourceEventStream, parse, validate } from "graphql";
import { compileQuery } from "graphql-jit";
import { useServer } from "graphql-ws/use/ws";
import { WebSocketServer } from "ws";

import { Feed } from "./feed.mjs";
import { answer, json, listen } from "./listening.mjs";
import { burst, profiles, typeDefs, viewer } from "./screen.mjs";

const feed = new Feed();
const schema = buildSchema(typeDefs);
const { profile, viewer: viewing } = schema.getQueryType().getFields();
profile.resolve = (_, { by }) => profiles[by.id];
viewing.resolve = () => viewer;
const { profileEvents } = schema.getSubscriptionType().getFields();
profileEvents.subscribe = (_, { profileId }) => feed.subscribe(profileId);
profileEvents.resolve = (event) => event;

const prepared = new Map();

function prepare(query) {
  let known = prepared.get(query);
  if (known === undefined) {
    const document = parse(query);
    const errors = validate(schema, document);
    known = { document, errors, compiled: errors.length > 0 ? null : compileQuery(schema, document) };
    if (prepared.size < 1000) prepared.set(query, known);
  }
  return known;
}

const jit = {
  execute: ({ compiled, variableValues }) => compiled.query(null, {}, variableValues),
  // not `compiled.subscribe`: graphql-jit 0.8.9 gives a field's `subscribe` the operation's variables instead of the field's arguments
  subscribe: async (args) => {
    const source = await createSourceEventStream(args);
    return Symbol.asyncIterator in source ? executed(source, args.compiled, args.variableValues) : source;
  },
};

/** Each event of the source as the response to it. */
function executed(source, compiled, variables) {
  return {
    async next() {
      const { value, done } = await source.next();
      return { value: done ? undefined : await compiled.query(value, {}, variables), done };
    },
    return: () => source.return(),
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

const server = createServer(async (request, response) => {
  const asked = await json(request);
  if (request.url === "/publish") return answer(response, JSON.stringify(burst(asked, (id, event) => feed.publish(id, event))));
  const { errors, compiled } = prepare(asked.query);
  if (errors.length > 0) return answer(response, JSON.stringify({ errors }), 400);
  answer(response, JSON.stringify(await compiled.query(null, {}, asked.variables)));
});

useServer(
  {
    ...(process.env.JIT === "0" ? {} : jit),
    onSubscribe: (_context, _id, { query, operationName, variables }) => {
      const { document, errors, compiled } = prepare(query);
      return errors.length > 0 ? errors : { schema, document, compiled, operationName, variableValues: variables };
    },
  },
  new WebSocketServer({ server, path: "/graphql", perMessageDeflate: false }),
);

listen(server);
