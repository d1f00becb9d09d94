"""Enlarge a picture with a model of `srcli export onnx`: python enlarge_onnx.py MODEL.onnx IN OUT SCALE"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession(sys.argv[1])
patch = json.loads(session.get_modelmeta().custom_metadata_map["contract"])["facts"].get("patch")
picture, scale = Image.open(sys.argv[2]).convert("RGB"), float(sys.argv[4])
width, height = (int(side * scale + 0.5) for side in picture.size)
feed = {}
if patch:  # LINF asks for the small picture, and where the centres of its patches lie
    for name, large, small in (("down", height, picture.height), ("across", width, picture.width)):
        feed[name] = patch * (np.arange(-(-large // patch)) + 0.5) * small / large - 0.5
    feed["scale"] = np.array([height / picture.height, width / picture.width])
else:  # FlowSR and flow maps ask for the enlarged one
    picture = picture.resize((width, height), Image.Resampling.BICUBIC)
feed["picture"] = np.asarray(picture, np.float32).transpose(2, 0, 1)[None] / 255
feed["detail"] = np.ones(1, np.float32)
(result,) = session.run(None, feed)
pixels = result[0, :, :height, :width].transpose(1, 2, 0).clip(0, 1) * 255
Image.fromarray(pixels.round().astype(np.uint8)).save(sys.argv[3])
