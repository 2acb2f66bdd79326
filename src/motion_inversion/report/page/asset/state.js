// Owns what is chosen: filters, table, record; keeps the address in step, so that a view can be sent as a link.
"use strict";

const REPORT = window.REPORT;

const state = { table: 0, sort: null, motion: new Set(), variant: new Set(), clip: "", prompt: "", row: null, record: "" };

const watchers = [];

/** Calls `watcher(changed)` after each change, with the names of what changed. */
function watch(watcher) {
  watchers.push(watcher);
}

function choose(change) {
  Object.assign(state, change);
  const address = spellState();
  history.replaceState(null, "", address ? `#${address}` : location.pathname + location.search);
  for (const watcher of watchers) watcher(new Set(Object.keys(change)));
}

/** Turns one member of a set of choices on or off. */
function toggle(name, value) {
  const set = new Set(state[name]);
  if (!set.delete(value)) set.add(value);
  choose({ [name]: set });
}

const FILTERS = ["motion", "variant", "clip", "prompt", "row"];

const isFiltered = () => state.motion.size + state.variant.size > 0 || state.clip !== "" || state.prompt !== "" || state.row !== null;

const unfiltered = () => ({ motion: new Set(), variant: new Set(), clip: "", prompt: "", row: null });

/** The records that pass all filters. */
function chosen() {
  const sought = state.prompt.toLowerCase().split(/\s+/).filter(Boolean);
  const row = state.row === null ? null : REPORT.tables[state.table].rows[state.row];
  return REPORT.records.filter(
    (record) =>
      (!state.motion.size || state.motion.has(record.motion)) &&
      (!state.variant.size || state.variant.has(record.variant)) &&
      (!state.clip || record.clip === state.clip) &&
      sought.every((word) => record.prompt.toLowerCase().includes(word)) &&
      (!row || belongs(record, row)),
  );
}

/** Whether a record counts in a row of the table shown. */
function belongs(record, row) {
  const keys = REPORT.tables[state.table].keys;
  return keys.every((key, k) => (record.settings[key] ?? null) === row.values[k]);
}

function spellState() {
  const fields = new URLSearchParams();
  if (state.table) fields.set("table", state.table);
  if (state.row !== null) fields.set("row", state.row);
  for (const motion of state.motion) fields.append("motion", motion);
  for (const variant of state.variant) fields.append("variant", variant);
  for (const key of ["clip", "prompt", "record"]) if (state[key]) fields.set(key, state[key]);
  return fields.toString();
}

function readState() {
  const fields = new URLSearchParams(location.hash.slice(1));
  const within = (text, list) => (text !== null && Number(text) in list ? Number(text) : null);
  const table = within(fields.get("table"), REPORT.tables) ?? 0;
  const numbers = fields.getAll("variant").map((text) => within(text, REPORT.variants));
  const change = {
    table,
    row: within(fields.get("row"), REPORT.tables[table]?.rows ?? []),
    motion: new Set(fields.getAll("motion")),
    variant: new Set(numbers.filter((number) => number !== null)),
    clip: fields.get("clip") ?? "",
    prompt: fields.get("prompt") ?? "",
    record: fields.get("record") ?? "",
  };
  Object.assign(state, change);
}
