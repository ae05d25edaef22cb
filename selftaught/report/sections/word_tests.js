/* Word similarity and analogies, with the same encoder untrained for comparison. */

sections.word_tests = (root, judged) => {
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
  root.querySelector("#words-table").append(el("caption", { class: "hidden" }, "Word similarity and analogy, pretrained and untrained"), head(), el("tbody", {}, ...judged.rows.map(line)));
  root.querySelector("#words-sections").append(el("caption", { class: "hidden" }, "Analogies by section"), head(), el("tbody", {}, ...judged.sections.map(line)));
  root.querySelector("#words-protocol").append(...terms(judged.protocol));
  const by = (start) => judged.rows.find((row) => row.name.startsWith(start) && row.trained != null);
  const likeness = by("WordSim") || by("SimLex"), solved = by("analogies, %"), says = [];
  if (likeness) says.push(`The rank correlation with human ratings of word similarity is `, el("b", {}, (likeness.trained / 100).toFixed(2)), likeness.untrained == null ? ". " : ` (untrained ${(likeness.untrained / 100).toFixed(2).replace("-", "−")}). `);
  if (solved) says.push("Of the analogies whose words are in the vocabulary, ", el("b", {}, rounded(solved.trained) + "% are answered correctly"), ".");
  if (!says.length) says.push("None of the English words of the tests is in this vocabulary.");
  root.querySelector("#words-verdict").append(...says);
};
