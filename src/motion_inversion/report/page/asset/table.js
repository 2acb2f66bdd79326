// Owns the tables: scores, rows with intervals, sorted by any column; and costs.
"use strict";

function drawTable() {
  const table = REPORT.tables[state.table];
  if (!table) {
    at("table").replaceChildren(node("caption", {}, "No scores"));
    return;
  }
  const scales = table.columns.map((_, k) => scaleOf(table.rows.map((row) => row.cells[k])));
  const order = sorted(table);
  at("table").replaceChildren(
    node("caption", { class: "skip" }, `Scores, ${table.title}`),
    node("thead", {}, node("tr", {}, ...headers(table))),
    node("tbody", {}, ...order.map((k) => line(table, k, scales))),
  );
  at("notes").replaceChildren(...table.notes.map((note) => node("li", {}, note)));
}

/** Columns by what they are sorted by: "key:0", "samples", "score:1". */
function headers(table) {
  const columns = [
    ...table.keys.map((key, k) => [`key:${k}`, words(key), ""]),
    ["samples", "samples", "number"],
    ...table.columns.map((metric, k) => {
      const { title, version } = REPORT.metrics[metric];
      return [`score:${k}`, words(title) + arrow(REPORT.metrics[metric]), "score", version];
    }),
  ];
  return columns.map(([id, label, kind, tip]) => {
    const direction = state.sort?.id === id ? (state.sort.down ? "descending" : "ascending") : "none";
    const act = () => choose({ sort: { id, down: state.sort?.id === id ? !state.sort.down : isDownFirst(table, id) } });
    const button = node("button", { type: "button", title: tip, onclick: act }, label);
    return node("th", { scope: "col", class: kind, "aria-sort": direction }, button);
  });
}

/** Scores are sorted best first, counts most first, words by alphabet. */
function isDownFirst(table, id) {
  const [kind, k] = id.split(":");
  if (kind === "score") return REPORT.metrics[table.columns[k]].better >= 0;
  return kind === "samples";
}

function sorted(table) {
  const order = table.rows.map((_, k) => k);
  if (!state.sort) return order;
  const own = (row) => row.kind === "sample";
  const [kind, k] = state.sort.id.split(":");
  const value = (row) => (kind === "key" ? row.values[k] : kind === "score" ? row.cells[k].mean : row.samples);
  const sign = state.sort.down ? -1 : 1;
  return order.sort((a, b) => {
    if (own(table.rows[a]) !== own(table.rows[b])) return own(table.rows[b]) - own(table.rows[a]); // bounds stay below
    const [x, y] = [value(table.rows[a]), value(table.rows[b])];
    if (x === null || y === null) return (x === null) - (y === null); // what has none comes last either way
    const by = typeof x === "number" ? x - y : x.localeCompare(y, undefined, { numeric: true });
    return sign * by || a - b;
  });
}

function line(table, k, scales) {
  const row = table.rows[k];
  const pressed = state.row === k;
  const pick = () => choose({ row: pressed ? null : k });
  const cells = row.values.map((value, j) => {
    if (j) return node("td", {}, value ?? NOTHING);
    if (row.kind !== "sample") return node("th", { scope: "row" }, words(value), node("span", { class: "tag" }, row.kind));
    const dot = node("i", { class: "dot", style: `background:${row.colour}` });
    const title = "Show only the clips of this row";
    const button = node("button", { type: "button", title, "aria-pressed": String(pressed), onclick: pick }, dot, words(value ?? NOTHING));
    return node("th", { scope: "row" }, button);
  });
  cells.push(node("td", { class: "number" }, row.samples ? String(row.samples) : NOTHING, row.samples ? node("small", {}, ` of ${row.clips} clips`) : null));
  cells.push(...row.cells.map((cell, j) => scoreCell(cell, scales[j], row.colour, table.baseline)));
  return node("tr", { class: `${row.kind}${pressed ? " picked" : ""}`, "data-row": k }, ...cells);
}

function scoreCell(cell, scale, colour, baseline) {
  if (cell.mean === null) return node("td", { class: "score" }, NOTHING, missing(cell));
  const { difference } = cell;
  return node(
    "td",
    { class: "score" },
    node(cell.best ? "strong" : "span", { class: "mean" }, spell(cell.mean)),
    node("small", {}, ` ${interval(cell)}`),
    missing(cell),
    scale ? whisker(cell, scale, colour) : null,
    difference && difference.mean !== null
      ? node("small", { class: "difference" }, `${spell(difference.mean, true)} ${interval(difference, true)} vs ${baseline}${chance(cell)}`)
      : null,
  );
}

function chance({ p, least }) {
  return p === null ? "" : p < 0.001 ? ", p < 0.001" : `, p ${least ? "≤" : "="} ${p.toFixed(3)}`;
}

function missing(cell) {
  return cell.missing ? node("small", { class: "warning" }, ` ${cell.missing} missing`) : null;
}

/** A line for the interval and a dot for the mean, on one scale for the whole column. */
function whisker(cell, [low, high], colour) {
  const place = (value) => `${(100 * (value - low)) / (high - low)}%`;
  const [lower, upper] = [cell.lower ?? cell.mean, cell.upper ?? cell.mean];
  return shape(
    "svg",
    { class: "whisker", "aria-hidden": "true", style: `color:${colour}` },
    shape("line", { class: "rail", x1: "0%", x2: "100%", y1: 4, y2: 4 }),
    shape("line", { x1: place(lower), x2: place(upper), y1: 4, y2: 4 }),
    shape("circle", { cx: place(cell.mean), cy: 4, r: 3 }),
  );
}

function scaleOf(cells) {
  const known = cells.flatMap((cell) => [cell.mean, cell.lower, cell.upper]).filter((value) => value !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const margin = 0.03 * (high - low);
  return high > low ? [low - margin, high + margin] : null;
}

/** What fitting and sampling took: the words as they are. */
function drawCost() {
  at("cost-section").hidden = !REPORT.cost;
  if (!REPORT.cost) return;
  const { lines, keys, note } = REPORT.cost;
  const [titles, ...rows] = lines;
  const kind = (k) => (k < keys ? "" : "number");
  at("cost").replaceChildren(
    node("caption", { class: "skip" }, "Cost"),
    node("thead", {}, node("tr", {}, ...titles.map((title, k) => node("th", { scope: "col", class: kind(k) }, words(title))))),
    node("tbody", {}, ...rows.map((row) => node("tr", { class: "sample" }, ...row.map((word, k) => node(k ? "td" : "th", { scope: k ? null : "row", class: kind(k) }, k < keys ? words(word) : word))))),
  );
  at("cost-note").textContent = note;
}

function drawTabs() {
  const several = REPORT.tables.length > 1;
  at("tabs").replaceChildren(
    ...(several ? REPORT.tables : []).map((table, k) => chip(table.title, k === state.table, () => choose({ table: k, row: null, sort: null }))),
  );
}
