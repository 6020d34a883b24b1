// The client: types come from the OpenAPI document, so a wrong field does not compile.

import createClient, { type Middleware } from "openapi-fetch";
import type { components, paths } from "./openapi.js";
import { token } from "./session.js";

export type Schemas = components["schemas"];

/** Where the API is: this page's own origin, or that of `?api=http://127.0.0.1:8080`. */
export const origin = (new URLSearchParams(location.search).get("api") ?? "").replace(/\/+$/, "");

/** A problem (RFC 9457). Decide by `problem.code`; `detail` is for people. */
export class Refused extends Error {
  constructor(readonly problem: Schemas["Problem"]) {
    super(problem.detail);
  }
}

/**
 * A POST whose answer got lost is sent again under the same Idempotency-Key: the service replays the
 * stored answer, and nothing happens twice.
 */
async function send(request: Request): Promise<Response> {
  if (request.method === "POST") request.headers.set("Idempotency-Key", crypto.randomUUID());
  for (let tries = 1; ; tries += 1) {
    try {
      const response = await fetch(request.clone());
      if (response.status !== 503 || tries === 3) return response;
    } catch (failure) {
      if (tries === 3) throw failure;
    }
    await new Promise((resolve) => setTimeout(resolve, 200 * 2 ** tries));
  }
}

const authorize: Middleware = {
  onRequest({ request }) {
    const known = token();
    if (known) request.headers.set("Authorization", `Bearer ${known}`);
    return request;
  },
};

export const client = createClient<paths>({ baseUrl: origin, fetch: send });
client.use(authorize);

/** The data of an answer; a refusal is thrown. */
export async function answer<T>(call: Promise<{ data?: T; error?: unknown }>): Promise<T> {
  const { data, error } = await call;
  if (error !== undefined) throw new Refused(error as Schemas["Problem"]);
  return data as T;
}

/** All items of a list, page by page. */
export async function everyItem<T>(
  page: (cursor?: string) => Promise<{ items: T[]; nextCursor?: string | null }>,
): Promise<T[]> {
  const items: T[] = [];
  for (let cursor: string | undefined; ; ) {
    const next = await page(cursor);
    items.push(...next.items);
    if (!next.nextCursor) return items;
    cursor = next.nextCursor;
  }
}
