"""What libcaface-train does, as C gives it."""

from typing import Any, Callable, Dict, List, Optional, Tuple

def train(
    fusion: str,
    options: List[Tuple[bytes, Any]],
    report: Optional[Callable[[Dict[str, Any]], object]],
    /,
) -> Dict[str, Any]: ...
