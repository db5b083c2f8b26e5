// Peer (c) of flashsale-bench: a crowd that buys through ioredis, one EVALSHA a request, `inFlight` promises at a time.
// Reads its task from the JSON file named first; writes one line of JSON.
'use strict';
const Redis = require('ioredis');
const task = JSON.parse(require('fs').readFileSync(process.argv[2], 'utf8'));

const redis = new Redis({path: task.path, port: task.port, enableAutoPipelining: task.autoPipelining});
const buyers = Array.from({length: task.count}, (_, i) => `u${1000000 + i}`);
const requests = buyers.map(() => require('crypto').randomBytes(16).toString('hex'));
const latencies = new Float64Array(task.count);
let next = 0;
let accepted = 0;

async function buyOne(i) {
  const nonce = String(i);
  const body = `${STEM} ${requests[i]} ${task.payload}`;
  const reply = await redis.evalsha(
    task.sha, task.keys.length, ...task.keys, '1', task.uuid, '9000000000000', nonce, '0',
    header(buyers[i], requests[i], body), buyers[i] + requests[i], body);
  if (reply[0] !== nonce || reply[1] !== 'ok') throw new Error(`a reply that is not ours: ${reply}`);
  if (reply[4] === 'a') ++accepted;
}

async function caller() {
  while (next < task.count) {
    const i = next++;
    const before = process.hrtime.bigint();
    await buyOne(i);
    latencies[i] = Number(process.hrtime.bigint() - before) / 1000;
  }
}

// One request of one unit of item 1, as lua/reserve.lua describes.
const STEM = '1 1 0';
function header(buyer, request, body) {
  return Buffer.from([1, 0, 0, 1, STEM.length, buyer.length, request.length, 0, body.length >> 8, body.length & 255]);
}

async function main() {
  await redis.script('LOAD', task.script);
  const cpuBefore = process.cpuUsage();
  const start = process.hrtime.bigint();
  await Promise.all(Array.from({length: task.inFlight}, caller));
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  const cpu = process.cpuUsage(cpuBefore);
  latencies.sort();
  const at = (part) => latencies[Math.floor(part * (task.count - 1))];
  console.log(JSON.stringify({
    accepted, seconds, cpuSeconds: (cpu.user + cpu.system) / 1e6, p50: at(0.5), p99: at(0.99), p999: at(0.999)}));
  redis.disconnect();
}

main().catch((error) => { console.log(String(error)); process.exit(1); });
