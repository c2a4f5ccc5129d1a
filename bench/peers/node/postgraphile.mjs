// PostGraphile 5 over the gateway's own tables: the peer of workload Q3.
//
// Owns the schema as PostGraphile makes it of Postgres, told by smart tags what the gateway's tables leave out (they have no foreign keys to
// profile), and no resolver of its own. It reads; it must not write. `postgraphile.graphql` is the screen in its words.
// Environment: DATABASE_URL (a URL of libpq's, also over a directory of sockets), PORT, POOL (10).

import "./production.mjs";

import { createServer } from "node:http";
import { postgraphile } from "postgraphile";
import { TYPES } from "postgraphile/@dataplan/pg";
import { makePgService } from "postgraphile/adaptors/pg";
import { grafserv } from "postgraphile/grafserv/node";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import { jsonPgSmartTags } from "postgraphile/utils";

import { listen } from "./listening.mjs";

const ofProfile = (name) => ({ tags: { foreignKey: `(workspace_id, profile_id) references profile (workspace_id, id)|@foreignFieldName ${name}` } });

const tags = jsonPgSmartTags({
  version: 1,
  config: {
    class: {
      profile: { tags: { foreignKey: "(workspace_id, id) references stream_head (workspace_id, stream_id)|@fieldName streamHead" } },
      trait: ofProfile("traits"),
      note: ofProfile("notes"),
      activity: ofProfile("activities"),
      contact_point: ofProfile("contactPoints"),
      identifier: ofProfile("identifiers"),
    },
  },
});

/** Transaction ids, which PostGraphile does not know and would complain of at each start. */
const transactionIds = {
  name: "TransactionIdsPlugin",
  version: "0.0.0",
  gather: {
    hooks: {
      pgCodecs_findPgCodec(_info, event) {
        if (!event.pgCodec && event.pgType.typname === "xid8") event.pgCodec = TYPES.bigint;
      },
    },
  },
};

const preset = {
  extends: [PostGraphileAmberPreset],
  plugins: [tags, transactionIds],
  disablePlugins: ["PgMutationCreatePlugin", "PgMutationUpdateDeletePlugin"],
  pgServices: [
    makePgService({
      connectionString: process.env.DATABASE_URL,
      schemas: ["public"],
      poolConfig: { max: Number(process.env.POOL ?? 10), min: Number(process.env.POOL ?? 10), idleTimeoutMillis: 0 },
    }),
  ],
  schema: { defaultBehavior: "+list" },
  grafast: { explain: false },
  grafserv: { graphqlPath: "/graphql", graphiql: false, watch: false, websockets: false, outputDataAsString: true, maxRequestLength: 100_000 },
};

const instance = postgraphile(preset);
await instance.getSchema();
const server = createServer();
const serving = instance.createServ(grafserv);
await serving.addTo(server);
await serving.ready?.();
listen(server, () => instance.release());
