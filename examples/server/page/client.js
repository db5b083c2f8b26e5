// The shop's HTTP face, as openapi.yaml describes it: one call, one answer, never an exception.

const kTimeoutMs = 8000;

// {status, body, retryAfterMs, serverMs, sentAt, heardAt}; status 0: nobody answered, so nothing is known.
// Nothing comes from this browser's cache: an answer that was kept took no time, and would set the clock by when it was
// made. What the edge keeps has the edge's time on it.
export async function ask(method, path, { headers = {}, body } = {}) {
  const sentAt = performance.now();
  try {
    const response = await fetch(path, {
      method, headers: body === undefined ? headers : { ...headers, "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store", credentials: "omit", redirect: "error", signal: AbortSignal.timeout(kTimeoutMs),
    });
    const heardAt = performance.now();
    const text = await response.text();
    let answer = {};
    try { answer = JSON.parse(text); } catch { /* an edge's own error page: the status says enough */ }
    return {
      status: response.status, body: answer, sentAt, heardAt,
      retryAfterMs: answer.retry_after_ms ?? 1000 * Number(response.headers.get("Retry-After") || 0),
      serverMs: 1000 * Number(response.headers.get("Server-Time") || NaN),
    };
  } catch {
    return { status: 0, body: {}, sentAt, heardAt: performance.now(), retryAfterMs: 0, serverMs: NaN };
  }
}

const kSparedMs = 60_000; // a token that ends sooner is no longer begun with

export class Shop {
  #sale; #memory; #token = null; #buyer = null; #introducing = null;

  constructor(sale, memory) {
    this.#sale = `/sales/${encodeURIComponent(sale)}`;
    this.#memory = memory;
    this.load();
  }

  // Also called when another tab wrote: who buys is one person in all tabs.
  load() {
    this.#token = this.#memory.get("token");
    this.#buyer = this.#memory.get("buyer");
  }

  show() { return ask("GET", this.#sale); }

  isKnown(untilMs) { return this.#token !== null && this.#token.expires_ms > untilMs + kSparedMs; }

  // Who buys: the one in the purchase token where the shop gives tokens, else a name of this browser's own. Asked for by
  // one tab, once, and kept while it is good until `untilMs`. Null, or the answer that stood in the way.
  introduce(untilMs) {
    const meet = () => this.#meet(untilMs);
    const alone = () => (navigator.locks ? navigator.locks.request(`flashsale:${this.#sale}`, meet) : meet());
    this.#introducing ??= alone().finally(() => { this.#introducing = null; });
    return this.#introducing;
  }

  async #meet(untilMs) {
    this.load();
    if (this.isKnown(untilMs)) return null;
    const answer = await ask("POST", `${this.#sale}/tokens`, { body: {} });
    this.load(); // where there are no locks, the tab that stored first is the one that counts
    if (this.isKnown(untilMs)) return null;
    if (answer.status === 201) {
      this.#memory.set("token", answer.body);
      this.#memory.set("buyer", answer.body.buyer);
    } else if (answer.status !== 404) {
      return answer;
    } else {
      if (this.#token) this.#memory.set("token", null);
      if (!this.#buyer || this.#token) this.#memory.set("buyer", `guest-${randomText()}`);
    }
    this.load();
    return null;
  }

  // Only while nothing was asked for under this name.
  forget() {
    this.#memory.set("token", null);
    this.load();
  }

  reserve(request, item) {
    const body = this.#token ? { item } : { item, buyer: this.#buyer };
    return ask("POST", `${this.#sale}/orders`, { headers: { ...this.#headers(), "Idempotency-Key": request }, body });
  }
  status(request) { return ask("GET", this.#order(request), { headers: this.#headers() }); }
  release(request) { return ask("DELETE", this.#order(request), { headers: this.#headers() }); }
  confirm(request) { return ask("POST", this.#order(request, "/confirm"), { headers: this.#headers() }); }

  #headers() { return this.#token ? { Authorization: `Bearer ${this.#token.token}` } : {}; }
  #order(request, verb = "") {
    const buyer = this.#token ? "" : `?buyer=${encodeURIComponent(this.#buyer)}`;
    return `${this.#sale}/orders/${encodeURIComponent(request)}${verb}${buyer}`;
  }
}

export function randomText() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
