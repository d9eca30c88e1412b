// T1 and T2 as volumes, linked, with the map over them: three planes and 3-D, where there is WebGL2.
// The controls of the page's own pictures steer it too: which map, its opacity, its threshold.

import { Niivue, SLICE_TYPE } from "@niivue/niivue";

const MOST = 8; // the end of the colours, in even shares
const VIEWS: Record<string, SLICE_TYPE> = {
  "all three": SLICE_TYPE.MULTIPLANAR,
  axial: SLICE_TYPE.AXIAL,
  coronal: SLICE_TYPE.CORONAL,
  sagittal: SLICE_TYPE.SAGITTAL,
  "3-D": SLICE_TYPE.RENDER,
};

interface Colours {
  R: number[];
  G: number[];
  B: number[];
  A: number[];
  I: number[];
}

const root = document.getElementById("viewer");
const linked = document.getElementById("linked");
if (root && linked) {
  if (document.createElement("canvas").getContext("webgl2")) offer(root, linked);
  else root.replaceChildren(told("This browser shows no WebGL2: the pictures above are all there is."));
  root.hidden = false;
}

function offer(place: HTMLElement, page: HTMLElement): void {
  const open = document.createElement("button");
  open.type = "button";
  open.textContent = "Open as volumes: three planes and 3-D";
  open.addEventListener("click", async () => {
    open.disabled = true;
    const status = told("Loading the volumes");
    place.append(status);
    try {
      await start(place, page);
      open.remove();
      status.remove();
    } catch (fault) {
      status.textContent = `The volumes cannot be shown (${String(fault)}): use the pictures above.`;
    }
  });
  place.append(open);
}

async function start(place: HTMLElement, page: HTMLElement): Promise<void> {
  const { job, scans } = page.dataset as { job: string; scans: string };
  const colours = (await (await fetch("/api/scale.json")).json()) as Colours;
  const view = select("View", Object.keys(VIEWS));
  const panes = document.createElement("div");
  panes.className = "panes";
  place.append(view.label, panes);
  const viewers: Niivue[] = [];
  for (const [name, key] of scans.trim().split(" ").map((one) => one.split("="))) {
    viewers.push(await pane(panes, name, `/api/studies/${job}/volumes/${key}.nii.gz`));
  }
  for (const one of viewers) {
    const others = viewers.filter((other) => other !== one);
    if (others.length) one.broadcastTo(others, { "2d": true, "3d": true });
  }
  view.list.addEventListener("input", () => {
    for (const one of viewers) one.setSliceType(VIEWS[view.list.value]);
  });
  const lay = () => layMap(viewers, job, colours);
  control("map")?.addEventListener("input", lay);
  for (const id of ["opacity", "threshold"]) {
    control(id)?.addEventListener("input", () => viewers.forEach((one) => adjust(one, colours)));
  }
  await lay();
  const bounds = (page.dataset.region ?? "").split(",").map(Number);
  const middle = [0, 1, 2].map((n) => (bounds[n] + bounds[n + 3]) / 2);
  for (const one of viewers) {
    one.scene.crosshairPos = one.mm2frac(middle as [number, number, number]);
    one.drawScene();
  }
  place.dataset.ready = "yes";
}

async function pane(panes: HTMLElement, name: string, url: string): Promise<Niivue> {
  const figure = document.createElement("figure");
  const caption = document.createElement("figcaption");
  caption.textContent = name.toUpperCase();
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${name.toUpperCase()} as a volume with the map over it`);
  canvas.tabIndex = 0;
  const frame = document.createElement("div"); // the canvas takes its height from it
  frame.className = "volume";
  frame.append(canvas);
  figure.append(caption, frame);
  panes.append(figure);
  const viewer = new Niivue({
    isRadiologicalConvention: true,
    isSliceMM: true, // along the body's axes, as the pictures and the box are
    sagittalNoseLeft: true,
    isNearestInterpolation: true, // no value is made up between a map's voxels
    multiplanarForceRender: true,
    dragAndDropEnabled: false,
    crosshairWidth: 0.5,
    crosshairWidthUnit: "mm",
    crosshairColor: [1, 0.84, 0.37, 0.8],
    backColor: [0, 0, 0, 1],
    logLevel: "error",
  });
  await viewer.attachToCanvas(canvas);
  await viewer.loadVolumes([{ url, colormap: "gray", percentileFrac: 0.005 }]);
  return viewer;
}

async function layMap(viewers: Niivue[], job: string, colours: Colours): Promise<void> {
  const map = control("map")?.value;
  for (const viewer of viewers) {
    while (viewer.volumes.length > 1) viewer.removeVolumeByIndex(1);
    if (!map) continue;
    await viewer.addVolumeFromUrl({
      url: `/api/studies/${job}/map-volumes/${map}.nii.gz`,
      cal_min: 0,
      cal_max: MOST,
    });
    adjust(viewer, colours);
  }
}

// The colours stay where they are, and those below the threshold are clear: NiiVue's own threshold
// would move the colours, or fade what is below it.
function adjust(viewer: Niivue, colours: Colours): void {
  const over = viewer.volumes[1];
  if (!over) return;
  const threshold = Number(control("threshold")?.value ?? 1);
  const name = `relevance-${threshold}`;
  const first = Math.ceil((threshold / MOST) * (colours.I.length - 1));
  viewer.addColormap(name, { ...colours, A: colours.A.map((a, index) => (index < first ? 0 : a)) });
  viewer.setColormap(over.id, name);
  viewer.setOpacity(1, Number(control("opacity")?.value ?? 50) / 100);
  viewer.updateGLVolume();
}

function control(id: string): HTMLInputElement | HTMLSelectElement | null {
  return document.getElementById(id) as HTMLInputElement | HTMLSelectElement | null;
}

function select(text: string, names: string[]): { label: HTMLLabelElement; list: HTMLSelectElement } {
  const label = document.createElement("label");
  const list = document.createElement("select");
  for (const name of names) list.append(new Option(name));
  label.append(`${text} `, list);
  return { label, list };
}

function told(text: string): HTMLParagraphElement {
  const line = document.createElement("p");
  line.className = "remark";
  line.setAttribute("role", "status");
  line.textContent = text;
  return line;
}
