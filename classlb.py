import sys
from kcsim.mapping.problem import build_problem
from kcsim.mapping import drive
from kcsim.mapping.drive import *
from kcsim.kernels.search import bounds
from kcsim.hardware.reader import load_hardware
from kcsim.workload.reader import load_network
hw=load_hardware("simple"); net=load_network("resnet18")
store={}
orig=bounds.bound_level
def spy(problem, level, kept, prices, fits, boundary, values, rent):
    orig(problem, level, kept, prices, fits, boundary, values, rent)
    store[level]=(kept,prices.copy(),fits.copy(),boundary.copy(),values)
drive.bounds.bound_level=spy
for name in sys.argv[1].split(","):
    layer=[l for l in net.layers if l.name==name][0]
    p,ports=build_problem(layer,hw); f=build_floors(p,layer,hw); lb=min_least(p,ports,f,0,hw)
    kept,prices,fits,boundary,values=store[2]
    pl=p.places[1]; sp=p.splits[pl["first_split"]:pl["last_split"]]
    out=p.outputs; V=p.machine.macs
    rows=[]
    for c in np.unique(sp["copies"]):
        m=sp["copies"]==c
        e=p.lattice.extents[sp["tile"][m]].astype(float)
        sw=sp["shares"][m][:,0].min(); si=sp["shares"][m][:,1].min()
        pr=np.array([3+6*sw,3+6*si,1+4+12/c])
        const=out*(c*(1+2)+6)
        # boundary by class
        x=np.full(len(p.rounds),np.inf)
        ent=f.entry[1]
        for t in sp["tile"][m]:
            pass
        t=time.process_time(); orig(p,2,7,pr,fits,boundary,values,np.zeros(3)); t=time.process_time()-t
        total=p.machine.mac_pj+V*4-out*c*1+values[0,0,0]-const
        rows.append((int(c),round(total/1e6,2),round(t,4)))
    print(name,"lb now",lb/1e6,rows)
