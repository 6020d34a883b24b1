// A learner works on the demo page, which another origin serves.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

/** One learner from the token to the reward. */
export async function aStepIsCompletedAndItsRewardComesFromTheStream({ browser, page: demo, newLine, service }) {
  const line = await newLine();
  assert.notEqual(new URL(demo.origin).port, new URL(line.origin).port);
  const context = await browser.newContext();
  const page = await context.newPage();
  const errors = watch(page);
  await page.goto(`${demo.origin}/?api=${line.origin}`);
  const token = service.token("learner", randomUUID());
  await page.getByLabel("Token").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("Live", { exact: true }).waitFor();

  await page.getByRole("navigation").getByRole("link", { name: "Programming in C" }).click();
  await page.getByRole("button", { name: "Enrol" }).click();
  await page.getByText(/^Enrolled/).waitFor();
  assert.equal(await page.locator(".quests li[data-availability=locked]").count() > 0, true, "locked quests are shown");

  await page.locator(".quests li[data-availability=available] a").first().click();
  await page.getByRole("button", { name: "Start the quest" }).click();
  const reading = page.locator("li[data-type=Reading]").first();
  const rewards = page.locator("#rewards");
  // What the calls answer says nothing of rewards here: the stream alone can have brought them.
  let paid;
  page.on("response", async (response) => {
    if (response.url().endsWith("/complete")) paid = (await response.json()).earned[0].points;
  });
  await reading.getByRole("button", { name: "I have read it" }).click();
  await reading.and(page.locator("[data-status=Completed]")).waitFor();
  await rewards.locator("li[data-type=XPGranted]").waitFor();
  assert.equal(await page.locator("#xp").textContent(), `${paid} XP`);
  assert.deepEqual(await types(rewards), ["QuestStarted", "LearningPathStarted", "StepCompleted", "XPGranted"]);

  // The line breaks; meanwhile another step is completed elsewhere. Resuming brings what was missed, once.
  const [, questId] = /quests\/(.+)$/.exec(page.url());
  const next = page.locator("li[data-type=Interactive]").first();
  const stepId = (name) => page.locator(`li[data-type=${name}]`).first().getAttribute("data-step");
  line.cut();
  await page.getByText("Connecting…").waitFor();
  // The video takes minutes, by the service's clock.
  await call(service, "author", "PATCH", `/v1/quests/${questId}/steps/${await stepId("Video")}`, { isOptional: true });
  const attempt = await call(service, token, "POST", `/v1/quests/${questId}/attempt`, {});
  await call(service, token, "POST", `/v1/attempts/${attempt.id}/steps/${await stepId("Interactive")}/complete`,
    { submissionData: { completed: true, passed: true, score: 1 } });
  assert.equal(await rewards.locator("li[data-type=XPGranted]").count(), 1, "nothing comes through a broken line");
  errors.expectBroken();
  line.mend();
  await rewards.locator("li[data-type=QuestCompleted]").waitFor();
  await rewards.locator("li[data-type=SkillPointsGranted]").first().waitFor();
  await next.and(page.locator("[data-status=Completed]")).waitFor();
  // It was the quest's last step: the whole cascade, in its order.
  assert.deepEqual((await types(rewards)).slice(4, 9), ["StepCompleted", "XPGranted", "QuestCompleted", "XPGranted", "SkillPointsGranted"]);
  const ids = await rewards.locator("li").evaluateAll((lines) => lines.map((one) => one.dataset.eventId));
  assert.equal(new Set(ids).size, ids.length, "nothing comes twice");

  errors.none();
  await context.close();
}

/** EventSource hides the first frame, which has only an id, from the page: the ticket says where to begin. */
export async function aLineThatBreaksBeforeTheFirstEventLosesNothing({ browser, page: demo, newLine, service }) {
  const line = await newLine();
  const context = await browser.newContext();
  const page = await context.newPage();
  const token = service.token("learner", randomUUID());
  await page.goto(`${demo.origin}/?api=${line.origin}#token=${token}`);
  await page.getByText("Live", { exact: true }).waitFor();
  line.cut();
  await page.getByText("Connecting…").waitFor();
  const quests = await call(service, token, "GET", "/v1/quests?limit=100");
  const open = quests.items.find((quest) => quest.my.availability === "available");
  const steps = await call(service, token, "GET", `/v1/quests/${open.id}/steps`);
  const attempt = await call(service, token, "POST", `/v1/quests/${open.id}/attempt`, {});
  await call(service, token, "POST", `/v1/attempts/${attempt.id}/steps/${steps.items[0].id}/complete`,
    { submissionData: { acknowledged: true } });
  line.mend();
  await page.locator("#rewards li[data-type=XPGranted]").waitFor();
  assert.deepEqual(await types(page.locator("#rewards")), ["QuestStarted", "StepCompleted", "XPGranted"]);
  await context.close();
}

/** What the service itself serves at /demo, with the token in the address as `make run` prints it. */
export async function theServiceServesThePageAndARefusalIsShown({ browser, service }) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const errors = watch(page);
  await page.goto(`${service.origin}/demo#token=${service.token("learner", randomUUID())}`);
  await page.getByText("Live", { exact: true }).waitFor();
  assert.equal(new URL(page.url()).hash, "", "the token does not stay in the address");
  await page.getByRole("navigation").getByRole("link", { name: "Programming in C" }).click();
  await page.locator(".quests li[data-availability=available] a").first().click();
  await page.getByRole("button", { name: "Start the quest" }).click();
  // An earlier mandatory step is not done.
  const later = page.locator("li[data-type=Interactive]").first();
  await later.locator("summary").first().click();
  await later.getByRole("button", { name: "I have worked through it" }).click();
  await page.getByRole("alert").getByText("step_locked").waitFor();
  errors.none((text) => text.includes("409"));

  await page.evaluate(() => localStorage.setItem("quests-demo-token", "no.such.token"));
  await page.reload();
  await page.getByRole("alert").getByText("unauthorized").waitFor();
  await page.getByText(/^Not live/).waitFor();
  await context.close();
}

/** A call past the page; `as` is a role or a token. */
async function call(service, as, method, path, body) {
  const token = as.includes(".") ? as : service.token(as);
  const kind = method === "PATCH" ? "application/merge-patch+json" : "application/json";
  const headers = { authorization: `Bearer ${token}`, "content-type": kind };
  const answer = await fetch(service.origin + path, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  assert.ok(answer.ok, text);
  return JSON.parse(text);
}

/** What the console complains about is a defect, unless the test has caused it. */
function watch(page) {
  const all = [];
  let isBroken = false;
  page.on("console", (message) => {
    const isOfLine = message.text().includes("net::ERR_");
    if (message.type() === "error" && !isOfLine) all.push(message.text());
    else if (message.type() === "error" && !isBroken) all.push(message.text());
  });
  page.on("pageerror", (error) => all.push(String(error)));
  return {
    expectBroken: () => {
      isBroken = true;
      for (let i = all.length - 1; i >= 0; i -= 1) if (all[i].includes("net::ERR_")) all.splice(i, 1);
    },
    none: (caused = () => false) => assert.deepEqual(all.filter((text) => !caused(text)), []),
  };
}

/** Types of the events, in the order in which they came: the newest stands first. */
async function types(rewards) {
  const lines = await rewards.locator("li").evaluateAll((all) => all.map((one) => one.dataset.type));
  return lines.reverse();
}
