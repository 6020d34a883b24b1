// Browser tests: `make test-browser`. Starts all that they need, and takes it away again.

import { accessSync, constants } from "node:fs";
import { describe, before, after, it } from "node:test";
import { chromium } from "playwright-core";
import * as demo from "./demo.mjs";
import { startLine, startPage } from "./origins.mjs";
import { startService } from "./service.mjs";
import * as swagger from "./swagger.mjs";

const LIMIT = 60_000;
const CHROMIUM = process.env.CHROMIUM || "/usr/bin/chromium";
const QUIET = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

const world = {};
const toStop = [];

async function stop() {
  // What does not end is not waited for.
  setTimeout(() => process.exit(1), LIMIT).unref();
  const failures = [];
  for (const each of toStop.splice(0).reverse()) await each().catch((failure) => failures.push(failure));
  if (failures.length > 0) throw new AggregateError(failures, String(failures[0]));
}
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.once(signal, () => stop().finally(() => process.exit(130)));
}

// Side by side: each has its own context, learner and line.
describe("in a browser", { concurrency: true }, () => {
  before(async () => {
    accessSync(CHROMIUM, constants.X_OK);
    world.page = await startPage();
    toStop.push(world.page.stop);
    world.service = await startService([world.page.origin], toStop);
    world.newLine = async () => {
      const line = await startLine(world.service.origin);
      toStop.push(line.stop);
      return line;
    };
    const opened = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: QUIET });
    toStop.push(() => opened.close());
    // Each test in a context of its own, and none waits for ever.
    world.browser = {
      newContext: async () => {
        const context = await opened.newContext();
        context.setDefaultTimeout(LIMIT);
        return context;
      },
    };
  }, { timeout: 2 * LIMIT });
  after(stop, { timeout: LIMIT });

  const stories = { ...demo, ...swagger };
  for (const [name, story] of Object.entries(stories)) {
    it(name.replace(/([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`), { timeout: 3 * LIMIT }, () => story(world));
  }
});
