"""One template from many poor face images.

    import caface

    model = caface.FusionModel("fusion.safetensors")
    template = model.fuse(features, styles)             # f32 [N, C] and [N, S, 2] -> [C]

    faces = caface.FaceSet(model)                       # a live set: push, merge, save, pickle
    faces.push(features, styles)
    faces += another
    template = faces.template()

    fused = caface.fuse_many(features, styles, ids, model=model)   # a template for every id

Arrays come in from NumPy, from torch on the CPU, from memory maps and anything with the buffer
protocol; C-contiguous float32 is used where it is, other numbers are copied once. Results are
NumPy arrays. The interpreter's lock is released during work, and Ctrl-C stops it. What goes wrong
is a caface.Error, which is also the built-in exception that fits.

    fusing      FusionModel, FaceSet, fuse_many
    pictures    Encoder, Detector, align, Image, follow (video)
    people      Gallery (enrolment, search, thresholds), Index (exact search)
    on disk     FeatureSet, FeatureWriter, info (what a file is), convert
    measuring   caface.evaluate: verify, identify
    training    train

docs/python.md has it all, with examples that are run by the tests.
"""

from __future__ import annotations

from . import _core

_core.check_interpreter()

from . import evaluate
from ._calibration import Calibration
from ._errors import Error, MissingLibraryError
from ._features import FeatureSet, FeatureWriter
from ._files import Converted, FileInfo, Tensor, convert, info
from ._fusion import FaceSet, Fused, FusionModel, fuse_many
from ._gallery_api import Gallery
from ._people import Added, Match, Person, Picture, Verdict
from ._search import Index
from ._train_api import Trained, train
from ._vision_api import Detector, Encoder, Event, Face, Follower, Image, align, follow

__version__: str = _core.version

__all__ = [
    "Added",
    "Calibration",
    "Converted",
    "Detector",
    "Encoder",
    "Error",
    "Event",
    "Face",
    "FaceSet",
    "FeatureSet",
    "FeatureWriter",
    "FileInfo",
    "Follower",
    "Fused",
    "FusionModel",
    "Gallery",
    "Image",
    "Index",
    "Match",
    "MissingLibraryError",
    "Person",
    "Picture",
    "Tensor",
    "Trained",
    "Verdict",
    "align",
    "convert",
    "evaluate",
    "follow",
    "fuse_many",
    "info",
    "train",
]
