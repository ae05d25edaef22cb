/* The returns of an agent over training with their interval, and an episode of it beside one at random, as films. */

sections.acting = (root, data) => {
  if (data.judged.length) {
    root.querySelector("#acting-split").before(el("p", {}, "Episodes that it never played, with the same agent untrained and one "
      + "that acts at random in the same ones."));
    const table = el("div", {});
    root.querySelector("#acting-split").before(table);
    showRows(table, data.judged, "Returns");
  }
  root.querySelector("#acting-curve").hidden = data.curve == null;
  root.querySelector("#acting-play").hidden = !data.films.length;
  root.querySelector("#acting-split").classList.toggle("single", data.curve == null || !data.films.length);
  if (data.films.length) watch(root, data.films);
  if (data.curve) returns(root, data.curve, data.sides);
};

function returns(root, curve, sides) {
  const box = root.querySelector("#acting-chart"), readout = root.querySelector("#acting-readout");
  const others = [["untrained", "untrained"], ["random", "at random"]].filter(([key]) => sides[key] != null);
  const shade = (key) => (key === "random" ? "raw" : key);
  const say = (i) => {
    const at = i == null ? curve.x.length - 1 : i, low = curve.low[at], half = low == null ? null : curve.mean[at] - low;
    readout.textContent = `${i == null ? "last" : compact(curve.x[at])}: ${readable(curve.mean[at])}${half == null ? "" : " ± " + readable(half)}`;
  };
  say(null);
  const first = curve.mean[0], last = curve.mean[curve.mean.length - 1];
  box.setAttribute("role", "img");
  box.setAttribute("aria-label", `The return goes from ${readable(first)} to ${readable(last)} over ${whole(curve.x[curve.x.length - 1])} moments`
    + others.map(([key, name]) => `; ${name} it is ${readable(sides[key])}`).join(""));
  root.querySelector("#acting-key").replaceChildren(
    el("span", { class: "trained" }, el("span", { class: "dot" }), "while it learned"),
    ...others.map(([key, name]) => el("span", { class: shade(key) }, el("span", { class: "dot" }), name)));
  const flat = (value) => curve.x.map(() => value);
  mount(box, (size) => new uPlot({
    ...size, padding: [10, 16, 0, 0], legend: { show: false }, axes: axes("number"),
    scales: { x: { time: false, range: [0, curve.x[curve.x.length - 1]] }, y: { range: (_, low, high) => bounds(low, high, null) } },
    series: [{}, { stroke: colour("trained"), width: 2.2, spanGaps: true, points: { show: curve.x.length < 3 } },
      { points: { show: false } }, { points: { show: false } },
      ...others.map(([key]) => ({ stroke: colour(shade(key)), width: 2, dash: [6, 4], points: { show: false } }))],
    bands: [{ series: [3, 2], fill: colour("trained") + "33" }],
    cursor: { drag: { x: false, y: false }, y: false },
    hooks: { setCursor: [(u) => say(u.cursor.left < 0 ? null : u.cursor.idx)] },
  }, [curve.x, curve.mean, curve.low, curve.high, ...others.map(([key]) => flat(sides[key]))], box));
}

/* Films side by side, with one button and one slider. A film that is over shows its last moment. */
function watch(root, films) {
  const button = root.querySelector("#acting-button"), slider = root.querySelector("#acting-moment");
  const most = Math.max(...films.map((film) => film.frames.count)), pace = 100;
  let playing = false, since = 0;
  slider.max = most - 1;
  const drawn = films.map((film) => {
    const { uri, cell, columns, count } = film.frames;
    const canvas = el("canvas", { width: cell, height: cell, role: "img", "aria-label": `${film.name}, an episode` });
    const told = el("span", {}), sheet = new Image();
    root.querySelector("#acting-films").append(el("figure", {}, canvas, el("figcaption", {}, el("b", {}, film.name), el("br", {}), told)));
    const show = (at) => {
      const i = Math.min(at, count - 1), over = at >= count - 1 && film.of === count;
      const pen = canvas.getContext("2d");
      pen.clearRect(0, 0, cell, cell);
      if (sheet.complete) pen.drawImage(sheet, (i % columns) * cell, Math.floor(i / columns) * cell, cell, cell, 0, 0, cell, cell);
      told.textContent = `moment ${whole(i + 1)} of ${whole(film.of)}, return ${readable(film.returns[over ? count : i])}${over ? ", over" : ""}`;
    };
    sheet.onload = () => show(Number(slider.value));
    sheet.src = uri;
    return show;
  });
  const show = () => drawn.forEach((one) => one(Number(slider.value)));
  const tick = (now) => {
    if (!playing) return;
    if (now - since >= pace) {
      since = now;
      slider.value = Number(slider.value) + 1;
      show();
      if (Number(slider.value) >= most - 1) return play(false);
    }
    requestAnimationFrame(tick);
  };
  const play = (on) => {
    playing = on;
    button.textContent = on ? "Pause" : "Play";
    if (on && Number(slider.value) >= most - 1) slider.value = 0;
    if (on) { show(); requestAnimationFrame(tick); }
  };
  button.addEventListener("click", () => play(!playing));
  slider.addEventListener("input", () => { play(false); show(); });
  const cut = films.filter((film) => film.of > film.frames.count);
  root.querySelector("#acting-cut").textContent = "Both begin alike, ten moments a second."
    + (cut.length ? ` Only the first ${whole(cut[0].frames.count)} moments are drawn.` : "");
  play(false);
  show();
}
