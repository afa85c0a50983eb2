"""Retraining with shared weights. Needs the extra ``torch``."""

import lazy_loader

# Users write kcsim.retrain.tie; the names are in __init__.pyi.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
