// T1 and T2 as volumes, linked, with the map over them: three planes and 3-D, where there is WebGL2.
// The controls of the page's own pictures steer it too: which map, its opacity, its threshold.

import { Niivue, SLICE_TYPE } from "@niivue/niivue";

const MAP_COLOURS = "relevance";
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
    viewers.push(await pane(panes, name, `/api/studies/${job}/volumes/${key}.nii.gz`, colours));
  }
  for (const one of viewers) {
    const others = viewers.filter((other) => other !== one);
    if (others.length) one.broadcastTo(others, { "2d": true, "3d": true });
  }
  view.list.addEventListener("input", () => {
    for (const one of viewers) one.setSliceType(VIEWS[view.list.value]);
  });
  const lay = () => layMap(viewers, job);
  control("map")?.addEventListener("input", lay);
  for (const id of ["opacity", "threshold"]) {
    control(id)?.addEventListener("input", () => viewers.forEach(adjust));
  }
  await lay();
  place.dataset.ready = "yes";
}

async function pane(panes: HTMLElement, name: string, url: string, colours: Colours): Promise<Niivue> {
  const figure = document.createElement("figure");
  const caption = document.createElement("figcaption");
  caption.textContent = name.toUpperCase();
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${name.toUpperCase()} as a volume with the map over it`);
  canvas.tabIndex = 0;
  figure.append(caption, canvas);
  panes.append(figure);
  const viewer = new Niivue({
    isRadiologicalConvention: true,
    isSliceMM: true, // along the body's axes, as the pictures and the box are
    sagittalNoseLeft: true,
    isNearestInterpolation: true, // no value is made up between a map's voxels
    multiplanarForceRender: true,
    dragAndDropEnabled: false,
    backColor: [0, 0, 0, 1],
    logLevel: "error",
  });
  await viewer.attachToCanvas(canvas);
  viewer.addColormap(MAP_COLOURS, colours);
  await viewer.loadVolumes([{ url, colormap: "gray" }]);
  return viewer;
}

async function layMap(viewers: Niivue[], job: string): Promise<void> {
  const map = control("map")?.value;
  for (const viewer of viewers) {
    while (viewer.volumes.length > 1) viewer.removeVolumeByIndex(1);
    if (!map) continue;
    await viewer.addVolumeFromUrl({
      url: `/api/studies/${job}/map-volumes/${map}.nii.gz`,
      colormap: MAP_COLOURS,
      cal_min: 1,
      cal_max: MOST,
    });
    adjust(viewer);
  }
}

function adjust(viewer: Niivue): void {
  const over = viewer.volumes[1];
  if (!over) return;
  over.colormapType = 1; // colours from 0 on, nothing below cal_min: a threshold moves no colour
  over.cal_min = Math.max(Number(control("threshold")?.value ?? 1), 1);
  over.cal_max = MOST;
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
