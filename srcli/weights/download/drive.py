"""Public files on Google Drive, which asks for confirmation before sending files it has not scanned for viruses."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from srcli.weights.download import http
from srcli.weights.download.base import DownloadError, OnBytes, Request

ENDPOINT = "https://drive.usercontent.google.com/download"
PAGE = "https://drive.google.com/file/d/{}/view"


class _Form(HTMLParser):
    """Parses the confirmation form of a page: its action and its hidden fields."""

    def __init__(self) -> None:
        super().__init__()
        self.action, self.fields = "", dict[str, str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form" and not self.action:
            self.action = values.get("action", "")
        if tag == "input" and values.get("type") == "hidden" and values.get("name"):
            self.fields[values["name"]] = values.get("value", "")


def fetch(identity: str, part: Path, request: Request, on_bytes: OnBytes) -> None:
    """Download a file, resuming the temporary file `part`. Raises DownloadError."""
    try:
        http.fetch(ENDPOINT, part, request, on_bytes, {"id": identity, "export": "download", "confirm": "t"})
    except http.WebPage as page:
        form = _Form()
        form.feed(page.text)
        to = urljoin(page.url, form.action)
        if not form.action or urlsplit(to).hostname != urlsplit(ENDPOINT).hostname:
            raise _closed(identity, page) from None
        try:
            http.fetch(to.partition("?")[0], part, request, on_bytes, form.fields)
        except http.WebPage as again:
            raise _closed(identity, again) from None


def _closed(identity: str, page: http.WebPage) -> DownloadError:
    why = "has reached its download quota for this file" if "quota" in page.text.lower() else "refuses to send the file"
    return DownloadError(
        f"Google Drive {why}; download {PAGE.format(identity)} in a browser and run: srcli models import"
    )
