// Files dropped or chosen, folders too, sent with a bar; without this script a plain form does it.

const form = document.getElementById("drop");
const upload = form.querySelector(".upload");
const bar = document.getElementById("sent");
const told = document.getElementById("told");
const MIB = 2 ** 20;
let busy = false;

for (const part of form.querySelectorAll(".with-script")) part.hidden = false;

for (const id of ["files", "folder"]) {
  document.getElementById(id).addEventListener("change", (event) => send([...event.target.files]));
}
for (const name of ["dragenter", "dragover"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    form.classList.add("over");
  });
}
for (const name of ["dragleave", "dragend"]) {
  document.addEventListener(name, (event) => {
    if (event.relatedTarget === null) form.classList.remove("over");
  });
}
document.addEventListener("drop", async (event) => {
  event.preventDefault();
  form.classList.remove("over");
  send(await dropped(event.dataTransfer));
});

async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files];
  const files = [];
  for (const entry of entries) await walk(entry, files);
  return files;
}

async function walk(entry, files) {
  if (entry.isFile) {
    files.push(await new Promise((done, failed) => entry.file(done, failed)));
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    // a browser gives a hundred at a time, and nothing at the end
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) return;
    for (const one of some) await walk(one, files);
  }
}

function refuse(sentence) {
  bar.hidden = true;
  told.classList.add("fault");
  told.textContent = sentence;
}

function send(files) {
  if (busy) return;
  upload.hidden = false;
  if (!files.length) {
    refuse("There was no file in it.");
    return;
  }
  busy = true;
  bar.hidden = false;
  told.classList.remove("fault");
  const body = new FormData();
  for (const file of files) body.append("files", file, file.name);
  const request = new XMLHttpRequest();
  const begun = performance.now();
  request.upload.addEventListener("progress", (event) => {
    bar.value = event.loaded / event.total;
    const seconds = (performance.now() - begun) / 1000;
    const left = (seconds * (event.total - event.loaded)) / Math.max(event.loaded, 1);
    told.textContent =
      event.loaded < event.total
        ? `${(event.loaded / MIB).toFixed(0)} of ${(event.total / MIB).toFixed(0)} MiB, ${Math.ceil(left)} s left`
        : `Looking through ${files.length} file${files.length > 1 ? "s" : ""}`;
  });
  request.addEventListener("load", () => {
    busy = false;
    const answer = request.response ?? {};
    if (request.status === 201) location.assign(`/studies/${answer.id}`);
    else refuse(answer.error ?? `Not taken (${request.status}).`);
  });
  request.addEventListener("error", () => {
    busy = false;
    refuse("The page's program does not answer: is it still running?");
  });
  request.open("POST", "/api/studies");
  request.responseType = "json";
  request.send(body);
}
