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
  const why = el('div', { className: 'why story', hidden: true });
  const choice = el('div', { className: 'why choice', hidden: true });
  const list = el('ul', {}, ...batch.requests.slice(0, MOST_LISTED).map((request) => requestRow(run, request, why)));
  section.replaceChildren(
    el('h2', {}, `${run.models[batch.model] ?? 'batch'}${batch.rows > 1 ? ` × ${batch.rows}` : ''}`),
    el('button', { className: 'close', ariaLabel: 'Close', onclick: closed }, '×'),
    el('dl', {}, ...parts.flatMap(([name, value]) => [el('dt', {}, name), el('dd', {}, String(value))])),
    choice, list, why);
  if (batch.requests.length) {
    section.insertBefore(el('p', { className: 'note' }, 'Its requests; choose one to be told its story:'), list);
    if (run.live) showChoice(batch.requests[0], choice);
  } else if (batch.end >= 0) {
    section.insertBefore(el('p', { className: 'note' }, batch.end === 0 ? 'Its requests were too many to be sent along.'
      : 'Its requests were not answered by it.'), why);
  }
  section.hidden = false;
}

/** Shows requests that got nothing, around a time. */
export function showOthers(section, run, others, closed) {
  const why = el('div', { className: 'why story', hidden: true });
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
  why.replaceChildren(...ownWords(run, request));
  if (!run.live) return;
  const { decision, words } = await ask(request);
  if (decision) why.replaceChildren(...story(decision));
  else why.append(el('p', { className: 'note' }, words));
}

/** What the server tells of a request, or words that say why it does not. */
async function ask(request) {
  try {
    const answer = await get(`/v2/strait/decisions?request=${request.number}`);
    const body = await answer.json();
    const decision = body.decisions?.[0];
    return decision ? { decision } : { words: `The server tells no more: ${body.error ?? answer.status}` };
  } catch {
    return { words: 'The server tells no more: it cannot be reached.' };
  }
}

/** Why a batch ran and others did not: what it was worth, and what it displaced. */
async function showChoice(request, place) {
  const { decision, words } = await ask(request);
  const chosen = decision?.weighed?.findLast((one) => one.chosen_had_it);
  place.hidden = false;
  if (!chosen) {
    const none = decision?.weighed ? 'What was weighed for it is not remembered: it is too long ago, or its policy weighs nothing.' : '';
    return place.replaceChildren(el('p', { className: 'note' }, words ?? none));
  }
  const others = chosen.passed_over ?? [];
  const count = chosen.options - 1;
  place.replaceChildren(
    el('h3', {}, 'Why it ran'),
    el('p', {}, count === 0 ? 'It was the only batch that could be staged.'
      : `It was chosen from ${chosen.options} that could be staged`
        + (others.length ? `, and displaced ${others.map(name).join('; ')}.` : '; none was of another model or class.')),
    weighed([['this one', chosen.own], ...others.map((other) => [name(other), other])]));
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
  // Of a batch that ran the terms stand above, and in the words; of one that did not, in a table that explains them.
  const last = decision.weighed?.at(-1);
  const isPassedOver = last?.own && last.chosen && !last.chosen_had_it;
  const isTerm = (line) => TERMS.some(([, , begin]) => line.startsWith(begin));
  const nodes = words.filter((line) => !isTerm(line)).map((line) => el('p', {}, String(line)));
  if (!isPassedOver) return nodes;
  return [...nodes, weighed([['with this request', last.own], [`chosen: ${name(last.chosen)}`, last.chosen]])];
}

/** An option as people name it. */
function name(option) { return `${option.model}, ${option.class}${option.rows > 1 ? ` × ${option.rows}` : ''}`; }

const TERMS = [['rank', 'rank', 'rank: '], ['regret', 'regret', 'regret: '], ['harm', 'harm', 'harm: '],
  ['slack', 'slack_ms', 'slack: '], ['lost', 'loss', 'high requests lost: ']];

/** A table of what options were worth. */
function weighed(rows) {
  const terms = TERMS.filter(([, key]) => rows.some(([, option]) => option[key] !== undefined));
  if (!terms.length) return el('p', { className: 'note' }, 'The gate kept it out, so it was not given a rank.');
  const value = (option, key) => {
    const number = option[key];
    return number === null || number === undefined ? '–' : key === 'slack_ms' ? ms(number) : number.toFixed(2);
  };
  return el('div', {},
    el('table', { className: 'worth' },
      el('thead', {}, el('tr', {}, ...['', ...terms.map(([term]) => term)].map((term) => el('th', { scope: 'col' }, term)))),
      el('tbody', {}, ...rows.map(([name, option]) => el('tr', {}, el('td', {}, name),
        ...terms.map(([, key]) => el('td', {}, value(option, key))))))),
    el('p', { className: 'note' }, 'Rank decides: regret, what its requests are likely to lose by waiting, less harm, what '
      + 'those beside it are likely to lose; and the less slack, how long they could wait, the higher.'
      + (terms.some(([, key]) => key === 'loss') ? ' Lost: high requests that would find no lane.' : '')));
}
