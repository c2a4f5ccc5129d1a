// Composes the gateway's schema (a file) with a second subgraph that extends Profile, as a router's supergraph is made.
// node compose.mjs SCHEMA_FILE; prints one line of JSON: the errors, and how the supergraph sees what both contribute.
import { readFileSync } from "node:fs";
import { composeServices } from "@apollo/composition";
import { parse } from "graphql";

const loyalty = `
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@shareable"])
  type Profile @key(fields: "id") { id: ID! loyaltyPoints: Int! favouriteStore: Company }
  type Company @key(fields: "id", resolvable: false) { id: ID! }
  type PageInfo @shareable { hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String endCursor: String }
  type Query { loyaltyPage: PageInfo }
`;
const result = composeServices([
  { name: "gateway", url: "http://gateway.test/graphql", typeDefs: parse(readFileSync(process.argv[2], "utf8")) },
  { name: "loyalty", url: "http://loyalty.test/graphql", typeDefs: parse(loyalty) },
]);
const fields = (type) => result.schema?.type(type)?.fields().map((field) => field.name) ?? [];
const supergraph = result.supergraphSdl ?? "";
console.log(
  JSON.stringify({
    errors: (result.errors ?? []).map((error) => error.message),
    hints: (result.hints ?? []).map((hint) => hint.message),
    profile: fields("Profile"),
    scoped: supergraph.includes('@requiresScopes(scopes: [["profile:search"]])'),
    authenticated: /type Profile[^{]*@authenticated/.test(supergraph),
  }),
);
