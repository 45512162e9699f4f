"""What is in a file, and many files as one."""

from __future__ import annotations

import json
import os
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

from . import _system
from ._errors import InvalidError

Path = Union[str, "os.PathLike[str]"]


def backbone_words(
    *,
    taps: Sequence[str] = (),
    styles: Optional[str] = None,
    input_order: Optional[str] = None,
    input_mean: Optional[Sequence[float]] = None,
    input_scale: Optional[Sequence[float]] = None,
    weights_key: Optional[str] = None,
) -> Tuple[Any, ...]:
    """What is said of a backbone, as the extension module takes it."""
    three = []
    for name, values in (("input_mean", input_mean), ("input_scale", input_scale)):
        row = None if values is None else tuple(float(v) for v in values)
        if row is not None and len(row) != 3:
            raise InvalidError(f"{name}: {len(row)} numbers, expected 3")
        three.append(row)
    if isinstance(taps, str):
        raise InvalidError("taps: give a list of names, not a text")
    return tuple(tap.encode() for tap in taps), styles, input_order, *three, weights_key


class Tensor(NamedTuple):
    """A tensor of a file, by name."""

    name: str
    dtype: str  # as safetensors files call it: "F32", "F16", "I64" ...
    shape: Tuple[int, ...]


class FileInfo:
    """What a file is; what info() gives. print() shows all of it as `caface info` does.

    kind      "torch", "lightning", "torchscript", "safetensors", "npy", "npz", "pickle",
              "onnx", "feature-set"
    tensors   a list of Tensor
    numbers, bytes   in all of them, and what those take
    config    what else the file holds: hyper parameters, metadata
    fusion    sizes and hash of the fusion network in it; None: there is none that can be used
    backbone  family, sizes and hash of the backbone in it; None: there is none that can be used
    fusion_error, backbone_error   why what looks like one cannot be used, or None
    """

    def __init__(self, found: Dict[str, Any]) -> None:
        told: Dict[str, Any] = json.loads(found["json"])
        self._told = told
        self._text: str = found["text"]
        self.kind: str = told["kind"]
        self.tensors: List[Tensor] = [
            Tensor(t["name"], t["dtype"], tuple(t["shape"])) for t in told["tensors"]
        ]
        self.numbers: int = found["numbers"]
        self.bytes: int = found["bytes"]
        self.config: Any = told.get("config")
        self.fusion_error: Optional[str] = found["fusion_error"]
        self.backbone_error: Optional[str] = found["backbone_error"]
        self.fusion: Optional[Dict[str, Any]] = None if self.fusion_error else told.get("fusion")
        self.backbone: Optional[Dict[str, Any]] = told.get("backbone")

    def to_dict(self) -> Dict[str, Any]:
        """Plain Python: what `caface info --json` prints."""
        return dict(self._told)

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"<caface.FileInfo {self.kind}, {len(self.tensors)} tensors, {self.bytes} bytes>"


def info(path: Path) -> FileInfo:
    """What a checkpoint, model file, ONNX file, array or feature set is, and whether caface can use
    it. Nothing in it is executed: of a pickle only tensors, containers, numbers and text are read.
    Ctrl-C ends it at once.

    Raises OSError; ValueError (damaged, or of no known kind); NotImplementedError.
    """
    return FileInfo(_system.load("_vision").file_info(path))


class Converted(NamedTuple):
    """What convert() wrote."""

    tensors: int
    bytes: int  # that they take


def convert(
    inputs: Union[Path, Sequence[Path]],
    output: Path,
    *,
    ensemble: float = 0,
    taps: Sequence[str] = (),
    styles: Optional[str] = None,
    input_order: Optional[str] = None,
    input_mean: Optional[Sequence[float]] = None,
    input_scale: Optional[Sequence[float]] = None,
    weights_key: Optional[str] = None,
    progress: Optional[Callable[[int], object]] = None,
) -> Converted:
    """Writes checkpoints, ONNX backbones and arrays into one .safetensors file that opens at once:
    all tensors under their names and bit for bit, with their configuration. What `caface convert`
    does; a backbone and a fusion file together become one model file.

        caface.convert(["backbone.onnx", "fusion.ckpt"], "model.safetensors")

    ensemble   above 0 and at most 1: the restoring fusions of all inputs, two at least, become
               one model that averages their templates, every weight to this power
    taps, styles, input_order, input_mean, input_scale, weights_key   of the backbone, in place of
               what its file says: as Encoder has them
    progress   called now and then with the bytes that are written

    The output appears whole or not at all, and may be one of the inputs. Ctrl-C, and an exception
    in progress, stop it, and output is as it was. Raises OSError;
    ValueError: damaged, two backbones or two different tensors of one name, an option out of
    its range, no backbone for the options of one; NotImplementedError.
    """
    given = (inputs,) if isinstance(inputs, (str, bytes, os.PathLike)) else tuple(inputs)
    words = backbone_words(
        taps=taps, styles=styles, input_order=input_order, input_mean=input_mean,
        input_scale=input_scale, weights_key=weights_key,
    )  # fmt: skip
    return Converted(*_system.load("_vision").convert(given, output, words, float(ensemble), progress))
