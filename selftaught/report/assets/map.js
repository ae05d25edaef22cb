/* The map: points on a canvas, coloured by class, with zoom, pan, thumbnails, and neighbours in the full feature space. */

/* Ten colours that are distinct for every type of colour vision (Petroff 2021, arXiv 2107.02270), with ink instead of the second
   grey. In dark mode the dark ones are lighter. */
const DAY = ["#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#2b2f38", "#92dadd"];
const NIGHT = ["#4f9fe8", "#ffb52e", "#e0452b", "#b3c1bf", "#b06be0", "#c58a77", "#ff8534", "#cdc086", "#f4f5f7", "#a5e6e9"];
const PICTURES_FROM = 4;  // zoom
const LETTER = 0.56;  // width of a letter, in font sizes, about
const FRAME = `
  <p class="map-lede"></p>
  <div class="map-grid">
    <div class="map-stage">
      <div class="toolbar">
        <fieldset class="layouts"><legend class="hidden">Layout</legend></fieldset>
        <label class="switch"><input type="checkbox" class="pictures"> Pictures</label>
        <span class="buttons">
          <button type="button" class="zoom-out" aria-label="Zoom out">−</button>
          <button type="button" class="zoom-in" aria-label="Zoom in">+</button>
          <button type="button" class="zoom-reset">Reset</button>
        </span>
      </div>
      <div class="canvas-box">
        <canvas class="scatter" tabindex="0" role="application" aria-roledescription="map"></canvas>
        <div class="tip" aria-hidden="true" hidden></div>
      </div>
      <p class="note map-help"></p>
    </div>
    <aside class="sample" aria-live="polite"></aside>
  </div>
  <div class="legend" role="group"></div>
  <p class="note map-accuracy"></p>
  <p class="note map-tsne" hidden>A t-SNE layout shows clusters better: <code data-command="install_map"></code>, then <code data-command="report"></code>.</p>`;

let scatter = null;  // the map that was drawn last

function unpack(text, Type) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new Type(bytes.buffer);
}

/* A map in the section `root`. It makes its own frame, so that a page can have several. */
class Scatter {
  constructor(root, data) {
    Object.assign(this, data);
    this.root = root;
    root.insertAdjacentHTML("beforeend", FRAME);
    this.labels = unpack(data.labels, Int16Array);
    this.index = unpack(data.index, Uint32Array);
    this.near = unpack(data.near, Uint16Array);
    this.cosine = unpack(data.cosine, Uint8Array);
    this.places = Object.fromEntries(Object.entries(data.layouts).map(([name, text]) => [name, Float32Array.from(unpack(text, Uint16Array), (v) => v / 65535)]));
    this.canvas = this.part("scatter");
    this.pen = this.canvas.getContext("2d");
    this.names = Object.keys(this.places);
    this.layout = this.names[this.names.length - 1];
    this.at = this.places[this.layout];
    this.hiddenClasses = new Set();
    this.chosen = null;
    this.hover = null;
    this.pictures = false;
    this.home();
    this.describe();
    this.controls();
    this.listen();
    this.sprite = null;
    if (this.sheet) {
      const image = new Image();
      image.onload = () => { this.sprite = image; this.draw(); this.show(); };
      image.src = this.sheet.uri;
    }
    new ResizeObserver(() => this.resize()).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { this.legend(); this.draw(); });
    this.choose(0);
  }

  part(name) { return this.root.querySelector("." + name); }

  home() { this.zoom = 1; this.cx = 0.5; this.cy = 0.5; }

  name(label) { return label < 0 ? "no label" : this.classes[label] ?? String(label); }

  colour(label) {
    if (label < 0) return colour(this.labelled ? "raw" : "trained");
    return (matchMedia("(prefers-color-scheme: dark)").matches ? NIGHT : DAY)[label % 10];
  }

  describe() {
    this.labelled = this.labels.some((l) => l >= 0);
    const what = this.held_out ? "held-out samples" : "training samples";
    this.call("A map of " + what, "sample", "Classes");
    this.part("map-lede").textContent = `${this.n < this.of ? whole(this.n) + " of " + whole(this.of) : "All " + whole(this.n)} ${what}, placed by their ${whole(this.dim)} features`
      + (this.labelled ? " and coloured by class. The map uses no labels." : ".")
      + " Lines connect a sample to its nearest neighbours in all dimensions, which are often not the nearest on the map.";
    const a = this.accuracy;
    this.part("map-accuracy").textContent = (a ? `A vote of the ${this.k} nearest neighbours gives the correct class for `
      + [["features", `all ${whole(this.dim)} dimensions`], ...this.names.map((n) => [n, `the ${n} map`])].map(([k, w]) => `${a[k].toFixed(1)}% in ${w}`).join(", ") + ". " : "")
      + "Two dimensions cannot keep all distances: trust the probe above.";
    this.canvas.setAttribute("aria-label", `Map of ${this.n} ${what}` + (this.labelled ? ` in ${this.classes.length} classes` : ""));
  }

  /* The heading, and the names of the points and of their groups. */
  call(title, thing, groups) {
    const help = this.part("map-help");
    this.root.querySelector("h2").textContent = title;
    this.part("map-tsne").hidden = this.tsne;
    this.part("sample").setAttribute("aria-label", "The chosen " + thing);
    this.part("legend").setAttribute("aria-label", groups + ": press to hide or show");
    help.id = this.root.id + "-help";
    this.canvas.setAttribute("aria-describedby", help.id);
    help.textContent = "Point at an item to see it, click to pin it. Click the map first, then scroll or pinch to zoom and drag to move. "
      + `Keys: arrows move, + and − zoom, 0 resets, N and P step through ${thing}s, Escape unpins.`;
  }

  controls() {
    const box = this.part("layouts");
    this.names.forEach((name) => {
      const input = el("input", { type: "radio", name: this.root.id + "-layout", value: name });
      input.checked = name === this.layout;
      input.onchange = () => this.move(name);
      box.append(el("label", {}, input, name));
    });
    const pictures = this.part("pictures");
    pictures.parentElement.hidden = !this.sheet;
    pictures.onchange = () => { this.pictures = pictures.checked; this.draw(); };
    this.part("zoom-in").onclick = () => this.scale(1.6);
    this.part("zoom-out").onclick = () => this.scale(1 / 1.6);
    this.part("zoom-reset").onclick = () => { this.home(); this.draw(); };
    this.legend();
  }

  legend() {
    const counts = new Map();
    this.labels.forEach((l) => counts.set(l, (counts.get(l) || 0) + 1));
    const box = this.part("legend");
    box.hidden = !this.labelled;
    const chips = [...counts.keys()].sort((a, b) => a - b).map((label) => {
      const swatch = el("canvas", { width: 24, height: 24, style: "width:12px;height:12px", "aria-hidden": "true" });
      this.marker(swatch.getContext("2d"), label, 12, 12, 9);
      const chip = el("button", { type: "button", "aria-pressed": String(!this.hiddenClasses.has(label)) }, swatch, el("span", {}, this.name(label)), el("small", {}, String(counts.get(label))));
      chip.onclick = () => {
        const hidden = this.hiddenClasses.has(label);
        if (hidden) this.hiddenClasses.delete(label); else this.hiddenClasses.add(label);
        chip.setAttribute("aria-pressed", String(hidden));
        this.draw();
      };
      return chip;
    });
    const all = el("button", { type: "button" }, "All"), none = el("button", { type: "button" }, "None");
    all.onclick = () => { this.hiddenClasses.clear(); this.legend(); this.draw(); };
    none.onclick = () => { this.hiddenClasses = new Set(counts.keys()); this.legend(); this.draw(); };
    box.replaceChildren(...chips, all, none);
  }

  /* Ten colours, then the next shape, so that classes can be told apart without relying on colour alone. */
  marker(pen, label, x, y, r) {
    const shape = label < 0 ? 0 : Math.floor(label / 10) % 4;
    pen.fillStyle = this.colour(label);
    pen.beginPath();
    if (shape === 0) pen.arc(x, y, r, 0, 7);
    else if (shape === 1) pen.rect(x - r * 0.88, y - r * 0.88, r * 1.76, r * 1.76);
    else if (shape === 2) { pen.moveTo(x, y - r * 1.15); pen.lineTo(x + r * 1.1, y + r * 0.8); pen.lineTo(x - r * 1.1, y + r * 0.8); pen.closePath(); }
    else { pen.moveTo(x, y - r * 1.2); pen.lineTo(x + r * 1.2, y); pen.lineTo(x, y + r * 1.2); pen.lineTo(x - r * 1.2, y); pen.closePath(); }
    pen.fill();
  }

  resize() {
    const dpr = devicePixelRatio || 1;
    this.width = this.canvas.clientWidth;
    this.height = this.canvas.clientHeight;
    this.canvas.width = Math.round(this.width * dpr);
    this.canvas.height = Math.round(this.height * dpr);
    this.draw();
  }

  span() { return (Math.min(this.width, this.height) - 36) * this.zoom; }
  screen(i) { return [(this.at[2 * i] - this.cx) * this.span() + this.width / 2, (this.cy - this.at[2 * i + 1]) * this.span() + this.height / 2]; }

  scale(factor, x = this.width / 2, y = this.height / 2) {
    const before = this.span();
    this.zoom = Math.min(Math.max(this.zoom * factor, 0.7), 60);
    const change = 1 / before - 1 / this.span();
    this.cx += (x - this.width / 2) * change;
    this.cy -= (y - this.height / 2) * change;
    this.draw();
  }

  pan(dx, dy) { this.cx -= dx / this.span(); this.cy += dy / this.span(); this.draw(); }

  draw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => { this.waiting = false; this.paint(); });
  }

  paint() {
    if (!this.width) return;
    const pen = this.pen, dpr = this.canvas.width / this.width;
    pen.setTransform(dpr, 0, 0, dpr, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    const pictures = this.sprite && (this.pictures || this.zoom >= PICTURES_FROM);
    const r = Math.min(2.4 + Math.log2(Math.max(this.zoom, 1)) * 0.9, 6) * Math.min(1.6, Math.max(1, Math.sqrt(900 / this.n)));
    const side = this.pictures && this.zoom < PICTURES_FROM ? 15 + 3 * this.zoom : Math.min(14 + this.zoom * 2.4, 48);
    pen.globalAlpha = pictures ? 1 : 0.85;
    for (let i = 0; i < this.n; i++) {
      if (this.hiddenClasses.has(this.labels[i])) continue;
      const [x, y] = this.screen(i);
      if (x < -side || y < -side || x > this.width + side || y > this.height + side) continue;
      if (pictures) this.stamp(i, x, y, side); else this.marker(pen, this.labels[i], x, y, r);
    }
    pen.globalAlpha = 1;
    const focus = this.chosen ?? this.hover;
    if (focus != null) this.links(focus, r, pictures ? side : 0);
  }

  stamp(i, x, y, side) {
    const { cell, columns } = this.sheet;
    this.pen.fillStyle = this.colour(this.labels[i]);
    this.pen.fillRect(x - side / 2 - 2, y - side / 2 - 2, side + 4, side + 4);
    this.pen.drawImage(this.sprite, (i % columns) * cell, Math.floor(i / columns) * cell, cell, cell, x - side / 2, y - side / 2, side, side);
  }

  links(i, r, side) {
    const pen = this.pen, [x, y] = this.screen(i), ink = colour("ink");
    pen.strokeStyle = ink;
    pen.lineWidth = 1;
    pen.globalAlpha = 0.55;
    const others = this.neighbours(i).filter(({ j }) => j < this.n && !this.hiddenClasses.has(this.labels[j]));
    others.forEach(({ j }) => { const [u, v] = this.screen(j); pen.beginPath(); pen.moveTo(x, y); pen.lineTo(u, v); pen.stroke(); });
    pen.globalAlpha = 1;
    for (const [j, wide] of [...others.map(({ j }) => [j, 1.2]), [i, 2.5]]) {
      const [u, v] = this.screen(j);
      if (side) this.stamp(j, u, v, side); else this.marker(pen, this.labels[j], u, v, r * 1.5);
      pen.lineWidth = wide;
      pen.beginPath();
      if (side) pen.rect(u - side / 2 - 2, v - side / 2 - 2, side + 4, side + 4); else pen.arc(u, v, r * 1.5 + wide, 0, 7);
      pen.stroke();
    }
  }

  neighbours(i) {
    return Array.from({ length: this.k }, (_, n) => ({ j: this.near[i * this.k + n], cosine: this.cosine[i * this.k + n] / 255 }));
  }

  find(x, y) {
    let best = null, least = 18 * 18;
    for (let i = 0; i < this.n; i++) {
      if (this.hiddenClasses.has(this.labels[i])) continue;
      const [u, v] = this.screen(i), d = (u - x) ** 2 + (v - y) ** 2;
      if (d < least) { least = d; best = i; }
    }
    return best;
  }

  move(name) {
    const from = this.at, to = this.places[name], start = performance.now();
    this.layout = name;
    const length = matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 650;
    const step = (now) => {
      const t = length ? Math.min(Math.max((now - start) / length, 0), 1) : 1, ease = t * t * (3 - 2 * t);
      this.at = t < 1 ? from.map((v, i) => v + (to[i] - v) * ease) : to;
      this.draw();
      if (t < 1 && this.layout === name) requestAnimationFrame(step);
    };
    step(start);
  }

  listen() {
    const c = this.canvas, fingers = new Map();
    let travelled = 0;
    const local = (e) => { const box = c.getBoundingClientRect(); return [e.clientX - box.left, e.clientY - box.top]; };
    c.addEventListener("pointerdown", (e) => { fingers.set(e.pointerId, local(e)); travelled = 0; if (document.activeElement === c) c.setPointerCapture(e.pointerId); });
    c.addEventListener("pointermove", (e) => {
      const [x, y] = local(e), before = fingers.get(e.pointerId);
      if (!before) return this.point(this.find(x, y), x, y);
      const [dx, dy] = [x - before[0], y - before[1]];
      travelled += Math.abs(dx) + Math.abs(dy);
      if (fingers.size === 2) {
        const other = [...fingers].find(([id]) => id !== e.pointerId)[1];
        const ratio = Math.hypot(x - other[0], y - other[1]) / Math.max(Math.hypot(before[0] - other[0], before[1] - other[1]), 1);
        this.scale(ratio, (x + other[0]) / 2, (y + other[1]) / 2);
        this.pan(dx / 2, dy / 2);
      } else if (travelled > 4) { c.classList.add("dragging"); this.point(null); this.pan(dx, dy); }
      fingers.set(e.pointerId, [x, y]);
      return undefined;
    });
    const up = (e) => { fingers.delete(e.pointerId); c.classList.remove("dragging"); };
    c.addEventListener("pointerup", (e) => { if (fingers.size === 1 && travelled <= 4) this.choose(this.find(...local(e))); up(e); });
    c.addEventListener("pointercancel", up);
    c.addEventListener("pointerleave", () => this.point(null));
    c.addEventListener("wheel", (e) => {
      if (document.activeElement !== c && !e.ctrlKey && !e.metaKey) return;  // the page scrolls until the map was chosen
      e.preventDefault();
      this.scale(Math.exp(-e.deltaY * (e.deltaMode ? 0.05 : 0.0016)), ...local(e));
    }, { passive: false });
    const keys = {
      ArrowLeft: () => this.pan(40, 0), ArrowRight: () => this.pan(-40, 0), ArrowUp: () => this.pan(0, 40), ArrowDown: () => this.pan(0, -40),
      "+": () => this.scale(1.4), "=": () => this.scale(1.4), "-": () => this.scale(1 / 1.4), 0: () => { this.home(); this.draw(); },
      n: () => this.choose(((this.chosen ?? -1) + 1) % this.n), p: () => this.choose(((this.chosen ?? 1) - 1 + this.n) % this.n), Escape: () => this.choose(null),
    };
    c.addEventListener("keydown", (e) => {
      const act = keys[e.key.length === 1 ? e.key.toLowerCase() : e.key];
      if (!act || e.ctrlKey || e.metaKey || e.altKey) return;
      e.preventDefault();
      act();
    });
  }

  point(i, x, y) {
    const tip = this.part("tip");
    if (i !== this.hover) {
      this.hover = i;
      if (i != null) tip.replaceChildren(...this.tip(i));
      if (this.chosen == null) { this.draw(); this.show(); }
    }
    tip.hidden = i == null;
    if (i == null) return;
    const right = x + 18 + tip.offsetWidth > this.width;
    tip.style.left = (right ? x - tip.offsetWidth - 14 : x + 16) + "px";
    tip.style.top = Math.max(0, Math.min(y - 20, this.height - tip.offsetHeight)) + "px";
  }

  tip(i) { return [this.thumb(i, 84), this.name(this.labels[i])].filter(Boolean); }

  choose(i) { this.chosen = i; this.draw(); this.show(); }

  thumb(i, side) {
    if (!this.sprite) return null;
    const { cell, columns } = this.sheet;
    const c = el("canvas", { class: "thumb", width: cell, height: cell, role: "img", "aria-label": "Sample " + this.index[i] });
    c.style.width = c.style.height = side + "px";
    c.getContext("2d").drawImage(this.sprite, (i % columns) * cell, Math.floor(i / columns) * cell, cell, cell, 0, 0, cell, cell);
    return c;
  }

  /* The panel next to the map: the sample and its neighbours in the full feature space. */
  show() {
    const box = this.part("sample"), i = this.chosen ?? this.hover;
    if (i == null) { box.replaceChildren(el("p", { class: "note" }, "Point at a sample to see it; click it to pin it here with its nearest neighbours.")); return; }
    const own = this.labels[i], around = this.neighbours(i);
    const same = around.filter(({ j }) => this.labels[j] === own).length;
    const buttons = around.map(({ j, cosine }) => {
      const other = own >= 0 && this.labels[j] !== own;
      const what = `${this.name(this.labels[j])}, sample ${this.index[j]}, cosine ${cosine.toFixed(2)}`;
      const button = el("button", { type: "button", class: other ? "other" : null, title: what, "aria-label": what + (other ? ", another class" : "") },
        this.thumb(j), el("span", { class: "label" }, this.labelled ? this.name(this.labels[j]) : "#" + this.index[j]), cosine.toFixed(2));
      button.querySelector(".thumb")?.removeAttribute("style");
      button.onclick = () => { this.choose(j); this.root.querySelector(".near button")?.focus(); };
      return el("li", {}, button);
    });
    box.replaceChildren(
      el("div", { class: "chosen" }, this.thumb(i, 84), el("div", {}, el("p", { class: "name" }, this.labelled ? this.name(own) : "Sample " + this.index[i]),
        el("p", { class: "note" }, "sample " + this.index[i]))),
      el("h3", {}, "Nearest neighbours"),
      el("p", { class: "note" }, `By cosine, in all ${whole(this.dim)} dimensions` + (own >= 0 ? `: ${same} of ${around.length} share its class.` : ".")),
      el("ol", { class: "near" }, ...buttons));
  }
}

const overlap = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
