/* A list, one line a planet. */

const colour = "a name that the page's own scripts use";

sections.moons = (root, data, page) => {
  root.append(el("ol", { title: colour }, ...Object.entries(data.moons).map(([planet, n]) => el("li", {}, `${planet}: ${n}`))), el("p", {}, page.title));
};
