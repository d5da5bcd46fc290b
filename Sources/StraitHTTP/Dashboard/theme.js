// SPDX-License-Identifier: Apache-2.0
// Dark and light: as the system has it, until somebody chooses. Canvases take their colours from here.

const system = matchMedia('(prefers-color-scheme: dark)');
const listeners = [];
export const colours = {};

function chosen() {
  try { return localStorage.getItem('strait-theme'); } catch { return null; }
}

function apply() {
  const theme = chosen() ?? (system.matches ? 'dark' : 'light');
  document.documentElement.dataset.theme = theme;
  const style = getComputedStyle(document.documentElement);
  for (const name of ['ground', 'ink', 'soft', 'line', 'faint', 'grid', 'high', 'low', 'low-ink', 'late', 'shed',
    'shed-2', 'failed', 'on-high', 'on-low']) {
    colours[name] = style.getPropertyValue(`--${name}`).trim();
  }
  colours.classes = [colours.high, colours.low];
  colours.lines = [colours.high, colours['low-ink']];
  colours.inks = [colours['on-high'], colours['on-low']];
  for (const listener of listeners) listener();
}

/** Calls back when colours have changed. */
export function onTheme(listener) { listeners.push(listener); }

/** The next of: the other one, then as the system has it. */
export function switchTheme() {
  const now = document.documentElement.dataset.theme;
  const next = chosen() ? null : now === 'dark' ? 'light' : 'dark';
  try {
    if (next) localStorage.setItem('strait-theme', next); else localStorage.removeItem('strait-theme');
  } catch { /* private windows keep nothing */ }
  apply();
}

system.addEventListener('change', apply);
apply();
