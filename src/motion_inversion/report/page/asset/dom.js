// Owns making elements. Data enters the page as text and attributes only, never as markup.
"use strict";

/** node("button", {class: "chip", onclick: act}, "text", child, …): an element of the page. */
function node(name, attributes = {}, ...children) {
  return furnish(document.createElement(name), attributes, children);
}

/** The same for an element of a drawing. */
function shape(name, attributes = {}, ...children) {
  return furnish(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function furnish(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const at = (id) => document.getElementById(id);

const NOTHING = "–";

/** A number for people: three decimals, more for what is nearly 1, a true minus, a dash for none. */
function spell(value, signed = false) {
  if (value === null || value === undefined) return NOTHING;
  const size = Math.abs(value);
  const places = Math.abs(size - 1) < 1e-6 ? 3 : ([3, 4, 5].find((count) => Number(size.toFixed(count)) !== 1) ?? 6);
  const digits = size.toFixed(places);
  if (value < 0 && Number(digits)) return `−${digits}`;
  return signed ? `+${digits}` : digits;
}

/** The interval of an estimate, or nothing. */
function interval(estimate, signed = false) {
  if (!estimate || estimate.lower === null) return "";
  return `[${spell(estimate.lower, signed)}, ${spell(estimate.upper, signed)}]`;
}

function arrow(metric) {
  return metric.better > 0 ? " ↑" : metric.better < 0 ? " ↓" : "";
}

const words = (name) => name.replaceAll("_", " ");

/** A button that is on or off. */
function chip(label, pressed, act, colour) {
  const dot = colour ? node("i", { class: "dot", style: `background:${colour}` }) : null;
  return node("button", { type: "button", class: "chip", "aria-pressed": String(pressed), onclick: act }, dot, label);
}

/** Shows a small text beside the pointer or the focused element. */
const hint = {
  show(lines, x, y) {
    const box = at("hint");
    box.replaceChildren(...lines.map((line, k) => node(k ? "div" : "strong", {}, line)));
    box.hidden = false;
    const { width, height } = box.getBoundingClientRect();
    box.style.left = `${Math.max(8, Math.min(x + 14, innerWidth - width - 8))}px`;
    box.style.top = `${y - height - 12 < 8 ? y + 16 : y - height - 12}px`;
  },
  hide() {
    at("hint").hidden = true;
  },
};
