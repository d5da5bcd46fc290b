// SPDX-License-Identifier: Apache-2.0
// What is looked at: one view of time for all panels, and how keys, buttons, pointers and fingers change it.

/** The last `span` milliseconds, or those before `end`, which counts from each run's beginning. */
export const view = { span: 10000, end: 0, follows: false, cursor: null };
/** What is on the page: a panel for each run. */
export const panels = [];

/** How far behind the server the right edge is: what has not arrived yet would be a ragged edge. */
export const LAG = 250;
const SPANS = [50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 30000, 60000, 120000, 300000, 600000];

let changed = () => {};

/** Has `body` called whenever something is to be drawn; with true where the numbers are, too. */
export function onChange(body) { changed = body; }

/** Asks for a new picture. */
export function redraw(withTables = false) { changed(withTables); }

/** The span in words. */
export function spanText() {
  const short = (value) => String(Number(value.toPrecision(3)));
  return view.span < 1000 ? `${short(view.span)} ms` : view.span < 60000 ? `${short(view.span / 1000)} s` : `${short(view.span / 60000)} min`;
}

/** Stops the picture. */
export function stop() {
  if (!view.follows) return;
  view.end = panels[0].window()[1] - panels[0].run.base;
  view.follows = false;
}

/** Stops it, or lets it go on. */
export function togglePause() {
  if (!panels[0]?.run.live) return;
  if (view.follows) stop(); else view.follows = true;
  redraw();
}

/** Shows all of what was recorded. */
export function showAll() {
  const longest = Math.max(...panels.map(({ run }) => run.lastEvent() - run.base));
  view.follows = false;
  view.span = Math.min(Math.max(Number((longest * 1.005).toPrecision(3)), 50), SPANS.at(-1));
  view.end = view.span;
}

/** Changes the span around a place between 0 and 1. */
export function zoom(span, around) {
  const next = Math.min(Math.max(span, 5), SPANS.at(-1));
  if (!view.follows) view.end += (next - view.span) * (1 - around);
  view.span = Number(next.toPrecision(3));
  keepInside();
  redraw(true);
}

/** The next longer or shorter span. */
export function step(direction) {
  const next = direction > 0 ? SPANS.find((span) => span > view.span * 1.01) : SPANS.findLast((span) => span < view.span * 0.99);
  if (next) zoom(next, view.follows ? 1 : view.cursor ?? 0.5);
}

/** Moves by a share of the span. */
export function pan(share) {
  stop();
  view.end += share * view.span;
  keepInside();
  redraw(true);
}

/** The view does not leave what there is. */
function keepInside() {
  if (view.follows) return;
  const ends = panels.map(({ run }) => run.now() - run.base);
  const starts = panels.map(({ run }) => (run.frames[0]?.t ?? 0) - run.base);
  view.end = Math.min(view.end, Math.max(...ends) + view.span * 0.02);
  view.end = Math.max(view.end, Math.min(...starts) + view.span * 0.5);
}

/** Watches pointers over a panel's strips. */
export function watchPointer(panel) {
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
    redraw(true);
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
    redraw(true);
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
