// SPDX-License-Identifier: Apache-2.0
// Server-sent events by fetch, since only so a token can be sent along.

const tokenKey = 'strait-token';
let token = null;
try { token = sessionStorage.getItem(tokenKey); } catch { /* then it is asked for */ }

/** Keeps the token for this tab. */
export function setToken(text) {
  token = text;
  try { sessionStorage.setItem(tokenKey, text); } catch { /* kept until the page is left */ }
}

/** Fetches with the token, if there is one. */
export function get(path, options = {}) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  return fetch(path, { ...options, headers, cache: 'no-store' });
}

/** Splits a body of server-sent events into messages, and calls `take(name, data)` with each. */
async function read(body, take) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    let end;
    while ((end = rest.indexOf('\n\n')) >= 0) {
      const lines = rest.slice(0, end).split('\n');
      rest = rest.slice(end + 2);
      let name = 'frame';
      let data = null;
      for (const line of lines) {
        if (line.startsWith('event: ')) name = line.slice(7);
        else if (line.startsWith('data: ')) data = line.slice(6);
      }
      if (data !== null) take(name, JSON.parse(data));
    }
  }
}

/** Reads a recorded run from beginning to end. */
export async function readAll(path, take) {
  const answer = await get(path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  await read(answer.body, take);
}

/**
 * Follows a live server until `signal` ends it, coming back when the connection breaks.
 * `told` hears 'live', 'lost' with words, or 'token' with words; then `follow` ends, to be called again.
 */
export async function follow(path, take, told, signal) {
  let pause = 500;
  for (;;) {
    let words = 'the connection was closed';
    try {
      const answer = await get(path, { signal });
      if (answer.status === 401 || answer.status === 403) {
        told('token', token ? 'The server does not take this token.' : '');
        return;
      }
      if (answer.ok) {
        told('live');
        pause = 500;
        await read(answer.body, take);
      } else {
        words = `the server says ${answer.status}`;
        try { words = (await answer.json()).error ?? words; } catch { /* no JSON */ }
      }
    } catch (error) {
      words = 'the server cannot be reached';
    }
    if (signal?.aborted) return;
    told('lost', words);
    await new Promise((done) => setTimeout(done, pause));
    if (signal?.aborted) return;
    pause = Math.min(pause * 2, 8000);
  }
}
