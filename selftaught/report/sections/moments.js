/* Videos in time: what the method found in them, and which frames are near by features and by pixels. */

sections.moments = (root, data) => {
  if (data.judged.length) {
    root.append(el("p", {}, "Measured on held-out frames without any label, beside the same encoder untrained and the "
      + "pixels. In the last row less is better."));
    showRows(root, data.judged, "What features know of time");
  }
  if (data.found.length) {
    root.append(el("p", {}, "Patches that move were followed without labels; each column is one, and the white frame is "
      + "where the tracker found it. The first and the last frame's patch are what the method takes for alike."));
    showRows(root, data.found, "Tracks");
  }
  root.append(el("p", {}, `Some frames, and for each the nearest one by features and by pixels, among those at least `
    + `${data.apart} frames away or of another video.`));
  showRows(root, data.near, "Nearest frames");
};
