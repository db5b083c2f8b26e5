// The sale page: draws the clock, the stock and the order, and carries the buyer's clicks to the shop.
import { applyWords, inLanguage, switchLanguage, word } from "/assets/words.js";
import { Clock, spanText, splitSpan, twoDigits } from "/assets/clock.js";
import { Shop, randomText } from "/assets/client.js";
import { Memory } from "/assets/memory.js";
import { Purchase, isPassing, judge, pauseBefore } from "/assets/purchase.js";

const sale = new URLSearchParams(location.search).get("sale") || "spring";
const clock = new Clock();
const memory = new Memory(`flashsale:${sale}:`);
const shop = new Shop(sale, memory);
const purchase = new Purchase(memory, randomText);
// `act`: the verb that is under way, one at a time; "" if none.
const view = { state: null, item: null, missing: false, reachable: true, act: "", note: "", tone: "", spoken: "" };

const at = (id) => document.getElementById(id);
const sleep = (ms) => new Promise((wake) => setTimeout(wake, ms));

// ---- What the shop says of itself -------------------------------------------------------------------------------------

// Every 2 s from a minute before the opening on, every 10 s otherwise, never in a hidden tab, and no sooner than the shop
// says.
async function watch() {
  for (;;) {
    const retryAfterMs = document.hidden ? 0 : await look();
    await sleep(Math.max(lookPause(), retryAfterMs));
  }
}

async function look() {
  const answer = await shop.show();
  view.reachable = !isPassing(answer);
  clock.age();
  if (Number.isFinite(answer.serverMs)) clock.hear(answer.serverMs, answer.sentAt, answer.heardAt);
  if (view.reachable) view.missing = answer.status !== 200;
  if (answer.status === 200) {
    const isFirst = view.state === null;
    view.state = answer.body;
    view.item = answer.body.items[0];
    if (isFirst) resume();
  }
  draw();
  return answer.retryAfterMs;
}

// Spread by a third, so that pages opened together do not ask together.
function lookPause() {
  const now = phase();
  const isFar = now === "waiting" && view.state.opens_ms - clock.now() > 60_000;
  return (isFar || now === "over" || now === "missing" ? 10_000 : 2000) * (0.85 + Math.random() / 3);
}

function phase() {
  if (view.missing) return "missing";
  if (!view.state) return "loading";
  const now = clock.now();
  if (view.state.phase === "ended" || (view.state.closes_ms > 0 && now >= view.state.closes_ms)) return "over";
  if (view.state.phase === "paused" || view.state.phase === "draining") return "stopped";
  if (view.state.phase === "not_started") {
    return view.state.opens_ms > 0 && now >= view.state.opens_ms ? "open" : "waiting";
  }
  return "open";
}

// ---- Who buys: known before the opening, so that the first click is a purchase and nothing else ------------------------

const kLeadMs = 15_000 + 45_000 * Math.random(); // pages that have long been open do not ask together
const kHoldMsMax = 3_600_000; // no token is asked to outlive a longer hold
let introducing = null;
let isPrepared = false;

function introduce() {
  introducing ??= insist().finally(() => { introducing = null; });
  return introducing;
}

// False: the shop gives no token to this page, and the note says why.
async function insist() {
  for (let attempt = 0; ; ++attempt) {
    const answer = await shop.introduce(clock.now() + Math.min(view.state.hold_ms, kHoldMsMax));
    if (answer === null) return true;
    if (!isPassing(answer)) {
      say(word("note_failed", answer.body.detail || answer.body.title || answer.status), "bad");
      return false;
    }
    const pause = pauseBefore(attempt, answer.retryAfterMs);
    if (view.act) say(word("note_again", Math.ceil(pause / 1000)), "");
    await sleep(pause);
  }
}

function prepare() {
  if (isPrepared || phase() !== "waiting" || view.state.opens_ms === 0 || purchase.isOpen()) return;
  if (view.state.opens_ms - clock.now() > kLeadMs) return;
  isPrepared = true;
  introduce();
}

// ---- Buying ----------------------------------------------------------------------------------------------------------

const kRefusalsMax = 3; // of a token, until it is believed: while keys change, one server may know what another does not

// One act at a time, from the tap itself on: a second tap meanwhile does nothing.
async function alone(verb, act) {
  if (view.act || !view.item) return;
  view.act = verb;
  draw();
  try {
    await act();
  } finally {
    view.act = "";
    draw();
  }
}

// Asks until it is decided. False: a new purchase's token was refused and nothing else was ever heard, so that nothing
// was bought.
async function carry(verb, send, isNew = false) {
  const key = purchase.key;
  let refusals = 0;
  for (let attempt = 0; ; ++attempt) {
    const answer = await send();
    purchase.load();
    if (purchase.key !== key) { // another tab brought it to its end
      say("", "");
      setTimeout(resume);
      return true;
    }
    const isRefused = answer.status === 401;
    isNew &&= isRefused;
    refusals = isRefused ? refusals + 1 : 0;
    if (refusals === kRefusalsMax) {
      say("", "");
      if (!isNew) purchase.strand();
      return !isNew;
    }
    const verdict = judge(answer);
    purchase.heed(verdict, verb);
    if (!verdict.again) {
      explain(verdict, verb);
      return true;
    }
    const pause = pauseBefore(attempt, answer.retryAfterMs);
    say(verdict.phase === "pending" ? "" : word("note_again", Math.ceil(pause / 1000)), "");
    draw();
    await sleep(pause);
    if (verdict.phase === "pending") send = () => shop.status(purchase.key);
  }
}

function buy() { return alone("reserve", reserve); }

async function reserve() {
  for (let round = 0; round < 2; ++round) {
    purchase.load();
    if (!purchase.isOpen() && !await introduce()) return;
    const isNew = purchase.begin();
    say(word("note_asking"), "");
    if (await carry("reserve", () => shop.reserve(purchase.key, view.item.item), isNew)) {
      draw();
      if (purchase.isOpen()) at("order-title").focus();
      return;
    }
    // Yesterday's token, say. Nothing was asked for under its name, so another may be taken.
    purchase.drop();
    shop.forget();
  }
  say(word("note_unauthorized"), "bad");
}

function settle(verb) {
  return alone(verb, async () => {
    if (purchase.phase !== "held") return;
    await carry(verb, () => (verb === "confirm" ? shop.confirm(purchase.key) : shop.release(purchase.key)));
    draw();
    at("order-title").focus();
  });
}

// After a reload, and when another tab began: a purchase that is under way goes on, one that is held is looked up.
function resume() {
  if (purchase.phase === "asking") return buy();
  if (purchase.isOpen()) return alone("status", () => carry("status", () => shop.status(purchase.key)));
}

// Once its hold has run out an order is looked up until the shop has taken it back, every other second.
let followedAt = 0;
function followHold() {
  if (purchase.phase !== "held" || purchase.holdUntilMs === 0 || clock.now() <= purchase.holdUntilMs + 1000) return;
  if (performance.now() - followedAt < 2000) return;
  followedAt = performance.now();
  resume();
}

function explain(verdict, verb) {
  if (verdict.phase !== "refused") return say("", "");
  const notes = { sold_out: "note_sold_out", limit_reached: "note_limit", ended: "note_ended", not_reserved: "note_gone" };
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
  drawFacts();
  drawClock();
  drawStock();
  drawOrder();
  drawButton();
  drawNote();
}

// Name, price, units and limit are the sale's own; what the operator has not preloaded, the page goes without.
function drawFacts() {
  const info = view.item?.info ?? {};
  const name = inLanguage(info.name) || view.item?.item;
  if (name) {
    set("name", name);
    document.title = word("title", name);
  }
  const units = Number(info.units) || 0;
  at("stamp").hidden = units <= 0;
  set("stamp", word("stamp", units.toLocaleString(document.documentElement.lang)));
  set("price", inLanguage(info.price));
  set("limit", view.item ? word("limit", view.item.limit) : "");
  set("pay", word("pay", inLanguage(info.price)));
}

function drawClock() {
  const now = phase();
  const isSoldOut = now === "open" && view.item.stock === "none";
  const label = { loading: "loading", missing: "missing", waiting: "opens_in", over: "ended", stopped: "paused", open: isSoldOut ? "sold_out" : "open" }[now];
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
  set("spoken", view.act || purchase.isOpen() || view.item.stock === "none" ? "" : text);
}

function drawStock() {
  const stock = view.item && phase() === "open" ? view.item.stock : "";
  at("stock").dataset.stock = stock === "few" ? "low" : stock;
  set("stock", stock === "" ? "" : word({ many: "stock_plenty", few: "stock_low", none: "stock_sold_out" }[stock]));
}

function drawOrder() {
  const shown = { pending: "pending", held: "won", paid: "paid", cancelled: "cancelled", expired: "expired", dead: "dead", stranded: "stranded" }[purchase.phase];
  at("order").hidden = !shown;
  if (!shown) return;
  at("order").dataset.tone = ["cancelled", "expired", "dead", "stranded"].includes(purchase.phase) ? "plain" : "good";
  set("order-title", word(shown));
  set("order-text", word(`${shown}_text`, at("name").textContent));
  set("order-number", purchase.order || (shown === "stranded" ? purchase.key : ""));
  const left = purchase.holdUntilMs - clock.now();
  at("order-hold-row").hidden = purchase.phase !== "held" || purchase.holdUntilMs === 0;
  set("order-hold", spanText(left));
  at("pay").hidden = at("cancel").hidden = purchase.phase !== "held";
  at("pay").disabled = at("cancel").disabled = view.act !== "";
}

function drawButton() {
  const now = phase();
  const isHeld = purchase.phase === "held" || purchase.phase === "pending";
  const canBuy = now === "open" && view.item.stock !== "none";
  const isAsking = view.act === "reserve";
  at("buy").disabled = !canBuy || view.act !== "";
  at("buy").hidden = isHeld;
  at("action").classList.toggle("is-quiet", isHeld);
  at("buy").classList.toggle("is-busy", isAsking);
  const ended = { loading: "wait", missing: "missing", waiting: "wait", over: "ended", stopped: "paused" }[now];
  const text = isAsking ? "asking" : ended || (canBuy ? (["paid", "cancelled", "expired", "stranded"].includes(purchase.phase) ? "again" : "buy") : "sold_out");
  set("buy-text", word(text));
}

function drawNote() {
  at("note").dataset.tone = view.tone;
  const quiet = { missing: "note_missing", waiting: "note_wait", stopped: "note_paused", over: "note_ended" }[phase()];
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
addEventListener("storage", () => {
  shop.load();
  purchase.load();
  draw();
  resume();
});
document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
setInterval(() => {
  if (document.hidden) return;
  prepare();
  followHold();
  draw();
}, 250);
draw();
watch();
