"""One configuration of one family and how its reference is run."""
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Callable

import numpy as np

from .pictures import SMALL, described, pattern, text_described

SEVERAL = ((100, 60), (33, 80), (64, 64))
# What the references throw for pictures that they cannot prepare.
REFUSALS = (ValueError, ZeroDivisionError, IndexError, SystemError, RuntimeError)


@dataclass
class Case:
    name: str
    model_type: str
    # (case, pictures of one prompt) -> arrays by name, the text of each picture; no texts where there is no reference
    run: Callable
    image_processor: dict = field(default_factory=dict)
    processor: dict = field(default_factory=dict)
    config: dict = field(default_factory=dict)
    sizes: list = field(default_factory=lambda: SMALL)
    token: str = ""  # stands for one row in the language model; the placeholder if empty
    several: tuple = SEVERAL

    def made(self, sizes):
        arrays, texts = self.run(self, [pattern(*size) for size in sizes])
        return {"arrays": {name: described(np.asarray(array)) for name, array in arrays.items()},
                "expansions": [text_described(text) for text in texts]}

    def image(self, size):
        try:
            return {"size": list(size), **self.made([size])}
        except REFUSALS as error:
            return {"size": list(size), "error": f"{type(error).__name__}: {error}"[:60]}

    def golden(self):
        return {"name": self.name, "model_type": self.model_type, "image_processor": self.image_processor,
                "processor": self.processor, "config": self.config, "token": self.token,
                "batch": {"sizes": [list(s) for s in self.several], **self.made(self.several)},
                "images": [self.image(size) for size in self.sizes]}


def settings(case):
    """The file's fields as the class takes them."""
    return {k: v for k, v in case.image_processor.items() if k not in ("image_processor_type", "image_seq_length")}


def transformers_run(cls, names, replace=None, nested=False, return_tensors=None, **overrides):
    """Runs an image processor of transformers. `replace(case, processor, out)` gives its own processor class and the
    attributes that its replace_image_token reads; `overrides` are what that class passes whatever the file says."""
    def run(case, pictures):
        processor = cls(**settings(case))
        extra = {k: v(case) if callable(v) else v for k, v in overrides.items()}
        out = processor([pictures] if nested else pictures, return_tensors=return_tensors, **extra)
        arrays = {name: np.asarray(out[name]) for name in names}
        if replace is None:
            return arrays, []
        owner, attributes, *rest = replace(case, processor, out)
        me = SimpleNamespace(image_processor=processor, **attributes)
        keywords = rest[0] if rest else {}
        return arrays, [owner.replace_image_token(me, out, i, **keywords) for i in range(len(pictures))]
    return run
