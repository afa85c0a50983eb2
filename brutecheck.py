import sys, time, traceback
sys.path.insert(0,"tests")
import numpy as np
from uneven_problems import random_problem
from uneven_space import costs_of_all
from kcsim.mapping.problem import build_problem
from kcsim.mapping.drive import *
lo,hi=int(sys.argv[1]),int(sys.argv[2])
bad=0; done=0
for seed in ([int(x) for x in sys.argv[3].split(",")] if len(sys.argv)>3 else range(lo,hi)):
    layer,hw=random_problem(seed,most=100_000)
    costs=costs_of_all(layer,hw)
    for obj,name in enumerate(("energy","cycles","edp")):
        try:
            p,ports=build_problem(layer,hw)
            f=build_floors(p,layer,hw)
            labels,s=solve(p,ports,f,obj,hw,most=1e300,limit=20)
        except Exception as e:
            print(seed,name,"ERROR",type(e),str(e)[:200]); bad+=1; continue
        e,c=s.best[0]
        v={"energy":e,"cycles":c,"edp":e*c}[name]
        w={"energy":costs.energy,"cycles":costs.cycles,"edp":costs.energy*costs.cycles}[name]
        best=w.min() if len(w) else np.inf
        done+=1
        if np.isfinite(best):
            try:
                labels,s=solve(p,ports,f,obj,hw,most=best*(1+1e-7)+1e-12,limit=20)
                e2,c2=s.best[0]; v2={"energy":e2,"cycles":c2,"edp":e2*c2}[name]
                if not abs(v2-best)<=1e-8*abs(best)+1e-9: bad+=1; print(seed,name,"PRUNED",v2,"brute",best,[l.fanout.multicast for l in hw.levels],[l.fanout.children for l in hw.levels],"bypass",[l.may_bypass for l in hw.levels],"red",[l.fanout.reduction for l in hw.levels],"zeros", layer.zeros)
            except Exception as ex: print(seed,name,"PRUNED ERROR",ex); bad+=1
        if not (np.isinf(best) and np.isinf(v)) and abs(v-best)>1e-8*abs(best)+1e-9:
            bad+=1; print(seed,name,"search",v,"brute",best,"ratio",v/best,"repeated" if hw.slides=="repeated" else "", "zeros" if any(vars(layer.zeros).values()) else "", [l.fanout.multicast for l in hw.levels],[l.fanout.children for l in hw.levels],"bypass",[l.may_bypass for l in hw.levels])
print("done",done,"bad",bad)
