// The token: pasted once, or handed over in the address after `#token=`, and kept in this browser.
// An application of your own gets it from its identity provider, and had better not keep it here.
const KEY = "quests-demo-token";
export function token() {
    return localStorage.getItem(KEY);
}
export function remember(text) {
    localStorage.setItem(KEY, text.trim().replace(/^Bearer\s+/i, ""));
}
export function forget() {
    localStorage.removeItem(KEY);
}
/** Takes a token out of the address, where it would stay in the history; false when there is none. */
export function takeFromAddress() {
    const given = /^#token=(.+)$/.exec(location.hash)?.[1];
    if (!given)
        return false;
    remember(decodeURIComponent(given));
    history.replaceState(null, "", `${location.pathname}${location.search}`);
    return true;
}
/** Who the token is for, as it says itself; only the service can tell whether that is true. */
export function who() {
    try {
        const part = token()?.split(".")[1] ?? "";
        const claims = JSON.parse(atob(part.replaceAll("-", "+").replaceAll("_", "/")));
        return `${claims.roles?.join(", ") || "Learner"} ${claims.sub ?? ""}`;
    }
    catch {
        return "a token that cannot be read";
    }
}
