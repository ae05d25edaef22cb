/* The map with the words as labels, and the neighbours of each word in the whole vocabulary. */

sections.word_map = (root, data) => { scatter = new WordMap(root, data); };

class WordMap extends Scatter {
  constructor(root, data) {
    super(root, data);
    this.counted = data.counts ? unpack(data.counts, Uint32Array) : null;
    this.finder();
    this.choose(data.first);
  }

  name(label) { return this.classes[label]; }

  describe() {
    this.labelled = true;
    this.call("A map of " + (this.n < this.of ? "the most frequent words" : "the words"), "word", "Groups of words");
    this.part("map-lede").textContent = `${this.n < this.of ? "The " + whole(this.n) + " most frequent of " + whole(this.of) : "All " + whole(this.n)} words, `
      + `placed by their ${whole(this.dim)}-dimensional vectors and coloured by group (k-means; a group is named after its most central words).`
      + " Lines connect a word to its nearest words in all dimensions, which are often not the nearest on the map.";
    this.part("map-accuracy").textContent = "Two dimensions cannot keep all distances: trust the list of neighbours.";
    this.part("legend").classList.add("wide");
    this.canvas.setAttribute("aria-label", `Map of ${this.n} words in ${this.classes.length} groups`);
  }

  finder() {
    const input = el("input", { type: "search", class: "find", placeholder: "Find a word", "aria-label": "Find a word on the map", autocomplete: "off", spellcheck: "false" });
    const answer = el("span", { class: "note", role: "status" }), form = el("form", { class: "finder" }, input, answer);
    this.part("layouts").after(form);
    form.onsubmit = (e) => {
      e.preventDefault();
      const asked = input.value.trim(), lower = asked.toLowerCase();
      let i = this.words.indexOf(asked);
      if (i < 0) i = this.words.findIndex((word) => word.toLowerCase() === lower);
      answer.textContent = !asked || (i >= 0 && i < this.n) ? "" : `“${asked}” is not on this map.`;
      if (i >= 0 && i < this.n) { this.centre(i); this.choose(i); }
    };
  }

  /* Centre a word without changing the zoom, unless the whole map is visible. */
  centre(i) {
    if (this.zoom <= 1) return;
    this.cx = this.at[2 * i];
    this.cy = this.at[2 * i + 1];
  }

  paint() {
    super.paint();
    if (this.width) this.write();
  }

  /* Write words where there is room: the chosen one and its neighbours first, then the most frequent. */
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

  /* The panel next to the map: the word and its nearest words in the whole vocabulary. */
  show() {
    const box = this.part("sample"), i = this.chosen ?? this.hover;
    if (i == null) { box.replaceChildren(el("p", { class: "note" }, "Point at a word to see its neighbours; click it to pin it here.")); return; }
    const rows = this.neighbours(i).map(({ j, cosine }) => {
      const bar = el("span", { class: "bar", "aria-hidden": "true" });
      bar.style.setProperty("--part", Math.max(cosine, 0));
      const parts = [el("span", { class: "word" }, this.words[j]), bar, el("span", { class: "cosine" }, cosine.toFixed(2))];
      if (j >= this.n) return el("li", {}, el("span", { class: "row", title: "not on this map" }, ...parts));
      const button = el("button", { type: "button", class: "row", "aria-label": `${this.words[j]}, cosine ${cosine.toFixed(2)}` }, ...parts);
      button.onclick = () => { this.centre(j); this.choose(j); this.root.querySelector(".words button")?.focus(); };
      return el("li", {}, button);
    });
    const times = this.counted ? `, seen ${whole(this.counted[i])} times` : "";
    box.replaceChildren(
      el("p", { class: "name big" }, this.words[i]), el("p", { class: "note" }, `word ${whole(i + 1)} by frequency${times}`),
      el("h3", {}, "Nearest words"), el("p", { class: "note" }, `By cosine, in all ${whole(this.dim)} dimensions, of the whole vocabulary.`),
      el("ol", { class: "words" }, ...rows));
  }
}
