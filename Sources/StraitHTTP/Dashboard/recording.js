// SPDX-License-Identifier: Apache-2.0
// A recording that was dropped on the page, as the messages that `strait watch` would send of it: nothing leaves the browser.

import { COUNTS } from './run.js';

/** What is read of a file, at most, and of one line of it. */
const MOST_BYTES = 512 << 20;
const MOST_LINE = 4 << 20;
/** Milliseconds between two frames, and of the part that is shown. */
const FRAME = 200;
const LONGEST = 600_000;
/** Requests named of one batch, and requests without a batch told of by one frame. */
const MOST_REQUESTS = 32;
const MOST_OTHERS = 100;
/** Lanes of a device, at most. */
const MOST_LANES = 256;

const VERSION = 1;
const ENDS = ['finished', 'failed', 'killed', 'withdrawn'];
const MET = COUNTS.indexOf('met');
const LATE = COUNTS.indexOf('late');
const FAILED = COUNTS.indexOf('failed');
const SHED = COUNTS.indexOf('hopeless on arrival');

/** Lines of a file with their numbers. */
async function* linesOf(file) {
  const reader = file.stream().pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  let number = 0;
  for (;;) {
    const { value, done } = await reader.read();
    const parts = (rest + (value ?? '')).split('\n');
    rest = done ? '' : parts.pop();
    for (const line of parts) {
      number += 1;
      if (line.trim()) yield [number, line];
    }
    if (done) return;
    if (rest.length > MOST_LINE) throw new Error(`line ${number + 1} is longer than ${MOST_LINE >> 20} MB: this is no recording`);
  }
}

/**
 * Reads a recording and calls `take(name, data)` with its head and frames, as a stream tells them.
 * Returns whether all of it was read: of a longer one the first ten minutes are.
 */
export async function readRecording(file, take) {
  if (file.size > MOST_BYTES) {
    throw new Error(`${Math.round(file.size / 1e6)} MB are more than the ${MOST_BYTES >> 20} MiB that a page can hold; `
      + 'strait watch shows a part of it with --from and --seconds');
  }
  let reader = null;
  let number = 0;
  try {
    for await (const [at, line] of linesOf(file)) {
      number = at;
      let object;
      try { object = JSON.parse(line); } catch { throw new Error('this is not JSON; a recording has one object a line'); }
      if (object === null || typeof object !== 'object' || Array.isArray(object)) throw new Error('expected an object');
      if (!reader) reader = new Reader(object, file.name);
      else if (!reader.read(object)) break;
    }
    reader?.finish();
  } catch (error) {
    throw new Error(number ? `line ${number}: ${error.message}` : error.message);
  }
  if (!reader) throw new Error('the file is empty; a recording begins with its head');
  take('head', reader.head);
  for (const frame of reader.frames) take('frame', frame);
  return !reader.isCut;
}

class Reader {
  constructor(head, name) {
    if (!('strait_recording' in head)) {
      throw new Error('this is no recording: strait serve --record and strait simulate --record write them');
    }
    if (head.strait_recording !== VERSION) {
      throw new Error(`the recording is of version ${head.strait_recording}, this page reads ${VERSION}: record again`);
    }
    if (!Array.isArray(head.devices)) throw new Error('devices: missing; expected a list');
    this.policy = String(head.policy);
    this.models = (head.models ?? []).map((model) => String(model.name));
    this.devices = head.devices.map(({ name, lanes, copies }) => ({ name: String(name), lanes, copies: copies === true }));
    for (const { lanes } of this.devices) {
      if (!(Number.isInteger(lanes) && lanes > 0 && lanes <= MOST_LANES)) throw new Error(`lanes: found ${JSON.stringify(lanes)}; expected 1 to ${MOST_LANES}`);
    }
    this.isLive = head.source === 'live';
    this.start = this.number(head, 'start_ms');
    this.head = {
      strait_watch: 1, source: head.source, server: name, policy: this.policy, origin: String(head.origin), seed: head.seed,
      at: this.start * 1000, frame_ms: FRAME, devices: this.devices, models: [...this.models],
    };
    this.frames = [];
    this.waits = []; // for each frame, what its queues changed by
    this.open = new Map();
    this.arrivals = 0;
    this.counts = [];
    this.totals = [[0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]];
    this.serves = this.devices.map(() => 1);
    this.instant = []; // the lines of one instant
    this.latest = this.start;
    this.last = this.start; // that was of a request or a batch
    this.isCut = false;
    this.clear();
  }

  clear() {
    this.changed = new Set();
    this.batches = [];
    this.others = [];
    this.hasJoined = false;
  }

  number(line, key) {
    const value = line[key];
    if (typeof value !== 'number') throw new Error(`${key}: ${key in line ? 'not a number' : 'missing'}; expected milliseconds`);
    return value;
  }

  place(line, key, list) {
    const value = line[key];
    if (!(Number.isInteger(value) && value >= 0 && value < list.length)) {
      throw new Error(`${key}: found ${JSON.stringify(value)}; there are ${list.length}, numbered from 0`);
    }
    return value;
  }

  /** Takes a line; false when no more is needed. */
  read(line) {
    const kind = ['device', 'arrival', 'batch', 'answer'].findLast((key) => key in line);
    if (!kind && !line.joins && !('end_ms' in line)) {
      throw new Error('expected an arrival, a batch, an answer, a model that joins, a device that serves or not, or the end');
    }
    const at = this.number(line, kind === 'batch' ? 'ended_ms' : 'end_ms' in line ? 'end_ms' : 'at_ms');
    if (at < this.latest) throw new Error(`${at} ms is before the line above, which is of ${this.latest}; time does not go back`);
    if (at > this.latest) this.settle();
    if (at > this.start + LONGEST) {
      this.isCut = true;
      return false;
    }
    if ('end_ms' in line) {
      // A simulation goes on after the part of it that was recorded.
      if (this.isLive) this.last = at;
      return true;
    }
    this.latest = at;
    if (kind && kind !== 'device') this.last = at;
    this.instant.push([kind, at, line]);
    return true;
  }

  /** Takes up the lines of an instant: what comes before what is answered, what ends before its answers. */
  settle() {
    if (!this.instant.length) return;
    while (this.latest > this.boundary && this.last > this.boundary) this.close();
    const ended = [];
    const of = (kind, body) => { for (const [found, at, line] of this.instant) if (found === kind) body(line, at); };
    of(undefined, (line) => {
      this.models.push(String(line.joins.name));
      this.hasJoined = true;
    });
    of('device', (line) => { this.serves[this.place(line, 'device', this.devices)] = line.serves === true ? 1 : 0; });
    of('arrival', (line, at) => this.takeArrival(line, at));
    of('batch', (line, at) => {
      const batch = this.batchOf(line, at);
      ended.push(batch);
      this.batches.push(batch);
    });
    of('answer', (line, at) => this.takeAnswer(line, at, ended));
    this.instant = [];
  }

  get boundary() { return this.start + (this.frames.length + 1) * FRAME; }

  takeArrival(line, at) {
    const due = 'deadline_ms' in line ? this.number(line, 'deadline_ms') : null;
    const request = { number: line.arrival, at, due, stream: this.stream(line) };
    this.open.set(line.arrival, request);
    this.arrivals += 1;
    this.count(request.stream, 0, 0);
    this.wait(request.stream, at, 1);
  }

  stream(line) {
    if (line.class !== 'high' && line.class !== 'low') throw new Error(`class: found ${JSON.stringify(line.class)}; expected high or low`);
    return this.place(line, 'model', this.models) * 2 + (line.class === 'low' ? 1 : 0);
  }

  batchOf(line, at) {
    const device = this.place(line, 'device', this.devices);
    this.place(line, 'lane', { length: this.devices[device].lanes });
    const time = (key) => (typeof line[key] === 'number' ? line[key] : null);
    const end = ENDS.indexOf(line.end);
    if (end < 0) throw new Error(`end: found ${JSON.stringify(line.end)}; expected ${ENDS.join(', ')}`);
    return {
      device, lane: line.lane, stream: this.stream(line), rows: line.rows, staged: this.number(line, 'staged_ms'),
      times: [time('copied_in_ms'), time('kernels_done_ms'), at, time('predicted_ms'), time('median_ms'), time('bound95_ms')],
      end, met: line.met, late: line.late, requests: [],
    };
  }

  takeAnswer(line, at, ended) {
    const request = this.open.get(line.answer);
    if (!request) throw new Error(`answer: no request ${line.answer} waits for one`);
    this.open.delete(line.answer);
    const named = line.outcome === 'shed' ? String(line.reason).replaceAll('-', ' ') : line.outcome;
    const outcome = COUNTS.indexOf(named);
    if (outcome < 1) throw new Error(`outcome: found ${JSON.stringify(named)}; expected one of ${COUNTS.slice(1).join(', ')}`);
    // Totals have all that was shed in one.
    this.count(request.stream, outcome, [0, 1, 2, 5, 4][outcome] ?? 3);
    const batch = ended.find((one) => {
      if (one.stream >> 1 !== request.stream >> 1) return false;
      const had = (kind) => one.requests.filter((other) => other.outcome === kind).length;
      if (outcome === MET) return had(MET) < one.met;
      if (outcome === LATE) return had(LATE) < one.late;
      return outcome === FAILED && one.end !== ENDS.indexOf('killed') && one.requests.length < one.rows;
    });
    if (batch) batch.requests.push({ ...request, outcome });
    else if (outcome > LATE) this.others.push({ ...request, outcome, end: at });
    this.wait(request.stream, batch ? batch.staged : at, -1);
  }

  count(stream, index, total) {
    this.counts[stream] ??= COUNTS.map(() => 0);
    this.counts[stream][index] += 1;
    this.totals[stream & 1][total] += 1;
    this.changed.add(stream);
  }

  /** A queue changes: what happens between two frames shows in the second. */
  wait(stream, at, by) {
    const frame = Math.max(0, Math.ceil((at - this.start) / FRAME) - 1);
    const changes = (this.waits[frame] ??= new Map());
    changes.set(stream, (changes.get(stream) ?? 0) + by);
  }

  close(at = this.boundary) {
    const us = (time) => (time === null ? null : Math.trunc((time - at) * 1000));
    const told = ({ number, at: came, due, outcome }) => [number, us(came), us(due), outcome];
    this.frames.push({
      t: at * 1000, n: this.frames.length, policy: this.policy,
      ...(this.hasJoined ? { models: [...this.models] } : {}),
      total: this.totals.map((numbers) => [...numbers]),
      count: [...this.changed].map((stream) => [stream >> 1, stream & 1, ...this.counts[stream]]),
      serves: [...this.serves],
      batch: this.batches.map((one) => [one.device, one.lane, one.stream >> 1, one.stream & 1, one.rows, us(one.staged),
        ...one.times.map(us), one.end, one.met, one.late, one.requests.slice(0, MOST_REQUESTS).map(told)]),
      other: this.others.slice(-MOST_OTHERS).map((one) => [...told(one), one.stream >> 1, one.stream & 1, us(one.end)]),
    });
    this.clear();
  }

  /** The last frame, then the queues: how long a request waited is known when its batch has ended. */
  finish() {
    this.settle();
    while (this.last > this.boundary - FRAME) this.close(Math.min(this.boundary, this.last));
    const waiting = new Map();
    this.frames.forEach((frame, index) => {
      for (const [stream, by] of this.waits[index] ?? []) waiting.set(stream, (waiting.get(stream) ?? 0) + by);
      frame.queue = [...waiting].filter(([, count]) => count > 0).sort(([a], [b]) => a - b).map(([stream, count]) => [stream >> 1, stream & 1, count]);
    });
  }
}
