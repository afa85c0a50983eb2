import time, sys
import numpy as np

from kcsim.hardware.level import Level, Fanout
from kcsim.hardware.schema import Hardware, Compute
from kcsim.mapping.problem import build_problem
from kcsim.mapping.drive import *
from kcsim.workload.layer import ConvLayer
def one_pe():
    # AccelForge accounting: 200/6/1, mac 1? read=write=update
    return Hardware(name="one", precision_bits={"weights":16,"inputs":16,"outputs":16}, levels=(Level(name="DRAM",read_pj=200,write_pj=200,word_bits=16),Level(name="buffer",read_pj=6,write_pj=6,word_bits=16,capacity_words=65536),Level(name="rf",read_pj=1,write_pj=1,word_bits=16,capacity_words=256)),compute=Compute(mac_pj=1))
layer=ConvLayer("d",256,512,14,14,1,1,stride=(2,2))
hw=one_pe()
for objective in (0,2):
    for most in (np.inf, 1.3):
        t=time.process_time(); p,ports=build_problem(layer,hw); f=build_floors(p,layer,hw); t1=time.process_time()-t
        if most!=np.inf: most=base*1.0000001
        t=time.process_time(); labels,s=solve(p,ports,f,objective,hw,most=most); t=time.process_time()-t
        print(objective,"E,C",s.best[0],"labels",labels.tally, "build",round(t1,3),"t",round(t,3))
        if most==np.inf: base=s.best[0,0]*(s.best[0,1] if objective==2 else 1)
        print(chain(p,hw,trace(p,labels,s.found[0])))
