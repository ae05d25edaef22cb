/* Pictures with two layers of boxes; places are shares of width and height. */

sections.detection = (root, data) => {
  const colours = ["#2f7fe0", "#d9480f", "#2b8a3e", "#9c36b5", "#c2255c", "#5f3dc4"];  // on any photograph, light or dark
  const colour = (c) => `--of: ${colours[c % colours.length]}`;
  const named = (c) => data.classes[c] ?? String(c);
  const rect = ([left, top, right, bottom, c], kind) =>
    svg("rect", { x: left, y: top, width: right - left, height: bottom - top, class: kind, style: colour(c) });
  const score = ([left, top, , , c, s]) => {
    const mark = el("span", { class: "score", title: named(c) }, s.toFixed(2));
    mark.style.cssText = `${colour(c)}; left: ${100 * left}%; top: ${100 * top}%`;
    return mark;
  };
  root.querySelector("#detection-key").append(...data.classes.map((name, c) => {
    const dot = el("span", {}, el("span", { class: "dot" }), name);
    dot.querySelector(".dot").style.color = colours[c % colours.length];
    return dot;
  }));
  root.querySelector("#detection-pictures").append(...data.rows.map((row) => {
    const said = `${row.name}: ${counted(row.found.length, "boxes")} found, ${whole(row.truth.length)} annotated`;
    return el("figure", { class: "boxed" },
      el("div", { class: "frame", tabindex: "0" },
        el("img", { src: row.uri, alt: said, width: row.width, height: row.height }),
        svg("svg", { viewBox: "0 0 1 1", preserveAspectRatio: "none", "aria-hidden": "true" },
          ...row.found.map((box) => rect(box, "under")), ...row.found.map((box) => rect(box, "found")),
          ...row.truth.map((box) => rect(box, "truth"))),
        ...row.found.map(score)),
      el("figcaption", {}, said));
  }));
};
