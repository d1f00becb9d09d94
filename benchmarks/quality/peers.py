"""What other upscalers make of a folder of photos, for `srcli bench --score` and `srcli compare`.

    pip install ncnn
    python benchmarks/quality/peers.py --data Set5/ --out peers/ --model waifu2x-cunet-x2 --scale 2 --pad 18
    srcli bench --data Set5/ --score peers/waifu2x-cunet-x2 --models linf-lp-s --scale 2

A model is NAME.param and NAME.bin of ncnn in --models, run at its own scale, or FSRCNN's NAME.pb (which needs
`opencv-contrib-python-headless<5`). Low-resolution pictures are those of `srcli bench`: Pillow's bicubic on 8 bits, or
degraded (--degradation moderate); with --direct the pictures themselves are enlarged. Times are of the network's
forward pass (of FSRCNN: with the bicubic colours), the best of two, per megapixel of the results.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from srcli.bench.quality import Photos
from srcli.bench.variants import is_grey

Upscale = Callable[[np.ndarray], tuple[np.ndarray, float]]  # an RGB picture to a larger one, and the seconds it took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--models", type=Path, default=Path())
    parser.add_argument("--model", required=True)
    parser.add_argument("--weights", help="the .bin file, where its name differs")
    parser.add_argument("--scale", type=int, required=True)
    parser.add_argument("--degradation", help="preset of srcli degrade")
    parser.add_argument("--direct", action="store_true", help="enlarge the pictures of --data as they are")
    parser.add_argument("--pad", type=int, default=0, help="low-resolution pixels that the network eats on each side")
    parser.add_argument("--passes", type=int, default=1, help="2: a x2 network run twice, for x4; 3: for x8")
    parser.add_argument("--then", type=int, default=1, help="enlarged that many times more by Pillow's bicubic")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    once = fsrcnn(options) if (options.models / f"{options.model}.pb").exists() else ncnn(options)
    upscale = repeated(once, options)
    scale = options.scale**options.passes * options.then
    folder = options.out / options.model
    folder.mkdir(parents=True, exist_ok=True)
    seconds = []
    for name, low, grey in pictures(options, scale):
        height, width = low.shape[:2]
        image, took = min((upscale(low) for _ in range(2)), key=lambda made: made[1])
        seconds.append(took / (height * width * scale**2 / 1e6))
        result = Image.fromarray(image)
        if options.then > 1:
            result = result.resize((width * scale, height * scale), Image.Resampling.BICUBIC)
        (result.convert("L") if grey else result).save(folder / f"{name}.png")
    print(f"{options.model}: {np.median(seconds):.2f} s per output megapixel, {len(seconds)} pictures in {folder}")


def repeated(once: Upscale, options: argparse.Namespace) -> Upscale:
    """As many passes as asked for, each cropped to its size: padding to even sizes leaves up to two pixels more."""

    def upscale(low: np.ndarray) -> tuple[np.ndarray, float]:
        image, seconds = low, 0.0
        for _ in range(options.passes):
            wanted, odd = [n * options.scale for n in image.shape[:2]], 2 * options.scale
            image, took = once(image)
            if any(not 0 <= found - n <= odd for found, n in zip(image.shape, wanted, strict=False)):
                raise SystemExit(f"{options.model} gives {image.shape[:2]} for {wanted}; is it x{options.scale}?")
            image, seconds = image[: wanted[0], : wanted[1]], seconds + took
        return image, seconds

    return upscale


def pictures(options: argparse.Namespace, scale: int) -> Iterator[tuple[str, np.ndarray, bool]]:
    """Names, small pictures in RGB, and whether their results are kept in grey."""
    photos = Photos(options.data, degradation=options.degradation)
    for path in photos.files:
        if options.direct:
            with Image.open(path) as opened:
                yield path.stem, np.asarray(opened.convert("RGB")), opened.mode == "L"
        else:
            case = photos.case(path, scale)
            yield path.stem, case.low, is_grey(case.reference)


def ncnn(options: argparse.Namespace) -> Upscale:
    """A network of ncnn. The picture is padded by what the network eats, to even sizes."""
    import ncnn

    net = ncnn.Net()
    net.opt.use_vulkan_compute, net.opt.num_threads = False, options.threads
    for load, name in ((net.load_param, f"{options.model}.param"), (net.load_model, options.weights)):
        if load(str(options.models / (name or f"{options.model}.bin"))) != 0:
            raise SystemExit(f"cannot load {options.models / (name or options.model)}")

    def upscale(low: np.ndarray) -> tuple[np.ndarray, float]:
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

    return upscale


def fsrcnn(options: argparse.Namespace) -> Upscale:
    import cv2

    cv2.setNumThreads(options.threads)
    net = cv2.dnn_superres.DnnSuperResImpl_create()
    net.readModel(str(options.models / f"{options.model}.pb"))
    net.setModel("fsrcnn", options.scale)

    def upscale(low: np.ndarray) -> tuple[np.ndarray, float]:
        start = time.perf_counter()
        made = net.upsample(np.ascontiguousarray(low[..., ::-1]))
        return made[..., ::-1], time.perf_counter() - start

    return upscale


if __name__ == "__main__":
    main()
