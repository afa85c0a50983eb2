import sys
from kcsim.mapping.problem import build_problem
from kcsim.mapping.drive import *
from kcsim.hardware.reader import load_hardware
from kcsim.workload.reader import load_network
hw=load_hardware("simple"); net=load_network("resnet18"); layer=net.layers[int(sys.argv[1])]
p,ports=build_problem(layer,hw)
B=[i for i in range(len(p.rounds)) if list(p.lattice.extents[i])==[1,1,8,64,7,56,3,3]]
for m1 in (0,0.5,1,2,4,8,16,32):
    f=build_floors(p,layer,hw,(0,m1,0))
    print(m1, "lb %.6g"%min_least(p,ports,f,0,hw), "at box", ["%.5g"%f.rest[8,b] for b in B])
