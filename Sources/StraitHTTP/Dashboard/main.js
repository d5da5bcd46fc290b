// SPDX-License-Identifier: Apache-2.0
// The page: drawn while something happens and not otherwise, and where what it shows comes from.

import { Panel } from './panel.js';
import { readRecording } from './recording.js';
import { Run } from './run.js';
import { follow, readAll, setToken } from './stream.js';
import { onTheme, switchTheme } from './theme.js';
import { onChange, pan, panels, redraw, showAll, spanText, step, togglePause, view } from './view.js';

const byId = (id) => document.getElementById(id);
/** Runs that `strait watch` shows; 0 on a live server. */
const recorded = Number(document.documentElement.dataset.runs);
const isServed = recorded === 0;
const calm = matchMedia('(prefers-reduced-motion: reduce)');

/** The form of the stream that this page reads. */
const STREAM_VERSION = 1;
/** Files shown beside each other. */
const MOST_FILES = 2;

let live = isServed;
let needsDrawing = false;
let isAsked = false;
let didMove = false;
let lastCost = 0;
let lastTables = 0;
let lastDraw = 0;
let state = { name: 'connecting', words: '' };
let server = null;
let following = null;

// -- drawing ---------------------------------------------------------------------------------------------------------

onChange((withTables) => {
  if (withTables) lastTables = 0;
  needsDrawing = true;
  ask();
});

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
  const { run } = panels[0];
  const status = byId('status');
  let [name, words] = [state.name, state.words];
  if (!live) {
    if (name !== 'lost') name = 'recorded';
    words ||= panels.some((panel) => panel.run.head) ? 'recorded' : 'loading';
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
  byId('empty').hidden = !(live && state.name === 'live' && run.head && arrived === 0);
  const hint = run.models.length ? 'Nothing has happened yet. Send the server a request, and it shows here.'
    : 'No model is loaded. Once the repository has one, and requests come for it, they show here.';
  if (byId('empty').textContent !== hint) byId('empty').textContent = hint;
  if (byId('span').textContent !== spanText()) byId('span').textContent = spanText();
  byId('pause').hidden = !isServed;
  byId('pause').textContent = view.follows ? 'Pause' : 'Live';
  byId('pause').setAttribute('aria-pressed', String(!view.follows));
  if (!moves) lastTables = 0;
}

/** Shows runs instead of what was shown. */
function put(runs, names = []) {
  for (const panel of panels) panel.section.remove();
  panels.splice(0, panels.length, ...runs.map((run) => new Panel(run)));
  panels.forEach((panel, index) => { panel.name = names[index]; });
  document.body.classList.toggle('two', runs.length > 1);
}

// -- what people do --------------------------------------------------------------------------------------------------

/** Back from files to the server is a page loaded anew. */
function pauseOrGoBack() {
  if (isServed && !live) location.reload(); else togglePause();
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

byId('pause').onclick = pauseOrGoBack;
byId('in').onclick = () => step(-1);
byId('out').onclick = () => step(1);
byId('theme').onclick = switchTheme;
byId('open').onclick = () => byId('file').click();
byId('file').onchange = () => { open([...byId('file').files]); byId('file').value = ''; };
onTheme(() => redraw());
document.addEventListener('visibilitychange', () => { if (!document.hidden) redraw(); });

addEventListener('dragover', (event) => {
  if (!event.dataTransfer.types.includes('Files')) return;
  event.preventDefault();
  document.body.classList.add('dropping');
});
addEventListener('dragleave', (event) => { if (!event.relatedTarget) document.body.classList.remove('dropping'); });
addEventListener('drop', (event) => {
  event.preventDefault();
  document.body.classList.remove('dropping');
  open([...event.dataTransfer.files]);
});

// -- where it comes from ---------------------------------------------------------------------------------------------

/** Takes what the server sends. */
function take(run, name, data) {
  if (name === 'head') {
    if (data.strait_watch !== STREAM_VERSION || (server !== null && data.server !== server)) {
      // Another program than the one that this page came from.
      if (server !== null) return location.reload();
      state = { name: 'lost', words: `this page does not read what ${data.server} sends; load it anew` };
      return redraw();
    }
    server = data.server;
    const isSame = run.isSameClock(data);
    for (const panel of panels) panel.choose(null);
    run.take(name, data);
    // Of a server that was started anew there is nothing where the view stood.
    if (!isSame) view.follows = true;
  } else {
    run.take(name, data);
  }
  redraw();
}

async function watch() {
  byId('login').hidden = true;
  const { run } = panels[0];
  following = new AbortController();
  const { signal } = following;
  await follow('/v2/strait/events', (name, data) => take(run, name, data), (name, words = '') => {
    state = { name, words };
    if (name === 'lost') state.words = `${words}; trying again`;
    if (name === 'token') {
      byId('login').hidden = false;
      byId('login-note').textContent = words;
      byId('token').focus();
      state = { name: 'lost', words: 'a token is needed' };
    }
    redraw();
  }, signal);
}

async function load() {
  try {
    await Promise.all(panels.map(({ run }, index) => readAll(`/dashboard/runs/${index}`, (name, data) => run.take(name, data))));
  } catch (error) {
    state = { name: 'lost', words: `a recording cannot be read: ${error.message}` };
  }
  showAll();
  redraw(true);
}

/** Shows files instead of what is shown; where one cannot be read all stays, and the reason is told. */
async function open(files) {
  if (!files.length) return;
  const note = byId('note');
  note.hidden = true;
  const tell = (words) => {
    note.textContent = words;
    note.hidden = false;
  };
  if (files.length > MOST_FILES) return tell(`${files.length} files were dropped; one or two recordings can be shown.`);
  const runs = [];
  const cut = [];
  tell(`Reading ${files.map((file) => file.name).join(' and ')} …`);
  for (const file of files) {
    const run = new Run(false);
    try {
      if (!await readRecording(file, (name, data) => run.take(name, data))) cut.push(file.name);
    } catch (error) {
      return tell(`${file.name}: ${error.message}`);
    }
    runs.push(run);
  }
  note.hidden = true;
  following?.abort();
  byId('login').hidden = true;
  live = false;
  state = { name: 'recorded', words: '' };
  put(runs, files.map((file) => file.name));
  if (cut.length) tell(`Of ${cut.join(' and ')} the first ten minutes are shown; strait watch --from shows what comes later.`);
  showAll();
  redraw(true);
}

byId('login').onsubmit = (event) => {
  event.preventDefault();
  setToken(byId('token').value);
  byId('token').value = '';
  watch();
};

view.follows = live;
put(Array.from({ length: Math.max(1, recorded) }, () => new Run(live)));
if (live) watch(); else load();
redraw();

/** For tests: what the page knows, as it draws it. */
globalThis.strait = { panels, view };
