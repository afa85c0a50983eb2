import sys
from kcsim.mapping.problem import build_problem
from kcsim.mapping.drive import *
from kcsim.hardware.reader import load_hardware
from kcsim.workload.reader import load_network
hw=load_hardware("simple"); net=load_network("resnet18"); layer=net.layers[1]
p,ports=build_problem(layer,hw); f=build_floors(p,layer,hw)
labels,s=solve(p,ports,f,0,hw,most=float(sys.argv[1]),limit=20)
print(labels.tally)
for st in (7,8,10,12):
    cnt=[]
    for b in np.flatnonzero(labels.heads[st]>=0):
        n=0;l=labels.heads[st,b]
        while l>=0: n+=1; l=labels.rows[l]["next"]
        cnt.append((n,b))
    cnt.sort(); print("stage",st,"boxes",len(cnt),"max",cnt[-1],"median",cnt[len(cnt)//2])
    n,b=cnt[-1]
    l=labels.heads[st,b]; k=0
    print(p.lattice.extents[b])
    while l>=0 and k<14:
        r=labels.rows[l]; nd=[(int(x["axis"]),int(x["shift"]),tuple(map(int,x["length"])),round(float(x["kept"][0]),4)) for x in labels.nodes[l][:r["nodes"]]]
        print("state",r["state"],"spent",labels.amounts[l,0,0],"open W,O",labels.amounts[l,2:4,0],"I",labels.amounts[l,4:8,0],"flight",r["flight"],"used",r["used"][0],nd,"least",r["least"])
        l=r["next"];k+=1
