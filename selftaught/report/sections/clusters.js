/* Clusters, one in each row, with some of their members. */

sections.clusters = (root, data) => {
  root.append(el("p", {}, `${whole(data.samples)} training samples in ${counted(data.count, "clusters")} of `
    + `${whole(data.smallest)} to ${whole(data.largest)}. Each row is one cluster, from the largest to the smallest. `
    + "Classes, where they are known, were not used."));
  showRows(root, data.rows, "Members of clusters");
};
