// kafkajs writes and reads with the codecs that it has itself, shares a group, administers.
// Usage: kafkajs.js BOOTSTRAP RECORDS
"use strict";

const { Kafka, CompressionTypes, logLevel } = require("kafkajs");

const PARTITIONS = 3;
// The timestamp of record 0: an hour ago, as retention would delete what is older than a week.
const EPOCH = Date.now() - 3_600_000;
const PATIENCE = 60_000;

const value = (i) => `value ${i} `.repeat(1 + (i % 7));

function equal(got, wanted, what) {
  const [a, b] = [JSON.stringify(got), JSON.stringify(wanted)];
  if (a !== b) throw new Error(`${what}: ${a}, not ${b}`);
}

async function report(name, check) {
  const start = Date.now();
  try {
    await check();
  } catch (error) {
    console.log(`FAIL ${name}: ${String(error).replace(/\n/g, " ").slice(0, 400)}`);
    return false;
  }
  console.log(`pass ${name} (${((Date.now() - start) / 1000).toFixed(1)} s)`);
  return true;
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(what, check) {
  const end = Date.now() + PATIENCE;
  while (!(await check())) {
    if (Date.now() > end) throw new Error(`not within ${PATIENCE} ms: ${what}`);
    await pause(100);
  }
}

class Checker {
  constructor(count) {
    this.count = count;
    this.seen = 0;
    this.next = new Map();
    this.wrong = null;
  }

  add(partition, message) {
    const i = Number(message.key);
    const wanted = this.next.get(partition) ?? partition;
    equal(i, wanted, `next of partition ${partition}`);
    equal(String(message.value), value(i), `value of ${i}`);
    equal(String(message.headers.n), String(i), `header of ${i}`);
    equal(Number(message.timestamp), EPOCH + i, `timestamp of ${i}`);
    this.next.set(partition, i + PARTITIONS);
    this.seen += 1;
  }
}

const ends = (count) =>
  Array.from({ length: PARTITIONS }, (_, p) => Math.ceil((count - p) / PARTITIONS));

async function writes(kafka, topic, compression, count) {
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  for (let from = 0; from < count; from += 500) {
    const messages = [];
    for (let i = from; i < Math.min(from + 500, count); i += 1) {
      messages.push({
        key: String(i),
        value: value(i),
        partition: i % PARTITIONS,
        headers: { n: String(i) },
        timestamp: String(EPOCH + i),
      });
    }
    await producer.send({ topic, compression, acks: -1, messages });
  }
  await producer.disconnect();
}

// Two members of one group read everything; each has partitions.
async function reads(kafka, admin, topic, count) {
  const groupId = `${topic}-group`;
  const checker = new Checker(count);
  const members = [];
  const held = [0, 0];
  for (const index of [0, 1]) {
    const member = kafka.consumer({ groupId, sessionTimeout: 10000, heartbeatInterval: 500 });
    members.push(member);
    await member.connect();
    await member.subscribe({ topic, fromBeginning: true });
    member.on(member.events.GROUP_JOIN, ({ payload }) => {
      held[index] = (payload.memberAssignment[topic] ?? []).length;
    });
    await member.run({
      autoCommit: false,
      eachMessage: async ({ partition, message }) => {
        // Until both are there, what is read is read again by whoever gets the partition.
        if (held[0] === 0 || held[1] === 0) {
          member.seek({ topic, partition, offset: message.offset });
          await pause(1);
          return;
        }
        try {
          if (checker.wrong === null) checker.add(partition, message);
        } catch (error) {
          checker.wrong = error;
        }
        const offset = String(Number(message.offset) + 1);
        if (Number(offset) % 100 === 0 || Number(offset) === ends(count)[partition]) {
          await member.commitOffsets([{ topic, partition, offset }]);
        }
      },
    });
  }
  await until("everything is read", () => checker.seen >= count || checker.wrong);
  if (checker.wrong) throw checker.wrong;
  equal(held.sort(), [1, 2], "partitions of each");
  const committed = async () => {
    const [{ partitions }] = await admin.fetchOffsets({ groupId, topics: [topic] });
    const offsets = partitions.sort((a, b) => a.partition - b.partition);
    return offsets.map(({ offset }) => Number(offset));
  };
  await until("everything is committed", async () => {
    return JSON.stringify(await committed()) === JSON.stringify(ends(count));
  });
  const { groups } = await admin.describeGroups([groupId]);
  equal([groups[0].state, groups[0].members.length], ["Stable", 2], "described");
  for (const member of members) await member.disconnect();
  await admin.resetOffsets({ groupId, topic, earliest: true });
  await admin.setOffsets({ groupId, topic, partitions: [{ partition: 1, offset: "7" }] });
  equal((await committed())[1], 7, "offset that was set");
  await admin.deleteGroups([groupId]);
  const listed = (await admin.listGroups()).groups.map((group) => group.groupId);
  equal(listed.includes(groupId), false, "listed after its deletion");
}

async function main() {
  const [bootstrap, records] = process.argv.slice(2);
  const count = Number(records);
  const kafka = new Kafka({
    clientId: "interop",
    brokers: bootstrap.split(","),
    logLevel: logLevel.NOTHING,
  });
  const admin = kafka.admin();
  await admin.connect();
  for (const [name, compression] of [
    ["none", CompressionTypes.None],
    ["gzip", CompressionTypes.GZIP],
  ]) {
    const topic = `kafkajs-${name}`;
    const created = await report(`kafkajs, ${name}: creates`, () =>
      admin.createTopics({
        waitForLeaders: true,
        topics: [{ topic, numPartitions: PARTITIONS, replicationFactor: 3 }],
      }),
    );
    if (!created) continue;
    const title = `kafkajs, ${name}`;
    if (await report(`${title}: writes`, () => writes(kafka, topic, compression, count))) {
      await report(`${title}: two members read, and an admin moves and deletes`, () =>
        reads(kafka, admin, topic, count),
      );
    }
  }
  await admin.disconnect();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
