"""What results look like: tables, JSON, plots."""

import lazy_loader

# Users write kcsim.plot; what draws is loaded when they do.
__getattr__, __dir__, _ = lazy_loader.attach(__name__, submodules=["plot"])
