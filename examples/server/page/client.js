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

export class Shop {
  #sale; #token = null; #buyer = null;

  constructor(sale, memory) {
    this.#sale = `/sales/${encodeURIComponent(sale)}`;
    this.memory = memory;
    this.#buyer = memory.get("buyer");
    this.#token = memory.get("token");
  }

  show() { return ask("GET", this.#sale); }

  // Who buys: the one in the purchase token where the shop gives tokens, else a name of this browser's own.
  async introduce(now) {
    if (this.#token && this.#token.expires_ms > now + 5000) return true;
    const answer = await ask("POST", `${this.#sale}/tokens`, { body: {} });
    if (answer.status === 201) {
      this.#token = answer.body;
      this.#buyer = answer.body.buyer;
      this.memory.set("token", this.#token);
    } else if (answer.status !== 404) {
      return false;
    } else if (!this.#buyer) {
      this.#buyer = `guest-${randomText()}`;
    }
    this.memory.set("buyer", this.#buyer);
    return true;
  }

  forgetToken() {
    this.#token = null;
    this.memory.set("token", null);
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

// What this browser remembers of one sale, shared by its tabs.
export class Memory {
  constructor(sale) { this.prefix = `flashsale:${sale}:`; }
  get(name) {
    try { return JSON.parse(localStorage.getItem(this.prefix + name)); } catch { return null; }
  }
  set(name, value) {
    if (value === null || value === undefined) localStorage.removeItem(this.prefix + name);
    else localStorage.setItem(this.prefix + name, JSON.stringify(value));
  }
}
