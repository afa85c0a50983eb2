import sys, numpy as np
from kcsim.mapping.problem import build_problem
from kcsim.mapping.drive import *
from kcsim.hardware.reader import load_hardware
from kcsim.workload.reader import load_network
hw=load_hardware("simple"); net=load_network("resnet18"); layer=[l for l in net.layers if l.name==sys.argv[1]][0]; W=int(sys.argv[2]); M=float(sys.argv[3])
p,ports=build_problem(layer,hw); f=build_floors(p,layer,hw); cl=None
labels,s=solve(p,ports,f,0,hw,most=M,width=W,limit=20,classes=cl)
print(s.best[0]); l=s.found[0]
print(chain(p,hw,trace(p,labels,l)))
L=[]
while l>=0: L.append(l); l=labels.rows[l]["parent"]
for l in L[::-1]:
    r=labels.rows[l]; nd=[(int(x["axis"]),int(x["shift"]),tuple(map(int,x["length"])),round(float(x["kept"][0]),4)) for x in labels.nodes[l][:r["nodes"]]]
    st=int(r["step"]); 
    print(("spread %s"%p.lattice.extents[p.splits[st-128]["tile"]] if st>=128 else "place "+"WIO"[st-64] if st>=64 else "loop %s%d"%("NGMCPQRS"[p.lattice.digits[st][0]],p.lattice.digits[st][1])),p.lattice.extents[r["box"]],"least",r["least"],"spent",labels.amounts[l,0,0],"held",labels.amounts[l,1,0],labels.amounts[l,2:6,0],r["flight"],nd)
