/* Frozen, tuned and from scratch, for each share of the labels. */

sections.finetune = (root, data) => {
  const named = { frozen: "frozen", tuned: "tuned", scratch: "from scratch" };
  const kind = { frozen: "raw", tuned: "trained", scratch: "untrained" };
  const share = (labels) => (labels === "all" ? "all labels" : `${labels} of the labels`);
  // 1: a percentage, higher is better; -1: a number, lower is better; 0: a number that stands beside others
  const sign = (m) => data.better?.[data.metrics[m]] ?? 1;
  const percent = (m) => !(data.metrics[m] in (data.better || {}));
  const best = (labels, m) => sign(m) && sign(m) * Math.max(...data.rows.filter((r) => r.labels === labels).map((r) => r.values[m][0] == null ? -Infinity : sign(m) * r.values[m][0]));
  const value = (row, m) => {
    const [mean, spread] = row.values[m];
    return el("td", { class: mean != null && sign(m) && mean === best(row.labels, m) ? "best" : null }, mean == null ? "–" : mean.toFixed(1),
      spread == null ? null : el("small", {}, "±" + spread.toFixed(1)));
  };
  const line = (row, i) => el("tr", {},
    el("th", { scope: "row" }, i && data.rows[i - 1].labels === row.labels ? "" : share(row.labels)),
    el("td", { class: "text" }, el("span", { class: kind[row.side] }, el("span", { class: "dot" })), named[row.side] || row.side),
    ...data.metrics.map((_, m) => value(row, m)),
    el("td", {}, whole(row.seeds)), el("td", {}, whole(row.steps)), el("td", { class: "text" }, row.setting || "–"));
  const beside = (row) => el("tr", {}, el("th", { scope: "row" }, ""), el("td", { class: "text" }, row.name),
    ...row.values.map((v) => el("td", {}, v == null ? "–" : v.toFixed(1))), el("td", {}, ""), el("td", {}, ""), el("td", {}, ""));
  const head = ["", "encoder", ...data.metrics.map((name, m) => percent(m) ? name + ", %" : name), "seeds", "steps", "chosen"];
  root.querySelector("#finetune-table").append(
    el("caption", { class: "hidden" }, "Fine-tuning for " + data.task),
    el("thead", {}, el("tr", {}, ...head.map((name) => el("th", { scope: "col", class: ["encoder", "chosen"].includes(name) ? "text" : null }, name)))),
    el("tbody", {}, ...data.rows.map(line), ...(data.beside || []).map(beside)));
  if (data.signatures) root.append(el("p", { class: "note" }, "Measured by ", data.signatures.join("; "), "."));
  const most = data.rows[data.rows.length - 1].labels;
  const [tuned, scratch] = ["tuned", "scratch"].map((side) => data.rows.find((r) => r.labels === most && r.side === side)?.values[0][0]);
  const verdict = root.querySelector("#finetune-verdict");
  if (tuned == null || scratch == null) return verdict.remove();
  const more = Math.round(10 * (tuned - scratch)) / 10;
  verdict.append(`With ${share(most)}, ${data.task} reaches `, el("b", {}, percent(0) ? `${tuned.toFixed(1)}% ${data.metrics[0]}` : `a ${data.metrics[0]} of ${tuned.toFixed(1)}`),
    more === 0 ? ", as much as from random weights." : `, ${Math.abs(more).toFixed(1)} ${percent(0) ? "points " : ""}${more > 0 ? "more" : "less"} than from random weights.`);
};
