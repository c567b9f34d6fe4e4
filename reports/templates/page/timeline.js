// The lanes of a run over one axis: faults, roles, outages, what was served, how fast, and whatever the system tells.
const ROW = 18;
const HEAD = 20;
const CHART = 76;
const ROWS = 24;

const item = (from, to, look, label, told) => ({ from, to, look, label, told });

// Puts what overlaps into rows below each other, up to so many.
function packed(items, most) {
  const rows = [];
  for (const each of [...items].sort((a, b) => a.from - b.from)) {
    let row = rows.find(r => r.until <= each.from);
    if (!row && rows.length < most) rows.push(row = { name: "", items: [], until: 0 });
    row ||= rows.at(-1);
    row.items.push(each);
    row.until = Math.max(row.until, each.to);
  }
  return rows;
}

const during = (from, to) => `${moment(from)} to ${moment(to)}, ${duration(to - from)}`;

function lanesOf(data) {
  const lanes = [];
  const faults = data.faults.map(([name, from, to, bit, about]) => item(from, to, bit ? "fault" : "idle", name,
    `${name}: ${during(from, to)}. ${about}`));
  const gray = data.conditions.map(([name, from, to]) => item(from, to, "condition", name, `${name}: ${during(from, to)}`));
  if (faults.length) lanes.push({ title: "Faults", rows: packed(faults, 8) });
  if (gray.length) lanes.push({ title: "What else was wrong", rows: packed(gray, 5) });
  const { roles } = data;
  if (roles.rows.length) {
    const rows = roles.rows.map(([name, spans]) => ({
      name,
      items: spans.map(([from, to, role, rank]) => {
        const what = role < 0 ? ["down", "paused"][-role - 1] : roles.names[role].replaceAll("_", " ") + (rank ? ` ${rank}` : "");
        return item(from, to, role < 0 ? "down" : `role r${Math.min(role, 5)}`, what, `${name} ${what}: ${during(from, to)}`);
      }),
    }));
    lanes.push({ title: "Nodes and their roles", rows, key: roles.names.map((name, i) => [`role r${Math.min(i, 5)}`, name.replaceAll("_", " ")]).concat([["down", "down or paused"]]) });
  }
  for (const track of data.tracks) {
    const look = kind => (track.kinds[kind][1] ? "harm" : kind === 0 ? "span" : `span s${1 + (kind % 4)}`);
    const rows = track.rows.map(([name, spans]) => ({
      name,
      items: spans.map(([from, to, kind, label]) => item(from, to, look(kind), label,
        `${track.title}: ${name}, ${label || track.kinds[kind][0]}: ${during(from, to)}`)),
    }));
    const key = track.kinds.length > 1 ? track.kinds.map(([name], i) => [look(i), name]) : [];
    lanes.push({ title: track.title, rows, key });
  }
  lanes.push(...outagesOf(data), ...chartsOf(data));
  if (data.moments.list.length) {
    const items = data.moments.list.map((m, i) => Object.assign(item(m.from, m.to, "moment", m.about, `Messages ${during(m.from, m.to)}: ${m.about}`), { messages: i }));
    lanes.push({ title: "Messages are below for", rows: [{ name: "", items }] });
  }
  return lanes;
}

function outagesOf(data) {
  if (!data.outages.length) return [];
  const rows = data.scopes.map(([name, parts]) => ({
    name,
    items: parts.map(([from, to, open, outage]) => item(from, to, "outage", duration(to - from),
      `${name} down: ${during(from, to)}${open ? ", not over when the measurement ended" : ""}. Cause: ${data.outages[outage].cause}`)),
  }));
  const phases = data.outages.flatMap(o => o.phases.map(([name, look, from, to]) => item(from, to, `p${look}`, name,
    `${name}: ${during(from, to)}, of the outage of ${o.scope} at ${moment(o.from)} (${duration(o.to - o.from)}). ${o.cost}. Cause: ${o.cause}`)));
  const seen = new Map(data.outages.flatMap(o => o.phases.map(([name, look]) => [name, look])));
  return [{ title: "Outages", rows: [{ name: "phases", items: phases }, ...rows], key: [...seen].map(([name, look]) => [`p${look}`, name]) }];
}

function chartsOf(data) {
  const charts = [];
  if (data.activity.length) {
    const series = (name, field, look) => ({ name, look, of: level => level[field] });
    const rates = [series("ok", "ok", "blue"), series("failed", "failed", "red"), series("unknown", "unknown", "purple")]
      .filter(s => data.activity[0][s.name].some(n => n));
    charts.push({ title: "Operations per second", levels: data.activity, series: rates, rate: true, steps: true, print: n => significant(n) });
    charts.push({ title: "Latency of successes (log)", levels: data.activity, series: [series("p99", "p99", "green"), series("median", "p50", "blue")], log: true, print: duration });
  }
  for (const curve of data.curves) {
    const level = { from: 0, at: curve.at, lines: curve.lines };
    const series = curve.lines.map(([name], i) => ({ name, look: `c${i % 8}`, of: l => l.lines[i][1] }));
    const print = curve.unit === "time" ? duration : curve.unit === "fraction" ? n => `${significant(n * 100)} %` : n => significant(n);
    charts.push({ title: curve.title, levels: [level], series, print });
  }
  return charts;
}

// Bins of the coarsest level that is fine enough for so many nanoseconds a pixel.
function levelFor(levels, perPixel) {
  return levels.find(level => !level.bin || level.bin <= perPixel * 6) || levels.at(-1);
}

class Timeline {
  constructor(data, box, told, open) {
    Object.assign(this, { data, box, told, open, lanes: lanesOf(data), items: [], chosen: null });
    this.axis = new Axis(box, [0, data.end], 1000);
    this.axis.drawers.push(() => this.draw());
    this.stops = [
      ...data.breaks.filter(([at]) => at !== null).map(([at, rule, detail]) => item(at, at, "", rule, `${rule} was broken: ${detail}`)),
      ...this.lanes.filter(l => l.rows && ["Faults", "Outages"].includes(l.title)).flatMap(l => l.rows.flatMap(r => r.items)),
    ].sort((a, b) => a.from - b.from || a.to - b.to);
    box.addEventListener("pointermove", event => this.hover(event));
    box.addEventListener("pointerleave", () => { this.cursor = null; this.axis.draw(); });
    box.addEventListener("click", event => this.click(event));
    box.addEventListener("keydown", event => this.key(event));
    new ResizeObserver(() => this.axis.now()).observe(box);
  }

  name(text, y, room) {
    if (room < 100) text = text.replace(" in zone ", " ").replace(" of shard ", " #");
    return `<text class="name" x="${this.axis.left - 8}" y="${y}" text-anchor="end">${escape(fitted(text, room))}</text>`;
  }

  draw() {
    const { axis, box } = this;
    const width = box.clientWidth;
    const gutter = width < 640 ? 70 : 150;
    axis.left = gutter;
    axis.width = Math.max(50, width - gutter - 12);
    this.items = [];
    const parts = [];
    let y = HEAD;
    for (const lane of this.lanes) {
      parts.push(`<text class="lane" x="4" y="${y + 14}">${escape(fitted(lane.title, width - 10, 7.2))}</text>`);
      y += 20;
      if (lane.key && lane.key.length) {
        const [svg, high] = this.legend(lane.key, y, width);
        parts.push(svg);
        y += high;
      }
      const [svg, height] = lane.rows ? this.rows(lane, y, gutter) : this.chart(lane, y, gutter);
      parts.push(svg);
      y += height + 10;
    }
    const marks = this.data.breaks.map(([at, rule, detail, expected], i) => {
      if (at === null || at < axis.from || at > axis.to) return "";
      const x = axis.at(at).toFixed(1);
      return `<g class="break${expected ? " expected" : ""}" data-break="${i}"><line x1="${x}" x2="${x}" y1="${HEAD}" y2="${y}"/>`
        + `<path d="M${x} ${HEAD}l-6 -10h12z"/><title>${escape(`${rule} was broken: ${detail}`)}</title></g>`;
    }).join("");
    const outside = [[0, this.data.measure[0]], [this.data.measure[1], this.data.end]].map(([a, b]) => {
      const [from, to] = [Math.max(a, axis.from), Math.min(b, axis.to)];
      return to <= from ? "" : `<rect class="outside" x="${axis.at(from).toFixed(1)}" y="${HEAD}" width="${(axis.at(to) - axis.at(from)).toFixed(1)}" height="${y - HEAD}"><title>not measured</title></rect>`;
    }).join("");
    const cursor = this.cursor === null || this.cursor === undefined ? "" : `<line class="cursor" x1="${this.cursor}" x2="${this.cursor}" y1="${HEAD}" y2="${y}"/>`;
    box.innerHTML = `<svg xmlns="${SVG}" width="${width}" height="${y + 6}" aria-hidden="true">${outside}${axis.grid(HEAD, y - HEAD, 13)}${parts.join("")}${marks}${cursor}${axis.brushed(HEAD, y - HEAD)}</svg>`;
    if (this.drawn) this.drawn();
  }

  legend(key, y, width) {
    let [x, high] = [8, 16];
    let svg = "";
    for (const [look, name] of key) {
      const room = 20 + name.length * 6.4;
      if (x + room > width && x > 8) [x, high] = [8, high + 16];
      svg += `<rect class="${look}" x="${x}" y="${y + high - 15}" width="12" height="10"/><text class="key" x="${x + 16}" y="${y + high - 6}">${escape(name)}</text>`;
      x += room + 12;
    }
    return [svg, high + 2];
  }

  rows(lane, top, gutter) {
    const { axis } = this;
    const shown = lane.rows.length > ROWS ? lane.rows.slice(0, ROWS) : lane.rows;
    const parts = [];
    shown.forEach((row, number) => {
      const y = top + number * ROW;
      parts.push(`<rect class="track" x="${axis.left}" y="${y + 1}" width="${axis.width}" height="${ROW - 3}"/>`, this.name(row.name, y + 12, gutter - 12));
      let until = -1;
      for (const each of row.items) {
        if (each.to < axis.from || each.from > axis.to) continue;
        const a = Math.max(axis.left, axis.at(each.from));
        const b = Math.min(axis.left + axis.width, Math.max(axis.at(each.to), a + 2));
        // What is narrower than a pixel beside another is not seen.
        if (b < until + 0.5 && each !== this.chosen) continue;
        until = b;
        const label = b - a > 16 ? fitted(each.label || "", b - a - 6) : "";
        parts.push(`<rect class="item ${each.look}${each === this.chosen ? " chosen" : ""}" data-i="${this.items.length}" x="${a.toFixed(1)}" y="${y + 1}" width="${(b - a).toFixed(1)}" height="${ROW - 3}"/>`);
        if (label) parts.push(`<text class="in ${each.look}" x="${(a + 3).toFixed(1)}" y="${y + 12.5}">${escape(label)}</text>`);
        this.items.push(each);
      }
    });
    let height = shown.length * ROW;
    if (shown.length < lane.rows.length) {
      parts.push(`<text class="key" x="${axis.left}" y="${top + height + 12}">${lane.rows.length - shown.length} more rows are in report.json</text>`);
      height += 16;
    }
    return [parts.join(""), height];
  }

  chart(lane, top, gutter) {
    const { axis } = this;
    const level = levelFor(lane.levels, (axis.to - axis.from) / axis.width);
    const count = level.at ? level.at.length : level.ok.length;
    const when = i => (level.at ? level.at[i] : level.from + i * level.bin);
    const last = this.data.measure[1];
    const end = i => (level.at ? (level.at[i + 1] ?? level.at[i]) : Math.min(last, when(i) + level.bin));
    const value = (series, i) => {
      const n = series.of(level)[i];
      return n === null || n === undefined ? null : lane.rate ? (n * 1e9) / Math.max(1, end(i) - when(i)) : n;
    };
    let [first, past] = [0, count];
    while (first < count - 1 && end(first) < axis.from) first += 1;
    while (past > first + 1 && when(past - 1) > axis.to) past -= 1;
    let [low, high] = [Infinity, 0];
    for (const series of lane.series) {
      for (let i = first; i < past; i += 1) {
        const v = value(series, i);
        if (v !== null) [low, high] = [Math.min(low, v), Math.max(high, v)];
      }
    }
    if (low > high) return [`<text class="key" x="${axis.left}" y="${top + 20}">nothing in this time</text>`, 30];
    const step = lane.log ? 0 : stepOf(high || 1, 3);
    const [bottom, ceiling] = lane.log ? [10 ** Math.floor(Math.log10(Math.max(low, 1))), 10 ** Math.ceil(Math.log10(Math.max(high, 10)))] : [0, Math.ceil((high || 1) / step - 1e-9) * step];
    const share = v => (lane.log ? Math.log10(Math.max(v, bottom) / bottom) / Math.log10(ceiling / bottom) : v / ceiling);
    const place = v => top + 4 + (1 - share(v)) * (CHART - 8);
    const marks = lane.log ? [bottom, ceiling] : [0, ceiling];
    const parts = marks.map(v => `<line class="grid" x1="${axis.left}" x2="${axis.left + axis.width}" y1="${place(v).toFixed(1)}" y2="${place(v).toFixed(1)}"/>`
      + `<text class="name" x="${axis.left - 8}" y="${(place(v) + 4).toFixed(1)}" text-anchor="end">${escape(fitted(lane.print(v), gutter - 10))}</text>`);
    const inside = x => Math.min(axis.left + axis.width, Math.max(axis.left, x));
    for (const series of lane.series) {
      let path = "";
      let pen = false;
      for (let i = first; i < past; i += 1) {
        const v = value(series, i);
        if (v === null) { pen = false; continue; }
        const y = place(v).toFixed(1);
        const [a, b] = [inside(axis.at(when(i))).toFixed(1), inside(axis.at(end(i))).toFixed(1)];
        // One that stands alone is as long as its time.
        path += lane.steps || (!pen && (i + 1 >= past || value(series, i + 1) === null)) ? `${pen ? "L" : "M"}${a} ${y}H${b}` : `${pen ? "L" : "M"}${a} ${y}`;
        pen = true;
      }
      parts.push(`<path class="line ${series.look}" d="${path}"/>`);
    }
    const named = lane.series.slice(0, 8).map(series => [`${series.look} swatch`, series.name]);
    const [key, high2] = this.legend(named, top + CHART, this.box.clientWidth);
    const more = lane.series.length > 8 ? `, ${lane.series.length - 8} more lines` : "";
    lane.read = ns => {
      const i = level.at ? level.at.findLastIndex(at => at <= ns) : Math.floor((ns - level.from) / level.bin);
      if (i < 0 || i >= count) return "";
      const told = lane.series.slice(0, 8).map(s => [s.name, value(s, i)]).filter(([, v]) => v !== null);
      return told.length ? `${lane.title}: ${told.map(([name, v]) => `${name} ${lane.print(v)}`).join(", ")}${more}` : "";
    };
    lane.place = [top, top + CHART];
    return [parts.join("") + key, CHART + high2];
  }

  hover(event) {
    if (this.axis.brush || (event.pointerType === "touch" && event.type === "pointermove")) return;
    const box = this.box.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const inside = x >= this.axis.left && x <= this.axis.left + this.axis.width;
    const ns = this.axis.when(x);
    const step = (this.axis.to - this.axis.from) / this.axis.width;
    const under = event.target.dataset || {};
    const line = this.box.querySelector(".cursor");
    if (line) for (const end of ["x1", "x2"]) line.setAttribute(end, x);
    else if (inside) { this.cursor = x; this.axis.draw(); }
    this.cursor = inside ? x : null;
    let told = inside ? `At ${moment(ns, step)}` : "";
    const chart = this.lanes.find(l => l.read && l.place && y >= l.place[0] && y <= l.place[1]);
    if (under.i !== undefined) told = this.items[under.i].told;
    else if (chart && inside) told = [`At ${moment(ns, step)}`, chart.read(ns)].filter(Boolean).join(". ");
    if (told && !this.pinned) this.told(told);
  }

  click(event) {
    if (this.axis.dragged) return;
    this.box.focus({ preventScroll: true });
    const under = event.target.dataset.i;
    const x = this.axis.x(event);
    if (under === undefined) {
      this.pinned = false;
      this.choose(null);
      if (x >= this.axis.left) this.told(`At ${moment(this.axis.when(x), (this.axis.to - this.axis.from) / this.axis.width)}`, this.axis.when(x));
      return;
    }
    this.choose(this.items[under]);
  }

  choose(each) {
    this.chosen = each;
    this.pinned = Boolean(each);
    if (each) {
      this.told(each.told, each.from, each);
      if (each.messages !== undefined) this.open(each.messages, false);
    }
    this.axis.draw();
  }

  // To the next thing that was done to the run, or the one before.
  go(by) {
    const { stops } = this;
    if (!stops.length) return;
    const at = stops.indexOf(this.chosen);
    const first = by > 0 ? Math.max(0, stops.findIndex(stop => stop.to >= this.axis.from)) : stops.findLastIndex(stop => stop.from <= this.axis.to);
    const next = stops[at < 0 ? Math.max(0, first) : Math.min(stops.length - 1, Math.max(0, at + by))];
    if (next.to > this.axis.to || next.from < this.axis.from) {
      const span = Math.max(this.axis.to - this.axis.from, (next.to - next.from) * 1.5);
      this.axis.show((next.from + next.to - span) / 2, (next.from + next.to + span) / 2);
    }
    this.choose(next);
  }

  key(event) {
    if (this.axis.key(event)) return;
    const act = {
      n: () => this.go(1), p: () => this.go(-1),
      Enter: () => this.chosen && this.zoomTo(this.chosen), Escape: () => this.choose(null),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  zoomTo(each) {
    const room = Math.max((each.to - each.from) * 0.3, 1e7);
    this.axis.show(each.from - room, each.to + room);
  }
}
