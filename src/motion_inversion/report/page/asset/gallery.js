// Owns the clips: a scene per clip, prompt and seed with the source and each result side by side, loaded when seen.
"use strict";

const NEAR = "400px 0px"; // how far from the screen clips are loaded

const nearby = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) (isIntersecting ? load : unload)(target);
  },
  { rootMargin: NEAR },
);

/** A place for a clip, which a player fills while it is near the screen. */
function stage(medium, label, reason = "") {
  const { width, height, fault } = medium;
  const box = node("div", { class: "stage", style: `aspect-ratio:${width || 1}/${height || 1}`, "data-label": label });
  if (fault || reason) refuse(box, reason || fault);
  else {
    box.medium = medium;
    nearby.observe(box);
  }
  return box;
}

function load(box) {
  if (box.firstChild) return;
  const { source, fps } = box.medium;
  const video = node("video", { muted: true, playsinline: true, preload: "auto", "data-fps": fps, "aria-label": box.dataset.label });
  video.muted = true; // the attribute alone comes too late for autoplay
  video.addEventListener("error", () => {
    clock.remove(video);
    nearby.unobserve(box);
    refuse(box, "can’t be played");
  });
  video.src = `page/${source}`;
  box.append(video);
  clock.add(video);
}

function unload(box) {
  const video = box.querySelector("video");
  if (!video) return;
  clock.remove(video);
  video.pause();
  video.removeAttribute("src"); // a player without source gives its decoder back
  video.load();
  video.remove();
}

function refuse(box, reason) {
  box.classList.add("fault");
  box.replaceChildren(node("span", {}, reason));
}

function forget(parent) {
  for (const box of parent.querySelectorAll(".stage")) {
    nearby.unobserve(box);
    unload(box);
  }
}

function drawGallery() {
  const gallery = at("gallery");
  const records = chosen();
  forget(gallery);
  const clips = Map.groupBy(records, (record) => record.clip);
  // Each variant has its place in every scene, so that columns stay in line.
  const variants = [...new Set(records.map((record) => record.variant))].sort((a, b) => a - b);
  gallery.replaceChildren(...[...clips].map(([clip, members]) => clipSection(clip, members, variants)));
  if (!records.length) gallery.append(node("p", { class: "faint empty" }, "No clip passes these filters."));
  at("count").textContent = `${records.length} of ${REPORT.records.length}`;
  at("reset").hidden = !isFiltered();
}

function clipSection(clip, members, variants) {
  const { motion, source_prompt: prompt } = members[0];
  const scenes = Map.groupBy(members, (record) => JSON.stringify([record.prompt, record.seed, record.reference, record.cut]));
  const seeds = new Set(members.map((record) => record.seed));
  return node(
    "article",
    { class: "clip", "data-clip": clip },
    node("h3", {}, words(clip), " ", node("span", { class: "tag" }, motion), node("q", { class: "faint" }, prompt)),
    ...[...scenes.values()].map((records) => scene(records, variants, seeds.size > 1)),
  );
}

function scene(records, variants, telling) {
  const [first] = records;
  const found = new Map(records.map((record) => [record.variant, record]));
  return node(
    "div",
    { class: "scene" },
    node("h4", {}, node("q", {}, first.prompt), telling ? node("span", { class: "tag" }, `seed ${first.seed}`) : null, first.cut ? node("span", { class: "tag" }, first.cut) : null),
    node("div", { class: "row" }, sourceCard(first), ...variants.map((k) => card(found.get(k), k))),
  );
}

function sourceCard(record) {
  const medium = REPORT.media[record.reference];
  return node("figure", { class: "card source" }, stage(medium, `source ${record.clip}`), node("figcaption", {}, node("b", {}, "source")));
}

function card(record, k) {
  const { name, colour } = REPORT.variants[k];
  const title = node("b", {}, node("i", { class: "dot", style: `background:${colour}` }), name);
  if (!record) {
    return node("figure", { class: "card absent" }, stage({ fault: "not made" }, name), node("figcaption", {}, title));
  }
  const scores = REPORT.metrics.map((metric, m) => node("span", { title: words(metric.title) }, `${abbreviated(metric.title)} ${spell(record.scores[m])}`));
  const medium = REPORT.media[record.video];
  return node(
    "figure",
    { class: "card", "data-variant": k },
    node(
      "a",
      { href: `#record=${encodeURIComponent(record.id)}`, title: "Its configuration and record", onclick: (event) => open(event, record) },
      stage(medium, `${name}, ${record.prompt}`, record.missing),
      node("figcaption", {}, title, node("span", { class: "scores" }, ...scores)),
    ),
  );
}

function open(event, record) {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return; // another tab shows it by its address
  event.preventDefault();
  choose({ record: record.id });
}

/** text_similarity → TS, for captions; the title in full is in the tooltip and in the detail. */
function abbreviated(title) {
  return title.split(/[_ ]/).map((word) => word.replace(/^\((.*)\)$/, "$1")[0].toUpperCase()).join("");
}
