"""Public files on Google Drive, which asks before it sends what it has not scanned for viruses."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from srcli.weights.download import http
from srcli.weights.download.base import DownloadError, Told, Wanted

ENDPOINT = "https://drive.usercontent.google.com/download"
PAGE = "https://drive.google.com/file/d/{}/view"


class _Form(HTMLParser):
    """The form of the page that asks: where it goes and what it sends."""

    def __init__(self) -> None:
        super().__init__()
        self.action, self.fields = "", dict[str, str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form" and not self.action:
            self.action = values.get("action", "")
        if tag == "input" and values.get("type") == "hidden" and values.get("name"):
            self.fields[values["name"]] = values.get("value", "")


def fetch(identity: str, part: Path, wanted: Wanted, told: Told) -> None:
    """Bring a temporary file to its end. Raises DownloadError."""
    try:
        http.fetch(ENDPOINT, part, wanted, told, {"id": identity, "export": "download", "confirm": "t"})
    except http.WebPage as page:
        form = _Form()
        form.feed(page.text)
        to = urljoin(page.url, form.action)
        if not form.action or urlsplit(to).hostname != urlsplit(ENDPOINT).hostname:
            raise _closed(identity, page) from None
        try:
            http.fetch(to.partition("?")[0], part, wanted, told, form.fields)
        except http.WebPage as again:
            raise _closed(identity, again) from None


def _closed(identity: str, page: http.WebPage) -> DownloadError:
    why = "has no downloads left for this file today" if "quota" in page.text.lower() else "does not give the file out"
    return DownloadError(f"Google Drive {why}; fetch {PAGE.format(identity)} in a browser and run: srcli models import")
