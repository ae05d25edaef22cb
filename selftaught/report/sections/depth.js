/* Rows of a picture, its disparity as found and as known, and the error, with the scales of their colours. */

sections.depth = (root, data) => {
  const css = ([r, g, b]) => `rgb(${r}, ${g}, ${b})`;
  const scale = (colours, low, high) => {
    const bar = el("span", { class: "bar" });
    bar.style.background = `linear-gradient(to right, ${colours.map(css).join(", ")})`;
    return el("span", { class: "scale" }, low, bar, high);
  };
  const known = data.rows.filter((row) => row.abs != null);
  root.querySelector("#depth-key").append(
    scale(data.colours.near, "far, 0 pixels", `near, ${data.nearest} pixels`),
    known.length ? scale(data.colours.error, "error 0", `${data.most} pixels or more`) : "");
  root.querySelector("#depth-verdict").append(data.unseen
    ? "None of these pictures was trained on."
    : "These pictures were trained on: there are no held-out ones.");
  const table = root.querySelector("#depth-table");
  if (data.table) {
    table.append(
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, ""), ...data.table.columns.map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", {}, ...data.table.rows.map(([name, ...cells]) => el("tr", {}, el("th", { scope: "row" }, name),
        ...cells.map((cell) => el("td", {}, cell == null ? "–" : cell))))));
  } else table.hidden = true;
  const picture = (row, uri, said, ...caption) => el("figure", {},
    el("img", { src: uri, alt: `${row.name}: ${said}`, width: row.width, height: row.height }), el("figcaption", {}, ...caption));
  root.querySelector("#depth-pictures").append(...data.rows.map((row) => el("div", { class: row.truth ? "depths" : "depths two" },
    picture(row, row.left, "the left picture", row.name),
    picture(row, row.found, "the disparity that was found", "found"),
    row.truth ? picture(row, row.truth, "the known disparity", "known") : "",
    row.error ? picture(row, row.error, "the error", "error: ", el("b", {}, row.abs.toFixed(1)), " pixels") : "")));
};
