"""kcsim: what a CNN accelerator spends on a network, with dense or clustered weights.

>>> import kcsim
>>> result = kcsim.estimate("eyeriss.yaml", "lenet5", "kernel:k=16,scope=network")
"""

import lazy_loader

__version__ = "0.1.0"

# The names are in __init__.pyi; each is loaded when asked for, so that importing kcsim costs
# nothing.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
