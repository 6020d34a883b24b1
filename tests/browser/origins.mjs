// Two servers beside the service: the demo page under another origin, and a line to the service that
// can be cut.

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import net from "node:net";
import { fileURLToPath } from "node:url";

const PAGE = fileURLToPath(new URL("../../clients/demo/page", import.meta.url));
const KINDS = { html: "text/html", css: "text/css", js: "text/javascript" };

/** Serves clients/demo/page as a web server of its own would. */
export async function startPage() {
  const server = createServer(async (request, response) => {
    const path = new URL(request.url, "http://page").pathname;
    const file = path === "/" ? "/index.html" : path;
    try {
      const text = await readFile(PAGE + file);
      response.writeHead(200, { "content-type": KINDS[file.split(".").pop()] ?? "text/plain" }).end(text);
    } catch {
      response.writeHead(404).end();
    }
  });
  const port = await listen(server);
  return { origin: `http://127.0.0.1:${port}`, stop: () => close(server) };
}

/** A line to the service: `cut` breaks what is open and refuses what comes, until `mend`. */
export async function startLine(to) {
  const { hostname, port } = new URL(to);
  const open = new Set();
  let isCut = false;
  const server = net.createServer((near) => {
    if (isCut) return near.destroy();
    const far = net.connect(Number(port), hostname);
    for (const [one, other] of [[near, far], [far, near]]) {
      open.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        open.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  const own = await listen(server);
  const cut = () => {
    isCut = true;
    open.forEach((socket) => socket.destroy());
  };
  return {
    origin: `http://127.0.0.1:${own}`,
    cut,
    mend: () => (isCut = false),
    stop: () => {
      cut();
      return close(server);
    },
  };
}

function listen(server) {
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server.address().port)));
}

function close(server) {
  server.closeAllConnections?.();
  return new Promise((resolve) => server.close(resolve));
}
