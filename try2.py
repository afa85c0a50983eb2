import time, sys
import numpy as np
from kcsim.mapping.problem import build_problem
from kcsim.mapping.drive import *
from kcsim.hardware.reader import load_hardware
from kcsim.workload.reader import load_network
hw=load_hardware(sys.argv[1]); net=load_network(sys.argv[2]); obj=int(sys.argv[3]); lim=int(sys.argv[4]) if len(sys.argv)>4 else 99
seen=set()
factors=[1.02,1.05,1.1,1.2,1.4,2,4,10,1e9]
tot=[]
for layer in net.layers[int(sys.argv[5]) if len(sys.argv)>5 else 0:]:
    if layer.shape_key in seen: continue
    seen.add(layer.shape_key)
    if len(seen)>lim: break
    t=time.process_time(); p,ports=build_problem(layer,hw); tb=time.process_time()-t
    print("build",tb,flush=True)
    t=time.process_time(); f=build_floors(p,layer,hw); tf=time.process_time()-t
    root=f.rest[[i for i,x in enumerate(p.stages) if x["level"]==len(hw.levels)-1 and x["placed"]==0]].min(axis=0)
    print("floors",tf,len(p.rounds),len(p.splits),flush=True)
    msg=[]
    t0=time.process_time()
    lb=None
    V=p.machine.macs
    # root bound
    for fac in factors:
        t=time.process_time()
        if lb is None:
            # evaluate bound at start through a first label
            labels,s=solve(p,ports,f,obj,hw,most=-1e300)
            lb=min_least(p,ports,f,obj,hw)
        labels,s=solve(p,ports,f,obj,hw,most=lb*fac)
        print(fac,labels.tally,time.process_time()-t,flush=True)
        msg.append((fac,int(labels.tally[0]),int(labels.tally[6]),round(time.process_time()-t,3)))
        if np.isfinite(s.best[0,0]): break
    val=s.best[0,0]*(s.best[0,1] if obj==2 else 1)
    tt=time.process_time()-t0
    tot.append(tb+tf+tt)
    print(layer.name,"boxes",len(p.rounds),"splits",len(p.splits),"build",round(tb,3),"floors",round(tf,3),"E,C",s.best[0],"opt/lb",round(val/lb,3),"search",round(tt,3),msg,flush=True)
print("median",np.median(tot),"max",max(tot))
