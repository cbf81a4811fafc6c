// Keeps what is typed: sends the form #typed a moment after the last key. Finds diagnoses and takes files on the way.
// Every word that is shown comes from the server. Without this script the buttons of the form do the same.
"use strict";
(() => {
  const WAIT = 1200;
  const headers = { "X-Cami-Csrf": "1" };
  document.documentElement.classList.add("scripted");

  const form = document.getElementById("typed");
  if (form !== null) {
    const told = form.querySelector(".typed__told");
    let timer = 0;
    let running = Promise.resolve();
    let dirty = false;

    const save = async () => {
      if (!dirty) return;
      dirty = false;
      const fields = new URLSearchParams(new FormData(form));
      fields.delete("password");
      fields.set("step", form.dataset.autosave);
      try {
        const answer = await fetch(form.action.split("#")[0], { method: "POST", body: fields, headers, credentials: "same-origin" });
        const { said, trouble, version, revision } = await answer.json();
        told.textContent = trouble ?? said;
        told.classList.toggle("typed__told--trouble", trouble !== undefined);
        if (trouble === undefined) {
          if (form.elements.version) form.elements.version.value = version;
          if (form.elements.revision) form.elements.revision.value = revision;
        }
      } catch {
        dirty = true;
        timer = setTimeout(queue, WAIT * 3);
      }
    };
    const queue = () => { running = running.then(save); return running; };
    form.addEventListener("input", ({ target }) => {
      if (target.name === "password" || target.name === "words" || target.name === "why") return;
      dirty = true;
      clearTimeout(timer);
      timer = setTimeout(queue, WAIT);
    });
    // What a button sends must follow what is being kept, so that their versions do not cross.
    form.addEventListener("submit", (event) => {
      clearTimeout(timer);
      dirty = false;
      if (form.dataset.ready === "1") return;
      event.preventDefault();
      const { submitter } = event;
      // Not within the event that is on its way: a browser would pass that over.
      running.then(() => setTimeout(() => { form.dataset.ready = "1"; form.requestSubmit(submitter); }));
    });

    const code = form.elements.diagnosis;
    const list = document.getElementById("diagnoses");
    let asked = "";
    code?.addEventListener("input", async () => {
      const words = code.value.trim();
      const chosen = [...list.options].find((option) => option.value === words);
      const title = form.elements.diagnosis_text;
      if (chosen !== undefined) { if (title) { title.value = chosen.label; title.dispatchEvent(new Event("input", { bubbles: true })); } return; }
      if (words.length < 2) return;
      asked = words;
      const answer = await fetch(`${form.dataset.diagnoses}?words=${encodeURIComponent(words)}`, { credentials: "same-origin" });
      if (!answer.ok || asked !== words) return;
      const { diagnoses } = await answer.json();
      list.replaceChildren(...diagnoses.map(({ code: value, title: label }) => Object.assign(document.createElement("option"), { value, label })));
    });
  }

  // A signature is bytes: they go into the field as base64, as plug-ins of browsers give it.
  for (const place of document.querySelectorAll("[data-signature]")) {
    place.hidden = false;
    place.querySelector("input").addEventListener("change", async ({ target: { files: [file], form: { elements } } }) => {
      if (file === undefined) return;
      const bytes = new Uint8Array(await file.arrayBuffer());
      const pem = bytes[0] === 45 || bytes[0] === 77;
      elements.signature.value = pem ? new TextDecoder().decode(bytes) : btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ""));
    });
  }

  for (const place of document.querySelectorAll("[data-attach]")) {
    place.hidden = false;
    const input = place.querySelector("input");
    const types = { pdf: "application/pdf", jpg: "image/jpeg", jpeg: "image/jpeg", png: "image/png", txt: "text/plain" };
    input.addEventListener("change", async () => {
      const [file] = input.files;
      if (file === undefined) return;
      const type = types[file.name.split(".").pop().toLowerCase()] ?? "application/octet-stream";
      const answer = await fetch(place.dataset.attach, {
        method: "POST", body: file, credentials: "same-origin",
        headers: { ...headers, "Content-Type": type, "X-Cami-Name": encodeURIComponent(file.name) },
      });
      if (answer.ok) { location.reload(); return; }
      place.querySelector(".attach__told").textContent = place.dataset.refused;
      input.value = "";
    });
  }
})();
