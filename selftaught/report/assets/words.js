/* Words instead of samples: the map with words written on it, countries beside their capitals, and the judgement by people's answers. */

const LETTER = 0.56;  // width of a letter, in font sizes, about

class WordMap extends Scatter {
  constructor(data) {
    super(data);
    this.counted = data.counts ? unpack(data.counts, Uint32Array) : null;
    this.finder();
    this.choose(data.first);
  }

  name(label) { return this.classes[label]; }

  describe() {
    this.labelled = true;
    document.getElementById("map-what").textContent = this.n < this.of ? "the most frequent words" : "the words";
    document.getElementById("map-lede").textContent = `${this.n < this.of ? "The " + whole(this.n) + " most frequent of " + whole(this.of) : "All " + whole(this.n)} words, `
      + `placed by their ${whole(this.dim)} numbers and coloured by group (k-means; a group is named after its most central words).`
      + " Lines lead to the nearest words in all dimensions, which are often not the nearest in the picture.";
    document.getElementById("map-accuracy").textContent = "A picture is not a metric: two dimensions must distort, so trust the list of neighbours.";
    document.getElementById("map-tsne").hidden = this.tsne;
    document.getElementById("legend").classList.add("wide");
    document.getElementById("legend").setAttribute("aria-label", "Groups of words: press to hide or show");
    document.getElementById("sample").setAttribute("aria-label", "The chosen word");
    this.canvas.setAttribute("aria-label", `Map of ${this.n} words in ${this.classes.length} groups`);
  }

  finder() {
    const input = document.getElementById("find"), answer = document.getElementById("find-answer");
    document.getElementById("find-form").onsubmit = (e) => {
      e.preventDefault();
      const asked = input.value.trim(), lower = asked.toLowerCase();
      let i = this.words.indexOf(asked);
      if (i < 0) i = this.words.findIndex((word) => word.toLowerCase() === lower);
      answer.textContent = !asked || (i >= 0 && i < this.n) ? "" : `“${asked}” is not on this map.`;
      if (i >= 0 && i < this.n) { this.centre(i); this.choose(i); }
    };
  }

  /* Brings a word into view without changing the zoom, but for one that shows everything. */
  centre(i) {
    if (this.zoom <= 1) return;
    this.cx = this.at[2 * i];
    this.cy = this.at[2 * i + 1];
  }

  paint() {
    super.paint();
    if (this.width) this.write();
  }

  /* Words where there is room, the chosen one and its neighbours first, then the most frequent. */
  write() {
    const pen = this.pen, taken = [], focus = this.chosen ?? this.hover;
    const size = Math.min(12 + Math.log2(Math.max(this.zoom, 1)), 15);
    const near = focus == null ? [] : this.neighbours(focus).map(({ j }) => j).filter((j) => j < this.n);
    const first = focus == null ? [] : [focus, ...near];
    pen.textBaseline = "middle";
    pen.lineJoin = "round";
    const place = (i, bold) => {
      if (this.hiddenClasses.has(this.labels[i])) return;
      const [x, y] = this.screen(i), text = this.words[i], wide = (text.length * LETTER + 0.4) * size;
      if (x < -wide || y < 0 || x > this.width || y > this.height) return;
      const box = [x + 6, y - size * 0.6, x + 6 + wide, y + size * 0.6];
      if (taken.some((t) => overlap(t, box))) return;
      taken.push(box);
      pen.font = `${bold ? 650 : 400} ${size}px system-ui, sans-serif`;
      pen.strokeStyle = colour("card");
      pen.lineWidth = 3;
      pen.strokeText(text, x + 6, y);
      pen.fillStyle = colour(bold || near.includes(i) ? "ink" : "soft");
      pen.fillText(text, x + 6, y);
    };
    first.forEach((i) => place(i, i === focus));
    const most = this.zoom < 2 ? 140 : 320;
    for (let i = 0; i < this.n && taken.length < most; i++) if (!first.includes(i)) place(i, false);
  }

  tip(i) {
    const near = this.neighbours(i).slice(0, 5).map(({ j }) => this.words[j]).join(", ");
    return [el("b", {}, this.words[i]), el("span", { class: "nearby" }, near)];
  }

  /* The panel beside the map: the word, and the nearest ones of the whole vocabulary. */
  show() {
    const box = document.getElementById("sample"), i = this.chosen ?? this.hover;
    if (i == null) { box.replaceChildren(el("p", { class: "note" }, "Point at a word to see its neighbours; click it to keep it here.")); return; }
    const rows = this.neighbours(i).map(({ j, cosine }) => {
      const bar = el("span", { class: "bar", "aria-hidden": "true" });
      bar.style.setProperty("--part", Math.max(cosine, 0));
      const parts = [el("span", { class: "word" }, this.words[j]), bar, el("span", { class: "cosine" }, cosine.toFixed(2))];
      if (j >= this.n) return el("li", {}, el("span", { class: "row", title: "not on this map" }, ...parts));
      const button = el("button", { type: "button", class: "row", "aria-label": `${this.words[j]}, cosine ${cosine.toFixed(2)}` }, ...parts);
      button.onclick = () => { this.centre(j); this.choose(j); document.querySelector("#sample .words button")?.focus(); };
      return el("li", {}, button);
    });
    const times = this.counted ? `, seen ${whole(this.counted[i])} times` : "";
    box.replaceChildren(
      el("p", { class: "name big" }, this.words[i]), el("p", { class: "note" }, `word ${whole(i + 1)} by frequency${times}`),
      el("h3", {}, "Nearest words"), el("p", { class: "note" }, `By cosine, in all ${whole(this.dim)} dimensions, of the whole vocabulary.`),
      el("ol", { class: "words" }, ...rows));
  }
}

const overlap = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];

/* Countries and capitals, a line between each two: drawn again at every size, so that words stay readable on a phone. */
function capitals(data) {
  const box = document.getElementById("capitals-picture"), xy = Float32Array.from(unpack(data.xy, Uint16Array), (v) => v / 65535);
  const svg = (tag, attributes, ...children) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...children);
    return node;
  };
  const points = data.pairs.flatMap((pair, p) => pair.map((word, side) => ({ word, side, p, x: xy[4 * p + 2 * side], y: xy[4 * p + 2 * side + 1] })));
  const [low, high] = [Math.min(...points.map((o) => o.y)), Math.max(...points.map((o) => o.y))];
  document.getElementById("capitals-lede").textContent = `${data.pairs.length} countries and their capitals on the first two principal components of their vectors. `
    + "If “capital of” is one direction, the lines run alike: " + `the steps from country to capital have a mean cosine of ${data.agree.toFixed(2)} with their average (1 = all the same).`;
  const draw = () => {
    const width = box.clientWidth, phone = width < 560, height = Math.round(width * (phone ? 1.15 : 0.62)), size = phone ? 11 : 13;
    const side = phone ? 34 : 70, taken = [];
    const at = (o) => [side + o.x * (width - 2 * side), height - 20 - (o.y - low) / Math.max(high - low, 1e-6) * (height - 40)];
    const lines = data.pairs.map((_, p) => { const [a, b] = [at(points[2 * p]), at(points[2 * p + 1])]; return svg("line", { x1: a[0], y1: a[1], x2: b[0], y2: b[1] }); });
    points.forEach((o) => { const [x, y] = at(o); taken.push([x - 4, y - 4, x + 4, y + 4]); });
    const marks = points.map((o) => { const [x, y] = at(o); return svg("circle", { cx: x, cy: y, r: 3.6, class: o.side ? "capital" : "country" }); });
    const texts = points.map((o) => {
      const [x, y] = at(o), wide = (o.word.length + 0.5) * (o.side ? LETTER : LETTER * 1.12) * size, tall = size * 0.6;
      const right = [x + 7, y - tall, x + 7 + wide, y + tall, "start"], left = [x - 7 - wide, y - tall, x - 7, y + tall, "end"];
      const up = [x - wide / 2, y - 7 - 2 * tall, x + wide / 2, y - 7, "middle"], down = [x - wide / 2, y + 7, x + wide / 2, y + 7 + 2 * tall, "middle"];
      const inside = (b) => b[0] >= 0 && b[2] <= width && b[1] >= 0 && b[3] <= height;
      const choices = [...(o.side ? [right, left] : [left, right]), up, down].filter(inside);
      const spot = choices.find((b) => !taken.some((t) => overlap(t, b)));
      if (!spot) return null;
      taken.push(spot);
      const anchor = spot[4] === "start" ? spot[0] : spot[4] === "end" ? spot[2] : (spot[0] + spot[2]) / 2;
      return svg("text", { x: anchor, y: (spot[1] + spot[3]) / 2, "text-anchor": spot[4], "dominant-baseline": "central", "font-size": size, class: o.side ? "capital" : "country" }, o.word);
    }).filter(Boolean);
    const words = data.pairs.map(([country, capital]) => `${country} and ${capital}`).join(", ");
    box.replaceChildren(svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": "Countries and capitals: " + words }, ...lines, ...marks, ...texts));
  };
  let before = 0;
  new ResizeObserver(() => { if (box.clientWidth !== before) { before = box.clientWidth; draw(); } }).observe(box);
}

/* Similarity and analogy by people's answers, beside the same encoder untrained. */
function wordTable(judged) {
  const rounded = (v) => (v == null ? "–" : v.toFixed(1).replace("-", "−"));
  const line = (row) => {
    const gain = row.trained == null || row.untrained == null ? null : Math.round(10 * (row.trained - row.untrained)) / 10;
    const best = row.trained != null && row.trained > (row.untrained ?? -Infinity);
    return el("tr", {}, el("th", { scope: "row" }, row.name.replace(" x 100", " × 100")), el("td", { class: best ? "best" : null }, rounded(row.trained)),
      el("td", { class: !best && row.untrained != null ? "best" : null }, rounded(row.untrained)),
      el("td", {}, gain == null ? "–" : el("span", { class: "gain " + (gain > 0 ? "up" : gain < 0 ? "down" : "") }, signed(gain))),
      el("td", {}, whole(row.used), el("small", {}, "of " + whole(row.of))));
  };
  const head = () => el("thead", {}, el("tr", {}, el("th", { scope: "col" }, ""), ...FEATURES.slice(0, 2).map(([key, name]) =>
    el("th", { scope: "col" }, el("span", { class: key }, el("span", { class: "dot" })), name)), el("th", { scope: "col" }, "gain"), el("th", { scope: "col" }, "asked")));
  document.getElementById("words-table").append(el("caption", { class: "hidden" }, "Word similarity and analogy, pretrained and untrained"), head(), el("tbody", {}, ...judged.rows.map(line)));
  document.getElementById("words-sections").append(el("caption", { class: "hidden" }, "Analogies by section"), head(), el("tbody", {}, ...judged.sections.map(line)));
  document.getElementById("words-protocol").append(...judged.protocol.flatMap(([k, v]) => [el("dt", {}, k), el("dd", {}, v)]));
  const by = (start) => judged.rows.find((row) => row.name.startsWith(start) && row.trained != null);
  const likeness = by("WordSim") || by("SimLex"), solved = by("analogies, %"), says = [];
  if (likeness) says.push(`Word similarity agrees with people at a rank correlation of `, el("b", {}, (likeness.trained / 100).toFixed(2)), likeness.untrained == null ? ". " : ` (untrained ${(likeness.untrained / 100).toFixed(2).replace("-", "−")}). `);
  if (solved) says.push("Of the analogies that its words can ask, ", el("b", {}, rounded(solved.trained) + "% are right"), ".");
  if (!says.length) says.push("None of the words of the tests, which are English, is in this vocabulary.");
  document.getElementById("words-verdict").append(...says);
}
