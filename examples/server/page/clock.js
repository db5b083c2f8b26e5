// The shop's clock, as far as this device can know it.
//
// Each answer with a `now_ms` bounds the difference between the two clocks by its round trip: the shop's time was read
// somewhere between sending and hearing. The narrowest answer is kept; performance.now() carries it on, since the
// device's own clock may be set while the page is open. It is `Server-Time` that counts, which a cache in front sets
// anew, not the time in the body, which may be a second old.
export class Clock {
  #ahead = null; // the shop's Unix ms minus performance.now()
  #doubt = Infinity; // ms

  hear(nowMs, sentAt, heardAt) {
    const doubt = (heardAt - sentAt) / 2;
    if (!Number.isFinite(nowMs) || doubt > this.#doubt) return;
    this.#ahead = nowMs - (sentAt + heardAt) / 2;
    this.#doubt = doubt;
  }

  // Doubt grows as clocks drift apart, so that a page left open believes a newer answer again.
  age() { this.#doubt += 1; }

  isKnown() { return this.#ahead !== null; }
  now() { return this.isKnown() ? performance.now() + this.#ahead : Date.now(); }
  // How far this device's clock is off, in ms; nothing below what the doubt allows.
  skew() {
    const off = Date.now() - this.now();
    return Math.abs(off) > this.#doubt + 100 ? off : 0;
  }
}

export function splitSpan(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  return { hours: Math.floor(seconds / 3600), minutes: Math.floor(seconds / 60) % 60, seconds: seconds % 60 };
}

export function twoDigits(number) { return String(number).padStart(2, "0"); }

export function spanText(ms) {
  const { hours, minutes, seconds } = splitSpan(ms);
  return (hours > 0 ? `${hours}:${twoDigits(minutes)}` : `${minutes}`) + `:${twoDigits(seconds)}`;
}
