// A search in the archive, or taking a study out of it, may take long: the button says that it is under way.

for (const form of document.querySelectorAll('form[action="/archive"]')) {
  form.addEventListener("submit", () => {
    const button = form.querySelector("button");
    button.textContent = form.method === "get" ? "Searching ..." : "Taking it ...";
    // a disabled button would not be sent with the form, and this one may not be pressed twice
    setTimeout(() => (button.disabled = true));
  });
}

// the browser's way back shows the page as it was left
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
