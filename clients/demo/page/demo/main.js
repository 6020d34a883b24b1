// What is where: the address says which path or quest is shown, the stream when to look again.
import { origin, Refused } from "./api.js";
import { h, part, show } from "./dom.js";
import { listPaths, showPath } from "./paths.js";
import { showQuest } from "./quest.js";
import { announce, clear } from "./rewards.js";
import { forget, remember, takeFromAddress, token, who } from "./session.js";
import { follow } from "./stream.js";
let stop;
let reading = 0;
/** What the problem on the page is about: an action of the learner, or what was to be shown. */
let problemOf = "view";
/** `#/paths/<id>`, `#/paths/<id>/quests/<id>` */
function place() {
    const [, path, quest] = /^#\/paths\/([^/]+)(?:\/quests\/([^/]+))?$/.exec(location.hash) ?? [];
    return { path, quest };
}
async function refresh() {
    if (!token())
        return;
    const mine = (reading += 1);
    const { path, quest } = place();
    // Shown at once when it is all there; what a newer call has overtaken is not shown.
    const draft = h("div");
    await tell("view", async () => {
        await listPaths(part("paths"), path);
        if (path && quest)
            await showQuest(draft, path, quest, act);
        else if (path)
            await showPath(draft, path, act);
        else
            draft.append(h("p", { class: "lead" }, "Choose a learning path."));
        if (mine === reading)
            show(part("content"), ...draft.childNodes);
    });
}
/** A change, and a look at how things stand after it. */
async function act(work) {
    await tell("action", work);
    await refresh();
}
/** When it is refused, the page says why until an action succeeds, or until the view can be shown again. */
async function tell(kind, work) {
    const place = part("problem");
    try {
        await work();
        if (kind === "action" || problemOf === "view")
            show(place);
    }
    catch (failure) {
        problemOf = kind;
        show(place, ...explain(failure));
        place.scrollIntoView({ block: "nearest" });
    }
}
function explain(failure) {
    if (!(failure instanceof Refused)) {
        return [h("strong", {}, "The service cannot be reached"), h("p", {}, String(failure))];
    }
    const { title, detail, code, errors } = failure.problem;
    return [
        h("strong", {}, title), h("p", {}, detail, " ", h("code", {}, code)),
        h("ul", {}, ...(errors ?? []).map((one) => h("li", {}, h("code", {}, one.pointer), ` ${one.detail}`))),
    ];
}
function signedIn() {
    const isKnown = token() !== null;
    part("sign-in").hidden = isKnown;
    part("app").hidden = !isKnown;
    part("signed-in").hidden = !isKnown;
    stop?.();
    if (!isKnown)
        return;
    part("who").textContent = who();
    let again;
    const lookAgain = () => {
        // A cascade is several events: one look after the last of them.
        clearTimeout(again);
        again = setTimeout(() => void refresh(), 50);
    };
    stop = follow({
        event(event) {
            announce(event);
            lookAgain();
        },
        gap: lookAgain,
        state(state, detail) {
            const label = { connecting: "Connecting…", live: "Live", refused: `Not live: ${detail ?? ""}` }[state];
            show(part("stream"), label);
            part("stream").dataset["state"] = state;
        },
    });
    void refresh();
}
part("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const field = part("token");
    if (!field.value.trim())
        return;
    remember(field.value);
    field.value = "";
    signedIn();
});
part("sign-out").addEventListener("click", () => {
    forget();
    clear();
    show(part("problem"));
    signedIn();
});
window.addEventListener("hashchange", () => {
    show(part("problem"));
    part("content").scrollIntoView();
    if (takeFromAddress()) {
        clear();
        signedIn();
    }
    else {
        void refresh();
    }
});
part("origin").textContent = origin || location.origin;
takeFromAddress();
signedIn();
