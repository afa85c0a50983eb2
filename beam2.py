import sys
from kcsim.mapping.problem import build_problem
from kcsim.mapping.drive import *
from kcsim.hardware.reader import load_hardware
from kcsim.workload.reader import load_network
hw=load_hardware(sys.argv[1]); net=load_network(sys.argv[2]); obj=int(sys.argv[4])
layers=[net.layers[int(i)] for i in sys.argv[3].split(",")]
for layer in layers:
    p,ports=build_problem(layer,hw); 
    t=time.process_time(); f=build_floors(p,layer,hw); tf=time.process_time()-t
    lb=min_least(p,ports,f,obj,hw)
    for fac in (1.002,1.005,1.01,1.02,1.05,1.1,1.2):
        t=time.process_time(); labels,s=solve(p,ports,f,obj,hw,most=lb*fac,limit=15); print(layer.name,"fac",fac,"time",round(time.process_time()-t,3),labels.tally,s.best[0],"floors",round(tf,3),flush=True)
        if np.isfinite(s.best[0,0]): break
