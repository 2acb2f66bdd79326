// Owns the panel of one record: its clip beside the source, its scores, its configuration.
"use strict";

function drawDetail() {
  const dialog = at("detail");
  const record = REPORT.records.find(({ id }) => id === state.record);
  forget(dialog);
  document.body.append(at("player"));
  if (!record) {
    if (dialog.open) dialog.close();
    return;
  }
  const { name } = REPORT.variants[record.variant];
  dialog.replaceChildren(
    node("div", { class: "bar" }, node("h2", { id: "detail-heading" }, name), closer(dialog)),
    node("p", {}, node("q", {}, record.prompt)),
    node("div", { class: "row" }, ...pictures(record)),
    facts("Scores", scoresOf(record)),
    facts("Settings", Object.entries({ clip: record.clip, motion: record.motion, ...(record.cut ? { cut: record.cut } : {}), "source prompt": record.source_prompt, seed: record.seed, ...record.axes })),
    facts("Cost", Object.entries(record.cost).map(([stage, cost]) => [stage, spellCost(cost)])),
    json("Configuration", REPORT.config[record.config], true),
    json("Record", whole(record), false),
    node("p", { class: "faint path" }, record.path),
  );
  dialog.querySelectorAll(".stage:not(.fault)").forEach(load);
  dialog.append(at("player")); // what lies under a modal dialog can't be used
  if (!dialog.open) dialog.showModal();
}

function closer(dialog) {
  return node("button", { type: "button", class: "quiet", "aria-label": "Close", onclick: () => dialog.close() }, "✕");
}

function pictures(record) {
  const framed = (medium, label, reason) => node("figure", { class: "card" }, stage(medium, label, reason), node("figcaption", {}, label));
  return [
    framed(REPORT.media[record.reference], "source", ""),
    framed(REPORT.media[record.video], REPORT.variants[record.variant].name, record.missing),
  ];
}

function scoresOf(record) {
  return REPORT.metrics.map(({ title, name, version }, k) => [
    words(title),
    spell(record.scores[k]),
    title === name ? version : `(by itself ${spell(record.measured[k])}) ${version}`,
  ]);
}

/** A list of names with values, and small print to some of them. */
function facts(heading, pairs) {
  if (!pairs.length) return null;
  const entries = pairs.flatMap(([key, value, note]) => [
    node("dt", {}, words(key)),
    node("dd", {}, String(value), note ? node("small", {}, ` ${note}`) : null),
  ]);
  return node("section", {}, node("h3", {}, heading), node("dl", {}, ...entries));
}

function spellCost(cost) {
  return Object.entries(cost)
    .map(([key, value]) => `${words(key)} ${typeof value === "number" ? Number(value.toPrecision(4)) : value}`)
    .join(", ");
}

/** The record as plain data again, with what it shares with others put back. */
function whole(record) {
  const { video, reference, variant, settings, scores, measured, ...rest } = record;
  return {
    ...rest,
    metrics: Object.fromEntries(REPORT.metrics.map(({ name, version }, k) => [name, { value: measured[k], version }])),
    config: REPORT.config[record.config],
    environment: REPORT.environment[record.environment],
  };
}

function json(title, content, opened) {
  const text = JSON.stringify(content, null, 2);
  const copy = node("button", { type: "button", class: "quiet" }, "Copy");
  copy.addEventListener("click", async () => {
    await navigator.clipboard?.writeText(text);
    copy.textContent = "Copied";
  });
  return node("details", { open: opened, class: "json", "data-title": title }, node("summary", {}, title), copy, node("pre", { tabindex: 0 }, text));
}

function startDetail() {
  const dialog = at("detail");
  dialog.addEventListener("close", () => {
    forget(dialog);
    document.body.append(at("player"));
    if (state.record) choose({ record: "" });
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close()); // beside the panel
}
