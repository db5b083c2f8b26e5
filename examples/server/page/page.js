// The sale page: draws the clock, the stock and the order, and carries the buyer's clicks to the shop.
import { applyWords, switchLanguage, word } from "/assets/words.js";
import { Clock, spanText, splitSpan, twoDigits } from "/assets/clock.js";
import { Memory, Shop, randomText } from "/assets/client.js";
import { Purchase, judge, pauseBefore } from "/assets/purchase.js";

const sale = new URLSearchParams(location.search).get("sale") || "spring";
const clock = new Clock();
const memory = new Memory(sale);
const shop = new Shop(sale, memory);
const purchase = new Purchase(memory, randomText);
const view = { state: null, item: null, reachable: true, busy: false, note: "", tone: "", spoken: "" };

const at = (id) => document.getElementById(id);
const sleep = (ms) => new Promise((wake) => setTimeout(wake, ms));

// ---- What the shop says of itself: once a second around the opening, slower otherwise, never in a hidden tab. --------

async function watch() {
  for (;;) {
    if (!document.hidden) await look();
    await sleep(lookPause());
  }
}

async function look() {
  const answer = await shop.show();
  view.reachable = answer.status !== 0 && answer.status < 500;
  clock.age();
  if (Number.isFinite(answer.serverMs)) clock.hear(answer.serverMs, answer.sentAt, answer.heardAt);
  if (answer.status !== 200) return;
  view.state = answer.body;
  view.item = answer.body.items[0];
  draw();
}

// Spread by a third, so that pages opened together do not ask together.
function lookPause() {
  const left = view.state ? view.state.opens_ms - clock.now() : 0;
  const base = phase() === "waiting" && left > 60000 ? 10000 : 2000;
  return base * (0.85 + Math.random() / 3);
}

function phase() {
  if (!view.state) return "loading";
  const now = clock.now();
  if (view.state.phase === "ended" || (view.state.closes_ms > 0 && now >= view.state.closes_ms)) return "over";
  if (view.state.phase === "paused" || view.state.phase === "draining") return "stopped";
  if (view.state.phase === "not_started") {
    return view.state.opens_ms > 0 && now >= view.state.opens_ms ? "open" : "waiting";
  }
  return "open";
}

// ---- Buying ----------------------------------------------------------------------------------------------------------

async function carry(verb, send) {
  view.busy = true;
  draw();
  for (let attempt = 0; ; ++attempt) {
    const answer = await send();
    if (answer.status === 401) {
      shop.forgetToken();
      if (attempt < 2 && await shop.introduce(clock.now())) continue;
      say(word("note_unauthorized"), "bad");
      break;
    }
    const verdict = judge(answer);
    purchase.heed(verdict, verb);
    if (!verdict.again) {
      explain(verdict, verb);
      break;
    }
    const pause = pauseBefore(attempt, answer.retryAfterMs);
    say(verdict.phase === "pending" ? "" : word("note_again", Math.ceil(pause / 1000)), "");
    draw();
    await sleep(pause);
    if (verdict.phase === "pending") send = () => shop.status(purchase.key);
  }
  view.busy = false;
  draw();
}

async function buy() {
  if (view.busy || !view.item) return;
  if (!await shop.introduce(clock.now())) return say(word("unreachable"), "bad");
  purchase.begin();
  say(word("note_asking"), "");
  await carry("reserve", () => shop.reserve(purchase.key, view.item.item));
  if (purchase.isOpen()) at("order-title").focus();
}

async function settle(verb) {
  if (view.busy || !purchase.key || !await shop.introduce(clock.now())) return;
  await carry(verb, () => (verb === "confirm" ? shop.confirm(purchase.key) : shop.release(purchase.key)));
  at("order-title").focus();
}

// After a reload: a purchase that was under way goes on, one that is held is looked up.
async function resume() {
  if (!purchase.isOpen() || view.busy || !await shop.introduce(clock.now())) return;
  if (purchase.phase === "asking") await buy();
  else await carry("status", () => shop.status(purchase.key));
}

function explain(verdict, verb) {
  if (verdict.phase !== "refused") return say("", "");
  const notes = { sold_out: "note_sold_out", limit_reached: "note_limit", ended: "note_ended", not_reserved: "note_open" };
  const note = notes[verdict.code];
  say(note ? word(note) : word("note_failed", verdict.detail || verdict.code || verb), note ? "" : "bad");
  if (verdict.code === "sold_out") view.item.stock = "none";
}

function say(text, tone) {
  view.note = text;
  view.tone = tone;
  drawNote();
}

// ---- Drawing ---------------------------------------------------------------------------------------------------------

function draw() {
  drawClock();
  drawStock();
  drawOrder();
  drawButton();
  drawNote();
}

function drawClock() {
  const now = phase();
  const isSoldOut = now === "open" && view.item.stock === "none";
  const label = { loading: "loading", waiting: "opens_in", over: "ended", stopped: "paused", open: isSoldOut ? "sold_out" : "open" }[now];
  at("clock").dataset.phase = isSoldOut ? "over" : now;
  set("clock-label", view.reachable ? word(label) : word("unreachable"));
  if (now === "waiting" && view.state.opens_ms > 0) {
    const left = splitSpan(view.state.opens_ms - clock.now());
    for (const unit of ["hours", "minutes", "seconds"]) set(unit, twoDigits(left[unit]));
  }
  if (clock.isKnown()) {
    set("server-time", new Date(clock.now()).toLocaleTimeString(document.documentElement.lang, { hour12: false }));
    const skew = clock.skew();
    set("skew", skew === 0 ? "" : word("skew", (Math.abs(skew) / 1000).toFixed(1)));
  }
  speak(now);
}

// A screen reader hears the minutes and the opening, not every second.
function speak(now) {
  let text = "";
  if (now === "waiting") {
    const seconds = (view.state.opens_ms - clock.now()) / 1000;
    if (seconds <= 10) text = word("spoken_soon");
    else if (seconds > 60) text = word("spoken_left", Math.ceil(seconds / 60));
    else return;
  } else if (now === "open" && view.spoken !== "") text = word("spoken_open");
  else return;
  if (text === view.spoken) return;
  view.spoken = text;
  set("spoken", view.busy || purchase.isOpen() || view.item.stock === "none" ? "" : text);
}

function drawStock() {
  const stock = view.item && phase() === "open" ? view.item.stock : "";
  at("stock").dataset.stock = stock === "few" ? "low" : stock;
  set("stock", stock === "" ? "" : word({ many: "stock_plenty", few: "stock_low", none: "stock_sold_out" }[stock]));
}

function drawOrder() {
  const shown = { pending: "pending", held: "won", paid: "paid", cancelled: "cancelled", expired: "expired", dead: "dead" }[purchase.phase];
  at("order").hidden = !shown;
  if (!shown) return;
  at("order").dataset.tone = ["cancelled", "expired", "dead"].includes(purchase.phase) ? "plain" : "good";
  set("order-title", word(shown));
  set("order-text", word(`${shown}_text`));
  set("order-number", purchase.order || "");
  const left = purchase.holdUntilMs - clock.now();
  at("order-hold-row").hidden = purchase.phase !== "held" || purchase.holdUntilMs === 0;
  set("order-hold", spanText(left));
  at("pay").hidden = at("cancel").hidden = purchase.phase !== "held";
  at("pay").disabled = at("cancel").disabled = view.busy;
}

function drawButton() {
  const now = phase();
  const isHeld = purchase.phase === "held" || purchase.phase === "pending";
  const canBuy = now === "open" && view.item.stock !== "none";
  const isAsking = view.busy && purchase.phase === "asking";
  at("buy").disabled = !canBuy || view.busy;
  at("buy").hidden = isHeld;
  at("action").classList.toggle("is-quiet", isHeld);
  at("buy").classList.toggle("is-busy", isAsking);
  const ended = { loading: "wait", waiting: "wait", over: "ended", stopped: "paused" }[now];
  const text = isAsking ? "asking" : ended || (canBuy ? (["paid", "cancelled", "expired"].includes(purchase.phase) ? "again" : "buy") : "sold_out");
  set("buy-text", word(text));
}

function drawNote() {
  at("note").dataset.tone = view.tone;
  const quiet = { waiting: "note_wait", stopped: "note_paused", over: "note_ended" }[phase()];
  set("note", view.note || (quiet && !purchase.isOpen() ? word(quiet) : ""));
}

function set(id, text) {
  const element = at(id);
  if (element.textContent !== text) element.textContent = text;
}

// ---- Start -----------------------------------------------------------------------------------------------------------

applyWords();
at("language").addEventListener("click", () => { switchLanguage(); view.note = ""; draw(); });
at("buy").addEventListener("click", buy);
at("pay").addEventListener("click", () => settle("confirm"));
at("cancel").addEventListener("click", () => settle("release"));
addEventListener("storage", () => { purchase.load(); draw(); resume(); });
document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
setInterval(() => {
  if (document.hidden) return;
  if (purchase.phase === "held" && purchase.holdUntilMs > 0 && clock.now() > purchase.holdUntilMs + 1000) resume();
  draw();
}, 250);
draw();
watch();
look().then(resume);
