import sys
sys.path.insert(0,"tests")
from uneven_problems import random_problem
from uneven_space import costs_of_all
from kcsim.mapping.problem import build_problem
from kcsim.mapping.drive import *
bad=0;n=0
for seed in range(int(sys.argv[1]),int(sys.argv[2])):
    layer,hw=random_problem(seed,most=100_000)
    costs=costs_of_all(layer,hw,even=True)
    if not len(costs.energy): continue
    p,ports=build_problem(layer,hw,even=True); f=build_floors(p,layer,hw)
    labels,s=solve(p,ports,f,3,hw,most=1e300,limit=20)
    k=labels.tally[FOUND]; a=s.best[:k]; a=a[np.lexsort((a[:,0],a[:,1]))]
    b=np.asarray(costs.front(),float).reshape(-1,2); b=b[np.lexsort((b[:,0],b[:,1]))]
    n+=1
    if a.shape!=b.shape or not np.allclose(a,b,rtol=1e-8): bad+=1; print(seed,a[:6],b[:6])
print("fronts",n,"bad",bad)
