// An author works in the Swagger UI.

import assert from "node:assert/strict";

export async function anAuthorWritesAQuestAndReadsAProblem({ browser, service }) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`${service.origin}/docs/`);
  await page.getByRole("button", { name: "Authorize" }).first().click();
  const dialog = page.locator(".modal-ux");
  await dialog.locator("input").fill(service.token("author"));
  await dialog.getByRole("button", { name: /Apply|Authorize/ }).click();
  await dialog.getByRole("button", { name: "Close" }).first().click();

  const quest = { title: "Written in the browser", description: "By an author", questType: "Practice", difficultyLevel: "Beginner" };
  const made = await run(page, "quests-create_quest", { body: quest });
  assert.equal(made.status, "201");
  assert.equal(made.answer.title, quest.title);

  const step = { title: "Read this", description: "A page", stepType: "Reading", experiencePoints: 10 };
  const added = await run(page, "steps-create_step", { parameters: { id: made.answer.id }, body: step });
  assert.equal(added.status, "201");
  assert.equal(added.answer.questId, made.answer.id);
  assert.equal(added.answer.stepNumber, 1);

  const refused = await run(page, "quests-create_quest", { body: { ...quest, title: "" } });
  assert.equal(refused.status, "422");
  assert.equal(refused.answer.code, "validation_failed");
  assert.equal(refused.answer.errors[0].pointer, "/title");

  // Who reloads the page is still authorized.
  await page.reload();
  const read = await run(page, "quests-get_quest", { parameters: { id: made.answer.id } });
  assert.equal(read.status, "200");
  assert.equal(read.answer.title, quest.title);
  assert.equal(read.answer.isActive, false, "only an author sees a draft");
  await context.close();
}

/** Fills an operation's form, executes it, and answers what the page shows. */

async function run(page, id, { parameters = {}, body }) {
  const operation = page.locator(`#operations-${id}`);
  await operation.waitFor();
  if (!(await operation.getAttribute("class")).includes("is-open")) await operation.locator(".opblock-summary-control").click();
  for (const [name, value] of Object.entries(parameters)) {
    await operation.locator(`tr[data-param-name="${name}"] input`).fill(value);
  }
  if (body) await operation.locator(".body-param textarea").fill(JSON.stringify(body));
  const clear = operation.getByRole("button", { name: "Clear" });
  if (await clear.isVisible()) await clear.click();
  await operation.getByRole("button", { name: "Execute" }).click();
  const live = operation.locator(".live-responses-table");
  await live.waitFor();
  const status = (await live.locator("tbody td.response-col_status").first().innerText()).trim().split(/\s/)[0];
  const shown = await live.locator(".response-col_description .highlight-code pre, .response-col_description pre.microlight").first().innerText();
  return { status, answer: JSON.parse(shown) };
}
