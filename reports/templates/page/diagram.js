// Space and time: nodes as lines, messages as slanted arrows, around each outage, fault and broken rule.
const LINE = 44;
const SHOWN = 2500;

class Diagram {
  constructor(data, places) {
    Object.assign(this, places, { data, moments: data.moments, kinds: new Set(), rows: new Set(), words: new Set(), picked: null, at: 0 });
    this.axis = new Axis(this.box, [0, 1], 100);
    this.axis.drawers.push(() => this.draw());
    this.box.addEventListener("pointermove", event => !this.axis.brush && !this.pinned && this.near(event, false));
    this.box.addEventListener("click", event => !this.axis.dragged && (this.box.focus({ preventScroll: true }), this.near(event, true)));
    this.box.addEventListener("keydown", event => this.key(event));
    const { list } = this.moments;
    list.forEach((m, i) => this.choice.append(element("option", { value: i }, `${moment(m.from)}: ${m.about}`)));
    this.choice.addEventListener("change", () => this.open(Number(this.choice.value), true));
    new ResizeObserver(() => this.axis.now()).observe(this.box);
    this.open(0, false);
  }

  // Shows the moment with this number; with `focus` its own page of the diagram is where keys go.
  open(number, focus) {
    const m = this.moments.list[number];
    if (!m) return;
    this.at = number;
    this.picked = null;
    this.pinned = false;
    this.choice.value = number;
    const counts = new Map();
    m.m.forEach(([, , , , kind]) => counts.set(kind, (counts.get(kind) || 0) + 1));
    // What is said all the time hides what is said now: it is a click away.
    const rare = [...counts.keys()].filter(kind => counts.get(kind) * 10 <= m.m.length);
    this.kinds = new Set(m.m.length > 200 && rare.length ? rare : counts.keys());
    const said = new Set(m.m.flatMap(([, , from, to]) => [from, to]).concat(m.e.map(([, row]) => row)).filter(row => row >= 0));
    this.rows = new Set(said);
    const events = new Map();
    m.e.forEach(([, row, kind]) => row >= 0 && events.set(kind, (events.get(kind) || 0) + 1));
    this.words = new Set([...events.keys()].filter(kind => events.get(kind) <= Math.max(30, m.e.length / 10)));
    this.filters(counts, [...said].sort((a, b) => a - b), events);
    this.axis.limits = [m.from, m.to];
    // At first as much as can be read: so many messages, around what it is about.
    const few = 160;
    const times = m.m.filter(([, , , , kind]) => this.kinds.has(kind)).map(([sent, got]) => (sent < 0 ? got : sent)).sort((a, b) => a - b);
    const middle = m.focus - m.from;
    const place = times.findIndex(t => t >= middle);
    const first = Math.max(0, Math.min(times.length - few, (place < 0 ? times.length : place) - few / 4));
    if (times.length > few) this.axis.show(m.from + times[first], m.from + times[first + few - 1]);
    else this.axis.all();
    this.about.textContent = this.describe(m);
    if (focus) this.box.focus({ preventScroll: true });
  }

  describe(m) {
    const lost = m.m.filter(([, , , , , , state]) => state > 0).length;
    const messages = m.m.length === 1 ? "1 message" : `${m.m.length} messages`;
    const hidden = new Set(m.m.map(([, , , , kind]) => kind)).size > this.kinds.size ? " What is said all the time is not ticked." : "";
    const cut = m.cut === null ? "" : ` There are more: what was said from ${moment(m.from + m.cut)} on is left out.`;
    const begins = m.begins ? ` What was said before ${moment(m.from + m.begins)} is left out.` : "";
    return `${m.about}. ${moment(m.from)} to ${moment(m.to)}: ${messages}, ${lost} lost.${hidden}${begins}${cut}`;
  }

  filters(counts, rows, events) {
    const box = (set, value, text) => {
      const input = element("input", { type: "checkbox", checked: set.has(value), onchange: () => {
        if (input.checked) set.add(value);
        else set.delete(value);
        this.picked = null;
        this.axis.draw();
      } });
      return element("label", {}, input, text);
    };
    const all = (set, fieldset, values) => element("button", { type: "button", onclick: () => {
      const on = set.size < values.length;
      values.forEach(value => (on ? set.add(value) : set.delete(value)));
      fieldset.querySelectorAll("input").forEach(input => { input.checked = on; });
      this.axis.draw();
    } }, "All or none");
    const often = ([, a], [, b]) => b - a;
    const kinds = [...counts].sort(often);
    const byKind = element("fieldset", { class: "kinds" }, element("legend", {}, "Kinds"));
    byKind.append(all(this.kinds, byKind, kinds.map(([kind]) => kind)), ...kinds.map(([kind, n]) => {
      const label = box(this.kinds, kind, `${this.moments.kinds[kind]} (${n})`);
      label.className = `m${kind % 8}`;
      return label;
    }));
    const byNode = element("fieldset", { class: "rows" }, element("legend", {}, "Nodes and clients"));
    byNode.append(all(this.rows, byNode, rows), ...rows.map(row => box(this.rows, row, this.moments.rows[row])));
    const what = [...events].sort(often);
    const byEvent = element("fieldset", { class: "events" }, element("legend", {}, "What nodes announced, and what became of them"));
    byEvent.append(all(this.words, byEvent, what.map(([kind]) => kind)), ...what.map(([kind, n]) => box(this.words, kind, `${this.moments.words[kind]} (${n})`)));
    this.filter.replaceChildren(...[byKind, what.length ? byEvent : "", byNode].filter(Boolean));
  }

  seen() {
    const m = this.moments.list[this.at];
    const [from, to] = [this.axis.from - m.from, this.axis.to - m.from];
    return m.m.filter(([sent, got, a, b, kind]) => this.kinds.has(kind) && this.rows.has(a) && this.rows.has(b)
      && (got < 0 || got >= from) && (sent < 0 ? got : sent) <= to);
  }

  draw() {
    const { axis, box } = this;
    const m = this.moments.list[this.at];
    if (!m) return;
    const width = box.clientWidth;
    axis.left = width < 640 ? 62 : 96;
    axis.width = Math.max(50, width - axis.left - 14);
    const order = [...this.rows].sort((a, b) => a - b);
    const line = Math.max(16, Math.min(LINE, 640 / Math.max(1, order.length)));
    this.place = new Map(order.map((row, i) => [row, HEAD + 16 + i * line]));
    const height = HEAD + 32 + Math.max(0, order.length - 1) * line;
    const x = t => axis.at(m.from + t);
    const parts = [axis.grid(HEAD, height - HEAD, 13)];
    for (const row of order) {
      const y = this.place.get(row);
      parts.push(`<line class="life" x1="${axis.left}" x2="${axis.left + axis.width}" y1="${y}" y2="${y}"/>`);
      parts.push(`<text class="name" x="${axis.left - 6}" y="${y + 4}" text-anchor="end">${escape(fitted(this.moments.rows[row], axis.left - 8))}</text>`);
      for (const [of, from, to] of m.down) {
        if (of !== row || to < axis.from - m.from || from > axis.to - m.from) continue;
        const [a, b] = [Math.max(axis.left, x(from)), Math.min(axis.left + axis.width, x(to))];
        if (b > a) parts.push(`<rect class="down" x="${a.toFixed(1)}" y="${y - 5}" width="${(b - a).toFixed(1)}" height="10"><title>down</title></rect>`);
      }
    }
    this.visible = this.seen();
    const drawn = this.visible.slice(0, SHOWN);
    const heads = drawn.length <= 600;
    const labels = drawn.length <= (width < 640 ? 25 : 70);
    const paths = new Map();
    this.segments = [];
    for (const message of drawn) {
      const [sent, got, a, b, kind, , state] = message;
      const [ya, yb] = [this.place.get(a), this.place.get(b)];
      const stub = sent < 0 || got < 0;
      let x1 = x(sent < 0 ? got : sent);
      let x2 = x(got < 0 ? sent : got);
      let [y1, y2] = [ya, yb];
      // Of what began before the moment, or ended nobody knows when, there is a piece.
      if (sent < 0) [x1, y1] = [x2 - 8, yb - Math.sign(yb - ya) * 9];
      if (got < 0) [x2, y2] = [x1 + 8, ya + Math.sign(yb - ya) * 9];
      // What is lost does not arrive: it ends on the way.
      if (state > 0 && !stub) [x2, y2] = [x1 + (x2 - x1) * 0.72, y1 + (y2 - y1) * 0.72];
      this.segments.push([x1, y1, x2, y2]);
      const key = `m${kind % 8}${state > 0 ? " lost" : ""}${stub ? " stub" : ""}`;
      let d = `M${x1.toFixed(1)} ${y1}L${x2.toFixed(1)} ${y2.toFixed(1)}`;
      const angle = Math.atan2(y2 - y1, x2 - x1);
      const turn = (by, r) => `${(x2 - r * Math.cos(angle + by)).toFixed(1)} ${(y2 - r * Math.sin(angle + by)).toFixed(1)}`;
      if (state > 0) d += `M${(x2 - 4).toFixed(1)} ${(y2 - 4).toFixed(1)}l8 8m0 -8l-8 8`;
      else if (heads && got >= 0) d += `M${turn(0.45, 7)}L${x2.toFixed(1)} ${y2}L${turn(-0.45, 7)}`;
      paths.set(key, (paths.get(key) || "") + d);
      if (labels && x1 >= axis.left && x1 < axis.left + axis.width - 30) {
        const far = Math.abs(y2 - y1) > line * 1.5 ? 0.22 : 0.3;
        parts.push(`<text class="what m${kind % 8}" x="${(x1 + (x2 - x1) * far + 3).toFixed(1)}" y="${(y1 + (y2 - y1) * far).toFixed(1)}">${escape(this.moments.kinds[kind])}</text>`);
      }
    }
    paths.forEach((d, key) => parts.push(`<path class="message ${key}" d="${d}"/>`));
    this.events = m.e.filter(([t, row, kind]) => t >= axis.from - m.from && t <= axis.to - m.from && (row < 0 || (this.rows.has(row) && this.words.has(kind))));
    let free = axis.left;
    const mark = (t, text, look) => {
      const at = x(t);
      parts.push(`<line class="${look}" x1="${at.toFixed(1)}" x2="${at.toFixed(1)}" y1="${HEAD}" y2="${height}"/>`);
      // Words that would lie on others are left out: they are told when the line is pointed at.
      if (at < free) return;
      const words = fitted(text, Math.min(260, axis.left + axis.width - at - 6));
      parts.push(`<text class="what ${look}" x="${(at + 4).toFixed(1)}" y="${HEAD + 8}">${escape(words)}</text>`);
      free = at + 10 + words.length * 6.4;
    };
    const broken = this.data.breaks.filter(([at]) => at !== null && at >= axis.from && at <= axis.to);
    broken.forEach(([at, rule]) => mark(at - m.from, `${rule} broken`, "break-line"));
    this.events.slice(0, SHOWN).forEach(([t, row, kind, text]) => {
      if (row < 0) return mark(t, `${this.moments.words[kind]} ${this.moments.texts[text]}`, "fault-line");
      const told = escape(`${this.moments.words[kind]} ${this.moments.texts[text]}`);
      parts.push(`<circle class="event" cx="${x(t).toFixed(1)}" cy="${this.place.get(row)}" r="3.5"><title>${told}</title></circle>`);
    });
    if (this.picked) {
      const i = drawn.indexOf(this.picked);
      if (i >= 0) {
        const [x1, y1, x2, y2] = this.segments[i];
        parts.push(`<line class="picked" x1="${x1.toFixed(1)}" y1="${y1}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}"/>`);
      } else if (this.picked.length === 4 && this.place.has(this.picked[1])) {
        parts.push(`<circle class="picked" cx="${x(this.picked[0]).toFixed(1)}" cy="${this.place.get(this.picked[1])}" r="7"/>`);
      }
    }
    if (this.visible.length > SHOWN) parts.push(`<text class="key" x="${axis.left}" y="${height + 12}">the first ${SHOWN} of ${this.visible.length} messages: zoom in for the others</text>`);
    box.innerHTML = `<svg xmlns="${SVG}" width="${width}" height="${height + 18}" aria-hidden="true"><clipPath id="plot"><rect x="${axis.left}" y="0" width="${axis.width + 6}" height="${height + 18}"/></clipPath>`
      + `<g class="names">${parts.filter(p => p.startsWith('<text class="name"')).join("")}</g><g clip-path="url(#plot)">${parts.filter(p => !p.startsWith('<text class="name"')).join("")}</g>${axis.brushed(HEAD, height - HEAD)}</svg>`;
    box.setAttribute("aria-label", `Messages between nodes, ${moment(axis.from)} to ${moment(axis.to)}: ${this.visible.length} shown`);
  }

  // What lies under the pointer.
  near(event, pin) {
    const box = this.box.getBoundingClientRect();
    const [px, py] = [event.clientX - box.left, event.clientY - box.top];
    const m = this.moments.list[this.at];
    let [best, distance] = [null, 9];
    (this.segments || []).forEach(([x1, y1, x2, y2], i) => {
      const [dx, dy] = [x2 - x1, y2 - y1];
      const along = Math.max(0, Math.min(1, ((px - x1) * dx + (py - y1) * dy) / (dx * dx + dy * dy || 1)));
      const far = Math.hypot(px - x1 - along * dx, py - y1 - along * dy);
      if (far < distance) [best, distance] = [this.visible[i], far];
    });
    for (const each of this.events || []) {
      if (each[1] < 0) continue;
      const far = Math.hypot(px - this.axis.at(m.from + each[0]), py - this.place.get(each[1])) - 3;
      if (far < distance) [best, distance] = [each, far];
    }
    if (!pin && !best) return;
    this.pinned = pin && best !== null;
    this.pick(best);
  }

  pick(what) {
    if (what === this.picked && what) return;
    this.picked = what;
    this.told(what ? this.tell(what) : "");
    this.axis.draw();
  }

  tell(what) {
    const { rows, kinds, words, texts, whys } = this.moments;
    const { from } = this.moments.list[this.at];
    const exact = t => `${((from + t) / 1e9).toFixed(6)} s`;
    if (what.length === 4) return `${exact(what[0])}  ${what[1] < 0 ? "" : `${rows[what[1]]}: `}${words[what[2]]} ${texts[what[3]]}`;
    const [sent, got, a, b, kind, text, state] = what;
    const ends = state > 0 ? `lost at ${exact(got)}: ${whys[state - 1].replace("_", " ")}`
      : got < 0 ? "when it arrived is not recorded" : state < 0 ? `under way when the moment ends, due at ${exact(got)}` : `arrives ${exact(got)}`;
    const took = sent >= 0 && got >= 0 && state === 0 ? `, after ${duration(got - sent)}` : "";
    const began = sent < 0 ? "sent before this moment" : `sent ${exact(sent)}`;
    return `${rows[a]} to ${rows[b]}: ${kinds[kind]}, ${began}, ${ends}${took}. ${texts[text]}`;
  }

  // To the next message or event that is shown, or the one before.
  go(by) {
    const time = each => (each.length === 4 ? each[0] : each[0] < 0 ? each[1] : each[0]);
    const m = this.moments.list[this.at];
    const all = [...this.seen(), ...this.events].sort((a, b) => time(a) - time(b));
    const shown = all.filter(each => time(each) + m.from >= this.axis.from && time(each) + m.from <= this.axis.to);
    const list = this.picked && all.includes(this.picked) ? all : shown;
    if (!list.length) return;
    const at = list.indexOf(this.picked);
    const next = list[at < 0 ? (by > 0 ? 0 : list.length - 1) : Math.max(0, Math.min(list.length - 1, at + by))];
    const when = m.from + time(next);
    if (when > this.axis.to || when < this.axis.from) this.axis.show(when - (this.axis.to - this.axis.from) / 2, when + (this.axis.to - this.axis.from) / 2);
    this.pinned = true;
    this.pick(next);
  }

  key(event) {
    if (this.axis.key(event)) return;
    const act = {
      n: () => this.go(1), p: () => this.go(-1), Escape: () => { this.pinned = false; this.pick(null); },
      "]": () => this.open(Math.min(this.moments.list.length - 1, this.at + 1), true), "[": () => this.open(Math.max(0, this.at - 1), true),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }
}
