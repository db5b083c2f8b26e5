// What this browser remembers, shared by its tabs. Where it keeps nothing, the page remembers until it is closed.
export class Memory {
  #own = new Map();

  constructor(prefix) { this.prefix = prefix; }

  get(name) {
    try {
      const text = localStorage.getItem(this.prefix + name);
      if (text !== null) return JSON.parse(text);
    } catch { /* storage is blocked, or not ours */ }
    return this.#own.get(name) ?? null;
  }

  set(name, value) {
    this.#own.delete(name);
    try {
      if (value === null) localStorage.removeItem(this.prefix + name);
      else localStorage.setItem(this.prefix + name, JSON.stringify(value));
    } catch {
      if (value !== null) this.#own.set(name, value);
    }
  }
}
