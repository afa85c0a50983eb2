import sys
from kcsim.mapping.problem import build_problem
from kcsim.mapping.drive import *
from kcsim.hardware.reader import load_hardware
from kcsim.workload.reader import load_network, load_layer
def run(layer,hw,obj,W=2,limit=10,show=True):
    t0=time.process_time(); p,ports=build_problem(layer,hw); t1=time.process_time(); f=build_floors(p,layer,hw); t2=time.process_time()
    lb=min_least(p,ports,f,obj,hw)
    for fac in (1.03,1.08,1.15,1.25,1.5,2,4,16,1e9):
        labels,s=solve(p,ports,f,obj,hw,most=lb*fac,width=W,limit=limit)
        if np.isfinite(s.best[0,0]): break
    t3=time.process_time(); b=s.best[0].copy(); v=lambda x: x[0]*(x[1] if obj==2 else 1); ub=v(b)
    labels,s=solve(p,ports,f,obj,hw,most=ub*(1-1e-9),limit=limit); t4=time.process_time()
    r=s.best[0] if np.isfinite(s.best[0,0]) else b
    print(layer.name,"obj",obj,"boxes",len(p.rounds),"splits",len(p.splits),"stages",len(p.stages),"build %.3f floors %.3f beam %.3f exact %.3f total %.3f"%(t1-t0,t2-t1,t3-t2,t4-t3,t4-t0),"LB/opt %.3f beam/opt %.4f"%(lb/v(r),ub/v(r)),r,labels.tally[:7],fac,flush=True)
    return t4-t0
if __name__=="__main__":
    C="/work/shared/cases/"
    hw=load_hardware(C+"58_single_buffered_edp/slow_hw.yaml"); layer=load_layer(C+"58_single_buffered_edp/slow_layer.yaml")
    for o in (0,2): run(layer,hw,o)
    hw=load_hardware(C+"57_time_limit/hw.yaml"); 
    for n in (1,5,10,15,17): run(load_network("resnet18").layers[n],hw,0)
    hw=load_hardware(C+"01_simba_like/hw.yaml")
    for n in (1,7,10,15,17,20): run(load_network("resnet18").layers[n],hw,0)
