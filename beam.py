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
    for w in (1,2,4,8):
        t=time.process_time(); labels,s=solve(p,ports,f,obj,hw,most=1e300,width=w,limit=15); print(layer.name,"width",w,"time",round(time.process_time()-t,3),labels.tally,s.best[0],"floors",round(tf,3),flush=True)
        b=s.best[0].copy()
    most=b[0]*(b[1] if obj==2 else 1)*(1+1e-9)
    t=time.process_time(); labels,s=solve(p,ports,f,obj,hw,most=most,limit=15); print("  exact time",round(time.process_time()-t,3),labels.tally,s.best[0],s.best[0][0]/b[0],flush=True)
