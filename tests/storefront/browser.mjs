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

const kTokens = "**/sales/*/tokens";
const kStored = "flashsale:spring:token";
const isCancelled = (page) => page.waitForFunction(
  () => document.getElementById("order-title").textContent === "Cancelled", null, kPatience);
const isHeld = (page) => page.waitForSelector("#pay:not([hidden])", kPatience);
const canBuy = (page) => page.waitForSelector("#buy:not([disabled])", kPatience);

// Buys with `act`, again if the stock that the page showed was a second old and the unit not back yet.
async function take(page, act = () => page.click("#buy")) {
  for (let taken = false; !taken;) {
    await canBuy(page);
    await act();
    taken = await (await page.waitForFunction(() => {
      const isTaken = document.getElementById("buy").hidden;
      return isTaken || !document.getElementById("buy").classList.contains("is-busy") ? { isTaken } : null;
    }, null, kPatience)).evaluate((seen) => seen.isTaken);
  }
}

// A token that this shop never signed, good for long by its own words.
function forge(page) {
  return page.evaluate(([name, token]) => localStorage.setItem(name, JSON.stringify(token)),
    [kStored, { token: "1.k1.1.9999999999.eA.eA", buyer: "x", not_before_ms: 0, expires_ms: 9_999_999_999_000 }]);
}

await claim("before the opening the countdown runs and the button sleeps", async () => {
  await tab.goto(pageUrl);
  await tab.waitForSelector("#clock[data-phase=waiting]", kPatience);
  assert.equal(await tab.isDisabled("#buy"), true);
  const before = Number(await tab.textContent("#seconds"));
  await tab.waitForFunction((was) => Number(document.getElementById("seconds").textContent) !== was, before, kPatience);
  await accessible(tab);
  await tab.screenshot({ path: `${folder}/page-waiting.png` });
});

const cid = await browser.newContext(phone);
let tokensAsked = 0;
await cid.route(kTokens, async (route) => {
  if (++tokensAsked > 2) return route.continue();
  return route.fulfill({ status: 503, contentType: "application/problem+json", body: '{"code":"busy","retry_after_ms":100}' });
});
const cidsTabs = [watch(await cid.newPage(), complaints), watch(await cid.newPage(), complaints)];
await claim("the purchase token is there before the opening, refused at first or not, and one for two tabs", async () => {
  for (const page of cidsTabs) await page.goto(pageUrl);
  await cidsTabs[0].waitForFunction((name) => localStorage.getItem(name) !== null, kStored, kPatience);
  assert.equal(await cidsTabs[0].isDisabled("#buy"), true);
});

await claim("name, price, units and limit are what the sale says, in both languages", async () => {
  const facts = async (page) => Promise.all(["#name", "#price", "#stamp", "#limit"].map((id) => page.textContent(id)));
  assert.deepEqual(await facts(tab), ["Meridian 42", "$129", "1 pair. Once.", "At most 2 a person"]);
  assert.match(await tab.title(), /^Meridian 42 - /);
  await other.goto(pageUrl);
  await other.waitForSelector("#price:not(:empty)", kPatience);
  assert.deepEqual(await facts(other), ["子午线 42", "$129", "1 双，仅此一次", "每人限购 2 双"]);
  assert.match(await other.title(), /^子午线 42 - /);
});

await claim("a sale that is not there is said not to be there", async () => {
  const lost = watch(await (await browser.newContext(phone)).newPage(), complaints);
  await lost.goto(pageUrl.replace("spring", "unknown"));
  await lost.waitForFunction(
    () => document.getElementById("clock-label").textContent === "There is no such sale", null, kPatience);
  await accessible(lost);
  await lost.context().close();
});

await claim("at zero the button wakes by itself, for both buyers, in both languages", async () => {
  for (const page of [tab, other]) await canBuy(page);
  assert.equal(await tab.textContent("#buy-text"), "Buy now");
  assert.equal(await other.textContent("#buy-text"), "立即抢购");
  assert.equal(await tab.textContent("#spoken"), "Open. You can buy now.");
});

await claim("two taps before the token is there are one token and one order; cancelled, it goes back", async () => {
  const dan = await browser.newContext(phone);
  let tokens = 0;
  const buyers = new Set();
  await dan.route(kTokens, (route) => { ++tokens; return setTimeout(() => route.continue(), 500); });
  dan.on("request", (request) => {
    if (request.url().endsWith("/orders")) buyers.add(request.headers().authorization);
  });
  const page = watch(await dan.newPage(), complaints);
  await page.goto(pageUrl);
  await canBuy(page);
  await page.evaluate(() => { for (let i = 0; i < 2; ++i) document.getElementById("buy").click(); });
  assert.equal(await page.isDisabled("#buy"), true);
  await isHeld(page);
  await page.click("#cancel");
  await isCancelled(page);
  assert.deepEqual([tokens, buyers.size], [1, 1]);
  await accessible(page);
  await forge(page);
  await page.reload();
  await canBuy(page);
  await take(page); // yesterday's token: nothing was bought with it, so another is taken
  await isHeld(page);
  await page.click("#cancel");
  await isCancelled(page);
  assert.equal(tokens, 2);
  await dan.close();
});

await claim("a browser that stores nothing sells as well", async () => {
  const eve = await browser.newContext(phone);
  await eve.addInitScript(() => {
    Object.defineProperty(window, "localStorage", { get() { throw new DOMException("blocked", "SecurityError"); } });
  });
  const page = watch(await eve.newPage(), complaints);
  await page.goto(pageUrl);
  await canBuy(page);
  await page.click("#language");
  assert.equal(await page.textContent("#buy-text"), "立即抢购");
  await page.click("#language");
  await take(page);
  await isHeld(page);
  await page.click("#cancel");
  await isCancelled(page);
  await eve.close();
});

await claim("what is won and not yet written down is shown as pending", async () => {
  let isWritten = false;
  await cid.route("**/orders**", async (route) => {
    if (isWritten) return route.continue();
    const response = await route.fetch();
    if (!response.ok()) return route.fulfill({ response });
    const order = { ...await response.json(), outcome: "pending", retry_after_ms: 200 };
    return route.fulfill({ status: 202, contentType: "application/json", body: JSON.stringify(order) });
  });
  await cidsTabs[0].bringToFront();
  await take(cidsTabs[0]);
  await cidsTabs[0].waitForFunction(
    () => document.getElementById("order-title").textContent === "Almost there", null, kPatience);
  await accessible(cidsTabs[0]);
  isWritten = true;
  await isHeld(cidsTabs[0]);
});

await claim("two tabs opened before there was a token are one buyer with one order", async () => {
  const [first, second] = cidsTabs;
  await second.bringToFront();
  await isHeld(second);
  const number = await first.textContent("#order-number");
  assert.equal(await second.textContent("#order-number"), number);
  await first.bringToFront();
  await first.reload();
  await isHeld(first);
  assert.equal(await first.textContent("#order-number"), number);
  assert.equal(tokensAsked, 3);
  await second.close();
});

await claim("a token that is refused while an order is open makes nobody a new buyer: the page says so", async () => {
  const [page] = cidsTabs;
  const number = await page.textContent("#order-number");
  const kept = await page.evaluate(() => ({ ...localStorage }));
  await forge(page);
  await page.reload();
  await page.waitForFunction(
    () => document.getElementById("order-title").textContent === "This page may no longer ask", null, kPatience);
  assert.equal(await page.textContent("#order-number"), number);
  assert.equal(tokensAsked, 3);
  await page.evaluate((items) => { for (const name in items) localStorage.setItem(name, items[name]); }, kept);
  await page.reload();
  await isHeld(page);
  await page.click("#cancel");
  await isCancelled(page);
  await cid.close();
  await tab.bringToFront();
  await canBuy(tab);
});

let order = "";
await claim("one buyer buys, by keyboard alone, and has an order with a hold", async () => {
  await take(tab, async () => {
    await tab.focus("#buy");
    await tab.keyboard.press("Enter");
  });
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

await claim("on the dashboard what lasts is left alone, so that a screen reader hears an alarm once", async () => {
  const context = await browser.newContext();
  const page = watch(await context.newPage(), complaints);
  const layer = { arrived: 1, answered: 0 };
  const frame = (second) => `retry: 50\ndata: ${JSON.stringify({
    sale: "spring", phase: "open", fenced: false, server_time_ms: 1000 * second, opens_ms: 0, closes_ms: 0,
    funnel: { edge: layer, admission: layer, view: layer, redis: layer, journal: layer, database: layer },
    items: [{ item: "sneaker", total: 999, available: 999 - second, held: second, confirmed: 0 }],
    accepted_per_s: 0, p50_ms: 0, p99_ms: 0, entries: 0, lag: 0, batches: 0, alarms: ["the worker is away"] })}\n\n`;
  let second = 0;
  await context.route("**/feed", (route) => route.fulfill({ contentType: "text/event-stream", body: frame(++second) }));
  await page.goto(dashboardUrl);
  await page.waitForSelector("#alarms li", kPatience);
  await page.evaluate(() => { for (const row of document.querySelectorAll("#alarms li, #stock li")) row.mark = "first"; });
  const until = second + 3;
  await page.waitForFunction((held) => Number(/(\d+) held/.exec(document.getElementById("stock").textContent)?.[1]) >= held,
    until, kPatience);
  assert.deepEqual(await page.evaluate(
    () => [...document.querySelectorAll("#alarms li, #stock li")].map((row) => row.mark)), ["first", "first"]);
  await accessible(page);
  await context.close();
});

await claim("a cancel returns the unit: the other buyer's button wakes, and the unit is bought and paid for", async () => {
  await tab.click("#cancel");
  await tab.waitForFunction(() => document.getElementById("order-title").textContent === "Cancelled", null, kPatience);
  await other.waitForSelector("#buy:not([disabled])", kPatience);
  await take(other);
  await other.waitForSelector("#pay:not([hidden])", kPatience);
  await other.click("#pay");
  await other.waitForFunction(() => document.getElementById("order-title").textContent === "支付成功，谢谢", null, kPatience);
  await accessible(other);
});

await claim("the dashboard follows to the end: one unit, confirmed", async () => {
  await board.waitForFunction(() => document.getElementById("stock").textContent.includes("1 confirmed"), null, kPatience);
  assert.equal(await board.textContent("#sold"), "1");
  await board.screenshot({ path: `${folder}/dashboard.png` });
});

await claim("no page broke its own rules", async () => assert.deepEqual(complaints, []));

await browser.close();
console.log(`${passed} passed, 0 failed`);
