// Puts the page together, and what is shown into its address.
const data = JSON.parse(document.getElementById("data").textContent);
const place = id => document.getElementById(id);

function start() {
  const timeline = place("timeline");
  if (!timeline) return;
  timeline.hidden = false;
  const [box, about] = [place("lanes"), place("lanes-told")];
  const address = (from, to, more = "") => `#t=${(from / 1e9).toFixed(6)}-${(to / 1e9).toFixed(6)}${more}`;
  let diagram = null;
  const told = (text, at, chosen) => {
    about.textContent = text;
    if (at === undefined) return;
    const [from, to] = chosen && chosen.to > chosen.from ? [chosen.from - (chosen.to - chosen.from) / 2, chosen.to + (chosen.to - chosen.from) / 2] : [at - 1e8, at + 1e8];
    about.append(" ", element("a", { href: address(Math.max(0, from), Math.min(data.end, to)) }, "link to this moment"));
    const number = data.moments.list.findIndex(m => m.from <= at && at <= m.to);
    if (number >= 0) about.append(" · ", element("a", { href: "#messages", onclick: () => diagram.open(number, true) }, "its messages"));
  };
  const lanes = new Timeline(data, box, told, number => diagram && diagram.open(number, false));
  const { axis } = lanes;
  timeline.insertBefore(controls(axis, [["Next", "Next fault, outage or broken rule (n)", () => lanes.go(1)]],
    "Drag to zoom in, double click too; arrow keys move, + and - zoom, 0 shows all, n and p go from event to event, Enter zooms to it."), box);
  if (data.moments.list.length) {
    const messages = place("messages");
    messages.hidden = false;
    diagram = new Diagram(data, {
      box: place("space"), choice: place("moment"), filter: place("filter"), about: place("moment-about"),
      told: text => { place("space-told").textContent = text; },
    });
    messages.insertBefore(controls(diagram.axis, [["Next", "Next message or event (n)", () => diagram.go(1)]],
      "Keys as above; n and p go from message to message, [ and ] from moment to moment."), place("space"));
  }
  const read = () => {
    const found = /^#t=([\d.]+)(?:s)?(?:-([\d.]+))?/.exec(location.hash);
    if (!found) return false;
    const from = Number(found[1]) * 1e9;
    const to = found[2] === undefined ? from : Number(found[2]) * 1e9;
    if (!Number.isFinite(from) || !Number.isFinite(to)) return false;
    if (to > from) axis.show(from, to);
    else axis.show(from - 1e9, from + 1e9);
    return true;
  };
  let asked = read();
  if (!asked) axis.all();
  if (asked) timeline.scrollIntoView();
  addEventListener("hashchange", () => { asked = read() || asked; });
  // Once somebody has moved it, the address says where it is.
  let last = "";
  lanes.drawn = () => {
    const now = axis.from <= 0 && axis.to >= data.end ? "" : address(axis.from, axis.to);
    if (now === last || (!now && !asked)) return;
    last = now;
    asked = true;
    try {
      history.replaceState(null, "", now || location.pathname + location.search);
    } catch {
      // A page that is shown within another has no address of its own.
    }
  };
  document.documentElement.dataset.ready = "yes";
}
start();
