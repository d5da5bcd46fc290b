// SPDX-License-Identifier: Apache-2.0
// One run, live or recorded: what frames have told, kept for as long as it can be looked at. Times are milliseconds.

/** What is counted of each model and class, in the order of the frames. */
export const COUNTS = ['arrived', 'met', 'late', 'failed', 'cancelled', 'hopeless on arrival', 'hopeless in queue',
  'queue full', 'model queue full', 'model unloaded'];
const WIDTH = COUNTS.length;
const [ARRIVED, MET, LATE, FAILED] = [0, 1, 2, 3];
const SHED = 5;

const MOST_FRAMES = 3000; // ten minutes
/** Of all frames that are kept: streams that something was counted of, and queues. Some 30 bytes each. */
const MOST_CELLS = 600_000;
const MOST_BATCHES = 40000;
const MOST_OTHERS = 3000;
const MOST_POLICIES = 100;
/** Words of a frame for each stream that something was counted of: the stream, then what. */
const CELL = 1 + WIDTH;

/** Sums of one class: what was counted, and the shares of it that people ask for. */
export class Sums {
  constructor() { this.n = new Float64Array(WIDTH); }

  /** Adds counts, from a place in a list on. */
  add(counts, from) { for (let i = 0; i < WIDTH; i++) this.n[i] += counts[from + i]; }

  get arrived() { return this.n[ARRIVED]; }
  get met() { return this.n[MET]; }
  get late() { return this.n[LATE]; }
  get failed() { return this.n[FAILED]; }
  get shed() { let sum = 0; for (let i = SHED; i < WIDTH; i++) sum += this.n[i]; return sum; }
  get missed() { return this.late + this.failed + this.shed; }
  /** The share in time of those that were not taken back; null where there was none. */
  get share() { const all = this.met + this.missed; return all > 0 ? this.met / all : null; }
}

/** A batch. Its requests are kept as they were told, and made when somebody looks. */
class Batch {
  constructor([device, lane, model, cls, rows, staged, copied, done, ended, predicted, median, bound, end, met, late, requests], t) {
    const at = (instant) => (instant === null ? null : t + instant / 1000);
    this.device = device;
    this.lane = lane;
    this.model = model;
    this.cls = cls;
    this.rows = rows;
    this.staged = at(staged);
    this.copied = at(copied);
    this.done = at(done);
    this.ended = at(ended);
    this.predicted = at(predicted);
    this.median = at(median);
    this.bound = at(bound);
    this.end = end;
    this.met = met;
    this.late = late;
    this.told = requests?.length ? requests.flat() : null;
    this.t = t;
  }

  get requests() {
    const found = [];
    const more = { model: this.model, cls: this.cls, end: this.ended };
    for (let i = 0; i < (this.told?.length ?? 0); i += 4) found.push(request(this.told.slice(i, i + 4), this.t, more));
    return found;
  }
}

function request([number, at, due, outcome], t, more) {
  return { number, at: t + at / 1000, due: due === null ? null : t + due / 1000, outcome, ...more };
}

export class Run {
  /** @param live whether more will come */
  constructor(live) {
    this.live = live;
    this.clear();
  }

  clear() {
    this.head = null;
    this.models = [];
    this.devices = [];
    this.policy = '';
    this.counts = new Map();
    this.frames = [];
    this.cells = 0;
    this.batches = [];
    this.others = [];
    this.running = [];
    this.queue = [];
    this.totals = null;
    this.states = [];
    this.outages = [];
    this.policies = [];
    this.alert = false;
    this.untold = 0;
    this.hasForgotten = false;
    this.base = 0;
    this.end = 0;
    this.offset = null;
    this.version = (this.version ?? 0) + 1;
  }

  take(name, data) {
    if (name === 'head') this.takeHead(data);
    else if (name === 'frame') this.takeFrame(data);
    this.version += 1;
  }

  takeHead(head) {
    this.clear();
    this.head = head;
    this.models = head.models;
    this.devices = head.devices;
    this.policy = head.policy;
    this.states = head.devices.map(() => ({ speed: 1, reason: null }));
    this.base = this.live ? 0 : head.at / 1000;
    this.end = head.at / 1000;
  }

  takeFrame(frame) {
    if (!this.head) return;
    const t = frame.t / 1000;
    const last = this.frames.at(-1);
    const isFirst = !last;
    if (last && t <= last.t) return;
    if (this.live) this.setClock(t);
    if (frame.models) this.models = frame.models;
    if (frame.policy && frame.policy !== this.policy) {
      this.policies.push({ t, name: frame.policy });
      if (this.policies.length > MOST_POLICIES) this.policies.shift();
      this.policy = frame.policy;
    }
    this.alert = frame.alert === true;
    this.totals = frame.total;
    this.queue = frame.queue;
    this.running = (frame.run ?? []).map((batch) => new Batch(batch, t));
    this.takeDevices(frame, t);
    const usual = this.head.frame_ms;
    const wasSkipped = last && frame.n !== last.n + 1;
    const kept = {
      t, n: frame.n, dt: last ? (wasSkipped ? t - last.t : Math.min(t - last.t, 1.5 * usual)) : usual,
      deltas: null, sums: new Int32Array(2 * WIDTH), waiting: [0, 0], queues: new Int32Array(2 * frame.queue.length),
    };
    const deltas = [];
    frame.queue.forEach(([model, cls, waiting], index) => {
      kept.waiting[cls] += waiting;
      kept.queues[2 * index] = model * 2 + cls;
      kept.queues[2 * index + 1] = waiting;
    });
    for (const [model, cls, ...counts] of frame.count) {
      const stream = model * 2 + cls;
      const before = this.counts.get(stream);
      this.counts.set(stream, counts);
      // The first frame of all counts from nothing; a page that comes later begins with what had happened before.
      if (isFirst && frame.n > 0) continue;
      const delta = before ? counts.map((count, index) => count - before[index]) : counts;
      if (!delta.some((count) => count !== 0)) continue;
      deltas.push(stream, ...delta);
      for (let i = 0; i < WIDTH; i++) kept.sums[cls * WIDTH + i] += delta[i];
    }
    kept.deltas = Int32Array.from(deltas);
    this.frames.push(kept);
    this.cells += Run.cells(kept);
    this.end = t;
    for (const batch of frame.batch) this.batches.push(new Batch(batch, t));
    this.untold += frame.untold ?? 0;
    for (const [number, at, due, outcome, model, cls, end] of frame.other ?? []) {
      this.others.push(request([number, at, due, outcome], t, { model, cls, end: t + end / 1000 }));
    }
    if (this.live) this.forget();
  }

  takeDevices(frame, t) {
    const now = frame.device
      ? frame.device.map(([speed, reason]) => ({ speed, reason: reason ?? null }))
      : frame.serves
        ? frame.serves.map((serves) => ({ speed: 1, reason: serves ? null : 'out of service' }))
        : this.states;
    now.forEach((state, device) => {
      const open = this.outages.findLast((outage) => outage.device === device && outage.to === null);
      if (state.reason && !open) this.outages.push({ device, from: t, to: null, reason: state.reason });
      if (!state.reason && open) open.to = t;
    });
    this.states = now;
  }

  /** How much a frame tells. */
  static cells(frame) { return frame.deltas.length / CELL + frame.queues.length / 2; }

  /** Forgets the oldest, a part at a time: of many models less than ten minutes are kept. */
  forget() {
    if (this.frames.length > MOST_FRAMES * 1.1 || this.cells > MOST_CELLS * 1.1) {
      let from = Math.max(0, this.frames.length - MOST_FRAMES);
      for (let i = 0; i < from; i++) this.cells -= Run.cells(this.frames[i]);
      while (this.cells > MOST_CELLS && from < this.frames.length - 1) this.cells -= Run.cells(this.frames[from++]);
      this.frames = this.frames.slice(from);
    }
    if (this.batches.length > MOST_BATCHES * 1.2) {
      this.batches = this.batches.slice(-MOST_BATCHES);
      this.hasForgotten = true;
    }
    if (this.others.length > MOST_OTHERS * 1.2) this.others = this.others.slice(-MOST_OTHERS);
    const first = this.frames[0].t;
    if (this.outages.length > 200) this.outages = this.outages.slice(-100);
    this.outages = this.outages.filter((outage) => outage.to === null || outage.to > first);
  }

  /** Whether a head is of the same server start as what is here: its times go on. */
  isSameClock(head) {
    if (!this.head?.calendar_ms || !head.calendar_ms) return false;
    const began = (one) => one.calendar_ms - one.at / 1000;
    return Math.abs(began(this.head) - began(head)) < 1000;
  }

  // -- the time ------------------------------------------------------------------------------------------------------

  /** Frames come late by what the network and the browser take, never early: the earliest ones tell the time. */
  setClock(t) {
    const offset = t - performance.now();
    if (this.offset === null || offset > this.offset) this.offset = offset;
    else this.offset += (offset - this.offset) * 0.05;
  }

  /** The time on the server, as far as frames have told, and at most two seconds beyond the last. */
  now() {
    if (!this.live || this.offset === null) return this.end;
    return Math.min(performance.now() + this.offset, this.end + 2000);
  }

  /** Whether nothing has come for so long that the picture stands still. */
  isQuiet() { return !this.live || this.offset === null || performance.now() + this.offset > this.end + 2000; }

  /** When the last thing happened: a simulation's frames may go on after that. */
  lastEvent() {
    const frame = this.frames.findLast((one) => one.deltas.length > 0);
    return Math.max(frame?.t ?? this.base, this.batches.at(-1)?.ended ?? this.base);
  }

  /** Where round times are counted from: on a live server those of the day. */
  get roundBase() {
    if (!this.live || !this.head?.calendar_ms) return this.base;
    const hour = 3_600_000;
    return -((this.head.calendar_ms - this.head.at / 1000) % hour);
  }

  /** The time on the calendar, where that is known. */
  date(t) {
    if (!this.live || !this.head?.calendar_ms) return null;
    return new Date(this.head.calendar_ms + t - this.head.at / 1000);
  }

  // -- what is asked of it -------------------------------------------------------------------------------------------

  /** The place of the first element whose key is above `t`. */
  static after(list, t, key) {
    let [low, high] = [0, list.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (key(list[middle]) > t) high = middle; else low = middle + 1;
    }
    return low;
  }

  /** Frames that tell of a time, also where that is shorter than what one frame tells of. */
  framesOf(from, to) {
    const usual = this.head?.frame_ms ?? 200;
    const frames = this.framesIn(from, Math.max(to, from + 1));
    const next = this.frames[Run.after(this.frames, to, (frame) => frame.t)];
    return next && to - from < 2 * usual && next.t - next.dt < to ? [...frames, next] : frames;
  }

  /** How many seconds the frames that tell of a time tell of. */
  seconds(from, to) {
    const frames = this.framesOf(from, to);
    if (!frames.length || to - from >= 2 * this.head.frame_ms) {
      return Math.max((Math.min(to, this.now()) - Math.max(from, (this.frames[0]?.t ?? from) - this.head.frame_ms)) / 1000, 0.2);
    }
    return Math.max(0.05, (frames.at(-1).t - frames[0].t + frames[0].dt) / 1000);
  }

  framesIn(from, to) {
    const first = Run.after(this.frames, from, (frame) => frame.t);
    const end = Run.after(this.frames, to, (frame) => frame.t);
    return this.frames.slice(first, end);
  }

  /** Batches that were on a device within a time, those that still run included. */
  batchesIn(from, to) {
    const first = Run.after(this.batches, from, (batch) => batch.ended);
    const found = [];
    for (let i = first; i < this.batches.length; i++) if (this.batches[i].staged < to) found.push(this.batches[i]);
    return found;
  }

  /** Sums by class of a time. */
  classSums(from, to) {
    const sums = [new Sums(), new Sums()];
    for (const frame of this.framesOf(from, to)) for (const cls of [0, 1]) sums[cls].add(frame.sums, cls * WIDTH);
    return sums;
  }

  /** Sums by model and class of a time: `[model][class]`. */
  modelSums(from, to) {
    const sums = this.models.map(() => [new Sums(), new Sums()]);
    for (const frame of this.framesOf(from, to)) {
      const { deltas } = frame;
      for (let i = 0; i < deltas.length; i += CELL) sums[deltas[i] >> 1]?.[deltas[i] & 1].add(deltas, i + 1);
    }
    return sums;
  }

  /** Sums by class for each bin of a time; bins begin at multiples of their width. */
  bins(from, to, width) {
    const start = Math.floor((from - this.roundBase) / width) * width + this.roundBase;
    const bins = [];
    for (let t = start; t < to; t += width) bins.push({ t, to: t + width, sums: [new Sums(), new Sums()] });
    for (const frame of this.framesIn(start, start + bins.length * width)) {
      // What a frame tells happened before it.
      const bin = bins[Math.floor((frame.t - Math.min(frame.dt, this.head.frame_ms) / 2 - start) / width)];
      if (bin) for (const cls of [0, 1]) bin.sums[cls].add(frame.sums, cls * WIDTH);
    }
    return bins;
  }

  /** The last frame that was there at a time. */
  frameAt(t) { return this.frames[Run.after(this.frames, t, (frame) => frame.t) - 1] ?? null; }
}

/** How many times its predicted time a batch took; null where nothing was predicted, or it did not end well. */
export function ratio(batch) {
  if (batch.predicted === null || batch.end !== 0 || batch.predicted <= batch.staged) return null;
  return (batch.ended - batch.staged) / (batch.predicted - batch.staged);
}
