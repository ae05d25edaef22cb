/* Learning curves: small charts that share a cursor. */

sections.learning = (root, { panels }) => {
  const last = Math.max(1, ...panels.flatMap((p) => p.series.map((s) => s.x[s.x.length - 1])));
  const made = panels.map((p) => curve(p, last));
  root.append(el("div", { id: "curves" }, ...made.map((m) => m.card)));
  made.forEach((m) => m.start());
};

/* Align several series on one array of x, as uPlot requires. */
function aligned(series) {
  return uPlot.join(series.map((s) => [s.x, s.y]), series.map(() => [0, 0]));
}

/* The moving average, drawn as the thick line; the thin line shows the logged values. */
function smooth(values, reach) {
  return values.map((v, i) => {
    if (v == null) return null;
    const wide = Math.min(reach, i, values.length - 1 - i);
    const around = values.slice(i - wide, i + wide + 1).filter((w) => w != null);
    return around.reduce((sum, w) => sum + w, 0) / around.length;
  });
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

/* The values at a step, or the last before it; without a step, the last values. */
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
