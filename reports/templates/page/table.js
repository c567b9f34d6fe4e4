// Tables that are sorted by a click on a head and searched by words. A cell's `data-v` is what it is sorted by.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  const value = (row, column) => {
    const cell = row.cells[column];
    const told = cell.dataset.v ?? cell.textContent.trim();
    return told !== "" && Number.isFinite(Number(told)) ? Number(told) : told;
  };
  const sort = column => {
    const down = heads[column].getAttribute("aria-sort") === "ascending";
    heads.forEach(head => head.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", down ? "descending" : "ascending");
    const compare = (a, b) => {
      const [x, y] = [value(a, column), value(b, column)];
      // What is no number comes last, whichever way.
      if (typeof x !== typeof y) return typeof x === "number" ? -1 : 1;
      const way = typeof x === "number" ? x - y : x.localeCompare(y);
      // Sorting keeps what is equal in the order of `rows`.
      return down ? -way : way;
    };
    body.append(...[...rows].sort(compare));
  };
  heads.forEach((head, column) => {
    if (!head.textContent.trim()) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => sort(column));
    head.replaceChildren(button);
  });
  const search = document.createElement("input");
  search.type = "search";
  search.placeholder = table.dataset.search;
  search.setAttribute("aria-label", "Search");
  const found = document.createElement("output");
  found.setAttribute("aria-live", "polite");
  const find = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    rows.forEach(row => {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every(word => text.includes(word));
    });
    found.textContent = `${rows.filter(row => !row.hidden).length} of ${rows.length}`;
  };
  search.addEventListener("input", find);
  const finder = document.createElement("div");
  finder.className = "finder";
  finder.append(search, found);
  table.parentElement.before(finder);
  find();
}
document.documentElement.dataset.ready = "yes";
