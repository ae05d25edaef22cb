/* Shared by the charts of several sections: colours, number formats, axes, and redrawing after a change of size. */

const FEATURES = [["trained", "pretrained"], ["untrained", "untrained"], ["raw", "raw input"]];
const charts = [];  // functions that draw each chart again, in the present colours

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

function readable(value, kind) {
  if (value == null) return "–";
  if (kind === "part") return (100 * value).toFixed(1) + "%";
  if (kind === "percent") return value.toFixed(1) + "%";
  const size = Math.abs(value);
  if (size && (size < 1e-3 || size >= 1e6)) return value.toExponential(1);
  return value.toLocaleString("en", { maximumSignificantDigits: size >= 1000 ? 4 : 3 }).replace("-", "−");
}

function axes(kind, extra) {
  const line = { stroke: colour("soft"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
  const few = { ...line, values: (_, ticks) => ticks.map((t) => (t == null ? "" : compact(t))) };
  return [
    { ...few, grid: { show: false }, size: 26, gap: 3, ...extra },
    { ...line, size: 44, gap: 3, space: 28, values: (_, ticks) => ticks.map((t) => (t == null ? "" : readable(t, kind).replace(".0%", "%"))) },
  ];
}

const compact = (n) => (n >= 10000 ? n / 1000 + "k" : n.toLocaleString("en"));

function mount(box, build) {
  let chart = null;
  const size = () => ({ width: Math.max(box.clientWidth, 120), height: box.clientHeight });
  const draw = () => { if (chart) chart.destroy(); chart = build(size()); };
  draw();
  charts.push(draw);
  new ResizeObserver(() => chart.setSize(size())).observe(box);
}

function bounds(low, high, most) {
  if (low == null) return [0, 1];
  const room = (high - low || Math.abs(high) * 0.1 || 1) * 0.08;
  return [low >= 0 && low - room < 0 ? 0 : low - room, most == null ? high + room : Math.min(high + room, most)];
}
