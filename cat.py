import sys, collections
from kcsim.mapping.problem import build_problem
from kcsim.mapping.drive import *
from kcsim.hardware.reader import load_hardware
from kcsim.workload.reader import load_network
hw=load_hardware("simple"); net=load_network("resnet18"); layer=net.layers[int(sys.argv[2])]
p,ports=build_problem(layer,hw); f=build_floors(p,layer,hw)
labels,s=solve(p,ports,f,0,hw,most=float(sys.argv[1]),limit=20)
for st in (7,8,10):
    c=collections.Counter(); ex={}
    for b in np.flatnonzero(labels.heads[st]>=0):
        l=labels.heads[st,b]
        while l>=0:
            r=labels.rows[l]; nd=tuple((int(x["axis"]),int(x["sliding"])) for x in labels.nodes[l][:r["nodes"]])
            k=(int(r["state"])&3,nd); c[k]+=1; ex[k]=l
            l=r["next"]
    print("stage",st)
    for k,v in c.most_common(12):
        l=ex[k]; r=labels.rows[l]; b=r["box"]
        print(v,k,"ex box",p.lattice.extents[b],"spent %.5g"%labels.amounts[l,0,0],"open",labels.amounts[l,2:8,0],"least %.5g"%r["least"],"rest %.4g"%f.rest[st,b],[(tuple(x["length"]),int(x["shift"]),round(float(x["kept"][0]),4)) for x in labels.nodes[l][:r["nodes"]]], "along",p.along[b],"unseen",p.unseen[:,b])
