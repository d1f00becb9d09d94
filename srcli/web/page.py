"""The page, made of Gradio's components."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from srcli.errors import SrcliError
from srcli.service import parse
from srcli.web.desk import Desk

FORMATS = ("as the input", "png", "jpg", "webp", "tif", "avif", "jxl")
WHOLE, DETAIL = "Whole picture", "Detail, pixel by pixel"
START = "Drop a picture, or choose one."
KEPT = 3600  # seconds that files stay on the server
LOOK = {
    "body_text_color_subdued": "*neutral_600",
    "body_text_color_subdued_dark": "*neutral_300",
    "block_info_text_color": "*neutral_600",
    "block_info_text_color_dark": "*neutral_300",
    "button_primary_background_fill": "*primary_700",
    "button_primary_background_fill_dark": "*primary_700",
    "button_primary_background_fill_hover": "*primary_800",
    "button_primary_text_color": "white",
    "button_primary_text_color_dark": "white",
}  # contrast of at least 4.5 to 1
HERE = Path(__file__).parent
CSS, DIVIDE = (HERE.joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "divider.js"))


def theme() -> gr.themes.Base:
    """Colours, and the fonts of the system: none is loaded."""
    fonts: dict[str, Any] = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
    return gr.themes.Default(primary_hue="teal", neutral_hue="stone", **fonts).set(**LOOK)


def build(desk: Desk, *, queue: int = 20, at_once: int = 1) -> gr.Blocks:
    """The page of a desk.

    queue: how many pictures may wait.
    at_once: how many are in work at a time.
    """
    with gr.Blocks(title="srcli", analytics_enabled=False, delete_cache=(600, KEPT)) as page:
        gr.HTML("<h1>srcli</h1><p>Enlarge a picture by any factor from 1 to 8.</p>", elem_id="head")
        with gr.Row(equal_height=False):
            with gr.Column(scale=2, min_width=300):
                controls = _controls(desk)
            with gr.Column(scale=3, min_width=300):
                shown = _shown()
        _connect(page, desk, controls, shown, at_once)
    page.queue(max_size=queue, default_concurrency_limit=at_once)
    return page


def _controls(desk: Desk) -> dict[str, Any]:
    names, first = desk.models.names, desk.models.get()
    made: dict[str, Any] = {"picture": _no_addresses(gr.File(label="Picture", height=130, elem_id="drop"))}
    made["model"] = gr.Dropdown([*names], value=names[0], label="Model", info=first.entry.purpose, elem_id="model")
    with gr.Row():
        made["scale"] = gr.Slider(1, 8, 2, step=0.1, label="Scale", min_width=220, elem_id="scale")
        made["size"] = gr.Textbox(
            label="or size", value="", placeholder="3840x or x2160", max_lines=1, min_width=180, elem_id="size"
        )
    made["detail"] = gr.Slider(
        0,
        1,
        1,
        step=0.05,
        label="Detail",
        info="0 is faithful, 1 sharp",
        elem_id="detail",
        **_dial(first, "detail"),
    )
    made["denoise"] = gr.Slider(
        0, 1, 1, step=0.05, label="Denoise", info="0 keeps the grain", elem_id="denoise", **_dial(first, "denoise")
    )
    made["format"] = gr.Dropdown([*FORMATS], value=FORMATS[0], label="Format", elem_id="format")
    with gr.Row():
        made["go"] = gr.Button("Enlarge", variant="primary", elem_id="go")
        made["stop"] = gr.Button("Stop", interactive=False, min_width=80, elem_id="stop")
    return made


def _no_addresses(file: gr.File) -> gr.File:
    """The component, which takes uploads alone: Gradio's fetches web addresses for its visitors."""
    name = "async_move_resource_to_block_cache"
    keep = getattr(file, name)

    async def uploaded(path: str | Path | None) -> str | None:
        if "://" in str(path):
            raise gr.Error("upload the picture; this page does not fetch addresses", print_exception=False)
        found: str | None = await keep(path)
        return found

    vars(file)[name] = uploaded
    return file


def _shown() -> dict[str, Any]:
    made: dict[str, Any] = {}
    made["preview"] = gr.Image(
        label="Picture", interactive=False, height=440, buttons=["fullscreen"], elem_id="preview"
    )
    made["slider"] = gr.ImageSlider(
        label="Before and after",
        interactive=False,
        visible=False,
        max_height=620,
        buttons=["fullscreen"],
        elem_id="pair",
    )
    with gr.Row(visible=False, elem_id="views") as made["views"]:
        made["view"] = gr.Radio([WHOLE, DETAIL], value=WHOLE, show_label=False, min_width=240, elem_id="view")
        made["divider"] = gr.Slider(0, 100, 50, step=1, label="Divider", min_width=200, elem_id="divider")
    made["line"] = gr.Markdown(START, elem_id="line")
    made["result"] = gr.DownloadButton("Download", visible=False, variant="primary", elem_id="download")
    with gr.Accordion("How it was made", open=False, visible=False, elem_id="how") as made["how"]:
        made["record"] = gr.JSON(show_label=False)
    made["pairs"] = gr.State()
    return made


def _dial(upscaler: Any, name: str) -> dict[str, Any]:
    """How a dial looks with a model."""
    settings: dict[str, Any] = {"visible": upscaler.has(name)}
    if name == "detail":
        settings["maximum"] = max(1.0, upscaler.model.most_detail)
    return settings


@dataclass(frozen=True, slots=True)
class _Events:
    """What happens when."""

    desk: Desk
    shown: dict[str, Any]

    def look(self, picture: str | None, model: str) -> list[Any]:
        """A picture was chosen or removed. Results of the one before it go."""
        hidden = [gr.update(visible=False)] * 4
        if picture is None:
            return [gr.update(value=None, visible=True), *hidden, START]
        with tempfile.TemporaryDirectory() as folder:
            try:
                file, line = self.desk.look(Path(picture), model, Path(folder))
            except SrcliError as error:
                gr.Warning(str(error))
                return [gr.update(value=None, visible=True), *hidden, str(error)]
            return [gr.update(value=_kept(self.shown["preview"], file), visible=True), *hidden, line]

    def turn(self, model: str) -> list[Any]:
        """Another model was chosen: the dials are those that it has."""
        with _sentences():
            upscaler = self.desk.models.get(model)
        return [
            gr.update(info=upscaler.entry.purpose),
            gr.update(**_dial(upscaler, "detail"), value=1),
            gr.update(**_dial(upscaler, "denoise"), value=1),
            gr.update(minimum=upscaler.model.scales.low, maximum=upscaler.model.scales.high),
        ]

    def upscale(
        self,
        picture: str,
        model: str | None = None,
        scale: float = 2,
        size: str = "",
        detail: float = 1,
        denoise: float = 1,
        format: str = FORMATS[0],
        request: gr.Request | None = None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> list[Any]:
        """Enlarge a picture. Returns its file, the record of `srcli upscale --json`, a line about it, and a preview of
        before and after."""
        if picture is None:
            raise gr.Error("choose a picture first", print_exception=False)

        def report(done: int, total: int) -> None:
            progress(min(1.0, done / total), f"{done / 1e6:.1f} of {total / 1e6:.1f} megapixels")

        values: dict[str, Any] = {"model": model, "detail": detail}
        values |= {"size": size} if size.strip() else {"scale": scale}
        values |= {} if format == FORMATS[0] else {"format": format}
        with _sentences(), tempfile.TemporaryDirectory() as folder:
            values |= {"denoise": denoise} if self.desk.models.get(model).has("denoise") else {}
            progress(0.0, "reading the picture")
            made = self.desk.make(Path(picture), parse(values), Path(folder), _visitor(request), report)
            file = _kept(self.shown["result"], str(made.file))
            pairs = {WHOLE: self._pair(made.whole), DETAIL: self._pair(made.detail)}
            return [file, made.record, made.line, pairs[WHOLE], pairs]

    def stop(self, request: gr.Request | None) -> list[Any]:
        self.desk.stop(_visitor(request))
        return [gr.update(interactive=False), "Stopped."]

    def leave(self, request: gr.Request | None) -> None:
        self.desk.stop(_visitor(request))

    def _pair(self, files: tuple[str, str]) -> tuple[str, str]:
        first, second = (_kept(self.shown["slider"], file) for file in files)
        return first, second


def _connect(page: gr.Blocks, desk: Desk, asked: dict[str, Any], shown: dict[str, Any], at_once: int) -> None:
    events = _Events(desk, shown)
    panes = [shown[name] for name in ("slider", "result", "how", "views")]
    quick = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
    asked["picture"].change(
        events.look,
        [asked["picture"], asked["model"]],
        [shown["preview"], *panes, shown["line"]],
        api_visibility="private",
        show_progress_on=shown["preview"],
        concurrency_limit=2,
    )
    dials = [asked[name] for name in ("model", "detail", "denoise", "scale")]
    asked["model"].change(events.turn, asked["model"], dials, **quick)
    going = asked["go"].click(lambda: gr.update(interactive=True), None, asked["stop"], **quick)
    run = going.then(
        events.upscale,
        [asked[name] for name in ("picture", "model", "scale", "size", "detail", "denoise", "format")],
        [shown[name] for name in ("result", "record", "line", "slider", "pairs")],
        api_name="upscale",
        concurrency_limit=at_once,
        show_progress_on=shown["line"],
        scroll_to_output=True,
    )
    visible = [gr.update(visible=False), *[gr.update(visible=True)] * 4, WHOLE, 50]
    run.success(lambda: visible, None, [shown["preview"], *panes, shown["view"], shown["divider"]], **quick)
    for ended in (run.success, run.failure):
        ended(lambda: gr.update(interactive=False), None, asked["stop"], **quick)
    asked["stop"].click(events.stop, None, [asked["stop"], shown["line"]], cancels=[run], **quick)
    shown["view"].input(lambda which, pairs: pairs[which], [shown["view"], shown["pairs"]], shown["slider"], **quick)
    shown["divider"].input(None, shown["divider"], None, js=DIVIDE, **quick)
    page.unload(events.leave)


def _visitor(request: gr.Request | None) -> str:
    return str(request and request.session_hash)


def _kept(component: Any, file: str) -> str:
    """The copy of a file that Gradio keeps for a while."""
    return str(component.move_resource_to_block_cache(file))


@contextmanager
def _sentences() -> Iterator[None]:
    """Show errors as they are said on the command line."""
    try:
        yield
    except SrcliError as error:
        raise gr.Error(str(error), print_exception=False) from None
