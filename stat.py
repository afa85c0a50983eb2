import sys,time
import numpy as np
from kcsim.hardware.reader import load_hardware
from kcsim.workload.reader import load_network
from kcsim.mapping import explore as e
from kcsim.mapping.deadline import Deadline
e.compile_kernels()
hw=load_hardware(sys.argv[1]); layer=[l for l in load_network(sys.argv[2]).layers if l.name==sys.argv[3]][0]
x=e._Explorer(e.Task(layer,hw),int(sys.argv[5]) if len(sys.argv)>5 else 0,Deadline(100))
form=x._form(x.task,e.prime_factors(layer),x.task.weights[0])
t=time.process_time(); search,_=x._run(form,float(sys.argv[4]),1<<60); print("time",time.process_time()-t,"LB/most",form.least/float(sys.argv[4]),search.labels.tally)
labels=search.labels; p=form.built.problem
for st in range(len(p.stages)):
    n=w=0
    for b in np.flatnonzero(labels.heads[st]>=0):
        l=labels.heads[st,b]
        while l>=0:
            n+=1; w+=labels.rows[l]["nodes"]>0; l=labels.rows[l]["next"]
    s=p.stages[st]
    if n: print((int(s["level"]),int(s["kept"]),int(s["placed"])),"alive",n,"with nodes",int(w),"boxes",int((labels.heads[st]>=0).sum()))
if x.known.points: print(x.known.points[0].mapping)
