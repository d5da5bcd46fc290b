// SPDX-License-Identifier: Apache-2.0
// What all canvases share: their size on the screen, the axis of time, scales and numbers.

import { colours } from './theme.js';

/** The font of canvases, which style sheets do not reach. */
export const FONT = '11px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", sans-serif';

/** The canvas made as large as it is shown, emptied; null while it is not shown. */
export function begin(canvas, height) {
  const width = canvas.clientWidth;
  if (width === 0) return null;
  const scale = Math.min(devicePixelRatio || 1, 3);
  const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.height = `${height}px`;
  }
  const pen = canvas.getContext('2d');
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = FONT;
  pen.textBaseline = 'middle';
  pen.lineWidth = 1;
  return { pen, width, height };
}

/** Maps times to places: what is left of `left` is for labels. */
export class TimeScale {
  constructor(from, to, width, left, right = 2) {
    this.from = from;
    this.to = to;
    this.left = left;
    this.right = width - right;
    this.perMs = (this.right - this.left) / (to - from);
  }

  x(t) { return this.left + (t - this.from) * this.perMs; }
  t(x) { return this.from + (x - this.left) / this.perMs; }
}

const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 15000, 30000, 60000, 120000, 300000];

/** Times to mark, so far apart that their labels have room. */
export function timeTicks(scale, run) {
  const base = run.roundBase;
  const step = STEPS.find((step) => step * scale.perMs >= 76) ?? 600000;
  const ticks = [];
  for (let t = Math.ceil((scale.from - base) / step) * step + base; t <= scale.to; t += step) ticks.push(t);
  return { step, ticks };
}

/** Faint lines at the marked times. */
export function timeGrid(pen, scale, run, top, bottom) {
  pen.strokeStyle = colours.grid;
  pen.beginPath();
  for (const t of timeTicks(scale, run).ticks) {
    const x = Math.round(scale.x(t)) + 0.5;
    if (x < scale.left) continue;
    pen.moveTo(x, top);
    pen.lineTo(x, bottom);
  }
  pen.stroke();
}

/** A time as its axis tells it: of the day where that is known, else seconds of the run. */
export function timeText(run, t, step) {
  const date = run.date(t);
  const digits = step >= 1000 ? 0 : step >= 100 ? 1 : step >= 10 ? 2 : 3;
  if (!date) return `${((t - run.base) / 1000).toFixed(digits)} s`;
  const two = (n) => String(n).padStart(2, '0');
  // Milliseconds of the server's start are a fraction: what is a hair before a round time is that time.
  const rounded = new Date(Math.round(date.getTime() + 0.5));
  const part = digits === 0 ? '' : `.${String(rounded.getMilliseconds()).padStart(3, '0').slice(0, digits)}`;
  return `${two(rounded.getHours())}:${two(rounded.getMinutes())}:${two(rounded.getSeconds())}${part}`;
}

/** The next round number from `value` on. */
export function roundUp(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].find((factor) => factor * power >= value * 0.9999) * power;
}

/** A share in percent: whole ones without decimals, and never rounded to 100 or 0 what is not. */
export function percent(share) {
  if (share === null) return '–';
  const value = share * 100;
  if (value === 0 || value === 100) return String(value);
  if (value > 99.9) return Math.min(99.99, value).toFixed(2);
  return Math.min(99.9, Math.max(0.1, value)).toFixed(1);
}

/** A number of things. */
export function count(value) {
  return value >= 10000 ? `${Math.round(value / 100) / 10}k` : whole(value);
}

/** A number of things to the last one. */
export function whole(value) { return value.toLocaleString('en').replace(/,/g, '\u202f'); }

/** How many a second. */
export function perSecond(value) {
  return value >= 100 ? count(Math.round(value)) : value >= 10 ? value.toFixed(0) : value.toFixed(1);
}

/** Milliseconds, with three digits that count. */
export function ms(value) {
  if (value === null) return '–';
  const size = Math.abs(value);
  if (size >= 10000) return `${(value / 1000).toFixed(1)} s`;
  return `${value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2)} ms`;
}
