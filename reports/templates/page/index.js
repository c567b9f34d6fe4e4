// Sets runs that are chosen side by side.
const entries = JSON.parse(document.getElementById("data").textContent);
const chosen = [];

// Figures of which more is better, and of which less is; the others only tell what was done.
const MORE = ["availability", "time up"];
const LESS = ["down", "worst outage", "outages", "read p50", "read p99", "write p50", "write p99", "lost writes", "failed"];

function cell(tag, text, classes = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (classes) made.className = classes;
  return made;
}

function beside() {
  const section = document.getElementById("beside");
  section.hidden = chosen.length < 2;
  if (section.hidden) return;
  const names = [];
  chosen.forEach(e => e.figures.forEach(([name]) => names.includes(name) || names.push(name)));
  const head = document.createElement("tr");
  head.append(cell("th", ""), ...chosen.map(e => {
    const th = cell("th", e.link ? "" : e.path, "n");
    if (e.link) {
      const link = cell("a", `${e.scenario} ${e.seeds}`);
      link.setAttribute("href", e.link);
      th.append(link);
    }
    return th;
  }));
  const figure = (e, name) => e.figures.find(([known]) => known === name) || [name, null, ""];
  const lines = [["verdict", chosen.map(e => [null, e.verdict])], ["did not hold", chosen.map(e => [null, e.detail])]]
    .concat(names.map(name => [name, chosen.map(e => figure(e, name).slice(1))]));
  document.getElementById("figures").replaceChildren(head, ...lines.map(([name, cells]) => {
    const tr = document.createElement("tr");
    const numbers = cells.map(([n]) => n).filter(n => n !== null);
    const best = MORE.includes(name) ? Math.max(...numbers) : LESS.includes(name) ? Math.min(...numbers) : null;
    const differ = new Set(numbers).size > 1;
    tr.append(cell("td", name), ...cells.map(([n, text]) => cell("td", text, `n${differ && n !== null && n === best ? " best" : ""}`)));
    return tr;
  }));
}

for (const row of document.querySelectorAll("#list tbody tr")) {
  const entry = entries[Number(row.dataset.n)];
  const box = document.createElement("input");
  box.type = "checkbox";
  box.setAttribute("aria-label", `Set ${entry.path} beside others`);
  box.addEventListener("change", () => {
    if (box.checked) chosen.push(entry);
    else chosen.splice(chosen.indexOf(entry), 1);
    beside();
  });
  row.cells[0].append(box);
}
