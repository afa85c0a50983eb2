import sys
from kcsim.mapping.problem import build_problem
from kcsim.mapping.drive import *
from kcsim.hardware.reader import load_hardware
from kcsim.workload.reader import load_network
hw=load_hardware(sys.argv[1]); obj=int(sys.argv[3]); W=int(sys.argv[4]); lim=int(sys.argv[5])
tot=[];seen=set()
for n in sys.argv[2].split(","):
  for layer in load_network(n).layers:
    if layer.shape_key in seen: continue
    seen.add(layer.shape_key)
    if len(seen)>lim: break
    t0=time.process_time(); p,ports=build_problem(layer,hw); t1=time.process_time(); f=build_floors(p,layer,hw); t2=time.process_time()
    tc=time.process_time(); cl=build_classes(p,f) if '-c' in sys.argv else None; tc=time.process_time()-tc
    lb=min_least(p,ports,f,obj,hw,cl)
    msg=[]
    for fac in (1.02,1.05,1.09,1.14,1.2,1.3,1.5,2,4,1e9):
        t=time.process_time(); labels,s=solve(p,ports,f,obj,hw,most=lb*fac,width=W,limit=5,classes=cl); msg.append((fac,int(labels.tally[5]),round(time.process_time()-t,3)))
        if np.isfinite(s.best[0,0]): break
    t3=time.process_time()
    b=s.best[0].copy(); v=lambda x: x[0]*(x[1] if obj==2 else 1)
    ub=v(b)
    t=time.process_time(); labels,s=solve(p,ports,f,obj,hw,most=ub*(1-1e-9),limit=5,classes=cl); t4=time.process_time()
    r=s.best[0] if np.isfinite(s.best[0,0]) else b
    tot.append(t4-t0)
    print(layer.name,"boxes",len(p.rounds),"splits",len(p.splits),"build %.3f floors %.3f classes %.3f beam %.3f exact %.3f"%(t1-t0,t2-t1,tc,t3-t2-tc,t4-t),"LB/opt %.3f beam/opt %.4f"%(lb/v(r),ub/v(r)),r,"labels",labels.tally[:7],msg,flush=True)
print("median",np.median(tot),"max",max(tot))
