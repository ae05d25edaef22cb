/* Frozen, tuned and from scratch, for each share of the labels. */

sections.finetune = (root, data) => {
  const named = { frozen: "frozen", tuned: "tuned", scratch: "from scratch" };
  const kind = { frozen: "raw", tuned: "trained", scratch: "untrained" };
  const share = (labels) => (labels === "all" ? "all labels" : `${labels} of the labels`);
  const best = (labels, m) => Math.max(...data.rows.filter((r) => r.labels === labels).map((r) => r.values[m][0] ?? -Infinity));
  const value = (row, m) => {
    const [mean, spread] = row.values[m];
    return el("td", { class: mean != null && mean === best(row.labels, m) ? "best" : null }, mean == null ? "–" : mean.toFixed(1),
      spread == null ? null : el("small", {}, "±" + spread.toFixed(1)));
  };
  const line = (row, i) => el("tr", {},
    el("th", { scope: "row" }, i && data.rows[i - 1].labels === row.labels ? "" : share(row.labels)),
    el("td", { class: "text" }, el("span", { class: kind[row.side] }, el("span", { class: "dot" })), named[row.side] || row.side),
    ...data.metrics.map((_, m) => value(row, m)),
    el("td", {}, whole(row.seeds)), el("td", {}, whole(row.steps)), el("td", { class: "text" }, row.setting || "–"));
  const head = ["", "encoder", ...data.metrics.map((m) => m + ", %"), "seeds", "steps", "chosen"];
  root.querySelector("#finetune-table").append(
    el("caption", { class: "hidden" }, "Fine-tuning for " + data.task),
    el("thead", {}, el("tr", {}, ...head.map((name) => el("th", { scope: "col", class: ["encoder", "chosen"].includes(name) ? "text" : null }, name)))),
    el("tbody", {}, ...data.rows.map(line)));
  const most = data.rows[data.rows.length - 1].labels;
  const [tuned, scratch] = ["tuned", "scratch"].map((side) => data.rows.find((r) => r.labels === most && r.side === side)?.values[0][0]);
  const verdict = root.querySelector("#finetune-verdict");
  if (tuned == null || scratch == null) return verdict.remove();
  const more = Math.round(10 * (tuned - scratch)) / 10;
  verdict.append(`With ${share(most)}, ${data.task} reaches `, el("b", {}, `${tuned.toFixed(1)}% ${data.metrics[0]}`),
    more === 0 ? ", as much as from random weights." : `, ${Math.abs(more).toFixed(1)} points ${more > 0 ? "more" : "less"} than from random weights.`);
};
