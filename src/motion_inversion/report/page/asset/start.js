// Owns the start: the heads of the page, its filters, what is drawn anew when something is chosen.
"use strict";

function drawHead() {
  const { title, records } = REPORT;
  document.title = `${title} · report`;
  at("title").textContent = title;
  const count = (values) => new Set(values).size;
  const clips = count(records.map((record) => record.clip));
  const prompts = count(records.map((record) => `${record.clip} ${record.prompt}`));
  at("summary").textContent = `${records.length} samples: ${clips} clips, ${prompts} prompts, ${REPORT.variants.length} methods and settings`;
}

function drawFilters() {
  const motions = [...new Set(REPORT.records.map((record) => record.motion))].sort();
  at("motion").replaceChildren(...motions.map((motion) => chip(motion, state.motion.has(motion), () => toggle("motion", motion))));
  at("variant").replaceChildren(
    ...REPORT.variants.map(({ name, colour }, k) => chip(name, state.variant.has(k), () => toggle("variant", k), colour)),
  );
  at("clip").value = state.clip;
  if (at("prompt").value !== state.prompt) at("prompt").value = state.prompt;
}

function startFilters() {
  const unique = (key) => [...new Set(REPORT.records.map((record) => record[key]))];
  const clips = unique("clip").map((clip) => node("option", { value: clip }, words(clip)));
  at("clip").replaceChildren(node("option", { value: "" }, "all"), ...clips);
  at("prompts").replaceChildren(...unique("prompt").map((prompt) => node("option", { value: prompt })));
  at("clip").onchange = (event) => choose({ clip: event.target.value });
  at("prompt").oninput = (event) => choose({ prompt: event.target.value });
  at("reset").onclick = () => choose(unfiltered());
  at("filters").onsubmit = (event) => event.preventDefault();
}

/** What stands under the clips in initials, in words; and a way to each part of the page. */
function drawLegend() {
  at("legend").replaceChildren(
    ...REPORT.metrics.map((metric) =>
      node("div", {}, node("dt", {}, abbreviated(metric.title)), node("dd", {}, words(metric.title) + arrow(metric))),
    ),
  );
  for (const button of document.querySelectorAll("#parts [data-part]")) {
    button.hidden = at(button.dataset.part).hidden;
    button.onclick = () => at(button.dataset.part).scrollIntoView();
  }
}

function drawFoot() {
  const links = REPORT.files.flatMap((name, k) => [k ? " · " : "", node("a", { href: encodeURIComponent(name) }, name)]);
  at("files").replaceChildren(...(links.length ? ["Tables and figures: ", ...links] : []));
  const faults = at("faults");
  faults.hidden = !REPORT.faults.length;
  faults.querySelector("summary").textContent = `Files that couldn’t be used: ${REPORT.faults.length}`;
  faults.querySelector("ul").replaceChildren(...REPORT.faults.map((fault) => node("li", {}, fault)));
}

/** System, light, dark in turn; kept where the browser lets a file keep anything. */
const scheme = {
  names: ["auto", "light", "dark"],
  start() {
    let kept = null;
    try {
      kept = localStorage.getItem("scheme");
    } catch {} // a browser may refuse a page from disk
    this.set(this.names.includes(kept) ? kept : "auto");
    at("theme").onclick = () => this.set(this.names[(this.names.indexOf(this.name) + 1) % 3]);
  },
  set(name) {
    this.name = name;
    document.documentElement.dataset.scheme = name;
    at("theme").textContent = { auto: "◐ auto", light: "☀ light", dark: "☾ dark" }[name];
    try {
      localStorage.setItem("scheme", name);
    } catch {} // as above
  },
};

function drawAll(changed) {
  const any = (...names) => names.some((name) => changed.has(name));
  if (any("table")) drawTabs();
  if (any("table", "sort", "row")) drawTable();
  if (any("table", "row") || (at("samples").checked && any(...FILTERS))) drawPlot();
  if (any("motion", "variant", "clip", "prompt")) drawFilters();
  if (any(...FILTERS, "table")) drawGallery();
  if (any("record")) drawDetail();
}

function start() {
  scheme.start();
  readState();
  drawHead();
  startFilters();
  startPlot();
  startDetail();
  drawFoot();
  drawCost();
  drawLegend();
  clock.start();
  watch(drawAll);
  drawAll(new Set(Object.keys(state)));
  addEventListener("hashchange", () => {
    readState();
    drawAll(new Set(Object.keys(state)));
  });
  requestAnimationFrame(() => {
    performance.mark("interactive");
    document.documentElement.dataset.ready = performance.now().toFixed(1);
  });
}

start();
