// Bare graphql-jit, without a server: what one execution of the screen costs. The ceiling of the Node peers of workload Q1.
//
// Prints one line of JSON: processor time per execution in milliseconds, the least of all rounds, with JSON.stringify and without; and each round.
// Environment: SCREEN_JSON, SECONDS of a round (1), ROUNDS (5), BODY_OUT: a file for the body of the first profile, to be compared before.

import "./production.mjs";

import { writeFileSync } from "node:fs";
import { buildSchema, parse, validate } from "graphql";
import { compileQuery, isCompiledQuery } from "graphql-jit";

import { profiles, screen, typeDefs } from "./screen.mjs";

const schema = buildSchema(typeDefs);
schema.getQueryType().getFields().profile.resolve = (_, { by }) => profiles[by.id];

const document = parse(screen);
const problems = validate(schema, document);
if (problems.length > 0) throw problems[0];
const compiled = compileQuery(schema, document);
if (!isCompiledQuery(compiled)) throw compiled.errors[0];

const variables = Object.keys(profiles).map((id) => ({ id }));
const first = await compiled.query(null, {}, variables[0]);
if (first.errors || first.data.profile === null) throw new Error(JSON.stringify(first));
if (process.env.BODY_OUT) writeFileSync(process.env.BODY_OUT, JSON.stringify(first));

let bytes = 0;
const plain = async (one) => {
  await compiled.query(null, {}, one);
};
const encoded = async (one) => {
  bytes += JSON.stringify(await compiled.query(null, {}, one)).length;
};

/** Milliseconds of the processor per execution, over so many seconds on the clock. */
async function measure(execute, seconds) {
  const until = performance.now() + seconds * 1000;
  const began = process.cpuUsage();
  let count = 0;
  while (performance.now() < until) {
    for (let n = 0; n < 20; n++) await execute(variables[count++ % variables.length]);
  }
  const used = process.cpuUsage(began);
  return (used.user + used.system) / 1000 / count;
}

const seconds = Number(process.env.SECONDS ?? 1);
await measure(encoded, seconds); // until V8 has compiled everything
await measure(plain, seconds);
const rounds = [];
for (let n = 0; n < Number(process.env.ROUNDS ?? 5); n++) {
  rounds.push({ ms_per_execution: await measure(encoded, seconds), ms_per_execution_without_json: await measure(plain, seconds) });
}
if (bytes === 0) throw new Error("nothing was encoded");
const least = (name) => Math.min(...rounds.map((round) => round[name]));
console.log(
  JSON.stringify({
    ms_per_execution: least("ms_per_execution"),
    ms_per_execution_without_json: least("ms_per_execution_without_json"),
    rounds,
  }),
);
