// Keeps a page current: whenever the daemon says that something changed, the page is fetched again and its
// content replaced. Without this script the page says the same, and a reload brings the rest.
"use strict";

const APART_MS = 1000;
const FRESHNESS = document.querySelector(".freshness");

function said(seconds) {
  const units = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];
  let left = Math.round(Math.abs(seconds));
  const parts = [];
  for (const [name, size] of units) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (count) parts.push(count + name);
  }
  const span = parts.slice(0, 2).join("") || "0s";
  if (Math.round(seconds) === 0) return "now";
  return seconds > 0 ? `in ${span}` : `${span} ago`;
}

function tick() {
  for (const clock of document.querySelectorAll("time[data-clock]")) {
    clock.textContent = said((Date.parse(clock.dateTime) - Date.now()) / 1000);
  }
}

function isEdited(main) {
  return main.querySelector(".actions details[open]") !== null || main.querySelector("input:focus") !== null;
}

async function refresh() {
  const main = document.getElementById("main");
  if (isEdited(main)) return false; // never under somebody's hands
  const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "manual" });
  if (!answer.ok) throw new Error(`the daemon answered ${answer.status}`);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("main");
  const open = [...main.querySelectorAll("details[open][id]")].map((each) => each.id);
  const focused = document.activeElement && document.activeElement.id;
  main.replaceWith(fresh);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  tick();
  return true;
}

function follow(address) {
  let due = null;
  const events = new EventSource(address);
  let told = false; // what stands when the connection is made is on the page already
  const soon = () => {
    if (due !== null || !told) return;
    due = setTimeout(async () => {
      due = null;
      try {
        FRESHNESS.textContent = (await refresh()) ? " Current." : " Changed meanwhile; it waits for your form.";
      } catch (error) {
        FRESHNESS.textContent = ` Not current: ${error.message}.`;
      }
      if (!document.getElementById("main").dataset.live) events.close();
    }, APART_MS);
  };
  let lost = false;
  events.addEventListener("ready", () => {
    told = true;
    FRESHNESS.textContent = " Current.";
    if (lost) soon();
    lost = false;
  });
  events.addEventListener("error", () => {
    lost = true;
    FRESHNESS.textContent = " Not current: the connection is lost.";
  });
  for (const kind of ["rollout", "gone"]) events.addEventListener(kind, soon);
}

tick();
setInterval(tick, 1000);
const live = document.getElementById("main").dataset.live;
if (live) follow(live);
