// SPDX-License-Identifier: Apache-2.0
// The page: one view of time for all runs, drawn while something happens and not otherwise.

import { TimeScale, timeText } from './canvas.js';
import { captions, drawAxis, drawMissed, drawRatio, drawShare, drawWaiting } from './charts.js';
import { showBatch, showOthers } from './details.js';
import { Run } from './run.js';
import { follow, readAll, setToken } from './stream.js';
import { showReadouts, showTables } from './tables.js';
import { onTheme, switchTheme } from './theme.js';
import { drawLanes, layout } from './timeline.js';

const byId = (id) => document.getElementById(id);
const recorded = Number(document.documentElement.dataset.runs);
const live = recorded === 0;
const calm = matchMedia('(prefers-reduced-motion: reduce)');

/** How far behind the server the right edge is: what has not arrived yet would be a ragged edge. */
const LAG = 250;
const SPANS = [50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 30000, 60000, 120000, 300000, 600000];

/** What is looked at: the last `span` milliseconds, or those before `end`. */
const view = { span: 10000, end: 0, follows: live, cursor: null };
const panels = [];
let needsDrawing = false;
let isAsked = false;
let didMove = false;
let lastCost = 0;
let lastTables = 0;
let lastDraw = 0;
let state = { name: 'connecting', words: '' };

class Panel {
  constructor(index) {
    this.run = new Run(live);
    this.index = index;
    this.bars = [];
    this.chosen = null;
    const section = byId('run').content.firstElementChild.cloneNode(true);
    if (!live) section.querySelector('.totals h2').textContent = 'In the whole recording';
    byId('runs').append(section);
    this.section = section;
    this.strips = section.querySelector('.strips');
    this.cursor = section.querySelector('.cursor');
    this.details = section.querySelector('.details');
    this.canvases = {};
    for (const strip of section.querySelectorAll('[data-strip]')) {
      this.canvases[strip.dataset.strip] = strip.matches('canvas') ? strip : strip.querySelector('canvas');
    }
    new ResizeObserver(draw).observe(this.strips);
    watchPointer(this);
  }

  get left() { return this.strips.clientWidth < 560 ? 44 : 52; }

  /** The time that is shown, as the run counts. */
  window() {
    const end = view.follows ? this.run.now() - LAG : view.end + this.run.base;
    return [end - view.span, end];
  }

  scale() {
    const [from, to] = this.window();
    return new TimeScale(from, to, this.strips.clientWidth, this.left);
  }

  draw(withTables) {
    const { run, canvases } = this;
    this.section.hidden = !run.head;
    if (!run.head) return;
    const scale = this.scale();
    const now = run.now();
    drawShare(canvases.share, run, scale, now);
    const tallest = Math.max(...panels.map((panel) => (panel.run.head ? layout(panel.run.devices).height : 0)));
    this.bars = drawLanes(canvases.lanes, run, scale, now, this.chosen ?? this.pointed, tallest);
    drawMissed(canvases.missed, run, scale);
    drawWaiting(canvases.waiting, run, scale, now);
    drawRatio(canvases.ratio, run, scale);
    drawAxis(canvases.axis, run, scale);
    this.drawCursor(scale);
    if (!withTables) return;
    this.showOrigin();
    showReadouts(this.section, run, scale.from, scale.to);
    showTables(this.section, run, scale.from, scale.to);
    this.showCaptions(scale);
  }

  drawCursor(scale) {
    this.cursor.hidden = view.cursor === null;
    if (view.cursor === null) return;
    this.cursor.style.left = `${scale.left + view.cursor * (scale.right - scale.left)}px`;
  }

  showCaptions(scale) {
    const at = view.cursor === null ? null : scale.from + view.cursor * (scale.to - scale.from);
    const texts = captions(this.run, scale.from, scale.to, at);
    const first = this.run.hasForgotten ? this.run.batches[0]?.staged : -Infinity;
    texts.lanes = this.pointed ? this.words(this.pointed) : scale.from < first ? 'older batches are not kept'
      : at === null ? '' : timeText(this.run, at, view.span / 500);
    texts.ratio = 'band: median to 95 % bound; orange: beyond it';
    for (const [name, text] of Object.entries(texts)) {
      const value = this.section.querySelector(`[data-strip="${name}"] .value`);
      if (value && value.textContent !== text) value.textContent = text;
    }
  }

  words(batch) {
    const took = (batch.end < 0 ? this.run.now() : batch.ended) - batch.staged;
    const late = batch.late > 0 ? `, ${batch.late} of ${batch.late + batch.met} late` : '';
    const predicted = batch.predicted === null ? '' : ` (predicted ${(batch.predicted - batch.staged).toFixed(1)})`;
    return `${this.run.models[batch.model]} × ${batch.rows}, ${took.toFixed(1)} ms${predicted}${late}`;
  }

  showOrigin() {
    const { head, policy } = this.run;
    const origin = this.section.querySelector('.origin');
    const seed = head.seed === undefined ? '' : `, seed ${head.seed}`;
    const text = `${policy} · ${head.source === 'live' ? head.origin : `${head.origin}${seed}, simulated`}`
      + (live ? '' : head.source === 'live' ? ', recorded' : '');
    if (origin.textContent === text) return;
    const name = document.createElement('b');
    name.textContent = policy;
    origin.replaceChildren(name, text.slice(policy.length));
  }

  barAt(x, y) {
    return this.bars.findLast((bar) => x >= bar.left - 1 && x <= bar.right + 1 && y >= bar.top && y < bar.bottom);
  }

  choose(batch) {
    this.chosen = batch;
    if (batch) showBatch(this.details, this.run, batch, () => this.choose(null));
    else this.details.hidden = true;
    draw();
  }

  chooseOthers(t) {
    const width = view.span / 60;
    const found = this.run.others.filter((other) => Math.abs(other.end - t) < width);
    if (!found.length) return;
    this.chosen = null;
    showOthers(this.details, this.run, found, () => this.choose(null));
  }
}

// -- drawing ---------------------------------------------------------------------------------------------------------

function draw() {
  needsDrawing = true;
  ask();
}

/** Asks the browser for the next frame of the screen, once. */
function ask() {
  if (isAsked) return;
  isAsked = true;
  requestAnimationFrame(tick);
}

function tick(time) {
  isAsked = false;
  const moves = view.follows && panels.some((panel) => panel.run.head && !panel.run.isQuiet());
  if (didMove && !moves) needsDrawing = true; // once more, as it stands from now on
  didMove = moves;
  // Thirty times a second, or as often as leaves three quarters of the time to others.
  const pause = calm.matches ? 200 : Math.max(30, 4 * lastCost);
  if (time - lastDraw >= pause || (needsDrawing && !moves)) {
    needsDrawing = false;
    const start = performance.now();
    const withTables = !moves || time - lastTables > 240;
    if (withTables) lastTables = time;
    lastDraw = time;
    for (const panel of panels) panel.draw(withTables);
    showState(moves);
    lastCost = Math.min(performance.now() - start, 250);
  }
  // Nothing is asked of the browser while nothing moves.
  if (moves || needsDrawing) ask();
}

function showState(moves) {
  const run = panels[0].run;
  const status = byId('status');
  let [name, words] = [state.name, state.words];
  if (!live) {
    name = 'recorded';
    words ||= panels.map((panel) => panel.run.head?.server ?? '').find(Boolean) ? 'recorded' : 'loading';
  } else if (name === 'live' && run.head) {
    const date = run.date(run.end);
    if (run.isQuiet() && date) {
      name = 'quiet';
      words = `quiet since ${date.toTimeString().slice(0, 8)}`;
    } else {
      words = view.follows ? 'live' : 'paused';
    }
  }
  status.dataset.state = name;
  if (status.textContent !== words) status.textContent = words;
  const arrived = run.totals ? run.totals[0][0] + run.totals[1][0] : 0;
  byId('empty').hidden = !(live && state.name === 'live' && arrived === 0);
  const span = view.span < 1000 ? `${view.span} ms` : view.span < 60000 ? `${view.span / 1000} s` : `${view.span / 60000} min`;
  if (byId('span').textContent !== span) byId('span').textContent = span;
  byId('pause').textContent = view.follows ? 'Pause' : 'Live';
  byId('pause').setAttribute('aria-pressed', String(live && !view.follows));
  if (!moves) lastTables = 0;
}

// -- the view --------------------------------------------------------------------------------------------------------

function stop() {
  if (!view.follows) return;
  view.end = panels[0].window()[1] - panels[0].run.base;
  view.follows = false;
}

function togglePause() {
  if (!live) return;
  if (view.follows) stop(); else view.follows = true;
  draw();
}

/** Changes the span around a place between 0 and 1. */
function zoom(span, around) {
  const next = Math.min(Math.max(span, 5), SPANS.at(-1));
  if (!view.follows) view.end += (next - view.span) * (1 - around);
  view.span = Number(next.toPrecision(3));
  keepInside();
  draw();
}

function step(direction) {
  const next = direction > 0 ? SPANS.find((span) => span > view.span * 1.01) : SPANS.findLast((span) => span < view.span * 0.99);
  if (next) zoom(next, view.follows ? 1 : view.cursor ?? 0.5);
}

function pan(share) {
  stop();
  view.end += share * view.span;
  keepInside();
  draw();
}

/** The view does not leave what there is. */
function keepInside() {
  if (view.follows) return;
  const ends = panels.map(({ run }) => run.now() - run.base);
  const starts = panels.map(({ run }) => (run.frames[0]?.t ?? 0) - run.base);
  view.end = Math.min(view.end, Math.max(...ends) + view.span * 0.02);
  view.end = Math.max(view.end, Math.min(...starts) + view.span * 0.5);
}

function watchPointer(panel) {
  const { strips } = panel;
  const pointers = new Map();
  let moved = 0;
  const place = (event) => {
    const scale = panel.scale();
    const x = event.clientX - strips.getBoundingClientRect().left;
    return (x - scale.left) / (scale.right - scale.left);
  };
  const bar = (event) => {
    const box = panel.canvases.lanes.getBoundingClientRect();
    return panel.barAt(event.clientX - box.left, event.clientY - box.top);
  };
  strips.addEventListener('pointerdown', (event) => {
    if (event.button > 0) return;
    pointers.set(event.pointerId, event.clientX);
    moved = 0;
  });
  strips.addEventListener('pointermove', (event) => {
    const before = pointers.get(event.pointerId);
    if (before !== undefined) {
      moved += Math.abs(event.clientX - before);
      if (pointers.size === 2) pinch(event, before);
      else if (moved > 4) {
        strips.setPointerCapture(event.pointerId);
        strips.classList.add('dragging');
        const scale = panel.scale();
        pan((before - event.clientX) / (scale.right - scale.left));
      }
      pointers.set(event.pointerId, event.clientX);
    }
    const at = place(event);
    view.cursor = at >= 0 && at <= 1 && event.pointerType !== 'touch' ? at : null;
    panel.pointed = bar(event)?.batch ?? null;
    lastTables = 0;
    draw();
  });
  const pinch = (event, before) => {
    const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
    const factor = Math.abs(before - other) / Math.max(8, Math.abs(event.clientX - other));
    zoom(view.span * factor, place(event));
  };
  const up = (event) => {
    pointers.delete(event.pointerId);
    strips.classList.remove('dragging');
  };
  strips.addEventListener('pointerup', up);
  strips.addEventListener('pointercancel', up);
  strips.addEventListener('pointerleave', () => {
    view.cursor = null;
    panel.pointed = null;
    lastTables = 0;
    draw();
  });
  strips.addEventListener('click', (event) => {
    if (moved > 4) return;
    const found = bar(event);
    if (found) return panel.choose(found.batch);
    if (event.target === panel.canvases.missed) {
      const scale = panel.scale();
      return panel.chooseOthers(scale.from + place(event) * (scale.to - scale.from));
    }
    panel.choose(null);
  });
  strips.addEventListener('wheel', (event) => {
    if (event.ctrlKey || event.metaKey || Math.abs(event.deltaY) > Math.abs(event.deltaX)) {
      if (!event.ctrlKey && !event.metaKey && !event.shiftKey) return; // the page scrolls
      event.preventDefault();
      zoom(view.span * Math.exp(event.deltaY * 0.002), view.follows ? 1 : place(event));
    } else {
      event.preventDefault();
      pan(event.deltaX / strips.clientWidth);
    }
  }, { passive: false });
}

addEventListener('keydown', (event) => {
  if (event.target.matches('input, button') && event.key !== 'Escape') return;
  if (event.metaKey || event.ctrlKey || event.altKey) return;
  const actions = {
    ' ': togglePause, '+': () => step(-1), '=': () => step(-1), '-': () => step(1),
    ArrowLeft: () => pan(-0.1), ArrowRight: () => pan(0.1),
    Escape: () => panels.forEach((panel) => panel.choose(null)),
  };
  if (!actions[event.key]) return;
  event.preventDefault();
  actions[event.key]();
});

byId('pause').onclick = togglePause;
byId('pause').hidden = !live;
byId('in').onclick = () => step(-1);
byId('out').onclick = () => step(1);
byId('theme').onclick = switchTheme;
onTheme(draw);
document.addEventListener('visibilitychange', () => { if (!document.hidden) draw(); });

// -- where it comes from ---------------------------------------------------------------------------------------------

for (let index = 0; index < Math.max(1, recorded); index++) panels.push(new Panel(index));
document.body.classList.toggle('two', recorded > 1);

async function watch() {
  byId('login').hidden = true;
  const { run } = panels[0];
  await follow('/v2/strait/events', (name, data) => { run.take(name, data); draw(); }, (name, words = '') => {
    state = { name, words };
    if (name === 'lost') state.words = `${words}; trying again`;
    if (name === 'token') {
      byId('login').hidden = false;
      byId('login-note').textContent = words;
      byId('token').focus();
      state = { name: 'lost', words: 'a token is needed' };
    }
    draw();
  });
}

async function load() {
  try {
    await Promise.all(panels.map(({ run }, index) => readAll(`/dashboard/runs/${index}`, (name, data) => run.take(name, data))));
  } catch (error) {
    state = { name: 'lost', words: `a recording cannot be read: ${error.message}` };
  }
  const longest = Math.max(...panels.map(({ run }) => run.now() - run.base));
  view.span = Math.min(Math.max(Number(longest.toPrecision(3)), 50), SPANS.at(-1));
  view.end = view.span;
  draw();
}

byId('login').onsubmit = (event) => {
  event.preventDefault();
  setToken(byId('token').value);
  byId('token').value = '';
  watch();
};

if (live) watch(); else load();
draw();

/** For tests: what the page knows, as it draws it. */
globalThis.strait = { panels, view };
