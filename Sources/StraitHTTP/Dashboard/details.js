// SPDX-License-Identifier: Apache-2.0
// Why: what is known of a batch that was clicked, and what the server tells of one of its requests.

import { ms } from './canvas.js';
import { COUNTS } from './run.js';
import { get } from './stream.js';
import { el } from './tables.js';

const ENDS = ['finished', 'failed', 'killed', 'taken back'];
const CLASSES = ['high', 'low'];

/** Requests of a batch that are listed. */
const MOST_LISTED = 64;

/** Shows a batch; `closed` is called when somebody closes it. */
export function showBatch(section, run, batch, closed) {
  const parts = [
    ['where', `${run.devices[batch.device]?.name ?? ''}, lane ${batch.lane}`],
    ['class', CLASSES[batch.cls]],
    ['rows', batch.rows],
  ];
  if (batch.end >= 0) {
    if (batch.copied !== null && run.devices[batch.device]?.copies) parts.push(['copy in', ms(batch.copied - batch.staged)]);
    if (batch.done !== null) parts.push(['kernels', ms(batch.done - (batch.copied ?? batch.staged))]);
    if (batch.done !== null && run.devices[batch.device]?.copies) parts.push(['copy out', ms(batch.ended - batch.done)]);
    parts.push(['took', ms(batch.ended - batch.staged)]);
  } else {
    parts.push(['state', batch.end === -2 ? 'copies its results back' : 'runs']);
  }
  if (batch.predicted !== null) {
    parts.push(['predicted', ms(batch.predicted - batch.staged)], ['95 % bound', ms(batch.bound - batch.staged)]);
    if (batch.end === 0) {
      const factor = (batch.ended - batch.staged) / (batch.predicted - batch.staged);
      parts.push(['measured over predicted', `${factor.toFixed(2)} ×`]);
    }
  }
  if (batch.end > 0) parts.push(['end', ENDS[batch.end]]);
  const why = el('div', { className: 'why', hidden: true });
  const list = el('ul', {}, ...batch.requests.slice(0, MOST_LISTED).map((request) => requestRow(run, request, why)));
  section.replaceChildren(
    el('h2', {}, `${run.models[batch.model] ?? 'batch'}${batch.rows > 1 ? ` × ${batch.rows}` : ''}`),
    el('button', { className: 'close', ariaLabel: 'Close', onclick: closed }, '×'),
    el('dl', {}, ...parts.flatMap(([name, value]) => [el('dt', {}, name), el('dd', {}, String(value))])),
    list, why);
  if (!batch.requests.length && batch.end >= 0) {
    section.insertBefore(el('p', { className: 'note' }, 'Its requests were too many to be sent along.'), why);
  }
  section.hidden = false;
}

/** Shows requests that got nothing, around a time. */
export function showOthers(section, run, others, closed) {
  const why = el('div', { className: 'why', hidden: true });
  section.replaceChildren(
    el('h2', {}, others.length === 1 ? 'One request without an answer' : `${others.length} requests without an answer`),
    el('button', { className: 'close', ariaLabel: 'Close', onclick: closed }, '×'),
    el('ul', {}, ...others.slice(0, MOST_LISTED).map((request) => requestRow(run, request, why, true))), why);
  section.hidden = false;
}

function requestRow(run, request, why, isAlone = false) {
  const outcome = COUNTS[request.outcome];
  const slack = request.due === null ? '' : request.outcome === 1 ? `${ms(request.due - request.end)} early`
    : request.outcome === 2 ? `${ms(request.end - request.due)} late` : outcome;
  const kind = request.outcome === 2 ? 'late' : request.outcome === 3 ? 'failed' : request.outcome >= 5 ? 'shed' : '';
  const name = isAlone ? `${request.number} ${run.models[request.model] ?? ''}` : `request ${request.number}`;
  const button = el('button', { type: 'button' }, el('span', {}, name), el('span', { className: kind }, slack || outcome));
  button.setAttribute('aria-expanded', 'false');
  button.onclick = () => {
    for (const other of button.closest('ul').querySelectorAll('button')) other.setAttribute('aria-expanded', 'false');
    button.setAttribute('aria-expanded', 'true');
    showWhy(run, request, why);
  };
  return el('li', {}, button);
}

async function showWhy(run, request, why) {
  why.hidden = false;
  const own = ownWords(run, request);
  why.replaceChildren(...own);
  if (!run.live) return;
  try {
    const answer = await get(`/v2/strait/decisions?request=${request.number}`);
    if (!answer.ok) return;
    const { decisions } = await answer.json();
    if (!decisions?.length) return;
    why.replaceChildren(...story(decisions[0]));
  } catch { /* what the stream has told stands there already */ }
}

/** What the stream has told of a request. */
function ownWords(run, request) {
  const lines = [
    `Request ${request.number}, ${CLASSES[request.cls]}, for ${run.models[request.model] ?? 'a model'}: `
      + `${COUNTS[request.outcome]} after ${ms(request.end - request.at)}.`,
  ];
  if (request.due !== null) lines.push(`It was due ${ms(request.due - request.at)} after it came.`);
  return lines.map((line) => el('p', {}, line));
}

/** What the server tells of a request: its words, then what was weighed when it was passed over or taken. */
function story(decision) {
  const words = Array.isArray(decision.words) ? decision.words : [decision.words ?? ''];
  const nodes = words.map((line) => el('p', {}, String(line)));
  const last = decision.weighed?.at(-1);
  if (last?.own) nodes.push(weighed(last));
  return nodes;
}

const TERMS = [['regret', 'regret'], ['harm', 'harm'], ['slack', 'slack_ms'], ['rank', 'rank'], ['loss', 'loss']];

function weighed(decision) {
  const columns = [['its own', decision.own]];
  if (decision.chosen && !decision.chosen_had_it) columns.push([`chosen: ${decision.chosen.model}`, decision.chosen]);
  const value = (option, key) => {
    const number = option[key];
    return number === null || number === undefined ? '–' : key === 'slack_ms' ? ms(number) : number.toFixed(2);
  };
  const rows = TERMS.filter(([, key]) => columns.some(([, option]) => option[key] !== undefined));
  return el('table', {},
    el('thead', {}, el('tr', {}, el('th', {}, `of ${decision.options} options`), ...columns.map(([name]) => el('th', {}, name)))),
    el('tbody', {}, ...rows.map(([name, key]) => el('tr', {}, el('td', {}, name),
      ...columns.map(([, option]) => el('td', {}, value(option, key)))))));
}
