"""Arrays that are not ready for C: what NumPy can make of them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Sequence, Tuple

from ._errors import MissingLibraryError

if TYPE_CHECKING:
    import numpy

_NAMES = {"e": "float16", "f": "float32", "d": "float64", "q": "int64", "B": "uint8", "I": "uint32"}
_numpy: Any = None


def load_numpy() -> Any:
    """NumPy, or one sentence about its absence."""
    global _numpy
    if _numpy is None:
        try:
            import numpy
        except ImportError as reason:
            raise MissingLibraryError(
                "caface takes and gives arrays with NumPy, which cannot be imported here "
                f"({reason}): pip install numpy, or apt install python3-numpy"
            ) from None
        _numpy = numpy
    return _numpy


def tools(codes: str) -> Tuple[Any, ...]:
    """What the C modules make arrays with: numpy.empty and the dtypes of their types."""
    np = load_numpy()
    return (np.empty, *[np.dtype(_NAMES[code]) for code in codes])


def _refuse_strangers(value: Any, name: str) -> None:
    """Numbers that somebody still differentiates, or that are not in this machine's memory."""
    if getattr(value, "requires_grad", False):
        raise TypeError(
            f"{name}: a tensor that requires grad; nothing is differentiated here: give "
            ".detach() of it"
        )
    device = getattr(value, "device", None)
    if device is not None and getattr(device, "type", "cpu") != "cpu":
        raise TypeError(f"{name}: a tensor on {device}; give .cpu() of it")


def _of_torch(value: Any, name: str) -> Any:
    """What NumPy can take of a tensor, or of a list of them: it has no bfloat16, knows nothing of
    views of a negative or conjugate, and takes no list of tensors."""
    is_list = isinstance(value, (list, tuple))
    tensors = value if is_list else (value,)
    torch = sys.modules.get("torch")
    if not torch or not tensors or not isinstance(tensors[0], torch.Tensor):
        return value
    for tensor in tensors:
        _refuse_strangers(tensor, name)
    if is_list:
        try:
            value = torch.stack(tensors)
        except (RuntimeError, TypeError) as reason:
            raise TypeError(f"{name}: no array of numbers ({reason})") from None
    value = value.resolve_conj().resolve_neg()
    return value.float() if value.dtype == torch.bfloat16 else value


def _as_array(value: Any, name: str) -> Any:
    np = load_numpy()
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name}: a masked array; give .filled() or .compressed() of it")
    _refuse_strangers(value, name)
    value = _of_torch(value, name)
    try:
        with np.errstate(all="ignore"):
            return np.asarray(value)
    except (ValueError, TypeError) as reason:
        raise TypeError(f"{name}: no array of numbers ({reason})") from None


def _kind(value: Any, array: Any) -> str:
    """What was given, in a message."""
    if array.dtype.kind in "OUS" and not hasattr(value, "dtype"):
        return "None" if value is None else f"a {type(value).__name__} without numbers"
    return str(array.dtype)


def _check_integers(value: Any, array: Any, code: str, name: str) -> None:
    """Whole numbers stay what they are, or are refused."""
    np = load_numpy()
    limits = np.iinfo(_NAMES[code])
    if array.dtype.kind not in "iub" and not (array.size == 0 and array.dtype.kind == "f"):
        raise TypeError(f"{name}: {_kind(value, array)}, expected whole numbers")
    if array.size and array.dtype.kind != "b":
        low, high = int(array.min()), int(array.max())
        if low < limits.min or high > limits.max:
            bad = low if low < limits.min else high
            raise ValueError(
                f"{name}: {bad} is outside of {limits.min} to {limits.max} ({_NAMES[code]})"
            )


def take(value: Any, code: str, name: str) -> "numpy.ndarray[Any, Any]":
    """The value as an array of a type of the C modules, row-major, in this machine's byte order:
    the very numbers where they are so already, else a copy."""
    np = load_numpy()
    array = _as_array(value, name)
    if code in "fde":
        if array.dtype.kind not in "fiu":
            raise TypeError(f"{name}: {_kind(value, array)}, expected {_NAMES[code]} or numbers like it")
    else:
        _check_integers(value, array, code, name)
    with np.errstate(all="ignore"):
        # not ascontiguousarray: it makes one dimension of none
        ready: "numpy.ndarray[Any, Any]" = np.require(array, np.dtype(_NAMES[code]), ["C", "A"])
    return ready


class _Borrowed:
    """Numbers that belong to somebody else, for numpy.asarray: kept alive by their array."""

    def __init__(self, address: int, shape: Tuple[int, ...], owner: Any) -> None:
        self._owner = owner
        self.__array_interface__ = {
            "data": (address, True),
            "shape": shape,
            "typestr": "<f4" if sys.byteorder == "little" else ">f4",
            "version": 3,
        }


def borrow(address: int, shape: Tuple[int, ...], owner: Any) -> "numpy.ndarray[Any, Any]":
    """A read-only float32 array over numbers of the owner's, without a copy."""
    array: "numpy.ndarray[Any, Any]" = load_numpy().asarray(_Borrowed(address, shape, owner))
    return array


def number_labels(*groups: Sequence[Any]) -> Tuple[Any, ...]:
    """Labels of any kind (whole numbers, text) as int64 arrays, alike for alike.

    Whole numbers stay as they are. Returns the arrays, then the labels in the order of their
    numbers, or None where they stayed.
    """
    np = load_numpy()
    arrays = [np.asarray(group) for group in groups]
    for array in arrays:
        if array.ndim != 1:
            raise ValueError(f"labels: {array.ndim} dimensions, expected 1")
    kinds = {a.dtype.kind for a in arrays if a.size}
    if kinds <= set("iub"):
        return (*[take(a if a.size else a.astype("q"), "q", "labels") for a in arrays], None)
    if not kinds <= set("US"):
        if kinds & set("fc"):
            raise TypeError("labels: numbers with a fraction; give whole numbers or text")
        for array in arrays:
            if not all(isinstance(x, (str, bytes)) for x in array.tolist()):
                raise TypeError("labels: give whole numbers or text, one kind of them")
        arrays = [a.astype(str) for a in arrays]
    elif len(kinds) > 1:
        raise TypeError("labels: text and bytes, give one kind of them")
    names, numbers = np.unique(np.concatenate(arrays), return_inverse=True)
    ends = np.cumsum([a.size for a in arrays])[:-1]
    return (*[n.astype("q") for n in np.split(numbers.reshape(-1), ends)], names)
