// Work at a desk without a mouse, and giving requests to consultants by dragging. Everything here can be done without
// this script too: on the page of a request. Keys act while the list has the focus, so they disturb nobody who types
// (WCAG 2.1.4), and go by their place on the keyboard: the layout may be Russian or Latin.
"use strict";
(() => {
  const live = document.getElementById("live");
  const dialog = document.getElementById("assign");
  const told = document.getElementById("assign-told");
  const rows = () => [...document.querySelectorAll("#live-list tr[data-number]")];
  const opener = (row) => row?.querySelector("a.requests__open");
  let last = null; // the row that has, or had, the focus

  document.addEventListener("focusin", ({ target }) => {
    const row = target.closest?.("tr[data-number]");
    if (row) last = row.id;
    else if (target !== document.body && !target.closest("dialog")) last = null;
  });
  // A row that was written anew is another element: whoever was there stays there.
  live.addEventListener("updated", () => {
    if (last !== null && document.activeElement === document.body && !dialog?.open) opener(document.getElementById(last))?.focus();
  });

  const assign = async ({ number, version }, login) => {
    if (told) told.textContent = "";
    const answer = await fetch(`/cami/api/consultations/${number}/assign`, {
      method: "POST", credentials: "same-origin", headers: { "Content-Type": "application/json", "X-Cami-Csrf": "1" },
      body: JSON.stringify({ version: Number(version), to: login }),
    });
    if (told) told.textContent = answer.ok ? told.dataset.done.replace("0", number) : told.dataset.refused.replace("0", number);
    live.dispatchEvent(new Event("look"));
  };

  const ask = (row) => {
    if (!dialog || row.draggable !== true) return;
    dialog.dataset.number = row.dataset.number;
    dialog.dataset.version = row.dataset.version;
    dialog.querySelector("[data-which]").textContent = row.dataset.number;
    dialog.showModal();
    dialog.querySelector("select").focus();
  };
  dialog?.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    dialog.close();
    if (event.submitter?.value !== "cancel") assign(dialog.dataset, dialog.querySelector("select").value);
  });
  dialog?.addEventListener("close", () => { opener(document.getElementById(last))?.focus(); });

  const keys = {
    KeyJ: (row, all) => opener(all[all.indexOf(row) + 1])?.focus(),
    KeyK: (row, all) => opener(all[all.indexOf(row) - 1])?.focus(),
    KeyN: (row) => ask(row),
    KeyT: (row) => row.querySelector("button[value=take]")?.click(),
  };
  keys.ArrowDown = keys.KeyJ;
  keys.ArrowUp = keys.KeyK;
  live.addEventListener("keydown", (event) => {
    const row = event.target.closest("tr[data-number]");
    if (!row || event.ctrlKey || event.altKey || event.metaKey || !(event.code in keys)) return;
    event.preventDefault();
    keys[event.code](row, rows());
  });

  let dragged = null;
  const place = (event) => event.target.closest?.("tr[data-login]");
  live.addEventListener("dragstart", (event) => {
    const row = event.target.closest?.("tr[data-number]");
    if (!row) return;
    dragged = { ...row.dataset };
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", row.dataset.number);
    document.documentElement.classList.add("dragging");
  });
  live.addEventListener("dragover", (event) => {
    if (dragged === null || !place(event)) return;
    event.preventDefault();
    document.querySelector(".over")?.classList.remove("over");
    place(event).classList.add("over");
  });
  live.addEventListener("drop", (event) => {
    const target = place(event);
    if (dragged === null || !target) return;
    event.preventDefault();
    assign(dragged, target.dataset.login);
  });
  live.addEventListener("dragend", () => {
    dragged = null;
    document.documentElement.classList.remove("dragging");
    document.querySelector(".over")?.classList.remove("over");
  });
})();
