"""Download files from the Hugging Face Hub, web servers and Google Drive, with resuming and retries."""

from srcli.weights.download.base import DownloadError, Offline, OnBytes, Patience
from srcli.weights.download.fetch import fetch

__all__ = ["DownloadError", "Offline", "OnBytes", "Patience", "fetch"]
