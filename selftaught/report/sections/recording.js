/* Recordings to play, with their waves and slow features over the same time. A line moves with the sound. */

sections.recording = (root, data) => {
  root.append(el("p", {}, "Of all directions of the features these three change least along recordings (slow feature analysis): what "
    + "lasts, such as a voice or a word, not what lies between two moments. Found in training recordings, drawn for others."));
  root.append(el("p", { class: "key" }, ...data.change.map((part, k) => {
    const name = el("span", {}, el("span", { class: "dot" }), `feature ${k + 1}: changes by ${part}% of what chance order would`);
    name.style.color = `var(--line-${k})`;
    return name;
  })));
  for (const row of data.rows) root.append(followed(row));
};

function followed(row) {
  const seconds = row.sound.seconds, sound = el("audio", { controls: "", preload: "auto", src: row.sound.uri, "aria-label": row.name });
  const place = (chart, height) => (line) => line.map((y, x) =>
    `${(100 * x / Math.max(line.length - 1, 1)).toFixed(2)},${(height - 1 - (height - 2) * ((y ?? 0) - chart.low) / (chart.high - chart.low || 1)).toFixed(2)}`).join(" ");
  const picture = (chart, height, said, colours) => svg("svg", { viewBox: `0 0 100 ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": said },
    ...chart.lines.map((line, l) => svg("polyline", { style: `--line-of: ${colours(l)}`, points: place(chart, height)(line) })),
    svg("line", { class: "now", x1: 0, x2: 0, y1: 0, y2: height }));
  const box = el("div", { class: "over linechart" },
    picture(row.wave, 24, `${row.name}: the wave, ${short(seconds)} seconds`, () => "var(--raw)"),
    picture(row.slow, 40, `${row.name}: ${row.slow.lines.length} slow features over ${short(seconds)} seconds`, (l) => `var(--line-${l})`));
  const move = () => {
    const at = 100 * Math.min(sound.currentTime / seconds, 1);
    box.querySelectorAll(".now").forEach((line) => { line.setAttribute("x1", at); line.setAttribute("x2", at); });
    if (!sound.paused) requestAnimationFrame(move);
  };
  for (const event of ["play", "seeked", "ended", "timeupdate"]) sound.addEventListener(event, move);
  box.addEventListener("click", (event) => {
    const { left, width } = box.getBoundingClientRect();
    sound.currentTime = seconds * (event.clientX - left) / width;
  });
  const cut = seconds < row.sound.of ? ` (the first ${short(seconds)} of ${short(row.sound.of)} seconds)` : "";
  return el("figure", { class: "recording" }, el("figcaption", {}, el("b", {}, row.name + cut)), box, sound);
}
