"use strict";
// Shows one case at a time in linked panels, each a canvas of its own: browsers allow about sixteen.

const viewer = (() => {
  const WINDOWS = { brain: [0, 80], soft: [-160, 240], bone: [-500, 1500] };
  const ERROR_LIMIT = 500;
  const SLICES = { all: 3, axial: 0, coronal: 1, sagittal: 2 };
  const BLINK_MS = 600;
  const CROSSHAIR = [0.95, 0.75, 0.2, 0.85];
  const state = { window: "soft", overlay: "", opacity: 0.6, blinking: 0, swapped: false, panels: [], images: {}, loading: 0 };
  const find = (id) => document.getElementById(id);
  let cases = [];

  // --- panels ----------------------------------------------------------------------------------------------------

  function diverging(alphaAtZero) {
    return { R: [90, 30, 0, 200, 255], G: [190, 90, 0, 90, 190], B: [255, 200, 0, 20, 90],
             A: [255, 255, alphaAtZero, 255, 255], I: [0, 64, 128, 192, 255] };
  }

  const RISING = { R: [0, 90, 220, 255], G: [0, 30, 90, 240], B: [0, 110, 60, 160], A: [0, 120, 220, 255], I: [0, 85, 170, 255] };
  const GRADIENTS = {
    grey: "linear-gradient(90deg, #000, #fff)",
    error: "linear-gradient(90deg, rgb(90,190,255), rgb(30,90,200), rgb(0,0,0), rgb(200,90,20), rgb(255,190,90))",
    uncertainty: "linear-gradient(90deg, rgb(0,0,0), rgb(90,30,110), rgb(220,90,60), rgb(255,240,160))",
  };

  function range(panel) {
    if (panel.hounsfield) return WINDOWS[state.window];
    if (panel.role === "error") return errorRange(panel);
    return [panel.low, panel.high];
  }

  function errorRange(panel) {
    return panel.unit === "HU" ? [-ERROR_LIMIT, ERROR_LIMIT] : [-panel.high / 2, panel.high / 2];
  }

  function makeFigure(panel) {
    const figure = document.createElement("figure");
    const caption = document.createElement("figcaption");
    const heading = document.createElement("span");
    const value = document.createElement("output");
    heading.textContent = panel.label;
    caption.append(heading, value);
    figure.append(caption);
    figure.dataset.role = panel.role;
    return { figure, heading, value };
  }

  function addMissing(figure, text) {
    const note = document.createElement("p");
    note.className = "missing";
    figure.classList.add("absent");
    note.textContent = text;
    figure.append(note);
  }

  function addCanvas(figure, panel) {
    const frame = document.createElement("div");
    const canvas = document.createElement("canvas");
    const scale = document.createElement("div");
    frame.className = "frame";
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${panel.label}, slices at the crosshair`);
    scale.className = "scale";
    frame.append(canvas);
    figure.append(frame, scale);
    return { canvas, scale };
  }

  async function attached(canvas) {
    const nv = new niivue.Niivue({
      backColor: [0, 0, 0, 1], crosshairColor: CROSSHAIR, crosshairWidth: 1.3, crosshairWidthUnit: "mm", crosshairGap: 6, show3Dcrosshair: false, isColorbar: false,
      isRadiologicalConvention: true, isOrientationTextVisible: true, fontMinPx: 13, textHeight: 0.05, logLevel: "error",
      dragAndDropEnabled: false, scrollRequiresFocus: true, multiplanarLayout: 1, multiplanarForceRender: false,
      multiplanarShowRender: 0, multiplanarPadPixels: 4, multiplanarEqualSize: true, sagittalNoseLeft: true, loadingText: "",
    });
    await nv.attachToCanvas(canvas);
    nv.addColormap("signed-error", diverging(255));
    nv.addColormap("signed-error-overlay", diverging(0));
    nv.addColormap("rising", RISING);
    canvas.removeAttribute("tabindex");
    return nv;
  }

  function colormap(role, isOverlay) {
    if (role === "error") return isOverlay ? "signed-error-overlay" : "signed-error";
    return role === "uncertainty" ? "rising" : "gray";
  }

  async function add(nv, panel, opacity, isOverlay) {
    const [low, high] = range(panel);
    const name = `${panel.role}.nii`;
    // a copy: what NiiVue is given, it may hand on to a worker
    const buffer = state.images[panel.role].buffer.slice(0);
    await nv.addVolumeFromUrl({ url: name, name, buffer, opacity, colormap: colormap(panel.role, isOverlay), cal_min: low, cal_max: high });
  }

  async function makePanel(panel) {
    const parts = makeFigure(panel);
    find("panels").append(parts.figure);
    if (panel.missing || !state.images[panel.role]) {
      addMissing(parts.figure, `Not shown: ${panel.missing || "not there"}.`);
      return { ...panel, ...parts };
    }
    const { canvas, scale } = addCanvas(parts.figure, panel);
    const nv = await attached(canvas);
    const own = { ...panel, ...parts, nv, canvas, scale, layers: [panel] };
    await add(nv, panel, 1, false);
    nv.onLocationChange = (place) => moved(own, place);
    return own;
  }

  function showScale(panel) {
    const [low, high] = range(panel).map((value) => Math.round(value).toString().replace("-", "−"));
    const bar = document.createElement("i");
    bar.style.background = GRADIENTS[panel.role] || GRADIENTS.grey;
    const unit = panel.unit ? ` ${panel.unit}` : "";
    panel.scale.replaceChildren(low, bar, `${high}${unit}`);
  }

  const drawable = () => state.panels.filter((panel) => panel.nv);
  const onCt = () => drawable().filter((panel) => panel.role === "real" || panel.role === "synthetic");

  // --- crosshair -------------------------------------------------------------------------------------------------

  function moved(panel, place) {
    const millimetres = Array.from(place.mm).slice(0, 3);
    for (const other of drawable()) {
      if (other === panel) continue;
      other.nv.scene.crosshairPos = other.nv.mm2frac(millimetres);
      other.nv.drawScene();
    }
    tell(panel.nv.scene.crosshairPos, millimetres);
  }

  function tell(fraction, millimetres) {
    const letters = [["R", "L"], ["A", "P"], ["S", "I"]];
    const told = millimetres.map((value, axis) => `${letters[axis][value < 0 ? 1 : 0]} ${Math.abs(value).toFixed(1)}`);
    find("position").textContent = `Crosshair: ${told.join(", ")} mm`;
    for (const panel of drawable()) {
      const value = Math.round(volumes.valueAt(state.images[panel.role], fraction)).toString().replace("-", "−");
      panel.value.textContent = panel.unit ? `${value} ${panel.unit}` : value;
    }
  }

  function step(i, j, k) {
    const [first] = drawable();
    if (first) first.nv.moveCrosshairInVox(i, j, k);
  }

  // --- windows, overlays, blinking -------------------------------------------------------------------------------

  function setWindow(name) {
    state.window = name;
    for (const button of document.querySelectorAll("[data-window]")) {
      button.setAttribute("aria-pressed", String(button.dataset.window === name));
    }
    for (const panel of drawable()) {
      panel.layers.forEach((layer, number) => {
        if (!layer.hounsfield) return;
        [panel.nv.volumes[number].cal_min, panel.nv.volumes[number].cal_max] = range(layer);
      });
      if (panel.hounsfield) panel.nv.updateGLVolume();
      showScale(panel);
    }
  }

  async function layer(panel, role, opacity) {
    const known = panel.layers.findIndex((one) => one.role === role);
    if (known >= 0) {
      panel.nv.setOpacity(known, opacity);
    } else if (opacity > 0) {
      const wanted = state.panels.find((one) => one.role === role);
      panel.layers.push(wanted);
      await add(panel.nv, wanted, opacity, true);
    }
  }

  async function setOverlay(role) {
    state.overlay = role;
    find("overlay").value = role;
    for (const panel of onCt()) {
      for (const one of ["error", "uncertainty"]) {
        if (state.images[one]) await layer(panel, one, one === role ? state.opacity : 0);
      }
    }
  }

  function nextOverlay() {
    const there = ["", ...["error", "uncertainty"].filter((role) => state.images[role])];
    setOverlay(there[(there.indexOf(state.overlay) + 1) % there.length]);
  }

  // The panel of the synthetic volume shows the real one, and back.
  async function swap(shown) {
    const panel = drawable().find((one) => one.role === "synthetic");
    if (!panel || !state.images.real) return;
    state.swapped = shown;
    await layer(panel, "real", shown ? 1 : 0);
    panel.heading.textContent = shown ? state.panels.find((one) => one.role === "real").label : panel.label;
  }

  function setBlinking(on) {
    window.clearInterval(state.blinking);
    state.blinking = 0;
    find("blink").setAttribute("aria-pressed", String(on));
    swap(on);
    const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (on && !still) state.blinking = window.setInterval(() => swap(!state.swapped), BLINK_MS);
  }

  function setPlanes(name) {
    find("panels").dataset.planes = name;
    for (const panel of drawable()) panel.nv.setSliceType(SLICES[name]);
  }

  // --- cases -----------------------------------------------------------------------------------------------------

  function clear() {
    setBlinking(false);
    for (const panel of drawable()) {
      panel.nv.onLocationChange = () => {};
      panel.nv.gl.getExtension("WEBGL_lose_context")?.loseContext();
      panel.nv.cleanup();
    }
    find("panels").replaceChildren();
    Object.assign(state, { panels: [], images: {} });
  }

  async function load(one) {
    const wanted = ["real", "synthetic", "source", "uncertainty", "mask"];
    const found = await Promise.all(wanted.map((name) => volumes.unpacked(`volume-${one.id}-${name}`)));
    wanted.forEach((name, number) => { if (found[number]) state.images[name] = found[number]; });
    const { real, synthetic, mask } = state.images;
    if (real && synthetic) state.images.error = volumes.errorOf(synthetic, real, mask);
  }

  function describe(one) {
    const spacing = one.spacing ? `Shown at ${one.spacing} mm, in steps of 2 HU in soft tissue and 8 HU elsewhere` : "";
    const note = one.modality === "ct" ? spacing : spacing.split(",")[0];
    find("viewer-note").textContent = note && `${note}; the scores are those of the full volumes.`;
    const template = find(`details-${one.id}`);
    find("case-details").replaceChildren(template ? template.content.cloneNode(true) : "");
    plots.replace(find("case-plots"), one.plots);
  }

  async function show(number) {
    const one = cases[number];
    const turn = ++state.loading;
    const section = find("viewer");
    section.dataset.state = "loading";
    find("case").value = String(number);
    clear();
    describe(one);
    await load(one);
    for (const panel of one.panels) {
      if (turn !== state.loading) return;
      state.panels.push(await makePanel(panel));
    }
    setPlanes(find("planes").value);
    setWindow(state.window);
    await setOverlay(state.images[state.overlay] ? state.overlay : "");
    drawable()[0]?.nv.createOnLocationChange();
    section.dataset.state = "ready";
  }

  function shown(number) {
    return show(number).catch((error) => {
      find("viewer").dataset.state = "failed";
      find("viewer-note").textContent = `The images can't be shown: ${error.message}. They need WebGL 2; try another browser.`;
    });
  }

  // --- keys ------------------------------------------------------------------------------------------------------

  const KEYS = {
    ArrowLeft: () => step(-1, 0, 0), ArrowRight: () => step(1, 0, 0), ArrowUp: () => step(0, 1, 0), ArrowDown: () => step(0, -1, 0),
    PageUp: () => step(0, 0, 1), PageDown: () => step(0, 0, -1),
    1: () => setWindow("brain"), 2: () => setWindow("soft"), 3: () => setWindow("bone"),
    b: () => setBlinking(find("blink").getAttribute("aria-pressed") !== "true"), o: nextOverlay,
  };

  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select")) return;
    const act = KEYS[event.key];
    if (act) {
      event.preventDefault();
      act();
    }
    if (event.key !== "Tab" && event.target.matches("canvas")) event.stopPropagation(); // NiiVue has keys of its own
  }

  function start(given) {
    cases = given;
    if (!cases.length) return;
    const section = find("viewer");
    section.addEventListener("keydown", pressed, true);
    find("case").addEventListener("change", (event) => shown(Number(event.target.value)));
    find("overlay").addEventListener("change", (event) => setOverlay(event.target.value));
    find("planes").addEventListener("change", (event) => setPlanes(event.target.value));
    find("opacity").addEventListener("input", (event) => { state.opacity = Number(event.target.value); setOverlay(state.overlay); });
    find("blink").addEventListener("click", KEYS.b);
    for (const button of document.querySelectorAll("[data-window]")) {
      button.addEventListener("click", () => setWindow(button.dataset.window));
    }
    if (window.innerWidth < 700) find("planes").value = "axial";
    const watcher = new IntersectionObserver((seen) => {
      if (!seen.some((entry) => entry.isIntersecting)) return;
      watcher.disconnect();
      if (!section.dataset.state) shown(0);
    }, { rootMargin: "300px" });
    watcher.observe(section);
  }

  return { start, show: shown, panels: () => state.panels };
})();
