import sys
from kcsim.mapping.problem import build_problem
from kcsim.mapping.drive import *
from kcsim.hardware.reader import load_hardware
from kcsim.workload.reader import load_network
hw=load_hardware(sys.argv[1]); net=load_network(sys.argv[2]); layer=net.layers[int(sys.argv[3])]; most=float(sys.argv[4])
p,ports=build_problem(layer,hw); f=build_floors(p,layer,hw)
t=time.process_time(); labels,s=solve(p,ports,f,int(sys.argv[5]) if len(sys.argv)>5 else 0,hw,most=most,limit=40); print("time",time.process_time()-t,labels.tally,s.best[0])
alive=np.zeros(len(p.stages),int); hist=np.zeros(len(p.stages),int); opens={}
for st in range(len(p.stages)):
    for b in np.flatnonzero(labels.heads[st]>=0):
        l=labels.heads[st,b]
        while l>=0:
            alive[st]+=1; hist[st]+=labels.rows[l]["nodes"]>0
            l=labels.rows[l]["next"]
for i,x in enumerate(p.stages):
    if alive[i]: print(i,x["level"],x["kept"],x["placed"],"alive",alive[i],"with nodes",hist[i], "boxes",(labels.heads[i]>=0).sum())
