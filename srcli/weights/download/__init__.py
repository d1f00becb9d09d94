"""Files from the hub, from web servers and from Google Drive: resumed, patient, and honest about what went wrong."""

from srcli.weights.download.base import DownloadError, Offline, Patience, Told
from srcli.weights.download.fetch import fetch

__all__ = ["DownloadError", "Offline", "Patience", "Told", "fetch"]
