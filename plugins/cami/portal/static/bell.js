// Tells of what is new while the page is in the background, and rings for emergencies. live.js asks the server and says
// that there is something; this asks what it is. The sound is made here, so no file is needed; browsers allow it after
// the first click or key on the page.
"use strict";
(() => {
  const live = document.getElementById("live");
  const title = document.title;
  let newest = Number(live.dataset.newest);
  let sound = null;
  const wake = () => { sound ??= new AudioContext(); sound.resume(); };
  for (const name of ["pointerdown", "keydown"]) addEventListener(name, wake, { once: true });

  const ring = () => {
    if (sound === null || sound.state !== "running") return;
    for (const [at, tone] of [[0, 880], [0.25, 660], [0.5, 880], [0.75, 660]]) {
      const wave = sound.createOscillator();
      const volume = sound.createGain();
      wave.frequency.value = tone;
      volume.gain.value = 0.15;
      wave.connect(volume).connect(sound.destination);
      wave.start(sound.currentTime + at);
      wave.stop(sound.currentTime + at + 0.2);
    }
  };

  live.addEventListener("pulse", async ({ detail }) => {
    if (detail.notice <= newest) return;
    const answer = await fetch(`/cami/api/consultations/notices?after=${newest}`, { credentials: "same-origin" });
    if (!answer.ok) return;
    const { notices } = await answer.json();
    newest = detail.notice;
    document.title = `● ${live.dataset.title} · ${title}`;
    if (notices.some(({ urgency, kind }) => urgency === "stat" || kind === "critical")) ring();
  });
  addEventListener("focus", () => { document.title = title; });
})();
