// How far a study is, asked twice a second, until there is another page to show.

const reading = document.getElementById("reading");
const stage = document.getElementById("stage");
const steps = document.getElementById("steps");
const clock = document.getElementById("clock");
const BUSY = ["queued", "running", "cancelling"];
const LONG = 500;
const LONGER = 3000;

async function look() {
  let wait = LONG;
  try {
    const answer = await fetch(`/api/studies/${reading.dataset.job}`);
    if (!answer.ok) throw new Error(answer.statusText);
    const now = await answer.json();
    if (!BUSY.includes(now.state)) {
      location.reload();
      return;
    }
    tell(now);
  } catch {
    write(stage, "The page's program does not answer; trying again");
    wait = LONGER;
  }
  setTimeout(look, wait);
}

function tell(now) {
  steps.max = now.total || 1;
  // without a value the bar moves by itself: the first step takes most of the time
  if (now.done) steps.value = now.done;
  else steps.removeAttribute("value");
  const usual = now.usual === null ? "" : `, usually about ${Math.ceil(now.usual)} s`;
  clock.textContent = now.seconds === null ? "" : `${now.seconds.toFixed(0)} s${usual}`;
  const waiting = now.ahead ? `Waiting: ${now.ahead} before this one` : "Waiting";
  write(stage, now.state === "cancelling" ? "Stopping after this step" : now.stage || waiting);
}

// a screen reader reads a status each time it is written
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

look();
