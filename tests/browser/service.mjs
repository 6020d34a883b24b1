// The service under test: the built binary over a database of its own, which goes with it.

import { execFileSync, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import pg from "pg";

const project = fileURLToPath(new URL("../..", import.meta.url));
const target = process.env.CARGO_TARGET_DIR ?? "target";
const binary = join(target.startsWith("/") ? target : join(project, target), "debug/quests");

function needed(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run the browser tests with make test-browser`);
  return value;
}

async function sql(statement) {
  const server = new pg.Client({ connectionString: needed("DATABASE_URL") });
  await server.connect();
  try {
    await server.query(statement);
  } finally {
    await server.end();
  }
}

/**
 * Starts it; origins are those of other servers that may call. How to take it away goes into `toStop` first:
 * a signal may come while it starts.
 */
export async function startService(origins, toStop) {
  const name = `quests_browser_${process.pid}`;
  const url = new URL(needed("DATABASE_URL"));
  url.pathname = `/${name}`;
  const data = mkdtempSync(join(tmpdir(), "quests-browser-"));
  const env = {
    ...process.env,
    DATABASE_URL: url.href,
    DATA_DIR: data,
    SEARCH_INDEX: "false",
    BIND_ADDR: "127.0.0.1:0",
    CORS_ORIGINS: origins.join(","),
    // Streams need no broker, and messages there are for others.
    AMQP_URL: "",
    LOG_FORMAT: "json",
    RUST_LOG: "info",
  };
  const quests = (...options) => execFileSync(binary, options, { env, encoding: "utf8" }).trim();
  let server;
  const stop = async () => {
    if (server && server.exitCode === null && server.signalCode === null) {
      const ended = new Promise((resolve) => server.once("exit", resolve));
      server.kill("SIGTERM");
      await ended;
    }
    await sql(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    rmSync(data, { recursive: true, force: true });
  };
  toStop.push(stop);
  await sql(`CREATE DATABASE ${name}`);
  quests("migrate");
  quests("seed");
  server = spawn(binary, ["serve"], { env, stdio: ["ignore", "ignore", "pipe"] });
  const address = await listening(server);
  const token = (role, sub) => quests("token", "--role", role, ...(sub ? ["--sub", sub] : []));
  return { origin: `http://${address}`, token };
}

/** The address that its log names. */
function listening(server) {
  return new Promise((resolve, reject) => {
    const last = [];
    server.once("exit", (code) => reject(new Error(`the service ended with ${code}:\n${last.join("\n")}`)));
    createInterface({ input: server.stderr }).on("line", (line) => {
      last.push(line);
      if (last.length > 20) last.shift();
      const address = line.startsWith("{") ? JSON.parse(line).address : undefined;
      if (address) resolve(address);
    });
  });
}
