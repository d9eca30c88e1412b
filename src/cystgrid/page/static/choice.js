// The box around the pancreas: dragged in three pictures, or typed; and scrolling through them.

import { ACROSS_DOWN, Frame, NORMAL, onWheel, setBox, show } from "./planes.js";

const form = document.getElementById("ask");
const planes = document.getElementById("planes");
const NAMES = ["x", "y", "z"];
const LEAST_MM = 2;
const SVG = "http://www.w3.org/2000/svg";

for (const part of document.querySelectorAll(".with-script")) part.hidden = false;

// another pair has another grid: the server draws the pictures of the scan that maps will lie on
for (const select of form.querySelectorAll(".scan-choice")) {
  select.addEventListener("change", () => {
    const address = new URL(location.href);
    address.searchParams.set("change", "1");
    for (const one of form.querySelectorAll(".scan-choice")) address.searchParams.set(one.name, one.value);
    location.assign(address);
  });
}

if (planes) {
  const frame = new Frame(planes.dataset);
  for (const svg of planes.querySelectorAll("svg.plane")) setUp(svg, frame);
  for (const input of form.querySelectorAll(".edges input")) {
    input.addEventListener("input", () => draw(frame));
  }
  draw(frame);
}

function edge(n, end) {
  return form.elements[`${NAMES[n]}${end}`];
}

function box() {
  return [0, 1].map((end) => NAMES.map((_, n) => Number(edge(n, end).value)));
}

function setUp(svg, frame) {
  const axis = svg.dataset.axis;
  const slider = planes.querySelector(`input[data-axis=${axis}]`);
  const image = svg.querySelector(".scan");
  const told = svg.closest("figure").querySelector(".place");
  const turn = () => {
    const { key } = svg.dataset;
    const address = `/api/studies/${form.dataset.job}/scans/${key}/${axis}/${slider.value}.png`;
    show(image, `${address}?on=${planes.dataset.ground}`);
    told.textContent = frame.placeText(axis, Number(slider.value));
  };
  slider.addEventListener("input", turn);
  onWheel(svg, slider);
  turn();
  for (const [left, top] of [[0, 0], [1, 0], [0, 1], [1, 1]]) {
    const corner = document.createElementNS(SVG, "circle");
    corner.setAttribute("class", left === top ? "corner" : "corner other");
    corner.setAttribute("r", Math.max(...frame.size(axis)) / 60);
    corner.dataset.ends = `${left},${top}`;
    svg.append(corner);
  }
  drags(svg, axis, frame);
}

// A drag of the box moves it; of a corner, the two edges that meet there.
function drags(svg, axis, frame) {
  let from = null;
  svg.addEventListener("pointerdown", (event) => {
    const { target } = event;
    if (!target.matches(".box, .corner")) return;
    event.preventDefault();
    svg.setPointerCapture(event.pointerId);
    const ends = target.dataset.ends?.split(",").map(Number);
    from = { at: millimetres(svg, event), box: box(), ends };
  });
  svg.addEventListener("pointermove", (event) => {
    if (!from) return;
    const now = millimetres(svg, event);
    ACROSS_DOWN[axis].forEach((n, side) => {
      const moved = from.at[side] - now[side]; // positions fall along both sides of a picture
      if (from.ends) resize(n, from.ends[side], moved);
      else shift(n, moved);
    });
    draw(frame);
  });
  for (const name of ["pointerup", "pointercancel"]) svg.addEventListener(name, () => (from = null));

  function resize(n, end, moved) {
    // the corner at the left or the top is the high end
    const low = from.box[0][n];
    const high = from.box[1][n];
    if (end === 0) write(n, 1, Math.max(frame.clamp(n, high + moved), low + LEAST_MM));
    else write(n, 0, Math.min(frame.clamp(n, low + moved), high - LEAST_MM));
  }

  function shift(n, moved) {
    const low = from.box[0][n];
    const high = from.box[1][n];
    const bounded = Math.min(Math.max(moved, frame.low[n] - low), frame.high[n] - high);
    write(n, 0, low + bounded);
    write(n, 1, high + bounded);
  }
}

function write(n, end, value) {
  edge(n, end).value = value.toFixed(1);
}

function millimetres(svg, event) {
  const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  return [point.x, point.y];
}

function draw(frame) {
  const [low, high] = box();
  for (const svg of planes.querySelectorAll("svg.plane")) {
    const { axis } = svg.dataset;
    const rect = svg.querySelector(".box");
    setBox(rect, frame, axis, low, high);
    const slider = planes.querySelector(`input[data-axis=${axis}]`);
    const place = frame.place(axis, Number(slider.value));
    const n = NORMAL[axis];
    rect.style.strokeDasharray = place < low[n] || place > high[n] ? "4 4" : "none";
    for (const corner of svg.querySelectorAll(".corner")) {
      const [right, bottom] = corner.dataset.ends.split(",").map(Number);
      corner.setAttribute("cx", Number(rect.getAttribute("x")) + right * rect.getAttribute("width"));
      corner.setAttribute("cy", Number(rect.getAttribute("y")) + bottom * rect.getAttribute("height"));
    }
  }
}
