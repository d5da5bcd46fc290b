// SPDX-License-Identifier: Apache-2.0
// The lanes: one row for each, a bar for each batch. Copies are pale, kernels full; what came late has an orange foot.

import { begin, timeGrid } from './canvas.js';
import { colours } from './theme.js';

const HEAD = 16;
const GAP = 7;
/** What is left free above and below a bar. */
const inset = (row) => (row >= 5 ? 1 : row >= 2 ? 0.5 : 0);

/** Where each lane's row is. */
export function layout(devices) {
  const lanes = devices.reduce((sum, device) => sum + device.lanes, 0);
  // However many there are, all of them together stay about as tall as a screen.
  const row = lanes <= 8 ? 20 : lanes <= 12 ? 16 : lanes <= 20 ? 12 : lanes <= 40 ? 9 : lanes <= 80 ? 7 : Math.min(5, 640 / lanes);
  let y = 0;
  const rows = devices.map((device, index) => {
    const top = y + HEAD;
    y = top + device.lanes * row + (index + 1 < devices.length ? GAP : 0);
    return { name: device.name, top, lanes: device.lanes, bottom: top + device.lanes * row };
  });
  return { row, rows, height: Math.max(y, 40) + 2 };
}

/** Draws the lanes; returns the bars that can be pointed at. */
export function drawLanes(canvas, run, scale, now, marked, tallest) {
  const { row, rows } = layout(run.devices);
  const height = tallest; // as tall as beside it, so that what is below stands side by side
  const sheet = begin(canvas, height);
  if (!sheet) return [];
  const { pen, width } = sheet;
  timeGrid(pen, scale, run, 0, height);
  rows.forEach((device, index) => drawDevice(pen, run, scale, device, index, row, now));
  pen.save();
  pen.beginPath();
  pen.rect(scale.left, 0, width - scale.left, height);
  pen.clip();
  const bars = [];
  for (const batch of run.batchesIn(scale.from, scale.to)) drawBatch(pen, run, scale, rows, row, batch, batch.ended, bars);
  for (const batch of run.running) {
    if (batch.staged < scale.to) drawBatch(pen, run, scale, rows, row, batch, Math.max(now, batch.staged), bars, true);
  }
  if (marked) drawMark(pen, scale, rows, row, marked, marked.end < 0 ? now : marked.ended);
  pen.restore();
  return bars;
}

function drawDevice(pen, run, scale, device, index, row, now) {
  const reason = run.states[index]?.reason;
  pen.textAlign = 'left';
  pen.fillStyle = reason ? colours.late : colours.soft;
  pen.fillText(reason ? `${device.name} is out of service: ${reason}` : device.name, 0, device.top - HEAD / 2);
  pen.fillStyle = colours.faint;
  for (let lane = 0; lane < device.lanes; lane++) {
    pen.fillRect(scale.left, device.top + lane * row + inset(row), scale.right - scale.left, row - 2 * inset(row));
    if (row < 11) continue;
    pen.fillStyle = colours.soft;
    pen.textAlign = 'right';
    pen.fillText(String(lane), scale.left - 7, device.top + (lane + 0.5) * row + 0.5);
    pen.fillStyle = colours.faint;
  }
  for (const outage of run.outages) {
    if (outage.device !== index) continue;
    const from = Math.max(scale.left, scale.x(outage.from));
    const to = Math.min(scale.right, scale.x(outage.to ?? now));
    if (to <= from) continue;
    hatch(pen, from, device.top, to - from, device.bottom - device.top);
  }
}

/** Slanted lines: nothing runs here. */
function hatch(pen, x, y, width, height) {
  pen.save();
  pen.beginPath();
  pen.rect(x, y, width, height);
  pen.clip();
  pen.strokeStyle = colours.late;
  pen.globalAlpha = 0.35;
  pen.beginPath();
  // Lines stand still while the picture moves on.
  for (let start = Math.floor((x - height) / 8) * 8; start < x + width; start += 8) {
    pen.moveTo(start, y + height);
    pen.lineTo(start + height, y);
  }
  pen.stroke();
  pen.restore();
}

function drawBatch(pen, run, scale, rows, row, batch, ended, bars, isRunning = false) {
  const device = rows[batch.device];
  if (!device) return;
  const y = device.top + batch.lane * row + inset(row);
  const height = row - 2 * inset(row);
  const left = scale.x(batch.staged);
  const copied = scale.x(batch.copied ?? batch.staged);
  const done = scale.x(batch.done ?? ended);
  const right = Math.max(scale.x(ended), left + 1);
  const fails = batch.end > 0;
  const colour = fails ? colours.failed : colours.classes[batch.cls];
  pen.fillStyle = colour;
  // Copies are pale: the lane is held, and nothing is computed.
  if (copied - left > 0.4) {
    pen.globalAlpha = 0.4;
    pen.fillRect(left, y, copied - left, height);
  }
  pen.globalAlpha = isRunning ? 0.6 : fails ? 0.75 : 1;
  const seam = done - copied > 4 ? 1 : 0;
  pen.fillRect(copied, y, Math.max(done - copied - seam, 1), height);
  if (right - done > 0.8) {
    // The lane is free; results are on their way back.
    pen.globalAlpha = 0.75;
    pen.fillRect(done, y + height - 2, right - done, 2);
  }
  pen.globalAlpha = 1;
  if (batch.late > 0) {
    pen.fillStyle = colours.late;
    const share = batch.late / (batch.late + batch.met);
    const foot = Math.min(height, Math.max(2, Math.round(height * 0.3)));
    pen.fillRect(copied, y + height - foot, Math.max((done - copied - seam) * share, 2), foot);
  }
  if (isRunning && batch.bound !== null && ended > batch.bound) {
    pen.strokeStyle = colours.late;
    pen.strokeRect(left + 0.5, y + 0.5, Math.max(done - left - 1, 1), height - 1);
  }
  label(pen, run, scale, batch, copied, done - seam, y, height);
  bars.push({ left, right: Math.max(right, left + 3), top: y - 1, bottom: y + height + 1, batch });
}

function label(pen, run, scale, batch, from, to, y, height) {
  const left = Math.max(from, scale.left);
  if (height < 10 || to - left < 30) return;
  const name = run.models[batch.model] ?? '';
  const rows = batch.rows > 1 ? ` × ${batch.rows}` : '';
  let text = name + rows;
  const room = to - left - 7;
  if (pen.measureText(text).width > room) {
    const letters = Math.floor(room / 6.2);
    text = letters >= 4 ? `${name.slice(0, letters - 1)}…` : '';
  }
  if (!text) return;
  pen.fillStyle = batch.end > 0 ? colours.ground : colours.inks[batch.cls];
  pen.textAlign = 'left';
  pen.fillText(text, left + 4, y + height / 2 + 0.5);
}

/** The batch that is looked at: its frame, when it was predicted to finish, and by when surely. */
function drawMark(pen, scale, rows, row, batch, ended) {
  const device = rows[batch.device];
  if (!device) return;
  const y = device.top + batch.lane * row;
  const [left, right] = [scale.x(batch.staged), Math.max(scale.x(ended), scale.x(batch.staged) + 3)];
  pen.strokeStyle = colours.ink;
  pen.lineWidth = 1.5;
  pen.strokeRect(left - 0.5, y + 0.5, right - left + 1, row - 1);
  if (batch.predicted !== null) {
    const [predicted, bound] = [scale.x(batch.predicted), scale.x(batch.bound)];
    pen.beginPath();
    pen.moveTo(predicted, y - 2);
    pen.lineTo(predicted, y + row + 2);
    pen.moveTo(predicted, y + row / 2);
    pen.lineTo(bound, y + row / 2);
    pen.moveTo(bound, y + 3);
    pen.lineTo(bound, y + row - 3);
    pen.stroke();
  }
  pen.lineWidth = 1;
  for (const request of batch.requests) {
    if (request.due === null) continue;
    const x = scale.x(request.due);
    pen.fillStyle = request.outcome === 2 ? colours.late : colours.ink;
    pen.beginPath();
    pen.moveTo(x, y + 1);
    pen.lineTo(x - 3, y - 4);
    pen.lineTo(x + 3, y - 4);
    pen.fill();
  }
}
