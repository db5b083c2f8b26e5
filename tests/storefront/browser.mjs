// Two buyers and an operator before a sale of one unit. Each claim is checked where a person would see it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const [pageUrl, dashboardUrl, folder] = process.argv.slice(2);
const kPatience = { timeout: 60_000 };
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
let passed = 0;

async function claim(name, check) {
  try {
    await check();
  } catch (error) {
    console.error(`FAILED: ${name}\n${error.stack}`);
    process.exit(1);
  }
  ++passed;
  console.log(`ok: ${name}`);
}

async function accessible(page) {
  const { violations } = await page.evaluate(`(() => { ${axe}; return axe.run(); })()`);
  assert.deepEqual(violations.map((each) => `${each.id}: ${each.nodes.map((node) => node.html).join(" ")}`), []);
}

// A page obeys its own content security policy: the browser would say so on the console.
function watch(page, complaints) {
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (line) => { if (/Content Security Policy|Uncaught/.test(line.text())) complaints.push(line.text()); });
  return page;
}

const root = process.getuid() === 0 ? ["--no-sandbox"] : [];
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: [...root, "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});
const complaints = [];
const phone = { viewport: { width: 390, height: 844 }, locale: "en-US" };
const ann = await browser.newContext(phone);
const bob = await browser.newContext({ viewport: { width: 1280, height: 860 }, locale: "zh-CN", colorScheme: "dark" });
const tab = watch(await ann.newPage(), complaints);
const other = watch(await bob.newPage(), complaints);
const board = watch(await (await browser.newContext({ viewport: { width: 1280, height: 900 } })).newPage(), complaints);
await board.goto(dashboardUrl);

await claim("before the opening the countdown runs and the button sleeps", async () => {
  await tab.goto(pageUrl);
  await tab.waitForSelector("#clock[data-phase=waiting]", kPatience);
  assert.equal(await tab.isDisabled("#buy"), true);
  const before = Number(await tab.textContent("#seconds"));
  await tab.waitForFunction((was) => Number(document.getElementById("seconds").textContent) !== was, before, kPatience);
  await accessible(tab);
  await tab.screenshot({ path: `${folder}/page-waiting.png` });
});

await claim("at zero the button wakes by itself, for both buyers, in both languages", async () => {
  await other.goto(pageUrl);
  for (const page of [tab, other]) await page.waitForSelector("#buy:not([disabled])", kPatience);
  assert.equal(await tab.textContent("#buy-text"), "Buy now");
  assert.equal(await other.textContent("#buy-text"), "立即抢购");
  assert.equal(await tab.textContent("#spoken"), "Open. You can buy now.");
});

let order = "";
await claim("one buyer buys, by keyboard alone, and has an order with a hold", async () => {
  await tab.focus("#buy");
  await tab.keyboard.press("Enter");
  await tab.waitForSelector("#pay:not([hidden])", kPatience);
  order = await tab.textContent("#order-number");
  assert.match(order, /^\d+-\d+\.\d+$/);
  assert.match(await tab.textContent("#order-hold"), /^\d+:\d\d$/);
  await accessible(tab);
  await tab.screenshot({ path: `${folder}/page.png` });
});

await claim("a reload and a second tab meet the same order", async () => {
  await tab.reload();
  await tab.waitForSelector("#pay:not([hidden])", kPatience);
  assert.equal(await tab.textContent("#order-number"), order);
  const second = watch(await ann.newPage(), complaints);
  await second.goto(pageUrl);
  await second.waitForSelector("#pay:not([hidden])", kPatience);
  assert.equal(await second.textContent("#order-number"), order);
  await second.close();
});

await claim("another buyer finds it sold out", async () => {
  await other.waitForFunction(() => document.getElementById("buy-text").textContent === "已售罄", null, kPatience);
  assert.equal(await other.isDisabled("#buy"), true);
  assert.equal(await other.textContent("#note"), "");
  await accessible(other);
  await other.screenshot({ path: `${folder}/page-sold-out.png` });
});

// The shop runs on this machine, so a difference between the clocks would be the page's own mistake.
await claim("after a reload and a sell-out no page believes that its device's clock is wrong", async () => {
  for (const page of [tab, other]) assert.equal(await page.textContent("#skew"), "");
});

await claim("the dashboard shows the unit held", async () => {
  await board.waitForFunction(() => document.getElementById("stock").textContent.includes("1 held"), null, kPatience);
  await accessible(board);
});

await claim("a cancel returns the unit: the other buyer's button wakes, and the unit is bought and paid for", async () => {
  await tab.click("#cancel");
  await tab.waitForFunction(() => document.getElementById("order-title").textContent === "Cancelled", null, kPatience);
  await other.waitForSelector("#buy:not([disabled])", kPatience);
  await other.click("#buy");
  await other.waitForSelector("#pay:not([hidden])", kPatience);
  await other.click("#pay");
  await other.waitForFunction(() => document.getElementById("order-title").textContent === "支付成功，谢谢", null, kPatience);
});

await claim("the dashboard follows to the end: one unit, confirmed", async () => {
  await board.waitForFunction(() => document.getElementById("stock").textContent.includes("1 confirmed"), null, kPatience);
  assert.equal(await board.textContent("#sold"), "1");
  await board.screenshot({ path: `${folder}/dashboard.png` });
});

await claim("no page broke its own rules", async () => assert.deepEqual(complaints, []));

await browser.close();
console.log(`${passed} passed, 0 failed`);
