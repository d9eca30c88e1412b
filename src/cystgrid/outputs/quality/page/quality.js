"use strict";
// Filters and pages of the contact sheet. Without this script the page shows every card.
(() => {
  const sheet = document.getElementById("sheet");
  const cards = Array.from(sheet.querySelectorAll(".card"));
  const perPage = Number(sheet.dataset.cards);
  const filters = document.getElementById("filters");
  const navigations = sheet.querySelectorAll(".pages");
  const field = (id) => document.getElementById(id);
  let current = 0;

  const chosen = (id) => (field(id) ? field(id).value : "");

  function wanted() {
    const text = chosen("search").trim().toLowerCase();
    const center = chosen("center");
    const label = chosen("label");
    const marked = field("flagged").checked;
    return cards.filter(
      (card) =>
        card.dataset.patient.toLowerCase().includes(text) &&
        (!center || card.dataset.center === center) &&
        (!label || card.dataset.label === label) &&
        (!marked || "marked" in card.dataset),
    );
  }

  // First, last and the pages around the one shown: never more than a line of buttons.
  function numbers(count) {
    const near = [0, count - 1];
    for (let page = current - 3; page <= current + 3; page += 1) near.push(page);
    return [...new Set(near)].filter((page) => page >= 0 && page < count).sort((a, b) => a - b);
  }

  function button(text, page, name) {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.setAttribute("aria-label", name);
    made.dataset.page = String(page);
    return made;
  }

  function drawPages(count) {
    for (const navigation of navigations) {
      navigation.replaceChildren();
      navigation.hidden = count < 2;
      const back = button("‹", current - 1, "previous page");
      back.disabled = current === 0;
      navigation.append(back);
      let before = -1;
      for (const page of numbers(count)) {
        if (page > before + 1) navigation.append("…");
        const made = button(String(page + 1), page, `page ${page + 1}`);
        if (page === current) made.setAttribute("aria-current", "page");
        navigation.append(made);
        before = page;
      }
      const on = button("›", current + 1, "next page");
      on.disabled = current >= count - 1;
      navigation.append(on);
    }
  }

  function show() {
    const found = wanted();
    const count = Math.max(1, Math.ceil(found.length / perPage));
    current = Math.min(Math.max(current, 0), count - 1);
    const first = current * perPage;
    const visible = new Set(found.slice(first, first + perPage));
    for (const card of cards) card.hidden = !visible.has(card);
    const range = found.length ? `${first + 1}–${first + visible.size} of ` : "";
    field("shown").textContent = `${range}${found.length} patients`;
    drawPages(count);
  }

  filters.addEventListener("submit", (event) => event.preventDefault());
  filters.addEventListener("input", (event) => {
    if (event.target.id === "outline") {
      sheet.classList.toggle("plain", !event.target.checked);
      return;
    }
    current = 0;
    show();
  });
  for (const navigation of navigations) {
    navigation.addEventListener("click", (event) => {
      const pressed = event.target.closest("button");
      if (!pressed) return;
      const name = pressed.getAttribute("aria-label");
      current = Number(pressed.dataset.page);
      show();
      sheet.scrollIntoView();
      const same = [...navigation.children].find(
        (each) => each.getAttribute && each.getAttribute("aria-label") === name && !each.disabled,
      );
      (same || navigation.querySelector("[aria-current]") || sheet).focus({ preventScroll: true });
    });
  }
  filters.hidden = false;
  show();
})();
