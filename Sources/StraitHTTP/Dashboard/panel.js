// SPDX-License-Identifier: Apache-2.0
// One run on the page: its strips, its numbers, and what of it was clicked.

import { TimeScale, timeText } from './canvas.js';
import { captions, drawAxis, drawMissed, drawRatio, drawShare, drawWaiting, missedTop, ratioTop, waitingTop } from './charts.js';
import { showBatch, showOthers } from './details.js';
import { showReadouts, showTables } from './tables.js';
import { drawLanes, layout } from './timeline.js';
import { LAG, panels, redraw, view, watchPointer } from './view.js';

/** Strips narrower than this, pixels, have shorter words. */
const NARROW = 560;

export class Panel {
  /** Puts a run on the page. */
  constructor(run) {
    this.run = run;
    this.bars = [];
    this.chosen = null;
    const section = document.getElementById('run').content.firstElementChild.cloneNode(true);
    if (!run.live) section.querySelector('.totals h2').textContent = 'In the whole recording';
    document.getElementById('runs').append(section);
    this.section = section;
    this.strips = section.querySelector('.strips');
    this.cursor = section.querySelector('.cursor');
    this.details = section.querySelector('.details');
    this.canvases = {};
    for (const strip of section.querySelectorAll('[data-strip]')) {
      this.canvases[strip.dataset.strip] = strip.matches('canvas') ? strip : strip.querySelector('canvas');
    }
    new ResizeObserver(() => redraw()).observe(this.strips);
    watchPointer(this);
  }

  get isNarrow() { return this.strips.clientWidth < NARROW; }

  get left() { return this.isNarrow ? 44 : 52; }

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
    // What stands beside each other has the same scales.
    const shown = panels.filter((panel) => panel.run.head);
    const most = (of) => Math.max(...shown.map((panel) => of(panel.run, ...panel.window())));
    drawShare(canvases.share, run, scale, now);
    const tallest = most(({ devices }) => layout(devices).height);
    this.bars = drawLanes(canvases.lanes, run, scale, now, this.chosen ?? this.pointed, tallest);
    drawMissed(canvases.missed, run, scale, most(missedTop));
    drawWaiting(canvases.waiting, run, scale, now, most(waitingTop));
    drawRatio(canvases.ratio, run, scale, most(ratioTop));
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
    const { run, isNarrow } = this;
    const at = view.cursor === null ? null : scale.from + view.cursor * (scale.to - scale.from);
    const texts = captions(run, scale.from, scale.to, at, isNarrow);
    const first = run.hasForgotten ? run.batches[0]?.staged : -Infinity;
    texts.lanes = this.pointed ? this.words(this.pointed) : scale.from < first ? 'older batches are not kept'
      : at !== null ? timeText(run, at, view.span / 500)
        : isNarrow ? `tap a batch ${run.live ? 'to be told why' : 'for its parts'}`
          : `pale: copies in; orange foot: late; click a batch ${run.live ? 'to be told why' : 'for its parts'}`;
    texts.ratio = isNarrow ? 'band: to the 95 % bound' : 'band: median to 95 % bound; orange: beyond it';
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
    const { head, policy, live } = this.run;
    const origin = this.section.querySelector('.origin');
    const seed = head.seed === undefined ? '' : `, seed ${head.seed}`;
    const text = `${policy} · ${head.source === 'live' ? head.origin : `${head.origin}${seed}, simulated`}`
      + (live ? '' : head.source === 'live' ? ', recorded' : '') + (this.name ? ` · ${this.name}` : '');
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
    redraw();
  }

  chooseOthers(t) {
    const width = view.span / 60;
    const found = this.run.others.filter((other) => Math.abs(other.end - t) < width);
    if (!found.length) return;
    this.chosen = null;
    showOthers(this.details, this.run, found, () => this.choose(null));
  }
}
