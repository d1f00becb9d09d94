"""What other upscalers make of a folder of photos, for `srcli bench --score`: ncnn models at their own scale.

    pip install ncnn
    python benchmarks/peers.py --data Set5/ --out peers/ --model waifu2x-cunet-x2 --scale 2 --pad 18
    srcli bench --data Set5/ --score peers/waifu2x-cunet-x2 --models linf-lp-s --scale 2

A model is NAME.param and NAME.bin in --models. Low-resolution pictures are those of `srcli bench`: Pillow's bicubic on
8 bits, or degraded (--degradation moderate). Times are of the network's forward pass, the best of two, per output
megapixel.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from PIL import Image

from srcli.bench.quality import Photos
from srcli.bench.variants import is_grey


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--models", type=Path, default=Path())
    parser.add_argument("--model", required=True)
    parser.add_argument("--weights", help="the .bin file, where its name differs")
    parser.add_argument("--scale", type=int, required=True)
    parser.add_argument("--degradation", help="preset of srcli degrade")
    parser.add_argument("--pad", type=int, default=0, help="low-resolution pixels that the network eats on each side")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    import ncnn

    net = ncnn.Net()
    net.opt.use_vulkan_compute, net.opt.num_threads = False, options.threads
    for load, name in ((net.load_param, f"{options.model}.param"), (net.load_model, options.weights)):
        if load(str(options.models / (name or f"{options.model}.bin"))) != 0:
            raise SystemExit(f"cannot load {options.models / (name or options.model)}")
    folder = options.out / options.model
    folder.mkdir(parents=True, exist_ok=True)
    seconds = []
    photos = Photos(options.data, degradation=options.degradation)
    for path in photos.files:
        case = photos.case(path, options.scale)
        low = case.low
        height, width = low.shape[:2]
        best = min((forward(ncnn, net, low, options) for _ in range(2)), key=lambda made: made[1])
        image, took = best
        seconds.append(took / (height * width * options.scale**2 / 1e6))
        wanted, odd = (height * options.scale, width * options.scale), 2 * options.scale
        if any(not 0 <= found - n <= odd for found, n in zip(image.shape, wanted, strict=False)):
            raise SystemExit(f"{options.model} gives {image.shape[:2]} for {wanted}; is it x{options.scale}?")
        result = Image.fromarray(image[: wanted[0], : wanted[1]])
        (result.convert("L") if is_grey(case.reference) else result).save(folder / f"{path.stem}.png")
    print(f"{options.model}: {np.median(seconds):.2f} s per output megapixel, {len(seconds)} pictures in {folder}")


def forward(ncnn, net, low: np.ndarray, options: argparse.Namespace) -> tuple[np.ndarray, float]:
    """A result and the seconds of the network. The picture is padded by what the network eats, to even sizes."""
    sides = [(options.pad, options.pad + (n % 2 if options.pad else 0)) for n in low.shape[:2]]
    padded = np.pad(low, (*sides, (0, 0)), mode="edge")
    values = np.ascontiguousarray(padded.transpose(2, 0, 1), dtype=np.float32) / 255
    data = ncnn.Mat(values).clone()  # a Mat does not keep its array alive
    start = time.perf_counter()
    extractor = net.create_extractor()
    extractor.input(net.input_names()[0], data)
    _, out = extractor.extract(net.output_names()[0])
    took = time.perf_counter() - start
    made = np.array(out).transpose(1, 2, 0)
    return (made.clip(0, 1) * 255).round().astype(np.uint8), took


if __name__ == "__main__":
    main()
