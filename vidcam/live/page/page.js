"use strict";
// The newest picture, asked for one by one; the state a few times a second; the controls. No library, nothing from elsewhere.

const byId = (id) => document.getElementById(id);
const canvas = byId("picture");
const viewer = Array.from(crypto.getRandomValues(new Uint8Array(8)), (b) => b.toString(16).padStart(2, "0")).join("");
const rest = (ms) => new Promise((done) => setTimeout(done, ms));
let offline = "";
let said = "";

async function pictures() {
  let number = 0;
  for (;;) {
    try {
      const answer = await fetch(`frame?viewer=${viewer}&after=${number}`);
      if (answer.status === 200) {
        const picture = await createImageBitmap(await answer.blob());
        number = Number(answer.headers.get("X-Number"));
        if (canvas.width !== picture.width || canvas.height !== picture.height) {
          canvas.width = picture.width;
          canvas.height = picture.height;
        }
        canvas.getContext("2d").drawImage(picture, 0, 0);
        canvas.dataset.number = number;
        picture.close();
        offline = "";
      } else {
        if (answer.status !== 204) offline = (await answer.json()).error;
        await rest(500);
      }
    } catch {
      offline = "vidcam does not answer; trying again";
      await rest(1000);
    }
  }
}

function fill(select, names) {
  if (select.options.length === names.length) return;
  select.replaceChildren(...names.map((name) => new Option(name, name)));
}

function show(state) {
  document.title = state.target.length ? `${state.target.join(" + ")} - vidcam live` : "vidcam live";
  byId("source").textContent = [state.source, state.model].filter(Boolean).join(" - ");
  byId("rate").textContent = state.rate.toFixed(0);
  byId("latency").textContent = `${state.latency_ms} ms`;
  byId("maps").textContent = state.map_rate.toFixed(1);
  byId("dropped").textContent = state.dropped;
  byId("viewers").textContent = state.viewers;
  byId("classes").replaceChildren(...state.classes.map((c) => {
    const row = document.createElement("li");
    row.className = state.target.includes(c.label) ? (state.nothing ? "target nothing" : "target") : "";
    const label = document.createElement("span");
    const percent = document.createElement("b");
    row.style.backgroundSize = `${100 * c.probability}% 100%`;
    label.textContent = c.label;
    percent.textContent = `${(100 * c.probability).toFixed(c.probability < 0.0995 ? 1 : 0)} %`;
    row.append(label, percent);
    return row;
  }));
  fill(byId("method"), state.methods);
  fill(byId("colormap"), state.colormaps);
  for (const id of ["method", "colormap", "view", "alpha"]) {
    if (document.activeElement !== byId(id) || id !== "alpha") byId(id).value = state[id];
  }
  for (const button of document.querySelectorAll("[data-pressed]")) {
    button.setAttribute("aria-pressed", String(Boolean(state[button.dataset.pressed])));
  }
  const old = state.map_age > 1 && !state.paused ? `map ${state.map_age.toFixed(1)} s old` : "";
  notice([state.message, state.busy, old].filter(Boolean).join(" - "));
}

function notice(text) {
  const shown = offline || said || text;
  const span = document.createElement("span");
  span.textContent = shown;
  byId("notice").replaceChildren(...(shown ? [span] : []));
}

async function states() {
  for (;;) {
    try {
      const answer = await fetch("state");
      if (answer.ok) show(await answer.json());
    } catch {
      offline = offline || "vidcam does not answer; trying again";
      notice("");
    }
    await rest(300);
  }
}

async function control(action, value) {
  try {
    const answer = await fetch("control", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(value === undefined ? { action } : { action, value }),
    });
    const state = await answer.json();
    if (answer.ok) {
      show(state);
    } else {
      said = state.error;
      setTimeout(() => { said = ""; }, 3000);
    }
  } catch {
    offline = "vidcam does not answer; trying again";
  }
}

for (const button of document.querySelectorAll("button[data-action]")) {
  button.addEventListener("click", () => control(button.dataset.action));
}
for (const select of document.querySelectorAll("select[data-action]")) {
  select.addEventListener("change", () => control(select.dataset.action, select.value));
}
byId("alpha").addEventListener("input", (event) => control("alpha", Number(event.target.value)));
pictures();
states();
