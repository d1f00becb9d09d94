(at) => {
  // Gradio's divider moves by dragging alone: drag it to a share of the picture's width, in percent.
  const handle = document.querySelector("#pair [data-testid=slider]");
  const picture = document.querySelector("#pair img").getBoundingClientRect();
  const from = handle.getBoundingClientRect();
  const drag = (type, target, x) => target.dispatchEvent(new MouseEvent(type, {
    view: window, bubbles: true, cancelable: true, button: 0, clientX: x, clientY: from.top + from.height / 2,
  }));
  const to = picture.left + picture.width * at / 100;
  drag("mousedown", handle, from.left + from.width / 2);
  drag("mousemove", window, to);
  drag("mouseup", window, to);
}
