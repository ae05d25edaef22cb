/* The table of the probe with its baselines, the result in words, and accuracy over the number of labels. */

sections.result = (root, data) => {
  verdict(root, data);
  root.querySelector("#probe").append(
    el("caption", { class: "hidden" }, "Accuracy in percent of pretrained, untrained and raw features"),
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, ""), ...FEATURES.map(([key, name]) =>
      el("th", { scope: "col" }, el("span", { class: key }, el("span", { class: "dot" })), name)),
      data.majority == null ? "" : el("th", { scope: "col", title: "always the most frequent class" }, "majority"), el("th", { scope: "col" }, "gain"))),
    el("tbody", {}, ...[...data.rows, ...data.budgets].map((row) => line(row, data.majority))));
  root.querySelector("#raw-is").textContent = data.raw;
  root.querySelector("#protocol-list").append(...terms(data.protocol));
  const several = data.budgets.length > 1;
  root.querySelector("#efficiency-figure").hidden = !several;
  root.querySelector(".split").classList.toggle("single", !several);
  if (several) efficiency(root, data.budgets);
};

function line(row, majority) {
  const best = Math.max(...FEATURES.map(([key]) => row[key]).filter((v) => v != null)), g = gain(row);
  const cell = ([key]) => el("td", { class: row[key] === best ? "best" : null }, row[key] == null ? "–" : row[key].toFixed(1),
    row.spread[key] ? el("small", {}, "±" + row.spread[key].toFixed(1)) : "");
  const mark = g == null ? "–" : el("span", { class: "gain " + (g > 0 ? "up" : g < 0 ? "down" : "") }, signed(g));
  return el("tr", {}, el("th", { scope: "row" }, row.name), ...FEATURES.map(cell),
    majority == null ? "" : el("td", {}, majority.toFixed(1)), el("td", {}, mark));
}

/* The difference from the better of the two baselines. */
function gain(row) {
  const against = [row.untrained, row.raw].filter((v) => v != null);
  return row.trained == null || !against.length ? null : Math.round(10 * (row.trained - Math.max(...against))) / 10;
}

/* The first row in words. */
function verdict(root, probe) {
  const row = [...probe.rows, ...probe.budgets].find((r) => r.trained != null);
  if (!row) return;
  const than = [["untrained", "the same encoder untrained"], ["raw", "raw input"]].filter(([key]) => row[key] != null)
    .map(([key, name]) => { const d = Math.round(10 * (row.trained - row[key])) / 10; return d === 0 ? `equal to ${name}` : `${Math.abs(d).toFixed(1)} points ${d > 0 ? "more" : "less"} than ${name}`; });
  const g = gain(row);
  root.querySelector("#verdict").append(
    row.name + " on the pretrained features: ", el("b", {}, row.trained.toFixed(1) + "% accuracy"),
    than.length ? ", " + than.join(" and ") + "." : ".",
    g != null && g <= 0 ? " With this budget, pretraining is not better than its baselines: train longer, or try another method." : "");
}

/* Accuracy over the number of labels. */
function efficiency(root, budgets) {
  const box = root.querySelector("#efficiency"), readout = root.querySelector("#efficiency-readout");
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
  root.querySelector("#efficiency-key").replaceChildren(...drawn.map(([key, name]) => el("span", { class: key }, el("span", { class: "dot" }), name)));
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
