// SPDX-License-Identifier: Apache-2.0
// Numbers: large ones on top, tables at the side. They tell of the time that is shown.

import { count, percent, perSecond, whole } from './canvas.js';
import { REASONS, reasonCount } from './charts.js';
import { ratio } from './run.js';

/** An element with text or children. */
export function el(name, options = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(options)) {
    if (key in node) node[key] = value; else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

/** Changes a text only where it changes, so that nothing flickers and screen readers stay quiet. */
function say(node, text, unit = '') {
  const whole = text + unit;
  if (node.dataset.said === whole) return;
  node.dataset.said = whole;
  node.textContent = text;
  if (unit) node.append(el('small', {}, unit));
}

/** Puts rows into a table, again only where something changed. */
function fill(table, head, rows) {
  const key = JSON.stringify([head, rows]);
  if (table.dataset.said === key) return;
  table.dataset.said = key;
  const cell = (value) => {
    if (value === null || value === undefined) return el('td', { className: 'none' }, '–');
    if (typeof value !== 'object') return el('td', {}, String(value));
    const td = el('td', { className: value.className ?? '' });
    if (value.meter !== undefined) td.append(meter(value));
    if (value.key) td.append(el('i', { className: `key ${value.key}` }));
    td.append(value.meter === undefined ? value.text : el('span', { className: 'number' }, value.text));
    if (value.title) td.title = value.title;
    return td;
  };
  table.replaceChildren(
    el('thead', {}, el('tr', {}, ...head.map((text) => el('th', { scope: 'col' }, text)))),
    el('tbody', {}, ...rows.map((row) => el('tr', {}, ...row.map(cell)))));
}

function meter({ meter, cls }) {
  const bar = el('i');
  bar.style.width = `${Math.round(meter * 100)}%`;
  return el('span', { className: `meter ${cls}` }, bar);
}

/** The readouts on top. */
export function showReadouts(section, run, from, to) {
  const sums = run.classSums(from, to);
  const seconds = run.seconds(from, to);
  const at = (name) => section.querySelector(`[data-is="${name}"]`);
  ['high', 'low'].forEach((name, cls) => {
    const share = sums[cls].share;
    say(at(name), percent(share), share === null ? '' : '%');
    say(at(`${name}-sub`), share === null ? 'no request' : `${count(sums[cls].met)} of ${count(sums[cls].met + sums[cls].missed)}`);
  });
  const arrived = sums[0].arrived + sums[1].arrived;
  say(at('rate'), perSecond(arrived / seconds), '/s');
  say(at('rate-sub'), arrived > 0 ? `${percent(sums[0].arrived / arrived)} % high` : '');
  const waiting = shownWaiting(run, from, to);
  say(at('waiting'), count(waiting[0] + waiting[1]));
  say(at('waiting-sub'), `${count(waiting[0])} high, ${count(waiting[1])} low`);
  const batches = run.batchesIn(from, to).filter((batch) => batch.ended <= to && ratio(batch) !== null);
  const held = batches.filter((batch) => batch.ended <= batch.bound).length;
  say(at('bound'), percent(batches.length ? held / batches.length : null), batches.length ? '%' : '');
  say(at('bound-sub'), run.alert ? 'bounds fail: one batch at a time' : batches.length ? `of ${count(batches.length)} batches` : '');
}

/** How many wait now, or on average in a time that is over. */
function shownWaiting(run, from, to) {
  if (run.live && to > run.end - 1000) return run.frameAt(to)?.waiting ?? [0, 0];
  const frames = run.framesIn(from, to);
  return [0, 1].map((cls) => Math.round(frames.reduce((sum, frame) => sum + frame.waiting[cls], 0) / Math.max(1, frames.length)));
}

/** The tables at the side. */
export function showTables(section, run, from, to) {
  showModels(section.querySelector('.models'), run, from, to);
  showReasons(section.querySelector('.reasons'), run, from, to);
  showDevices(section.querySelector('.devices'), run, from, to);
  showTotals(section.querySelector('.sums'), run);
}

/** Models that are listed; others are summed up. */
const MOST_MODELS = 40;

function showModels(table, run, from, to) {
  const sums = run.modelSums(from, to);
  const waiting = new Map();
  const queues = run.frameAt(to)?.queues ?? [];
  for (let i = 0; i < queues.length; i += 2) waiting.set(queues[i], queues[i + 1]);
  const seconds = run.seconds(from, to);
  const share = (sum, cls) => (sum.share === null ? null : { meter: sum.share, cls, text: `${percent(sum.share)} %` });
  const rows = run.models.map((name, model) => {
    const arrived = sums[model][0].arrived + sums[model][1].arrived;
    return { arrived, row: [{ text: name, title: name }, share(sums[model][0], 'high'), share(sums[model][1], 'low'),
      perSecond(arrived / seconds), waits(waiting.get(model * 2) ?? 0, waiting.get(model * 2 + 1) ?? 0)] };
  });
  const told = rows.length > MOST_MODELS ? rows.toSorted((a, b) => b.arrived - a.arrived).slice(0, MOST_MODELS) : rows;
  const rest = rows.length - told.length;
  showEquity(table.parentElement.querySelector('.equity'), run, sums);
  fill(table, ['', 'high', 'low', '/s', 'waiting'],
    told.map(({ row }) => row).concat(rest > 0 ? [[`and ${rest} that are less busy`, null, null, null, null]] : []));
}

/** How many of a model wait: high, then low. */
function waits(high, low) {
  return high + low === 0 ? 0 : { text: `${count(high)} + ${count(low)}`, title: `${whole(high)} high, ${whole(low)} low` };
}

/** How evenly models fare: the worst and the best of each class. */
function showEquity(node, run, sums) {
  const parts = ['high', 'low'].map((name, cls) => {
    const known = sums.map((of, model) => [of[cls].share, run.models[model]]).filter(([share]) => share !== null);
    if (known.length < 2) return null;
    known.sort((a, b) => a[0] - b[0]);
    const [worst, best] = [known[0], known.at(-1)];
    return worst[0] === best[0] ? `${name} all ${percent(worst[0])}\u00a0%`
      : `${name} ${percent(worst[0])}\u00a0% (${worst[1]}) to ${percent(best[0])}\u00a0%`;
  }).filter(Boolean);
  say(node, parts.length ? `Worst model to best: ${parts.join('; ')}` : '');
}

function showReasons(table, run, from, to) {
  const sums = run.classSums(from, to);
  fill(table, ['', 'high', 'low'], REASONS.map((reason) => [
    { text: reason.words, className: 'wide', key: reason.colour },
    count(reasonCount(reason, sums[0])), count(reasonCount(reason, sums[1]))]));
}

/** What tells devices apart: their names from the first word on that is not the same in all. */
export function shortNames(names) {
  if (names.length < 2) return names;
  const words = names.map((name) => name.split(' '));
  const shortest = Math.min(...words.map((of) => of.length));
  let front = 0;
  while (front < shortest && words.every((of) => of[front] === words[0][front])) front += 1;
  // Where one name is the beginning of another, all that stands behind the last comma stays.
  if (front === shortest) {
    front -= 1;
    while (front > 0 && !words[0][front - 1].endsWith(',')) front -= 1;
  }
  return words.map((of) => of.slice(front).join(' ').replace(/^\((.*)\)$/, '$1'));
}

function showDevices(table, run, from, to) {
  const busy = run.devices.map(() => 0);
  const ended = run.devices.map(() => 0);
  const end = Math.min(to, run.now());
  for (const batch of run.batchesIn(from, to)) {
    busy[batch.device] += Math.max(0, Math.min(batch.done ?? batch.ended, end) - Math.max(batch.staged, from));
    if (batch.ended <= end) ended[batch.device] += 1;
  }
  for (const batch of run.running) busy[batch.device] += Math.max(0, end - Math.max(batch.staged, from));
  const span = Math.max(end - from, 1);
  const names = shortNames(run.devices.map((device) => device.name));
  fill(table, ['', 'lanes busy', 'batches/s', 'takes'], run.devices.map((device, index) => {
    const { speed, reason } = run.states[index];
    return [{ text: names[index], title: device.name },
      `${Math.round(Math.min(1, busy[index] / (span * device.lanes)) * 100)} %`, perSecond(ended[index] / (span / 1000)),
      reason ? { text: 'out', className: 'badge', title: reason } : `${speed.toFixed(2)} ×`];
  }));
}

function showTotals(table, run) {
  const names = ['arrived', 'in time', 'late', 'shed', 'cancelled', 'failed'];
  const totals = run.totals ?? [[], []];
  fill(table, ['', 'high', 'low'],
    names.map((name, index) => [name, ...totals.map((numbers) => (index in numbers ? whole(numbers[index]) : null))]));
}
