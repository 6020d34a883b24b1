// Learning paths: the list, and one as its learner sees it.

import { answer, client, everyItem, type Schemas } from "./api.js";
import { button, h, show } from "./dom.js";
import { learn } from "./rewards.js";

export async function listPaths(place: HTMLElement, current: string | undefined): Promise<void> {
  const paths = await everyItem((cursor) =>
    answer(client.GET("/v1/learning-paths", { params: { query: { limit: 100, ...(cursor ? { cursor } : {}) } } })),
  );
  const link = (path: Schemas["LearningPath"]) =>
    h("li", {}, h("a", { id: `to-${path.id}`, href: `#/paths/${path.id}`, ...(path.id === current ? { "aria-current": "page" } : {}) },
      h("strong", {}, path.name), h("small", {}, `${path.questCount} quests · ${path.totalExperiencePoints} XP`)));
  show(place, paths.length > 0 ? h("ul", {}, ...paths.map(link)) : h("p", {}, "There is no published learning path yet."));
}

/** One call answers all of it: chapters, quests, where the learner stands, what is missing, what comes next. */
export async function showPath(place: HTMLElement, id: string, act: (work: () => Promise<unknown>) => Promise<void>): Promise<void> {
  const params = { path: { id } };
  const path = await answer(client.GET("/v1/me/learning-paths/{id}", { params }));
  const isEnrolled = path.enrollment != null;
  const enrol = button("enrol", "Enrol", "primary", () =>
    act(() => answer(client.POST("/v1/learning-paths/{id}/enrollment", { params }))));
  show(place,
    h("h2", {}, path.name),
    h("p", { class: "lead" }, path.description),
    h("div", { class: "bar" },
      progress(`${path.name}: progress`, path.completionPercentage),
      h("span", {}, `${path.completedQuestsCount} of ${path.totalQuestsCount} quests · ${path.experienceEarned} of ${path.totalExperiencePoints} XP`)),
    h("div", { class: "actions" },
      isEnrolled ? badge(`Enrolled: ${words(path.enrollment?.status ?? "")}`, "good") : enrol,
      nextAction(id, path.nextAction)),
    ...path.chapters.map((chapter) => chapterCard(id, chapter)));
}

function nextAction(path: string, next: Schemas["NextAction"]): HTMLElement | null {
  const verbs = { startQuest: "Start", continueQuest: "Go on with", resumeQuest: "Take up again" };
  switch (next.kind) {
    case "startQuest":
    case "continueQuest":
    case "resumeQuest":
      return h("a", { class: "button primary", href: `#/paths/${path}/quests/${next.questId}` }, `${verbs[next.kind]}: ${next.title}`);
    case "wait":
      return badge(`Something opens at ${new Date(next.until).toLocaleString()}`, "muted");
    case "locked":
      return badge("Nothing can be started yet", "muted");
    case "completed":
      return badge("Completed", "good");
  }
}

function chapterCard(path: string, chapter: Schemas["ChapterPicture"]): HTMLElement {
  return h("section", { class: "card" },
    h("header", {},
      h("h3", {}, chapter.title ?? "Other quests"),
      badge(words(chapter.status), chapter.status === "Completed" ? "good" : "muted")),
    h("ol", { class: "quests" }, ...chapter.quests.map((quest) => questLine(path, quest))));
}

function questLine(path: string, quest: Schemas["QuestPicture"]): HTMLElement {
  learn(quest.questId, quest.title);
  const status = quest.my.status ?? quest.my.availability;
  const look = status === "Completed" ? "good" : status === "locked" ? "muted" : "open";
  return h("li", { "data-availability": quest.my.availability },
    h("a", { id: `quest-${quest.questId}`, href: `#/paths/${path}/quests/${quest.questId}` }, quest.title),
    h("span", { class: "facts" },
      [quest.difficultyLevel, ...(quest.isMandatory ? [] : ["optional"]), `${quest.experienceEarned} of ${quest.experiencePoints} XP`].join(" · ")),
    badge(words(status), look),
    quest.locked ? h("p", { class: "missing" }, missing(quest.locked)) : null);
}

/** What stands between the learner and a locked quest. */
export function missing(locked: Schemas["Eligibility"]): string {
  const open = locked.conditions.filter((one) => one.state !== "met").map((one) => `complete “${one.title}”`);
  const gates = locked.learningPaths.flatMap((gate) => (gate.criteria && gate.criteria.state !== "met" ? conditions(gate.criteria) : []));
  const all = [...new Set([...open, ...gates])];
  return all.length > 0 ? `First: ${all.join("; ")}` : "Not open yet";
}

function conditions(node: Schemas["Judged"]): string[] {
  const parts = node.of?.filter((part) => part.state !== "met") ?? [];
  if (parts.length > 0) return parts.flatMap(conditions);
  const title = node.title ?? node.skillTag;
  if (node.op === "questCompleted" && title) return [`complete “${title}”`];
  const target = node.target == null ? "" : ` (${node.current ?? 0} of ${node.target})`;
  return [`${words(node.op).toLowerCase()}${title ? ` “${title}”` : ""}${target}`];
}

export function progress(label: string, percent: number): HTMLElement {
  return h("progress", { max: 100, value: percent, "aria-label": label }, `${percent} %`);
}

export function badge(text: string, look: "good" | "open" | "muted"): HTMLElement {
  return h("span", { class: `badge ${look}` }, text);
}

/** `InProgress` → `In progress` */
export function words(name: string): string {
  const spaced = name.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}
