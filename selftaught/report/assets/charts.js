/* Curves: small multiples that share a cursor, and accuracy over the number of labels. */

const FEATURES = [["trained", "pretrained"], ["untrained", "untrained"], ["raw", "raw input"]];
const charts = [];  // functions that draw each chart again, in the present colours

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

function readable(value, kind) {
  if (value == null) return "–";
  if (kind === "part") return (100 * value).toFixed(1) + "%";
  if (kind === "percent") return value.toFixed(1) + "%";
  const size = Math.abs(value);
  if (size && (size < 1e-3 || size >= 1e6)) return value.toExponential(1);
  return value.toLocaleString("en", { maximumSignificantDigits: size >= 1000 ? 4 : 3 }).replace("-", "−");
}

function axes(kind, extra) {
  const line = { stroke: colour("soft"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
  const few = { ...line, values: (_, ticks) => ticks.map((t) => (t == null ? "" : compact(t))) };
  return [
    { ...few, grid: { show: false }, size: 26, gap: 3, ...extra },
    { ...line, size: 44, gap: 3, space: 28, values: (_, ticks) => ticks.map((t) => (t == null ? "" : readable(t, kind).replace(".0%", "%"))) },
  ];
}

const compact = (n) => (n >= 10000 ? n / 1000 + "k" : n.toLocaleString("en"));

/* One array of x for several series: uPlot wants them aligned. */
function aligned(series) {
  return uPlot.join(series.map((s) => [s.x, s.y]), series.map(() => [0, 0]));
}

/* A mean over the values around each: the thin line is what was logged, this is what to follow with the eye. */
function smooth(values, reach) {
  return values.map((v, i) => {
    if (v == null) return null;
    const wide = Math.min(reach, i, values.length - 1 - i);
    const around = values.slice(i - wide, i + wide + 1).filter((w) => w != null);
    return around.reduce((sum, w) => sum + w, 0) / around.length;
  });
}

function mount(box, build) {
  let chart = null;
  const size = () => ({ width: Math.max(box.clientWidth, 120), height: box.clientHeight });
  const draw = () => { if (chart) chart.destroy(); chart = build(size()); };
  draw();
  charts.push(draw);
  new ResizeObserver(() => chart.setSize(size())).observe(box);
}

function curve(panel, last) {
  const readout = el("p", { class: "readout" });
  const box = el("div", { class: "chart", role: "img", "aria-label": inWords(panel) });
  const card = el("figure", { class: "panel" },
    el("figcaption", {}, el("h3", {}, panel.title)), readout, box, el("p", { class: "about" }, panel.about));
  const say = (at) => { readout.textContent = said(panel, at); };
  say(null);
  const names = ["trained", "raw", "untrained"];
  const noisy = panel.series[0].y.length > 80 && panel.kind !== "percent" && panel.series[0].name !== "lr";
  const draw = (size) => {
    const data = aligned(panel.series);
    const lines = panel.series.map((s, i) => ({
      stroke: colour(names[i % 3]) + (noisy && i === 0 ? "55" : ""), width: noisy && i === 0 ? 1 : 2, spanGaps: true,
      dash: i ? [5, 4] : undefined, points: { show: s.x.length < 3 },
    }));
    if (noisy) {
      data.push(smooth(data[1], Math.ceil(data[1].length / 50)));
      lines.push({ stroke: colour("trained"), width: 2, spanGaps: true, points: { show: false } });
    }
    const flat = panel.kind === "part" || panel.kind === "percent";
    return new uPlot({
      ...size, padding: [8, 10, 0, 0], legend: { show: false }, axes: axes(panel.kind),
      scales: { x: { time: false, range: [0, last] }, y: { range: (_, low, high) => bounds(low, high, flat ? (panel.kind === "part" ? 1 : 100) : null) } },
      series: [{}, ...lines], cursor: { sync: { key: "steps" }, drag: { x: false, y: false }, points: { size: 7 }, y: false },
      hooks: { setCursor: [(u) => say(u.cursor.idx == null || u.cursor.left < 0 ? null : u.data[0][u.cursor.idx])] },
    }, data, box);
  };
  return { card, start: () => mount(box, draw) };
}

function bounds(low, high, most) {
  if (low == null) return [0, 1];
  const room = (high - low || Math.abs(high) * 0.1 || 1) * 0.08;
  return [low >= 0 && low - room < 0 ? 0 : low - room, most == null ? high + room : Math.min(high + room, most)];
}

/* The values at (or last before) a step; at the end when no step is given. */
function said(panel, step) {
  const parts = panel.series.map((s) => {
    let i = s.x.length - 1;
    while (step != null && i > 0 && s.x[i] > step) i--;
    while (i > 0 && s.y[i] == null) i--;
    return (s.name === "chance" ? "chance " : "") + readable(s.y[i], panel.kind);
  });
  return (step == null ? "last " : "step " + step.toLocaleString("en") + ": ") + parts.join(" · ");
}

function inWords(panel) {
  return panel.series.map((s) => {
    const first = s.y.findIndex((v) => v != null), end = s.y.findLastIndex((v) => v != null);
    return `${s.name.replaceAll("_", " ")} goes from ${readable(s.y[first], panel.kind)} at step ${s.x[first]} to ${readable(s.y[end], panel.kind)} at step ${s.x[end]}`;
  }).join("; ");
}

function curves(panels) {
  const last = Math.max(1, ...panels.flatMap((p) => p.series.map((s) => s.x[s.x.length - 1])));
  const made = panels.map((p) => curve(p, last));
  document.getElementById("curves").append(...made.map((m) => m.card));
  made.forEach((m) => m.start());
}

function efficiency(budgets) {
  const box = document.getElementById("efficiency"), readout = document.getElementById("efficiency-readout");
  const counted = budgets.every((b) => b.x);
  const x = budgets.map((b, i) => (counted ? b.x : i + 1));
  const drawn = FEATURES.filter(([key]) => budgets.some((b) => b[key] != null));
  const say = (i) => {
    const b = budgets[i == null ? budgets.length - 1 : i];
    readout.textContent = (counted ? b.x.toLocaleString("en") + " labels" : b.name) + ": " + drawn.map(([key]) => readable(b[key], "percent")).join(" · ");
  };
  say(null);
  box.setAttribute("role", "img");
  box.setAttribute("aria-label", "Accuracy over the number of labels. " + budgets.map((b) => b.name + ": " + drawn.map(([k, n]) => `${n} ${readable(b[k], "percent")}`).join(", ")).join("; "));
  document.getElementById("efficiency-key").replaceChildren(...drawn.map(([key, name]) => el("span", { class: key }, el("span", { class: "dot" }), name)));
  mount(box, (size) => new uPlot({
    ...size, padding: [10, 16, 0, 0], legend: { show: false },
    axes: axes("percent", {
      splits: () => x,
      filter: (u, ticks) => apart(u, ticks),
      values: (_, ticks) => ticks.map((t) => (t == null ? "" : counted ? compact(t) : budgets[t - 1].name)),
      ...(counted ? { label: "labels used", labelSize: 18, labelFont: "12px system-ui, sans-serif" } : {}),
    }),
    scales: {
      x: { time: false, distr: counted ? 3 : 1, log: 10, range: counted ? [x[0] / 1.3, x[x.length - 1] * 1.3] : [0.7, x.length + 0.3] },
      y: { range: (_, low, high) => bounds(low - 1, high + 1, 100) },
    },
    series: [{}, ...drawn.map(([key]) => ({ stroke: colour(key), width: 2.2, points: { show: true, size: 7, fill: colour("paper") }, dash: key === "trained" ? undefined : [6, 4] }))],
    cursor: { drag: { x: false, y: false }, y: false },
    hooks: {
      setCursor: [(u) => say(u.cursor.left < 0 ? null : u.cursor.idx)],
      draw: [(u) => drawn.forEach(([key]) => spreads(u, x, budgets, key))],
    },
  }, [x, ...drawn.map(([key]) => budgets.map((b) => b[key]))], box));
}

/* Of ticks too close to be read, the later one gives way. */
function apart(u, ticks) {
  let before = -Infinity;
  return ticks.map((t) => {
    const at = u.valToPos(t, "x");
    if (at - before < 40) return null;
    before = at;
    return t;
  });
}

function spreads(u, x, budgets, key) {
  const pen = u.ctx, wide = 4 * devicePixelRatio;
  pen.save();
  pen.strokeStyle = colour(key);
  pen.lineWidth = 1.4 * devicePixelRatio;
  pen.beginPath();
  budgets.forEach((b, i) => {
    if (b[key] == null || !b.spread[key]) return;
    const at = u.valToPos(x[i], "x", true), low = u.valToPos(b[key] - b.spread[key], "y", true), high = u.valToPos(b[key] + b.spread[key], "y", true);
    pen.moveTo(at - wide, low); pen.lineTo(at + wide, low);
    pen.moveTo(at - wide, high); pen.lineTo(at + wide, high);
    pen.moveTo(at, low); pen.lineTo(at, high);
  });
  pen.stroke();
  pen.restore();
}
