// Owns the plot of two metrics against each other, a point with intervals per row of the table.
"use strict";

const plot = { across: 0, up: 0 };

const MARGIN = { left: 56, right: 16, top: 16, bottom: 44 };

/** Fills the choice of axes; the plot is hidden where there are no two metrics to choose from. */
function startPlot() {
  const find = (name) => REPORT.metrics.findIndex((metric) => metric.title.startsWith(name));
  plot.across = Math.max(0, find("text_similarity"));
  const up = find("motion_fidelity");
  plot.up = up >= 0 && up !== plot.across ? up : REPORT.metrics.findIndex((_, k) => k !== plot.across);
  at("plot-section").hidden = REPORT.metrics.length < 2;
  for (const id of ["across", "up"]) {
    at(id).replaceChildren(...REPORT.metrics.map((metric, k) => node("option", { value: k }, words(metric.title))));
    at(id).value = plot[id];
    at(id).onchange = (event) => {
      plot[id] = Number(event.target.value);
      drawPlot();
    };
  }
  at("samples").onchange = drawPlot;
  new ResizeObserver(drawPlot).observe(at("plot"));
}

function drawPlot() {
  const box = at("plot");
  const width = box.clientWidth;
  const table = REPORT.tables[state.table];
  if (!width || !table || REPORT.metrics.length < 2) return;
  const height = Math.round(Math.min(460, Math.max(280, 0.55 * width)));
  const rows = table.rows.map((row, k) => ({ row, k, x: cellOf(table, row, plot.across), y: cellOf(table, row, plot.up) }));
  const known = rows.filter(({ row, x, y }) => isPoint(row) && x && y && x.mean !== null && y.mean !== null);
  const levels = rows.filter(({ row, y }) => !isPoint(row) && y && y.mean !== null);
  const dots = at("samples").checked ? chosen().filter((r) => r.scores[plot.across] !== null && r.scores[plot.up] !== null) : [];
  const x = scaled(extremes(known.map((p) => p.x), dots, plot.across), MARGIN.left, width - MARGIN.right);
  const y = scaled(extremes([...known, ...levels].map((p) => p.y), dots, plot.up), height - MARGIN.bottom, MARGIN.top);
  const label = `${words(REPORT.metrics[plot.up].title)} against ${words(REPORT.metrics[plot.across].title)}`;
  const drawing = shape("svg", { width, height, role: "group", "aria-label": label }, ...frame(x, y, width, height));
  drawing.append(...levels.flatMap((bound) => level(bound, y, width)));
  drawing.append(...dots.map((record) => sampleDot(record, x, y)));
  const marks = known.map((point) => rowMark(point, x, y));
  drawing.append(...marks, ...captions(known, x, y, width));
  box.replaceChildren(drawing);
}

/** The floor and the ceiling say something of one metric only: they are lines. */
const isPoint = (row) => row.kind === "sample" || row.kind === "published";

function level({ row, y: cell }, y, width) {
  const place = y(cell.mean);
  return [
    shape("line", { class: "level", x1: MARGIN.left, x2: width - MARGIN.right, y1: place, y2: place }),
    shape("text", { x: width - MARGIN.right - 4, y: place - 5, "text-anchor": "end" }, row.name),
  ];
}

function cellOf(table, row, metric) {
  const k = table.columns.indexOf(metric);
  return k < 0 ? null : row.cells[k];
}

function extremes(cells, dots, metric) {
  const values = cells.flatMap((cell) => [cell.mean, cell.lower, cell.upper]).filter((value) => value !== null);
  values.push(...dots.map((record) => record.scores[metric]));
  const [low, high] = values.length ? [Math.min(...values), Math.max(...values)] : [0, 1];
  const margin = 0.08 * (high - low) || 0.1;
  return [low - margin, high + margin];
}

/** A linear scale with its round tick values. */
function scaled([low, high], from, to) {
  const rough = (high - low) / Math.max(2, Math.abs(to - from) / 90);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * power).find((k) => k >= rough);
  const place = (value) => from + ((value - low) / (high - low)) * (to - from);
  place.ticks = [];
  for (let k = Math.ceil(low / step); k * step <= high; k += 1) place.ticks.push(k * step);
  place.digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return place;
}

function frame(x, y, width, height) {
  const bottom = height - MARGIN.bottom;
  const title = (metric) => words(REPORT.metrics[metric].title) + arrow(REPORT.metrics[metric]);
  const minus = (text) => text.replace("-", "−");
  return [
    ...x.ticks.flatMap((tick) => [
      shape("line", { class: "grid", x1: x(tick), x2: x(tick), y1: MARGIN.top, y2: bottom }),
      shape("text", { class: "tick", x: x(tick), y: bottom + 16, "text-anchor": "middle" }, minus(tick.toFixed(x.digits))),
    ]),
    ...y.ticks.flatMap((tick) => [
      shape("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(tick), y2: y(tick) }),
      shape("text", { class: "tick", x: MARGIN.left - 8, y: y(tick) + 4, "text-anchor": "end" }, minus(tick.toFixed(y.digits))),
    ]),
    shape("text", { class: "axis", x: (MARGIN.left + width) / 2, y: height - 6, "text-anchor": "middle" }, title(plot.across)),
    shape("text", { class: "axis", transform: `translate(14 ${(MARGIN.top + bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, title(plot.up)),
  ];
}

function rowMark({ row, k, x: across, y: up }, x, y) {
  const [cx, cy] = [x(across.mean), y(up.mean)];
  const lines = [
    row.name,
    ...[[plot.across, across], [plot.up, up]].map(([m, cell]) => `${words(REPORT.metrics[m].title)} ${spell(cell.mean)} ${interval(cell)}`),
    row.samples ? `${row.samples} samples of ${row.clips} clips` : "as the paper prints it",
  ];
  const pick = () => row.samples && choose({ row: state.row === k ? null : k });
  const bar = (x1, x2, y1, y2) => shape("line", { class: "bar", x1, x2, y1, y2 });
  const mark = shape(
    "g",
    { class: "mark", style: `color:${row.colour}`, tabindex: 0, role: "button", "aria-label": lines.join(", "), "aria-pressed": String(state.row === k), onclick: pick },
    across.lower === null ? null : bar(x(across.lower), x(across.upper), cy, cy),
    up.lower === null ? null : bar(cx, cx, y(up.lower), y(up.upper)),
    shape("circle", { class: row.kind, cx, cy, r: 6 }),
    shape("circle", { class: "target", cx, cy, r: 14 }),
  );
  mark.addEventListener("keydown", (event) => event.key === "Enter" && pick());
  return hinted(mark, lines);
}

function sampleDot(record, x, y) {
  const { name, colour } = REPORT.variants[record.variant];
  const lines = [`${record.clip}: ${record.prompt}`, name, `${spell(record.scores[plot.across])}, ${spell(record.scores[plot.up])}`];
  const place = { cx: x(record.scores[plot.across]), cy: y(record.scores[plot.up]), r: 3 };
  return hinted(shape("circle", { class: "each", style: `color:${colour}`, ...place, onclick: () => choose({ record: record.id }) }), lines);
}

function hinted(mark, lines) {
  mark.addEventListener("pointermove", (event) => hint.show(lines, event.clientX, event.clientY));
  mark.addEventListener("pointerleave", hint.hide);
  mark.addEventListener("blur", hint.hide);
  mark.addEventListener("focus", () => {
    const box = mark.getBoundingClientRect();
    if (mark.matches(":focus-visible")) hint.show(lines, box.x + box.width / 2, box.y + box.height / 2);
  });
  return mark;
}

/** Names beside the points, where they cover least of what is drawn; none where there are too many for the room. */
function captions(known, x, y, width) {
  if (known.length > 12 || width < 560) return [];
  const taken = known.map((p) => ({ left: x(p.x.mean) - 7, right: x(p.x.mean) + 7, top: y(p.y.mean) - 7, bottom: y(p.y.mean) + 7 }));
  for (const { x: across, y: up } of known) {
    if (across.lower !== null) taken.push({ left: x(across.lower), right: x(across.upper), top: y(up.mean) - 1, bottom: y(up.mean) + 1 });
    if (up.lower !== null) taken.push({ left: x(across.mean) - 1, right: x(across.mean) + 1, top: y(up.upper), bottom: y(up.lower) });
  }
  return known.map(({ row, x: across, y: up }) => {
    const [cx, cy, long] = [x(across.mean), y(up.mean), 7 * row.name.length];
    let best = null;
    for (const far of [0, 8, 18]) {
      for (const [dx, dy] of [[1, -1], [1, 1], [-1, -1], [-1, 1], [1, 0], [-1, 0]]) {
        const left = dx > 0 ? cx + 10 + far : cx - 10 - far - long;
        const middle = cy + dy * (13 + far);
        const box = { left, right: left + long, top: middle - 8, bottom: middle + 8 };
        const outside = Math.max(0, MARGIN.left - box.left) + Math.max(0, box.right - width + 4);
        const cover = 40 * outside + far + taken.reduce((sum, other) => sum + shared(box, other), 0);
        if (!best || cover < best.cover) best = { cover, box, middle };
      }
    }
    taken.push(best.box);
    return shape("text", { class: "caption", x: best.box.left, y: best.middle + 4, "aria-hidden": "true" }, row.name);
  });
}

function shared(a, b) {
  return Math.max(0, Math.min(a.right, b.right) - Math.max(a.left, b.left)) * Math.max(0, Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top));
}
