import sys
from kcsim.mapping.problem import build_problem
from kcsim.mapping import drive
from kcsim.mapping.drive import *
from kcsim.kernels.search import bounds
from kcsim.hardware.reader import load_hardware
from kcsim.workload.reader import load_network
hw=load_hardware("simple"); net=load_network("resnet18"); layer=net.layers[1]
p,ports=build_problem(layer,hw)
store={}
orig=bounds.bound_level
def spy(problem, level, kept, prices, fits, boundary, values, rest):
    orig(problem, level, kept, prices, fits, boundary, values, rest)
    store[level]=(kept,prices.copy(),fits.copy(),boundary.copy(),values.copy())
bounds.bound_level=spy
f=build_floors(p,layer,hw)
kept,prices,fits,boundary,values=store[2]
print("prices",prices, "boundary0", boundary.min())
ext=p.lattice.extents
from kcsim.kernels.layout import INDEXES as drive_idx
box,code,placed=0,0,0
print(values[0,0,0])
V=p.machine.macs
while True:
    v=values[placed,code,box]
    done=False
    if placed==kept:
        print("leave at",ext[box],"code",code,"leave cost",bounds.leave.py_func(p,prices,box,code) if hasattr(bounds.leave,'py_func') else '', "boundary",boundary[box]); break
    for t in range(3):
        if not placed>>t&1 and fits[t,box]:
            c=code|1 if t==0 else code|2 if t==2 else (code&3)|4
            if abs(values[placed|1<<t,c,box]-v)<=1e-6*abs(v):
                print("place","WIO"[t],ext[box],p.words[t,box]); placed|=1<<t; code=c; done=True; break
    if done: continue
    for fct,(d,pr,lim,st,sh) in enumerate(p.lattice.digits):
        if box//st%(lim+1)==lim: continue
        a=box+st
        w,o,i=code&1,code>>1&1,code>>2; stay=0
        if w and not drive_idx[0][d]: w=0; stay|=1
        if o and not drive_idx[2][d]: o=0; stay|=2
        if i:
            if d==2: stay|=i<<2; i=0
            elif d>=4:
                ax=(d-4)%2
                if p.slides[ax] and i!=3-ax: stay|=(2+ax)<<2; i=0
        ch=0
        if w: ch+=prices[0]*p.words[0,box]
        if o: ch+=prices[2]*p.words[2,box]
        if i==1: ch+=prices[1]*p.words[1,box]
        elif i: ch+=prices[1]*p.distinct[box]
        ch*=p.rounds[box]
        if abs(values[placed,stay,a]+ch-v)<=1e-6*abs(v):
            print("loop","NGMCPQRS"[d],pr,"charge words",ch/3); code=stay; box=a; done=True; break
    if not done: print("stuck",placed,code,ext[box]); break
