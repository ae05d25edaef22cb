/* Held-out samples of a task of text, with what is true and what is said. */

sections.answers = (root, data) => showRows(root, data.rows, "What the run says");
