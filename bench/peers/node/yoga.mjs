// graphql-yoga with graphql-jit and its cache of parsed and validated documents: a peer of workload Q2.
//
// WebSockets are served by graphql-ws, as yoga's documentation has it. Environment: PORT, SCREEN_JSON.

import "./production.mjs";

import { setMaxListeners } from "node:events";
import { createServer } from "node:http";
import { useGraphQlJit } from "@envelop/graphql-jit";
import { useServer } from "graphql-ws/use/ws";
import { createPubSub, createSchema, createYoga } from "graphql-yoga";
import { WebSocketServer } from "ws";

import { answer, json, listen } from "./listening.mjs";
import { burst, profiles, typeDefs, viewer } from "./screen.mjs";

const target = new EventTarget();
setMaxListeners(0, target); // a thousand sockets are no leak
const events = createPubSub({ eventTarget: target });

// without its `onSubscribe`: graphql-jit gives a field's `subscribe` the operation's variables instead of the field's arguments
const { onExecute } = useGraphQlJit();

const yoga = createYoga({
  schema: createSchema({
    typeDefs,
    resolvers: {
      Query: { profile: (_, { by }) => profiles[by.id], viewer: () => viewer },
      Subscription: { profileEvents: { subscribe: (_, { profileId }) => events.subscribe("profile", profileId), resolve: (event) => event } },
    },
  }),
  plugins: [{ onExecute }],
  parserAndValidationCache: true,
  logging: false,
  graphiql: false,
  landingPage: false,
  cors: false,
  batching: false,
  multipart: false,
});

const server = createServer(async (request, response) => {
  if (request.url !== "/publish") return yoga(request, response);
  const asked = await json(request);
  answer(response, JSON.stringify(burst(asked, (id, event) => events.publish("profile", id, event))));
});

useServer(
  {
    execute: (args) => args.rootValue.execute(args),
    subscribe: (args) => args.rootValue.subscribe(args),
    onSubscribe: async (context, _id, params) => {
      const enveloped = { ...context, req: context.extra.request, socket: context.extra.socket, params };
      const { schema, execute, subscribe, contextFactory, parse, validate } = yoga.getEnveloped(enveloped);
      const document = parse(params.query);
      const errors = validate(schema, document);
      if (errors.length > 0) return errors;
      return {
        schema,
        document,
        operationName: params.operationName,
        variableValues: params.variables,
        contextValue: await contextFactory(),
        rootValue: { execute, subscribe },
      };
    },
  },
  new WebSocketServer({ server, path: yoga.graphqlEndpoint, perMessageDeflate: false }),
);

listen(server);
