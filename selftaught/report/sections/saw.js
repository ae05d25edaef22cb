/* Samples in columns, and below them what the method gets to see of each. */

sections.saw = (root, data) => {
  root.append(el("p", {}, "Each column is one sample; below the original, the random views that training draws of it. "
    + "What differs between the views is what the encoder is asked to ignore."));
  showRows(root, data.rows, "Example views");
};
