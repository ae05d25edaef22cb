/* Shows samples as rows of pictures, curves or sounds, with one sample per column, or as a table. */

const shownAs = {
  pictures: (row) => strip(row, row.images.map((uri, i) => {
    const img = el("img", { src: uri, alt: `${row.name}, sample ${i + 1}` });
    img.onload = () => img.classList.toggle("small", img.naturalWidth <= 64);
    return row.notes ? el("figure", { class: "noted" }, img, el("small", {}, row.notes[i])) : img;
  })),
  curves: (row) => strip(row, row.charts.map((chart, i) => lineChart(chart, `${row.name}, sample ${i + 1}`)), "wide"),
  sounds: (row) => strip(row, row.sounds.map((sound, i) => player(sound, `${row.name}, sample ${i + 1}`)), "wider"),
  table: (row) => {
    const cell = (value, c) => el("td", { class: side(row, c) }, typeof value === "string" ? value : readable(value));
    const cut = row.of > row.rows.length ? `The first ${whole(row.rows.length)} of ${whole(row.of)} rows.` : null;
    return el("div", { class: "told" }, el("h3", {}, row.name), scrolling(row.name, el("table", {},
      el("thead", {}, el("tr", {}, ...row.columns.map((name, c) => el("th", { scope: "col", class: side(row, c) }, name)))),
      el("tbody", {}, ...row.rows.map((cells) => el("tr", {}, ...cells.map(cell)))))), cut && el("p", { class: "note" }, cut));
  },
};

const short = (n) => n.toLocaleString("en", { maximumSignificantDigits: n < 10 ? 2 : 3 });
const side = (row, c) => (row.rows.some((cells) => typeof cells[c] === "string") ? "text" : null);

/* Consecutive rows of one type share a grid and scroll together. A row named "original" is set apart. */
function showRows(root, rows, name) {
  let strips = null;
  for (const row of rows) {
    const node = shownAs[row.type](row);
    if (row.type === "table") { strips = null; root.append(node); continue; }
    if (strips?.dataset.type !== row.type) {
      strips = el("div", { class: "strips", "data-type": row.type });
      root.append(scrolling(name, strips));
    }
    if (row === rows[0] && row.name === "original") node.classList.add("first");
    strips.append(node);
  }
}

function strip(row, cells, width) {
  const node = el("div", { class: width ? "strip " + width : "strip" }, el("b", {}, row.name), ...cells);
  node.style.setProperty("--count", cells.length);
  return node;
}

function player(sound, name) {
  const cut = sound.seconds < sound.of ? `the first ${short(sound.seconds)} of ` : "";
  return el("div", { class: "sound" }, el("audio", { controls: "", src: sound.uri, "aria-label": name }),
    el("small", {}, `${cut}${short(sound.of)} s`));
}

/* Lines over the same points, in a box that stretches. A gap in a line is a value that is not a number. */
function lineChart(chart, name) {
  const lines = chart.lines, span = chart.high - chart.low || 1;
  const range = `${readable(chart.low)} to ${readable(chart.high)}`;
  const said = `${name}: ${counted(lines.length, "lines")} of ${counted(chart.length, "points")}, from ${range}`;
  const place = (line) => ([x, y]) =>
    `${(100 * x / Math.max(line.length - 1, 1)).toFixed(2)},${(38 - 36 * (y - chart.low) / span).toFixed(2)}`;
  const drawn = lines.flatMap((line, l) => runs(line).map((points) =>
    svg("polyline", { style: `--line-of: var(--line-${l % 6})`, points: points.map(place(line)).join(" ") })));
  return el("div", { class: "linechart" },
    svg("svg", { viewBox: "0 0 100 40", preserveAspectRatio: "none", role: "img", "aria-label": said }, ...drawn),
    el("small", {}, range),
    chart.of > lines.length ? el("small", {}, `the first ${lines.length} of ${chart.of} lines`) : null);
}

/* The segments of a line between its gaps, each a list of [position, value]. */
function runs(line) {
  const found = [[]];
  line.forEach((y, x) => { if (y == null) found.push([]); else found[found.length - 1].push([x, y]); });
  return found.filter((points) => points.length).map((points) => (points.length > 1 ? points : [points[0], points[0]]));
}
