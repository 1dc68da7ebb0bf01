document.documentElement.classList.add("has-js");
const valueOf = (row, column) => {
  const text = row.cells[column].textContent.trim();
  const data = row.cells[column].querySelector("data");
  const number = data ? Number(data.value) : Number.parseFloat(text.replace(/,/g, ""));
  return Number.isNaN(number) ? text.toLowerCase() : number;
};
const order = (a, b) => (typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === "number" ? -1 : 1);
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  headings.forEach((heading, column) => {
    if (heading.classList.contains("nosort")) return;
    const button = document.createElement("span"); // a real button would be missing where a heading is printed again
    button.setAttribute("role", "button");
    button.tabIndex = 0;
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        button.click();
      }
    });
    button.addEventListener("click", () => {
      const up = heading.ariaSort ? heading.ariaSort === "descending" : !heading.classList.contains("n");
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...body.rows].map((row) => [valueOf(row, column), row]);
      rows.sort((a, b) => (up ? 1 : -1) * order(a[0], b[0]));
      body.append(...rows.map((pair) => pair[1]));
    });
  });
}
