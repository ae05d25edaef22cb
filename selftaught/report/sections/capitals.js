/* Countries and capitals, each pair joined by a line. Redrawn at every size, so that words stay readable on a phone. */

sections.capitals = (root, data) => {
  const box = root.querySelector("#capitals-picture"), xy = Float32Array.from(unpack(data.xy, Uint16Array), (v) => v / 65535);
  const points = data.pairs.flatMap((pair, p) => pair.map((word, side) => ({ word, side, p, x: xy[4 * p + 2 * side], y: xy[4 * p + 2 * side + 1] })));
  const [low, high] = [Math.min(...points.map((o) => o.y)), Math.max(...points.map((o) => o.y))];
  root.querySelector("#capitals-lede").textContent = `${data.pairs.length} countries and their capitals on the first two principal components of their vectors. `
    + "If “capital of” is one direction, the lines are parallel: " + `the differences between capital and country have a mean cosine of ${data.agree.toFixed(2)} with their average (1 = all parallel).`;
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
};
