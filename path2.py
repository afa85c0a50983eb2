import sys
sys.path.insert(0,"tests")
from uneven_problems import random_problem
from kcsim.mapping.problem import build_problem
from kcsim.mapping.drive import *
layer,hw=random_problem(int(sys.argv[1]),most=100_000)
obj=int(sys.argv[2])
p,ports=build_problem(layer,hw); f=build_floors(p,layer,hw)
labels,s=solve(p,ports,f,obj,hw,most=1e300,limit=20)
print(layer); 
for l in hw.levels: print(l.name,l.keeps,l.may_bypass,l.fanout,l.read_pj,l.write_pj,l.update_pj,l.capacity_words,l.partitions,l.leakage_pj_per_cycle,l.block_words,l.word_bits)
print(hw.precision_bits,hw.static_pj_per_cycle,hw.dataflow)
print(s.best[0]); l=s.found[0]
print(chain(p,hw,trace(p,labels,l)))
print("outward",f.outward,"inward",f.inward,"sent",f.sent)
L=[]
while l>=0: L.append(l); l=labels.rows[l]["parent"]
for l in L[::-1]:
    r=labels.rows[l]; nd=[(int(x["axis"]),int(x["shift"]),tuple(map(int,x["length"])),round(float(x["kept"][0]),4)) for x in labels.nodes[l][:r["nodes"]]]
    st=int(r["step"]); 
    print(("spread %s"%p.lattice.extents[p.splits[st-128]["tile"]] if st>=128 else "place "+"WIO"[st-64] if st>=64 else "commit" if st==-2 else "loop %s%d"%("NGMCPQRS"[p.lattice.digits[st][0]],p.lattice.digits[st][1])),p.lattice.extents[r["box"]],"least",r["least"],"spent",labels.amounts[l,0,0],"held",labels.amounts[l,1,0],labels.amounts[l,2:6,0],r["flight"],nd,int(r["state"]))
print("stages",[(i,tuple(int(v) for v in (x["level"],x["kept"],x["placed"]))) for i,x in enumerate(p.stages)])
look=lambda *e: [b for b in range(len(p.rounds)) if list(p.lattice.extents[b])==list(e)][0]
if sys.argv[1]=="129":
    b1=look(2,1,1,2,1,1,1,1); b2=look(2,1,1,10,1,1,1,1)
    for i,x in enumerate(p.stages):
        if x["level"]==1: print((int(x["kept"]),int(x["placed"])),f.rest[i,b1],f.rest[i,b2],f.staying[i,:,:,b1],"stay_pj",f.stay_pj[1])
