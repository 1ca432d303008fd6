const data = JSON.parse(byId("data").textContent);
const times = data.times;
const count = times.length;
const usual = count > 1 ? (times.at(-1) - times[0]) / (count - 1) : 0;
const middle = (i) => (i + 1 < count ? (times[i] + times[i + 1]) / 2 : times[i] + Math.min(usual, 0.1) / 4);
// The class that stands for none of the others is grey.
const hue = (name, i) => (data.neither.includes(name) ? "k7" : `k${i}`);
const colours = new Map(data.curves.map(([name], i) => [name, hue(name, i)]));
const colour = (name) => colours.get(name) ?? "k7";

function frameAt(time) {
  let [low, high] = [0, count - 1];
  while (low < high) {
    const i = Math.ceil((low + high) / 2);
    if (times[i] <= time + 1e-4) low = i;
    else high = i - 1;
  }
  return low;
}

// Which target each frame explains, of each model, from runs of equal ones.
const explained = data.explained.map((runs) => runs.flatMap(([name, length]) => Array(length).fill(name)));

// ---- the embedded files

const TOLD = { original: "The original", overlay: "The original with heat where the classifier looks" };

function embedded(id) {
  const script = byId(`${id}-data`);
  const text = script.textContent;
  script.remove();
  const comma = text.indexOf(",");
  const parts = [];
  const step = 4 * 2 ** 18;
  for (let at = comma + 1; at < text.length; at += step) {
    parts.push(Uint8Array.from(atob(text.slice(at, at + step)), (c) => c.charCodeAt(0)));
  }
  // A blob can be sought in by every browser; a video's data URI cannot.
  return URL.createObjectURL(new Blob(parts, { type: text.slice(5, text.indexOf(";")) }));
}

// ---- probabilities

const legend = byId("legend");
const values = data.curves.map(([name], k) => {
  const value = h("span", { class: "number" });
  const item = h("li", { class: hue(name, k) }, h("span", { class: "swatch" }), h("span", { class: "name" }, name), value);
  legend.append(item);
  return { name, value, item };
});

function tell(i) {
  data.curves.forEach(([, curve], k) => {
    values[k].value.textContent = percent(curve[i] === null ? null : curve[i] / 10000);
    values[k].item.classList.toggle("explained", explained.some((own) => own[i] === values[k].name));
  });
}

const WIDTH = 1000;
const x = (i) => (count > 1 ? (WIDTH * (times[i] - times[0])) / (times.at(-1) - times[0]) : WIDTH / 2);
const highest = Math.max(...data.curves.map(([, curve]) => curve.reduce((a, b) => Math.max(a, b), 0))) / 10000;
const ceiling = [0.1, 0.25, 0.5].find((c) => highest <= c) ?? 1;

/** A curve's points; of many in one column only the least and the greatest, which look the same. */
function thinned(curve) {
  const per = Math.max(1, Math.floor(count / WIDTH));
  const kept = [];
  for (let begin = 0; begin < count; begin += per) {
    let [least, most] = [begin, begin];
    for (let i = begin; i < Math.min(count, begin + per); i += 1) {
      if (curve[i] < curve[least]) least = i;
      if (curve[i] > curve[most]) most = i;
    }
    kept.push(...new Set([Math.min(least, most), Math.max(least, most)]));
  }
  return kept.filter((i) => curve[i] !== null);
}

/** The right edge of what ends where a frame begins. */
const edge = (end) => (end < count ? x(end) : WIDTH);

/** A row for each model: what it explains when. None where nothing changes. */
function drawBands(chart) {
  if (data.explained.every((runs) => runs.length === 1)) return 0;
  for (const [row, runs] of data.explained.entries()) {
    let begin = 0;
    for (const [name, length] of runs) {
      const end = begin + length;
      chart.append(s("rect", { class: `band ${colour(name)}`, x: x(begin), y: 103 + 7 * row, width: Math.max(0, edge(end) - x(begin)), height: 5 }, s("title", {}, `explained: ${name}`)));
      begin = end;
    }
  }
  return data.explained.length;
}

function drawChart() {
  const chart = byId("chart");
  chart.setAttribute("aria-label", `Probabilities over time: ${data.curves.map(([name]) => name).join(", ")}`);
  for (const y of [0, 50, 100]) chart.append(s("line", { class: "grid", x1: 0, x2: WIDTH, y1: y, y2: y }));
  for (const [begin, end, why] of data.stretches) {
    chart.append(s("rect", { class: "apart", x: x(begin), y: 0, width: Math.max(1, edge(end) - x(begin)), height: 100 }, s("title", {}, why)));
  }
  for (const i of data.cuts) chart.append(s("line", { class: "cut", x1: x(i), x2: x(i), y1: 0, y2: 100 }, s("title", {}, "A scene begins")));
  for (const [k, [name, curve]] of [...data.curves.entries()].reverse()) {
    const line = thinned(curve).map((i) => `${x(i).toFixed(1)},${(100 - curve[i] / 100 / ceiling).toFixed(2)}`).join("L");
    if (line) chart.append(s("path", { class: `curve ${hue(name, k)}`, d: `M${line}` }));
  }
  const rows = drawBands(chart);
  chart.style.marginBottom = `${rows ? 4 + 10 * rows : 0}px`;
  const cursor = s("line", { class: "cursor", y1: -2, y2: 100 + 8 * Math.max(1, rows) });
  chart.append(cursor);
  byId("ceiling").textContent = percent(ceiling);
  byId("first").textContent = clock(times[0]);
  byId("last").textContent = clock(times.at(-1));
  byId("plot").hidden = false;
  return cursor;
}

// ---- a picture

function showStill() {
  for (const [side, id] of [["left", "original"], ["right", "overlay"]]) {
    byId(side).append(h("img", { id, src: embedded(id), alt: TOLD[id] }));
  }
  legend.classList.add("bars");
  byId("controls").classList.add("still");
  tell(0);
  values.forEach(({ item }, k) => {
    const bar = h("span", { class: "bar" });
    bar.style.setProperty("--share", `${data.curves[k][1][0] / 100}%`);
    item.append(bar);
  });
}

// ---- a clip: the overlay's clock leads, the original follows

function makeVideo(side, id) {
  const video = h("video", { id, playsinline: true, preload: "auto", tabindex: "-1", "aria-label": TOLD[id] });
  video.muted = true;
  video.src = embedded(id);
  byId(side).append(video);
  // A video seeks to one place at a time; of many that are asked for meanwhile, the last counts.
  video.seekTo = (time) => {
    video.wanted = Math.max(0, time);
    if (!video.seeking) video.currentTime = video.wanted;
  };
  video.addEventListener("seeked", () => {
    if (video.wanted !== undefined && Math.abs(video.currentTime - video.wanted) > 1e-3) video.currentTime = video.wanted;
  });
  return video;
}

const settled = (video) => new Promise((resolve) => {
  const look = () => (video.seeking || video.readyState < 2 ? setTimeout(look, 15) : resolve());
  look();
});

/** Original and overlay as if they were one. */
class Pair {
  constructor(original, overlay) {
    [this.original, this.overlay] = [original, overlay];
    this.held = 0;
  }

  get time() {
    return this.overlay.currentTime - data.starts.overlay;
  }

  seek(time) {
    this.original.seekTo(data.starts.original + time);
    this.overlay.seekTo(data.starts.overlay + time);
  }

  pause() {
    this.original.pause();
    this.overlay.pause();
  }

  async play(rate, wanted) {
    await Promise.all([settled(this.original), settled(this.overlay)]);
    if (!wanted()) return;
    for (const video of [this.original, this.overlay]) {
      video.wanted = undefined;
      video.playbackRate = rate;
    }
    await Promise.all([this.original, this.overlay].map((video) => video.play().catch(() => {})));
  }

  /** Brings the original back in step: by a little more or less speed, by a jump where it is far off. */
  follow(rate, stamp) {
    const { original } = this;
    const ahead = original.currentTime - data.starts.original - this.time;
    if (Math.abs(ahead) > 0.25 && stamp > this.held && !original.ended) {
      original.currentTime = data.starts.original + this.time;
      this.held = stamp + 500;
    }
    const wanted = Math.abs(ahead) > 0.008 ? rate * clamp(1 - 2 * ahead, 0.75, 1.25) : rate;
    if (Math.abs(original.playbackRate - wanted) > 0.005) original.playbackRate = wanted;
    if (original.paused && !original.ended) original.play().catch(() => {});
  }
}

/** What the page shows of the frame it is at, and what moves it. */
class Player {
  constructor(pair, cursor) {
    [this.pair, this.cursor] = [pair, cursor];
    this.playing = false;
    this.current = -1;
    this.runs = 0;
    this.icon = byId("play").querySelector("path");
    this.jumps = data.stretches.map(([begin, end, why]) => {
      const until = end < count ? times[end] : times.at(-1) + usual;
      return h("button", { type: "button", class: "button", onclick: () => this.jump(begin) }, h("span", { class: "number" }, `${clock(times[begin])} to ${clock(until)}`), ` ${why}`);
    });
    this.shapes = { play: this.icon.getAttribute("d"), pause: "M6 5h4v14H6zM14 5h4v14h-4z" };
    pair.overlay.addEventListener("ended", () => {
      if (!this.playing) return;
      pair.pause();
      this.go(0);
      this.resume();
    });
  }

  draw(i) {
    if (i === this.current) return;
    this.current = i;
    this.cursor.setAttribute("x1", x(i));
    this.cursor.setAttribute("x2", x(i));
    byId("scrub").value = i;
    byId("scrub").setAttribute("aria-valuetext", `frame ${i + 1} of ${count}, ${clock(times[i])}`);
    byId("where").textContent = `${clock(times[i])} · ${i + 1} / ${count}`;
    data.stretches.forEach(([begin, end], k) => this.jumps[k].setAttribute("aria-current", String(begin <= i && i < end)));
    tell(i);
  }

  go(i) {
    const at = clamp(i, 0, count - 1);
    this.pair.seek(middle(at));
    this.draw(at);
  }

  jump(i) {
    if (this.playing) this.set(false);
    this.go(i);
  }

  set(on) {
    this.playing = on;
    byId("play").setAttribute("aria-label", on ? "Pause" : "Play");
    this.icon.setAttribute("d", on ? this.shapes.pause : this.shapes.play);
    if (on) {
      if (this.current === count - 1) this.go(0);
      this.resume();
    } else {
      this.pair.pause();
      this.go(frameAt(this.pair.time));
    }
  }

  async resume() {
    this.runs += 1;
    const run = this.runs;
    const wanted = () => this.playing && run === this.runs;
    await this.pair.play(this.rate, wanted);
    if (wanted()) requestAnimationFrame((stamp) => this.follow(stamp));
  }

  get rate() {
    return Number(byId("speed").value);
  }

  follow(stamp) {
    if (!this.playing || this.pair.overlay.paused) return;
    this.draw(frameAt(this.pair.time));
    this.pair.follow(this.rate, stamp);
    requestAnimationFrame((next) => this.follow(next));
  }
}

function listen(player) {
  const { overlay } = player.pair;
  byId("play").addEventListener("click", () => player.set(!player.playing));
  byId("back").addEventListener("click", () => player.jump(player.current - 1));
  byId("on").addEventListener("click", () => player.jump(player.current + 1));
  byId("scrub").max = count - 1;
  byId("scrub").addEventListener("input", (event) => player.jump(Number(event.target.value)));
  byId("speed").addEventListener("change", () => { overlay.playbackRate = player.rate; });
  byId("sound").hidden = !data.sound;
  byId("sound").addEventListener("click", (event) => {
    overlay.muted = !overlay.muted;
    event.currentTarget.setAttribute("aria-pressed", String(!overlay.muted));
  });
  listenToChart(player);
  byId("apart").hidden = !player.jumps.length;
  byId("apart").querySelector("ol").append(...player.jumps.map((jump) => h("li", {}, jump)));
  const next = () => data.stretches.find(([begin]) => begin > player.current) ?? data.stretches[0];
  const before = () => data.stretches.findLast(([begin]) => begin < player.current) ?? data.stretches.at(-1);
  const KEYS = {
    " ": () => player.set(!player.playing),
    ArrowLeft: (second) => player.jump(second ? frameAt(times[player.current] - 1) : player.current - 1),
    ArrowRight: (second) => player.jump(second ? frameAt(times[player.current] + 1) : player.current + 1),
    Home: () => player.jump(0),
    End: () => player.jump(count - 1),
    ...(player.jumps.length && { d: () => player.jump(next()[0]), D: () => player.jump(before()[0]) }),
  };
  document.addEventListener("keydown", (event) => {
    const busy = event.target.closest("select, summary, a, #divider") || (event.key === " " && event.target.closest("button"));
    if (busy || event.altKey || event.ctrlKey || event.metaKey || !KEYS[event.key]) return;
    event.preventDefault();
    KEYS[event.key](event.shiftKey);
  });
}

function listenToChart(player) {
  const chart = byId("chart");
  const pointed = (event) => {
    const { left, width } = chart.getBoundingClientRect();
    player.jump(frameAt(times[0] + clamp((event.clientX - left) / width, 0, 1) * (times.at(-1) - times[0]) + usual / 2));
  };
  chart.addEventListener("pointerdown", (event) => {
    chart.setPointerCapture(event.pointerId);
    pointed(event);
  });
  chart.addEventListener("pointermove", (event) => {
    if (chart.hasPointerCapture(event.pointerId)) pointed(event);
  });
}

function showClip() {
  const player = new Player(new Pair(makeVideo("left", "original"), makeVideo("right", "overlay")), drawChart());
  listen(player);
  byId("controls").hidden = false;
  byId("keys").hidden = false;
  player.go(0);
}

// ---- original and overlay on one place, a line between them

function offerWipe() {
  const [a, b] = [data.sizes.original, data.sizes.overlay].map(([width, height]) => width / height);
  if (Math.abs(a / b - 1) > 0.02 || data.explained.length > 1) return;
  const [stage, button, divider] = ["stage", "wipe", "divider"].map(byId);
  button.hidden = false;
  byId("controls").hidden = false;
  button.addEventListener("click", () => {
    const on = stage.classList.toggle("wipe");
    button.setAttribute("aria-pressed", String(on));
    divider.hidden = !on;
  });
  const cut = () => stage.style.setProperty("--cut", `${divider.value}%`);
  divider.addEventListener("input", cut);
  stage.addEventListener("pointermove", (event) => {
    const { left, width } = stage.getBoundingClientRect();
    divider.value = clamp((100 * (event.clientX - left)) / width, 0, 100);
    cut();
  });
}

byId("about").textContent = data.about;
byId("stage").classList.toggle("broad", data.sizes.overlay[0] > data.sizes.overlay[1]);
if (data.explained.length > 1) {
  document.body.classList.add("several");
  byId("right").querySelector("figcaption").textContent = "What each model looks at";
}
byId("figures").append(...data.figures.map(([name, value]) => figure(name, value)));
byId("how").querySelector("dl").append(...data.how.map(([name, value]) => figure(name, value)));
if (data.still) showStill();
else showClip();
offerWipe();
