/* Occurrences of words that mean several things, with the nearest ones of each. */

sections.senses = (root, data) => {
  root.append(el("p", {}, "Each word twice, where its vectors are least alike, and beside it the occurrences that are nearest to this one, "
    + "with their cosines. Where a word means two things, each is among its own kind."));
  showRows(root, data.rows, "Words in context");
};
