// The client: types come from the OpenAPI document, so a wrong field does not compile.
import createClient, {} from "openapi-fetch";
import { token } from "./session.js";
/** Where the API is: this page's own origin, or that of `?api=http://127.0.0.1:8080`. */
export const origin = (new URLSearchParams(location.search).get("api") ?? "").replace(/\/+$/, "");
/** A problem (RFC 9457). Decide by `problem.code`; `detail` is for people. */
export class Refused extends Error {
    problem;
    constructor(problem) {
        super(problem.detail);
        this.problem = problem;
    }
}
/**
 * A POST whose answer got lost is sent again under the same Idempotency-Key: the service replays the
 * stored answer, and nothing happens twice.
 */
async function send(request) {
    if (request.method === "POST")
        request.headers.set("Idempotency-Key", crypto.randomUUID());
    for (let tries = 1;; tries += 1) {
        try {
            const response = await fetch(request.clone());
            if (response.status !== 503 || tries === 3)
                return response;
        }
        catch (failure) {
            if (tries === 3)
                throw failure;
        }
        await new Promise((resolve) => setTimeout(resolve, 200 * 2 ** tries));
    }
}
const authorize = {
    onRequest({ request }) {
        const known = token();
        if (known)
            request.headers.set("Authorization", `Bearer ${known}`);
        return request;
    },
};
export const client = createClient({ baseUrl: origin, fetch: send });
client.use(authorize);
/** The data of an answer; a refusal is thrown. */
export async function answer(call) {
    const { data, error } = await call;
    if (error !== undefined)
        throw new Refused(error);
    return data;
}
/** All items of a list, page by page. */
export async function everyItem(page) {
    const items = [];
    for (let cursor;;) {
        const next = await page(cursor);
        items.push(...next.items);
        if (!next.nextCursor)
            return items;
        cursor = next.nextCursor;
    }
}
