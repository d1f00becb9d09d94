"""The page of `srcli web` as a Hugging Face Space, or on any machine: `python app.py`."""

import os
import threading

from srcli.service import Limits
from srcli.web.server import PORT, Settings, running

if __name__ == "__main__":
    settings = Settings(
        host=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"),  # a Space sets it
        port=int(os.environ.get("GRADIO_SERVER_PORT", PORT)),
        limits=Limits(bytes=20_000_000, pixels=12_000_000, result=50_000_000, seconds=300),
    )
    with running(settings) as address:
        print(address, flush=True)
        threading.Event().wait()
