// What the parts of the page share: words for times, elements, and an axis that is zoomed and panned.
const SVG = "http://www.w3.org/2000/svg";
const NAMES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escape = text => String(text).replace(/[&<>"']/g, c => NAMES[c]);

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

const trimmed = text => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
const significant = value => trimmed(value.toFixed(value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2));

// A length of time, as everywhere in the report: `12.3 ms`.
function duration(ns) {
  if (ns <= 0) return "0 s";
  if (ns >= 6e10) {
    const all = Math.round(ns / 1e9);
    const [h, m, s] = [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60];
    if (h) return m ? `${h} h ${m} min` : `${h} h`;
    return s ? `${m} min ${s} s` : `${m} min`;
  }
  const [value, unit] = ns < 1e3 ? [ns, "ns"] : ns < 1e6 ? [ns / 1e3, "µs"] : ns < 1e9 ? [ns / 1e6, "ms"] : [ns / 1e9, "s"];
  return `${significant(value)} ${unit}`;
}

// A moment, to the digits that a step of the axis needs: `12.05 s`.
function moment(ns, step = 1e6) {
  const digits = Math.max(0, Math.min(9, Math.ceil(-Math.log10(step / 1e9) - 1e-9)));
  const sign = ns < 0 ? "-" : "";
  const seconds = Math.abs(ns) / 1e9;
  if (seconds < 60) return `${sign}${trimmed(seconds.toFixed(digits))} s`;
  const rest = trimmed((seconds % 60).toFixed(digits));
  const minutes = Math.floor(seconds / 60);
  const [h, m] = [Math.floor(minutes / 60), minutes % 60];
  const tail = rest === "0" ? "" : ` ${rest} s`;
  return h ? `${h} h ${m} min${tail}` : `${m} min${tail}`;
}

const STEPS = [60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400].map(s => s * 1e9);

// A step that people count in, of which at most `most` fit.
function stepOf(span, most) {
  const rough = span / Math.max(1, most);
  if (rough > 3e10) return STEPS.find(step => step >= rough) || rough;
  const base = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map(m => m * base).find(step => step >= rough * 0.999999);
}

function ticksOf(from, to, most) {
  const step = stepOf(to - from, most);
  const ticks = [];
  for (let at = Math.ceil(from / step - 1e-9) * step; at <= to + step * 1e-6; at += step) ticks.push(at);
  return [ticks, step];
}

// A span of time that is shown, zoomed and panned with mouse, finger and keys; whoever draws is told.
class Axis {
  constructor(box, limits, least) {
    Object.assign(this, { box, limits, least, from: limits[0], to: limits[1], left: 0, width: 1, drawers: [], due: false });
    this.pointers = new Map();
    this.listen();
  }

  limit(limits) {
    this.limits = limits;
    this.show(limits[0], limits[1]);
  }

  at(ns) {
    return this.left + ((ns - this.from) / (this.to - this.from)) * this.width;
  }

  when(x) {
    return this.from + ((x - this.left) / this.width) * (this.to - this.from);
  }

  show(from, to) {
    const [low, high] = this.limits;
    const span = Math.min(Math.max(to - from, this.least), Math.max(high - low, this.least));
    const middle = (from + to) / 2;
    this.from = Math.min(Math.max(middle - span / 2, low), Math.max(low, high - span));
    this.to = this.from + span;
    this.draw();
  }

  zoom(factor, around = (this.from + this.to) / 2) {
    const from = around - (around - this.from) * factor;
    this.show(from, from + (this.to - this.from) * factor);
  }

  pan(share) {
    const by = (this.to - this.from) * share;
    const [low, high] = this.limits;
    const room = by < 0 ? Math.max(by, low - this.from) : Math.min(by, high - this.to);
    this.show(this.from + room, this.to + room);
  }

  all() {
    this.show(this.limits[0], this.limits[1]);
  }

  draw() {
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => this.now());
  }

  now() {
    this.due = false;
    this.drawers.forEach(drawer => drawer());
  }

  x(event) {
    return event.clientX - this.box.getBoundingClientRect().left;
  }

  listen() {
    const { box } = this;
    box.addEventListener("wheel", event => {
      const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY);
      if (!sideways && !event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      if (sideways) this.pan(event.deltaX / this.width);
      else this.zoom(Math.exp(Math.max(-1, Math.min(1, event.deltaY / 200))), this.when(this.x(event)));
    }, { passive: false });
    box.addEventListener("dblclick", event => this.zoom(event.shiftKey ? 4 : 0.25, this.when(this.x(event))));
    box.addEventListener("pointerdown", event => {
      if (event.button !== 0) return;
      this.pointers.set(event.pointerId, { start: this.x(event), x: this.x(event), touch: event.pointerType === "touch" });
      this.dragged = false;
    });
    box.addEventListener("pointermove", event => this.moved(event));
    for (const name of ["pointerup", "pointercancel"]) box.addEventListener(name, event => this.released(event));
  }

  moved(event) {
    const pointer = this.pointers.get(event.pointerId);
    if (!pointer) return;
    const before = [...this.pointers.values()].map(p => p.x);
    const was = pointer.x;
    pointer.x = this.x(event);
    if (!this.dragged && Math.abs(pointer.x - pointer.start) < 5) return;
    if (!this.dragged) this.box.setPointerCapture(event.pointerId);
    this.dragged = true;
    if (this.pointers.size === 2) {
      const after = [...this.pointers.values()].map(p => p.x);
      const [a, b] = [Math.abs(before[0] - before[1]) || 1, Math.abs(after[0] - after[1]) || 1];
      this.zoom(a / b, this.when((after[0] + after[1]) / 2));
    } else if (pointer.touch || event.shiftKey) {
      this.pan((was - pointer.x) / this.width);
    } else {
      this.brush = [Math.min(pointer.start, pointer.x), Math.max(pointer.start, pointer.x)];
      this.draw();
    }
  }

  released(event) {
    this.pointers.delete(event.pointerId);
    const { brush } = this;
    this.brush = null;
    if (brush && event.type === "pointerup" && brush[1] - brush[0] > 5) this.show(this.when(brush[0]), this.when(brush[1]));
    else this.draw();
  }

  // Whether the key was one of the axis.
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    const act = {
      ArrowLeft: () => this.pan(-0.2), ArrowRight: () => this.pan(0.2), "+": () => this.zoom(0.5), "=": () => this.zoom(0.5),
      "-": () => this.zoom(2), 0: () => this.all(), Home: () => this.pan(-1e9), End: () => this.pan(1e9),
      PageUp: () => this.pan(-0.9), PageDown: () => this.pan(0.9),
    }[event.key];
    if (!act) return false;
    event.preventDefault();
    act();
    return true;
  }

  // The labelled lines of the axis, as SVG: those over `height` pixels, their words at `y`.
  grid(top, height, y) {
    const [ticks, step] = ticksOf(this.from, this.to, Math.max(2, Math.floor(this.width / 90)));
    return ticks.map(at => {
      const x = this.at(at).toFixed(1);
      const held = this.at(at) > this.left + this.width - 20 ? "end" : this.at(at) < this.left + 12 ? "start" : "middle";
      return `<line class="grid" x1="${x}" x2="${x}" y1="${top}" y2="${top + height}"/>`
        + `<text class="tick" x="${x}" y="${y}" text-anchor="${held}">${moment(at, step)}</text>`;
    }).join("");
  }

  brushed(top, height) {
    if (!this.brush) return "";
    const [a, b] = this.brush;
    return `<rect class="brush" x="${a.toFixed(1)}" y="${top}" width="${(b - a).toFixed(1)}" height="${height}"/>`;
  }
}

// The buttons of an axis, and who listens to its keys.
function controls(axis, more, help) {
  const button = (text, label, act) => element("button", { type: "button", "aria-label": label, title: label, onclick: act }, text);
  return element("div", { class: "controls", role: "group" },
    button("+", "Zoom in (+)", () => axis.zoom(0.5)), button("−", "Zoom out (-)", () => axis.zoom(2)),
    button("◀", "Earlier (left arrow)", () => axis.pan(-0.5)), button("▶", "Later (right arrow)", () => axis.pan(0.5)),
    button("All", "Everything (0)", () => axis.all()),
    ...more.map(([text, label, act]) => button(text, label, act)), element("span", { class: "note" }, help));
}

// As many letters of a text as fit, at so many pixels a letter.
function fitted(text, room, letter = 6.6) {
  const most = Math.floor(room / letter);
  return text.length <= most ? text : most < 2 ? "" : `${text.slice(0, most - 1)}…`;
}
