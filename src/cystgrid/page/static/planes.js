// The grid that pictures lie on: places in mm (RAS+) to places in a picture, one svg unit a mm.

export const ACROSS_DOWN = { axial: [0, 1], coronal: [0, 2], sagittal: [1, 2] };
export const NORMAL = { axial: 2, coronal: 1, sagittal: 0 };
const SIGNS = { axial: ["I", "S"], coronal: ["P", "A"], sagittal: ["L", "R"] };

export class Frame {
  constructor(data) {
    this.low = data.low.split(",").map(Number);
    this.high = data.high.split(",").map(Number);
    this.count = data.count.split(",").map(Number);
  }

  size(axis) {
    return ACROSS_DOWN[axis].map((n) => this.high[n] - this.low[n]);
  }

  // Right, front and head are positive, and lie on the left or at the top.
  toPicture(axis, place) {
    return ACROSS_DOWN[axis].map((n) => this.high[n] - place[n]);
  }

  clamp(n, value) {
    return Math.min(Math.max(value, this.low[n]), this.high[n]);
  }

  number(axis, value) {
    const n = NORMAL[axis];
    const step = (this.high[n] - this.low[n]) / this.count[n];
    return Math.min(Math.max(Math.floor((value - this.low[n]) / step), 0), this.count[n] - 1);
  }

  place(axis, number) {
    const n = NORMAL[axis];
    return this.low[n] + ((number + 0.5) * (this.high[n] - this.low[n])) / this.count[n];
  }

  placeText(axis, number) {
    const value = this.place(axis, number);
    return `${SIGNS[axis][value >= 0 ? 1 : 0]} ${Math.abs(value).toFixed(0)} mm`;
  }
}

// A picture that is asked for again before it came shows the last one that was asked for.
export function show(image, address) {
  if (image.getAttribute("href") !== address) image.setAttribute("href", address);
}

export function setBox(rect, frame, axis, low, high) {
  const [x, y] = frame.toPicture(axis, high);
  const [across, down] = ACROSS_DOWN[axis];
  const values = { x, y, width: high[across] - low[across], height: high[down] - low[down] };
  for (const [name, value] of Object.entries(values)) rect.setAttribute(name, Math.max(value, 0));
}

export function onWheel(svg, slider) {
  svg.addEventListener(
    "wheel",
    (event) => {
      if (event.ctrlKey) return; // the browser's own zoom
      event.preventDefault();
      slider.value = Number(slider.value) - Math.sign(event.deltaY);
      slider.dispatchEvent(new Event("input"));
    },
    { passive: false },
  );
}
