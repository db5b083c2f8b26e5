// The operator's dashboard: draws what the feed says, once a second, and says when the feed is silent.
const kHistory = 120; // seconds in a line
const kSilenceMs = 5000;
const kLayers = {
  edge: ["Edge", "every request since it started"], admission: ["Admission", "purchases in every sale; tokens, rates"],
  view: ["View", "refused in the server's memory"], redis: ["Redis", "decided by the script"],
  journal: ["Journal", "won in this sale; answered here: on the way"], database: ["Database", "this sale's, written down"],
};

const sale = new URLSearchParams(location.search).get("sale") || "spring";
const at = (id) => document.getElementById(id);
const lines = { accepted: [], p99: [], lag: [] };
let heardAt = 0;
let isLost = false;

function set(id, text) { if (at(id).textContent !== String(text)) at(id).textContent = text; }
function count(number) { return Math.round(number).toLocaleString("en"); }

function draw(feed) {
  const now = new Date(feed.server_time_ms);
  set("sale", feed.sale);
  drawPhase(feed.fenced ? "paused" : feed.phase, feed.fenced ? "paused: Redis lost its history" : feed.phase.replace("_", " "));
  set("time", now.toLocaleTimeString("en-GB"));
  const left = Math.ceil((feed.opens_ms - feed.server_time_ms) / 1000);
  set("until", feed.phase === "not_started" && left > 0 ? `opens in ${left} s,` : "");
  drawTile("accepted", feed.accepted_per_s, count(feed.accepted_per_s));
  drawTile("p99", feed.p99_ms, feed.p99_ms.toFixed(1));
  drawTile("lag", feed.lag, count(feed.lag));
  set("p50", feed.p50_ms.toFixed(1));
  drawAlarms(feed.alarms);
  drawFunnel(feed.funnel);
  drawStock(feed.items);
}

function drawPhase(phase, text) {
  at("phase").dataset.phase = phase;
  set("phase", text);
}

function drawTile(name, value, text) {
  set(name, text);
  const line = lines[name];
  line.push(value);
  if (line.length > kHistory) line.shift();
  const top = Math.max(1, ...line);
  const path = line.map((point, i) => `${i === 0 ? "M" : "L"}${120 - (line.length - 1 - i)} ${(30 - 28 * point / top).toFixed(1)}`);
  at(`${name}-line`).firstElementChild.setAttribute("d", path.join(""));
}

// A list that is an alert is read out whenever it changes, so an alarm that lasts is left alone.
function drawAlarms(alarms) {
  const list = at("alarms").firstElementChild;
  for (const row of [...list.children]) if (!alarms.includes(row.textContent)) row.remove();
  const shown = [...list.children].map((row) => row.textContent);
  for (const text of alarms) if (!shown.includes(text)) list.append(Object.assign(document.createElement("li"), { textContent: text }));
  at("alarms").hidden = alarms.length === 0;
}

// A row a layer, made once: replacing them each second would throw a screen reader out of the table.
function drawFunnel(funnel) {
  const first = funnel.edge ?? funnel.admission;
  for (const [layer, [name, what]] of Object.entries(kLayers)) {
    const row = at(`layer-${layer}`) ?? makeRow(layer, name, what);
    const { arrived = 0, answered = 0 } = funnel[layer] ?? {};
    row.hidden = funnel[layer] === null;
    const share = first.arrived > 0 ? arrived / first.arrived : 0;
    const cells = row.querySelectorAll("td");
    cells[0].textContent = count(arrived);
    cells[1].textContent = count(answered);
    cells[2].textContent = share > 0 && share < 0.001 ? "<0.1%" : `${(100 * share).toFixed(1)}%`;
    cells[3].firstElementChild.style.width = `${Math.min(100, 100 * share)}%`;
  }
}

function makeRow(layer, name, what) {
  const row = document.createElement("tr");
  row.id = `layer-${layer}`;
  const head = document.createElement("th");
  head.scope = "row";
  head.append(name, Object.assign(document.createElement("small"), { textContent: what }));
  row.append(head);
  for (let i = 0; i < 4; ++i) row.append(Object.assign(document.createElement("td"), { className: i < 3 ? "number" : "" }));
  row.lastElementChild.append(Object.assign(document.createElement("div"), { className: "bar" }));
  at("funnel").append(row);
  return row;
}

function drawStock(items) {
  let sold = 0;
  let total = 0;
  for (const item of items) {
    sold += item.held + item.confirmed;
    total += item.total;
    const row = at(`item-${item.item}`) ?? makeItem(item.item);
    set(`item-${item.item}-says`, `${count(item.confirmed)} confirmed, ${count(item.held)} held, ${count(item.available)} of ${count(item.total)} available`);
    for (const part of ["confirmed", "held"]) {
      row.querySelector(`.${part}`).style.width = `${item.total > 0 ? 100 * item[part] / item.total : 0}%`;
    }
  }
  set("sold", count(sold));
  set("total", count(total));
}

function makeItem(item) {
  const make = (tag, fields, ...inside) => {
    const element = Object.assign(document.createElement(tag), fields);
    element.append(...inside);
    return element;
  };
  const row = make("li", { id: `item-${item}` },
    make("p", {}, make("b", { textContent: item }), make("span", { id: `item-${item}-says` })),
    make("div", { className: "parts" }, make("i", { className: "confirmed" }), make("i", { className: "held" })));
  at("stock").append(row);
  return row;
}

const feed = new EventSource(`/operator/sales/${encodeURIComponent(sale)}/feed`);
feed.onmessage = (event) => {
  heardAt = performance.now();
  isLost = false;
  draw(JSON.parse(event.data));
};
setInterval(() => {
  if (performance.now() - heardAt < kSilenceMs || isLost) return;
  isLost = true;
  drawPhase("lost", heardAt === 0 ? "the server does not answer" : "no news from the server");
}, 1000);
