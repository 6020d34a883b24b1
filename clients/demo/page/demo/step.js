// One step: what is to be read, and the form that completes it.
import { answer, client } from "./api.js";
import { button, h } from "./dom.js";
import { markdown } from "./markdown.js";
import { badge, words } from "./paths.js";
export function stepCard(step, attempt, act) {
    const mine = attempt?.steps.find((one) => one.stepId === step.id);
    const status = mine?.status ?? "NotStarted";
    const isCurrent = attempt?.currentStepId === step.id;
    return h("li", { class: "card", "data-step": step.id, "data-type": step.stepType, "data-status": status }, h("details", { id: `step-${step.id}`, open: isCurrent }, h("summary", {}, h("h3", {}, `${step.stepNumber}. ${step.title}`), h("span", { class: "facts" }, `${step.stepType}${step.isOptional ? " · optional" : ""} · ${step.experiencePoints} XP`), badge(words(status), status === "Completed" ? "good" : isCurrent ? "open" : "muted")), h("p", {}, step.description), ...content(step.content), mine?.feedback && status !== "Completed" ? h("p", { class: "feedback" }, mine.feedback) : null, attempt && mine && status !== "Completed" && ["InProgress", "Completed"].includes(attempt.status)
        ? form(step, attempt.id, act) : null));
}
/** `content` is the author's own: what the demo course has is shown, anything else as it is. */
function content(given) {
    if (!given)
        return [];
    const shown = ["body", "instructions", "prompt", "transcript"].flatMap((key) => {
        const text = given[key];
        return typeof text === "string" ? [markdown(text)] : [];
    });
    const states = Array.isArray(given["states"]) ? given["states"] : [];
    const cards = states.map((state) => h("details", { class: "card-in", id: `state-${String(state["id"])}` }, h("summary", {}, [state["title"], state["ask"]].filter(Boolean).join(": ")), h("p", {}, String(state["show"] ?? "")), h("p", {}, h("strong", {}, String(state["reveal"] ?? "")))));
    return [...shown, ...cards];
}
function form(step, attemptId, act) {
    const params = { path: { id: attemptId, stepId: step.id } };
    const complete = (submissionData) => act(() => answer(client.POST("/v1/attempts/{id}/steps/{stepId}/complete", { params, body: { submissionData } })));
    const finish = (label, claim) => button(`complete-${step.id}`, label, "primary", () => complete(claim()));
    const minutes = Number(step.task?.["minSeconds"] ?? 0) / 60;
    const skip = step.isOptional
        ? button(`skip-${step.id}`, "Skip", "", () => act(() => answer(client.POST("/v1/attempts/{id}/steps/{stepId}/skip", { params }))))
        : null;
    const row = (...buttons) => h("div", { class: "actions" }, ...buttons, skip);
    switch (step.stepType) {
        case "Reading":
            // The service believes no more reading time than has gone by since the step was started.
            return row(...(minutes > 0 ? [start(params, step.id, act)] : []), finish("I have read it", () => ({ acknowledged: true, seconds: minutes * 60 })));
        case "Video":
            return row(start(params, step.id, act), finish("I have watched it", () => ({ watchedPercent: 100 })));
        case "Interactive":
            return row(finish("I have worked through it", () => ({ completed: true, passed: true, score: 1 })));
        case "Reflection": {
            const field = writing(step, "Your reflection", Number(step.task?.["minWords"] ?? 0), "words");
            return h("div", {}, field.block, row(finish("Hand it in", () => ({ text: field.text() }))));
        }
        case "Discussion": {
            const field = writing(step, "Your contribution", Number(step.task?.["minChars"] ?? 0), "characters");
            return h("div", {}, field.block, row(finish("Post it", () => ({ posts: 1, replies: 0, text: field.text() }))));
        }
        case "Quiz":
        case "Coding":
        case "Submission":
            return h("div", {}, h("p", { class: "missing" }, `This page has no form for a ${step.stepType} step. See complete_step in the Swagger UI (/docs).`), row());
    }
}
function start(params, id, act) {
    return button(`start-${id}`, "Start the clock", "", () => act(() => answer(client.POST("/v1/attempts/{id}/steps/{stepId}/start", { params }))));
}
function writing(step, label, least, unit) {
    const field = h("textarea", { id: `text-${step.id}`, rows: 5 });
    const asked = least > 0 ? `${label} (at least ${least} ${unit})` : label;
    return { block: h("div", {}, h("label", { for: field.id }, asked), field), text: () => field.value };
}
