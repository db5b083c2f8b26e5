// One purchase intent, from the click to its end. Decides; page.js draws what it decides and performs what it asks for.
//
//   idle --click--> asking --won--> held --pay--> paid
//     ^               |  |           |  \--cancel--> cancelled
//     |               |  +-pending-> pending (asks status) --> held
//     +---refused-----+              +--expired--> expired
//                     any of the open ones --the token is refused for good--> stranded
//
// The intent has one key (the Idempotency-Key), made before anything is sent and kept until it is over: a reload, a
// second tab or a lost answer asks with the same key and hears the same order. It also has one buyer: while it is open
// nobody takes another name, under which the same key would be another order. So a token that is no longer good leaves it
// stranded: the page says so and shows its number, and what comes next is the buyer's own decision.

const kBackoffMs = 300;
const kBackoffMaxMs = 8000;
const kGoneCodes = new Set(["expired", "already_released"]);

// How long to wait before asking again: at least what the shop says, spread so that a crowd does not come back as one.
export function pauseBefore(attempt, retryAfterMs, random = Math.random()) {
  const step = Math.min(kBackoffMaxMs, kBackoffMs * 2 ** Math.min(attempt, 6));
  return Math.round(retryAfterMs + step * (0.5 + random));
}

// Whether an answer says nothing but "not now".
export function isPassing({ status }) { return status === 0 || status === 429 || status >= 500; }

// What an answer to reserve, status, confirm or release means: {phase, order, holdUntilMs, code, again}.
// `again`: nothing is decided yet; ask with the same key after pauseBefore.
export function judge(answer) {
  const { status, body } = answer;
  const order = body.order || null;
  const code = body.outcome || body.code || "";
  const base = { order, code, holdUntilMs: body.hold_until_ms || 0, detail: body.detail || "" };
  if (status === 202) return { ...base, phase: "pending", again: true };
  if (status === 200 || status === 201) {
    if (code === "confirmed" || code === "already_confirmed") return { ...base, phase: "paid" };
    if (code === "released" || code === "already_released") return { ...base, phase: "cancelled" };
    return { ...base, phase: "held" };
  }
  if (kGoneCodes.has(code)) return { ...base, phase: code === "expired" ? "expired" : "cancelled" };
  if (code === "already_confirmed") return { ...base, phase: "paid" };
  if (code === "dead") return { ...base, phase: "dead" };
  const isOnItsWayBack = code === "sold_out" && answer.retryAfterMs > 0; // it was given back, and sells from then on
  if (isOnItsWayBack || code === "not_started" || isPassing(answer) || status === 401) {
    return { ...base, phase: "asking", again: true };
  }
  return { ...base, phase: "refused" };
}

export class Purchase {
  constructor(memory, makeKey) {
    this.memory = memory;
    this.makeKey = makeKey;
    this.load();
  }

  // Also called when another tab wrote.
  load() { Object.assign(this, { key: null, phase: "idle", order: null, holdUntilMs: 0 }, this.memory.get("purchase")); }

  isOpen() { return ["asking", "pending", "held"].includes(this.phase); }
  isUnderWay() { return this.phase === "asking" || this.phase === "pending"; }

  // True if the intent is a new one, so that nobody has been asked for it; another tab's goes on instead.
  begin() {
    this.load();
    if (this.isOpen()) return false;
    Object.assign(this, { key: this.makeKey(), phase: "asking", order: null, holdUntilMs: 0 });
    this.save();
    return true;
  }

  drop() {
    Object.assign(this, { key: null, phase: "idle", order: null, holdUntilMs: 0 });
    this.save();
  }

  strand() {
    this.phase = "stranded";
    this.save();
  }

  // `from` is the verb that was asked; a refusal of pay or cancel leaves the order as it is, and what is paid or
  // cancelled stays so, whatever an older answer says.
  heed(verdict, from) {
    if (this.phase === "paid" || this.phase === "cancelled") return;
    if (verdict.again && from !== "reserve" && verdict.phase === "asking") return;
    if (verdict.phase === "refused" && from !== "reserve" && verdict.code !== "not_reserved") return;
    this.phase = verdict.phase === "refused" ? "idle" : verdict.phase;
    this.order = verdict.order || this.order;
    this.holdUntilMs = verdict.holdUntilMs || (this.phase === "held" ? this.holdUntilMs : 0);
    if (this.phase === "idle") this.key = null;
    this.save();
  }

  save() {
    const { key, phase, order, holdUntilMs } = this;
    this.memory.set("purchase", key ? { key, phase, order, holdUntilMs } : null);
  }
}
