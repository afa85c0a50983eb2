import sys
from kcsim.mapping.problem import build_problem
from kcsim.mapping.drive import *
from kcsim.hardware.reader import load_hardware
from kcsim.workload.reader import load_network
hw=load_hardware("simple"); net=load_network("resnet18"); layer=net.layers[int(sys.argv[1])]
p,ports=build_problem(layer,hw)
for mus in ((0,0),(0,1),(0,3),(0,10),(0,30),(0,100),(0,300),(0,1000),(0,3000),(0,10000),(0,30000)):
    V=p.machine.macs
    f=build_floors(p,layer,hw,(0,mus[0],mus[1]))
    print(mus, "%.5g"%f.rest[0].min(), "%.6g"%min_least(p,ports,f,0,hw))
