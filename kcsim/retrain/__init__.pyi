from .tie import Tied as Tied
from .tie import tie as tie
