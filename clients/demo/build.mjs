// Types out of openapi/openapi.json, then JavaScript out of src/. With --check the JavaScript is only
// compared with what is committed in page/demo/.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const committed = join(here, "page/demo");
const isCheck = process.argv.includes("--check");
const target = isCheck ? mkdtempSync(join(tmpdir(), "quests-demo-")) : committed;

const tool = (name, ...options) =>
  execFileSync(join(here, "node_modules/.bin", name), options, { cwd: here, stdio: ["ignore", "pipe", "inherit"], encoding: "utf8" });
const scripts = (folder) => readdirSync(folder).filter((name) => name.endsWith(".js")).sort();

/** The one library that the page loads, under its licence, as an ES module that browsers read. */
function library() {
  const from = join(here, "node_modules/openapi-fetch");
  const { version } = JSON.parse(readFileSync(join(from, "package.json"), "utf8"));
  const licence = readFileSync(join(from, "LICENSE"), "utf8").trim();
  const source = readFileSync(join(from, "dist/index.mjs"), "utf8").replace(/^\/\/# sourceMappingURL=.*$/m, "").trimEnd();
  return `/* openapi-fetch ${version}\n\n${licence}\n*/\n${source}\n`;
}

function stale() {
  const [wanted, found] = [scripts(target), scripts(committed)];
  const differs = (name) => readFileSync(join(target, name), "utf8") !== readFileSync(join(committed, name), "utf8");
  return [...new Set([...wanted, ...found])].filter(
    (name) => !wanted.includes(name) || !found.includes(name) || differs(name),
  );
}

try {
  tool("openapi-typescript", "../../openapi/openapi.json", "--empty-objects-unknown", "--output", "src/openapi.d.ts");
  if (!isCheck) scripts(target).forEach((name) => rmSync(join(target, name)));
  try {
    tool("tsc", "--outDir", target);
  } catch (failure) {
    console.error(`clients/demo/src does not fit openapi/openapi.json, or is wrong:\n${failure.stdout}`);
    process.exit(1);
  }
  writeFileSync(join(target, "openapi-fetch.js"), library());
  const differing = isCheck ? stale() : [];
  if (differing.length > 0) {
    console.error(`clients/demo/page/demo is not what its sources yield (${differing.join(", ")}): make demo`);
    process.exitCode = 1;
  }
} finally {
  if (isCheck) rmSync(target, { recursive: true });
}
