"use strict";
// Sorting and export of tables, the gallery's filters, the dialog of a case, theme and print.
// Without this script the page shows everything but the opened cases.
(() => {
  const root = document.documentElement;
  const field = (id) => document.getElementById(id);

  function made(tag, text, named) {
    const element = document.createElement(tag);
    if (tag === "button") element.type = "button";
    element.textContent = text;
    if (named) element.setAttribute("aria-label", named);
    return element;
  }

  // ---- theme and print
  const theme = field("theme");
  const dark = () =>
    root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const nameTheme = () => (theme.textContent = dark() ? "Light" : "Dark");
  theme.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    nameTheme();
  });
  nameTheme();
  theme.hidden = false;
  field("print").addEventListener("click", () => print());
  field("print").hidden = false;

  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not(.long):not([open])")];
    for (const each of opened) each.open = true;
    for (const svg of document.querySelectorAll("#cards .explained svg")) {
      svg.dataset.middle = svg.getAttribute("viewBox");
      svg.setAttribute("viewBox", svg.dataset.whole);
    }
  });
  addEventListener("afterprint", () => {
    for (const each of opened) each.open = false;
    for (const svg of document.querySelectorAll("#cards svg[data-middle]")) {
      svg.setAttribute("viewBox", svg.dataset.middle);
    }
  });

  // ---- tables
  function key(cell) {
    const text = cell.textContent.trim();
    const number = /^[<]?(-?\d[\d.]*)/.exec(text);
    if (number) return [0, Number(number[1]), text];
    return [text === "" || text === "--" ? 2 : 1, 0, text];
  }

  function compare(one, other) {
    return one[0] - other[0] || one[1] - other[1] || one[2].localeCompare(other[2], "en", { numeric: true });
  }

  function sort(table, column, direction) {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    rows.forEach((row, place) => (row.dataset.place = row.dataset.place || String(place)));
    const keyed = rows.map((row) => ({ row, key: key(row.cells[column]), place: Number(row.dataset.place) }));
    const turn = direction === "descending" ? -1 : 1;
    keyed.sort((a, b) => {
      if (direction === "none") return a.place - b.place;
      if (a.key[0] === 2 || b.key[0] === 2) return a.key[0] - b.key[0] || a.place - b.place;
      return turn * compare(a.key, b.key) || a.place - b.place;
    });
    body.append(...keyed.map((each) => each.row));
  }

  const NEXT = { none: "ascending", ascending: "descending", descending: "none" };
  for (const table of document.querySelectorAll("main table[data-csv]")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = made("button", head.textContent);
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const direction = NEXT[head.getAttribute("aria-sort") || "none"];
        for (const each of heads) each.removeAttribute("aria-sort");
        if (direction !== "none") head.setAttribute("aria-sort", direction);
        sort(table, column, direction);
      });
    });
    const take = made("button", "CSV", `Save as CSV: ${table.caption.textContent}`);
    take.className = "take";
    take.addEventListener("click", () => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([table.dataset.csv], { type: "text/csv" }));
      link.download = `${table.dataset.name}.csv`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
    table.closest(".scroll").after(take);
  }

  // ---- cases
  const cards = [...document.querySelectorAll("#cards .case")];
  if (!cards.length) return;
  const filters = field("filters");
  const visible = () => cards.filter((card) => !card.hidden);

  function filter() {
    const text = field("search").value.trim().toLowerCase();
    for (const card of cards) {
      card.hidden = !(
        card.dataset.patient.toLowerCase().includes(text) &&
        ["verdict", "label", "center"].every((id) => !field(id).value || card.dataset[id] === field(id).value) &&
        (!field("explained").checked || card.classList.contains("explained"))
      );
    }
    field("shown").textContent = `${visible().length} of ${cards.length} cases`;
  }
  filters.addEventListener("submit", (event) => event.preventDefault());
  filters.addEventListener("input", filter);
  filters.hidden = false;
  filter();

  const dialog = field("case");
  const large = dialog.querySelector(".large");
  let current = null;

  function show(card) {
    current = card;
    const answer = card.querySelector(".answer").cloneNode(true);
    field("case-title").textContent = `${card.dataset.patient}, ${card.dataset.label}`;
    large.replaceChildren(...[...card.querySelectorAll("figure")].map((figure) => figure.cloneNode(true)));
    for (const svg of large.querySelectorAll("svg")) svg.setAttribute("viewBox", svg.dataset.whole);
    const rest = card.querySelector("template").content.cloneNode(true);
    dialog.querySelector(".rest").replaceChildren(answer, rest);
    dialog.querySelector(".mapping").hidden = !large.querySelector(".map, .lesion");
    draw();
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
  }

  function draw() {
    large.classList.toggle("plain", !field("map-on").checked);
    large.classList.toggle("bare", !field("outline-on").checked);
    for (const map of large.querySelectorAll(".map")) map.setAttribute("opacity", field("opacity").value / 100);
  }

  function step(by) {
    const shown = visible();
    const place = shown.indexOf(current) + by;
    if (shown[place]) show(shown[place]);
  }

  for (const card of cards) {
    const open = made("button", "Open", `Open case ${card.dataset.patient}`);
    open.addEventListener("click", () => show(card));
    card.append(open);
  }
  dialog.querySelector(".mapping").addEventListener("input", draw);
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  for (const button of dialog.querySelectorAll("[data-step]")) {
    button.addEventListener("click", () => step(Number(button.dataset.step)));
  }
  dialog.addEventListener("keydown", (event) => {
    if (event.target.matches("input")) return;
    if (event.key === "ArrowRight") step(1);
    if (event.key === "ArrowLeft") step(-1);
  });
  dialog.addEventListener("close", () => {
    const button = current && current.querySelector("button");
    if (button) button.focus();
  });
})();
