"use strict";
// Draws the page's plots: the data give traces with roles, the theme gives roles their colours.

const plots = (() => {
  const SERIES = { light: ["#0063a0", "#c14e00", "#0a7a55", "#8a3d9c", "#8a6d00", "#3d4a9c", "#a61b5b", "#4a6b1c"],
                   dark: ["#6cb8f0", "#f2994a", "#5fd0a5", "#d39be6", "#e0c35a", "#9fabf5", "#f58fb8", "#a9d36c"] };
  const CONFIG = { displayModeBar: false, responsive: true };
  const [BOX_WIDTH, ROW_HEIGHT] = [120, 210];
  const PRINTED = { width: 330, height: 190 };
  const drawn = new Map();

  const isDark = () => document.documentElement.dataset.theme === "dark";
  const colour = (role) => getComputedStyle(document.documentElement).getPropertyValue(`--${role}`).trim();

  function styled(trace, number, count) {
    const dark = isDark();
    const palette = dark ? SERIES.dark : SERIES.light;
    const own = { ...trace, line: { width: trace.role === "real" ? 3 : 1.6, ...trace.line } };
    if (trace.role === "band") {
      own.line.color = "transparent";
      own.fillcolor = dark ? "rgba(242,153,74,0.22)" : "rgba(193,78,0,0.16)";
    } else if (trace.role === "series") {
      own.line.color = palette[(trace.series ?? number) % palette.length];
    } else {
      own.line.color = colour(trace.role);
    }
    if (trace.role === "case") own.opacity = Math.max(0.15, 0.9 / Math.sqrt(count));
    own.marker = { color: own.line.color, size: trace.few ? 7 : 5, opacity: 0.75 };
    if (trace.few) own.line.color = "transparent";
    if (trace.type === "box") own.fillcolor = trace.few ? "transparent" : "rgba(128,140,150,0.15)";
    return own;
  }

  function axis(given, ink, rule) {
    return { gridcolor: rule, zerolinecolor: rule, linecolor: rule, automargin: true, tickfont: { size: 11 }, ...given,
             title: { font: { size: 11.5 }, standoff: 6, ...given.title }, color: ink };
  }

  function themed(layout) {
    const [ink, rule] = [colour("soft"), colour("rule")];
    const own = { paper_bgcolor: "transparent", plot_bgcolor: "transparent", margin: { l: 48, r: 10, t: 8, b: 36 },
                  font: { family: "system-ui, Segoe UI, Roboto, Arial, sans-serif", size: 12, color: ink },
                  hoverlabel: { font: { size: 12 } }, legend: { orientation: "h", x: 0, y: 1.14, font: { size: 11 } }, ...layout };
    for (const key of Object.keys(layout)) {
      if (/^[xy]axis\d*$/.test(key)) own[key] = axis(layout[key], ink, rule);
    }
    return own;
  }

  // Boxes side by side become several rows where there is no room for them.
  function folded(element, layout, printing) {
    const { grid } = layout;
    if (!grid || printing) return layout;
    const columns = Math.min(grid.columns, Math.max(1, Math.floor(element.clientWidth / BOX_WIDTH)));
    const rows = Math.ceil(grid.columns / columns);
    element.style.height = rows > 1 ? `${rows * ROW_HEIGHT}px` : "";
    return { ...layout, grid: { ...grid, rows, columns, ygap: 0.3 } };
  }

  function draw(element, plot, printing = false) {
    drawn.set(element, plot);
    const traces = plot.traces.map((trace, number) => styled(trace, number, plot.traces.length));
    const layout = themed(folded(element, plot.layout, printing));
    if (printing) {
      element.style.height = "";
      Object.assign(layout, { width: plot.wide ? 2 * PRINTED.width + 14 : PRINTED.width, height: PRINTED.height, autosize: false });
      layout.margin = { l: 40, r: 6, t: 18, b: 30 };
      layout.legend = { ...layout.legend, y: 1.17, font: { size: 9 } };
      for (const key of Object.keys(layout)) if (/^[xy]axis/.test(key)) layout[key].tickfont = { size: 9 };
    }
    return Plotly.react(element, traces, layout, printing ? { ...CONFIG, responsive: false } : CONFIG);
  }

  function redraw(printing = false) {
    for (const [element, plot] of drawn) {
      if (element.isConnected) draw(element, plot, printing);
      else drawn.delete(element);
    }
  }

  // Figures for plots that belong to the case shown, in place of those of the case before.
  function replace(container, list) {
    for (const old of container.querySelectorAll(".plot")) { drawn.delete(old); Plotly.purge(old); }
    container.replaceChildren();
    for (const plot of list) {
      const figure = document.createElement("figure");
      const caption = document.createElement("figcaption");
      const place = document.createElement("div");
      caption.textContent = plot.title;
      place.className = "plot";
      place.setAttribute("role", "img");
      place.setAttribute("aria-label", plot.title);
      figure.append(caption, place);
      container.append(figure);
      draw(place, plot);
    }
  }

  return { draw, redraw, replace };
})();
