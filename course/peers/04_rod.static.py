import numpy as np

import minigrad as mg

u = mg.placeholder((61,))
left, right = u[:-2], u[2:]
middle = u[1:-1]
both = left + right
inner = (both + 2 * middle) / 4
a, z = u[:1], u[-1:]
cooler = mg.cat([a, inner, z])
moment = mg.compile([u], cooler)

heat = mg.tensor(np.zeros(61, "f"))
heat[25:36] = 100.0

for t in range(201):
    if t % 100 == 0:
        spot = heat[30].item()
        print(t, f"{spot:.2f}")
    heat = moment(heat)
