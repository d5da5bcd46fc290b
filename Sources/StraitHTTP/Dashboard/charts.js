// SPDX-License-Identifier: Apache-2.0
// The strips above and below the lanes, all on their axis of time.

import { begin, perSecond, percent, roundUp, timeGrid, timeText, timeTicks, count } from './canvas.js';
import { ratio } from './run.js';
import { colours } from './theme.js';

const WIDTHS = [200, 500, 1000, 2000, 5000, 10000, 30000];

/** The width of the bins that suits a span: some forty of them. */
export function binWidth(span) { return WIDTHS.find((width) => width >= span / 45) ?? 60000; }

function frame(canvas, run, scale, height) {
  const sheet = begin(canvas, height);
  if (!sheet) return null;
  timeGrid(sheet.pen, scale, run, 0, height);
  return sheet.pen;
}

function level(pen, scale, y, text, isStrong = false) {
  pen.strokeStyle = isStrong ? colours.line : colours.grid;
  pen.beginPath();
  pen.moveTo(scale.left, Math.round(y) + 0.5);
  pen.lineTo(scale.right, Math.round(y) + 0.5);
  pen.stroke();
  pen.fillStyle = colours.soft;
  pen.textAlign = 'right';
  pen.fillText(text, scale.left - 7, y);
}

function clip(pen, scale, height) {
  pen.save();
  pen.beginPath();
  pen.rect(scale.left, 0, scale.right - scale.left, height);
  pen.clip();
}

/** The share of each class in time, bin by bin. */
export function drawShare(canvas, run, scale, now) {
  const [height, top] = [92, 6];
  const pen = frame(canvas, run, scale, height);
  if (!pen) return;
  const y = (share) => top + (1 - share) * (height - 2 * top);
  for (const share of [1, 0.5, 0]) level(pen, scale, y(share), `${share * 100} %`, share === 0);
  const bins = run.bins(scale.from, scale.to, binWidth(scale.to - scale.from));
  clip(pen, scale, height);
  for (const cls of [1, 0]) {
    pen.strokeStyle = colours.lines[cls];
    pen.lineWidth = 1.75;
    pen.lineJoin = 'round';
    pen.beginPath();
    let isDown = false;
    for (const bin of bins) {
      const share = bin.sums[cls].share;
      // A bin that is not over says too little.
      if (share === null || bin.to > Math.min(now, run.end) + 250) { isDown = false; continue; }
      if (isDown) pen.lineTo(scale.x(bin.t), y(share)); else pen.moveTo(scale.x(bin.t), y(share));
      pen.lineTo(scale.x(bin.to), y(share));
      isDown = true;
    }
    pen.stroke();
  }
  pen.lineWidth = 1;
  for (const policy of run.policies) note(pen, scale, policy.t, policy.name, height);
  pen.restore();
}

function note(pen, scale, t, text, height) {
  const x = Math.round(scale.x(t)) + 0.5;
  pen.strokeStyle = colours.ink;
  pen.beginPath();
  pen.moveTo(x, 0);
  pen.lineTo(x, height);
  pen.stroke();
  pen.fillStyle = colours.ink;
  pen.textAlign = 'left';
  pen.fillText(text, x + 4, height - 12);
}

/** Why requests were missed, from the bottom up: late, given up on arrival, in the queue, no room, failed. */
export const REASONS = [
  { words: 'answered late', short: 'late', at: [2], colour: 'late' },
  { words: 'hopeless on arrival', short: 'on arrival', at: [5], colour: 'shed-2' },
  { words: 'became hopeless in the queue', short: 'in the queue', at: [6], colour: 'shed' },
  { words: 'no room to wait, or unloaded', short: 'no room', at: [7, 8, 9], colour: 'soft' },
  { words: 'failed', short: 'failed', at: [3], colour: 'failed' },
];

export function reasonCount(reason, sums) { return reason.at.reduce((sum, index) => sum + sums.n[index], 0); }

/** The most that was missed a second in any bin. */
export function missedTop(run, from, to) {
  const width = binWidth(to - from);
  const bins = run.bins(from, to, width);
  return Math.max(1, ...bins.map((bin) => bin.sums[0].missed + bin.sums[1].missed)) / (width / 1000);
}

/** What was missed a second, bin by bin, on a scale up to `most`. */
export function drawMissed(canvas, run, scale, most) {
  const [height, top] = [58, 8];
  const pen = frame(canvas, run, scale, height);
  if (!pen) return;
  const width = binWidth(scale.to - scale.from);
  const bins = run.bins(scale.from, scale.to, width);
  const max = roundUp(Math.max(most, 1));
  const tall = (value) => (value / max) * (height - top - 4);
  level(pen, scale, top, perSecond(max));
  level(pen, scale, height - 4, '0', true);
  clip(pen, scale, height);
  for (const bin of bins) {
    let y = height - 4;
    for (const reason of REASONS) {
      const value = (reasonCount(reason, bin.sums[0]) + reasonCount(reason, bin.sums[1])) / (width / 1000);
      if (value === 0) continue;
      const bar = Math.max(1, tall(value));
      pen.fillStyle = colours[reason.colour];
      pen.fillRect(scale.x(bin.t) + 0.5, y - bar, Math.max(1, scale.x(bin.to) - scale.x(bin.t) - 1), bar);
      y -= bar;
    }
  }
  pen.restore();
}

function waitingFrames(run, from, to) {
  const before = run.frameAt(from);
  return (before ? [before] : []).concat(run.framesIn(from, to));
}

/** The most of a class that waited. */
export function waitingTop(run, from, to) {
  return waitingFrames(run, from, to).reduce((most, { waiting }) => Math.max(most, waiting[0], waiting[1]), 1);
}

/** How many waited, frame by frame, on a scale up to `most`. */
export function drawWaiting(canvas, run, scale, now, most) {
  const [height, top] = [58, 8];
  const pen = frame(canvas, run, scale, height);
  if (!pen) return;
  const frames = waitingFrames(run, scale.from, scale.to);
  const max = roundUp(most);
  const y = (value) => height - 4 - (value / max) * (height - top - 4);
  level(pen, scale, top, count(max));
  level(pen, scale, height - 4, '0', true);
  clip(pen, scale, height);
  for (const cls of [1, 0]) {
    pen.strokeStyle = colours.lines[cls];
    pen.lineWidth = 1.5;
    pen.beginPath();
    frames.forEach((frame, index) => {
      const x = scale.x(frame.t);
      if (index === 0) pen.moveTo(x, y(frame.waiting[cls]));
      else { pen.lineTo(x, y(frames[index - 1].waiting[cls])); pen.lineTo(x, y(frame.waiting[cls])); }
    });
    const last = frames.at(-1);
    if (last) pen.lineTo(scale.x(Math.min(now, scale.to)), y(last.waiting[cls]));
    pen.stroke();
    if (frames.length > 1) {
      pen.lineTo(scale.x(Math.min(now, scale.to)), height - 4);
      pen.lineTo(scale.x(frames[0].t), height - 4);
      pen.globalAlpha = 0.1;
      pen.fillStyle = colours.lines[cls];
      pen.fill();
      pen.globalAlpha = 1;
    }
  }
  pen.restore();
}

/** Each batch's time over what was predicted, with the bands between the median and the bound that 95 % should keep to. */
export function drawRatio(canvas, run, scale, most) {
  const [height, top] = [112, 8];
  const pen = frame(canvas, run, scale, height);
  if (!pen) return;
  const batches = run.batchesIn(scale.from, scale.to).filter((batch) => ratio(batch) !== null);
  const least = most >= 4 ? 0.5 : 1 / most;
  const y = (value) => {
    const clamped = Math.min(Math.max(value, least), most);
    return top + (1 - Math.log(clamped / least) / Math.log(most / least)) * (height - 2 * top);
  };
  const levels = most >= 8 ? [0.5, 1, 2, 4, 8] : most >= 4 ? [0.5, 1, 2, 4] : most >= 2 ? [0.5, 1, 2] : [0.7, 1, 1.5];
  for (const value of levels) level(pen, scale, y(value), `${value} ×`, value === 1);
  clip(pen, scale, height);
  const width = binWidth(scale.to - scale.from);
  for (const cls of [1, 0]) drawBand(pen, run, scale, batches.filter((batch) => batch.cls === cls), cls, width, y);
  const size = batches.length > 2500 ? 1.4 : batches.length > 600 ? 2 : 2.6;
  for (const cls of [1, 0]) {
    pen.fillStyle = colours.classes[cls];
    for (const batch of batches) {
      if (batch.cls !== cls || batch.ended > batch.bound) continue;
      pen.fillRect(scale.x(batch.ended) - size / 2, y(ratio(batch)) - size / 2, size, size);
    }
  }
  pen.fillStyle = colours.late;
  for (const batch of batches) {
    if (batch.ended <= batch.bound) continue;
    pen.fillRect(scale.x(batch.ended) - size / 2 - 0.4, y(ratio(batch)) - size / 2 - 0.4, size + 0.8, size + 0.8);
  }
  pen.restore();
}

/** The range that shows all but the farthest fiftieth; those stand at its edge. */
export function ratioTop(run, from, to) {
  const batches = run.batchesIn(from, to).filter((batch) => ratio(batch) !== null);
  if (batches.length === 0) return 1.5;
  const step = Math.ceil(batches.length / 1000);
  const sorted = batches.filter((_, index) => index % step === 0).map(ratio).sort((a, b) => a - b);
  const bound = batches.reduce((sum, batch) => sum + (batch.bound - batch.staged) / (batch.predicted - batch.staged), 0) / batches.length;
  const high = Math.max(bound, sorted[Math.floor(sorted.length * 0.98)], 1 / Math.max(sorted[Math.floor(sorted.length * 0.02)], 0.01));
  return [1.5, 2, 4].find((most) => high <= most * 0.92) ?? 8;
}

function drawBand(pen, run, scale, batches, cls, width, y) {
  const bins = new Map();
  for (const batch of batches) {
    const time = batch.predicted - batch.staged;
    const start = Math.floor((batch.ended - run.roundBase) / width) * width + run.roundBase;
    const bin = bins.get(start) ?? { count: 0, median: 0, bound: 0 };
    bin.count += 1;
    bin.median += (batch.median - batch.staged) / time;
    bin.bound += (batch.bound - batch.staged) / time;
    bins.set(start, bin);
  }
  pen.fillStyle = colours.lines[cls];
  pen.globalAlpha = 0.16;
  for (const [start, bin] of bins) {
    const [from, to] = [scale.x(start), scale.x(start + width)];
    const [upper, lower] = [y(bin.bound / bin.count), y(bin.median / bin.count)];
    pen.fillRect(from, upper, to - from, Math.max(1, lower - upper));
  }
  pen.globalAlpha = 1;
}

/** The axis of time. */
export function drawAxis(canvas, run, scale) {
  const sheet = begin(canvas, 20);
  if (!sheet) return;
  const { pen, width } = sheet;
  const { step, ticks } = timeTicks(scale, run);
  pen.fillStyle = colours.soft;
  pen.textAlign = 'center';
  for (const t of ticks) {
    const x = scale.x(t);
    if (x < scale.left + 22 || x > width - 26) continue;
    pen.fillText(timeText(run, t, step), x, 9);
  }
}

/** What each strip says in words: of the time under the pointer, or of all that is shown. */
export function captions(run, from, to, at, isNarrow) {
  const width = binWidth(to - from);
  const [start, end] = at === null ? [from, to] : [at - width / 2, at + width / 2];
  const sums = run.classSums(start, end);
  const seconds = run.seconds(start, end);
  const parts = REASONS.map((reason) => [reason, reasonCount(reason, sums[0]) + reasonCount(reason, sums[1])])
    .filter(([, value]) => value > 0).map(([reason, value]) => `${perSecond(value / seconds)} ${isNarrow ? reason.short : reason.words}`);
  const frame = run.frameAt(at ?? to);
  return {
    share: sums.every((sum) => sum.share === null) ? ''
      : `high ${percent(sums[0].share)} %, low ${percent(sums[1].share)} %`,
    missed: parts.join(', ') || 'nothing',
    waiting: frame ? `${count(frame.waiting[0])} high, ${count(frame.waiting[1])} low` : '',
  };
}
