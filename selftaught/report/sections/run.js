/* Cards with facts, options and versions; commands to copy; what could not be read. */

sections.run = (root, data, page) => {
  const f = page.facts, part = (selector) => root.querySelector(selector);
  const result = [["folder", data.folder], [f.samples_are, whole(f.samples)], ["steps", whole(f.steps)], ["time", f.seconds ? duration(f.seconds) : null],
    ["speed", f.speed ? `${whole(f.speed)} ${f.speed_in} per second` : null], ["seed", String(f.seed)]].filter(([, v]) => v != null);
  part(".cards").append(...[card("Result", result), card("Method", data.options.method), card("Encoder", data.options.encoder),
    card("Data", data.options.data), card("Recipe", data.recipe), card("Versions and machine", data.versions)].filter(Boolean));
  part("#config").textContent = data.config;
  const { typed, repeat, resume, probe, report } = page.commands;
  const verbs = [["The command of this run", typed], ["Repeat", repeat], ["Resume", resume], ["Evaluate", probe], ["Update this page", report]];
  part(".commands").append(...verbs.filter(([, command]) => command).map(([what, command]) =>
    el("div", {}, el("dt", {}, what), el("dd", {}, el("code", {}, command), copier(command)))));
  const s = data.skipped;
  part(".skipped").hidden = !s.count;
  part(".skipped h3").textContent = `${whole(s.count)} skipped, because ${s.count === 1 ? "it" : "they"} could not be read`;
  part(".skipped ul").append(...s.first.map((entry) => el("li", {}, entry.join(": "))),
    ...(s.count > s.first.length ? [el("li", {}, "… the full list is in skipped.jsonl")] : []));
};

function card(title, pairs) {
  if (!pairs.length) return null;
  return el("div", { class: "card" }, el("h3", {}, title), el("dl", {}, ...terms(pairs.map(([k, v]) => [k.replaceAll("_", " "), v]))));
}

function copier(text) {
  if (!navigator.clipboard) return null;
  const button = el("button", { type: "button", "aria-label": "Copy: " + text }, "Copy");
  button.onclick = () => navigator.clipboard.writeText(text).then(() => {
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  return button;
}
