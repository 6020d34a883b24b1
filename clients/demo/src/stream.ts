// The live stream: the learner's own events, in order, nothing missed and nothing twice.

import { answer, client, origin, Refused } from "./api.js";

/** The CloudEvents envelope; docs/events.md lists the types and their data. */
export interface LearnerEvent {
  id: string;
  type: string;
  time: string;
  data: Readonly<Record<string, unknown>>;
}

export interface Listener {
  /** One event, in order. */
  event(event: LearnerEvent): void;
  /** Events may have been missed: read again what is shown. */
  gap(): void;
  state(state: "connecting" | "live" | "refused", detail?: string): void;
}

/** The types that the page shows; EventSource has to be told each. */
const TYPES = [
  "QuestStarted", "StepCompleted", "XPGranted", "SkillPointsGranted", "QuestCompleted",
  "ChallengeUnlocked", "LearningPathStarted", "LearningPathCompleted",
] as const;

/** Follows the stream until the answer is called. */
export function follow(listener: Listener): () => void {
  let source: EventSource | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isOver = false;
  let failures = 0;
  /** Where to go on from. */
  let lastId = "";

  async function connect(): Promise<void> {
    listener.state("connecting");
    // EventSource cannot send a header: a ticket stands for the token, for one connection.
    const ticket = await answer(client.POST("/v1/me/events/ticket"));
    if (isOver) return;
    // Until an event has come: from where the log stood when the first ticket was made.
    lastId ||= String(ticket.lastEventId);
    source = new EventSource(`${origin}${ticket.url}&lastEventId=${encodeURIComponent(lastId)}`);
    source.onopen = () => {
      failures = 0;
      listener.state("live");
    };
    // The ticket is used up: EventSource's own reconnecting would be refused.
    source.onerror = () => {
      source?.close();
      again();
    };
    for (const type of TYPES) {
      source.addEventListener(type, (message: MessageEvent<string>) => {
        lastId = message.lastEventId;
        listener.event(JSON.parse(message.data) as LearnerEvent);
      });
    }
    // Events after the last id are not kept any more.
    source.addEventListener("reset", (message: MessageEvent<string>) => {
      lastId = message.lastEventId;
      listener.gap();
    });
  }

  function again(failure?: unknown): void {
    if (isOver) return;
    if (failure instanceof Refused && failure.problem.status === 401) {
      listener.state("refused", failure.problem.detail);
      return;
    }
    listener.state("connecting");
    // Not all browsers at the same moment, when a server comes back.
    const pause = Math.min(30_000, 500 * 2 ** failures) * (0.5 + Math.random() / 2);
    failures += 1;
    timer = setTimeout(() => connect().catch(again), pause);
  }

  connect().catch(again);
  return () => {
    isOver = true;
    clearTimeout(timer);
    source?.close();
  };
}
