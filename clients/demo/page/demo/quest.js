// One quest with its steps: start it, work on it.
import { answer, client, everyItem } from "./api.js";
import { button, h, show } from "./dom.js";
import { badge, missing, progress, words } from "./paths.js";
import { learn } from "./rewards.js";
import { stepCard } from "./step.js";
export async function showQuest(place, pathId, id, act) {
    const params = { path: { id } };
    const [quest, steps] = await Promise.all([
        answer(client.GET("/v1/quests/{id}", { params })),
        everyItem((cursor) => answer(client.GET("/v1/quests/{id}/steps", { params: { ...params, query: { limit: 100, ...(cursor ? { cursor } : {}) } } }))),
    ]);
    const attemptId = quest.my.attemptId;
    const attempt = attemptId ? await answer(client.GET("/v1/attempts/{id}", { params: { path: { id: attemptId } } })) : undefined;
    learn(quest.id, quest.title);
    steps.forEach((step) => learn(step.id, step.title));
    show(place, h("nav", { "aria-label": "Back" }, h("a", { href: `#/paths/${pathId}` }, "← All quests of this path")), h("h2", {}, quest.title), h("p", { class: "lead" }, quest.description), attempt
        ? h("div", { class: "bar" }, progress(`${quest.title}: progress`, attempt.completionPercentage), h("span", {}, `${attempt.completionPercentage} %`))
        : null, h("div", { class: "actions" }, await standing(quest, attempt, act)), h("ol", { class: "steps" }, ...steps.map((step) => stepCard(step, attempt, act))));
}
/** What can be done with the quest as a whole. */
async function standing(quest, attempt, act) {
    const params = { path: { id: quest.id } };
    if (attempt?.status === "InProgress" || attempt?.status === "Completed") {
        return badge(words(attempt.status), attempt.status === "Completed" ? "good" : "open");
    }
    if (attempt?.status === "Paused") {
        const own = { params: { path: { id: attempt.id } } };
        return button("resume", "Resume the quest", "primary", () => act(() => answer(client.POST("/v1/attempts/{id}/resume", own))));
    }
    if (quest.my.availability === "available" || attempt) {
        return button("start", "Start the quest", "primary", () => act(() => answer(client.POST("/v1/quests/{id}/attempt", { params }))));
    }
    const eligibility = await answer(client.GET("/v1/quests/{id}/eligibility", { params }));
    return h("p", { class: "missing" }, missing(eligibility));
}
