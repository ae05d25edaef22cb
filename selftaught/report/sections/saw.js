/* Samples in columns, with the views of each below it. */

sections.saw = (root, data) => {
  root.append(el("p", {}, "Each column is one sample. " + (data.rows.length > 1 ? "Below the original are random views of it, "
    + "as used in training. The encoder learns to ignore what differs between the views." : "")));
  showRows(root, data.rows, "Example views");
};
