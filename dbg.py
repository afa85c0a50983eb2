import sys
sys.path.insert(0,"tests")
from uneven_problems import random_problem
from uneven_space import costs_of_all
seed,name=int(sys.argv[1]),sys.argv[2]
layer,hw=random_problem(seed,most=100_000)
costs=costs_of_all(layer,hw)
b=costs.best(name); print(b)
print(layer)
print(b.mapping.to_yaml(hw))
