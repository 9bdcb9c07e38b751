import numpy as np

import minigrad as mg

u = mg.placeholder((61,))
left, middle, right = u[:-2], u[1:-1], u[2:]
inner = (left + 2 * middle + right) / 4
cooler = mg.cat([u[:1], inner, u[-1:]])
moment = mg.compile([u], cooler)

heat = mg.tensor(np.zeros(61, "f"))
heat[25:36] = 100.0

for t in range(201):
    if t % 100 == 0:
        print(t, f"{heat[30].item():.2f}")
    heat = moment(heat)
