/* Samples in columns, or tables, as the method itself shows them. */

sections.shows = (root, data) => showRows(root, data.rows, "What the method shows");
