// What the stream brings, as lines that people read. Nothing here looks at the answers of calls.

import { h, part } from "./dom.js";
import type { LearnerEvent } from "./stream.js";

/** Titles of steps and quests that have been on the page: events carry ids. */
const titles = new Map<string, string>();
let total = 0;

export function learn(id: string, title: string): void {
  titles.set(id, title);
}

export function announce(event: LearnerEvent): void {
  const line = sentence(event);
  if (!line) return;
  if (event.type === "XPGranted") {
    total += Number(event.data["points"]);
    part("xp").textContent = `${total} XP`;
  }
  part("no-rewards").hidden = true;
  const time = new Date(event.time);
  part("rewards").prepend(
    h("li", { "data-type": event.type, "data-event-id": event.id },
      h("strong", {}, line.what), h("span", {}, line.why),
      h("time", { datetime: event.time }, time.toLocaleTimeString())),
  );
}

/** Another learner's rewards are not this one's. */
export function clear(): void {
  total = 0;
  part("xp").textContent = "0 XP";
  part("rewards").replaceChildren();
  part("no-rewards").hidden = false;
}

function sentence({ type, data }: LearnerEvent): { what: string; why: string } | null {
  const text = (key: string): string => String(data[key] ?? "");
  const of = titles.get(text("sourceId")) ?? titles.get(text("questId")) ?? "";
  switch (type) {
    case "XPGranted":
      return { what: `+${text("points")} XP`, why: `${data["objectiveType"] === "Quest" ? "Quest" : "Step"}: ${of}` };
    case "SkillPointsGranted":
      return { what: `+${text("points")} ${text("skillName")}`, why: `Skill points: ${of}` };
    case "QuestStarted":
      return { what: "Quest begun", why: text("title") };
    case "StepCompleted":
      return { what: "Step completed", why: titles.get(text("stepId")) ?? "" };
    case "QuestCompleted":
      return { what: "Quest completed", why: text("title") };
    case "ChallengeUnlocked":
      return { what: "Quest unlocked", why: text("title") };
    case "LearningPathStarted":
      return { what: "Learning path begun", why: text("name") };
    case "LearningPathCompleted":
      return { what: "Learning path completed", why: text("name") };
    default:
      return null;
  }
}
