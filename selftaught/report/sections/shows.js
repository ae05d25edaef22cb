/* Samples in columns, or tables, as the method provides them. */

sections.shows = (root, data) => showRows(root, data.rows, "What the method shows");
