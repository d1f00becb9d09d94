// Zoom and pan of panes that show the same place. The page has state {zoom, x, y, fitted}, panes, scene() with a width
// and a height, and draw().

function fit() {
  const { clientWidth: w, clientHeight: h } = panes[0];
  state.zoom = Math.min(w / scene().width, h / scene().height);
  state.x = (w - scene().width * state.zoom) / 2;
  state.y = (h - scene().height * state.zoom) / 2;
  state.fitted = true;
  draw();
}

// Zoom so that what lies at (x, y) of a pane stays there.
function zoomTo(zoom, x, y) {
  zoom = Math.min(64, Math.max(0.02, zoom));
  state.x = x - (x - state.x) * zoom / state.zoom;
  state.y = y - (y - state.y) * zoom / state.zoom;
  state.zoom = zoom;
  state.fitted = false;
  draw();
}

function zoomBy(factor) { zoomTo(state.zoom * factor, panes[0].clientWidth / 2, panes[0].clientHeight / 2); }

function pan(dx, dy) { state.x += dx; state.y += dy; state.fitted = false; draw(); }

// Dragging with one finger or the mouse, pinching with two.
function move(pane) {
  const fingers = new Map();
  const centre = () => {
    const all = [...fingers.values()], n = all.length;
    const x = all.reduce((s, f) => s + f.x, 0) / n, y = all.reduce((s, f) => s + f.y, 0) / n;
    return { x, y, spread: n > 1 ? Math.hypot(all[0].x - all[1].x, all[0].y - all[1].y) : 0 };
  };
  const at = (event) => {
    const box = pane.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  pane.addEventListener("pointerdown", (event) => {
    pane.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, at(event));
    pane.classList.add("moving");
  });
  pane.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return;
    const before = centre();
    fingers.set(event.pointerId, at(event));
    const after = centre();
    pan(after.x - before.x, after.y - before.y);
    if (before.spread && after.spread) zoomTo(state.zoom * after.spread / before.spread, after.x, after.y);
  });
  for (const end of ["pointerup", "pointercancel"])
    pane.addEventListener(end, (event) => { fingers.delete(event.pointerId); if (!fingers.size) pane.classList.remove("moving"); });
  pane.addEventListener("wheel", (event) => {
    event.preventDefault();
    const { x, y } = at(event);
    const pixels = event.deltaY * (event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1);
    zoomTo(state.zoom * Math.exp(-Math.max(-200, Math.min(200, pixels)) * 0.002), x, y);
  }, { passive: false });
  pane.addEventListener("dblclick", (event) => {
    const { x, y } = at(event);
    if (state.fitted) zoomTo(Math.max(1, state.zoom * 4), x, y); else fit();
  });
}
