/* Fills the page from the JSON at its end. Whatever came from a user enters as text, never as markup. */

function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) if (value != null) node.setAttribute(name, value);
  node.append(...children.filter((c) => c != null));
  return node;
}

const whole = (n) => (n == null ? null : Math.round(n).toLocaleString("en"));

function duration(seconds) {
  const s = Math.round(seconds);
  if (s < 60) return s + " s";
  if (s < 3600) return Math.floor(s / 60) + " min " + (s % 60) + " s";
  return Math.floor(s / 3600) + " h " + Math.floor((s % 3600) / 60) + " min";
}

function part(id, has) { document.getElementById(id).classList.toggle("absent", !has); return has; }

function lede(data) {
  const f = data.facts;
  const text = [el("b", {}, f.method), " trained a ", el("b", {}, f.encoder), " encoder on "];
  if (f.samples) text.push(whole(f.samples) + (f.samples === 1 ? " document of " : ` ${f.samples_are} of `));
  text.push(el("b", {}, f.data));
  const length = [];
  if (f.steps) length.push(whole(f.steps) + " steps" + (f.batch_size && f.samples_are === "samples" ? " of " + whole(f.batch_size) + " samples" : ""));
  if (f.seconds) length.push("in " + duration(f.seconds));
  if (length.length) text.push(": " + length.join(" "));
  if (f.speed) text.push(`, ${whole(f.speed)} ${f.speed_in} a second`);
  text.push(".");
  if (f.steps && f.planned > f.steps) text.push(` It was to take ${whole(f.planned)} steps and can be resumed.`);
  document.getElementById("lede").append(...text);
}

function warnings(list) {
  document.getElementById("warnings").hidden = !list.length;
  document.getElementById("warning-list").append(...list.map((w) => {
    const when = w.first == null ? "" : w.times > 1 ? ` (${w.times} times, steps ${whole(w.first)} to ${whole(w.last)})` : ` (step ${whole(w.first)})`;
    return el("li", {}, w.text, el("span", { class: "when" }, when));
  }));
}

const signed = (x) => (x < 0 ? "−" : "+") + Math.abs(x).toFixed(1);

function gain(row) {
  const against = [row.untrained, row.raw].filter((v) => v != null);
  return row.trained == null || !against.length ? null : Math.round(10 * (row.trained - Math.max(...against))) / 10;
}

function judged(probe, words) {
  if (!part("result", probe || words)) return;
  if (words) wordTable(words);
  if (!probe) { document.getElementById("probed").hidden = true; return; }
  verdict(probe);
  const cell = (row, key) => {
    const values = FEATURES.map(([k]) => row[k]).filter((v) => v != null);
    const best = row[key] != null && row[key] === Math.max(...values);
    return el("td", { class: best ? "best" : null }, row[key] == null ? "–" : row[key].toFixed(1),
      row.spread[key] ? el("small", {}, "±" + row.spread[key].toFixed(1)) : "");
  };
  const line = (row) => {
    const g = gain(row);
    const mark = g == null ? "–" : el("span", { class: "gain " + (g > 0 ? "up" : g < 0 ? "down" : "") }, signed(g));
    return el("tr", {}, el("th", { scope: "row" }, row.name), ...FEATURES.map(([key]) => cell(row, key)), el("td", {}, mark));
  };
  document.getElementById("probe").append(
    el("caption", { class: "hidden" }, "Accuracy in percent of pretrained, untrained and raw features"),
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, ""), ...FEATURES.map(([key, name]) =>
      el("th", { scope: "col" }, el("span", { class: key }, el("span", { class: "dot" })), name)), el("th", { scope: "col" }, "gain"))),
    el("tbody", {}, ...[...probe.rows, ...probe.budgets].map(line)));
  document.getElementById("protocol-list").append(...probe.protocol.flatMap(([k, v]) => [el("dt", {}, k), el("dd", {}, v)]));
  const several = probe.budgets.length > 1;
  document.getElementById("efficiency-figure").hidden = !several;
  document.querySelector(".split").classList.toggle("single", !several);
  if (several) efficiency(probe.budgets);
}

function verdict(probe) {
  const row = [...probe.rows, ...probe.budgets].find((r) => r.trained != null);
  if (!row) return;
  const than = [["untrained", "the same encoder untrained"], ["raw", "raw input"]].filter(([key]) => row[key] != null)
    .map(([key, name]) => { const d = Math.round(10 * (row.trained - row[key])) / 10; return d === 0 ? `no more than ${name}` : `${Math.abs(d).toFixed(1)} points ${d > 0 ? "more" : "less"} than ${name}`; });
  const g = gain(row);
  document.getElementById("verdict").append(
    row.name + " on the pretrained features: ", el("b", {}, row.trained.toFixed(1) + "% right"),
    than.length ? ", " + than.join(" and ") + "." : ".",
    g != null && g <= 0 ? " At this budget, pretraining does not beat its baselines: train longer, or try another method." : "");
}

function saw(data) {
  if (part("saw", data.views)) strips("views", data.views);
  document.getElementById("shows-part").hidden = !data.shows;
  if (data.shows) strips("shows", data.shows);
}

function strips(id, rows) {
  document.getElementById(id).append(...rows.map((row, r) => {
    const images = row.images.map((uri, i) => {
      const img = el("img", { src: uri, alt: `${row.name}, sample ${i + 1}` });
      img.onload = () => img.classList.toggle("small", img.naturalWidth <= 64);
      return img;
    });
    const strip = el("div", { class: r || id === "shows" ? "strip" : "strip first" }, el("b", {}, row.name), ...images);
    strip.style.setProperty("--count", images.length);
    return strip;
  }));
}

function pairs(title, list) {
  if (!list.length) return null;
  return el("div", { class: "card" }, el("h3", {}, title), el("dl", {}, ...list.flatMap(([k, v]) => [el("dt", {}, k.replaceAll("_", " ")), el("dd", {}, v)])));
}

function thisRun(data) {
  const f = data.facts;
  const result = [["folder", data.run], [f.samples_are, whole(f.samples)], ["steps", whole(f.steps)], ["time", f.seconds ? duration(f.seconds) : null],
    ["speed", f.speed ? `${whole(f.speed)} ${f.speed_in} a second` : null], ["seed", String(f.seed)]].filter(([, v]) => v != null);
  document.getElementById("facts").append(...[pairs("What came out", result), pairs("Method", data.options.method), pairs("Encoder", data.options.encoder),
    pairs("Data", data.options.data), pairs("Recipe", data.recipe), pairs("Versions and machine", data.versions)].filter(Boolean));
  document.getElementById("config").textContent = data.config;
  const verbs = [["As it was started", data.commands.typed], ["The same again", data.commands.repeat], ["Train on", data.commands.resume],
    ["Judge it", data.commands.probe], ["Renew this page", data.commands.report]].filter(([, c]) => c);
  document.getElementById("commands").append(...verbs.map(([what, command]) => el("div", {}, el("dt", {}, what), el("dd", {}, el("code", {}, command), copier(command)))));
  const s = data.skipped;
  document.getElementById("skipped").hidden = !s.count;
  document.getElementById("skipped-title").textContent = `${whole(s.count)} ${s.count === 1 ? "file" : "files"} could not be read and ${s.count === 1 ? "was" : "were"} left out`;
  document.getElementById("skipped-list").append(...s.first.map((entry) => el("li", {}, entry.join(": "))),
    ...(s.count > s.first.length ? [el("li", {}, "… all of them in skipped.jsonl")] : []));
}

function copier(text) {
  if (!navigator.clipboard) return null;
  const button = el("button", { type: "button", "aria-label": "Copy: " + text }, "Copy");
  button.onclick = () => navigator.clipboard.writeText(text).then(() => {
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  return button;
}

let scatter = null;

function main() {
  const data = JSON.parse(document.getElementById("data").textContent);
  document.querySelectorAll("[data-command]").forEach((node) => { node.textContent = data.commands[node.dataset.command]; });
  document.querySelectorAll("[data-for]").forEach((node) => { if (node.dataset.for === data.kind) node.hidden = false; else node.remove(); });
  lede(data);
  warnings(data.warnings);
  judged(data.probe, data.words);
  if (part("map", data.map)) scatter = data.kind === "text" ? new WordMap(data.map) : new Scatter(data.map);
  if (data.capitals) capitals(data.capitals);
  else document.querySelectorAll("#capitals, [href='#capitals']").forEach((node) => node.remove());
  if (part("learning", data.panels.length)) curves(data.panels);
  if (data.kind === "images") saw(data);
  thisRun(data);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.forEach((draw) => draw()));
}

main();
