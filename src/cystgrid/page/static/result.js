// T1 and T2 in linked scroll with the map over them, from the server's pictures: no WebGL needed.

import { Frame, NORMAL, onWheel, setBox, show } from "./planes.js";

const root = document.getElementById("linked");
const frame = new Frame(root.dataset);
const bounds = root.dataset.region.split(",").map(Number);
const slice = document.getElementById("slice");
const axis = document.getElementById("axis");
const map = document.getElementById("map");
const opacity = document.getElementById("opacity");
const threshold = document.getElementById("threshold");

for (const part of root.querySelectorAll(".with-script")) part.hidden = false;
for (const svg of root.querySelectorAll("svg.plane")) onWheel(svg, slice);
for (const control of [slice, map, opacity, threshold]) control?.addEventListener("input", draw);
axis.addEventListener("input", () => {
  const middle = (bounds[NORMAL[axis.value]] + bounds[NORMAL[axis.value] + 3]) / 2;
  slice.max = frame.count[NORMAL[axis.value]] - 1;
  slice.value = frame.number(axis.value, middle);
  draw();
});
draw();

function draw() {
  const view = axis.value;
  const [width, height] = frame.size(view);
  const inside = within(view);
  for (const svg of root.querySelectorAll("svg.plane")) {
    const { key } = svg.dataset;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const base = `/api/studies/${root.dataset.job}`;
    const scan = fill(svg.querySelector(".scan"), width, height);
    show(scan, `${base}/scans/${key}/${view}/${slice.value}.png?on=${root.dataset.ground}`);
    const over = fill(svg.querySelector(".map"), width, height);
    if (map?.value) {
      show(over, `${base}/maps/${map.value}/${view}/${slice.value}.png?threshold=${threshold.value}`);
      over.setAttribute("opacity", opacity.value / 100);
    }
    over.style.display = map?.value ? "" : "none";
    const box = svg.querySelector(".box");
    box.style.display = inside ? "" : "none";
    setBox(box, frame, view, bounds.slice(0, 3), bounds.slice(3));
    svg.closest("figure").querySelector(".place").textContent = frame.placeText(view, Number(slice.value));
  }
  const from = document.getElementById("from");
  if (from) from.textContent = threshold.value;
}

function within(view) {
  const place = frame.place(view, Number(slice.value));
  return place >= bounds[NORMAL[view]] && place <= bounds[NORMAL[view] + 3];
}

function fill(image, width, height) {
  image.setAttribute("width", width);
  image.setAttribute("height", height);
  return image;
}
