import sys; sys.argv=[sys.argv[0]]+sys.argv[1:]
from kcsim.mapping.problem import build_problem
from kcsim.mapping.drive import *
from kcsim.hardware.reader import load_hardware
from kcsim.workload.reader import load_network
hw=load_hardware(sys.argv[1]); net=load_network(sys.argv[2])
seen=set()
for layer in net.layers:
    if layer.shape_key in seen: continue
    seen.add(layer.shape_key)
    if len(seen)>7: break
    p,ports=build_problem(layer,hw); t=time.process_time(); f=build_floors(p,layer,hw); t=time.process_time()-t
    V=p.machine.macs
    print(layer.name, "lb",min_least(p,ports,f,0,hw), "V",V, "rest by level", [(int(x["level"]),float(f.rest[i].min())) for i,x in enumerate(p.stages) if x["placed"]==0], "floors s",round(t,3),len(p.rounds))
