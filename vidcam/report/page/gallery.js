const data = JSON.parse(byId("data").textContent);
const clips = data.clips.filter((clip) => !clip.failed);
const failed = data.clips.filter((clip) => clip.failed);
const collator = new Intl.Collator("en", { numeric: true });
const still = matchMedia("(prefers-reduced-motion: reduce)");

// ---- what is known of all clips

clips.sort((a, b) => collator.compare(a.source, b.source));
clips.forEach((clip, i) => {
  clip.place = i;
  clip.words = [clip.source, ...clip.classes.map(([name]) => name), ...clip.models.flatMap(([name, , , seen]) => [name, ...seen])].join(" ").toLowerCase();
  // What is explained, by the name that its curve has.
  clip.main = clip.models.length ? `${clip.models[0][0]}: ${clip.target}` : clip.target;
});
const counts = new Map();
// The class that stands for none of the others is grey.
const none = new Set(clips.map((clip) => clip.neither));
for (const clip of clips) counts.set(clip.target, (counts.get(clip.target) ?? 0) + 1);
const classes = [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a) || collator.compare(a, b));
const COLOURS = 7;
const colours = new Map(classes.filter((name) => !none.has(name)).slice(0, COLOURS).map((name, i) => [name, `k${i}`]));
for (const clip of clips) {
  // A class that is among few clips' best ones has a colour in its clip only, so that no two curves are alike.
  const names = [...new Set([clip.main, ...clip.curves.map(([name]) => name)])];
  const taken = new Set(names.map((name) => colours.get(name)));
  const free = Array.from({ length: COLOURS }, (_, i) => `k${i}`).filter((k) => !taken.has(k));
  clip.colours = new Map(names.map((name) => [name, name === clip.neither ? "k7" : colours.get(name) ?? free.shift() ?? "k7"]));
}
const colour = (clip, name) => clip.colours.get(name);

// ---- curves

function points(clip, curve, width, height) {
  const first = clip.times[0];
  const length = clip.times.at(-1) - first || 1;
  return curve.flatMap((p, i) => (p === null ? [] : [[(width * (clip.times[i] - first)) / length, height - (height * p) / 1000]]));
}

function curves(clip, width, height) {
  const group = s("g");
  for (const [name, curve] of [...clip.curves].reverse()) {
    let at = points(clip, curve, width, height);
    if (!at.length) continue;
    if (at.length === 1) at = [[0, at[0][1]], [width, at[0][1]]];
    const line = at.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join("L");
    if (name === clip.main) {
      group.append(s("path", { class: `area ${colour(clip, name)}`, d: `M${at[0][0]},${height}L${line}L${at.at(-1)[0]},${height}Z` }));
    }
    group.append(s("path", { class: `curve ${colour(clip, name)}`, d: `M${line}` }));
  }
  return group;
}

// ---- a card; its picture and chart come when it is near the window

function nameOf(source) {
  const cut = source.lastIndexOf("/") + 1;
  return h("div", { class: "name", title: source }, h("span", { class: "folder soft" }, source.slice(0, cut)), h("span", { class: "file" }, source.slice(cut)));
}

/** What the model saw, of several each. */
function seen(clip) {
  const models = clip.models.length ? clip.models : [["", clip.target, clip.confidence]];
  return models.map(([model, target, confidence]) => {
    const name = model ? `${model}: ${target}` : target;
    return h("div", { class: `class ${colour(clip, name) ?? "k7"}`, title: name }, h("span", { class: "swatch" }),
      ...(model ? [h("span", { class: "model soft" }, model)] : []), h("span", { class: "label" }, target), h("span", { class: "number" }, percent(confidence)));
  });
}

function makeCard(clip) {
  const thumb = h("button", { type: "button", class: "thumb", "aria-label": `${clip.source}: ${clip.target}, ${percent(clip.confidence)}. Show more` });
  if (clip.frames > 1) thumb.append(h("span", { class: "length" }, clock(clip.seconds)));
  const card = h("article", { class: "card", role: "listitem" },
    thumb,
    h("div", { class: "told" },
      ...seen(clip),
      s("svg", { class: "spark", viewBox: "0 0 100 34", preserveAspectRatio: "none", "aria-hidden": "true" }),
      nameOf(clip.source),
      clip.flags.length ? h("ul", { class: "reasons", "aria-label": "Flagged" }, ...clip.flags.map(([, text]) => h("li", {}, text))) : null));
  card.clip = clip;
  near.observe(card);
  return card;
}

const near = new IntersectionObserver((seen) => {
  for (const { target: card, isIntersecting } of seen) {
    if (!isIntersecting) continue;
    near.unobserve(card);
    const { clip } = card;
    const poster = clip.poster || (clip.kind === "still" ? clip.output : "");
    const front = poster ? h("img", { alt: "", decoding: "async", src: poster }) : h("span", { class: "blank" }, clip.output ? "▶" : "");
    card.querySelector(".thumb").prepend(front);
    card.querySelector(".spark").append(curves(clip, 100, 34));
  }
}, { rootMargin: "500px" });

// ---- playing: one clip at a time, from its file; nothing is loaded before

let playing = null;
let waiting = 0;

function moving(clip, attributes) {
  if (clip.kind !== "video") return h("img", { alt: "", src: clip.output, ...attributes });
  const video = h("video", { playsinline: true, loop: true, preload: "auto", ...attributes });
  video.muted = true;
  video.src = clip.output;
  video.play().catch(() => {});
  return video;
}

function stop() {
  clearTimeout(waiting);
  if (!playing) return;
  playing.querySelectorAll(".live").forEach(release);
  playing = null;
}

function release(element) {
  if (element.tagName === "VIDEO") {
    element.pause();
    element.removeAttribute("src");
    element.load();
  }
  element.remove();
}

function play(thumb) {
  const { clip } = thumb.parentElement;
  if (playing === thumb || !clip.output || clip.kind === "still") return;
  stop();
  playing = thumb;
  // A pointer that only crosses the page loads nothing.
  waiting = setTimeout(() => {
    const ready = (event) => event.target.classList.add("ready");
    thumb.append(moving(clip, { class: "live", onload: ready, onplaying: ready }));
  }, 70);
}

const grid = byId("clips");
const thumbOf = (event) => event.target.closest?.(".thumb");
const cardOf = (event) => event.target.closest?.(".thumb, .told .name")?.closest(".card");
grid.addEventListener("pointerover", (event) => {
  const thumb = thumbOf(event);
  if (thumb && event.pointerType !== "touch" && !still.matches) play(thumb);
});
grid.addEventListener("pointerout", (event) => {
  if (playing && thumbOf(event) === playing && !playing.contains(event.relatedTarget)) stop();
});
grid.addEventListener("focusin", (event) => {
  const thumb = thumbOf(event);
  if (thumb?.matches(":focus-visible") && !still.matches) play(thumb);
});
grid.addEventListener("focusout", stop);
grid.addEventListener("click", (event) => {
  const card = cardOf(event);
  if (card) show(card.clip);
});

// ---- which clips, in which order

/** By how much more of the heat lies on the thing than if it were spread evenly; clips of which nobody says so come last. */
const gain = ({ inside: [heat, even] }) => (heat === null ? 2 : heat - even);

const ORDERS = {
  flagged: (a, b) => b.flags.length - a.flags.length || a.confidence - b.confidence,
  unsure: (a, b) => a.confidence - b.confidence,
  sure: (a, b) => b.confidence - a.confidence,
  name: () => 0,
  switches: (a, b) => b.switches - a.switches,
  border: (a, b) => b.border - a.border,
  flicker: (a, b) => b.flicker - a.flicker,
  steadiness: (a, b) => (b.steadiness ?? -1) - (a.steadiness ?? -1),
  inside: (a, b) => gain(a) - gain(b),
  disagreement: (a, b) => (b.compared[0] ?? -1) - (a.compared[0] ?? -1) || (a.compared[2] ?? 2) - (b.compared[2] ?? 2),
};
let flag = "all";
let shown = [];

function wanted() {
  const words = byId("text").value.toLowerCase().split(/\s+/).filter(Boolean);
  const name = byId("class").value;
  const low = Number(byId("low").value) / 100;
  const high = Number(byId("high").value) / 100;
  return (clip) =>
    words.every((word) => clip.words.includes(word)) &&
    (!name || clip.target === name.slice(1)) &&
    Math.round(100 * clip.confidence) >= Math.round(100 * low) && Math.round(100 * clip.confidence) <= Math.round(100 * high) &&
    (flag === "all" || (flag === "any" ? clip.flags.length > 0 : clip.flags.some(([kind]) => kind === flag)));
}

function update() {
  stop();
  const order = ORDERS[byId("sort").value];
  shown = clips.filter(wanted()).sort((a, b) => order(a, b) || a.place - b.place);
  grid.replaceChildren(...shown.map((clip) => (clip.card ??= makeCard(clip))));
  byId("count").textContent = shown.length === clips.length ? plural(clips.length, "clip") : `${number(shown.length)} of ${plural(clips.length, "clip")}`;
  byId("nothing").hidden = shown.length > 0 || clips.length === 0;
  const [low, high] = [byId("low").value, byId("high").value];
  byId("between").textContent = `${low}–${high} %`;
  byId("rail").style.setProperty("--from", Number(high) - low < 100 ? `${(100 * low) / (100 - (high - low))}%` : "0");
  byId("rail").style.setProperty("--width", `${high - low}%`);
}

let due = 0;
function soon() {
  cancelAnimationFrame(due);
  due = requestAnimationFrame(update);
}

function chips() {
  const kinds = [["all", "All", clips.length], ["any", "Flagged", clips.filter((clip) => clip.flags.length).length]];
  for (const kind of data.kinds) {
    kinds.push([kind.name, kind.title, clips.filter((clip) => clip.flags.some(([name]) => name === kind.name)).length]);
  }
  for (const [name, title, count] of kinds) {
    byId("flags").append(h("button", {
      type: "button", class: "button", "data-flag": name, "aria-pressed": String(name === flag), onclick: () => choose(name),
    }, title, h("b", { class: "number" }, number(count))));
  }
}

function choose(name) {
  flag = name;
  for (const button of byId("flags").children) button.setAttribute("aria-pressed", String(button.dataset.flag === name));
  soon();
}

byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("filters").addEventListener("input", (event) => {
  // The two ends of the range push each other.
  if (event.target.id === "low") byId("high").value = Math.max(byId("high").value, byId("low").value);
  if (event.target.id === "high") byId("low").value = Math.min(byId("high").value, byId("low").value);
  soon();
});
byId("reset").addEventListener("click", () => {
  byId("filters").reset();
  choose("all");
  byId("text").focus();
});

// ---- one clip, large

const detail = byId("detail");
let current = null;

function plot(clip) {
  const cursor = s("line", { class: "cursor", y1: 0, y2: 100, visibility: "hidden" });
  const values = new Map();
  const legend = h("ul", { class: "legend" }, ...clip.curves.map(([name]) => {
    const value = h("span", { class: "number" });
    values.set(name, value);
    const share = (new Map(clip.classes).get(name) ?? 0) / clip.classes.reduce((sum, [, frames]) => sum + frames, 0);
    return h("li", { class: colour(clip, name) }, h("span", { class: "swatch" }), h("span", {}, name), share ? h("span", { class: "soft" }, `explained in ${percent(share)} of frames`) : null, value);
  }));
  const picture = s("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", role: "img", "aria-label": `Probability over time: ${clip.curves.map(([name]) => name).join(", ")}` },
    ...[0, 50, 100].map((y) => s("line", { class: "grid", x1: 0, x2: 100, y1: y, y2: y })), curves(clip, 100, 100), cursor);
  const [first, last] = [clip.times[0], clip.times.at(-1)];
  function mark(time) {
    const free = time === null;
    cursor.setAttribute("visibility", free || last === first ? "hidden" : "visible");
    const x = free || last === first ? 0 : clamp((100 * (time - first)) / (last - first), 0, 100);
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
    let i = 0;
    while (!free && i + 1 < clip.times.length && Math.abs(clip.times[i + 1] - time) <= Math.abs(clip.times[i] - time)) i += 1;
    for (const [name, curve] of clip.curves) {
      values.get(name).textContent = percent((free ? curve.reduce((a, b) => a + b, 0) / curve.length : curve[i] ?? 0) / 1000);
    }
    axis.textContent = free ? "mean" : `at ${clock(Math.max(0, time - first))}`;
  }
  const axis = h("span");
  const box = h("div", { class: "plot" }, picture, h("div", { class: "axis number" }, h("span", {}, clock(first)), axis, h("span", {}, clock(last))));
  picture.addEventListener("pointermove", (event) => {
    const { left, width } = picture.getBoundingClientRect();
    mark(first + clamp((event.clientX - left) / width, 0, 1) * (last - first));
  });
  picture.addEventListener("pointerleave", () => mark(null));
  mark(null);
  return { mark, element: h("section", { "aria-label": "Probabilities" }, box, legend) };
}

function stageOf(clip, mark) {
  if (!clip.output) return h("p", { class: "soft" }, "There is no output.");
  const stage = h("div", { class: "stage" });
  const missing = () => stage.replaceChildren(h("p", {}, "The file is not where this page expects it, or the browser cannot play it."));
  const media = moving(clip, { controls: clip.kind === "video", onerror: missing, class: "big" });
  if (clip.kind !== "video") media.alt = clip.source;
  media.addEventListener("timeupdate", () => mark(clip.times[0] + media.currentTime));
  stage.append(media);
  return stage;
}

function show(clip) {
  stop();
  detail.querySelectorAll(".big").forEach(release);
  current = clip;
  const at = shown.indexOf(clip);
  const step = (by, label, text) => h("button", { type: "button", class: "button", "aria-label": label, disabled: !shown[at + by], onclick: () => show(shown[at + by]) }, text);
  const chart = clip.times.length ? plot(clip) : null;
  detail.replaceChildren(
    h("header", {}, h("h2", { id: "detail-name", class: "name", tabindex: "-1", autofocus: true }, clip.source),
      step(-1, "Previous clip", "←"), step(1, "Next clip", "→"),
      h("button", { type: "button", class: "button", "aria-label": "Close", onclick: () => detail.close() }, "✕")),
    h("div", { class: "body" },
      stageOf(clip, chart ? chart.mark : () => {}),
      h("div", { class: "side" },
        ...seen(clip),
        clip.flags.length ? h("ul", { class: "reasons", "aria-label": "Flagged" }, ...clip.flags.map(([, text]) => h("li", {}, text))) : null,
        chart?.element ?? null,
        h("dl", { class: "figures" },
          figure("confidence", percent(clip.confidence)), figure("at its lowest", percent(clip.lowest)),
          figure("switches", number(clip.switches)), figure("heat at the border", percent(clip.border)),
          figure("spread of the heat", percent(clip.spread)), figure("flicker", clip.flicker === null ? "–" : clip.flicker.toFixed(3)), figure("change beside the motion (E)", clip.steadiness === null ? "–" : clip.steadiness.toFixed(3)),
          ...(clip.inside[0] === null ? [] : ["heat on the thing", "the thing, of the picture", "a centre map, on the thing"].map((name, i) => figure(name, percent(clip.inside[i])))),
          ...(clip.compared[0] === null ? [] : [figure("frames in which models disagree", percent(clip.compared[0])),
            figure("the same class", clip.compared[1] === null ? "–" : percent(clip.compared[1])),
            figure("rank correlation of the maps", clip.compared[2] === null ? "–" : clip.compared[2].toFixed(2)),
            figure("hottest points apart", clip.compared[3] === null ? "–" : percent(clip.compared[3]))]),
          figure("frames", number(clip.frames)), figure("length", clock(clip.seconds)), figure("size", `${clip.size[0]} × ${clip.size[1]}`)),
        clip.page ? h("p", {}, h("a", { href: clip.page, target: "_blank", rel: "noopener" }, "Step through it, frame by frame")) : null,
        clip.output ? h("p", {}, h("a", { href: clip.output, target: "_blank", rel: "noopener" }, "Open the file")) : null)));
  if (!detail.open) detail.showModal();
  byId("detail-name").focus();
}

detail.addEventListener("close", () => {
  detail.querySelectorAll(".big").forEach(release);
  current?.card.querySelector(".thumb").focus();
  current = null;
});
detail.addEventListener("click", (event) => {
  if (event.target === detail) detail.close();
});
detail.addEventListener("keydown", (event) => {
  if (event.target.tagName === "VIDEO") return;
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const next = by && shown[shown.indexOf(current) + by];
  if (next) show(next);
});

// ---- the page

const flagged = clips.filter((clip) => clip.flags.length).length;
byId("summary").textContent = [
  plural(clips.length, "clip"), `${number(flagged)} flagged`, ...(failed.length ? [`${number(failed.length)} failed`] : []),
].join(" · ");
if (clips.every((clip) => clip.inside[0] === null)) byId("sort").querySelector("[value=inside]").remove();
if (clips.every((clip) => clip.compared[0] === null)) byId("sort").querySelector("[value=disagreement]").remove();
byId("class").append(h("option", { value: "" }, "Every class"), ...classes.map((name) => h("option", { value: `=${name}` }, `${name} (${number(counts.get(name))})`)));
chips();
if (failed.length) {
  byId("failed").hidden = false;
  byId("failed").open = failed.length <= 5;
  byId("failed").querySelector("summary").textContent = `${plural(failed.length, "input")} failed`;
  byId("failed").querySelector("ul").append(...failed.map((clip) => h("li", {}, h("span", { class: "name" }, clip.source), h("span", { class: "soft" }, clip.failed))));
}
byId("about").append(h("h2", {}, "What is flagged"), h("ul", {}, ...data.kinds.map((kind) => h("li", {}, `${kind.title}: ${kind.rule}`))));
update();
