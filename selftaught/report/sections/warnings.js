/* Each warning once, with the steps at which it occurred. */

sections.warnings = (root, data) => {
  root.append(el("ul", {}, ...data.warnings.map((w) => {
    const when = w.first == null ? "" : w.times > 1 ? ` (${w.times} times, steps ${whole(w.first)} to ${whole(w.last)})` : ` (step ${whole(w.first)})`;
    return el("li", {}, w.text, el("span", { class: "when" }, when));
  })));
};
