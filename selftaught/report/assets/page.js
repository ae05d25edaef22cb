/* Fills the sections of the page from the JSON at its end. User data is inserted as text, never as markup. */

const sections = {};  // name: (root, data, page) => draws `data` into the element `root`

function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) if (value != null) node.setAttribute(name, value);
  node.append(...children.filter((c) => c != null));
  return node;
}

function svg(tag, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

const whole = (n) => (n == null ? null : Math.round(n).toLocaleString("en"));
const counted = (n, things) => `${whole(n)} ${n === 1 ? things.replace(/s$/, "") : things}`;
const signed = (x) => (x < 0 ? "−" : "+") + Math.abs(x).toFixed(1);
const terms = (pairs) => pairs.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]);

function duration(seconds) {
  const s = Math.round(seconds);
  if (s < 60) return s + " s";
  if (s < 3600) return Math.floor(s / 60) + " min " + (s % 60) + " s";
  return Math.floor(s / 3600) + " h " + Math.floor((s % 3600) / 60) + " min";
}

/* A table that scrolls when it is too wide, with a name for screen readers. */
function scrolling(name, ...children) {
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": name }, ...children);
}

function lede(f) {
  const text = [el("b", {}, f.method), " trained a ", el("b", {}, f.encoder), " encoder on "];
  if (f.samples) text.push(counted(f.samples, f.samples_are) + " of ");
  text.push(el("b", {}, f.data));
  const length = [], each = f.batch_size && f.samples_are === f.speed_in ? " of " + counted(f.batch_size, f.samples_are) : "";
  if (f.steps) length.push(counted(f.steps, "steps") + each);
  if (f.seconds) length.push("in " + duration(f.seconds));
  if (length.length) text.push(": " + length.join(" "));
  if (f.speed) text.push(`, ${whole(f.speed)} ${f.speed_in} per second`);
  text.push(".");
  if (f.steps && f.planned > f.steps) text.push(` ${whole(f.planned)} steps were planned; the run can be resumed.`);
  document.getElementById("lede").append(...text);
}

/* An error in one section is logged to the console and does not affect the others. */
function draw(name, data, page) {
  const root = document.getElementById(name);
  try { sections[name](root, data, page); } catch (error) { console.error(name, error); }
  root.querySelectorAll("[data-command]").forEach((node) => { node.textContent = page.commands[node.dataset.command]; });
}

document.addEventListener("DOMContentLoaded", () => {
  const { sections: told, ...page } = JSON.parse(document.getElementById("data").textContent);
  lede(page.facts);
  for (const [name, data] of Object.entries(told)) if (data !== null) draw(name, data, page);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.forEach((again) => again()));
});
