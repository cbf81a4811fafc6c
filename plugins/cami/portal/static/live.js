// Keeps the page's element #live up to date: asks for the same page again and takes over what has changed. Everything
// is written by the server, so nothing here knows words or numbers. Without this script the page is as it was opened.
"use strict";
(() => {
  const live = document.getElementById("live");
  const EVERY = Number(live.dataset.every);
  const IDLE = 20 * 60 * 1000; // a page that nobody looks at asks for nothing
  let lastInput = Date.now();
  for (const name of ["pointermove", "keydown", "scroll"]) {
    addEventListener(name, () => { lastInput = Date.now(); }, { passive: true });
  }

  document.documentElement.classList.add("live");
  live.addEventListener("change", ({ target }) => target.closest(".inline")?.classList.add("changed"));

  // What somebody is using, or has changed and not sent yet, stays as it is; what has data-keep always does.
  const busy = (part) => part.matches("[data-keep], details[open]") || part.querySelector(".changed, .unfold[open]") !== null
    || part.contains(document.activeElement) && document.activeElement.matches("select, input, button, textarea");

  // Parts have ids; those that are nested in a part are updated one by one, others as a whole.
  const update = (old, fresh) => {
    if (old.isEqualNode(fresh) || busy(old) && !fresh.querySelector("[data-part]")) return;
    const parts = [...fresh.children];
    if (!parts.some((part) => part.hasAttribute("data-part"))) { old.replaceWith(fresh); return; }
    const known = new Map([...old.children].map((part) => [part.id, part]));
    let place = old.firstElementChild;
    for (const part of parts) {
      const before = part.id ? known.get(part.id) : undefined;
      known.delete(part.id);
      if (before === undefined) { old.insertBefore(part, place); continue; }
      if (before === place) place = place.nextElementSibling;
      else old.insertBefore(before, place);
      update(before, part);
    }
    for (const gone of known.values()) if (!busy(gone)) gone.remove();
  };

  // What the page asks for while nobody touches it keeps no session alive.
  const ask = (address) => fetch(address, {
    cache: "no-store", credentials: "same-origin", headers: Date.now() - lastInput > EVERY ? { "X-Cami-Live": "1" } : {},
  });

  // A page that names a pulse asks for that first: a few bytes, and the page itself only when they have changed.
  const { pulse } = live.dataset;
  let beat = live.dataset.beat ?? null;
  const changed = async () => {
    if (pulse === undefined) return !document.hidden;
    const answer = await ask(pulse);
    if (!answer.ok) { location.reload(); return false; }
    const told = await answer.text();
    const known = beat === told;
    if (!known) live.dispatchEvent(new CustomEvent("pulse", { detail: JSON.parse(told) }));
    const minutes = Math.floor(Date.now() / 60000); // times that are left change by themselves
    if (document.hidden || known && minutes === lastMinute) return false;
    beat = told;
    lastMinute = minutes;
    return true;
  };
  let lastMinute = Math.floor(Date.now() / 60000);

  const look = async () => {
    const idle = pulse === undefined && Date.now() - lastInput > IDLE; // a pulse goes on: somebody may wait for its bell
    document.documentElement.classList.toggle("idle", idle);
    if (idle) return;
    try {
      if (!await changed()) return;
      const answer = await ask(location.href);
      if (answer.redirected) { location.reload(); return; }
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
      if (fresh === null) return;
      update(live, document.adoptNode(fresh));
      live.dispatchEvent(new Event("updated"));
      document.documentElement.classList.remove("stale");
    } catch {
      document.documentElement.classList.add("stale");
    }
  };

  live.addEventListener("look", look); // somebody has just changed something here

  const repeat = async () => { await look(); setTimeout(repeat, EVERY); };
  setTimeout(repeat, EVERY);
})();
