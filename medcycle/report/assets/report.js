"use strict";
// The page: theme, tables, explanations, links to cases. The plots and the viewer are in files of their own.

(() => {
  const root = document.documentElement;
  const data = JSON.parse(document.getElementById("data").textContent);

  // --- theme -----------------------------------------------------------------------------------------------------

  const wish = window.matchMedia("(prefers-color-scheme: dark)");
  const button = document.getElementById("theme");

  function setTheme(name) {
    root.dataset.theme = name;
    button.textContent = name === "dark" ? "Light" : "Dark";
    button.setAttribute("aria-label", `Change to the ${name === "dark" ? "light" : "dark"} theme`);
    plots.redraw();
  }

  button.addEventListener("click", () => setTheme(root.dataset.theme === "dark" ? "light" : "dark"));
  wish.addEventListener("change", () => setTheme(wish.matches ? "dark" : "light"));
  setTheme(wish.matches ? "dark" : "light");

  // --- sorting ---------------------------------------------------------------------------------------------------

  function valueOf(row, column) {
    const text = row.cells[column].dataset.value;
    return text === undefined || text === "" ? null : Number(text);
  }

  function sort(heading) {
    const table = heading.closest("table");
    const column = heading.cellIndex;
    const descending = heading.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
    heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const rows = [...table.tBodies[0].rows];
    rows.sort((first, second) => {
      const [one, other] = [valueOf(first, column), valueOf(second, column)];
      if (one === null || other === null) return (one === null) - (other === null); // cases without a value stay last
      return descending ? other - one : one - other;
    });
    table.tBodies[0].append(...rows);
  }

  for (const one of document.querySelectorAll(".sortable .sort")) {
    one.addEventListener("click", () => sort(one.closest("th")));
  }

  // --- explanations ----------------------------------------------------------------------------------------------

  const tip = document.getElementById("tip");

  function explain(term) {
    const text = document.getElementById(term.getAttribute("aria-describedby"));
    if (!text) return;
    tip.textContent = text.textContent;
    tip.hidden = false;
    const place = term.getBoundingClientRect();
    const left = Math.max(8, Math.min(place.left, root.clientWidth - tip.offsetWidth - 8));
    tip.style.left = `${left + window.scrollX}px`;
    tip.style.top = `${place.bottom + window.scrollY + 6}px`;
  }

  const hide = () => { tip.hidden = true; };
  for (const term of document.querySelectorAll(".term")) {
    term.addEventListener("mouseenter", () => explain(term));
    term.addEventListener("focus", () => explain(term));
    term.addEventListener("click", () => explain(term));
    term.addEventListener("mouseleave", hide);
    term.addEventListener("blur", hide);
  }
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });

  // --- links to cases --------------------------------------------------------------------------------------------

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-case]");
    if (!link) return;
    event.preventDefault();
    viewer.show(Number(link.dataset.case));
    document.getElementById("viewer").scrollIntoView();
    document.getElementById("panels").focus({ preventScroll: true });
  });

  // --- plots, paper, viewer --------------------------------------------------------------------------------------

  for (const plot of data.plots) plots.draw(document.getElementById(plot.key), plot);
  let theme = root.dataset.theme;
  window.addEventListener("beforeprint", () => {
    theme = root.dataset.theme;
    root.dataset.theme = "light"; // paper is white
    plots.redraw(true);
  });
  window.addEventListener("afterprint", () => setTheme(theme));
  viewer.start(data.cases);
})();
