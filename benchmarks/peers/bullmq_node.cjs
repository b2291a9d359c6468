// BullMQ on Node: `produce` answers as benchmarks/producer.py does, `work` is its worker.
// It writes the ledger a few milliseconds late, as Node cannot map a file; the stamps in it are of the execution.
"use strict";
const fs = require("node:fs");
const readline = require("node:readline");

const began = process.hrtime.bigint();
const { Queue, Worker } = require("bullmq");
const imported = seconds() - Number(began) / 1e9;

const NAME = "bench";
const AT_ONCE = 100;
const NAP_MS = 100;
const FLUSH_MS = 5;
const STAMP = 8;
const tuned = (process.env.BENCH_SETTINGS || "tuned") === "tuned";
const url = new URL(process.env.BENCH_URL);
const connection = { host: url.hostname, port: Number(url.port), maxRetriesPerRequest: null };
const options = tuned ? { removeOnComplete: true } : {};

function seconds() {
  return Number(process.hrtime.bigint()) / 1e9;
}

function payload(number) {
  return { id: number, email: `user-${String(number).padStart(7, "0")}@example.org`, subject: "Welcome aboard" };
}

function ledger() {
  const file = fs.openSync(process.env.BENCH_LEDGER, "r+");
  const size = fs.fstatSync(file).size / (STAMP + 1);
  const stamps = new Float64Array(size);
  const counts = new Uint8Array(size);
  let low = size;
  let high = -1;
  function flush() {
    const count = high - low + 1;
    fs.writeSync(file, new Uint8Array(stamps.buffer, low * STAMP, count * STAMP), 0, count * STAMP, low * STAMP);
    fs.writeSync(file, counts, low, count, size * STAMP + low);
    low = size;
    high = -1;
  }
  return (number) => {
    counts[number] += 1;
    stamps[number] = seconds();
    if (high < 0) setTimeout(flush, FLUSH_MS);
    low = Math.min(low, number);
    high = Math.max(high, number);
  };
}

function work() {
  const done = ledger();
  const execute = async (job) => {
    if (job.name === "nap") await new Promise((resolve) => setTimeout(resolve, NAP_MS));
    done(job.data.id);
  };
  const concurrency = tuned ? Number(process.env.BENCH_CONCURRENCY) : 1;
  const worker = new Worker(NAME, execute, { connection, concurrency });
  process.on("SIGTERM", async () => {
    await worker.close();
    setTimeout(() => process.exit(0), 2 * FLUSH_MS);
  });
}

async function metered(work) {
  const cpu = process.cpuUsage();
  const start = seconds();
  const count = await work();
  const spent = process.cpuUsage(cpu);
  return { count, seconds: seconds() - start, cpu: (spent.user + spent.system) / 1e6 };
}

function calls(queue) {
  const add = (number, name = "send") => queue.add(name, payload(number), options);
  async function bulk({ first, limit, seconds: span }) {
    const ends = seconds() + span;
    let taken = 0;
    while (taken < limit && seconds() < ends) {
      const size = Math.min(AT_ONCE, limit - taken);
      const jobs = Array.from({ length: size }, (_, at) => ({ name: "send", data: payload(first + taken + at), opts: options }));
      await queue.addBulk(jobs);
      taken += size;
    }
    return taken;
  }
  async function from({ first, limit, seconds: span }, places) {
    const ends = seconds() + span;
    let taken = 0;
    const some = async () => {
      while (taken < limit && seconds() < ends) await add(first + taken++);
    };
    await Promise.all(Array.from({ length: places }, some));
    return taken;
  }
  return {
    one: (asked) => metered(() => from(asked, 1)),
    concurrent: (asked) => metered(() => from(asked, AT_ONCE)),
    bulk: (asked) => metered(() => bulk(asked)),
    fill: (asked) => metered(() => bulk({ ...asked, seconds: 3600 })),
    nap: ({ first, limit }) =>
      metered(async () => {
        for (let number = first; number < first + limit; number += 1) await add(number, "nap");
        return limit;
      }),
    paced: async ({ first, limit, every }) => {
      const start = seconds();
      const sent = [];
      for (let place = 0; place < limit; place += 1) {
        const wait = start + place * every - seconds();
        if (wait > 0) await new Promise((resolve) => setTimeout(resolve, 1000 * wait));
        sent.push(seconds());
        await add(first + place);
      }
      return { sent };
    },
  };
}

async function produce() {
  const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);
  say({ import: imported, abilities: ["bulk"] });
  const queue = new Queue(NAME, { connection });
  const does = calls(queue);
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { do: name, ...asked } = JSON.parse(line);
    say(await does[name](asked));
  }
  await queue.close();
}

if (process.argv[2] === "work") work();
else produce();
