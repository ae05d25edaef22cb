/* The samples on the map, see `Scatter`. */

sections.map = (root, data) => { scatter = new Scatter(root, data); };
