// Tells the archive that a study is open in the viewer, so that its images go before others while somebody looks, and no
// longer. Loaded by OHIF's page; without it a study stays urgent for a quarter of an hour.
"use strict";
(() => {
  const ADDRESS = "/cami/viewing";
  const IDLE = 2 * 60 * 1000; // a viewer that nobody touches keeps no session alive
  let lastInput = Date.now();
  for (const name of ["pointermove", "keydown", "wheel"]) {
    addEventListener(name, () => { lastInput = Date.now(); }, { passive: true, capture: true });
  }

  const opened = () => (new URLSearchParams(location.search).get("StudyInstanceUIDs") ?? "").split(",").filter(Boolean);
  const said = (state) => JSON.stringify({ state, studies: opened() });

  let timer;
  const beat = async () => {
    let again = 20;
    try {
      const idle = Date.now() - lastInput > IDLE ? { "X-Cami-Live": "1" } : {};
      const answer = await fetch(ADDRESS, {
        method: "POST", credentials: "same-origin", headers: { "Content-Type": "application/json", ...idle },
        body: said("open"),
      });
      if (answer.status === 401 || answer.redirected) return; // the viewer itself leads to the sign-in page
      again = (await answer.json()).again ?? again;
    } catch { /* the line is down: the next one may get through */ }
    if (again) timer = setTimeout(beat, again * 1000);
  };

  // A page that the browser keeps for going back is not open either, until it is shown again.
  addEventListener("pagehide", () => {
    clearTimeout(timer);
    navigator.sendBeacon(ADDRESS, new Blob([said("closing")], { type: "application/json" }));
  });
  addEventListener("pageshow", ({ persisted }) => { if (persisted) beat(); });
  beat();
})();
