import sys
sys.path.insert(0,"tests")
from uneven_problems import random_problem
from uneven_space import costs_of_all
from kcsim.mapping.problem import build_problem
from kcsim.mapping.drive import *
from kcsim.kernels.search.follow import follow
from kcsim.workload.layer import DIMENSIONS
seed,name=int(sys.argv[1]),sys.argv[2]; obj=["energy","cycles","edp"].index(name)
layer,hw=random_problem(seed,most=100_000)
costs=costs_of_all(layer,hw); b=costs.best(name); print(b.value); print(b.mapping.to_yaml(hw))
p,ports=build_problem(layer,hw); f=build_floors(p,layer,hw)
labels,s=solve(p,ports,f,obj,hw,most=1e300,limit=20,capacity=1<<17); print("search",s.best[0])
num={(int(x["level"]),int(x["kept"]),int(x["placed"])):i for i,x in enumerate(p.stages)}
levels={l.level:l for l in b.mapping.levels}
steps=[];stages=[]
primes=lambda n:[pp for pp in range(2,n+1) for _ in range(20) if n%pp==0 and all(pp%q for q in range(2,pp))] 
def fac(n):
    out=[];d=2
    while n>1:
        while n%d==0: out.append(d); n//=d
        d+=1
    return out
dig=p.lattice.digits
def fstep(d,pr): return [i for i in range(len(dig)) if dig[i][0]==DIMENSIONS.index(d) and dig[i][1]==pr][0]
lay=hw.levels
box=0
for li in range(len(lay)-1,-1,-1):
    L=levels[lay[li].name]
    kept=0
    for t,tn in enumerate(("weights","inputs","outputs")):
        if tn in lay[li].kept_tensors and tn not in L.bypass: kept|=1<<t
    if li==0: kept=7
    tile=0
    for n in (*L.spatial_x,*L.spatial_y):
        for q in fac(n.bound): tile+=int(dig[fstep(n.dimension,q)][3])
    sp=[k for k in range(p.places[li]["first_split"],p.places[li]["last_split"]) if p.splits[k]["tile"]==tile][0]
    steps.append(128+sp); stages.append(num[li,kept,0])
    placed=0
    items=list(L.places([t for t in lay[li].kept_tensors])) 
    if not any(isinstance(x,str) for x in items): items=[t for t in ("weights","inputs","outputs") if kept>>("weights","inputs","outputs").index(t)&1]+items
    for it in reversed(items):
        if li==0 and isinstance(it,str): continue
        if isinstance(it,str):
            t=("weights","inputs","outputs").index(it); placed|=1<<t; steps.append(64+t); stages.append(num[li,kept,placed])
        else:
            for q in fac(it.bound): steps.append(fstep(it.dimension,q)); stages.append(num[li,kept,placed])
worse=np.full(len(steps),-1)
from itertools import product
end=follow(s,0,np.array(steps),np.array(stages),worse)
def show(l):
    r=labels.rows[l]; nd=[(int(x["axis"]),int(x["shift"]),tuple(map(int,x["length"])),round(float(x["kept"][0]),4),int(x["below"])) for x in labels.nodes[l][:r["nodes"]]]
    print("   ",p.lattice.extents[r["box"]],"spent",labels.amounts[l,0],"held",labels.amounts[l,1],"open",labels.amounts[l,2:6,0],"fl",r["flight"],"used",r["used"],nd,"state",int(r["state"]),"units",r["units"],"leak",r["leak"])
print("worse",list(zip(steps,worse.tolist())), "end",end)
chain_=[]; l=end if end>=0 else labels.tally[0]-1
while l>=0: chain_.append(l); l=labels.rows[l]["parent"]
chain_=chain_[::-1]
for i,(st,l) in enumerate(zip([None]+steps,chain_)):
    print(st, worse[i-1] if i else ''); show(l)
    if i and worse[i-1]>=0: print("  worse:"); show(worse[i-1]); print(chain(p,hw,trace(p,labels,worse[i-1])))
