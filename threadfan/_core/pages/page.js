"use strict";
// Draws the page from the data in it, with plotly, which is in it too: nothing is fetched.
const data = JSON.parse(document.getElementById("data").textContent);
const { calls, spans } = data;
const COLOURS = { succeeded: "#2a8f7f", failed: "#c8353f", timed_out: "#e08e20", cancelled: "#8d99ae", skipped: "#b9a3d6" };
const WAITS = { slot: "#9fb6cc", limit: "#e8c468", backoff: "#d99a9a" };
const ROWS = 50; // of the table: more are found by filtering
const PANEL = 120, GAP = 26; // pixels that a curve below the timeline takes, and those of them that are left free
const BINS = 200; // moments at which running and waiting calls are counted
const find = (id) => document.getElementById(id);
const name = (status) => status.replace("_", " ");
const plain = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

function seconds(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size >= 3600) return `${(value / 3600).toFixed(2)} h`;
  if (size >= 120) return `${(value / 60).toFixed(1)} min`;
  if (size >= 1) return `${value.toFixed(2)} s`;
  if (size >= 0.001) return `${(value * 1000).toFixed(size >= 0.1 ? 0 : 1)} ms`;
  return size ? `${(value * 1e6).toFixed(0)} µs` : "0";
}

function put(parent, tag, text, colour) {
  const one = document.createElement(tag);
  if (colour) {
    const mark = put(one, "span", "");
    mark.className = "mark";
    mark.style.background = colour;
  }
  one.append(text); // as text: a label may look like HTML
  parent.append(one);
  return one;
}

// -- what is shown ----------------------------------------------------------------------------------------------------

const present = Object.keys(COLOURS).filter((status) => calls.status.includes(status) || spans.status.includes(status));
const hidden = new Set();
let words = [];

function isShown(place) {
  if (hidden.has(calls.status[place])) return false;
  if (!words.length) return true;
  const text = `${calls.label[place]} ${calls.stage[place] ?? ""} ${calls.error[place] ?? ""} ${calls.worker[place] ?? ""}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

// -- the timeline -----------------------------------------------------------------------------------------------------

function hover(number) {
  const place = spans.place[number];
  const lines = [
    `<b>${plain(calls.label[place])}</b>${calls.stage[place] === null ? "" : ` in ${plain(calls.stage[place])}`}`,
    `${name(spans.status[number])}${calls.attempts[place] > 1 ? `, attempt ${spans.attempt[number]} of ${calls.attempts[place]}` : ""}`,
    `${seconds(spans.end[number] - spans.start[number])} from ${seconds(spans.start[number])} on`,
  ];
  spans.waits[number].forEach((wait, kind) => wait > 0 && lines.push(`waited ${["for a slot", "for a limit", "to retry"][kind]}: ${seconds(wait)}`));
  if (spans.status[number] !== "succeeded" && calls.error[place]) lines.push(plain(calls.error[place]));
  return lines.join("<br>");
}

function bars(shown, lanes) {
  const found = new Map(present.map((status) => [status, { x: [], y: [], text: [] }]));
  for (let number = 0; number < spans.place.length; number++) {
    if (!shown[spans.place[number]]) continue;
    const { x, y, text } = found.get(spans.status[number]);
    const lane = spans.lane[number] + 1;
    const [start, end] = [spans.start[number], spans.end[number]];
    const said = hover(number);
    // Hovering finds points, so a bar has some along its length, and is a line that is cut after it.
    for (const part of [0, 0.25, 0.5, 0.75, 1]) { x.push(start + part * (end - start)); y.push(lane); text.push(said); }
    x.push(null); y.push(null); text.push(null);
  }
  const width = Math.max(2, Math.min(16, 300 / lanes));
  return present.map((status) => ({
    type: "scattergl", mode: "lines", name: name(status), ...found.get(status), hoverinfo: "text", showlegend: false,
    line: { color: COLOURS[status], width }, connectgaps: false,
  }));
}

function counted(pairs, from, until) {
  // How many of the spans of time are under way at each of so many moments.
  const counts = new Array(BINS + 1).fill(0);
  const step = (until - from) / BINS || 1;
  for (const [start, end] of pairs) {
    const first = Math.ceil((start - from) / step), last = Math.ceil((end - from) / step);
    if (first > BINS) continue;
    counts[Math.max(0, first)]++;
    if (last <= BINS) counts[Math.max(0, last)]--;
  }
  let sum = 0;
  return { x: counts.map((_, bin) => from + bin * step), y: counts.map((change) => (sum += change)) };
}

function curves(shown, until) {
  const running = [], waiting = { slot: [], limit: [], backoff: [] };
  for (let number = 0; number < spans.place.length; number++) {
    if (!shown[spans.place[number]]) continue;
    const start = spans.start[number];
    running.push([start, spans.end[number]]);
    let moment = start - spans.waits[number].reduce((sum, wait) => sum + wait, 0);
    for (const [kind, at] of [["backoff", 2], ["limit", 1], ["slot", 0]]) {
      const wait = spans.waits[number][at];
      if (wait > 0) waiting[kind].push([moment, moment + wait]);
      moment += wait;
    }
  }
  const ends = counted([], 0, until);
  for (let place = 0; place < calls.label.length; place++) {
    if (shown[place] && calls.started[place] !== null) ends.y[Math.min(BINS, Math.floor((calls.ended[place] / until) * BINS))]++;
  }
  const step = until / BINS || 1;
  const common = { type: "scatter", mode: "lines", legend: "legend" };
  return [
    { ...common, ...counted(running, 0, until), name: "running", yaxis: "y2", line: { color: COLOURS.succeeded, shape: "hv", width: 2 } },
    ...Object.entries(waiting).filter(([, pairs]) => pairs.length).map(([kind, pairs]) => ({
      ...common, ...counted(pairs, 0, until), name: { slot: "waiting for a slot", limit: "waiting for a limit", backoff: "waiting to retry" }[kind],
      yaxis: "y3", line: { color: WAITS[kind], shape: "hv", width: 1.5 },
    })),
    { ...common, x: ends.x, y: ends.y.map((count) => count / step), name: "ended per second", yaxis: "y4", line: { color: "#6b7fd7", shape: "hv", width: 1.5 } },
  ];
}

function colours() {
  const style = getComputedStyle(document.documentElement);
  const [ink, line, card] = ["--ink", "--line", "--card"].map((one) => style.getPropertyValue(one).trim());
  const axis = { gridcolor: line, zerolinecolor: line, linecolor: line };
  return { axis, layout: { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: ink, family: "system-ui, sans-serif", size: 12 }, modebar: { bgcolor: card, color: line, activecolor: ink }, hoverlabel: { bgcolor: card, bordercolor: line, font: { color: ink }, align: "left" } } };
}

const config = { displaylogo: false, responsive: true, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] };

function draw() {
  const shown = calls.label.map((_, place) => isShown(place));
  const { axis, layout } = colours();
  const lanes = 1 + spans.lane.reduce((most, lane) => Math.max(most, lane), 0);
  const until = Math.max(data.wall, calls.ended.reduce((most, end) => Math.max(most, end), 0), 1e-6);
  const height = Math.max(160, Math.min(460, 40 + 18 * lanes));
  const lines = curves(shown, until);
  const waited = lines.some((line) => line.yaxis === "y3");
  const all = height + (waited ? 3 : 2) * PANEL;
  const part = (top, tall) => [1 - (top + tall) / all, 1 - top / all];
  const panel = (number) => part(height + number * PANEL + GAP, PANEL - GAP);
  Plotly.react("timeline", [...bars(shown, lanes), ...lines], {
    ...layout, height: all + 96, margin: { l: 56, r: 10, t: 30, b: 66 }, hovermode: "closest", hoverdistance: 30,
    xaxis: { ...axis, range: [-0.01 * until, until * 1.01], ticksuffix: " s", anchor: "y4" },
    yaxis: { ...axis, domain: part(0, height), range: [lanes + 0.7, 0.3], title: { text: "slot" }, tickformat: "d", zeroline: false, ...(lanes <= 12 && { dtick: 1 }) },
    yaxis2: { ...axis, domain: panel(0), rangemode: "tozero", title: { text: "running" } },
    ...(waited && { yaxis3: { ...axis, domain: panel(1), rangemode: "tozero", title: { text: "waiting" } } }),
    yaxis4: { ...axis, domain: panel(waited ? 2 : 1), rangemode: "tozero", title: { text: "per s" } },
    legend: { orientation: "h", y: -0.06, yanchor: "top" },
  }, config);
  const durations = present.map((status) => ({
    type: "histogram", name: name(status), marker: { color: COLOURS[status] }, nbinsx: 60,
    x: calls.took.filter((took, place) => took !== null && shown[place] && calls.status[place] === status),
  }));
  Plotly.react("histogram", durations.filter((one) => one.x.length), {
    ...layout, height: 324, barmode: "stack", bargap: 0.05, margin: { l: 56, r: 10, t: 30, b: 40 }, showlegend: false,
    xaxis: { ...axis, ticksuffix: " s", rangemode: "tozero" }, yaxis: { ...axis, title: { text: "calls" } },
  }, config);
  table(shown);
}

// -- tables -----------------------------------------------------------------------------------------------------------

function table(shown) {
  const places = calls.label.map((_, place) => place).filter((place) => shown[place]);
  places.sort((one, other) => (calls.took[other] ?? -1) - (calls.took[one] ?? -1) || one - other);
  const body = find("calls").tBodies[0];
  body.replaceChildren();
  for (const place of places.slice(0, ROWS)) {
    const row = put(body, "tr", "");
    put(row, "td", calls.stage[place] === null ? calls.label[place] : `${calls.label[place]} (${calls.stage[place]})`);
    put(row, "td", name(calls.status[place]), COLOURS[calls.status[place]]);
    put(row, "td", calls.attempts[place]);
    for (const times of ["started", "took", "slot", "limit", "backoff"]) put(row, "td", seconds(calls[times][place]));
    put(row, "td", calls.tokens[place] ?? "–");
    put(row, "td", calls.error[place] ?? "");
  }
  find("more").textContent = places.length > ROWS ? `and ${places.length - ROWS} more: filter to find them` : "";
  find("shown").textContent = places.length === calls.label.length ? `${places.length} calls` : `${places.length} of ${calls.label.length} calls`;
}

function head() {
  find("when").textContent = `${new Date(data.began * 1000).toLocaleString()} · drawn by threadfan`;
  for (const [title, value, unit] of data.tiles) {
    const tile = put(find("tiles"), "div", "");
    put(tile, "dt", title);
    put(tile, "dd", unit === "s" ? seconds(value) : unit === "%" ? `${(100 * value).toFixed(value > 0 && value < 0.1 ? 1 : 0)} %` : value.toLocaleString());
  }
  if (data.advice) {
    find("advice").textContent = data.advice;
    find("advice").hidden = false;
  }
  for (const status of present) {
    const label = put(find("statuses"), "label", "");
    const box = put(label, "input", "");
    Object.assign(box, { type: "checkbox", checked: true, value: status });
    put(label, "i", "").style.background = COLOURS[status];
    label.append(name(status));
    box.addEventListener("change", () => { hidden[box.checked ? "delete" : "add"](status); draw(); });
  }
  const body = find("causes").tBodies[0];
  for (const [text, count, which] of data.causes) {
    const row = put(body, "tr", "");
    for (const cell of [count, text, which]) put(row, "td", cell);
  }
  find("why").hidden = !data.causes.length;
}

let due;
find("words").addEventListener("input", () => {
  clearTimeout(due);
  due = setTimeout(() => { words = find("words").value.toLowerCase().split(/\s+/).filter(Boolean); draw(); }, 120);
});
find("filter").addEventListener("submit", (event) => event.preventDefault());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
head();
draw();
document.documentElement.dataset.drawn = "yes";
